/* SPDX-License-Identifier: MIT
 *
 * When who waits has had enough of losing: what is free goes to whoever asks first, until one has
 * waited for so long; then it is handed over to that one. WebKit's and Rust's locks do so after
 * about as long.
 */
#ifndef PN_PATIENCE_H
#define PN_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "futex.h"

#define PN_PATIENCE_NS INT64_C(1000000)

/* Called before each wait; *since is 0 before the first, and then when that began. */
static inline bool pn_patience_is_over(int64_t *since)
{
    const int64_t now = pn_now();
    if (!*since)
        *since = now;
    return now - *since > PN_PATIENCE_NS;
}

#endif
