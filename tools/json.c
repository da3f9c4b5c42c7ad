/* SPDX-License-Identifier: MIT */
#include "json.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

static void quote(FILE *stream, const char *text, size_t length)
{
    (void)fputc('"', stream);
    for (const char *end = text + length; text < end;) {
        uint32_t character;
        const int bytes = utf8_take(text, &character);
        if (bytes == 0)
            (void)fputs("\xef\xbf\xbd", stream); /* U+FFFD */
        else if (character == '"' || character == '\\')
            (void)fprintf(stream, "\\%c", (char)character);
        else if (character < 0x20 || character == 0x7f)
            (void)fprintf(stream, "\\u%04x", (unsigned)character);
        else
            (void)fwrite(text, 1, (size_t)bytes, stream);
        text += bytes ? bytes : 1;
    }
    (void)fputc('"', stream);
}

static void break_line(struct json *json)
{
    if (json->depth && json->on_one_line[json->depth - 1])
        return;
    (void)fprintf(json->stream, "\n%*s", (int)json->depth * 2, "");
}

/* What stands in front of a value: comma, line break, key. */
static void lead(struct json *json, const char *key)
{
    if (json->depth) {
        if (json->filled[json->depth - 1])
            (void)fputs(json->on_one_line[json->depth - 1] ? ", " : ",", json->stream);
        json->filled[json->depth - 1] = true;
        break_line(json);
    }
    if (key) {
        quote(json->stream, key, strlen(key));
        (void)fputs(": ", json->stream);
    }
}

static void open(struct json *json, const char *key, char bracket, bool on_one_line)
{
    assert(json->depth < JSON_DEPTH_MAX);
    lead(json, key);
    (void)fputc(bracket, json->stream);
    json->filled[json->depth] = false;
    json->on_one_line[json->depth] =
        on_one_line || (json->depth && json->on_one_line[json->depth - 1]);
    json->depth++;
}

static void close(struct json *json, char bracket)
{
    const bool filled = json->filled[--json->depth];
    if (filled && !json->on_one_line[json->depth])
        (void)fprintf(json->stream, "\n%*s", (int)json->depth * 2, "");
    (void)fputc(bracket, json->stream);
    if (json->depth == 0)
        (void)fputc('\n', json->stream);
}

void json_object_open(struct json *json, const char *key) { open(json, key, '{', false); }
void json_array_open(struct json *json, const char *key) { open(json, key, '[', false); }
void json_row_open(struct json *json, const char *key) { open(json, key, '{', true); }
void json_object_close(struct json *json) { close(json, '}'); }
void json_array_close(struct json *json) { close(json, ']'); }

void json_text(struct json *json, const char *key, const char *text)
{
    lead(json, key);
    if (text)
        quote(json->stream, text, strlen(text));
    else
        (void)fputs("null", json->stream);
}

void json_count(struct json *json, const char *key, uint64_t count)
{
    lead(json, key);
    (void)fprintf(json->stream, "%" PRIu64, count);
}

void json_index(struct json *json, const char *key, uint64_t value, uint64_t none)
{
    if (value == none)
        json_text(json, key, NULL);
    else
        json_count(json, key, value);
}

void json_real(struct json *json, const char *key, double value)
{
    lead(json, key);
    (void)fprintf(json->stream, "%.6f", value);
}

void json_bool(struct json *json, const char *key, bool value)
{
    lead(json, key);
    (void)fputs(value ? "true" : "false", json->stream);
}

void json_lines(struct json *json, const char *key, const char *text)
{
    json_array_open(json, key);
    while (*text) {
        const size_t length = strcspn(text, "\n");
        lead(json, NULL);
        quote(json->stream, text, length);
        text += length + (text[length] == '\n');
    }
    json_array_close(json);
}
