/* SPDX-License-Identifier: MIT
 *
 * Time: asking for it and waiting for it.
 */
#ifndef PINION_CLOCK_H
#define PINION_CLOCK_H

#include <stdint.h>
#include <sys/types.h> /* clockid_t, also in strict C11, where time.h lacks it */

#include <pinion/api.h>
#include <pinion/io.h>

PINION_BEGIN

/* The time of a clock in ns; deadlines are of CLOCK_MONOTONIC. -EINVAL for a clock that the system
 * doesn't know. Not a cancelation point. Any thread. */
PINION_API int64_t pinion_now(struct pinion_io *io, clockid_t clock);

/* Waits for duration ns; without end for PINION_FOREVER, not at all for 0 and less. 0, or
 * -ECANCELED: a cancelation point whether or not it waits. Any thread. */
PINION_API int pinion_sleep(struct pinion_io *io, int64_t duration);

/* Waits until deadline (ns of CLOCK_MONOTONIC), not at all if it has passed. As pinion_sleep. */
PINION_API int pinion_sleep_until(struct pinion_io *io, int64_t deadline);

PINION_END

#endif
