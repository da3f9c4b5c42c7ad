/* SPDX-License-Identifier: MIT
 *
 * What a parallel loop over many cheap iterations costs: a sum of hashes, compiled once for all.
 *
 * pinion divides the loop while it runs, by how long parts take; OpenMP's static schedule gives
 * each thread one part at the start, which is the best there is where every iteration takes the
 * same time and nobody else wants a CPU, as here; oneTBB and rayon divide while they run, too.
 */
#include "contest.h"

#define ROUNDS 15

static const char about[] =
    "A parallel loop over 1e8 cheap iterations (--size small: 1e5, large: 1e9), beside OpenMP's\n"
    "static schedule. An operation is one loop.\n";

int main(int argc, char **argv)
{
    static const uint64_t ends[] = {100000, 100000000, 1000000000};
    static struct contender *const peers[] = {&contest_processes, &contest_libgomp, &contest_libomp,
                                              &contest_tbb, &contest_rayon};
    static struct rounds rounds;
    const struct rounds_row *rows[sizeof peers / sizeof peers[0]];
    rounds_begin(&rounds, "loop", about, ROUNDS, argc, argv);
    const struct contest contest = {
        .workload = "loop", .threads = contest_cpus(), .size = ends[rounds.size]};
    struct contest shares = contest;
    shares.repeats_min = contest.threads;
    for (size_t i = 0; i < sizeof peers / sizeof peers[0]; i++)
        rows[i] = contest_row(&rounds, peers[i],
                              peers[i] == &contest_processes ? &shares : &contest, "loop");
    struct rounds_row *row = contest_row(&rounds, &contest_lazy, &contest, "loop");
    for (size_t i = 0; i < sizeof peers / sizeof peers[0]; i++)
        contest_compare(row, rows[i]);
    rounds_run(&rounds);
    child_end_all();
    return rounds_end(&rounds);
}
