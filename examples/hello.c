/* SPDX-License-Identifier: MIT */
#include <pinion.h>
#include <stdio.h>

PINION_TASK(long, fib, (struct pinion_io *, io), (int, n))
{
    if (n < 2)
        return n;
    struct fib_future left = fib_async(io, io, n - 1); /* runs now or later */
    long right = fib(io, n - 2);                       /* a plain call */
    return fib_await(io, &left) + right;
}

int main(void)
{
    struct pinion_pool *pool;
    if (pinion_pool_create(NULL, &pool)) {
        fprintf(stderr, "hello: %s\n", pinion_error_detail());
        return 1;
    }
    struct pinion_io *io = pinion_pool_io(pool);
    printf("fib(30) = %ld\n", fib(io, 30));
    pinion_pool_report(pool, stdout);
    pinion_pool_destroy(pool);
    return 0;
}
