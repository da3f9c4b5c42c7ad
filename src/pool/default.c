/* SPDX-License-Identifier: MIT
 *
 * The one pool that a process has without making it.
 */
#include <errno.h>
#include <pthread.h>

#include "check.h"
#include "pool.h"
#include "process.h"

/* Written once in a process, under the lock. It keeps the pool where leak checkers see it. */
static _Atomic(struct pinion_io *) made;
static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;

static struct pinion_io *make(void)
{
    const int saved = errno;
    (void)pthread_mutex_lock(&making);
    struct pinion_io *io = pn_load_relaxed(&made); /* written under the lock */
    if (!io) {
        struct pinion_pool *pool;
        io = pn_pool_create_without_caller(&pool) ? pinion_io_failing() : pinion_pool_io(pool);
        pn_store_release(&made, io); /* pairs with pinion_default_io */
    }
    (void)pthread_mutex_unlock(&making);
    errno = saved;
    return io;
}

struct pinion_io *pinion_default_io(void)
{
    struct pinion_io *io = pn_load_acquire(&made); /* pairs with make */
    return PN_LIKELY(io) ? io : make();
}

static void before_fork(void) { (void)pthread_mutex_lock(&making); }

static void after_fork(bool is_child)
{
    if (is_child)
        pn_store_relaxed(&made, NULL); /* no other thread is there */
    (void)pthread_mutex_unlock(&making);
}

__attribute__((constructor)) static void watch_forks(void)
{
    pn_fork_register(PN_FORK_DEFAULT_IO, before_fork, after_fork);
}
