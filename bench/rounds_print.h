/* SPDX-License-Identifier: MIT
 *
 * How a benchmark's figures are printed and drawn, and what is computed for that: see rounds.h.
 */
#ifndef PINION_BENCH_ROUNDS_PRINT_H
#define PINION_BENCH_ROUNDS_PRINT_H

#include "rounds.h"

/* Both return 0, or 1 if stdout did not take it. */
int rounds_print(const struct rounds *rounds);
int rounds_print_names(const struct rounds *rounds);

/* Draws to rounds->svg. 0, or 1 and a complaint. */
int rounds_draw(const struct rounds *rounds);

/* Of a row's rounds. */
double rounds_median(const struct rounds *rounds, const struct rounds_row *row);

#endif
