/* SPDX-License-Identifier: MIT
 *
 * Making a call only if it need not wait: where nothing else can wait for it.
 */
#ifndef PN_ATTEMPT_H
#define PN_ATTEMPT_H

#include "backend.h"

/* No error of the kernel's: it can't be kept from waiting here. */
#define PN_NOT_HERE (-4097L)

/* Makes it: what it gives; -EAGAIN: it would wait, or has moved a part and would wait with the
 * rest; PN_NOT_HERE, and then nothing was done. Keeps errno. */
long pn_attempt(struct pn_completion *completion);

#endif
