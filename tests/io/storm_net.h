/* SPDX-License-Identifier: MIT
 *
 * What the storm of cancels (suite_storm.c) does with sockets and names.
 */
#ifndef STORM_NET_H
#define STORM_NET_H

#include <netinet/in.h>
#include <sys/un.h>

#include "resolver.h"
#include "suite.h"

#define STORM_NET_WAITS 6

/* tcp, unix_: listen, and their backlogs are mostly full. over: messages with a descriptor each go
 * from over[0] to over[1]. */
struct storm_net {
    int tcp, unix_, over[2];
    struct sockaddr_in at;
    struct sockaddr_un path;
    socklen_t path_bytes;
    struct resolver resolver;
    bool has_resolver;
    _Atomic long passed, taken, accepted, connected;
};

void storm_net_init(struct storm_net *net);
/* All that was passed on was taken, or is here. */
void storm_net_expect_all(struct pinion_io *io, struct storm_net *net);
/* After the io is destroyed, or nothing is abandoned. */
void storm_net_fini(struct storm_net *net);

/* 0 or an error. */
typedef int storm_net_wait(struct pinion_io *io, struct storm_net *net, uint32_t random,
                           int64_t deadline);
extern storm_net_wait *const storm_net_waits[STORM_NET_WAITS];

#endif
