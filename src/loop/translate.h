/* SPDX-License-Identifier: MIT
 *
 * System calls as entries of a ring's submission queue, and what of their results the ring leaves
 * to be done.
 */
#ifndef PN_TRANSLATE_H
#define PN_TRANSLATE_H

#include <liburing.h>

#include "backend.h"

/* Operations of kernels that are newer than the header. */
#define PN_OP_FTRUNCATE 55 /* Linux 6.9 */

/* Fills all of the entry but user_data. False: there is none for this call. Of a descriptor that
 * can't seek a call with an offset is refused: the ring would ignore it. Keeps errno. */
bool pn_translate(struct pn_completion *completion, struct io_uring_sqe *entry);

/* What the call would have given, from what the ring gave. */
long pn_translate_result(struct pn_completion *completion, long result);

/* The descriptors that are to be ready after -EAGAIN; -1: none. */
void pn_translate_awaited(const struct pn_operation *operation, int *readable, int *writable);

#endif
