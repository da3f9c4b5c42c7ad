/* SPDX-License-Identifier: MIT */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#if PN_DEBUG
void pn_check_failed(const char *expression, const char *file, int line)
{
    (void)fprintf(stderr, "pinion: %s:%d: does not hold: %s\n", file, line, expression);
    abort();
}
#else
typedef int pn_check_has_no_code;
#endif
