/* SPDX-License-Identifier: MIT
 *
 * Runs some tasks and prints what a monitor would be told, in OpenMetrics text.
 */
#include <pinion.h>
#include <stdio.h>
#include <stdlib.h>

PINION_TASK(long, fib, (struct pinion_io *, io), (int, n))
{
    if (n < 2)
        return n;
    struct fib_future left = fib_async(io, io, n - 1);
    long right = fib(io, n - 2);
    return fib_await(io, &left) + right;
}

/* The text as it is now, with room for what comes between two looks at it. NULL: out of memory. */
static char *metrics(void)
{
    size_t size = 0, length;
    char *text = NULL;
    while ((length = pinion_metrics_write(text, size)) >= size) {
        size = length + length / 8 + 1;
        free(text);
        text = malloc(size);
        if (!text)
            return NULL;
    }
    return text;
}

int main(void)
{
    struct pinion_pool *pool;
    pinion_metrics_time_tasks(true);
    if (pinion_pool_create(NULL, &pool)) {
        fprintf(stderr, "metrics: %s\n", pinion_error_detail());
        return 1;
    }
    (void)fib(pinion_pool_io(pool), 25);
    char *text = metrics();
    if (text)
        fputs(text, stdout);
    pinion_pool_destroy(pool);
    free(text);
    return text ? 0 : 1;
}
