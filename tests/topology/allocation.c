/* SPDX-License-Identifier: MIT
 *
 * Each allocation fails once, and then all from it on: a load or a plan then fails with -ENOMEM or
 * succeeds, and leaks nothing (leaks are the address sanitizer's to find; here blocks are counted).
 * The linker puts these functions before the room's own calls; hwloc's insides keep theirs.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hwloc.h>

#include <pinion/error.h>

#include "binding.h"
#include "cgroup.h"
#include "machines.h"
#include "plan.h"

/* Calls until the one that fails; below 1: it has. */
static long countdown;
static bool all_after;
static long failures;

static bool fails(void)
{
    countdown--;
    const bool failing = countdown == 0 || (all_after && countdown < 0);
    failures += failing;
    return failing;
}

static void *fail_pointer(void)
{
    errno = ENOMEM;
    return NULL;
}

static int fail_number(void)
{
    errno = ENOMEM;
    return -1;
}

#define WRAP(type, name, parameters, arguments, fail)                                              \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters                                                                  \
    {                                                                                              \
        return fails() ? fail() : __real_##name arguments;                                         \
    }

WRAP(void *, malloc, (size_t size), (size), fail_pointer)
WRAP(void *, calloc, (size_t count, size_t size), (count, size), fail_pointer)
WRAP(void *, realloc, (void *old, size_t size), (old, size), fail_pointer)
WRAP(hwloc_bitmap_t, hwloc_bitmap_alloc, (void), (), fail_pointer)
WRAP(hwloc_bitmap_t, hwloc_bitmap_dup, (hwloc_const_bitmap_t set), (set), fail_pointer)
WRAP(int, hwloc_bitmap_set, (hwloc_bitmap_t set, unsigned i), (set, i), fail_number)
WRAP(int, hwloc_bitmap_set_range, (hwloc_bitmap_t set, unsigned a, int b), (set, a, b), fail_number)
WRAP(int, hwloc_bitmap_only, (hwloc_bitmap_t set, unsigned i), (set, i), fail_number)
WRAP(int, hwloc_bitmap_and, (hwloc_bitmap_t to, hwloc_const_bitmap_t a, hwloc_const_bitmap_t b),
     (to, a, b), fail_number)
WRAP(int, hwloc_bitmap_or, (hwloc_bitmap_t to, hwloc_const_bitmap_t a, hwloc_const_bitmap_t b),
     (to, a, b), fail_number)
WRAP(int, hwloc_topology_init, (hwloc_topology_t * tree), (tree), fail_number)

/* Does something that may run out of memory; 0 or -errno. */
typedef int attempt_fn(const void *context);

/* Under each n until it no longer fails: once, and with all after. */
static void fail_each(attempt_fn *attempt, const void *context)
{
    for (int mode = 0; mode < 2; mode++) {
        for (long n = 1;; n++) {
            countdown = n;
            all_after = mode == 1;
            failures = 0;
            const int error = attempt(context);
            countdown = 0;
            all_after = false;
            if (failures == 0) {
                assert_int_equal(error, 0);
                break;
            }
            if (error != -ENOMEM)
                fail_msg("allocation %ld: %d, %s", n, error, pinion_error_detail());
            assert_true(strlen(pinion_error_detail()) > 0);
        }
    }
}

static int load(const void *context)
{
    struct pinion_topology *topology = NULL;
    const int error = pinion_topology_load(context, &topology);
    if (error)
        assert_null(topology);
    pinion_topology_destroy(topology);
    return error;
}

static void a_load_survives_every_failed_allocation(void **state)
{
    (void)state;
    char path[512];
    const char *const files[] = {"fakeheterocpunuma.xml", "16amd64-8n2c-cpusets.xml"};
    for (unsigned i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", MACHINES, files[i]);
        fail_each(load, &(struct pinion_topology_options){.xml_path = path});
    }
    fail_each(load, &(struct pinion_topology_options){.synthetic = "numa:2 core:2 pu:2",
                                                      .cpus = "0-3,6-7"});
}

static void a_load_of_this_machine_survives_every_failed_allocation(void **state)
{
    (void)state;
    fail_each(load, &(struct pinion_topology_options){0});
    fail_each(load, &(struct pinion_topology_options){.ignore_quota = true});
}

struct plan_attempt {
    const struct pinion_topology *topology;
    struct pinion_plan_options options;
};

static int make_plan(const void *context)
{
    const struct plan_attempt *attempt = context;
    struct pinion_plan *plan = NULL;
    const int error = pinion_plan_make(attempt->topology, &attempt->options, &plan);
    if (error)
        assert_null(plan);
    pinion_plan_destroy(plan);
    return error;
}

static void a_plan_survives_every_failed_allocation(void **state)
{
    (void)state;
    struct pinion_topology *topology = load_synthetic("numa:4 core:4 pu:2");
    for (int i = PINION_PLACE_AUTO; i <= PINION_PLACE_NONE; i++) {
        struct plan_attempt attempt = {topology, {.placement = (enum pinion_placement)i}};
        fail_each(make_plan, &attempt);
        attempt.options.workers = 10; /* AUTO scatters */
        fail_each(make_plan, &attempt);
        attempt.options = (struct pinion_plan_options){.slice_index = 1, .slice_count = 3};
        fail_each(make_plan, &attempt);
    }
    pinion_topology_destroy(topology);
}

typedef int write_fn(const struct pinion_topology *, FILE *);

struct write_attempt {
    const struct pinion_topology *topology;
    write_fn *write;
};

static int write_out(const void *context)
{
    const struct write_attempt *attempt = context;
    FILE *stream = fopen("/dev/null", "w");
    const int error = attempt->write(attempt->topology, stream);
    (void)fclose(stream);
    return error;
}

static void writing_survives_every_failed_allocation(void **state)
{
    (void)state;
    struct pinion_topology *topology = load_file("fakeheterocpunuma.xml");
    fail_each(write_out, &(struct write_attempt){topology, pinion_topology_write_json});
    fail_each(write_out, &(struct write_attempt){topology, pinion_topology_write_text});
    pinion_topology_destroy(topology);
}

static int make_masks(const void *context)
{
    struct pn_cpu_mask *mask;
    int error = pn_cpu_mask_get(&mask);
    if (error)
        return error;
    error = pn_cpu_mask_apply(mask);
    pn_cpu_mask_destroy(mask);
    if (error || (error = pn_cpu_mask_of(context, PINION_NO_NODE, &mask)))
        return error;
    pn_cpu_mask_destroy(mask);
    if ((error = pn_cpu_mask_of_cpu(3, &mask)))
        return error;
    pn_cpu_mask_destroy(mask);
    return 0;
}

static void masks_survive_every_failed_allocation(void **state)
{
    (void)state;
    struct pinion_topology *topology = load_synthetic("core:4 pu:1");
    fail_each(make_masks, topology);
    pinion_topology_destroy(topology);
}

/* The first use of memory binding in this process: once it has failed it may be tried again. */
static int check_node(const void *context)
{
    (void)context;
    const struct pinion_node *nodes;
    struct pinion_topology *topology = NULL;
    int error = pinion_topology_load(NULL, &topology);
    if (error)
        return error;
    (void)pinion_topology_nodes(topology, &nodes);
    error = pn_memory_node_check((int)nodes[0].os_index);
    pinion_topology_destroy(topology);
    return error;
}

static void memory_binding_survives_every_failed_allocation(void **state)
{
    (void)state;
    fail_each(check_node, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_binding_survives_every_failed_allocation),
        cmocka_unit_test(a_load_survives_every_failed_allocation),
        cmocka_unit_test(a_load_of_this_machine_survives_every_failed_allocation),
        cmocka_unit_test(a_plan_survives_every_failed_allocation),
        cmocka_unit_test(writing_survives_every_failed_allocation),
        cmocka_unit_test(masks_survive_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
