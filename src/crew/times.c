/* SPDX-License-Identifier: MIT
 *
 * How long a crew's tasks waited for their turn and ran: histograms, of each slot, written by its
 * thread, and of each node, for outside threads.
 */
#include <errno.h>
#include <string.h>

#include "arena.h"
#include "queueing.h"

/* Made when first needed, which is once a slot, by who writes them, so that they come to lie on the
 * slot's node. NULL: no memory, and this task is not in them. */
static struct pn_times *mine(_Atomic(struct pn_times *) *times, struct pinion_arena *arena)
{
    struct pn_times *made = pn_load_relaxed(times); /* nobody else writes it */
    if (PN_LIKELY(made))
        return made;
    const int saved = errno;
    made = pinion_arena_alloc(arena, sizeof *made, alignof(struct pn_times));
    errno = saved;
    if (!made)
        return NULL;
    memset((void *)made, 0, sizeof *made);
    pn_store_release(times, made); /* pairs with the load of who reads them (metrics.c) */
    return made;
}

static void add(_Atomic(struct pn_times *) *times, struct pinion_arena *arena, int64_t waited,
                int64_t ran)
{
    struct pn_times *to = mine(times, arena);
    if (!to)
        return;
    pn_histogram_add(&to->waited, (uint64_t)waited);
    pn_histogram_add(&to->ran, (uint64_t)ran);
}

void pn_crew_timed(struct pinion_io *io, int64_t waited, int64_t ran)
{
    struct pn_crew *crew = pn_crew_of(io);
    struct pn_worker *worker = pn_membership_find(crew);
    if (worker) {
        add(&worker->times, worker->node->arena, waited, ran);
        return;
    }
    struct pn_crew_node *node = pn_crew_node_here(crew);
    pn_lock(&node->lane.lock);
    add(&node->times, node->arena, waited, ran);
    pn_unlock(&node->lane.lock);
}

void pn_times_free(_Atomic(struct pn_times *) *times, struct pinion_arena *arena)
{
    struct pn_times *made = pn_load_relaxed(times); /* nobody has it any more */
    if (made)
        pinion_arena_free(arena, made, sizeof *made);
}
