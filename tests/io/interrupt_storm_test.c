/* SPDX-License-Identifier: MIT
 *
 * Requests that come at every place of a call: none is lost, and nothing that the call did.
 */
#include "interrupt_support.h"

/* ---- a request at each instruction of the stub, by single steps ---- */

#if PN_STUB && defined(__x86_64__)

#define TRAP_FLAG 0x100

/* The thread steps until it is at `at`; there its handler asks for a request and stays until it was
 * made, so that the signal comes when the handler returns to that instruction. */
static struct {
    uintptr_t at;
    _Atomic int asked, given; /* rounds */
    int round;
    struct pinion_task task;
    long result;
    int check;
} step;

static void trap(int signal, siginfo_t *info, void *argument)
{
    ucontext_t *context = argument;
    (void)signal;
    (void)info;
    if ((uintptr_t)context->uc_mcontext.gregs[REG_RIP] != step.at)
        return;
    context->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
    pn_store_release(&step.asked, step.round);
    while (pn_load_acquire(&step.given) < step.round)
        (void)sched_yield();
}

static void *read_by_steps(void *byte)
{
    enter_task(&step.task);
    const struct pn_system_call *call = PN_SYSTEM_CALL(SYS_read, pipe_ends[0], PN_ADDRESS(byte), 1);
    __asm__ __volatile__("pushfq; orq %0, (%%rsp); popfq" ::"i"(TRAP_FLAG) : "cc", "memory");
    step.result = pn_syscall(call, true, INT64_MAX);
    step.check = pn_cancel_deliver(&step.task);
    return NULL;
}

/* Cancels where the thread comes by that address. */
static void cancel_at(uintptr_t at, char *byte)
{
    pthread_t thread;
    step.at = at;
    step.round++;
    *byte = 0;
    put_byte('t');
    start_thread(&thread, read_by_steps, byte);
    until(pn_load_acquire(&step.asked) == step.round);
    pn_cancel_request(&step.task);
    pn_store_release(&step.given, step.round);
    join_thread(thread);
}

static void a_request_at_any_instruction_cancels_before_the_call_and_not_after(void **state)
{
    (void)state;
    /* The step over a system call ends one instruction after it. */
    static const unsigned char lengths[] = {0, 1, 3, 7, 3, 2, 3, 4, 4, 4, 4, 4, 4, 3, 2 + 7, 1};
    struct sigaction action = {.sa_flags = SA_SIGINFO};
    if (UNDER_TSAN)
        skip();
    action.sa_sigaction = trap;
    assert_int_equal(sigaction(SIGTRAP, &action, NULL), 0);
    uintptr_t at = (uintptr_t)pn_stub_run;
    if (memcmp((const void *)at, "\xf3\x0f\x1e\xfa", 4) == 0)
        at += 4; /* endbr64, where the compiler is asked for it */
    for (size_t i = 0; i < sizeof lengths; i++) {
        char byte;
        at += lengths[i];
        cancel_at(at, &byte);
        if (at <= (uintptr_t)pn_stub_call) {
            assert_int_equal(step.result, -ECANCELED);
            assert_int_equal(step.check, 0);
            assert_int_equal(byte, 0);
            assert_int_equal(read(pipe_ends[0], &byte, 1), 1);
        } else {
            assert_int_equal(step.result, 1);
            assert_int_equal(byte, 't');
            assert_int_equal(step.check, 1);
        }
    }
    assert_true(at < (uintptr_t)pn_stub_canceled && at > (uintptr_t)pn_stub_call);
    handle_by(SIGTRAP, SIG_DFL, 0);
}

#endif

/* ---- storms: a request in every place of a call ---- */

static void spend(unsigned pauses)
{
    for (unsigned i = 0; i < pauses; i++)
        pn_pause();
}

/* One thread calls, another cancels; they meet at each round's begin and end. */
static struct {
    pthread_barrier_t begin, end;
    struct pinion_task task;
    int other[2]; /* a pipe of the caller's own, which pinion knows nothing of */
    bool has_blocked;
    uint32_t seed;
} storm;

static void storm_init(bool has_blocked)
{
    storm.has_blocked = has_blocked;
    assert_int_equal(pthread_barrier_init(&storm.begin, NULL, 2), 0);
    assert_int_equal(pthread_barrier_init(&storm.end, NULL, 2), 0);
    assert_int_equal(pipe2(storm.other, O_CLOEXEC), 0);
    storm.seed = 12345;
}

static void storm_fini(void)
{
    assert_int_equal(pthread_barrier_destroy(&storm.begin), 0);
    assert_int_equal(pthread_barrier_destroy(&storm.end), 0);
    assert_int_equal(close(storm.other[0]) | close(storm.other[1]), 0);
}

static void block_or_open(void)
{
    sigset_t one;
    (void)sigemptyset(&one);
    (void)sigaddset(&one, pn_interrupt_signal());
    must(pthread_sigmask(storm.has_blocked ? SIG_BLOCK : SIG_UNBLOCK, &one, NULL) == 0);
    if (!storm.has_blocked)
        pn_interrupt_own_thread();
}

#define STORM ROUNDS(15000)

static void *read_nothing(void *unused)
{
    (void)unused;
    char byte;
    block_or_open();
    for (int i = 0; i < STORM; i++) {
        enter_task(&storm.task);
        (void)pthread_barrier_wait(&storm.begin);
        const long result =
            pn_syscall(PN_SYSTEM_CALL(SYS_read, pipe_ends[0], PN_ADDRESS(&byte), 1), true,
                       INT64_MAX);
        must(result == -ECANCELED);
        must(!pn_cancel_deliver(&storm.task));
        (void)pthread_barrier_wait(&storm.end);
    }
    return NULL;
}

static void no_request_is_lost_between_the_look_and_the_call(void **state)
{
    (void)state;
    for (int blocked = 0; blocked < 2; blocked++) {
        pthread_t thread;
        storm_init(blocked);
        start_thread(&thread, read_nothing, NULL);
        for (int i = 0; i < STORM; i++) {
            (void)pthread_barrier_wait(&storm.begin);
            spend(random_next(&storm.seed) % (i % 2 ? 100 : 1000));
            pn_cancel_request(&storm.task);
            (void)pthread_barrier_wait(&storm.end);
        }
        join_thread(thread);
        storm_fini();
    }
}

static unsigned canceled, completed;

static void take(int i, char byte) { must(byte == (char)i); }

/* Reads the round's byte, by the call or, if that was canceled, by another: once, wherever the
 * request came. Then code that knows of none of this waits, and must see no signal. */
static void *read_each_once(void *unused)
{
    (void)unused;
    block_or_open();
    for (int i = 0; i < STORM; i++) {
        char byte;
        enter_task(&storm.task);
        (void)pthread_barrier_wait(&storm.begin);
        const struct pn_system_call *call =
            PN_SYSTEM_CALL(SYS_read, pipe_ends[0], PN_ADDRESS(&byte), 1);
        long result = pn_syscall(call, true, INT64_MAX);
        struct pollfd poller = {.fd = storm.other[0], .events = POLLIN};
        must(poll(&poller, 1, -1) == 1);
        if (result == -ECANCELED) {
            canceled++;
            must(!pn_cancel_deliver(&storm.task));
            result = pn_syscall(call, true, INT64_MAX);
        } else {
            completed++;
            must(pn_cancel_deliver(&storm.task)); /* it stayed pending */
        }
        must(result == 1);
        take(i, byte);
        must(read(storm.other[0], &byte, 1) == 1);
        (void)pthread_barrier_wait(&storm.end);
    }
    return NULL;
}

static void a_storm_of_requests_loses_nothing_and_gives_nothing_twice(void **state)
{
    (void)state;
    for (int blocked = 0; blocked < 2; blocked++) {
        pthread_t thread;
        storm_init(blocked);
        canceled = completed = 0;
        start_thread(&thread, read_each_once, NULL);
        for (int i = 0; i < STORM; i++) {
            const unsigned before = random_next(&storm.seed) % 500;
            const unsigned between = random_next(&storm.seed) % 200;
            const bool request_first = random_next(&storm.seed) % 2;
            (void)pthread_barrier_wait(&storm.begin);
            spend(before);
            if (request_first)
                pn_cancel_request(&storm.task);
            else
                put_byte((char)i);
            spend(between);
            if (request_first)
                put_byte((char)i);
            else
                pn_cancel_request(&storm.task);
            must(write(storm.other[1], "", 1) == 1);
            (void)pthread_barrier_wait(&storm.end);
        }
        join_thread(thread);
        storm_fini();
        assert_true(pipe_is_empty());
        assert_int_equal(canceled + completed, STORM);
        assert_true(canceled > 0 && completed > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#if PN_STUB && defined(__x86_64__)
        cmocka_unit_test(a_request_at_any_instruction_cancels_before_the_call_and_not_after),
#endif
        cmocka_unit_test(no_request_is_lost_between_the_look_and_the_call),
        cmocka_unit_test(a_storm_of_requests_loses_nothing_and_gives_nothing_twice),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
