/* SPDX-License-Identifier: MIT
 *
 * What a loop costs that has nothing to do, and which system calls one makes that never rests.
 */
#include "loops.h"

#include <liburing.h>
#include <signal.h>

static atomic_uint enters; /* io_uring_enter */

int __real_io_uring_enter2(unsigned, unsigned, unsigned, unsigned, void *, size_t);
int __wrap_io_uring_enter2(unsigned ring, unsigned submitted, unsigned least, unsigned flags,
                           void *argument, size_t size);
int __wrap_io_uring_enter2(unsigned ring, unsigned submitted, unsigned least, unsigned flags,
                           void *argument, size_t size)
{
    atomic_fetch_add(&enters, 1);
    return __real_io_uring_enter2(ring, submitted, least, flags, argument, size);
}

/* ---- at rest ---- */

#define CPUS 8

struct rest {
    int ends[2];
    atomic_uint begun;
};

PINION_TASK(int, rest_in_a_read, (struct pinion_io *, io), (struct rest *, rest))
{
    char byte;
    atomic_fetch_add(&rest->begun, 1);
    return (int)pinion_read(io, rest->ends[0], &byte, 1);
}

PINION_TASK(int, rest_in_a_sleep, (struct pinion_io *, io), (struct rest *, rest))
{
    atomic_fetch_add(&rest->begun, 1);
    return pinion_sleep(io, LONG_NS);
}

static bool all_sleep_but_this(void)
{
    bool result = true;
    DIR *folder = opendir("/proc/self/task");
    must(folder);
    for (const struct dirent *entry; (entry = readdir(folder));)
        if (entry->d_name[0] != '.' && atoi(entry->d_name) != gettid())
            result = result && sleeps(atoi(entry->d_name));
    (void)closedir(folder);
    return result;
}

static int64_t cpu_ns(void)
{
    struct timespec used;
    must(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == 0);
    return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

/* CPU time, not time: how busy the machine is makes no difference. */
static void check_rest(enum pinion_idle idle)
{
    const struct timespec while_ = {.tv_nsec = 200000000};
    const struct pinion_loop_options options = {
        .cpu_count = CPUS, .backend = backend, .idle = idle, .retire_after = LONG_NS};
    struct pinion_loop *loop = make_loop(&options);
    struct pinion_io *io = pinion_loop_io(loop);
    struct rest rest = {.begun = 0};
    struct rest_in_a_read_future reader;
    struct rest_in_a_sleep_future sleepers[4 * CPUS];
    assert_int_equal(pipe(rest.ends), 0);
    assert_int_equal(rest_in_a_read_concurrent(io, &reader, io, &rest), 0);
    for (int i = 0; i < 4 * CPUS; i++)
        assert_int_equal(rest_in_a_sleep_concurrent(io, &sleepers[i], io, &rest), 0);
    wait_until(atomic_load(&rest.begun) == 4 * CPUS + 1);
    wait_until(all_sleep_but_this());
    int64_t used = INT64_MAX;
    for (int i = 0; i < 20 && used > 3 * while_.tv_nsec / 1000; i++) { /* once they are at rest */
        const int64_t before = cpu_ns();
        assert_int_equal(nanosleep(&while_, NULL), 0);
        used = cpu_ns() - before;
    }
    if (used > 3 * while_.tv_nsec / 1000)
        fail_msg("%lld us of CPU in 200 ms", (long long)used / 1000);
    assert_int_equal(rest_in_a_read_cancel(io, &reader), -ECANCELED);
    for (int i = 0; i < 4 * CPUS; i++)
        assert_int_equal(rest_in_a_sleep_cancel(io, &sleepers[i]), -ECANCELED);
    assert_int_equal(close(rest.ends[0]) | close(rest.ends[1]), 0);
    pinion_loop_destroy(loop);
}

static void a_loop_at_rest_takes_no_cpu(void **state)
{
    (void)state;
    check_rest(PINION_IDLE_ADAPTIVE);
    check_rest(PINION_IDLE_PARK);
}

/* ---- polling ---- */

/* How a child ends, if not as it should. */
enum { EXIT_OK, EXIT_SYSTEM_CALLS, EXIT_BLIND, EXIT_NO_FILTER = 77 };

struct work {
    void (*function)(struct pinion_io *io, const struct work *work);
    unsigned cpu_count;
    unsigned enters_most; /* io_uring_enter, in the work */
    int ends[2];
};

PINION_QUEUE(int, ints)

PINION_TASK(void, pass_on, (struct pinion_io *, io), (struct ints *, from), (struct ints *, to))
{
    int item;
    while (ints_get(io, from, &item, 1, 1) == 1)
        must(ints_put(io, to, &item, 1, 1) == 1);
    ints_close(io, to);
}

/* Tasks of every kind that hand each other things, yield and are awaited. */
static void be_busy(struct pinion_io *io, const struct work *work)
{
    atomic_uint counter = 0;
    struct ints there, back;
    int rooms[2][4], item;
    struct pass_on_future passer;
    (void)work;
    ints_init(&there, rooms[0], 4);
    ints_init(&back, rooms[1], 4);
    must(pass_on_concurrent(io, &passer, io, &there, &back) == 0);
    for (int i = 0; i < 300; i++) {
        struct count_up_future future;
        must(count_up_concurrent(io, &future, &counter) == 0);
        must(ints_put(io, &there, &i, 1, 1) == 1 && ints_get(io, &back, &item, 1, 1) == 1);
        must(item == i && pinion_sleep(io, 100) == 0);
        count_up_await(io, &future);
    }
    ints_close(io, &there);
    pass_on_await(io, &passer);
    must(atomic_load(&counter) == 300);
}

PINION_TASK(int, wait_long, (struct pinion_io *, io), (int, descriptor))
{
    char byte;
    return (int)pinion_read_until(io, descriptor, &byte, 1, clock_ns() + LONG_NS);
}

#define TRANSFERS 100

static void transfer(struct pinion_io *io, const struct work *work)
{
    char byte = 'x';
    for (int i = 0; i < TRANSFERS; i++) {
        must(pinion_write(io, work->ends[1], &byte, 1) == 1);
        must(pinion_read(io, work->ends[0], &byte, 1) == 1);
    }
}

/* Reads of many pipes as one batch: all are there; then none is, and all come at once. */
#define GATHERED 64
static void gather(struct pinion_io *io, const struct work *work)
{
    static int pipes[GATHERED][2];
    static char bytes[GATHERED];
    struct pinion_batch batch = PINION_BATCH_INIT;
    struct pinion_operation reads[GATHERED], *taken;
    (void)work;
    for (int i = 0; i < GATHERED; i++) {
        must(pipes[i][1] || pipe(pipes[i]) == 0);
        pinion_prepare_read(&reads[i], pipes[i][0], &bytes[i], 1);
    }
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < GATHERED && round == 0; i++)
            must(write(pipes[i][1], "x", 1) == 1);
        must(pinion_batch_submit(io, &batch, reads, GATHERED) == 0);
        if (round == 1)
            must(pinion_batch_next_until(io, &batch, &taken, 0) == -ETIMEDOUT);
        for (int i = 0; i < GATHERED && round == 1; i++)
            must(write(pipes[i][1], "x", 1) == 1);
        for (int i = 0; i < GATHERED; i++)
            must(pinion_batch_next(io, &batch, &taken) == 0 && taken->result == 1);
    }
}

/* Else one that begins late is seen to take its seat. */
static void wait_for_another_worker(struct pinion_io *io)
{
    struct thread_id_future future;
    do {
        must(thread_id_concurrent(io, &future) == 0);
        nap();
    } while (thread_id_await(io, &future) == gettid());
}

static void watch_work(struct pinion_io *io, void *argument)
{
    const struct work *work = argument;
    struct wait_long_future waiter;
    int silent[2];
    must(pipe(silent) == 0);
    if (backend == PINION_BACKEND_IO_URING) /* by epoll that is asked for each turn */
        must(wait_long_concurrent(io, &waiter, io, silent[0]) == 0);
    if (work->cpu_count > 1)
        wait_for_another_worker(io);
    work->function(io, work);
    if (!watch_calls(SYS_io_uring_enter))
        _exit(EXIT_NO_FILTER);
    const unsigned entered = atomic_load(&enters);
    work->function(io, work);
    const unsigned made = atomic_load(&calls), more = atomic_load(&enters) - entered;
    (void)syscall(SYS_getppid);
    if (atomic_load(&calls) != made + 1)
        _exit(EXIT_BLIND);
    if (made || more > work->enters_most)
        (void)fprintf(stderr, "%u system calls, the first is number %d; %u of io_uring_enter\n",
                      made, atomic_load(&first_call), more);
    _exit(made || more > work->enters_most ? EXIT_SYSTEM_CALLS : EXIT_OK);
}

/* In a child, which ends as it is: to end a loop takes system calls. How it ended. */
static int watch_in_a_child(const struct pinion_loop_options *options, struct work *work)
{
    int status;
    (void)fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)alarm(2 * (unsigned)patience_s());
        run_in(make_loop(options), watch_work, work);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Who wants a lock sleeps if the thread that holds it was preempted, on a busy machine: so once of
 * several times will do. */
static void assert_calls(const struct pinion_loop_options *options, struct work *work)
{
    int exit_status = EXIT_SYSTEM_CALLS;
    assert_int_equal(pipe(work->ends), 0);
    for (int i = 0; i < 5 && exit_status == EXIT_SYSTEM_CALLS; i++)
        exit_status = watch_in_a_child(options, work);
    assert_int_equal(close(work->ends[0]) | close(work->ends[1]), 0);
    if (exit_status == EXIT_NO_FILTER) {
        print_message("the kernel has no system call filters\n");
        skip();
    }
    assert_int_equal(exit_status, EXIT_OK);
}

static void a_polling_loop_makes_no_system_call_but_to_submit(void **state)
{
    (void)state;
    for (unsigned cpus = 1; cpus <= 2; cpus++) {
        const struct pinion_loop_options options = {
            .cpu_count = cpus, .backend = backend, .idle = PINION_IDLE_POLL};
        struct work busy = {.function = be_busy, .cpu_count = cpus};
        assert_calls(&options, &busy);
        struct work transfers = {
            .function = transfer, .cpu_count = cpus, .enters_most = 2 * TRANSFERS};
        struct work gathers = {.function = gather, .cpu_count = cpus, .enters_most = 8};
        if (is_ring()) {
            assert_calls(&options, &transfers);
            assert_calls(&options, &gathers);
        }
    }
}

/* Unless it slept: it does when it had nothing to do for some ms. */
static void where_a_kernel_thread_submits_the_loop_seldom_does(void **state)
{
    struct pinion_loop *loop;
    const struct pinion_loop_options options = {
        .cpu_count = 1, .backend = backend, .idle = PINION_IDLE_POLL, .sqpoll = true};
    struct work transfers = {.function = transfer, .enters_most = TRANSFERS};
    (void)state;
    if (!is_ring())
        return;
    loop = make_loop(&options);
    char *words = words_of(loop);
    const bool is_refused = strstr(words, "no sqpoll: ");
    assert_says(words, "sqpoll");
    free(words);
    pinion_loop_destroy(loop);
    if (is_refused)
        skip();
    assert_calls(&options, &transfers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_at_rest_takes_no_cpu),
        cmocka_unit_test(a_polling_loop_makes_no_system_call_but_to_submit),
        cmocka_unit_test(where_a_kernel_thread_submits_the_loop_seldom_does),
    };
    if (IS_SANITIZED) {
        print_message("skipped: sanitizers have threads, and make system calls, of their own\n");
        return 77;
    }
    return run_on_both(tests);
}
