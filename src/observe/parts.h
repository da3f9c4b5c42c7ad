/* SPDX-License-Identifier: MIT
 *
 * What the files of this room have of each other.
 */
#ifndef PN_PARTS_H
#define PN_PARTS_H

#include <stdbool.h>
#include <stddef.h>

/* Of the trace that is on, in words; "": none is. */
void pn_trace_describe(char *words, size_t size);

#define PN_PATH_BYTES 4096

/* What PINION_TRACE names: *path, with %p and %% replaced. *is_per_process: %p was among them. 0,
 * or -EINVAL, -ENAMETOOLONG with the detail. */
int pn_trace_expand(const char *pattern, char path[static PN_PATH_BYTES], bool *is_per_process);

#endif
