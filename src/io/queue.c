/* SPDX-License-Identifier: MIT
 *
 * The queue: a ring between one that puts and one that gets; more on either side wait for their
 * side's turn, a mutex, so batches stay together and none starves. The two sides share no lock:
 * each publishes its position and reads the other's.
 *
 *   put.position = items put so far × 2 + closed     get.position = items got so far × 2
 *   0 <= put - got <= capacity                       index = position's count % capacity
 *
 * A side's position and index are written by who has its turn (the closed bit by who closes);
 * patience, a hint, by all of the side. wanted: 0, or 1 + the count that the *other* side's
 * position must reach before who has this side's turn goes on: set by it before it parks at wanted,
 * cleared by who wakes it. Who wants writes wanted and reads the position, who moves writes the
 * position and reads wanted, all four in one total order, so at least one sees the other.
 *
 * A side that one thread alone uses is biased to it (bias.h): while nothing has to wait there, that
 * thread moves items without its turn, by plain accesses; it looks at the other side's position
 * only where it has come to limit, how far that side had let it come when it looked last: so the
 * line that the other writes does not cross for each item. Who wants has a heavy fence between its
 * write and its read then; where that would be needed too often, the other side is told to have a
 * fence of its own for each move (is_fenced, once and for all). fenced and owed, by which that is
 * decided: written by who has the turn and wants.
 *
 * Neither side waits for more than half of the capacity at a time: so they never both wait, each
 * for more than the other has left.
 */
#include "queue.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "asymmetric.h"
#include "bias.h"
#include "cancel.h"
#include "check.h"
#include "detail.h"
#include "futex.h"
#include "mutex.h"

#define CLOSED     UINT64_C(1)
#define ONE        UINT64_C(2)
#define COUNT(p)   ((p) / ONE)
#define LOOKS_MAX  512u /* some microseconds: what a sleep and a wake cost at least */
#define LOOKS_MIN  8u
#define PAUSES_MAX 16u /* between two looks */

/* What a heavy fence costs, in items that are moved without locked instructions instead; and so
 * many may be owed before the other side is told to have a fence of its own for each move. */
#define ITEMS_A_FENCE 512u
#define ITEMS_OWED    2048u

_Static_assert(sizeof(struct pinion_queue_side) == 2 * (size_t)PN_LINE_PAIR, "see its paddings");
_Static_assert(sizeof(struct pinion_queue) == 5 * (size_t)PN_LINE_PAIR, "see its paddings");

void pinion_queue_init(struct pinion_queue *queue, void *storage, size_t item_size,
                       size_t capacity)
{
    PN_ASSERT(item_size > 0);
    PN_ASSERT((storage != NULL) == (capacity > 0));
    memset((void *)queue, 0, sizeof *queue);
    queue->storage = storage;
    queue->item_size = item_size;
    queue->capacity = capacity;
}

static struct pinion_queue_side *side_of(const struct pn_move *move)
{
    return move->is_put ? &move->queue->put : &move->queue->get;
}

static struct pinion_queue_side *other_side_of(const struct pn_move *move)
{
    return move->is_put ? &move->queue->get : &move->queue->put;
}

/* The count that this side may reach, by the other's position. */
static uint64_t limit_of(const struct pn_move *move, uint64_t other)
{
    return COUNT(other) + (move->is_put ? move->queue->capacity : 0);
}

/* ---- waking the other side ---- */

/* Who has the side's turn is the only one that may be parked there. */
static void wake(struct pinion_io *io, struct pinion_queue_side *side)
{
    /* Who clears it wakes. Sequentially consistent: as all accesses to it, see above. */
    if (!pn_exchange_seq_cst(&side->wanted, UINT64_C(0)))
        return;
    struct pn_unpark unpark = {.address = &side->wanted};
    io->vtable->unpark(io, &unpark);
}

/* After a side's position has come to `count`: wakes the other side if that is what it wants. */
static void wake_if_wanted(struct pinion_io *io, struct pinion_queue_side *other, uint64_t count)
{
    const uint64_t wanted = pn_load_seq_cst(&other->wanted);
    if (wanted && count >= wanted - 1)
        wake(io, other);
}

/* ---- moving ---- */

static void copy(char *to, const char *from, size_t bytes)
{
    if (bytes == sizeof(uint64_t))
        memcpy(to, from, sizeof(uint64_t)); /* most items are a pointer: two moves, no call */
    else
        memcpy(to, from, bytes);
}

/* Copies n items at the side's index, which may be in two parts, and steps the index on. */
static void copy_items(const struct pn_move *move, struct pinion_queue_side *side, size_t n)
{
    const struct pinion_queue *queue = move->queue;
    char *items = pn_move_next(move);
    while (n) {
        const size_t left = queue->capacity - side->index;
        const size_t part = n < left ? n : left, bytes = part * queue->item_size;
        char *slot = queue->storage + side->index * queue->item_size;
        if (move->is_put)
            copy(slot, items, bytes);
        else
            copy(items, slot, bytes);
        side->index = part == left ? 0 : side->index + part;
        items += bytes;
        n -= part;
    }
}

/* Publishes n more items moved, unless the queue was closed to puts. */
static bool publish(struct pinion_queue_side *side, size_t n, uint64_t *position)
{
    uint64_t seen = pn_load_relaxed(&side->position);
    do {
        if (seen & CLOSED)
            return false;
        *position = seen + ONE * n;
        /* Release in it: the items, or their room; pairs with the loads of the other side. */
    } while (!pn_cas_seq_cst(&side->position, &seen, *position));
    return true;
}

/* Moves what can be moved now. False if the queue is closed to it. */
static bool move_some(struct pinion_io *io, struct pn_move *move, uint64_t other)
{
    struct pinion_queue_side *side = side_of(move);
    uint64_t position = pn_load_relaxed(&side->position); /* written by this side, or closed */
    const uint64_t can = limit_of(move, other) - COUNT(position);
    const size_t left = move->count - move->moved, n = left < can ? left : (size_t)can;
    if (n == 0)
        return !(position & CLOSED);
    const size_t index = side->index;
    copy_items(move, side, n);
    if (!publish(side, n, &position)) {
        side->index = index;
        return false;
    }
    move->moved += n;
    wake_if_wanted(io, other_side_of(move), COUNT(position));
    return true;
}

/* ---- waiting for the other side ---- */

static bool is_wanted(struct pn_park *park)
{
    const _Atomic uint64_t *wanted = (const _Atomic uint64_t *)(uintptr_t)park->address;
    return pn_load_seq_cst(wanted) != 0;
}

/* How far the other side must come for this move to go on. */
static uint64_t target_of(const struct pn_move *move)
{
    const uint64_t here = COUNT(pn_load_relaxed(&side_of(move)->position));
    const size_t half = move->queue->capacity / 2 ? move->queue->capacity / 2 : 1;
    const size_t need = move->min - move->moved < half ? move->min - move->moved : half;
    return here + need - (move->is_put ? move->queue->capacity : 0);
}

/* Whether the other side has come to `target`, or closed. */
static bool is_there(const struct pn_move *move, uint64_t target)
{
    /* Acquire in it: the items, or their room; pairs with publish. */
    const uint64_t other = pn_load_seq_cst(&other_side_of(move)->position);
    return COUNT(other) >= target ||
           ((other | pn_load_seq_cst(&side_of(move)->position)) & CLOSED) != 0;
}

/* Whether who waits may look for a while: a fiber only while nobody else could use its thread. */
static bool may_look(const struct pinion_io *io)
{
    struct pn_sleeper *sleeper = pn_sleeper_here();
    return io->spin_ns && (!sleeper || sleeper->ways->is_alone(sleeper));
}

/* Looks for a while, longer where that was worth it lately, and each time after a longer pause: the
 * less the other side is disturbed, and the more it moves meanwhile. */
static bool look(const struct pinion_io *io, const struct pn_move *move, uint64_t target)
{
    _Atomic(uint32_t) *patience = &side_of(move)->patience;
    const uint32_t known = pn_load_relaxed(patience), looks = known < LOOKS_MIN ? LOOKS_MIN : known;
    if (pn_bias_is_own(&other_side_of(move)->bias) || !may_look(io))
        return false;
    for (uint32_t i = 0, pauses; i < looks && may_look(io); i += pauses) {
        if (is_there(move, target)) {
            pn_store_relaxed(patience, looks < LOOKS_MAX ? looks * 2 : looks);
            return true;
        }
        pauses = i < PAUSES_MAX ? i + 1 : PAUSES_MAX;
        for (uint32_t j = 0; j < pauses; j++)
            pn_pause();
    }
    pn_store_relaxed(patience, looks / 2);
    return false;
}

/* After the write of wanted, before the look at the other side's position. */
static void order_after_want(const struct pn_move *move)
{
    struct pinion_queue_side *side = side_of(move), *other = other_side_of(move);
    /* The first has a full fence in it. Relaxed: is_fenced was set in this side's turn, and a heavy
     * fence came after. */
    if (!pn_bias_is_others(&other->bias) || pn_load_relaxed(&other->is_fenced))
        return;
    const uint64_t count = COUNT(pn_load_relaxed(&other->position)); /* to count by */
    const uint64_t paid = count - side->fenced, owed = side->owed + (uint64_t)ITEMS_A_FENCE;
    side->fenced = count;
    side->owed = paid < owed ? (uint32_t)(owed - paid) : 0;
    if (side->owed > ITEMS_OWED)
        pn_store_relaxed(&other->is_fenced, 1u); /* before the fence: seen by moves after it */
    pn_heavy_fence(); /* pairs with the light one in move_alone */
}

/* Waits until the other side has come to `target`. */
static int wait_for(struct pinion_io *io, struct pn_move *move, uint64_t target,
                    const struct pn_how *how)
{
    struct pinion_queue_side *side = side_of(move);
    struct pn_park park = {.address = &side->wanted, .may_sleep = is_wanted};
    if (!move->has_looked && look(io, move, target))
        return 0;
    move->has_looked = false;
    pn_store_seq_cst(&side->wanted, target + 1);
    order_after_want(move);
    int outcome = PN_DECLINED;
    if (!is_there(move, target))
        outcome = io->vtable->park(io, &park, how);
    pn_store_relaxed(&side->wanted, UINT64_C(0)); /* only this thread waits by it */
    return outcome < 0 ? outcome : 0;
}

/* By who has the turn. 0 once enough was moved, else why not. */
static int move_all(struct pinion_io *io, struct pn_move *move, const struct pn_how *how)
{
    for (;;) {
        /* Acquire: as in is_there. Before a get's look at what is left, the close: it comes after
         * the last put. */
        const uint64_t other = pn_load_acquire(&other_side_of(move)->position);
        if (!move_some(io, move, other))
            return -EPIPE;
        const bool is_at_end =
            (other & CLOSED) && COUNT(other) == COUNT(pn_load_relaxed(&side_of(move)->position));
        if (move->moved >= move->min && (move->moved > 0 || !is_at_end))
            return 0;
        if (is_at_end)
            return -EPIPE;
        const int error = wait_for(io, move, target_of(move), how);
        if (error)
            return error;
    }
}

/* ---- by the one thread that uses a side ---- */

/* Here what put and get do is worth a copy of its own for each, and one word a short way. */
#define PN_BOTH static inline __attribute__((always_inline))

#define WORD sizeof(uint64_t)

PN_BOTH void copy_word(const struct pn_move *move, struct pinion_queue_side *side)
{
    char *slot = move->queue->storage + side->index * WORD;
    memcpy(move->is_put ? slot : move->items, move->is_put ? move->items : slot, WORD);
    side->index = side->index + 1 == move->queue->capacity ? 0 : side->index + 1;
}

/* Inside the bias. Moves what can be moved now, if that is enough: how many items. */
PN_BOTH size_t move_inside(const struct pn_move *move, bool is_word, uint64_t *count)
{
    struct pinion_queue_side *side = side_of(move);
    if (pn_load_relaxed(&side->turn.word)) /* this thread's own, which waits */
        return 0;
    /* Not closed: who closes ends the bias first. And nobody else writes it. */
    const uint64_t position = pn_load_relaxed(&side->position);
    if (side->limit < COUNT(position) + move->count)
        /* Acquire: as in is_there. */
        side->limit = limit_of(move, pn_load_acquire(&other_side_of(move)->position));
    const uint64_t can = side->limit - COUNT(position);
    const size_t n = move->count < can ? move->count : (size_t)can;
    if (n == 0 || n < move->min)
        return 0;
    if (is_word)
        copy_word(move, side);
    else
        copy_items(move, side, n);
    *count = COUNT(position) + n;
    /* The items, or their room; pairs with the loads of the other side. */
    pn_store_release(&side->position, position + ONE * n);
    return n;
}

/* How many were moved; 0: it is to be done in turn. *wakes: whether the other side is to be woken
 * then. */
PN_BOTH size_t move_alone(const struct pn_move *move, bool is_word, bool *wakes)
{
    struct pinion_queue_side *side = side_of(move);
    uint64_t count = 0;
    if (!pn_bias_enter(&side->bias))
        return 0;
    const size_t moved = move_inside(move, is_word, &count);
    pn_light_fence(); /* before the look at is_fenced, too; pairs with the heavy one in
                         order_after_want */
    if (PN_UNLIKELY(pn_load_relaxed(&side->is_fenced)))
        pn_fence_seq_cst(); /* pairs with the one in pn_bias_is_others */
    const uint64_t wanted = pn_load_relaxed(&other_side_of(move)->wanted);
    pn_bias_leave(&side->bias);
    *wakes = PN_UNLIKELY(wanted) && moved && count >= wanted - 1;
    return moved;
}

static __attribute__((noinline)) ssize_t wake_after(struct pinion_io *io,
                                                    struct pinion_queue_side *side, size_t moved)
{
    wake(io, side);
    return (ssize_t)moved;
}

/* ---- the calls ---- */

static bool is_closed(const struct pinion_queue *queue)
{
    return pn_load_relaxed(&queue->put.position) & CLOSED;
}

/* A poll does not wait for the other side, nor for one of its own side that does; for one that is
 * just moving items it does, so long at the most. */
#define POLL_NS INT64_C(100000)

static bool is_poll(const struct pn_move *move, const struct pn_how *how)
{
    return move->min == 0 || (how->deadline != INT64_MAX && how->deadline <= pn_now());
}

/* The turn of the move's side. -EBUSY: a poll, and another has it. */
static int take_turn(struct pinion_io *io, struct pn_move *move, const struct pn_how *how)
{
    struct pinion_queue_side *side = side_of(move);
    if (pinion_mutex_try_lock(&side->turn))
        return 0;
    if (!is_poll(move, how))
        return pn_mutex_wait(io, &side->turn, how);
    /* Relaxed: where it is not seen, the wait ends soon. */
    if (pn_load_relaxed(&side->wanted) || move->queue->capacity == 0)
        return -EBUSY;
    return pn_mutex_wait(io, &side->turn, PN_UNCANCELABLE(pn_now() + POLL_NS)) ? -EBUSY : 0;
}

static __attribute__((noinline)) ssize_t move_in_turn(struct pinion_io *io, struct pn_move *move,
                                                      const struct pn_how *how)
{
    struct pinion_queue *queue = move->queue;
    if (queue->capacity) /* who polls is to make no system calls, and that is how a bias ends */
        pn_bias_come(&side_of(move)->bias, io->spin_ns != INT64_MAX);
    int error = take_turn(io, move, how);
    if (error == -EBUSY && move->is_put && is_closed(queue))
        return -EPIPE;
    if (error == -EBUSY)
        return move->min ? -ETIMEDOUT : 0;
    if (error)
        return error;
    error = queue->capacity ? move_all(io, move, how) : pn_rendezvous_move(io, move, how);
    pinion_mutex_unlock(io, &side_of(move)->turn);
    if (move->moved == 0)
        return error;
    if (error == -ECANCELED)
        pn_cancel_put_back(); /* for the next call: this one has moved something */
    return (ssize_t)move->moved;
}

static __attribute__((cold)) ssize_t refuse(const struct pn_move *move)
{
    return pn_error(EINVAL, "%s of %zu items, at least %zu: min is at most count, count at most "
                            "%zd",
                    move->is_put ? "put" : "get", move->count, move->min, (ssize_t)SSIZE_MAX);
}

/* The same, and the other side is waited for here if it is likely to come soon: the turn's locked
 * instructions would hold it up. */
static size_t look_alone(struct pinion_io *io, struct pn_move *move, const struct pn_how *how,
                         bool *wakes)
{
    const struct pinion_queue_side *side = side_of(move);
    const size_t moved = move_alone(move, false, wakes);
    if (moved || !pn_bias_is_own(&side->bias) || pn_load_relaxed(&side->turn.word) ||
        is_poll(move, how))
        return moved;
    move->has_looked = true;
    return look(io, move, target_of(move)) ? move_alone(move, false, wakes) : 0;
}

static __attribute__((noinline)) ssize_t move_items(struct pn_move *move, struct pinion_io *io,
                                                    const struct pn_how *how)
{
    bool wakes;
    if (PN_UNLIKELY(move->min > move->count || move->count > SSIZE_MAX))
        return refuse(move);
    const int error = pn_io_enter(io, how);
    if (PN_UNLIKELY(error))
        return error;
    const size_t moved = look_alone(io, move, how, &wakes);
    if (!moved)
        return move_in_turn(io, move, how);
    return wakes ? wake_after(io, other_side_of(move), moved) : (ssize_t)moved;
}

static const struct pn_how forever = {.deadline = INT64_MAX, .is_cancelable = true};

/* Whether a call that waits without end is for one word, and there is nothing else to do in it. */
PN_BOTH bool is_short(const struct pinion_io *io, const struct pn_move *move)
{
    return PN_LIKELY(move->count == 1) && PN_LIKELY(move->min == 1) &&
           PN_LIKELY(move->queue->item_size == WORD) && PN_LIKELY(pn_io_enter_quickly(io));
}

PN_BOTH struct pn_move put_of(struct pinion_queue *queue, const void *items, size_t count,
                              size_t min)
{
    return (struct pn_move){.queue = queue,
                            .is_put = true,
                            .items = (char *)(uintptr_t)items, /* not written to */
                            .count = count,
                            .min = min};
}

PN_BOTH struct pn_move get_of(struct pinion_queue *queue, void *items, size_t count, size_t min)
{
    return (struct pn_move){.queue = queue, .items = items, .count = count, .min = min};
}

static ssize_t put(struct pinion_io *io, struct pinion_queue *queue, const void *items,
                   size_t count, size_t min, const struct pn_how *how)
{
    struct pn_move move = put_of(queue, items, count, min);
    return move_items(&move, io, how);
}

static ssize_t get(struct pinion_io *io, struct pinion_queue *queue, void *items, size_t count,
                   size_t min, const struct pn_how *how)
{
    struct pn_move move = get_of(queue, items, count, min);
    return move_items(&move, io, how);
}

ssize_t pinion_queue_put(struct pinion_io *io, struct pinion_queue *queue, const void *items,
                         size_t count, size_t min)
{
    const struct pn_move move = put_of(queue, items, count, min);
    size_t moved;
    bool wakes;
    if (PN_LIKELY(is_short(io, &move)) && PN_LIKELY((moved = move_alone(&move, true, &wakes))))
        return PN_UNLIKELY(wakes) ? wake_after(io, &queue->get, 1) : 1;
    return put(io, queue, items, count, min, &forever);
}

ssize_t pinion_queue_put_until(struct pinion_io *io, struct pinion_queue *queue, const void *items,
                               size_t count, size_t min, int64_t deadline)
{
    return put(io, queue, items, count, min, PN_CANCELABLE(deadline));
}

ssize_t pinion_queue_put_uncancelable(struct pinion_io *io, struct pinion_queue *queue,
                                      const void *items, size_t count, size_t min)
{
    return put(io, queue, items, count, min, PN_UNCANCELABLE(INT64_MAX));
}

ssize_t pinion_queue_get(struct pinion_io *io, struct pinion_queue *queue, void *items,
                         size_t count, size_t min)
{
    const struct pn_move move = get_of(queue, items, count, min);
    size_t moved;
    bool wakes;
    if (PN_LIKELY(is_short(io, &move)) && PN_LIKELY((moved = move_alone(&move, true, &wakes))))
        return PN_UNLIKELY(wakes) ? wake_after(io, &queue->put, 1) : 1;
    return get(io, queue, items, count, min, &forever);
}

ssize_t pinion_queue_get_until(struct pinion_io *io, struct pinion_queue *queue, void *items,
                               size_t count, size_t min, int64_t deadline)
{
    return get(io, queue, items, count, min, PN_CANCELABLE(deadline));
}

ssize_t pinion_queue_get_uncancelable(struct pinion_io *io, struct pinion_queue *queue,
                                      void *items, size_t count, size_t min)
{
    return get(io, queue, items, count, min, PN_UNCANCELABLE(INT64_MAX));
}

void pinion_queue_close(struct pinion_io *io, struct pinion_queue *queue)
{
    pn_bias_end(&queue->put.bias);
    /* In the total order of positions and wants: who begins to wait after this sees it. */
    pn_fetch_or_seq_cst(&queue->put.position, CLOSED);
    if (queue->capacity == 0)
        pn_rendezvous_close(io, queue);
    wake(io, &queue->put);
    wake(io, &queue->get);
}
