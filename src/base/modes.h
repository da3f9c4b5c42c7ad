/* SPDX-License-Identifier: MIT
 *
 * The floating-point modes of the calling thread: rounding, flushing, which exceptions trap. The
 * control bits alone, not the flags of exceptions that were raised, and without libm. On machines
 * that are not named here nothing is kept.
 *
 *   modes  all of them, for a thread that begins, or that goes from one task to the next
 *   note   those that fenv.h knows, for calls where a few nanoseconds count: on x86-64 to read
 *          mxcsr twice takes 10 ns, to read the x87's control word twice 0.6 ns (measured on
 *          an EPYC), and what fenv.h changes it changes in both
 */
#ifndef PN_MODES_H
#define PN_MODES_H

#include <stdint.h>

#if defined(__x86_64__)

#define PN_MXCSR_FLAGS UINT32_C(0x3f) /* the exceptions that were raised */

struct pn_modes {
    uint32_t mxcsr;
    uint16_t x87;
};

static inline struct pn_modes pn_modes_get(void)
{
    struct pn_modes modes;
    __asm__ __volatile__("stmxcsr %0" : "=m"(modes.mxcsr));
    __asm__ __volatile__("fnstcw %0" : "=m"(modes.x87));
    return modes;
}

/* Writing them is slow, and seldom needed. */
static inline void pn_modes_set(const struct pn_modes *modes)
{
    const struct pn_modes now = pn_modes_get();
    if ((now.mxcsr ^ modes->mxcsr) & ~PN_MXCSR_FLAGS) {
        const uint32_t mxcsr =
            (modes->mxcsr & ~PN_MXCSR_FLAGS) | (now.mxcsr & PN_MXCSR_FLAGS);
        __asm__ __volatile__("ldmxcsr %0" : : "m"(mxcsr));
    }
    if (now.x87 != modes->x87)
        __asm__ __volatile__("fldcw %0" : : "m"(modes->x87));
}

struct pn_note {
    uint16_t x87;
};

static inline struct pn_note pn_note_take(void)
{
    struct pn_note note;
    __asm__ __volatile__("fnstcw %0" : "=m"(note.x87));
    return note;
}

/* Rounding and traps as they were in both units; flushing, which the x87 lacks, as it is now. */
static __attribute__((noinline, cold, unused)) void pn_note_restore(const struct pn_note *note)
{
    struct pn_modes modes = pn_modes_get();
    modes.x87 = note->x87;
    modes.mxcsr &= ~(UINT32_C(3) << 13 | UINT32_C(0x3f) << 7);
    modes.mxcsr |= (uint32_t)(note->x87 & 0xc00) << 3 | (uint32_t)(note->x87 & 0x3f) << 7;
    pn_modes_set(&modes);
}

static inline void pn_note_recall(const struct pn_note *note)
{
    if (__builtin_expect(pn_note_take().x87 != note->x87, 0))
        pn_note_restore(note);
}

#elif defined(__aarch64__)

struct pn_modes {
    uint64_t fpcr;
};

static inline struct pn_modes pn_modes_get(void)
{
    struct pn_modes modes;
    __asm__ __volatile__("mrs %0, fpcr" : "=r"(modes.fpcr));
    return modes;
}

static inline void pn_modes_set(const struct pn_modes *modes)
{
    if (pn_modes_get().fpcr != modes->fpcr)
        __asm__ __volatile__("msr fpcr, %0" : : "r"(modes->fpcr));
}

#define pn_note        pn_modes
#define pn_note_take   pn_modes_get
#define pn_note_recall pn_modes_set

#else

struct pn_modes {
    int none;
};

static inline struct pn_modes pn_modes_get(void) { return (struct pn_modes){0}; }
static inline void pn_modes_set(const struct pn_modes *modes) { (void)modes; }

#define pn_note        pn_modes
#define pn_note_take   pn_modes_get
#define pn_note_recall pn_modes_set

#endif
#endif
