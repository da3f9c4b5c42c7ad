/* SPDX-License-Identifier: MIT
 *
 * What the backends have in common, and what each provides.
 */
#ifndef PN_BACKEND_PARTS_H
#define PN_BACKEND_PARTS_H

#include "backend.h"
#include "record.h"

#ifndef PN_URING
#define PN_URING 0
#endif

struct pn_completions {
    struct pn_completion *first, *last;
};

static inline void pn_completions_push(struct pn_completions *queue, struct pn_completion *one)
{
    one->next = NULL;
    if (queue->first)
        queue->last->next = one;
    else
        queue->first = one;
    queue->last = one;
}

static inline struct pn_completion *pn_completions_pop(struct pn_completions *queue)
{
    struct pn_completion *one = queue->first;
    if (one)
        queue->first = one->next;
    return one;
}

/* As the functions of backend.h. begin: false: refused; of readiness alone never. */
struct pn_backend_vtable {
    void (*destroy)(struct pn_backend *backend);
    bool (*begin)(struct pn_backend *backend, struct pn_completion *completion);
    void (*cancel)(struct pn_backend *backend, struct pn_completion *completion);
    int (*flush)(struct pn_backend *backend);
    bool (*is_ready)(const struct pn_backend *backend);
    unsigned (*reap)(struct pn_backend *backend);
    int (*wait)(struct pn_backend *backend, int64_t deadline);
};

struct pn_backend {
    const struct pn_backend_vtable *vtable;
    size_t under_way;            /* done not called yet */
    struct pn_completions ended; /* of these, those that it is to be called for */
    int event;                   /* an eventfd: wake was called; blocking */
    bool is_woken;               /* the same, already read: until the end of a wait */
    struct pn_backend_report report;
    struct pn_loop_counters *counters; /* never NULL */
    struct pn_loop_counters own_counters;
};

/* They fill the report, but for ring_error. */
int pn_ring_create(const struct pn_backend_options *options, struct pn_backend **backend);
int pn_epoll_create(struct pn_backend **backend);

/* Fills what they have in common but report. -errno. */
int pn_backend_init(struct pn_backend *backend, const struct pn_backend_vtable *vtable);
void pn_backend_fini(struct pn_backend *backend);

/* Calls done of those in ended now, not of those that come meanwhile. */
unsigned pn_backend_tell(struct pn_backend *backend);

/* Whether the deadline has passed. */
bool pn_is_past(int64_t deadline);

#endif
