/* SPDX-License-Identifier: MIT
 *
 * Deadlines of calls whose thread is slow on its way to them: the alarm comes before the call is
 * made, as on a machine that is busy.
 */
#include "interrupt_support.h"

#include <stdarg.h>

#include "call.h"
#include "futex.h"

/* So many alarms, once set, have come before the thread goes on. */
static unsigned slow_alarms;

static void be_slow(const struct itimerspec *times)
{
    const bool is_set = times->it_value.tv_sec || times->it_value.tv_nsec;
    if (slow_alarms == 0 || !is_set)
        return;
    slow_alarms--;
    until(pn_load_relaxed(&pn_interrupt_here.caller.stub.is_canceled));
}

/* libc's, which the linker diverts. */
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

long __wrap_syscall(long number, ...)
{
    long a[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    const long result = __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (number == SYS_timer_settime)
        be_slow((const struct itimerspec *)a[2]);
    return result;
}

static void a_call_that_its_thread_comes_to_late_gives_what_is_there(void **state)
{
    (void)state;
    char byte;
    const struct pn_system_call *read =
        PN_SYSTEM_CALL(SYS_read, pipe_ends[0], PN_ADDRESS(&byte), 1);
    for (int64_t soon = 0; soon < 2; soon++) {
        put_byte('t');
        slow_alarms = 3;
        assert_int_equal(pn_syscall(read, true, soon * (pn_now() + 100000)), 1);
        assert_int_equal(slow_alarms, 0);
        assert_true(pipe_is_empty());
    }
}

static void one_that_waits_is_ended_all_the_same(void **state)
{
    (void)state;
    char byte;
    slow_alarms = 2;
    assert_int_equal(
        pn_syscall(PN_SYSTEM_CALL(SYS_read, pipe_ends[0], PN_ADDRESS(&byte), 1), true, 0),
        PN_LATE);
    assert_int_equal(slow_alarms, 0);
}

static void a_request_ends_one_that_was_not_made_yet(void **state)
{
    (void)state;
    struct pinion_task task;
    char byte;
    enter_task(&task);
    pn_cancel_request(&task);
    slow_alarms = 1;
    assert_int_equal(
        pn_syscall(PN_SYSTEM_CALL(SYS_read, pipe_ends[0], PN_ADDRESS(&byte), 1), true, 0),
        -ECANCELED);
    pn_context()->task = NULL;
}

static void a_deadline_that_has_passed_takes_what_is_there_on_a_slow_thread_too(void **state)
{
    (void)state;
    char byte;
    struct pn_operation write =
        pn_operation(SYS_write, pipe_ends[1], PN_ADDRESS("s"), 1, 0, 0, 0);
    write.writable = pipe_ends[1];
    slow_alarms = 2;
    assert_int_equal(pn_perform_in_thread(&write, PN_UNCANCELABLE(0)), 1);
    assert_int_equal(slow_alarms, 0);
    assert_int_equal(read(pipe_ends[0], &byte, 1), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_that_its_thread_comes_to_late_gives_what_is_there),
        cmocka_unit_test(one_that_waits_is_ended_all_the_same),
        cmocka_unit_test(a_request_ends_one_that_was_not_made_yet),
        cmocka_unit_test(a_deadline_that_has_passed_takes_what_is_there_on_a_slow_thread_too),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
