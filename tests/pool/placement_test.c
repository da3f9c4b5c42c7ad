/* SPDX-License-Identifier: MIT
 *
 * Where a pool's threads are, by the kernel's word: each base worker on its planned seat, reserve
 * threads over their node, the caller's seat free and the caller as it was.
 */
#include "sight.h"

/* ---- names ---- */

static void threads_have_the_names_that_the_rows_tell(void **state)
{
    enum { BASE = 4, RESERVE = 3 };
    struct crew crew;
    struct sight reserve[RESERVE];
    struct look_future futures[RESERVE];
    struct gate gate = GATE_INIT;
    size_t count;
    (void)state;
    crew_make(&crew, (struct pinion_pool_options){.cpu_count = BASE + 1});
    for (unsigned i = 0; i < RESERVE; i++) {
        assert_int_equal(look_parallel(crew.io, &futures[i], &reserve[i], &gate), 0);
        wait_until(atomic_load(&gate.arrived) == i + 1);
    }
    struct pinion_worker_stats *rows = rows_of(crew.pool, &count);
    assert_int_equal(count, 1 + BASE + RESERVE);
    assert_string_equal(rows[0].name, "caller");
    for (unsigned i = 0; i < BASE + RESERVE; i++) {
        const struct sight *sight = i < BASE ? &crew.sights[i] : &reserve[i - BASE];
        char name[16];
        (void)snprintf(name, sizeof name, i < BASE ? "pinion/%u" : "pinion/r%u",
                       i < BASE ? i : i - BASE);
        assert_string_equal(sight->name, name);
        assert_string_equal(sight->comm, name);
        assert_string_equal(rows[1 + i].name, name);
        assert_true(rows[1 + i].alive);
    }
    assert_int_equal(threads_named("pinion/"), BASE + RESERVE);
    assert_int_equal(threads_named("pinion/r"), RESERVE);
    free(rows);
    gate_open(&gate);
    for (unsigned i = 0; i < RESERVE; i++)
        look_await(crew.io, &futures[i]);
    crew_end(&crew);
}

/* ---- seats ---- */

static void assert_seated(const struct crew *crew, const struct pinion_plan *plan)
{
    size_t count;
    struct pinion_worker_stats *rows = rows_of(crew->pool, &count);
    assert_int_equal(plan->count, crew->count);
    assert_int_equal(count, 1 + crew->count);
    assert_int_equal(rows[0].node, plan->caller.node);
    for (unsigned i = 0; i < crew->count; i++) {
        const struct mask seat = mask_of_cpu(plan->seats[i].cpu);
        assert_mask(&crew->sights[i].mask, &seat, crew->sights[i].name);
        assert_int_equal(rows[1 + i].cpu, plan->seats[i].cpu);
        assert_int_equal(rows[1 + i].node, plan->seats[i].node);
    }
    free(rows);
}

static void each_base_worker_sits_where_the_plan_says(void **state)
{
    static const enum pinion_placement placements[] = {PINION_PLACE_COMPACT, PINION_PLACE_SCATTER};
    const unsigned counts[] = {2, cpu_total, cpu_total + 1, cpu_total + 3};
    (void)state;
    needs_pinning();
    for (unsigned i = 0; i < 8; i++) {
        const struct pinion_plan_options how = {.placement = placements[i / 4]};
        struct crew crew;
        crew_make(&crew, (struct pinion_pool_options){.cpu_count = counts[i % 4], .plan = how});
        struct pinion_plan *plan = plan_of(how, crew.count ? crew.count : 1);
        if (crew.count)
            assert_seated(&crew, plan);
        pinion_plan_destroy(plan);
        crew_end(&crew);
    }
}

static void avoid_smt_puts_no_two_workers_on_a_core(void **state)
{
    const struct pinion_plan_options how = {.placement = PINION_PLACE_COMPACT, .avoid_smt = true};
    struct crew crew;
    (void)state;
    needs_pinning();
    crew_make(&crew, (struct pinion_pool_options){.plan = how});
    bool *is_taken = calloc(cpu_total, sizeof is_taken[0]);
    assert_non_null(is_taken);
    for (unsigned i = 0; i < crew.count; i++) {
        for (unsigned k = 0; k < cpu_total; k++) {
            if (!mask_has(&crew.sights[i].mask, cpus[k].os_index))
                continue;
            unsigned first = k; /* of the same core */
            while (first && cpus[first - 1].core == cpus[k].core)
                first--;
            assert_false(is_taken[first]);
            is_taken[first] = true;
        }
    }
    free(is_taken);
    crew_end(&crew);
}

static void the_callers_seat_is_left_free(void **state)
{
    static const enum pinion_placement placements[] = {PINION_PLACE_COMPACT, PINION_PLACE_SCATTER};
    (void)state;
    needs_pinning();
    needs_cpus(2);
    for (unsigned i = 0; i < 2; i++) {
        const struct pinion_plan_options how = {.placement = placements[i]};
        struct pinion_plan *plan = plan_of(how, cpu_total - 1);
        struct crew crew;
        crew_make(&crew, (struct pinion_pool_options){.cpu_count = cpu_total, .plan = how});
        assert_true(plan->caller.cpu >= 0);
        for (unsigned k = 0; k < crew.count; k++)
            assert_false(mask_has(&crew.sights[k].mask, (unsigned)plan->caller.cpu));
        crew_end(&crew);
        pinion_plan_destroy(plan);
    }
}

static void the_thread_that_makes_the_pool_is_not_touched(void **state)
{
    (void)state;
    for (int placement = PINION_PLACE_AUTO; placement <= PINION_PLACE_NONE; placement++) {
        struct crew crew;
        size_t count;
        crew_make(&crew, (struct pinion_pool_options){
                             .cpu_count = 3, .plan.placement = (enum pinion_placement)placement});
        const struct sight during = sight_here();
        struct pinion_worker_stats *rows = rows_of(crew.pool, &count);
        assert_int_equal(rows[0].cpu, -1);
        free(rows);
        crew_end(&crew);
        const struct sight after = sight_here();
        assert_mask(&during.mask, &beginning.mask, "during");
        assert_mask(&after.mask, &beginning.mask, "after");
        assert_string_equal(during.name, beginning.name);
        for (int signal = 1; signal < SIGRTMAX; signal++)
            assert_int_equal(sigismember(&during.blocked, signal),
                             sigismember(&beginning.blocked, signal));
    }
}

static void a_strict_start_does_not_touch_it_either(void **state)
{
    const struct pinion_pool_options options = {
        .topology = machine, .plan.placement = PINION_PLACE_COMPACT, .strict = true};
    struct pinion_pool *pool = NULL;
    (void)state;
    (void)pinion_pool_create(&options, &pool);
    const struct mask now = mask_here();
    assert_mask(&now, &program, "the caller");
    pinion_pool_destroy(pool);
}

/* ---- nodes ---- */

static void with_placement_node_a_worker_may_use_its_whole_node(void **state)
{
    const struct pinion_plan_options how = {.placement = PINION_PLACE_NODE};
    struct crew crew;
    size_t count;
    (void)state;
    needs_pinning();
    crew_make(&crew, (struct pinion_pool_options){.cpu_count = cpu_total + 1, .plan = how});
    struct pinion_plan *plan = plan_of(how, crew.count);
    struct pinion_worker_stats *rows = rows_of(crew.pool, &count);
    for (unsigned i = 0; i < crew.count; i++) {
        const unsigned node = plan->seats[i].node;
        const struct mask wide = node == PINION_NO_NODE ? program : mask_of_node(node);
        const bool is_one = node != PINION_NO_NODE && CPU_COUNT_S(sizeof wide, wide.sets) == 1;
        assert_mask(&crew.sights[i].mask, &wide, crew.sights[i].name);
        assert_int_equal(rows[1 + i].node, node);
        assert_int_equal(rows[1 + i].cpu >= 0, is_one);
    }
    free(rows);
    pinion_plan_destroy(plan);
    crew_end(&crew);
}

static void reserve_threads_float_over_the_node_of_who_asks(void **state)
{
    const struct pinion_pool_options options = {.topology = machine,
                                                .cpu_count = cpu_total + 1,
                                                .plan.placement = PINION_PLACE_COMPACT,
                                                .retire_after = LONG_NS};
    (void)state;
    needs_pinning();
    struct pinion_pool *pool = make_pool(&options);
    for (unsigned i = 0; i < 2 * cpu_total; i++) { /* the second time by a thread that was there */
        const struct pinion_seat *seat = &whole->seats[i % cpu_total];
        struct asking asking = {.io = pinion_pool_io(pool), .cpu = seat->cpu};
        const struct mask node = mask_of_node(seat->node);
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, ask_from_outside, &asking), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_string_equal(asking.sight.name, "pinion/r0");
        assert_mask(&asking.sight.mask, &node, asking.sight.name);
    }
    assert_int_equal(stats_of(pool).threads_peak, 1);
    pinion_pool_destroy(pool);
}

/* A worker's name, and what the thread sees that it asks for. */
struct question {
    struct pinion_io *io;
    char name[16];
    struct sight answer;
};

PINION_TASK(void, ask_and_wait, (struct question *, question), (struct gate *, gate))
{
    must(pthread_getname_np(pthread_self(), question->name, sizeof question->name) == 0);
    question->answer = ask_from_here(question->io);
    gate_pass(gate);
}

static void they_float_over_the_node_of_the_worker_or_caller_that_asks(void **state)
{
    const struct pinion_pool_options options = {.topology = machine,
                                                .cpu_count = cpu_total + 1,
                                                .plan.placement = PINION_PLACE_SCATTER,
                                                .retire_after = LONG_NS};
    (void)state;
    needs_pinning();
    struct pinion_pool *pool = make_pool(&options);
    struct pinion_plan *plan = plan_of(options.plan, cpu_total);
    struct question *questions = calloc(cpu_total, sizeof questions[0]);
    struct gate gate = GATE_INIT;
    assert_non_null(questions);
    for (unsigned i = 0; i < cpu_total; i++) {
        questions[i].io = pinion_pool_io(pool);
        ask_and_wait_detached(questions[i].io, &questions[i], &gate);
        wait_until(atomic_load(&gate.arrived) == i + 1);
        const int worker = index_of(questions[i].name, "pinion/");
        assert_in_range(worker, 0, cpu_total - 1);
        const struct mask node = mask_of_node(plan->seats[worker].node);
        assert_mask(&questions[i].answer.mask, &node, questions[i].name);
    }
    const struct sight answer = ask_from_here(pinion_pool_io(pool));
    const struct mask node = mask_of_node(plan->caller.node);
    assert_mask(&answer.mask, &node, "the caller");
    gate_open(&gate);
    pinion_pool_destroy(pool);
    pinion_plan_destroy(plan);
    free(questions);
}

static void with_placement_none_nothing_is_pinned(void **state)
{
    const struct pinion_plan_options how = {.placement = PINION_PLACE_NONE};
    struct crew crew;
    size_t count;
    struct look_once_future future;
    (void)state;
    crew_make(&crew, (struct pinion_pool_options){.cpu_count = cpu_total + 2, .plan = how});
    assert_int_equal(look_once_parallel(crew.io, &future), 0);
    const struct sight reserve = look_once_await(crew.io, &future);
    assert_mask(&reserve.mask, &program, reserve.name);
    struct pinion_worker_stats *rows = rows_of(crew.pool, &count);
    for (unsigned i = 0; i < crew.count; i++)
        assert_mask(&crew.sights[i].mask, &program, crew.sights[i].name);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(rows[i].cpu, -1);
        assert_int_equal(rows[i].node, PINION_NO_NODE);
    }
    free(rows);
    crew_end(&crew);
}

/* The list says how many there are to be, not where. */
static void nor_to_the_cpus_of_a_list(void **state)
{
    char list[16];
    struct pinion_topology *listed = NULL;
    const struct pinion_topology_options one = {.cpus = list};
    struct crew crew;
    (void)state;
    (void)snprintf(list, sizeof list, "%u", cpus[cpu_total - 1].os_index);
    assert_int_equal(pinion_topology_load(&one, &listed), 0);
    crew_make(&crew, (struct pinion_pool_options){
                         .topology = listed, .cpu_count = 2, .plan.placement = PINION_PLACE_NONE});
    assert_mask(&crew.sights[0].mask, &program, crew.sights[0].name);
    crew_end(&crew);
    pinion_topology_destroy(listed);
}

/* A base and a reserve thread that a thread starts which is pinned. */
struct start {
    struct pinion_io *io;
    int cpu;
    struct sight base, reserve;
};

static void *start_threads(void *argument)
{
    struct start *start = argument;
    const struct mask one = mask_of_cpu(start->cpu);
    struct gate gate = GATE_INIT;
    must(sched_setaffinity(0, sizeof one, one.sets) == 0);
    struct look_future future = look_async(start->io, &start->base, &gate);
    must(future.future.task);
    wait_until(atomic_load(&gate.arrived) == 1);
    start->reserve = ask_from_here(start->io);
    gate_open(&gate);
    look_await(start->io, &future);
    return NULL;
}

static void nor_are_threads_that_a_pinned_thread_starts(void **state)
{
    const struct pinion_pool_options options = {.topology = machine,
                                                .cpu_count = 2,
                                                .plan.placement = PINION_PLACE_NONE,
                                                .retire_after = LONG_NS};
    (void)state;
    needs_pinning();
    needs_cpus(2);
    struct pinion_pool *pool = make_pool(&options);
    struct start start = {.io = pinion_pool_io(pool), .cpu = whole->seats[1].cpu};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, start_threads, &start), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_string_equal(start.base.name, "pinion/0");
    assert_mask(&start.base.mask, &program, start.base.name);
    assert_string_equal(start.reserve.name, "pinion/r0");
    assert_mask(&start.reserve.mask, &program, start.reserve.name);
    assert_int_equal(stats_of(pool).threads_peak, 2);
    pinion_pool_destroy(pool);
}

/* ---- slices ---- */

/* The CPUs that a slice's workers sit on, of whom there are as many as the machine has CPUs. */
static struct mask mask_of_slice(unsigned index, unsigned count)
{
    struct mask mask = {0};
    struct crew crew;
    crew_make(&crew, (struct pinion_pool_options){.cpu_count = cpu_total + 1,
                                                  .plan = {.placement = PINION_PLACE_COMPACT,
                                                           .slice_index = index,
                                                           .slice_count = count}});
    for (unsigned i = 0; i < crew.count; i++)
        CPU_OR_S(sizeof mask, mask.sets, mask.sets, crew.sights[i].mask.sets);
    crew_end(&crew);
    return mask;
}

static void two_slices_do_not_overlap_and_leave_nothing_out(void **state)
{
    struct mask all = {0};
    (void)state;
    needs_pinning();
    needs_cpus(2);
    const struct mask left = mask_of_slice(0, 2), right = mask_of_slice(1, 2);
    for (unsigned i = 0; i < cpu_total; i++) {
        mask_add(&all, cpus[i].os_index);
        assert_true(mask_has(&left, cpus[i].os_index) != mask_has(&right, cpus[i].os_index));
    }
    struct mask both = left;
    CPU_OR_S(sizeof both, both.sets, both.sets, right.sets);
    assert_mask(&both, &all, "both slices");
    assert_true(CPU_COUNT_S(sizeof left, left.sets) > 0);
    assert_true(CPU_COUNT_S(sizeof right, right.sets) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_have_the_names_that_the_rows_tell),
        cmocka_unit_test(each_base_worker_sits_where_the_plan_says),
        cmocka_unit_test(avoid_smt_puts_no_two_workers_on_a_core),
        cmocka_unit_test(the_callers_seat_is_left_free),
        cmocka_unit_test(the_thread_that_makes_the_pool_is_not_touched),
        cmocka_unit_test(a_strict_start_does_not_touch_it_either),
        cmocka_unit_test(with_placement_node_a_worker_may_use_its_whole_node),
        cmocka_unit_test(reserve_threads_float_over_the_node_of_who_asks),
        cmocka_unit_test(they_float_over_the_node_of_the_worker_or_caller_that_asks),
        cmocka_unit_test(with_placement_none_nothing_is_pinned),
        cmocka_unit_test(nor_to_the_cpus_of_a_list),
        cmocka_unit_test(nor_are_threads_that_a_pinned_thread_starts),
        cmocka_unit_test(two_slices_do_not_overlap_and_leave_nothing_out),
    };
    return cmocka_run_group_tests_name("pool placement", tests, set_up, tear_down);
}
