/* SPDX-License-Identifier: MIT
 *
 * Which worker is the calling thread? A list a thread, of the crews in which it has a slot: its own
 * crew, if it is a crew's thread, and those that it made. Entries of crews that are gone are told
 * by their id, and cleared away when the thread makes its next crew or exits.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "futex.h"
#include "process.h"
#include "queueing.h"
#include "segment.h"

static _Thread_local
    __attribute__((tls_model("initial-exec"))) struct pn_membership *memberships;

/* Crews that are alive, for threads that exit: a crew is unregistered before it is torn down. */
static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct pn_crew *registry;
static struct pn_crew *lost; /* of parents of this process: for leak checkers to see */
static _Atomic(uint32_t) lookers; /* counted up under the lock; none is unregistered meanwhile */
static _Atomic uint64_t last_id;
static pthread_once_t exit_hook_once = PTHREAD_ONCE_INIT;
static pthread_key_t exit_hook;
static int exit_hook_error;

uint64_t pn_membership_new_id(void) { return pn_fetch_add_relaxed(&last_id, UINT64_C(1)) + 1; }

static void use_head(struct pn_head *head) { pn_thread()->head = &head->shared; }

struct pn_worker *pn_membership_search(const struct pn_crew *crew)
{
    for (const struct pn_membership *entry = memberships; entry; entry = entry->next) {
        if (entry->crew_id == crew->id) {
            use_head(entry->head);
            return entry->worker;
        }
    }
    return NULL;
}

void pn_head_clear(struct pn_head *head)
{
    pn_plain_store_seq_cst(&head->shared.runs, NULL); /* another io may come to have its address */
}

/* Frees a caller's entry, which is in no list any more. */
static void free_entry(struct pn_membership *entry)
{
    if (pn_thread()->head == &entry->head->shared)
        pn_thread()->head = &pn_head_none;
    pn_segment_let_go(entry->segment);
    free(entry);
}

/* Of the crew whose thread it is, or in which it is a visitor: a worker visits none, but in a child
 * of its process. */
static struct pn_membership *own(void)
{
    struct pn_membership *entry = memberships;
    while (entry && entry->is_caller)
        entry = entry->next;
    return entry;
}

struct pn_worker *pn_membership_own(void)
{
    const struct pn_membership *entry = own();
    return entry ? entry->worker : NULL;
}

void pn_membership_move_own(struct pn_worker *worker) { pn_membership_move(own(), worker); }

void pn_membership_enter(struct pn_membership *entry, struct pn_worker *worker)
{
    entry->crew_id = worker->crew->id;
    entry->is_caller = false;
    entry->next = NULL;
    memberships = entry;
    pn_membership_move(entry, worker);
    pn_thread_note_stack();
}

void pn_membership_move(struct pn_membership *entry, struct pn_worker *worker)
{
    entry->worker = worker;
    entry->head = worker->head;
    use_head(entry->head);
    pn_record_enter(worker);
}

static struct pn_crew *registered_locked(uint64_t id)
{
    struct pn_crew *crew = registry;
    while (crew && crew->id != id)
        crew = crew->next_crew;
    return crew;
}

/* Frees the calling thread's entry of one crew. */
static void forget_locked(uint64_t id)
{
    for (struct pn_membership **link = &memberships; *link; link = &(*link)->next) {
        struct pn_membership *entry = *link;
        if (entry->crew_id == id && entry->is_caller) {
            *link = entry->next;
            free_entry(entry);
            return;
        }
    }
}

/* Frees the entries of crews that are gone. */
static void forget_gone_locked(void)
{
    struct pn_membership **link = &memberships;
    while (*link) {
        struct pn_membership *entry = *link;
        if (entry->is_caller && !registered_locked(entry->crew_id)) {
            *link = entry->next;
            free_entry(entry);
        } else {
            link = &entry->next;
        }
    }
}

/* A thread ends that made crews: what it queued goes where workers look without it. */
static void leave_all(void *unused)
{
    (void)unused;
    pn_thread()->head = &pn_head_none;
    (void)pthread_mutex_lock(&registry_lock);
    while (memberships) {
        struct pn_membership *entry = memberships;
        memberships = entry->next;
        if (!entry->is_caller)
            continue;
        struct pn_crew *crew = registered_locked(entry->crew_id);
        if (crew) {
            pn_worker_flush(entry->worker);
            pn_lock(&crew->lock);
            entry->worker->has_thread = false;
            pn_record_leave(entry->worker);
            pn_unlock(&crew->lock);
        }
        free_entry(entry);
    }
    (void)pthread_mutex_unlock(&registry_lock);
}

void pn_membership_leave(void) { leave_all(NULL); }

void pn_membership_visit(struct pn_membership *entry, struct pn_worker *worker)
{
    entry->crew_id = worker->crew->id;
    entry->is_caller = false;
    entry->next = memberships;
    memberships = entry;
    pn_membership_move(entry, worker);
    pn_thread_note_stack();
}

void pn_membership_unvisit(struct pn_membership *entry)
{
    struct pn_membership **link = &memberships;
    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
    if (pn_thread()->head == &entry->head->shared)
        pn_thread()->head = &pn_head_none;
}

void pn_membership_forget(const struct pn_crew *crew)
{
    (void)pthread_mutex_lock(&registry_lock);
    forget_locked(crew->id);
    (void)pthread_mutex_unlock(&registry_lock);
}

static void before_fork(void) { (void)pthread_mutex_lock(&registry_lock); }

static void after_fork(bool is_child)
{
    if (is_child && registry) {
        struct pn_crew **end = &registry;
        while (*end)
            end = &(*end)->next_crew;
        *end = lost;
        lost = registry;
        registry = NULL;
    }
    if (is_child)
        pn_store_relaxed(&lookers, 0); /* they are not here */
    (void)pthread_mutex_unlock(&registry_lock);
}

__attribute__((constructor)) static void watch_forks(void)
{
    pn_fork_register(PN_FORK_CREWS, before_fork, after_fork);
}

static void make_exit_hook(void) { exit_hook_error = pthread_key_create(&exit_hook, leave_all); }

/* The calling thread's entry of a crew that it makes; NULL when out of memory. */
static struct pn_membership *make_entry(const struct pn_crew *crew)
{
    (void)pthread_once(&exit_hook_once, make_exit_hook);
    /* The value only has to be there for the hook to run. */
    if (exit_hook_error || pthread_setspecific(exit_hook, &memberships))
        return NULL;
    struct pn_membership *entry = malloc(sizeof *entry);
    if (entry)
        *entry = (struct pn_membership){
            .crew_id = crew->id, .worker = crew->caller, .head = crew->caller->head,
            .segment = crew->segment, .is_caller = true};
    return entry;
}

int pn_membership_register(struct pn_crew *crew)
{
    const bool has_entry = crew->caller && crew->has_caller;
    struct pn_membership *entry = has_entry ? make_entry(crew) : NULL;
    if (has_entry && !entry)
        return -ENOMEM;
    if (entry)
        pn_thread_note_stack();
    (void)pthread_mutex_lock(&registry_lock);
    forget_gone_locked();
    if (entry) {
        entry->next = memberships;
        memberships = entry;
        pn_segment_hold(entry->segment);
        pn_record_enter(entry->worker);
    }
    crew->next_crew = registry;
    registry = crew;
    (void)pthread_mutex_unlock(&registry_lock);
    return 0;
}

/* Takes the lock, where nobody looks at crews. */
static void lock_unlooked_at(void)
{
    uint32_t count;
    (void)pthread_mutex_lock(&registry_lock);
    while ((count = pn_load_acquire(&lookers))) { /* pairs with pn_crews_leave */
        (void)pthread_mutex_unlock(&registry_lock);
        (void)pn_futex_wait(&lookers, count, INT64_MAX);
        (void)pthread_mutex_lock(&registry_lock);
    }
}

void pn_membership_unregister(struct pn_crew *crew)
{
    lock_unlooked_at();
    struct pn_crew **link = &registry;
    while (*link != crew)
        link = &(*link)->next_crew;
    *link = crew->next_crew;
    forget_locked(crew->id);
    (void)pthread_mutex_unlock(&registry_lock);
}

/* ---- looking at crews ---- */

/* Release: all of it, pairs with shown. */
void pn_crew_show(struct pn_crew *crew) { pn_store_release(&crew->is_shown, true); }

static struct pn_crew *shown(struct pn_crew *crew)
{
    while (crew && !pn_load_acquire(&crew->is_shown)) /* pairs with pn_crew_show */
        crew = crew->next_crew;
    return crew;
}

struct pn_crew *pn_crews_enter(void)
{
    (void)pthread_mutex_lock(&registry_lock);
    pn_fetch_add_relaxed(&lookers, 1u); /* the lock orders it */
    struct pn_crew *first = registry;
    (void)pthread_mutex_unlock(&registry_lock);
    return shown(first);
}

/* Crews that come meanwhile come before the first. */
struct pn_crew *pn_crews_next(const struct pn_crew *crew) { return shown(crew->next_crew); }

void pn_crews_leave(void)
{
    if (pn_fetch_sub_acq_rel(&lookers, 1u) == 1) /* pairs with lock_unlooked_at */
        pn_futex_wake(&lookers, INT_MAX);
}
