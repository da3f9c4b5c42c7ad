/* SPDX-License-Identifier: MIT
 *
 * What pinion top knows of a process, and how it shows that.
 *
 *   top.c         the verb: when to look, and what to do with it
 *   top_rows.c    what the process did between two looks; sorting and folding
 *   top_table.c   the columns
 *   top_text.c    a frame of text lines of so many columns
 *   top_json.c    an object a look
 *   top_screen.c  the terminal: its size, keys and signals
 */
#ifndef TOOLS_TOP_H
#define TOOLS_TOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <pinion/watch.h>

/* ---- rows ---- */

/* A worker, or several of a node. Rates are by the second, shares from 0 to 1. */
struct top_row {
    struct pinion_watch_worker now; /* of several: sums */
    unsigned count, busy;           /* workers; of these run or are in a call */
    double ran;                     /* tasks that ran here: taken, claimed, inlined */
    double inlined, near, far, parks, searches;
    double submits, completions, waits;
    bool has_shares;                /* the kernel was asked twice */
    double run, delay;              /* shares of the time: on a CPU, and in want of one */
    double since;                   /* seconds in this state, at least */
    double fiber_waits;             /* seconds that the longest waiting fiber does; 0: none does */
};

struct top_crew {
    struct pinion_watch_crew now; /* its workers are in rows */
    struct top_row *rows;         /* those that have a thread, as they were made */
    const struct top_row **order; /* the same, sorted */
    unsigned row_count;
    struct top_row total;
};

enum top_sort {
    TOP_BY_SEAT, TOP_BY_TASKS, TOP_BY_STEALS, TOP_BY_PARKS, TOP_BY_QUEUE, TOP_BY_DELAY,
    TOP_BY_ARENA, TOP_BY_SINCE, TOP_SORTS
};
extern const struct top_sort_key {
    const char *name;
    char letter;
    const char *help;
} top_sort_keys[TOP_SORTS];
/* By its name; false: there is none. */
bool top_sort_parse(const char *name, enum top_sort *sort);

struct top {
    struct pinion_watch *watch;
    int pid;
    char command[16];
    double interval; /* s */
    enum top_sort sort;
    struct top_crew *crews;
    unsigned crew_count;
    int64_t time; /* of the last look; ns */
    double elapsed; /* s between the last two; 0: there was but one */
};

/* Looks, and counts what was done since the look before. 0 or -errno, with the detail but for
 * -ENOMEM. */
int top_look(struct top *top);
/* Sorts each crew's rows. */
void top_sort_rows(struct top *top);
/* Adds a crew's rows by node, in the order of the nodes. The caller frees them; NULL when out of
 * memory. */
struct top_row *top_fold(const struct top_crew *crew, unsigned *count);
void top_forget(struct top *top);

/* ---- columns ---- */

/* A line in text[size] of at most so many columns. */
void top_table_head(bool is_loop, unsigned columns, char *text, size_t size);
void top_table_row(const struct top_row *row, bool is_loop, unsigned columns, char *text,
                   size_t size);
/* The least columns in which there is a table. */
#define TOP_COLUMNS_MIN 16u

/* "read", "futex"; "call 500". Returns buffer or a constant. */
const char *top_call_name(int call, char buffer[16]);
/* Five characters at most: 0, 7.25, 123, 45.6k, 1.23M. Returns buffer or a constant. */
const char *top_number(double value, char buffer[8]);
/* 850us, 12.5s, 3m07s, 2h30m. Returns buffer. */
const char *top_duration(double seconds, char buffer[24]);

/* ---- text ---- */

struct top_lines {
    char **lines;
    bool *are_heads;
    unsigned count, room, columns;
    bool is_short; /* of memory */
};

/* So many columns and lines, 0: as many as it takes. */
void top_write(const struct top *top, unsigned columns, unsigned lines, struct top_lines *text);
void top_write_help(const struct top *top, unsigned columns, struct top_lines *text);
void top_lines_print(const struct top_lines *text, FILE *stream);
void top_lines_free(struct top_lines *text);

void top_write_json(const struct top *top, FILE *stream);

/* ---- the terminal ---- */

enum top_event { TOP_TIME, TOP_KEY, TOP_RESIZED, TOP_INTERRUPTED };

/* Whether there is a screen to draw on: stdout is a terminal that can. */
bool top_screen_is_there(void);
/* Of the terminal that stdout is; else of $COLUMNS, or 0. */
void top_screen_size(unsigned *columns, unsigned *lines);
/* Takes the signals; with a screen also takes that, and the keys if stdin is the terminal. */
bool top_screen_begin(bool has_screen);
/* Again does nothing. */
void top_screen_end(void);
void top_screen_draw(const struct top_lines *text);
/* Until something happens or the time, ns on CLOCK_MONOTONIC, comes. */
enum top_event top_screen_wait(int64_t until, char *key);

#endif
