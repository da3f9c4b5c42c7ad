/* SPDX-License-Identifier: MIT
 *
 * GLib's thread pool among the contenders: exclusive threads, which it is fastest with. The pool
 * has one function, so a task is a pointer: less than a closure.
 */
#include <glib.h>

#include "serve.h"
#include "tally.h"

static void run_item(gpointer word, gpointer unused)
{
    (void)unused;
    tally_count((uint64_t)GPOINTER_TO_SIZE(word));
}

static int64_t run_many(unsigned threads, uint64_t n, uint64_t repeats)
{
    int64_t ns = 0;
    GThreadPool *pool = g_thread_pool_new(run_item, NULL, (gint)threads, TRUE, NULL);
    if (!pool)
        serve_die("no pool");
    for (uint64_t round = 0; round < repeats; round++) {
        tally_reset();
        const int64_t start = serve_now();
        for (uint64_t i = 1; i <= n; i++)
            (void)g_thread_pool_push(pool, GSIZE_TO_POINTER(i), NULL);
        tally_wait(n);
        ns += serve_now() - start;
    }
    g_thread_pool_free(pool, FALSE, TRUE);
    return ns;
}

int main(void)
{
    static const struct serve_workload workloads[] = {{"many", run_many}, {NULL, NULL}};
    return serve(workloads);
}
