/* SPDX-License-Identifier: MIT
 *
 * A contender that is a program of its own (child.h is the other side): it reads lines
 * "WORKLOAD THREADS SIZE REPEATS", and answers each with how many ns that took. C and C++.
 */
#ifndef PINION_BENCH_SERVE_H
#define PINION_BENCH_SERVE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Does the workload so many times on so many threads, the caller's included; returns the ns of what
 * is to be measured. It checks what came out. */
typedef int64_t serve_run_fn(unsigned threads, uint64_t size, uint64_t repeats);

struct serve_workload {
    const char *name; /* NULL: the table's end */
    serve_run_fn *run;
};

/* Answers until there are no more lines. The program's status. */
int serve(const struct serve_workload *workloads);

/* ns of CLOCK_MONOTONIC. */
int64_t serve_now(void);

/* The calling thread stays on the CPU where it is. */
void serve_stay(void);

/* The calling thread leaves that CPU to it, if there is another that the program may use, and if a
 * thread stays. */
void serve_part(void);

/* Of this process. */
int64_t serve_resident_bytes(void);

/* Complains on stderr and ends the program with 1. */
__attribute__((noreturn, format(printf, 1, 2))) void serve_die(const char *format, ...);

#ifdef __cplusplus
}
#endif

#endif
