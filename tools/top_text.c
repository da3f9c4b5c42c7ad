/* SPDX-License-Identifier: MIT
 *
 * A frame of pinion top: for each pool and loop what it is as a whole, its workers, and who waits
 * longest. Where the rows are more than the lines, those of a node are one, and below it those that
 * the order puts first.
 */
#include "top.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

#define LINE_BYTES  512u
#define WAITS_SHOWN 6u
#define WAIT_LEAST  0.1 /* s */

/* ---- lines ---- */

static bool make_room(struct top_lines *text)
{
    if (text->count < text->room)
        return true;
    const unsigned room = text->room ? text->room * 2 : 64;
    void *lines = realloc(text->lines, room * sizeof text->lines[0]);
    if (lines)
        text->lines = lines;
    void *heads = lines ? realloc(text->are_heads, room * sizeof text->are_heads[0]) : NULL;
    if (!heads)
        return false;
    text->are_heads = heads;
    text->room = room;
    return true;
}

/* Cut to the columns. */
static void add_bytes(struct top_lines *text, bool is_head, const char *line, size_t length)
{
    if (text->columns && length > text->columns)
        length = text->columns;
    char *copy = make_room(text) ? strndup(line, length) : NULL;
    if (!copy) {
        text->is_short = true;
        return;
    }
    text->are_heads[text->count] = is_head;
    text->lines[text->count++] = copy;
}

static void add_line(struct top_lines *text, bool is_head, const char *line)
{
    add_bytes(text, is_head, line, strlen(line));
}

/* Broken behind commas; so many lines at most. */
static void add_wrapped(struct top_lines *text, bool is_head, const char *line, unsigned lines)
{
    const size_t columns = text->columns ? text->columns : SIZE_MAX;
    while (lines--) {
        size_t length = strlen(line), end = length;
        if (length > columns)
            for (end = columns - 1; end && (line[end] != ' ' || line[end - 1] != ','); end--)
                ;
        end = end ? end : length;
        add_bytes(text, is_head, line, end);
        line += end + (line[end] == ' ');
        if (!*line)
            return;
    }
}

void top_lines_free(struct top_lines *text)
{
    for (unsigned i = 0; i < text->count; i++)
        free(text->lines[i]);
    free(text->lines);
    free(text->are_heads);
    *text = (struct top_lines){0};
}

void top_lines_print(const struct top_lines *text, FILE *stream)
{
    for (unsigned i = 0; i < text->count; i++)
        (void)fprintf(stream, "%s%s%s\n", text->are_heads[i] ? bold(stream) : "", text->lines[i],
                      text->are_heads[i] ? plain(stream) : "");
}

/* ---- what it is as a whole ---- */

/* Adds to what is there: items of a line. */
static void say(char line[static LINE_BYTES], const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void say(char line[static LINE_BYTES], const char *format, ...)
{
    const size_t length = strlen(line);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line + length, LINE_BYTES - length, format, arguments);
    va_end(arguments);
}

static void say_loop(const struct top_crew *crew, char line[static LINE_BYTES])
{
    const struct top_row *total = &crew->total;
    const struct pinion_watch_worker *now = &total->now;
    const double waits = total->waits > 0 ? total->waits : 1;
    char submits[8], completions[8];
    say(line, ", %s",
        crew->now.backend == PINION_BACKEND_IO_URING ? "io_uring"
        : crew->now.backend == PINION_BACKEND_EPOLL  ? "epoll"
                                                     : "no backend yet");
    say(line, ", fibers %" PRIu64 ", in flight %" PRIu64, now->fibers,
        now->submitted > now->completed ? now->submitted - now->completed : 0);
    say(line, ", a wait %s submitted and %s completed", top_number(total->submits / waits, submits),
        top_number(total->completions / waits, completions));
}

static void add_summary(const struct top_crew *crew, struct top_lines *text, unsigned lines)
{
    const struct pinion_watch_crew *now = &crew->now;
    char line[LINE_BYTES] = "", rate[8];
    say(line, "%s %" PRIu64 ": cpu_count %u, parallel_count %u, capacity %u",
        now->is_loop ? "loop" : "pool", now->id, now->cpu_count, now->parallel_count,
        now->capacity);
    say(line, ", threads %u (at most %u)", now->threads, now->threads_peak);
    say(line, ", %u busy, %s tasks/s", crew->total.busy, top_number(crew->total.ran, rate));
    if (now->is_loop)
        say_loop(crew, line);
    say(line, ", idle %s", now->idle);
    if (now->is_degraded)
        say(line, ", degraded: see its report");
    if (now->left_out)
        say(line, ", %u workers not shown", now->left_out);
    add_wrapped(text, true, line, lines);
}

/* ---- who waits ---- */

/* In a row: that of its thread, in a call, or of its fiber that waits longest. 0: none. */
static double wait_of(const struct top_row *row)
{
    const double wait = row->now.longest.since                        ? row->fiber_waits
                        : row->now.state == PINION_WATCH_IN_CALL ? row->since
                                                                      : 0;
    return wait >= WAIT_LEAST ? wait : 0;
}

/* The longest of those that wait no longer than the last. */
static const struct top_row *longest_wait(const struct top_crew *crew, const struct top_row *last)
{
    const struct top_row *longest = NULL;
    const double below = last ? wait_of(last) : 0;
    for (unsigned i = 0; i < crew->row_count; i++) {
        const struct top_row *row = &crew->rows[i];
        const double wait = wait_of(row);
        if (wait <= 0 || (last && (wait > below || (wait == below && row <= last))))
            continue;
        if (!longest || wait > wait_of(longest))
            longest = row;
    }
    return longest;
}

static void say_wait(const struct top_row *row, char line[static LINE_BYTES])
{
    const struct pinion_watch_wait *wait = &row->now.longest;
    char since[24], call[16];
    say(line, " %s", row->now.name);
    if (!wait->since)
        say(line, " in %s", top_call_name(row->now.call, call));
    else if (wait->call < 0)
        say(line, " fiber %" PRIu64, wait->fiber);
    else
        say(line, " fiber %" PRIu64 " in %s", wait->fiber, top_call_name(wait->call, call));
    if (wait->since && wait->descriptor >= 0)
        say(line, "(%d)", wait->descriptor);
    say(line, " %s", top_duration(wait_of(row), since));
}

static void add_waits(const struct top_crew *crew, struct top_lines *text)
{
    char line[LINE_BYTES] = "";
    const struct top_row *row = NULL;
    for (unsigned i = 0; i < WAITS_SHOWN && (row = longest_wait(crew, row)); i++) {
        say(line, "%s", i ? "," : "longest waits:");
        say_wait(row, line);
    }
    if (*line)
        add_wrapped(text, false, line, 1);
}

/* ---- its workers ---- */

static void add_row(const struct top_crew *crew, const struct top_row *row, struct top_lines *text)
{
    char line[LINE_BYTES];
    top_table_row(row, crew->now.is_loop, text->columns, line, sizeof line);
    add_line(text, false, line);
}

static unsigned add_nodes(const struct top_crew *crew, struct top_lines *text, unsigned lines)
{
    unsigned count = 0;
    struct top_row *nodes = top_fold(crew, &count);
    if (count > lines)
        count = lines;
    for (unsigned i = 0; i < count; i++)
        add_row(crew, &nodes[i], text);
    if (!nodes)
        text->is_short = true;
    free(nodes);
    return count;
}

/* lines 0: as many as it takes. */
static void add_workers(const struct top_crew *crew, struct top_lines *text, unsigned lines)
{
    char line[LINE_BYTES];
    unsigned shown = crew->row_count;
    top_table_head(crew->now.is_loop, text->columns, line, sizeof line);
    add_line(text, true, line);
    if (lines && shown > lines)
        shown = lines - add_nodes(crew, text, lines);
    for (unsigned i = 0; i < shown; i++)
        add_row(crew, crew->order[i], text);
}

/* ---- a frame ---- */

static void add_title(const struct top *top, struct top_lines *text, bool has_keys)
{
    char line[LINE_BYTES] = "", interval[24];
    say(line, "pinion top: %s (%d), every %s, by %s%s", top->command, top->pid,
        top_duration(top->interval, interval), top_sort_keys[top->sort].name,
        has_keys ? ", h: help, q: quit" : "");
    add_wrapped(text, true, line, 1);
}

static void add_notes(const struct top *top, struct top_lines *text)
{
    const char *notes = pinion_watch_notes(top->watch);
    while (*notes) {
        const size_t length = strcspn(notes, "\n");
        add_bytes(text, false, notes, length);
        notes += length + (notes[length] == '\n');
    }
}

/* Of what is around a crew's rows: its summary, the head, a line of waits, an empty line. */
static unsigned frame_of(unsigned summary) { return summary + 3; }

/* So many rows the next crew may have, of the lines that are left: what those behind it don't need,
 * each of which has its part at most. */
static unsigned rows_for(const struct top *top, unsigned next, unsigned left, unsigned summary)
{
    const unsigned part = left / (top->crew_count - next);
    for (unsigned i = next + 1; i < top->crew_count; i++) {
        const unsigned need = frame_of(summary) + top->crews[i].row_count;
        left -= need < part ? need : part;
    }
    return left > frame_of(summary) ? left - frame_of(summary) : 1;
}

void top_write(const struct top *top, unsigned columns, unsigned lines, struct top_lines *text)
{
    const unsigned summary = lines ? (lines >= 16 ? lines / 8 : 1) : UINT32_MAX;
    char line[LINE_BYTES];
    *text = (struct top_lines){.columns = columns};
    add_title(top, text, lines);
    add_notes(top, text);
    if (columns && columns < TOP_COLUMNS_MIN) {
        (void)snprintf(line, sizeof line, "too narrow: %u columns are needed", TOP_COLUMNS_MIN);
        add_line(text, false, line);
        return;
    }
    if (!top->crew_count)
        add_line(text, false, "it has no pool or loop now");
    for (unsigned i = 0; i < top->crew_count && (!lines || text->count < lines); i++) {
        const struct top_crew *crew = &top->crews[i];
        if (text->count > 1)
            add_line(text, false, "");
        add_summary(crew, text, summary);
        const unsigned left = lines > text->count + 2 ? lines - text->count - 2 : 1;
        add_workers(crew, text, lines ? rows_for(top, i, left + frame_of(summary), summary) : 0);
        add_waits(crew, text);
    }
}

void top_write_help(const struct top *top, unsigned columns, struct top_lines *text)
{
    static const char *const words[] = {
        "state   running; polling: looks for a task; parked: sleeps",
        "        until there is one; else the call that its task is in",
        "tasks/s what ran there; near/s, far/s what it took from others",
        "        of its node and of other nodes; parks/s sleeps begun",
        "queue   tasks in its queue; delay: of the time, what it had to",
        "        wait for a CPU; arena: memory of its closures, and how",
        "        much of that is on its node",
        "flight  operations that the kernel has; sub/wait, done/wait:",
        "        submitted and completed a call that waits",
        "", "keys: q quit, h this text, space now, + - slower, faster", "sort by:"};
    char line[LINE_BYTES];
    *text = (struct top_lines){.columns = columns};
    add_title(top, text, true);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        add_line(text, false, words[i]);
    for (int i = 0; i < TOP_SORTS; i++) {
        (void)snprintf(line, sizeof line, "  %c %-7s%s", top_sort_keys[i].letter,
                       top_sort_keys[i].name, top_sort_keys[i].help);
        add_line(text, false, line);
    }
}
