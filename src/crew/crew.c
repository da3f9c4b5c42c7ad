/* SPDX-License-Identifier: MIT
 *
 * Makes and ends a crew.
 */
#include "crew.h"

#include <errno.h>
#include <limits.h>
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
#include "segment.h"
#include "settings.h"
#include "strict.h"

#define CPU_COUNT_MAX (1u << 20)
#define SPIN_US       50 /* about what a wake costs on a virtual machine, where it costs most */
#define SPIN_US_MAX   1000000u
#define RETIRE_NS     INT64_C(2000000000)

/* Half the address space: above it, rounding to pages might wrap. */
#define STACK_BYTES_MAX (SIZE_MAX / 2)

/* ---- what is degraded ---- */

void pn_crew_degrade(struct pn_crew *crew, int error, const char *format, ...)
{
    char line[256];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);

    (void)pthread_mutex_lock(&crew->slow_lock);
    const size_t left = sizeof crew->degraded - crew->degraded_length;
    if (!strstr(crew->degraded, line) && strlen(line) + 2 <= left) {
        const int added = snprintf(crew->degraded + crew->degraded_length, left, "%s%s",
                                   crew->degraded_length ? "\n" : "", line);
        crew->degraded_length += (size_t)added;
        if (crew->header)
            pn_store_relaxed(&crew->header->is_degraded, 1u);
    }
    if (!crew->degraded_error)
        crew->degraded_error = error;
    (void)pthread_mutex_unlock(&crew->slow_lock);
}

static void note_memory(struct pn_crew *crew)
{
    for (unsigned i = 0; i < crew->node_count; i++) {
        const int error = pn_arena_bind_error(crew->nodes[i].arena);
        if (error)
            pn_crew_degrade(crew, error,
                            "memory is not bound to node %u: the kernel refused (%s); it is where "
                            "it is first touched",
                            crew->nodes[i].node, strerrordesc_np(-error));
    }
    bool is_on;
    const char *huge = pn_arena_huge_pages(&is_on);
    if (!is_on)
        pn_crew_degrade(crew, -ENOTSUP, "no huge pages: %s", huge);
}

/* Notes what shows before any thread runs. */
static void note_degraded(struct pn_crew *crew, const struct pinion_plan_options *plan,
                          const struct pinion_topology *topology)
{
    const struct pinion_cpu *cpus;
    const unsigned count = pinion_topology_cpus(topology, &cpus);
    const unsigned seats = pn_plan_seat_count(topology, plan);
    if (crew->base_limit + (crew->has_caller ? 1u : 0u) > seats)
        pn_crew_degrade(crew, -EINVAL, "seats wrap round: cpu_count %u on a %s %u CPUs",
                        crew->cpu_count,
                        seats < count ? "slice that has" : "machine that allows", seats);
    if (!pn_topology_is_this_machine(topology))
        pn_crew_degrade(crew, -ENOTSUP,
                        "threads and memory are not bound: the topology is not this machine's");
    if (pinion_topology_cpu_count(topology) < count)
        pn_crew_degrade(crew, -EDQUOT, "a CPU quota allows %u of the %u CPUs in the mask%s",
                        pinion_topology_cpu_count(topology), count,
                        crew->idle_mode == PINION_IDLE_POLL
                            ? "; to poll, as asked, uses it up without working"
                            : "");
    if (!pn_interrupt_signal()) {
        char words[PN_INTERRUPT_WORDS];
        pn_interrupt_describe(words, sizeof words);
        pn_crew_degrade(crew, -EBUSY, "%s", words);
    }
    note_memory(crew);
    const int error = pn_segment_error(crew->segment);
    if (error)
        pn_crew_degrade(crew, error,
                        "other processes can't watch it: no shared memory (%s); it takes a "
                        "descriptor and a file of some MiB (ulimit -n, ulimit -f)",
                        strerrordesc_np(-error));
}

/* ---- options ---- */

static int check_options(const struct pn_crew_kind *kind, const struct pn_crew_options *options)
{
    if (options->cpu_count > CPU_COUNT_MAX)
        return pn_error(EINVAL, "cpu_count %u is above %u", options->cpu_count, CPU_COUNT_MAX);
    if (options->plan.workers)
        return pn_error(EINVAL, "plan.workers is %u; a %s seats cpu_count - 1 workers: set "
                                "cpu_count, and leave it 0",
                        options->plan.workers, kind->noun);
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

static void fill_constants(struct pn_crew *crew, const struct pn_crew_kind *kind,
                           const struct pn_crew_options *options,
                           const struct pinion_topology *topology)
{
    crew->kind = kind;
    crew->has_caller = !options->has_no_caller;
    crew->cpu_count =
        options->cpu_count ? options->cpu_count : pn_plan_cpu_count(topology, &options->plan);
    if (!crew->has_caller)
        crew->cpu_count++;
    crew->id = pn_membership_new_id();
    crew->base_limit = crew->cpu_count - 1;
    pn_store_relaxed(&crew->base_missing, crew->base_limit);
    crew->max_parallel = options->max_parallel;
    crew->idle_mode = idle_mode(options->idle, topology);
    pn_lock_init(&crew->lock, crew->idle_mode == PINION_IDLE_POLL);
    crew->spin_ns = spin_ns(crew->idle_mode, options->spin_us);
    crew->retire_after = options->retire_after ? options->retire_after : RETIRE_NS;
    crew->stack_bytes = round_to_pages(options->stack_bytes);
    crew->base_queue = options->base_queue;
    crew->reserve_queue = options->reserve_queue;
    crew->io.vtable = kind->vtable;
    crew->io.spin_ns = crew->spin_ns;
    crew->io.width = crew->base_limit;
    crew->io.process = pn_process();
    crew->modes = pn_modes_get();
}

/* ---- create ---- */

/* Who is who, as the scheduler numbers them. */
static int make_scheduler(struct pn_crew *crew)
{
    struct pn_scheduler *scheduler = &crew->scheduler;
    const unsigned slots = pn_crew_base_slots(crew);
    crew->base = calloc(slots + (size_t)1, sizeof crew->base[0]);
    scheduler->base = calloc(slots + (size_t)1, sizeof scheduler->base[0]);
    if (!crew->base || !scheduler->base)
        return -ENOMEM;
    scheduler->lanes = crew->lanes;
    scheduler->spin_ns = crew->spin_ns;
    return pn_idle_init(&scheduler->idle, slots, crew->node_of_place, crew->place_count,
                        crew->node_count);
}

/* The slot of the program's thread. */
static int make_program_slot(struct pn_crew *crew)
{
    if (crew->kind->has_program_seat)
        return pn_crew_add_base(crew) ? 0 : -ENOMEM;
    crew->caller = pn_worker_create(crew, PN_CALLER, 0, crew->plan->caller);
    if (!crew->caller)
        return -ENOMEM;
    crew->scheduler.caller = &crew->caller->scout;
    pn_idle_add(&crew->scheduler.idle, crew->caller->counters);
    crew->caller->has_thread = crew->has_caller;
    return 0;
}

static int fill(struct pn_crew *crew, const struct pinion_plan_options *options,
                const struct pinion_topology *topology)
{
    int error;
    (void)pn_cpu_mask_get(&crew->original_mask); /* stays NULL if that fails */
    if ((error = pn_plan_make(topology, options, crew->base_limit, &crew->plan)) ||
        (error = pn_crew_make_nodes(crew, options, topology)) || (error = make_scheduler(crew)) ||
        (error = make_program_slot(crew)))
        return error;
    for (unsigned i = 0; i < crew->node_count; i++)
        pn_idle_add(&crew->scheduler.idle, &crew->nodes[i].record->counters);
    return 0;
}

static void release(struct pn_crew *crew)
{
    const unsigned reserves = pn_load_relaxed(&crew->reserve_count);
    for (unsigned i = 0; i < reserves; i++)
        pn_worker_destroy(pn_crew_reserve(crew, i));
    for (unsigned i = 0; i < PN_RESERVE_CHUNKS; i++)
        free(pn_load_relaxed(&crew->reserves[i]));
    for (unsigned i = 0; crew->base && i < pn_crew_base_slots(crew); i++)
        pn_worker_destroy(pn_load_relaxed(&crew->base[i]));
    free(crew->base);
    pn_worker_destroy(crew->caller);
    pn_idle_fini(&crew->scheduler.idle);
    free(crew->scheduler.base);
    pn_crew_drain_nodes(crew);
    pn_cpu_mask_destroy(crew->original_mask);
    pinion_plan_destroy(crew->plan);
    (void)pthread_mutex_destroy(&crew->grow_lock);
    (void)pthread_mutex_destroy(&crew->slow_lock);
    pn_interrupt_release();
}

/* With a topology at hand. */
static int init(struct pn_crew *crew, const struct pn_crew_kind *kind,
                const struct pn_crew_options *options, const struct pinion_topology *topology)
{
    pn_interrupt_hold();
    (void)pthread_mutex_init(&crew->slow_lock, NULL);
    (void)pthread_mutex_init(&crew->grow_lock, NULL);
    fill_constants(crew, kind, options, topology);
    int error = fill(crew, &options->plan, topology);
    if (error == -ENOMEM)
        error = pn_error(ENOMEM, "out of memory for a %s of %u CPUs", kind->noun, crew->cpu_count);
    if (!error) {
        note_degraded(crew, &options->plan, topology);
        error = options->strict ? pn_crew_check_strict(crew) : 0;
    }
    if (!error && (error = pn_membership_register(crew)))
        error = pn_error(-error, "out of memory for a %s", kind->noun);
    if (error)
        release(crew);
    return error;
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

int pn_crew_check_reserved(const uint64_t reserved[static 8])
{
    static const uint64_t zero[8];
    if (memcmp(reserved, zero, sizeof zero) != 0)
        return pn_error(EINVAL, "reserved fields of the options are not zero; initialise the "
                                "struct with {0}");
    return 0;
}

void *pn_crew_allocate(size_t bytes)
{
    void *memory = aligned_alloc(alignof(struct pn_crew), bytes);
    if (memory)
        memset(memory, 0, bytes);
    return memory;
}

int pn_crew_init(struct pn_crew *crew, const struct pn_crew_kind *kind,
                 const struct pn_crew_options *options)
{
    struct pn_crew_options chosen = *options;
    int error = check_options(kind, &chosen);
    if (error || (error = pn_settings_read(&chosen.plan, &chosen.idle)) ||
        (pn_trace_obey_environment && (error = pn_trace_obey_environment())))
        return error;
    if (chosen.topology)
        return init(crew, kind, &chosen, chosen.topology);

    struct pinion_topology *discovered;
    if ((error = discover(&discovered)))
        return error;
    error = init(crew, kind, &chosen, discovered);
    pinion_topology_destroy(discovered);
    return error;
}

void pn_crew_fini(struct pn_crew *crew)
{
    PN_ASSERT(!pn_membership_find(crew) || pn_membership_find(crew)->role == PN_CALLER);
    pn_membership_unregister(crew);
    pn_crew_join(crew);
    PN_ASSERT(!pn_scheduler_has_work(&crew->scheduler));
    release(crew);
}
