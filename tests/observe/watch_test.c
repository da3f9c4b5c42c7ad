/* SPDX-License-Identifier: MIT
 *
 * A process is watched by another. This program is both: with an argument it is the one that is
 * watched, and does what it is told on stdin, a letter each; it answers on stdout.
 */
#include "../pool/support.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <pinion.h>

/* ---- the one that is watched ---- */

enum {
    DO_POOL = 'p',    /* makes a pool, and uses it */
    DO_NOTHING = 's', /* but answer: with what both tell of themselves, as always */
    DO_DESTROY = 'd', /* destroys the pool */
    DO_LOOP = 'l',    /* goes on in the main task of a loop */
    DO_LEAVE = 'o',   /* out of it, and destroys it */
    DO_BLOCK = 'b',   /* a parallel task of the pool reads from a pipe */
    DO_OPEN = 'w',    /* what it reads comes */
    DO_FORK = 'f',    /* a child uses the pool, and ends */
    DO_HIDE = 'h',    /* closes the pool's descriptor */
    DO_LEADER = 'z',  /* its first thread ends, another does what it is told */
    DO_EXEC = 'e'     /* becomes the same program anew */
};

static struct pinion_pool *pool;
static struct pinion_loop *loop;
static int held[2];

PINION_TASK(int, fib, (struct pinion_io *, io), (int, n))
{
    if (n < 2)
        return n;
    struct fib_future left = fib_async(io, io, n - 1);
    const int right = fib(io, n - 2);
    return fib_await(io, &left) + right;
}

PINION_TASK(void, read_held)
{
    char byte;
    must(read(held[0], &byte, 1) == 1);
}

static struct read_held_future reading;

static void use_in_a_child(void)
{
    const pid_t child = fork();
    if (child == 0) {
        must(fib(pinion_pool_io(pool), 12) == 144);
        _exit(0);
    }
    int status;
    must(waitpid(child, &status, 0) == child && status == 0);
}

static void hide(void)
{
    for (int fd = 3; fd < 256; fd++) {
        char path[64], target[64] = "";
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (readlink(path, target, sizeof target - 1) > 0 && strstr(target, "memfd:pinion"))
            (void)close(fd);
    }
}

/* ---- what it does ---- */

struct answer {
    struct pinion_pool_stats pool;
    struct pinion_loop_stats loop;
};

static void answer(void)
{
    struct answer answer = {0};
    if (pool)
        pinion_pool_stats(pool, &answer.pool);
    if (loop)
        pinion_loop_stats(loop, &answer.loop);
    must(write(STDOUT_FILENO, &answer, sizeof answer) == sizeof answer);
}

static void make_and_use_pool(void)
{
    const struct pinion_pool_options options = {.cpu_count = 3, .eager = true,
                                                .retire_after = PINION_FOREVER};
    pool = make_pool(&options);
    must(fib(pinion_pool_io(pool), 12) == 144);
    must(pipe2(held, O_CLOEXEC) == 0);
}

static void obey(void);

static void *obey_and_exit(void *unused)
{
    (void)unused;
    answer();
    obey();
    _exit(0);
}

static void leave_to_a_thread(void)
{
    pthread_t thread;
    must(pthread_create(&thread, NULL, obey_and_exit, NULL) == 0);
    pthread_exit(NULL);
}

static void obey_in_loop(const void *context, void *unused)
{
    (void)context;
    (void)unused;
    answer();
    obey();
}

static void run_loop(void)
{
    const struct pinion_loop_options options = {.cpu_count = 2};
    const struct pinion_call call = {.start = obey_in_loop};
    must(pinion_loop_create(&options, &loop) == 0);
    must(pinion_loop_run(loop, &call, NULL) == 0);
    pinion_loop_destroy(loop);
    loop = NULL;
}

static void become_anew(void)
{
    char self[] = "/proc/self/exe", word[] = "watched";
    char *arguments[] = {self, word, NULL};
    (void)execv(self, arguments);
    abort();
}

static void obey_one(char order)
{
    switch (order) {
    case DO_POOL:
        make_and_use_pool();
        break;
    case DO_DESTROY:
        pinion_pool_destroy(pool);
        pool = NULL;
        break;
    case DO_BLOCK:
        must(read_held_parallel(pinion_pool_io(pool), &reading) == 0);
        break;
    case DO_OPEN:
        must(write(held[1], "", 1) == 1);
        read_held_await(pinion_pool_io(pool), &reading);
        break;
    case DO_FORK:
        use_in_a_child();
        break;
    case DO_HIDE:
        hide();
        break;
    case DO_EXEC:
        become_anew();
        break;
    default:
        break;
    }
}

/* In a loop it is a fiber that waits for orders. */
static ssize_t hear(char *order)
{
    return loop ? pinion_read(pinion_loop_io(loop), STDIN_FILENO, order, 1)
                : read(STDIN_FILENO, order, 1);
}

static void obey(void)
{
    char order;
    while (hear(&order) == 1 && order != DO_LEAVE) {
        if (order == DO_LOOP) {
            run_loop();
        } else if (order == DO_LEADER) {
            leave_to_a_thread();
        } else {
            obey_one(order);
        }
        if (order != DO_LOOP || !loop)
            answer();
    }
}

static int be_watched(void)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    answer();
    obey();
    return 0;
}

/* ---- the one that watches ---- */

static pid_t child;
static int to_child, from_child;
static struct answer told;

static void hear_answer(void)
{
    char *to = (char *)&told;
    for (size_t had = 0; had < sizeof told;) {
        const ssize_t count = read(from_child, to + had, sizeof told - had);
        must(count > 0);
        had += (size_t)count;
    }
}

static void tell(char order)
{
    must(write(to_child, &order, 1) == 1);
    hear_answer();
}

/* in_child: what it does before it becomes the other program; false: it can't, and ends. */
static bool start_watched(bool (*in_child)(void))
{
    int in[2], out[2];
    must(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
    child = fork();
    must(child >= 0);
    if (child == 0) {
        must(dup2(in[0], STDIN_FILENO) == STDIN_FILENO &&
             dup2(out[1], STDOUT_FILENO) == STDOUT_FILENO);
        if (in_child && !in_child())
            _exit(77);
        become_anew();
    }
    (void)close(in[0]);
    (void)close(out[1]);
    to_child = in[1];
    from_child = out[0];
    struct pollfd first = {.fd = from_child, .events = POLLIN};
    must(poll(&first, 1, 1000 * patience_s()) == 1);
    if (!(first.revents & POLLIN))
        return false;
    hear_answer();
    return true;
}

static int set_up(void **state)
{
    (void)state;
    return start_watched(NULL) ? 0 : -1;
}

static void await_child(void)
{
    int status;
    while (waitpid(child, &status, 0) < 0)
        must(errno == EINTR);
}

static int tear_down(void **state)
{
    (void)state;
    (void)close(to_child);
    (void)close(from_child);
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
    return 0;
}

static struct pinion_watch *watch_child(void)
{
    struct pinion_watch *watch = NULL;
    const int error = pinion_watch_open(child, &watch);
    if (error)
        (void)fprintf(stderr, "%s\n", pinion_error_detail());
    assert_int_equal(error, 0);
    return watch;
}

static const struct pinion_watch_crew *crew_of(struct pinion_watch *watch)
{
    const struct pinion_watch_crew *crews;
    assert_int_equal(pinion_watch_refresh(watch), 0);
    return pinion_watch_crews(watch, &crews) ? &crews[0] : NULL;
}

static const struct pinion_watch_worker *worker_named(const struct pinion_watch_crew *crew,
                                                      const char *name)
{
    for (unsigned i = 0; crew && i < crew->worker_count; i++)
        if (strcmp(crew->workers[i].name, name) == 0)
            return &crew->workers[i];
    return NULL;
}

/* ---- tests ---- */

/* Until nothing changes between what it tells before and after it was looked at. */
static const struct pinion_watch_crew *quiet_crew(struct pinion_watch *watch)
{
    const struct pinion_watch_crew *crew;
    struct answer before;
    do {
        tell(DO_NOTHING);
        before = told;
        crew = crew_of(watch);
        tell(DO_NOTHING);
    } while (memcmp(&before, &told, sizeof told) != 0);
    assert_non_null(crew);
    return crew;
}

static void a_pool_is_seen_as_it_counts_itself(void **state)
{
    (void)state;
    tell(DO_POOL);
    struct pinion_watch *watch = watch_child();
    const struct pinion_watch_crew *crew = quiet_crew(watch);
    const struct pinion_pool_stats *own = &told.pool;
    assert_false(crew->is_loop);
    assert_string_equal(crew->idle, "adaptive");
    assert_int_equal(crew->cpu_count, 3);
    assert_int_equal(crew->capacity, own->capacity);
    assert_int_equal(crew->parallel_count, own->parallel_count);
    assert_int_equal(crew->threads, own->threads);
    assert_int_equal(crew->threads_peak, own->threads_peak);
    assert_int_equal(crew->inlined, own->inlined);
    assert_int_equal(crew->queued, own->queued);
    assert_int_equal(crew->claimed, own->claimed);
    assert_int_equal(crew->stolen_near + crew->stolen_far, own->stolen_near + own->stolen_far);
    assert_int_equal(crew->injected, own->injected);
    assert_int_equal(crew->parked, own->parked);
    assert_int_equal(crew->woken, own->woken);
    assert_int_equal(crew->searched, own->searched);
    assert_true(own->queued > 0);
    pinion_watch_close(watch);
}

static unsigned threads_of(const struct pinion_watch_crew *crew)
{
    unsigned threads = 0;
    for (unsigned i = 0; i < crew->worker_count; i++)
        threads += crew->workers[i].thread != 0;
    return threads;
}

static void its_workers_add_up_to_it(void **state)
{
    (void)state;
    tell(DO_POOL);
    struct pinion_watch *watch = watch_child();
    const struct pinion_watch_crew *crew;
    uint64_t tasks = 0, queued = 0, parked = 0, arena_bytes = 0;
    /* One is counted before it comes to its slot. */
    wait_until((crew = quiet_crew(watch)) && threads_of(crew) == crew->threads + 1);
    for (unsigned i = 0; i < crew->worker_count; i++) {
        const struct pinion_watch_worker *worker = &crew->workers[i];
        tasks += worker->tasks + worker->claimed;
        queued += worker->queued;
        parked += worker->parked;
        arena_bytes += worker->arena_bytes;
        assert_true(worker->state == PINION_WATCH_ABSENT || worker->thread > 0);
        assert_non_null(pinion_watch_state_name(worker->state));
        assert_true(worker->local_bytes + worker->remote_bytes <= worker->arena_bytes);
    }
    assert_int_equal(tasks, crew->queued);
    assert_int_equal(queued + crew->injected, crew->queued);
    assert_int_equal(parked, crew->parked);
    assert_true(arena_bytes > 0);
    assert_int_equal(worker_named(crew, "caller")->thread, child);
    pinion_watch_close(watch);
}

static void workers_without_a_task_are_parked_since_a_time_that_stays(void **state)
{
    (void)state;
    tell(DO_POOL);
    struct pinion_watch *watch = watch_child();
    const struct pinion_watch_worker *worker;
    wait_until((worker = worker_named(crew_of(watch), "pinion/0")) &&
               worker->state == PINION_WATCH_PARKED);
    const int64_t since = worker->state_since;
    assert_true(since > 0 && since <= pinion_watch_time(watch));
    const uint64_t parked = worker->parked;
    worker = worker_named(crew_of(watch), "pinion/0");
    assert_true(worker->parked != parked || worker->state_since == since);
    assert_int_equal(worker->call, -1);
    pinion_watch_close(watch);
}

static void a_task_that_blocks_is_seen_in_its_call(void **state)
{
    (void)state;
    tell(DO_POOL);
    struct pinion_watch *watch = watch_child();
    tell(DO_BLOCK);
    const struct pinion_watch_worker *worker;
    wait_until((worker = worker_named(crew_of(watch), "pinion/r0")) &&
               worker->state == PINION_WATCH_IN_CALL && worker->call == SYS_read);
    assert_int_equal(quiet_crew(watch)->parallel_count, 1);
    assert_int_equal(crew_of(watch)->capacity, 3);
    tell(DO_OPEN);
    wait_until((worker = worker_named(crew_of(watch), "pinion/r0")) &&
               worker->state == PINION_WATCH_PARKED);
    assert_int_equal(worker->call, -1);
    assert_int_equal(worker->tasks, 1);
    pinion_watch_close(watch);
}

static void a_loop_is_seen_with_what_it_waits_for(void **state)
{
    (void)state;
    tell(DO_LOOP);
    struct pinion_watch *watch = watch_child();
    const struct pinion_watch_crew *crew = quiet_crew(watch);
    assert_true(crew->is_loop);
    assert_int_equal(crew->backend, told.loop.backend);
    const struct pinion_watch_worker *worker;
    wait_until((worker = worker_named(crew_of(watch), "caller")) &&
               worker->state == PINION_WATCH_PARKED &&
               worker->submitted == worker->completed + 1);
    assert_int_equal(worker->fibers, 1);
    assert_int_equal(worker->started, told.loop.started);
    assert_true(worker->waits > 0);
    assert_int_equal(worker->thread, child);
    tell(DO_LEAVE);
    assert_null(crew_of(watch));
    assert_string_equal(pinion_watch_notes(watch), "");
    pinion_watch_close(watch);
}

/* Until the coarse clock, by which waits are told apart, has moved on. */
static void nap_a_tick(void)
{
    struct timespec before, now;
    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &before);
    do {
        nap();
        (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    } while (now.tv_sec == before.tv_sec && now.tv_nsec == before.tv_nsec);
}

static const struct pinion_watch_wait *longest_wait(struct pinion_watch *watch)
{
    const struct pinion_watch_worker *worker = worker_named(crew_of(watch), "caller");
    return worker && worker->longest.since ? &worker->longest : NULL;
}

static void the_fiber_that_waits_longest_is_told_until_it_goes_on(void **state)
{
    (void)state;
    tell(DO_LOOP);
    struct pinion_watch *watch = watch_child();
    const struct pinion_watch_wait *wait;
    wait_until((wait = longest_wait(watch)) != NULL);
    const int64_t since = wait->since;
    assert_true(since <= pinion_watch_time(watch));
    assert_int_equal(wait->call, SYS_read);
    assert_int_equal(wait->descriptor, STDIN_FILENO);
    assert_int_equal(wait->fiber, 1);
    assert_true(wait->function != 0);
    assert_int_equal(longest_wait(watch)->since, since);
    nap_a_tick();
    tell(DO_NOTHING); /* it has heard that */
    wait_until((wait = longest_wait(watch)) && wait->since != since);
    assert_true(wait->since > since);
    pinion_watch_close(watch);
}

static void pools_come_and_go(void **state)
{
    (void)state;
    tell(DO_LOOP);
    struct pinion_watch *watch = watch_child();
    const struct pinion_watch_crew *crews;
    tell(DO_POOL);
    wait_until(crew_of(watch) && pinion_watch_crews(watch, &crews) == 2);
    assert_true(crews[0].is_loop && !crews[1].is_loop && crews[0].id < crews[1].id);
    assert_true(crews[0].made_at < crews[1].made_at);
    tell(DO_DESTROY);
    assert_true(crew_of(watch)->is_loop);
    assert_int_equal(pinion_watch_crews(watch, &crews), 1);
    pinion_watch_close(watch);
}

static void what_a_child_of_the_process_does_does_not_show(void **state)
{
    (void)state;
    tell(DO_POOL);
    struct pinion_watch *watch = watch_child();
    const struct pinion_watch_crew crew = *quiet_crew(watch);
    tell(DO_FORK);
    const struct pinion_watch_crew *later = quiet_crew(watch);
    assert_int_equal(later->inlined, crew.inlined);
    assert_int_equal(later->queued, crew.queued);
    pinion_watch_close(watch);
}

static void a_process_that_ended_is_told_from_one_without_pools(void **state)
{
    (void)state;
    tell(DO_POOL);
    struct pinion_watch *watch = watch_child(), *other = NULL;
    const struct pinion_watch_crew *crews;
    (void)kill(child, SIGKILL);
    siginfo_t info;
    must(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0);
    assert_int_equal(pinion_watch_refresh(watch), -ESRCH); /* nobody has asked for its status */
    assert_int_equal(pinion_watch_open(child, &other), -ESRCH);
    await_child();
    assert_int_equal(pinion_watch_refresh(watch), -ESRCH);
    assert_non_null(strstr(pinion_error_detail(), "has ended"));
    assert_int_equal(pinion_watch_crews(watch, &crews), 0);
    assert_int_equal(pinion_watch_open(child, &other), -ESRCH);
    assert_non_null(strstr(pinion_error_detail(), "no process"));
    assert_null(other);
    pinion_watch_close(watch);
}

static void a_process_whose_first_thread_ended_is_there(void **state)
{
    (void)state;
    tell(DO_POOL);
    struct pinion_watch *watch = watch_child();
    tell(DO_LEADER);
    const struct pinion_watch_worker *worker;
    wait_until((worker = worker_named(crew_of(watch), "caller")) &&
               worker->state == PINION_WATCH_ABSENT);
    assert_int_equal(worker->thread, 0);
    pinion_watch_close(watch);
}

static void a_program_that_was_replaced_has_no_pools(void **state)
{
    (void)state;
    tell(DO_POOL);
    struct pinion_watch *watch = watch_child();
    tell(DO_EXEC);
    wait_until(!crew_of(watch));
    pinion_watch_close(watch);
}

static void what_can_not_be_watched_is_told(void **state)
{
    (void)state;
    struct pinion_watch *watch = NULL;
    assert_int_equal(pinion_watch_open(0, &watch), -ESRCH);
    assert_int_equal(pinion_watch_open(-1, &watch), -ESRCH);
    assert_int_equal(pinion_watch_open(INT32_MAX, &watch), -ESRCH);
    assert_int_equal(pinion_watch_open(child, &watch), -ENOENT);
    assert_non_null(strstr(pinion_error_detail(), "no pool or loop"));
    tell(DO_POOL);
    tell(DO_HIDE);
    assert_int_equal(pinion_watch_open(child, &watch), -ENOENT);
    assert_non_null(strstr(pinion_error_detail(), "closed the descriptor"));
    assert_null(watch);
    pinion_watch_close(NULL);
}

/* It keeps descriptors open, and must leave some for what else it does. */
static void few_descriptors_are_enough(void **state)
{
    (void)state;
    struct rlimit was, low;
    tell(DO_POOL);
    must(getrlimit(RLIMIT_NOFILE, &was) == 0);
    low = (struct rlimit){.rlim_cur = (rlim_t)from_child + 10, .rlim_max = was.rlim_max};
    must(setrlimit(RLIMIT_NOFILE, &low) == 0);
    struct pinion_watch *watch = watch_child();
    const struct pinion_watch_crew *crew;
    wait_until((crew = quiet_crew(watch)) && threads_of(crew) == crew->threads + 1);
    assert_int_equal(crew->worker_count, crew->threads + 1);
    must(setrlimit(RLIMIT_NOFILE, &was) == 0);
    pinion_watch_close(watch);
}

/* ---- namespaces and users ---- */

static bool in_a_namespace(void)
{
    if (unshare(geteuid() == 0 ? CLONE_NEWPID : CLONE_NEWUSER | CLONE_NEWPID))
        return false;
    const pid_t inner = fork(); /* the first there */
    if (inner <= 0)
        return inner == 0;
    int status;
    while (waitpid(inner, &status, 0) < 0)
        must(errno == EINTR);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

/* The child of a child: its number here. */
static pid_t only_child_of(pid_t parent)
{
    char path[64];
    int found = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
    FILE *children = fopen(path, "r");
    if (children) {
        (void)!fscanf(children, "%d", &found);
        (void)fclose(children);
    }
    return found;
}

static void threads_of_another_namespace_have_their_numbers_here(void **state)
{
    (void)state;
    if (!start_watched(in_a_namespace)) {
        (void)tear_down(NULL);
        skip();
    }
    const pid_t outer = child;
    tell(DO_POOL);
    child = only_child_of(outer);
    if (child == 0) { /* this kernel does not tell */
        child = outer;
        (void)tear_down(NULL);
        skip();
    }
    struct pinion_watch *watch = watch_child();
    const struct pinion_watch_worker *worker;
    wait_until((worker = worker_named(quiet_crew(watch), "pinion/0")) &&
               worker->state == PINION_WATCH_PARKED);
    assert_true(worker->thread > child);
    assert_int_equal(worker_named(crew_of(watch), "caller")->thread, child);
    pinion_watch_close(watch);
    (void)kill(child, SIGKILL);
    child = outer;
    await_child();
    (void)tear_down(NULL);
}

static bool as_nobody(void) { return setuid(65534) == 0; }

/* Root may look at all, so that it is the watcher who becomes another user. */
static void another_users_process_is_refused(void **state)
{
    (void)state;
    struct pinion_watch *watch = NULL;
    if (geteuid() != 0)
        skip();
    const pid_t watcher = fork();
    if (watcher == 0) {
        must(as_nobody());
        must(pinion_watch_open(child, &watch) == -EACCES);
        must(strstr(pinion_error_detail(), "another user's"));
        _exit(0);
    }
    int status;
    must(waitpid(watcher, &status, 0) == watcher);
    assert_int_equal(status, 0);
}

#define WATCHED(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1)
        return be_watched();
    const struct CMUnitTest tests[] = {
        WATCHED(a_pool_is_seen_as_it_counts_itself),
        WATCHED(its_workers_add_up_to_it),
        WATCHED(workers_without_a_task_are_parked_since_a_time_that_stays),
        WATCHED(a_task_that_blocks_is_seen_in_its_call),
        WATCHED(a_loop_is_seen_with_what_it_waits_for),
        WATCHED(the_fiber_that_waits_longest_is_told_until_it_goes_on),
        WATCHED(pools_come_and_go),
        WATCHED(what_a_child_of_the_process_does_does_not_show),
        WATCHED(a_process_that_ended_is_told_from_one_without_pools),
        WATCHED(a_process_whose_first_thread_ended_is_there),
        WATCHED(a_program_that_was_replaced_has_no_pools),
        WATCHED(what_can_not_be_watched_is_told),
        WATCHED(few_descriptors_are_enough),
        cmocka_unit_test(threads_of_another_namespace_have_their_numbers_here),
        WATCHED(another_users_process_is_refused),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
