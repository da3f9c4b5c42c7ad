/* SPDX-License-Identifier: MIT */
typedef int pn_sched_deque_placeholder;
