/* SPDX-License-Identifier: MIT
 *
 * A crew's thread and the CPUs that it may use.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "crew.h"

void pn_worker_name_thread(const struct pn_worker *worker)
{
    char name[16];
    (void)snprintf(name, sizeof name, worker->role == PN_BASE ? "pinion/%u" : "pinion/r%u",
                   worker->index);
    (void)pthread_setname_np(pthread_self(), name);
}

/* What to do where the kernel refuses to pin a thread. */
#define ADVICE "widen the process's CPU mask or its cpuset, or ask for placement none"

static const char *cpus_of_node(const struct pn_crew_node *node, char *text, size_t size)
{
    if (node->node == PINION_NO_NODE)
        (void)snprintf(text, size, "the allowed CPUs");
    else
        (void)snprintf(text, size, "the CPUs of node %u", node->node);
    return text;
}

static void note_pin(struct pn_worker *worker, int error, const char *what)
{
    pn_store_relaxed(&worker->record->pinned_cpu, error ? -1 : pn_pinned_cpu());
    if (error)
        pn_crew_degrade(worker->crew, error,
                        "worker %u is not pinned: the kernel refused %s (error %d); " ADVICE,
                        worker->index, what, -error);
}

static void pin_to_cpu(struct pn_worker *worker)
{
    struct pn_cpu_mask *mask;
    char what[32];
    (void)snprintf(what, sizeof what, "CPU %d", worker->seat.cpu);
    int error = pn_cpu_mask_of_cpu((unsigned)worker->seat.cpu, &mask);
    if (!error) {
        error = pn_cpu_mask_apply(mask);
        pn_cpu_mask_destroy(mask);
    }
    note_pin(worker, error, what);
}

static void pin_to_node(struct pn_worker *worker)
{
    if (!worker->node->mask)
        return;
    char what[48];
    note_pin(worker, pn_cpu_mask_apply(worker->node->mask),
             cpus_of_node(worker->node, what, sizeof what));
}

void pn_worker_unpin(const struct pn_worker *worker)
{
    if (worker->crew->original_mask)
        (void)pn_cpu_mask_apply(worker->crew->original_mask);
}

void pn_worker_take_seat(struct pn_worker *worker)
{
    worker->is_loose = false;
    if (!worker->crew->is_pinning)
        return;
    if (worker->seat.cpu >= 0)
        pin_to_cpu(worker);
    else
        pin_to_node(worker);
}

int pinion_affinity_restore(void)
{
    struct pn_worker *worker = pn_membership_own();
    if (!worker)
        return -ESRCH;
    if (!worker->crew->original_mask)
        return -ENOTSUP;
    const int error = pn_cpu_mask_apply(worker->crew->original_mask);
    if (!error)
        worker->is_loose = true;
    return error;
}

void pn_worker_float_over(struct pn_worker *worker, const struct pn_crew_node *node)
{
    if (worker->floats == node || !worker->crew->is_pinning || !node->mask)
        return;
    char what[48];
    const int error = pn_cpu_mask_apply(node->mask);
    if (!error)
        worker->floats = node;
    else
        pn_crew_degrade(worker->crew, error,
                        "reserve threads are not pinned: the kernel refused %s (error %d); " ADVICE,
                        cpus_of_node(node, what, sizeof what), -error);
}
