/* SPDX-License-Identifier: MIT
 *
 * Members of groups, step by step: who may claim one, when it is freed, whom it wakes, and what a
 * canceler that is at it means.
 */
#include "closures.h"
#include "../sched/stress.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include <pinion/arena.h>

#include "cancel.h"
#include "lock.h"
#include "member.h"

#define QUEUED (PN_TASK_QUEUED | PN_TASK_IN_QUEUE)

static _Atomic int runs;

static void count_run(const void *context, void *result)
{
    (void)context;
    (void)result;
    pn_fetch_add_relaxed(&runs, 1);
}

static struct pinion_task *make(struct pinion_group *group, size_t size, uintptr_t state)
{
    static const unsigned char context[20000];
    const struct pinion_call call = {.start = count_run, .context = context, .context_size = size};
    const struct pn_spawn spawn = {.call = &call, .kind = PN_ASYNC, .group = group};
    struct pinion_task *task = pn_task_create(&spawn, state, slab, arena);
    assert_non_null(task);
    return task;
}

/* Whether a block is free again: then it is the next one of its size. */
static bool is_free(const void *block, size_t bytes)
{
    void *next = pn_slab_alloc(slab, bytes);
    const bool is_same = next == block;
    pn_slab_free(slab, next);
    return is_same;
}

#define SMALL (sizeof(struct pinion_task) + sizeof(struct pn_member) + 8)
#define LARGE (sizeof(struct pinion_task) + sizeof(struct pn_member) + sizeof(struct pn_task_large))

static uint32_t fired(const struct pn_waiter *waiter)
{
    return pn_load_relaxed(&waiter->word) / PN_WAITER_FIRED;
}

/* What an await does with a member that it claimed. */
static void run_and_let_go(struct pinion_task *task)
{
    pn_task_run_claimed(task);
    pn_member_leave(task);
    pn_task_drop(task, slab);
}

static void context_of_a_member_lies_behind_its_links(void **state)
{
    struct pinion_group group = PINION_GROUP_INIT;
    (void)state;
    for (size_t size = 0; size < 600; size += 50) {
        struct pinion_task *task = make(&group, size, PN_TASK_RUNNING);
        assert_true(task->is_member);
        if (!pn_task_is_large(task))
            assert_true((const char *)pn_task_context(task) >=
                        (char *)(task + 1) + sizeof(struct pn_member));
        pn_task_publish(task);
        pn_task_run(task);
        pn_task_end(task, slab);
        assert_null(group.seen);
    }
}

static void a_member_that_is_claimed_before_it_is_pushed_is_freed_by_its_queue(void **state)
{
    static const size_t sizes[] = {8, 20000}, blocks[] = {SMALL, LARGE};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct pinion_group group = PINION_GROUP_INIT;
        struct pinion_task *task = make(&group, sizes[i], QUEUED), *claimed;
        struct pn_waiter waiter;
        pn_waiter_init(&waiter);
        pn_task_publish(task);
        assert_true(pn_member_next(&group, &waiter, &claimed));
        assert_ptr_equal(claimed, task);
        run_and_let_go(task);
        assert_false(pn_member_next(&group, &waiter, &claimed));
        assert_false(is_free(task, blocks[i]));
        assert_false(pn_task_take(task, slab)); /* what was pushed at last is a tombstone */
        assert_true(is_free(task, blocks[i]));
        assert_int_equal(fired(&waiter), 0);
    }
}

static void a_member_that_could_not_be_pushed_is_withdrawn_unless_it_was_claimed(void **state)
{
    struct pinion_group group = PINION_GROUP_INIT;
    struct pinion_task *task = make(&group, 8, QUEUED), *claimed;
    struct pn_waiter waiter;
    (void)state;
    pn_waiter_init(&waiter);
    pn_task_publish(task);
    assert_true(pn_task_withdraw(task, slab));
    assert_true(is_free(task, SMALL));
    assert_false(pn_member_next(&group, &waiter, &claimed));

    task = make(&group, 8, QUEUED);
    pn_task_publish(task);
    assert_true(pn_member_next(&group, &waiter, &claimed));
    assert_false(pn_task_withdraw(task, slab));
    run_and_let_go(task);
    assert_true(is_free(task, SMALL));

    task = make(&group, 8, PN_TASK_RUNNING); /* one that could not be handed over */
    pn_task_publish(task);
    assert_true(pn_task_withdraw(task, slab));
    assert_true(is_free(task, SMALL));
    assert_false(pn_member_next(&group, &waiter, &claimed));
}

static void await_claims_the_youngest_first_and_passes_over_those_that_were_taken(void **state)
{
    struct pinion_group group = PINION_GROUP_INIT;
    struct pinion_task *tasks[3], *claimed;
    struct pn_waiter waiter;
    (void)state;
    pn_waiter_init(&waiter);
    for (int i = 0; i < 3; i++) {
        tasks[i] = make(&group, 8, QUEUED);
        pn_task_publish(tasks[i]);
    }
    assert_true(pn_task_take(tasks[1], slab));
    assert_true(pn_member_next(&group, &waiter, &claimed));
    assert_ptr_equal(claimed, tasks[2]);
    assert_true(pn_member_next(&group, &waiter, &claimed));
    assert_ptr_equal(claimed, tasks[0]);
    run_and_let_go(tasks[0]);
    run_and_let_go(tasks[2]);
    assert_true(pn_member_next(&group, &waiter, &claimed)); /* the other runs elsewhere */
    assert_null(claimed);
    assert_int_equal(fired(&waiter), 0);
    pn_task_run(tasks[1]);
    pn_task_end(tasks[1], slab);
    assert_int_equal(fired(&waiter), 1);
    assert_int_equal(pn_load_relaxed(&group.lock), 0);
    assert_false(pn_member_next(&group, &waiter, &claimed));
    assert_false(pn_task_take(tasks[0], slab));
    assert_false(pn_task_take(tasks[2], slab));
}

static void who_sleeps_is_woken_once_by_what_it_could_claim_or_by_the_last_end(void **state)
{
    struct pinion_group group = PINION_GROUP_INIT;
    struct pinion_task *first = make(&group, 8, PN_TASK_RUNNING), *claimed;
    struct pn_waiter waiter;
    (void)state;
    pn_waiter_init(&waiter);
    pn_task_publish(first);
    assert_true(pn_member_next(&group, &waiter, &claimed));
    assert_null(claimed);

    struct pinion_task *running = make(&group, 8, PN_TASK_RUNNING);
    pn_task_publish(running);
    assert_int_equal(fired(&waiter), 0); /* that is nothing to claim */
    struct pinion_task *fresh = make(&group, 8, QUEUED), *another = make(&group, 8, QUEUED);
    pn_task_publish(fresh);
    assert_int_equal(fired(&waiter), 1);
    pn_task_publish(another);
    assert_int_equal(fired(&waiter), 1);

    assert_true(pn_task_withdraw(fresh, slab));
    assert_true(pn_task_withdraw(another, slab));
    assert_true(pn_member_next(&group, &waiter, &claimed));
    assert_null(claimed);
    pn_task_end(first, slab);
    assert_int_equal(fired(&waiter), 1); /* not the last */
    pn_task_end(running, slab);
    assert_int_equal(fired(&waiter), 2);
}

static void members_that_enter_a_canceled_group_have_the_request(void **state)
{
    struct pinion_group group = PINION_GROUP_INIT;
    (void)state;
    pn_group_request_cancel(&group); /* there is nobody to ask */
    struct pinion_task *before = make(&group, 8, PN_TASK_RUNNING);
    pn_task_publish(before);
    assert_int_equal(pn_load_relaxed(&before->cancel), 0);
    pn_group_request_cancel(&group);
    struct pinion_task *after = make(&group, 8, QUEUED);
    pn_task_publish(after);
    assert_true(pn_cancel_deliver(before));
    assert_true(pn_cancel_deliver(after));
    assert_true(pn_task_withdraw(after, slab));
    pn_task_end(before, slab);
    assert_true(pn_group_renew(&group));
    assert_false(pn_group_renew(&group));
    struct pinion_task *next = make(&group, 8, PN_TASK_RUNNING);
    pn_task_publish(next);
    assert_false(pn_cancel_deliver(next));
    pn_task_end(next, slab);
}

/* ---- a member that ends while a canceler is at it ---- */

struct ending {
    struct pn_waiter waiter;
    struct pinion_task *task, *other, *later;
    struct pinion_group group;
    pthread_t thread;
    _Atomic int has_left;
};

static void *end_it(void *argument)
{
    struct ending *ending = argument;
    pn_task_end(ending->task, NULL);
    pn_store_release(&ending->has_left, 1); /* pairs with the loads of those who look */
    return NULL;
}

static bool waits_to_end(struct ending *ending)
{
    pn_lock(&ending->group.lock);
    const struct pn_member *member = (struct pn_member *)(void *)(ending->task + 1);
    const bool waits = member->ender != NULL;
    pn_unlock(&ending->group.lock);
    return waits;
}

/* Runs in the canceler, in its request. The other, which it would come to next, goes meanwhile; in
 * its place is a task that is no member. */
static void end_it_meanwhile(struct pn_waiter *waiter)
{
    struct ending *ending = (struct ending *)(void *)waiter;
    assert_int_equal(pthread_create(&ending->thread, NULL, end_it, ending), 0);
    while (!waits_to_end(ending))
        (void)sched_yield();
    assert_int_equal(pn_load_acquire(&ending->has_left), 0);
    pn_task_end(ending->other, slab);
    ending->later = make(NULL, 40, PN_TASK_RUNNING);
    assert_ptr_equal(ending->later, ending->other);
}

static void a_member_that_ends_waits_for_the_canceler_that_is_at_it(void **state)
{
    struct ending ending = {.group = PINION_GROUP_INIT};
    (void)state;
    pn_waiter_init(&ending.waiter);
    ending.waiter.interrupt = end_it_meanwhile;
    ending.other = make(&ending.group, 8, PN_TASK_RUNNING);
    ending.task = make(&ending.group, 8, PN_TASK_RUNNING);
    pn_task_publish(ending.other);
    pn_task_publish(ending.task); /* the youngest: the first that the canceler comes to */
    assert_true(pn_cancel_enter(ending.task, &ending.waiter));
    pn_group_request_cancel(&ending.group);
    assert_int_equal(pthread_join(ending.thread, NULL), 0);
    assert_int_equal(pn_load_acquire(&ending.has_left), 1);
    assert_true(pn_group_renew(&ending.group)); /* asserts that it is empty */
    assert_null(ending.group.seen);
    assert_int_equal(pn_load_relaxed(&ending.later->cancel), 0);
    pn_task_destroy(ending.later, slab);
}

/* ---- requests that only show ---- */

static void a_request_that_only_shows_gives_way_to_one_of_its_own(void **state)
{
    struct pinion_group group = PINION_GROUP_INIT;
    struct pinion_task *task = make(&group, 8, PN_TASK_RUNNING);
    (void)state;
    pn_cancel_show(task);
    assert_true(pn_load_relaxed(&task->cancel) & PN_CANCEL_REQUESTED);
    assert_false(pn_cancel_deliver(task));
    pn_cancel_request(task);
    assert_true(pn_cancel_deliver(task));
    assert_false(pn_cancel_deliver(task));
    pn_cancel_show(task); /* changes nothing now */
    pn_cancel_request(task);
    assert_false(pn_cancel_deliver(task));

    pn_cancel_renew(task, false); /* its own is pending again */
    assert_true(pn_cancel_deliver(task));
    pn_task_destroy(task, slab);

    task = make(&group, 8, PN_TASK_RUNNING);
    pn_cancel_renew(task, false);
    assert_int_equal(pn_load_relaxed(&task->cancel), 0);
    pn_cancel_renew(task, true);
    assert_true(pn_load_relaxed(&task->cancel) & PN_CANCEL_REQUESTED);
    assert_false(pn_cancel_deliver(task));
    pn_task_destroy(task, slab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(context_of_a_member_lies_behind_its_links),
        cmocka_unit_test(a_member_that_is_claimed_before_it_is_pushed_is_freed_by_its_queue),
        cmocka_unit_test(a_member_that_could_not_be_pushed_is_withdrawn_unless_it_was_claimed),
        cmocka_unit_test(await_claims_the_youngest_first_and_passes_over_those_that_were_taken),
        cmocka_unit_test(who_sleeps_is_woken_once_by_what_it_could_claim_or_by_the_last_end),
        cmocka_unit_test(members_that_enter_a_canceled_group_have_the_request),
        cmocka_unit_test(a_member_that_ends_waits_for_the_canceler_that_is_at_it),
        cmocka_unit_test(a_request_that_only_shows_gives_way_to_one_of_its_own),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
