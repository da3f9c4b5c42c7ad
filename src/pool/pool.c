/* SPDX-License-Identifier: MIT
 *
 * Makes and ends a pool.
 */
#include "pool.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pinion/error.h>

#include "arena.h"
#include "check.h"
#include "detail.h"
#include "interrupt.h"
#include "plan.h"
#include "process.h"
#include "settings.h"
#include "slab.h"
#include "strict.h"

#define CPU_COUNT_MAX (1u << 20)
#define SPIN_US       50 /* about what a wake costs on a virtual machine, where it costs most */
#define SPIN_US_MAX   1000000u
#define RETIRE_NS     INT64_C(2000000000)

/* Half the address space: above it, rounding to pages might wrap. */
#define STACK_BYTES_MAX (SIZE_MAX / 2)

/* Entries that a deque begins with, and without `eager` ends with. */
#define DEQUE_SIZE         1024
#define DEQUE_SIZE_RESERVE 128

/* ---- what is degraded ---- */

void pn_pool_degrade(struct pinion_pool *pool, int error, const char *format, ...)
{
    char line[256];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);

    (void)pthread_mutex_lock(&pool->slow_lock);
    const size_t left = sizeof pool->degraded - pool->degraded_length;
    if (!strstr(pool->degraded, line) && strlen(line) + 2 <= left) {
        const int added = snprintf(pool->degraded + pool->degraded_length, left, "%s%s",
                                   pool->degraded_length ? "\n" : "", line);
        pool->degraded_length += (size_t)added;
    }
    if (!pool->degraded_error)
        pool->degraded_error = error;
    (void)pthread_mutex_unlock(&pool->slow_lock);
}

static void note_memory(struct pinion_pool *pool)
{
    for (unsigned i = 0; i < pool->node_count; i++) {
        const int error = pn_arena_bind_error(pool->nodes[i].arena);
        if (error)
            pn_pool_degrade(pool, error,
                            "memory is not bound to node %u: the kernel refused (%s); it is where "
                            "it is first touched",
                            pool->nodes[i].node, strerrordesc_np(-error));
    }
    bool is_on;
    const char *huge = pn_arena_huge_pages(&is_on);
    if (!is_on)
        pn_pool_degrade(pool, -ENOTSUP, "no huge pages: %s", huge);
}

/* Notes what shows before any thread runs. */
static void note_degraded(struct pinion_pool *pool, const struct pinion_plan_options *plan,
                          const struct pinion_topology *topology)
{
    const struct pinion_cpu *cpus;
    const unsigned count = pinion_topology_cpus(topology, &cpus);
    const unsigned seats = pn_plan_seat_count(topology, plan);
    if (pool->base_limit + (pool->has_caller ? 1u : 0u) > seats)
        pn_pool_degrade(pool, -EINVAL, "seats wrap round: cpu_count %u on a %s %u CPUs",
                        pool->cpu_count,
                        seats < count ? "slice that has" : "machine that allows", seats);
    if (!pn_topology_is_this_machine(topology))
        pn_pool_degrade(pool, -ENOTSUP,
                        "threads and memory are not bound: the topology is not this machine's");
    if (pinion_topology_cpu_count(topology) < count)
        pn_pool_degrade(pool, -EDQUOT, "a CPU quota allows %u of the %u CPUs in the mask%s",
                        pinion_topology_cpu_count(topology), count,
                        pool->idle_mode == PINION_IDLE_POLL
                            ? "; to poll, as asked, uses it up without working"
                            : "");
    if (!pn_interrupt_signal()) {
        char words[PN_INTERRUPT_WORDS];
        pn_interrupt_describe(words, sizeof words);
        pn_pool_degrade(pool, -EBUSY, "%s", words);
    }
    note_memory(pool);
}

/* ---- slots ---- */

static struct pn_pool_node *node_of(struct pinion_pool *pool, unsigned node)
{
    for (unsigned i = 0; i < pool->node_count; i++)
        if (pool->nodes[i].node == node)
            return &pool->nodes[i];
    return &pool->nodes[0];
}

/* Where the seat's CPU is, or without one its node. */
static const struct pn_place *place_of(const struct pinion_pool *pool, enum pn_role role,
                                       unsigned index, const struct pinion_seat *seat,
                                       struct pn_place *own)
{
    if (role == PN_BASE)
        return &pool->places[index % pool->place_count];
    *own = role == PN_CALLER ? pool->caller_place : (struct pn_place){.node = seat->node};
    return own;
}

/* NULL when out of memory. */
static struct pn_neighbors *neighbors_from(const struct pinion_pool *pool,
                                           const struct pn_place *place, unsigned start,
                                           const struct pn_pool_node *node)
{
    struct pn_neighbors *neighbors =
        pn_neighbors_make(&pool->distances, pool->places, pool->place_count, place, start);
    if (neighbors)
        neighbors->home = (unsigned)(node - pool->nodes);
    return neighbors;
}

struct pn_worker *pn_worker_create(struct pinion_pool *pool, enum pn_role role, unsigned index,
                                   struct pinion_seat seat)
{
    const int saved = errno;
    struct pn_pool_node *node = node_of(pool, seat.node);
    struct pn_worker *worker =
        pinion_arena_alloc(node->arena, sizeof *worker, alignof(struct pn_worker));
    if (!worker)
        return NULL;
    memset(worker, 0, sizeof *worker);
    worker->pool = pool;
    worker->role = role;
    worker->index = index;
    worker->seat = seat;
    worker->node = node;
    worker->own_head = (struct pn_head){.pool_id = pool->id, .worker = worker};
    worker->head = role == PN_CALLER ? pn_head_create(worker) : &worker->own_head;
    pn_store_relaxed(&worker->pinned_cpu, -1);

    struct pn_place own;
    const struct pn_place *place = place_of(pool, role, index, &seat, &own);
    worker->neighbors = neighbors_from(pool, place, index + 1, node);
    if (!worker->head || !worker->neighbors || pn_slab_create(node->arena, &worker->slab) ||
        pn_deque_init(&worker->deque, role == PN_RESERVE ? DEQUE_SIZE_RESERVE : DEQUE_SIZE)) {
        pn_worker_destroy(worker);
        errno = saved;
        return NULL;
    }
    if (pool->idle_mode == PINION_IDLE_POLL)
        pn_deque_avoid_calls(&worker->deque);
    worker->scout = (struct pn_scout){
        .index = index,
        .deque = &worker->deque,
        .lane = &node->lane,
        .neighbors = worker->neighbors,
        .slab = worker->slab,
        .head = &worker->head->shared,
        .counters = &worker->counters,
        .random = index * 2654435761u + 1, /* any but 0; different for each */
    };
    errno = saved;
    return worker;
}

void pn_worker_destroy(struct pn_worker *worker)
{
    if (!worker)
        return;
    pn_deque_fini(&worker->deque);
    pn_slab_destroy(worker->slab);
    free(worker->neighbors);
    if (worker->role == PN_CALLER && worker->head)
        pn_head_let_go(worker->head);
    pinion_arena_free(worker->node->arena, worker, sizeof *worker);
}

/* ---- nodes ---- */

struct pn_pool_node *pn_pool_node_here(struct pinion_pool *pool)
{
    if (pool->node_count == 1)
        return &pool->nodes[0];
    const int cpu = sched_getcpu(); /* no system call: by the vDSO */
    const bool is_known = cpu >= 0 && (unsigned)cpu < pool->node_of_cpu_count;
    return &pool->nodes[is_known ? pool->node_of_cpu[cpu] : 0];
}

static bool add_node(struct pinion_pool *pool, unsigned node)
{
    for (unsigned i = 0; i < pool->node_count; i++)
        if (pool->nodes[i].node == node)
            return false;
    struct pn_pool_node *added = &pool->nodes[pool->node_count++];
    memset(added, 0, sizeof *added);
    added->node = node;
    pn_lane_init(&added->lane, pool->idle_mode == PINION_IDLE_POLL);
    return true;
}

static int fill_node(struct pinion_pool *pool, struct pn_pool_node *node,
                     const struct pinion_topology *topology)
{
    const bool is_bound = pn_topology_is_this_machine(topology) && node->node != PINION_NO_NODE;
    int error = pinion_arena_create(is_bound ? (int)node->node : -1, &node->arena);
    if (!error && pool->idle_mode == PINION_IDLE_POLL)
        pn_arena_keep(node->arena);
    if (!error)
        error = pn_slab_create(node->arena, &node->slab);
    if (!error && pool->is_pinning)
        error = pn_cpu_mask_of(topology, node->node, &node->mask);
    if (!error) {
        const struct pn_place place = {.node = node->node};
        node->neighbors = neighbors_from(pool, &place, 0, node);
        error = node->neighbors ? 0 : -ENOMEM;
    }
    return error;
}

static void drain_node(struct pn_pool_node *node)
{
    pn_slab_destroy(node->slab);
    free(node->neighbors);
    pn_cpu_mask_destroy(node->mask);
}

/* The nodes where somebody sits. */
static int make_nodes(struct pinion_pool *pool, const struct pinion_topology *topology)
{
    pool->nodes = aligned_alloc(alignof(struct pn_pool_node),
                                (pool->place_count + 1) * sizeof pool->nodes[0]);
    if (!pool->nodes)
        return -ENOMEM;
    add_node(pool, pool->plan->caller.node);
    for (unsigned i = 0; i < pool->place_count; i++)
        add_node(pool, pool->places[i].node);
    int error = 0;
    for (unsigned i = 0; i < pool->node_count && !error; i++)
        error = fill_node(pool, &pool->nodes[i], topology);
    return error;
}

/* The index of the pool's node that is nearest to where a worker on CPU i would have its memory. */
static uint32_t nearest_node(const struct pinion_pool *pool, const struct pinion_topology *topology,
                             unsigned i)
{
    const unsigned node = pn_plan_node(topology, i);
    uint32_t best = 0;
    unsigned nearest = UINT_MAX;
    for (unsigned n = 0; n < pool->node_count; n++) {
        const unsigned distance = pinion_topology_distance(topology, node, pool->nodes[n].node);
        if (distance < nearest) {
            nearest = distance;
            best = n;
        }
    }
    return best;
}

/* For outside threads: which of the pool's nodes is nearest to each CPU. */
static int map_cpus(struct pinion_pool *pool, const struct pinion_topology *topology)
{
    const struct pinion_cpu *cpus;
    const unsigned count = pinion_topology_cpus(topology, &cpus);
    unsigned highest = 0;
    for (unsigned i = 0; i < count; i++)
        highest = cpus[i].os_index > highest ? cpus[i].os_index : highest;
    pool->node_of_cpu = calloc((size_t)highest + 1, sizeof pool->node_of_cpu[0]);
    if (!pool->node_of_cpu)
        return -ENOMEM;
    pool->node_of_cpu_count = highest + 1;
    for (unsigned i = 0; i < count; i++)
        pool->node_of_cpu[cpus[i].os_index] = nearest_node(pool, topology, i);
    return 0;
}

/* ---- create ---- */

static int check_options(const struct pinion_pool_options *options)
{
    static const uint64_t zero[8];
    if (options->cpu_count > CPU_COUNT_MAX)
        return pn_error(EINVAL, "cpu_count %u is above %u", options->cpu_count, CPU_COUNT_MAX);
    if (options->plan.workers)
        return pn_error(EINVAL, "plan.workers is %u; a pool seats cpu_count - 1 workers: set "
                                "cpu_count, and leave it 0",
                        options->plan.workers);
    if ((unsigned)options->idle > PINION_IDLE_POLL)
        return pn_error(EINVAL, "%d is no idle mode; take one of enum pinion_idle",
                        (int)options->idle);
    if (options->spin_us > SPIN_US_MAX)
        return pn_error(EINVAL, "spin_us %u is above %u", options->spin_us, SPIN_US_MAX);
    if (options->retire_after < 0)
        return pn_error(EINVAL, "retire_after %lld is negative; it takes ns, or 0 for 2 s",
                        (long long)options->retire_after);
    if (options->stack_bytes && (options->stack_bytes < (size_t)PTHREAD_STACK_MIN ||
                                 options->stack_bytes > STACK_BYTES_MAX))
        return pn_error(EINVAL, "stack_bytes %zu: a thread's stack takes %zu to %zu, or 0 for the "
                                "system's default",
                        options->stack_bytes, (size_t)PTHREAD_STACK_MIN, STACK_BYTES_MAX);
    if (memcmp(options->reserved, zero, sizeof zero) != 0)
        return pn_error(EINVAL, "reserved fields of the options are not zero; initialise the "
                                "struct with {0}");
    return 0;
}

/* A quota is used up by spinning as by working. */
static enum pinion_idle idle_mode(enum pinion_idle asked, const struct pinion_topology *topology)
{
    const struct pinion_cpu *cpus;
    const bool has_quota =
        pinion_topology_cpu_count(topology) < pinion_topology_cpus(topology, &cpus);
    return asked == PINION_IDLE_ADAPTIVE && has_quota ? PINION_IDLE_PARK : asked;
}

static int64_t spin_ns(enum pinion_idle mode, unsigned spin_us)
{
    if (mode == PINION_IDLE_POLL)
        return INT64_MAX;
    if (mode == PINION_IDLE_PARK)
        return 0;
    return (int64_t)(spin_us ? spin_us : SPIN_US) * 1000;
}

static size_t round_to_pages(size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (bytes + page - 1) / page * page;
}

static void fill_constants(struct pinion_pool *pool, const struct pinion_pool_options *options,
                           const struct pinion_topology *topology)
{
    pool->id = pn_membership_new_id();
    pool->base_limit = pool->cpu_count - 1;
    pn_store_relaxed(&pool->base_missing, pool->base_limit);
    pool->max_parallel = options->max_parallel;
    pool->idle_mode = idle_mode(options->idle, topology);
    pn_lock_init(&pool->lock, pool->idle_mode == PINION_IDLE_POLL);
    pool->spin_ns = spin_ns(pool->idle_mode, options->spin_us);
    pool->retire_after = options->retire_after ? options->retire_after : RETIRE_NS;
    pool->stack_bytes = round_to_pages(options->stack_bytes);
    pool->is_eager = options->eager;
    pool->io.vtable = &pn_pool_vtable;
    pool->io.spin_ns = pool->spin_ns;
    pool->io.width = pool->base_limit;
    pool->io.process = pn_process();
    pool->modes = pn_modes_get();
}

/* The distinct seats: what comes after them sits where they do. */
static int make_places(struct pinion_pool *pool, const struct pinion_plan_options *options,
                       const struct pinion_topology *topology)
{
    const struct pinion_plan *plan = pool->plan;
    unsigned count = pn_plan_seat_count(topology, options);
    if (count > plan->count)
        count = plan->count;
    pool->places = calloc(count + 1, sizeof pool->places[0]);
    if (!pool->places)
        return -ENOMEM;
    pool->place_count = count;
    pool->is_pinning = plan->caller.cpu >= 0 || plan->caller.node != PINION_NO_NODE;
    pool->is_pinning = pool->is_pinning && pn_topology_is_this_machine(topology);
    for (unsigned i = 0; i < count; i++)
        pool->places[i] = pn_place_of(topology, &plan->seats[i]);
    pool->caller_place = pn_place_of(topology, &plan->caller);
    return pn_node_distances_init(&pool->distances, topology);
}

/* Who is who, as the scheduler numbers them. */
static int make_scheduler(struct pinion_pool *pool)
{
    struct pn_scheduler *scheduler = &pool->scheduler;
    pool->base = calloc(pool->base_limit + (size_t)1, sizeof pool->base[0]);
    scheduler->base = calloc(pool->base_limit + (size_t)1, sizeof scheduler->base[0]);
    pool->lanes = calloc(pool->node_count, sizeof pool->lanes[0]);
    pool->node_of_place = calloc(pool->place_count + (size_t)1, sizeof pool->node_of_place[0]);
    if (!pool->base || !scheduler->base || !pool->lanes || !pool->node_of_place)
        return -ENOMEM;
    for (unsigned i = 0; i < pool->node_count; i++)
        pool->lanes[i] = &pool->nodes[i].lane;
    for (unsigned i = 0; i < pool->place_count; i++)
        pool->node_of_place[i] = (unsigned)(node_of(pool, pool->places[i].node) - pool->nodes);
    scheduler->lanes = pool->lanes;
    scheduler->spin_ns = pool->spin_ns;
    return pn_idle_init(&scheduler->idle, pool->base_limit, pool->node_of_place, pool->place_count,
                        pool->node_count);
}

static int fill(struct pinion_pool *pool, const struct pinion_pool_options *options,
                const struct pinion_topology *topology)
{
    int error;
    pool->cpu_count =
        options->cpu_count ? options->cpu_count : pn_plan_cpu_count(topology, &options->plan);
    if (!pool->has_caller)
        pool->cpu_count++;
    fill_constants(pool, options, topology);
    (void)pn_cpu_mask_get(&pool->original_mask); /* stays NULL if that fails */
    if ((error = pn_plan_make(topology, &options->plan, pool->base_limit, &pool->plan)))
        return error;
    if ((error = make_places(pool, &options->plan, topology)) ||
        (error = make_nodes(pool, topology)) || (error = map_cpus(pool, topology)) ||
        (error = make_scheduler(pool)))
        return error;
    pool->caller = pn_worker_create(pool, PN_CALLER, 0, pool->plan->caller);
    if (!pool->caller)
        return -ENOMEM;
    pool->scheduler.caller = &pool->caller->scout;
    pn_idle_add(&pool->scheduler.idle, &pool->caller->counters);
    for (unsigned i = 0; i < pool->node_count; i++)
        pn_idle_add(&pool->scheduler.idle, &pool->nodes[i].counters);
    pool->caller->has_thread = pool->has_caller;
    return 0;
}

static void release(struct pinion_pool *pool)
{
    const unsigned reserves = pn_load_relaxed(&pool->reserve_count);
    for (unsigned i = 0; i < reserves; i++)
        pn_worker_destroy(pn_pool_reserve(pool, i));
    for (unsigned i = 0; i < PN_RESERVE_CHUNKS; i++)
        free(pn_load_relaxed(&pool->reserves[i]));
    for (unsigned i = 0; pool->base && i < pool->base_limit; i++)
        pn_worker_destroy(pn_load_relaxed(&pool->base[i]));
    free(pool->base);
    pn_worker_destroy(pool->caller);
    for (unsigned i = 0; i < pool->node_count; i++)
        drain_node(&pool->nodes[i]);
    /* Tasks may hold memory of any node's arena: these go last. */
    for (unsigned i = 0; i < pool->node_count; i++)
        pinion_arena_destroy(pool->nodes[i].arena);
    free(pool->nodes);
    free(pool->node_of_cpu);
    free(pool->places);
    pn_idle_fini(&pool->scheduler.idle);
    free(pool->scheduler.base);
    free(pool->lanes);
    free(pool->node_of_place);
    pn_node_distances_fini(&pool->distances);
    pn_cpu_mask_destroy(pool->original_mask);
    pinion_plan_destroy(pool->plan);
    (void)pthread_mutex_destroy(&pool->grow_lock);
    (void)pthread_mutex_destroy(&pool->slow_lock);
    pn_interrupt_release();
    free(pool);
}

static struct pinion_pool *allocate(void)
{
    struct pinion_pool *pool = aligned_alloc(alignof(struct pinion_pool), sizeof *pool);
    if (!pool)
        return NULL;
    memset(pool, 0, sizeof *pool);
    pn_interrupt_hold();
    (void)pthread_mutex_init(&pool->slow_lock, NULL);
    (void)pthread_mutex_init(&pool->grow_lock, NULL);
    return pool;
}

/* With a topology at hand. */
static int create(const struct pinion_pool_options *options,
                  const struct pinion_topology *topology, bool has_caller,
                  struct pinion_pool **result)
{
    struct pinion_pool *pool = allocate();
    if (!pool)
        return pn_error(ENOMEM, "out of memory for a pool");
    pool->has_caller = has_caller;
    int error = fill(pool, options, topology);
    if (error == -ENOMEM)
        error = pn_error(ENOMEM, "out of memory for a pool of %u CPUs", pool->cpu_count);
    if (!error) {
        note_degraded(pool, &options->plan, topology);
        error = options->strict ? pn_pool_check_strict(pool) : 0;
    }
    if (!error && (error = pn_membership_register(pool)))
        error = pn_error(-error, "out of memory for a pool");
    if (error) {
        release(pool);
        return error;
    }
    *result = pool;
    return 0;
}

/* This machine, less what PINION_CPUS leaves out. */
static int discover(struct pinion_topology **topology)
{
    const struct pinion_topology_options options = {.cpus = pn_settings_cpus()};
    const int error = pinion_topology_load(&options, topology);
    if (error == -EINVAL && options.cpus)
        return pn_error(EINVAL, "PINION_CPUS=%.120s: %s", options.cpus, pinion_error_detail());
    return error;
}

static int create_for(bool has_caller, const struct pinion_pool_options *options,
                      struct pinion_pool **pool)
{
    struct pinion_pool_options chosen = options ? *options : (struct pinion_pool_options){0};
    int error = check_options(&chosen);
    if (error || (error = pn_settings_read(&chosen.plan, &chosen.idle)))
        return error;
    if (chosen.topology)
        return create(&chosen, chosen.topology, has_caller, pool);

    struct pinion_topology *discovered;
    if ((error = discover(&discovered)))
        return error;
    error = create(&chosen, discovered, has_caller, pool);
    pinion_topology_destroy(discovered);
    return error;
}

int pinion_pool_create(const struct pinion_pool_options *options, struct pinion_pool **pool)
{
    const int saved = errno;
    const int error = create_for(true, options, pool);
    errno = saved;
    return error;
}

int pn_pool_create_without_caller(struct pinion_pool **pool)
{
    return create_for(false, NULL, pool);
}

void pinion_pool_destroy(struct pinion_pool *pool)
{
    if (!pool)
        return;
    if (pn_pool_is_lost(pool)) {
        pn_membership_forget(pool);
        return;
    }
    PN_ASSERT(!pn_membership_find(pool) || pn_membership_find(pool)->role == PN_CALLER);
    const int saved = errno;
    pn_membership_unregister(pool);
    pn_pool_join(pool);
    PN_ASSERT(!pn_scheduler_has_work(&pool->scheduler));
    release(pool);
    errno = saved;
}

struct pinion_io *pinion_pool_io(struct pinion_pool *pool) { return &pool->io; }
