/* SPDX-License-Identifier: MIT
 *
 * The conformance suite of the interface: what io.h and task.h promise, tested on any
 * implementation. A program of the suite is one of the parts suite_*.c, this file's helpers, and a
 * file that lists implementations (pools.c). It knows nothing of what is behind an io but what
 * struct suite_io says.
 */
#ifndef SUITE_H
#define SUITE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include <pinion.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SUITE_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define SUITE_SANITIZED 1
#endif
#endif
#ifndef SUITE_SANITIZED
#define SUITE_SANITIZED 0
#endif

/* ThreadSanitizer can't. */
#if defined(__SANITIZE_THREAD__)
#define SUITE_CAN_FORK 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SUITE_CAN_FORK 0
#endif
#endif
#ifndef SUITE_CAN_FORK
#define SUITE_CAN_FORK 1
#endif

/* Rounds of a stress test: fewer where each is slow. */
#define SUITE_ROUNDS(n) (SUITE_SANITIZED ? (n) / 8 + 1 : (n))

/* An implementation to test. */
struct suite_io {
    const char *name;
    unsigned workers; /* async tasks that can run at a time beside the caller; 0: they run in it */
    bool has_concurrent, has_parallel;
    bool has_fibers;  /* what suite_start makes is a fiber of a worker's, if there is one */
    bool polls;       /* who waits takes a CPU meanwhile: so few should at a time */
    const void *how;  /* make's own */
    /* 0 and an io, with what destroy needs in *made; or -errno. */
    int (*make)(const struct suite_io *self, struct pinion_io **io, void **made);
    void (*destroy)(void *made); /* waits for detached tasks */
};

/* A test's *state. */
struct suite {
    const struct suite_io *of;
    struct pinion_io *io;
    void *made;
    bool is_held; /* no worker is free: between suite_hold and suite_release */
    int descriptors; /* that the process had before it was made */
};

struct suite_test {
    const char *name;
    void (*run)(struct suite *suite);
};

/* Given by the part of the suite: the tests. Ends with a NULL name. */
extern const struct suite_test suite_tests[];
#define SUITE_TEST(function) {#function, function}

/* Given by the file of implementations. */
extern const struct suite_io suite_ios[];
extern const size_t suite_io_count;
extern const bool suite_calls_from_fiber; /* else the program's first thread calls the tests */

/* Destroys the io before the end of the test. */
void suite_destroy(struct suite *suite);

/* What must hold in a task, where cmocka's assertions can't be used: noted, and the test fails. */
#define EXPECT(condition) suite_expect((condition), #condition, __FILE__, __LINE__)
void suite_expect(bool holds, const char *what, const char *file, int line);

/* In a task that was asked to cancel, whose io is called io: the call is refused, once. The request
 * is pending again after. */
#define REFUSED(call)                                                                              \
    do {                                                                                           \
        EXPECT((call) == -ECANCELED);                                                              \
        EXPECT(pinion_check_cancel(io) == 0);                                                      \
        pinion_recancel(io);                                                                       \
    } while (0)

/* Lets others run: other fibers of this thread, and other threads. */
void suite_yield(void);

/* Waits until *value is at least n, giving up the CPU meanwhile. Stops the program if that does not
 * come: then a test hangs. */
void suite_until(const _Atomic int *value, int n);

/* Likewise for any condition. */
#define suite_until_holds(condition)                                                               \
    for (int64_t suite_end_ = suite_patience(); !(condition);)                                     \
    suite_turn(suite_end_, #condition)
int64_t suite_patience(void);
void suite_turn(int64_t end, const char *what);

/* Who enters waits until it is opened. The thread sleeps meanwhile, so it takes no CPU. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t opened;
    bool is_open;
    _Atomic int inside; /* how many have entered so far */
};
void gate_init(struct gate *gate);
void gate_fini(struct gate *gate);
void gate_enter(struct gate *gate);
void gate_open(struct gate *gate);

/* Keeps every worker of the io busy, so that a task that is queued next stays queued until someone
 * awaits it. Does nothing where async runs in the caller. Any thread, tasks too. */
#define HELD_MAX 64
struct held {
    struct gate gate;
    pthread_t caller;
    unsigned count;
    struct pinion_future futures[HELD_MAX];
};
void suite_hold(struct suite *suite, struct held *held);
void suite_release(struct suite *suite, struct held *held);

/* Starts a task for tests that need one that runs elsewhere: a fiber where there are some and a
 * worker for it, else parallel, which has a thread of its own. Or skips the test. */
void suite_start(struct suite *suite, const struct pinion_call *call, struct pinion_future *future);

/* Gives up the CPU for a moment, 1 to 1024 times by round, so that another thread is in its wait by
 * then, mostly, and now looks, now sleeps. */
void suite_linger(int round);

/* ns of CLOCK_MONOTONIC. */
int64_t suite_now(void);

/* xorshift32: the same sequence for the same seed. */
uint32_t suite_random(uint32_t *state);

/* What runs now, for the message of an EXPECT that does not hold: a row of a table, say. A static
 * string, or NULL. */
void suite_note(const char *what);

/* A task on a thread of its own, looked at from within (its body) and from without. */
struct within {
    struct suite *suite;
    struct pinion_io *io;
    void (*body)(struct within *within);
    struct gate gate;
    _Atomic int reached; /* what the body says of how far it is */
    _Atomic int ended;   /* 1: it has returned */
    void *extra;
    struct pinion_future future;
};

/* Starts body in such a task; with is_canceled it was asked to cancel before body begins. Skips the
 * test where there is no parallel. */
void within_start(struct suite *suite, struct within *within, void (*body)(struct within *within),
                  void *extra, bool is_canceled);
void within_end(struct within *within);

/* Several that run at once, with one function: in turn a parallel task, a plain thread and a
 * concurrent task, or a thread where there are no such tasks. Those of odd index are given the
 * second io, if there is one. */
#define CREW_MAX 80
struct crew_member {
    struct pinion_io *io;
    void (*run)(struct pinion_io *io, void *context, unsigned index);
    void *context;
    unsigned index;
    bool is_thread;
    pthread_t thread;
    struct pinion_future future;
};
struct crew {
    struct suite *suite;
    struct pinion_io *second; /* set before the start, or NULL */
    unsigned count;
    struct crew_member members[CREW_MAX];
};

/* So many members as a test would like, or fewer where each takes a CPU as it waits. */
unsigned crew_size(const struct suite *suite, unsigned count);

/* Adds count members, which run at once. A crew starts all zero. */
void crew_start(struct suite *suite, struct crew *crew, unsigned count,
                void (*run)(struct pinion_io *io, void *context, unsigned index), void *context);
void crew_end(struct crew *crew);

/* Runs body(io, context) in a child process with an io of its own, and tells whether an assertion
 * of the library stopped it. Skips the test under ThreadSanitizer, which can't fork. */
bool suite_stops(struct suite *suite, void (*body)(struct pinion_io *io, void *context),
                 void *context);

/* A call of a function with one pointer as its context and no result, which *pointer holds. */
struct pinion_call suite_call(pinion_start_fn *start, void *const *pointer);

#endif
