/* SPDX-License-Identifier: MIT
 *
 * Looking for a while before one sleeps. A look costs a CPU that another could use, a sleep two
 * system calls and some ten microseconds; what is waited for here is often there within one.
 */
#ifndef PN_SPIN_H
#define PN_SPIN_H

#include <stdbool.h>
#include <stdint.h>

/* Looks for about a microsecond whether is_over(what): true once it is. No system call. */
bool pn_glance(bool (*is_over)(const void *), const void *what);

/* What who looks does between two looks: finds something to do (NULL: there is nothing), and does
 * it. */
struct pn_help {
    void *(*find)(void *context);
    void (*run)(void *context, void *found);
    void *context;
};

/* Looks again and again: true once is_over(what), false after it has looked for spin_ns in vain or
 * at the deadline (ns of CLOCK_MONOTONIC), INT64_MAX for either: never. Looks for less where that
 * was in vain before, and for a microsecond only while so many others look that no CPU is left for
 * who is to end the wait. help: or NULL. No system call after the process' first. */
bool pn_spin(bool (*is_over)(const void *), const void *what, int64_t deadline, int64_t spin_ns,
             const struct pn_help *help);

#endif
