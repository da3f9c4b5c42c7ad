/* SPDX-License-Identifier: MIT */
#include "trace.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <pinion/inline.h>
#include <pinion/trace.h>

#include "futex.h"
#include "lock.h"
#include "process.h"
#include "ticks.h"

_Atomic(uint32_t) pn_trace_run;
_Atomic(uint32_t) pn_trace_bell;
int (*pn_trace_obey_environment)(void);

/* What programs read of pn_trace_run, which they may have a copy of. */
uint32_t pinion_trace_1;

/* The list of rings, and what a ring says to be under it. Held for some instructions. */
static _Atomic(uint32_t) rings_lock;
static struct pn_event_ring *rings;
static _Atomic(size_t) ring_events; /* of new ones; a power of two. Whichever trace's will do */
static uint32_t last_run;

static _Thread_local __attribute__((tls_model("initial-exec"))) struct pn_event_ring *ring_here;

/* Its destructor runs when a thread ends that has a ring. */
static pthread_key_t end_of_thread;
static bool has_key;

/* ---- a ring's life ---- */

static void unmap(struct pn_event_ring *ring) { (void)munmap(ring, ring->bytes); }

/* Its writer writes into it no more: the reader frees it when it has read it, or nobody reads. */
static void end_ring(struct pn_event_ring *ring)
{
    pn_lock(&rings_lock);
    ring->is_ended = true;
    const bool is_read = ring->is_listed;
    pn_unlock(&rings_lock);
    if (!is_read)
        unmap(ring);
}

static void leave(void *ring)
{
    ring_here = NULL;
    end_ring(ring);
}

static struct pn_event_ring *make_ring(size_t events)
{
    const size_t bytes = sizeof(struct pn_event_ring) + events * sizeof(struct pn_event);
    struct pn_event_ring *ring =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ring == MAP_FAILED)
        return NULL;
    ring->bytes = bytes;
    ring->mask = events - 1;
    ring->tid = gettid();
    (void)prctl(PR_GET_NAME, ring->name);
    return ring;
}

static bool list(struct pn_event_ring *ring, uint32_t run)
{
    pn_lock(&rings_lock);
    const bool is_on = pn_load_relaxed(&pn_trace_run) == run; /* written under the lock */
    ring->run = run;
    ring->is_listed = is_on;
    if (is_on) {
        ring->next = rings;
        rings = ring;
    }
    pn_unlock(&rings_lock);
    return is_on;
}

/* The calling thread's ring in a trace; NULL: none can be had, or it is over. */
static __attribute__((noinline)) struct pn_event_ring *join(uint32_t run)
{
    const int saved = errno;
    if (ring_here) {
        end_ring(ring_here);
        ring_here = NULL;
        (void)pthread_setspecific(end_of_thread, NULL);
    }
    struct pn_event_ring *ring = has_key ? make_ring(pn_load_relaxed(&ring_events)) : NULL;
    if (ring && (pthread_setspecific(end_of_thread, ring) || !list(ring, run))) {
        (void)pthread_setspecific(end_of_thread, NULL);
        unmap(ring);
        ring = NULL;
    }
    ring_here = ring;
    errno = saved;
    return ring;
}

/* ---- writing ---- */

static bool has_room(struct pn_event_ring *ring, uint64_t head, uint64_t count)
{
    if (PN_LIKELY(head + count - ring->tail_seen <= ring->mask + 1))
        return true;
    /* Acquire: the events there were read; pairs with the reader's release. */
    ring->tail_seen = pn_load_acquire(&ring->tail);
    return head + count - ring->tail_seen <= ring->mask + 1;
}

static inline void put(struct pn_event_ring *ring, uint64_t head, uint64_t ticks,
                       enum pn_trace_kind kind, uint64_t a, uint64_t b, uint32_t c)
{
    struct pn_event *event = &ring->events[head & ring->mask];
    event->ticks = ticks;
    event->a = a;
    event->b = b;
    event->c = c;
    event->kind = kind;
    pn_store_release(&ring->head, head + 1); /* after the event: pairs with the reader's acquire */
}

/* Events were lost before this one: it says how many. */
static __attribute__((noinline)) uint64_t tell_dropped(struct pn_event_ring *ring, uint64_t head,
                                                       uint64_t ticks)
{
    const uint64_t dropped = pn_load_relaxed(&ring->dropped); /* this thread's own */
    put(ring, head, ticks, PN_TRACE_dropped, dropped - ring->dropped_told, 0, 0);
    ring->dropped_told = dropped;
    return head + 1;
}

void pn_trace_add(enum pn_trace_kind kind, uint64_t a, uint64_t b, uint32_t c)
{
    const uint64_t ticks = pn_ticks();
    const uint32_t run = pn_load_relaxed(&pn_trace_run);
    struct pn_event_ring *ring = ring_here;
    if (PN_UNLIKELY(!run))
        return;
    if (PN_UNLIKELY(!ring || ring->run != run) && !(ring = join(run)))
        return;
    uint64_t head = pn_load_relaxed(&ring->head); /* this thread's own */
    const bool has_lost = pn_load_relaxed(&ring->dropped) != ring->dropped_told;
    if (PN_UNLIKELY(!has_room(ring, head, 1 + has_lost))) {
        pn_count(&ring->dropped, 1);
        return;
    }
    if (PN_UNLIKELY(has_lost))
        head = tell_dropped(ring, head, ticks);
    put(ring, head, ticks, kind, a, b, c);
    if (PN_UNLIKELY(((head + 1) & (ring->mask >> 1)) == 0))
        pn_trace_ring_bell();
}

#define PART_BYTES 16u /* of a name, in an event */

void pn_trace_add_name(const char *name)
{
    for (uint32_t offset = 0; offset < PN_TRACE_NAME_BYTES; offset += PART_BYTES) {
        char text[PART_BYTES] = "";
        uint64_t part[2];
        unsigned i = 0;
        while (i < PART_BYTES && (text[i] = *name)) {
            i++;
            name++;
        }
        memcpy(part, text, sizeof part);
        pn_trace_add(PN_TRACE_named, part[0], part[1], offset);
        if (i < PART_BYTES) /* the reader knows the end by this */
            return;
    }
}

void pn_trace_ring_bell(void)
{
    pn_fetch_add_relaxed(&pn_trace_bell, 1u); /* the futex orders it with the reader's sleep */
    pn_futex_wake(&pn_trace_bell, INT_MAX);
}

/* ---- for the reader ---- */

static void set_run_locked(uint32_t run)
{
    pn_store_relaxed(&pn_trace_run, run); /* soon is soon enough; the rest is under the lock */
    pn_plain_store_relaxed(&pinion_trace_1, run);
}

void pn_trace_open(size_t events)
{
    size_t size = 64;
    while (size < events)
        size *= 2;
    pn_lock(&rings_lock);
    pn_store_relaxed(&ring_events, size); /* before the run, under the lock that list takes */
    last_run += last_run == UINT32_MAX ? 2 : 1;
    set_run_locked(last_run);
    pn_unlock(&rings_lock);
}

void pn_trace_shut(void)
{
    pn_lock(&rings_lock);
    set_run_locked(0);
    pn_unlock(&rings_lock);
}

struct pn_event_ring *pn_trace_rings(void)
{
    pn_lock(&rings_lock);
    struct pn_event_ring *first = rings;
    pn_unlock(&rings_lock);
    return first;
}

/* Of a thread that has ended all is in head. */
static bool is_read(const struct pn_event_ring *ring)
{
    return pn_load_acquire(&ring->head) == pn_load_relaxed(&ring->tail);
}

/* Takes out of the list what is not to be read any more. */
static struct pn_event_ring *unlist_locked(void)
{
    const bool is_on = pn_load_relaxed(&pn_trace_run) != 0;
    struct pn_event_ring *out = NULL;
    for (struct pn_event_ring **link = &rings; *link;) {
        struct pn_event_ring *ring = *link;
        if (is_on && !(ring->is_ended && is_read(ring))) {
            link = &ring->next;
            continue;
        }
        *link = ring->next;
        ring->next = out;
        out = ring;
    }
    return out;
}

void pn_trace_reap(void (*let_go)(struct pn_event_ring *ring))
{
    pn_lock(&rings_lock);
    struct pn_event_ring *out = unlist_locked();
    pn_unlock(&rings_lock);
    while (out) {
        struct pn_event_ring *ring = out;
        out = ring->next;
        let_go(ring);
        pn_lock(&rings_lock);
        ring->is_listed = false;
        const bool is_ours = ring->is_ended;
        pn_unlock(&rings_lock);
        if (is_ours)
            unmap(ring);
    }
}

/* ---- the names of functions ---- */

struct name {
    struct name *next;
    uintptr_t function;
    char text[];
};

#define BUCKETS 256

/* They stay: a function keeps its name. */
static _Atomic(uint32_t) names_lock;
static struct name *names[BUCKETS];
static _Atomic(size_t) names_count;

static struct name **bucket_of(uintptr_t function)
{
    return &names[(function >> 4 ^ function >> 12) % BUCKETS];
}

static struct name *find_locked(uintptr_t function)
{
    struct name *name = *bucket_of(function);
    while (name && name->function != function)
        name = name->next;
    return name;
}

static bool is_known(uintptr_t function)
{
    pn_lock(&names_lock);
    const bool is_known = find_locked(function) != NULL;
    pn_unlock(&names_lock);
    return is_known;
}

static struct name *make_name(uintptr_t function, const char *text)
{
    const int saved = errno;
    const size_t bytes = strlen(text) + 1;
    struct name *name = malloc(sizeof *name + bytes);
    errno = saved;
    if (!name)
        return NULL;
    name->function = function;
    memcpy(name->text, text, bytes);
    return name;
}

void pn_trace_name_function(uintptr_t function, const char *text)
{
    struct name *name = is_known(function) ? NULL : make_name(function, text);
    if (!name)
        return;
    pn_lock(&names_lock);
    const bool is_first = !find_locked(function);
    if (is_first) {
        name->next = *bucket_of(function);
        *bucket_of(function) = name;
        pn_count(&names_count, 1);
    }
    pn_unlock(&names_lock);
    if (!is_first)
        free(name);
}

bool pn_trace_function_name(uintptr_t function, char *text, size_t size)
{
    pn_lock(&names_lock);
    const struct name *name = find_locked(function);
    if (name) {
        const size_t length = strnlen(name->text, size - 1);
        memcpy(text, name->text, length);
        text[length] = '\0';
    }
    pn_unlock(&names_lock);
    return name != NULL;
}

size_t pn_trace_names_told(void) { return pn_load_relaxed(&names_count); }

/* ---- the public way to names ---- */

void pinion_trace_name_start(pinion_start_fn *start, const char *name)
{
    if (pn_trace_is_on())
        pn_trace_name_function((uintptr_t)start, name);
}

/* ---- fork ---- */

static void before_fork(void)
{
    pn_lock(&rings_lock);
    pn_lock(&names_lock);
}

/* A child is not traced, and has no use for what its parent's threads wrote. */
static void after_fork(bool is_child)
{
    pn_unlock(&names_lock);
    if (is_child) {
        set_run_locked(0);
        while (rings) {
            struct pn_event_ring *ring = rings;
            rings = ring->next;
            if (ring != ring_here)
                unmap(ring);
        }
        if (ring_here) {
            (void)pthread_setspecific(end_of_thread, NULL);
            unmap(ring_here);
            ring_here = NULL;
        }
    }
    pn_unlock(&rings_lock);
}

__attribute__((constructor)) static void begin(void)
{
    has_key = pthread_key_create(&end_of_thread, leave) == 0;
    pn_fork_register(PN_FORK_RINGS, before_fork, after_fork);
}
