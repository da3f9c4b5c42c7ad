/* SPDX-License-Identifier: MIT
 *
 * The suite's part on batches: what each kind of operation gives, where it need not wait or can't
 * be done.
 */
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/un.h>
#include <unistd.h>

#define HOUR INT64_C(3600000000000)

static struct pinion_operation operation;
static char buffer[64];

/* Does it alone. */
static ssize_t result_of(struct suite *suite)
{
    struct pinion_batch batch = PINION_BATCH_INIT;
    struct pinion_operation *taken = NULL;
    errno = 77;
    assert_int_equal(pinion_batch_submit(suite->io, &batch, &operation, 1), 0);
    assert_int_equal(pinion_batch_next(suite->io, &batch, &taken), 0);
    assert_ptr_equal(taken, &operation);
    assert_int_equal(errno, 77);
    return operation.result;
}

#define EXPECT_RESULT(prepare, expected)                                                           \
    do {                                                                                           \
        prepare;                                                                                   \
        assert_int_equal(result_of(suite), (expected));                                            \
    } while (0)

/* ---- files ---- */

static void files_are_read_and_written_as_far_as_they_go(struct suite *suite)
{
    static char large[1 << 20], copy[1 << 20];
    struct pinion_operation *const one = &operation;
    struct iovec parts[2] = {{copy, 10}, {copy + 10, sizeof copy}};
    const int file = memfd_create("file", MFD_CLOEXEC);
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (char)(i * 7 + i / 256);
    EXPECT_RESULT(pinion_prepare_write(one, file, large, sizeof large), sizeof large);
    EXPECT_RESULT(pinion_prepare_read(one, file, copy, sizeof copy), 0);
    assert_int_equal(lseek(file, 0, SEEK_SET), 0);
    EXPECT_RESULT(pinion_prepare_read(one, file, copy, sizeof copy), sizeof copy);
    assert_memory_equal(large, copy, sizeof copy);
    assert_int_equal(lseek(file, 3, SEEK_SET), 3);
    EXPECT_RESULT(pinion_prepare_readv(one, file, parts, 2), sizeof copy - 3);
    assert_memory_equal(large + 3, copy, sizeof copy - 3);
    EXPECT_RESULT(pinion_prepare_pread(one, file, copy, sizeof copy, 5), sizeof copy - 5);
    assert_memory_equal(large + 5, copy, sizeof copy - 5);
    EXPECT_RESULT(pinion_prepare_pwrite(one, file, "abc", 3, sizeof large), 3);
    EXPECT_RESULT(pinion_prepare_pread(one, file, copy, 10, sizeof large), 3);
    assert_memory_equal("abc", copy, 3);
    assert_int_equal(lseek(file, 0, SEEK_CUR), sizeof large);
    parts[1].iov_len = 5;
    EXPECT_RESULT(pinion_prepare_writev(one, file, parts, 2), 15);
    EXPECT_RESULT(pinion_prepare_fsync(one, file), 0);
    assert_int_equal(lseek(file, 0, SEEK_END), sizeof large + 15);
    assert_int_equal(close(file), 0);
}

static void nothing_is_waited_for_where_nothing_is_asked_for(struct suite *suite)
{
    struct pinion_operation *const one = &operation;
    const int file = memfd_create("file", MFD_CLOEXEC);
    int ends[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(i ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)
                           : pipe2(ends, O_CLOEXEC), 0);
        EXPECT_RESULT(pinion_prepare_read(one, ends[0], buffer, 0), 0);
        EXPECT_RESULT(pinion_prepare_write(one, ends[1], buffer, 0), 0);
        assert_int_equal(close(ends[0]) | close(ends[1]), 0);
    }
    EXPECT_RESULT(pinion_prepare_read(one, file, buffer, 0), 0);
    EXPECT_RESULT(pinion_prepare_pread(one, file, buffer, 0, 0), 0);
    EXPECT_RESULT(pinion_prepare_pwrite(one, file, buffer, 0, 0), 0);
    assert_int_equal(close(file), 0);
}

/* ---- what can't be done ---- */

/* Prepares the kind of that index on a descriptor; false: there is none. */
static bool prepare(int index, int descriptor)
{
    static struct iovec part = {buffer, 1};
    static struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    static const struct sockaddr_in address = {.sin_family = AF_INET};
    struct pinion_operation *const one = &operation;
    switch (index) {
    case 0: pinion_prepare_read(one, descriptor, buffer, 1); return true;
    case 1: pinion_prepare_readv(one, descriptor, &part, 1); return true;
    case 2: pinion_prepare_pread(one, descriptor, buffer, 1, 0); return true;
    case 3: pinion_prepare_write(one, descriptor, buffer, 1); return true;
    case 4: pinion_prepare_writev(one, descriptor, &part, 1); return true;
    case 5: pinion_prepare_pwrite(one, descriptor, buffer, 1, 0); return true;
    case 6: pinion_prepare_fsync(one, descriptor); return true;
    case 7: pinion_prepare_recv(one, descriptor, buffer, 1, 0); return true;
    case 8: pinion_prepare_recvmsg(one, descriptor, &message, 0); return true;
    case 9: pinion_prepare_send(one, descriptor, buffer, 1, 0); return true;
    case 10: pinion_prepare_sendmsg(one, descriptor, &message, 0); return true;
    case 11: pinion_prepare_accept(one, descriptor, NULL, NULL); return true;
    case 12:
        pinion_prepare_connect(one, descriptor, (const struct sockaddr *)&address, sizeof address);
        return true;
    case 13: pinion_prepare_poll(one, descriptor, POLLIN); return true;
    default: return false;
    }
}

static void a_descriptor_that_is_closed_is_refused(struct suite *suite)
{
    for (int i = 0; prepare(i, -1); i++) {
        EXPECT_RESULT((void)prepare(i, -1), -EBADF);
        EXPECT_RESULT((void)prepare(i, 1000000), -EBADF);
    }
}

static void what_a_descriptor_does_not_allow_is_refused(struct suite *suite)
{
    struct pinion_operation *const one = &operation;
    const int directory = open("/tmp", O_RDONLY | O_CLOEXEC);
    const int file = memfd_create("file", MFD_CLOEXEC);
    static struct iovec parts[2];
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(write(ends[1], "a", 1), 1);
    EXPECT_RESULT(pinion_prepare_read(one, ends[1], buffer, 1), -EBADF);
    EXPECT_RESULT(pinion_prepare_write(one, ends[0], buffer, 1), -EBADF);
    EXPECT_RESULT(pinion_prepare_pread(one, ends[0], buffer, 1, 0), -ESPIPE);
    EXPECT_RESULT(pinion_prepare_pwrite(one, ends[1], buffer, 1, 0), -ESPIPE);
    EXPECT_RESULT(pinion_prepare_pread(one, file, buffer, 1, -1), -EINVAL);
    EXPECT_RESULT(pinion_prepare_pwrite(one, file, buffer, 1, -1), -EINVAL);
    EXPECT_RESULT(pinion_prepare_pread(one, file, buffer, 1, INT64_MIN), -EINVAL);
    EXPECT_RESULT(pinion_prepare_fsync(one, ends[1]), -EINVAL);
    EXPECT_RESULT(pinion_prepare_read(one, directory, buffer, 1), -EISDIR);
    for (int count = -1; count <= 100000; count += 100001) {
        EXPECT_RESULT(pinion_prepare_readv(one, ends[0], parts, count), -EINVAL);
        EXPECT_RESULT(pinion_prepare_writev(one, ends[1], parts, count), -EINVAL);
    }
    for (int i = 7; i <= 12; i++)
        EXPECT_RESULT((void)prepare(i, file), -ENOTSOCK);
    assert_int_equal(close(directory) | close(file) | close(ends[0]) | close(ends[1]), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    EXPECT_RESULT(pinion_prepare_pread(one, ends[0], buffer, 1, 0), -ESPIPE);
    EXPECT_RESULT(pinion_prepare_pwrite(one, ends[1], buffer, 1, 0), -ESPIPE);
    EXPECT_RESULT(pinion_prepare_accept(one, ends[0], NULL, NULL), -EINVAL);
    assert_int_equal(close(ends[0]) | close(ends[1]), 0);
}

static void where_nobody_reads_no_signal_is_raised(struct suite *suite)
{
    struct pinion_operation *const one = &operation;
    struct iovec part = {buffer, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    int ends[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(i ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)
                           : pipe2(ends, O_CLOEXEC), 0);
        assert_int_equal(close(ends[0]), 0);
        EXPECT_RESULT(pinion_prepare_write(one, ends[1], buffer, 1), -EPIPE);
        EXPECT_RESULT(pinion_prepare_writev(one, ends[1], &part, 1), -EPIPE);
        if (i == 1) {
            EXPECT_RESULT(pinion_prepare_send(one, ends[1], buffer, 1, 0), -EPIPE);
            EXPECT_RESULT(pinion_prepare_sendmsg(one, ends[1], &message, 0), -EPIPE);
        }
        EXPECT_RESULT(pinion_prepare_poll(one, ends[1], 0), i ? POLLHUP : POLLERR);
        assert_int_equal(close(ends[1]), 0);
    }
    sigset_t pending;
    assert_int_equal(sigpending(&pending), 0);
    assert_int_equal(sigismember(&pending, SIGPIPE), 0);
}

static void the_end_of_a_stream_is_told(struct suite *suite)
{
    struct pinion_operation *const one = &operation;
    int ends[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(i ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)
                           : pipe2(ends, O_CLOEXEC), 0);
        assert_int_equal(close(ends[1]), 0);
        EXPECT_RESULT(pinion_prepare_read(one, ends[0], buffer, 1), 0);
        if (i == 1)
            EXPECT_RESULT(pinion_prepare_recv(one, ends[0], buffer, 1, 0), 0);
        assert_int_equal(close(ends[0]), 0);
    }
}

/* ---- sockets ---- */

static void a_message_that_is_not_to_be_waited_for_is_not(struct suite *suite)
{
    static char large[1 << 20];
    struct pinion_operation *const one = &operation;
    struct iovec part = {buffer, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    EXPECT_RESULT(pinion_prepare_recv(one, ends[0], buffer, 1, MSG_DONTWAIT), -EAGAIN);
    EXPECT_RESULT(pinion_prepare_recvmsg(one, ends[0], &message, MSG_DONTWAIT), -EAGAIN);
    assert_int_equal(send(ends[1], "ab", 2, 0), 2);
    EXPECT_RESULT(pinion_prepare_recv(one, ends[0], buffer, 9, MSG_PEEK | MSG_WAITALL), 2);
    EXPECT_RESULT(pinion_prepare_recv(one, ends[0], buffer, 9, 0), 2);
    while (send(ends[0], large, sizeof large, MSG_DONTWAIT) > 0)
        continue;
    EXPECT_RESULT(pinion_prepare_send(one, ends[0], buffer, 1, MSG_DONTWAIT), -EAGAIN);
    EXPECT_RESULT(pinion_prepare_sendmsg(one, ends[0], &message, MSG_DONTWAIT), -EAGAIN);
    assert_int_equal(close(ends[0]) | close(ends[1]), 0);
}

static int open_listener(struct sockaddr_in *address)
{
    socklen_t length = sizeof *address;
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *address = (struct sockaddr_in){.sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(listener, (struct sockaddr *)address, length), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)address, &length), 0);
    return listener;
}

static void connections_are_made_and_accepted(struct suite *suite)
{
    struct pinion_batch batch = PINION_BATCH_INIT;
    struct pinion_operation both[2], *taken;
    struct sockaddr_in address, from, own;
    const int listener = open_listener(&address);
    for (int i = 0; i < 2; i++) {
        const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | i * SOCK_NONBLOCK, 0);
        socklen_t length = sizeof from, own_length = sizeof own;
        pinion_prepare_accept(&both[0], listener, (struct sockaddr *)&from, &length);
        pinion_prepare_connect(&both[1], client, (struct sockaddr *)&address, sizeof address);
        assert_int_equal(pinion_batch_submit(suite->io, &batch, both, 2), 0);
        assert_int_equal(pinion_batch_next(suite->io, &batch, &taken), 0);
        assert_int_equal(pinion_batch_next(suite->io, &batch, &taken), 0);
        assert_int_equal(both[1].result, 0);
        assert_true(both[0].result >= 0);
        assert_int_equal(getsockname(client, (struct sockaddr *)&own, &own_length), 0);
        assert_int_equal(length, sizeof from);
        assert_int_equal(from.sin_port, own.sin_port);
        assert_int_equal(pinion_batch_submit(suite->io, &batch, &both[1], 1), 0);
        assert_int_equal(pinion_batch_next(suite->io, &batch, &taken), 0);
        assert_int_equal(both[1].result, -EISCONN);
        assert_int_equal(close(client) | close((int)both[0].result), 0);
    }
    assert_int_equal(close(listener), 0);
}

static void a_connection_that_is_refused_is_told(struct suite *suite)
{
    struct sockaddr_in address;
    const struct sockaddr_un nobody = {.sun_family = AF_UNIX, .sun_path = "\0pinion-nobody"};
    assert_int_equal(close(open_listener(&address)), 0);
    for (int i = 0; i < 2; i++) {
        int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | i * SOCK_NONBLOCK, 0);
        EXPECT_RESULT(pinion_prepare_connect(&operation, client, (struct sockaddr *)&address,
                                             sizeof address), -ECONNREFUSED);
        EXPECT_RESULT(pinion_prepare_connect(&operation, client, (struct sockaddr *)&address, 1),
                      -EINVAL);
        assert_int_equal(close(client), 0);
        client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | i * SOCK_NONBLOCK, 0);
        EXPECT_RESULT(pinion_prepare_connect(&operation, client, (const struct sockaddr *)&nobody,
                                             sizeof nobody), -ECONNREFUSED);
        assert_int_equal(close(client), 0);
    }
}

static void a_descriptor_in_a_message_arrives(struct suite *suite)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS}};
    struct iovec part = {buffer, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = sizeof control};
    int ends[2], passed;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    memcpy(CMSG_DATA(&control.header), &ends[0], sizeof(int));
    EXPECT_RESULT(pinion_prepare_sendmsg(&operation, ends[0], &message, 0), 1);
    memset(&control, 0, sizeof control);
    EXPECT_RESULT(pinion_prepare_recvmsg(&operation, ends[1], &message, 0), 1);
    assert_int_equal(control.header.cmsg_type, SCM_RIGHTS);
    memcpy(&passed, CMSG_DATA(&control.header), sizeof(int));
    assert_int_equal(fcntl(passed, F_GETFD), FD_CLOEXEC);
    assert_int_equal(close(passed) | close(ends[0]) | close(ends[1]), 0);
}

/* ---- time ---- */

static void sleeps_end_in_the_order_of_their_times(struct suite *suite)
{
    static const int64_t durations[] = {3000000, -5, 2000000, PINION_FOREVER, 0, 1000000};
    static const int order[] = {1, 4, 5, 2, 0};
    struct pinion_batch batch = PINION_BATCH_INIT;
    struct pinion_operation six[6], *taken;
    for (int round = 0; round < 2; round++) {
        const int64_t start = suite_now();
        for (int i = 0; i < 6; i++) {
            if (round == 0)
                pinion_prepare_sleep(&six[i], durations[i]);
            else
                pinion_prepare_sleep_until(&six[i], durations[i] == PINION_FOREVER
                                                        ? PINION_FOREVER
                                                        : start + durations[i]);
        }
        assert_int_equal(pinion_batch_submit(suite->io, &batch, six, 6), 0);
        for (int i = 0; i < 5; i++) {
            assert_int_equal(pinion_batch_next_until(suite->io, &batch, &taken,
                                                     suite_now() + HOUR), 0);
            assert_true(suite_now() >= start + durations[taken - six]);
            assert_int_equal(taken->result, 0);
            if (i < 2) /* later ones may be due at the same time */
                assert_ptr_equal(taken, &six[order[i]]);
        }
        assert_int_equal(six[3].result, -EINPROGRESS);
        assert_int_equal(pinion_batch_next_until(suite->io, &batch, &taken, 0), -ETIMEDOUT);
        pinion_batch_cancel(suite->io, &batch);
        assert_int_equal(pinion_batch_next(suite->io, &batch, &taken), 0);
        assert_ptr_equal(taken, &six[3]);
    }
}

const struct suite_test suite_tests[] = {
    SUITE_TEST(files_are_read_and_written_as_far_as_they_go),
    SUITE_TEST(nothing_is_waited_for_where_nothing_is_asked_for),
    SUITE_TEST(a_descriptor_that_is_closed_is_refused),
    SUITE_TEST(what_a_descriptor_does_not_allow_is_refused),
    SUITE_TEST(where_nobody_reads_no_signal_is_raised),
    SUITE_TEST(the_end_of_a_stream_is_told),
    SUITE_TEST(a_message_that_is_not_to_be_waited_for_is_not),
    SUITE_TEST(connections_are_made_and_accepted),
    SUITE_TEST(a_connection_that_is_refused_is_told),
    SUITE_TEST(a_descriptor_in_a_message_arrives),
    SUITE_TEST(sleeps_end_in_the_order_of_their_times),
    {NULL, NULL},
};
