/* SPDX-License-Identifier: MIT
 *
 * A pipeline: one task puts numbers into a queue, others count the primes among them, and Ctrl-C
 * cancels all of them. Usage: pipeline [UP_TO]
 */
#include <errno.h>
#include <pinion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

PINION_QUEUE(unsigned long, numbers)

static bool is_prime(unsigned long n)
{
    for (unsigned long i = 2; i * i <= n; i++)
        if (n % i == 0)
            return false;
    return n > 1;
}

/* Gets numbers by the batch until the queue is closed and empty, or the task is canceled. */
PINION_TASK(long, count_primes, (struct pinion_io *, io), (struct numbers *, queue))
{
    unsigned long batch[64];
    long primes = 0;
    ssize_t got;
    while ((got = numbers_get(io, queue, batch, 64, 1)) > 0)
        for (ssize_t i = 0; i < got; i++)
            primes += is_prime(batch[i]);
    return primes;
}

PINION_TASK(int, feed, (struct pinion_io *, io), (struct numbers *, queue), (unsigned long, up_to))
{
    int error = 0;
    for (unsigned long n = 0; n < up_to && !error; n++)
        error = numbers_put_one(io, queue, n);
    numbers_close(io, queue);
    return error;
}

/* Waits for Ctrl-C, and then cancels the feeding. */
PINION_TASK(void, watch, (struct pinion_io *, io), (const sigset_t *, set),
            (struct feed_future *, feeding))
{
    if (pinion_signal_wait(io, set, PINION_FOREVER) > 0)
        pinion_request_cancel(io, &feeding->future);
}

int main(int argc, char **argv)
{
    enum { COUNTERS = 4 };
    const unsigned long up_to = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
    unsigned long storage[1024];
    struct numbers queue;
    struct feed_future feeding;
    struct watch_future watching;
    struct count_primes_future counting[COUNTERS];
    struct pinion_pool *pool;
    sigset_t interrupts;
    (void)sigemptyset(&interrupts);
    (void)sigaddset(&interrupts, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &interrupts, NULL); /* before any thread is made */
    if (pinion_pool_create(NULL, &pool)) {
        (void)fprintf(stderr, "pipeline: %s\n", pinion_error_detail());
        return 1;
    }
    struct pinion_io *io = pinion_pool_io(pool);
    numbers_init(&queue, storage, 1024);

    /* They wait for each other, so each must be able to run while the others do: concurrent. */
    long primes = 0;
    int started = 0, error = feed_concurrent(io, &feeding, io, &queue, up_to);
    if (error) {
        (void)fprintf(stderr, "pipeline: %s\n", pinion_error_detail());
        pinion_pool_destroy(pool);
        return 1;
    }
    const bool is_watched = !watch_concurrent(io, &watching, io, &interrupts, &feeding);
    while (started < COUNTERS && !count_primes_concurrent(io, &counting[started], io, &queue))
        started++;
    if (started == 0) /* nobody empties the queue: count here */
        primes = count_primes(io, &queue);
    for (int i = 0; i < started; i++)
        primes += count_primes_await(io, &counting[i]);
    if (is_watched)
        watch_cancel(io, &watching); /* before the future that it uses is consumed */
    error = feed_await(io, &feeding);
    (void)printf("%ld primes below %lu%s\n", primes, up_to,
                 error == -ECANCELED ? ", as far as it came" : "");
    pinion_pool_destroy(pool);
    return error != 0;
}
