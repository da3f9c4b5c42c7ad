/* SPDX-License-Identifier: MIT
 *
 * What it costs to start a task and await it: run in the caller, queued, in batches; beside a pool
 * with one mutex and one condition (reference_pool.h). And what many cost that nobody awaits, from
 * a thread that the pool does not know, until all have run; beside other pools (contest.h).
 *
 * Of the former it measures the throughput of one thread that starts and awaits, 32 bytes in and
 * out, of a function that does next to nothing. It does not measure how soon a worker takes a task
 * up, nor how many makers at a time get on, nor trees of tasks. Unfair in it: the peer has no
 * cancelation and no select, so it does less; its tasks are always run by its worker, while pinion
 * may run them in the caller, which is what it is made for; its memory is the program's malloc,
 * which is jemalloc where pinion is built with that.
 *
 * Of the latter, unfair: OpenMP knows no thread from outside, so one of its team makes its tasks,
 * and libgomp runs them at once where 64 a thread are queued; a thread that waits for oneTBB's
 * group runs its tasks; libuv's pool tells its loop of each end; GLib's has one function for all
 * tasks; the reference pool's are awaited. Every other thread that makes the tasks waits for their
 * end outside of the pool, and pinion has a worker less than the CPUs, since the thread that made
 * the pool counts for one.
 */
#include <inttypes.h>
#include <pinion.h>
#include <string.h>

#include "contest.h"
#include "reference_pool.h"
#include "rounds.h"
#include "spawn_calls.h"

#define ROUNDS 7
#define BATCH  64

static const char about[] =
    "What it costs to start a task and await it, 32 bytes in and out: run in the caller, queued,\n"
    "in batches; beside a pool with one mutex and one condition. And many that nobody awaits,\n"
    "from a thread that is no worker, until all have run; an operation is one of them. Not how\n"
    "soon a worker takes a task up, nor trees of tasks.\n";

/* 32 bytes of context, 32 of result. */
struct words {
    uint64_t words[4];
};

static void work(const void *context, void *result)
{
    const struct words *in = context;
    struct words *out = result;
    for (int i = 0; i < 4; i++)
        out->words[i] = in->words[i] + 1;
}

/* A pool of either kind, and how many tasks are under way at a time. */
struct maker {
    struct pinion_io *io;
    struct reference_pool *reference;
    unsigned batch;
};

/* Each task gives 2. */
static int64_t time_since(int64_t start, uint64_t sum, uint64_t n)
{
    const int64_t end = rounds_now();
    if (sum != 2 * n)
        rounds_die("%" PRIu64 " tasks gave %" PRIu64 ": one was lost", n, sum);
    return end - start;
}

static int64_t run_plain(void *unused, uint64_t n)
{
    struct words in = {{1}}, out;
    void (*volatile call)(const void *, void *) = work; /* not inlined: as a task is called */
    uint64_t sum = 0;
    (void)unused;
    const int64_t start = rounds_now();
    for (uint64_t i = 0; i < n; i++) {
        call(&in, &out);
        sum += out.words[0];
    }
    return time_since(start, sum, n);
}

static int64_t run_pinion(void *context, uint64_t n)
{
    const struct maker *maker = context;
    struct pinion_io *io = maker->io;
    struct words in = {{1}}, out[BATCH];
    struct pinion_future futures[BATCH];
    const struct pinion_call call = {work, &in, sizeof in, 0, sizeof out[0], 0};
    uint64_t sum = 0;
    const int64_t start = rounds_now();
    for (uint64_t done = 0; done < n; done += maker->batch) {
        for (unsigned i = 0; i < maker->batch; i++)
            pinion_async(io, &call, &out[i], &futures[i]);
        for (unsigned i = 0; i < maker->batch; i++) {
            pinion_await(io, &futures[i], &out[i]);
            sum += out[i].words[0];
        }
    }
    return time_since(start, sum, n);
}

static int64_t run_reference(void *context, uint64_t n)
{
    const struct maker *maker = context;
    struct words in = {{1}}, out;
    struct reference_task *tasks[BATCH];
    uint64_t sum = 0;
    const int64_t start = rounds_now();
    for (uint64_t done = 0; done < n; done += maker->batch) {
        for (unsigned i = 0; i < maker->batch; i++)
            if (!(tasks[i] = reference_async(maker->reference, work, &in, sizeof in, sizeof out)))
                rounds_die("out of memory");
        for (unsigned i = 0; i < maker->batch; i++) {
            reference_await(tasks[i], &out);
            sum += out.words[0];
        }
    }
    return time_since(start, sum, n);
}

static struct pinion_pool *make_pool(unsigned cpu_count, bool eager)
{
    const struct pinion_pool_options options = {.cpu_count = cpu_count, .eager = eager};
    struct pinion_pool *pool;
    if (pinion_pool_create(&options, &pool))
        rounds_die("%s", pinion_error_detail());
    return pool;
}

static void note_counters(struct rounds *rounds, const char *name, struct pinion_pool *pool)
{
    struct pinion_pool_stats stats;
    pinion_pool_stats(pool, &stats);
    rounds_note(
        rounds, "%s: inlined %" PRIu64 ", queued %" PRIu64 ", claimed %" PRIu64 ", stolen %" PRIu64,
        name, stats.inlined, stats.queued, stats.claimed, stats.stolen_near + stats.stolen_far);
}

/* Memory of the caller's closures while many tasks are queued that nobody may run yet. */
static void measure_bytes(struct rounds *rounds)
{
    enum { TASKS = 100000 };
    struct pinion_pool *pool = make_pool(2, true);
    struct pinion_io *io = pinion_pool_io(pool);
    static struct pinion_future futures[TASKS];
    static struct words in, out;
    const struct pinion_call call = {work, &in, sizeof in, 0, sizeof out, 0};
    for (int i = 0; i < TASKS; i++)
        pinion_async(io, &call, &out, &futures[i]);
    struct pinion_worker_stats caller;
    struct pinion_pool_stats stats;
    (void)pinion_pool_workers(pool, &caller, 1);
    pinion_pool_stats(pool, &stats);
    rounds_figure(rounds, (double)caller.arena_bytes / (double)stats.queued, "bytes",
                  "memory a queued task (closure, context, result)");
    for (int i = 0; i < TASKS; i++)
        pinion_await(io, &futures[i], &out);
    pinion_pool_destroy(pool);
}

static void add_rows(struct rounds *rounds, struct maker *makers, struct reference_pool *reference,
                     struct pinion_pool *const *pools)
{
    static const char *const names[] = {"pinion, in the caller", "pinion, lazy",
                                        "pinion, queued (eager)"};
    struct rounds_row *peers[2], *row;
    (void)rounds_row(rounds, run_plain, NULL, "plain call");
    for (int many = 0; many < 2; many++, makers++) {
        *makers = (struct maker){.reference = reference, .batch = many ? BATCH : 1};
        peers[many] = row = rounds_row(rounds, run_reference, makers, "%s: mutex+condition",
                                       many ? "64 at a time" : "one at a time");
        row->step = makers->batch;
    }
    for (int i = 0; i < 3; i++) {
        for (int many = 0; many < (i ? 2 : 1); many++, makers++) {
            *makers = (struct maker){.io = pinion_pool_io(pools[i]), .batch = many ? BATCH : 1};
            row = rounds_row(rounds, run_pinion, makers, "%s: %s",
                             many ? "64 at a time" : "one at a time", names[i]);
            row->step = makers->batch;
            row->peers[0] = peers[many];
        }
    }
}

/* ---- many from outside ---- */

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct rounds_row *add_many(struct rounds *rounds, struct contender *contender)
{
    static const uint64_t counts[] = {1000, 1000000, 10000000};
    const uint64_t n = counts[rounds->size];
    const struct contest contest = {
        .workload = "many", .threads = contest_cpus(), .size = n, .operations = n};
    return contest_row(rounds, contender, &contest, "many from outside");
}

static struct rounds_row *ours_of_many[2];

static void add_manies(struct rounds *rounds)
{
    static struct contender call = {.name = "malloc and call", .program = "bench-bare"};
    static struct contender *const peers[] = {
        &call,          &contest_libgomp, &contest_libomp, &contest_tbb,  &contest_rayon,
        &contest_tokio, &contest_uv,      &contest_go,     &contest_glib, &contest_reference,
        &contest_uncounted,
    };
    static struct contender *const ours[] = {&contest_lazy, &contest_eager};
    const struct rounds_row *rows[COUNT(peers)];
    for (size_t i = 0; i < COUNT(peers); i++)
        rows[i] = add_many(rounds, peers[i]);
    for (size_t i = 0; i < COUNT(ours); i++) {
        ours_of_many[i] = add_many(rounds, ours[i]);
        for (size_t j = 0; j < COUNT(rows); j++)
            contest_compare(ours_of_many[i], rows[j]);
    }
}

/* Of the last round. */
static void figure_shares(struct rounds *rounds)
{
    static struct contender *const ours[] = {&contest_lazy, &contest_eager};
    const struct contest elsewhere = {.workload = "elsewhere"};
    for (size_t i = 0; i < COUNT(ours); i++)
        if (rounds_chose(ours_of_many[i]))
            rounds_figure(rounds, (double)contest_ask(ours[i], &elsewhere) / 10, "%",
                          "many from outside, run by workers: %s", ours[i]->name);
}

int main(int argc, char **argv)
{
    static struct rounds rounds;
    rounds_begin(&rounds, "spawn", about, ROUNDS, argc, argv);
    struct pinion_pool *const pools[] = {make_pool(1, false), make_pool(2, false),
                                         make_pool(2, true)};
    struct reference_pool *reference = reference_pool_create(1);
    if (!reference)
        rounds_die("no thread for the peer");
    struct maker makers[7];
    add_rows(&rounds, makers, reference, pools);
    add_manies(&rounds);
    rounds_run(&rounds);
    note_counters(&rounds, "cpu_count 1", pools[0]);
    note_counters(&rounds, "lazy", pools[1]);
    note_counters(&rounds, "eager", pools[2]);
    figure_shares(&rounds);
    child_end_all();
    measure_bytes(&rounds);
    spawn_count_calls(&rounds);
    reference_pool_destroy(reference);
    for (int i = 0; i < 3; i++)
        pinion_pool_destroy(pools[i]);
    return rounds_end(&rounds);
}
