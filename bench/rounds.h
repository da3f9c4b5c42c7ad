/* SPDX-License-Identifier: MIT
 *
 * What the benchmarks share: rows that are measured in interleaved rounds, the medians of what came
 * out, and ratios to a peer's figure of the same run. No figure passes or fails anything; what a
 * row does is checked, and a row that did it wrong ends the program with status 1.
 *
 *     struct rounds rounds;
 *     rounds_begin(&rounds, "spawn", "…", 15, argc, argv);
 *     struct rounds_row *peer = rounds_row(&rounds, do_peer, &its, "mutex and condition");
 *     rounds_row(&rounds, do_ours, &ours, "pinion")->peers[0] = peer;
 *     rounds_run(&rounds);
 *     return rounds_end(&rounds);
 */
#ifndef PINION_BENCH_ROUNDS_H
#define PINION_BENCH_ROUNDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define ROUNDS_ROWS_MAX  128
#define ROUNDS_NOTES_MAX 32
#define ROUNDS_PEERS_MAX 16
#define ROUNDS_TEXT_MAX  160

/* Does n operations and returns how many ns they took. n is a multiple of the row's step. */
typedef int64_t rounds_run_fn(void *context, uint64_t n);

struct rounds_row {
    char name[ROUNDS_TEXT_MAX];
    rounds_run_fn *run;
    void *context;
    const struct rounds_row *peers[ROUNDS_PEERS_MAX]; /* what it is compared with; NULL: no more */
    const char *note;                                 /* what is unfair in it, or NULL; static */
    uint64_t step;                                    /* n is a multiple of it; 1 unless set */
    uint64_t n_max;  /* the most operations of a round; 0: as many as the round's time takes */
    clockid_t clock; /* whose CPU time it uses; this process's unless set */
    /* The rest is rounds.c's. */
    bool chosen;
    uint64_t n;
    double *ns, *cpu_ns; /* an operation, a round each */
};

/* Something else that the run came upon, with a unit: a size, a count. */
struct rounds_figure {
    char name[ROUNDS_TEXT_MAX];
    const char *unit; /* static */
    double value;
};

struct rounds {
    const char *name, *about;
    const char *filter; /* NULL: every row */
    enum { ROUNDS_TABLE, ROUNDS_JSON, ROUNDS_CSV } form;
    bool lists;                                             /* --list: names only */
    enum { ROUNDS_SMALL, ROUNDS_USUAL, ROUNDS_LARGE } size; /* of what rows divide */
    const char *svg;                                        /* the file for a picture, or NULL */
    unsigned count;                                         /* of rounds */
    int64_t round_ns; /* about how long a row's part of a round takes */
    size_t row_count, figure_count, note_count;
    struct rounds_row rows[ROUNDS_ROWS_MAX];
    struct rounds_figure figures[ROUNDS_NOTES_MAX];
    char notes[ROUNDS_NOTES_MAX][ROUNDS_TEXT_MAX];
};

/* Reads the command line; about is the text of -h that says what is measured, and what not.
 * Help ends the program with 0, an argument that is wrong with 2. */
void rounds_begin(struct rounds *rounds, const char *name, const char *about, unsigned count,
                  int argc, char **argv);

/* Adds a row; the format gives its name. The caller fills in what else it needs. */
struct rounds_row *rounds_row(struct rounds *rounds, rounds_run_fn *run, void *context,
                              const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Measures the rows that --filter leaves, and the peers that they are compared with: a round to
 * warm up and to find each row's n, then count rounds, each row once in each; every other round
 * backwards. */
void rounds_run(struct rounds *rounds);

/* Whether rounds_run measured it. row: or NULL. */
bool rounds_chose(const struct rounds_row *row);

void rounds_figure(struct rounds *rounds, double value, const char *unit, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A sentence: what was left out and why, say. */
void rounds_note(struct rounds *rounds, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Prints, draws, frees, and returns the program's status: 0, or 1 if stdout or the picture's file
 * did not take it. */
int rounds_end(struct rounds *rounds);

/* ns of CLOCK_MONOTONIC. */
int64_t rounds_now(void);

/* Complains on stderr and exits with 1. */
_Noreturn void rounds_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The value below which that share (0 to 1) of count values lies, between neighbors by proportion.
 * Sorts them. */
double rounds_quantile(double *values, size_t count, double share);

#endif
