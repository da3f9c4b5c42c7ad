/* SPDX-License-Identifier: MIT
 *
 * From events to packets: what a thread's events mean, one after the other. A thread's spans are
 * nested; a fiber takes those that it has open with it when another goes on, and finds them again.
 *
 * A flow goes by the address of its task, and ends where the task is awaited, so that the next task
 * at the same address is another flow: readers of the file have all events in the order of time,
 * which this does not.
 */
#ifndef PN_ENCODE_H
#define PN_ENCODE_H

#include <stdbool.h>
#include <stdint.h>

#include "names.h"
#include "packet.h"
#include "ticks.h"

struct pn_event_ring;
struct pn_track;

/* One trace. */
struct pn_encoder {
    struct pn_packets packets; /* not in the file yet */
    struct pn_moment base;     /* from which ticks are counted, by scale */
    uint64_t scale;
    struct pn_names names;
    struct pn_table capacities; /* crew: its counter's track << 32 | what it was last + 1 */
    uint64_t tracks;            /* made so far */
    int pid;
    uint64_t events, dropped; /* so far; dropped: of rings that are gone */
};

/* Begins a trace whose first moment was base. */
void pn_encoder_begin(struct pn_encoder *encoder, const struct pn_moment *base, uint64_t scale);
/* Takes what is in a ring. Check packets.is_short after. */
void pn_encoder_take(struct pn_encoder *encoder, struct pn_event_ring *ring);
/* A ring is not written into any more, or will not be read any more: its open spans end now, in
 * ns. */
void pn_encoder_let_go(struct pn_encoder *encoder, struct pn_event_ring *ring, int64_t ns);
/* Frees all but the encoder itself. All rings were let go. */
void pn_encoder_end(struct pn_encoder *encoder);

#endif
