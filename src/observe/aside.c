/* SPDX-License-Identifier: MIT */
#include "aside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "detail.h"

static void forget(struct pn_aside *aside)
{
    if (aside->file >= 0)
        (void)close(aside->file);
    if (aside->folder >= 0)
        (void)close(aside->folder);
    free(aside->name);
    free(aside->part);
    *aside = (struct pn_aside){.folder = -1, .file = -1};
}

/* The folder and the names in it. */
static int split(struct pn_aside *aside, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    aside->name = strdup(name);
    aside->part = malloc(strlen(name) + sizeof ".part");
    if (!folder || !aside->name || !aside->part) {
        free(folder);
        return pn_error(ENOMEM, "out of memory for a trace");
    }
    (void)sprintf(aside->part, "%s.part", name);
    aside->folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    const int error = aside->folder < 0 ? errno : 0;
    if (error)
        (void)pn_error(error, "can't write a trace to %.300s: its folder: %s", path,
                       strerrordesc_np(error));
    free(folder);
    return -error;
}

static int check_target(const struct pn_aside *aside, const char *path)
{
    struct stat status;
    if (aside->name[0] == '\0')
        return pn_error(EINVAL, "a trace can't be written to '%s': name a file", path);
    if (fstatat(aside->folder, aside->name, &status, 0) == 0 && !S_ISREG(status.st_mode))
        return pn_error(EINVAL, "a trace can't be written to %.300s: it is no file; name one",
                        path);
    return 0;
}

/* Whether the file that is open still has its name: who wrote there before may have finished. */
static bool has_its_name(const struct pn_aside *aside)
{
    struct stat opened, named;
    return fstat(aside->file, &opened) == 0 &&
           fstatat(aside->folder, aside->part, &named, 0) == 0 && opened.st_ino == named.st_ino &&
           opened.st_dev == named.st_dev;
}

/* One writer at a time, by a lock on it. What one left that has died is written over. */
static int open_part(struct pn_aside *aside, const char *path)
{
    do {
        if (aside->file >= 0)
            (void)close(aside->file);
        aside->file = openat(aside->folder, aside->part,
                             O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
        if (aside->file < 0) {
            const int error = errno;
            return pn_error(error, "can't write a trace to %.300s.part: %s", path,
                            strerrordesc_np(error));
        }
        if (flock(aside->file, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
            return pn_error(EBUSY,
                            "another process writes a trace to %.300s.part; %%p in PINION_TRACE is "
                            "the process' number",
                            path);
    } while (!has_its_name(aside));
    (void)ftruncate(aside->file, 0); /* fails for a device */
    return 0;
}

int pn_aside_open(struct pn_aside *aside, const char *path)
{
    *aside = (struct pn_aside){.folder = -1, .file = -1};
    int error = split(aside, path);
    if (!error)
        error = check_target(aside, path);
    if (!error)
        error = open_part(aside, path);
    if (error)
        forget(aside);
    return error;
}

int pn_aside_write(struct pn_aside *aside, const void *data, size_t bytes)
{
    const char *at = data;
    for (size_t left = bytes; left;) {
        const ssize_t count = write(aside->file, at, left);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0) {
            const int error = count < 0 ? errno : EIO;
            (void)ftruncate(aside->file, (off_t)aside->bytes);
            return -error;
        }
        at += count;
        left -= (size_t)count;
    }
    aside->bytes += bytes;
    return 0;
}

int pn_aside_finish(struct pn_aside *aside)
{
    const int error =
        renameat(aside->folder, aside->part, aside->folder, aside->name) ? -errno : 0;
    forget(aside);
    return error;
}

void pn_aside_leave(struct pn_aside *aside) { forget(aside); }
