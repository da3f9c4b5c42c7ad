/* SPDX-License-Identifier: MIT */
#include "resolver.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../threads.h"

/* RFC 1035, 4.1: where things are in a packet, and what they are. */
enum { HEADER = 12, FLAGS = 2, ANSWERS = 6, AUTHORITIES = 8, ADDITIONALS = 10 };
enum { NO_ERROR = 0, SERVER_FAILURE = 2, NAME_ERROR = 3, TYPE_A = 1, TYPE_AAAA = 28 };

static bool asks_for(const struct resolver_question *question, const char *name)
{
    const unsigned char *at = question->packet + HEADER;
    return question->bytes > HEADER && *at == strlen(name) &&
           memcmp(at + 1, name, strlen(name)) == 0;
}

/* Behind the question: the type that was asked for is the first of its last four bytes. */
static size_t end_of_question(const struct resolver_question *question)
{
    size_t at = HEADER;
    while (at < question->bytes && question->packet[at])
        at += question->packet[at] + 1u;
    return at + 5;
}

/* An address of the name that the question has. */
static size_t append_address(unsigned char *packet, size_t at, bool is_here)
{
    const unsigned type = packet[at - 3];
    const unsigned char head[] = {0xc0, HEADER, 0, (unsigned char)type, 0, 1, 0, 0, 0, 0};
    const unsigned char four[] = {0, 4, 127, 0, 0, 1};
    const unsigned char here[18] = {0, 16, [17] = 1};
    const unsigned char nowhere[18] = {0, 16, 0x20, 0x01, 0x0d, 0xb8, [17] = 1};
    const unsigned char *six = is_here ? here : nowhere;
    if (type != TYPE_A && type != TYPE_AAAA)
        return at;
    memcpy(packet + at, head, sizeof head);
    at += sizeof head;
    const size_t bytes = type == TYPE_A ? sizeof four : sizeof here;
    memcpy(packet + at, type == TYPE_A ? four : six, bytes);
    packet[ANSWERS + 1] = 1;
    return at + bytes;
}

static void answer(const struct resolver *resolver, const struct resolver_question *question,
                   int code)
{
    unsigned char packet[600];
    size_t bytes = end_of_question(question);
    must(bytes <= question->bytes);
    memcpy(packet, question->packet, bytes);
    packet[FLAGS] = 0x85; /* an answer, with authority; recursion is wanted */
    packet[FLAGS + 1] = (unsigned char)(0x80 | code);
    memset(packet + ANSWERS, 0, HEADER - ANSWERS);
    if (code == NO_ERROR)
        bytes = append_address(packet, bytes, asks_for(question, "here"));
    (void)sendto(resolver->socket, packet, bytes, 0, (const struct sockaddr *)&question->from,
                 sizeof question->from);
}

static void keep_silent(struct resolver *resolver, const struct resolver_question *question)
{
    const int count = atomic_load(&resolver->silent);
    struct resolver_question *slot = &resolver->questions[count % RESOLVER_SILENT_MAX];
    if (count >= RESOLVER_SILENT_MAX)
        answer(resolver, slot, NAME_ERROR);
    *slot = *question;
    atomic_store(&resolver->silent, count + 1);
}

static void *serve(void *argument)
{
    struct resolver *resolver = argument;
    struct resolver_question question;
    for (;;) {
        socklen_t length = sizeof question.from;
        const ssize_t bytes = recvfrom(resolver->socket, question.packet, sizeof question.packet,
                                       0, (struct sockaddr *)&question.from, &length);
        if (bytes <= HEADER) /* a word of stop's */
            return NULL;
        question.bytes = (size_t)bytes;
        if (asks_for(&question, "silent"))
            keep_silent(resolver, &question);
        else if (asks_for(&question, "broken"))
            answer(resolver, &question, SERVER_FAILURE);
        else
            answer(resolver, &question,
                   asks_for(&question, "here") || asks_for(&question, "split") ? NO_ERROR
                                                                               : NAME_ERROR);
    }
}

static struct sockaddr_in address_of_it(void)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons(53),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

bool resolver_start(struct resolver *resolver)
{
    const struct sockaddr_in at = address_of_it();
    if (!getenv("PINION_TEST_NAMESPACE"))
        return false;
    atomic_store(&resolver->silent, 0);
    resolver->socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    must(bind(resolver->socket, (const struct sockaddr *)&at, sizeof at) == 0);
    must(pthread_create(&resolver->thread, NULL, serve, resolver) == 0);
    return true;
}

void resolver_stop(struct resolver *resolver)
{
    const struct sockaddr_in at = address_of_it();
    const int silent = atomic_load(&resolver->silent);
    must(sendto(resolver->socket, "", 1, 0, (const struct sockaddr *)&at, sizeof at) == 1);
    must(pthread_join(resolver->thread, NULL) == 0);
    for (int i = 0; i < RESOLVER_SILENT_MAX && i < silent; i++)
        answer(resolver, &resolver->questions[i], NAME_ERROR);
    must(close(resolver->socket) == 0);
}
