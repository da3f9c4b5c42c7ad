/* SPDX-License-Identifier: MIT
 *
 * Threads that wait for each other in the barest ways.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bare.h"
#include "cases.h"
#include "pause.h"

#define THREADS_MAX 1024

static void start(pthread_t *thread, void *(*work)(void *), void *argument)
{
    const int error = pthread_create(thread, NULL, work, argument);
    if (error)
        serve_die("no thread: %s", strerror(error));
}

/* ---- round trips ---- */

/* 0: nothing; odd numbers go there, even ones come back; ENDING: no more. */
#define ENDING UINT32_MAX

struct slots {
    _Alignas(64) uint32_t there;
    _Alignas(64) uint32_t back;
    bool sleeps;
};

static void set(uint32_t *slot, uint32_t word, bool wakes)
{
    __atomic_store_n(slot, word, __ATOMIC_RELEASE);
    if (wakes)
        (void)syscall(SYS_futex, slot, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* The word that isn't seen any more. */
static uint32_t wait_for_other(uint32_t *slot, uint32_t seen, bool sleeps)
{
    unsigned looks = 0;
    uint32_t word;
    while ((word = __atomic_load_n(slot, __ATOMIC_ACQUIRE)) == seen) {
        if (sleeps)
            (void)syscall(SYS_futex, slot, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
        else
            pause_briefly(&looks);
    }
    return word;
}

static void *answer(void *argument)
{
    struct slots *slots = argument;
    uint32_t word = 0;
    serve_part();
    while ((word = wait_for_other(&slots->there, word, slots->sleeps)) != ENDING)
        set(&slots->back, word, slots->sleeps);
    return NULL;
}

static int64_t trip(bool sleeps, uint64_t gap_ns, uint64_t repeats)
{
    struct slots slots = {.sleeps = sleeps};
    pthread_t thread;
    int64_t ns = 0;
    start(&thread, answer, &slots);
    for (uint32_t i = 1; i <= repeats + 1; i++) {
        pause_for(gap_ns);
        const int64_t begin = serve_now();
        set(&slots.there, i, sleeps);
        if (wait_for_other(&slots.back, i - 1, sleeps) != i)
            serve_die("an answer was lost");
        if (i > 1) /* the other was there */
            ns += serve_now() - begin;
    }
    set(&slots.there, ENDING, sleeps);
    (void)pthread_join(thread, NULL);
    return ns;
}

int64_t bare_mailbox(unsigned threads, uint64_t size, uint64_t repeats)
{
    (void)threads;
    return trip(false, size, repeats);
}

int64_t bare_futex(unsigned threads, uint64_t size, uint64_t repeats)
{
    (void)threads;
    return trip(true, size, repeats);
}

/* ---- round trips by eventfd ---- */

/* Two descriptors, there and back; 1: a trip, 2: no more. */
static void tell(int descriptor, uint64_t word)
{
    if (write(descriptor, &word, sizeof word) != sizeof word)
        serve_die("a write to an eventfd failed");
}

static uint64_t hear(int descriptor)
{
    uint64_t word;
    if (read(descriptor, &word, sizeof word) != sizeof word)
        serve_die("a read of an eventfd failed");
    return word;
}

static void *answer_by_eventfd(void *argument)
{
    const int *ends = argument;
    serve_part();
    while (hear(ends[0]) == 1)
        tell(ends[1], 1);
    return NULL;
}

int64_t bare_eventfd(unsigned threads, uint64_t gap_ns, uint64_t repeats)
{
    int ends[] = {eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC)};
    pthread_t thread;
    int64_t ns = 0;
    (void)threads;
    if (ends[0] < 0 || ends[1] < 0)
        serve_die("no eventfd");
    start(&thread, answer_by_eventfd, ends);
    for (uint64_t i = 0; i <= repeats; i++) {
        pause_for(gap_ns);
        const int64_t begin = serve_now();
        tell(ends[0], 1);
        (void)hear(ends[1]);
        if (i) /* the other was there */
            ns += serve_now() - begin;
    }
    tell(ends[0], 2);
    (void)pthread_join(thread, NULL);
    (void)close(ends[0]), (void)close(ends[1]);
    return ns;
}

/* ---- a split by hand ---- */

static struct {
    _Alignas(64) uint32_t round; /* the caller's; 0: end */
    _Alignas(64) uint32_t done;  /* members that ended their share of this round */
    uint64_t steps;
    unsigned members;
} fan;

static void do_share(unsigned index)
{
    for (unsigned i = index; i < CASE_FAN; i += fan.members)
        (void)work_spin(fan.steps);
}

static void *take_part(void *argument)
{
    const unsigned index = (unsigned)(uintptr_t)argument;
    uint32_t seen = 1, round;
    unsigned looks = 0;
    for (;;) {
        while ((round = __atomic_load_n(&fan.round, __ATOMIC_ACQUIRE)) == seen)
            pause_briefly(&looks);
        if (!round)
            return NULL;
        seen = round;
        do_share(index);
        (void)__atomic_add_fetch(&fan.done, 1, __ATOMIC_RELEASE);
    }
}

static void fan_out(uint64_t steps)
{
    unsigned looks = 0;
    fan.steps = steps;
    __atomic_store_n(&fan.done, 0, __ATOMIC_RELAXED);
    (void)__atomic_add_fetch(&fan.round, 1, __ATOMIC_RELEASE);
    do_share(0);
    while (__atomic_load_n(&fan.done, __ATOMIC_ACQUIRE) < fan.members - 1)
        pause_briefly(&looks);
}

int64_t bare_fan(unsigned threads, uint64_t steps, uint64_t repeats)
{
    pthread_t others[THREADS_MAX];
    if (threads < 1 || threads > THREADS_MAX)
        serve_die("%u threads can't be had", threads);
    fan.round = 1;
    fan.members = threads;
    for (unsigned i = 1; i < threads; i++)
        start(&others[i], take_part, (void *)(uintptr_t)i);
    fan_out(steps); /* all are there, and warm */
    const int64_t ns = case_fan(fan_out, steps, repeats);
    __atomic_store_n(&fan.round, 0, __ATOMIC_RELEASE);
    for (unsigned i = 1; i < threads; i++)
        (void)pthread_join(others[i], NULL);
    return ns;
}

/* ---- threads made and joined ---- */

static void *nothing(void *argument)
{
    return argument;
}

int64_t bare_burst(unsigned threads, uint64_t size, uint64_t repeats)
{
    pthread_t made[THREADS_MAX];
    (void)threads;
    if (size > THREADS_MAX)
        serve_die("a burst has at most %d threads", THREADS_MAX);
    const int64_t begin = serve_now();
    for (uint64_t round = 0; round < repeats; round++) {
        for (uint64_t i = 0; i < size; i++)
            start(&made[i], nothing, NULL);
        for (uint64_t i = 0; i < size; i++)
            (void)pthread_join(made[i], NULL);
    }
    return serve_now() - begin;
}
