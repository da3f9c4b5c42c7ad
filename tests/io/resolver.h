/* SPDX-License-Identifier: MIT
 *
 * A name server for tests, in the namespace that namespace.c makes. It knows the names here.test,
 * which is 127.0.0.1 and ::1, and split.test, which is 127.0.0.1 and an address that is nobody's;
 * broken.test, for which it fails; and silent.test, for which it never answers, or only as the
 * oldest of many. All others it says are not there.
 */
#ifndef RESOLVER_H
#define RESOLVER_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* A question that is left unanswered. */
struct resolver_question {
    struct sockaddr_in from;
    size_t bytes;
    unsigned char packet[512];
};

#define RESOLVER_SILENT_MAX 16

struct resolver {
    int socket;
    pthread_t thread;
    _Atomic int silent; /* how many questions were left unanswered so far */
    struct resolver_question questions[RESOLVER_SILENT_MAX];
};

/* False: there is no such namespace. */
bool resolver_start(struct resolver *resolver);
/* Answers what was left, that there is no such name. */
void resolver_stop(struct resolver *resolver);

#endif
