/* SPDX-License-Identifier: MIT
 *
 * The parts of the program that is pinion among the contenders.
 */
#ifndef PINION_BENCH_OURS_H
#define PINION_BENCH_OURS_H

#include <pinion.h>

#include "serve.h"

/* The io of a pool that counts on so many CPUs, as the program's argument has it, made by the
 * calling thread; it stays until another number is asked for. */
struct pinion_io *contender_io(unsigned threads);

serve_run_fn contend_tree, contend_sort, contend_matrix, contend_queens;

#endif
