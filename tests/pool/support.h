/* SPDX-License-Identifier: MIT
 *
 * What the pool's tests share: gates that hold tasks, bounded polling, and a look at what the
 * kernel says of this process. Tasks run on other threads, where cmocka's assertions must not be
 * used: there the checks are `must` and `wait_until`, which end the program.
 */
#ifndef TESTS_POOL_SUPPORT_H
#define TESTS_POOL_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include <pinion/error.h>
#include <pinion/group.h>
#include <pinion/io.h>
#include <pinion/plan.h>
#include <pinion/pool.h>
#include <pinion/task.h>
#include <pinion/topology.h>

#include "../threads.h"

#if defined(__SANITIZE_THREAD__)
#define TEST_SLOW 8
#elif defined(__SANITIZE_ADDRESS__)
#define TEST_SLOW 4
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define TEST_SLOW 8
#endif
#endif
#ifndef TEST_SLOW
#define TEST_SLOW 1
#endif

/* ns in which nothing retires. */
#define LONG_NS (INT64_C(3600) * 1000000000)

/* Polls until the condition holds; it is a failure if it does not for patience_s. */
#define wait_until(condition)                                                                      \
    do {                                                                                           \
        const int64_t until_ = clock_ns() + INT64_C(1000000000) * patience_s();                    \
        while (!(condition)) {                                                                     \
            if (clock_ns() > until_) {                                                             \
                (void)fprintf(stderr, "%s:%d: never came: %s\n", __FILE__, __LINE__, #condition);  \
                abort();                                                                           \
            }                                                                                      \
            nap();                                                                                 \
        }                                                                                          \
    } while (0)

static inline int64_t clock_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline void nap(void)
{
    const struct timespec pause = {.tv_nsec = 100000};
    (void)nanosleep(&pause, NULL);
}

/* ---- gates: tasks that wait without the pool's help, as a foreign call does ---- */

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t opened;
    bool is_open;
    atomic_uint arrived; /* came to the gate, whether or not they have passed */
};

#define GATE_INIT {.lock = PTHREAD_MUTEX_INITIALIZER, .opened = PTHREAD_COND_INITIALIZER}
#define GATE_OPEN {.lock = PTHREAD_MUTEX_INITIALIZER, .is_open = true}

static inline void gate_pass(struct gate *gate)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += patience_s();
    atomic_fetch_add(&gate->arrived, 1);
    (void)pthread_mutex_lock(&gate->lock);
    while (!gate->is_open)
        must(pthread_cond_timedwait(&gate->opened, &gate->lock, &until) == 0);
    (void)pthread_mutex_unlock(&gate->lock);
}

static inline void gate_open(struct gate *gate)
{
    (void)pthread_mutex_lock(&gate->lock);
    gate->is_open = true;
    (void)pthread_cond_broadcast(&gate->opened);
    (void)pthread_mutex_unlock(&gate->lock);
}

PINION_TASK(void, pass_gate, (struct gate *, gate))
{
    gate_pass(gate);
}

PINION_TASK(void, count_up, (atomic_uint *, counter))
{
    atomic_fetch_add(counter, 1);
}

PINION_TASK(int, thread_id)
{
    return (int)gettid();
}

/* ---- pools ---- */

static inline struct pinion_pool *make_pool(const struct pinion_pool_options *options)
{
    struct pinion_pool *pool = NULL;
    const int error = pinion_pool_create(options, &pool);
    if (error) {
        (void)fprintf(stderr, "no pool: %s: %s\n", strerror(-error), pinion_error_detail());
        abort();
    }
    return pool;
}

/* A pool of cpu_count CPUs whose surplus threads stay. */
static inline struct pinion_pool *pool_of(unsigned cpu_count)
{
    const struct pinion_pool_options options = {.cpu_count = cpu_count, .retire_after = LONG_NS};
    return make_pool(&options);
}

static inline struct pinion_pool_stats stats_of(struct pinion_pool *pool)
{
    struct pinion_pool_stats stats;
    pinion_pool_stats(pool, &stats);
    return stats;
}

/* ---- what a pool says ---- */

#define assert_says(text, part)                                                                    \
    do {                                                                                           \
        if (!strstr((text), (part)))                                                               \
            fail_msg("nothing of \"%s\" in: %s", (part), (text));                                  \
    } while (0)

/* What is degraded; the caller frees it. */
static inline char *degraded_of(struct pinion_pool *pool)
{
    const size_t size = pinion_pool_degraded(pool, NULL, 0) + 1;
    char *text = calloc(1, size);
    must(text);
    (void)pinion_pool_degraded(pool, text, size);
    return text;
}

/* The report; the caller frees it. */
static inline char *report_of(struct pinion_pool *pool)
{
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    must(stream);
    must(pinion_pool_report(pool, stream) == 0);
    must(fclose(stream) == 0);
    return text;
}

/* ---- machines ---- */

/* A machine by its description, or with NULL this one; the caller destroys it. */
static inline struct pinion_topology *machine_of(const char *synthetic)
{
    const struct pinion_topology_options options = {.synthetic = synthetic};
    struct pinion_topology *topology = NULL;
    const int error = pinion_topology_load(&options, &topology);
    if (error) {
        (void)fprintf(stderr, "no topology: %s: %s\n", strerror(-error), pinion_error_detail());
        abort();
    }
    return topology;
}

static inline unsigned cpus_of(const struct pinion_topology *topology)
{
    const struct pinion_cpu *cpus;
    return pinion_topology_cpus(topology, &cpus);
}

/* ---- the kernel's view ---- */

/* How many entries a folder of this process has. */
static inline unsigned proc_entries(const char *path)
{
    unsigned count = 0;
    DIR *folder = opendir(path);
    must(folder);
    for (const struct dirent *entry; (entry = readdir(folder));)
        count += entry->d_name[0] != '.';
    (void)closedir(folder);
    return count;
}

static inline unsigned proc_lines(const char *path)
{
    unsigned count = 0;
    FILE *file = fopen(path, "re");
    must(file);
    for (int c; (c = fgetc(file)) != EOF;)
        count += c == '\n';
    (void)fclose(file);
    return count;
}

static inline void thread_name(int tid, char name[static 32])
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/task/%d/comm", tid);
    name[0] = '\0';
    FILE *file = fopen(path, "re");
    if (!file) /* it has ended */
        return;
    if (fgets(name, 32, file))
        name[strcspn(name, "\n")] = '\0';
    (void)fclose(file);
}

/* How many threads of this process have a name that begins so. */
static inline unsigned threads_named(const char *prefix)
{
    unsigned count = 0;
    DIR *folder = opendir("/proc/self/task");
    must(folder);
    for (const struct dirent *entry; (entry = readdir(folder));) {
        char name[32];
        if (entry->d_name[0] == '.')
            continue;
        thread_name(atoi(entry->d_name), name);
        count += strncmp(name, prefix, strlen(prefix)) == 0;
    }
    (void)closedir(folder);
    return count;
}

/* A fork; the child is ended by an alarm if it hangs. */
static inline pid_t start_child(void)
{
    (void)fflush(NULL);
    const pid_t child = fork();
    must(child >= 0);
    if (child == 0) {
        sigset_t alarm_only;
        (void)sigemptyset(&alarm_only);
        (void)sigaddset(&alarm_only, SIGALRM);
        must(pthread_sigmask(SIG_UNBLOCK, &alarm_only, NULL) == 0);
        (void)alarm(2 * (unsigned)patience_s()); /* it hangs: ended by the signal */
    }
    return child;
}

#endif
