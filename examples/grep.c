/* SPDX-License-Identifier: MIT
 *
 * Finds the lines that contain a string, in files and below directories: a task for each of them.
 * Usage: grep STRING PATH...
 */
#include <dirent.h>
#include <errno.h>
#include <pinion.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *wanted;
static struct pinion_group tasks = PINION_GROUP_INIT;
static atomic_bool is_found;

static void complain(const char *path, int error)
{
    (void)fprintf(stderr, "grep: %s: %s\n", path, strerror(error));
}

static void print_matches(const char *path, const char *text)
{
    const char *found;
    flockfile(stdout); /* lines of one file come together */
    while ((found = strstr(text, wanted))) {
        const char *line = found, *end = found + strcspn(found, "\n");
        while (line > text && line[-1] != '\n')
            line--;
        (void)printf("%s:%.*s\n", path, (int)(end - line), line);
        is_found = true;
        text = end;
    }
    funlockfile(stdout);
}

static void search_file(struct pinion_io *io, const char *path, int file, size_t size)
{
    char *text = calloc(1, size + 1);
    const ssize_t length = text ? pinion_read_all(io, file, text, size) : -ENOMEM;
    if (length < 0)
        complain(path, (int)-length);
    else if (strlen(text) == (size_t)length) /* text, by the looks of it */
        print_matches(path, text);
    free(text);
}

static void search_directory(struct pinion_io *io, const char *path);

/* A task; path is its own. Devices and links are left alone. */
PINION_TASK(void, search, (struct pinion_io *, io), (char *, path))
{
    struct stat status = {.st_mode = 0};
    const int file = pinion_open(io, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    const int error = file < 0 ? file : pinion_fstat(io, file, &status);
    if (error && error != -ELOOP)
        complain(path, -error);
    if (S_ISREG(status.st_mode))
        search_file(io, path, file, (size_t)status.st_size);
    if (file >= 0)
        (void)pinion_close(io, file);
    if (S_ISDIR(status.st_mode))
        search_directory(io, path);
    free(path);
}

static void search_directory(struct pinion_io *io, const char *path)
{
    DIR *directory = opendir(path);
    if (!directory)
        complain(path, errno);
    for (const struct dirent *entry; directory && (entry = readdir(directory));) {
        const size_t bytes = strlen(path) + strlen(entry->d_name) + 2;
        char *below = malloc(bytes);
        if (!below || !strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) {
            free(below);
            continue;
        }
        (void)snprintf(below, bytes, "%s/%s", path, entry->d_name);
        search_group(io, &tasks, io, below); /* at once, or when a worker is free */
    }
    if (directory)
        (void)closedir(directory);
}

int main(int argc, char **argv)
{
    struct pinion_io *io = pinion_default_io(); /* a pool of the whole machine */
    if (argc < 3 || argv[1][0] == '\0') {
        (void)fprintf(stderr, "usage: grep STRING PATH...\n");
        return 2;
    }
    wanted = argv[1];
    for (int i = 2; i < argc; i++)
        search_group(io, &tasks, io, strdup(argv[i]));
    (void)pinion_group_await(io, &tasks);
    return !is_found;
}
