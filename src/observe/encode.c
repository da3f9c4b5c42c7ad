/* SPDX-License-Identifier: MIT */
#include "encode.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "trace.h"

#define PROCESS_TRACK 1u

/* A queue's length is told no more often than this. */
#define LENGTH_NS INT64_C(100000)

/* A span that has begun. */
struct span {
    uint64_t what; /* the object by which its end is told from others */
    uint32_t name;
    enum pn_category category;
};

/* Those of a fiber, or of a thread that has none: the outermost first. */
struct spans {
    uint64_t fiber; /* 0: not known yet */
    struct span *list;
    unsigned count, room;
};

/* A thread. here: its spans now; those of its other fibers are in fibers. */
struct pn_track {
    uint64_t id, length_id, lost_id; /* of itself and of its counters; 0: there is none yet */
    struct spans *here;
    struct pn_table fibers;
    int64_t last_ns;
    int64_t length_ns; /* when it was told last, … */
    uint32_t length;   /* … and what */
    uint64_t lost;
    /* The innermost span has begun and is not written yet: a name may come for it. */
    bool is_held;
    struct pn_point held;
    char name[PN_NAME_BYTES]; /* as far as it has come */
};

static uint64_t new_track(struct pn_encoder *encoder) { return ++encoder->tracks; }

/* ---- spans ---- */

static void emit(struct pn_encoder *encoder, const struct pn_point *point)
{
    pn_packet_event(&encoder->packets, point);
}

/* What was held back, in case that it gets a name, gets none any more. */
static void release_held(struct pn_encoder *encoder, struct pn_track *track)
{
    if (!track->is_held)
        return;
    track->is_held = false;
    emit(encoder, &track->held);
}

static struct span *innermost_task(const struct pn_track *track)
{
    unsigned i = track->here->count;
    while (i && track->here->list[i - 1].category != PN_CATEGORY_TASK)
        i--;
    return i ? &track->here->list[i - 1] : NULL;
}

static bool push(struct pn_encoder *encoder, struct spans *spans, const struct span *span)
{
    if (spans->count == spans->room) {
        const unsigned room = spans->room ? spans->room * 2 : 8;
        struct span *list = realloc(spans->list, room * sizeof *list);
        if (!list) {
            encoder->packets.is_short = true;
            return false;
        }
        spans->list = list;
        spans->room = room;
    }
    spans->list[spans->count++] = *span;
    return true;
}

static struct pn_point beginning(const struct pn_track *track, int64_t ns, const struct span *span)
{
    return (struct pn_point){.track = track->id, .ns = ns, .type = PN_SLICE_BEGIN,
                             .name = span->name, .category = span->category};
}

static void emit_end(struct pn_encoder *encoder, const struct pn_track *track, int64_t ns)
{
    emit(encoder, &(struct pn_point){.track = track->id, .ns = ns, .type = PN_SLICE_END});
}

static void begin_span(struct pn_encoder *encoder, struct pn_track *track, int64_t ns,
                       const struct span *span)
{
    if (!push(encoder, track->here, span))
        return;
    const struct pn_point point = beginning(track, ns, span);
    emit(encoder, &point);
}

/* Ends a span, and what was left open in it; nothing if its beginning was not seen. */
static void end_span(struct pn_encoder *encoder, struct pn_track *track, int64_t ns, uint64_t what,
                     enum pn_category category)
{
    struct spans *here = track->here;
    unsigned i = here->count;
    while (i && !(here->list[i - 1].what == what && here->list[i - 1].category == category))
        i--;
    if (i == 0)
        return;
    while (here->count >= i) {
        emit_end(encoder, track, ns);
        here->count--;
    }
}

static void free_spans(struct spans *spans)
{
    if (spans)
        free(spans->list);
    free(spans);
}

/* All that is open is so no more, or was never written. */
static void close_all(struct pn_encoder *encoder, struct pn_track *track, int64_t ns)
{
    release_held(encoder, track);
    while (track->here->count) {
        emit_end(encoder, track, ns);
        track->here->count--;
    }
    for (size_t i = 0; i < track->fibers.size; i++)
        free_spans((struct spans *)(uintptr_t)track->fibers.entries[i].value);
    pn_table_clear(&track->fibers);
}

/* ---- names ---- */

static uint32_t name_of_function(struct pn_encoder *encoder, uint64_t function)
{
    char text[PN_NAME_BYTES];
    bool is_new;
    const uint32_t name = pn_names_of_function(&encoder->names, function, text, &is_new);
    if (is_new)
        pn_packet_name(&encoder->packets, name, text);
    return name;
}

static const char *name_of_call(uint32_t number, char *text, size_t size)
{
    static const struct {
        long number;
        const char *name;
    } calls[] = {{SYS_read, "read"},         {SYS_write, "write"},
                 {SYS_readv, "readv"},       {SYS_writev, "writev"},
                 {SYS_pread64, "pread"},     {SYS_pwrite64, "pwrite"},
                 {SYS_preadv, "preadv"},     {SYS_pwritev, "pwritev"},
                 {SYS_preadv2, "preadv"},    {SYS_pwritev2, "pwritev"},
                 {SYS_openat, "open"},       {SYS_close, "close"},
                 {SYS_fsync, "fsync"},       {SYS_fdatasync, "fdatasync"},
                 {SYS_ppoll, "poll"},        {SYS_accept4, "accept"},
                 {SYS_connect, "connect"},   {SYS_sendto, "send"},
                 {SYS_recvfrom, "recv"},     {SYS_sendmsg, "sendmsg"},
                 {SYS_recvmsg, "recvmsg"},   {SYS_sendfile, "sendfile"},
                 {SYS_splice, "splice"},     {SYS_fstat, "fstat"},
                 {SYS_rt_sigtimedwait, "signal_wait"}};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (calls[i].number == (long)number)
            return calls[i].name;
    (void)snprintf(text, size, "system call %u", number);
    return text;
}

static uint32_t name_of_text(struct pn_encoder *encoder, char text[static PN_NAME_BYTES])
{
    bool is_new;
    const uint32_t name = pn_names_of_text(&encoder->names, text, &is_new);
    if (is_new)
        pn_packet_name(&encoder->packets, name, text);
    return name;
}

/* ---- what happened ---- */

static void note_length(struct pn_encoder *encoder, struct pn_track *track, int64_t ns,
                        uint32_t length)
{
    if (length == track->length || (length && ns - track->length_ns < LENGTH_NS))
        return;
    if (!track->length_id) {
        track->length_id = new_track(encoder);
        pn_packet_counter(&encoder->packets, track->length_id, track->id, "queue length");
    }
    track->length = length;
    track->length_ns = ns;
    emit(encoder, &(struct pn_point){.track = track->length_id, .ns = ns, .type = PN_COUNTER,
                                     .value = length});
}

static void note_capacity(struct pn_encoder *encoder, int64_t ns, const struct pn_event *event)
{
    const uint64_t known = pn_table_get(&encoder->capacities, event->a);
    uint64_t id = known >> 32;
    if (known && (uint32_t)known == event->c + 1)
        return;
    if (!id) {
        char name[PN_NAME_BYTES];
        (void)snprintf(name, sizeof name, "capacity of %s %llu",
                       (const char *)(uintptr_t)event->b, (unsigned long long)event->a);
        id = new_track(encoder);
        pn_packet_counter(&encoder->packets, id, PROCESS_TRACK, name);
    }
    (void)pn_table_set(&encoder->capacities, event->a, id << 32 | (uint32_t)(event->c + 1));
    emit(encoder, &(struct pn_point){.track = id, .ns = ns, .type = PN_COUNTER,
                                     .value = event->c});
}

/* What follows does not fit what came before. */
static void note_lost(struct pn_encoder *encoder, struct pn_track *track, int64_t ns,
                      uint64_t count)
{
    close_all(encoder, track, ns);
    if (!track->lost_id) {
        track->lost_id = new_track(encoder);
        pn_packet_counter(&encoder->packets, track->lost_id, track->id, "events lost");
    }
    track->lost += count;
    emit(encoder, &(struct pn_point){.track = track->lost_id, .ns = ns, .type = PN_COUNTER,
                                     .value = (int64_t)track->lost});
    emit(encoder, &(struct pn_point){.track = track->id, .ns = ns, .type = PN_INSTANT,
                                     .name = PN_NAME_LOST, .category = PN_CATEGORY_LOSS});
}

static void note_moment(struct pn_encoder *encoder, const struct pn_track *track, int64_t ns,
                        enum pn_known_name name, uint64_t flow, uint64_t last_flow)
{
    const bool is_of_task = name == PN_NAME_QUEUED || name == PN_NAME_AWAITED;
    emit(encoder, &(struct pn_point){
                      .track = track->id, .ns = ns, .type = PN_INSTANT, .name = name,
                      .category = is_of_task ? PN_CATEGORY_FLOW : PN_CATEGORY_WAKE,
                      .flow = flow, .last_flow = last_flow});
}

static void begin_run(struct pn_encoder *encoder, struct pn_track *track, int64_t ns,
                      const struct pn_event *event)
{
    const struct span span = {event->a, name_of_function(encoder, event->b), PN_CATEGORY_TASK};
    if (!push(encoder, track->here, &span))
        return;
    track->held = beginning(track, ns, &span);
    *(event->c & PN_TRACE_UNAWAITED ? &track->held.last_flow : &track->held.flow) = event->a;
    track->is_held = true;
}

/* In parts, the last of which has a zero, unless it is the last that may be. */
static void take_name(struct pn_encoder *encoder, struct pn_track *track,
                      const struct pn_event *event)
{
    const uint64_t part[2] = {event->a, event->b};
    const size_t end = event->c + sizeof part;
    if (end > PN_TRACE_NAME_BYTES)
        return;
    memcpy(track->name + event->c, part, sizeof part);
    track->name[end] = '\0';
    if (end < PN_TRACE_NAME_BYTES && strlen(track->name) == end)
        return;
    struct span *span = innermost_task(track);
    const uint32_t name = span ? name_of_text(encoder, track->name) : 0;
    if (!name)
        return;
    span->name = name;
    if (track->is_held)
        track->held.name = name;
}

/* It was found out only when it had ended. */
static void note_call(struct pn_encoder *encoder, struct pn_track *track, int64_t ns,
                      const struct pn_event *event)
{
    char text[PN_NAME_BYTES], number[32];
    int64_t began = pn_ticks_to_ns(event->a, &encoder->base, encoder->scale);
    began = began > track->last_ns ? began : track->last_ns;
    (void)snprintf(text, sizeof text, "%s", name_of_call(event->c, number, sizeof number));
    const struct span span = {event->a, name_of_text(encoder, text), PN_CATEGORY_CALL};
    begin_span(encoder, track, began, &span);
    end_span(encoder, track, ns, event->a, PN_CATEGORY_CALL);
}

static void note_steal(struct pn_encoder *encoder, const struct pn_track *track, int64_t ns,
                       const struct pn_event *event)
{
    static const char *const distances[] = {"same core", "same cache", "same node"};
    char from[17] = "", far[32];
    memcpy(from, &event->a, 8);
    memcpy(from + 8, &event->b, 8);
    (void)snprintf(far, sizeof far, "node at distance %u", event->c - 3);
    emit(encoder, &(struct pn_point){.track = track->id, .ns = ns, .type = PN_INSTANT,
                                     .name = PN_NAME_STEAL, .category = PN_CATEGORY_STEAL,
                                     .from = from,
                                     .distance = event->c < 3 ? distances[event->c] : far});
}

/* ---- fibers ---- */

/* The spans of a fiber that goes on, out of the table; a new one has none. */
static struct spans *spans_of(struct pn_encoder *encoder, struct pn_track *track, uint64_t fiber)
{
    struct spans *spans = (struct spans *)(uintptr_t)pn_table_get(&track->fibers, fiber);
    if (spans) {
        pn_table_remove(&track->fibers, fiber);
        return spans;
    }
    spans = calloc(1, sizeof *spans);
    if (!spans)
        encoder->packets.is_short = true;
    else
        spans->fiber = fiber;
    return spans;
}

static void switch_fiber(struct pn_encoder *encoder, struct pn_track *track, int64_t ns,
                         uint64_t to, uint64_t from)
{
    struct spans *left = track->here;
    for (unsigned i = 0; i < left->count; i++)
        emit_end(encoder, track, ns);
    left->fiber = from;
    if (left->count == 0) { /* it has ended, or is the thread's own: another can have its room */
        struct spans *spans = (struct spans *)(uintptr_t)pn_table_get(&track->fibers, to);
        if (!spans) {
            left->fiber = to;
            return;
        }
        pn_table_remove(&track->fibers, to);
        track->here = spans;
        free_spans(left);
    } else {
        struct spans *spans = spans_of(encoder, track, to);
        if (!spans || !pn_table_set(&track->fibers, from, (uintptr_t)left)) {
            encoder->packets.is_short = true;
            free_spans(spans);
            left->count = 0;
            return;
        }
        track->here = spans;
    }
    for (unsigned i = 0; i < track->here->count; i++) {
        struct pn_point point = beginning(track, ns, &track->here->list[i]);
        point.last_flow = i == 0 ? to : 0; /* of its wake */
        emit(encoder, &point);
    }
}

/* ---- all of them ---- */

static void take_event(struct pn_encoder *encoder, struct pn_track *track,
                       const struct pn_event *event, int64_t ns)
{
    const uint64_t a = event->a;
    struct span span = {.what = a};
    if (event->kind == PN_TRACE_named) {
        take_name(encoder, track, event);
        return;
    }
    release_held(encoder, track);
    switch ((enum pn_trace_kind)event->kind) {
    case PN_TRACE_dropped:
        note_lost(encoder, track, ns, a);
        break;
    case PN_TRACE_queued:
        note_moment(encoder, track, ns, PN_NAME_QUEUED, a, 0);
        if (event->c)
            note_length(encoder, track, ns, event->c);
        break;
    case PN_TRACE_awaited:
        note_moment(encoder, track, ns, PN_NAME_AWAITED, 0, a);
        break;
    case PN_TRACE_wake:
        note_moment(encoder, track, ns, PN_NAME_WAKE, a, 0);
        break;
    case PN_TRACE_woken:
        note_moment(encoder, track, ns, PN_NAME_WOKEN, 0, a);
        break;
    case PN_TRACE_run_begin:
        begin_run(encoder, track, ns, event);
        break;
    case PN_TRACE_run_end:
        end_span(encoder, track, ns, a, PN_CATEGORY_TASK);
        break;
    case PN_TRACE_wait_begin:
        span.name = event->b ? PN_NAME_AWAIT : PN_NAME_WAIT;
        span.category = PN_CATEGORY_WAIT;
        begin_span(encoder, track, ns, &span);
        break;
    case PN_TRACE_wait_end:
        end_span(encoder, track, ns, a, PN_CATEGORY_WAIT);
        break;
    case PN_TRACE_park_begin:
        span.name = PN_NAME_SLEEP;
        span.category = PN_CATEGORY_SLEEP;
        begin_span(encoder, track, ns, &span);
        break;
    case PN_TRACE_park_end:
        end_span(encoder, track, ns, a, PN_CATEGORY_SLEEP);
        note_moment(encoder, track, ns, PN_NAME_WOKEN, 0, a);
        break;
    case PN_TRACE_search_begin:
        span.name = PN_NAME_SEARCH;
        span.category = PN_CATEGORY_SEARCH;
        begin_span(encoder, track, ns, &span);
        note_length(encoder, track, ns, 0);
        break;
    case PN_TRACE_search_end:
        end_span(encoder, track, ns, a, PN_CATEGORY_SEARCH);
        break;
    case PN_TRACE_call:
        note_call(encoder, track, ns, event);
        break;
    case PN_TRACE_steal:
        note_steal(encoder, track, ns, event);
        break;
    case PN_TRACE_fiber_switch:
        switch_fiber(encoder, track, ns, a, event->b);
        break;
    case PN_TRACE_capacity:
        note_capacity(encoder, ns, event);
        break;
    default:
        break;
    }
}

static struct pn_track *begin_track(struct pn_encoder *encoder, struct pn_event_ring *ring)
{
    struct pn_track *track = calloc(1, sizeof *track);
    struct spans *here = calloc(1, sizeof *here);
    if (!track || !here) {
        free(track);
        free(here);
        encoder->packets.is_short = true;
        return NULL;
    }
    char name[sizeof ring->name + 1] = "";
    memcpy(name, ring->name, sizeof ring->name);
    pn_name_clean(name);
    track->id = new_track(encoder);
    track->here = here;
    pn_packet_thread(&encoder->packets, track->id, PROCESS_TRACK, encoder->pid, ring->tid, name);
    ring->reader = track;
    return track;
}

void pn_encoder_take(struct pn_encoder *encoder, struct pn_event_ring *ring)
{
    struct pn_track *track = ring->reader ? ring->reader : begin_track(encoder, ring);
    const uint64_t head = pn_load_acquire(&ring->head); /* the events: pairs with put (trace.c) */
    uint64_t tail = pn_load_relaxed(&ring->tail);       /* the reader's own */
    if (!track)
        return;
    encoder->events += head - tail;
    for (; tail != head && !encoder->packets.is_short; tail++) {
        const struct pn_event *event = &ring->events[tail & ring->mask];
        int64_t ns = pn_ticks_to_ns(event->ticks, &encoder->base, encoder->scale);
        /* Of CPUs that disagree by some nanoseconds. */
        ns = ns > track->last_ns ? ns : track->last_ns;
        take_event(encoder, track, event, ns);
        track->last_ns = ns;
    }
    pn_store_release(&ring->tail, tail); /* they were read: pairs with has_room (trace.c) */
}

void pn_encoder_let_go(struct pn_encoder *encoder, struct pn_event_ring *ring, int64_t ns)
{
    struct pn_track *track = ring->reader;
    const uint64_t dropped = pn_load_relaxed(&ring->dropped);
    encoder->dropped += dropped;
    ring->reader = NULL;
    if (!track)
        return;
    ns = ns > track->last_ns ? ns : track->last_ns;
    close_all(encoder, track, ns);
    if (dropped > track->lost)
        note_lost(encoder, track, ns, dropped - track->lost);
    free_spans(track->here);
    free(track);
}

void pn_encoder_begin(struct pn_encoder *encoder, const struct pn_moment *base, uint64_t scale)
{
    char name[PN_NAME_BYTES];
    encoder->base = *base;
    encoder->scale = scale;
    encoder->pid = (int)getpid();
    encoder->names.first = PN_NAMES_KNOWN;
    encoder->tracks = PROCESS_TRACK;
    (void)snprintf(name, sizeof name, "%s", program_invocation_short_name);
    pn_name_clean(name);
    pn_packet_begin(&encoder->packets, base->ns);
    pn_packet_process(&encoder->packets, PROCESS_TRACK, encoder->pid, name);
}

void pn_encoder_end(struct pn_encoder *encoder)
{
    pn_names_clear(&encoder->names);
    pn_table_clear(&encoder->capacities);
    free(encoder->packets.data);
    encoder->packets = (struct pn_packets){0};
}
