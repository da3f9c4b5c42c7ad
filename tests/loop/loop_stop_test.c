/* SPDX-License-Identifier: MIT
 *
 * pinion_loop_stop while the main task waits, in each way that there is to wait; and before anyone
 * is in the loop.
 */
#include "loops.h"

#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

/* A main task that says that it is about to wait, and gives what came of it. */
struct wait {
    long (*enter)(struct pinion_io *io);
    struct pinion_loop *loop;
    uint64_t parked; /* how often before */
    atomic_bool is_begun;
    long result;
};

static struct wait *its;

/* The last that a way does before it waits. */
static void note_begun(void)
{
    its->parked = loop_stats(its->loop).parked;
    atomic_store(&its->is_begun, true);
}

/* ---- ways to wait ---- */

static long in_a_sleep(struct pinion_io *io)
{
    note_begun();
    return pinion_sleep(io, LONG_NS);
}

static long in_a_read(struct pinion_io *io)
{
    int ends[2];
    char byte;
    must(pinion_pipe(io, ends) == 0);
    note_begun();
    const long result = pinion_read(io, ends[0], &byte, 1);
    must(pinion_close(io, ends[0]) == 0 && pinion_close(io, ends[1]) == 0);
    return result;
}

static long in_a_poll(struct pinion_io *io)
{
    int ends[2];
    must(pinion_pipe(io, ends) == 0);
    struct pollfd both[2] = {{.fd = ends[0], .events = POLLIN}, {.fd = ends[0], .events = POLLIN}};
    note_begun();
    const long result = pinion_poll(io, both, 2, -1);
    must(pinion_close(io, ends[0]) == 0 && pinion_close(io, ends[1]) == 0);
    return result;
}

static long in_an_accept(struct pinion_io *io)
{
    const int listening = pinion_listen_on(io, "127.0.0.1:0", 0);
    must(listening >= 0);
    note_begun();
    const long result = pinion_accept(io, listening, NULL, NULL);
    must(pinion_close(io, listening) == 0);
    return result;
}

static long in_a_get(struct pinion_io *io)
{
    struct pinion_queue queue;
    int item;
    pinion_queue_init(&queue, NULL, sizeof item, 0);
    note_begun();
    return pinion_queue_get(io, &queue, &item, 1, 1);
}

static long in_a_put(struct pinion_io *io)
{
    struct pinion_queue queue;
    int item = 0;
    pinion_queue_init(&queue, NULL, sizeof item, 0);
    note_begun();
    return pinion_queue_put(io, &queue, &item, 1, 1);
}

static long in_a_lock(struct pinion_io *io)
{
    struct pinion_mutex mutex = {0};
    must(pinion_mutex_try_lock(&mutex));
    note_begun();
    return pinion_mutex_lock(io, &mutex);
}

static long in_a_write_lock(struct pinion_io *io)
{
    struct pinion_rwlock lock = {0};
    must(pinion_rwlock_try_read_lock(&lock));
    note_begun();
    return pinion_rwlock_write_lock(io, &lock);
}

static long in_a_condition(struct pinion_io *io)
{
    struct pinion_mutex mutex = {0};
    struct pinion_condition condition = {0};
    must(pinion_mutex_try_lock(&mutex));
    note_begun();
    const long result = pinion_condition_wait(io, &condition, &mutex);
    must(!pinion_mutex_try_lock(&mutex));
    return result;
}

static long in_an_event(struct pinion_io *io)
{
    struct pinion_event event = {0};
    note_begun();
    return pinion_event_wait(io, &event);
}

static long in_a_semaphore(struct pinion_io *io)
{
    struct pinion_semaphore semaphore = {0};
    note_begun();
    return pinion_semaphore_wait(io, &semaphore);
}

static long in_a_futex(struct pinion_io *io)
{
    const PINION_ATOMIC(uint32_t) word = 0;
    note_begun();
    return pinion_futex_wait(io, &word, 0, PINION_FOREVER);
}

PINION_TASK(int, sleep_long, (struct pinion_io *, io))
{
    return pinion_sleep(io, LONG_NS);
}

/* The request goes on to the awaited. */
static long in_an_await(struct pinion_io *io)
{
    struct sleep_long_future future;
    must(sleep_long_concurrent(io, &future, io) == 0);
    note_begun();
    return sleep_long_await(io, &future);
}

static long in_an_await_of_a_parallel_one(struct pinion_io *io)
{
    struct sleep_long_future future;
    must(sleep_long_parallel(io, &future, io) == 0);
    note_begun();
    return sleep_long_await(io, &future);
}

static long in_a_select(struct pinion_io *io)
{
    struct sleep_long_future futures[2];
    struct pinion_future *both[] = {&futures[0].future, &futures[1].future};
    for (int i = 0; i < 2; i++)
        must(sleep_long_concurrent(io, &futures[i], io) == 0);
    note_begun();
    const long result = pinion_select(io, both, 2, PINION_FOREVER);
    for (int i = 0; i < 2; i++)
        must(sleep_long_cancel(io, &futures[i]) == -ECANCELED);
    return result;
}

static long in_a_group(struct pinion_io *io)
{
    struct pinion_group group = PINION_GROUP_INIT;
    const struct {
        struct pinion_io *io;
    } context = {io};
    const struct pinion_call call = {.start = sleep_long_start, .context = &context,
                                     .context_size = sizeof context,
                                     .context_align = alignof(struct pinion_io *),
                                     .result_size = sizeof(int)};
    must(pinion_group_concurrent(io, &group, &call) == 0);
    note_begun();
    return pinion_group_await(io, &group);
}

static long in_a_signal(struct pinion_io *io)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGUSR2);
    note_begun();
    return pinion_signal_wait(io, &set, PINION_FOREVER);
}

/* Of a FIFO that nobody else opens: on a thread, or one of the kernel's. */
static long in_an_open(struct pinion_io *io)
{
    char path[] = "/tmp/pinion-XXXXXX";
    must(mkdtemp(path));
    char fifo[64];
    (void)snprintf(fifo, sizeof fifo, "%s/fifo", path);
    must(mkfifo(fifo, 0600) == 0);
    note_begun();
    const long result = pinion_open(io, fifo, O_RDONLY);
    must(unlink(fifo) == 0 && rmdir(path) == 0);
    return result;
}

/* Who answers it is libc, which can't be interrupted; here, once it is over. */
static atomic_bool is_over;

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    if (!host || strcmp(host, "name.invalid") != 0 || (hints->ai_flags & AI_NUMERICHOST)) {
        *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
        return real(host, service, hints, result);
    }
    wait_until(atomic_load(&is_over));
    return EAI_AGAIN;
}

static long in_a_lookup(struct pinion_io *io)
{
    struct addrinfo *list;
    atomic_store(&is_over, false);
    note_begun();
    const long result = pinion_getaddrinfo(io, "name.invalid", NULL, NULL, &list);
    atomic_store(&is_over, true);
    return result;
}

static long (*const ways[])(struct pinion_io *) = {
    in_a_sleep,  in_a_read, in_a_poll,  in_an_accept, in_a_get,    in_a_put,
    in_a_lock,   in_a_write_lock, in_a_condition, in_an_event, in_a_semaphore, in_a_futex,
    in_an_await, in_an_await_of_a_parallel_one, in_a_select, in_a_group, in_a_signal, in_an_open,
    in_a_lookup,
};
#define WAYS (sizeof ways / sizeof ways[0])

/* ---- stopped ---- */

static void wait_there(struct pinion_io *io, void *argument)
{
    struct wait *wait = argument;
    its = wait;
    wait->result = wait->enter(io);
    must(pinion_cancel_requested(io));
    must(pinion_check_cancel(io) == 0); /* it was delivered once */
}

static void *stop_it(void *argument)
{
    struct wait *wait = argument;
    while (!atomic_load(&wait->is_begun))
        (void)sched_yield();
    pinion_loop_stop(wait->loop);
    return NULL;
}

static void *stop_it_once_it_waits(void *argument)
{
    struct wait *wait = argument;
    while (!atomic_load(&wait->is_begun))
        (void)sched_yield();
    wait_until(loop_stats(wait->loop).parked > wait->parked);
    pinion_loop_stop(wait->loop);
    return NULL;
}

/* By a thread at any moment, and once all sleep. */
static void stop_ends_every_wait(void **state)
{
    void *(*const stoppers[])(void *) = {stop_it, stop_it_once_it_waits};
    (void)state;
    for (size_t i = 0; i < 2 * WAYS; i++) {
        const struct pinion_loop_options options = {
            .cpu_count = 1, .backend = backend, .idle = PINION_IDLE_PARK};
        struct wait wait = {.enter = ways[i / 2], .loop = make_loop(&options)};
        pthread_t stopper;
        must(pthread_create(&stopper, NULL, stoppers[i % 2], &wait) == 0);
        run_in(wait.loop, wait_there, &wait);
        must(pthread_join(stopper, NULL) == 0);
        if (wait.result != -ECANCELED)
            fail_msg("way %zu: %ld", i / 2, wait.result);
        pinion_loop_destroy(wait.loop);
    }
}

static struct pinion_loop *of_the_handler;

static void stop_in_handler(int signal)
{
    (void)signal;
    pinion_loop_stop(of_the_handler);
}

static void *raise_once_it_waits(void *argument)
{
    struct wait *wait = argument;
    while (!atomic_load(&wait->is_begun))
        (void)sched_yield();
    wait_until(loop_stats(wait->loop).parked > wait->parked);
    must(kill(getpid(), SIGUSR1) == 0);
    return NULL;
}

/* This thread has the signal unblocked, and so has the loop's while it is in it. */
static void stop_in_a_handler_ends_every_wait(void **state)
{
    const struct sigaction action = {.sa_handler = stop_in_handler};
    (void)state;
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    for (size_t i = 0; i < WAYS; i++) {
        struct wait wait = {.enter = ways[i]};
        const struct pinion_loop_options options = {
            .cpu_count = 1, .backend = backend, .idle = PINION_IDLE_PARK};
        pthread_t stopper;
        of_the_handler = wait.loop = make_loop(&options);
        must(pthread_create(&stopper, NULL, raise_once_it_waits, &wait) == 0);
        run_in(wait.loop, wait_there, &wait);
        must(pthread_join(stopper, NULL) == 0);
        if (wait.result != -ECANCELED)
            fail_msg("way %zu: %ld", i, wait.result);
        pinion_loop_destroy(wait.loop);
    }
    (void)signal(SIGUSR1, SIG_DFL);
}

static void must_not_be_canceled(struct pinion_io *io, void *unused)
{
    (void)unused;
    must(!pinion_cancel_requested(io) && pinion_sleep(io, 1000) == 0);
}

static void a_stop_with_nobody_in_the_loop_does_nothing(void **state)
{
    struct pinion_loop *loop = loop_of(2);
    (void)state;
    for (int i = 0; i < 3; i++) {
        pinion_loop_stop(loop);
        run_in(loop, must_not_be_canceled, NULL);
        pinion_loop_stop(loop);
    }
    pinion_loop_destroy(loop);
}

static void stop_oneself(struct pinion_io *io, void *loop)
{
    pinion_loop_stop(loop);
    must(pinion_cancel_requested(io) && pinion_sleep(io, LONG_NS) == -ECANCELED);
    pinion_loop_stop(loop);
    must(pinion_sleep(io, 1000) == 0); /* one request, one delivery */
}

static void the_main_task_may_stop_itself(void **state)
{
    struct pinion_loop *loop = loop_of(1);
    (void)state;
    run_in(loop, stop_oneself, loop);
    run_in(loop, must_not_be_canceled, NULL);
    pinion_loop_destroy(loop);
}

static void block(const void *context, void *unused)
{
    struct gate *gate = *(struct gate *const *)context;
    (void)unused;
    gate_pass(gate);
}

/* What blocks its thread goes on to its end; the request stays for the next wait. */
static void block_through_it(struct pinion_io *io, void *argument)
{
    struct gate *gate = argument;
    const struct pinion_call call = {.start = block, .context = &gate,
                                     .context_size = sizeof gate,
                                     .context_align = alignof(struct gate *)};
    must(pinion_blocking(io, &call, NULL) == 0);
    must(pinion_cancel_requested(io) && pinion_sleep(io, LONG_NS) == -ECANCELED);
}

static void *stop_the_blocked(void *argument)
{
    struct gate *gate = argument;
    wait_until(atomic_load(&gate->arrived) == 1);
    pinion_loop_stop(of_the_handler);
    gate_open(gate);
    return NULL;
}

static void a_call_that_blocks_ends_first(void **state)
{
    struct gate gate = GATE_INIT;
    pthread_t stopper;
    (void)state;
    struct pinion_loop *loop = of_the_handler = loop_of(1);
    must(pthread_create(&stopper, NULL, stop_the_blocked, &gate) == 0);
    run_in(loop, block_through_it, &gate);
    must(pthread_join(stopper, NULL) == 0);
    pinion_loop_destroy(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stop_ends_every_wait),
        cmocka_unit_test(stop_in_a_handler_ends_every_wait),
        cmocka_unit_test(a_stop_with_nobody_in_the_loop_does_nothing),
        cmocka_unit_test(the_main_task_may_stop_itself),
        cmocka_unit_test(a_call_that_blocks_ends_first),
    };
    return run_on_both(tests);
}
