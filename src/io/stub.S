/* SPDX-License-Identifier: MIT
 *
 * See stub.h. In both the stack is the same from begin to end, so that a handler may move the
 * program from one place to another, and the address of the struct stands in a register that the
 * kernel keeps.
 */
#include "stub.h"

#if PN_STUB

#define MINUS_EINTR -4

        .text
        .globl pn_stub_run, pn_stub_begin, pn_stub_call, pn_stub_canceled, pn_stub_end
        .hidden pn_stub_run, pn_stub_begin, pn_stub_call, pn_stub_canceled, pn_stub_end
        .type pn_stub_run, %function
        .balign 16

#if defined(__x86_64__)

#ifdef __CET__
#include <cet.h>
#else
#define _CET_ENDBR
#endif

pn_stub_run:
        .cfi_startproc
        _CET_ENDBR
        pushq %rbx
        .cfi_def_cfa_offset 16
        .cfi_offset %rbx, -16
        movq %rdi, %rbx
pn_stub_begin:
        movl $1, PN_STUB_INSIDE(%rbx)
        cmpl $0, PN_STUB_CANCELED(%rbx)
        jne .Lcanceled
        movq %rsi, %rax
        movq PN_CALL_ARGUMENTS(%rax), %rdi
        movq PN_CALL_ARGUMENTS + 8(%rax), %rsi
        movq PN_CALL_ARGUMENTS + 16(%rax), %rdx
        movq PN_CALL_ARGUMENTS + 24(%rax), %r10
        movq PN_CALL_ARGUMENTS + 32(%rax), %r8
        movq PN_CALL_ARGUMENTS + 40(%rax), %r9
        movq PN_CALL_NUMBER(%rax), %rax
pn_stub_call:
        syscall
.Lleave:
        movl $0, PN_STUB_INSIDE(%rbx)
        .cfi_remember_state
        popq %rbx
        .cfi_def_cfa_offset 8
        .cfi_restore %rbx
        ret
        .cfi_restore_state
pn_stub_canceled:
.Lcanceled:
        movq $MINUS_EINTR, %rax
        jmp .Lleave
pn_stub_end:
        .cfi_endproc

#else /* aarch64 */

pn_stub_run:
        .cfi_startproc
        hint #34 /* bti c */
        mov x9, x0
pn_stub_begin:
        mov w10, #1
        str w10, [x9, #PN_STUB_INSIDE]
        ldr w10, [x9, #PN_STUB_CANCELED]
        cbnz w10, .Lcanceled
        mov x10, x1
        ldr x8, [x10, #PN_CALL_NUMBER]
        ldp x0, x1, [x10, #PN_CALL_ARGUMENTS]
        ldp x2, x3, [x10, #PN_CALL_ARGUMENTS + 16]
        ldp x4, x5, [x10, #PN_CALL_ARGUMENTS + 32]
pn_stub_call:
        svc #0
.Lleave:
        str wzr, [x9, #PN_STUB_INSIDE]
        ret
pn_stub_canceled:
.Lcanceled:
        mov x0, #MINUS_EINTR
        b .Lleave
pn_stub_end:
        .cfi_endproc

#endif

        .size pn_stub_run, . - pn_stub_run

#endif

#ifdef __ARM_FEATURE_BTI_DEFAULT
        .section .note.gnu.property, "a"
        .balign 8
        .long 4, 16, 5
        .asciz "GNU"
        .long 0xc0000000, 4, 1, 0 /* GNU_PROPERTY_AARCH64_FEATURE_1_AND: BTI */
#endif

        .section .note.GNU-stack, "", %progbits
