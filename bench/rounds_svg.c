/* SPDX-License-Identifier: MIT
 *
 * The picture: for each subject, what stands before ": " in the names of rows that have peers, a
 * bar for each of those rows and of their peers, shortest first.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rounds_print.h"

#define WIDTH     860
#define BAR_LEFT  230
#define BAR_WIDTH 420
#define BAR_STEP  20
#define HEAD      64 /* the picture's */
#define TITLE     40 /* a subject's */
#define CUT       6  /* times the longest of ours: what is longer is cut */

struct bar {
    const struct rounds_row *row;
    double ns;
    bool ours;
};

static size_t subject_length(const char *name)
{
    const char *end = strstr(name, ": ");
    return end ? (size_t)(end - name) : strlen(name);
}

static bool same_subject(const struct rounds_row *a, const struct rounds_row *b)
{
    const size_t length = subject_length(a->name);
    return length == subject_length(b->name) && !memcmp(a->name, b->name, length);
}

static bool is_ours(const struct rounds_row *row)
{
    return row->chosen && row->peers[0];
}

static bool is_first_of_subject(const struct rounds *rounds, const struct rounds_row *row)
{
    for (const struct rounds_row *other = rounds->rows; other < row; other++)
        if (is_ours(other) && same_subject(other, row))
            return false;
    return is_ours(row);
}

static void put_bar(const struct rounds *rounds, struct bar *bars, size_t *count,
                    const struct rounds_row *row, bool ours)
{
    for (size_t i = 0; i < *count; i++)
        if (bars[i].row == row)
            return;
    bars[(*count)++] = (struct bar){row, rounds_median(rounds, row), ours};
}

static int by_time(const void *a, const void *b)
{
    const double x = ((const struct bar *)a)->ns, y = ((const struct bar *)b)->ns;
    return x < y ? -1 : x > y;
}

/* The bars of a subject, given its first row. bars has room for every row. */
static size_t collect(const struct rounds *rounds, const struct rounds_row *first, struct bar *bars)
{
    size_t count = 0;
    for (size_t i = 0; i < rounds->row_count; i++) {
        const struct rounds_row *row = &rounds->rows[i];
        if (!is_ours(row) || !same_subject(row, first))
            continue;
        put_bar(rounds, bars, &count, row, true);
        for (int j = 0; j < ROUNDS_PEERS_MAX && row->peers[j]; j++)
            put_bar(rounds, bars, &count, row->peers[j], is_ours(row->peers[j]));
    }
    qsort(bars, count, sizeof bars[0], by_time);
    return count;
}

static void print_escaped(FILE *file, const char *text, size_t length)
{
    for (size_t i = 0; i < length && text[i]; i++) {
        if (text[i] == '<' || text[i] == '>' || text[i] == '&')
            (void)fprintf(file, "&#%d;", text[i]);
        else
            (void)fputc(text[i], file);
    }
}

static void print_time(FILE *file, double ns)
{
    static const char *const units[] = {"ns", "µs", "ms", "s"};
    int unit = 0;
    for (; ns >= 1000 && unit < 3; unit++)
        ns /= 1000;
    (void)fprintf(file, "%.*f %s", ns < 10 ? 2 : ns < 100 ? 1 : 0, ns, units[unit]);
}

/* What is said of a row beside its bar: its name without the subject, if that is the same. */
static const char *label_of(const struct rounds_row *row, const struct rounds_row *first)
{
    if (same_subject(row, first) && strlen(row->name) > subject_length(row->name))
        return row->name + subject_length(row->name) + 2;
    return row->name;
}

static void draw_bar(FILE *file, const struct bar *bar, const struct rounds_row *first,
                     double scale, double unit, int y)
{
    const bool cut = bar->ns > scale;
    const double width = cut ? BAR_WIDTH : BAR_WIDTH * bar->ns / scale;
    const char *label = label_of(bar->row, first);
    (void)fprintf(file, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\"%s>", BAR_LEFT - 8, y + 12,
                  bar->ours ? " class=\"ours\"" : "");
    print_escaped(file, label, strlen(label));
    (void)fprintf(file,
                  "</text>\n<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"14\" rx=\"2\" "
                  "class=\"%s\"/>\n",
                  BAR_LEFT, y, width > 1 ? width : 1, bar->ours ? "ours" : "peer");
    if (cut)
        (void)fprintf(file, "<path d=\"M%d %d l6 14 h5 l-6 -14 z\" class=\"cut\"/>\n",
                      BAR_LEFT + BAR_WIDTH - 26, y);
    (void)fprintf(file, "<text x=\"%.1f\" y=\"%d\">", BAR_LEFT + width + 8, y + 12);
    print_time(file, bar->ns);
    (void)fprintf(file, "<tspan dx=\"10\" class=\"ratio\">%.*f ×</tspan></text>\n",
                  bar->ns < 10 * unit ? 2 : 0, bar->ns / unit);
}

/* Returns the y below it. */
static int draw_subject(FILE *file, const struct rounds *rounds, const struct rounds_row *first,
                        struct bar *bars, int y)
{
    const size_t count = collect(rounds, first, bars);
    double longest = 0;
    for (size_t i = 0; i < count; i++)
        if (bars[i].ours && bars[i].ns > longest)
            longest = bars[i].ns;
    const double last = bars[count - 1].ns;
    const double scale = last < CUT * longest ? last : CUT * longest;
    (void)fprintf(file, "<text x=\"20\" y=\"%d\" class=\"title\">", y + 22);
    print_escaped(file, first->name, subject_length(first->name));
    (void)fprintf(file, "</text>\n");
    y += TITLE - 8;
    for (size_t i = 0; i < count; i++, y += BAR_STEP)
        draw_bar(file, &bars[i], first, scale, rounds_median(rounds, first), y);
    return y + 8;
}

static int height_of(const struct rounds *rounds, struct bar *bars)
{
    int height = HEAD + 12;
    for (size_t i = 0; i < rounds->row_count; i++)
        if (is_first_of_subject(rounds, &rounds->rows[i]))
            height += TITLE + BAR_STEP * (int)collect(rounds, &rounds->rows[i], bars);
    return height;
}

static void draw(FILE *file, const struct rounds *rounds)
{
    static struct bar bars[ROUNDS_ROWS_MAX];
    const int height = height_of(rounds, bars);
    (void)fprintf(
        file,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
        "viewBox=\"0 0 %d %d\">\n<style>text { font: 12px sans-serif; fill: #333 } .head { font: "
        "bold 17px sans-serif } .title { font: bold 13px sans-serif } text.ours { font-weight: "
        "bold; fill: #1d4f91 } rect.ours { fill: #2f6fc4 } rect.peer { fill: #b9c1cb } .ratio { "
        "fill: #777 } .cut { fill: #fff }</style>\n"
        "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
        "<text x=\"20\" y=\"30\" class=\"head\">bench-%s</text>\n"
        "<text x=\"20\" y=\"50\">median time of an operation of %u rounds; shorter is better; × "
        "beside the first of pinion's; a bar with a gap is cut</text>\n",
        WIDTH, height, WIDTH, height, rounds->name, rounds->count);
    int y = HEAD;
    for (size_t i = 0; i < rounds->row_count; i++)
        if (is_first_of_subject(rounds, &rounds->rows[i]))
            y = draw_subject(file, rounds, &rounds->rows[i], bars, y);
    (void)fprintf(file, "</svg>\n");
}

int rounds_draw(const struct rounds *rounds)
{
    FILE *file = fopen(rounds->svg, "w");
    if (!file) {
        (void)fprintf(stderr, "%s can't be written: %s\n", rounds->svg, strerror(errno));
        return 1;
    }
    draw(file, rounds);
    const bool failed = ferror(file);
    if (fclose(file) || failed) {
        (void)fprintf(stderr, "%s could not be written wholly\n", rounds->svg);
        return 1;
    }
    return 0;
}
