/* SPDX-License-Identifier: MIT */
#include "plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "check.h"
#include "detail.h"
#include "machine.h"
#include "share.h"

enum { WORKERS_MAX = 1 << 20 };

struct plan {
    struct pinion_plan face;
    struct pn_buffer reason;
    struct pinion_seat seats[];
};

static const struct pinion_plan_options defaults;

static int check_options(const struct pinion_plan_options *options)
{
    const unsigned slices = options->slice_count ? options->slice_count : 1;
    if (!pinion_placement_name(options->placement))
        return pn_error(EINVAL, "%d is no placement; take one of enum pinion_placement",
                        (int)options->placement);
    if (options->slice_index >= slices)
        return pn_error(EINVAL, "slice %u of %u does not exist: they count from 0, up to %u",
                        options->slice_index, slices, slices - 1);
    if (memcmp(options->reserved, defaults.reserved, sizeof defaults.reserved) != 0)
        return pn_error(EINVAL, "reserved fields of the plan's options are not zero; initialise "
                                "the struct with {0}");
    return 0;
}

static int check_workers(const struct pinion_plan_options *options, const struct pn_share *share,
                         unsigned workers)
{
    if (workers > WORKERS_MAX)
        return pn_error(EINVAL, "%u workers are too many; ask for at most %d", workers,
                        WORKERS_MAX);
    if (options->avoid_smt && workers > share->cores)
        return pn_error(EINVAL,
                        "%u workers do not fit one a core on %u cores; ask for at most that "
                        "many, or do without avoid_smt",
                        workers, share->cores);
    return 0;
}

/* The share of options that may still be wrong. */
static struct pn_share share_of(const struct pinion_topology *topology,
                                const struct pinion_plan_options *options)
{
    const bool sliced = options->slice_index < options->slice_count;
    return pn_share_of(topology, sliced ? options->slice_index : 0,
                       sliced ? options->slice_count : 1);
}

unsigned pn_plan_seat_count(const struct pinion_topology *topology,
                            const struct pinion_plan_options *options)
{
    return share_of(topology, options ? options : &defaults).count;
}

unsigned pn_plan_node(const struct pinion_topology *topology, unsigned i)
{
    return topology->homes[i];
}

unsigned pn_plan_cpu_count(const struct pinion_topology *topology,
                           const struct pinion_plan_options *options)
{
    if (!options)
        options = &defaults;
    const struct pn_share share = share_of(topology, options);
    const unsigned usable = options->avoid_smt ? share.cores : share.count;
    return usable < topology->cpu_count ? usable : topology->cpu_count;
}

/* What AUTO takes, and why. */
static enum pinion_placement choose(const struct pinion_topology *topology,
                                    const struct pn_share *share, const struct pn_order *compact,
                                    unsigned workers, bool avoid_smt, const char **why)
{
    if (topology->cpu_count < topology->cpu_total) {
        *why = "a cpu quota gives time, not cpus, and whoever shares them would pin to the same";
        return PINION_PLACE_NONE;
    }
    if (compact->groups < 2) {
        *why = "all cpus use one node";
        return PINION_PLACE_COMPACT;
    }
    if (workers < compact->first_cores) {
        *why = "the workers and the caller fit on the cores of one node";
        return PINION_PLACE_COMPACT;
    }
    if (workers + 1 >= (avoid_smt ? share->cores : share->count)) {
        *why = "every cpu is used in any case, and the first workers then share a node";
        return PINION_PLACE_COMPACT;
    }
    *why = "the workers do not fit on the cores of one node, and others have cores to spare";
    return PINION_PLACE_SCATTER;
}

static struct pinion_seat seat_of(const struct pinion_topology *topology,
                                  const struct pn_order *order, enum pinion_placement placement,
                                  unsigned index)
{
    const unsigned cpu = order->cpus[index % order->count];
    struct pinion_seat seat = {.cpu = -1, .node = PINION_NO_NODE};
    if (placement != PINION_PLACE_NONE)
        seat.node = topology->homes[cpu];
    if (placement != PINION_PLACE_NONE && placement != PINION_PLACE_NODE)
        seat.cpu = (int)topology->cpus[cpu].os_index;
    return seat;
}

static void add_line(struct pn_buffer *reason, const char *line)
{
    if (*line)
        pn_buffer_add(reason, "%s%s", reason->length ? "\n" : "", line);
}

static void explain_share(struct pn_buffer *reason, const struct pinion_plan_options *options,
                          const struct pn_share *share)
{
    if (options->slice_count < 2)
        return;
    pn_buffer_add(reason, "\nslice %u/%u: %u cpus, %u cores", options->slice_index,
                  options->slice_count, share->count, share->cores);
    if (share->wrapped)
        add_line(reason, "more slices than cpus: slices wrap round, others have the same cpu");
    if (share->splits_core)
        add_line(reason, "more slices than cores: others have SMT siblings of these cpus");
    if (options->placement == PINION_PLACE_NODE)
        add_line(reason, "a worker may use its whole node, the parts of other slices too");
}

static void explain_workers(struct pn_buffer *reason, const struct pinion_plan_options *options,
                            const struct pn_share *share, unsigned workers)
{
    if (options->avoid_smt && share->cores < share->count)
        pn_buffer_add(reason, "\navoid_smt: no worker on %u SMT siblings",
                      share->count - share->cores);
    if (workers > share->count)
        pn_buffer_add(reason, "\n%u workers on %u cpus: seats wrap round, up to %u workers a cpu",
                      workers, share->count, (workers + share->count - 1) / share->count);
    if (workers == share->count)
        add_line(reason, "as many workers as cpus: the caller shares one with the first worker");
}

static void explain(struct plan *plan, const struct pinion_topology *topology,
                    const struct pinion_plan_options *options, const struct pn_share *share,
                    enum pinion_placement placement, const char *why)
{
    pn_buffer_add(&plan->reason, "%s%s: %s",
                  options->placement == PINION_PLACE_AUTO ? "auto chose " : "",
                  pinion_placement_name(placement), why);
    explain_share(&plan->reason, options, share);
    if (placement != PINION_PLACE_NONE)
        explain_workers(&plan->reason, options, share, plan->face.count);
    add_line(&plan->reason, pinion_topology_limits(topology));
}

static struct plan *plan_create(unsigned workers)
{
    struct plan *plan = calloc(1, sizeof *plan + workers * sizeof plan->seats[0]);
    if (plan) {
        plan->face.count = workers;
        plan->face.seats = plan->seats;
    }
    return plan;
}

/* Decides the placement, in the order of seats. 0 or -ENOMEM. */
static int place(const struct pinion_topology *topology, const struct pinion_plan_options *options,
                 const struct pn_share *share, unsigned workers, struct pn_order *order,
                 enum pinion_placement *placement, const char **why)
{
    struct pn_order_by by = {.avoid_smt = options->avoid_smt};
    *placement = options->placement;
    *why = "asked for";
    by.scatter = *placement == PINION_PLACE_SCATTER;
    int error = pn_order_make(topology, share, by, order);
    if (error || *placement != PINION_PLACE_AUTO)
        return error;
    *placement = choose(topology, share, order, workers, options->avoid_smt, why);
    if (*placement != PINION_PLACE_SCATTER)
        return 0;
    pn_order_fini(order);
    by.scatter = true;
    return pn_order_make(topology, share, by, order);
}

static int plan_make(const struct pinion_topology *topology,
                     const struct pinion_plan_options *options, unsigned workers,
                     struct plan **made)
{
    const struct pn_share share = pn_share_of(topology, options->slice_index, options->slice_count);
    enum pinion_placement placement;
    struct pn_order order;
    const char *why;
    int error = check_workers(options, &share, workers);
    if (error)
        return error;
    struct plan *plan = plan_create(workers);
    error = plan ? place(topology, options, &share, workers, &order, &placement, &why) : -ENOMEM;
    if (error)
        goto fail;
    for (unsigned i = 0; i < workers; i++)
        plan->seats[i] = seat_of(topology, &order, placement, i);
    plan->face.caller = seat_of(topology, &order, placement, workers);
    pn_order_fini(&order);
    explain(plan, topology, options, &share, placement, why);
    if (plan->reason.failed)
        goto fail;
    *made = plan;
    return 0;
fail:
    if (plan)
        pinion_plan_destroy(&plan->face);
    return pn_error(ENOMEM, "no memory for a plan of %u workers", workers);
}

int pn_plan_make(const struct pinion_topology *topology, const struct pinion_plan_options *options,
                 unsigned workers, struct pinion_plan **plan)
{
    struct plan *made = NULL;
    int error = check_options(options ? options : &defaults);
    if (!error)
        error = plan_make(topology, options ? options : &defaults, workers, &made);
    if (!error)
        *plan = &made->face;
    return error;
}

int pinion_plan_make(const struct pinion_topology *topology,
                     const struct pinion_plan_options *options, struct pinion_plan **plan)
{
    unsigned workers = options ? options->workers : 0;
    if (workers == 0)
        workers = pn_plan_cpu_count(topology, options) - 1;
    return pn_plan_make(topology, options, workers, plan);
}

static struct plan *plan_of(struct pinion_plan *face)
{
    return PN_CONTAINER_OF(face, struct plan, face);
}

void pinion_plan_destroy(struct pinion_plan *plan)
{
    if (!plan)
        return;
    pn_buffer_fini(&plan_of(plan)->reason);
    free(plan_of(plan));
}

const char *pinion_plan_reason(const struct pinion_plan *plan)
{
    const struct plan *whole = (const struct plan *)(const void *)plan;
    return pn_buffer_text(&whole->reason);
}
