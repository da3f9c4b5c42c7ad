/* SPDX-License-Identifier: MIT
 *
 * Loops where things run out: descriptors, stacks, and what is left of a thousand of them. What is
 * asked for that can't be is named.
 */
#include "tour.h"

#include <sys/resource.h>

/* ---- many ---- */

static void use_a_little(struct pinion_io *io, void *unused)
{
    struct sleep_for_future futures[4];
    (void)unused;
    for (int i = 0; i < 4; i++)
        futures[i] = sleep_for_async(io, io, 1000);
    for (int i = 0; i < 4; i++)
        must(sleep_for_await(io, &futures[i]) == 0);
}

static void a_thousand_loops_leave_neither_descriptors_nor_mappings(void **state)
{
    int descriptors = 0;
    unsigned mappings = 0;
    struct pinion_topology *topology = machine_of(NULL);
    (void)state;
    for (int i = 0; i < 1000 / TEST_SLOW; i++) {
        const struct pinion_loop_options options = {
            .topology = topology, .cpu_count = 1 + (unsigned)i % 2, .backend = backend};
        struct pinion_loop *loop = make_loop(&options);
        run_in(loop, use_a_little, NULL);
        pinion_loop_destroy(loop);
        if (i == 20) { /* the allocators have what they need */
            descriptors = descriptor_count();
            mappings = proc_lines("/proc/self/maps");
        }
    }
    pinion_topology_destroy(topology);
    assert_int_equal(descriptor_count(), descriptors);
    if (!IS_SANITIZED) /* whose runtimes map what they like */
        assert_true(proc_lines("/proc/self/maps") <= mappings + 4);
}

/* ---- a task's own stack ---- */

enum { LARGE = 3 << 20 };

/* Uses that much of its stack, all of it. */
static void use_stack(const void *context, void *result)
{
    struct pinion_io *io = *(struct pinion_io *const *)context;
    volatile char room[LARGE];
    for (size_t i = 0; i < sizeof room; i += 512)
        room[i] = (char)i;
    (void)pinion_sleep(io, 1000); /* others run on theirs meanwhile */
    bool is_kept = true;
    for (size_t i = 0; i < sizeof room; i += 512)
        is_kept = is_kept && room[i] == (char)i;
    *(bool *)result = is_kept;
}

static struct pinion_call use_stack_call(struct pinion_io *const *io)
{
    return (struct pinion_call){.start = use_stack, .context = io, .context_size = sizeof *io,
                                .result_size = sizeof(bool)};
}

static void ask_for_large_stacks(struct pinion_io *io, void *unused)
{
    const struct pinion_call call = use_stack_call(&io);
    struct pinion_future futures[5];
    (void)unused;
    for (int i = 0; i < 5; i++)
        must(pinion_async_concurrent_sized(io, &call, LARGE + 65536, &futures[i]) == 0);
    for (int i = 5; i-- > 0;) { /* the youngest first, which else is run in place */
        bool is_kept = false;
        pinion_await(io, &futures[i], &is_kept);
        must(is_kept);
    }
}

static void a_task_has_the_stack_that_it_asks_for(void **state)
{
    (void)state;
    for (unsigned cpus = 1; cpus <= 2; cpus++) {
        struct pinion_loop *loop =
            make_loop(&(struct pinion_loop_options){.cpu_count = cpus, .backend = backend});
        run_in(loop, ask_for_large_stacks, NULL);
        if (cpus > 1) /* a thread of the program's, too */
            ask_for_large_stacks(pinion_loop_io(loop), NULL);
        pinion_loop_destroy(loop);
    }
}

static void a_stack_that_cannot_be_had_is_refused(void **state)
{
    (void)state;
    struct pinion_loop *loop =
        make_loop(&(struct pinion_loop_options){.cpu_count = 2, .backend = backend});
    struct pinion_pool *pool;
    const struct pinion_pool_options options = {.cpu_count = 2, .stack_bytes = 1 << 20};
    struct pinion_io *io = pinion_loop_io(loop);
    const struct pinion_call call = use_stack_call(&io);
    struct pinion_future future = {NULL};
    must(pinion_async_concurrent_sized(io, &call, SIZE_MAX, &future) == -EINVAL);
    must(strstr(pinion_error_detail(), "stack_bytes") != NULL);
    must(pinion_async_concurrent_sized(io, &call, SIZE_MAX / 8, &future) == -ENOMEM);
    must(strstr(pinion_error_detail(), "stack_bytes") != NULL);
    assert_int_equal(pinion_pool_create(&options, &pool), 0);
    must(pinion_async_concurrent_sized(pinion_pool_io(pool), &call, LARGE, &future) == -EINVAL);
    must(strstr(pinion_error_detail(), "1048576") != NULL);
    must(future.task == NULL);
    pinion_pool_destroy(pool);
    pinion_loop_destroy(loop);
}

/* ---- descriptors ---- */

struct server {
    struct pinion_loop *loop;
    int listening;
    struct sockaddr_in address;
};

static void listen_here(struct pinion_io *io, struct server *server)
{
    socklen_t length = sizeof server->address;
    server->listening = pinion_listen_on(io, "127.0.0.1:0", 0);
    must(server->listening >= 0);
    must(getsockname(server->listening, (struct sockaddr *)&server->address, &length) == 0);
}

static int connect_to(const struct server *server)
{
    const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(client >= 0);
    must(connect(client, (const struct sockaddr *)&server->address, sizeof server->address) == 0);
    return client;
}

static void accept_without_descriptors(struct pinion_io *io, void *argument)
{
    struct server *server = argument;
    struct rlimit before, none;
    listen_here(io, server);
    const int client = connect_to(server), lowest = dup(client);
    must(lowest >= 0 && close(lowest) == 0 && getrlimit(RLIMIT_NOFILE, &before) == 0);
    none = (struct rlimit){(rlim_t)lowest, before.rlim_max};
    must(setrlimit(RLIMIT_NOFILE, &none) == 0);
    for (int i = 0; i < 3; i++) {
        must(pinion_accept(io, server->listening, NULL, NULL) == -EMFILE);
        must(pinion_open(io, "/dev/null", O_RDONLY) == -EMFILE);
        must(pinion_sleep(io, 1000) == 0);
    }
    must(setrlimit(RLIMIT_NOFILE, &before) == 0);
    const int accepted = pinion_accept(io, server->listening, NULL, NULL);
    must(accepted >= 0 && write(client, "x", 1) == 1);
    char byte;
    must(pinion_read(io, accepted, &byte, 1) == 1);
    must(close(accepted) == 0 && close(client) == 0 && close(server->listening) == 0);
}

static void without_descriptors_accept_says_so_and_goes_on_once_there_are_some(void **state)
{
    struct server server = {.loop = loop_of(1)};
    (void)state;
    run_in(server.loop, accept_without_descriptors, &server);
    pinion_loop_destroy(server.loop);
}

typedef long wait_fn(struct pinion_io *io, int descriptor, int64_t deadline);

static long by_read(struct pinion_io *io, int descriptor, int64_t deadline)
{
    char byte;
    return pinion_read_until(io, descriptor, &byte, 1, deadline);
}

static long by_recv(struct pinion_io *io, int descriptor, int64_t deadline)
{
    char byte;
    return pinion_recv_until(io, descriptor, &byte, 1, 0, deadline);
}

static long by_accept(struct pinion_io *io, int descriptor, int64_t deadline)
{
    return pinion_accept_until(io, descriptor, NULL, NULL, deadline);
}

static long by_poll(struct pinion_io *io, int descriptor, int64_t deadline)
{
    struct pollfd both[2] = {{.fd = descriptor, .events = POLLIN}, {.fd = -1}};
    const long result = pinion_poll_until(io, both, 2, deadline);
    must(result <= 0 || both[0].revents == POLLNVAL); /* looked at again in the end */
    return result >= 0 ? -ETIMEDOUT : result;
}

static int began; /* on one thread: who has begun waits when another runs */

PINION_TASK(long, wait_for_one, (struct pinion_io *, io), (wait_fn *, wait), (int, descriptor),
            (int64_t, deadline))
{
    began++;
    return wait(io, descriptor, deadline);
}

static void await_begun(struct pinion_io *io, int count)
{
    while (began < count)
        pinion_yield(io);
    began = 0;
    for (int i = 0; i < 2; i++) /* what was started comes to the kernel before it wakes */
        must(pinion_sleep(io, 500000) == 0);
}

static int silent_descriptor(struct pinion_io *io, wait_fn *wait, int *other)
{
    int ends[2];
    *other = -1;
    if (wait == by_accept)
        return pinion_listen_on(io, "127.0.0.1:0", 0);
    must((wait == by_recv ? socketpair(AF_UNIX, SOCK_STREAM, 0, ends)
                          : pipe2(ends, O_NONBLOCK)) == 0); /* so that no thread waits for it */
    *other = ends[1];
    return ends[0];
}

/* It waits for what it was: a request and its deadline end that. The number is free for another
 * file, which others can use. */
static void close_under(struct pinion_io *io, wait_fn *wait)
{
    int other, others[2];
    struct wait_for_one_future canceled, late, reader;
    const int descriptor = silent_descriptor(io, wait, &other);
    must(wait_for_one_concurrent(io, &canceled, io, wait, descriptor, PINION_FOREVER) == 0);
    must(wait_for_one_concurrent(io, &late, io, wait, descriptor, clock_ns() + 5000000) == 0);
    await_begun(io, 2);
    must(pinion_close(io, descriptor) == 0);
    must(pinion_sleep(io, 1000000) == 0);
    must(wait == by_poll || wait(io, descriptor, PINION_FOREVER) == -EBADF);
    must(wait_for_one_cancel(io, &canceled) == -ECANCELED);
    must(wait_for_one_await(io, &late) == -ETIMEDOUT);
    must(pinion_pipe(io, others) == 0 && others[0] == descriptor);
    must(wait_for_one_concurrent(io, &reader, io, by_read, others[0], PINION_FOREVER) == 0);
    await_begun(io, 1);
    must(pinion_write(io, others[1], "x", 1) == 1);
    must(wait_for_one_await(io, &reader) == 1);
    must(pinion_close(io, others[0]) == 0 && pinion_close(io, others[1]) == 0);
    must(other < 0 || pinion_close(io, other) == 0);
}

static void close_under_waiters(struct pinion_io *io, void *unused)
{
    wait_fn *const waits[] = {by_read, by_recv, by_accept, by_poll};
    (void)unused;
    for (int i = 0; i < 4; i++)
        close_under(io, waits[i]);
}

static void a_descriptor_closed_under_waiters_leaves_them_to_cancels_and_deadlines(void **state)
{
    struct pinion_loop *loop = loop_of(1);
    (void)state;
    run_in(loop, close_under_waiters, NULL);
    pinion_loop_destroy(loop);
}

/* ---- stacks ---- */

#define MANY 300

PINION_TASK(void, count_after_a_sleep, (struct pinion_io *, io), (atomic_uint *, counter))
{
    must(pinion_sleep(io, 100000) == 0);
    atomic_fetch_add(counter, 1);
}

static void start_more_than_there_are_stacks(struct pinion_io *io, void *unused)
{
    struct count_after_a_sleep_future futures[MANY];
    atomic_uint counter = 0;
    unsigned started = 0;
    (void)unused;
    for (int i = 0; i < MANY; i++) {
        if (i % 3 == 0) {
            futures[started++] = count_after_a_sleep_async(io, io, &counter);
            continue;
        }
        const int error = count_after_a_sleep_concurrent(io, &futures[started], io, &counter);
        must(!error || error == -ENOMEM);
        started += !error;
    }
    for (unsigned i = 0; i < started; i++)
        count_after_a_sleep_await(io, &futures[i]);
    must(atomic_load(&counter) == started && started >= MANY / 3);
}

static size_t address_space_kib(void)
{
    size_t kib = 0;
    char line[128];
    FILE *status = fopen("/proc/self/status", "re");
    must(status);
    while (fgets(line, sizeof line, status))
        if (sscanf(line, "VmSize: %zu kB", &kib) == 1)
            break;
    (void)fclose(status);
    must(kib);
    return kib;
}

static void live_on_few_stacks(void *unused)
{
    const struct pinion_loop_options options = {
        .cpu_count = 1, .stack_bytes = 1024 * 1024, .backend = backend};
    struct pinion_loop *loop = make_loop(&options);
    (void)unused;
    run_in(loop, use_a_little, NULL); /* that there are some */
    const rlim_t most = (rlim_t)(address_space_kib() + 20 * 1024) * 1024;
    struct rlimit before;
    must(getrlimit(RLIMIT_AS, &before) == 0);
    must(setrlimit(RLIMIT_AS, &(struct rlimit){most, before.rlim_max}) == 0);
    run_in(loop, start_more_than_there_are_stacks, NULL);
    must(loop_stats(loop).stacks < 50);
    must(setrlimit(RLIMIT_AS, &before) == 0);
    run_in(loop, start_more_than_there_are_stacks, NULL);
    must(loop_stats(loop).stacks > 50);
    pinion_loop_destroy(loop);
}

static void with_few_stacks_tasks_wait_for_those_of_others(void **state)
{
    (void)state;
    if (IS_SANITIZED) /* it has the address space */
        skip();
    in_a_child(live_on_few_stacks, NULL);
}

/* ---- options ---- */

static void what_can_not_be_is_named_with_what_would_be_right(void **state)
{
    char least[32];
    const struct {
        struct pinion_loop_options options;
        int error;
        const char *wrong, *right;
    } rows[] = {
        {{.ring_entries = 32769}, -EINVAL, "ring_entries 32769", "32768"},
        {{.ring_entries = 1000000000}, -EINVAL, "ring_entries 1000000000", "32768"},
        {{.ring_entries = UINT32_MAX}, -EINVAL, "ring_entries 4294967295", "32768"},
        {{.stack_bytes = 1}, -EINVAL, "stack_bytes 1:", least},
        {{.stack_bytes = pinion_loop_stack_min() - 1}, -EINVAL, "stack_bytes", least},
        {{.stack_bytes = SIZE_MAX}, -EINVAL, "stack_bytes 18446744073709551615", least},
        {{.stack_bytes = SIZE_MAX / 8}, -ENOMEM, "stack_bytes 2305843009213693951", "less"},
        {{.spin_us = 2000000}, -EINVAL, "spin_us 2000000", "1000000"},
        {{.retire_after = -1}, -EINVAL, "retire_after -1", "0"},
        {{.plan = {.workers = 3}}, -EINVAL, "workers", "cpu_count"},
    };
    (void)state;
    (void)snprintf(least, sizeof least, "%zu", pinion_loop_stack_min());
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pinion_loop *loop = (struct pinion_loop *)&rows, *untouched = loop;
        struct pinion_loop_options options = rows[i].options;
        options.backend = backend;
        assert_int_equal(pinion_loop_create(&options, &loop), rows[i].error);
        assert_ptr_equal(loop, untouched);
        assert_says(pinion_error_detail(), rows[i].wrong);
        assert_says(pinion_error_detail(), rows[i].right);
    }
}

static void odd_sizes_serve(void **state)
{
    const struct pinion_loop_options rows[] = {
        {.ring_entries = 1},
        {.ring_entries = 3, .stack_bytes = pinion_loop_stack_min()},
        {.stack_bytes = pinion_loop_stack_min() + 1},
        {.ring_entries = 32768, .stack_bytes = 4 * 1024 * 1024 + 1},
        {.stack_bytes = 64 * 1024 * 1024},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pinion_loop_options options = rows[i];
        options.cpu_count = 2;
        options.backend = backend;
        struct pinion_loop *loop = make_loop(&options);
        run_in(loop, use_a_little, NULL);
        pinion_loop_destroy(loop);
    }
}

static void with_a_kernel_thread_for_each_worker_all_is_as_usual(void **state)
{
    (void)state;
    for (unsigned cpus = 1; cpus <= 2; cpus++) {
        const struct pinion_loop_options options = {
            .cpu_count = cpus, .backend = backend, .sqpoll = true, .ring_entries = cpus};
        struct pinion_loop *loop = make_loop(&options);
        run_in(loop, tour, NULL);
        pinion_loop_destroy(loop);
    }
}

/* ---- threads ---- */

struct held {
    struct gate gate;
    struct pass_gate_future future;
};

static void open_gate(const void *context, void *unused)
{
    (void)unused;
    gate_open(&(*(struct held *const *)context)->gate);
}

/* A file's calls over epoll, and opens of any kind, go to threads, of which there is none. */
static void call_where_no_thread_is(struct pinion_io *io, void *argument)
{
    struct held *held = argument;
    struct sleep_for_future another;
    must(pass_gate_parallel(io, &held->future, &held->gate) == 0);
    must(sleep_for_parallel(io, &another, io, 0) == -EAGAIN);
    tour_file(io);
    const struct pinion_call call = {.start = open_gate, .context = &held,
                                     .context_size = sizeof held,
                                     .context_align = alignof(struct held *)};
    must(pinion_blocking(io, &call, NULL) == 0);
    pass_gate_await(io, &held->future);
}

static void where_no_thread_can_be_had_a_fibers_calls_are_made_in_place(void **state)
{
    struct held held = {.gate = GATE_INIT};
    const struct pinion_loop_options options = {
        .cpu_count = 1, .backend = backend, .max_parallel = 1};
    struct pinion_loop *loop = make_loop(&options);
    (void)state;
    run_in(loop, call_where_no_thread_is, &held);
    pinion_loop_destroy(loop);
}

static void tour_files(struct pinion_io *io, void *unused)
{
    struct pinion_batch batch = PINION_BATCH_INIT;
    struct pinion_operation sync, *done;
    const int file = memfd_create("file", MFD_CLOEXEC);
    (void)unused;
    must(file >= 0);
    pinion_prepare_fsync(&sync, file);
    must(pinion_batch_submit(io, &batch, &sync, 1) == 0);
    must(pinion_batch_next(io, &batch, &done) == 0 && done->result == 0);
    must(close(file) == 0);
    tour_file(io);
}

/* A ring's threads are the kernel's, and count as the user's: without one it ends a call as if it
 * had been canceled. Root has as many as it likes. */
static void live_without_more_threads(void *unused)
{
    struct pinion_loop *loop = loop_of(1);
    struct rlimit limit;
    (void)unused;
    run_in(loop, use_a_little, NULL);
    must(getuid() != 0 || setuid(65534) == 0);
    must(getrlimit(RLIMIT_NPROC, &limit) == 0);
    must(setrlimit(RLIMIT_NPROC, &(struct rlimit){0, limit.rlim_max}) == 0);
    run_in(loop, tour_files, NULL);
    pinion_loop_destroy(loop);
}

static void a_process_that_may_have_no_more_threads_has_all_calls(void **state)
{
    (void)state;
    in_a_child(live_without_more_threads, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_has_the_stack_that_it_asks_for),
        cmocka_unit_test(a_stack_that_cannot_be_had_is_refused),
        cmocka_unit_test(a_thousand_loops_leave_neither_descriptors_nor_mappings),
        cmocka_unit_test(without_descriptors_accept_says_so_and_goes_on_once_there_are_some),
        cmocka_unit_test(a_descriptor_closed_under_waiters_leaves_them_to_cancels_and_deadlines),
        cmocka_unit_test(with_few_stacks_tasks_wait_for_those_of_others),
        cmocka_unit_test(what_can_not_be_is_named_with_what_would_be_right),
        cmocka_unit_test(odd_sizes_serve),
        cmocka_unit_test(with_a_kernel_thread_for_each_worker_all_is_as_usual),
        cmocka_unit_test(where_no_thread_can_be_had_a_fibers_calls_are_made_in_place),
        cmocka_unit_test(a_process_that_may_have_no_more_threads_has_all_calls),
    };
    return run_on_both(tests);
}
