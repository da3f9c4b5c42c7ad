/* SPDX-License-Identifier: MIT
 *
 * Writes JSON: values one after another, with a key inside objects and NULL for it inside arrays.
 * It emits and never reads. Errors are the stream's, to be asked for at the end.
 */
#ifndef TOOLS_JSON_H
#define TOOLS_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define JSON_DEPTH_MAX 8

struct json {
    FILE *stream;
    unsigned depth;               /* open objects and arrays */
    bool filled[JSON_DEPTH_MAX];  /* per depth: has a value already */
    bool on_one_line[JSON_DEPTH_MAX]; /* per depth: a row, without line breaks inside */
};

void json_object_open(struct json *json, const char *key);
void json_array_open(struct json *json, const char *key);
/* An object on a line of its own, as the rows of a table are. */
void json_row_open(struct json *json, const char *key);
/* Closes the innermost object or array. After the outermost comes a newline. */
void json_object_close(struct json *json);
void json_array_close(struct json *json);

/* Text may be any bytes: what is no UTF-8 becomes U+FFFD. NULL is written null. */
void json_text(struct json *json, const char *key, const char *text);
void json_count(struct json *json, const char *key, uint64_t count);
/* null where value is none: a CPU or node that isn't there. */
void json_index(struct json *json, const char *key, uint64_t value, uint64_t none);
void json_real(struct json *json, const char *key, double value);
void json_bool(struct json *json, const char *key, bool value);
/* An array of the lines of text. */
void json_lines(struct json *json, const char *key, const char *text);

#endif
