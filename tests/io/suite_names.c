/* SPDX-License-Identifier: MIT
 *
 * The suite's part on names, and on places to listen on and to connect to. It runs in a namespace
 * where the tests' own name server answers (namespace.c, resolver.h).
 */
#include "suite.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../threads.h"
#include "resolver.h"

#define MS   INT64_C(1000000)
#define HOUR INT64_C(3600000000000)

static const struct addrinfo streams = {.ai_socktype = SOCK_STREAM};

/* Skips the test where names are others' to answer. */
static void need_resolver(struct resolver *resolver)
{
    if (resolver_start(resolver))
        return;
    print_message("there is no namespace of its own\n");
    skip();
}

static unsigned port_of(int descriptor)
{
    struct sockaddr_in6 at; /* the port of IPv4 is in the same place */
    socklen_t length = sizeof at;
    assert_int_equal(getsockname(descriptor, (struct sockaddr *)&at, &length), 0);
    return ntohs(at.sin6_port);
}

static const char *place_of(const char *host, unsigned port)
{
    static char place[64];
    (void)snprintf(place, sizeof place, "%s:%u", host, port);
    return place;
}

static bool has_ipv6(struct pinion_io *io)
{
    const int listener = pinion_listen_on(io, "[::1]:0", 0);
    if (listener >= 0)
        assert_int_equal(pinion_close(io, listener), 0);
    else
        print_message("there is no IPv6\n");
    return listener >= 0;
}

/* ---- lookups ---- */

static void addresses_in_digits_are_read(struct suite *suite)
{
    struct addrinfo *list = NULL;
    errno = 77;
    assert_int_equal(pinion_getaddrinfo(suite->io, "127.0.0.1", "65535", &streams, &list), 0);
    const struct sockaddr_in *four = (const void *)list->ai_addr;
    assert_int_equal(list->ai_family, AF_INET);
    assert_int_equal(ntohl(four->sin_addr.s_addr), INADDR_LOOPBACK);
    assert_int_equal(ntohs(four->sin_port), 65535);
    assert_null(list->ai_next);
    freeaddrinfo(list);
    assert_int_equal(pinion_getaddrinfo_until(suite->io, "::1", NULL, &streams, &list, 0), 0);
    assert_int_equal(list->ai_family, AF_INET6);
    freeaddrinfo(list);
    assert_int_equal(pinion_getaddrinfo(suite->io, NULL, "0", NULL, &list), 0);
    freeaddrinfo(list);
    assert_int_equal(errno, 77);
}

static void what_is_no_name_is_refused(struct suite *suite)
{
    struct pinion_io *io = suite->io;
    struct addrinfo *const untouched = (struct addrinfo *)&streams;
    struct addrinfo *list = untouched;
    const struct addrinfo no_family = {.ai_family = 99}, no_type = {.ai_socktype = 99},
                          no_flags = {.ai_flags = 1 << 30},
                          six = {.ai_family = AF_INET6, .ai_socktype = SOCK_STREAM},
                          digits = {.ai_flags = AI_NUMERICHOST};
    assert_int_equal(pinion_getaddrinfo(io, "127.0.0.1", "65536", NULL, &list), -EINVAL);
    assert_string_equal(pinion_error_detail(), "port 65536 is out of range 0..65535");
    assert_int_equal(
        pinion_getaddrinfo(io, NULL, "99999999999999999999999999", NULL, &list), -EINVAL);
    assert_int_equal(pinion_getaddrinfo(io, "::1", "80", &no_family, &list), -EINVAL);
    assert_int_equal(pinion_getaddrinfo(io, "::1", "80", &no_type, &list), -EINVAL);
    assert_int_equal(pinion_getaddrinfo(io, "::1", "80", &no_flags, &list), -EINVAL);
    assert_int_equal(pinion_getaddrinfo(io, NULL, NULL, NULL, &list), -ENOENT);
    assert_int_equal(pinion_getaddrinfo(io, "127.0.0.1", "80", &six, &list), -ENOENT);
    assert_int_equal(pinion_getaddrinfo(io, "localhost", "80", &digits, &list), -ENOENT);
    assert_int_equal(pinion_getaddrinfo(io, "::1", "no-such-service", NULL, &list), -ENOENT);
    assert_non_null(strstr(pinion_error_detail(), "'no-such-service'"));
    assert_int_equal(pinion_getaddrinfo_until(io, "localhost", "80", NULL, &list, 0), -ETIMEDOUT);
    assert_int_equal(pinion_getaddrinfo(pinion_io_failing(), "::1", "80", NULL, &list), -ENOTSUP);
    assert_ptr_equal(list, untouched);
}

static void names_are_looked_up(struct suite *suite)
{
    static struct resolver resolver;
    struct pinion_io *io = suite->io;
    struct addrinfo *list = NULL;
    int fours = 0, sixes = 0;
    need_resolver(&resolver);
    errno = 77;
    assert_int_equal(pinion_getaddrinfo(io, "here.test", "80", &streams, &list), 0);
    for (const struct addrinfo *at = list; at; at = at->ai_next) {
        fours += at->ai_family == AF_INET;
        sixes += at->ai_family == AF_INET6;
        assert_int_equal(ntohs(((const struct sockaddr_in *)(const void *)at->ai_addr)->sin_port),
                         80);
    }
    assert_true(fours == 1 && sixes == 1);
    freeaddrinfo(list);
    list = NULL;
    assert_int_equal(pinion_getaddrinfo(io, "nobody.test", "80", &streams, &list), -ENOENT);
    assert_non_null(strstr(pinion_error_detail(), "'nobody.test'"));
    assert_int_equal(pinion_getaddrinfo(io, "broken.test", "80", &streams, &list), -EAGAIN);
    assert_int_equal(pinion_connect_to(io, "nobody.test:80"), -ENOENT);
    assert_int_equal(pinion_listen_on(io, "broken.test:80", 0), -EAGAIN);
    assert_null(list);
    assert_int_equal(errno, 77);
    resolver_stop(&resolver);
}

static void a_deadline_abandons_a_lookup(struct suite *suite)
{
    static struct resolver resolver;
    struct addrinfo *list = NULL;
    need_resolver(&resolver);
    for (int i = 0; i < 4; i++) {
        const int64_t deadline = suite_now() + i * MS;
        assert_int_equal(pinion_getaddrinfo_until(suite->io, "silent.test", "80", &streams, &list,
                                                  deadline),
                         -ETIMEDOUT);
        assert_true(suite_now() >= deadline);
        assert_int_equal(pinion_connect_to_until(suite->io, "silent.test:80", deadline),
                         -ETIMEDOUT);
        assert_int_equal(pinion_listen_on_until(suite->io, "silent.test:0", 0, deadline),
                         -ETIMEDOUT);
    }
    assert_null(list);
    resolver_stop(&resolver);
    suite_destroy(suite); /* waits for what was abandoned */
}

struct asking {
    struct resolver *resolver;
    int result, check;
};

static void ask_the_silent(struct within *within)
{
    struct asking *asking = within->extra;
    struct addrinfo *list = NULL;
    atomic_store(&within->reached, 1);
    asking->result = pinion_getaddrinfo_until(within->io, "silent.test", "80", &streams, &list,
                                              suite_now() + HOUR);
    asking->check = pinion_check_cancel(within->io);
    EXPECT(!list);
}

static void a_request_abandons_a_lookup(struct suite *suite)
{
    static struct resolver resolver;
    need_resolver(&resolver);
    for (int i = 0; i < 8; i++) {
        struct within within;
        struct asking asking = {.resolver = &resolver};
        const int silent = atomic_load(&resolver.silent);
        within_start(suite, &within, ask_the_silent, &asking, i == 0);
        if (i == 1)
            suite_until(&resolver.silent, silent + 1);
        else if (i > 1)
            suite_linger(i);
        pinion_request_cancel(suite->io, &within.future);
        within_end(&within);
        assert_int_equal(asking.result, -ECANCELED);
        assert_int_equal(asking.check, 0);
    }
    resolver_stop(&resolver);
}

/* ---- places ---- */

static void serve_once(struct suite *suite, const char *listen_on, const char *host)
{
    struct pinion_io *io = suite->io;
    char byte = 0;
    const int listener = pinion_listen_on(io, listen_on, 0);
    assert_true(listener >= 0);
    const int client = pinion_connect_to(io, host ? place_of(host, port_of(listener)) : listen_on);
    assert_true(client >= 0);
    const int server = pinion_accept(io, listener, NULL, NULL);
    assert_true(server >= 0);
    assert_int_equal(pinion_send_all(io, client, "a", 1, 0), 1);
    assert_int_equal(pinion_recv_all(io, server, &byte, 1, 0), 1);
    assert_int_equal(byte, 'a');
    assert_int_equal(pinion_close(io, client) | pinion_close(io, server), 0);
    assert_int_equal(pinion_close(io, listener), 0);
}

static void who_listens_is_connected_to(struct suite *suite)
{
    errno = 77;
    serve_once(suite, "127.0.0.1:0", "127.0.0.1");
    serve_once(suite, ":0", "127.0.0.1");
    serve_once(suite, ":0", "");
    serve_once(suite, "localhost:0", "localhost");
    assert_int_equal(errno, 77);
    if (!has_ipv6(suite->io))
        return;
    serve_once(suite, "[::1]:0", "[::1]");
    serve_once(suite, ":0", "[::1]");
    assert_int_equal(errno, 77);
}

static void a_place_may_be_a_path(struct suite *suite)
{
    struct pinion_io *io = suite->io;
    char directory[] = "/tmp/pinion-suite-XXXXXX", place[64], long_place[256];
    assert_non_null(mkdtemp(directory));
    (void)snprintf(place, sizeof place, "unix:%s/a:b", directory);
    serve_once(suite, place, NULL);
    assert_int_equal(pinion_listen_on(io, place, 0), -EADDRINUSE);
    assert_int_equal(pinion_connect_to(io, place), -ECONNREFUSED);
    assert_int_equal(pinion_unlink(io, place + strlen("unix:")), 0);
    assert_int_equal(pinion_connect_to(io, place), -ENOENT);
    memset(long_place, 'a', sizeof long_place);
    memcpy(long_place, "unix:", strlen("unix:"));
    long_place[strlen("unix:") + 107] = '\0'; /* the most: sun_path has 108 with its end */
    assert_int_equal(pinion_connect_to(io, long_place), -ENOENT);
    for (size_t bytes = 108; bytes < 200; bytes += 50) {
        memset(long_place + strlen("unix:"), 'a', bytes);
        long_place[strlen("unix:") + bytes] = '\0';
        assert_int_equal(pinion_connect_to(io, long_place), -ENAMETOOLONG);
        assert_int_equal(pinion_listen_on(io, long_place, 0), -ENAMETOOLONG);
        assert_non_null(strstr(pinion_error_detail(), "it takes 107"));
    }
    assert_int_equal(rmdir(directory), 0);
}

static void what_is_no_place_is_refused_in_words(struct suite *suite)
{
    static const struct {
        const char *place, *detail;
    } rows[] = {
        {"", "'' has no port; write HOST:PORT"},
        {"localhost", "'localhost' has no port; write HOST:PORT"},
        {"localhost:", "'localhost:' has no port; write HOST:PORT"},
        {":", "':' has no port; write HOST:PORT"},
        {"localhost:65536", "port 65536 is out of range 0..65535"},
        {"127.0.0.1:70000", "port 70000 is out of range 0..65535"},
        {":4294967376", "port 4294967376 is out of range 0..65535"},
        {"::1:80", "'::1:80' has more than one colon; write [ADDRESS]:PORT"},
        {"a:b:c", "'a:b:c' has more than one colon; write [ADDRESS]:PORT"},
        {"[::1", "'[::1' lacks its closing bracket; write [ADDRESS]:PORT"},
        {"[::1]", "'[::1]' has no port; write HOST:PORT"},
        {"[::1]80", "'[::1]80' has no port; write HOST:PORT"},
        {"[]:80", "'[]:80' has no address"},
        {"unix:", "'unix:' lacks a path; write unix:PATH"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        suite_note(rows[i].place);
        assert_int_equal(pinion_listen_on(suite->io, rows[i].place, 0), -EINVAL);
        assert_string_equal(pinion_error_detail(), rows[i].detail);
        assert_int_equal(pinion_connect_to(suite->io, rows[i].place), -EINVAL);
        assert_string_equal(pinion_error_detail(), rows[i].detail);
    }
    static char long_name[2000];
    memset(long_name, 'a', sizeof long_name - 1);
    memcpy(long_name + sizeof long_name - 4, ":80", 3);
    assert_int_equal(pinion_connect_to(suite->io, long_name), -EINVAL);
    assert_int_equal(pinion_connect_to(suite->io, "[localhost]:80"), -ENOENT);
    assert_int_equal(pinion_connect_to(suite->io, "127.0.0.1:-1"), -ENOENT);
    assert_int_equal(pinion_connect_to(pinion_io_failing(), "127.0.0.1:1"), -ENOTSUP);
    assert_int_equal(pinion_listen_on(pinion_io_failing(), "127.0.0.1:0", 0), -ENOTSUP);
}

static void a_port_that_is_taken_is_refused_and_one_that_was_is_not(struct suite *suite)
{
    struct pinion_io *io = suite->io;
    const int before = descriptor_count();
    const int first = pinion_listen_on(io, "127.0.0.1:0", 1);
    const unsigned port = port_of(first);
    assert_int_equal(pinion_listen_on(io, place_of("127.0.0.1", port), 0), -EADDRINUSE);
    const int client = pinion_connect_to(io, place_of("127.0.0.1", port));
    const int server = pinion_accept(io, first, NULL, NULL);
    assert_true(client >= 0 && server >= 0);
    assert_int_equal(pinion_close(io, server), 0); /* so the port remembers it a while */
    assert_int_equal(pinion_close(io, client) | pinion_close(io, first), 0);
    assert_int_equal(pinion_connect_to(io, place_of("127.0.0.1", port)), -ECONNREFUSED);
    const int second = pinion_listen_on(io, place_of("127.0.0.1", port), 0);
    assert_true(second >= 0);
    assert_int_equal(pinion_close(io, second), 0);
    assert_int_equal(descriptor_count(), before);
}

static void every_address_of_a_name_is_tried(struct suite *suite)
{
    static struct resolver resolver;
    struct pinion_io *io = suite->io;
    need_resolver(&resolver);
    static const char *const hosts[] = {"127.0.0.1", "[::1]"};
    for (int i = 0; i < (has_ipv6(io) ? 2 : 1); i++) {
        const int listener = pinion_listen_on(io, place_of(hosts[i], 0), 0);
        const unsigned port = port_of(listener);
        const int client = pinion_connect_to(io, place_of("here.test", port));
        assert_true(client >= 0);
        /* Whichever of the name's addresses is taken, the other one is not. */
        const int other = pinion_listen_on(io, place_of("here.test", port), 0);
        assert_true(other >= 0 || other == -EADDRINUSE);
        assert_int_equal(pinion_close(io, client) | pinion_close(io, listener), 0);
        if (other >= 0)
            assert_int_equal(pinion_close(io, other), 0);
        assert_int_equal(pinion_connect_to(io, place_of("here.test", port)), -ECONNREFUSED);
        /* That it is refused is said, not that the other address can't be reached. */
        assert_int_equal(pinion_connect_to(io, place_of("split.test", port)), -ECONNREFUSED);
    }
    resolver_stop(&resolver);
}

static void look_up_once(struct within *within)
{
    struct pinion_io *io = within->io;
    struct addrinfo *list = NULL;
    EXPECT(pinion_getaddrinfo(io, "127.0.0.1", "80", NULL, &list) == -ECANCELED);
    EXPECT(pinion_check_cancel(io) == 0 && !list);
    pinion_recancel(io);
    EXPECT(pinion_listen_on(io, "127.0.0.1:0", 0) == -ECANCELED);
    EXPECT(pinion_check_cancel(io) == 0);
    pinion_recancel(io);
    EXPECT(pinion_connect_to(io, "unix:/nowhere") == -ECANCELED);
    EXPECT(pinion_check_cancel(io) == 0);
}

static void a_request_that_came_before_is_delivered(struct suite *suite)
{
    struct within within;
    within_start(suite, &within, look_up_once, NULL, true);
    within_end(&within);
}

const struct suite_test suite_tests[] = {
    SUITE_TEST(addresses_in_digits_are_read),
    SUITE_TEST(what_is_no_name_is_refused),
    SUITE_TEST(names_are_looked_up),
    SUITE_TEST(a_deadline_abandons_a_lookup),
    SUITE_TEST(a_request_abandons_a_lookup),
    SUITE_TEST(who_listens_is_connected_to),
    SUITE_TEST(a_place_may_be_a_path),
    SUITE_TEST(what_is_no_place_is_refused_in_words),
    SUITE_TEST(a_port_that_is_taken_is_refused_and_one_that_was_is_not),
    SUITE_TEST(every_address_of_a_name_is_tried),
    SUITE_TEST(a_request_that_came_before_is_delivered),
    {NULL, NULL},
};
