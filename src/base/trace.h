/* SPDX-License-Identifier: MIT
 *
 * Events, as they are written: each thread has a ring of its own, into which it alone writes, and
 * which one reader empties. What an event means for people, and where it goes, is the reader's
 * (src/observe). While nobody traces an event costs a load and a branch.
 *
 * The same places are probes for other tracers, where the build has sys/sdt.h: pinion:KIND with a
 * and b as arguments, at the cost of a nop.
 */
#ifndef PN_TRACE_H
#define PN_TRACE_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "atomic.h"
#include "check.h"

#ifndef PN_SDT
#define PN_SDT 0
#endif
#if PN_SDT
#include <sys/sdt.h>
#define PN_PROBE(kind, a, b) STAP_PROBE2(pinion, kind, (uintptr_t)(a), (uintptr_t)(b))
#else
#define PN_PROBE(kind, a, b) ((void)0)
#endif

/* What happened, to the thread that writes it, and what a, b and c are. Objects are known by their
 * addresses: nobody follows them. */
enum pn_trace_kind {
    PN_TRACE_none,
    PN_TRACE_dropped,      /* so many events (a) before this had no room */
    PN_TRACE_queued,       /* a task (a) of a function (b), as the c-th in its queue */
    PN_TRACE_run_begin,    /* a task (a) of a function (b), of enum pn_task_kind (c), which
                              has PN_TRACE_UNAWAITED where nobody awaits it */
    PN_TRACE_run_end,      /* a task (a) */
    PN_TRACE_named,        /* the task that runs: 16 bytes (a, b) of it from the c-th on; all are
                              there once one of them is 0 */
    PN_TRACE_awaited,      /* a task (a) was awaited, and is no more */
    PN_TRACE_wait_begin,   /* in a waiter (a); b: 1 for a task, 0 for anything else */
    PN_TRACE_wait_end,     /* in a waiter (a) */
    PN_TRACE_call,         /* a system call (c) that waited has ended; since (a), in ticks */
    PN_TRACE_park_begin,   /* a worker (a) sleeps */
    PN_TRACE_park_end,
    PN_TRACE_search_begin, /* a worker has nothing to do, and looks for it */
    PN_TRACE_search_end,
    PN_TRACE_wake,         /* a waiter, a worker or a fiber (a) that sleeps */
    PN_TRACE_woken,        /* in a waiter (a) */
    PN_TRACE_steal,        /* from a worker of 16 bytes' name (a, b), so far away (c) */
    PN_TRACE_fiber_switch, /* to a fiber (a), from another (b) */
    PN_TRACE_capacity,     /* of a crew (a) with a noun (b, static text): c */
    PN_TRACE_KINDS
};

#define PN_TRACE_UNAWAITED 256u

struct pn_event {
    uint64_t ticks, a, b;
    uint32_t c;
    uint32_t kind;
};
_Static_assert(sizeof(struct pn_event) == 32, "two a line");

/* Single writer, single reader.
 *   head - tail: events in it, at most mask + 1; neither goes back
 *   dropped: that had no room, so far
 * head is stored after the event and tail after it was read: each pairs with the other's load. */
struct pn_event_ring {
    /* The writer's. */
    alignas(PN_LINE_PAIR) _Atomic(uint64_t) head;
    _Atomic(uint64_t) dropped;
    uint64_t tail_seen;
    uint64_t dropped_told; /* by an event */
    /* The reader's. */
    alignas(PN_LINE_PAIR) _Atomic(uint64_t) tail;
    void *reader; /* its own; NULL in a new ring */
    /* Constant. */
    alignas(PN_LINE_PAIR) uint32_t run; /* the trace that it was made for */
    pid_t tid;
    char name[16]; /* of the thread */
    size_t bytes;  /* of the mapping that it is */
    uint64_t mask;
    /* Under the rings' lock. */
    struct pn_event_ring *next;
    bool is_listed, is_ended;

    alignas(PN_LINE_PAIR) struct pn_event events[];
};

/* The trace that is on, counted from 1; 0: none. A hint for who writes. */
extern _Atomic(uint32_t) pn_trace_run __attribute__((visibility("hidden")));

static inline bool pn_trace_is_on(void)
{
    return PN_UNLIKELY(pn_load_relaxed(&pn_trace_run) != 0); /* soon is soon enough */
}

/* Writes an event of the calling thread, if a trace is on. Keeps errno. Not in a signal's
 * handler. */
void pn_trace_add(enum pn_trace_kind kind, uint64_t a, uint64_t b, uint32_t c);

#define PN_EVENT(kind, a, b, c)                                                                    \
    do {                                                                                           \
        PN_PROBE(kind, a, b);                                                                      \
        if (pn_trace_is_on())                                                                      \
            pn_trace_add(PN_TRACE_##kind, (uintptr_t)(a), (uintptr_t)(b), (uint32_t)(c));          \
    } while (0)

/* The task that runs here has this name from now on: PN_TRACE_NAME_BYTES at most. */
#define PN_TRACE_NAME_BYTES 48
void pn_trace_add_name(const char *name);

/* ---- for the one reader ---- */

/* Is rung by writers whose ring is half full, and by who ends the trace. The reader sleeps on
 * it. */
extern _Atomic(uint32_t) pn_trace_bell __attribute__((visibility("hidden")));
void pn_trace_ring_bell(void);

/* From now on threads write into rings of at least so many events each. Nobody traces yet. */
void pn_trace_open(size_t events);
/* No more. Who was about to write may still do so. */
void pn_trace_shut(void);
/* The rings, the newest first. */
struct pn_event_ring *pn_trace_rings(void);
/* Frees the rings of threads that have ended, if they are empty; of others too if nobody traces any
 * more, whose threads free them at the next occasion. let_go: for each before, by which the reader
 * frees its own. */
void pn_trace_reap(void (*let_go)(struct pn_event_ring *ring));

/* What PINION_TRACE asks for: 0 or -errno with the detail. Set by who can do it, asked by who makes
 * what is traced; NULL: nobody can. */
extern int (*pn_trace_obey_environment)(void) __attribute__((visibility("hidden")));

/* ---- the names of functions ---- */

/* Tells a name; copied. Any thread, while a trace is on. */
void pn_trace_name_function(uintptr_t function, const char *name);
/* The same for functions of ours that run as tasks, by themselves. */
#define PN_TASK_IS(function, name)                                                                 \
    do {                                                                                           \
        if (pn_trace_is_on())                                                                      \
            pn_trace_name_function((uintptr_t)(function), (name));                                 \
    } while (0)
/* Copies a function's name, cut to size; false: nobody has told it. By the reader. */
bool pn_trace_function_name(uintptr_t function, char *name, size_t size);
/* How many were told: what was looked for in vain may be there when it has changed. */
size_t pn_trace_names_told(void);

#endif
