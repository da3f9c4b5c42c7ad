/* SPDX-License-Identifier: MIT
 *
 * What the parts of this room tell the run report.
 */
#ifndef PN_REPORT_H
#define PN_REPORT_H

#include <stddef.h>

/* Of the trace that is on, in words; "": none is. */
void pn_trace_describe(char *words, size_t size);

#endif
