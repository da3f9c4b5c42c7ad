/* SPDX-License-Identifier: MIT
 *
 * Sends back whatever it is sent, to any number of clients at a time; Ctrl-C ends it and them.
 * Usage: echo_server [HOST:PORT | unix:PATH]
 */
#include <errno.h>
#include <netinet/in.h>
#include <pinion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

struct client {
    struct pinion_io *io;
    int connection;
};

/* A task for each client. It ends when the client does, or is canceled in a wait. */
static void serve(const void *context, void *result)
{
    const struct client *client = context;
    char bytes[16384];
    ssize_t got;
    (void)result;
    while ((got = pinion_recv(client->io, client->connection, bytes, sizeof bytes, 0)) > 0)
        if (pinion_send_all(client->io, client->connection, bytes, (size_t)got, 0) < 0)
            break;
    (void)pinion_close(client->io, client->connection);
}

/* Accepts clients until it is canceled, and then cancels them. */
PINION_TASK(void, accept_all, (struct pinion_io *, io), (int, listener))
{
    struct pinion_group clients = PINION_GROUP_INIT;
    struct client client = {io, -1};
    const struct pinion_call call = {
        .start = serve, .context = &client, .context_size = sizeof client};
    while ((client.connection = pinion_accept(io, listener, NULL, NULL)) != -ECANCELED) {
        if (client.connection >= 0) {
            /* Concurrent: it waits for its client while others go on. */
            if (pinion_group_concurrent(io, &clients, &call))
                (void)pinion_close(io, client.connection); /* too many: no thread is left */
        } else if (pinion_sleep(io, 10000000) == -ECANCELED) { /* no descriptor is left, say */
            break;
        }
    }
    pinion_group_cancel(io, &clients);
}

/* The port that it got, if it asked for any. */
static void say_where(int listener, const char *where)
{
    struct sockaddr_storage at;
    socklen_t length = sizeof at;
    if (getsockname(listener, (struct sockaddr *)&at, &length) || at.ss_family == AF_UNIX)
        (void)printf("echo_server: at %s\n", where);
    else /* the port is in the same place for both families */
        (void)printf("echo_server: port %d\n", ntohs(((struct sockaddr_in *)&at)->sin_port));
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    const char *where = argc > 1 ? argv[1] : ":7777";
    struct pinion_pool *pool;
    struct accept_all_future accepting;
    sigset_t stops;
    (void)sigemptyset(&stops);
    (void)sigaddset(&stops, SIGINT);
    (void)sigaddset(&stops, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &stops, NULL); /* before any thread is made */
    if (pinion_pool_create(NULL, &pool)) {
        (void)fprintf(stderr, "echo_server: %s\n", pinion_error_detail());
        return 1;
    }
    struct pinion_io *io = pinion_pool_io(pool);
    const int listener = pinion_listen_on(io, where, 0);
    int error = listener < 0 ? listener : accept_all_concurrent(io, &accepting, io, listener);
    if (!error) {
        say_where(listener, where);
        (void)pinion_signal_wait(io, &stops, PINION_FOREVER);
        accept_all_cancel(io, &accepting);
    } else {
        (void)fprintf(stderr, "echo_server: %s: %s\n", where, strerror(-error));
    }
    if (listener >= 0)
        (void)pinion_close(io, listener);
    pinion_pool_destroy(pool);
    return error != 0;
}
