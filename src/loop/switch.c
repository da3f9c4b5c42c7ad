/* SPDX-License-Identifier: MIT */
#include "switch.h"

#include <stdint.h>
#include <string.h>

#if PN_SWITCH

#include "modes.h"

/* In switch.S: where a new stack begins. */
extern const char pn_switch_begin[];

void pn_switch_prepare(struct pn_continuation *at, void *low, void *top,
                       void (*entry)(void *argument), void *argument)
{
    const struct pn_modes modes = pn_modes_get();
    (void)low;
#if defined(__x86_64__)
    void **const words = (void **)((uintptr_t)top & ~(uintptr_t)15) - 2;
    memcpy(&words[0], &entry, sizeof entry);
    words[1] = argument;
    *at = (struct pn_continuation){words, pn_switch_begin, NULL, modes.mxcsr, modes.x87};
#else
    char *const frame = (char *)((uintptr_t)top & ~(uintptr_t)15) - PN_SWITCH_BYTES;
    const void *const begin = pn_switch_begin;
    _Static_assert(sizeof modes <= 8, "what switch.S has for them");
    memset(frame, 0, PN_SWITCH_BYTES);
    memcpy(frame + PN_SWITCH_MODES, &modes, sizeof modes);
    memcpy(frame + PN_SWITCH_ENTRY, &entry, sizeof entry);
    memcpy(frame + PN_SWITCH_ARGUMENT, &argument, sizeof argument);
    memcpy(frame + PN_SWITCH_RETURN, &begin, sizeof begin);
    at->stack_pointer = frame;
#endif
}

#else

#include <ucontext.h>

/* On the new stack, above what it uses. */
struct beginning {
    ucontext_t place;
    void (*entry)(void *argument);
    void *argument;
};

static void begin(unsigned high, unsigned low)
{
    const struct beginning *const beginning =
        (const void *)((uintptr_t)high << 16 << 16 | (uintptr_t)low);
    beginning->entry(beginning->argument);
}

void pn_switch(struct pn_continuation *from, const struct pn_continuation *to)
{
    ucontext_t here; /* the stack pointer that is kept */
    from->stack_pointer = &here;
    (void)swapcontext(&here, to->stack_pointer);
}

void pn_switch_prepare(struct pn_continuation *at, void *low, void *top,
                       void (*entry)(void *argument), void *argument)
{
    struct beginning *const beginning =
        (void *)(((uintptr_t)top - sizeof *beginning) & ~(uintptr_t)63);
    beginning->entry = entry;
    beginning->argument = argument;
    (void)getcontext(&beginning->place);
    beginning->place.uc_stack.ss_sp = low;
    beginning->place.uc_stack.ss_size = (size_t)((char *)beginning - (char *)low);
    beginning->place.uc_link = NULL;
    makecontext(&beginning->place, (void (*)(void))begin, 2,
                (unsigned)((uintptr_t)beginning >> 16 >> 16), (unsigned)(uintptr_t)beginning);
    at->stack_pointer = &beginning->place;
}

#endif
