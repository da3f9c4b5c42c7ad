/* SPDX-License-Identifier: MIT */
#include "top.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct top_sort_key top_sort_keys[TOP_SORTS] = {
    [TOP_BY_SEAT] = {"seat", 'n', "the order of their seats"},
    [TOP_BY_TASKS] = {"tasks", 't', "tasks that ran there"},
    [TOP_BY_STEALS] = {"steals", 's', "tasks that it took from others"},
    [TOP_BY_PARKS] = {"parks", 'p', "times that it went to sleep"},
    [TOP_BY_QUEUE] = {"queue", 'u', "tasks in its queue"},
    [TOP_BY_DELAY] = {"delay", 'd', "time in want of a CPU"},
    [TOP_BY_ARENA] = {"arena", 'a', "memory of its closures"},
    [TOP_BY_SINCE] = {"since", 'w', "time in its state"},
};

bool top_sort_parse(const char *name, enum top_sort *sort)
{
    for (int i = 0; i < TOP_SORTS; i++) {
        if (strcmp(name, top_sort_keys[i].name) == 0) {
            *sort = (enum top_sort)i;
            return true;
        }
    }
    return false;
}

/* ---- what was done between two looks ---- */

/* It is where it was before, mostly. Of one that was not there, all that it did was done since. */
static const struct top_row *before_of(const struct top_crew *crew, unsigned place,
                                       const char *name)
{
    static const struct top_row nothing;
    for (unsigned i = 0; crew && i < crew->row_count; i++) {
        const struct top_row *row = &crew->rows[(place + i) % crew->row_count];
        if (strcmp(row->now.name, name) == 0)
            return row;
    }
    return &nothing;
}

static double rate(uint64_t now, uint64_t before, double seconds)
{
    return now > before && seconds > 0 ? (double)(now - before) / seconds : 0;
}

static uint64_t ran(const struct pinion_watch_worker *worker)
{
    return worker->tasks + worker->claimed + worker->inlined;
}

static bool is_busy(const struct pinion_watch_worker *worker)
{
    return worker->state == PINION_WATCH_RUNNING || worker->state == PINION_WATCH_IN_CALL;
}

/* What the kernel says is of the thread, and may be as it was. */
static void fill_shares(struct top_row *row, const struct top_row *before)
{
    const struct pinion_watch_worker *now = &row->now, *was = &before->now;
    const double seconds = (double)(now->asked_at - was->asked_at) / 1e9;
    row->has_shares = now->thread == was->thread && (seconds > 0 || before->has_shares);
    if (!row->has_shares)
        return;
    row->run = seconds > 0 ? rate(now->run_ns, was->run_ns, seconds) / 1e9 : before->run;
    row->delay = seconds > 0 ? rate(now->delay_ns, was->delay_ns, seconds) / 1e9 : before->delay;
}

static void fill(struct top_row *row, const struct pinion_watch_worker *now,
                 const struct top_row *row_before, int64_t time, double seconds)
{
    const struct pinion_watch_worker *before = &row_before->now;
    *row = (struct top_row){.now = *now, .count = 1, .busy = is_busy(now)};
    row->ran = rate(ran(now), ran(before), seconds);
    row->inlined = rate(now->inlined, before->inlined, seconds);
    row->near = rate(now->stolen_near, before->stolen_near, seconds);
    row->far = rate(now->stolen_far, before->stolen_far, seconds);
    row->parks = rate(now->parked, before->parked, seconds);
    row->searches = rate(now->searched, before->searched, seconds);
    row->submits = rate(now->submitted, before->submitted, seconds);
    row->completions = rate(now->completed, before->completed, seconds);
    row->waits = rate(now->waits, before->waits, seconds);
    fill_shares(row, row_before);
    row->since = (double)(time - now->state_since) / 1e9;
    if (now->longest.since && now->longest.since < time)
        row->fiber_waits = (double)(time - now->longest.since) / 1e9;
}

static void add(struct top_row *sum, const struct top_row *row)
{
    struct pinion_watch_worker *now = &sum->now;
    sum->count += row->count;
    sum->busy += row->busy;
    sum->ran += row->ran;
    sum->inlined += row->inlined;
    sum->near += row->near;
    sum->far += row->far;
    sum->parks += row->parks;
    sum->searches += row->searches;
    sum->submits += row->submits;
    sum->completions += row->completions;
    sum->waits += row->waits;
    sum->has_shares |= row->has_shares;
    sum->run += row->run;
    sum->delay += row->delay;
    sum->since = row->since > sum->since ? row->since : sum->since;
    now->queued_now += row->now.queued_now;
    now->arena_bytes += row->now.arena_bytes;
    now->local_bytes += row->now.local_bytes;
    now->remote_bytes += row->now.remote_bytes;
    now->fibers += row->now.fibers;
    now->submitted += row->now.submitted;
    now->completed += row->now.completed;
}

static const struct top_crew *crew_of(const struct top *top, uint64_t id)
{
    for (unsigned i = 0; i < top->crew_count; i++)
        if (top->crews[i].now.id == id)
            return &top->crews[i];
    return NULL;
}

static bool take_crew(const struct top *top, const struct pinion_watch_crew *now, int64_t time,
                      double seconds, struct top_crew *crew)
{
    const struct top_crew *before = crew_of(top, now->id);
    *crew = (struct top_crew){.now = *now};
    crew->rows = calloc(now->worker_count + (size_t)1, sizeof crew->rows[0]);
    crew->order = calloc(now->worker_count + (size_t)1, sizeof crew->order[0]);
    if (!crew->rows || !crew->order)
        return false;
    for (unsigned i = 0; i < now->worker_count; i++) {
        const struct pinion_watch_worker *worker = &now->workers[i];
        if (worker->state == PINION_WATCH_ABSENT)
            continue;
        const unsigned place = crew->row_count++;
        struct top_row *row = &crew->rows[place];
        crew->order[place] = row;
        fill(row, worker, before_of(before, place, worker->name), time, seconds);
        add(&crew->total, row);
    }
    return true;
}

static void free_crews(struct top_crew *crews, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        free(crews[i].rows);
        free(crews[i].order);
    }
    free(crews);
}

int top_look(struct top *top)
{
    const struct pinion_watch_crew *now;
    const int error = top->time ? pinion_watch_refresh(top->watch) : 0; /* open looked, too */
    if (error)
        return error;
    const unsigned count = pinion_watch_crews(top->watch, &now);
    const int64_t time = pinion_watch_time(top->watch);
    const double seconds = top->time ? (double)(time - top->time) / 1e9 : 0;
    struct top_crew *crews = calloc(count + (size_t)1, sizeof crews[0]);
    if (!crews)
        return -ENOMEM;
    for (unsigned i = 0; i < count; i++) {
        if (!take_crew(top, &now[i], time, seconds, &crews[i])) {
            free_crews(crews, i + 1);
            return -ENOMEM;
        }
    }
    free_crews(top->crews, top->crew_count);
    top->crews = crews;
    top->crew_count = count;
    top->time = time;
    top->elapsed = seconds;
    return 0;
}

void top_forget(struct top *top)
{
    free_crews(top->crews, top->crew_count);
    top->crews = NULL;
    top->crew_count = 0;
}

/* ---- sorting ---- */

static double key_of(const struct top_row *row, enum top_sort sort)
{
    switch (sort) {
    case TOP_BY_TASKS:
        return row->ran;
    case TOP_BY_STEALS:
        return row->near + row->far;
    case TOP_BY_PARKS:
        return row->parks;
    case TOP_BY_QUEUE:
        return (double)row->now.queued_now;
    case TOP_BY_DELAY:
        return row->delay;
    case TOP_BY_ARENA:
        return (double)row->now.arena_bytes;
    case TOP_BY_SINCE:
        return row->since;
    default:
        return 0;
    }
}

static int compare_rows(const void *a, const void *b, void *context)
{
    const struct top_row *one = *(const struct top_row *const *)a;
    const struct top_row *other = *(const struct top_row *const *)b;
    const enum top_sort sort = *(const enum top_sort *)context;
    const double key = key_of(one, sort), other_key = key_of(other, sort);
    if (key != other_key)
        return key < other_key ? 1 : -1;
    return (one > other) - (one < other); /* as they were made */
}

void top_sort_rows(struct top *top)
{
    for (unsigned i = 0; i < top->crew_count; i++)
        qsort_r(top->crews[i].order, top->crews[i].row_count, sizeof top->crews[i].order[0],
                compare_rows, &top->sort);
}

/* ---- folding ---- */

static int compare_nodes(const void *a, const void *b)
{
    const unsigned one = ((const struct top_row *)a)->now.node;
    const unsigned other = ((const struct top_row *)b)->now.node;
    return (one > other) - (one < other);
}

static struct top_row *sum_of_node(struct top_row *sums, unsigned *count, unsigned node)
{
    for (unsigned i = 0; i < *count; i++)
        if (sums[i].now.node == node)
            return &sums[i];
    struct top_row *sum = &sums[(*count)++];
    sum->now.node = node;
    sum->now.cpu = -1;
    (void)snprintf(sum->now.name, sizeof sum->now.name, node == PINION_NO_NODE ? "nodeless" :
                   "node %u", node % 100000u);
    return sum;
}

struct top_row *top_fold(const struct top_crew *crew, unsigned *count)
{
    struct top_row *sums = calloc(crew->row_count + (size_t)1, sizeof sums[0]);
    *count = 0;
    if (!sums)
        return NULL;
    for (unsigned i = 0; i < crew->row_count; i++)
        add(sum_of_node(sums, count, crew->rows[i].now.node), &crew->rows[i]);
    qsort(sums, *count, sizeof sums[0], compare_nodes);
    return sums;
}
