/* SPDX-License-Identifier: MIT
 *
 * The packets of a trace's file, of which each is a whole: what Perfetto calls a TracePacket
 * (github.com/google/perfetto, protos/perfetto/trace). They are written into memory, and taken
 * from there to the file. All are of one sequence, so that a name is written once.
 */
#ifndef PN_PACKET_H
#define PN_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Names that every trace has, by their numbers; those of programs come after. */
enum pn_known_name {
    PN_NAME_QUEUED = 1,
    PN_NAME_AWAITED,
    PN_NAME_AWAIT,
    PN_NAME_WAIT,
    PN_NAME_SLEEP,
    PN_NAME_SEARCH,
    PN_NAME_WAKE,
    PN_NAME_WOKEN,
    PN_NAME_STEAL,
    PN_NAME_LOST,
    PN_NAMES_KNOWN
};

enum pn_category {
    PN_CATEGORY_TASK = 1, /* a task runs */
    PN_CATEGORY_WAIT,     /* a thread waits for a task, a lock, a time */
    PN_CATEGORY_CALL,     /* … or in a system call */
    PN_CATEGORY_SLEEP,    /* a worker sleeps */
    PN_CATEGORY_SEARCH,   /* … or looks for a task */
    PN_CATEGORY_FLOW,     /* a moment in a task's life */
    PN_CATEGORY_WAKE,
    PN_CATEGORY_STEAL,
    PN_CATEGORY_LOSS,
    PN_CATEGORIES
};

struct pn_packets {
    uint8_t *data;
    size_t bytes, room;
    bool is_short; /* memory was: what came after is missing */
};

/* An event on a track. 0: it has no name, no category, … */
enum pn_event_type { PN_SLICE_BEGIN = 1, PN_SLICE_END, PN_INSTANT, PN_COUNTER };
struct pn_point {
    uint64_t track;
    int64_t ns;
    enum pn_event_type type;
    uint32_t name;
    enum pn_category category;
    uint64_t flow, last_flow; /* that it is a part of; and that ends with it */
    const char *from;         /* annotations: a worker, … */
    const char *distance;
    int64_t value; /* of a counter */
};
void pn_packet_event(struct pn_packets *packets, const struct pn_point *point);

/* The first of a trace: how its clock relates to others, and the names above. */
void pn_packet_begin(struct pn_packets *packets, int64_t ns);
/* A name. */
void pn_packet_name(struct pn_packets *packets, uint32_t number, const char *text);

/* Tracks: the process, … */
void pn_packet_process(struct pn_packets *packets, uint64_t track, int pid, const char *name);
/* … a thread of it, … */
void pn_packet_thread(struct pn_packets *packets, uint64_t track, uint64_t parent, int pid, int tid,
                      const char *name);
/* … and a counter of either. */
void pn_packet_counter(struct pn_packets *packets, uint64_t track, uint64_t parent,
                       const char *name);

#endif
