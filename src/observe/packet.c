/* SPDX-License-Identifier: MIT */
#include "packet.h"

#include <stdlib.h>
#include <time.h>

#include "proto.h"

/* Fields, by the messages' .proto files. */
enum { TRACE_PACKET = 1 };
enum {
    PACKET_CLOCKS = 6,
    PACKET_TIMESTAMP = 8,
    PACKET_SEQUENCE = 10,
    PACKET_EVENT = 11,
    PACKET_INTERNED = 12,
    PACKET_FLAGS = 13,
    PACKET_DEFAULTS = 59,
    PACKET_TRACK = 60
};
enum { FLAG_CLEARED = 1, FLAG_CONTINUES = 2 };
enum { DEFAULTS_CLOCK = 58 };
enum { CLOCKS_CLOCK = 1, CLOCK_ID = 1, CLOCK_TIME = 2 };
enum { CLOCK_ID_REALTIME = 1, CLOCK_ID_MONOTONIC = 3, CLOCK_ID_BOOTTIME = 6 };
enum { INTERNED_CATEGORY = 1, INTERNED_NAME = 2, INTERNED_ANNOTATION = 3, IID = 1, IID_TEXT = 2 };
enum {
    EVENT_CATEGORY = 3,
    EVENT_ANNOTATION = 4,
    EVENT_TYPE = 9,
    EVENT_NAME = 10,
    EVENT_TRACK = 11,
    EVENT_VALUE = 30,
    EVENT_FLOW = 47,
    EVENT_LAST_FLOW = 48
};
enum { ANNOTATION_NAME = 1, ANNOTATION_TEXT = 6 };
enum { ANNOTATION_FROM = 1, ANNOTATION_DISTANCE };
enum {
    TRACK_ID = 1,
    TRACK_NAME = 2,
    TRACK_PROCESS = 3,
    TRACK_THREAD = 4,
    TRACK_PARENT = 5,
    TRACK_COUNTER = 8
};
enum { PROCESS_PID = 1, PROCESS_NAME = 6 };
enum { THREAD_PID = 1, THREAD_TID = 2, THREAD_NAME = 5 };

#define SEQUENCE 1

/* More than any packet takes: its texts are names, of at most PN_NAME_BYTES. */
#define PACKET_BYTES_MAX 1024

static const char *const names[] = {
    [PN_NAME_QUEUED] = "queued", [PN_NAME_AWAITED] = "awaited", [PN_NAME_AWAIT] = "await",
    [PN_NAME_WAIT] = "wait",     [PN_NAME_SLEEP] = "sleep",     [PN_NAME_SEARCH] = "search",
    [PN_NAME_WAKE] = "wake",     [PN_NAME_WOKEN] = "woken",     [PN_NAME_STEAL] = "steal",
    [PN_NAME_LOST] = "events lost"};

static const char *const categories[] = {
    [PN_CATEGORY_TASK] = "task",     [PN_CATEGORY_WAIT] = "wait",
    [PN_CATEGORY_CALL] = "call",     [PN_CATEGORY_SLEEP] = "sleep",
    [PN_CATEGORY_SEARCH] = "search", [PN_CATEGORY_FLOW] = "flow",
    [PN_CATEGORY_WAKE] = "wake",     [PN_CATEGORY_STEAL] = "steal",
    [PN_CATEGORY_LOSS] = "loss"};

static const char *const annotations[] = {[ANNOTATION_FROM] = "from",
                                          [ANNOTATION_DISTANCE] = "distance"};

/* ---- memory ---- */

static bool make_room(struct pn_packets *packets)
{
    if (packets->room - packets->bytes >= PACKET_BYTES_MAX)
        return true;
    const size_t room = packets->room ? packets->room * 2 : (size_t)64 * 1024;
    uint8_t *data = packets->is_short ? NULL : realloc(packets->data, room);
    if (!data) {
        packets->is_short = true;
        return false;
    }
    packets->data = data;
    packets->room = room;
    return true;
}

/* Where the content of a packet goes; NULL: there is no room. */
static uint8_t *open_packet(struct pn_packets *packets)
{
    return make_room(packets) ? pn_open_message(packets->data + packets->bytes, TRACE_PACKET)
                              : NULL;
}

static void close_packet(struct pn_packets *packets, uint8_t *at, uint32_t flags)
{
    at = pn_put_number(at, PACKET_SEQUENCE, SEQUENCE);
    at = pn_put_number(at, PACKET_FLAGS, flags);
    uint8_t *begin = packets->data + packets->bytes + 3; /* behind a tag of one byte */
    pn_close_message(begin, at);
    packets->bytes = (size_t)(at - packets->data);
}

/* ---- events ---- */

static uint8_t *put_annotation(uint8_t *at, uint32_t name, const char *text)
{
    uint8_t *annotation = pn_open_message(at, EVENT_ANNOTATION);
    at = pn_put_number(annotation, ANNOTATION_NAME, name);
    at = pn_put_text(at, ANNOTATION_TEXT, text);
    pn_close_message(annotation, at);
    return at;
}

void pn_packet_event(struct pn_packets *packets, const struct pn_point *point)
{
    uint8_t *at = open_packet(packets);
    if (!at)
        return;
    at = pn_put_number(at, PACKET_TIMESTAMP, (uint64_t)point->ns);
    uint8_t *event = pn_open_message(at, PACKET_EVENT);
    at = pn_put_number(event, EVENT_TYPE, point->type);
    at = pn_put_number(at, EVENT_TRACK, point->track);
    if (point->category)
        at = pn_put_number(at, EVENT_CATEGORY, point->category);
    if (point->name)
        at = pn_put_number(at, EVENT_NAME, point->name);
    if (point->type == PN_COUNTER)
        at = pn_put_number(at, EVENT_VALUE, (uint64_t)point->value);
    if (point->flow)
        at = pn_put_fixed64(at, EVENT_FLOW, point->flow);
    if (point->last_flow)
        at = pn_put_fixed64(at, EVENT_LAST_FLOW, point->last_flow);
    if (point->from)
        at = put_annotation(at, ANNOTATION_FROM, point->from);
    if (point->distance)
        at = put_annotation(at, ANNOTATION_DISTANCE, point->distance);
    pn_close_message(event, at);
    close_packet(packets, at, FLAG_CONTINUES);
}

/* ---- the beginning ---- */

static uint8_t *put_clock(uint8_t *at, uint64_t id, int64_t ns)
{
    uint8_t *clock = pn_open_message(at, CLOCKS_CLOCK);
    at = pn_put_number(clock, CLOCK_ID, id);
    at = pn_put_number(at, CLOCK_TIME, (uint64_t)ns);
    pn_close_message(clock, at);
    return at;
}

static int64_t now_of(clockid_t clock)
{
    struct timespec now = {0, 0};
    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static uint8_t *put_clocks(uint8_t *at)
{
    uint8_t *clocks = pn_open_message(at, PACKET_CLOCKS);
    at = put_clock(clocks, CLOCK_ID_BOOTTIME, now_of(CLOCK_BOOTTIME));
    at = put_clock(at, CLOCK_ID_MONOTONIC, now_of(CLOCK_MONOTONIC));
    at = put_clock(at, CLOCK_ID_REALTIME, now_of(CLOCK_REALTIME));
    pn_close_message(clocks, at);
    return at;
}

static uint8_t *put_text(uint8_t *at, uint32_t field, uint64_t number, const char *text)
{
    uint8_t *entry = pn_open_message(at, field);
    at = pn_put_number(entry, IID, number);
    at = pn_put_text(at, IID_TEXT, text);
    pn_close_message(entry, at);
    return at;
}

static uint8_t *put_known_texts(uint8_t *at)
{
    uint8_t *interned = at = pn_open_message(at, PACKET_INTERNED);
    for (uint32_t i = 1; i < PN_NAMES_KNOWN; i++)
        at = put_text(at, INTERNED_NAME, i, names[i]);
    for (uint32_t i = 1; i < PN_CATEGORIES; i++)
        at = put_text(at, INTERNED_CATEGORY, i, categories[i]);
    for (uint32_t i = 1; i <= ANNOTATION_DISTANCE; i++)
        at = put_text(at, INTERNED_ANNOTATION, i, annotations[i]);
    pn_close_message(interned, at);
    return at;
}

void pn_packet_begin(struct pn_packets *packets, int64_t ns)
{
    uint8_t *at = open_packet(packets);
    if (!at)
        return;
    close_packet(packets, put_clocks(at), FLAG_CLEARED);
    if (!(at = open_packet(packets)))
        return;
    at = pn_put_number(at, PACKET_TIMESTAMP, (uint64_t)ns);
    uint8_t *defaults = pn_open_message(at, PACKET_DEFAULTS);
    at = pn_put_number(defaults, DEFAULTS_CLOCK, CLOCK_ID_MONOTONIC);
    pn_close_message(defaults, at);
    close_packet(packets, put_known_texts(at), FLAG_CLEARED);
}

void pn_packet_name(struct pn_packets *packets, uint32_t number, const char *text)
{
    uint8_t *at = open_packet(packets);
    if (!at)
        return;
    uint8_t *interned = pn_open_message(at, PACKET_INTERNED);
    at = put_text(interned, INTERNED_NAME, number, text);
    pn_close_message(interned, at);
    close_packet(packets, at, FLAG_CONTINUES);
}

/* ---- tracks ---- */

static uint8_t *put_process(uint8_t *at, int pid, const char *name)
{
    uint8_t *process = pn_open_message(at, TRACK_PROCESS);
    at = pn_put_number(process, PROCESS_PID, (uint64_t)pid);
    at = pn_put_text(at, PROCESS_NAME, name);
    pn_close_message(process, at);
    return at;
}

static uint8_t *put_thread(uint8_t *at, int pid, int tid, const char *name)
{
    uint8_t *thread = pn_open_message(at, TRACK_THREAD);
    at = pn_put_number(thread, THREAD_PID, (uint64_t)pid);
    at = pn_put_number(at, THREAD_TID, (uint64_t)tid);
    at = pn_put_text(at, THREAD_NAME, name);
    pn_close_message(thread, at);
    return at;
}

/* kind: of the three that name is of. */
static void put_track(struct pn_packets *packets, uint64_t track, uint64_t parent, uint32_t kind,
                      int pid, int tid, const char *name)
{
    uint8_t *at = open_packet(packets);
    if (!at)
        return;
    uint8_t *descriptor = pn_open_message(at, PACKET_TRACK);
    at = pn_put_number(descriptor, TRACK_ID, track);
    if (parent)
        at = pn_put_number(at, TRACK_PARENT, parent);
    if (kind == TRACK_PROCESS) {
        at = put_process(at, pid, name);
    } else if (kind == TRACK_THREAD) {
        at = put_thread(at, pid, tid, name);
    } else {
        at = pn_put_text(at, TRACK_NAME, name);
        at = pn_open_message(at, TRACK_COUNTER); /* all of it is default */
        pn_close_message(at, at);
    }
    pn_close_message(descriptor, at);
    close_packet(packets, at, FLAG_CONTINUES);
}

void pn_packet_process(struct pn_packets *packets, uint64_t track, int pid, const char *name)
{
    put_track(packets, track, 0, TRACK_PROCESS, pid, 0, name);
}

void pn_packet_thread(struct pn_packets *packets, uint64_t track, uint64_t parent, int pid, int tid,
                      const char *name)
{
    put_track(packets, track, parent, TRACK_THREAD, pid, tid, name);
}

void pn_packet_counter(struct pn_packets *packets, uint64_t track, uint64_t parent,
                       const char *name)
{
    put_track(packets, track, parent, TRACK_COUNTER, 0, 0, name);
}
