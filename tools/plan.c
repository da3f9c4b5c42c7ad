/* SPDX-License-Identifier: MIT
 *
 * pinion plan: who would sit where and why, on this machine or another. Nothing is pinned.
 */
#include <pinion/plan.h>

#include <stdlib.h>
#include <string.h>

#include <pinion/error.h>

#include "json.h"
#include "machine.h"
#include "options.h"
#include "output.h"

/* A plan beside the topology that it was made of. */
struct seating {
    struct pinion_topology *topology;
    const struct pinion_cpu *cpus;
    unsigned cpus_count;
    struct pinion_plan *plan;
    unsigned workers; /* the plan's, or 0 where none was asked for, which a plan can't say */
};

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* As a pool does: a variable counts where the option is at its default. */
static bool take_environment(struct pinion_plan_options *plan)
{
    const char *place = environment("PINION_PLACE"), *slice = environment("PINION_SLICE");
    enum pinion_placement placement;
    unsigned index, count;
    if (place && pinion_placement_parse(place, &placement)) {
        complain("PINION_PLACE=%s: %s", place, pinion_error_detail());
        return false;
    }
    if (slice && pinion_slice_parse(slice, &index, &count)) {
        complain("PINION_SLICE=%s: %s", slice, pinion_error_detail());
        return false;
    }
    if (place && plan->placement == PINION_PLACE_AUTO)
        plan->placement = placement;
    if (slice && plan->slice_count == 0) {
        plan->slice_index = index;
        plan->slice_count = count;
    }
    return true;
}

static enum exit_status make(const struct options *options, struct seating *seating)
{
    struct pinion_plan_options wanted = options->plan;
    wanted.workers = options->cpu_count ? options->cpu_count - 1 : options->workers;
    if (!take_environment(&wanted))
        return FAILED;
    seating->topology = machine_load(options);
    if (!seating->topology)
        return FAILED;
    if (pinion_plan_make(seating->topology, &wanted, &seating->plan)) {
        complain("%s", pinion_error_detail());
        pinion_topology_destroy(seating->topology);
        return FAILED;
    }
    const bool nobody = (options->workers_given || options->cpu_count) && wanted.workers == 0;
    seating->workers = nobody ? 0 : seating->plan->count;
    seating->cpus_count = pinion_topology_cpus(seating->topology, &seating->cpus);
    return DONE;
}

/* NULL for a seat on no CPU in particular. */
static const struct pinion_cpu *cpu_of(const struct seating *seating, struct pinion_seat seat)
{
    for (unsigned i = 0; i < seating->cpus_count; i++)
        if (seat.cpu >= 0 && seating->cpus[i].os_index == (unsigned)seat.cpu)
            return &seating->cpus[i];
    return NULL;
}

static void print_cell(int width, unsigned value, unsigned none)
{
    if (value == none)
        (void)printf(" %*s", width, "-");
    else
        (void)printf(" %*u", width, value);
}

static void print_seat(const struct seating *seating, const char *who, struct pinion_seat seat)
{
    const struct pinion_cpu *cpu = cpu_of(seating, seat);
    const unsigned none = PINION_NO_NODE;
    (void)printf("%8s", who);
    print_cell(5, cpu ? cpu->os_index : none, none);
    print_cell(5, seat.node, none);
    print_cell(8, cpu ? cpu->package : none, none);
    print_cell(5, cpu ? cpu->core : none, none);
    print_cell(4, cpu ? cpu->smt_rank : none, none);
    print_cell(5, cpu ? cpu->kind : none, none);
    print_cell(4, cpu ? cpu->llc : none, none);
    (void)fputc('\n', stdout);
}

static void print_text(const struct seating *seating)
{
    (void)printf("%u worker%s and the caller, %u of %u CPUs to count on\n", seating->workers,
                 seating->workers == 1 ? "" : "s", pinion_topology_cpu_count(seating->topology),
                 seating->cpus_count);
    print_lines(stdout, 2, pinion_plan_reason(seating->plan));
    print_lines(stdout, 2, pinion_topology_limits(seating->topology));
    (void)printf("\n%s%8s %5s %5s %8s %5s %4s %5s %4s%s\n", bold(stdout), "worker", "cpu", "node",
                 "package", "core", "smt", "kind", "llc", plain(stdout));
    print_seat(seating, "caller", seating->plan->caller);
    for (unsigned i = 0; i < seating->workers; i++) {
        char who[16];
        (void)snprintf(who, sizeof who, "%u", i);
        print_seat(seating, who, seating->plan->seats[i]);
    }
}

static void write_seat(const struct seating *seating, struct json *json, const char *key,
                       struct pinion_seat seat)
{
    const struct pinion_cpu *cpu = cpu_of(seating, seat);
    json_row_open(json, key);
    json_index(json, "cpu", cpu ? cpu->os_index : UINT_MAX, UINT_MAX);
    json_index(json, "node", seat.node, PINION_NO_NODE);
    json_index(json, "package", cpu ? cpu->package : UINT_MAX, UINT_MAX);
    json_index(json, "core", cpu ? cpu->core : UINT_MAX, UINT_MAX);
    json_index(json, "smt_rank", cpu ? cpu->smt_rank : UINT_MAX, UINT_MAX);
    json_index(json, "kind", cpu ? cpu->kind : UINT_MAX, UINT_MAX);
    json_index(json, "llc", cpu ? cpu->llc : UINT_MAX, UINT_MAX);
    json_object_close(json);
}

static void print_json(const struct seating *seating)
{
    struct json json = {.stream = stdout};
    json_object_open(&json, NULL);
    json_text(&json, "schema", "pinion.plan/1");
    json_count(&json, "cpu_count", pinion_topology_cpu_count(seating->topology));
    json_count(&json, "cpus_allowed", seating->cpus_count);
    json_lines(&json, "reasons", pinion_plan_reason(seating->plan));
    json_lines(&json, "limits", pinion_topology_limits(seating->topology));
    write_seat(seating, &json, "caller", seating->plan->caller);
    json_array_open(&json, "workers");
    for (unsigned i = 0; i < seating->workers; i++)
        write_seat(seating, &json, NULL, seating->plan->seats[i]);
    json_array_close(&json);
    json_object_close(&json);
}

static enum exit_status run(const struct options *options)
{
    struct seating seating = {0};
    const enum exit_status status = make(options, &seating);
    if (status != DONE)
        return status;
    if (options->json)
        print_json(&seating);
    else
        print_text(&seating);
    pinion_plan_destroy(seating.plan);
    pinion_topology_destroy(seating.topology);
    return DONE;
}

const struct verb verb_plan = {
    .name = "plan",
    .operands = "",
    .summary = "Shows who would sit where, and why",
    .details = "The seats of a pool's workers, computed from the machine; nothing is pinned. smt 0 is\n"
               "the first CPU of its core; of kinds, the higher performs better; llc is the last\n"
               "level cache. PINION_CPUS, PINION_PLACE and PINION_SLICE in the environment stand in\n"
               "for options that are not given.",
    .options = OPTION_INPUT | OPTION_CPUS | OPTION_IGNORE_QUOTA | OPTION_PLACE | OPTION_WORKERS |
               OPTION_CPU_COUNT | OPTION_AVOID_SMT | OPTION_SLICE | OPTION_JSON,
    .run = run,
};
