/* SPDX-License-Identifier: MIT */
#include "record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crew.h"
#include "futex.h"
#include "guard.h"
#include "segment.h"
#include "settings.h"

/* So many slots at most are shown: it is what the segment's addresses are reserved for. */
#define BASE_SLOTS_SHOWN    8192u
#define RESERVE_SLOTS_SHOWN 1024u

static size_t record_bytes(void)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return page > PN_RECORD_BYTES ? page : PN_RECORD_BYTES;
}

static size_t records_max(const struct pn_crew *crew)
{
    const unsigned base = pn_crew_base_slots(crew);
    const unsigned reserves = crew->max_parallel;
    return (size_t)crew->node_count + 1 + (base < BASE_SLOTS_SHOWN ? base : BASE_SLOTS_SHOWN) +
           (reserves && reserves < RESERVE_SLOTS_SHOWN ? reserves : RESERVE_SLOTS_SHOWN);
}

static void fill_header(struct pn_crew *crew)
{
    struct pn_record_header *header = crew->header;
    header->header_bytes = header->record_bytes = (uint32_t)record_bytes();
    header->pid = (uint32_t)getpid();
    header->id = crew->id;
    header->made_at = pn_now();
    header->cpu_count = crew->cpu_count;
    header->base_seats = crew->base_limit;
    (void)snprintf(header->noun, sizeof header->noun, "%s", crew->kind->noun);
    (void)snprintf(header->idle, sizeof header->idle, "%s", pn_idle_name(crew->idle_mode));
    memcpy(header->magic, PN_RECORD_MAGIC, sizeof header->magic);
    pn_store_release(&header->layout, PN_RECORD_LAYOUT);
}

int pn_crew_make_records(struct pn_crew *crew)
{
    const size_t bytes = record_bytes();
    const int error = pn_segment_create(bytes * (1 + records_max(crew)), &crew->segment);
    if (error)
        return error;
    crew->header = pn_segment_take(crew->segment, bytes);
    fill_header(crew);
    for (unsigned i = 0; i < crew->node_count; i++) {
        const struct pinion_seat seat = {.cpu = -1, .node = crew->nodes[i].node};
        crew->nodes[i].record = pn_record_create(crew, PN_OUTSIDE, i, &seat);
        if (!crew->nodes[i].record)
            return -ENOMEM;
    }
    return 0;
}

void pn_crew_drop_records(struct pn_crew *crew)
{
    if (!crew->segment)
        return;
    pn_store_relaxed(&crew->header->is_over, 1u);
    for (unsigned i = 0; i < crew->node_count; i++)
        pn_record_destroy(crew, crew->nodes[i].record);
    pn_segment_hide(crew->segment);
    pn_segment_let_go(crew->segment);
}

/* In the segment on the node, or else where it is touched first; what malloc gives is not bound,
 * since others get those pages later. */
static struct pn_record *allocate(struct pn_crew *crew, unsigned node)
{
    const size_t bytes = record_bytes();
    struct pn_record *record = pn_segment_take(crew->segment, bytes);
    if (record) {
        if (crew->is_pinning && node != PINION_NO_NODE)
            (void)pn_memory_bind(record, bytes, (int)node);
        pn_fetch_add_relaxed(&crew->header->records, 1u);
        pn_guard_map(record, bytes);
        return record;
    }
    record = aligned_alloc(bytes, bytes);
    if (record) {
        memset((void *)record, 0, bytes);
        pn_fetch_add_relaxed(&crew->header->left_out, 1u);
    }
    return record;
}

struct pn_record *pn_record_create(struct pn_crew *crew, enum pn_role role, unsigned index,
                                   const struct pinion_seat *seat)
{
    struct pn_record *record = allocate(crew, seat->node);
    if (!record)
        return NULL;
    record->role = role;
    record->index = index;
    record->cpu = seat->cpu;
    record->node = seat->node;
    record->is_program =
        role == PN_CALLER || (role == PN_BASE && index == 0 && crew->kind->has_program_seat);
    pn_store_relaxed(&record->pinned_cpu, -1);
    pn_store_release(&record->is_made, 1u);
    return record;
}

void pn_record_destroy(struct pn_crew *crew, struct pn_record *record)
{
    if (!record)
        return;
    if (!pn_segment_has(crew->segment, record)) {
        free(record);
    } else {
        pn_store_relaxed(&record->is_made, 0u);
        pn_guard_unmap(record, record_bytes());
    }
}

void pn_record_enter(struct pn_worker *worker)
{
    pn_store_relaxed(&worker->record->thread, (int32_t)gettid());
}

void pn_record_leave(struct pn_worker *worker)
{
    pn_store_relaxed(&worker->record->counters.state, PN_STATE_RUNNING);
    pn_store_relaxed(&worker->record->thread, 0);
}

void pn_crew_show_counts_locked(struct pn_crew *crew)
{
    struct pn_record_header *header = crew->header;
    pn_store_relaxed(&header->parallel_count, crew->parallel_count);
    pn_store_relaxed(&header->threads, crew->threads - pn_load_relaxed(&crew->starting));
    pn_store_relaxed(&header->threads_peak, crew->threads_peak);
    PN_EVENT(capacity, crew->id, crew->kind->noun, pn_crew_capacity_locked(crew));
}
