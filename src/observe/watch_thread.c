/* SPDX-License-Identifier: MIT */
#include "watch_parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RENAME_NS  INT64_C(1000000000) /* between two looks at what all threads are called */
#define CALLS_NS   INT64_C(1000000000)
#define CALLS_MAX  256u                /* that are asked for in that time */
#define PATH_BYTES 48u

/* ---- files of /proc ---- */

static ssize_t read_all(int fd, char *text, size_t size)
{
    const ssize_t length = pread(fd, text, size - 1, 0);
    text[length > 0 ? length : 0] = '\0';
    return length < 0 ? -errno : length;
}

ssize_t pn_proc_read(int directory, const char *path, char *text, size_t size)
{
    const int fd = openat(directory, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    const ssize_t length = read_all(fd, text, size);
    (void)close(fd);
    return length;
}

/* Behind the n-th blank; "" if there are fewer. */
static const char *field(const char *text, unsigned n)
{
    while (n && *text)
        n -= *text++ == ' ';
    return text;
}

/* The third field of a stat file, behind the name in parentheses, which may have any characters. */
static const char *third(const char *stat)
{
    const char *name_end = strrchr(stat, ')');
    return name_end && name_end[1] == ' ' ? name_end + 2 : "";
}

/* ---- the process ---- */

int pn_process_look(const struct pn_watched *process)
{
    char path[PATH_BYTES], text[1024];
    (void)snprintf(path, sizeof path, "task/%d/stat", (int)process->pid);
    if (pn_proc_read(process->proc, path, text, sizeof text) <= 0)
        return -ESRCH;
    const char *state = third(text);
    /* Nobody has asked for its status yet; where the first thread alone has ended, there are
     * more. */
    const bool is_over = *state == 'Z' || *state == 'X';
    return is_over && strtoul(field(state, 17), NULL, 10) <= 1 ? -ESRCH : 0;
}

/* The last number of the line "NSpid:" of a status file: what it is called where it lives. *depth:
 * how many there are. 0: it is not there (a kernel without namespaces). */
static pid_t inner_name(const char *status, unsigned *depth)
{
    const char *line = strstr(status, "\nNSpid:");
    pid_t name = 0;
    *depth = 0;
    if (!line)
        return 0;
    line += strlen("\nNSpid:");
    for (char *end; *line && *line != '\n'; line = end) {
        const long number = strtol(line, &end, 10);
        if (end == line)
            break;
        name = (pid_t)number;
        (*depth)++;
    }
    return name;
}

int pn_process_name(struct pn_watched *process)
{
    char text[4096];
    unsigned depth;
    const ssize_t length = pn_proc_read(process->proc, "status", text, sizeof text);
    if (length <= 0)
        return length ? (int)length : -ESRCH;
    process->inner = inner_name(text, &depth);
    process->is_elsewhere = depth > 1;
    if (!depth)
        process->inner = process->pid;
    return 0;
}

/* ---- what its threads are called ---- */

struct pn_thread_name {
    pid_t inner, outer;
};

static int compare_names(const void *a, const void *b)
{
    const struct pn_thread_name *one = a, *other = b;
    return (one->inner > other->inner) - (one->inner < other->inner);
}

static bool add_name(struct pn_watched *process, const char *outer, size_t *room)
{
    char path[PATH_BYTES], text[4096];
    unsigned depth;
    (void)snprintf(path, sizeof path, "task/%.12s/status", outer);
    if (pn_proc_read(process->proc, path, text, sizeof text) <= 0)
        return true; /* it has ended */
    if (process->name_count == *room) {
        const size_t more = *room ? *room * 2 : 64;
        void *names = realloc(process->names, more * sizeof process->names[0]);
        if (!names)
            return false;
        process->names = names;
        *room = more;
    }
    process->names[process->name_count++] = (struct pn_thread_name){
        .inner = inner_name(text, &depth), .outer = (pid_t)strtol(outer, NULL, 10)};
    return true;
}

static void name_threads(struct pn_watched *process)
{
    const int fd = openat(process->proc, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *tasks = fd < 0 ? NULL : fdopendir(fd);
    size_t room = 0;
    free(process->names);
    process->names = NULL;
    process->name_count = 0;
    if (!tasks) {
        if (fd >= 0)
            (void)close(fd);
        return;
    }
    for (struct dirent *entry; (entry = readdir(tasks));)
        if (*entry->d_name != '.' && !add_name(process, entry->d_name, &room))
            break;
    (void)closedir(tasks);
    if (process->name_count)
        qsort(process->names, process->name_count, sizeof process->names[0], compare_names);
}

static pid_t known_name(const struct pn_watched *process, pid_t inner)
{
    const struct pn_thread_name key = {.inner = inner};
    const struct pn_thread_name *name =
        process->name_count ? bsearch(&key, process->names, process->name_count, sizeof key,
                                      compare_names)
                            : NULL;
    return name ? name->outer : 0;
}

/* 0: there is none, or it came since all were asked. */
static pid_t outer_name(struct pn_watched *process, pid_t inner, int64_t now)
{
    if (inner <= 0 || !process->is_elsewhere)
        return inner > 0 ? inner : 0;
    const pid_t outer = known_name(process, inner);
    if (outer || (process->named_at && now - process->named_at < RENAME_NS))
        return outer;
    process->named_at = now;
    name_threads(process);
    return known_name(process, inner);
}

/* ---- a thread ---- */

void pn_watch_thread_init(struct pn_watch_thread *thread)
{
    *thread = (struct pn_watch_thread){.stat = -1, .schedstat = -1, .call = -1};
}

static void drop(struct pn_watched *process, int *fd)
{
    if (*fd < 0)
        return;
    (void)close(*fd);
    *fd = -1;
    process->kept--;
}

void pn_watch_thread_fini(struct pn_watched *process, struct pn_watch_thread *thread)
{
    drop(process, &thread->stat);
    drop(process, &thread->schedstat);
}

void pn_watch_thread_set(struct pn_watched *process, struct pn_watch_thread *thread, pid_t inner,
                         int64_t now)
{
    if (thread->inner == inner && (thread->outer || !inner))
        return;
    pn_watch_thread_fini(process, thread);
    thread->inner = inner;
    thread->outer = outer_name(process, inner, now);
    thread->since = 0;
}

/* Of its own directory, kept open where there is room: to open it again takes as long as to read it
 * twice. */
static ssize_t read_kept(struct pn_watched *process, const struct pn_watch_thread *thread,
                         int *kept, const char *name, char *text, size_t size)
{
    char path[PATH_BYTES];
    if (*kept >= 0)
        return read_all(*kept, text, size);
    (void)snprintf(path, sizeof path, "task/%d/%s", (int)thread->outer, name);
    const int fd = openat(process->proc, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    const ssize_t length = read_all(fd, text, size);
    if (process->kept < process->kept_max) {
        *kept = fd;
        process->kept++;
    } else {
        (void)close(fd);
    }
    return length;
}

void pn_watch_thread_look(struct pn_watched *process, struct pn_watch_thread *thread)
{
    struct pn_thread_state *state = &thread->kernel;
    char text[1024];
    *state = (struct pn_thread_state){.cpu = -1};
    if (!thread->outer)
        return;
    if (read_kept(process, thread, &thread->stat, "stat", text, sizeof text) <= 0) {
        pn_watch_thread_fini(process, thread);
        return;
    }
    const char *rest = third(text), *cpu = field(rest, 36);
    state->state = *rest;
    if (*cpu)
        state->cpu = atoi(cpu);
    if (read_kept(process, thread, &thread->schedstat, "schedstat", text, sizeof text) > 0)
        (void)sscanf(text, "%" SCNu64 " %" SCNu64, &state->run_ns, &state->delay_ns);
}

/* Threads of short calls are in another at each look: to ask that of hundreds takes as long as all
 * the rest. */
static bool may_ask(struct pn_watched *process, int64_t now)
{
    if (now - process->asked_since >= CALLS_NS) {
        process->asked_since = now;
        process->asked = 0;
    }
    return process->asked++ < CALLS_MAX;
}

int pn_watch_thread_call(struct pn_watched *process, const struct pn_watch_thread *thread,
                         int64_t now)
{
    char path[PATH_BYTES], text[256], *end;
    if (!may_ask(process, now))
        return -1;
    (void)snprintf(path, sizeof path, "task/%d/syscall", (int)thread->outer);
    if (pn_proc_read(process->proc, path, text, sizeof text) <= 0)
        return -1;
    const long call = strtol(text, &end, 10); /* or "running" */
    return end != text && call >= 0 && call <= INT32_MAX ? (int)call : -1;
}
