/* SPDX-License-Identifier: MIT
 *
 * Stands between clients and a server, and passes on what each says to the other: tasks that wait
 * nearly all the time, two a connection, so it runs on a loop. Ctrl-C ends it, and what it passes.
 * Usage: proxy HOST:PORT|unix:PATH HOST:PORT|unix:PATH (its own address, and the server's)
 */
#include <errno.h>
#include <pinion.h>
#include <signal.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>

struct proxy {
    struct pinion_io *io;
    const char *here, *there;
};

struct client {
    const struct proxy *proxy;
    int connection;
};

/* Until one end has said all, or is gone; then says so to the other. */
PINION_TASK(void, pass, (struct pinion_io *, io), (int, from), (int, to))
{
    char bytes[16384]; /* a fiber has 256 KiB of stack */
    ssize_t got;
    while ((got = pinion_recv(io, from, bytes, sizeof bytes, 0)) > 0)
        if (pinion_send_all(io, to, bytes, (size_t)got, 0) < 0)
            break;
    (void)pinion_shutdown(io, to, SHUT_WR);
}

static void pass_both_ways(struct pinion_io *io, int client, int server)
{
    struct pass_future back;
    /* Concurrent: each way goes on while the other waits. */
    if (pass_concurrent(io, &back, io, server, client))
        return;
    pass(io, client, server);
    if (pinion_cancel_requested(io))
        pass_cancel(io, &back);
    else
        pass_await(io, &back); /* and one that comes now is passed on */
}

static void serve(const void *context, void *result)
{
    const struct client *client = context;
    struct pinion_io *io = client->proxy->io;
    const int server = pinion_connect_to(io, client->proxy->there);
    (void)result;
    if (server >= 0) {
        pass_both_ways(io, client->connection, server);
        (void)pinion_close(io, server);
    }
    (void)pinion_close(io, client->connection);
}

/* Until it is canceled, which cancels its clients too. */
static void accept_all(const struct proxy *proxy, int listener)
{
    struct pinion_io *io = proxy->io;
    struct pinion_group clients = PINION_GROUP_INIT;
    struct client client = {proxy, -1};
    const struct pinion_call call = {.start = serve, .context = &client,
                                     .context_size = sizeof client,
                                     .context_align = alignof(struct client)};
    while ((client.connection = pinion_accept(io, listener, NULL, NULL)) != -ECANCELED) {
        if (client.connection >= 0) {
            if (pinion_group_concurrent(io, &clients, &call))
                (void)pinion_close(io, client.connection); /* no memory is left */
        } else if (pinion_sleep(io, 10000000) == -ECANCELED) { /* no descriptor is left, say */
            break;
        }
    }
    pinion_group_cancel(io, &clients);
}

/* The main task: a fiber on the thread that called pinion_loop_run. */
static void work(const void *context, void *result)
{
    const struct proxy *proxy = context;
    const int listener = pinion_listen_on(proxy->io, proxy->here, 0);
    *(int *)result = listener < 0 ? listener : 0;
    if (listener < 0)
        return;
    (void)printf("proxy: at %s\n", proxy->here);
    (void)fflush(stdout);
    accept_all(proxy, listener);
    (void)pinion_close(proxy->io, listener);
}

static struct pinion_loop *loop;

static void stop(int number)
{
    (void)number;
    pinion_loop_stop(loop); /* is allowed in a handler: it cancels the main task */
}

int main(int argc, char **argv)
{
    const struct sigaction ends = {.sa_handler = stop};
    int error;
    if (argc != 3) {
        (void)fprintf(stderr, "usage: proxy HOST:PORT|unix:PATH HOST:PORT|unix:PATH\n");
        return 2;
    }
    if (pinion_loop_create(NULL, &loop)) {
        (void)fprintf(stderr, "proxy: %s\n", pinion_error_detail());
        return 1;
    }
    const struct proxy proxy = {pinion_loop_io(loop), argv[1], argv[2]};
    const struct pinion_call main_task = {.start = work, .context = &proxy,
                                          .context_size = sizeof proxy,
                                          .context_align = alignof(struct proxy),
                                          .result_size = sizeof error,
                                          .result_align = alignof(int)};
    (void)sigaction(SIGINT, &ends, NULL);
    (void)sigaction(SIGTERM, &ends, NULL);
    const int failed = pinion_loop_run(loop, &main_task, &error);
    if (failed)
        error = failed;
    (void)signal(SIGINT, SIG_DFL); /* before what the handler uses goes */
    (void)signal(SIGTERM, SIG_DFL);
    pinion_loop_destroy(loop);
    if (error)
        (void)fprintf(stderr, "proxy: %s: %s\n", argv[1], strerror(-error));
    return error != 0;
}
