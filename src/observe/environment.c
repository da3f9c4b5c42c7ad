/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "detail.h"
#include "parts.h"

#define NUMBER_BYTES 32

int pn_trace_expand(const char *pattern, char path[static PN_PATH_BYTES], bool *is_per_process)
{
    const char *const whole = pattern;
    size_t length = 0;
    *is_per_process = false;
    for (; *pattern; pattern++) {
        int added = 1;
        if (length + NUMBER_BYTES > PN_PATH_BYTES)
            return pn_error(ENAMETOOLONG, "a path of over %d bytes", PN_PATH_BYTES - NUMBER_BYTES);
        if (*pattern != '%') {
            path[length] = *pattern;
        } else if (*++pattern == 'p') {
            added = snprintf(path + length, NUMBER_BYTES, "%ld", (long)getpid());
            *is_per_process = true;
        } else if (*pattern == '%') {
            path[length] = '%';
        } else {
            return pn_error(EINVAL, "there is a %% before '%.1s' in '%.200s'; after it come p, "
                                    "for the process' number, or another %%",
                            pattern, whole);
        }
        length += (size_t)added;
    }
    path[length] = '\0';
    return 0;
}
