/* SPDX-License-Identifier: MIT
 *
 * The switch in the caller's own code, not called. The processor expects a return to go where the
 * last call came from: a switch that is called and ends in a return disappoints it there, and one
 * that ends in a jump at every return after it. This is neither, so returns are foreseen wherever
 * both stacks were left at the same depth, as at a yield. The compiler saves what registers it
 * needs. The modes are written only where they differ, which is slow and rare. Where shadow stacks
 * are kept this can't run; switch.S is an object that does not say that it could.
 */
#ifndef PN_SWITCH_X86_64_H
#define PN_SWITCH_X86_64_H

#define PN_TEXT_(x) #x
#define PN_TEXT(x)  PN_TEXT_(x)

/* The flags of exceptions in mxcsr take its six low bits. */
#define PN_MXCSR_MODES 0xffffffc0

#if defined(__AVX512F__)
#define PN_WIDE_REGISTERS                                                                          \
    , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25",    \
        "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k1", "k2", "k3", "k4", "k5", "k6",  \
        "k7"
#else
#define PN_WIDE_REGISTERS
#endif

static inline __attribute__((always_inline)) void pn_switch(struct pn_continuation *from,
                                                            const struct pn_continuation *to)
{
    __asm__ volatile(
        "leaq 1f(%%rip), %%rax\n\t"
        "movq %%rsp, (%0)\n\t"
        "movq %%rax, " PN_TEXT(PN_CONTINUATION_NEXT) "(%0)\n\t"
        "movq %%rbp, " PN_TEXT(PN_CONTINUATION_FRAME) "(%0)\n\t"
        "stmxcsr " PN_TEXT(PN_CONTINUATION_MODES) "(%0)\n\t"
        "fnstcw " PN_TEXT(PN_CONTINUATION_X87) "(%0)\n\t"
        "movl " PN_TEXT(PN_CONTINUATION_MODES) "(%0), %%eax\n\t"
        "movzwl " PN_TEXT(PN_CONTINUATION_X87) "(%0), %%edx\n\t"
        "movq " PN_TEXT(PN_CONTINUATION_NEXT) "(%1), %%rcx\n\t"
        "movq (%1), %%rsp\n\t"
        "movq " PN_TEXT(PN_CONTINUATION_FRAME) "(%1), %%rbp\n\t"
        "xorl " PN_TEXT(PN_CONTINUATION_MODES) "(%1), %%eax\n\t"
        "cmpw " PN_TEXT(PN_CONTINUATION_X87) "(%1), %%dx\n\t"
        "jne 2f\n\t"
        "testl $" PN_TEXT(PN_MXCSR_MODES) ", %%eax\n\t"
        "jne 2f\n"
        "3:\n\t"
        "notrack jmpq *%%rcx\n"
        "2:\n\t"
        "ldmxcsr " PN_TEXT(PN_CONTINUATION_MODES) "(%1)\n\t"
        "fldcw " PN_TEXT(PN_CONTINUATION_X87) "(%1)\n\t"
        "jmp 3b\n"
        "1:"
        : "+D"(from), "+S"(to)
        :
        : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc",
          "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
          "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "st", "st(1)", "st(2)", "st(3)",
          "st(4)", "st(5)", "st(6)", "st(7)" PN_WIDE_REGISTERS);
}

#endif
