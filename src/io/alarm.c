/* SPDX-License-Identifier: MIT */
#include "alarm.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "interrupt.h"
#include "process.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

/* The kernel's own calls: its timers are numbers, and libc's would be the process'. */
static bool make(struct pn_alarm *alarm, int signal)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = signal};
    event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
    if (syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &alarm->timer))
        return false;
    alarm->signal = signal;
    alarm->process = pn_process();
    return true;
}

static void set(const struct pn_alarm *alarm, int64_t at, int64_t interval)
{
    const struct itimerspec times = {
        .it_value = {(time_t)(at / 1000000000), (long)(at % 1000000000)},
        .it_interval = {(time_t)(interval / 1000000000), (long)(interval % 1000000000)}};
    (void)syscall(SYS_timer_settime, alarm->timer, TIMER_ABSTIME, &times, NULL);
}

bool pn_alarm_set(struct pn_alarm *alarm, int64_t at, int64_t interval)
{
    const int saved = errno;
    const int signal = pn_interrupt_signal();
    if (alarm->signal != signal)
        pn_alarm_fini(alarm);
    bool is_there = alarm->process == pn_process();
    if (!is_there && signal)
        is_there = make(alarm, signal);
    if (is_there)
        set(alarm, at, interval);
    errno = saved;
    return is_there;
}

void pn_alarm_clear(struct pn_alarm *alarm)
{
    const int saved = errno;
    set(alarm, 0, 0);
    errno = saved;
}

void pn_alarm_fini(struct pn_alarm *alarm)
{
    const int saved = errno;
    if (alarm->process == pn_process())
        (void)syscall(SYS_timer_delete, alarm->timer);
    alarm->process = PN_PROCESS_NONE;
    errno = saved;
}
