/* SPDX-License-Identifier: MIT
 *
 * How a benchmark's figures are printed, and what is computed for that: see rounds.h.
 */
#ifndef PINION_BENCH_ROUNDS_PRINT_H
#define PINION_BENCH_ROUNDS_PRINT_H

#include "rounds.h"

/* Both return 0, or 1 if stdout did not take it. */
int rounds_print(const struct rounds *rounds);
int rounds_print_names(const struct rounds *rounds);

#endif
