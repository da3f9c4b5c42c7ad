/* SPDX-License-Identifier: MIT */
#include "rounds_print.h"

#include <inttypes.h>
#include <pinion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SCHEMA "pinion-bench-1"

/* ---- what is shown of a row ---- */

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

double rounds_quantile(double *values, size_t count, double share)
{
    qsort(values, count, sizeof values[0], by_size);
    const double place = share * (double)(count - 1);
    const size_t below = (size_t)place, above = below + 1 < count ? below + 1 : below;
    return values[below] + (values[above] - values[below]) * (place - (double)below);
}

static double quantile_of(const double *values, unsigned count, double share)
{
    double *sorted = malloc(count * sizeof sorted[0]);
    if (!sorted)
        rounds_die("out of memory");
    memcpy(sorted, values, count * sizeof sorted[0]);
    const double quantile = rounds_quantile(sorted, count, share);
    free(sorted);
    return quantile;
}

double rounds_median(const struct rounds *rounds, const struct rounds_row *row)
{
    return quantile_of(row->ns, rounds->count, 0.5);
}

/* The median of how far values are from their median. */
static double deviation_of(const double *values, unsigned count)
{
    const double median = quantile_of(values, count, 0.5);
    double *apart = malloc(count * sizeof apart[0]);
    if (!apart)
        rounds_die("out of memory");
    for (unsigned i = 0; i < count; i++)
        apart[i] = values[i] < median ? median - values[i] : values[i] - median;
    const double deviation = rounds_quantile(apart, count, 0.5);
    free(apart);
    return deviation;
}

struct shown {
    double median, mad, low, high, cpu;
};

static struct shown shown_of(const struct rounds *rounds, const struct rounds_row *row)
{
    return (struct shown){
        .median = rounds_median(rounds, row),
        .mad = deviation_of(row->ns, rounds->count),
        .low = quantile_of(row->ns, rounds->count, 0.25),
        .high = quantile_of(row->ns, rounds->count, 0.75),
        .cpu = quantile_of(row->cpu_ns, rounds->count, 0.5),
    };
}

struct ratio {
    double of_medians, of_rounds; /* the latter: the median of each round's ratio */
};

static double divided(double a, double b)
{
    return b > 0 ? a / b : 0;
}

static struct ratio ratio_to(const struct rounds *rounds, const struct rounds_row *row,
                             const struct rounds_row *peer)
{
    double *each = malloc(rounds->count * sizeof each[0]);
    if (!each)
        rounds_die("out of memory");
    for (unsigned i = 0; i < rounds->count; i++)
        each[i] = divided(row->ns[i], peer->ns[i]);
    const struct ratio ratio = {
        divided(rounds_median(rounds, row), rounds_median(rounds, peer)),
        rounds_quantile(each, rounds->count, 0.5),
    };
    free(each);
    return ratio;
}

static unsigned peer_count(const struct rounds_row *row)
{
    unsigned count = 0;
    while (count < ROUNDS_PEERS_MAX && row->peers[count])
        count++;
    return count;
}

static int flushed(void)
{
    if (fflush(stdout) || ferror(stdout)) {
        (void)fprintf(stderr, "what was measured could not be written\n");
        return 1;
    }
    return 0;
}

int rounds_print_names(const struct rounds *rounds)
{
    for (size_t i = 0; i < rounds->row_count; i++)
        if (rounds->rows[i].chosen)
            printf("%s\n", rounds->rows[i].name);
    return flushed();
}

/* ---- for people ---- */

static int name_width(const struct rounds *rounds)
{
    size_t width = 0;
    for (size_t i = 0; i < rounds->row_count; i++) {
        const size_t length = strlen(rounds->rows[i].name);
        if (rounds->rows[i].chosen && length > width)
            width = length;
    }
    return (int)width;
}

static void print_row(const struct rounds *rounds, const struct rounds_row *row, int width)
{
    const struct shown shown = shown_of(rounds, row);
    char spread[48];
    (void)snprintf(spread, sizeof spread, "%.1f .. %.1f", shown.low, shown.high);
    printf("%-*s %11.1f %9.1f %24s %11.1f\n", width, row->name, shown.median, shown.mad, spread,
           shown.cpu);
    for (unsigned i = 0; i < peer_count(row); i++) {
        const struct ratio ratio = ratio_to(rounds, row, row->peers[i]);
        printf("    %.4f x (each round: %.4f x) %s\n", ratio.of_medians, ratio.of_rounds,
               row->peers[i]->name);
    }
}

/* Each once, though rows share them. */
static void print_row_notes(const struct rounds *rounds)
{
    for (size_t i = 0; i < rounds->row_count; i++) {
        const struct rounds_row *row = &rounds->rows[i];
        bool is_new = row->chosen && row->note;
        for (size_t j = 0; is_new && j < i; j++)
            is_new = !rounds->rows[j].chosen || rounds->rows[j].note != row->note;
        if (is_new)
            printf("%s\n", row->note);
    }
}

static void print_table(const struct rounds *rounds)
{
    const int width = name_width(rounds);
    printf("%s: %u interleaved rounds of some %" PRId64 " ms a row, %ld CPUs, pinion %s\n",
           rounds->name, rounds->count, rounds->round_ns / 1000000, sysconf(_SC_NPROCESSORS_ONLN),
           pinion_version());
    printf("%-*s %11s %9s %24s %11s\n", width, "ns an operation", "median", "MAD", "quartiles",
           "CPU time");
    for (size_t i = 0; i < rounds->row_count; i++)
        if (rounds->rows[i].chosen)
            print_row(rounds, &rounds->rows[i], width);
    for (size_t i = 0; i < rounds->figure_count; i++)
        printf("%-*s %11.1f %s\n", width, rounds->figures[i].name, rounds->figures[i].value,
               rounds->figures[i].unit);
    print_row_notes(rounds);
    for (size_t i = 0; i < rounds->note_count; i++)
        printf("%s\n", rounds->notes[i]);
}

/* ---- for programs ---- */

static void print_quoted(const char *text, char escape)
{
    (void)putchar('"');
    for (; *text; text++) {
        if (*text == '"' || (escape == '\\' && *text == '\\'))
            (void)putchar(escape);
        (void)putchar(*text);
    }
    (void)putchar('"');
}

static void print_key(const char *key, const char *text)
{
    printf("\"%s\": ", key);
    if (text)
        print_quoted(text, '\\');
    else
        printf("null");
}

static void print_json_row(const struct rounds *rounds, const struct rounds_row *row)
{
    const struct shown shown = shown_of(rounds, row);
    printf("{");
    print_key("name", row->name);
    printf(", \"unit\": \"ns\", \"n\": %" PRIu64
           ", \"median\": %.3f, \"mad\": %.3f, \"quartile_low\": %.3f, "
           "\"quartile_high\": %.3f, \"cpu\": %.3f, ",
           row->n, shown.median, shown.mad, shown.low, shown.high, shown.cpu);
    print_key("note", row->note);
    printf(", \"ratios\": [");
    for (unsigned i = 0; i < peer_count(row); i++) {
        const struct ratio ratio = ratio_to(rounds, row, row->peers[i]);
        printf("%s{", i ? ", " : "");
        print_key("peer", row->peers[i]->name);
        printf(", \"of_medians\": %.6f, \"of_rounds\": %.6f}", ratio.of_medians, ratio.of_rounds);
    }
    printf("], \"samples\": [");
    for (unsigned i = 0; i < rounds->count; i++)
        printf("%s%.3f", i ? ", " : "", row->ns[i]);
    printf("]}");
}

static void print_json(const struct rounds *rounds)
{
    const char *between = "\n    ";
    printf("{\n  \"schema\": \"" SCHEMA "\",\n  \"bench\": \"%s\",\n  \"version\": \"%s\",\n"
           "  \"cpus\": %ld,\n  \"rounds\": %u,\n  \"round_ms\": %" PRId64 ",\n  \"rows\": [",
           rounds->name, pinion_version(), sysconf(_SC_NPROCESSORS_ONLN), rounds->count,
           rounds->round_ns / 1000000);
    for (size_t i = 0; i < rounds->row_count; i++) {
        if (!rounds->rows[i].chosen)
            continue;
        printf("%s", between);
        print_json_row(rounds, &rounds->rows[i]);
        between = ",\n    ";
    }
    printf("\n  ],\n  \"figures\": [");
    for (size_t i = 0; i < rounds->figure_count; i++) {
        printf("%s{", i ? ",\n    " : "\n    ");
        print_key("name", rounds->figures[i].name);
        printf(", \"unit\": \"%s\", \"value\": %.3f}", rounds->figures[i].unit,
               rounds->figures[i].value);
    }
    printf("%s],\n  \"notes\": [", rounds->figure_count ? "\n  " : "");
    for (size_t i = 0; i < rounds->note_count; i++) {
        printf("%s", i ? ",\n    " : "\n    ");
        print_quoted(rounds->notes[i], '\\');
    }
    printf("%s]\n}\n", rounds->note_count ? "\n  " : "");
}

static void print_csv_row(const struct rounds *rounds, const struct rounds_row *row,
                          const struct rounds_row *peer)
{
    const struct shown shown = shown_of(rounds, row);
    printf("%s,", rounds->name);
    print_quoted(row->name, '"');
    printf(",ns,%" PRIu64 ",%.3f,%.3f,%.3f,%.3f,%.3f,", row->n, shown.median, shown.mad, shown.low,
           shown.high, shown.cpu);
    if (peer) {
        const struct ratio ratio = ratio_to(rounds, row, peer);
        print_quoted(peer->name, '"');
        printf(",%.6f,%.6f\n", ratio.of_medians, ratio.of_rounds);
    } else {
        printf(",,\n");
    }
}

/* A line for each peer of a row, one for a row without; notes are talk. */
static void print_csv(const struct rounds *rounds)
{
    printf(
        "bench,name,unit,n,median,mad,quartile_low,quartile_high,cpu,peer,of_medians,of_rounds\n");
    for (size_t i = 0; i < rounds->row_count; i++) {
        const struct rounds_row *row = &rounds->rows[i];
        if (!row->chosen)
            continue;
        if (!row->peers[0])
            print_csv_row(rounds, row, NULL);
        for (unsigned j = 0; j < peer_count(row); j++)
            print_csv_row(rounds, row, row->peers[j]);
    }
    for (size_t i = 0; i < rounds->figure_count; i++) {
        printf("%s,", rounds->name);
        print_quoted(rounds->figures[i].name, '"');
        printf(",%s,,%.3f,,,,,,,\n", rounds->figures[i].unit, rounds->figures[i].value);
    }
    for (size_t i = 0; i < rounds->note_count; i++)
        (void)fprintf(stderr, "%s\n", rounds->notes[i]);
}

int rounds_print(const struct rounds *rounds)
{
    const int drawn = rounds->svg ? rounds_draw(rounds) : 0;
    switch (rounds->form) {
    case ROUNDS_JSON:
        print_json(rounds);
        break;
    case ROUNDS_CSV:
        print_csv(rounds);
        break;
    case ROUNDS_TABLE:
        print_table(rounds);
        break;
    }
    return flushed() || drawn;
}
