/* SPDX-License-Identifier: MIT
 *
 * The words for placements and slices, as PINION_PLACE and PINION_SLICE have them.
 */
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>

#include <pinion/plan.h>

#include "detail.h"

static const char *const names[] = {
    [PINION_PLACE_AUTO] = "auto",       [PINION_PLACE_COMPACT] = "compact",
    [PINION_PLACE_SCATTER] = "scatter", [PINION_PLACE_NODE] = "node",
    [PINION_PLACE_NONE] = "none",
};

enum { NAMES = sizeof names / sizeof names[0] };

const char *pinion_placement_name(enum pinion_placement placement)
{
    return (unsigned)placement < NAMES ? names[placement] : NULL;
}

int pinion_placement_parse(const char *text, enum pinion_placement *placement)
{
    for (unsigned i = 0; i < NAMES; i++) {
        if (strcmp(text, names[i]) == 0) {
            *placement = (enum pinion_placement)i;
            return 0;
        }
    }
    return pn_error(EINVAL, "\"%.40s\" is no placement; write auto, compact, scatter, node or none",
                    text);
}

/* A decimal number without sign or space; NULL if there is none or it does not fit. */
static const char *take_unsigned(const char *text, unsigned *number)
{
    unsigned long long value = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        value = value * 10 + (unsigned)(*at - '0');
        if (value > UINT_MAX)
            return NULL;
    }
    *number = (unsigned)value;
    return at > text ? at : NULL;
}

int pinion_slice_parse(const char *text, unsigned *slice_index, unsigned *slice_count)
{
    unsigned index = 0, count = 0;
    const char *at = take_unsigned(text, &index);
    if (at && *at == '/')
        at = take_unsigned(at + 1, &count);
    else
        at = NULL;
    if (!at || *at)
        return pn_error(EINVAL,
                        "\"%.40s\" is no slice; write \"i/n\", process number i of n counted "
                        "from 0, such as \"0/2\"",
                        text);
    if (index >= count)
        return pn_error(EINVAL,
                        "slice \"%.40s\" does not exist: they count from 0, so the last of "
                        "%u is %u/%u",
                        text, count, count ? count - 1 : 0, count ? count : 1);
    *slice_index = index;
    *slice_count = count;
    return 0;
}
