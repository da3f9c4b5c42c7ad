/* SPDX-License-Identifier: MIT */
#include "crew.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "rounds.h"

struct member {
    pthread_barrier_t *gate;
    crew_work_fn *work;
    void *context;
    unsigned index;
    bool apart;
    int64_t start, end;
};

/* Pins the calling thread to the CPU of that number, round and round, of those that it may use. */
static void pin(const cpu_set_t *allowed, unsigned index)
{
    cpu_set_t one;
    unsigned left = index % (unsigned)CPU_COUNT(allowed);
    size_t cpu = 0;
    while (!CPU_ISSET(cpu, allowed) || left--)
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (sched_setaffinity(0, sizeof one, &one))
        rounds_die("a thread can't be pinned to CPU %zu: %s", cpu, strerror(errno));
}

static void take_part(struct member *member)
{
    cpu_set_t allowed;
    if (member->apart) {
        if (sched_getaffinity(0, sizeof allowed, &allowed))
            rounds_die("a thread's CPUs can't be had: %s", strerror(errno));
        pin(&allowed, member->index);
    }
    (void)pthread_barrier_wait(member->gate);
    member->start = rounds_now();
    member->work(member->context, member->index);
    member->end = rounds_now();
    if (member->apart) /* a pool's thread is used again */
        (void)sched_setaffinity(0, sizeof allowed, &allowed);
}

static void *as_thread(void *member)
{
    take_part(member);
    return NULL;
}

PINION_TASK(void, part, (struct member *, member))
{
    take_part(member);
}

static void run_threads(struct member *members, unsigned count)
{
    pthread_t threads[CREW_MAX];
    for (unsigned i = 0; i < count; i++) {
        const int error = pthread_create(&threads[i], NULL, as_thread, &members[i]);
        if (error)
            rounds_die("a thread can't be made: %s", strerror(error));
    }
    for (unsigned i = 0; i < count; i++)
        (void)pthread_join(threads[i], NULL);
}

static void run_tasks(struct pinion_io *io, struct member *members, unsigned count)
{
    struct part_future futures[CREW_MAX];
    for (unsigned i = 0; i < count; i++) {
        const int error = part_parallel(io, &futures[i], &members[i]);
        if (error)
            rounds_die("a parallel task can't be had: %s", strerror(-error));
    }
    for (unsigned i = 0; i < count; i++)
        part_await(io, &futures[i]);
}

int64_t crew_run(struct pinion_io *io, unsigned count, bool apart, crew_work_fn *work,
                 void *context)
{
    struct member members[CREW_MAX];
    pthread_barrier_t gate;
    if (count < 1 || count > CREW_MAX || pthread_barrier_init(&gate, NULL, count))
        rounds_die("no crew of %u can be had", count);
    for (unsigned i = 0; i < count; i++)
        members[i] = (struct member){&gate, work, context, i, apart, 0, 0};
    if (io)
        run_tasks(io, members, count);
    else
        run_threads(members, count);
    (void)pthread_barrier_destroy(&gate);
    int64_t start = INT64_MAX, end = 0;
    for (unsigned i = 0; i < count; i++) {
        start = members[i].start < start ? members[i].start : start;
        end = members[i].end > end ? members[i].end : end;
    }
    return end - start;
}
