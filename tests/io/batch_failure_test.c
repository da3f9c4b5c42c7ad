/* SPDX-License-Identifier: MIT
 *
 * Batches of many operations where there is no memory to poll them with. The linker diverts malloc
 * (--wrap).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <time.h>
#include <unistd.h>

#include <pinion.h>

#include "no_memory.h"

#define COUNT 200

static int64_t soon(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec + 2000000;
}

static void without_memory_a_batch_goes_on(void **state)
{
    static struct pinion_operation operations[COUNT];
    const struct pinion_pool_options options = {.cpu_count = 1};
    struct pinion_batch batch = PINION_BATCH_INIT;
    struct pinion_operation *taken = NULL;
    struct pinion_pool *pool;
    int pipes[COUNT][2];
    char byte;
    (void)state;
    assert_int_equal(pinion_pool_create(&options, &pool), 0);
    struct pinion_io *io = pinion_pool_io(pool);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(pinion_pipe(io, pipes[i]), 0);
        if (i % 2)
            pinion_prepare_read(&operations[i], pipes[i][0], &byte, 1);
        else
            pinion_prepare_poll(&operations[i], pipes[i][0], POLLIN);
    }
    is_failing = true;
    errno = 77;
    assert_int_equal(pinion_batch_submit(io, &batch, operations, COUNT), 0);
    assert_int_equal(pinion_batch_next_until(io, &batch, &taken, soon()), -ETIMEDOUT);
    assert_null(taken);
    for (int i = COUNT - 1; i >= COUNT / 2; i--) {
        assert_int_equal(pinion_write(io, pipes[i][1], "a", 1), 1);
        assert_int_equal(pinion_batch_next(io, &batch, &taken), 0);
        assert_ptr_equal(taken, &operations[i]);
        assert_int_equal(taken->result, 1);
    }
    assert_int_equal(errno, 77);
    is_failing = false;
    assert_true(failures > 0);
    pinion_batch_cancel(io, &batch);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(operations[i].result, i < COUNT / 2 ? -ECANCELED : 1);
        assert_int_equal(pinion_close(io, pipes[i][0]) | pinion_close(io, pipes[i][1]), 0);
    }
    pinion_pool_destroy(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(without_memory_a_batch_goes_on)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
