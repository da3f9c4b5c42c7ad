/* SPDX-License-Identifier: MIT
 *
 * pinion's fibers among the contenders: loops of one thread each.
 * usage: bench-pinion-loop [by16] [park]
 */
#include <pinion.h>

#include <pthread.h>
#include <string.h>

#include "serve.h"

#define BATCH_MAX    16
#define CAPACITY_MAX 1024
#define SPAWNED_MAX  64
#define MADE_AT_ONCE 64       /* of those that sleep */
#define PATIENCE_MIN 10000000 /* ns */

static struct pinion_loop_options options = {.cpu_count = 1, .plan = {.slice_count = 2}};
static size_t batch = 1;
static struct pinion_loop *loops[2];

static struct pinion_loop *make_loop(const struct pinion_loop_options *its)
{
    struct pinion_loop *loop;
    if (pinion_loop_create(its, &loop))
        serve_die("%s", pinion_error_detail());
    return loop;
}

/* Made when they are first asked for. Each has a part of the machine: two share no CPU. */
static struct pinion_loop *loop_at(unsigned index)
{
    options.plan.slice_index = index;
    if (!loops[index])
        loops[index] = make_loop(&options);
    return loops[index];
}

/* What a loop's first fiber is told. */
struct job {
    struct pinion_io *io;
    uint64_t size, repeats;
    void *shared;
};

/* Returns what the fiber does, which is an int64_t. */
static int64_t run_on(struct pinion_loop *loop, pinion_start_fn *start, const struct job *job)
{
    struct job its = *job;
    int64_t result;
    its.io = pinion_loop_io(loop);
    const struct pinion_call call = {start, &its, sizeof its, 0, sizeof result, sizeof result};
    const int error = pinion_loop_run(loop, &call, &result);
    if (error)
        serve_die("a loop does not run: %s", strerror(-error));
    return result;
}

static void check(int error)
{
    if (error)
        serve_die("no fiber: %s", strerror(-error));
}

/* ---- yield, spawn ---- */

/* Not twice in the program: two that do the same thing do it in the same code, as in a server. */
static __attribute__((noinline)) void yield_often(struct pinion_io *io, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        pinion_yield(io);
}

PINION_TASK(void, yield_times, (struct pinion_io *, io), (uint64_t, count))
{
    yield_often(io, count);
}

static void yield_both(const void *context, void *result)
{
    const struct job *job = context;
    struct yield_times_future other;
    const int64_t start = serve_now();
    check(yield_times_concurrent(job->io, &other, job->io, job->repeats / 2));
    yield_times(job->io, job->repeats - job->repeats / 2);
    yield_times_await(job->io, &other);
    *(int64_t *)result = serve_now() - start;
}

/* So many in all, of two that yield to each other. */
static int64_t run_yield(unsigned threads, uint64_t size, uint64_t repeats)
{
    (void)threads, (void)size;
    return run_on(loop_at(0), yield_both, &(struct job){.repeats = repeats});
}

PINION_TASK(void, nothing) {}

static void spawn_all(const void *context, void *result)
{
    const struct job *job = context;
    struct nothing_future futures[SPAWNED_MAX];
    const int64_t start = serve_now();
    for (uint64_t i = 0; i < job->repeats; i += job->size) {
        for (uint64_t j = 0; j < job->size; j++)
            check(nothing_concurrent(job->io, &futures[j]));
        for (uint64_t j = 0; j < job->size; j++)
            nothing_await(job->io, &futures[j]);
    }
    *(int64_t *)result = serve_now() - start;
}

/* So many, size of them at a time: a multiple of it. */
static int64_t run_spawn(unsigned threads, uint64_t size, uint64_t repeats)
{
    (void)threads;
    if (size > SPAWNED_MAX)
        serve_die("at most %d at a time", SPAWNED_MAX);
    return run_on(loop_at(0), spawn_all, &(struct job){.size = size, .repeats = repeats});
}

/* No time, but how many of 100 began as fibers; the rest ran in their await. */
static int64_t run_begun(unsigned threads, uint64_t size, uint64_t repeats)
{
    const uint64_t count = 1000 * size;
    struct pinion_loop_stats before, after;
    (void)repeats;
    pinion_loop_stats(loop_at(0), &before);
    (void)run_spawn(threads, size, count);
    pinion_loop_stats(loop_at(0), &after);
    return (int64_t)((after.started - before.started - 1) * 100 / count); /* 1: who spawns */
}

/* ---- queues ---- */

struct passing {
    struct pinion_queue queue;
    struct pinion_event ready;
    uint64_t storage[CAPACITY_MAX];
};

static void produce(struct pinion_io *io, struct passing *passing, uint64_t count)
{
    uint64_t words[BATCH_MAX];
    for (uint64_t next = 1; next <= count;) {
        for (size_t i = 0; i < batch; i++)
            words[i] = next++;
        if (pinion_queue_put(io, &passing->queue, words, batch, batch) != (ssize_t)batch)
            serve_die("a put was cut short by nobody");
    }
}

/* Returns the sum of all. */
PINION_TASK(uint64_t, consume, (struct pinion_io *, io), (struct passing *, passing),
            (uint64_t, count))
{
    uint64_t words[BATCH_MAX], sum = 0;
    pinion_event_set(io, &passing->ready);
    while (count) {
        const ssize_t got =
            pinion_queue_get(io, &passing->queue, words, count < batch ? count : batch, 1);
        if (got < 1)
            serve_die("a get was cut short by nobody");
        for (ssize_t i = 0; i < got; i++)
            sum += words[i];
        count -= (uint64_t)got;
    }
    return sum;
}

static void pass_on_one(const void *context, void *result)
{
    const struct job *job = context;
    struct consume_future consumer;
    check(consume_concurrent(job->io, &consumer, job->io, job->shared, job->repeats));
    (void)pinion_event_wait(job->io, &((struct passing *)job->shared)->ready);
    const int64_t start = serve_now();
    produce(job->io, job->shared, job->repeats);
    const uint64_t sum = consume_await(job->io, &consumer);
    *(int64_t *)result = serve_now() - start;
    if (sum != job->repeats * (job->repeats + 1) / 2)
        serve_die("a word was lost");
}

/* The other's part of what two do, on a thread of its own. */
struct other_side {
    pinion_start_fn *start;
    struct job job;
    pthread_t thread;
    int64_t result;
};

static void *run_other_side(void *argument)
{
    struct other_side *side = argument;
    side->result = run_on(loop_at(1), side->start, &side->job);
    return NULL;
}

static void start_thread(struct other_side *side, void *(*work)(void *side))
{
    const int error = pthread_create(&side->thread, NULL, work, side);
    if (error)
        serve_die("no thread: %s", strerror(error));
}

static void start_other_side(struct other_side *side)
{
    start_thread(side, run_other_side);
}

static void consume_there(const void *context, void *result)
{
    const struct job *job = context;
    *(int64_t *)result = (int64_t)consume(job->io, job->shared, job->repeats);
}

static void produce_here(const void *context, void *result)
{
    const struct job *job = context;
    (void)pinion_event_wait(job->io, &((struct passing *)job->shared)->ready);
    *(int64_t *)result = serve_now();
    produce(job->io, job->shared, job->repeats);
}

static int64_t pass_between_two(struct passing *passing, uint64_t repeats)
{
    const struct job job = {.shared = passing, .repeats = repeats};
    struct other_side consumer = {.start = consume_there, .job = job};
    start_other_side(&consumer);
    const int64_t start = run_on(loop_at(0), produce_here, &job);
    (void)pthread_join(consumer.thread, NULL);
    const int64_t ns = serve_now() - start;
    if ((uint64_t)consumer.result != repeats * (repeats + 1) / 2)
        serve_die("a word was lost");
    return ns;
}

/* Passes the words 1 to repeats, a multiple of batch. */
static int64_t run_queue(unsigned threads, uint64_t capacity, uint64_t repeats)
{
    static struct passing passing;
    if (capacity > CAPACITY_MAX)
        serve_die("a queue has at most %d places", CAPACITY_MAX);
    pinion_event_reset(&passing.ready);
    pinion_queue_init(&passing.queue, passing.storage, sizeof passing.storage[0], capacity);
    if (threads == 1)
        return run_on(loop_at(0), pass_on_one,
                      &(struct job){.shared = &passing, .repeats = repeats});
    return pass_between_two(&passing, repeats);
}

/* ---- round trips to a loop ---- */

struct trips {
    struct pinion_event ready; /* the one that answers is there */
    struct pinion_semaphore there, back;
};

static void answer(const void *context, void *result)
{
    const struct job *job = context;
    struct trips *trips = job->shared;
    serve_stay(); /* as its loop has it do */
    pinion_event_set(job->io, &trips->ready);
    for (uint64_t i = 0; i < job->repeats; i++) {
        (void)pinion_semaphore_wait(job->io, &trips->there);
        pinion_semaphore_post(job->io, &trips->back);
    }
    *(int64_t *)result = 0;
}

/* size: ns between trips. */
static void ask(const void *context, void *result)
{
    const struct job *job = context;
    struct trips *trips = job->shared;
    int64_t ns = 0;
    (void)pinion_event_wait(job->io, &trips->ready);
    for (uint64_t i = 0; i < job->repeats; i++) {
        if (job->size)
            (void)pinion_sleep(job->io, (int64_t)job->size);
        const int64_t start = serve_now();
        pinion_semaphore_post(job->io, &trips->there);
        (void)pinion_semaphore_wait(job->io, &trips->back);
        ns += serve_now() - start;
    }
    *(int64_t *)result = ns;
}

/* From a loop to another. */
static int64_t run_trip(unsigned threads, uint64_t gap_ns, uint64_t repeats)
{
    struct trips trips = {0};
    const struct job job = {.shared = &trips, .size = gap_ns, .repeats = repeats};
    struct other_side other = {.start = answer, .job = job};
    (void)threads;
    start_other_side(&other);
    const int64_t ns = run_on(loop_at(0), ask, &job);
    (void)pthread_join(other.thread, NULL);
    return ns;
}

static void *ask_from_thread(void *argument)
{
    struct other_side *side = argument;
    struct trips *trips = side->job.shared;
    (void)pinion_event_wait(side->job.io, &trips->ready);
    serve_part();
    ask(&side->job, &side->result);
    return NULL;
}

/* From a plain thread to a loop. */
static int64_t run_thread_trip(unsigned threads, uint64_t gap_ns, uint64_t repeats)
{
    struct trips trips = {0};
    const struct job job = {pinion_loop_io(loop_at(0)), gap_ns, repeats, &trips};
    struct other_side asker = {.job = job};
    (void)threads;
    start_thread(&asker, ask_from_thread);
    (void)run_on(loop_at(0), answer, &job);
    (void)pthread_join(asker.thread, NULL);
    return asker.result;
}

/* ---- many that sleep until one time ---- */

struct night {
    int64_t before, morning, made, woken, bytes, maps; /* before: of memory, at first */
    uint64_t asleep;
    bool is_in_time; /* all slept before it was over */
};

PINION_TASK(void, sleep_on, (struct pinion_io *, io), (struct night *, night))
{
    night->asleep++;
    (void)pinion_sleep_until(io, night->morning);
}

static int64_t last_maps;

static int64_t count_mappings(void)
{
    int64_t count = 0;
    FILE *file = fopen("/proc/self/maps", "re");
    if (!file)
        serve_die("/proc/self/maps can't be read");
    for (int c; (c = fgetc(file)) != EOF;)
        count += c == '\n';
    (void)fclose(file);
    return count;
}

/* size: how long to wait for all to sleep, ns; repeats: how many. */
static void sleep_together(const void *context, void *result)
{
    const struct job *job = context;
    struct night *night = job->shared;
    struct pinion_group group = PINION_GROUP_INIT;
    const struct sleep_on_args args = {job->io, night};
    const struct pinion_call call = sleep_on_call(&args);
    const int64_t start = serve_now();
    night->morning = start + (int64_t)job->size;
    for (uint64_t i = 0; i < job->repeats; i++) {
        check(pinion_group_concurrent(job->io, &group, &call));
        if (i % MADE_AT_ONCE == MADE_AT_ONCE - 1)
            pinion_yield(job->io);
    }
    while (night->asleep < job->repeats)
        pinion_yield(job->io);
    night->made = serve_now() - start;
    night->bytes = serve_resident_bytes() - night->before;
    night->maps = count_mappings();
    night->is_in_time = serve_now() < night->morning;
    (void)pinion_group_await(job->io, &group);
    night->woken = serve_now() - night->morning;
    *(int64_t *)result = 0;
}

static struct night sleep_well(uint64_t count)
{
    static uint64_t patience = 4000; /* ns for each; grows where it was too short */
    const struct pinion_loop_options its = {.cpu_count = 1, .stack_bytes = pinion_loop_stack_min()};
    const int64_t before = serve_resident_bytes();
    struct pinion_loop *loop = make_loop(&its);
    struct night night;
    for (;; patience *= 2) {
        night = (struct night){.before = before};
        const uint64_t size = patience * count + PATIENCE_MIN;
        (void)run_on(loop, sleep_together,
                     &(struct job){.size = size, .repeats = count, .shared = &night});
        if (night.is_in_time)
            break;
    }
    pinion_loop_destroy(loop);
    last_maps = night.maps;
    return night;
}

static int64_t run_made(unsigned threads, uint64_t count, uint64_t repeats)
{
    int64_t ns = 0;
    (void)threads;
    for (uint64_t i = 0; i < repeats; i++)
        ns += sleep_well(count).made;
    return ns;
}

static int64_t run_woken(unsigned threads, uint64_t count, uint64_t repeats)
{
    int64_t ns = 0;
    (void)threads;
    for (uint64_t i = 0; i < repeats; i++)
        ns += sleep_well(count).woken;
    return ns;
}

/* No time, but bytes. */
static int64_t run_bytes(unsigned threads, uint64_t count, uint64_t repeats)
{
    (void)threads, (void)repeats;
    return sleep_well(count).bytes;
}

/* No time, but how many mappings the process had when all slept, the last time. The system allows
 * some 65,000. */
static int64_t run_maps(unsigned threads, uint64_t count, uint64_t repeats)
{
    (void)threads, (void)count, (void)repeats;
    return last_maps;
}

int main(int argc, char **argv)
{
    static const struct serve_workload workloads[] = {
        {"yield", run_yield},
        {"spawn", run_spawn},
        {"queue", run_queue},
        {"trip", run_trip},
        {"thread-trip", run_thread_trip},
        {"made", run_made},
        {"woken", run_woken},
        {"bytes", run_bytes},
        {"maps", run_maps},
        {"begun", run_begun},
        {NULL, NULL},
    };
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "by16"))
            batch = BATCH_MAX;
        else if (!strcmp(argv[i], "park"))
            options.idle = PINION_IDLE_PARK;
        else
            serve_die("there is no argument '%s'", argv[i]);
    }
    const int status = serve(workloads);
    for (size_t i = 0; i < 2; i++)
        if (loops[i])
            pinion_loop_destroy(loops[i]);
    return status;
}
