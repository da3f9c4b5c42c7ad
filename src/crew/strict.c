/* SPDX-License-Identifier: MIT */
#include "strict.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "detail.h"
#include "crew.h"

static int try_cpu(int cpu)
{
    struct pn_cpu_mask *mask;
    int error = pn_cpu_mask_of_cpu((unsigned)cpu, &mask);
    if (error)
        return error;
    error = pn_cpu_mask_apply(mask);
    pn_cpu_mask_destroy(mask);
    return error;
}

/* On a thread of its own, since trying moves the thread. */
static void *try_seats(void *argument)
{
    struct pn_crew *crew = argument;
    for (unsigned i = 0; i < crew->place_count; i++) {
        const int cpu = pn_crew_seat(crew, i).cpu;
        const int error = cpu >= 0 ? try_cpu(cpu) : 0;
        if (error)
            pn_crew_degrade(crew, error, "CPU %d can't be pinned to: the kernel refused (%s)", cpu,
                            strerrordesc_np(-error));
    }
    return NULL;
}

static int run_trial(struct pn_crew *crew)
{
    pthread_t thread;
    sigset_t former;
    pn_block_signals(&former);
    const int error = pthread_create(&thread, NULL, try_seats, crew);
    (void)pthread_sigmask(SIG_SETMASK, &former, NULL);
    if (error)
        return pn_error(EAGAIN, "no thread can be had to try the seats");
    (void)pthread_join(thread, NULL);
    return 0;
}

int pn_crew_check_strict(struct pn_crew *crew)
{
    const int error = crew->is_pinning ? run_trial(crew) : 0;
    if (error)
        return error;
    if (!crew->degraded_length)
        return 0;
    return pn_error(-crew->degraded_error, "strict, and degraded: %.*s",
                    (int)strcspn(crew->degraded, "\n"), crew->degraded);
}
