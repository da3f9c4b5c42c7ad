/* SPDX-License-Identifier: MIT
 *
 * Reading topologies: of this machine, of files and descriptions, and of what is neither.
 */
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pinion/error.h>
#include <pinion/topology.h>

#include "binding.h"
#include "machine.h"
#include "machines.h"

static void assert_refused(const struct pinion_topology_options *options, int error,
                           const char *detail)
{
    struct pinion_topology *topology = NULL;
    assert_int_equal(pinion_topology_load(options, &topology), error);
    assert_null(topology);
    if (!strstr(pinion_error_detail(), detail))
        fail_msg("\"%s\" is not in \"%s\"", detail, pinion_error_detail());
}

/* What must hold of any topology. */
static void check_topology(const struct pinion_topology *topology)
{
    const struct pinion_cpu *cpus;
    const struct pinion_node *nodes;
    const unsigned cpu_total = pinion_topology_cpus(topology, &cpus);
    const unsigned node_total = pinion_topology_nodes(topology, &nodes);
    unsigned on_nodes = 0, with_node = 0;
    assert_in_range(pinion_topology_cpu_count(topology), 1, cpu_total);
    for (unsigned i = 0; i < cpu_total; i++) {
        with_node += cpus[i].node != PINION_NO_NODE;
        assert_true(cpus[i].os_index <= INT_MAX);
        if (i == 0)
            continue;
        assert_true(cpus[i].core >= cpus[i - 1].core);
        assert_true(cpus[i].package >= cpus[i - 1].package);
        assert_true(cpus[i].llc >= cpus[i - 1].llc);
        const bool sibling = cpus[i].core == cpus[i - 1].core;
        assert_int_equal(cpus[i].smt_rank, sibling ? cpus[i - 1].smt_rank + 1 : 0);
    }
    for (unsigned i = 0; i < node_total; i++) {
        on_nodes += nodes[i].cpu_count;
        assert_int_equal(pinion_topology_distance(topology, nodes[i].os_index, nodes[i].os_index),
                         10);
    }
    assert_int_equal(on_nodes, with_node);
    assert_int_equal(pinion_topology_distance(topology, UINT_MAX, UINT_MAX), UINT_MAX);
}

static void every_machine_loads(void **state)
{
    (void)state;
    for (unsigned i = 0; machine_files[i]; i++) {
        struct pinion_topology *topology = load_file(machine_files[i]);
        check_topology(topology);
        assert_false(pn_topology_is_this_machine(topology));
        assert_string_equal(pinion_topology_limits(topology), "");
        pinion_topology_destroy(topology);
    }
    for (unsigned i = 0; machine_descriptions[i]; i++) {
        struct pinion_topology *topology = load_synthetic(machine_descriptions[i]);
        check_topology(topology);
        pinion_topology_destroy(topology);
    }
}

static void random_machines_load(void **state)
{
    (void)state;
    uint64_t seed = 99;
    for (unsigned i = 0; i < 400; i++) {
        char text[256];
        random_description(&seed, text, sizeof text);
        struct pinion_topology *topology = load_synthetic(text);
        check_topology(topology);
        pinion_topology_destroy(topology);
    }
}

static void a_machine_of_4096_cpus_loads(void **state)
{
    (void)state;
    const struct pinion_cpu *cpus;
    struct pinion_topology *topology = load_synthetic("core:1024 pu:4");
    assert_int_equal(pinion_topology_cpus(topology, &cpus), 4096);
    assert_int_equal(pinion_topology_cpu_count(topology), 4096);
    check_topology(topology);
    pinion_topology_destroy(topology);
}

static void this_machine_loads_within_the_inherited_mask(void **state)
{
    (void)state;
    struct pinion_topology *topology;
    const struct pinion_cpu *cpus;
    cpu_set_t before, after;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    assert_int_equal(pinion_topology_load(NULL, &topology), 0);
    assert_int_equal(sched_getaffinity(0, sizeof after, &after), 0);
    assert_true(CPU_EQUAL(&before, &after));
    const unsigned count = pinion_topology_cpus(topology, &cpus);
    assert_int_equal(count, CPU_COUNT(&before));
    for (unsigned i = 0; i < count; i++)
        assert_true(CPU_ISSET(cpus[i].os_index, &before));
    assert_true(pn_topology_is_this_machine(topology));
    check_topology(topology);
    pinion_topology_destroy(topology);
}

static void a_narrower_mask_is_a_limit_and_an_explicit_list_goes_beyond_it(void **state)
{
    (void)state;
    struct pinion_topology *topology;
    const struct pinion_cpu *cpus;
    cpu_set_t before, one;
    char list[16];
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    unsigned first = CPU_SETSIZE, last = 0;
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &before))
            continue;
        first = first < cpu ? first : cpu;
        last = cpu;
    }
    if (first == last)
        skip();
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(pinion_topology_load(NULL, &topology), 0);
    assert_int_equal(pinion_topology_cpus(topology, &cpus), 1);
    assert_int_equal(pinion_topology_cpu_count(topology), 1);
    assert_non_null(strstr(pinion_topology_limits(topology), "affinity mask"));
    pinion_topology_destroy(topology);
    (void)snprintf(list, sizeof list, "%u", last);
    const struct pinion_topology_options options = {.cpus = list};
    assert_int_equal(pinion_topology_load(&options, &topology), 0);
    assert_int_equal(pinion_topology_cpus(topology, &cpus), 1);
    assert_int_equal(cpus[0].os_index, last);
    pinion_topology_destroy(topology);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

static void kinds_are_ranked_by_efficiency_or_capacity(void **state)
{
    (void)state;
    const struct pinion_cpu *cpus;
    struct pinion_topology *topology = load_file("nvidia-dgx-gb10.xml");
    const unsigned count = pinion_topology_cpus(topology, &cpus);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(cpus[i].kind, i < 5 ? 0 : i < 10 ? 2 : i < 15 ? 1 : i < 19 ? 3 : 4);
    pinion_topology_destroy(topology);
    topology = load_file("fakeheterocpunuma.xml");
    (void)pinion_topology_cpus(topology, &cpus);
    for (unsigned i = 0; i < 24; i++)
        assert_int_equal(cpus[i].kind, cpus[i].os_index >= 12);
    pinion_topology_destroy(topology);
}

static void of_several_local_nodes_the_largest_is_a_cpu_s_then_the_lowest(void **state)
{
    (void)state;
    const struct pinion_cpu *cpus;
    struct pinion_topology *topology =
        load_synthetic("pack:2 [numa(memory=1GB)] [numa(memory=64GB)] core:2 pu:1");
    assert_int_equal(pinion_topology_cpus(topology, &cpus), 4);
    assert_int_equal(topology->nodes[pn_node_position(topology, cpus[0].node)].memory_bytes,
                     64000000000u);
    pinion_topology_destroy(topology);
    topology = load_synthetic("pack:2 [numa(memory=1GB)] [numa(memory=1GB)] core:2 pu:1");
    (void)pinion_topology_cpus(topology, &cpus);
    assert_int_equal(cpus[0].node, 0);
    pinion_topology_destroy(topology);
}

static void distances_are_the_machine_s_or_10_and_20(void **state)
{
    (void)state;
    struct pinion_topology *topology = load_file("fakeheterocpunuma.xml");
    assert_int_equal(pinion_topology_distance(topology, 0, 2), 30);
    assert_int_equal(pinion_topology_distance(topology, 3, 2), 50);
    assert_int_equal(pinion_topology_distance(topology, 0, 4), UINT_MAX);
    pinion_topology_destroy(topology);
    topology = load_synthetic("numa:2(indexes=3,8) pu:1");
    assert_int_equal(pinion_topology_distance(topology, 3, 3), 10);
    assert_int_equal(pinion_topology_distance(topology, 3, 8), 20);
    assert_int_equal(pinion_topology_distance(topology, 0, 3), UINT_MAX);
    pinion_topology_destroy(topology);
}

static void a_list_chooses_cpus_and_is_named_as_a_limit(void **state)
{
    (void)state;
    struct pinion_topology *topology;
    const struct pinion_cpu *cpus;
    const struct pinion_topology_options options = {.synthetic = "core:4 pu:2", .cpus = "1-7:2"};
    assert_int_equal(pinion_topology_load(&options, &topology), 0);
    assert_int_equal(pinion_topology_cpus(topology, &cpus), 4);
    assert_int_equal(cpus[0].os_index, 1);
    assert_int_equal(cpus[0].smt_rank, 0); /* the first of its core that is allowed */
    assert_int_equal(cpus[3].core, 3);
    assert_string_equal(pinion_topology_limits(topology), "explicit list 1,3,5,7: 8 -> 4");
    pinion_topology_destroy(topology);
}

static void bad_options_are_refused_with_the_reason(void **state)
{
    (void)state;
    assert_refused(&(struct pinion_topology_options){.xml_path = "a", .synthetic = "b"}, -EINVAL,
                   "both set");
    assert_refused(&(struct pinion_topology_options){.xml_path = "/nowhere.xml"}, -ENOENT,
                   "/nowhere.xml cannot be read: No such file");
    assert_refused(&(struct pinion_topology_options){.xml_path = "-"}, -ENOENT, "cannot be read");
    assert_refused(&(struct pinion_topology_options){.xml_path = "/"}, -EISDIR, "directory");
    assert_refused(&(struct pinion_topology_options){.xml_path = ""}, -ENOENT, "cannot be read");
    assert_refused(&(struct pinion_topology_options){.xml_path = "/dev/null"}, -EINVAL,
                   "is no topology");
    assert_refused(&(struct pinion_topology_options){.xml_path = "/etc/passwd"}, -EINVAL,
                   "is no topology");
    assert_refused(&(struct pinion_topology_options){.synthetic = "bogus:3"}, -EINVAL,
                   "\"bogus:3\" is no description");
    assert_refused(&(struct pinion_topology_options){.synthetic = ""}, -EINVAL, "no description");
    assert_refused(&(struct pinion_topology_options){.synthetic = "pu:0"}, -EINVAL,
                   "no description");
    assert_refused(&(struct pinion_topology_options){.reserved = {[7] = 1}}, -EINVAL,
                   "reserved fields of the topology's options are not zero");
}

static void bad_lists_are_refused_with_the_reason(void **state)
{
    (void)state;
    static const struct {
        const char *list, *detail;
    } cases[] = {
        {"", "the cpu list is empty"},
        {"0-", "does not parse at \"0-\""},
        {"0,x", "does not parse at \"x\""},
        {"4", "there is no cpu 4 on this machine (0-3)"},
        {"0-1000000", "there is no cpu 4 on this machine (0-3)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct pinion_topology_options options = {.synthetic = "core:4 pu:1",
                                                        .cpus = cases[i].list};
        assert_refused(&options, -EINVAL, cases[i].detail);
    }
}

static void a_cpu_that_a_file_calls_offline_is_refused(void **state)
{
    (void)state;
    char path[512];
    (void)snprintf(path, sizeof path, "%s/16em64t-4s2c2t-offlines.xml", MACHINES);
    assert_refused(&(struct pinion_topology_options){.xml_path = path, .cpus = "0-3"}, -EINVAL,
                   "cpu 2 is offline; ask for one that is online (0-1,3-4,6-12,15)");
}

static void a_failed_load_leaves_the_result_alone(void **state)
{
    (void)state;
    struct pinion_topology *const mark = (void *)&mark;
    struct pinion_topology *topology = mark;
    const struct pinion_topology_options options = {.synthetic = "bogus"};
    assert_int_equal(pinion_topology_load(&options, &topology), -EINVAL);
    assert_ptr_equal(topology, mark);
    pinion_topology_destroy(NULL);
}

static void hwloc_s_variables_stand_in_for_this_machine(void **state)
{
    (void)state;
    struct pinion_topology *topology;
    char path[512];
    assert_int_equal(setenv("HWLOC_SYNTHETIC", "core:3 pu:2", 1), 0);
    assert_int_equal(pinion_topology_load(NULL, &topology), 0);
    assert_int_equal(pinion_topology_cpu_count(topology), 6);
    assert_false(pn_topology_is_this_machine(topology));
    pinion_topology_destroy(topology);
    topology = load_synthetic("core:5 pu:1"); /* what options name wins */
    assert_int_equal(pinion_topology_cpu_count(topology), 5);
    pinion_topology_destroy(topology);
    assert_int_equal(setenv("HWLOC_SYNTHETIC", "bogus:3", 1), 0);
    assert_refused(NULL, -EINVAL, "HWLOC_SYNTHETIC \"bogus:3\" is no description");
    assert_int_equal(unsetenv("HWLOC_SYNTHETIC"), 0);
    (void)snprintf(path, sizeof path, "%s/nvidia-dgx-gb10.xml", MACHINES);
    assert_int_equal(setenv("HWLOC_XMLFILE", path, 1), 0);
    assert_int_equal(pinion_topology_load(NULL, &topology), 0);
    assert_int_equal(pinion_topology_cpu_count(topology), 20);
    pinion_topology_destroy(topology);
    assert_int_equal(setenv("HWLOC_XMLFILE", "/nowhere", 1), 0);
    assert_refused(NULL, -ENOENT, "HWLOC_XMLFILE /nowhere cannot be read");
    assert_int_equal(unsetenv("HWLOC_XMLFILE"), 0);
}

static void a_cpu_list_of_the_wrong_machine_is_refused(void **state)
{
    (void)state;
    assert_refused(&(struct pinion_topology_options){.cpus = "1048575"}, -EINVAL,
                   "there is no cpu 1048575 on this machine");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_machine_loads),
        cmocka_unit_test(random_machines_load),
        cmocka_unit_test(a_machine_of_4096_cpus_loads),
        cmocka_unit_test(this_machine_loads_within_the_inherited_mask),
        cmocka_unit_test(a_narrower_mask_is_a_limit_and_an_explicit_list_goes_beyond_it),
        cmocka_unit_test(kinds_are_ranked_by_efficiency_or_capacity),
        cmocka_unit_test(of_several_local_nodes_the_largest_is_a_cpu_s_then_the_lowest),
        cmocka_unit_test(distances_are_the_machine_s_or_10_and_20),
        cmocka_unit_test(a_list_chooses_cpus_and_is_named_as_a_limit),
        cmocka_unit_test(bad_options_are_refused_with_the_reason),
        cmocka_unit_test(bad_lists_are_refused_with_the_reason),
        cmocka_unit_test(a_cpu_that_a_file_calls_offline_is_refused),
        cmocka_unit_test(a_failed_load_leaves_the_result_alone),
        cmocka_unit_test(hwloc_s_variables_stand_in_for_this_machine),
        cmocka_unit_test(a_cpu_list_of_the_wrong_machine_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
