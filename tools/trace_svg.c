/* SPDX-License-Identifier: MIT
 *
 * A trace as a picture: a row a thread, time to the right. Each column of pixels shows what the
 * thread did most in its time.
 */
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "trace.h"

#define LEFT    170
#define WIDTH   1000
#define RIGHT   30
#define ROW     22
#define BAR     16
#define HEAD    66
#define LINE    18 /* of the legend */
#define COLOURS 6  /* of tasks that have one of their own */
#define TICKS   10

/* What a column may show: the tasks of most time, the others, and the states without a task. */
enum { OTHER_TASKS = COLOURS, FIRST_STATE, KINDS = FIRST_STATE + STATE_OTHER - 1 };

static const char *const colours[KINDS] = {
    "#2f6db3", "#3a9e6f", "#8557a5", "#c2578c", "#4aa3b8", "#7d8f2f", /* tasks */
    "#7a94b0",                                                        /* other tasks */
    "#d9534a", "#e8973a", "#f0d264", "#e6e8ea"};

static const char *const state_words[] = {"waits", "in a system call", "searches", "sleeps"};

struct picture {
    struct trace_summary *summary;
    FILE *file;
    double ns_a_column;
    size_t *row_of;            /* of a track; SIZE_MAX: it is not shown */
    size_t row_count;
    double (*columns)[WIDTH][KINDS]; /* a row's: ns of each kind */
};

static int kind_of(const struct trace_summary *summary, enum trace_state state, size_t name)
{
    if (state != STATE_RUN)
        return state == STATE_OTHER ? -1 : FIRST_STATE + (int)state - 1;
    for (size_t i = 0; i < COLOURS && i < summary->name_count; i++)
        if (summary->by_time[i] == name)
            return (int)i;
    return OTHER_TASKS;
}

static void paint(size_t track, enum trace_state state, size_t name, int64_t begin, int64_t end,
                  void *context)
{
    struct picture *picture = context;
    const int kind = kind_of(picture->summary, state, name);
    if (kind < 0 || picture->row_of[track] == SIZE_MAX)
        return;
    double (*columns)[KINDS] = picture->columns[picture->row_of[track]];
    double from = (double)(begin - picture->summary->begin) / picture->ns_a_column;
    const double to = (double)(end - picture->summary->begin) / picture->ns_a_column;
    for (int i = (int)from; i < WIDTH && from < to; i++) {
        const double until = to < i + 1 ? to : i + 1;
        columns[i][kind] += until - from;
        from = until;
    }
}

static int shown_in(const double column[KINDS])
{
    int best = -1;
    double most = 0.02; /* of a column: less is not shown */
    for (int kind = 0; kind < KINDS; kind++) {
        if (column[kind] > most) {
            most = column[kind];
            best = kind;
        }
    }
    return best;
}

static void put_text(FILE *file, const char *text)
{
    uint32_t character;
    for (int length; *text; text += length) {
        length = utf8_take(text, &character);
        if (length == 0 || character < 0x20 || character == 0xfffe || character == 0xffff)
            (void)fputs("?", file);
        else if (strchr("<>&\"", (int)character) && character < 128)
            (void)fprintf(file, "&#%u;", character);
        else
            (void)fprintf(file, "%.*s", length, text);
        length = length ? length : 1;
    }
}

static void draw_row(const struct picture *picture, size_t track, double y)
{
    FILE *file = picture->file;
    double (*columns)[KINDS] = picture->columns[picture->row_of[track]];
    (void)fprintf(file, "<text x=\"%d\" y=\"%.0f\" text-anchor=\"end\">", LEFT - 8, y + 12);
    put_text(file, picture->summary->file->tracks[track].name);
    (void)fprintf(file, " %ld</text>\n", picture->summary->file->tracks[track].tid);
    for (int begin = 0, end; begin < WIDTH; begin = end) {
        const int kind = shown_in(columns[begin]);
        end = begin + 1;
        while (end < WIDTH && shown_in(columns[end]) == kind)
            end++;
        if (kind >= 0)
            (void)fprintf(file,
                          "<rect x=\"%d\" y=\"%.0f\" width=\"%d\" height=\"%d\" fill=\"%s\"/>\n",
                          LEFT + begin, y, end - begin, BAR, colours[kind]);
    }
}

/* A round number of ns for some TICKS marks. */
static double step_of(double ns)
{
    double step = 1;
    while (step * 10 * TICKS <= ns)
        step *= 10;
    const double times = ns / step / TICKS;
    return step * (times > 5 ? 10 : times > 2 ? 5 : times > 1 ? 2 : 1);
}

static void draw_axis(const struct picture *picture, double bottom)
{
    const double ns = picture->ns_a_column * WIDTH;
    const double step = step_of(ns);
    const double unit = step >= 1e9 ? 1e9 : step >= 1e6 ? 1e6 : step >= 1e3 ? 1e3 : 1;
    const char *words = step >= 1e9 ? "s" : step >= 1e6 ? "ms" : step >= 1e3 ? "µs" : "ns";
    for (double at = 0; at <= ns; at += step) {
        const double x = LEFT + at / picture->ns_a_column;
        (void)fprintf(picture->file,
                      "<path d=\"M%.1f %d V%.0f\" stroke=\"#bbb\" stroke-width=\"0.5\"/>\n"
                      "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.0f %s</text>\n",
                      x, HEAD - 8, bottom, x, HEAD - 13, at / unit, words);
    }
}

static void draw_entry(FILE *file, int kind, double x, double y, const char *words)
{
    (void)fprintf(file,
                  "<rect x=\"%.0f\" y=\"%.0f\" width=\"12\" height=\"12\" fill=\"%s\"/>"
                  "<text x=\"%.0f\" y=\"%.0f\">",
                  x, y, colours[kind], x + 17, y + 10.5);
    put_text(file, words);
    (void)fputs("</text>\n", file);
}

static void draw_legend(const struct picture *picture, double y)
{
    const struct trace_summary *summary = picture->summary;
    for (int i = 0; i <= OTHER_TASKS && (size_t)i < summary->name_count; i++)
        draw_entry(picture->file, i, LEFT + i % 2 * 330, y + i / 2 * LINE,
                   i == OTHER_TASKS ? "other tasks" : summary->names[summary->by_time[i]].text);
    for (int i = FIRST_STATE; i < KINDS; i++)
        draw_entry(picture->file, i, LEFT + 680, y + (i - FIRST_STATE) * LINE,
                   state_words[i - FIRST_STATE]);
}

/* Threads that did something; the order is that of the file. */
static void choose_rows(struct picture *picture)
{
    const struct trace_summary *summary = picture->summary;
    for (size_t i = 0; i < summary->file->track_count; i++)
        picture->row_of[i] = summary->threads[i].is_there ? picture->row_count++ : SIZE_MAX;
}

static void draw(struct picture *picture)
{
    FILE *file = picture->file;
    const struct trace_summary *summary = picture->summary;
    const double bottom = HEAD + (double)picture->row_count * ROW;
    const double height = bottom + 18 + 4 * LINE + 10;
    (void)fprintf(file,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\" "
                  "font-family=\"sans-serif\" font-size=\"12\">\n"
                  "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
                  "<text x=\"%d\" y=\"24\" font-size=\"15\">",
                  LEFT + WIDTH + RIGHT, height, LEFT);
    put_text(file, summary->file->process ? summary->file->process : "");
    (void)fprintf(file, ": what its threads did, %llu events</text>\n",
                  (unsigned long long)summary->events);
    draw_axis(picture, bottom);
    for (size_t i = 0; i < summary->file->track_count; i++)
        if (picture->row_of[i] != SIZE_MAX)
            draw_row(picture, i, HEAD + (double)picture->row_of[i] * ROW);
    draw_legend(picture, bottom + 18);
    (void)fputs("</svg>\n", file);
}

void trace_draw(struct trace_summary *summary, FILE *file)
{
    struct picture picture = {.summary = summary, .file = file};
    const int64_t ns = summary->end - summary->begin;
    picture.ns_a_column = (double)(ns > 0 ? ns : 1) / WIDTH;
    picture.row_of = calloc(summary->file->track_count, sizeof *picture.row_of);
    picture.columns = calloc(summary->file->track_count + 1, sizeof *picture.columns);
    if (!picture.row_of || !picture.columns)
        abort();
    choose_rows(&picture);
    trace_stretches(summary, paint, &picture);
    draw(&picture);
    free(picture.row_of);
    free(picture.columns);
}
