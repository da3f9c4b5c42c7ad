/* SPDX-License-Identifier: MIT
 *
 * The parts of the program that does by hand what pools do: plain calls, processes that share
 * nothing, threads that wait for each other in the barest way. Not peers: floors.
 */
#ifndef PINION_BENCH_BARE_H
#define PINION_BENCH_BARE_H

#include "serve.h"

/* Each of so many processes does its share of the repeats from begin to end, by plain calls. */
serve_run_fn bare_fork, bare_tree, bare_sort, bare_matrix, bare_queens, bare_loop;

serve_run_fn bare_mailbox; /* round trips by one slot that both look at; size: ns between them */
serve_run_fn bare_futex;   /* … by two futexes that each sleeps on */
serve_run_fn bare_eventfd; /* … by two eventfds */
serve_run_fn bare_queue;   /* words through an array that both look at; size: its places */
serve_run_fn bare_fan;     /* a share each on threads that stay, between barriers that spin */
serve_run_fn bare_burst;   /* size threads made, then joined */

#endif
