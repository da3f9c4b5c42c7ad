/* SPDX-License-Identifier: MIT
 *
 * A program to be looked at by a debugger: a pool whose one worker is held up, with tasks in its
 * caller's queue and in a lane, a parallel task, and a queue of items. all_is_set is called then.
 */
#include "../pool/support.h"

#include <pinion/queue.h>

#define NOINLINE __attribute__((noinline))

/* Where a debugger stops. */
NOINLINE void all_is_set(int count);
NOINLINE void all_is_set(int count)
{
    __asm__ volatile("" : : "r"(count) : "memory");
}

PINION_QUEUE(int, job_queue)

/* Behind it is something left to do, so that the call is no jump. */
NOINLINE static int hold_up(struct gate *gate)
{
    gate_pass(gate);
    return (int)gate->is_open;
}

PINION_TASK(int, held, (struct gate *, gate))
{
    return hold_up(gate) + 1;
}

PINION_TASK(int, beside, (struct gate *, gate))
{
    return hold_up(gate) + 2;
}

static void *queue_from_outside(void *io)
{
    static atomic_uint count;
    for (int i = 0; i < 3; i++)
        count_up_detached(io, &count);
    return NULL;
}

int main(void)
{
    static struct job_queue jobs;
    static int storage[8];
    static struct gate gate = GATE_INIT;
    const struct pinion_pool_options options = {.cpu_count = 2, .eager = true};
    struct pinion_pool *pool = make_pool(&options);
    struct pinion_io *io = pinion_pool_io(pool);
    struct held_future first = held_async(io, &gate);
    struct beside_future second;
    struct thread_id_future waiting[2];
    const int items[3] = {1, 2, 3};
    pthread_t outside;
    wait_until(atomic_load(&gate.arrived) == 1);
    must(beside_parallel(io, &second, &gate) == 0);
    wait_until(atomic_load(&gate.arrived) == 2);
    for (int i = 0; i < 2; i++)
        waiting[i] = thread_id_async(io);
    must(pthread_create(&outside, NULL, queue_from_outside, io) == 0);
    must(pthread_join(outside, NULL) == 0);
    job_queue_init(&jobs, storage, 8);
    must(job_queue_put(io, &jobs, items, 3, 3) == 3);
    all_is_set(3);
    gate_open(&gate);
    for (int i = 0; i < 2; i++)
        (void)thread_id_await(io, &waiting[i]);
    must(held_await(io, &first) == 2 && beside_await(io, &second) == 3);
    pinion_pool_destroy(pool);
    return 0;
}
