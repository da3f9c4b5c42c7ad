/* SPDX-License-Identifier: MIT
 *
 * Looking at the pools and loops of a process from outside, while it runs: its own user or root
 * may, without its cooperation beyond linking pinion. What the process counts it shows in memory
 * of its own, which is read here and can't be written; what only the kernel knows of its threads
 * comes from /proc. The process is never stopped, and pays nothing for being looked at.
 *
 * A watch belongs to one thread at a time.
 */
#ifndef PINION_WATCH_H
#define PINION_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <pinion/api.h>
#include <pinion/loop.h>

PINION_BEGIN

struct pinion_watch;

/* Begins to watch a process (its number in the caller's namespace; the caller's own is allowed),
 * and looks at it once. The caller of open owns *watch. It keeps a few descriptors open, and two
 * for each thread of the first 256, but no more than half of those that it may.
 * Errors, with pinion_error_detail(): -ESRCH (there is no such process), -EACCES (it is another
 * user's, or protects itself from being looked at), -ENOENT (it has no pool or loop at the time, or
 * none that can be found), -EPROTO (all that it has are shown in a way that this version of pinion
 * does not know), -ENOMEM, -EMFILE and the like. */
PINION_API int pinion_watch_open(pid_t pid, struct pinion_watch **watch);

/* Ends it; nothing of it is valid any more. NULL is allowed. */
PINION_API void pinion_watch_close(struct pinion_watch *watch);

/* Looks again. What pinion_watch_crews gave before is not valid any more. Pools and loops that were
 * made since are found within a second; later where a process has so many descriptors that to look
 * through them took more than 5 ms. 0; -ESRCH: the process has ended (its number may be another's
 * by now: that one is not taken for it); -ENOMEM, -EMFILE and the like. Then no pool or loop is
 * there, and it can be tried again. With pinion_error_detail(). */
PINION_API int pinion_watch_refresh(struct pinion_watch *watch);

/* When it was looked at last: ns on CLOCK_MONOTONIC. */
PINION_API int64_t pinion_watch_time(const struct pinion_watch *watch);

/* What of the process can't be shown and why, a line each, "" if nothing. The watch's, valid until
 * its next refresh or close. */
PINION_API const char *pinion_watch_notes(const struct pinion_watch *watch);

/* What a worker's thread does: by what it says of itself and, for IN_CALL, by the kernel. */
enum pinion_watch_state {
    PINION_WATCH_ABSENT,  /* there is no thread */
    PINION_WATCH_RUNNING, /* it has something to run */
    PINION_WATCH_POLLING, /* it looks for that */
    PINION_WATCH_PARKED,  /* it sleeps until there is something */
    PINION_WATCH_IN_CALL  /* it has something to run, which sleeps in a system call */
};

/* "absent", "running", "polling", "parked", "in call"; NULL: it is none. Static. */
PINION_API const char *pinion_watch_state_name(enum pinion_watch_state state);

/* The wait of a fiber. */
struct pinion_watch_wait {
    int64_t since;       /* since then, to within some turns of its worker, that is to some
                            milliseconds where no task computes for as long: ns on
                            CLOCK_MONOTONIC. 0: none is known to wait */
    uint64_t fiber;      /* which: its number among those that began on this worker, from 1 */
    uint64_t function;   /* what it runs: the address of its start function there */
    int call;            /* the system call that it waits in, as SYS_…; -1: it waits for something
                            else, a task, a lock, a time, say */
    int descriptor;      /* of the call; -1: none */
    uint64_t reserved[4];
};

/* A worker, at a moment. Counters count up from its slot's beginning; the numbers of one worker
 * need not be of one instant. */
struct pinion_watch_worker {
    char name[16];       /* as in struct pinion_worker_stats */
    pid_t thread;        /* in the caller's namespace; 0: there is none, or it is not known */
    int cpu;             /* the CPU that it is pinned to; -1: it may run on several */
    unsigned node;       /* of its seat; PINION_NO_NODE: none */
    enum pinion_watch_state state;
    int64_t state_since; /* it has been in this state, and begun nothing else, at least since then:
                            ns on CLOCK_MONOTONIC, as far as this watch has seen it */
    int call;            /* IN_CALL: the call, as SYS_…; -1: none, or the kernel does not say (who
                            may not trace a process is not told) */
    uint64_t queued_now; /* entries in its queue; tasks that an await has claimed count until they
                            are taken out */
    uint64_t tasks, inlined; /* as in struct pinion_worker_stats */
    uint64_t queued, claimed, stolen_near, stolen_far, parked, woken, searched; /* as in struct
                            pinion_pool_stats, of this worker alone */
    /* What the kernel says of the thread that it has now: asked the less often the more there
     * are, each of a hundred some twice a second, and not while it sleeps on. */
    int64_t asked_at;    /* it was so then: ns on CLOCK_MONOTONIC */
    int last_cpu;        /* the CPU that it was on; -1: unknown */
    uint64_t run_ns;     /* it had run on a CPU, and */
    uint64_t delay_ns;   /* could have but had to wait for one. Both 0 where the kernel does not
                            say */
    uint64_t arena_bytes;  /* memory that its closures occupy, used and free */
    uint64_t local_bytes;  /* … of which the kernel says it is on the worker's node, */
    uint64_t remote_bytes; /* … or on another: by the first page of each of the last 64 pieces of 64
                              KiB, asked at most once a second. Both 0 where that is not known */
    /* Of a loop's worker; 0 in a pool. */
    uint64_t fibers;     /* that have begun and not ended */
    uint64_t started;    /* that have begun */
    uint64_t submitted;  /* operations that it gave to the kernel, */
    uint64_t completed;  /* … of which those have ended; the rest is in flight */
    uint64_t waits;      /* calls of the kernel by which it submits, waits and asks what has
                            ended */
    struct pinion_watch_wait longest; /* the longest that its thread came by when it looked at some
                            of its fibers, which it does, in turn, before it sleeps */
    uint64_t reserved[8];
};

/* A pool or loop, at a moment. */
struct pinion_watch_crew {
    uint64_t id;      /* among the process's pools and loops; never used again */
    bool is_loop;     /* not a pool */
    bool is_degraded; /* short of what was asked for: its own report says how */
    char idle[16];    /* "adaptive", "park" or "poll" */
    int64_t made_at;  /* ns on CLOCK_MONOTONIC */
    unsigned cpu_count, parallel_count, capacity, threads, threads_peak; /* as in struct
                                                                       pinion_pool_stats, … */
    enum pinion_backend backend; /* of a loop: what its last worker that began waits in; AUTO: none
                                    has begun */
    uint64_t inlined, queued, claimed, stolen_near, stolen_far, injected, parked, woken, searched;
                      /* … likewise */
    unsigned left_out; /* workers that are not shown: there are too many */
    unsigned worker_count;
    const struct pinion_watch_worker *workers; /* the caller's, base workers and reserve threads, in
                         the order of their making; a worker keeps its name */
    uint64_t reserved[8];
};

/* The pools and loops of the process as they were when it was looked at last, in the order of their
 * making; returns how many. The watch's, valid until its next refresh or close. */
PINION_API unsigned pinion_watch_crews(const struct pinion_watch *watch,
                                       const struct pinion_watch_crew **crews);

PINION_END

#endif
