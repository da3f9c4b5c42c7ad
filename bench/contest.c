/* SPDX-License-Identifier: MIT */
#include "contest.h"

#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct contender contest_lazy = {.name = "pinion, lazy", .program = "bench-pinion"};
struct contender contest_eager = {
    .name = "pinion, eager", .program = "bench-pinion", .arguments = {"eager"}};
struct contender contest_uncounted = {
    .name = "pinion, uncounted", .program = "bench-pinion-uncounted",
    .note = "pinion, uncounted: built with -Dcounters=false, to see what counting costs."};
struct contender contest_park = {
    .name = "pinion, park", .program = "bench-pinion", .arguments = {"park"}};
struct contender contest_poll = {
    .name = "pinion, poll", .program = "bench-pinion", .arguments = {"poll"}};
struct contender contest_processes = {
    .name = "a process a CPU",
    .program = "bench-bare",
    .note = "a process a CPU: the CPU time of its processes is not counted."};
struct contender contest_tbb = {.name = "oneTBB", .program = "bench-tbb"};
struct contender contest_libgomp = {.name = "libgomp", .program = "bench-libgomp"};
struct contender contest_libomp = {.name = "libomp", .program = "bench-libomp"};
struct contender contest_rayon = {.name = "rayon", .program = "bench-rayon"};
struct contender contest_tokio = {.name = "tokio", .program = "bench-tokio"};
struct contender contest_go = {.name = "Go", .program = "bench-go"};
struct contender contest_fiber = {.name = "Boost.Fiber", .program = "bench-boost"};
struct contender contest_loop = {.name = "pinion, loop", .program = "bench-pinion-loop"};
struct contender contest_glib = {.name = "GLib's pool", .program = "bench-glib"};
struct contender contest_uv = {.name = "libuv's pool", .program = "bench-uv"};
struct contender contest_reference = {.name = "mutex+condition", .program = "bench-reference"};

/* ---- programs ---- */

const char *contest_path(struct contender *contender)
{
    char here[PATH_MAX];
    if (*contender->path)
        return contender->path;
    const ssize_t length = readlink("/proc/self/exe", here, sizeof here - 1);
    if (length < 0)
        rounds_die("this program's folder can't be read from /proc");
    here[length] = '\0';
    const int length_wanted =
        snprintf(contender->path, PATH_MAX, "%s/peers/%s", dirname(here), contender->program);
    if (length_wanted >= PATH_MAX)
        rounds_die("the path of %s is too long", contender->program);
    return contender->path;
}

static void start(struct contender *contender)
{
    if (contender->child.pid)
        return;
    const int error = child_start(&contender->child, contest_path(contender), contender->arguments);
    if (error)
        rounds_die("%s can't be started: %s", contender->path, strerror(-error));
}

int64_t contest_ask(struct contender *contender, const struct contest *contest)
{
    start(contender);
    return child_ask(&contender->child, "%s %u %" PRIu64 " 1", contest->workload, contest->threads,
                     contest->size);
}

unsigned contest_cpus(void)
{
    cpu_set_t allowed;
    return sched_getaffinity(0, sizeof allowed, &allowed) ? 1 : (unsigned)CPU_COUNT(&allowed);
}

/* ---- rows ---- */

struct entry {
    struct contender *contender;
    struct contest contest;
    struct rounds_row *row;
};

static int64_t run(void *context, uint64_t n)
{
    struct entry *entry = context;
    start(entry->contender);
    entry->row->clock = entry->contender->child.clock;
    return child_ask(&entry->contender->child, "%s %u %" PRIu64 " %" PRIu64,
                     entry->contest.workload, entry->contest.threads, entry->contest.size,
                     n / entry->contest.operations);
}

/* A note for each contender, though it has many rows. */
static void note_absence(struct rounds *rounds, const struct contender *contender)
{
    char note[ROUNDS_TEXT_MAX];
    (void)snprintf(note, sizeof note, "without %s, which was not there when this was built",
                   contender->name);
    for (size_t i = 0; i < rounds->note_count; i++)
        if (!strcmp(rounds->notes[i], note))
            return;
    rounds_note(rounds, "%s", note);
}

struct rounds_row *contest_row(struct rounds *rounds, struct contender *contender,
                               const struct contest *contest, const char *title)
{
    if (access(contest_path(contender), X_OK)) {
        note_absence(rounds, contender);
        return NULL;
    }
    struct entry *entry = malloc(sizeof *entry); /* as long as the program */
    if (!entry)
        rounds_die("out of memory");
    *entry = (struct entry){contender, *contest, NULL};
    entry->contest.operations = contest->operations ? contest->operations : 1;
    entry->row = rounds_row(rounds, run, entry, "%s: %s", title, contender->name);
    entry->row->note = contender->note;
    entry->row->step =
        entry->contest.operations * (contest->repeats_min ? contest->repeats_min : 1);
    entry->row->n_max = entry->contest.operations * contest->repeats_max;
    return entry->row;
}

void contest_compare(struct rounds_row *row, const struct rounds_row *peer)
{
    size_t count = 0;
    if (!row || !peer)
        return;
    while (count < ROUNDS_PEERS_MAX && row->peers[count])
        count++;
    if (count == ROUNDS_PEERS_MAX)
        rounds_die("more than %d peers", ROUNDS_PEERS_MAX);
    row->peers[count] = peer;
}
