/* SPDX-License-Identifier: MIT
 *
 * What the kernel says of a pool's threads: their names, CPU masks and signals, seen from inside a
 * task. For tests of a pool on this machine, whose group runs set_up and tear_down.
 *
 * What is compared with is a plan of the machine with a seat for each CPU: it names the node of
 * each, also where that is another than the CPU's own, which has no memory.
 */
#ifndef TESTS_POOL_SIGHT_H
#define TESTS_POOL_SIGHT_H

#include "support.h"

#include <signal.h>

/* CPUs, as many as Linux can have. */
struct mask {
    cpu_set_t sets[8];
};

static inline bool mask_has(const struct mask *mask, unsigned cpu)
{
    return CPU_ISSET_S(cpu, sizeof *mask, mask->sets);
}

static inline void mask_add(struct mask *mask, unsigned cpu)
{
    CPU_SET_S(cpu, sizeof *mask, mask->sets);
}

static inline bool mask_equal(const struct mask *a, const struct mask *b)
{
    return CPU_EQUAL_S(sizeof *a, a->sets, b->sets);
}

static inline struct mask mask_of_cpu(int cpu)
{
    struct mask mask = {0};
    mask_add(&mask, (unsigned)cpu);
    return mask;
}

static inline struct mask mask_here(void)
{
    struct mask mask = {0};
    must(sched_getaffinity(0, sizeof mask, mask.sets) == 0);
    return mask;
}

/* Prints what differs: cmocka knows no masks. */
static inline void assert_mask(const struct mask *is, const struct mask *should_be,
                               const char *whose)
{
    if (mask_equal(is, should_be))
        return;
    for (unsigned cpu = 0; cpu < CPU_SETSIZE * 8; cpu++)
        if (mask_has(is, cpu) != mask_has(should_be, cpu))
            print_message("%s: cpu %u is %sin the mask\n", whose, cpu,
                          mask_has(is, cpu) ? "" : "not ");
    fail();
}

/* ---- what a thread sees of itself ---- */

struct sight {
    char name[16], comm[32];
    struct mask mask;
    sigset_t blocked;
    int tid;
};

static inline struct sight sight_here(void)
{
    struct sight sight = {.mask = mask_here(), .tid = (int)gettid()};
    must(pthread_getname_np(pthread_self(), sight.name, sizeof sight.name) == 0);
    must(pthread_sigmask(SIG_SETMASK, NULL, &sight.blocked) == 0);
    thread_name(sight.tid, sight.comm);
    return sight;
}

/* ---- this machine ---- */

static struct pinion_topology *machine;
static const struct pinion_cpu *cpus;
static unsigned cpu_total;
static struct pinion_plan *whole; /* a seat for each CPU */
static struct sight beginning;    /* of the main thread, before there was a pool */
static struct mask program;       /* the program's own: that of the beginning */
static bool can_pin = true;

static inline struct pinion_plan *plan_of(struct pinion_plan_options options, unsigned workers)
{
    struct pinion_plan *plan = NULL;
    options.workers = workers;
    must(pinion_plan_make(machine, &options, &plan) == 0);
    return plan;
}

/* Whether the kernel lets a thread be pinned to each CPU; a thread, since it moves. */
static inline void *try_pinning(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < cpu_total && can_pin; i++) {
        const struct mask one = mask_of_cpu((int)cpus[i].os_index);
        const bool is_set = sched_setaffinity(0, sizeof one, one.sets) == 0;
        const struct mask now = mask_here();
        can_pin = is_set && mask_equal(&now, &one);
    }
    return NULL;
}

static inline int set_up(void **state)
{
    pthread_t thread;
    (void)state;
    machine = machine_of(NULL);
    cpu_total = pinion_topology_cpus(machine, &cpus);
    whole = plan_of((struct pinion_plan_options){.placement = PINION_PLACE_COMPACT}, cpu_total);
    beginning = sight_here();
    program = beginning.mask;
    if (pthread_create(&thread, NULL, try_pinning, NULL) || pthread_join(thread, NULL))
        return -1;
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    pinion_plan_destroy(whole);
    pinion_topology_destroy(machine);
    return 0;
}

static inline void needs_pinning(void)
{
    if (can_pin)
        return;
    print_message("the kernel refuses to pin threads to the CPUs that it allows\n");
    skip();
}

static inline void needs_cpus(unsigned count)
{
    if (cpu_total >= count)
        return;
    print_message("%u CPUs are needed, and %u allowed here\n", count, cpu_total);
    skip();
}

/* The CPUs whose workers use a node. */
static inline struct mask mask_of_node(unsigned node)
{
    struct mask mask = {0};
    for (unsigned i = 0; i < cpu_total; i++)
        if (node == PINION_NO_NODE || whole->seats[i].node == node)
            mask_add(&mask, (unsigned)whole->seats[i].cpu);
    return mask;
}

/* ---- crews ---- */

PINION_TASK(void, look, (struct sight *, sight), (struct gate *, gate))
{
    *sight = sight_here();
    gate_pass(gate);
}

PINION_TASK(struct sight, look_once)
{
    return sight_here();
}

/* A pool on this machine all of whose base workers are held, each in a task that looked. */
struct crew {
    struct pinion_pool *pool;
    struct pinion_io *io;
    unsigned count;
    struct sight *sights; /* by worker */
    struct gate gate;
};

/* "pinion/7": 7, or -1. */
static inline int index_of(const char *name, const char *prefix)
{
    const size_t length = strlen(prefix);
    char *end;
    if (strncmp(name, prefix, length) != 0 || name[length] < '0' || name[length] > '9')
        return -1;
    const long index = strtol(name + length, &end, 10);
    return *end ? -1 : (int)index;
}

static inline void crew_make(struct crew *crew, struct pinion_pool_options options)
{
    if (!options.topology)
        options.topology = machine;
    options.retire_after = LONG_NS;
    crew->gate = (struct gate)GATE_INIT;
    crew->pool = make_pool(&options);
    crew->io = pinion_pool_io(crew->pool);
    crew->count = stats_of(crew->pool).capacity;
    struct sight *seen = calloc(crew->count + 1, sizeof seen[0]);
    crew->sights = calloc(crew->count + 1, sizeof crew->sights[0]);
    must(seen && crew->sights);
    for (unsigned i = 0; i < crew->count; i++) {
        look_detached(crew->io, &seen[i], &crew->gate);
        wait_until(atomic_load(&crew->gate.arrived) == i + 1);
    }
    for (unsigned i = 0; i < crew->count; i++) {
        const int index = index_of(seen[i].name, "pinion/");
        must(index >= 0 && (unsigned)index < crew->count);
        must(crew->sights[index].tid == 0); /* no two have the same name */
        crew->sights[index] = seen[i];
    }
    free(seen);
}

static inline void crew_end(struct crew *crew)
{
    gate_open(&crew->gate);
    pinion_pool_destroy(crew->pool);
    free(crew->sights);
}

/* All rows, of which the caller frees the array. */
static inline struct pinion_worker_stats *rows_of(struct pinion_pool *pool, size_t *count)
{
    *count = pinion_pool_workers(pool, NULL, 0);
    struct pinion_worker_stats *rows = calloc(*count, sizeof rows[0]);
    must(rows);
    must(pinion_pool_workers(pool, rows, *count) == *count);
    return rows;
}

/* ---- reserve threads ---- */

/* What a reserve thread may use that a thread on a CPU asked for. */
struct asking {
    struct pinion_io *io;
    int cpu;
    struct sight sight;
};

PINION_TASK(struct sight, ask_from_here, (struct pinion_io *, io))
{
    struct look_once_future future;
    must(look_once_parallel(io, &future) == 0);
    return look_once_await(io, &future);
}

static inline void *ask_from_outside(void *argument)
{
    struct asking *asking = argument;
    const struct mask one = mask_of_cpu(asking->cpu);
    must(sched_setaffinity(0, sizeof one, one.sets) == 0);
    asking->sight = ask_from_here(asking->io);
    return NULL;
}

#endif
