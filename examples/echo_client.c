/* SPDX-License-Identifier: MIT
 *
 * Sends its standard input to a server, and writes what comes back to its standard output, at the
 * same time. Usage: echo_client HOST:PORT | unix:PATH
 */
#include <errno.h>
#include <pinion.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000) /* ns */

/* Then says that no more comes. */
PINION_TASK(int, send_input, (struct pinion_io *, io), (int, connection))
{
    char bytes[16384];
    ssize_t got;
    while ((got = pinion_read(io, STDIN_FILENO, bytes, sizeof bytes)) > 0) {
        const ssize_t sent = pinion_send_all(io, connection, bytes, (size_t)got, 0);
        if (sent < 0)
            return (int)sent;
    }
    const int error = pinion_shutdown(io, connection, SHUT_WR);
    return got < 0 ? (int)got : error;
}

/* Until the server ends. */
static int write_answers(struct pinion_io *io, int connection)
{
    char bytes[16384];
    ssize_t got;
    while ((got = pinion_recv(io, connection, bytes, sizeof bytes, 0)) > 0) {
        const ssize_t written = pinion_write_all(io, STDOUT_FILENO, bytes, (size_t)got);
        if (written < 0)
            return (int)written;
    }
    return (int)got;
}

static int talk(struct pinion_io *io, const char *where)
{
    struct send_input_future sending;
    const int64_t deadline = pinion_now(io, CLOCK_MONOTONIC) + 10 * SECOND;
    const int connection = pinion_connect_to_until(io, where, deadline);
    if (connection < 0)
        return connection;
    /* Concurrent: each of the two waits for what the other does. */
    int error = send_input_concurrent(io, &sending, io, connection);
    if (!error) {
        error = write_answers(io, connection);
        const int sent = send_input_cancel(io, &sending);
        if (!error && sent != -ECANCELED) /* which it is where the server has ended first */
            error = sent;
    }
    (void)pinion_close(io, connection);
    return error;
}

int main(int argc, char **argv)
{
    struct pinion_pool *pool;
    if (argc != 2) {
        (void)fprintf(stderr, "usage: echo_client HOST:PORT | unix:PATH\n");
        return 2;
    }
    if (pinion_pool_create(NULL, &pool)) {
        (void)fprintf(stderr, "echo_client: %s\n", pinion_error_detail());
        return 1;
    }
    const int error = talk(pinion_pool_io(pool), argv[1]);
    if (error)
        (void)fprintf(stderr, "echo_client: %s: %s\n", argv[1], strerror(-error));
    pinion_pool_destroy(pool);
    return error != 0;
}
