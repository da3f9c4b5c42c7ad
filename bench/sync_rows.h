/* SPDX-License-Identifier: MIT
 *
 * The parts of bench-sync: each adds its rows. What they need is theirs, and lives as long as the
 * program.
 */
#ifndef PINION_BENCH_SYNC_ROWS_H
#define PINION_BENCH_SYNC_ROWS_H

#include <pinion.h>

#include "rounds.h"

struct sync_pools {
    struct pinion_io *adaptive, *park;
};

void sync_add_locks(struct rounds *rounds, const struct sync_pools *pools);
void sync_add_wakes(struct rounds *rounds, const struct sync_pools *pools);

/* Starts the program of the Go peer, if it was built. */
void sync_add_queues(struct rounds *rounds, const struct sync_pools *pools);

#endif
