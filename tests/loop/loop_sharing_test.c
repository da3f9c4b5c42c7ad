/* SPDX-License-Identifier: MIT
 *
 * One queue, mutex, condition, event, semaphore and rwlock between plain threads, a pool's tasks,
 * and fibers of two loops, over io_uring and over epoll; tasks of each that the others await. Half
 * of those that can be are canceled again and again. What moved is counted.
 */
#include "loops.h"

#define ROUNDS    (IS_SANITIZED ? 150 : 400)
#define PARTIES   20 /* a half of them put what the others get */
#define PUTTERS   (PARTIES / 2)
#define CAPACITY  3
#define PERMITS   2

PINION_QUEUE(uint64_t, numbers)

static struct {
    struct pinion_loop *loops[2];
    struct pinion_pool *pool;
    struct pinion_io *ios[3];

    struct pinion_event begins, never;
    struct numbers queue;
    uint64_t storage[CAPACITY];
    struct pinion_mutex mutex;
    struct pinion_condition has_token, has_room; /* of the mutex */
    unsigned tokens, locked;                     /* under the mutex */
    struct pinion_semaphore permits;
    atomic_uint permitted;
    struct pinion_rwlock rwlock;
    unsigned written[2]; /* under it: equal */
    atomic_uint writes;
    atomic_uint putters, puts, gets, canceled;
    _Atomic uint64_t put_sum, got_sum;
} its;

struct party {
    unsigned index;
    uint32_t seed;
    bool is_canceled;
};

static unsigned random_of(struct party *party, unsigned limit)
{
    party->seed = party->seed * 1664525u + 1013904223u;
    return (party->seed >> 8) % limit;
}

/* Any of them: who calls decides how to wait. */
static struct pinion_io *any_io(struct party *party) { return its.ios[random_of(party, 3)]; }

/* Whether it is to be called again. A request that was delivered is armed again. */
static bool was_canceled(const struct party *party, long result)
{
    if (result != -ECANCELED)
        return false;
    must(party->is_canceled);
    atomic_fetch_add(&its.canceled, 1);
    return true;
}

static void arm_again(struct party *party)
{
    if (party->is_canceled && random_of(party, 3) == 0)
        pinion_recancel(its.ios[0]);
}

#define MUST_IN_THE_END(party, call)                                                               \
    do {                                                                                           \
        long result_;                                                                              \
        arm_again(party);                                                                          \
        while (was_canceled((party), result_ = (call)))                                            \
            continue;                                                                              \
        must(result_ == 0);                                                                        \
    } while (0)

/* ---- what a party does ---- */

static void lock(struct party *party)
{
    MUST_IN_THE_END(party, pinion_mutex_lock(any_io(party), &its.mutex));
    its.locked++;
}

static void unlock(struct party *party) { pinion_mutex_unlock(any_io(party), &its.mutex); }

static void put_token(struct party *party)
{
    lock(party);
    while (its.tokens == CAPACITY)
        MUST_IN_THE_END(party, pinion_condition_wait(any_io(party), &its.has_room, &its.mutex));
    its.tokens++;
    pinion_condition_signal(any_io(party), &its.has_token);
    unlock(party);
}

static void take_token(struct party *party)
{
    lock(party);
    while (its.tokens == 0)
        MUST_IN_THE_END(party, pinion_condition_wait(any_io(party), &its.has_token, &its.mutex));
    its.tokens--;
    pinion_condition_signal(any_io(party), &its.has_room);
    unlock(party);
}

static void use_a_permit(struct party *party)
{
    MUST_IN_THE_END(party, pinion_semaphore_wait(any_io(party), &its.permits));
    must(atomic_fetch_add(&its.permitted, 1) < PERMITS);
    pinion_yield(any_io(party));
    atomic_fetch_sub(&its.permitted, 1);
    pinion_semaphore_post(any_io(party), &its.permits);
}

static void read_or_write(struct party *party)
{
    if (random_of(party, 4)) {
        MUST_IN_THE_END(party, pinion_rwlock_read_lock(any_io(party), &its.rwlock));
        must(its.written[0] == its.written[1]);
        pinion_rwlock_read_unlock(any_io(party), &its.rwlock);
        return;
    }
    MUST_IN_THE_END(party, pinion_rwlock_write_lock(any_io(party), &its.rwlock));
    its.written[0]++;
    pinion_yield(any_io(party));
    its.written[1]++;
    atomic_fetch_add(&its.writes, 1);
    pinion_rwlock_write_unlock(any_io(party), &its.rwlock);
}

PINION_TASK(unsigned, half_of, (struct pinion_io *, io), (unsigned, number))
{
    if (number % 4 == 0)
        pinion_yield(io);
    return number / 2;
}

static void await_a_task_of_any(struct party *party)
{
    struct pinion_io *io = any_io(party);
    struct half_of_future future;
    const unsigned number = random_of(party, 1000);
    arm_again(party);
    if (number % 2 || half_of_concurrent(io, &future, io, number))
        future = half_of_async(io, io, number);
    must((number % 3 ? half_of_await(io, &future) : half_of_cancel(io, &future)) == number / 2);
}

static void be_late(struct party *party)
{
    const int error = pinion_event_wait_until(any_io(party), &its.never, clock_ns() + 1000);
    must(error == -ETIMEDOUT || was_canceled(party, error));
}

static void do_all_else(struct party *party)
{
    use_a_permit(party);
    read_or_write(party);
    await_a_task_of_any(party);
    if (random_of(party, 8) == 0)
        be_late(party);
}

static void put(struct party *party)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        const uint64_t number = (uint64_t)party->index << 32 | i;
        ssize_t moved;
        arm_again(party);
        while (was_canceled(party, moved = numbers_put(any_io(party), &its.queue, &number, 1, 1)))
            continue;
        must(moved == 1);
        atomic_fetch_add(&its.puts, 1);
        atomic_fetch_add(&its.put_sum, number);
        put_token(party);
        do_all_else(party);
    }
    if (atomic_fetch_add(&its.putters, 1) + 1 == PUTTERS)
        numbers_close(any_io(party), &its.queue);
}

static void get(struct party *party)
{
    for (;;) {
        uint64_t number;
        ssize_t moved;
        arm_again(party);
        while (was_canceled(party, moved = numbers_get(any_io(party), &its.queue, &number, 1, 1)))
            continue;
        if (moved == -EPIPE)
            return;
        must(moved == 1);
        atomic_fetch_add(&its.gets, 1);
        atomic_fetch_add(&its.got_sum, number);
        take_token(party);
        do_all_else(party);
    }
}

PINION_TASK(void, take_part, (unsigned, index), (bool, is_canceled))
{
    struct party party = {index, index + 1, is_canceled};
    MUST_IN_THE_END(&party, pinion_event_wait(any_io(&party), &its.begins));
    if (index % 2)
        put(&party);
    else
        get(&party);
}

/* ---- who they are ---- */

static void take_part_as_main(struct pinion_io *io, void *index)
{
    (void)io;
    take_part((unsigned)(uintptr_t)index, false);
}

static void *work_in_loop(void *argument)
{
    const uintptr_t index = (uintptr_t)argument;
    run_in(its.loops[index % 2], take_part_as_main, argument);
    return NULL;
}

static void *take_part_as_thread(void *index)
{
    take_part((unsigned)(uintptr_t)index, false);
    return NULL;
}

static void start_threads(pthread_t threads[static 4])
{
    for (uintptr_t i = 0; i < 4; i++)
        must(pthread_create(&threads[i], NULL, i < 2 ? work_in_loop : take_part_as_thread,
                            (void *)i) == 0);
}

/* Two in three are tasks; every second pair of these is canceled. */
static void all_take_part(void)
{
    struct take_part_future futures[PARTIES];
    pthread_t threads[4];
    start_threads(threads);
    for (unsigned i = 4; i < PARTIES; i++)
        must(take_part_concurrent(its.ios[i / 2 % 3], &futures[i], i, i / 2 % 2 == 0) == 0);
    for (unsigned i = 4; i < PARTIES; i++)
        if (i / 2 % 2 == 0)
            pinion_request_cancel(its.ios[i / 2 % 3], &futures[i].future);
    pinion_event_set(its.ios[0], &its.begins);
    for (unsigned i = 4; i < PARTIES; i++)
        take_part_await(its.ios[i / 2 % 3], &futures[i]);
    for (int i = 0; i < 4; i++)
        must(pthread_join(threads[i], NULL) == 0);
}

static void all_that_there_is_to_share_is_shared_by_all(void **state)
{
    (void)state;
    memset(&its, 0, sizeof its);
    for (int i = 0; i < 2; i++) {
        const struct pinion_loop_options options = {
            .cpu_count = 3, .backend = i ? PINION_BACKEND_EPOLL : PINION_BACKEND_IO_URING};
        its.loops[i] = make_loop(&options);
        its.ios[i] = pinion_loop_io(its.loops[i]);
    }
    its.pool = pool_of(3);
    its.ios[2] = pinion_pool_io(its.pool);
    numbers_init(&its.queue, its.storage, CAPACITY);
    for (int i = 0; i < PERMITS; i++)
        pinion_semaphore_post(its.ios[i], &its.permits);
    all_take_part();
    for (int i = 0; i < 2; i++)
        pinion_loop_destroy(its.loops[i]);
    pinion_pool_destroy(its.pool);
    assert_int_equal(atomic_load(&its.puts), PUTTERS * ROUNDS);
    assert_int_equal(atomic_load(&its.gets), PUTTERS * ROUNDS);
    assert_true(atomic_load(&its.put_sum) == atomic_load(&its.got_sum));
    assert_int_equal(its.tokens, 0);
    assert_int_equal(its.locked, 2 * PUTTERS * ROUNDS);
    assert_int_equal(its.written[0], atomic_load(&its.writes));
    assert_int_equal(its.written[1], atomic_load(&its.writes));
    assert_true(atomic_load(&its.canceled) > ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_there_is_to_share_is_shared_by_all),
    };
    return cmocka_run_group_tests_name("loop sharing", tests, NULL, NULL);
}
