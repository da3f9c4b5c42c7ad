/* SPDX-License-Identifier: MIT
 *
 * What fibers cost: to yield to each other, to be made and awaited, to pass words through a queue,
 * on one thread and between two; and how soon a thread that sleeps is woken by another.
 *
 * It measures throughput, and round trips of the wake. Nobody is pinned but pinion's workers, as
 * they are by default. It does not measure how long a single wait may take, nor work that moves
 * between threads, nor input and output.
 *
 * Unfair in it:
 * - tokio's tasks have no stack: a switch is a return and a call, but what they call can wait only
 *   if it is an async function too.
 * - Between two threads tokio and pinion have a runtime or a loop a thread, so each word crosses;
 *   goroutines may share a thread, and then pass many words before the other runs. crossbeam's are
 *   bare threads, which look for a while before they sleep.
 * - A channel's call passes one word: "by 16" stands beside words that pass one by one.
 * - The pairs of a wake carry a word and nothing else: nobody else runs on their threads.
 */
#include "contest.h"

#define ROUNDS 15

static const char about[] =
    "What fibers cost: yield, spawn and await, queues on one thread and between two, the wake of\n"
    "a thread that sleeps. An operation is one yield, one fiber, one word through the queue, a\n"
    "round trip of a wake.\n";

#define BATCH 16

/* Rows of contenders up to the first NULL. */
static void add(struct rounds *rounds, struct contender *const *peers,
                struct contender *const *ours, const struct contest *contest, const char *title)
{
    const struct rounds_row *rows[ROUNDS_PEERS_MAX];
    size_t count = 0;
    for (; peers[count]; count++)
        rows[count] = contest_row(rounds, peers[count], contest, title);
    for (; *ours; ours++) {
        struct rounds_row *row = contest_row(rounds, *ours, contest, title);
        for (size_t i = 0; i < count; i++)
            contest_compare(row, rows[i]);
    }
}

static void add_one_thread(struct rounds *rounds)
{
    static struct contender *const peers[] = {&contest_go, &contest_tokio, &contest_fiber, NULL};
    static struct contender *const ours[] = {&contest_loop, NULL};
    const struct contest yield = {.workload = "yield", .threads = 1, .repeats_min = 2};
    const struct contest spawn = {.workload = "spawn", .threads = 1};
    add(rounds, peers, ours, &yield, "yield");
    add(rounds, peers, ours, &spawn, "spawn and await");
}

static void add_queues(struct rounds *rounds)
{
    static struct contender crossbeam = {.name = "crossbeam", .program = "bench-crossbeam"};
    static struct contender by_16 = {
        .name = "pinion, loop, by 16", .program = "bench-pinion-loop", .arguments = {"by16"}};
    static struct contender *const on_one[] = {&contest_go, &contest_tokio, NULL};
    static struct contender *const on_two[] = {&contest_go, &contest_tokio, &crossbeam, NULL};
    static struct contender *const ours[] = {&contest_loop, &by_16, NULL};
    for (unsigned threads = 1; threads <= 2; threads++) {
        for (unsigned capacity = 64; capacity <= 1024; capacity *= 4) {
            const struct contest queue = {
                .workload = "queue", .threads = threads, .size = capacity, .repeats_min = BATCH};
            char title[64];
            (void)snprintf(title, sizeof title, "queue on %s, capacity %u",
                           threads == 1 ? "one thread" : "two threads", capacity);
            add(rounds, threads == 1 ? on_one : on_two, ours, &queue, title);
        }
    }
}

/* They sleep at once: what is measured is the wake. */
static void add_wake(struct rounds *rounds)
{
    static struct contender futex_pair = {.name = "futex pair", .program = "bench-bare"};
    static struct contender eventfd_pair = {.name = "eventfd pair", .program = "bench-bare"};
    static struct contender park = {
        .name = "pinion, loop, park", .program = "bench-pinion-loop", .arguments = {"park"}};
    const char *title = "wake of a thread that sleeps";
    const struct contest futex = {.workload = "futex", .threads = 2};
    const struct contest eventfd = {.workload = "eventfd", .threads = 2};
    const struct contest trip = {.workload = "trip", .threads = 2};
    const struct rounds_row *by_futex = contest_row(rounds, &futex_pair, &futex, title);
    struct rounds_row *by_eventfd = contest_row(rounds, &eventfd_pair, &eventfd, title);
    struct rounds_row *ours = contest_row(rounds, &park, &trip, title);
    contest_compare(by_eventfd, by_futex);
    contest_compare(ours, by_futex);
    contest_compare(ours, by_eventfd);
}

int main(int argc, char **argv)
{
    static struct rounds rounds;
    rounds_begin(&rounds, "fiber", about, ROUNDS, argc, argv);
    add_one_thread(&rounds);
    add_queues(&rounds);
    add_wake(&rounds);
    rounds_run(&rounds);
    child_end_all();
    return rounds_end(&rounds);
}
