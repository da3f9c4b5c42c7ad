/* SPDX-License-Identifier: MIT
 *
 * Rows in which contenders, each a program of its own, do the same workload: pinion, its peers, and
 * floors, which do it by hand and promise nothing. A contender is started when its first row is
 * measured, and stopped (as by ^Z) while others are, so that threads of it that look for work are
 * in nobody's way.
 */
#ifndef PINION_BENCH_CONTEST_H
#define PINION_BENCH_CONTEST_H

#include <limits.h>

#include "peers/child.h"
#include "rounds.h"

struct contender {
    const char *name;    /* as users know it; may be under several, each a process */
    const char *program; /* in the folder peers beside the benchmark */
    const char *arguments[CHILD_ARGUMENTS_MAX]; /* NULL: no more */
    const char *note; /* what it does more or less than pinion; NULL: nothing */
    char path[PATH_MAX];
    struct child child;
};

extern struct contender contest_lazy, contest_eager, contest_uncounted, contest_park, contest_poll,
    contest_processes, contest_tbb, contest_libgomp, contest_libomp, contest_rayon, contest_tokio,
    contest_go, contest_fiber, contest_glib, contest_uv, contest_reference, contest_loop;

/* What a contender is asked to do. */
struct contest {
    const char *workload;
    unsigned threads; /* the caller's included */
    uint64_t size;
    uint64_t operations;  /* that one repeat counts as; 0: 1 */
    uint64_t repeats_min; /* repeats are a multiple of it; 0: 1 */
    uint64_t repeats_max; /* for what takes long without being counted; 0: as the time allows */
};

/* Adds a row: "TITLE: NAME". NULL, and a note, if the contender was not built. */
struct rounds_row *contest_row(struct rounds *rounds, struct contender *contender,
                               const struct contest *contest, const char *title);

/* Adds peer to what row is compared with; either may be NULL. */
void contest_compare(struct rounds_row *row, const struct rounds_row *peer);

/* Asks a contender that is running for a number. */
int64_t contest_ask(struct contender *contender, const struct contest *contest);

/* Where its program is, or would be. */
const char *contest_path(struct contender *contender);

/* How many CPUs this process may run on: as many threads as contenders have. */
unsigned contest_cpus(void);

#endif
