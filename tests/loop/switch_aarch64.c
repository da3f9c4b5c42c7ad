/* SPDX-License-Identifier: MIT
 *
 * The switch of aarch64, as a program of its own that an emulator runs: what a function keeps for
 * its caller is kept, on both sides.
 */
#include <fenv.h>
#include <stdint.h>

#include "switch.h"

#define STACK_BYTES 65536
#define SWITCHES    5

static char stack[STACK_BYTES] __attribute__((aligned(64)));
static struct pn_continuation program, other;
static int rounds;

/* Fills the registers x19 to x28 and d8 to d15 from value on, switches, and gives back the bits in
 * which they differ then. */
static __attribute__((noinline))
uint64_t wrong_bits(struct pn_continuation *from, const struct pn_continuation *to, uint64_t value)
{
    register struct pn_continuation *first __asm__("x0") = from;
    register const struct pn_continuation *second __asm__("x1") = to;
    register uint64_t wrong __asm__("x2") = value;
    __asm__ volatile(
        "stp x2, x29, [sp, #-16]!\n"
        ".irp n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28\n"
        "add x\\n, x2, #\\n\n"
        ".endr\n"
        ".irp n, 8, 9, 10, 11, 12, 13, 14, 15\n"
        "add x9, x2, #\\n\n"
        "fmov d\\n, x9\n"
        ".endr\n"
        "bl pn_switch\n"
        "ldp x3, x29, [sp], #16\n"
        "mov x2, #0\n"
        ".irp n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28\n"
        "add x9, x3, #\\n\n"
        "eor x9, x9, x\\n\n"
        "orr x2, x2, x9\n"
        ".endr\n"
        ".irp n, 8, 9, 10, 11, 12, 13, 14, 15\n"
        "add x9, x3, #\\n\n"
        "fmov x10, d\\n\n"
        "eor x9, x9, x10\n"
        "orr x2, x2, x9\n"
        ".endr\n"
        : "+r"(first), "+r"(second), "+r"(wrong)
        :
        : "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15",
          "x16", "x17", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x30",
          "d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8", "d9", "d10", "d11", "d12", "d13",
          "d14", "d15", "memory", "cc");
    return wrong;
}

static void run_other(void *argument)
{
    uint64_t *wrong = argument;
    *wrong |= fegetround() != FE_DOWNWARD; /* its maker's */
    (void)fesetround(FE_UPWARD);
    for (uint64_t value = 1;; value++) {
        rounds++;
        *wrong |= wrong_bits(&other, &program, value << 32);
        *wrong |= fegetround() != FE_UPWARD;
    }
}

int main(void)
{
    uint64_t wrong = 0;
    (void)fesetround(FE_DOWNWARD);
    pn_switch_prepare(&other, stack, stack + STACK_BYTES, run_other, &wrong);
    (void)fesetround(FE_TOWARDZERO);
    for (uint64_t value = 1; value <= SWITCHES; value++) {
        wrong |= wrong_bits(&program, &other, value << 40);
        wrong |= fegetround() != FE_TOWARDZERO;
    }
    return wrong || rounds != SWITCHES;
}
