/* SPDX-License-Identifier: MIT
 *
 * The injection lane: first in, first out, for any number of threads.
 */
#include "stress.h"

#include <sched.h>

#include "deque.h"
#include "lane.h"
#include "task.h"

static struct pinion_task tasks[8];

static void what_came_first_goes_first(void **state)
{
    struct pn_lane lane;
    (void)state;
    pn_lane_init(&lane, false);
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
}

static void pushes_and_pops_may_alternate(void **state)
{
    struct pn_lane lane;
    (void)state;
    pn_lane_init(&lane, false);
    pn_lane_push(&lane, &tasks[0]);
    pn_lane_push(&lane, &tasks[1]);
    assert_ptr_equal(pn_lane_pop(&lane), &tasks[0]);
    pn_lane_push(&lane, &tasks[0]);
    assert_ptr_equal(pn_lane_pop(&lane), &tasks[1]);
    assert_ptr_equal(pn_lane_pop(&lane), &tasks[0]);
    assert_null(pn_lane_pop(&lane));
}

/* ---- shares ---- */

static struct pinion_task many[100];

/* The next task of a sequence is younger than the last; each is seen once. */
static bool note(const struct pinion_task *task, const struct pinion_task **last, bool *seen)
{
    if (!task)
        return false;
    assert_true(*last < task);
    assert_false(seen[task - many]);
    *last = task;
    return seen[task - many] = true;
}

/* Takes a share of `count` tasks for one of `takers`, into a deque that has room for so many. How
 * many left the lane. */
static size_t share_of(size_t count, unsigned takers, size_t room)
{
    struct pn_lane lane;
    struct pn_deque deque;
    bool seen[100] = {false};
    pn_lane_init(&lane, false);
    assert_int_equal(pn_deque_init(&deque, room), 0);
    for (size_t i = 0; i < count; i++)
        pn_lane_push(&lane, &many[i]);
    assert_ptr_equal(pn_lane_pop_share(&lane, takers, &deque), count ? &many[0] : NULL);
    const size_t taken = pn_deque_count(&deque) + (count ? 1 : 0);
    assert_int_equal(pn_lane_count(&lane), count - taken);
    /* The oldest first, for its owner too. */
    size_t rest = 0;
    for (const struct pinion_task *last = &many[0]; note(pn_deque_pop(&deque), &last, seen);)
        rest++;
    for (const struct pinion_task *last = &many[0]; note(pn_lane_pop(&lane), &last, seen);)
        rest++;
    assert_int_equal(rest, count ? count - 1 : 0);
    pn_lane_push(&lane, &many[0]); /* its end is where it was */
    assert_ptr_equal(pn_lane_pop(&lane), &many[0]);
    pn_deque_fini(&deque);
    return taken;
}

static void more_than_the_ring_holds_stays_in_order(void **state)
{
    const size_t count = 3 * PN_LANE_RING + 7;
    struct pinion_task *queued = test_calloc(count, sizeof *queued);
    static struct pn_lane lane;
    size_t pushed = 0, popped = 0;
    (void)state;
    pn_lane_init(&lane, false);
    while (popped < count) {
        for (size_t i = 0; i < 5 * PN_LANE_RING / 4 && pushed < count; i++)
            pn_lane_push(&lane, &queued[pushed++]);
        assert_int_equal(pn_lane_count(&lane), pushed - popped);
        for (size_t i = 0; i < PN_LANE_RING / 3 && popped < pushed; i++)
            assert_ptr_equal(pn_lane_pop(&lane), &queued[popped++]);
    }
    assert_null(pn_lane_pop(&lane));
    test_free(queued);
}

static void a_share_is_fair_and_bounded(void **state)
{
    (void)state;
    assert_int_equal(share_of(0, 4, 64), 0);
    assert_int_equal(share_of(1, 4, 64), 1);
    assert_int_equal(share_of(3, 4, 64), 1);
    assert_int_equal(share_of(4, 4, 64), 2);
    assert_int_equal(share_of(40, 4, 64), 11);
    assert_int_equal(share_of(2, 1, 64), 2);
    assert_int_equal(share_of(100, 1, 64), 32);
}

static void what_the_deque_has_no_room_for_stays_in_the_lane(void **state)
{
    (void)state;
    assert_int_equal(share_of(40, 4, 4), 5);
    assert_int_equal(share_of(10, 1, 4), 5);
    assert_int_equal(share_of(10, 1, 1), 2);
    assert_int_equal(share_of(2, 1, 1), 2);
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
    pn_lane_init(&shared, false);
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
        cmocka_unit_test(more_than_the_ring_holds_stays_in_order),
        cmocka_unit_test(a_share_is_fair_and_bounded),
        cmocka_unit_test(what_the_deque_has_no_room_for_stays_in_the_lane),
        cmocka_unit_test(many_push_and_one_pops),
        cmocka_unit_test(many_push_and_many_pop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
