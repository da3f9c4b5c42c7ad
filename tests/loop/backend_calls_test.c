/* SPDX-License-Identifier: MIT
 *
 * Calls that a backend makes: each does what the system call does, and waits as that would.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "backend_support.h"

static struct pn_operation operation_of(long number, long a0, long a1, long a2, long a3, long a4,
                                        long a5, int readable, int writable)
{
    struct pn_operation operation = pn_operation(number, a0, a1, a2, a3, a4, a5);
    operation.readable = readable;
    operation.writable = writable;
    return operation;
}

/* One that waits for nobody, by a ring alone. */
static long call(struct place *place, long number, long a0, long a1, long a2, long a3, long a4)
{
    return perform(place, pn_operation(number, a0, a1, a2, a3, a4, 0));
}

static void make_pipe(int ends[2], int flags)
{
    assert_int_equal(pipe2(ends, O_CLOEXEC | flags), 0);
}

static void make_pair(int ends[2], int type)
{
    assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends), 0);
}

static void close_both(const int ends[2])
{
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(close(ends[1]), 0);
}

static size_t drain(int descriptor, char *to, size_t most)
{
    size_t sum = 0;
    while (sum < most) {
        const ssize_t count = recv(descriptor, to + sum, most - sum, MSG_DONTWAIT);
        if (count <= 0)
            break;
        sum += (size_t)count;
    }
    return sum;
}

/* ---- pipes ---- */

static void a_read_waits_whether_or_not_the_pipe_is_nonblocking(void **state)
{
    struct place *place = *state;
    struct wait wait;
    for (int flags = 0; flags <= O_NONBLOCK; flags += O_NONBLOCK) {
        char bytes[4] = "";
        int ends[2];
        make_pipe(ends, flags);
        must_start(place, &wait, reading(ends[0], bytes, 3));
        turn(place);
        assert_int_equal(wait.times, 0);
        assert_int_equal(write(ends[1], "ab", 2), 2);
        assert_int_equal(finish(place, &wait), 2);
        assert_string_equal(bytes, "ab");
        assert_int_equal(close(ends[1]), 0);
        assert_int_equal(perform(place, reading(ends[0], bytes, 3)), 0);
        assert_int_equal(close(ends[0]), 0);
    }
}

static void parts_are_read_and_written_in_order(void **state)
{
    struct place *place = *state;
    char a[2] = {0}, b[3] = {0};
    int ends[2];
    struct iovec out[] = {{"he", 2}, {"llo", 3}}, in[] = {{a, 2}, {b, 3}};
    make_pipe(ends, 0);
    assert_int_equal(perform(place, operation_of(SYS_writev, ends[1], PN_ADDRESS(out), 2, 0, 0, 0,
                                                 -1, ends[1])),
                     5);
    assert_int_equal(perform(place, operation_of(SYS_readv, ends[0], PN_ADDRESS(in), 2, 0, 0, 0,
                                                 ends[0], -1)),
                     5);
    assert_memory_equal(a, "he", 2);
    assert_memory_equal(b, "llo", 3);
    close_both(ends);
}

#define BIG (1 << 20)

/* Reads all that comes while the wait goes on, and sees that nothing is lost or doubled. */
static void take_pattern(struct place *place, struct wait *wait, int from)
{
    static unsigned char taken[BIG];
    size_t sum = 0;
    while (sum < BIG) {
        turn(place);
        const ssize_t count = read(from, taken + sum, sizeof taken - sum);
        assert_true(count > 0);
        sum += (size_t)count;
    }
    assert_int_equal(finish(place, wait), BIG);
    for (size_t i = 0; i < BIG; i++)
        assert_int_equal(taken[i], (unsigned char)(i * 7 + i / 256));
}

static unsigned char *pattern(void)
{
    static unsigned char bytes[BIG];
    for (size_t i = 0; i < BIG; i++)
        bytes[i] = (unsigned char)(i * 7 + i / 256);
    return bytes;
}

static void a_write_that_fills_the_pipe_goes_on_until_all_is_written(void **state)
{
    struct place *place = *state;
    struct wait wait;
    unsigned char *bytes = pattern();
    struct iovec parts[] = {{bytes, 1}, {bytes + 1, 99999}, {bytes + 100000, 0},
                            {bytes + 100000, BIG - 100000}};
    int ends[2];
    make_pipe(ends, 0);
    must_start(place, &wait, writing(ends[1], bytes, BIG));
    take_pattern(place, &wait, ends[0]);
    struct pn_operation writev =
        operation_of(SYS_writev, ends[1], PN_ADDRESS(parts), 4, 0, 0, 0, -1, ends[1]);
    writev.sigpipe_below = BIG;
    must_start(place, &wait, writev);
    take_pattern(place, &wait, ends[0]);
    close_both(ends);
}

static void a_send_goes_on_until_all_is_sent(void **state)
{
    struct place *place = *state;
    struct wait wait;
    unsigned char *bytes = pattern();
    struct iovec parts[] = {{bytes, 12345}, {bytes + 12345, BIG - 12345}};
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    int ends[2];
    make_pair(ends, SOCK_STREAM);
    must_start(place, &wait, operation_of(SYS_sendto, ends[1], PN_ADDRESS(bytes), BIG, MSG_NOSIGNAL,
                                          0, 0, -1, ends[1]));
    take_pattern(place, &wait, ends[0]);
    must_start(place, &wait, operation_of(SYS_sendmsg, ends[1], PN_ADDRESS(&message), MSG_NOSIGNAL,
                                          0, 0, 0, -1, ends[1]));
    take_pattern(place, &wait, ends[0]);
    close_both(ends);
}

static void a_write_to_a_nonblocking_pipe_gives_what_it_moved(void **state)
{
    struct place *place = *state;
    int ends[2];
    make_pipe(ends, O_NONBLOCK);
    const long moved = perform(place, writing(ends[1], pattern(), BIG));
    assert_true(moved > 0 && moved < BIG);
    close_both(ends);
}

static void a_write_that_is_canceled_or_fails_gives_what_it_moved(void **state)
{
    struct place *place = *state;
    struct wait wait;
    int ends[2], room;
    make_pipe(ends, 0);
    room = fcntl(ends[1], F_GETPIPE_SZ);
    must_start(place, &wait, writing(ends[1], pattern(), BIG));
    turn(place);
    pn_backend_cancel(place->backend, &wait.completion);
    assert_int_equal(finish(place, &wait), room);
    must_start(place, &wait, writing(ends[1], pattern(), BIG));
    turn(place);
    pn_backend_cancel(place->backend, &wait.completion);
    assert_int_equal(finish(place, &wait), -ECANCELED);
    assert_int_equal(read(ends[0], pattern(), BIG), room);
    must_start(place, &wait, writing(ends[1], pattern(), BIG));
    turn(place);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(finish(place, &wait), room);
    assert_int_equal(close(ends[1]), 0);
}

static void a_write_that_nobody_reads_leaves_no_signal(void **state)
{
    struct place *place = *state;
    sigset_t pending;
    int ends[2];
    make_pipe(ends, 0);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(perform(place, writing(ends[1], "x", 1)), -EPIPE);
    assert_int_equal(sigpending(&pending), 0);
    assert_int_equal(sigismember(&pending, SIGPIPE), 0);
    assert_int_equal(close(ends[1]), 0);
}

/* Poll says that an eventfd has room where it has not room enough. */
static void what_is_ready_in_vain_is_waited_for_all_the_same(void **state)
{
    struct place *place = *state;
    struct wait wait;
    const uint64_t nearly = UINT64_MAX - 3, five = 5;
    uint64_t value = 0;
    const int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert_int_equal(write(event, &nearly, sizeof nearly), sizeof nearly);
    must_start(place, &wait, writing(event, &five, sizeof five));
    for (int i = 0; i < 10; i++)
        assert_int_equal(pn_backend_wait(place->backend, pn_now() + 100000), 0);
    assert_int_equal(wait.times, 0);
    assert_int_equal(read(event, &value, sizeof value), sizeof value);
    assert_int_equal(finish(place, &wait), sizeof five);
    assert_int_equal(read(event, &value, sizeof value), sizeof value);
    assert_int_equal(value, 5);
    assert_int_equal(write(event, &nearly, sizeof nearly), sizeof nearly);
    must_start(place, &wait, writing(event, &five, sizeof five));
    for (int i = 0; i < 10; i++)
        assert_int_equal(pn_backend_wait(place->backend, pn_now() + 100000), 0);
    pn_backend_cancel(place->backend, &wait.completion);
    assert_int_equal(finish(place, &wait), -ECANCELED);
    assert_int_equal(close(event), 0);
}

/* ---- sockets ---- */

static int listen_here(struct sockaddr_in *address, int flags)
{
    socklen_t length = sizeof *address;
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    *address = (struct sockaddr_in){.sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(listener, (struct sockaddr *)address, sizeof *address), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)address, &length), 0);
    return listener;
}

static void accept_waits_whether_or_not_the_socket_is_nonblocking(void **state)
{
    struct place *place = *state;
    struct wait wait;
    for (int flags = 0; flags <= SOCK_NONBLOCK; flags += SOCK_NONBLOCK) {
        struct sockaddr_in address, peer = {0}, own;
        socklen_t length = sizeof peer, own_length = sizeof own;
        const int listener = listen_here(&address, flags);
        must_start(place, &wait, operation_of(SYS_accept4, listener, PN_ADDRESS(&peer),
                                              PN_ADDRESS(&length), SOCK_CLOEXEC, 0, 0, listener,
                                              -1));
        turn(place);
        assert_int_equal(wait.times, 0);
        const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof address), 0);
        const int server = (int)finish(place, &wait);
        assert_true(server >= 0);
        assert_int_equal(fcntl(server, F_GETFD), FD_CLOEXEC);
        assert_int_equal(getsockname(client, (struct sockaddr *)&own, &own_length), 0);
        assert_int_equal(length, sizeof peer);
        assert_int_equal(peer.sin_port, own.sin_port);
        must_start(place, &wait, operation_of(SYS_accept4, listener, 0, 0, 0, 0, 0, listener, -1));
        turn(place);
        pn_backend_cancel(place->backend, &wait.completion);
        assert_int_equal(finish(place, &wait), -ECANCELED);
        assert_int_equal(close(server) | close(client) | close(listener), 0);
    }
}

static void accept_on_what_does_not_listen_is_refused(void **state)
{
    struct place *place = *state;
    const int plain = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int ends[2];
    make_pipe(ends, 0);
    assert_int_equal(perform(place, operation_of(SYS_accept4, plain, 0, 0, 0, 0, 0, plain, -1)),
                     -EINVAL);
    assert_int_equal(
        perform(place, operation_of(SYS_accept4, ends[0], 0, 0, 0, 0, 0, ends[0], -1)), -ENOTSOCK);
    close_both(ends);
    assert_int_equal(close(plain), 0);
}

static struct pn_operation connecting(int descriptor, const struct sockaddr_in *address)
{
    return pn_operation(SYS_connect, descriptor, PN_ADDRESS(address), sizeof *address, 0, 0, 0);
}

static void connect_connects_or_is_begun_or_is_left_to_a_thread(void **state)
{
    struct place *place = *state;
    struct wait wait;
    for (int flags = 0; flags <= SOCK_NONBLOCK; flags += SOCK_NONBLOCK) {
        struct sockaddr_in address;
        const int listener = listen_here(&address, 0);
        const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
        if (!is_ring(place) && !flags) {
            assert_false(start(place, &wait, connecting(client, &address)));
        } else {
            const long result = perform(place, connecting(client, &address));
            assert_true(result == 0 || (!is_ring(place) && result == -EINPROGRESS));
            const int server = accept(listener, NULL, NULL);
            assert_int_equal(send(client, "x", 1, 0), 1);
            assert_int_equal(close(server), 0);
        }
        assert_int_equal(close(client) | close(listener), 0);
        const int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
        if (is_ring(place)) /* nobody listens there any more */
            assert_int_equal(perform(place, connecting(other, &address)), -ECONNREFUSED);
        assert_int_equal(close(other), 0);
    }
}

static void messages_are_sent_and_received_with_their_addresses(void **state)
{
    struct place *place = *state;
    struct wait wait;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in b = a, from = {0};
    socklen_t length = sizeof a, from_length = sizeof from;
    char buffer[8] = "";
    const int one = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const int two = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(one, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(bind(two, (struct sockaddr *)&b, sizeof b), 0);
    assert_int_equal(getsockname(one, (struct sockaddr *)&a, &length), 0);
    assert_int_equal(getsockname(two, (struct sockaddr *)&b, &length), 0);
    must_start(place, &wait, operation_of(SYS_recvfrom, two, PN_ADDRESS(buffer), 8, 0,
                                          PN_ADDRESS(&from), PN_ADDRESS(&from_length), two, -1));
    turn(place);
    assert_int_equal(wait.times, 0);
    assert_int_equal(perform(place, operation_of(SYS_sendto, one, PN_ADDRESS("hi"), 2, 0,
                                                 PN_ADDRESS(&b), sizeof b, -1, one)),
                     2);
    assert_int_equal(finish(place, &wait), 2);
    assert_string_equal(buffer, "hi");
    assert_int_equal(from_length, sizeof from);
    assert_int_equal(from.sin_port, a.sin_port);
    assert_int_equal(close(one) | close(two), 0);
}

static void messages_in_parts_bring_descriptors(void **state)
{
    struct place *place = *state;
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } sent = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}}, taken;
    char buffer[4] = "";
    struct iovec out = {"abc", 3}, in = {buffer, 3};
    struct msghdr message = {.msg_iov = &out, .msg_iovlen = 1, .msg_control = &sent,
                             .msg_controllen = sizeof sent};
    struct msghdr received = {.msg_iov = &in, .msg_iovlen = 1, .msg_control = &taken,
                              .msg_controllen = sizeof taken};
    int ends[2], moved;
    make_pair(ends, SOCK_STREAM);
    memcpy(CMSG_DATA(&sent.header), &ends[0], sizeof(int));
    assert_int_equal(perform(place, operation_of(SYS_sendmsg, ends[0], PN_ADDRESS(&message), 0, 0,
                                                 0, 0, -1, ends[0])),
                     3);
    assert_int_equal(perform(place, operation_of(SYS_recvmsg, ends[1], PN_ADDRESS(&received),
                                                 MSG_CMSG_CLOEXEC, 0, 0, 0, ends[1], -1)),
                     3);
    assert_string_equal(buffer, "abc");
    assert_int_equal(taken.header.cmsg_type, SCM_RIGHTS);
    memcpy(&moved, CMSG_DATA(&taken.header), sizeof moved);
    assert_int_equal(fcntl(moved, F_GETFD), FD_CLOEXEC);
    assert_int_equal(close(moved), 0);
    close_both(ends);
}

/* MSG_DONTWAIT of the program's, and that of a deadline, which waits for readiness. */
static void a_call_that_does_not_wait_gives_EAGAIN_unless_it_says_what_for(void **state)
{
    struct place *place = *state;
    struct wait wait;
    char byte = 0;
    int ends[2];
    make_pair(ends, SOCK_STREAM);
    struct pn_operation receive = operation_of(SYS_recvfrom, ends[0], PN_ADDRESS(&byte), 1,
                                               MSG_DONTWAIT, 0, 0, -1, -1);
    receive.never_waits = true;
    assert_int_equal(perform(place, receive), -EAGAIN);
    receive.readable = ends[0];
    must_start(place, &wait, receive);
    turn(place);
    assert_int_equal(wait.times, 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(finish(place, &wait), 1);
    struct pn_operation send = operation_of(SYS_sendto, ends[0], PN_ADDRESS(pattern()), BIG,
                                            MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0, -1, ends[0]);
    send.never_waits = true;
    const long moved = perform(place, send);
    assert_true(moved > 0 && moved < BIG);
    assert_int_equal(drain(ends[1], (char *)pattern(), BIG), moved);
    close_both(ends);
}

static void MSG_WAITALL_waits_for_all(void **state)
{
    struct place *place = *state;
    struct wait wait;
    char bytes[5] = "";
    int ends[2];
    make_pair(ends, SOCK_STREAM);
    const struct pn_operation receive = operation_of(SYS_recvfrom, ends[0], PN_ADDRESS(bytes), 4,
                                                     MSG_WAITALL, 0, 0, ends[0], -1);
    if (is_ring(place)) {
        must_start(place, &wait, receive);
        assert_int_equal(write(ends[1], "ab", 2), 2);
        turn(place);
        assert_int_equal(wait.times, 0);
        assert_int_equal(write(ends[1], "cd", 2), 2);
        assert_int_equal(finish(place, &wait), 4);
        assert_string_equal(bytes, "abcd");
    } else {
        assert_false(start(place, &wait, receive));
    }
    close_both(ends);
}

/* ---- poll, splice ---- */

static void poll_of_one_descriptor_writes_what_it_found(void **state)
{
    struct place *place = *state;
    struct wait wait;
    int ends[2];
    make_pipe(ends, 0);
    struct pollfd one = {.fd = ends[0], .events = POLLIN, .revents = -1};
    const struct pn_operation poll =
        pn_operation(SYS_ppoll, PN_ADDRESS(&one), 1, 0, 0, PN_KERNEL_SIGSET_BYTES, 0);
    must_start(place, &wait, poll);
    turn(place);
    assert_int_equal(wait.times, 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(finish(place, &wait), 1);
    assert_int_equal(one.revents, POLLIN);
    close_both(ends);
    if (is_ring(place)) {
        assert_int_equal(perform(place, poll), 1);
        assert_int_equal(one.revents, POLLNVAL);
    }
    struct pollfd two[2] = {{.fd = 0}, {.fd = 1}};
    assert_false(start(place, &wait, pn_operation(SYS_ppoll, PN_ADDRESS(two), 2, 0, 0, 8, 0)));
}

static void splice_moves_bytes_and_offsets(void **state)
{
    struct place *place = *state;
    struct wait wait;
    char bytes[4] = "";
    off_t from = 1;
    int ends[2];
    FILE *file = tmpfile();
    assert_true(file && fputs("abcdef", file) >= 0 && fflush(file) == 0);
    make_pipe(ends, 0);
    const struct pn_operation splice = operation_of(
        SYS_splice, fileno(file), PN_ADDRESS(&from), ends[1], 0, 3, 0, fileno(file), ends[1]);
    if (is_ring(place)) {
        assert_int_equal(perform(place, splice), 3);
        assert_int_equal(from, 4);
        assert_int_equal(read(ends[0], bytes, 3), 3);
        assert_string_equal(bytes, "bcd");
    } else {
        assert_false(start(place, &wait, splice));
    }
    close_both(ends);
    assert_int_equal(fclose(file), 0);
}

/* ---- files ---- */

static void files_are_left_to_threads_by_epoll(void **state)
{
    struct place *place = *state;
    struct wait wait;
    char byte;
    FILE *file = tmpfile();
    assert_non_null(file);
    const int descriptor = fileno(file);
    if (!is_ring(place)) {
        assert_false(start(place, &wait, reading(descriptor, &byte, 1)));
        assert_false(start(place, &wait, writing(descriptor, "x", 1)));
        assert_false(start(place, &wait, pn_operation(SYS_fsync, descriptor, 0, 0, 0, 0, 0)));
    }
    assert_false(start(place, &wait, pn_operation(SYS_sendfile, 1, 0, 0, 1, 0, 0)));
    assert_int_equal(fclose(file), 0);
}

static void what_is_in_files_is_moved_as_by_the_calls(void **state)
{
    struct place *place = *state;
    struct wait wait;
    char bytes[8] = "";
    struct iovec in = {bytes, 2}, out = {"YZ", 2};
    struct stat status;
    int ends[2];
    FILE *file = tmpfile();
    assert_non_null(file);
    const int fd = fileno(file);
    if (!is_ring(place)) {
        assert_int_equal(fclose(file), 0);
        return;
    }
    assert_int_equal(perform(place, writing(fd, "abcd", 4)), 4);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 4);
    assert_int_equal(call(place, SYS_pwrite64, fd, PN_ADDRESS("X"), 1, 1, 0), 1);
    assert_int_equal(call(place, SYS_pread64, fd, PN_ADDRESS(bytes), 7, 0, 0), 4);
    assert_string_equal(bytes, "aXcd");
    assert_int_equal(call(place, SYS_pwritev, fd, PN_ADDRESS(&out), 1, 2, 0), 2);
    assert_int_equal(call(place, SYS_preadv, fd, PN_ADDRESS(&in), 1, 2, 0), 2);
    assert_string_equal(bytes, "YZcd");
    assert_int_equal(call(place, SYS_preadv2, fd, PN_ADDRESS(&in), 1, -1, 0), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(perform(place, reading(fd, bytes, 7)), 4);
    assert_memory_equal(bytes, "aXYZ", 4);
    assert_int_equal(call(place, SYS_fsync, fd, 0, 0, 0, 0), 0);
    assert_int_equal(call(place, SYS_fdatasync, fd, 0, 0, 0, 0), 0);
    assert_int_equal(call(place, SYS_fallocate, fd, 0, 0, 100, 0), 0);
    assert_true(fstat(fd, &status) == 0 && status.st_size == 100);
    if (start(place, &wait, pn_operation(SYS_ftruncate, fd, 5, 0, 0, 0, 0))) {
        assert_int_equal(finish(place, &wait), 0);
        assert_true(fstat(fd, &status) == 0 && status.st_size == 5);
    }
    assert_false(
        start(place, &wait, pn_operation(SYS_pread64, fd, PN_ADDRESS(bytes), 1, -1, 0, 0)));
    make_pipe(ends, 0); /* where the ring would take an offset and ignore it */
    assert_false(
        start(place, &wait, pn_operation(SYS_pread64, ends[0], PN_ADDRESS(bytes), 1, 0, 0, 0)));
    close_both(ends);
    assert_int_equal(fclose(file), 0);
}

static void names_of_files_are_made_and_unmade_as_by_the_calls(void **state)
{
    struct place *place = *state;
    char directory[] = "/tmp/pinion-backend-XXXXXX";
    struct statx status;
    if (!is_ring(place))
        return;
    assert_non_null(mkdtemp(directory));
    const int at = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(at >= 0);
    assert_int_equal(call(place, SYS_mkdirat, at, PN_ADDRESS("d"), 0700, 0, 0), 0);
    const int file = (int)call(place, SYS_openat, at, PN_ADDRESS("d/a"),
                               O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600, 0);
    assert_true(file >= 0);
    assert_int_equal(call(place, SYS_openat, at, PN_ADDRESS("none"), O_RDONLY, 0, 0), -ENOENT);
    assert_int_equal(call(place, SYS_linkat, at, PN_ADDRESS("d/a"), at, PN_ADDRESS("b"), 0), 0);
    assert_int_equal(call(place, SYS_symlinkat, PN_ADDRESS("b"), at, PN_ADDRESS("s"), 0, 0), 0);
    assert_int_equal(call(place, SYS_renameat2, at, PN_ADDRESS("b"), at, PN_ADDRESS("c"), 0), 0);
    assert_int_equal(call(place, SYS_statx, at, PN_ADDRESS("c"), 0, STATX_NLINK,
                          PN_ADDRESS(&status)), 0);
    assert_int_equal(status.stx_nlink, 2);
    assert_int_equal(faccessat(at, "s", F_OK, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(call(place, SYS_close, file, 0, 0, 0, 0), 0);
    assert_int_equal(fcntl(file, F_GETFD), -1);
    assert_int_equal(call(place, SYS_unlinkat, at, PN_ADDRESS("d/a"), 0, 0, 0), 0);
    assert_int_equal(call(place, SYS_unlinkat, at, PN_ADDRESS("c"), 0, 0, 0), 0);
    assert_int_equal(call(place, SYS_unlinkat, at, PN_ADDRESS("s"), 0, 0, 0), 0);
    assert_int_equal(call(place, SYS_unlinkat, at, PN_ADDRESS("d"), AT_REMOVEDIR, 0, 0), 0);
    assert_int_equal(close(at), 0);
    assert_int_equal(rmdir(directory), 0); /* all are gone */
}

/* Each holds a thread of the kernel's until its other end is opened. */
static void opens_of_fifos_wait_and_are_canceled(void **state)
{
    struct place *place = *state;
    struct wait waits[20];
    char directory[] = "/tmp/pinion-backend-XXXXXX", path[64];
    if (!is_ring(place))
        return;
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/fifo", directory);
    assert_int_equal(mkfifo(path, 0600), 0);
    for (int i = 0; i < 20; i++)
        must_start(place, &waits[i], pn_operation(SYS_openat, AT_FDCWD, PN_ADDRESS(path),
                                                  O_RDONLY | O_CLOEXEC, 0, 0, 0));
    turn(place);
    for (int i = 0; i < 20; i++)
        assert_int_equal(waits[i].times, 0);
    for (int i = 0; i < 19; i++)
        pn_backend_cancel(place->backend, &waits[i].completion);
    for (int i = 0; i < 19; i++)
        assert_int_equal(finish(place, &waits[i]), -ECANCELED);
    const int other = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(other >= 0);
    assert_int_equal(close((int)finish(place, &waits[19])) | close(other), 0);
    assert_int_equal(unlink(path) | rmdir(directory), 0);
}

int main(void)
{
    struct CMUnitTest tests[] = {
        ON_BACKEND(a_read_waits_whether_or_not_the_pipe_is_nonblocking),
        ON_BACKEND(parts_are_read_and_written_in_order),
        ON_BACKEND(a_write_that_fills_the_pipe_goes_on_until_all_is_written),
        ON_BACKEND(a_send_goes_on_until_all_is_sent),
        ON_BACKEND(a_write_to_a_nonblocking_pipe_gives_what_it_moved),
        ON_BACKEND(a_write_that_is_canceled_or_fails_gives_what_it_moved),
        ON_BACKEND(a_write_that_nobody_reads_leaves_no_signal),
        ON_BACKEND(what_is_ready_in_vain_is_waited_for_all_the_same),
        ON_BACKEND(accept_waits_whether_or_not_the_socket_is_nonblocking),
        ON_BACKEND(accept_on_what_does_not_listen_is_refused),
        ON_BACKEND(connect_connects_or_is_begun_or_is_left_to_a_thread),
        ON_BACKEND(messages_are_sent_and_received_with_their_addresses),
        ON_BACKEND(messages_in_parts_bring_descriptors),
        ON_BACKEND(a_call_that_does_not_wait_gives_EAGAIN_unless_it_says_what_for),
        ON_BACKEND(MSG_WAITALL_waits_for_all),
        ON_BACKEND(poll_of_one_descriptor_writes_what_it_found),
        ON_BACKEND(splice_moves_bytes_and_offsets),
        ON_BACKEND(files_are_left_to_threads_by_epoll),
        ON_BACKEND(what_is_in_files_is_moved_as_by_the_calls),
        ON_BACKEND(names_of_files_are_made_and_unmade_as_by_the_calls),
        ON_BACKEND(opens_of_fifos_wait_and_are_canceled),
    };
    return run_on_both(tests, sizeof tests / sizeof tests[0]);
}
