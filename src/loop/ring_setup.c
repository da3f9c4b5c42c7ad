/* SPDX-License-Identifier: MIT */
#include "ring.h"

#include <errno.h>
#include <stdlib.h>

#include "atomic.h"

/* Newer than the header. */
#define FEATURE_NO_IOWAIT (1u << 17) /* Linux 6.15 */
#define ENTER_NO_IOWAIT   (1u << 7)

/* A queue for what has ended is so many times as long as the one for what begins. */
#define COMPLETIONS_PER_ENTRY 4u

/* With so few entries memory is not what is lacking. */
#define ENTRIES_MIN 8u

/* So many of the kernel's threads a ring may have for files: one that opens a FIFO waits there for
 * the other end, so few would hold each other up; and there are as many rings as CPUs. */
#define KERNEL_THREADS_MAX 64u

#define BIT(feature) (1u << (feature))

/* In the order in which they are given up if the kernel has them not. */
static const struct rung {
    unsigned flag;
    unsigned feature;
} rungs[] = {
    {IORING_SETUP_DEFER_TASKRUN, PN_FEATURE_DEFER_TASKRUN},   /* Linux 6.1 */
    {IORING_SETUP_SINGLE_ISSUER, PN_FEATURE_SINGLE_ISSUER},   /* 6.0 */
    {IORING_SETUP_TASKRUN_FLAG, PN_FEATURE_TASKRUN_FLAG},     /* 5.19 */
    {IORING_SETUP_COOP_TASKRUN, PN_FEATURE_COOP_TASKRUN},     /* 5.19 */
    {IORING_SETUP_SUBMIT_ALL, PN_FEATURE_SUBMIT_ALL},         /* 5.18 */
    {IORING_SETUP_SQPOLL, PN_FEATURE_SQPOLL},                 /* 5.11 without privileges */
};
#define RUNGS (sizeof rungs / sizeof rungs[0])

static unsigned first_flags(const struct pn_backend_options *options)
{
    const unsigned always = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_SUBMIT_ALL |
                            IORING_SETUP_SINGLE_ISSUER;
    return options->sqpoll ? always | IORING_SETUP_SQPOLL
                           : always | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
}

/* The flag that the kernel is most likely not to have, given up. What was asked for is never. */
static bool step_down(struct pn_ring *ring, unsigned *flags)
{
    for (size_t i = 0; i < RUNGS; i++) {
        if (!(*flags & rungs[i].flag))
            continue;
        *flags &= ~rungs[i].flag;
        ring->backend.report.refused |= BIT(rungs[i].feature);
        if (rungs[i].flag == IORING_SETUP_DEFER_TASKRUN)
            *flags |= IORING_SETUP_COOP_TASKRUN;
        if (rungs[i].flag == IORING_SETUP_TASKRUN_FLAG) { /* one kernel brought both */
            *flags &= ~IORING_SETUP_COOP_TASKRUN;
            ring->backend.report.refused |= BIT(PN_FEATURE_COOP_TASKRUN);
        }
        return true;
    }
    return false;
}

static unsigned rounded_up(unsigned entries)
{
    unsigned power = 1;
    while (power < entries)
        power *= 2;
    return power;
}

static int make(struct pn_ring *ring, const struct pn_backend_options *options,
                struct io_uring_params *params)
{
    unsigned entries = rounded_up(options->ring_entries ? options->ring_entries
                                                        : PN_RING_ENTRIES_DEFAULT);
    unsigned flags = first_flags(options);
    for (;;) {
        *params = (struct io_uring_params){
            .flags = flags, .cq_entries = entries * COMPLETIONS_PER_ENTRY, .sq_thread_idle = 2};
        const int error = io_uring_queue_init_params(entries, &ring->uring, params);
        if (error == -ENOMEM && entries > ENTRIES_MIN)
            entries /= 2;
        else if (error != -EINVAL || !step_down(ring, &flags))
            return error;
    }
}

static void note_taken(struct pn_ring *ring, const struct io_uring_params *params)
{
    struct pn_backend_report *report = &ring->backend.report;
    report->kind = PN_BACKEND_RING;
    report->entries = params->sq_entries;
    report->completions = params->cq_entries;
    for (size_t i = 0; i < RUNGS; i++) {
        if (params->flags & rungs[i].flag)
            report->taken |= BIT(rungs[i].feature);
    }
}

static int probe_operations(struct pn_ring *ring)
{
    enum { OPERATIONS = 256 };
    struct io_uring_probe *probe =
        calloc(1, sizeof *probe + OPERATIONS * sizeof(struct io_uring_probe_op));
    if (!probe)
        return -ENOMEM;
    const int error = io_uring_register_probe(&ring->uring, probe, OPERATIONS);
    for (unsigned i = 0; !error && i < probe->ops_len; i++) {
        if (probe->ops[i].flags & IO_URING_OP_SUPPORTED)
            ring->operations[i / 64] |= UINT64_C(1) << i % 64;
    }
    free(probe);
    return error;
}

/* A seccomp filter may deny this call alone; then nothing that is submitted would ever end. */
static int try_enter(struct pn_ring *ring)
{
    const int result = io_uring_enter((unsigned)ring->uring.ring_fd, 0, 0, 0, NULL);
    return result < 0 ? result : 0;
}

static void take_extras(struct pn_ring *ring, const struct io_uring_params *params)
{
    struct pn_backend_report *report = &ring->backend.report;
    unsigned threads[2] = {KERNEL_THREADS_MAX, 0}; /* 0: as it is, for sockets and pipes */
    const bool is_registered = io_uring_register_ring_fd(&ring->uring) == 1;
    const bool has_no_iowait = params->features & FEATURE_NO_IOWAIT;
    *(is_registered ? &report->taken : &report->refused) |= BIT(PN_FEATURE_REGISTERED_RING);
    *(has_no_iowait ? &report->taken : &report->refused) |= BIT(PN_FEATURE_NO_IOWAIT);
    ring->enter_flags = is_registered ? IORING_ENTER_REGISTERED_RING : 0;
    ring->wait_flags = has_no_iowait ? ENTER_NO_IOWAIT : 0;
    (void)io_uring_register_iowq_max_workers(&ring->uring, threads); /* 5.15 */
    (void)io_uring_ring_dontfork(&ring->uring); /* else a child's copy is of no use, no more */
}

/* Entries are submitted in the order of their places. */
static void fill_array(struct io_uring_sq *queue)
{
    for (unsigned i = 0; queue->array && i < queue->ring_entries; i++)
        queue->array[i] = i;
}

/* What a ring was mapped to, the next may be mapped to, by another thread. The kernel orders the
 * two; by this ThreadSanitizer knows, which doesn't see the mappings that liburing makes. */
static _Atomic(unsigned) mappings_so_far;

int pn_ring_setup(struct pn_ring *ring, const struct pn_backend_options *options)
{
    struct io_uring_params params;
    int error = make(ring, options, &params);
    if (error)
        return error;
    pn_fetch_add_acq_rel(&mappings_so_far, 1u); /* pairs with pn_ring_teardown */
    note_taken(ring, &params);
    if (!(params.features & IORING_FEAT_EXT_ARG))
        error = -EINVAL;
    else if (!(error = probe_operations(ring)))
        error = try_enter(ring);
    if (error) {
        pn_ring_teardown(ring);
        return error;
    }
    take_extras(ring, &params);
    fill_array(&ring->uring.sq);
    return 0;
}

void pn_ring_teardown(struct pn_ring *ring)
{
    pn_fetch_add_acq_rel(&mappings_so_far, 1u); /* pairs with pn_ring_setup */
    io_uring_queue_exit(&ring->uring);
}
