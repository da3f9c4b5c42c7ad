/* SPDX-License-Identifier: MIT
 *
 * What a demo run found, and its two reports.
 */
#ifndef TOOLS_DEMO_H
#define TOOLS_DEMO_H

#include <stdbool.h>
#include <stddef.h>

#include <pinion/loop.h>

#include "walk.h"

enum verdict {
    SAME,    /* both runs have the same checksum */
    CHANGED, /* they differ, and so did the tree */
    DIFFERENT,
    NOT_COMPARED
};

struct demo {
    const char *path;
    struct tally by_tasks, alone;
    double seconds_by_tasks, seconds_alone;
    enum verdict verdict;
    bool interrupted;
    bool is_loop;                   /* not a pool */
    struct pinion_loop_stats stats; /* when the tasks were done; of a pool what it has too */
    struct pinion_worker_stats *workers;
    size_t workers_count;
    char *degraded; /* lines, "" if nothing */
};

void demo_print_text(const struct demo *demo, bool quiet);
void demo_print_json(const struct demo *demo);

#endif
