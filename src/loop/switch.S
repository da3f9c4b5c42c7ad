/* SPDX-License-Identifier: MIT
 *
 * See switch.h: where new stacks begin, and the switch itself on aarch64. That goes on by a jump
 * and not by a return: the processor expects a return to go where the last call came from, which is
 * always wrong here. The modes are written only where they differ, which is slow and rare. Where
 * shadow stacks are kept this can't run, so the object does not say that it could.
 */
#include "switch.h"

#if PN_SWITCH

        .text
        .globl pn_switch_begin
        .hidden pn_switch_begin
        .balign 16

#if defined(__x86_64__)

/* Where a new stack begins: on it lie the function and its argument. */
pn_switch_begin:
        .cfi_startproc
        .cfi_undefined %rip /* nobody called it */
        movq 8(%rsp), %rdi
        callq *(%rsp)
        ud2
        .cfi_endproc
        .size pn_switch_begin, . - pn_switch_begin

#else /* aarch64 */

        .globl pn_switch
        .hidden pn_switch
        .type pn_switch, %function
pn_switch:
        .cfi_startproc
        hint #34 /* bti c */
        sub sp, sp, #PN_SWITCH_BYTES
        .cfi_def_cfa_offset PN_SWITCH_BYTES
        mov x9, sp
        mrs x10, fpcr
        str x9, [x0]
        stp x19, x20, [sp]
        stp x21, x22, [sp, #16]
        stp x23, x24, [sp, #32]
        stp x25, x26, [sp, #48]
        stp x27, x28, [sp, #64]
        stp x29, x30, [sp, #80]
        stp d8, d9, [sp, #96]
        stp d10, d11, [sp, #112]
        stp d12, d13, [sp, #128]
        stp d14, d15, [sp, #144]
        str x10, [sp, #PN_SWITCH_MODES]
        .cfi_offset x19, -176
        .cfi_offset x20, -168
        .cfi_offset x21, -160
        .cfi_offset x22, -152
        .cfi_offset x23, -144
        .cfi_offset x24, -136
        .cfi_offset x25, -128
        .cfi_offset x26, -120
        .cfi_offset x27, -112
        .cfi_offset x28, -104
        .cfi_offset x29, -96
        .cfi_offset x30, -88
        .cfi_offset 72, -80 /* d8, by its number, which every assembler knows, to d15 */
        .cfi_offset 73, -72
        .cfi_offset 74, -64
        .cfi_offset 75, -56
        .cfi_offset 76, -48
        .cfi_offset 77, -40
        .cfi_offset 78, -32
        .cfi_offset 79, -24
        /* From here on the other's: laid out the same, so that the same is true of it. */
        ldr x9, [x1]
        mov sp, x9
        ldp x29, x30, [sp, #80]
        ldr x11, [sp, #PN_SWITCH_MODES]
        ldp x19, x20, [sp]
        ldp x21, x22, [sp, #16]
        ldp x23, x24, [sp, #32]
        ldp x25, x26, [sp, #48]
        ldp x27, x28, [sp, #64]
        ldp d8, d9, [sp, #96]
        ldp d10, d11, [sp, #112]
        ldp d12, d13, [sp, #128]
        ldp d14, d15, [sp, #144]
        cmp x10, x11
        b.ne .Lmodes
.Lgo:
        add sp, sp, #PN_SWITCH_BYTES
        .cfi_remember_state
        .cfi_def_cfa_offset 0
#ifdef __ARM_FEATURE_BTI_DEFAULT
        ret /* a jump must land on a marked instruction, which the one after a call is not */
#else
        br x30
#endif
        .cfi_restore_state
.Lmodes:
        msr fpcr, x11
        b .Lgo
        .cfi_endproc
        .size pn_switch, . - pn_switch

        .balign 16
pn_switch_begin:
        .cfi_startproc
        .cfi_undefined x30 /* nobody called it */
        mov x0, x19
        blr x20
        brk #0
        .cfi_endproc
        .size pn_switch_begin, . - pn_switch_begin

#endif
#endif

/* That indirect calls land on marked instructions, which is said of an object as a whole. */
#if defined(__CET__) && (__CET__ & 1)
        .section .note.gnu.property, "a"
        .balign 8
        .long 4, 16, 5
        .asciz "GNU"
        .long 0xc0000002, 4, 1, 0 /* GNU_PROPERTY_X86_FEATURE_1_AND: IBT, and not SHSTK */
#elif defined(__ARM_FEATURE_BTI_DEFAULT)
        .section .note.gnu.property, "a"
        .balign 8
        .long 4, 16, 5
        .asciz "GNU"
        .long 0xc0000000, 4, 1, 0 /* GNU_PROPERTY_AARCH64_FEATURE_1_AND: BTI */
#endif

        .section .note.GNU-stack, "", %progbits
