/* SPDX-License-Identifier: MIT
 *
 * What others may know of a crew while it runs.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "crew.h"
#include "slab.h"

void pn_crew_each_slot(struct pn_crew *crew, void (*visit)(struct pn_worker *worker, void *context),
                       void *context)
{
    if (crew->caller)
        visit(crew->caller, context);
    const unsigned high = pn_load_acquire(&crew->scheduler.high);
    for (unsigned i = 0; i < high; i++)
        visit(pn_load_acquire(&crew->base[i]), context);
    const unsigned count = pn_load_acquire(&crew->reserve_count);
    for (unsigned i = 0; i < count; i++)
        visit(pn_crew_reserve(crew, i), context);
}

/* In a child of the crew's process nothing of it changes any more, and its lock may be held by a
 * thread that is not there. */
static void lock(struct pn_crew *crew)
{
    if (!pn_crew_is_lost(crew))
        pn_lock(&crew->lock);
}

static void unlock(struct pn_crew *crew)
{
    if (!pn_crew_is_lost(crew))
        pn_unlock(&crew->lock);
}

static void add_counters(const struct pn_counters *counters, struct pinion_pool_stats *stats)
{
    /* Acquire: pairs with pay (idle.c), so that it is not more than the tasks that paid. */
    stats->woken += pn_load_acquire(&counters->woken);
    stats->queued += pn_load_relaxed(&counters->queued);
    stats->claimed += pn_load_relaxed(&counters->claimed);
    stats->stolen_near += pn_load_relaxed(&counters->stolen_near);
    stats->stolen_far += pn_load_relaxed(&counters->stolen_far);
    stats->parked += pn_load_relaxed(&counters->parked);
    stats->searched += pn_load_relaxed(&counters->searched);
}

static void add_worker(struct pn_worker *worker, void *context)
{
    struct pinion_pool_stats *stats = context;
    struct pn_slab_stats slab;
    add_counters(worker->counters, stats);
    stats->inlined += pn_plain_load_relaxed(&worker->head->shared.inlined);
    pn_slab_stats(worker->slab, &slab);
    stats->remote_frees += slab.remote_frees;
}

void pn_crew_stats(struct pn_crew *crew, struct pinion_pool_stats *stats)
{
    *stats = (struct pinion_pool_stats){.cpu_count = crew->cpu_count};
    lock(crew);
    stats->parallel_count = crew->parallel_count;
    stats->capacity = pn_crew_capacity_locked(crew);
    if (!pn_crew_is_lost(crew)) /* alive: what is being created is not yet */
        stats->threads = crew->threads - crew->starting;
    stats->threads_peak = crew->threads_peak;
    unlock(crew);
    pn_crew_each_slot(crew, add_worker, stats);
    for (unsigned i = 0; i < crew->node_count; i++) {
        struct pn_slab_stats slab;
        add_counters(&crew->nodes[i].record->counters, stats);
        stats->inlined += pn_load_relaxed(&crew->nodes[i].record->inlined);
        stats->injected += pn_load_relaxed(&crew->nodes[i].record->counters.queued);
        pn_slab_stats(crew->nodes[i].slab, &slab);
        stats->remote_frees += slab.remote_frees;
    }
}

struct rows {
    struct pinion_worker_stats *rows;
    size_t count, filled;
};

void pn_worker_name(const struct pn_worker *worker, char name[static 16])
{
    if (worker->role == PN_CALLER || pn_worker_is_program_seat(worker))
        (void)snprintf(name, 16, "caller");
    else
        (void)snprintf(name, 16, worker->role == PN_BASE ? "pinion/%u" : "pinion/r%u",
                       worker->index);
}

static void fill_row(struct pn_worker *worker, void *context)
{
    struct rows *rows = context;
    const size_t i = rows->filled++;
    if (i >= rows->count)
        return;
    struct pinion_worker_stats row = {.cpu = pn_load_relaxed(&worker->record->pinned_cpu),
                                      .node = worker->seat.node};
    struct pn_slab_stats slab;
    size_t local = 0, elsewhere = 0;
    pn_worker_name(worker, row.name);
    lock(worker->crew);
    row.alive = worker->has_thread && !pn_crew_is_lost(worker->crew);
    unlock(worker->crew);
    row.tasks = pn_load_relaxed(&worker->counters->tasks) +
                pn_load_relaxed(&worker->counters->handed);
    row.inlined = pn_plain_load_relaxed(&worker->head->shared.inlined);
    row.stolen_near = pn_load_relaxed(&worker->counters->stolen_near);
    row.stolen_far = pn_load_relaxed(&worker->counters->stolen_far);
    row.parked = pn_load_relaxed(&worker->counters->parked);
    row.searched = pn_load_relaxed(&worker->counters->searched);
    pn_slab_stats(worker->slab, &slab);
    row.arena_bytes = slab.chunk_bytes;
    if (worker->seat.node != PINION_NO_NODE &&
        pn_slab_locality(worker->slab, worker->seat.node, &local, &elsewhere) == 0) {
        row.local_bytes = local;
        row.remote_bytes = elsewhere;
    }
    rows->rows[i] = row;
}

size_t pn_crew_workers(struct pn_crew *crew, struct pinion_worker_stats *workers,
                       size_t count)
{
    struct rows rows = {.rows = workers, .count = count};
    const int saved = errno;
    pn_crew_each_slot(crew, fill_row, &rows);
    errno = saved;
    return rows.filled;
}

size_t pn_crew_degraded(struct pn_crew *crew, char *buffer, size_t size)
{
    const bool is_lost = pn_crew_is_lost(crew);
    if (!is_lost)
        (void)pthread_mutex_lock(&crew->slow_lock);
    const size_t length = crew->degraded_length;
    if (size) {
        const size_t copied = length < size ? length : size - 1;
        memcpy(buffer, crew->degraded, copied);
        buffer[copied] = '\0';
    }
    if (!is_lost)
        (void)pthread_mutex_unlock(&crew->slow_lock);
    return length;
}
