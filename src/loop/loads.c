/* SPDX-License-Identifier: MIT */
#include "loads.h"

#include <errno.h>
#include <stdlib.h>

#include "backend.h"
#include "engine.h"
#include "loop.h"

/* So many are kept for the next. */
#define SPARES_MAX 256u

/* One that is under way, or spare. */
struct pn_load_record {
    struct pn_completion completion;
    struct pn_operation call;
    struct pn_loads *loads;
    struct pinion_batch *batch;
    struct pinion_operation *operation;
    struct pn_load_record *next, **link; /* in its list, or that of the spares */
    unsigned lanes;                      /* that it is in */
};

static struct pn_loads *loads_of(const struct pn_carrier *carrier)
{
    return PN_CONTAINER_OF(carrier, struct pn_loads, carrier);
}

static struct pn_load_record **list_of(struct pn_loads *loads, int descriptor)
{
    return &loads->lists[(uint32_t)descriptor % PN_LOADS_LISTS];
}

/* ---- records ---- */

static struct pn_load_record *take_record(struct pn_loads *loads)
{
    struct pn_load_record *record = loads->spare;
    if (record) {
        loads->spare = record->next;
        loads->spares--;
        return record;
    }
    const int saved = errno;
    record = malloc(sizeof *record);
    errno = saved;
    return record;
}

static void give_record(struct pn_loads *loads, struct pn_load_record *record)
{
    if (loads->spares == SPARES_MAX) {
        free(record);
        return;
    }
    record->next = loads->spare;
    loads->spare = record;
    loads->spares++;
}

static void list(struct pn_load_record *record, struct pn_load_record **head)
{
    record->next = *head;
    record->link = head;
    if (record->next)
        record->next->link = &record->next;
    *head = record;
}

static void unlist(struct pn_load_record *record)
{
    *record->link = record->next;
    if (record->next)
        record->next->link = record->link;
}

/* ---- under way ---- */

static void land(struct pn_completion *completion)
{
    struct pn_load_record *record = PN_CONTAINER_OF(completion, struct pn_load_record, completion);
    struct pn_loads *loads = record->loads;
    struct pinion_batch *batch = record->batch;
    struct pinion_operation *operation = record->operation;
    const long result = completion->result;
    unlist(record);
    loads->under_way--;
    give_record(loads, record);
    pn_carrier_land(batch, operation, result);
}

static bool has_under_way(const struct pn_carrier *carrier, const struct pinion_batch *batch,
                          int descriptor, unsigned lanes)
{
    struct pn_loads *loads = loads_of(carrier);
    for (const struct pn_load_record *one = *list_of(loads, descriptor); one; one = one->next)
        if ((one->lanes & lanes) && one->operation->descriptor == descriptor && one->batch == batch)
            return true;
    return false;
}

static bool begin(struct pn_loads *loads, const struct pn_load *load,
                  struct pn_load_record *record)
{
    struct pn_backend *backend = loads->engine->backend;
    record->completion.done = land;
    if (!load->call) {
        pn_backend_poll(backend, load->operation->descriptor, load->events, &record->completion);
        return true;
    }
    record->call = *load->call;
    return pn_backend_start(backend, &record->call, &record->completion);
}

static bool start(struct pn_carrier *carrier, const struct pn_load *load)
{
    struct pn_loads *loads = loads_of(carrier);
    struct pn_load_record *record = take_record(loads);
    if (!record)
        return false;
    if (!begin(loads, load, record)) {
        give_record(loads, record);
        return false;
    }
    record->loads = loads;
    record->batch = load->batch;
    record->operation = load->operation;
    record->lanes = load->lanes;
    load->operation->load = record;
    list(record, list_of(loads, load->operation->descriptor));
    loads->under_way++;
    return true;
}

static void cancel(struct pn_carrier *carrier, struct pinion_operation *operation)
{
    struct pn_load_record *record = operation->load;
    pn_backend_cancel(loads_of(carrier)->engine->backend, &record->completion);
}

static void rouse(struct pn_carrier *carrier) { pn_engine_rouse(loads_of(carrier)->engine->slot); }

static const struct pn_carrier_ways ways = {
    .has_under_way = has_under_way, .start = start, .cancel = cancel, .rouse = rouse};

/* ---- the whole ---- */

void pn_loads_init(struct pn_loads *loads, struct pn_engine *engine)
{
    loads->carrier.ways = &ways;
    loads->engine = engine;
    loads->is_open = pn_backend_report(engine->backend)->kind == PN_BACKEND_RING;
}

void pn_loads_fini(struct pn_loads *loads)
{
    struct pn_load_record *record;
    while ((record = loads->spare)) {
        loads->spare = record->next;
        free(record);
    }
}

void pn_loads_give_back(struct pn_loads *loads)
{
    for (unsigned i = 0; i < PN_LOADS_LISTS; i++)
        for (struct pn_load_record *one = loads->lists[i]; one; one = one->next)
            pn_carrier_call_back(&loads->carrier, one->operation);
    while (loads->under_way) {
        pn_carrier_answer(&loads->carrier);
        pn_loop_sleep(&loads->engine->slot->worker, loads->engine, INT64_MAX);
    }
    pn_carrier_rest(&loads->carrier);
}
