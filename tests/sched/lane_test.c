/* SPDX-License-Identifier: MIT
 *
 * The injection lane: first in, first out, for any number of threads.
 */
#include "stress.h"

#include <sched.h>

#include "lane.h"
#include "task.h"

static struct pinion_task tasks[8];

static void what_came_first_goes_first(void **state)
{
    struct pn_lane lane;
    (void)state;
    pn_lane_init(&lane);
    assert_null(pn_lane_pop(&lane));
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 8; i++) {
            pn_lane_push(&lane, &tasks[i]);
            assert_int_equal(pn_lane_count(&lane), i + 1);
        }
        for (size_t i = 0; i < 8; i++) {
            assert_ptr_equal(pn_lane_pop(&lane), &tasks[i]);
            assert_int_equal(pn_lane_count(&lane), 7 - i);
        }
        assert_null(pn_lane_pop(&lane));
    }
    pn_lane_fini(&lane);
}

static void pushes_and_pops_may_alternate(void **state)
{
    struct pn_lane lane;
    (void)state;
    pn_lane_init(&lane);
    pn_lane_push(&lane, &tasks[0]);
    pn_lane_push(&lane, &tasks[1]);
    assert_ptr_equal(pn_lane_pop(&lane), &tasks[0]);
    pn_lane_push(&lane, &tasks[0]);
    assert_ptr_equal(pn_lane_pop(&lane), &tasks[1]);
    assert_ptr_equal(pn_lane_pop(&lane), &tasks[0]);
    assert_null(pn_lane_pop(&lane));
    pn_lane_fini(&lane);
}

#define PUSHERS 3
#define ITEMS   (unsigned)ROUNDS(40000)

struct item {
    struct pinion_task task;
    unsigned pusher, number;
    _Atomic unsigned takes;
};

struct pusher {
    pthread_t thread;
    unsigned index;
    struct item *items;
};

static struct pn_lane shared;
static _Atomic unsigned taken, broken;

static void *push_all(void *argument)
{
    struct pusher *pusher = argument;
    for (unsigned i = 0; i < ITEMS; i++) {
        pusher->items[i].pusher = pusher->index;
        pusher->items[i].number = i;
        pn_lane_push(&shared, &pusher->items[i].task);
    }
    return NULL;
}

/* Each popper sees what one pusher pushed in the order in which it did. */
static void *pop_all(void *argument)
{
    unsigned next[PUSHERS] = {0};
    (void)argument;
    while (pn_load_relaxed(&taken) < PUSHERS * ITEMS) {
        struct item *item = (struct item *)(void *)pn_lane_pop(&shared);
        if (!item) {
            (void)sched_yield();
            continue;
        }
        pn_fetch_add_relaxed(&taken, 1u);
        if (pn_fetch_add_relaxed(&item->takes, 1u) != 0 || item->number < next[item->pusher])
            pn_fetch_add_relaxed(&broken, 1u);
        next[item->pusher] = item->number + 1;
    }
    return NULL;
}

static void stress(unsigned poppers)
{
    struct pusher pushers[PUSHERS];
    pthread_t threads[4];
    pn_lane_init(&shared);
    pn_store_relaxed(&taken, 0u);
    pn_store_relaxed(&broken, 0u);
    for (unsigned i = 0; i < PUSHERS; i++) {
        pushers[i].index = i;
        pushers[i].items = test_calloc(ITEMS, sizeof(struct item));
        start_thread(&pushers[i].thread, push_all, &pushers[i]);
    }
    for (unsigned i = 0; i < poppers; i++)
        start_thread(&threads[i], pop_all, NULL);
    for (unsigned i = 0; i < PUSHERS; i++)
        join_thread(pushers[i].thread);
    for (unsigned i = 0; i < poppers; i++)
        join_thread(threads[i]);
    assert_int_equal(pn_load_relaxed(&broken), 0);
    assert_int_equal(pn_lane_count(&shared), 0);
    assert_null(pn_lane_pop(&shared));
    for (unsigned i = 0; i < PUSHERS; i++) {
        for (unsigned j = 0; j < ITEMS; j++)
            assert_int_equal(pn_load_relaxed(&pushers[i].items[j].takes), 1);
        test_free(pushers[i].items);
    }
    pn_lane_fini(&shared);
}

static void many_push_and_one_pops(void **state)
{
    (void)state;
    stress(1);
}

static void many_push_and_many_pop(void **state)
{
    (void)state;
    stress(3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_came_first_goes_first),
        cmocka_unit_test(pushes_and_pops_may_alternate),
        cmocka_unit_test(many_push_and_one_pops),
        cmocka_unit_test(many_push_and_many_pop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
