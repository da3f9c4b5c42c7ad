/* SPDX-License-Identifier: MIT
 *
 * How contenders pass time: a turn of a loop that looks, and a pause between operations in which
 * whoever may fall asleep does. C and C++.
 */
#ifndef PINION_BENCH_PAUSE_H
#define PINION_BENCH_PAUSE_H

#include <sched.h>
#include <stdint.h>
#include <time.h>

/* A look again after a moment; after many in vain the CPU is given to whoever else wants it, who
 * may be the one that is waited for. looks counts them, from 0. */
static inline void pause_briefly(unsigned *looks)
{
    if (++*looks % 1024 == 0) {
        (void)sched_yield();
        return;
    }
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static inline void pause_for(uint64_t ns)
{
    const struct timespec time = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
    if (ns)
        (void)nanosleep(&time, NULL);
}

#endif
