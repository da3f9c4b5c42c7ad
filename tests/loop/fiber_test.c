/* SPDX-License-Identifier: MIT
 *
 * Fibers: what a switch keeps, and what it doesn't mix up.
 */
#include "support.h"

#include <errno.h>
#include <fenv.h>
#include <signal.h>
#include <sys/mman.h>

#include <pinion/fiber.h>

#include "overflow.h"
#include "task.h"

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
    *right = errno == 0 && pn_thread()->local == NULL && pn_context()->task == NULL &&
             pn_context()->awaits == NULL && pn_context()->runs == NULL &&
             pn_thread()->stack_low > (uintptr_t)stack.low &&
             pn_thread()->stack_low < (uintptr_t)stack.low + stack.bytes;
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

#if defined(__x86_64__)

/* Fills the registers that a function keeps with value, value + 1 and so on, switches, and gives
 * back how many of them are others then. */
static __attribute__((noinline)) uint64_t wrong_registers(struct pn_fiber *from,
                                                          struct pn_fiber *to, uint64_t value)
{
    register uint64_t wrong __asm__("rax") = value;
    register struct pn_fiber *first __asm__("rdi") = from;
    register struct pn_fiber *second __asm__("rsi") = to;
    register uintptr_t call __asm__("rdx") = (uintptr_t)pn_fiber_switch;
    __asm__ volatile("subq $128, %%rsp\n" /* the compiler may have something there */
                     "pushq %%rbp; pushq %%rax; leaq 1(%%rax), %%rbx; leaq 2(%%rax), %%r12\n"
                     "leaq 3(%%rax), %%r13; leaq 4(%%rax), %%r14; leaq 5(%%rax), %%r15\n"
                     "leaq 6(%%rax), %%rbp; movq %%rsp, %%rcx; subq $256, %%rsp\n"
                     "andq $-16, %%rsp; pushq %%rcx; pushq %%rcx; call *%%rdx\n"
                     "popq %%rcx; popq %%rcx; movq %%rcx, %%rsp; popq %%rcx; popq %%rdx\n"
                     "xchgq %%rbp, %%rdx; xorl %%eax, %%eax\n"
                     "subq %%rcx, %%rbx; subq %%rcx, %%r12; subq %%rcx, %%r13; subq %%rcx, %%r14\n"
                     "subq %%rcx, %%r15; subq %%rcx, %%rdx\n"
                     "xorq $1, %%rbx; xorq $2, %%r12; xorq $3, %%r13; xorq $4, %%r14\n"
                     "xorq $5, %%r15; xorq $6, %%rdx\n"
                     "orq %%rbx, %%rax; orq %%r12, %%rax; orq %%r13, %%rax; orq %%r14, %%rax\n"
                     "orq %%r15, %%rax; orq %%rdx, %%rax\n"
                     "addq $128, %%rsp"
                     : "+r"(wrong), "+r"(first), "+r"(second), "+r"(call)
                     :
                     : "rbx", "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
                       "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
                       "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
                       "xmm15");
    return wrong;
}

static void fill_registers(void *argument)
{
    uint64_t *wrong = argument;
    for (uint64_t i = 1; i <= 3; i++)
        *wrong |= wrong_registers(pn_fiber_running(), &of_thread, i << 32);
    leave();
}

static void registers_are_kept(void **state)
{
    uint64_t wrong = 0;
    (void)state;
    struct pn_fiber *const fiber = make(65536, fill_registers, &wrong);
    for (uint64_t i = 1; i <= 4; i++)
        assert_int_equal(wrong_registers(&of_thread, fiber, i << 40), 0);
    assert_int_equal(wrong, 0);
    drop(fiber);
}

#endif

static void round_upward(void *argument)
{
    int *began_with = argument;
    *began_with = fegetround();
    (void)fesetround(FE_UPWARD);
    pause_here();
    *began_with = fegetround() == FE_UPWARD ? *began_with : -1;
    leave();
}

static void floating_point_modes_are_kept_and_a_new_fiber_has_its_makers(void **state)
{
    int began_with = -2;
    (void)state;
    assert_int_equal(fesetround(FE_DOWNWARD), 0);
    struct pn_fiber *const fiber = make(65536, round_upward, &began_with);
    assert_int_equal(fesetround(FE_TONEAREST), 0);
    go(fiber);
    assert_int_equal(fegetround(), FE_TONEAREST);
    (void)fesetround(FE_TOWARDZERO);
    go(fiber);
    assert_int_equal(fegetround(), FE_TOWARDZERO);
    (void)fesetround(FE_TONEAREST);
    assert_int_equal(began_with, FE_DOWNWARD);
    drop(fiber);
}

enum { CROWD = 100, SWITCHES = 10000 };
static struct pn_fiber *crowd[CROWD];
static unsigned visits[CROWD], switches;
static uint32_t seed = 1;

static void visit(void *argument)
{
    const uintptr_t me = (uintptr_t)argument;
    for (uintptr_t mine = me * 7; switches < SWITCHES; mine += me) {
        const unsigned before = visits[me]++;
        seed = seed * 1664525 + 1013904223;
        const size_t next = (seed >> 8) % CROWD;
        switches++;
        if (next != me)
            pn_fiber_switch(crowd[me], crowd[next]);
        must(pn_fiber_running() == crowd[me] && mine == me * 7 + before * me);
    }
    leave();
}

static void a_hundred_fibers_switch_among_each_other_in_random_order(void **state)
{
    unsigned sum = 0;
    (void)state;
    for (uintptr_t i = 0; i < CROWD; i++)
        crowd[i] = make(32768, visit, (void *)i);
    for (size_t i = 0; i < CROWD; i++)
        while (crowd[i]->magic == PN_FIBER_ALIVE)
            go(crowd[i]);
    for (size_t i = 0; i < CROWD; i++) {
        sum += visits[i];
        drop(crowd[i]);
    }
    assert_int_equal(sum, SWITCHES);
}

static __attribute__((noinline)) unsigned deep(unsigned levels)
{
    volatile char block[1024];
    memset((char *)block, (int)levels, sizeof block);
    return levels == 0 ? 0 : deep(levels - 1) + ((unsigned char)block[512] == (levels & 255));
}

static void go_deep(void *argument)
{
    unsigned *depth = argument;
    *depth = deep(150);
    leave();
}

static void all_of_a_stack_can_be_used(void **state)
{
    unsigned depth = 0;
    (void)state;
    for (int life = 0; life < 3; life++) {
        struct pn_fiber *const fiber = make((size_t)1 << 20, go_deep, &depth);
        go(fiber);
        assert_int_equal(depth, 150);
        drop(fiber);
    }
}

static void start_of_task(const void *context, void *result) { (void)context, (void)result; }

static struct pinion_task some_task = {.start = start_of_task};

static void overflow(void *argument)
{
    pn_context()->task = &some_task;
    (void)deep(*(unsigned *)argument);
    leave();
}

static int overflow_now(void)
{
    static unsigned levels = 1000000;
    struct pn_overflow_thread signals;
    must(pn_overflow_thread_begin(&signals) == 0);
    go(make(65536, overflow, &levels));
    pn_overflow_thread_end(&signals);
    return 0;
}

static int expected_context;

static void leave_with_42(const struct pinion_fiber_overflow *overflow_of, void *context)
{
    const struct pn_stack stack = pn_fiber_running()->stack;
    _exit(context == &expected_context && overflow_of->stack == stack.low &&
                  overflow_of->stack_bytes == stack.bytes &&
                  (const char *)overflow_of->address < stack.low &&
                  (const char *)overflow_of->address >= stack.low - pn_stack_guard_bytes() &&
                  overflow_of->start == start_of_task
              ? 42
              : 43);
}

static void return_soon(const struct pinion_fiber_overflow *overflow_of, void *context)
{
    (void)overflow_of;
    (void)!write(*(int *)context, "x", 1);
}

static int overflow_told(void)
{
    must(pinion_fiber_on_overflow(leave_with_42, &expected_context) == 0);
    must(pinion_fiber_on_overflow(leave_with_42, &expected_context) == -EBUSY);
    return overflow_now();
}

static int told_by[2];

static int overflow_told_in_vain(void)
{
    (void)signal(SIGSEGV, SIG_DFL); /* a sanitizer's would turn it into an exit */
    must(pinion_fiber_on_overflow(return_soon, &told_by[1]) == 0);
    return overflow_now();
}

static int overflow_told_no_more(void)
{
    (void)signal(SIGSEGV, SIG_DFL);
    must(pinion_fiber_on_overflow(leave_with_42, &expected_context) == 0);
    must(pinion_fiber_on_overflow(NULL, NULL) == 0);
    return overflow_now();
}

static int other_fault(void)
{
    (void)signal(SIGSEGV, SIG_DFL);
    must(pinion_fiber_on_overflow(leave_with_42, &expected_context) == 0);
    char *const page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *(volatile char *)page = 1;
    return 0;
}

static void an_overflow_tells_whose_it_is(void **state)
{
    (void)state;
    assert_child_exits(overflow_told, 42);
}

static void assert_dies_of_it(int (*function)(void))
{
    const int status = status_of_child(function);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
}

static void after_the_handler_an_overflow_ends_the_program_as_any_fault(void **state)
{
    char byte = 0;
    (void)state;
    assert_int_equal(pipe(told_by), 0);
    assert_dies_of_it(overflow_told_in_vain);
    (void)close(told_by[1]);
    assert_int_equal(read(told_by[0], &byte, 1), 1);
    assert_int_equal(read(told_by[0], &byte, 1), 0); /* once */
    (void)close(told_by[0]);
    assert_dies_of_it(overflow_told_no_more);
}

static void other_faults_are_none_of_its_business(void **state)
{
    (void)state;
    assert_dies_of_it(other_fault);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fiber_runs_where_it_paused_and_can_be_prepared_anew),
        cmocka_unit_test(errno_the_local_pointer_and_the_context_belong_to_the_fiber),
#if defined(__x86_64__)
        cmocka_unit_test(registers_are_kept),
#endif
        cmocka_unit_test(floating_point_modes_are_kept_and_a_new_fiber_has_its_makers),
        cmocka_unit_test(a_hundred_fibers_switch_among_each_other_in_random_order),
        cmocka_unit_test(all_of_a_stack_can_be_used),
        cmocka_unit_test(an_overflow_tells_whose_it_is),
        cmocka_unit_test(after_the_handler_an_overflow_ends_the_program_as_any_fault),
        cmocka_unit_test(other_faults_are_none_of_its_business),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
