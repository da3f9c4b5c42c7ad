/* SPDX-License-Identifier: MIT */
#include "futex.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "atomic.h"

int pn_futex_wait(const _Atomic uint32_t *address, uint32_t expected, int64_t deadline)
{
    const int saved = errno;
    struct timespec until, *timeout = NULL;
    if (deadline != INT64_MAX) {
        if (deadline < 0)
            deadline = 0;
        until.tv_sec = (time_t)(deadline / 1000000000);
        until.tv_nsec = (long)(deadline % 1000000000);
        timeout = &until;
    }
    /* WAIT_BITSET takes an absolute timeout, so a wait that is resumed doesn't stretch it. */
    long outcome = syscall(SYS_futex, address, FUTEX_WAIT_BITSET_PRIVATE, expected, timeout, NULL,
                           FUTEX_BITSET_MATCH_ANY);
    int error = outcome < 0 && errno == ETIMEDOUT ? -ETIMEDOUT : 0;
    errno = saved;
    return error;
}

void pn_futex_wake(const _Atomic uint32_t *address, int count)
{
    const int saved = errno;
    (void)syscall(SYS_futex, address, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
    errno = saved;
}

int64_t pn_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t pn_deadline_after(int64_t duration)
{
    if (duration <= 0)
        return 0;
    const int64_t now = pn_now();
    return duration < INT64_MAX - now ? now + duration : INT64_MAX;
}
