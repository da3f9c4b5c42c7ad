/* SPDX-License-Identifier: MIT
 *
 * The words behind an error number: what pinion_error_detail gives back.
 */
#ifndef PN_DETAIL_H
#define PN_DETAIL_H

/* Keeps the formatted line as the calling thread's error detail and returns -error. Never
 * allocates; a line over 511 bytes is cut. error is a positive errno value. */
int pn_error(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
