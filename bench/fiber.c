/* SPDX-License-Identifier: MIT
 *
 * What fibers cost: to yield to each other, to be made and awaited, to pass words through a queue,
 * on one thread and between two; and how soon who sleeps is woken by another thread.
 *
 * It measures throughput, and round trips of the wake. It does not measure how long a single wait
 * may take, nor work that moves between threads, nor input and output.
 *
 * "spawn and await" is a fiber that is awaited at once; pinion's await runs one in place that has
 * not begun, so no stack is switched there. "spawn 64, then await them" is where all have begun:
 * the first await waits.
 *
 * "wake and back" is a round trip between two that sleep at once, on a CPU each: two threads, of
 * pinion a plain thread and a fiber, or fibers of two loops.
 *
 * Unfair in it:
 * - tokio's tasks have no stack: a switch is a return and a call, but what they call can wait only
 *   if it is an async function too.
 * - Between two threads tokio and pinion have a runtime or a loop a thread, so each word crosses;
 *   goroutines may share a thread, and then pass many words before the other runs. crossbeam's are
 *   bare threads, which look for a while before they sleep. The spinning array's never sleep, and
 *   nobody can cancel, close or select them: it is a floor.
 * - pinion's loops are pinned to a CPU each, as two that share a machine by slices are. Go, tokio
 *   and crossbeam go where the system puts them, and may share a CPU, but "a CPU each".
 * - A channel's call passes one word: "by 16" stands beside words that pass one by one.
 * - The pairs of a wake carry a word and nothing else: nobody else runs on their threads.
 */
#include "contest.h"

#define ROUNDS 15

static const char about[] =
    "What fibers cost: yield, spawn and await, queues on one thread and between two, the wake of\n"
    "a thread that sleeps. An operation is one yield, one fiber, one word through the queue, a\n"
    "round trip of a wake.\n";

#define BATCH        16
#define PAUSED_TRIPS 40 /* of a round: the pauses are not counted */

/* Rows of contenders up to the first NULL. Returns ours, the last. */
static struct rounds_row *add(struct rounds *rounds, struct contender *const *peers,
                              struct contender *const *ours, const struct contest *contest,
                              const char *title)
{
    const struct rounds_row *rows[ROUNDS_PEERS_MAX];
    struct rounds_row *row = NULL;
    size_t count = 0;
    for (; peers[count]; count++)
        rows[count] = contest_row(rounds, peers[count], contest, title);
    for (; *ours; ours++) {
        row = contest_row(rounds, *ours, contest, title);
        for (size_t i = 0; i < count; i++)
            contest_compare(row, rows[i]);
    }
    return row;
}

static struct {
    const char *title;
    uint64_t size; /* at a time */
    const struct rounds_row *ours;
} spawns[] = {{"spawn and await", 1, NULL}, {"spawn 64, then await them", 64, NULL}};

#define SPAWNS (sizeof spawns / sizeof spawns[0])

static void add_one_thread(struct rounds *rounds)
{
    static struct contender *const peers[] = {&contest_go, &contest_tokio, &contest_fiber, NULL};
    static struct contender *const ours[] = {&contest_loop, NULL};
    const struct contest yield = {.workload = "yield", .threads = 1, .repeats_min = 2};
    (void)add(rounds, peers, ours, &yield, "yield");
    for (size_t i = 0; i < SPAWNS; i++) {
        const struct contest spawn = {.workload = "spawn",
                                      .threads = 1,
                                      .size = spawns[i].size,
                                      .repeats_min = spawns[i].size};
        spawns[i].ours = add(rounds, peers, ours, &spawn, spawns[i].title);
    }
}

/* Where one runs in its await it is no fiber. */
static void add_begun(struct rounds *rounds)
{
    for (size_t i = 0; i < SPAWNS; i++) {
        const struct contest begun = {.workload = "begun", .threads = 1, .size = spawns[i].size};
        if (rounds_chose(spawns[i].ours))
            rounds_figure(rounds, (double)contest_ask(&contest_loop, &begun), "%",
                          "%s, began as fibers: pinion, loop", spawns[i].title);
    }
}

static void add_queues(struct rounds *rounds)
{
    static struct contender crossbeam = {.name = "crossbeam", .program = "bench-crossbeam"};
    static struct contender apart = {
        .name = "crossbeam, a CPU each", .program = "bench-crossbeam", .arguments = {"apart"}};
    static struct contender array = {
        .name = "spinning array", .program = "bench-bare", .arguments = {"apart"}};
    static struct contender by_16 = {
        .name = "pinion, loop, by 16", .program = "bench-pinion-loop", .arguments = {"by16"}};
    static struct contender *const on_one[] = {&contest_go, &contest_tokio, NULL};
    static struct contender *const on_two[] = {&contest_go, &contest_tokio, &crossbeam,
                                               &apart,      &array,         NULL};
    static struct contender *const ours[] = {&contest_loop, &by_16, NULL};
    for (unsigned threads = 1; threads <= 2; threads++) {
        for (unsigned capacity = 64; capacity <= 1024; capacity *= 4) {
            const struct contest queue = {
                .workload = "queue", .threads = threads, .size = capacity, .repeats_min = BATCH};
            char title[64];
            (void)snprintf(title, sizeof title, "queue on %s, capacity %u",
                           threads == 1 ? "one thread" : "two threads", capacity);
            (void)add(rounds, threads == 1 ? on_one : on_two, ours, &queue, title);
        }
    }
}

/* They sleep at once, on a CPU each: what is measured is the wake. */
static void add_wakes(struct rounds *rounds, uint64_t gap_ns, const char *title)
{
    static struct contender futex_pair = {
        .name = "futex pair", .program = "bench-bare", .arguments = {"apart"}};
    static struct contender eventfd_pair = {
        .name = "eventfd pair", .program = "bench-bare", .arguments = {"apart"}};
    static struct contender thread_and_loop = {
        .name = "pinion, thread and loop", .program = "bench-pinion-loop", .arguments = {"park"}};
    static struct contender two_loops = {
        .name = "pinion, two loops", .program = "bench-pinion-loop", .arguments = {"park"}};
    static const struct {
        struct contender *contender;
        const char *workload;
        bool is_ours;
    } pairs[] = {{&futex_pair, "futex", false},
                 {&eventfd_pair, "eventfd", false},
                 {&thread_and_loop, "thread-trip", true},
                 {&two_loops, "trip", true}};
    struct rounds_row *rows[sizeof pairs / sizeof pairs[0]];
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        const uint64_t paused = rounds->size == ROUNDS_SMALL ? 2 : PAUSED_TRIPS;
        const struct contest trip = {.workload = pairs[i].workload,
                                     .threads = 2,
                                     .size = gap_ns,
                                     .repeats_max = gap_ns ? paused : 0};
        rows[i] = contest_row(rounds, pairs[i].contender, &trip, title);
        for (size_t j = 0; pairs[i].is_ours && j < i; j++)
            if (!pairs[j].is_ours)
                contest_compare(rows[i], rows[j]);
    }
}

int main(int argc, char **argv)
{
    static struct rounds rounds;
    rounds_begin(&rounds, "fiber", about, ROUNDS, argc, argv);
    add_one_thread(&rounds);
    add_queues(&rounds);
    add_wakes(&rounds, 0, "wake and back");
    add_wakes(&rounds, 1000000, "wake and back after 1 ms");
    rounds_run(&rounds);
    add_begun(&rounds);
    child_end_all();
    return rounds_end(&rounds);
}
