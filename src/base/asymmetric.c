/* SPDX-License-Identifier: MIT */
#include "asymmetric.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { UNKNOWN, GRANTED, REFUSED };

static _Atomic(int) standing; /* only from UNKNOWN to one of the others */

static long membarrier(int command) { return syscall(SYS_membarrier, command, 0, 0); }

bool pn_heavy_fence_prepare(void)
{
    /* Relaxed, here and below: the kernel orders what it does. */
    int is = pn_load_relaxed(&standing);
    if (is == UNKNOWN) {
        const int saved = errno;
        is = membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0 ? GRANTED : REFUSED;
        errno = saved;
        pn_store_relaxed(&standing, is);
    }
    return is == GRANTED;
}

void pn_heavy_fence(void)
{
    const int saved = errno;
    /* A child of fork may have to register anew. Once registered it fails no more. */
    while (membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0 &&
           membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0)
        continue;
    errno = saved;
}
