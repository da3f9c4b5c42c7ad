/* SPDX-License-Identifier: MIT
 *
 * Copies what comes from several files, pipes or terminals to standard output as it comes, in one
 * task, and stops when nothing has come for a second. Usage: merge FILE...
 */
#include <errno.h>
#include <pinion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define QUIET_NS INT64_C(1000000000)

struct source {
    struct pinion_operation operation;
    int descriptor;
    char bytes[4096];
};

/* Copies from all of them until each has ended: 0 or -errno. */
static int merge(struct pinion_io *io, struct pinion_batch *batch)
{
    struct pinion_operation *done;
    int error = 0;
    while (!error) {
        const int64_t deadline = pinion_now(io, CLOCK_MONOTONIC) + QUIET_NS;
        if ((error = pinion_batch_next_until(io, batch, &done, deadline)))
            break;
        const struct source *source = done->user;
        if (done->result < 0)
            return (int)done->result;
        const size_t count = (size_t)done->result;
        const ssize_t written = pinion_write_all(io, STDOUT_FILENO, source->bytes, count);
        if (written < 0)
            return (int)written;
        if (count > 0)
            error = pinion_batch_submit(io, batch, done, 1); /* the same once more */
    }
    return error == -ENOENT ? 0 : error; /* all have ended */
}

int main(int argc, char **argv)
{
    struct pinion_io *io = pinion_default_io();
    struct pinion_batch batch = PINION_BATCH_INIT;
    struct source *sources = calloc((size_t)argc, sizeof *sources);
    int error = sources ? 0 : -ENOMEM, opened = 0;
    for (; opened < argc - 1 && !error; opened++) {
        struct source *source = &sources[opened];
        source->descriptor = pinion_open(io, argv[opened + 1], O_RDONLY | O_NONBLOCK);
        if (source->descriptor < 0) {
            error = source->descriptor;
            break;
        }
        source->operation.user = source;
        pinion_prepare_read(&source->operation, source->descriptor, source->bytes,
                            sizeof source->bytes);
        error = pinion_batch_submit(io, &batch, &source->operation, 1);
    }
    if (!error)
        error = merge(io, &batch);
    pinion_batch_cancel(io, &batch);
    while (opened > 0)
        (void)pinion_close(io, sources[--opened].descriptor);
    free(sources);
    if (error)
        fprintf(stderr, "merge: %s\n", strerror(-error));
    return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
