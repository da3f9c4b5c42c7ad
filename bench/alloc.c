/* SPDX-License-Identifier: MIT
 *
 * What memory costs that one thread takes and another gives back, as a closure that one worker
 * makes and another runs: 128 bytes, handed over by a ring of 256 places that both look at.
 *
 * The floor hands over blocks that are there already. Measured is a stream, in one direction, of
 * blocks of one size that are written to once; not: many threads, other sizes, what stays
 * allocated. Unfair in it: pinion's slab is for blocks of 64 to 512 bytes whose owner is known, so
 * it does less than a malloc.
 */
#include "contest.h"

#define ROUNDS 15

static const char about[] =
    "Memory that one thread takes and another gives back: 128 bytes, through a ring of 256 "
    "places.\n"
    "An operation is one block: taken, written to, handed over, read, given back.\n";

int main(int argc, char **argv)
{
    static struct contender peers[] = {
        {.name = "no malloc", .program = "bench-pair", .arguments = {"none"}},
        {.name = "glibc", .program = "bench-pair"},
        {.name = "mimalloc", .program = "bench-pair-mimalloc"},
        {.name = "jemalloc", .program = "bench-pair-jemalloc"},
    };
    static struct contender slab = {.name = "pinion's slab", .program = "bench-pair-slab"};
    static struct rounds rounds;
    const struct contest contest = {.workload = "pair", .threads = 2, .size = 128};
    const struct rounds_row *rows[sizeof peers / sizeof peers[0]];
    rounds_begin(&rounds, "alloc", about, ROUNDS, argc, argv);
    for (size_t i = 0; i < sizeof peers / sizeof peers[0]; i++)
        rows[i] = contest_row(&rounds, &peers[i], &contest, "there and back");
    struct rounds_row *row = contest_row(&rounds, &slab, &contest, "there and back");
    for (size_t i = 0; i < sizeof peers / sizeof peers[0]; i++)
        contest_compare(row, rows[i]);
    rounds_run(&rounds);
    child_end_all();
    return rounds_end(&rounds);
}
