/* SPDX-License-Identifier: MIT */
#include "serve.h"

#include <inttypes.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int64_t serve_now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static cpu_set_t allowed; /* to the program, at first */
static int stays_on = -1; /* the CPU of who stays; -1: nobody does */

__attribute__((constructor)) static void note_allowed(void)
{
    (void)sched_getaffinity(0, sizeof allowed, &allowed);
}

void serve_stay(void)
{
    cpu_set_t cpus;
    stays_on = sched_getcpu();
    CPU_ZERO(&cpus);
    CPU_SET((size_t)stays_on, &cpus);
    if (sched_setaffinity(0, sizeof cpus, &cpus))
        serve_die("a thread can't stay on CPU %d", stays_on);
}

void serve_part(void)
{
    cpu_set_t cpus = allowed;
    if (stays_on < 0)
        return;
    if (CPU_COUNT(&cpus) > 1)
        CPU_CLR((size_t)stays_on, &cpus);
    if (sched_setaffinity(0, sizeof cpus, &cpus))
        serve_die("a thread can't leave CPU %d", stays_on);
}

int64_t serve_resident_bytes(void)
{
    int64_t pages;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file || fscanf(file, "%*d %" SCNd64, &pages) != 1)
        serve_die("/proc/self/statm can't be read");
    (void)fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

void serve_die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
    exit(1);
}

int serve(const struct serve_workload *workloads)
{
    char name[32];
    unsigned threads;
    uint64_t size, repeats;
    while (scanf("%31s %u %" SCNu64 " %" SCNu64, name, &threads, &size, &repeats) == 4) {
        const struct serve_workload *workload = workloads;
        while (workload->name && strcmp(workload->name, name) != 0)
            workload++;
        if (!workload->name)
            serve_die("there is no workload '%s' here", name);
        printf("%" PRId64 "\n", workload->run(threads, size, repeats));
        if (fflush(stdout))
            return 1;
    }
    return 0;
}
