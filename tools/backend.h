/* SPDX-License-Identifier: MIT
 *
 * What a loop's workers wait in: its names, and what is said of it.
 */
#ifndef TOOLS_BACKEND_H
#define TOOLS_BACKEND_H

#include <stdbool.h>

#include <pinion/loop.h>

#include "json.h"

/* "auto", "io_uring" or "epoll". */
const char *backend_name(enum pinion_backend backend);

/* The inverse. False: it is none of them. */
bool backend_parse(const char *text, enum pinion_backend *backend);

/* To stdout, "io_uring, 256 operations at a time", or "epoll" and why. */
void backend_print(const struct pinion_loop_stats *stats);

/* To stdout, behind a label and so that it fits 80 columns: those of a set of features, by name. */
void backend_print_features(const char *label, unsigned features);

/* An object "backend". */
void backend_write(struct json *json, const struct pinion_loop_stats *stats);

#endif
