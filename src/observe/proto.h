/* SPDX-License-Identifier: MIT
 *
 * Writes protobuf's wire format (protobuf.dev/programming-guides/encoding) into memory that is
 * large enough. Lengths of messages take two bytes, whatever they are: below 16,384.
 */
#ifndef PN_PROTO_H
#define PN_PROTO_H

#include <stdint.h>
#include <string.h>

enum { PN_WIRE_VARINT = 0, PN_WIRE_FIXED64 = 1, PN_WIRE_BYTES = 2 };

static inline uint8_t *pn_put_varint(uint8_t *at, uint64_t value)
{
    for (; value >= 128; value >>= 7)
        *at++ = (uint8_t)(value | 128);
    *at++ = (uint8_t)value;
    return at;
}

static inline uint8_t *pn_put_tag(uint8_t *at, uint32_t field, uint32_t wire)
{
    return pn_put_varint(at, field << 3 | wire);
}

static inline uint8_t *pn_put_number(uint8_t *at, uint32_t field, uint64_t value)
{
    return pn_put_varint(pn_put_tag(at, field, PN_WIRE_VARINT), value);
}

static inline uint8_t *pn_put_fixed64(uint8_t *at, uint32_t field, uint64_t value)
{
    at = pn_put_tag(at, field, PN_WIRE_FIXED64);
    for (int i = 0; i < 8; i++)
        at[i] = (uint8_t)(value >> 8 * i);
    return at + 8;
}

static inline uint8_t *pn_put_text(uint8_t *at, uint32_t field, const char *text)
{
    const size_t length = strlen(text);
    at = pn_put_varint(pn_put_tag(at, field, PN_WIRE_BYTES), length);
    memcpy(at, text, length);
    return at + length;
}

/* A message: what is put between open and close, which has open's result. */
static inline uint8_t *pn_open_message(uint8_t *at, uint32_t field)
{
    return pn_put_tag(at, field, PN_WIRE_BYTES) + 2;
}

static inline void pn_close_message(uint8_t *begin, const uint8_t *end)
{
    const size_t length = (size_t)(end - begin);
    begin[-2] = (uint8_t)(length | 128);
    begin[-1] = (uint8_t)(length >> 7);
}

#endif
