/* SPDX-License-Identifier: MIT
 *
 * Fibers: what a switch keeps, and what it doesn't mix up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fenv.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fiber.h"
#include "stack.h"

static struct pn_stack_depot *depot;
static struct pn_stack_cache *cache;
static struct pn_fiber of_thread;

static struct pn_fiber *make(size_t bytes, void (*entry)(void *), void *argument)
{
    struct pn_stack stack;
    assert_int_equal(pn_stack_get(cache, bytes, &stack), 0);
    struct pn_fiber *fiber = pn_stack_top(&stack, sizeof *fiber);
    pn_fiber_init(fiber, &stack);
    pn_fiber_prepare(fiber, entry, argument);
    return fiber;
}

static void drop(struct pn_fiber *fiber)
{
    const struct pn_stack stack = fiber->stack;
    assert_true(fiber->magic == PN_FIBER_ENDED);
    pn_stack_put(cache, &stack);
}

static void leave(void) { pn_fiber_exit_to(pn_fiber_running(), &of_thread); }

static void go(struct pn_fiber *fiber) { pn_fiber_switch(&of_thread, fiber); }

static void pause_here(void) { pn_fiber_switch(pn_fiber_running(), &of_thread); }

static int begin(void **state)
{
    (void)state;
    if (pn_stack_depot_create(-1, &depot) != 0 || pn_stack_cache_create(depot, &cache) != 0)
        return -1;
    pn_fiber_init_thread(&of_thread);
    return 0;
}

static int end(void **state)
{
    (void)state;
    pn_fiber_fini_thread(&of_thread);
    pn_stack_cache_destroy(cache);
    pn_stack_depot_destroy(depot);
    return 0;
}

static void count(void *argument)
{
    unsigned *n = argument;
    for (int i = 0; i < 3; i++) {
        ++*n;
        pause_here();
    }
    leave();
}

static void a_fiber_runs_where_it_paused_and_can_be_prepared_anew(void **state)
{
    unsigned n = 0;
    (void)state;
    struct pn_fiber *const fiber = make(65536, count, &n);
    for (int life = 0; life < 2; life++) {
        for (unsigned i = 1; i <= 3; i++) {
            go(fiber);
            assert_int_equal(n, (unsigned)life * 3 + i);
        }
        assert_true(fiber->magic == PN_FIBER_ALIVE);
        go(fiber);
        assert_true(fiber->magic == PN_FIBER_ENDED);
        if (life == 0)
            pn_fiber_prepare(fiber, count, &n);
    }
    drop(fiber);
}

static void note_and_change(void *argument)
{
    bool *right = argument;
    const struct pn_stack stack = pn_fiber_running()->stack;
    char here;
    *right = errno == 0 && pn_thread()->local == NULL && pn_context()->task == NULL &&
             pn_context()->awaits == NULL && pn_context()->runs == NULL &&
             pn_thread()->stack_low > (uintptr_t)stack.low &&
             pn_thread()->stack_low < (uintptr_t)stack.low + stack.bytes;
    (void)here;
    for (int i = 1; i <= 2; i++) {
        errno = 1000 + i;
        pn_thread()->local = right + i;
        pn_context()->task = (void *)(right + 10 + i);
        pause_here();
        *right = *right && errno == 1000 + i && pn_thread()->local == right + i &&
                 pn_context()->task == (void *)(right + 10 + i);
    }
    leave();
}

static void errno_the_local_pointer_and_the_context_belong_to_the_fiber(void **state)
{
    bool right = false;
    const uintptr_t low = 4242;
    (void)state;
    struct pn_fiber *const fiber = make(65536, note_and_change, &right);
    pn_thread()->local = &right;
    pn_thread()->stack_low = low;
    pn_context()->awaits = (void *)&right;
    for (int i = 0; i < 3; i++) {
        errno = 7 + i;
        go(fiber);
        assert_int_equal(errno, 7 + i);
        assert_ptr_equal(pn_thread()->local, &right);
        assert_true(pn_thread()->stack_low == low);
        assert_ptr_equal(pn_context()->awaits, &right);
        assert_ptr_equal(pn_context()->task, NULL);
    }
    assert_true(right);
    pn_thread()->local = NULL;
    pn_thread()->stack_low = 0;
    pn_context()->awaits = NULL;
    drop(fiber);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fiber_runs_where_it_paused_and_can_be_prepared_anew),
        cmocka_unit_test(errno_the_local_pointer_and_the_context_belong_to_the_fiber),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
