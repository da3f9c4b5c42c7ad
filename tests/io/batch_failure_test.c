/* SPDX-License-Identifier: MIT
 *
 * Batches of many operations where there is no memory to poll them with, nor for what a ring has
 * under way. The linker diverts malloc (--wrap).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdalign.h>
#include <time.h>
#include <unistd.h>

#include <pinion.h>

#include "../threads.h"
#include "no_memory.h"

#define COUNT 200

static int64_t soon(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec + 2000000;
}

/* Tasks run this, too, where cmocka's assertions can't be used. */
static void go_on_without_memory(struct pinion_io *io)
{
    static struct pinion_operation operations[COUNT];
    struct pinion_batch batch = PINION_BATCH_INIT;
    struct pinion_operation *taken = NULL;
    int pipes[COUNT][2];
    char byte;
    for (int i = 0; i < COUNT; i++) {
        must(pinion_pipe(io, pipes[i]) == 0);
        if (i % 2)
            pinion_prepare_read(&operations[i], pipes[i][0], &byte, 1);
        else
            pinion_prepare_poll(&operations[i], pipes[i][0], POLLIN);
    }
    failures = 0;
    is_failing = true;
    errno = 77;
    must(pinion_batch_submit(io, &batch, operations, COUNT) == 0);
    must(pinion_batch_next_until(io, &batch, &taken, soon()) == -ETIMEDOUT && !taken);
    for (int i = COUNT - 1; i >= COUNT / 2; i--) {
        must(pinion_write(io, pipes[i][1], "a", 1) == 1);
        must(pinion_batch_next(io, &batch, &taken) == 0);
        must(taken == &operations[i] && taken->result == 1);
    }
    must(errno == 77);
    is_failing = false;
    must(failures > 0);
    pinion_batch_cancel(io, &batch);
    for (int i = 0; i < COUNT; i++) {
        must(operations[i].result == (i < COUNT / 2 ? -ECANCELED : 1));
        must(pinion_close(io, pipes[i][0]) == 0 && pinion_close(io, pipes[i][1]) == 0);
    }
}

static void without_memory_a_batch_goes_on(void **state)
{
    const struct pinion_pool_options options = {.cpu_count = 1};
    struct pinion_pool *pool;
    (void)state;
    assert_int_equal(pinion_pool_create(&options, &pool), 0);
    go_on_without_memory(pinion_pool_io(pool));
    pinion_pool_destroy(pool);
}

static void go_on_in_fiber(const void *context, void *unused)
{
    (void)unused;
    go_on_without_memory(*(struct pinion_io *const *)context);
}

static void without_memory_a_fibers_batch_goes_on(void **state)
{
    const struct pinion_loop_options options = {.cpu_count = 1};
    struct pinion_loop *loop;
    (void)state;
    assert_int_equal(pinion_loop_create(&options, &loop), 0);
    struct pinion_io *io = pinion_loop_io(loop);
    const struct pinion_call call = {.start = go_on_in_fiber, .context = &io,
                                     .context_size = sizeof io,
                                     .context_align = alignof(struct pinion_io *)};
    assert_int_equal(pinion_loop_run(loop, &call, NULL), 0);
    pinion_loop_destroy(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_memory_a_batch_goes_on),
        cmocka_unit_test(without_memory_a_fibers_batch_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
