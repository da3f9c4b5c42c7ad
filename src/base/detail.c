/* SPDX-License-Identifier: MIT */
#include "detail.h"

#include <stdarg.h>
#include <stdio.h>

#include <pinion/error.h>

static _Thread_local char detail[512];

int pn_error(int error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    return -error;
}

const char *pinion_error_detail(void) { return detail; }
