/* SPDX-License-Identifier: MIT */
#include "json.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

static void write_string(FILE *stream, const char *text);

static void begin_value(struct pn_json *json, const char *key)
{
    if (json->comma)
        (void)fputc(',', json->stream);
    json->comma = true;
    if (key) {
        write_string(json->stream, key);
        (void)fputs(": ", json->stream);
    }
}

void pn_json_open(struct pn_json *json, const char *key, char open)
{
    /* A line for each of the object's members and each record of an array keeps it readable. */
    if (json->comma)
        (void)fputs(",\n", json->stream);
    json->comma = false;
    begin_value(json, key);
    (void)fputc(open, json->stream);
    json->comma = false;
}

void pn_json_close(struct pn_json *json, char close)
{
    (void)fputc(close, json->stream);
    json->comma = true;
}

void pn_json_number(struct pn_json *json, const char *key, uint64_t number)
{
    begin_value(json, key);
    (void)fprintf(json->stream, "%" PRIu64, number);
}

void pn_json_bool(struct pn_json *json, const char *key, bool value)
{
    begin_value(json, key);
    (void)fputs(value ? "true" : "false", json->stream);
}

void pn_json_null(struct pn_json *json, const char *key)
{
    begin_value(json, key);
    (void)fputs("null", json->stream);
}

void pn_json_string(struct pn_json *json, const char *key, const char *text)
{
    begin_value(json, key);
    write_string(json->stream, text);
}

/* The length of the well-formed UTF-8 sequence at text (RFC 3629), 0 if there is none. */
static size_t utf8_length(const unsigned char *text)
{
    static const struct {
        unsigned char first, last, low, high; /* the lead byte's range and the second byte's */
        size_t length;
    } forms[] = {
        {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
        {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    if (*text < 0x80)
        return 1;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (*text < forms[i].first || *text > forms[i].last)
            continue;
        if (text[1] < forms[i].low || text[1] > forms[i].high)
            return 0;
        for (size_t j = 2; j < forms[i].length; j++) {
            if ((text[j] & 0xc0) != 0x80)
                return 0;
        }
        return forms[i].length;
    }
    return 0;
}

static void write_string(FILE *stream, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    (void)fputc('"', stream);
    while (*at) {
        const size_t length = utf8_length(at);
        if (length == 0)
            (void)fputs("\\ufffd", stream);
        else if (*at == '"' || *at == '\\')
            (void)fprintf(stream, "\\%c", *at);
        else if (*at < 0x20)
            (void)fprintf(stream, "\\u%04x", *at);
        else
            (void)fwrite(at, 1, length, stream);
        at += length ? length : 1;
    }
    (void)fputc('"', stream);
}

int pn_stream_finish(FILE *stream)
{
    const bool failed_before = ferror(stream) != 0;
    errno = 0;
    if (fflush(stream) == 0 && !failed_before)
        return 0;
    return errno ? -errno : -EIO;
}
