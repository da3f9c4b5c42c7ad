/* SPDX-License-Identifier: MIT
 *
 * Timers: none early, none late, in order; beside a model that looks at every timer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "timers.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* What the tests count on of a timer: that it expired, and when it was to. */
struct watched {
    struct pn_timer timer;
    unsigned expired;
};

static struct pn_timers timers;
static int64_t time_now, last_deadline;

static void note(struct pn_timer *timer)
{
    struct watched *watched = (struct watched *)timer;
    assert_true(timer->deadline <= time_now);
    assert_true(timer->deadline >= last_deadline);
    last_deadline = timer->deadline;
    watched->expired++;
}

static void note_in_any_order(struct pn_timer *timer)
{
    ((struct watched *)timer)->expired++;
}

static unsigned expire(int64_t now)
{
    time_now = now;
    last_deadline = INT64_MIN;
    return pn_timers_expire(&timers, now);
}

static void arm(struct watched *watched, int64_t deadline)
{
    *watched = (struct watched){.timer.expired = note};
    pn_timers_arm(&timers, &watched->timer, deadline);
}

static void a_wheel_without_timers_never_has_to_be_looked_at(void **state)
{
    (void)state;
    pn_timers_init(&timers, 0);
    assert_int_equal(pn_timers_next(&timers), INT64_MAX);
    assert_int_equal(expire(0), 0);
    assert_int_equal(expire(INT64_MAX), 0);
    assert_int_equal(pn_timers_next(&timers), INT64_MAX);
}

/* From distances on both sides of each power of two: every level, and the borders between. */
static void one_timer_is_slept_for_once_and_expires_at_its_ns(void **state)
{
    static const int64_t starts[] = {0, 1, 63, 64, 4095, 123456789012345, INT64_MAX / 2 - 40};
    struct watched watched;
    (void)state;
    for (size_t i = 0; i < COUNT(starts); i++) {
        for (unsigned bit = 0; bit < 62; bit++) {
            for (int64_t beside = -1; beside <= 1; beside++) {
                const int64_t deadline = starts[i] + (INT64_C(1) << bit) + beside;
                pn_timers_init(&timers, starts[i]);
                arm(&watched, deadline);
                assert_int_equal(pn_timers_next(&timers), deadline);
                if (deadline > starts[i])
                    assert_int_equal(expire(deadline - 1), 0);
                assert_int_equal(pn_timers_next(&timers), deadline);
                assert_int_equal(expire(deadline), 1);
                assert_int_equal(watched.expired, 1);
                assert_int_equal(pn_timers_next(&timers), INT64_MAX);
            }
        }
    }
}

static void deadlines_that_are_past_expire_at_the_next_call(void **state)
{
    static const int64_t pasts[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 1, 999, 1000};
    struct watched watched[COUNT(pasts)];
    (void)state;
    for (size_t i = 0; i < COUNT(pasts); i++) {
        pn_timers_init(&timers, 1000);
        arm(&watched[i], pasts[i]);
        assert_true(pn_timers_next(&timers) <= 1000);
        assert_int_equal(expire(1000), 1);
        assert_int_equal(watched[i].expired, 1);
    }
    pn_timers_init(&timers, 1000);
    for (size_t i = 0; i < COUNT(pasts); i++) {
        arm(&watched[i], pasts[i]);
        watched[i].timer.expired = note_in_any_order;
    }
    assert_true(pn_timers_cancel(&timers, &watched[2].timer));
    assert_int_equal(expire(1000), COUNT(pasts) - 1);
    for (size_t i = 0; i < COUNT(pasts); i++)
        assert_int_equal(watched[i].expired, i != 2);
}

static void deadlines_at_the_end_of_time_are_waited_for(void **state)
{
    struct watched last, before;
    (void)state;
    pn_timers_init(&timers, 5);
    arm(&last, INT64_MAX);
    arm(&before, INT64_MAX - 1);
    assert_int_equal(expire(INT64_MAX - 2), 0);
    assert_int_equal(pn_timers_next(&timers), INT64_MAX - 1);
    assert_int_equal(expire(INT64_MAX - 1), 1);
    assert_int_equal(before.expired, 1);
    assert_int_equal(expire(INT64_MAX), 1);
    assert_int_equal(last.expired, 1);
}

static void what_is_canceled_does_not_expire_and_is_canceled_once(void **state)
{
    struct watched early, late;
    (void)state;
    pn_timers_init(&timers, 0);
    arm(&early, 1000000);
    arm(&late, 1000001);
    assert_true(pn_timers_cancel(&timers, &early.timer));
    assert_false(pn_timers_cancel(&timers, &early.timer));
    assert_int_equal(expire(INT64_MAX), 1);
    assert_int_equal(early.expired, 0);
    assert_false(pn_timers_cancel(&timers, &late.timer));
    arm(&early, 7);
    assert_true(pn_timers_cancel(&timers, &early.timer));
    assert_int_equal(pn_timers_next(&timers), INT64_MAX);
}

/* Who sleeps until what next says, for a timer whose earlier neighbors are all canceled. */
static void canceled_neighbors_cost_a_sleeper_a_wake_a_level_at_most(void **state)
{
    enum { NEIGHBORS = 62 };
    static struct watched neighbors[NEIGHBORS], watched;
    const int64_t deadline = (INT64_C(1) << 62) + 12345;
    unsigned wakes = 0;
    (void)state;
    pn_timers_init(&timers, 0);
    arm(&watched, deadline);
    for (unsigned bit = 0; bit < NEIGHBORS; bit++)
        arm(&neighbors[bit], deadline - (INT64_C(1) << bit));
    for (unsigned bit = 0; bit < NEIGHBORS; bit++)
        assert_true(pn_timers_cancel(&timers, &neighbors[bit].timer));
    for (; !watched.expired; wakes++) {
        const int64_t next = pn_timers_next(&timers);
        assert_true(next > time_now || wakes == 0);
        assert_true(next <= deadline);
        (void)expire(next);
    }
    assert_true(wakes <= PN_TIMERS_LEVELS);
}

/* Else they would have to move down through all levels of the time that nobody waited for. */
static void timers_armed_after_a_long_time_without_any_are_near(void **state)
{
    const int64_t late = INT64_C(3600000000000);
    struct watched watched;
    (void)state;
    pn_timers_init(&timers, 0);
    assert_int_equal(expire(late), 0);
    arm(&watched, late + 1);
    assert_int_equal(timers.levels, 1);
    assert_int_equal(expire(late + 1), 1);
    assert_int_equal(timers.levels, 0);
}

/* ---- from expired ---- */

static struct watched others[4];

static void cancel_others(struct pn_timer *timer)
{
    note(timer);
    assert_false(pn_timers_cancel(&timers, timer));
    assert_true(pn_timers_cancel(&timers, &others[1].timer));  /* due now too */
    assert_true(pn_timers_cancel(&timers, &others[2].timer));  /* … as the last */
    assert_false(pn_timers_cancel(&timers, &others[0].timer)); /* has expired */
    assert_true(pn_timers_cancel(&timers, &others[3].timer));  /* not due */
}

static void expired_may_cancel_what_is_due_and_what_is_not(void **state)
{
    struct watched canceling;
    (void)state;
    pn_timers_init(&timers, 0);
    arm(&others[0], 999);
    arm(&canceling, 1000);
    canceling.timer.expired = cancel_others;
    arm(&others[1], 1001);
    arm(&others[2], 1002);
    arm(&others[3], 5000);
    assert_int_equal(expire(2000), 2);
    assert_int_equal(others[1].expired + others[2].expired + others[3].expired, 0);
    assert_int_equal(pn_timers_next(&timers), INT64_MAX);
}

static struct watched armed_meanwhile;

static void arm_one_and_cancel_one_that_is_due(struct pn_timer *timer)
{
    note(timer);
    arm(&armed_meanwhile, time_now);
    assert_true(pn_timers_cancel(&timers, &others[0].timer));
}

/* A place may be empty but for what is armed after what was in it became due. */
static void cancel_of_what_is_due_leaves_what_came_after_it_in_place(void **state)
{
    struct watched canceling;
    (void)state;
    pn_timers_init(&timers, 0);
    arm(&canceling, 99);
    canceling.timer.expired = arm_one_and_cancel_one_that_is_due;
    arm(&others[0], 100);
    assert_int_equal(expire(100), 1);
    assert_int_equal(pn_timers_next(&timers), 100);
    assert_int_equal(expire(100), 1);
    assert_int_equal(armed_meanwhile.expired, 1);
    assert_int_equal(others[0].expired, 0);
}

static int64_t again_at;

static void arm_again(struct pn_timer *timer)
{
    note(timer);
    pn_timers_arm(&timers, timer, again_at);
}

static void what_expired_arms_waits_for_a_later_call_even_if_it_is_past(void **state)
{
    static const int64_t at[] = {INT64_MIN, 0, 999, 1000, 1001};
    struct watched again;
    (void)state;
    for (size_t i = 0; i < COUNT(at); i++) {
        again_at = at[i];
        pn_timers_init(&timers, 0);
        arm(&again, 10);
        again.timer.expired = arm_again;
        assert_int_equal(expire(1000), 1);
        again.timer.expired = note;
        assert_true(pn_timers_next(&timers) <= (at[i] > 1000 ? at[i] : 1000));
        assert_int_equal(expire(1000), at[i] <= 1000);
        assert_int_equal(expire(1001), at[i] > 1000);
        assert_int_equal(again.expired, 2);
    }
}

/* Many armed together and expired by one call, though they are of many levels. */
static void one_call_expires_all_in_the_order_of_their_deadlines(void **state)
{
    static struct watched many[2000];
    uint64_t random = 1;
    (void)state;
    pn_timers_init(&timers, 77);
    for (size_t i = 0; i < COUNT(many); i++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        arm(&many[i], 78 + (int64_t)(random >> (2 + i % 50)));
    }
    assert_int_equal(expire(INT64_MAX), COUNT(many));
    for (size_t i = 0; i < COUNT(many); i++)
        assert_int_equal(many[i].expired, 1);
}

/* ---- beside a model ---- */

#define MODEL 300

static struct model {
    struct watched watched[MODEL];
    bool is_armed[MODEL];
    unsigned armed_in[MODEL]; /* after so many calls of expire had begun */
    unsigned calls;
    int64_t now, before; /* of this call of expire and of the last one */
    uint64_t random;
} model;

static uint64_t random_below(uint64_t bound)
{
    model.random = model.random * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (model.random >> 20) % bound;
}

/* Of as many bits as chance has it. */
static int64_t random_distance(void)
{
    return (int64_t)random_below(UINT64_C(1) << random_below(43));
}

static void model_expired(struct pn_timer *timer);

static void model_arm_or_cancel(void)
{
    const size_t i = random_below(MODEL);
    struct pn_timer *timer = &model.watched[i].timer;
    assert_int_equal(pn_timers_cancel(&timers, timer), model.is_armed[i]);
    model.is_armed[i] = random_below(4) != 0;
    if (!model.is_armed[i])
        return;
    const int64_t distance = random_distance();
    model.armed_in[i] = model.calls;
    timer->expired = model_expired;
    pn_timers_arm(&timers, timer, random_below(16) ? model.now + distance : model.now - distance);
}

static void model_expired(struct pn_timer *timer)
{
    const size_t i = (size_t)((struct watched *)timer - model.watched);
    assert_true(model.is_armed[i] && model.armed_in[i] < model.calls);
    assert_true(timer->deadline <= model.now);
    if (timer->deadline > model.before) {
        assert_true(timer->deadline >= last_deadline);
        last_deadline = timer->deadline;
    } else { /* was past when it was armed: before all others */
        assert_int_equal(last_deadline, INT64_MIN);
    }
    model.is_armed[i] = false;
    if (random_below(4) == 0)
        model_arm_or_cancel();
}

/* To the time that next says, to the ns before, or to anywhere. */
static int64_t model_later(int64_t next)
{
    const uint64_t choice = random_below(4);
    if (choice < 2 && next > model.now && next < INT64_MAX)
        return next - (int64_t)choice;
    return model.now + random_distance();
}

static void model_expire(void)
{
    const int64_t next = pn_timers_next(&timers);
    for (size_t i = 0; i < MODEL; i++)
        assert_true(!model.is_armed[i] || next <= model.watched[i].timer.deadline);
    model.before = model.now;
    model.now = model_later(next);
    model.calls++;
    last_deadline = INT64_MIN;
    const unsigned count = pn_timers_expire(&timers, model.now);
    assert_true(next <= model.now || count == 0);
    for (size_t i = 0; i < MODEL; i++)
        assert_true(!model.is_armed[i] || model.watched[i].timer.deadline > model.now ||
                    model.armed_in[i] == model.calls);
}

static void timers_do_what_a_model_does_that_looks_at_each(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        model = (struct model){.random = seed, .now = (int64_t)(seed % 3 * 4095)};
        pn_timers_init(&timers, model.now);
        for (unsigned step = 0; step < 3000; step++) {
            if (random_below(8))
                model_arm_or_cancel();
            else
                model_expire();
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wheel_without_timers_never_has_to_be_looked_at),
        cmocka_unit_test(one_timer_is_slept_for_once_and_expires_at_its_ns),
        cmocka_unit_test(deadlines_that_are_past_expire_at_the_next_call),
        cmocka_unit_test(deadlines_at_the_end_of_time_are_waited_for),
        cmocka_unit_test(what_is_canceled_does_not_expire_and_is_canceled_once),
        cmocka_unit_test(canceled_neighbors_cost_a_sleeper_a_wake_a_level_at_most),
        cmocka_unit_test(timers_armed_after_a_long_time_without_any_are_near),
        cmocka_unit_test(expired_may_cancel_what_is_due_and_what_is_not),
        cmocka_unit_test(cancel_of_what_is_due_leaves_what_came_after_it_in_place),
        cmocka_unit_test(what_expired_arms_waits_for_a_later_call_even_if_it_is_past),
        cmocka_unit_test(one_call_expires_all_in_the_order_of_their_deadlines),
        cmocka_unit_test(timers_do_what_a_model_does_that_looks_at_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
