/* SPDX-License-Identifier: MIT */
#include "spawn_calls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contest.h"

/* All that a polling pool's process calls from its start to its end that starts and awaits n tasks,
 * one after the other. -1 if it can't be counted. */
static long calls_of(uint64_t n)
{
    char command[PATH_MAX + 256], line[256];
    long calls = -1;
    /* strace's table goes to its standard error, the contender's answer nowhere. */
    (void)snprintf(command, sizeof command,
                   "echo await %u %llu 1 | strace -f -qq -c '%s' poll 2>&1 >/dev/null",
                   contest_cpus(), (unsigned long long)n, contest_path(&contest_poll));
    FILE *table = popen(command, "r");
    while (table && fgets(line, sizeof line, table)) {
        double share, seconds;
        long each, count;
        if (strstr(line, " total") &&
            sscanf(line, "%lf %lf %ld %ld", &share, &seconds, &each, &count) == 4)
            calls = count;
    }
    return table && !pclose(table) ? calls : -1;
}

void spawn_count_calls(struct rounds *rounds)
{
    static const uint64_t counts[] = {1000, 1000000, 1000000};
    const uint64_t n = counts[rounds->size];
    const long few = calls_of(1000), many = calls_of(1000 + n);
    if (few < 0 || many < 0)
        rounds_note(rounds, "system calls were not counted: strace is not there, or may not");
    else
        rounds_figure(rounds, (double)(many - few), "calls",
                      "system calls of %llu more tasks awaited, poll", (unsigned long long)n);
}
