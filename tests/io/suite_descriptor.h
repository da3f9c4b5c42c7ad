/* SPDX-License-Identifier: MIT
 *
 * Every call that waits for a descriptor, in one shape: tables of them, for the tests of what is
 * the same for all (suite_descriptor.c).
 */
#ifndef SUITE_DESCRIPTOR_H
#define SUITE_DESCRIPTOR_H

#include <fcntl.h>
#include <sys/types.h>

#include "../threads.h"
#include "suite.h"

#define MS   INT64_C(1000000)
#define HOUR INT64_C(3600000000000)

/* A call that waits until it is let go on, and then gives `result`; 0: a descriptor. */
struct waiting {
    const char *name;
    /* What it is made on; NULL: it can't be had here. fini: whether O_NONBLOCK is as it was. */
    void *(*init)(bool is_nonblocking);
    void (*fini)(void *on, bool is_nonblocking);
    ssize_t (*call)(struct pinion_io *io, void *on, int64_t deadline);
    void (*let)(void *on);
    ssize_t result;
};

/* They end with a NULL name. */
extern const struct waiting pipe_waitings[], socket_waitings[];

static inline void set_nonblocking(int fd, bool is_nonblocking)
{
    const int flags = fcntl(fd, F_GETFL);
    must(flags >= 0);
    must(fcntl(fd, F_SETFL, is_nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) == 0);
}

static inline void expect_nonblocking(int fd, bool is_nonblocking)
{
    assert_int_equal(!!(fcntl(fd, F_GETFL) & O_NONBLOCK), is_nonblocking);
}

#endif
