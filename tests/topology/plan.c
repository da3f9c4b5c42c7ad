/* SPDX-License-Identifier: MIT
 *
 * Who sits where. What must hold of every plan is checked on every machine there is a file of, on
 * described ones and on random ones.
 */
#include "plan.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pinion/error.h>

#include "machines.h"

static struct pinion_plan *make(const struct pinion_topology *topology,
                                const struct pinion_plan_options *options)
{
    struct pinion_plan *plan = NULL;
    if (pinion_plan_make(topology, options, &plan))
        fail_msg("%s", pinion_error_detail());
    return plan;
}

static unsigned index_of(const struct pinion_topology *topology, int cpu)
{
    const struct pinion_cpu *cpus;
    const unsigned count = pinion_topology_cpus(topology, &cpus);
    for (unsigned i = 0; i < count; i++) {
        if ((int)cpus[i].os_index == cpu)
            return i;
    }
    fail_msg("cpu %d is not allowed", cpu);
    return 0;
}

static bool is_node(const struct pinion_topology *topology, unsigned node)
{
    const struct pinion_node *nodes;
    const unsigned count = pinion_topology_nodes(topology, &nodes);
    for (unsigned i = 0; i < count; i++) {
        if (nodes[i].os_index == node)
            return true;
    }
    return false;
}

/* The node of a seat: its CPU's own where that has memory, one there is where not. */
static void check_node(const struct pinion_topology *topology, struct pinion_seat seat)
{
    const struct pinion_node *nodes;
    if (pinion_topology_nodes(topology, &nodes) == 0)
        assert_int_equal(seat.node, PINION_NO_NODE);
    else
        assert_true(is_node(topology, seat.node));
    if (seat.cpu < 0)
        return;
    const struct pinion_cpu *cpus;
    (void)pinion_topology_cpus(topology, &cpus);
    const struct pinion_cpu *cpu = &cpus[index_of(topology, seat.cpu)];
    for (unsigned i = 0; i < pinion_topology_nodes(topology, &nodes); i++) {
        if (nodes[i].os_index == cpu->node && nodes[i].memory_bytes > 0)
            assert_int_equal(seat.node, cpu->node);
    }
}

/* How often each CPU is taken; the caller's seat, if pinned, counts where a CPU is left for it. */
static unsigned *count_uses(const struct pinion_topology *topology, const struct pinion_plan *plan)
{
    const struct pinion_cpu *cpus;
    unsigned *uses = calloc(pinion_topology_cpus(topology, &cpus), sizeof *uses);
    for (unsigned i = 0; i < plan->count; i++)
        uses[index_of(topology, plan->seats[i].cpu)]++;
    return uses;
}

/* One use more than another CPU of the slice has at most; unused ones while there are any left. */
static void check_uses(const struct pinion_topology *topology, const struct pinion_plan *plan,
                       unsigned usable)
{
    const struct pinion_cpu *cpus;
    const unsigned count = pinion_topology_cpus(topology, &cpus);
    unsigned *uses = count_uses(topology, plan);
    unsigned used = 0, most = 0;
    for (unsigned i = 0; i < count; i++) {
        used += uses[i] > 0;
        most = uses[i] > most ? uses[i] : most;
    }
    assert_int_equal(used, plan->count < usable ? plan->count : usable);
    assert_int_equal(most, (plan->count + usable - 1) / usable);
    if (plan->count < usable)
        assert_int_equal(uses[index_of(topology, plan->caller.cpu)], 0);
    free(uses);
}

/* With SCATTER or avoid_smt over the whole machine, and with COMPACT within a node: no sibling
 * while a core is free, and of one rank no weaker kind while a stronger CPU is free. */
static void check_ranks(const struct pinion_topology *topology, const struct pinion_plan *plan,
                        bool within_node)
{
    const struct pinion_cpu *cpus;
    const unsigned total = pinion_topology_cpus(topology, &cpus);
    for (unsigned i = 1; i < plan->count && i < total; i++) {
        const struct pinion_cpu *before = &cpus[index_of(topology, plan->seats[i - 1].cpu)];
        const struct pinion_cpu *after = &cpus[index_of(topology, plan->seats[i].cpu)];
        if (within_node && plan->seats[i - 1].node != plan->seats[i].node)
            continue;
        assert_true(before->smt_rank <= after->smt_rank);
        if (before->smt_rank == after->smt_rank)
            assert_true(before->kind >= after->kind);
    }
}

/* Node by node: none is come back to. */
static void check_compact(const struct pinion_topology *topology, const struct pinion_plan *plan)
{
    const struct pinion_node *nodes;
    const unsigned count = pinion_topology_nodes(topology, &nodes);
    unsigned changes = 0;
    const struct pinion_cpu *cpus;
    const unsigned total = pinion_topology_cpus(topology, &cpus);
    for (unsigned i = 1; i < plan->count && i < total; i++)
        changes += plan->seats[i].node != plan->seats[i - 1].node;
    assert_true(changes == 0 || changes < count);
    check_ranks(topology, plan, true);
}

static void check_plan(const struct pinion_topology *topology,
                       const struct pinion_plan_options *options)
{
    const struct pinion_cpu *cpus;
    const unsigned total = pinion_topology_cpus(topology, &cpus);
    struct pinion_plan *plan = make(topology, options), *again = make(topology, options);
    assert_int_equal(plan->count, options->workers ? options->workers
                                                   : pn_plan_cpu_count(topology, options) - 1);
    assert_string_equal(pinion_plan_reason(plan), pinion_plan_reason(again));
    assert_true(plan->count == 0 ||
                memcmp(plan->seats, again->seats, plan->count * sizeof plan->seats[0]) == 0);
    if (options->placement == PINION_PLACE_NONE) {
        for (unsigned i = 0; i < plan->count; i++)
            assert_true(plan->seats[i].cpu == -1 && plan->seats[i].node == PINION_NO_NODE);
    } else {
        check_node(topology, plan->caller);
        for (unsigned i = 0; i < plan->count; i++)
            check_node(topology, plan->seats[i]);
    }
    if (options->placement < PINION_PLACE_NODE && options->slice_count < 2)
        check_uses(topology, plan, total);
    if (options->placement == PINION_PLACE_SCATTER || (options->avoid_smt && plan->caller.cpu >= 0))
        check_ranks(topology, plan, options->avoid_smt);
    else if (options->placement == PINION_PLACE_COMPACT)
        check_compact(topology, plan);
    pinion_plan_destroy(again);
    pinion_plan_destroy(plan);
}

static void check_machine(const struct pinion_topology *topology)
{
    const struct pinion_cpu *cpus;
    const unsigned total = pinion_topology_cpus(topology, &cpus);
    const unsigned counts[] = {0, 1, 2, 3, total / 2, total, total + 1, 3 * total + 1};
    for (int placement = PINION_PLACE_AUTO; placement <= PINION_PLACE_NONE; placement++) {
        struct pinion_plan_options options = {.placement = (enum pinion_placement)placement};
        for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
            options.workers = counts[i];
            check_plan(topology, &options);
        }
        options.workers = 0;
        options.avoid_smt = true;
        check_plan(topology, &options);
    }
}

/* Every CPU in exactly one slice while there are enough, and no core in two while there are enough
 * of those. A slice's CPUs are its workers' and its caller's. */
static void check_slices(const struct pinion_topology *topology, unsigned count)
{
    const struct pinion_cpu *cpus;
    const unsigned total = pinion_topology_cpus(topology, &cpus);
    unsigned *owner = calloc(total, sizeof *owner), cores = 0, taken = 0;
    for (unsigned i = 0; i < total; i++)
        cores += cpus[i].smt_rank == 0;
    for (unsigned slice = 0; slice < count; slice++) {
        const struct pinion_plan_options options = {
            .placement = PINION_PLACE_COMPACT, .slice_index = slice, .slice_count = count};
        struct pinion_plan *plan = make(topology, &options);
        for (unsigned i = 0; i <= plan->count; i++) {
            const int cpu = i < plan->count ? plan->seats[i].cpu : plan->caller.cpu;
            const unsigned index = index_of(topology, cpu);
            if (count <= total)
                assert_int_equal(owner[index], 0);
            owner[index] = slice + 1;
            taken++;
        }
        pinion_plan_destroy(plan);
    }
    assert_int_equal(taken, count > total ? count : total);
    for (unsigned i = 1; i < total && count <= cores; i++) {
        if (cpus[i].core == cpus[i - 1].core)
            assert_int_equal(owner[i], owner[i - 1]);
        assert_true(owner[i] >= owner[i - 1]); /* contiguous */
    }
    free(owner);
}

static void check_all_slices(const struct pinion_topology *topology)
{
    const struct pinion_cpu *cpus;
    const unsigned total = pinion_topology_cpus(topology, &cpus);
    const unsigned counts[] = {1, 2, 3, 5, 8, total - 1, total, total + 1, 2 * total + 3};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        if (counts[i])
            check_slices(topology, counts[i]);
    }
}

static void plans_of_every_machine_file_hold(void **state)
{
    (void)state;
    for (unsigned i = 0; machine_files[i]; i++) {
        struct pinion_topology *topology = load_file(machine_files[i]);
        check_machine(topology);
        check_all_slices(topology);
        pinion_topology_destroy(topology);
    }
}

static void plans_of_every_described_machine_hold(void **state)
{
    (void)state;
    for (unsigned i = 0; machine_descriptions[i]; i++) {
        struct pinion_topology *topology = load_synthetic(machine_descriptions[i]);
        check_machine(topology);
        if (i != 7) /* its 1,024 CPUs are no news to slices, but slow */
            check_all_slices(topology);
        pinion_topology_destroy(topology);
    }
}

static void plans_of_random_machines_hold(void **state)
{
    (void)state;
    uint64_t seed = 20240229;
    for (unsigned i = 0; i < 300; i++) {
        char text[256];
        random_description(&seed, text, sizeof text);
        struct pinion_topology *topology = load_synthetic(text);
        check_machine(topology);
        check_all_slices(topology);
        pinion_topology_destroy(topology);
    }
}

static void plans_of_random_parts_of_a_machine_hold(void **state)
{
    (void)state;
    uint64_t seed = 7;
    for (unsigned i = 0; i < 100; i++) {
        char list[256] = "";
        size_t used = 0;
        struct pinion_topology *topology;
        for (unsigned cpu = 0; cpu < 24; cpu++) {
            if (random_below(&seed, 2) || cpu == 23)
                used +=
                    (size_t)snprintf(list + used, sizeof list - used, "%s%u", used ? "," : "", cpu);
        }
        char path[512];
        (void)snprintf(path, sizeof path, "%s/fakeheterocpunuma.xml", MACHINES);
        const struct pinion_topology_options options = {.xml_path = path, .cpus = list};
        assert_int_equal(pinion_topology_load(&options, &topology), 0);
        check_machine(topology);
        check_all_slices(topology);
        pinion_topology_destroy(topology);
    }
}

static void plans_of_4096_cpus_and_a_million_workers_hold(void **state)
{
    (void)state;
    struct pinion_topology *topology = load_synthetic("numa:8 core:128 pu:4");
    const struct pinion_plan_options scatter = {.placement = PINION_PLACE_SCATTER};
    struct pinion_plan *plan = make(topology, &scatter);
    assert_int_equal(plan->count, 4095);
    check_ranks(topology, plan, false);
    pinion_plan_destroy(plan);
    for (int placement = PINION_PLACE_AUTO; placement <= PINION_PLACE_NONE; placement++) {
        const struct pinion_plan_options many = {.placement = (enum pinion_placement)placement,
                                                 .workers = 1 << 20};
        plan = make(topology, &many);
        assert_int_equal(plan->count, 1 << 20);
        for (unsigned i = 4096; i < plan->count && placement < PINION_PLACE_NODE; i++)
            assert_int_equal(plan->seats[i].cpu, plan->seats[i - 4096].cpu);
        pinion_plan_destroy(plan);
    }
    pinion_topology_destroy(topology);
}

static void assert_seats(const char *description, struct pinion_plan_options options,
                         const char *seats)
{
    char text[512];
    size_t used = 0;
    struct pinion_topology *topology = load_synthetic(description);
    struct pinion_plan *plan = make(topology, &options);
    for (unsigned i = 0; i < plan->count; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%d ", plan->seats[i].cpu);
    (void)snprintf(text + used, sizeof text - used, "+ %d", plan->caller.cpu);
    assert_string_equal(text, seats);
    pinion_plan_destroy(plan);
    pinion_topology_destroy(topology);
}

static void compact_takes_cores_then_siblings_then_the_next_node(void **state)
{
    (void)state;
    assert_seats("numa:2 core:2 pu:2",
                 (struct pinion_plan_options){.placement = PINION_PLACE_COMPACT},
                 "0 2 1 3 4 6 5 + 7");
}

static void scatter_deals_round_the_nodes(void **state)
{
    (void)state;
    assert_seats("numa:2 core:2 pu:2",
                 (struct pinion_plan_options){.placement = PINION_PLACE_SCATTER},
                 "0 4 2 6 1 5 3 + 7");
}

static void avoid_smt_takes_cores_only(void **state)
{
    (void)state;
    const struct pinion_plan_options compact = {.placement = PINION_PLACE_COMPACT,
                                                .avoid_smt = true};
    assert_seats("numa:2 core:2 pu:2", compact, "0 2 4 + 6");
}

static void avoid_smt_with_a_worker_on_every_core_seats_the_caller_on_a_sibling(void **state)
{
    (void)state;
    const struct pinion_plan_options full = {
        .placement = PINION_PLACE_COMPACT, .avoid_smt = true, .workers = 4};
    assert_seats("numa:2 core:2 pu:2", full, "0 2 4 6 + 1");
}

static void workers_above_the_cpus_wrap_round_and_the_reason_says_so(void **state)
{
    (void)state;
    const struct pinion_plan_options options = {.placement = PINION_PLACE_COMPACT, .workers = 5};
    assert_seats("core:2 pu:1", options, "0 1 0 1 0 + 1");
    struct pinion_topology *topology = load_synthetic("core:2 pu:1");
    struct pinion_plan *plan = make(topology, &options);
    assert_non_null(strstr(pinion_plan_reason(plan), "5 workers on 2 cpus: seats wrap round"));
    pinion_plan_destroy(plan);
    pinion_topology_destroy(topology);
}

static void numbers_of_cpus_and_nodes_need_not_begin_at_0(void **state)
{
    (void)state;
    struct pinion_topology *topology = load_synthetic("numa:2(indexes=9,73) core:2 pu:1");
    struct pinion_plan *plan = make(topology, NULL);
    assert_int_equal(plan->seats[0].node, 9);
    assert_int_equal(plan->caller.node, 73);
    pinion_plan_destroy(plan);
    pinion_topology_destroy(topology);
}

static void one_cpu_has_no_worker_and_the_caller_sits_on_it(void **state)
{
    (void)state;
    assert_seats("pu:1", (struct pinion_plan_options){0}, "+ 0");
}

static void node_leaves_the_cpu_open_and_none_the_node_too(void **state)
{
    (void)state;
    struct pinion_topology *topology = load_synthetic("numa:2 core:2 pu:1");
    struct pinion_plan *plan =
        make(topology, &(struct pinion_plan_options){.placement = PINION_PLACE_NODE});
    assert_int_equal(plan->seats[0].cpu, -1);
    assert_int_equal(plan->seats[0].node, 0);
    assert_int_equal(plan->seats[2].node, 1);
    pinion_plan_destroy(plan);
    plan = make(topology, &(struct pinion_plan_options){.placement = PINION_PLACE_NONE});
    assert_int_equal(plan->seats[0].cpu, -1);
    assert_int_equal(plan->seats[0].node, PINION_NO_NODE);
    assert_int_equal(plan->caller.cpu, -1);
    pinion_plan_destroy(plan);
    pinion_topology_destroy(topology);
}

static void compact_goes_to_the_nearest_node_next(void **state)
{
    (void)state;
    struct pinion_topology *topology = load_file("memorysidecaches.xml");
    struct pinion_plan *plan =
        make(topology, &(struct pinion_plan_options){.placement = PINION_PLACE_COMPACT});
    /* Distances from node 0: 2 is 11 away, 1 and 3 are 21. */
    assert_int_equal(plan->seats[0].node, 0);
    assert_int_equal(plan->seats[20].node, 2);
    assert_int_equal(plan->seats[40].node, 1);
    assert_int_equal(plan->seats[60].node, 3);
    pinion_plan_destroy(plan);
    pinion_topology_destroy(topology);
}

static void the_fastest_cores_come_first(void **state)
{
    (void)state;
    struct pinion_topology *topology = load_file("nvidia-dgx-gb10.xml");
    struct pinion_plan *plan = make(topology, NULL);
    assert_int_equal(plan->seats[0].cpu, 19);
    assert_int_equal(plan->seats[1].cpu, 15);
    assert_int_equal(plan->seats[5].cpu, 5);
    assert_int_equal(plan->caller.cpu, 4);
    pinion_plan_destroy(plan);
    pinion_topology_destroy(topology);
}

static void nodes_without_cpus_get_no_seat_and_cpus_without_node_use_the_nearest(void **state)
{
    (void)state;
    struct pinion_topology *topology = load_file("16amd64-8n2c-cpusets.xml");
    struct pinion_plan *plan =
        make(topology, &(struct pinion_plan_options){.placement = PINION_PLACE_SCATTER});
    for (unsigned i = 0; i < plan->count; i++)
        assert_in_range(plan->seats[i].node, 1, 3);
    pinion_plan_destroy(plan);
    pinion_topology_destroy(topology);
}

static void assert_auto(const struct pinion_topology *topology, unsigned workers, const char *begin)
{
    struct pinion_plan *plan = make(topology, &(struct pinion_plan_options){.workers = workers});
    if (strncmp(pinion_plan_reason(plan), begin, strlen(begin)) != 0)
        fail_msg("%u workers: %s", workers, pinion_plan_reason(plan));
    pinion_plan_destroy(plan);
}

static void auto_chooses_by_what_the_workers_need_and_says_why(void **state)
{
    (void)state;
    struct pinion_topology *topology = load_synthetic("numa:2 core:4 pu:2");
    assert_auto(topology, 1, "auto chose compact: the workers and the caller fit");
    assert_auto(topology, 3, "auto chose compact: the workers and the caller fit");
    assert_auto(topology, 4, "auto chose scatter: ");
    assert_auto(topology, 14, "auto chose scatter: ");
    assert_auto(topology, 15, "auto chose compact: every cpu is used");
    assert_auto(topology, 99, "auto chose compact: every cpu is used");
    pinion_topology_destroy(topology);
    topology = load_synthetic("core:4 pu:2");
    assert_auto(topology, 5, "auto chose compact: all cpus use one node");
    pinion_topology_destroy(topology);
}

static void invalid_options_are_refused_with_a_reason(void **state)
{
    (void)state;
    static const struct {
        struct pinion_plan_options options;
        const char *detail;
    } cases[] = {
        {{.placement = (enum pinion_placement)99}, "99 is no placement"},
        {{.slice_index = 1}, "slice 1 of 1 does not exist"},
        {{.slice_index = 2, .slice_count = 2}, "slice 2 of 2 does not exist"},
        {{.avoid_smt = true, .workers = 3}, "3 workers do not fit one a core on 2 cores"},
        {{.workers = (1 << 20) + 1}, "1048577 workers are too many"},
        {{.workers = UINT_MAX}, "4294967295 workers are too many"},
        {{.reserved = {1}}, "reserved fields of the plan's options are not zero"},
        {{.reserved = {[7] = UINT64_MAX}}, "reserved fields of the plan's options are not zero"},
    };
    struct pinion_topology *topology = load_synthetic("core:2 pu:2");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pinion_plan *plan = NULL;
        assert_int_equal(pinion_plan_make(topology, &cases[i].options, &plan), -EINVAL);
        assert_non_null(strstr(pinion_error_detail(), cases[i].detail));
        assert_null(plan);
    }
    pinion_topology_destroy(topology);
    pinion_plan_destroy(NULL);
}

static void an_exact_number_of_workers_may_be_0(void **state)
{
    (void)state;
    struct pinion_topology *topology = load_synthetic("core:4 pu:1");
    struct pinion_plan *plan;
    assert_int_equal(pn_plan_make(topology, NULL, 0, &plan), 0);
    assert_int_equal(plan->count, 0);
    assert_int_equal(plan->caller.cpu, 0);
    pinion_plan_destroy(plan);
    pinion_topology_destroy(topology);
}

static void slices_and_avoid_smt_reduce_the_cpu_count(void **state)
{
    (void)state;
    struct pinion_topology *topology = load_synthetic("core:4 pu:2");
    assert_int_equal(pn_plan_cpu_count(topology, NULL), 8);
    assert_int_equal(pn_plan_cpu_count(topology, &(struct pinion_plan_options){.avoid_smt = true}),
                     4);
    struct pinion_plan_options slice = {.slice_index = 1, .slice_count = 4};
    assert_int_equal(pn_plan_cpu_count(topology, &slice), 2);
    slice.avoid_smt = true;
    assert_int_equal(pn_plan_cpu_count(topology, &slice), 1);
    slice.slice_count = 400;
    assert_int_equal(pn_plan_cpu_count(topology, &slice), 1);
    pinion_topology_destroy(topology);
}

static void placements_have_names_that_parse_back(void **state)
{
    (void)state;
    enum pinion_placement placement = PINION_PLACE_AUTO;
    for (int i = PINION_PLACE_AUTO; i <= PINION_PLACE_NONE; i++) {
        const char *name = pinion_placement_name((enum pinion_placement)i);
        assert_int_equal(pinion_placement_parse(name, &placement), 0);
        assert_int_equal(placement, i);
    }
    assert_null(pinion_placement_name((enum pinion_placement)5));
    assert_null(pinion_placement_name((enum pinion_placement) - 1));
    assert_int_equal(pinion_placement_parse("Compact", &placement), -EINVAL);
    assert_int_equal(pinion_placement_parse("", &placement), -EINVAL);
    assert_int_equal(placement, PINION_PLACE_NONE);
}

static void slices_parse_or_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "/",
        "1",
        "1/",
        "/2",
        "2/2",
        "1/1",
        "0/0",
        "-1/2",
        "0/-2",
        "+0/2",
        " 0/2",
        "0/2 ",
        "0 /2",
        "0/2/3",
        "a/b",
        "0x0/2",
        "4294967296/4294967297",
        "0/4294967296",
        "0,2",
    };
    unsigned index = 77, count = 77;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (pinion_slice_parse(bad[i], &index, &count) != -EINVAL)
            fail_msg("\"%s\" was taken", bad[i]);
        assert_true(index == 77 && count == 77);
    }
    assert_int_equal(pinion_slice_parse("1/2", &index, &count), 0);
    assert_true(index == 1 && count == 2);
    assert_int_equal(pinion_slice_parse("4294967294/4294967295", &index, &count), 0);
    assert_true(index == UINT_MAX - 1 && count == UINT_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_of_every_machine_file_hold),
        cmocka_unit_test(plans_of_every_described_machine_hold),
        cmocka_unit_test(plans_of_random_machines_hold),
        cmocka_unit_test(plans_of_random_parts_of_a_machine_hold),
        cmocka_unit_test(plans_of_4096_cpus_and_a_million_workers_hold),
        cmocka_unit_test(compact_takes_cores_then_siblings_then_the_next_node),
        cmocka_unit_test(scatter_deals_round_the_nodes),
        cmocka_unit_test(avoid_smt_takes_cores_only),
        cmocka_unit_test(avoid_smt_with_a_worker_on_every_core_seats_the_caller_on_a_sibling),
        cmocka_unit_test(workers_above_the_cpus_wrap_round_and_the_reason_says_so),
        cmocka_unit_test(numbers_of_cpus_and_nodes_need_not_begin_at_0),
        cmocka_unit_test(one_cpu_has_no_worker_and_the_caller_sits_on_it),
        cmocka_unit_test(node_leaves_the_cpu_open_and_none_the_node_too),
        cmocka_unit_test(compact_goes_to_the_nearest_node_next),
        cmocka_unit_test(the_fastest_cores_come_first),
        cmocka_unit_test(nodes_without_cpus_get_no_seat_and_cpus_without_node_use_the_nearest),
        cmocka_unit_test(auto_chooses_by_what_the_workers_need_and_says_why),
        cmocka_unit_test(invalid_options_are_refused_with_a_reason),
        cmocka_unit_test(an_exact_number_of_workers_may_be_0),
        cmocka_unit_test(slices_and_avoid_smt_reduce_the_cpu_count),
        cmocka_unit_test(placements_have_names_that_parse_back),
        cmocka_unit_test(slices_parse_or_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
