/* SPDX-License-Identifier: MIT */
#include "cpulist.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Not strtoul: that takes signs, leading spaces and whatever overflows. */
static bool parse_number(const char **text, unsigned *number)
{
    const char *at = *text;
    unsigned value = 0;
    if (*at < '0' || *at > '9')
        return false;
    for (; *at >= '0' && *at <= '9'; at++) {
        value = value * 10 + (unsigned)(*at - '0');
        if (value > PN_CPULIST_MAX)
            return false;
    }
    *text = at;
    *number = value;
    return true;
}

struct range {
    unsigned first, last, stride;
};

/* "a", "a-b" or "a-b:stride" */
static bool parse_range(const char **text, struct range *range)
{
    if (!parse_number(text, &range->first))
        return false;
    range->last = range->first;
    range->stride = 1;
    if (**text != '-')
        return true;
    ++*text;
    if (!parse_number(text, &range->last) || range->last < range->first)
        return false;
    if (**text != ':')
        return true;
    ++*text;
    return parse_number(text, &range->stride) && range->stride > 0;
}

static int set_range(hwloc_bitmap_t set, struct range range)
{
    if (range.stride == 1)
        return hwloc_bitmap_set_range(set, range.first, (int)range.last) ? -ENOMEM : 0;
    for (unsigned i = range.first; i <= range.last; i += range.stride) {
        if (hwloc_bitmap_set(set, i))
            return -ENOMEM;
    }
    return 0;
}

int pn_cpulist_parse(const char *text, hwloc_bitmap_t set, const char **bad)
{
    while (is_space(*text))
        text++;
    if (!*text)
        return 0;
    for (;; text++) {
        struct range range;
        if (bad)
            *bad = text;
        if (!parse_range(&text, &range))
            return -EINVAL;
        const char *rest = text;
        while (is_space(*rest))
            rest++;
        if (*text != ',' && *rest)
            return -EINVAL;
        if (set_range(set, range))
            return -ENOMEM;
        if (*text != ',')
            return 0;
    }
}

/* The run of set members after index; false when there is none. last is -1 if it has no end. */
static bool next_run(hwloc_const_bitmap_t set, int after, int *first, int *last)
{
    *first = hwloc_bitmap_next(set, after);
    if (*first < 0)
        return false;
    const int end = hwloc_bitmap_next_unset(set, *first);
    *last = end < 0 ? -1 : end - 1;
    return true;
}

void pn_cpulist_add(struct pn_buffer *buffer, hwloc_const_bitmap_t set)
{
    int first, last = -1;
    for (const char *comma = ""; next_run(set, last, &first, &last); comma = ",") {
        if (first == last)
            pn_buffer_add(buffer, "%s%d", comma, first);
        else if (last >= 0)
            pn_buffer_add(buffer, "%s%d-%d", comma, first, last);
        else
            pn_buffer_add(buffer, "%s%d-", comma, first);
        if (last < 0)
            return;
    }
}

const char *pn_cpulist_short(hwloc_const_bitmap_t set, char *text, size_t size)
{
    struct pn_buffer buffer = {0};
    pn_cpulist_add(&buffer, set);
    const char *list = pn_buffer_text(&buffer);
    if (buffer.length < size)
        (void)snprintf(text, size, "%s", buffer.length ? list : "none");
    else
        (void)snprintf(text, size, "%.*s...", (int)size - 4, list);
    pn_buffer_fini(&buffer);
    return text;
}
