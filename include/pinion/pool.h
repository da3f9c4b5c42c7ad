/* SPDX-License-Identifier: MIT
 *
 * The implementation whose unit of concurrency is a thread: workers pinned to CPUs by a plan.
 *
 * capacity = cpu_count - 1 + parallel_count at every moment. The cpu_count - 1 base workers run
 * async tasks; a parallel or concurrent task has a reserved thread of its own. Threads start
 * lazily, only while there are fewer than capacity; those above it, when parallel tasks have ended,
 * are kept for the next ones for retire_after, then end.
 *
 * Environment, read at create: PINION_CPUS (as topology_options.cpus; only where the pool discovers
 * the topology itself), PINION_PLACE (auto, compact, scatter, node, none), PINION_IDLE (adaptive,
 * park, poll), PINION_SLICE (i/n). A field set in the options wins; a variable that does not parse
 * is -EINVAL. PINION_TRACE (a file) is read by a process' first create: see trace.h.
 *
 * A pool keeps one descriptor, close-on-exec, by which other processes of the same user can watch
 * it (watch.h); without one it works all the same, and its report says so.
 */
#ifndef PINION_POOL_H
#define PINION_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <pinion/api.h>
#include <pinion/io.h>
#include <pinion/plan.h>
#include <pinion/topology.h>

PINION_BEGIN

struct pinion_pool;

/* What a worker does that has no task. */
enum pinion_idle {
    PINION_IDLE_ADAPTIVE, /* looks for work for spin_us, then sleeps; while half of its node's
                             workers look it looks once */
    PINION_IDLE_PARK,     /* looks at every queue once, then sleeps */
    PINION_IDLE_POLL      /* never sleeps, nor do those who wait for a task: no system calls */
};

struct pinion_pool_options {
    const struct pinion_topology *topology; /* borrowed during create; NULL: this machine is
                                               discovered */
    unsigned cpu_count;              /* 0: the topology's, less what plan.avoid_smt and plan's slice
                                        leave out. More than the machine has is allowed, up to 2^20:
                                        seats wrap round, and the report says so */
    struct pinion_plan_options plan; /* its workers must be 0: the pool seats cpu_count - 1 */
    enum pinion_idle idle;           /* under a CPU quota ADAPTIVE means PARK */
    unsigned spin_us;                /* microseconds; 0: 50. At most 1,000,000 */
    size_t stack_bytes;              /* of each thread; 0: the system's default. At least
                                        PTHREAD_STACK_MIN, rounded up to pages */
    unsigned max_parallel;           /* parallel and concurrent tasks at a time; 0: no limit */
    int64_t retire_after;            /* ns idle before a thread above capacity ends; 0: 2 s;
                                        PINION_FOREVER: it stays */
    bool eager;                      /* always queue async, group and detached tasks, unless memory
                                        is refused, no worker can be had or cpu_count is 1; default:
                                        run them in the caller when enough are queued and no worker
                                        is without a task (an outside thread: when enough are) */
    bool strict;                     /* a degraded start is an error, the first rung's */
    uint64_t reserved[8];            /* zero */
};

/* Makes a pool; no thread starts yet. options may be NULL: all defaults. The calling thread is the
 * pool's last CPU: it is not pinned, but the plan's caller seat is left free for it, and tasks that
 * it queues go to a queue of its own. The caller of create owns *pool.
 * While there is a pool, it has a handler for SIGURG, by which cancels interrupt system calls; or,
 * if the program handles or ignores that already, for the first real-time signal with which it does
 * nothing (the report says which). The handler leaves other code alone. The pool's threads block
 * all signals but this one and those of their own faults; a task that blocks it there is canceled
 * before it waits in a system call, but not while.
 * Errors: -EINVAL (an option or environment variable out of range), -ENOMEM, those of
 * pinion_topology_load where it discovers the machine, and with strict those of what degraded
 * (-EPERM for a CPU that can't be pinned to, say); with pinion_error_detail(). */
PINION_API int pinion_pool_create(const struct pinion_pool_options *options,
                                  struct pinion_pool **pool);

/* Runs what is queued, waits for detached tasks, joins every thread and frees the pool. Tasks that
 * running tasks make meanwhile run in their maker. Called once, by any thread but the pool's own;
 * no other call with this pool may run at the time, except by its tasks. NULL is allowed. In a
 * child of the process that made the pool it does nothing: the memory stays. */
PINION_API void pinion_pool_destroy(struct pinion_pool *pool);

/* The interface to it, valid until destroy. */
PINION_API struct pinion_io *pinion_pool_io(struct pinion_pool *pool);

struct pinion_pool_stats {
    unsigned cpu_count;      /* logical CPUs that the pool counts on */
    unsigned parallel_count; /* reservations: parallel and concurrent tasks that have been accepted
                                and not ended, base workers' that called pinion_blocking, and
                                lookups of names (net.h) */
    unsigned capacity;       /* cpu_count - 1 + parallel_count */
    unsigned threads;        /* alive; the caller is not counted */
    unsigned threads_peak;   /* the most that were alive at a time */
    uint64_t inlined;        /* async, group and detached tasks that ran in their maker at once */
    uint64_t queued;         /* those that were queued: each is counted in inlined or in queued; and
                                helpers that pinion_parallel_for queued */
    uint64_t claimed;        /* queued tasks that an await or a select ran where it waited */
    uint64_t stolen_near;    /* tasks taken from the queue of another thread of the same node */
    uint64_t stolen_far;     /* … of another node */
    uint64_t injected;       /* tasks queued by outside threads, neither the pool's nor its
                                caller */
    uint64_t parked;         /* times that a base worker went to sleep */
    uint64_t woken;          /* times that a sleeping base worker was woken for work; never more
                                than `queued`: k tasks wake at most k workers */
    uint64_t remote_frees;   /* closures freed by another thread than the one that made them, or by
                                an outside thread, once they are back; several go at a time */
    uint64_t searched;       /* times that a base worker looked in vain at the others' queues, in
                                all of them that it might look at by then: at what is far only
                                after a while */
    uint64_t reserved[7];
};

/* A snapshot. cpu_count, parallel_count, capacity, threads and threads_peak belong together; the
 * counters may be a moment old. Any thread. In a child of the process that made the pool: what it
 * was at the fork, with no thread alive. */
PINION_API void pinion_pool_stats(struct pinion_pool *pool, struct pinion_pool_stats *stats);

/* Where one of a pool's threads stands. */
struct pinion_worker_stats {
    char name[16];         /* as the kernel has it: "pinion/0" a base worker, "pinion/r0" a reserve
                              thread, "caller" the thread that made the pool */
    bool alive;            /* its thread runs */
    int cpu;               /* the CPU it is pinned to, read back from the kernel; -1: none */
    unsigned node;         /* of its seat; PINION_NO_NODE: none */
    uint64_t tasks;        /* queued, concurrent and parallel tasks that it took and ran, claimed
                              ones not counted */
    uint64_t inlined;      /* async, group and detached tasks that it ran where they were made */
    uint64_t stolen_near, stolen_far, parked, searched; /* as in struct pinion_pool_stats */
    uint64_t arena_bytes;  /* memory that its closures occupy, used and free */
    uint64_t local_bytes;  /* … of which the kernel says it is on the worker's node, */
    uint64_t remote_bytes; /* … or on another; what was never touched is on none. Both 0 where the
                              worker has no node */
    uint64_t reserved[7];
};

/* Fills up to count rows, the caller's first, then base workers, then reserve threads, and returns
 * how many rows there are. workers may be NULL if count is 0. Asks the kernel where pages are: not
 * for a hot path. Any thread. */
PINION_API size_t pinion_pool_workers(struct pinion_pool *pool, struct pinion_worker_stats *workers,
                                      size_t count);

/* What is degraded in this pool and why, one rung a line, "" if nothing: pinning refused, memory
 * not bound, a quota below the mask, seats that wrap round. Copied into buffer, cut to size bytes
 * with a NUL; returns the length that it has uncut. Any thread. */
PINION_API size_t pinion_pool_degraded(struct pinion_pool *pool, char *buffer, size_t size);

/* Writes the plan, what degraded and why, and a line per worker, for people. 0, or -EIO (-errno if
 * there is one). Any thread. */
PINION_API int pinion_pool_report(struct pinion_pool *pool, FILE *stream);

/* Gives the calling worker the CPU mask that the program had when the pool was made, so that a
 * child process or a library's thread that it starts next may use every CPU. The worker returns to
 * its seat when its task ends. 0, -ESRCH if the caller is no worker, or the kernel's error. */
PINION_API int pinion_affinity_restore(void);

/* The io of one pool of this machine, for code that has no better handle, a library's say. Made on
 * the first call with default options and the environment, never destroyed; no thread is its
 * caller, so that every CPU has a worker. Where it can't be made, an io that runs async in the
 * caller and refuses the rest with -ENOTSUP. Never NULL; always the same in a process. Any
 * thread. */
PINION_API struct pinion_io *pinion_default_io(void);

PINION_END

#endif
