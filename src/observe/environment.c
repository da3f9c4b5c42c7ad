/* SPDX-License-Identifier: MIT
 *
 * PINION_TRACE.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pinion/error.h>
#include <pinion/trace.h>

#include "detail.h"
#include "process.h"
#include "trace.h"

#define PATH_BYTES 4096

/* The path with %p and %% replaced; *is_per_process: %p was among them. */
static int expand(const char *pattern, char path[static PATH_BYTES], bool *is_per_process)
{
    size_t length = 0;
    *is_per_process = false;
    for (; *pattern; pattern++) {
        int added = 1;
        if (*pattern != '%') {
            path[length] = *pattern;
        } else if (*++pattern == 'p') {
            added = snprintf(path + length, PATH_BYTES - length, "%ld", (long)getpid());
            *is_per_process = true;
        } else if (*pattern == '%') {
            path[length] = '%';
        } else {
            return pn_error(EINVAL, "there is a %% before '%.1s'; after it come p, for the "
                                    "process' number, or another %%",
                            pattern);
        }
        length += (size_t)added;
        if (length + 32 > PATH_BYTES)
            return pn_error(ENAMETOOLONG, "it is too long");
    }
    path[length] = '\0';
    return 0;
}

static int start(const char *pattern, bool is_child)
{
    char path[PATH_BYTES];
    bool is_per_process;
    int error = expand(pattern, path, &is_per_process);
    if (!error && is_child && !is_per_process)
        return 0; /* the file is its parent's */
    if (!error)
        error = pinion_trace_start(path, NULL);
    if (!error)
        return 0;
    char detail[256];
    (void)snprintf(detail, sizeof detail, "%s", pinion_error_detail());
    return pn_error(EINVAL, "PINION_TRACE is \"%.120s\": %s", pattern, detail);
}

static unsigned loaded_in; /* pn_process() of who has no traced parent */

/* Once a process, by whoever is first; a trace that the program began itself is left alone. */
static int obey(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static unsigned obeyed;
    const char *pattern = getenv("PINION_TRACE");
    struct pinion_trace_stats stats;
    int error = 0;
    (void)pthread_mutex_lock(&lock);
    pinion_trace_stats(&stats);
    if (obeyed != pn_process() && pattern && *pattern && !stats.is_on && !stats.error)
        error = start(pattern, loaded_in != pn_process());
    if (!error)
        obeyed = pn_process();
    (void)pthread_mutex_unlock(&lock);
    return error;
}

__attribute__((constructor)) static void begin(void)
{
    loaded_in = pn_process();
    pn_trace_obey_environment = obey;
}
