/* SPDX-License-Identifier: MIT
 *
 * pinion top: what the pools and loops of a process do, again and again.
 */
#include "top.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <pinion/error.h>

#include "options.h"
#include "output.h"

#define INTERVAL_MIN 0.02
#define INTERVAL_MAX 3600.0
#define INTERVAL     1.0

enum mode { ON_SCREEN, AS_TEXT, AS_JSON };

/* What goes on until the end. */
struct session {
    struct top top;
    enum mode mode;
    unsigned left;     /* looks to be shown; 0: without end */
    bool shows_help;
    unsigned shown;
    enum exit_status status;
};

/* ---- showing ---- */

static void draw(struct session *session)
{
    struct top_lines text;
    unsigned columns, lines;
    top_screen_size(&columns, &lines);
    columns = columns ? columns : 80;
    if (session->shows_help)
        top_write_help(&session->top, columns, &text);
    else
        top_write(&session->top, columns, lines ? lines : 24, &text);
    top_screen_draw(&text);
    top_lines_free(&text);
}

static void print(struct session *session)
{
    struct top_lines text;
    unsigned columns, lines;
    top_screen_size(&columns, &lines);
    top_write(&session->top, columns, 0, &text);
    if (session->shown)
        (void)putchar('\n');
    top_lines_print(&text, stdout);
    top_lines_free(&text);
}

/* False: what was written did not get out, as main will tell. */
static bool show(struct session *session)
{
    if (session->mode == ON_SCREEN)
        draw(session);
    else if (session->mode == AS_TEXT)
        print(session);
    else
        top_write_json(&session->top, stdout);
    session->shown++;
    return fflush(stdout) == 0 && !ferror(stdout);
}

/* ---- looking ---- */

/* False: the end. A process that ends while it is watched is no failure. */
static bool look(struct session *session)
{
    const int error = top_look(&session->top);
    if (!error) {
        top_sort_rows(&session->top);
        return true;
    }
    top_screen_end(); /* its words are for the screen that was there before */
    complain("%s", error == -ENOMEM ? "out of memory" : pinion_error_detail());
    session->status = error == -ESRCH && session->shown ? DONE : FAILED;
    return false;
}

/* ---- keys ---- */

static void set_interval(struct top *top, double interval)
{
    top->interval = interval < INTERVAL_MIN ? INTERVAL_MIN
                    : interval > INTERVAL_MAX ? INTERVAL_MAX : interval;
}

static void sort_by(struct top *top, char letter)
{
    for (int i = 0; i < TOP_SORTS; i++)
        if (top_sort_keys[i].letter == letter)
            top->sort = (enum top_sort)i;
    top_sort_rows(top);
}

/* False: quit. */
static bool press(struct session *session, char key)
{
    struct top *top = &session->top;
    session->shows_help = (key == 'h' || key == '?') && !session->shows_help;
    if (key == '+')
        set_interval(top, top->interval * 2);
    else if (key == '-')
        set_interval(top, top->interval / 2);
    else
        sort_by(top, key);
    return key != 'q';
}

/* ---- the run ---- */

static int64_t due(const struct session *session)
{
    return session->top.time + (int64_t)(session->top.interval * 1e9);
}

/* What comes before the next look is due: true: that it is. */
static bool attend(struct session *session)
{
    char key = 0;
    for (;;) {
        switch (top_screen_wait(due(session), &key)) {
        case TOP_TIME:
            return true;
        case TOP_INTERRUPTED:
            session->status = INTERRUPTED;
            return false;
        case TOP_KEY:
            if (!press(session, key))
                return false;
            if (key == ' ')
                return true;
            break;
        case TOP_RESIZED:
            break;
        }
        if (session->mode == ON_SCREEN && !show(session))
            return false;
    }
}

/* The first look has nothing to be compared with, and is shown on a screen alone. */
static void follow(struct session *session)
{
    if (!look(session) || (session->mode == ON_SCREEN && !show(session)))
        return;
    while (attend(session)) {
        if (!look(session) || !show(session))
            return;
        if (session->left && --session->left == 0)
            return;
    }
}

/* Of the process; what can't be written plainly is left out. */
static void name_command(struct top *top)
{
    char path[32], *to = top->command;
    (void)snprintf(path, sizeof path, "/proc/%d/comm", top->pid);
    FILE *file = fopen(path, "re");
    for (int c; file && (c = getc(file)) != EOF && to < top->command + sizeof top->command - 1;)
        if (c >= ' ' && c < 0x7f)
            *to++ = (char)c;
    if (file)
        (void)fclose(file);
}

static bool parse_pid(const char *text, int *pid)
{
    char *end = NULL;
    errno = 0;
    const long value = text && *text >= '0' && *text <= '9' ? strtol(text, &end, 10) : 0;
    if (value > 0 && value <= INT_MAX && !*end && !errno) {
        *pid = (int)value;
        return true;
    }
    if (text)
        complain("'%s' is no process id; name a process by its number", text);
    else
        complain("name a process by its number; see pinion top --help");
    return false;
}

static enum mode mode_of(const struct options *options)
{
    if (options->json)
        return AS_JSON;
    return options->once || !top_screen_is_there() ? AS_TEXT : ON_SCREEN;
}

static enum exit_status run(const struct options *options)
{
    struct session session = {.mode = mode_of(options), .status = DONE,
                              .left = options->once ? 1 : options->count};
    struct top *top = &session.top;
    if (!parse_pid(options->operand, &top->pid))
        return USAGE;
    if (options->sort && !top_sort_parse(options->sort, &top->sort)) {
        complain("--sort '%s' is no key; see pinion top --help", options->sort);
        return USAGE;
    }
    set_interval(top, options->interval > 0 ? options->interval : INTERVAL);
    if (pinion_watch_open(top->pid, &top->watch)) {
        complain("%s", pinion_error_detail());
        return FAILED;
    }
    name_command(top);
    if (top_screen_begin(session.mode == ON_SCREEN)) {
        follow(&session);
        top_screen_end();
    } else {
        session.status = FAILED;
    }
    top_forget(top);
    pinion_watch_close(top->watch);
    return session.status;
}

const struct verb verb_top = {
    .name = "top",
    .operands = "PID",
    .summary = "Shows what the workers of a running process do",
    .details =
        "PID is a process of the same user, or any for root, that has a pool or loop. On\n"
        "a terminal the screen is drawn again at each interval; h there tells what the\n"
        "columns and keys mean. Where the rows don't fit, a node's are one, and below it\n"
        "stand the first in the order asked for. Elsewhere, and with --once, a table of\n"
        "all is written at each interval; with --json an object a line. Rates are those\n"
        "since the look before: the first table comes after one interval. When the\n"
        "process ends, so does the command, with status 0.",
    .options = OPTION_INTERVAL | OPTION_COUNT | OPTION_ONCE | OPTION_SORT | OPTION_JSON,
    .operand_count_max = 1,
    .run = run,
};
