/* SPDX-License-Identifier: MIT */
#include "ring.h"

#include <errno.h>
#include <stdlib.h>

#include "atomic.h"
#include "futex.h"
#include "progress.h"
#include "translate.h"

/* While the kernel takes no entries, and nothing ends, it is asked again so often. */
#define HELD_UP_NS INT64_C(1000000)

/* A cancel that did not end its call is asked for again after so long. */
static const struct __kernel_timespec ask_again_after = {.tv_nsec = 50000};

/* step of a completion: what its entry in the ring does. */
enum { CALL, PAUSE, AWAIT_READABLE, AWAIT_WRITABLE };

static struct pn_ring *ring_of(const struct pn_backend *backend)
{
    return PN_CONTAINER_OF(backend, struct pn_ring, backend);
}

/* ---- the kernel ---- */

static bool has_kernel_thread(const struct pn_ring *ring)
{
    return ring->uring.flags & IORING_SETUP_SQPOLL;
}

static unsigned sq_flags(const struct pn_ring *ring)
{
    return pn_plain_load_relaxed(ring->uring.sq.kflags); /* a hint; the kernel orders the rest */
}

/* Makes the entries known: so many are to be submitted. */
static unsigned publish(struct pn_ring *ring)
{
    struct io_uring_sq *queue = &ring->uring.sq;
    queue->sqe_head = queue->sqe_tail;
    /* release the entries: pairs with the kernel's acquire of the tail */
    pn_plain_store_release(queue->ktail, queue->sqe_tail);
    /* acquire: pairs with the kernel's release of the head, after it has read the entries */
    return queue->sqe_tail - pn_plain_load_acquire(queue->khead);
}

/* With a kernel thread only to wake that, once for what it has not seen: whether there is anything
 * to be said. */
static bool must_enter(struct pn_ring *ring, unsigned *flags)
{
    const unsigned tail = ring->uring.sq.sqe_tail;
    if (!has_kernel_thread(ring))
        return true;
    pn_fence_seq_cst(); /* tail before flag: the kernel thread sets it, then looks */
    if (ring->woken_for != tail && (sq_flags(ring) & IORING_SQ_NEED_WAKEUP)) {
        ring->woken_for = tail;
        *flags |= IORING_ENTER_SQ_WAKEUP;
    }
    return *flags & (IORING_ENTER_SQ_WAKEUP | IORING_ENTER_GETEVENTS);
}

/* Submits, lets the kernel deliver, and with `least` waits for so many, at most until the deadline.
 * -errno of what will not pass. */
static int enter(struct pn_ring *ring, bool delivers, unsigned least, int64_t deadline)
{
    struct __kernel_timespec left;
    struct io_uring_getevents_arg argument = {0};
    unsigned flags = ring->enter_flags | IORING_ENTER_EXT_ARG;
    const unsigned ready = publish(ring);
    const unsigned count = ring->is_held_up ? 0 : ready;
    if (delivers)
        flags |= IORING_ENTER_GETEVENTS;
    if (least) {
        flags |= ring->wait_flags;
        if (deadline != INT64_MAX) {
            const int64_t now = pn_now();
            const int64_t ns = deadline > now ? deadline - now : 0;
            left = (struct __kernel_timespec){ns / 1000000000, ns % 1000000000};
            argument.ts = (__u64)(uintptr_t)&left;
        }
    }
    ring->is_held_up = false;
    if (!must_enter(ring, &flags))
        return 0;
    pn_tally(&ring->backend.counters->waits, UINT64_C(1));
    const int result = io_uring_enter2((unsigned)ring->uring.enter_ring_fd, count, least, flags,
                                       (void *)&argument, sizeof argument);
    if (result >= 0 || result == -EINTR || result == -ETIME)
        return 0;
    if (result != -EAGAIN && result != -EBUSY)
        return result;
    ring->is_held_up = count > 0;
    return 0;
}

static struct io_uring_sqe *free_entry(struct pn_ring *ring)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(&ring->uring);
    if (entry || enter(ring, false, 0, 0) != 0)
        return entry;
    return io_uring_get_sqe(&ring->uring);
}

/* ---- what is submitted ---- */

static void prepare(struct pn_completion *completion, struct io_uring_sqe *entry)
{
    switch (completion->operation ? completion->step : AWAIT_READABLE) {
    case CALL:
        (void)pn_translate(completion, entry); /* begin has seen that it can */
        break;
    case PAUSE:
        io_uring_prep_timeout(entry, (struct __kernel_timespec *)completion->pause, 0, 0);
        break;
    default:
        io_uring_prep_poll_add(entry, completion->descriptor, (unsigned short)completion->events);
        break;
    }
}

/* As the completion asks for: a cancel where it was begun, else its next step. */
static void fill(struct pn_completion *completion, struct io_uring_sqe *entry)
{
    uint64_t data = (uint64_t)(uintptr_t)completion;
    if (completion->is_asked) {
        io_uring_prep_cancel64(entry, data, 0);
        data |= PN_RING_CANCELS;
    } else {
        prepare(completion, entry);
    }
    entry->user_data = data;
    completion->held++;
}

static void put(struct pn_ring *ring, struct pn_completion *completion)
{
    struct io_uring_sqe *entry = free_entry(ring);
    if (entry) {
        fill(completion, entry);
        return;
    }
    completion->is_queued = true;
    completion->held++;
    pn_completions_push(&ring->backlog, completion);
}

static void end(struct pn_ring *ring, struct pn_completion *completion, long result)
{
    completion->is_over = true;
    completion->result = result;
    if (completion->held == 0)
        pn_completions_push(&ring->backend.ended, completion);
}

/* Those for which there was no room, as far as there is now. */
static void put_backlog(struct pn_ring *ring)
{
    struct pn_completion *completion;
    while ((completion = ring->backlog.first)) {
        const bool was_begun = completion->held > 1;
        if (completion->is_over || (completion->is_asked && !was_begun)) {
            (void)pn_completions_pop(&ring->backlog);
            completion->held--;
            end(ring, completion, completion->is_over ? completion->result
                                                      : pn_progress_result(completion, -ECANCELED));
            continue;
        }
        struct io_uring_sqe *entry = free_entry(ring);
        if (!entry)
            return;
        (void)pn_completions_pop(&ring->backlog);
        completion->is_queued = false;
        completion->held--;
        fill(completion, entry);
    }
}

/* The next wake is to end a wait: what the eventfd has got is read. */
static void arm_wake(struct pn_ring *ring)
{
    struct io_uring_sqe *entry = ring->is_wake_armed ? NULL : free_entry(ring);
    if (!entry)
        return;
    io_uring_prep_read(entry, ring->backend.event, &ring->wakes, sizeof ring->wakes, 0);
    entry->user_data = PN_RING_WAKE;
    ring->is_wake_armed = true;
}

/* ---- what has ended ---- */

static void await(struct pn_completion *completion, uint8_t step, int descriptor)
{
    completion->step = step;
    completion->descriptor = descriptor;
    completion->events = step == AWAIT_READABLE ? POLLIN : POLLOUT;
}

/* What comes after a step that went well, before the call is made again. */
static void step_on(struct pn_completion *completion)
{
    int readable, writable;
    pn_translate_awaited(completion->operation, &readable, &writable);
    if (completion->step < AWAIT_READABLE && readable >= 0)
        await(completion, AWAIT_READABLE, readable);
    else if (completion->step < AWAIT_WRITABLE && writable >= 0)
        await(completion, AWAIT_WRITABLE, writable);
    else
        completion->step = CALL;
}

/* The call gave -EAGAIN: it is made again when its descriptors are ready; after one that they were
 * in vain, not at once. */
static bool waits_on(struct pn_completion *completion)
{
    int readable, writable;
    pn_translate_awaited(completion->operation, &readable, &writable);
    if (readable < 0 && writable < 0)
        return false;
    const int64_t pause = pn_progress_pause(completion);
    if (pause > 0) {
        completion->step = PAUSE;
        completion->pause[0] = 0;
        completion->pause[1] = pause;
    } else {
        step_on(completion);
    }
    return true;
}

/* Whether the call is to be tried again, or what it waits for to be waited for. */
static bool goes_on(struct pn_completion *completion, long result)
{
    if (completion->is_asked)
        return false;
    if (result == -EINTR) /* the same again */
        return true;
    if (completion->step == CALL && result == -EAGAIN)
        return waits_on(completion);
    if (completion->step == CALL) {
        if (!pn_progress_goes_on(completion, result))
            return false;
        step_on(completion);
        return true;
    }
    if (result < 0 && result != -ETIME)
        return false;
    step_on(completion);
    return true;
}

/* A canceled one did nothing if it waited, or was about to wait again. */
static long result_of(const struct pn_completion *completion, long result)
{
    const bool has_waited = completion->step != CALL && completion->operation;
    if (completion->is_asked && (has_waited || result == -EAGAIN || result == -EINTR))
        return -ECANCELED;
    return result;
}

/* The kernel's own codes for an interrupted call, -ERESTARTSYS to -ERESTART_RESTARTBLOCK: its
 * threads let them through. */
static bool is_interrupted(long result)
{
    return result == -EINTR || (result <= -512 && result >= -516);
}

static void take_own(struct pn_ring *ring, struct pn_completion *completion, long result)
{
    if (is_interrupted(result))
        result = -EINTR;
    if (!completion->operation) {
        if (result == -EINTR && !completion->is_asked)
            put(ring, completion);
        else
            end(ring, completion, result_of(completion, result));
        return;
    }
    if (goes_on(completion, result)) {
        put(ring, completion);
        return;
    }
    result = pn_progress_result(completion, result_of(completion, result));
    end(ring, completion, pn_translate_result(completion, result));
}

/* Of a call on its way between the ring and a thread of the kernel's a cancel may find nothing, and
 * one that runs there may not have come to its wait when it was interrupted. */
static void ask_again(struct pn_ring *ring, struct pn_completion *completion)
{
    struct io_uring_sqe *entry = free_entry(ring);
    if (!entry) {
        put(ring, completion);
        return;
    }
    io_uring_prep_timeout(entry, (struct __kernel_timespec *)(uintptr_t)&ask_again_after, 0, 0);
    entry->user_data = (uint64_t)(uintptr_t)completion | PN_RING_CANCELS;
    completion->held++;
}

/* A cancel has come back, or the pause after one. */
static void take_cancel(struct pn_ring *ring, struct pn_completion *completion, long result)
{
    if (completion->is_over && completion->held == 0)
        pn_completions_push(&ring->backend.ended, completion);
    else if (!completion->is_over && result == -ETIME)
        put(ring, completion);
    else if (!completion->is_over && result < 0)
        ask_again(ring, completion);
}

static void take(struct pn_ring *ring, uint64_t data, long result)
{
    if (data == PN_RING_WAKE) {
        ring->backend.is_woken |= result > 0;
        ring->is_wake_armed = false;
        return;
    }
    struct pn_completion *completion =
        (struct pn_completion *)(uintptr_t)(data & ~PN_RING_CANCELS);
    completion->held--;
    if (data & PN_RING_CANCELS)
        take_cancel(ring, completion, result);
    else
        take_own(ring, completion, result);
}

static bool has_completions(const struct pn_ring *ring)
{
    /* relaxed: whoever takes them acquires */
    return pn_plain_load_relaxed(ring->uring.cq.ktail) != *ring->uring.cq.khead;
}

static void take_all(struct pn_ring *ring)
{
    struct io_uring_cq *queue = &ring->uring.cq;
    /* acquire: pairs with the kernel's release of the tail, after it has written the entries */
    const unsigned tail = pn_plain_load_acquire(queue->ktail);
    for (unsigned head = *queue->khead; head != tail;) {
        const struct io_uring_cqe *entry = &queue->cqes[head & queue->ring_mask];
        const uint64_t data = entry->user_data;
        const long result = entry->res;
        /* release: pairs with the kernel's acquire, before it writes there again */
        pn_plain_store_release(queue->khead, ++head);
        take(ring, data, result);
    }
}

/* ---- as backend.h has it ---- */

static bool begin(struct pn_backend *backend, struct pn_completion *completion)
{
    struct pn_ring *ring = ring_of(backend);
    struct io_uring_sqe trial;
    if (completion->operation &&
        (!pn_translate(completion, &trial) || !pn_ring_has(ring, trial.opcode)))
        return false;
    put(ring, completion);
    return true;
}

static void cancel(struct pn_backend *backend, struct pn_completion *completion)
{
    if (!completion->is_queued)
        put(ring_of(backend), completion);
}

static int flush(struct pn_backend *backend)
{
    struct pn_ring *ring = ring_of(backend);
    int error = 0;
    do {
        put_backlog(ring);
        const bool has_more = sq_flags(ring) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
        /* A kernel thread that has not taken all yet is not to be asked again. */
        if (has_more || io_uring_sq_ready(&ring->uring) > 0)
            error = enter(ring, has_more || !has_kernel_thread(ring), 0, 0);
    } while (!error && ring->backlog.first && !ring->is_held_up && !has_completions(ring) &&
             !has_kernel_thread(ring));
    return error;
}

static bool is_ready(const struct pn_backend *backend)
{
    const struct pn_ring *ring = ring_of(backend);
    return has_completions(ring) ||
           (sq_flags(ring) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW));
}

static unsigned reap(struct pn_backend *backend)
{
    take_all(ring_of(backend));
    arm_wake(ring_of(backend));
    return pn_backend_tell(backend);
}

static int64_t earlier(int64_t a, int64_t b) { return a < b ? a : b; }

static int wait_once(struct pn_ring *ring, int64_t deadline)
{
    put_backlog(ring);
    arm_wake(ring);
    const bool is_over = ring->backend.ended.first || ring->backend.is_woken ||
                         has_completions(ring) || pn_is_past(deadline);
    /* The kernel has not taken all yet: not for ever. */
    if (ring->is_held_up || ring->backlog.first || !ring->is_wake_armed)
        deadline = earlier(deadline, pn_now() + HELD_UP_NS);
    const int error = enter(ring, true, !is_over, deadline);
    take_all(ring);
    return error;
}

static int wait_until(struct pn_backend *backend, int64_t deadline)
{
    int error;
    do
        error = wait_once(ring_of(backend), deadline);
    while (!error && !backend->ended.first && !backend->is_woken && !pn_is_past(deadline));
    backend->is_woken = false;
    (void)pn_backend_tell(backend);
    return error;
}

/* What reads the eventfd has come back when the ring goes: it is closed, its memory too. */
static void drain(struct pn_ring *ring)
{
    pn_backend_wake(&ring->backend);
    while (ring->is_wake_armed && enter(ring, true, 1, INT64_MAX) == 0)
        take_all(ring);
}

static void destroy(struct pn_backend *backend)
{
    struct pn_ring *ring = ring_of(backend);
    drain(ring);
    pn_ring_teardown(ring);
    pn_backend_fini(backend);
    free(ring);
}

static const struct pn_backend_vtable ring_vtable = {
    .destroy = destroy, .begin = begin, .cancel = cancel, .flush = flush,
    .is_ready = is_ready, .reap = reap, .wait = wait_until};

int pn_ring_create(const struct pn_backend_options *options, struct pn_backend **backend)
{
    struct pn_ring *ring = calloc(1, sizeof *ring);
    if (!ring)
        return -ENOMEM;
    int error = pn_ring_setup(ring, options);
    if (error)
        goto no_ring;
    error = pn_backend_init(&ring->backend, &ring_vtable);
    if (error)
        goto no_event;
    arm_wake(ring);
    *backend = &ring->backend;
    return 0;
no_event:
    pn_ring_teardown(ring);
no_ring:
    free(ring);
    return error;
}
