/* SPDX-License-Identifier: MIT
 *
 * libuv's thread pool among the contenders. Its work is queued by the loop's thread alone, which
 * also hears of each one's end: that is more than a detached task does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "serve.h"
#include "tally.h"

struct item {
    uv_work_t work;
    uint64_t word;
};

static void run_item(uv_work_t *work)
{
    tally_count(((struct item *)work->data)->word);
}

static void end_item(uv_work_t *work, int status)
{
    (void)status;
    free(work->data);
}

static int64_t run_many(unsigned threads, uint64_t n, uint64_t repeats)
{
    static unsigned pool_threads;
    int64_t ns = 0;
    uv_loop_t loop;
    char text[16];
    if (pool_threads && pool_threads != threads)
        serve_die("libuv's pool has %u threads for good", pool_threads);
    pool_threads = threads;
    (void)snprintf(text, sizeof text, "%u", threads);
    (void)setenv("UV_THREADPOOL_SIZE", text, 1);
    if (uv_loop_init(&loop))
        serve_die("no loop");
    for (uint64_t round = 0; round < repeats; round++) {
        tally_reset();
        const int64_t start = serve_now();
        for (uint64_t i = 1; i <= n; i++) {
            struct item *item = malloc(sizeof *item);
            if (!item)
                serve_die("out of memory");
            item->work.data = item;
            item->word = i;
            if (uv_queue_work(&loop, &item->work, run_item, end_item))
                serve_die("work was not queued");
        }
        (void)uv_run(&loop, UV_RUN_DEFAULT);
        tally_wait(n);
        ns += serve_now() - start;
    }
    (void)uv_loop_close(&loop);
    return ns;
}

int main(void)
{
    static const struct serve_workload workloads[] = {{"many", run_many}, {NULL, NULL}};
    return serve(workloads);
}
