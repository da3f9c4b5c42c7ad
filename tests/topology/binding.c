/* SPDX-License-Identifier: MIT
 *
 * Threads and memory of this machine, whatever it is: what a machine with one node or one CPU
 * cannot show is skipped. Runs in virtual machines of other shapes too.
 */
#include "binding.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <pinion/error.h>
#include <pinion/plan.h>

#include "machines.h"

static struct pinion_topology *machine;
static struct pn_cpu_mask *inherited;

static int load_machine(void **state)
{
    (void)state;
    if (pinion_topology_load(NULL, &machine)) {
        (void)fprintf(stderr, "%s\n", pinion_error_detail());
        return -1;
    }
    return pn_cpu_mask_get(&inherited);
}

static int unload_machine(void **state)
{
    (void)state;
    pn_cpu_mask_destroy(inherited);
    pinion_topology_destroy(machine);
    return 0;
}

static int restore(void **state)
{
    (void)state;
    return pn_cpu_mask_apply(inherited);
}

/* The kernel's word, not the library's. */
static int running_on(void)
{
    return sched_getcpu();
}

static void a_thread_moves_to_each_cpu_and_the_kernel_says_so(void **state)
{
    (void)state;
    const struct pinion_cpu *cpus;
    const unsigned count = pinion_topology_cpus(machine, &cpus);
    for (unsigned i = 0; i < count; i++) {
        struct pn_cpu_mask *mask;
        assert_int_equal(pn_cpu_mask_of_cpu(cpus[i].os_index, &mask), 0);
        assert_int_equal(pn_cpu_mask_apply(mask), 0);
        assert_int_equal(pn_pinned_cpu(), cpus[i].os_index);
        assert_int_equal(running_on(), cpus[i].os_index);
        pn_cpu_mask_destroy(mask);
    }
}

static void a_thread_on_all_cpus_is_pinned_to_none(void **state)
{
    (void)state;
    struct pn_cpu_mask *mask;
    const struct pinion_cpu *cpus;
    const unsigned count = pinion_topology_cpus(machine, &cpus);
    assert_int_equal(pn_cpu_mask_of(machine, PINION_NO_NODE, &mask), 0);
    assert_int_equal(pn_cpu_mask_apply(mask), 0);
    assert_int_equal(pn_pinned_cpu(), count > 1 ? -1 : (int)cpus[0].os_index);
    pn_cpu_mask_destroy(mask);
}

static void a_node_s_mask_has_its_cpus(void **state)
{
    (void)state;
    const struct pinion_cpu *cpus;
    const struct pinion_node *nodes;
    const unsigned cpu_count = pinion_topology_cpus(machine, &cpus);
    const unsigned node_count = pinion_topology_nodes(machine, &nodes);
    for (unsigned i = 0; i < node_count; i++) {
        struct pn_cpu_mask *mask;
        assert_int_equal(pn_cpu_mask_of(machine, nodes[i].os_index, &mask), 0);
        for (unsigned j = 0; j < cpu_count; j++) {
            if (cpus[j].node == nodes[i].os_index && nodes[i].memory_bytes)
                assert_true(pn_cpu_mask_has(mask, cpus[j].os_index));
            else if (nodes[i].cpu_count && cpus[j].node != PINION_NO_NODE)
                assert_false(pn_cpu_mask_has(mask, cpus[j].os_index));
        }
        assert_int_equal(pn_cpu_mask_apply(mask), 0);
        pn_cpu_mask_destroy(mask);
    }
}

static void the_mask_of_a_node_that_is_not_there_is_all(void **state)
{
    (void)state;
    struct pn_cpu_mask *mask;
    const struct pinion_cpu *cpus;
    const unsigned count = pinion_topology_cpus(machine, &cpus);
    assert_int_equal(pn_cpu_mask_of(machine, 77777, &mask), 0);
    for (unsigned i = 0; i < count; i++)
        assert_true(pn_cpu_mask_has(mask, cpus[i].os_index));
    pn_cpu_mask_destroy(mask);
}

static void a_cpu_that_is_not_there_is_refused(void **state)
{
    (void)state;
    struct pn_cpu_mask *mask;
    assert_int_equal(pn_cpu_mask_of_cpu(1000000, &mask), 0);
    assert_true(pn_cpu_mask_has(mask, 1000000));
    assert_false(pn_cpu_mask_has(mask, 999999));
    assert_true(pn_cpu_mask_end(mask) > 1000000);
    assert_int_equal(pn_cpu_mask_apply(mask), -EINVAL);
    pn_cpu_mask_destroy(mask);
    pn_cpu_mask_destroy(NULL);
}

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static char *map_pages(size_t count)
{
    void *pages =
        mmap(NULL, count * page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(pages != MAP_FAILED);
    return pages;
}

static bool may_query(void)
{
    char *page = map_pages(1);
    page[0] = 1;
    const int node = pn_memory_node_of(page);
    assert_int_equal(munmap(page, page_size()), 0);
    return node != -EPERM && node != -ENOSYS;
}

static void memory_bound_to_each_node_lies_there(void **state)
{
    (void)state;
    const struct pinion_node *nodes;
    const unsigned count = pinion_topology_nodes(machine, &nodes);
    if (!may_query())
        skip();
    for (unsigned i = 0; i < count; i++) {
        enum { PAGES = 16 };
        const void *pages[PAGES];
        int where[PAGES];
        char *memory = map_pages(PAGES);
        const int node = (int)nodes[i].os_index;
        const int error = pn_memory_bind(memory, PAGES * page_size(), node);
        /* One node, or of several only one with memory, leaves nothing to bind. */
        assert_int_equal(error, error == -ENOTSUP ? -ENOTSUP : 0);
        for (size_t j = 0; j < PAGES; j++) {
            memory[j * page_size()] = 1;
            pages[j] = memory + j * page_size();
            assert_int_equal(pn_memory_node_of(pages[j]), node);
        }
        assert_int_equal(pn_memory_nodes_of(pages, PAGES, where), 0);
        for (size_t j = 0; j < PAGES; j++)
            assert_int_equal(where[j], node);
        assert_int_equal(munmap(memory, PAGES * page_size()), 0);
    }
}

static void memory_first_touched_by_a_pinned_thread_lies_on_its_seat_s_node(void **state)
{
    (void)state;
    struct pinion_plan *plan;
    if (!may_query())
        skip();
    assert_int_equal(
        pinion_plan_make(machine, &(struct pinion_plan_options){.placement = PINION_PLACE_SCATTER},
                         &plan),
        0);
    for (unsigned i = 0; i <= plan->count; i++) {
        const struct pinion_seat seat = i < plan->count ? plan->seats[i] : plan->caller;
        struct pn_cpu_mask *mask;
        assert_int_equal(pn_cpu_mask_of_cpu((unsigned)seat.cpu, &mask), 0);
        assert_int_equal(pn_cpu_mask_apply(mask), 0);
        char *page = map_pages(1);
        page[0] = 1;
        assert_int_equal(pn_memory_node_of(page), seat.node);
        assert_int_equal(munmap(page, page_size()), 0);
        pn_cpu_mask_destroy(mask);
    }
    pinion_plan_destroy(plan);
}

static void a_node_that_is_not_there_is_refused(void **state)
{
    (void)state;
    char *page = map_pages(1);
    assert_int_equal(pn_memory_node_check(-1), -ENODEV);
    assert_int_equal(pn_memory_node_check(1023), -ENODEV);
    assert_int_equal(pn_memory_node_check(INT_MAX), -ENODEV);
    assert_int_equal(pn_memory_bind(page, page_size(), 1023), -ENODEV);
    assert_int_equal(munmap(page, page_size()), 0);
}

static void every_node_of_the_topology_may_have_memory_or_is_empty(void **state)
{
    (void)state;
    const struct pinion_node *nodes;
    const unsigned count = pinion_topology_nodes(machine, &nodes);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(pn_memory_node_check((int)nodes[i].os_index),
                         nodes[i].memory_bytes ? 0 : -ENODEV);
}

static void a_page_has_no_node_before_it_is_touched(void **state)
{
    (void)state;
    if (!may_query())
        skip();
    char *page = map_pages(1);
    assert_int_equal(pn_memory_node_of(page), -ENOENT);
    page[0] = 1;
    assert_true(pn_memory_node_of(page) >= 0);
    assert_true(pn_memory_node_of(page + 100) >= 0);
    assert_int_equal(munmap(page, page_size()), 0);
    assert_true(pn_memory_node_of(page) < 0);
}

static void *bind_some(void *unused)
{
    (void)unused;
    char *page = map_pages(1);
    const struct pinion_node *nodes;
    (void)pinion_topology_nodes(machine, &nodes);
    const int error = pn_memory_bind(page, page_size(), (int)nodes[0].os_index);
    (void)munmap(page, page_size());
    return error == 0 || error == -ENOTSUP ? NULL : page;
}

static void threads_may_bind_at_once(void **state)
{
    (void)state;
    pthread_t threads[8];
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, bind_some, NULL), 0);
    for (unsigned i = 0; i < 8; i++) {
        void *result;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
}

/* The variable gives load another machine; binding must stay with this one. Runs last. */
static void hwloc_s_variables_do_not_lead_binding_to_another_machine(void **state)
{
    assert_int_equal(setenv("HWLOC_SYNTHETIC", "numa:2(indexes=900,901) pu:1", 1), 0);
    memory_bound_to_each_node_lies_there(state);
    assert_int_equal(pn_memory_node_check(900), -ENODEV);
    assert_int_equal(unsetenv("HWLOC_SYNTHETIC"), 0);
}

#define RESTORED(test) cmocka_unit_test_teardown(test, restore)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RESTORED(a_thread_moves_to_each_cpu_and_the_kernel_says_so),
        RESTORED(a_thread_on_all_cpus_is_pinned_to_none),
        RESTORED(a_node_s_mask_has_its_cpus),
        cmocka_unit_test(the_mask_of_a_node_that_is_not_there_is_all),
        cmocka_unit_test(a_cpu_that_is_not_there_is_refused),
        cmocka_unit_test(threads_may_bind_at_once),
        cmocka_unit_test(memory_bound_to_each_node_lies_there),
        RESTORED(memory_first_touched_by_a_pinned_thread_lies_on_its_seat_s_node),
        cmocka_unit_test(a_node_that_is_not_there_is_refused),
        cmocka_unit_test(every_node_of_the_topology_may_have_memory_or_is_empty),
        cmocka_unit_test(a_page_has_no_node_before_it_is_touched),
        cmocka_unit_test(hwloc_s_variables_do_not_lead_binding_to_another_machine),
    };
    return cmocka_run_group_tests(tests, load_machine, unload_machine);
}
