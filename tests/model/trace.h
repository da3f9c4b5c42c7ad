/* SPDX-License-Identifier: MIT
 *
 * Stands in for src/base/trace.h in the models, in which nothing is traced.
 */
#ifndef PN_TRACE_H
#define PN_TRACE_H

#define PN_TRACE_UNAWAITED 256u
#define PN_EVENT(kind, a, b, c) ((void)0)

#endif
