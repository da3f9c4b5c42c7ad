/* SPDX-License-Identifier: MIT
 *
 * Makes and ends a loop.
 */
#include "loop.h"

#include <errno.h>
#include <stdlib.h>

#include "detail.h"
#include "lock.h"
#include "settings.h"
#include "stack.h"

/* Entries that a deque begins with. */
#define DEQUE_SIZE         1024
#define DEQUE_SIZE_RESERVE 128

#define STACK_BYTES ((size_t)256 * 1024)
#define STACK_BYTES_MAX (SIZE_MAX / 4)

static const struct pn_crew_kind loop_kind = {
    .vtable = &pn_loop_vtable,
    .noun = "loop",
    .worker_bytes = sizeof(struct pn_loop_worker),
    .has_program_seat = true,
    .base_live = pn_loop_base_live,
    .run_reserved = pn_loop_run_reserved,
    .run_the_rest = pn_loop_run_the_rest,
    .leave_reserved = pn_loop_leave_reserved,
    .wake = pn_loop_wake_waiting,
};

/* ---- options ---- */

static int refuse_stack(size_t bytes)
{
    return pn_error(EINVAL, "stack_bytes %zu: a fiber's stack takes %zu to %zu, or 0 for %zu",
                    bytes, pn_stack_min(), STACK_BYTES_MAX, STACK_BYTES);
}

static int check_options(const struct pinion_loop_options *options)
{
    const int error = pn_crew_check_reserved(options->reserved);
    if (error)
        return error;
    if ((unsigned)options->backend > PINION_BACKEND_EPOLL)
        return pn_error(EINVAL, "%d is no backend; take one of enum pinion_backend",
                        (int)options->backend);
    if (options->ring_entries > PN_RING_ENTRIES_MAX)
        return pn_error(EINVAL, "ring_entries %u is above %u; 0 means %u", options->ring_entries,
                        PN_RING_ENTRIES_MAX, PN_RING_ENTRIES_DEFAULT);
    if (options->stack_bytes &&
        (options->stack_bytes < pn_stack_min() || options->stack_bytes > STACK_BYTES_MAX))
        return refuse_stack(options->stack_bytes);
    return 0;
}

static struct pn_crew_options crew_options(const struct pinion_loop_options *options)
{
    return (struct pn_crew_options){
        .topology = options->topology,
        .cpu_count = options->cpu_count,
        .plan = options->plan,
        .idle = options->idle,
        .spin_us = options->spin_us,
        .max_parallel = options->max_parallel,
        .retire_after = options->retire_after,
        .strict = options->strict,
        .base_queue = DEQUE_SIZE,
        .reserve_queue = DEQUE_SIZE_RESERVE,
    };
}

size_t pinion_loop_stack_min(void) { return pn_stack_min(); }

/* ---- what is degraded ---- */

static bool lacks_sqpoll(const struct pinion_loop *loop, const struct pn_backend_report *report)
{
    return loop->backend.sqpoll && report->kind == PN_BACKEND_RING &&
           !(report->taken & 1u << PN_FEATURE_SQPOLL);
}

void pn_loop_note_backend(struct pinion_loop *loop, const struct pn_backend_report *report)
{
    pn_lock(&loop->report_lock);
    loop->report = *report;
    pn_unlock(&loop->report_lock);
    pn_store_relaxed(&loop->crew.header->backend, (uint32_t)report->kind);
    if (report->ring_error)
        pn_crew_degrade(&loop->crew, report->ring_error, "no io_uring but epoll: %s",
                        pn_backend_reason(report->ring_error));
    if (lacks_sqpoll(loop, report))
        pn_crew_degrade(&loop->crew, -EINVAL, "no sqpoll: the kernel refuses it");
}

/* In a child of the loop's process it does not change any more, and its lock may be held. */
static struct pn_backend_report report_of(struct pinion_loop *loop)
{
    const bool is_lost = pn_crew_is_lost(&loop->crew);
    if (!is_lost)
        pn_lock(&loop->report_lock);
    const struct pn_backend_report report = loop->report;
    if (!is_lost)
        pn_unlock(&loop->report_lock);
    return report;
}

void pn_loop_describe_backend(struct pinion_loop *loop, char *words, size_t size)
{
    const struct pn_backend_report report = report_of(loop);
    pn_backend_report_describe(&report, words, size);
}

/* What a worker will have, tried once; with strict, what it will lack is an error. Later on a
 * worker that gets no ring has epoll in any case: what was queued counts on it. */
static int try_backend(struct pinion_loop *loop, bool is_strict)
{
    struct pn_backend_options *options = &loop->backend;
    struct pn_backend_report report;
    if (options->kind == PN_BACKEND_RING && !is_strict)
        options->kind = PN_BACKEND_AUTO;
    const int error = pn_backend_probe(options, &report);
    if (error)
        return error;
    if (options->kind == PN_BACKEND_RING)
        options->kind = PN_BACKEND_AUTO;
    pn_loop_note_backend(loop, &report);
    if (is_strict && report.ring_error)
        return pn_error(-report.ring_error, "strict, and degraded: no io_uring: %s",
                        pn_backend_reason(report.ring_error));
    if (is_strict && lacks_sqpoll(loop, &report))
        return pn_error(EINVAL, "strict, and degraded: the kernel refuses sqpoll");
    return 0;
}

/* ---- create, destroy ---- */

static int make_depots(struct pinion_loop *loop)
{
    const struct pn_crew *crew = &loop->crew;
    loop->depots = calloc(crew->node_count, sizeof loop->depots[0]);
    if (!loop->depots)
        return pn_error(ENOMEM, "out of memory for a loop");
    for (unsigned i = 0; i < crew->node_count; i++) {
        const unsigned node = crew->nodes[i].node;
        const int error = pn_stack_depot_create(
            crew->is_pinning && node != PINION_NO_NODE ? (int)node : -1, &loop->depots[i]);
        if (error)
            return pn_error(-error, "out of memory for a loop's stacks");
    }
    return 0;
}

/* Where one can't be had, tasks would wait for it for ever. */
int pn_loop_try_stack(struct pinion_loop *loop, size_t bytes)
{
    struct pn_stack_cache *cache;
    struct pn_stack stack;
    if (bytes > STACK_BYTES_MAX)
        return refuse_stack(bytes);
    if (pn_stack_cache_create(loop->depots[0], &cache))
        return pn_error(ENOMEM, "out of memory for a loop's stacks");
    const int error = pn_stack_get(cache, bytes, &stack);
    if (!error)
        pn_stack_put(cache, &stack);
    pn_stack_cache_destroy(cache);
    return error ? pn_error(-error, "stack_bytes %zu: not one stack can be mapped; take less, or "
                                    "raise the limit of address space (ulimit -v)",
                            bytes)
                 : 0;
}

static void free_depots(struct pinion_loop *loop, unsigned count)
{
    for (unsigned i = 0; loop->depots && i < count; i++)
        pn_stack_depot_destroy(loop->depots[i]);
    free(loop->depots);
}

static int fill(struct pinion_loop *loop, const struct pinion_loop_options *options)
{
    static const enum pn_backend_kind kinds[] = {[PINION_BACKEND_AUTO] = PN_BACKEND_AUTO,
                                                 [PINION_BACKEND_IO_URING] = PN_BACKEND_RING,
                                                 [PINION_BACKEND_EPOLL] = PN_BACKEND_EPOLL};
    enum pinion_backend backend = options->backend;
    int error = pn_settings_backend(&backend);
    if (error)
        return error;
    loop->backend = (struct pn_backend_options){.kind = kinds[backend],
                                                .ring_entries = options->ring_entries,
                                                .sqpoll = options->sqpoll};
    loop->stack_bytes = options->stack_bytes ? options->stack_bytes : STACK_BYTES;
    const struct pn_crew_options chosen = crew_options(options);
    error = pn_crew_init(&loop->crew, &loop_kind, &chosen);
    if (error)
        return error;
    const unsigned nodes = loop->crew.node_count;
    if ((error = make_depots(loop)) || (error = pn_loop_try_stack(loop, loop->stack_bytes)) ||
        (error = try_backend(loop, options->strict))) {
        pn_crew_fini(&loop->crew);
        free_depots(loop, nodes);
    }
    return error;
}

int pinion_loop_create(const struct pinion_loop_options *options, struct pinion_loop **result)
{
    static const struct pinion_loop_options defaults;
    const int saved = errno;
    int error = check_options(options ? options : &defaults);
    if (error)
        return error;
    struct pinion_loop *loop = pn_crew_allocate(sizeof *loop);
    error = loop ? fill(loop, options ? options : &defaults)
                 : pn_error(ENOMEM, "out of memory for a loop");
    errno = saved;
    if (error) {
        free(loop);
        return error;
    }
    pn_crew_show(&loop->crew);
    *result = loop;
    return 0;
}

void pinion_loop_destroy(struct pinion_loop *loop)
{
    if (!loop)
        return;
    if (pn_crew_is_lost(&loop->crew)) {
        pn_membership_forget(&loop->crew);
        return;
    }
    const int saved = errno;
    const unsigned nodes = loop->crew.node_count;
    pn_loop_run_left(loop);
    pn_crew_fini(&loop->crew);
    free_depots(loop, nodes);
    free(loop);
    errno = saved;
}

struct pinion_io *pinion_loop_io(struct pinion_loop *loop) { return &loop->crew.io; }

/* ---- what others may know ---- */

void pinion_loop_stats(struct pinion_loop *loop, struct pinion_loop_stats *stats)
{
    struct pn_crew *crew = &loop->crew;
    struct pinion_pool_stats of;
    pn_crew_stats(crew, &of);
    *stats = (struct pinion_loop_stats){
        .cpu_count = of.cpu_count, .parallel_count = of.parallel_count, .capacity = of.capacity,
        .threads = of.threads, .threads_peak = of.threads_peak, .inlined = of.inlined,
        .queued = of.queued, .claimed = of.claimed, .stolen_near = of.stolen_near,
        .stolen_far = of.stolen_far, .injected = of.injected, .parked = of.parked,
        .woken = of.woken, .remote_frees = of.remote_frees, .searched = of.searched};
    const unsigned high = pn_load_acquire(&crew->scheduler.high);
    for (unsigned i = 0; i < high; i++) {
        struct pn_loop_worker *slot = pn_loop_worker_of(pn_load_acquire(&crew->base[i]));
        stats->fibers += pn_load_relaxed(&slot->worker.record->loop.fibers);
        stats->started += pn_load_relaxed(&slot->worker.record->loop.started);
    }
    for (unsigned i = 0; i < crew->node_count && !pn_crew_is_lost(crew); i++) {
        struct pn_stack_stats stacks;
        pn_stack_depot_stats(loop->depots[i], &stacks);
        stats->stacks += stacks.mapped;
        stats->stack_bytes += stacks.bytes;
    }
    const struct pn_backend_report report = report_of(loop);
    stats->backend =
        report.kind == PN_BACKEND_EPOLL ? PINION_BACKEND_EPOLL : PINION_BACKEND_IO_URING;
    stats->ring_entries = report.entries;
    stats->ring_error = report.ring_error;
    stats->features_taken = report.taken;
    stats->features_refused = report.refused;
}

size_t pinion_loop_workers(struct pinion_loop *loop, struct pinion_worker_stats *workers,
                           size_t count)
{
    return pn_crew_workers(&loop->crew, workers, count);
}

size_t pinion_loop_degraded(struct pinion_loop *loop, char *buffer, size_t size)
{
    return pn_crew_degraded(&loop->crew, buffer, size);
}
