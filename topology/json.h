/* SPDX-License-Identifier: MIT
 *
 * Writes JSON to a stream, one value after the other, with commas where they belong. It does not
 * check that what is opened is closed. Errors stay in the stream.
 */
#ifndef PN_JSON_H
#define PN_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct pn_json {
    FILE *stream;
    bool comma; /* a value stands before the next one */
};

/* In an object each value has a key; in an array key is NULL. open is '{' or '['. */
void pn_json_open(struct pn_json *json, const char *key, char open);
void pn_json_close(struct pn_json *json, char close);
void pn_json_number(struct pn_json *json, const char *key, uint64_t number);
void pn_json_bool(struct pn_json *json, const char *key, bool value);
void pn_json_null(struct pn_json *json, const char *key);

/* Bytes that are no UTF-8 become U+FFFD. */
void pn_json_string(struct pn_json *json, const char *key, const char *text);

/* Flushes a stream: 0, or -errno if it refused something, -EIO where it no longer tells what. */
int pn_stream_finish(FILE *stream);

#endif
