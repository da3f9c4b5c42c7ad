/* SPDX-License-Identifier: MIT
 *
 * The columns of pinion top's table. Where not all fit, those that matter least are left out.
 */
#include "top.h"

#include <string.h>
#include <sys/syscall.h>

#include "output.h"

/* ---- numbers ---- */

const char *top_number(double value, char buffer[8])
{
    static const char units[] = " kMGTPE";
    size_t unit = 0;
    if (value == 0) /* most are */
        return "0";
    while (value >= 999.5 && units[unit + 1]) {
        value /= 1000;
        unit++;
    }
    const bool is_whole = unit == 0 && value == (double)(unsigned)value;
    const int digits = is_whole || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    char text[64];
    (void)snprintf(text, sizeof text, "%.*f%c", digits, value < 999999 ? value : 999999,
                   unit ? units[unit] : '\0');
    (void)snprintf(buffer, 8, "%.7s", text);
    return buffer;
}

const char *top_duration(double seconds, char buffer[24])
{
    const unsigned long whole = seconds < 1e9 ? (unsigned long)seconds : 999999999;
    if (seconds < 0.0009995)
        (void)snprintf(buffer, 24, "%.0fus", seconds < 0 ? 0 : seconds * 1e6);
    else if (seconds < 0.9995)
        (void)snprintf(buffer, 24, "%.0fms", seconds * 1e3);
    else if (seconds < 59.95)
        (void)snprintf(buffer, 24, "%.1fs", seconds);
    else if (whole < 3600)
        (void)snprintf(buffer, 24, "%lum%02lus", whole / 60, whole % 60);
    else if (whole < 24 * 3600)
        (void)snprintf(buffer, 24, "%luh%02lum", whole / 3600, whole / 60 % 60);
    else
        (void)snprintf(buffer, 24, "%lud%02luh", whole / 86400, whole / 3600 % 24);
    return buffer;
}

static void share(double value, char text[static 16])
{
    const double percent = value * 100;
    if (percent < 0.05) {
        memcpy(text, "0%", 3);
        return;
    }
    (void)snprintf(text, 16, "%.*f%%", percent >= 9.95 ? 0 : 1,
                   percent < 1e6 ? percent : 1e6);
}

/* ---- calls ---- */

#define CALL(name) {SYS_##name, #name}
static const struct {
    int number;
    const char *name;
} calls[] = {
    CALL(read), CALL(write), CALL(pread64), CALL(pwrite64), CALL(readv), CALL(writev),
    CALL(preadv), CALL(pwritev), CALL(preadv2), CALL(pwritev2), CALL(recvfrom), CALL(sendto),
    CALL(recvmsg), CALL(sendmsg), CALL(recvmmsg), CALL(sendmmsg), CALL(accept), CALL(accept4),
    CALL(connect), CALL(futex), CALL(nanosleep), CALL(clock_nanosleep), CALL(ppoll),
    CALL(pselect6), CALL(epoll_pwait), CALL(epoll_pwait2), CALL(io_uring_enter), CALL(wait4),
    CALL(waitid), CALL(fsync), CALL(fdatasync), CALL(openat), CALL(close), CALL(fcntl),
    CALL(flock), CALL(ioctl), CALL(rt_sigsuspend), CALL(rt_sigtimedwait), CALL(splice),
    CALL(sendfile), CALL(getdents64), CALL(statx), CALL(newfstatat), CALL(fstat), CALL(unlinkat),
    CALL(msync), CALL(mmap), CALL(munmap), CALL(mprotect), CALL(madvise), CALL(membarrier),
    CALL(getrandom), CALL(ftruncate), CALL(fallocate), CALL(sched_yield), CALL(move_pages),
#ifdef SYS_poll
    CALL(poll), CALL(select), CALL(epoll_wait), CALL(open), CALL(pause),
#endif
};

const char *top_call_name(int call, char buffer[16])
{
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (calls[i].number == call)
            return calls[i].name;
    (void)snprintf(buffer, 16, call < 0 ? "in call" : "call %d", call);
    return buffer;
}

/* ---- columns ---- */

typedef void show_fn(const struct top_row *row, char text[static 16]);

static bool is_sum(const struct top_row *row) { return row->count > 1 || !row->now.thread; }

static void copy(char text[static 16], const char *from)
{
    const size_t length = strnlen(from, 15);
    memcpy(text, from, length);
    text[length] = '\0';
}

/* Without what all have in common. */
static void show_name(const struct top_row *row, char text[static 16])
{
    const char *name = row->now.name;
    copy(text, strncmp(name, "pinion/", 7) == 0 ? name + 7 : name);
}

static void show_index(uint64_t value, bool is_there, char text[static 16])
{
    if (is_there)
        (void)snprintf(text, 16, "%u", (unsigned)value);
    else
        copy(text, "-");
}

static void show_cpu(const struct top_row *row, char text[static 16])
{
    show_index((uint64_t)row->now.cpu, row->now.cpu >= 0, text);
}

static void show_node(const struct top_row *row, char text[static 16])
{
    show_index(row->now.node, row->now.node != PINION_NO_NODE, text);
}

static void show_state(const struct top_row *row, char text[static 16])
{
    char buffer[16];
    if (is_sum(row))
        (void)snprintf(text, 16, "%u/%u", row->busy, row->count);
    else if (row->now.state == PINION_WATCH_IN_CALL)
        copy(text, top_call_name(row->now.call, buffer));
    else
        copy(text, pinion_watch_state_name(row->now.state));
}

static void show_since(const struct top_row *row, char text[static 16])
{
    char buffer[24];
    copy(text, row->since > 0 ? top_duration(row->since, buffer) : "-");
}

static void show_number(double value, char text[static 16])
{
    char buffer[8];
    copy(text, top_number(value, buffer));
}

#define RATE(name, value)                                                                          \
    static void show_##name(const struct top_row *row, char text[static 16])                       \
    {                                                                                              \
        show_number(value, text);                                                                  \
    }
RATE(ran, row->ran)
RATE(inlined, row->inlined)
RATE(near, row->near)
RATE(far, row->far)
RATE(parks, row->parks)
RATE(searches, row->searches)
RATE(queue, (double)row->now.queued_now)
RATE(fibers, (double)row->now.fibers)
RATE(flight, row->now.submitted > row->now.completed
                 ? (double)(row->now.submitted - row->now.completed) : 0)
RATE(submits, row->waits > 0 ? row->submits / row->waits : 0)
RATE(completions, row->waits > 0 ? row->completions / row->waits : 0)

static void show_share(const struct top_row *row, double value, char text[static 16])
{
    if (row->has_shares)
        share(value, text);
    else
        copy(text, "-");
}

static void show_run(const struct top_row *row, char text[static 16])
{
    show_share(row, row->run, text);
}

static void show_delay(const struct top_row *row, char text[static 16])
{
    show_share(row, row->delay, text);
}

static void show_arena(const struct top_row *row, char text[static 16])
{
    char buffer[8];
    (void)snprintf(text, 16, "%sB", top_number((double)row->now.arena_bytes, buffer));
}

static void show_local(const struct top_row *row, char text[static 16])
{
    const double known = (double)(row->now.local_bytes + row->now.remote_bytes);
    if (known > 0)
        share((double)row->now.local_bytes / known, text);
    else
        copy(text, "-");
}

/* In the order in which they stand; rank: in which they are left out, the highest first. */
enum { OF_ALL, OF_LOOPS };
static const struct column {
    const char *head;
    unsigned width;
    int rank, of;
    show_fn *show;
} columns_all[] = {
    {"worker", 7, 0, OF_ALL, show_name},
    {"cpu", 3, 4, OF_ALL, show_cpu},
    {"node", 4, 5, OF_ALL, show_node},
    {"state", 9, 1, OF_ALL, show_state},
    {"since", 6, 13, OF_ALL, show_since},
    {"tasks/s", 7, 2, OF_ALL, show_ran},
    {"inline/s", 8, 16, OF_ALL, show_inlined},
    {"near/s", 6, 8, OF_ALL, show_near},
    {"far/s", 5, 9, OF_ALL, show_far},
    {"parks/s", 7, 10, OF_ALL, show_parks},
    {"search/s", 8, 18, OF_ALL, show_searches},
    {"queue", 5, 3, OF_ALL, show_queue},
    {"run", 4, 15, OF_ALL, show_run},
    {"delay", 5, 7, OF_ALL, show_delay},
    {"fibers", 6, 14, OF_LOOPS, show_fibers},
    {"flight", 6, 17, OF_LOOPS, show_flight},
    {"sub/wait", 8, 19, OF_LOOPS, show_submits},
    {"done/wait", 9, 20, OF_LOOPS, show_completions},
    {"arena", 6, 11, OF_ALL, show_arena},
    {"local", 5, 12, OF_ALL, show_local},
};
#define COLUMN_COUNT (sizeof columns_all / sizeof columns_all[0])
#define RANK_MAX     20

/* The highest rank up to which all fit. */
static int rank_that_fits(bool is_loop, unsigned columns)
{
    for (int rank = RANK_MAX; rank > 0; rank--) {
        unsigned width = 0;
        for (size_t i = 0; i < COLUMN_COUNT; i++)
            if (columns_all[i].rank <= rank && (is_loop || columns_all[i].of == OF_ALL))
                width += columns_all[i].width + (width > 0);
        if (!columns || width <= columns)
            return rank;
    }
    return 0;
}

/* Adds a cell to a line: words begin where it does, numbers end where it ends. */
static char *put(char *to, const char *end, const char *cell, unsigned width, bool is_word)
{
    size_t length = strlen(cell);
    const size_t blanks = length < width ? width - length : 0;
    if (is_word && length > width)
        length = width;
    if ((size_t)(end - to) < length + blanks + 1)
        return to;
    memset(to, ' ', length + blanks);
    memcpy(is_word ? to : to + blanks, cell, length);
    return to + length + blanks;
}

/* row NULL: what stands above. */
static void write_line(const struct top_row *row, bool is_loop, unsigned columns, char *text,
                       size_t size)
{
    const int rank = rank_that_fits(is_loop, columns);
    char *to = text;
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        const struct column *column = &columns_all[i];
        char cell[16];
        if (column->rank > rank || (column->of == OF_LOOPS && !is_loop))
            continue;
        if (row)
            column->show(row, cell);
        else
            copy(cell, column->head);
        if (to > text)
            to = put(to, text + size, " ", 1, true);
        to = put(to, text + size, cell, column->width,
                 column->show == show_name || column->show == show_state);
    }
    *to = '\0';
}

void top_table_head(bool is_loop, unsigned columns, char *text, size_t size)
{
    write_line(NULL, is_loop, columns, text, size);
}

void top_table_row(const struct top_row *row, bool is_loop, unsigned columns, char *text,
                   size_t size)
{
    write_line(row, is_loop, columns, text, size);
}
