/* SPDX-License-Identifier: MIT
 *
 * How many system calls tasks take whose pool polls, counted from outside by strace.
 */
#ifndef PINION_BENCH_SPAWN_CALLS_H
#define PINION_BENCH_SPAWN_CALLS_H

#include "rounds.h"

/* Adds the figure, or a note why there is none. */
void spawn_count_calls(struct rounds *rounds);

#endif
