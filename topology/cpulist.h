/* SPDX-License-Identifier: MIT
 *
 * Sets of CPUs or nodes as the kernel and taskset write them: "0-3,8,10-14:2".
 */
#ifndef PN_CPULIST_H
#define PN_CPULIST_H

#include <stddef.h>

#include <hwloc.h>

#include "buffer.h"

/* The highest index that a list may name: beyond it is a slip of the keyboard, not a machine. */
enum { PN_CPULIST_MAX = (1 << 20) - 1 };

/* Adds what text names to set; white space around the whole is allowed, and an empty text names
 * nothing. 0, -ENOMEM, or -EINVAL with *bad at the item that does not parse (bad may be NULL). Sets
 * no error detail. */
int pn_cpulist_parse(const char *text, hwloc_bitmap_t set, const char **bad);

/* Appends a set as a list, "" if it is empty. An endless set ends in "-". */
void pn_cpulist_add(struct pn_buffer *buffer, hwloc_const_bitmap_t set);

/* The same cut to size bytes for a message, "none" if empty. Returns text. */
const char *pn_cpulist_short(hwloc_const_bitmap_t set, char *text, size_t size);

#endif
