/* SPDX-License-Identifier: MIT
 *
 * The deque: what it holds is what was pushed, in order, and each entry is taken once.
 */
#include "stress.h"

#include <sched.h>
#include <string.h>

#include "deque.h"
#include "task.h"

static struct pinion_task tasks[4096];

static void fill(struct pn_deque *deque, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_true(pn_deque_push(deque, &tasks[i], true));
    pn_deque_publish(deque);
}

static void a_new_deque_is_empty(void **state)
{
    struct pn_deque deque;
    bool lost = false;
    (void)state;
    assert_int_equal(pn_deque_init(&deque, 4), 0);
    for (int i = 0; i < 3; i++) {
        assert_null(pn_deque_pop(&deque));
        assert_null(pn_deque_steal(&deque, &lost));
        assert_false(pn_deque_pop_if(&deque, &tasks[0]));
        assert_false(pn_deque_pop_if(&deque, NULL));
        assert_int_equal(pn_deque_count(&deque), 0);
    }
    assert_false(lost);
    pn_deque_fini(&deque);
}

static void the_owner_takes_the_youngest_and_thieves_the_oldest(void **state)
{
    struct pn_deque deque;
    bool lost = false;
    (void)state;
    assert_int_equal(pn_deque_init(&deque, 8), 0);
    fill(&deque, 6);
    assert_int_equal(pn_deque_count(&deque), 6);
    assert_ptr_equal(pn_deque_pop(&deque), &tasks[5]);
    assert_ptr_equal(pn_deque_steal(&deque, &lost), &tasks[0]);
    assert_ptr_equal(pn_deque_steal(&deque, &lost), &tasks[1]);
    assert_ptr_equal(pn_deque_pop(&deque), &tasks[4]);
    assert_int_equal(pn_deque_count(&deque), 2);
    assert_ptr_equal(pn_deque_pop(&deque), &tasks[3]);
    assert_ptr_equal(pn_deque_pop(&deque), &tasks[2]);
    assert_null(pn_deque_pop(&deque));
    assert_null(pn_deque_steal(&deque, &lost));
    assert_false(lost);
    pn_deque_fini(&deque);
}

static void a_full_deque_refuses_and_has_room_again_after_a_take(void **state)
{
    struct pn_deque deque;
    bool lost = false;
    (void)state;
    assert_int_equal(pn_deque_init(&deque, 4), 0);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 4; i++)
            assert_true(pn_deque_push(&deque, &tasks[i], false));
        assert_false(pn_deque_push(&deque, &tasks[9], false));
        assert_int_equal(pn_deque_count(&deque), 4);
        pn_deque_publish(&deque);
        assert_ptr_equal(pn_deque_steal(&deque, &lost), &tasks[0]);
        assert_true(pn_deque_push(&deque, &tasks[4], false));
        assert_false(pn_deque_push(&deque, &tasks[9], false));
        for (int i = 4; i > 0; i--)
            assert_ptr_equal(pn_deque_pop(&deque), &tasks[i]);
        assert_null(pn_deque_pop(&deque));
    }
    pn_deque_fini(&deque);
}

static void a_deque_of_one_entry_works(void **state)
{
    struct pn_deque deque;
    bool lost = false;
    (void)state;
    assert_int_equal(pn_deque_init(&deque, 1), 0);
    for (int i = 0; i < 5; i++) {
        assert_true(pn_deque_push(&deque, &tasks[i], false));
        assert_false(pn_deque_push(&deque, &tasks[9], false));
        pn_deque_publish(&deque);
        assert_ptr_equal(i % 2 ? pn_deque_pop(&deque) : pn_deque_steal(&deque, &lost), &tasks[i]);
    }
    pn_deque_fini(&deque);
}

static void it_grows_and_keeps_what_it_holds_in_order(void **state)
{
    struct pn_deque deque;
    bool lost = false;
    (void)state;
    assert_int_equal(pn_deque_init(&deque, 2), 0);
    for (int i = 0; i < 3; i++) { /* so that it does not begin at index 0 */
        assert_true(pn_deque_push(&deque, &tasks[i], true));
        pn_deque_publish(&deque);
        assert_ptr_equal(pn_deque_steal(&deque, &lost), &tasks[i]);
    }
    fill(&deque, 4096);
    assert_int_equal(pn_deque_count(&deque), 4096);
    for (size_t i = 0; i < 2048; i++) {
        assert_ptr_equal(pn_deque_steal(&deque, &lost), &tasks[i]);
        assert_ptr_equal(pn_deque_pop(&deque), &tasks[4095 - i]);
    }
    assert_int_equal(pn_deque_count(&deque), 0);
    assert_false(lost);
    pn_deque_fini(&deque);
}

static void pop_if_takes_the_youngest_only_if_it_is_the_one_named(void **state)
{
    struct pn_deque deque;
    (void)state;
    assert_int_equal(pn_deque_init(&deque, 4), 0);
    fill(&deque, 3);
    assert_false(pn_deque_pop_if(&deque, &tasks[0]));
    assert_false(pn_deque_pop_if(&deque, &tasks[1]));
    assert_false(pn_deque_pop_if(&deque, &tasks[3]));
    assert_int_equal(pn_deque_count(&deque), 3);
    assert_true(pn_deque_pop_if(&deque, &tasks[2]));
    assert_false(pn_deque_pop_if(&deque, &tasks[2]));
    assert_true(pn_deque_pop_if(&deque, &tasks[1]));
    assert_true(pn_deque_pop_if(&deque, &tasks[0]));
    assert_false(pn_deque_pop_if(&deque, &tasks[0]));
    pn_deque_fini(&deque);
}

static void thieves_get_what_is_public(void **state)
{
    struct pn_deque deque;
    bool lost = false;
    (void)state;
    assert_int_equal(pn_deque_init(&deque, 8), 0);
    if (!deque.is_split) /* no asymmetric fence here: all is public */
        skip();
    for (int i = 0; i < 3; i++)
        assert_true(pn_deque_push(&deque, &tasks[i], false));
    assert_int_equal(pn_deque_count(&deque), 3);
    assert_null(pn_deque_steal(&deque, &lost));
    assert_false(pn_deque_is_requested(&deque));
    pn_deque_request(&deque);
    assert_true(pn_deque_is_requested(&deque));
    pn_deque_publish(&deque);
    assert_false(pn_deque_is_requested(&deque));
    assert_true(pn_deque_push(&deque, &tasks[3], false));
    for (int i = 0; i < 3; i++)
        assert_ptr_equal(pn_deque_steal(&deque, &lost), &tasks[i]);
    assert_null(pn_deque_steal(&deque, &lost));
    assert_false(lost);
    assert_ptr_equal(pn_deque_pop(&deque), &tasks[3]);
    pn_deque_fini(&deque);
}

static void force_makes_all_public(void **state)
{
    struct pn_deque deque;
    bool lost = false;
    (void)state;
    assert_int_equal(pn_deque_init(&deque, 8), 0);
    pn_deque_force(&deque); /* of nothing */
    for (int i = 0; i < 4; i++)
        assert_true(pn_deque_push(&deque, &tasks[i], false));
    pn_deque_force(&deque);
    pn_deque_force(&deque);
    assert_ptr_equal(pn_deque_steal(&deque, &lost), &tasks[0]);
    assert_ptr_equal(pn_deque_pop(&deque), &tasks[3]);
    assert_ptr_equal(pn_deque_pop(&deque), &tasks[2]);
    assert_ptr_equal(pn_deque_pop(&deque), &tasks[1]);
    assert_null(pn_deque_pop(&deque));
    pn_deque_fini(&deque);
}

static bool is_task(struct pinion_task *task, void *context) { return task == context; }

static void who_helps_takes_the_oldest_if_it_is_young_enough(void **state)
{
    struct pn_deque deque;
    (void)state;
    assert_int_equal(pn_deque_init(&deque, 8), 0);
    assert_true(pn_deque_push(&deque, &tasks[0], false));
    const int64_t first = pn_deque_bottom(&deque);
    assert_true(pn_deque_push(&deque, &tasks[1], false));
    assert_true(pn_deque_push(&deque, &tasks[2], false));
    pn_deque_publish(&deque);
    assert_null(pn_deque_steal_since(&deque, first, is_task, &tasks[1])); /* tasks[0] is older */
    assert_ptr_equal(pn_deque_steal_since(&deque, first - 1, is_task, &tasks[0]), &tasks[0]);
    assert_null(pn_deque_steal_since(&deque, first, is_task, &tasks[2])); /* not the oldest */
    assert_ptr_equal(pn_deque_steal_since(&deque, first, is_task, &tasks[1]), &tasks[1]);
    assert_ptr_equal(pn_deque_pop(&deque), &tasks[2]);
    assert_null(pn_deque_steal_since(&deque, first, is_task, &tasks[2]));
    pn_deque_fini(&deque);
}

/* ---- stress ---- */

#define THIEVES 3
#define ITEMS   ROUNDS(300000)

static struct {
    struct pn_deque deque;
    _Atomic bool is_over;
    pthread_barrier_t start;
} shared;

/* A number per item, so that a double take shows, and data behind the pointer, so that
 * ThreadSanitizer sees a missing order. */
struct item {
    struct pinion_task task;
    unsigned payload;
    _Atomic unsigned takes;
};
static struct item *items;
static _Atomic unsigned broken;

static void take(struct pinion_task *task)
{
    struct item *item = (struct item *)(void *)task;
    if (pn_fetch_add_relaxed(&item->takes, 1u) != 0 || item->payload != (unsigned)(item - items))
        pn_fetch_add_relaxed(&broken, 1u);
}

static void *thief(void *argument)
{
    uint32_t seed = 1 + *(unsigned *)argument;
    (void)pthread_barrier_wait(&shared.start);
    while (!pn_load_acquire(&shared.is_over)) {
        bool lost = false;
        struct pinion_task *task = pn_deque_steal(&shared.deque, &lost);
        if (task) {
            take(task);
            continue;
        }
        if (pn_deque_count(&shared.deque) && random_next(&seed) % 16 == 0)
            pn_deque_force(&shared.deque);
        else
            pn_deque_request(&shared.deque);
        if (!lost)
            (void)sched_yield();
    }
    return NULL;
}

static void each_entry_is_taken_once(size_t size, bool may_grow, uint32_t seed)
{
    const unsigned count = ITEMS;
    pthread_t thieves[THIEVES];
    unsigned numbers[THIEVES];
    items = test_calloc(count, sizeof *items);
    assert_int_equal(pn_deque_init(&shared.deque, size), 0);
    pn_store_relaxed(&shared.is_over, false);
    pn_store_relaxed(&broken, 0u);
    assert_int_equal(pthread_barrier_init(&shared.start, NULL, THIEVES + 1), 0);
    for (unsigned i = 0; i < THIEVES; i++) {
        numbers[i] = i;
        start_thread(&thieves[i], thief, &numbers[i]);
    }
    (void)pthread_barrier_wait(&shared.start);

    for (unsigned made = 0; made < count;) {
        for (unsigned burst = random_next(&seed) % 13; burst && made < count; burst--) {
            items[made].payload = made;
            struct pinion_task *task = &items[made].task;
            if (!pn_deque_push(&shared.deque, task, may_grow)) {
                assert_false(may_grow);
                break;
            }
            made++;
            if (pn_deque_is_requested(&shared.deque) && random_next(&seed) % 4 == 0)
                pn_deque_publish(&shared.deque);
            if (random_next(&seed) % 5 == 0 && pn_deque_pop_if(&shared.deque, task))
                take(task);
        }
        struct pinion_task *task;
        for (unsigned burst = random_next(&seed) % 11; burst; burst--)
            if ((task = pn_deque_pop(&shared.deque)))
                take(task);
        if (made % 1024 == 0)
            (void)sched_yield();
    }
    struct pinion_task *task;
    while ((task = pn_deque_pop(&shared.deque)))
        take(task);
    assert_int_equal(pn_deque_count(&shared.deque), 0);

    pn_store_release(&shared.is_over, true);
    for (int i = 0; i < THIEVES; i++)
        join_thread(thieves[i]);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(pn_load_relaxed(&items[i].takes), 1);
    assert_int_equal(pn_load_relaxed(&broken), 0);
    assert_int_equal(pthread_barrier_destroy(&shared.start), 0);
    pn_deque_fini(&shared.deque);
    test_free(items);
}

static void owner_and_thieves_take_each_entry_once(void **state)
{
    (void)state;
    each_entry_is_taken_once(4, false, 1);
    each_entry_is_taken_once(1024, false, 2);
}

static void so_they_do_while_it_grows(void **state)
{
    (void)state;
    each_entry_is_taken_once(1, true, 3);
    each_entry_is_taken_once(2, true, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_deque_is_empty),
        cmocka_unit_test(the_owner_takes_the_youngest_and_thieves_the_oldest),
        cmocka_unit_test(a_full_deque_refuses_and_has_room_again_after_a_take),
        cmocka_unit_test(a_deque_of_one_entry_works),
        cmocka_unit_test(it_grows_and_keeps_what_it_holds_in_order),
        cmocka_unit_test(pop_if_takes_the_youngest_only_if_it_is_the_one_named),
        cmocka_unit_test(thieves_get_what_is_public),
        cmocka_unit_test(force_makes_all_public),
        cmocka_unit_test(who_helps_takes_the_oldest_if_it_is_young_enough),
        cmocka_unit_test(owner_and_thieves_take_each_entry_once),
        cmocka_unit_test(so_they_do_while_it_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
