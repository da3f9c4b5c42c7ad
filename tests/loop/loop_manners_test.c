/* SPDX-License-Identifier: MIT
 *
 * What belongs to a thread: pinion_loop_run puts it back, and each fiber has errno and
 * floating-point modes of its own, whatever the others on its thread make of theirs.
 */
#include "loops.h"

#include <fenv.h>
#include <signal.h>

#include "../flushing.h"

#if defined(__x86_64__)
#define IS_X86 true
#else
#define IS_X86 false
#endif

static bool has_mask_of(const cpu_set_t *mask)
{
    cpu_set_t now;
    must(sched_getaffinity(0, sizeof now, &now) == 0);
    return CPU_EQUAL(&now, mask);
}

static bool is_blocked(int signal)
{
    sigset_t now;
    must(pthread_sigmask(SIG_SETMASK, NULL, &now) == 0);
    return sigismember(&now, signal);
}

static bool is_pending(int signal)
{
    sigset_t now;
    must(sigpending(&now) == 0);
    return sigismember(&now, signal);
}

/* ---- put back ---- */

static void spoil_all(struct pinion_io *io, void *unused)
{
    sigset_t some;
    int ends[2];
    (void)unused;
    must(fegetround() == FE_UPWARD && flushes() == IS_X86);
    must(pinion_pipe(io, ends) == 0 && close(ends[0]) == 0);
    must(pinion_write(io, ends[1], "x", 1) == -EPIPE && close(ends[1]) == 0);
    (void)fesetround(FE_DOWNWARD);
    flush(false);
    (void)sigemptyset(&some);
    (void)sigaddset(&some, SIGUSR2);
    must(pthread_sigmask(SIG_BLOCK, &some, NULL) == 0);
    must(pinion_sleep(io, 1000) == 0);
    must(pinion_affinity_restore() == 0);
    errno = ENOTTY;
}

static void run_puts_back_what_it_and_its_tasks_change(void **state)
{
    cpu_set_t mask, one;
    sigset_t pipe_only;
    (void)state;
    (void)sigemptyset(&pipe_only);
    (void)sigaddset(&pipe_only, SIGPIPE);
    assert_int_equal(sched_getaffinity(0, sizeof mask, &mask), 0);
    struct pinion_loop *loop = loop_of(2);
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    for (int i = 0; i < 4; i++) { /* a mask of its own; a SIGPIPE that is the program's */
        assert_int_equal(sched_setaffinity(0, sizeof mask, i % 2 ? &one : &mask), 0);
        if (i / 2) {
            assert_int_equal(pthread_sigmask(SIG_BLOCK, &pipe_only, NULL), 0);
            assert_int_equal(raise(SIGPIPE), 0);
        }
        assert_int_equal(fesetround(FE_UPWARD), 0);
        flush(true);
        errno = EXDEV;
        run_in(loop, spoil_all, NULL);
        assert_int_equal(errno, EXDEV);
        assert_int_equal(fegetround(), FE_UPWARD);
        assert_true(flushes() == IS_X86);
        assert_true(has_mask_of(i % 2 ? &one : &mask));
        assert_false(is_blocked(SIGUSR2));
        assert_int_equal(is_blocked(SIGPIPE), i / 2);
        assert_int_equal(is_pending(SIGPIPE), i / 2);
    }
    int got;
    assert_int_equal(sigwait(&pipe_only, &got), 0);
    assert_int_equal(pthread_sigmask(SIG_UNBLOCK, &pipe_only, NULL), 0);
    assert_int_equal(sched_setaffinity(0, sizeof mask, &mask), 0);
    assert_int_equal(fesetround(FE_TONEAREST), 0);
    flush(false);
    pinion_loop_destroy(loop);
}

/* ---- each fiber's own ---- */

static void wait_somehow(struct pinion_io *io, unsigned way, int ends[2])
{
    char byte = 'x';
    switch (way % 3) {
    case 0:
        pinion_yield(io);
        break;
    case 1:
        must(pinion_sleep(io, 1000) == 0);
        break;
    default:
        must(pinion_write(io, ends[1], &byte, 1) == 1);
        must(pinion_read(io, ends[0], &byte, 1) == 1);
        break;
    }
}

PINION_TASK(void, keep_ones_own, (struct pinion_io *, io), (unsigned, index))
{
    const int roundings[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO, FE_TONEAREST};
    int ends[2];
    must(fegetround() == FE_TONEAREST && !flushes()); /* those of who made the loop */
    must(pinion_pipe(io, ends) == 0);
    (void)fesetround(roundings[index % 4]);
    flush(index % 2);
    for (unsigned i = 0; i < 30; i++) {
        errno = (int)(index + 1);
        wait_somehow(io, index + i, ends);
        must(errno == (int)(index + 1));
        must(fegetround() == roundings[index % 4]);
        must(flushes() == (IS_X86 && index % 2));
    }
    must(pinion_close(io, ends[0]) == 0 && pinion_close(io, ends[1]) == 0);
}

#define FIBERS 24

static void keep_many(struct pinion_io *io, void *unused)
{
    struct keep_ones_own_future futures[FIBERS];
    (void)unused;
    for (unsigned i = 0; i < FIBERS; i++)
        must(keep_ones_own_concurrent(io, &futures[i], io, i) == 0);
    for (unsigned i = 0; i < FIBERS; i++) {
        keep_ones_own_await(io, &futures[i]);
        must(fegetround() == FE_TONEAREST && !flushes());
    }
}

static void errno_and_modes_are_each_fibers_own(void **state)
{
    (void)state;
    for (unsigned cpus = 1; cpus <= 2; cpus++) {
        struct pinion_loop *loop = loop_of(cpus);
        run_in(loop, keep_many, NULL);
        pinion_loop_destroy(loop);
    }
}

/* ---- seats ---- */

PINION_TASK(cpu_set_t, mask_here)
{
    cpu_set_t mask;
    must(sched_getaffinity(0, sizeof mask, &mask) == 0);
    return mask;
}

PINION_TASK(cpu_set_t, leave_seat, (atomic_bool *, is_left))
{
    must(pinion_affinity_restore() == 0);
    atomic_store(is_left, true);
    return mask_here();
}

static void leave_and_look(struct pinion_io *io, void *original)
{
    atomic_bool is_left = false;
    struct leave_seat_future leaver;
    struct mask_here_future looker;
    must(mask_here_concurrent(io, &looker) == 0);
    const cpu_set_t seat = mask_here_await(io, &looker);
    must(leave_seat_concurrent(io, &leaver, &is_left) == 0);
    while (!atomic_load(&is_left)) /* as a fiber: an await would run it here */
        pinion_yield(io);
    const cpu_set_t left = leave_seat_await(io, &leaver);
    must(CPU_EQUAL(&left, (cpu_set_t *)original));
    must(mask_here_concurrent(io, &looker) == 0);
    const cpu_set_t again = mask_here_await(io, &looker);
    must(CPU_EQUAL(&seat, &again));
}

static void who_left_its_seat_is_back_after_its_task(void **state)
{
    cpu_set_t original;
    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof original, &original), 0);
    struct pinion_loop *one = loop_of(1), *two = loop_of(2);
    run_in(one, leave_and_look, &original);
    leave_and_look(pinion_loop_io(two), &original);
    struct pinion_pool *pool = pool_of(2); /* this thread is its caller, too */
    run_in(one, leave_and_look, &original);
    pinion_pool_destroy(pool);
    pinion_loop_destroy(one);
    pinion_loop_destroy(two);
    assert_true(has_mask_of(&original));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_puts_back_what_it_and_its_tasks_change),
        cmocka_unit_test(errno_and_modes_are_each_fibers_own),
        cmocka_unit_test(who_left_its_seat_is_back_after_its_task),
    };
    return run_on_both(tests);
}
