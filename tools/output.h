/* SPDX-License-Identifier: MIT
 *
 * What the command says. Data goes to stdout, talk to stderr.
 */
#ifndef TOOLS_OUTPUT_H
#define TOOLS_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "verb.h"

/* Once, first: makes sure that a file which is opened later can't be taken for stdin, stdout or
 * stderr where one of those is closed, and that a reader who leaves is an error, not a signal. */
void output_begin(void);

/* Who complains from now on: "pinion topo". */
void output_name(const char *verb);

/* Flushes stdout. Gives status back, or FAILED with a complaint if the data did not get out. A
 * reader who has left (head, a pager) has what he wanted: that is no failure. */
enum exit_status output_end(enum exit_status status);

/* One line on stderr, with the command's name in front. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "pinion 0.1.0" and a line for each thing that it was built with. */
void print_version(void);

/* Each line of text, indented by so many blanks. Nothing for "". */
void print_lines(FILE *stream, int indent, const char *text);

/* A name from outside, so that it stays on its line and can't drive a terminal: control characters,
 * backslashes, marks that turn the direction of writing and what is no UTF-8 are written \n, \x1b,
 * \\ and so on. */
void print_name(FILE *stream, const char *name);

/* "1.2 GB": bytes in powers of 1000 with three digits. Returns buffer. */
const char *bytes_text(uint64_t bytes, char buffer[16]);

/* Escape sequences where colour is wanted on a stream, else "": the stream is a terminal, TERM is
 * not dumb, NO_COLOR is unset or empty. */
const char *bold(FILE *stream);
const char *warning(FILE *stream);
const char *plain(FILE *stream);

/* How many bytes of UTF-8 make one character at text, and which; 0 if they are none. */
int utf8_take(const char *text, uint32_t *character);

#endif
