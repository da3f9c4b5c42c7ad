/* SPDX-License-Identifier: MIT
 *
 * A pool to which the kernel refuses to pin threads or to bind memory: it works, and says so.
 *
 * A filter on system calls refuses them, so that this runs on machines that would allow both. In a
 * program of its own, since memory that was bound, or could not be, is used again as it is.
 */
#include "sight.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* A pool that is made and used by a thread to which the kernel refuses a call, and so to those that
 * it starts. */
struct trial {
    uint32_t refused; /* the call's number */
    struct pinion_pool_options options;
    bool has_filter;
    char *degraded, *report;
    struct pinion_worker_stats rows[3];
    int strict_error;
    char strict_detail[512];
};

/* The filter goes with the thread. */
static bool refuse(uint32_t call)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog filter = {.len = sizeof rules / sizeof rules[0], .filter = rules};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

static void *try_pool(void *argument)
{
    struct trial *trial = argument;
    struct pinion_pool *pool;
    struct gate gate = GATE_INIT;
    struct count_up_future future;
    atomic_uint counter = 0;
    trial->has_filter = refuse(trial->refused);
    if (!trial->has_filter)
        return NULL;
    pool = make_pool(&trial->options);
    const unsigned count = stats_of(pool).capacity;
    for (unsigned i = 0; i < count; i++) {
        pass_gate_detached(pinion_pool_io(pool), &gate);
        wait_until(atomic_load(&gate.arrived) == i + 1);
    }
    must(count_up_parallel(pinion_pool_io(pool), &future, &counter) == 0);
    count_up_await(pinion_pool_io(pool), &future);
    must(atomic_load(&counter) == 1);
    (void)pinion_pool_workers(pool, trial->rows, 3);
    gate_open(&gate);
    trial->degraded = degraded_of(pool);
    trial->report = report_of(pool);
    pinion_pool_destroy(pool);

    pool = NULL;
    trial->options.strict = true;
    trial->strict_error = pinion_pool_create(&trial->options, &pool);
    (void)snprintf(trial->strict_detail, sizeof trial->strict_detail, "%s", pinion_error_detail());
    must(!pool || !trial->strict_error);
    pinion_pool_destroy(pool);
    return NULL;
}

/* Skips where no filter can be had. */
static void run_trial(struct trial *trial)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, try_pool, trial), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    if (trial->has_filter)
        return;
    print_message("the kernel has no system call filters\n");
    skip();
}

static void end_trial(struct trial *trial)
{
    free(trial->report);
    free(trial->degraded);
}

static void workers_that_cannot_be_pinned_work_and_are_reported(void **state)
{
    struct trial trial = {
        .refused = SYS_sched_setaffinity,
        .options = {.topology = machine, .cpu_count = 3, .plan.placement = PINION_PLACE_COMPACT}};
    char refused[64];
    (void)state;
    run_trial(&trial);
    for (unsigned i = 0; i < 2; i++) {
        (void)snprintf(refused, sizeof refused,
                       "worker %u is not pinned: the kernel refused CPU %d ", i,
                       whole->seats[i % cpu_total].cpu);
        assert_says(trial.degraded, refused);
        assert_says(trial.report, refused);
        assert_int_equal(trial.rows[1 + i].cpu, -1);
    }
    assert_says(trial.degraded, "ask for placement none");
    assert_int_equal(trial.strict_error < 0, true);
    assert_says(trial.strict_detail, "strict, and degraded: ");
    end_trial(&trial);
}

static void strict_is_refused_with_the_kernels_error(void **state)
{
    struct trial trial = {
        .refused = SYS_sched_setaffinity,
        .options = {.topology = machine, .cpu_count = 2, .plan.placement = PINION_PLACE_COMPACT}};
    (void)state;
    needs_cpus(2); /* else the seats wrap round, which is the first rung */
    struct pinion_pool *pool = make_pool(&trial.options);
    const bool is_degraded = pinion_pool_degraded(pool, NULL, 0) > 0;
    pinion_pool_destroy(pool);
    run_trial(&trial);
    if (!is_degraded) {
        assert_int_equal(trial.strict_error, -EPERM);
        assert_says(trial.strict_detail, "can't be pinned to: the kernel refused");
    }
    assert_true(trial.strict_error < 0);
    end_trial(&trial);
}

static void reserve_threads_that_cannot_be_pinned_are_reported(void **state)
{
    struct trial trial = {
        .refused = SYS_sched_setaffinity,
        .options = {.topology = machine, .cpu_count = 1, .plan.placement = PINION_PLACE_COMPACT}};
    (void)state;
    run_trial(&trial);
    assert_says(trial.degraded, "reserve threads are not pinned: the kernel refused ");
    assert_says(trial.report, "degraded: reserve threads are not pinned");
    end_trial(&trial);
}

static void placement_none_misses_nothing_where_pinning_is_refused(void **state)
{
    struct trial trial = {
        .refused = SYS_sched_setaffinity,
        .options = {.topology = machine, .cpu_count = 3, .plan.placement = PINION_PLACE_NONE}};
    (void)state;
    run_trial(&trial);
    assert_null(strstr(trial.degraded, "pinned"));
    end_trial(&trial);
}

static void memory_that_cannot_be_bound_is_reported(void **state)
{
    struct trial trial = {.refused = SYS_mbind,
                          .options = {.topology = machine,
                                      .cpu_count = cpu_total + 1,
                                      .plan.placement = PINION_PLACE_COMPACT}};
    const struct pinion_node *nodes;
    const unsigned node_total = pinion_topology_nodes(machine, &nodes);
    unsigned with_memory = 0;
    (void)state;
    for (unsigned i = 0; i < node_total; i++)
        with_memory += nodes[i].memory_bytes > 0;
    if (with_memory < 2) {
        print_message("two nodes with memory are needed: on one there is nothing to bind\n");
        skip();
    }
    run_trial(&trial);
    assert_says(trial.degraded, "memory is not bound to node ");
    assert_says(trial.degraded, "it is where it is first touched");
    assert_says(trial.report, "degraded: memory is not bound to node ");
    end_trial(&trial);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_that_cannot_be_bound_is_reported), /* before any is bound */
        cmocka_unit_test(workers_that_cannot_be_pinned_work_and_are_reported),
        cmocka_unit_test(strict_is_refused_with_the_kernels_error),
        cmocka_unit_test(reserve_threads_that_cannot_be_pinned_are_reported),
        cmocka_unit_test(placement_none_misses_nothing_where_pinning_is_refused),
    };
    return cmocka_run_group_tests_name("pool refusal", tests, set_up, tear_down);
}
