/* SPDX-License-Identifier: MIT
 *
 * Backends: what is under way ends once, is canceled, wakes, and waits no longer than it should.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "backend_support.h"

#define MANY 10000

static void make_pipe(int ends[2]) { assert_int_equal(pipe2(ends, O_CLOEXEC), 0); }

static void close_both(const int ends[2])
{
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(close(ends[1]), 0);
}

/* ---- readiness ---- */

static void readiness_is_told_once_and_with_what_is_ready(void **state)
{
    struct place *place = *state;
    struct wait wait;
    int ends[2];
    make_pipe(ends);
    start_poll(place, &wait, ends[0], POLLIN);
    turn(place);
    assert_int_equal(wait.times, 0);
    assert_true(pn_backend_has_pending(place->backend));
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(finish(place, &wait), POLLIN);
    assert_false(pn_backend_has_pending(place->backend));
    turn(place);
    assert_int_equal(wait.times, 1);
    start_poll(place, &wait, ends[1], POLLOUT);
    assert_int_equal(finish(place, &wait) & POLLOUT, POLLOUT);
    assert_int_equal(close(ends[0]), 0);
    start_poll(place, &wait, ends[1], 0);
    assert_int_equal(finish(place, &wait) & POLLERR, POLLERR);
    assert_int_equal(close(ends[1]), 0);
}

static void what_is_no_descriptor_is_told_so(void **state)
{
    struct place *place = *state;
    struct wait wait;
    int ends[2];
    make_pipe(ends);
    close_both(ends);
    start_poll(place, &wait, ends[0], POLLIN);
    assert_int_equal(finish(place, &wait), -EBADF);
    start_poll(place, &wait, -1, POLLIN);
    assert_int_equal(finish(place, &wait), -EBADF);
}

static void a_file_is_ready_for_the_ring_and_not_permitted_for_epoll(void **state)
{
    struct place *place = *state;
    struct wait wait;
    const int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_true(file >= 0);
    start_poll(place, &wait, file, POLLIN);
    assert_int_equal(finish(place, &wait), is_ring(place) ? POLLIN : -EPERM);
    assert_int_equal(close(file), 0);
}

static void all_who_wait_for_a_descriptor_are_told(void **state)
{
    struct place *place = *state;
    struct wait readers[3], poller, writer;
    char bytes[3] = {0}, out = 'w', back = 0;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    for (int i = 0; i < 3; i++)
        must_start(place, &readers[i], reading(ends[0], &bytes[i], 1));
    start_poll(place, &poller, ends[0], POLLIN);
    must_start(place, &writer, writing(ends[0], &out, 1));
    assert_int_equal(finish(place, &writer), 1);
    assert_int_equal(read(ends[1], &back, 1), 1);
    turn(place);
    for (int i = 0; i < 3; i++)
        assert_int_equal(readers[i].times, 0);
    assert_int_equal(poller.times, 0);
    assert_int_equal(write(ends[1], "abc", 3), 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(finish(place, &readers[i]), 1);
    assert_int_equal(bytes[0] + bytes[1] + bytes[2], 'a' + 'b' + 'c');
    if (poller.times == 0) /* the readers may have been faster */
        assert_int_equal(write(ends[1], "d", 1), 1);
    assert_int_equal(finish(place, &poller) & POLLIN, POLLIN);
    close_both(ends);
}

static void a_wait_for_what_is_closed_is_canceled_and_its_number_serves_the_next(void **state)
{
    struct place *place = *state;
    struct wait old, new;
    int first[2], second[2];
    make_pipe(first);
    start_poll(place, &old, first[0], POLLIN);
    turn(place);
    assert_int_equal(close(first[0]), 0);
    make_pipe(second);
    assert_int_equal(second[0], first[0]);
    start_poll(place, &new, second[0], POLLIN);
    turn(place);
    assert_int_equal(write(second[1], "x", 1), 1);
    assert_int_equal(finish(place, &new), POLLIN);
    pn_backend_cancel(place->backend, &old.completion);
    (void)finish(place, &old);
    close_both(second);
    assert_int_equal(close(first[1]), 0);
}

/* ---- canceled ---- */

static void what_is_canceled_before_it_is_submitted_ends_so(void **state)
{
    struct place *place = *state;
    struct wait wait;
    char byte;
    int ends[2];
    make_pipe(ends);
    must_start(place, &wait, reading(ends[0], &byte, 1));
    pn_backend_cancel(place->backend, &wait.completion);
    pn_backend_cancel(place->backend, &wait.completion);
    assert_int_equal(finish(place, &wait), -ECANCELED);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(perform(place, reading(ends[0], &byte, 1)), 1);
    close_both(ends);
}

static void what_waits_is_canceled(void **state)
{
    struct place *place = *state;
    struct wait wait, poll;
    char byte;
    int ends[2];
    make_pipe(ends);
    must_start(place, &wait, reading(ends[0], &byte, 1));
    start_poll(place, &poll, ends[0], POLLIN);
    turn(place);
    pn_backend_cancel(place->backend, &wait.completion);
    assert_int_equal(finish(place, &wait), -ECANCELED);
    pn_backend_cancel(place->backend, &poll.completion);
    assert_int_equal(finish(place, &poll), -ECANCELED);
    close_both(ends);
}

static void a_nonblocking_descriptors_wait_is_canceled(void **state)
{
    struct place *place = *state;
    struct wait wait;
    char byte;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    must_start(place, &wait, reading(ends[0], &byte, 1));
    turn(place);
    assert_int_equal(wait.times, 0);
    pn_backend_cancel(place->backend, &wait.completion);
    assert_int_equal(finish(place, &wait), -ECANCELED);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close_both(ends);
}

/* Asked for when it has its byte, which may not be lost. */
static void a_request_that_comes_late_changes_nothing(void **state)
{
    struct place *place = *state;
    struct wait wait;
    char byte = 0;
    int ends[2];
    make_pipe(ends);
    assert_int_equal(write(ends[1], "x", 1), 1);
    must_start(place, &wait, reading(ends[0], &byte, 1));
    assert_int_equal(pn_backend_flush(place->backend), 0);
    pn_backend_cancel(place->backend, &wait.completion);
    assert_int_equal(finish(place, &wait), 1);
    assert_int_equal(byte, 'x');
    turn(place);
    assert_int_equal(wait.times, 1);
    close_both(ends);
}

static void the_next_in_the_same_memory_is_not_canceled_for_the_last(void **state)
{
    struct place *place = *state;
    struct wait wait;
    char byte;
    int ends[2];
    make_pipe(ends);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(write(ends[1], "x", 1), 1);
        must_start(place, &wait, reading(ends[0], &byte, 1));
        assert_int_equal(pn_backend_flush(place->backend), 0);
        pn_backend_cancel(place->backend, &wait.completion);
        assert_int_equal(finish(place, &wait), 1);
        must_start(place, &wait, reading(ends[0], &byte, 1));
        turn(place);
        assert_int_equal(wait.times, 0);
        assert_int_equal(write(ends[1], "y", 1), 1);
        assert_int_equal(finish(place, &wait), 1);
    }
    close_both(ends);
}

/* ---- many ---- */

static unsigned count_done(const struct wait *waits, long result)
{
    unsigned count = 0;
    for (int i = 0; i < MANY; i++) {
        must(waits[i].times <= 1);
        count += waits[i].times == 1 && waits[i].completion.result == result;
    }
    return count;
}

static void more_than_the_queues_hold_are_under_way_and_end(void **state)
{
    struct place *place = *state;
    static struct wait waits[MANY];
    int ends[2];
    make_pipe(ends);
    for (int i = 0; i < MANY; i++)
        start_poll(place, &waits[i], ends[0], POLLIN);
    turn(place);
    assert_int_equal(count_done(waits, POLLIN), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    while (pn_backend_has_pending(place->backend))
        assert_int_equal(pn_backend_wait(place->backend, INT64_MAX), 0);
    assert_int_equal(count_done(waits, POLLIN), MANY);
    close_both(ends);
}

static void more_than_the_queues_hold_are_canceled(void **state)
{
    struct place *place = *state;
    static struct wait waits[MANY];
    int ends[2];
    make_pipe(ends);
    for (int i = 0; i < MANY; i++)
        start_poll(place, &waits[i], ends[0], POLLIN);
    for (int i = MANY; i-- > 0;)
        pn_backend_cancel(place->backend, &waits[i].completion);
    while (pn_backend_has_pending(place->backend))
        assert_int_equal(pn_backend_wait(place->backend, INT64_MAX), 0);
    assert_int_equal(count_done(waits, -ECANCELED), MANY);
    close_both(ends);
}

static void calls_that_end_at_once_overflow_nothing(void **state)
{
    struct place *place = *state;
    static struct wait waits[MANY];
    const uint64_t one = 1;
    uint64_t sum = 0;
    const int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert_true(event >= 0);
    for (int i = 0; i < MANY; i++)
        must_start(place, &waits[i], writing(event, &one, sizeof one));
    while (pn_backend_has_pending(place->backend)) {
        assert_int_equal(pn_backend_flush(place->backend), 0);
        (void)pn_backend_reap(place->backend);
    }
    assert_int_equal(count_done(waits, sizeof one), MANY);
    assert_int_equal(read(event, &sum, sizeof sum), sizeof sum);
    assert_int_equal(sum, MANY);
    assert_int_equal(close(event), 0);
}

/* ---- done ---- */

struct chain {
    struct pn_completion completion;
    struct pn_operation operation;
    struct place *place;
    unsigned left;
    char byte;
};

static void start_next(struct pn_completion *completion)
{
    struct chain *chain = (struct chain *)(void *)completion;
    must(completion->result == 1);
    if (chain->left-- > 0)
        must(pn_backend_start(chain->place->backend, &chain->operation, completion));
}

static void done_may_start_the_next_in_the_same_memory(void **state)
{
    struct place *place = *state;
    int ends[2];
    make_pipe(ends);
    struct chain chain = {.completion.done = start_next, .place = place, .left = 100};
    chain.operation = reading(ends[0], &chain.byte, 1);
    for (int i = 0; i < 101; i++)
        assert_int_equal(write(ends[1], "x", 1), 1);
    must(pn_backend_start(place->backend, &chain.operation, &chain.completion));
    while (pn_backend_has_pending(place->backend))
        assert_int_equal(pn_backend_wait(place->backend, INT64_MAX), 0);
    assert_int_equal(chain.left, UINT32_MAX);
    close_both(ends);
}

/* ---- waking ---- */

static void a_wake_before_the_wait_ends_it(void **state)
{
    struct place *place = *state;
    for (int i = 0; i < 10; i++) {
        errno = 77;
        pn_backend_wake(place->backend);
        assert_int_equal(errno, 77);
        assert_int_equal(pn_backend_wait(place->backend, INT64_MAX), 0);
    }
    pn_backend_wake(place->backend);
    turn(place); /* takes note of it, and leaves it to the wait */
    assert_int_equal(pn_backend_wait(place->backend, INT64_MAX), 0);
}

static void *wake_often(void *backend)
{
    for (int i = 0; i < 2000; i++)
        pn_backend_wake(backend);
    return NULL;
}

static void *wake_once(void *backend)
{
    pn_backend_wake(backend);
    return NULL;
}

static void a_wake_from_another_thread_ends_the_wait(void **state)
{
    struct place *place = *state;
    pthread_t thread;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(pthread_create(&thread, NULL, wake_once, place->backend), 0);
        assert_int_equal(pn_backend_wait(place->backend, INT64_MAX), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
}

static void wakes_that_come_together_are_one_or_more(void **state)
{
    struct place *place = *state;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, wake_often, place->backend), 0);
    assert_int_equal(pn_backend_wait(place->backend, INT64_MAX), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    pn_backend_wake(place->backend);
    assert_int_equal(pn_backend_wait(place->backend, INT64_MAX), 0);
}

static struct pn_backend *woken_by_signal;

static void wake_it(int number)
{
    (void)number;
    pn_backend_wake(woken_by_signal);
}

static void a_wake_from_a_signals_handler_ends_the_wait(void **state)
{
    struct place *place = *state;
    struct sigaction former, action = {.sa_handler = wake_it, .sa_flags = SA_RESTART};
    sigset_t set, before;
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    const struct itimerspec soon = {.it_value = {0, 1000000}};
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGUSR1);
    woken_by_signal = place->backend;
    assert_int_equal(sigaction(SIGUSR1, &action, &former), 0);
    assert_int_equal(pthread_sigmask(SIG_UNBLOCK, &set, &before), 0);
    assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(timer_settime(timer, 0, &soon, NULL), 0);
        assert_int_equal(pn_backend_wait(place->backend, INT64_MAX), 0);
    }
    assert_int_equal(timer_delete(timer), 0);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
    assert_int_equal(sigaction(SIGUSR1, &former, NULL), 0);
}

/* ---- deadlines ---- */

static void a_deadline_ends_the_wait_and_not_before_it(void **state)
{
    struct place *place = *state;
    struct wait wait;
    int ends[2];
    make_pipe(ends);
    start_poll(place, &wait, ends[0], POLLIN);
    assert_int_equal(pn_backend_wait(place->backend, 0), 0);
    assert_int_equal(pn_backend_wait(place->backend, INT64_MIN), 0);
    assert_int_equal(pn_backend_wait(place->backend, pn_now()), 0);
    for (int i = 0; i < 20; i++) {
        const int64_t deadline = pn_now() + 300000;
        assert_int_equal(pn_backend_wait(place->backend, deadline), 0);
        assert_true(pn_now() >= deadline);
    }
    assert_int_equal(wait.times, 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(pn_backend_wait(place->backend, pn_now() + INT64_C(3600000000000)), 0);
    assert_int_equal(wait.times, 1);
    close_both(ends);
}

static void what_is_ready_is_seen_without_a_wait(void **state)
{
    struct place *place = *state;
    struct wait wait;
    int ends[2];
    make_pipe(ends);
    assert_int_equal(pn_backend_flush(place->backend), 0);
    assert_false(pn_backend_is_ready(place->backend));
    start_poll(place, &wait, ends[0], POLLIN);
    assert_int_equal(pn_backend_flush(place->backend), 0);
    assert_false(pn_backend_is_ready(place->backend));
    assert_int_equal(write(ends[1], "x", 1), 1);
    if (is_ring(place))
        assert_true(pn_backend_is_ready(place->backend));
    assert_int_equal(pn_backend_flush(place->backend), 0);
    assert_true(pn_backend_is_ready(place->backend));
    assert_int_equal(pn_backend_reap(place->backend), 1);
    assert_int_equal(wait.times, 1);
    assert_false(pn_backend_is_ready(place->backend));
    close_both(ends);
}

int main(void)
{
    struct CMUnitTest tests[] = {
        ON_BACKEND(readiness_is_told_once_and_with_what_is_ready),
        ON_BACKEND(what_is_no_descriptor_is_told_so),
        ON_BACKEND(a_file_is_ready_for_the_ring_and_not_permitted_for_epoll),
        ON_BACKEND(all_who_wait_for_a_descriptor_are_told),
        ON_BACKEND(a_wait_for_what_is_closed_is_canceled_and_its_number_serves_the_next),
        ON_BACKEND(what_is_canceled_before_it_is_submitted_ends_so),
        ON_BACKEND(what_waits_is_canceled),
        ON_BACKEND(a_nonblocking_descriptors_wait_is_canceled),
        ON_BACKEND(a_request_that_comes_late_changes_nothing),
        ON_BACKEND(the_next_in_the_same_memory_is_not_canceled_for_the_last),
        ON_BACKEND(more_than_the_queues_hold_are_under_way_and_end),
        ON_BACKEND(more_than_the_queues_hold_are_canceled),
        ON_BACKEND(calls_that_end_at_once_overflow_nothing),
        ON_BACKEND(done_may_start_the_next_in_the_same_memory),
        ON_BACKEND(a_wake_before_the_wait_ends_it),
        ON_BACKEND(a_wake_from_another_thread_ends_the_wait),
        ON_BACKEND(wakes_that_come_together_are_one_or_more),
        ON_BACKEND(a_wake_from_a_signals_handler_ends_the_wait),
        ON_BACKEND(a_deadline_ends_the_wait_and_not_before_it),
        ON_BACKEND(what_is_ready_is_seen_without_a_wait),
    };
    return run_on_both(tests, sizeof tests / sizeof tests[0]);
}
