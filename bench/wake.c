/* SPDX-License-Identifier: MIT
 *
 * How soon another thread takes something up, and how soon that is known here: round trips, fan-out
 * and bursts.
 *
 * A round trip goes from a thread that is no worker to another thread and back; pinion's is a
 * concurrent task on a reserve thread that is there already, so that await can't run it itself.
 * "back to back" finds everybody awake who ever looks for work before sleeping; "after 1 ms" finds
 * them asleep. A fan-out is 64 tasks of some 10 µs, then a wait for all, by a thread that works
 * with them. A burst is 32 parallel tasks, a thread for each, beside threads made and joined.
 *
 * Unfair in it: the mailbox and the futex pair carry one word and can be neither canceled nor
 * selected; rayon's and oneTBB's caller looks for its answer all the time where trips are back to
 * back, which costs it a CPU, and so does pinion's where it polls. tokio's and Go's answers come by
 * what their users await.
 */
#include "contest.h"
#include "peers/work.h"

#define ROUNDS       15
#define PAUSED_TRIPS 40 /* of a round: the pauses are not counted */

static const char about[] =
    "How soon another thread takes something up, and how soon that is known here: round trips\n"
    "from outside, fan-out of 64 times 10 µs (beside a split by hand), bursts of 32 parallel "
    "tasks\n"
    "(beside threads made and joined). An operation is a trip, a fan-out, a burst.\n";

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct contender slot_pair = {.name = "spinning mailbox", .program = "bench-bare"};
static struct contender futex_pair = {.name = "futex pair", .program = "bench-bare"};
static struct contender split = {.name = "split by hand", .program = "bench-bare"};
static struct contender made = {.name = "pthread_create", .program = "bench-bare"};

static void add_trips(struct rounds *rounds, uint64_t gap_ns, unsigned threads)
{
    static struct contender *const peers[] = {&contest_tokio, &contest_tbb, &contest_rayon,
                                              &contest_go, &contest_reference};
    static struct contender *const ours[] = {&contest_lazy, &contest_park, &contest_poll};
    const char *title = gap_ns ? "round trip after 1 ms" : "round trip back to back";
    const struct contest trip = {.workload = "trip",
                                 .threads = threads,
                                 .size = gap_ns,
                                 .repeats_max = gap_ns ? PAUSED_TRIPS : 0};
    struct contest mailbox = trip, futex = trip;
    mailbox.workload = "mailbox";
    futex.workload = "futex";
    const struct rounds_row *rows[2 + COUNT(peers)] = {NULL};
    rows[0] = gap_ns ? NULL : contest_row(rounds, &slot_pair, &mailbox, title);
    rows[1] = contest_row(rounds, &futex_pair, &futex, title);
    for (size_t i = 0; i < COUNT(peers); i++)
        rows[2 + i] = contest_row(rounds, peers[i], &trip, title);
    for (size_t i = 0; i < COUNT(ours) - (gap_ns ? 1 : 0); i++) {
        struct rounds_row *row = contest_row(rounds, ours[i], &trip, title);
        for (size_t j = 0; j < COUNT(rows); j++)
            contest_compare(row, rows[j]);
    }
}

/* How many steps take that long: as many as at the best of several times. */
static uint64_t steps_of(int64_t wanted_ns)
{
    const uint64_t steps = 100000;
    int64_t best = INT64_MAX;
    for (int i = 0; i < 50; i++) {
        const int64_t start = rounds_now();
        (void)work_spin(steps);
        const int64_t ns = rounds_now() - start;
        best = ns < best ? ns : best;
    }
    return steps * (uint64_t)wanted_ns / (uint64_t)(best > 0 ? best : 1) + 1;
}

static void add_fan(struct rounds *rounds, unsigned threads)
{
    static struct contender *const peers[] = {
        &split,           &contest_tbb,    &contest_rayon, &contest_tokio,
        &contest_libgomp, &contest_libomp, &contest_go,    &contest_reference,
    };
    /* A process of its own: what looks for tasks here would be in the way of round trips. */
    static struct contender poll = {
        .name = "pinion, poll", .program = "bench-pinion", .arguments = {"poll"}};
    static struct contender *const ours[] = {&contest_lazy, &poll};
    const struct contest contest = {.workload = "fan",
                                    .threads = threads,
                                    .size = steps_of(rounds->size == ROUNDS_SMALL ? 100 : 10000)};
    const char *title = "fan-out of 64 x 10 µs";
    const struct rounds_row *rows[COUNT(peers)];
    for (size_t i = 0; i < COUNT(peers); i++)
        rows[i] = contest_row(rounds, peers[i], &contest, title);
    for (size_t i = 0; i < COUNT(ours); i++) {
        struct rounds_row *row = contest_row(rounds, ours[i], &contest, title);
        for (size_t j = 0; j < COUNT(rows); j++)
            contest_compare(row, rows[j]);
    }
}

static void add_burst(struct rounds *rounds, unsigned threads)
{
    static struct contender *const ours[] = {&contest_lazy, &contest_park};
    const struct contest contest = {.workload = "burst", .threads = threads, .size = 32};
    const struct rounds_row *peer = contest_row(rounds, &made, &contest, "burst of 32 parallel");
    for (size_t i = 0; i < COUNT(ours); i++)
        contest_compare(contest_row(rounds, ours[i], &contest, "burst of 32 parallel"), peer);
}

int main(int argc, char **argv)
{
    static struct rounds rounds;
    const unsigned cpus = contest_cpus();
    rounds_begin(&rounds, "wake", about, ROUNDS, argc, argv);
    add_trips(&rounds, 0, cpus);
    add_trips(&rounds, 1000000, cpus);
    add_fan(&rounds, cpus);
    add_burst(&rounds, cpus);
    rounds_run(&rounds);
    child_end_all();
    return rounds_end(&rounds);
}
