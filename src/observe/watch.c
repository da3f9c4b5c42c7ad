/* SPDX-License-Identifier: MIT
 *
 * Watching another process: its pools and loops come and go, and itself may end.
 */
#include "watch_parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "detail.h"
#include "futex.h"
#include "segment.h"

/* Looking through all descriptors again: not before, and so that it takes no more than a 200th of
 * the time. */
#define SCAN_NS    INT64_C(1000000000)
#define SCAN_SHARE 200

/* Descriptors of threads: two each. */
#define KEPT_MAX 512u

struct pinion_watch {
    struct pn_watched process;
    struct pn_watch_page *pages; /* in the order of their crews' ids */
    size_t page_count, page_room;
    struct pinion_watch_crew *crews;
    size_t crew_room;
    unsigned crew_count;
    int64_t looked_at, scan_at; /* scan_at: the next time */
    unsigned foreign, layout;   /* pages of another layout, and the last one's */
    char notes[256];
};

/* ---- its pages ---- */

static void drop_page(struct pinion_watch *watch, size_t i)
{
    pn_watch_page_close(&watch->process, &watch->pages[i]);
    watch->page_count--;
    memmove(&watch->pages[i], &watch->pages[i + 1],
            (watch->page_count - i) * sizeof watch->pages[0]);
}

static bool is_known(struct pinion_watch *watch, const struct pn_watch_page *page)
{
    for (size_t i = 0; i < watch->page_count; i++) {
        if (watch->pages[i].device == page->device && watch->pages[i].inode == page->inode) {
            watch->pages[i].is_found = true;
            return true;
        }
    }
    return false;
}

static int add_page(struct pinion_watch *watch, const struct pn_watch_page *page)
{
    if (watch->page_count == watch->page_room) {
        const size_t room = watch->page_room ? watch->page_room * 2 : 4;
        void *pages = realloc(watch->pages, room * sizeof watch->pages[0]);
        if (!pages)
            return -ENOMEM;
        watch->pages = pages;
        watch->page_room = room;
    }
    size_t i = watch->page_count++;
    for (; i > 0 && watch->pages[i - 1].crew.id > page->crew.id; i--)
        watch->pages[i] = watch->pages[i - 1];
    watch->pages[i] = *page;
    watch->pages[i].is_found = true;
    return 0;
}

static int look_at(struct pinion_watch *watch, const char *name)
{
    struct pn_watch_page page;
    unsigned layout = 0;
    int error = pn_watch_page_open(&watch->process, name, &page, &layout);
    if (error == -EPROTO) {
        watch->foreign++;
        watch->layout = layout;
    }
    if (error == -ENOMEM || error == -EMFILE || error == -ENFILE)
        return error;
    if (error) /* it is none, or gone by now */
        return 0;
    if (is_known(watch, &page) || (error = add_page(watch, &page)))
        pn_watch_page_close(&watch->process, &page);
    return error;
}

static int look_through(struct pinion_watch *watch, DIR *descriptors)
{
    int error = 0;
    watch->foreign = 0;
    for (size_t i = 0; i < watch->page_count; i++)
        watch->pages[i].is_found = false;
    for (struct dirent *entry; !error && (entry = readdir(descriptors));)
        if (*entry->d_name != '.')
            error = look_at(watch, entry->d_name);
    if (error)
        return error;
    for (size_t i = watch->page_count; i-- > 0;)
        if (!watch->pages[i].is_found)
            drop_page(watch, i);
    return 0;
}

static int scan(struct pinion_watch *watch)
{
    const int64_t began = pn_now();
    const int fd = openat(watch->process.proc, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    DIR *descriptors = fdopendir(fd);
    if (!descriptors) {
        (void)close(fd);
        return -ENOMEM;
    }
    const int error = look_through(watch, descriptors);
    (void)closedir(descriptors);
    const int64_t now = pn_now(), pause = (now - began) * SCAN_SHARE;
    watch->scan_at = now + (pause > SCAN_NS ? pause : SCAN_NS);
    return error;
}

/* ---- looking ---- */

static void describe(struct pinion_watch *watch)
{
    watch->notes[0] = '\0';
    if (watch->foreign)
        (void)snprintf(watch->notes, sizeof watch->notes,
                       "%u of its pools and loops are shown in layout %u, and this version of "
                       "pinion knows layout %u: watch them with the version that the program has\n",
                       watch->foreign, watch->layout, PN_RECORD_LAYOUT);
}

static int read_pages(struct pinion_watch *watch)
{
    if (watch->crew_room < watch->page_count) {
        void *crews = realloc(watch->crews, watch->page_room * sizeof watch->crews[0]);
        if (!crews)
            return -ENOMEM;
        watch->crews = crews;
        watch->crew_room = watch->page_room;
    }
    for (size_t i = 0; i < watch->page_count; i++) {
        const int error = pn_watch_page_read(&watch->process, &watch->pages[i], watch->looked_at);
        if (error)
            return error;
    }
    watch->crew_count = (unsigned)watch->page_count;
    for (size_t i = 0; i < watch->page_count; i++)
        watch->crews[i] = watch->pages[i].crew;
    return 0;
}

static void drop_ended(struct pinion_watch *watch)
{
    for (size_t i = watch->page_count; i-- > 0;)
        if (pn_watch_page_is_over(&watch->pages[i]))
            drop_page(watch, i);
}

static int look(struct pinion_watch *watch)
{
    watch->looked_at = pn_now();
    watch->crew_count = 0;
    drop_ended(watch);
    int error = watch->looked_at >= watch->scan_at ? scan(watch) : 0;
    describe(watch);
    /* Last: what was read is the process's, if it is there still. */
    if (!error)
        error = read_pages(watch);
    if (pn_process_look(&watch->process))
        error = -ESRCH;
    if (error)
        watch->crew_count = 0;
    return error;
}

/* ---- what fails ---- */

static int say(int error, pid_t pid)
{
    switch (error) {
    case -ENOENT:
    case -ESRCH:
        return pn_error(ESRCH, "there is no process %d", (int)pid);
    case -EACCES:
    case -EPERM:
        return pn_error(EACCES,
                        "process %d may not be looked at: it is another user's, or keeps others "
                        "from it; try as that user or as root", (int)pid);
    default:
        return pn_error(-error, "process %d can't be looked at: %s", (int)pid,
                        strerrordesc_np(-error));
    }
}

/* Whether memory of that name is mapped, whose descriptor is not there. */
static bool is_mapped(const struct pn_watched *process)
{
    char line[512];
    bool is_there = false;
    const int fd = openat(process->proc, "maps", O_RDONLY | O_CLOEXEC);
    FILE *maps = fd < 0 ? NULL : fdopen(fd, "r");
    if (!maps) {
        if (fd >= 0)
            (void)close(fd);
        return false;
    }
    while (!is_there && fgets(line, sizeof line, maps))
        is_there = strstr(line, " /memfd:" PN_SEGMENT_NAME " ") != NULL;
    (void)fclose(maps);
    return is_there;
}

static int say_nothing_found(const struct pinion_watch *watch)
{
    const int pid = (int)watch->process.pid;
    if (watch->foreign)
        return pn_error(EPROTO,
                        "process %d shows its pools and loops in layout %u, and this version of "
                        "pinion knows layout %u: watch it with the version that it has", pid,
                        watch->layout, PN_RECORD_LAYOUT);
    if (is_mapped(&watch->process))
        return pn_error(ENOENT,
                        "process %d has a pool or loop, but closed the descriptor by which others "
                        "find it: descriptors that a program does not know are not its to close",
                        pid);
    return pn_error(ENOENT, "process %d has no pool or loop of pinion now", pid);
}

/* ---- the interface ---- */

/* No more than half of those that there may be. */
static unsigned kept_max(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur / 2 > KEPT_MAX)
        return KEPT_MAX;
    return (unsigned)limit.rlim_cur / 2;
}

static int open_process(struct pinion_watch *watch, pid_t pid)
{
    char path[32];
    (void)snprintf(path, sizeof path, "/proc/%d", (int)pid);
    watch->process.pid = pid;
    watch->process.kept_max = kept_max();
    watch->process.proc = pid > 0 ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (watch->process.proc < 0)
        return pid > 0 ? -errno : -ESRCH;
    const int error = pn_process_name(&watch->process);
    return error ? error : look(watch);
}

int pinion_watch_open(pid_t pid, struct pinion_watch **result)
{
    const int saved = errno;
    struct pinion_watch *watch = calloc(1, sizeof *watch);
    if (!watch)
        return pn_error(ENOMEM, "out of memory for a watch");
    watch->process.proc = -1;
    int error = open_process(watch, pid);
    if (error)
        error = say(error, pid);
    else if (!watch->crew_count)
        error = say_nothing_found(watch);
    if (error)
        pinion_watch_close(watch);
    else
        *result = watch;
    errno = saved;
    return error;
}

void pinion_watch_close(struct pinion_watch *watch)
{
    if (!watch)
        return;
    const int saved = errno;
    while (watch->page_count)
        drop_page(watch, watch->page_count - 1);
    if (watch->process.proc >= 0)
        (void)close(watch->process.proc);
    free(watch->process.names);
    free(watch->pages);
    free(watch->crews);
    free(watch);
    errno = saved;
}

int pinion_watch_refresh(struct pinion_watch *watch)
{
    const int saved = errno;
    int error = look(watch);
    if (error == -ESRCH)
        error = pn_error(ESRCH, "process %d has ended", (int)watch->process.pid);
    else if (error)
        error = say(error, watch->process.pid);
    errno = saved;
    return error;
}

int64_t pinion_watch_time(const struct pinion_watch *watch) { return watch->looked_at; }

const char *pinion_watch_notes(const struct pinion_watch *watch) { return watch->notes; }

const char *pinion_watch_state_name(enum pinion_watch_state state)
{
    static const char *const names[] = {"absent", "running", "polling", "parked", "in call"};
    return (unsigned)state < sizeof names / sizeof names[0] ? names[state] : NULL;
}

unsigned pinion_watch_crews(const struct pinion_watch *watch,
                            const struct pinion_watch_crew **crews)
{
    *crews = watch->crews;
    return watch->crew_count;
}
