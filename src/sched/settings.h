/* SPDX-License-Identifier: MIT
 *
 * The PINION_* environment variables that shape a pool or a loop, read when one is made.
 */
#ifndef PN_SETTINGS_H
#define PN_SETTINGS_H

#include <pinion/plan.h>
#include <pinion/loop.h>
#include <pinion/pool.h>

/* PINION_CPUS, NULL if it is unset or empty. */
const char *pn_settings_cpus(void);

/* Fills what is still zero in *plan and *idle from PINION_PLACE, PINION_SLICE and PINION_IDLE. 0,
 * or -EINVAL with the error's detail if one of them does not parse, also where the field is set. */
int pn_settings_read(struct pinion_plan_options *plan, enum pinion_idle *idle);

/* The same for *backend and PINION_BACKEND. */
int pn_settings_backend(enum pinion_backend *backend);

/* "adaptive", "park" or "poll". */
const char *pn_idle_name(enum pinion_idle idle);

#endif
