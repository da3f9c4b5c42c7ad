/* SPDX-License-Identifier: MIT
 *
 * What a crew shows to other processes (segment.h): a header, then in any order a record for each
 * of its slots and one for the outside threads of each of its nodes, each on pages of its own, on
 * its node.
 * Read by another program, which may be of another version: whatever is changed here but at the
 * end of a struct takes a new PN_RECORD_LAYOUT.
 *
 * All is written relaxed, by one thread each unless it says else, and nothing here is for more than
 * to be looked at, but what the scheduler keeps here (counters, deque) and inline.h (head).
 */
#ifndef PN_RECORD_H
#define PN_RECORD_H

#include <stdalign.h>
#include <stdint.h>

#include <pinion/inline.h>

#include "atomic.h"
#include "counters.h"
#include "deque.h"
#include "slab.h"

#define PN_RECORD_MAGIC  "pinion\n"
#define PN_RECORD_LAYOUT 1u
#define PN_RECORD_BYTES  4096u /* where pages are larger, as large as one */

struct pn_worker;

/* What the slot's thread reads to run tasks in place (inline.h). runs: set by the thread, when
 * enough is queued in its deque and nobody is hungry, cleared by it when it takes an entry out, and
 * by thieves that take one or miss one (ask.h). */
struct pn_head {
    struct pinion_head shared;
    uint64_t crew_id;
    struct pn_worker *worker;
};

enum pn_role { PN_BASE, PN_RESERVE, PN_CALLER, PN_OUTSIDE /* a node's outside threads */ };

/* Of a loop's worker. */
struct pn_loop_counters {
    _Atomic(uint64_t) fibers;    /* that have begun and not ended */
    _Atomic(uint64_t) started;   /* that have begun */
    _Atomic(uint64_t) submitted; /* operations, to the kernel */
    _Atomic(uint64_t) completed; /* of these */
    _Atomic(uint64_t) waits;     /* calls of the kernel that submit, wait, or ask what completed */
};

/* The longest known wait of a worker's fibers (loop/waits.h). version: odd while the rest is
 * changed. since: 0: none is known. */
struct pn_wait_shown {
    _Atomic(uint32_t) version;
    _Atomic(int32_t) call, descriptor; /* -1: none */
    _Atomic(int64_t) since;
    _Atomic(uint64_t) fiber;
    _Atomic(uintptr_t) function;
};

struct pn_record {
    _Atomic(uint32_t) is_made; /* what is constant is there. Release, pairs with who looks */
    /* Constant. */
    uint32_t role, index; /* enum pn_role; among its role */
    int32_t cpu;          /* of its seat; -1: none */
    uint32_t node;        /* PINION_NO_NODE: none */
    uint32_t is_program;  /* its seat is for a thread of the program's */

    /* By its thread: the CPU that it is pinned to, by the kernel's word; -1: it may run on several.
     * And its number, in its own namespace; 0: it has no thread. */
    _Atomic(int32_t) pinned_cpu;
    _Atomic(int32_t) thread;

    alignas(PN_LINE_PAIR) struct pn_counters counters;
    alignas(PN_LINE_PAIR) struct pn_loop_counters loop;
    alignas(PN_LINE_PAIR) struct pn_head head;
    struct pn_deque deque;
    alignas(PN_LINE_PAIR) struct pn_slab_shown slab;

    /* Of outside threads: tasks that they ran in place, by any of them with locked instructions. */
    alignas(PN_LINE_PAIR) _Atomic(uint64_t) inlined;

    /* Of a loop's worker. */
    alignas(PN_LINE_PAIR) struct pn_wait_shown longest;
};
_Static_assert(sizeof(struct pn_record) <= PN_RECORD_BYTES, "a record fits its pages");

/* The start of the segment. */
struct pn_record_header {
    char magic[8];
    _Atomic(uint32_t) layout;            /* written last; release, pairs with who looks */
    uint32_t header_bytes, record_bytes; /* where the records begin, and how far they are apart */
    uint32_t pid;                        /* in its own namespace */
    uint64_t id;                         /* among the process's pools and loops */
    int64_t made_at;                     /* CLOCK_MONOTONIC, ns */
    char noun[8];                        /* "pool", "loop" */
    char idle[16];                       /* by name, as in the run report */
    uint32_t cpu_count;
    uint32_t base_seats; /* how many threads of its own base seats are for */

    _Atomic(uint32_t) records;  /* no more are there */
    _Atomic(uint32_t) left_out; /* slots that found no room here */

    /* Under the crew's lock. threads: alive, those being started not counted. */
    _Atomic(uint32_t) parallel_count, threads, threads_peak;
    /* Of a loop: what its last worker that began waits in. */
    _Atomic(uint32_t) backend;    /* enum pn_backend_kind; 0: none has begun */
    _Atomic(uint32_t) is_degraded;
    _Atomic(uint32_t) is_over;    /* the crew has ended */
};

#endif
