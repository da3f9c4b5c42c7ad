/* SPDX-License-Identifier: MIT */
#include "settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "detail.h"

static const char *const idle_names[] = {
    [PINION_IDLE_ADAPTIVE] = "adaptive", [PINION_IDLE_PARK] = "park", [PINION_IDLE_POLL] = "poll"};

static const char *const backend_names[] = {[PINION_BACKEND_AUTO] = "auto",
                                            [PINION_BACKEND_IO_URING] = "io_uring",
                                            [PINION_BACKEND_EPOLL] = "epoll"};

/* A variable's value; set to nothing counts as unset. */
static const char *value_of(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

const char *pn_settings_cpus(void) { return value_of("PINION_CPUS"); }

const char *pn_idle_name(enum pinion_idle idle) { return idle_names[idle]; }

static int idle_parse(const char *text, enum pinion_idle *idle)
{
    for (size_t i = 0; i < sizeof idle_names / sizeof idle_names[0]; i++) {
        if (strcmp(text, idle_names[i]) == 0) {
            *idle = (enum pinion_idle)i;
            return 0;
        }
    }
    return pn_error(EINVAL, "PINION_IDLE is \"%s\"; it takes adaptive, park or poll", text);
}

int pn_settings_backend(enum pinion_backend *backend)
{
    const char *text = value_of("PINION_BACKEND");
    for (size_t i = 0; text && i < sizeof backend_names / sizeof backend_names[0]; i++) {
        if (strcmp(text, backend_names[i]) == 0) {
            if (*backend == PINION_BACKEND_AUTO)
                *backend = (enum pinion_backend)i;
            return 0;
        }
    }
    return text ? pn_error(EINVAL, "PINION_BACKEND is \"%s\"; it takes auto, io_uring or epoll",
                           text)
                : 0;
}

int pn_settings_read(struct pinion_plan_options *plan, enum pinion_idle *idle)
{
    const char *text;
    int error;
    if ((text = value_of("PINION_IDLE"))) {
        enum pinion_idle value = 0;
        if ((error = idle_parse(text, &value)))
            return error;
        if (*idle == 0)
            *idle = value;
    }
    if ((text = value_of("PINION_PLACE"))) {
        enum pinion_placement value;
        if ((error = pinion_placement_parse(text, &value)))
            return pn_error(-error,
                            "PINION_PLACE is \"%s\"; it takes auto, compact, scatter, node or none",
                            text);
        if (plan->placement == 0)
            plan->placement = value;
    }
    if ((text = value_of("PINION_SLICE"))) {
        unsigned index, count;
        if ((error = pinion_slice_parse(text, &index, &count)))
            return pn_error(-error,
                            "PINION_SLICE is \"%s\"; it takes i/n, slice i of n counted from 0, "
                            "such as 0/2",
                            text);
        if (plan->slice_count == 0) {
            plan->slice_index = index;
            plan->slice_count = count;
        }
    }
    return 0;
}
