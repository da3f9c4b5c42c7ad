/* SPDX-License-Identifier: MIT
 *
 * What a crew does as its kind says: a seat for a thread of the program's, what a kind adds to
 * slots, a sleep of its own. The kind here has workers that do nothing but sleep.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <pinion/error.h>

#include "futex.h"
#include "queueing.h"

#include "../threads.h"

struct sleeper {
    struct pn_worker worker;
    _Atomic uint32_t is_awake; /* its thread is to end */
};

static _Atomic unsigned threads_begun, wakes;

/* Sleeps in its own way until the crew ends. */
static struct pn_worker *sleeper_live(struct pn_worker *worker)
{
    struct sleeper *sleeper = (void *)worker;
    uint32_t calm = PN_SIGNAL_CALM;
    must(pn_membership_own() == worker);
    must(pn_load_relaxed(&sleeper->is_awake) == 0);
    pn_fetch_add_relaxed(&threads_begun, 1u);
    (void)pn_idle_found(&worker->crew->scheduler.idle, worker->neighbors->home);
    if (pn_cas_acq_rel(&worker->signal, &calm, PN_SIGNAL_WAITING)) /* pairs with pn_worker_signal */
        while (!pn_load_acquire(&sleeper->is_awake))               /* pairs with sleeper_wake */
            (void)pn_futex_wait(&sleeper->is_awake, 0, INT64_MAX);
    return NULL;
}

static void sleeper_wake(struct pn_worker *worker)
{
    struct sleeper *sleeper = (void *)worker;
    pn_fetch_add_relaxed(&wakes, 1u);
    pn_store_release(&sleeper->is_awake, 1u); /* pairs with sleeper_live */
    pn_futex_wake(&sleeper->is_awake, 1);
}

static const struct pn_io_vtable no_calls;
static const struct pn_crew_kind kind = {
    .vtable = &no_calls,
    .noun = "dormitory",
    .worker_bytes = sizeof(struct sleeper),
    .has_program_seat = true,
    .base_live = sleeper_live,
    .wake = sleeper_wake,
};

/* ---- on a machine of four CPUs ---- */

static struct pinion_topology *machine;

static int load(void **state)
{
    const struct pinion_topology_options options = {.synthetic = "numa:2 core:2 pu:1"};
    (void)state;
    return pinion_topology_load(&options, &machine);
}

static int unload(void **state)
{
    (void)state;
    pinion_topology_destroy(machine);
    return 0;
}

static int init(struct pn_crew *crew, unsigned cpu_count)
{
    const struct pn_crew_options options = {
        .topology = machine, .cpu_count = cpu_count, .base_queue = 64, .reserve_queue = 64};
    memset((void *)crew, 0, sizeof *crew);
    return pn_crew_init(crew, &kind, &options);
}

static int forget(void **state)
{
    (void)state;
    pn_store_relaxed(&threads_begun, 0u);
    pn_store_relaxed(&wakes, 0u);
    return 0;
}

static struct pn_worker *base(struct pn_crew *crew, unsigned index)
{
    return pn_load_acquire(&crew->base[index]); /* pairs with pn_crew_add_base */
}

static void assert_seat(const struct pinion_seat *is, const struct pinion_seat *should_be)
{
    assert_int_equal(is->cpu, should_be->cpu);
    assert_int_equal(is->node, should_be->node);
}

static void the_program_has_the_first_slot_on_the_callers_seat(void **state)
{
    struct pn_crew crew;
    struct pinion_pool_stats stats;
    struct pinion_worker_stats row;
    (void)state;
    assert_int_equal(init(&crew, 4), 0);
    assert_null(crew.caller);
    assert_int_equal(pn_load_relaxed(&crew.scheduler.high), 1);
    assert_seat(&base(&crew, 0)->seat, &crew.plan->caller);
    pn_crew_stats(&crew, &stats);
    assert_int_equal(stats.capacity, 3);
    assert_int_equal(stats.threads, 0);
    assert_int_equal(pn_crew_workers(&crew, &row, 1), 1);
    assert_string_equal(row.name, "caller");
    assert_false(row.alive);
    pn_crew_fini(&crew);
    assert_int_equal(pn_load_relaxed(&threads_begun), 0);
}

static void threads_of_ours_have_the_other_seats(void **state)
{
    struct pn_crew crew;
    (void)state;
    assert_int_equal(init(&crew, 4), 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(pn_crew_is_hungry(&crew));
        assert_true(pn_crew_grow(&crew, 0));
    }
    assert_false(pn_crew_grow(&crew, 0));
    assert_int_equal(pn_load_relaxed(&crew.base_missing), 0);
    assert_int_equal(crew.threads, 3);
    assert_false(base(&crew, 0)->has_thread);
    for (unsigned i = 1; i < 4; i++)
        assert_seat(&base(&crew, i)->seat, &crew.plan->seats[i - 1]);
    pn_crew_fini(&crew);
    assert_int_equal(pn_load_relaxed(&threads_begun), 3);
}

/* So the order by distance, which knows places, tells the truth of all slots. */
static void where_seats_wrap_round_slots_sit_where_their_places_are(void **state)
{
    (void)state;
    for (unsigned cpu_count = 1; cpu_count < 12; cpu_count++) {
        struct pn_crew crew;
        assert_int_equal(init(&crew, cpu_count), 0);
        assert_int_equal(crew.place_count, cpu_count < 4 ? cpu_count : 4);
        for (unsigned i = 0; i < cpu_count; i++) {
            const struct pinion_seat seat = pn_crew_seat(&crew, i);
            const struct pinion_seat place = pn_crew_seat(&crew, i % crew.place_count);
            assert_seat(&seat, &place);
        }
        pn_crew_fini(&crew);
    }
}

static void who_sleeps_in_a_way_of_its_own_is_woken_by_its_kind(void **state)
{
    struct pn_crew crew;
    (void)state;
    assert_int_equal(init(&crew, 2), 0);
    assert_true(pn_crew_grow(&crew, 0));
    struct pn_worker *worker = base(&crew, 1);
    while (pn_load_acquire(&worker->signal) != PN_SIGNAL_WAITING) /* pairs with sleeper_live */
        sched_yield();
    pn_worker_signal(worker);
    assert_int_equal(pn_load_relaxed(&wakes), 1);
    pn_worker_signal(worker);
    assert_int_equal(pn_load_relaxed(&wakes), 1);
    pn_crew_fini(&crew);
    assert_int_equal(pn_load_relaxed(&wakes), 1);
}

static void a_worker_searches_where_there_is_no_caller(void **state)
{
    struct pn_crew crew;
    (void)state;
    assert_int_equal(init(&crew, 4), 0);
    struct pn_scout *scout = &base(&crew, 0)->scout;
    struct pn_step step;
    for (int64_t now = 0; now == 0 || step.kind == PN_STEP_LOOK; now += crew.spin_ns + 1)
        step = pn_scheduler_step(&crew.scheduler, scout, now);
    assert_int_equal(step.kind, PN_STEP_SLEEP);
    assert_true(pn_idle_is_hungry(&crew.scheduler.idle));
    pn_scheduler_rise(&crew.scheduler, scout);
    (void)pn_idle_found(&crew.scheduler.idle, scout->neighbors->home);
    pn_crew_fini(&crew);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_program_has_the_first_slot_on_the_callers_seat, forget),
        cmocka_unit_test_setup(threads_of_ours_have_the_other_seats, forget),
        cmocka_unit_test_setup(where_seats_wrap_round_slots_sit_where_their_places_are, forget),
        cmocka_unit_test_setup(who_sleeps_in_a_way_of_its_own_is_woken_by_its_kind, forget),
        cmocka_unit_test_setup(a_worker_searches_where_there_is_no_caller, forget),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
