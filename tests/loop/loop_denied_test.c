/* SPDX-License-Identifier: MIT
 *
 * A loop where the kernel refuses it io_uring, wholly or in part: it works as usual, says what was
 * refused and why, and with strict gives the kernel's error. Each case is a child.
 */
#include "tour.h"

#include <liburing.h>
#include <sys/resource.h>

/* ---- what liburing is told, instead of by a kernel that lacks it ---- */

static struct {
    unsigned setup_flags;  /* -EINVAL for any of these */
    unsigned entries_max;  /* -ENOMEM above; 0: no limit */
    unsigned features;     /* that it does not have */
    bool registers_no_ring;
    unsigned operations;   /* it has those below; 0: all that it has */
} lacking;

int __real_io_uring_queue_init_params(unsigned, struct io_uring *, struct io_uring_params *);
int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                      struct io_uring_params *params);
int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                      struct io_uring_params *params)
{
    if (params->flags & lacking.setup_flags)
        return -EINVAL;
    if (lacking.entries_max && entries > lacking.entries_max)
        return -ENOMEM;
    const int error = __real_io_uring_queue_init_params(entries, ring, params);
    params->features &= ~lacking.features;
    return error;
}

int __real_io_uring_register_ring_fd(struct io_uring *);
int __wrap_io_uring_register_ring_fd(struct io_uring *ring);
int __wrap_io_uring_register_ring_fd(struct io_uring *ring)
{
    return lacking.registers_no_ring ? -EINVAL : __real_io_uring_register_ring_fd(ring);
}

int __real_io_uring_register_probe(struct io_uring *, struct io_uring_probe *, unsigned);
int __wrap_io_uring_register_probe(struct io_uring *ring, struct io_uring_probe *probe,
                                   unsigned count);
int __wrap_io_uring_register_probe(struct io_uring *ring, struct io_uring_probe *probe,
                                   unsigned count)
{
    const int error = __real_io_uring_register_probe(ring, probe, count);
    if (!error && lacking.operations && probe->ops_len > lacking.operations)
        probe->ops_len = (__u8)lacking.operations;
    return error;
}

/* ---- denied ---- */

static void must_work(const struct pinion_loop_options *options, enum pinion_backend in,
                      const char *const *parts)
{
    struct pinion_loop *loop = make_loop(options);
    for (int i = 0; i < 2; i++)
        run_in(loop, tour, NULL);
    must(loop_stats(loop).backend == in && loop_stats(loop).fibers == 0);
    char *words = words_of(loop);
    for (; *parts; parts++) {
        if (!strstr(words, *parts)) {
            (void)fprintf(stderr, "nothing of \"%s\" in: %s\n", *parts, words);
            abort();
        }
    }
    free(words);
    pinion_loop_destroy(loop);
}

/* Of every kind of loop, the ring denied with that error. */
static void must_do_without(int error, const char *word)
{
    const enum pinion_backend kinds[] = {PINION_BACKEND_AUTO, PINION_BACKEND_IO_URING};
    struct pinion_loop *loop;
    for (unsigned i = 0; i < 4; i++) {
        struct pinion_loop_options options = {.cpu_count = 1 + i % 2 * 2, .backend = kinds[i / 2]};
        must_work(&options, PINION_BACKEND_EPOLL,
                  (const char *const[]){"waits in epoll", "no io_uring: ", word, NULL});
        options.cpu_count = options.strict = 1;
        const int refusal = pinion_loop_create(&options, &loop);
        must(refusal == -error && strstr(pinion_error_detail(), "io_uring"));
    }
    const struct pinion_loop_options chosen = {.cpu_count = 2, .backend = PINION_BACKEND_EPOLL};
    must_work(&chosen, PINION_BACKEND_EPOLL, (const char *const[]){"waits in epoll", NULL});
}

struct denial {
    long number;
    int error;
    const char *word;
};

static void meet(void *argument)
{
    const struct denial *denial = argument;
    must(deny_call(denial->number, denial->error));
    must_do_without(denial->error, denial->word);
}

static void any_of_its_system_calls_denied_it_is_epoll_and_says_why(void **state)
{
    static struct denial denials[] = {
        {SYS_io_uring_setup, EPERM, "EPERM"},
        {SYS_io_uring_setup, ENOSYS, "ENOSYS"},
        {SYS_io_uring_setup, ENOMEM, "ENOMEM"},
        {SYS_io_uring_register, EPERM, "EPERM"},
        {SYS_io_uring_enter, EPERM, "EPERM"},
        {SYS_io_uring_enter, ENOSYS, "ENOSYS"},
    };
    (void)state;
    if (!has_rings())
        skip();
    for (size_t i = 0; i < sizeof denials / sizeof denials[0]; i++)
        in_a_child(meet, &denials[i]);
}

/* A program may lock itself up once it has all that it needs. */
static void deny_later(void *unused)
{
    const struct pinion_loop_options options = {
        .cpu_count = 1, .backend = PINION_BACKEND_IO_URING, .strict = true};
    struct pinion_loop *loop = make_loop(&options);
    (void)unused;
    run_in(loop, tour, NULL);
    must(loop_stats(loop).backend == PINION_BACKEND_IO_URING);
    must(deny_call(SYS_io_uring_setup, EPERM));
    run_in(loop, tour, NULL);
    must(loop_stats(loop).backend == PINION_BACKEND_EPOLL);
    char *words = words_of(loop);
    must(strstr(words, "no io_uring: EPERM"));
    free(words);
    pinion_loop_destroy(loop);
}

static void denied_later_it_is_epoll_too(void **state)
{
    (void)state;
    if (!has_rings())
        skip();
    in_a_child(deny_later, NULL);
}

/* Then what is under way stays so. The rest goes on, without spinning, and it is told. */
static void go_on_without_enter(struct pinion_io *io, void *loop)
{
    struct read_all_future reader;
    int ends[2];
    char byte;
    must(pinion_pipe(io, ends) == 0);
    must(read_all_concurrent(io, &reader, io, ends[0], &byte, 1) == 0);
    must(deny_call(SYS_io_uring_enter, EPERM));
    const uint64_t before = loop_stats(loop).parked;
    tour_sleeps(io);
    must(pinion_sleep(io, 20000000) == 0);
    must(loop_stats(loop).parked - before < 100);
    char *words = words_of(loop);
    must(strstr(words, "worker 0 can't wait"));
    _exit(0);
}

static void deny_enter_later(void *unused)
{
    const struct pinion_loop_options options = {
        .cpu_count = 1, .backend = PINION_BACKEND_IO_URING};
    struct pinion_loop *loop = make_loop(&options);
    (void)unused;
    run_in(loop, go_on_without_enter, loop);
}

static void denied_what_it_has_already_a_loop_says_so_and_does_not_spin(void **state)
{
    (void)state;
    if (!has_rings())
        skip();
    in_a_child(deny_enter_later, NULL);
}

/* ---- a ring with less ---- */

struct rung {
    unsigned setup_flags, entries_max, features;
    bool registers_no_ring;
    unsigned operations;
    enum pinion_backend in;
    const char *refused;
};

static void climb(void *argument)
{
    const struct rung *rung = argument;
    lacking.setup_flags = rung->setup_flags;
    lacking.entries_max = rung->entries_max;
    lacking.features = rung->features;
    lacking.registers_no_ring = rung->registers_no_ring;
    lacking.operations = rung->operations;
    for (unsigned cpus = 1; cpus <= 3; cpus += 2) {
        const struct pinion_loop_options options = {.cpu_count = cpus};
        must_work(&options, rung->in, (const char *const[]){rung->refused, NULL});
    }
}

#define SINCE_5_18 IORING_SETUP_SUBMIT_ALL
#define SINCE_5_19 IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG
#define SINCE_6_0  IORING_SETUP_SINGLE_ISSUER
#define SINCE_6_1  IORING_SETUP_DEFER_TASKRUN

static void each_rung_of_older_kernels_serves(void **state)
{
    static struct rung rungs[] = {
        {.setup_flags = SINCE_6_1, .in = PINION_BACKEND_IO_URING,
         .refused = "refused: defer_taskrun"},
        {.setup_flags = SINCE_6_1 | SINCE_6_0, .in = PINION_BACKEND_IO_URING,
         .refused = "refused: single_issuer, defer_taskrun"},
        {.setup_flags = SINCE_6_1 | SINCE_6_0 | SINCE_5_19, .in = PINION_BACKEND_IO_URING,
         .refused = "refused: single_issuer, defer_taskrun, coop_taskrun, taskrun_flag"},
        {.setup_flags = SINCE_6_1 | SINCE_6_0 | SINCE_5_19 | SINCE_5_18,
         .in = PINION_BACKEND_IO_URING,
         .refused = "taskrun_flag, submit_all"},
        {.setup_flags = ~0u, .in = PINION_BACKEND_EPOLL, .refused = "no io_uring: EINVAL"},
        {.features = IORING_FEAT_EXT_ARG, .in = PINION_BACKEND_EPOLL,
         .refused = "no io_uring: EINVAL, the kernel is older than 5.11"},
        {.features = 1u << 17, .in = PINION_BACKEND_IO_URING, .refused = "no_iowait"},
        {.registers_no_ring = true, .in = PINION_BACKEND_IO_URING, .refused = "registered_ring"},
        {.entries_max = 8, .in = PINION_BACKEND_IO_URING, .refused = "8 entries"},
        {.entries_max = 2, .in = PINION_BACKEND_EPOLL, .refused = "ENOMEM"},
    };
    (void)state;
    if (!has_rings())
        skip();
    for (size_t i = 0; i < sizeof rungs / sizeof rungs[0]; i++)
        in_a_child(climb, &rungs[i]);
}

static void climb_without_sqpoll(void *unused)
{
    struct pinion_loop *loop;
    struct pinion_loop_options options = {.cpu_count = 1, .sqpoll = true};
    (void)unused;
    lacking.setup_flags = IORING_SETUP_SQPOLL;
    must_work(&options, PINION_BACKEND_IO_URING,
              (const char *const[]){"refused: ", "no sqpoll: the kernel refuses it", NULL});
    options.strict = true;
    must(pinion_loop_create(&options, &loop) == -EINVAL);
    must(strstr(pinion_error_detail(), "sqpoll"));
}

static void without_sqpoll_a_loop_that_wants_it_serves_and_says_so(void **state)
{
    (void)state;
    if (!has_rings())
        skip();
    in_a_child(climb_without_sqpoll, NULL);
}

/* Threads do those. From 17 on it has timeouts, polls and cancels: the oldest that are needed. */
static void operations_that_the_ring_lacks_are_made_by_threads(void **state)
{
    struct rung rung = {.in = PINION_BACKEND_IO_URING, .refused = "waits in io_uring"};
    (void)state;
    if (!has_rings())
        skip();
    for (unsigned operations = 17; operations <= 27; operations += 5) {
        rung.operations = operations;
        in_a_child(climb, &rung);
    }
}

/* ---- limits ---- */

static void live_on_little(void *unused)
{
    const struct rlimit nothing = {0, 0}, few = {(rlim_t)descriptor_count() + 20, RLIM_INFINITY};
    (void)unused;
    must(setrlimit(RLIMIT_MEMLOCK, &nothing) == 0);
    must(setrlimit(RLIMIT_NOFILE, &(struct rlimit){few.rlim_cur, few.rlim_cur}) == 0);
    for (enum pinion_backend kind = PINION_BACKEND_AUTO; kind <= PINION_BACKEND_EPOLL; kind++) {
        const struct pinion_loop_options options = {
            .cpu_count = 3, .backend = kind, .ring_entries = 32768};
        struct pinion_loop *loop = make_loop(&options);
        run_in(loop, tour, NULL);
        pinion_loop_destroy(loop);
    }
}

static void little_memory_to_lock_and_few_descriptors_will_do(void **state)
{
    (void)state;
    in_a_child(live_on_little, NULL);
}

static void live_without_descriptors(void *unused)
{
    struct pinion_loop *loop;
    struct rlimit limit, before;
    (void)unused;
    const int lowest = dup(STDERR_FILENO);
    must(lowest >= 0 && close(lowest) == 0 && getrlimit(RLIMIT_NOFILE, &before) == 0);
    struct pinion_topology *topology = machine_of(NULL);
    limit = (struct rlimit){(rlim_t)lowest, before.rlim_max};
    const enum pinion_backend first = has_rings() ? PINION_BACKEND_AUTO : PINION_BACKEND_EPOLL;
    for (enum pinion_backend kind = first; kind <= PINION_BACKEND_EPOLL; kind++) {
        struct pinion_loop_options options = {
            .cpu_count = 1, .backend = kind, .topology = topology};
        must(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        must(pinion_loop_create(&options, &loop) == -EMFILE);
        options.strict = true;
        must(pinion_loop_create(&options, &loop) == -EMFILE);
        must(setrlimit(RLIMIT_NOFILE, &before) == 0);
        options.strict = false;
        loop = make_loop(&options);
        must(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        must(try_run(loop, tour, NULL) == -EMFILE);
        must(strlen(pinion_error_detail()) > 0);
        must(setrlimit(RLIMIT_NOFILE, &before) == 0);
        run_in(loop, tour, NULL);
        pinion_loop_destroy(loop);
    }
    pinion_topology_destroy(topology);
}

static void without_descriptors_create_and_run_are_refused_until_there_are_some(void **state)
{
    (void)state;
    in_a_child(live_without_descriptors, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_of_its_system_calls_denied_it_is_epoll_and_says_why),
        cmocka_unit_test(denied_later_it_is_epoll_too),
        cmocka_unit_test(denied_what_it_has_already_a_loop_says_so_and_does_not_spin),
        cmocka_unit_test(each_rung_of_older_kernels_serves),
        cmocka_unit_test(without_sqpoll_a_loop_that_wants_it_serves_and_says_so),
        cmocka_unit_test(operations_that_the_ring_lacks_are_made_by_threads),
        cmocka_unit_test(little_memory_to_lock_and_few_descriptors_will_do),
        cmocka_unit_test(without_descriptors_create_and_run_are_refused_until_there_are_some),
    };
    return cmocka_run_group_tests_name("loop denied", tests, NULL, NULL);
}
