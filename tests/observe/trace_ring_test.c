/* SPDX-License-Identifier: MIT
 *
 * A thread's ring, event by event.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>

#include "ticks.h"
#include "trace.h"

#define ROOM 64 /* the least that a ring has */

static unsigned let_go_count;

static void let_go(struct pn_event_ring *ring)
{
    (void)ring;
    let_go_count++;
}

static struct pn_event_ring *open_and_write(int count)
{
    pn_trace_open(1);
    for (int i = 0; i < count; i++)
        pn_trace_add(PN_TRACE_wake, (uint64_t)i, 0, 0);
    return pn_trace_rings();
}

static void shut(void)
{
    pn_trace_shut();
    pn_trace_reap(let_go);
    assert_null(pn_trace_rings());
}

static const struct pn_event *event_at(const struct pn_event_ring *ring, uint64_t place)
{
    return &ring->events[place & ring->mask];
}

static void take(struct pn_event_ring *ring, uint64_t count)
{
    pn_store_release(&ring->tail, pn_load_relaxed(&ring->tail) + count); /* as the reader does */
}

static void nothing_is_written_while_nobody_traces(void **state)
{
    (void)state;
    assert_false(pn_trace_is_on());
    pn_trace_add(PN_TRACE_wake, 1, 0, 0);
    PN_EVENT(wake, 1, 0, 0);
    assert_null(pn_trace_rings());
}

static void events_are_read_as_they_were_written(void **state)
{
    (void)state;
    struct pn_event_ring *ring = open_and_write(3);
    assert_int_equal(ring->head, 3);
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(event_at(ring, i)->kind, PN_TRACE_wake);
        assert_int_equal(event_at(ring, i)->a, i);
        assert_true(i == 0 || event_at(ring, i)->ticks >= event_at(ring, i - 1)->ticks);
    }
    assert_null(ring->next);
    shut();
}

static void a_full_ring_keeps_what_it_has_and_counts_the_rest(void **state)
{
    (void)state;
    struct pn_event_ring *ring = open_and_write(ROOM + 5);
    assert_int_equal(ring->head, ROOM);
    assert_int_equal(ring->dropped, 5);
    assert_int_equal(event_at(ring, 0)->a, 0);
    shut();
}

static void where_events_are_missing_one_says_how_many(void **state)
{
    (void)state;
    struct pn_event_ring *ring = open_and_write(ROOM + 5);
    take(ring, 1); /* not enough for the two that are to be written */
    pn_trace_add(PN_TRACE_wake, 100, 0, 0);
    assert_int_equal(ring->dropped, 6);
    take(ring, 1);
    pn_trace_add(PN_TRACE_wake, 200, 0, 0);
    assert_int_equal(ring->head, ROOM + 2);
    assert_int_equal(event_at(ring, ROOM)->kind, PN_TRACE_dropped);
    assert_int_equal(event_at(ring, ROOM)->a, 6);
    assert_int_equal(event_at(ring, ROOM + 1)->a, 200);
    shut();
}

static void each_trace_has_rings_of_its_own(void **state)
{
    (void)state;
    let_go_count = 0;
    (void)open_and_write(2);
    shut();
    assert_int_equal(let_go_count, 1);
    struct pn_event_ring *ring = open_and_write(1);
    assert_int_equal(ring->head, 1);
    shut();
}

static void *write_one(void *unused)
{
    (void)unused;
    pn_trace_add(PN_TRACE_wake, 7, 0, 0);
    return NULL;
}

static void the_ring_of_a_thread_that_ended_stays_until_it_was_read(void **state)
{
    (void)state;
    pthread_t thread;
    pn_trace_open(ROOM);
    assert_int_equal(pthread_create(&thread, NULL, write_one, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    pn_trace_reap(let_go);
    struct pn_event_ring *ring = pn_trace_rings();
    assert_non_null(ring);
    assert_int_equal(event_at(ring, 0)->a, 7);
    take(ring, 1);
    pn_trace_reap(let_go);
    assert_null(pn_trace_rings());
    shut();
}

static void a_name_goes_in_parts_up_to_its_end(void **state)
{
    (void)state;
    static const char *const names[] = {"", "short", "exactly sixteen.",
                                        "one that takes more than a part"};
    static const unsigned parts[] = {1, 1, 2, 2};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        pn_trace_open(ROOM);
        pn_trace_add_name(names[i]);
        struct pn_event_ring *ring = pn_trace_rings();
        char text[PN_TRACE_NAME_BYTES + 1] = "";
        assert_int_equal(ring->head, parts[i]);
        for (unsigned k = 0; k < parts[i]; k++) {
            assert_int_equal(event_at(ring, k)->c, 16 * k);
            memcpy(text + 16 * k, &event_at(ring, k)->a, 16);
        }
        assert_string_equal(text, names[i]);
        shut();
    }
}

static void functions_keep_the_first_name_that_they_were_given(void **state)
{
    (void)state;
    char name[8];
    assert_false(pn_trace_function_name(16, name, sizeof name));
    pn_trace_name_function(16, "one");
    pn_trace_name_function(16, "other");
    pn_trace_name_function(32, "too long for it");
    assert_int_equal(pn_trace_names_told(), 2);
    assert_true(pn_trace_function_name(16, name, sizeof name));
    assert_string_equal(name, "one");
    assert_true(pn_trace_function_name(32, name, sizeof name));
    assert_string_equal(name, "too lon");
}

static void ticks_become_ns_by_two_moments(void **state)
{
    (void)state;
    const struct pn_moment from = {1000, 5000}, to = {4000, 6000};
    const uint64_t scale = pn_ticks_scale(&from, &to);
    assert_int_equal(pn_ticks_to_ns(1000, &from, scale), 5000);
    assert_in_range(pn_ticks_to_ns(4000, &from, scale), 5999, 6000);
    assert_in_range(pn_ticks_to_ns(400, &from, scale), 4799, 4800);
    assert_int_equal(pn_ticks_scale(&from, &from), UINT64_C(1) << 32); /* a clock that stands */
    const struct pn_moment now = pn_moment_now(), later = pn_moment_now();
    assert_true(later.ns >= now.ns && later.ticks >= now.ticks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_written_while_nobody_traces),
        cmocka_unit_test(events_are_read_as_they_were_written),
        cmocka_unit_test(a_full_ring_keeps_what_it_has_and_counts_the_rest),
        cmocka_unit_test(where_events_are_missing_one_says_how_many),
        cmocka_unit_test(each_trace_has_rings_of_its_own),
        cmocka_unit_test(the_ring_of_a_thread_that_ended_stays_until_it_was_read),
        cmocka_unit_test(a_name_goes_in_parts_up_to_its_end),
        cmocka_unit_test(functions_keep_the_first_name_that_they_were_given),
        cmocka_unit_test(ticks_become_ns_by_two_moments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
