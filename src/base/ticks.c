/* SPDX-License-Identifier: MIT */
#include "ticks.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

bool pn_ticks_are_counted;

#if defined(__x86_64__)

/* The kernel knows better than the processor where the CPUs' counters disagree: then it has left
 * the counter for a clock that is read from a device. */
static bool kernel_trusts_counter(void)
{
    char name[32] = "";
    const int file = open("/sys/devices/system/clocksource/clocksource0/current_clocksource",
                          O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return true;
    const ssize_t count = read(file, name, sizeof name - 1);
    (void)close(file);
    return count <= 0 || strncmp(name, "tsc", 3) == 0 || strncmp(name, "kvm-clock", 9) == 0 ||
           strncmp(name, "hyperv_", 7) == 0;
}

/* "Invariant TSC" (AMD64 Architecture Programmer's Manual 3, CPUID Fn8000_0007_EDX[8]; Intel has
 * the same): one speed, whatever the CPU does. */
static bool is_invariant(void)
{
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid(0x80000007, &eax, &ebx, &ecx, &edx) && (edx & (1u << 8));
}

__attribute__((constructor)) static void choose(void)
{
    pn_ticks_are_counted = is_invariant() && kernel_trusts_counter();
}

#elif defined(__aarch64__)

__attribute__((constructor)) static void choose(void) { pn_ticks_are_counted = true; }

#endif

/* The clock is read between two looks at the ticks; the closest of some pairs is taken. */
struct pn_moment pn_moment_now(void)
{
    struct pn_moment best = {0, 0};
    uint64_t width = UINT64_MAX;
    for (int i = 0; i < 16; i++) {
        const uint64_t before = pn_ticks();
        const int64_t ns = pn_now();
        const uint64_t after = pn_ticks();
        if (after - before < width) {
            width = after - before;
            best = (struct pn_moment){before + width / 2, ns};
        }
    }
    return best;
}

uint64_t pn_ticks_scale(const struct pn_moment *from, const struct pn_moment *to)
{
    const uint64_t ticks = to->ticks - from->ticks;
    const uint64_t ns = (uint64_t)(to->ns - from->ns);
    return ticks ? (uint64_t)(((unsigned __int128)ns << 32) / ticks) : UINT64_C(1) << 32;
}
