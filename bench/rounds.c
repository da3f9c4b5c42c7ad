/* SPDX-License-Identifier: MIT */
#include "rounds.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rounds_print.h"

#define ROUNDS_MAX 10000
#define MS_MAX     10000
#define MS_DEFAULT 20
#define MS         INT64_C(1000000)
#define N_MAX      (UINT64_C(1) << 40)
#define GROWTH_MAX 16 /* of n, from one size to the next */
#define TRIES      3  /* of a size that seems to take long enough */

int64_t rounds_now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static const char *program = "bench";

void rounds_die(const char *format, ...)
{
    va_list arguments;
    (void)fprintf(stderr, "%s: ", program);
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
    exit(1);
}

/* ---- the command line ---- */

static _Noreturn void usage_error(const char *what, const char *argument)
{
    (void)fprintf(stderr, "%s: %s '%s'; see %s --help\n", program, what, argument, program);
    exit(2);
}

static void print_help(const struct rounds *rounds)
{
    printf("Usage: %s [OPTION...]\n\n%s\n", program, rounds->about);
    printf("Rows are measured in interleaved rounds; shown are medians and quartiles of an\n"
           "operation's time, the CPU time that it took of all threads, and the ratio to the\n"
           "peers of the same run: of the medians, and the median of each round's ratio.\n\n"
           "  --rounds N     so many rounds (%u)\n"
           "  --ms N         about how long a row takes in each, in milliseconds (%d)\n"
           "  --filter TEXT  only rows whose name contains TEXT, and their peers\n"
           "  --size SIZE    of what a row divides: small (to see that it runs), usual, large\n"
           "  --svg FILE     draw the ratios, too\n"
           "  --list         print the rows' names and end\n"
           "  --json, --csv  for programs instead of people\n"
           "  -h, --help     this text\n",
           rounds->count, MS_DEFAULT);
}

static long number(const char *option, const char *text, long max)
{
    char *end = NULL;
    const long value = text ? strtol(text, &end, 10) : 0;
    if (!text)
        usage_error("a number is missing after", option);
    if (*end || end == text || value < 1 || value > max) {
        (void)fprintf(stderr, "%s: %s takes a number from 1 to %ld, not '%s'\n", program, option,
                      max, text);
        exit(2);
    }
    return value;
}

static const char *text_of(char **argv)
{
    if (!argv[1])
        usage_error("a text is missing after", *argv);
    return argv[1];
}

static int size_named(const char *text)
{
    static const char *const names[] = {"small", "usual", "large"};
    for (int i = 0; i < 3; i++)
        if (!strcmp(text, names[i]))
            return i;
    usage_error("a size is small, usual or large, not", text);
}

static void parse(struct rounds *rounds, char **argv, bool *lists)
{
    for (; *argv; argv++) {
        if (!strcmp(*argv, "-h") || !strcmp(*argv, "--help")) {
            print_help(rounds);
            exit(fflush(stdout) ? 1 : 0);
        } else if (!strcmp(*argv, "--json")) {
            rounds->form = ROUNDS_JSON;
        } else if (!strcmp(*argv, "--csv")) {
            rounds->form = ROUNDS_CSV;
        } else if (!strcmp(*argv, "--list")) {
            *lists = true;
        } else if (!strcmp(*argv, "--rounds")) {
            rounds->count = (unsigned)number(argv[0], argv[1], ROUNDS_MAX);
            argv++;
        } else if (!strcmp(*argv, "--ms")) {
            rounds->round_ns = number(argv[0], argv[1], MS_MAX) * MS;
            argv++;
        } else if (!strcmp(*argv, "--filter")) {
            rounds->filter = text_of(argv++);
        } else if (!strcmp(*argv, "--svg")) {
            rounds->svg = text_of(argv++);
        } else if (!strcmp(*argv, "--size")) {
            rounds->size = (unsigned)size_named(text_of(argv++));
        } else {
            usage_error("there is no argument", *argv);
        }
    }
}

void rounds_begin(struct rounds *rounds, const char *name, const char *about, unsigned count,
                  int argc, char **argv)
{
    static char full_name[32];
    (void)snprintf(full_name, sizeof full_name, "bench-%s", name);
    program = full_name;
    memset(rounds, 0, sizeof *rounds);
    rounds->name = name;
    rounds->about = about;
    rounds->count = count;
    rounds->round_ns = MS_DEFAULT * MS;
    rounds->size = ROUNDS_USUAL;
    if (argc > 0)
        parse(rounds, argv + 1, &rounds->lists);
}

/* ---- rows ---- */

struct rounds_row *rounds_row(struct rounds *rounds, rounds_run_fn *run, void *context,
                              const char *format, ...)
{
    if (rounds->row_count == ROUNDS_ROWS_MAX)
        rounds_die("more than %d rows", ROUNDS_ROWS_MAX);
    struct rounds_row *row = &rounds->rows[rounds->row_count++];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(row->name, sizeof row->name, format, arguments);
    va_end(arguments);
    row->run = run;
    row->context = context;
    row->step = 1;
    row->clock = CLOCK_PROCESS_CPUTIME_ID;
    return row;
}

void rounds_figure(struct rounds *rounds, double value, const char *unit, const char *format, ...)
{
    if (rounds->figure_count == ROUNDS_NOTES_MAX)
        rounds_die("more than %d figures", ROUNDS_NOTES_MAX);
    struct rounds_figure *figure = &rounds->figures[rounds->figure_count++];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(figure->name, sizeof figure->name, format, arguments);
    va_end(arguments);
    figure->unit = unit;
    figure->value = value;
}

void rounds_note(struct rounds *rounds, const char *format, ...)
{
    if (rounds->note_count == ROUNDS_NOTES_MAX)
        rounds_die("more than %d notes", ROUNDS_NOTES_MAX);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(rounds->notes[rounds->note_count++], ROUNDS_TEXT_MAX, format, arguments);
    va_end(arguments);
}

bool rounds_chose(const struct rounds_row *row)
{
    return row && row->chosen;
}

/* Peers of peers are not needed: a ratio is to a row's own peers. */
static void choose(struct rounds *rounds)
{
    size_t count = 0;
    for (size_t i = 0; i < rounds->row_count; i++) {
        struct rounds_row *row = &rounds->rows[i];
        if (rounds->filter && !strstr(row->name, rounds->filter))
            continue;
        count++;
        row->chosen = true;
        for (int j = 0; j < ROUNDS_PEERS_MAX && row->peers[j]; j++)
            rounds->rows[row->peers[j] - rounds->rows].chosen = true;
    }
    if (!count)
        usage_error("no row's name contains", rounds->filter ? rounds->filter : "");
}

/* ---- measuring ---- */

static int64_t cpu_time(clockid_t clock)
{
    struct timespec time;
    if (clock_gettime(clock, &time))
        return 0;
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* The multiple of step, and at least one step, that is next to n from below. */
static uint64_t stepped(const struct rounds_row *row, double n)
{
    const double max = (double)(row->n_max ? row->n_max : N_MAX);
    const uint64_t steps = (uint64_t)((n < max ? n : max) / (double)row->step);
    return (steps ? steps : 1) * row->step;
}

/* How often what n operations take goes into round_ns, at most GROWTH_MAX times. A hiccup makes one
 * try too long, none makes it too short: what seems to take long is tried again, but not what takes
 * several times as long. */
static double growth(struct rounds_row *row, int64_t round_ns)
{
    double best = 0;
    for (int tries = 0; tries < TRIES && best < 2 && !(tries && best < 0.25); tries++) {
        const int64_t ns = row->run(row->context, row->n);
        const double factor = (double)round_ns / (double)(ns > 0 ? ns : 1);
        best = factor > best ? factor : best;
    }
    return best < GROWTH_MAX ? best : GROWTH_MAX;
}

/* Finds an n that takes about a round's time; it warms up by the way. */
static void settle(struct rounds_row *row, int64_t round_ns)
{
    row->n = row->step;
    for (;;) {
        const double factor = growth(row, round_ns);
        const uint64_t n = stepped(row, (double)row->n * factor);
        const bool is_near = factor < 2 || n <= row->n;
        row->n = n;
        if (is_near)
            return;
    }
}

static void measure(struct rounds_row *row, unsigned round)
{
    const int64_t cpu_start = cpu_time(row->clock);
    const int64_t ns = row->run(row->context, row->n);
    row->cpu_ns[round] = (double)(cpu_time(row->clock) - cpu_start) / (double)row->n;
    row->ns[round] = (double)ns / (double)row->n;
}

void rounds_run(struct rounds *rounds)
{
    choose(rounds);
    if (rounds->lists)
        exit(rounds_print_names(rounds));
    for (size_t i = 0; i < rounds->row_count; i++) {
        struct rounds_row *row = &rounds->rows[i];
        if (!row->chosen)
            continue;
        row->ns = calloc(rounds->count, sizeof row->ns[0]);
        row->cpu_ns = calloc(rounds->count, sizeof row->cpu_ns[0]);
        if (!row->ns || !row->cpu_ns)
            rounds_die("out of memory");
        settle(row, rounds->round_ns);
    }
    for (unsigned round = 0; round < rounds->count; round++) {
        for (size_t i = 0; i < rounds->row_count; i++) {
            struct rounds_row *row = &rounds->rows[round % 2 ? rounds->row_count - 1 - i : i];
            if (row->chosen)
                measure(row, round);
        }
    }
}

int rounds_end(struct rounds *rounds)
{
    const int status = rounds_print(rounds);
    for (size_t i = 0; i < rounds->row_count; i++) {
        free(rounds->rows[i].ns);
        free(rounds->rows[i].cpu_ns);
    }
    return status;
}
