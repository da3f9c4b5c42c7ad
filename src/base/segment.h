/* SPDX-License-Identifier: MIT
 *
 * Memory that other processes may read: those of the same user, as root may. It is an anonymous
 * file (memfd) of a name of its own, which they find among the process's descriptors, in
 * /proc/PID/fd; no more may be written through it than through what maps it here. It costs one
 * descriptor. Where no file can be had the memory is the process's alone, and all goes on.
 *
 * A child of fork has a copy.
 */
#ifndef PN_SEGMENT_H
#define PN_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>

#define PN_SEGMENT_NAME "pinion" /* "/memfd:pinion (deleted)" is what the link reads */

struct pn_segment;

/* Makes one of so many bytes, whole pages, all zero; what is not touched takes no memory. 0 or
 * -ENOMEM. */
int pn_segment_create(size_t bytes, struct pn_segment **segment);

/* 0 if others may read it, else the kernel's error, negative. */
int pn_segment_error(const struct pn_segment *segment);

/* The next so many bytes of it, whole pages, whoever asks; NULL: there are no more. */
void *pn_segment_take(struct pn_segment *segment, size_t bytes);
bool pn_segment_has(const struct pn_segment *segment, const void *memory);

/* Others don't find it any more; the memory stays. Any thread, once. */
void pn_segment_hide(struct pn_segment *segment);

/* Who made it holds it. The last who lets go frees it. Any thread. */
void pn_segment_hold(struct pn_segment *segment);
void pn_segment_let_go(struct pn_segment *segment);

#endif
