/* SPDX-License-Identifier: MIT */
#include "detail.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <pinion/error.h>

static _Thread_local char detail[512];

int pn_error(int error, const char *format, ...)
{
    char line[sizeof detail]; /* since the former words may be among the arguments */
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    (void)strcpy(detail, line);
    return -error;
}

const char *pinion_error_detail(void) { return detail; }
