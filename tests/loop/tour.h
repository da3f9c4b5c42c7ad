/* SPDX-License-Identifier: MIT
 *
 * A little of all that a loop is for: whatever the kernel refuses, it is as usual.
 */
#ifndef TESTS_LOOP_TOUR_H
#define TESTS_LOOP_TOUR_H

#include "loops.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>

PINION_TASK(int, sleep_for, (struct pinion_io *, io), (int64_t, ns))
{
    return pinion_sleep(io, ns);
}

PINION_TASK(ssize_t, read_all, (struct pinion_io *, io), (int, descriptor), (char *, into),
            (size_t, size))
{
    return pinion_read_all(io, descriptor, into, size);
}

PINION_TASK(int, accept_one, (struct pinion_io *, io), (int, descriptor))
{
    return pinion_accept(io, descriptor, NULL, NULL);
}

static inline void tour_sleeps(struct pinion_io *io)
{
    struct sleep_for_future futures[10];
    for (int i = 0; i < 10; i++)
        futures[i] = sleep_for_async(io, io, 100000 * i);
    for (int i = 0; i < 10; i++)
        must(sleep_for_await(io, &futures[i]) == 0);
}

/* More than there is room for in it. */
static inline void tour_pipe(struct pinion_io *io)
{
    enum { SIZE = 300000 };
    int ends[2];
    char *sent = malloc(SIZE), *got = calloc(1, SIZE);
    struct read_all_future future;
    must(sent && got && pipe2(ends, O_CLOEXEC) == 0);
    memset(sent, 'x', SIZE);
    must(read_all_concurrent(io, &future, io, ends[0], got, SIZE) == 0);
    must(pinion_write_all(io, ends[1], sent, SIZE) == SIZE);
    must(read_all_await(io, &future) == SIZE && memcmp(sent, got, SIZE) == 0);
    must(pinion_close(io, ends[0]) == 0 && pinion_close(io, ends[1]) == 0);
    free(sent);
    free(got);
}

static inline void tour_sockets(struct pinion_io *io)
{
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    struct accept_one_future future;
    char got[5];
    const int listening = pinion_listen_on(io, "127.0.0.1:0", 0);
    must(listening >= 0);
    must(getsockname(listening, (struct sockaddr *)&address, &length) == 0);
    must(accept_one_concurrent(io, &future, io, listening) == 0);
    const int client = pinion_socket(io, AF_INET, SOCK_STREAM, 0);
    must(pinion_connect(io, client, (struct sockaddr *)&address, length) == 0);
    const int server = accept_one_await(io, &future);
    must(server >= 0);
    must(pinion_send_all(io, client, "hello", 5, 0) == 5);
    must(pinion_recv_all(io, server, got, 5, 0) == 5 && memcmp(got, "hello", 5) == 0);
    must(pinion_shutdown(io, client, SHUT_WR) == 0 && pinion_recv(io, server, got, 5, 0) == 0);
    const int ends[] = {listening, client, server};
    for (int i = 0; i < 3; i++)
        must(pinion_close(io, ends[i]) == 0);
}

static inline void tour_file(struct pinion_io *io)
{
    struct stat status;
    char got[3];
    const int file = memfd_create("tour", MFD_CLOEXEC), null = pinion_open(io, "/dev/null", O_RDWR);
    must(file >= 0 && null >= 0);
    must(pinion_pwrite(io, file, "abc", 3, 5) == 3 && pinion_fsync(io, file) == 0);
    must(pinion_fstat(io, file, &status) == 0 && status.st_size == 8);
    must(pinion_pread(io, file, got, 3, 5) == 3 && memcmp(got, "abc", 3) == 0);
    must(pinion_read(io, null, got, 3) == 0);
    must(pinion_open(io, "/nowhere/at/all", O_RDONLY) == -ENOENT);
    must(pinion_close(io, file) == 0 && pinion_close(io, null) == 0);
}

static inline void tour_cancels(struct pinion_io *io)
{
    int ends[2];
    char byte;
    struct read_all_future reader;
    struct sleep_for_future sleeper;
    must(pipe2(ends, O_CLOEXEC) == 0);
    must(read_all_concurrent(io, &reader, io, ends[0], &byte, 1) == 0);
    must(sleep_for_concurrent(io, &sleeper, io, LONG_NS) == 0);
    must(pinion_sleep(io, 1000000) == 0); /* most likely they wait by then */
    must(read_all_cancel(io, &reader) == -ECANCELED);
    must(sleep_for_cancel(io, &sleeper) == -ECANCELED);
    must(pinion_read_until(io, ends[0], &byte, 1, pinion_now(io, CLOCK_MONOTONIC) + 1000000) ==
         -ETIMEDOUT);
    must(pinion_close(io, ends[0]) == 0 && pinion_close(io, ends[1]) == 0);
}

static inline void tour_threads(struct pinion_io *io)
{
    struct sleep_for_future parallel;
    must(sleep_for_parallel(io, &parallel, io, 100000) == 0);
    must(sleep_for_await(io, &parallel) == 0);
}

/* Some of each kind. */
static inline void tour_batch(struct pinion_io *io)
{
    enum { READ, RECV, POLL, ACCEPT, CONNECT, FILE_WRITE, SYNC, SLEEP, NEVER, COUNT };
    struct pinion_batch batch = PINION_BATCH_INIT;
    struct pinion_operation all[COUNT], *taken;
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    int ends[2], pair[2];
    char byte, other, third;
    const int file = memfd_create("tour", MFD_CLOEXEC);
    const int listening = pinion_listen_on(io, "127.0.0.1:0", 0);
    const int client = pinion_socket(io, AF_INET, SOCK_STREAM, 0);
    must(file >= 0 && listening >= 0 && client >= 0 && pinion_pipe(io, ends) == 0);
    must(pinion_socketpair(io, AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    must(getsockname(listening, (struct sockaddr *)&address, &length) == 0);
    pinion_prepare_read(&all[READ], ends[0], &byte, 1);
    pinion_prepare_recv(&all[RECV], pair[0], &other, 1, 0);
    pinion_prepare_poll(&all[POLL], pair[0], POLLIN);
    pinion_prepare_accept(&all[ACCEPT], listening, NULL, NULL);
    pinion_prepare_connect(&all[CONNECT], client, (struct sockaddr *)&address, length);
    pinion_prepare_pwrite(&all[FILE_WRITE], file, "abc", 3, 5);
    pinion_prepare_fsync(&all[SYNC], file);
    pinion_prepare_sleep(&all[SLEEP], 1000000);
    pinion_prepare_read(&all[NEVER], pair[1], &third, 1);
    must(pinion_batch_submit(io, &batch, all, COUNT) == 0);
    for (int left = COUNT - 4; left > 0; left--)
        must(pinion_batch_next(io, &batch, &taken) == 0 && taken->result >= 0);
    must(pinion_write(io, ends[1], "x", 1) == 1 && pinion_send(io, pair[1], "yz", 2, 0) == 2);
    for (int left = 3; left > 0; left--)
        must(pinion_batch_next(io, &batch, &taken) == 0 && taken->result >= 0);
    must(byte == 'x' && other == 'y' && all[POLL].result == POLLIN && all[CONNECT].result == 0);
    pinion_batch_request_cancel(io, &batch, &all[NEVER]);
    must(pinion_batch_next(io, &batch, &taken) == 0 && taken->result == -ECANCELED);
    const int used[] = {ends[0], ends[1], pair[0], pair[1], listening, client, file,
                        (int)all[ACCEPT].result};
    for (int i = 0; i < 8; i++)
        must(pinion_close(io, used[i]) == 0);
}

static inline void tour(struct pinion_io *io, void *unused)
{
    (void)unused;
    tour_sleeps(io);
    tour_pipe(io);
    tour_sockets(io);
    tour_file(io);
    tour_cancels(io);
    tour_batch(io);
    tour_threads(io);
}

#endif
