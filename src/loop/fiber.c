/* SPDX-License-Identifier: MIT */
#include "fiber.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "check.h"

#if PN_FIBER_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if PN_FIBER_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#if PN_VALGRIND
#include <valgrind/valgrind.h>
#endif

#define IS_WATCHED (PN_FIBER_ASAN || PN_FIBER_TSAN)

/* Enough for what a task does that makes no others, and for the library; at most a quarter. */
#define STACK_LEFT ((size_t)16 * 1024)

_Thread_local struct pn_fiber *pn_fiber_here;

#if IS_WATCHED

#if PN_FIBER_TSAN
static _Thread_local void *ended_tsan; /* the last to run here: it could not be let go of then */
#endif

/* What is told before a switch and after it: by who leaves, and by who goes on. Inline:
 * ThreadSanitizer counts calls and returns by fiber, and a call of the one would return as the
 * other. */
static inline __attribute__((always_inline)) void tell_leaving(struct pn_fiber *from,
                                                               struct pn_fiber *to, bool ends)
{
#if PN_FIBER_ASAN
    __sanitizer_start_switch_fiber(ends ? NULL : &from->asan, to->bounds.low, to->bounds.bytes);
#else
    (void)from;
#endif
#if PN_FIBER_TSAN
    ended_tsan = ends ? from->tsan : NULL;
    __tsan_switch_to_fiber(to->tsan, 0);
#else
    (void)ends;
#endif
}

static void tell_going_on(struct pn_fiber *fiber)
{
#if PN_FIBER_ASAN
    __sanitizer_finish_switch_fiber(fiber->asan, NULL, NULL);
#else
    (void)fiber;
#endif
#if PN_FIBER_TSAN
    if (ended_tsan)
        __tsan_destroy_fiber(ended_tsan);
    ended_tsan = NULL;
#endif
}

static void begin(void *argument)
{
    struct pn_fiber *const fiber = argument;
    tell_going_on(fiber);
    fiber->entry(fiber->argument);
}

#endif

static void note_bounds(struct pn_fiber *fiber)
{
#if PN_FIBER_ASAN
    pthread_attr_t attributes;
    void *low;
    fiber->bounds = fiber->stack;
    if (fiber->stack.bytes == 0 && pthread_getattr_np(pthread_self(), &attributes) == 0) {
        (void)pthread_attr_getstack(&attributes, &low, &fiber->bounds.bytes);
        fiber->bounds.low = low;
        (void)pthread_attr_destroy(&attributes);
    }
#else
    (void)fiber;
#endif
}

void pn_fiber_init_thread(struct pn_fiber *fiber)
{
    memset(fiber, 0, sizeof *fiber);
    fiber->errno_place = &errno;
    fiber->magic = PN_FIBER_ALIVE;
    note_bounds(fiber);
#if PN_FIBER_TSAN
    fiber->tsan = __tsan_get_current_fiber();
#endif
    fiber->next = pn_fiber_here;
    pn_fiber_here = fiber;
}

void pn_fiber_fini_thread(struct pn_fiber *fiber)
{
    PN_ASSERT(pn_fiber_here == fiber);
    fiber->magic = PN_FIBER_ENDED;
    pn_fiber_here = fiber->next;
}

void pn_fiber_init(struct pn_fiber *fiber, const struct pn_stack *stack)
{
    memset(fiber, 0, sizeof *fiber);
    fiber->stack = *stack;
    fiber->magic = PN_FIBER_ENDED;
    note_bounds(fiber);
}

void pn_fiber_prepare(struct pn_fiber *fiber, void (*entry)(void *argument), void *argument)
{
    const size_t left = fiber->stack.bytes / 4 < STACK_LEFT ? fiber->stack.bytes / 4 : STACK_LEFT;
    PN_ASSERT(fiber->magic == PN_FIBER_ENDED);
    fiber->context = (struct pn_context){0};
    fiber->local = NULL;
    fiber->stack_low = (uintptr_t)fiber->stack.low + left;
    fiber->saved_errno = 0;
    fiber->errno_place = &errno;
    fiber->magic = PN_FIBER_ALIVE;
    fiber->entry = entry;
    fiber->argument = argument;
    fiber->asan = NULL;
#if PN_FIBER_ASAN
    __asan_unpoison_memory_region(fiber->stack.low,
                                  (size_t)((char *)fiber - fiber->stack.low));
#endif
#if PN_FIBER_TSAN
    fiber->tsan = __tsan_create_fiber(0);
#endif
#if PN_VALGRIND
    fiber->valgrind = VALGRIND_STACK_REGISTER(fiber->stack.low, (char *)fiber);
#endif
#if IS_WATCHED
    entry = begin;
    argument = fiber;
#endif
    pn_switch_prepare(&fiber->at, fiber->stack.low, fiber, entry, argument);
}

#if IS_WATCHED
void pn_fiber_switch(struct pn_fiber *from, struct pn_fiber *to)
{
    pn_fiber_leave(from, to);
    tell_leaving(from, to, false);
    pn_switch(&from->at, &to->at);
    tell_going_on(from);
}
#endif

void pn_fiber_exit_to(struct pn_fiber *from, struct pn_fiber *to)
{
    PN_ASSERT(pn_fiber_here == from && from != to && from->stack.bytes);
    from->magic = PN_FIBER_ENDED;
    pn_fiber_enter(to);
#if PN_VALGRIND
    VALGRIND_STACK_DEREGISTER(from->valgrind);
#endif
#if IS_WATCHED
    tell_leaving(from, to, true);
#endif
    pn_switch(&from->at, &to->at);
    __builtin_unreachable();
}
