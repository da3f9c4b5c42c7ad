/* SPDX-License-Identifier: MIT
 *
 * Writes and sends that move a part: where the call would go on waiting, so does the backend.
 */
#ifndef PN_PROGRESS_H
#define PN_PROGRESS_H

#include "backend.h"

/* What is left to be moved: *parts, of which there are so many; may be completion->part. */
int pn_progress_rest(struct pn_completion *completion, const struct iovec **parts);

/* A try has given this. True: it moved a part, and is to be tried again when the descriptor is
 * writable. */
bool pn_progress_goes_on(struct pn_completion *completion, long result);

/* What all of it gives, where the last try gave this. */
long pn_progress_result(const struct pn_completion *completion, long result);

/* A try gave -EAGAIN: how long to pause (ns) before readiness is waited for, 0 the first times. */
int64_t pn_progress_pause(struct pn_completion *completion);

/* Whether it is O_NONBLOCK, or none. Keeps errno. */
bool pn_is_nonblocking(int descriptor);

#endif
