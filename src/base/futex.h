/* SPDX-License-Identifier: MIT
 *
 * The kernel's futex, private to the process: how a thread of ours sleeps.
 */
#ifndef PN_FUTEX_H
#define PN_FUTEX_H

#include <stdint.h>

/* Sleeps while *address is expected, at most until deadline (ns of CLOCK_MONOTONIC; INT64_MAX: no
 * end). 0 when woken or when the value differs, which may be for no reason; -ETIMEDOUT. Keeps
 * errno. */
int pn_futex_wait(const _Atomic uint32_t *address, uint32_t expected, int64_t deadline);

/* Wakes up to count sleepers. The memory may be gone by now: only its address is used. Keeps
 * errno. */
void pn_futex_wake(const _Atomic uint32_t *address, int count);

/* CLOCK_MONOTONIC in nanoseconds. */
int64_t pn_now(void);

/* The deadline that comes after a duration: one that has passed for 0 and less; INT64_MAX for one
 * that is too far. */
int64_t pn_deadline_after(int64_t duration);

#endif
