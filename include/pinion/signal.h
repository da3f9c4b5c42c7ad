/* SPDX-License-Identifier: MIT
 *
 * A signal as something to wait for.
 */
#ifndef PINION_SIGNAL_H
#define PINION_SIGNAL_H

#include <signal.h>
#include <stdint.h>
#include <sys/select.h> /* sigset_t, also in strict C11, where signal.h lacks it */

#include <pinion/api.h>
#include <pinion/io.h>

PINION_BEGIN

/* Waits for one of the signals of set, takes it and returns its number. They must be blocked in
 * every thread of the program (as main should do first of all), else their handler or default
 * action may run instead; pinion's own threads block them already.
 * Errors: -ETIMEDOUT at the deadline (ns of CLOCK_MONOTONIC; one in the past polls), -ECANCELED (a
 * cancelation point), -EINVAL (set is empty; or names SIGKILL, SIGSTOP, or the signal that cancels
 * use). A signal that was taken is returned, never lost to a cancel. After sigtimedwait(2). Any
 * thread. */
PINION_API int pinion_signal_wait(struct pinion_io *io, const sigset_t *set, int64_t deadline);

PINION_END

#endif
