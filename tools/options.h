/* SPDX-License-Identifier: MIT
 *
 * The options of all verbs: one table parses them and prints their help, so an option means the
 * same wherever it is taken.
 */
#ifndef TOOLS_OPTIONS_H
#define TOOLS_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include <pinion/loop.h>
#include <pinion/plan.h>

#include "verb.h"

enum {
    OPTION_INPUT = 1 << 0,
    OPTION_CPUS = 1 << 1,
    OPTION_IGNORE_QUOTA = 1 << 2,
    OPTION_PLACE = 1 << 3,
    OPTION_WORKERS = 1 << 4,
    OPTION_CPU_COUNT = 1 << 5,
    OPTION_AVOID_SMT = 1 << 6,
    OPTION_SLICE = 1 << 7,
    OPTION_EAGER = 1 << 8,
    OPTION_LOOP = 1 << 9,
    OPTION_BACKEND = 1 << 10,
    OPTION_JSON = 1 << 11,
    OPTION_QUIET = 1 << 12,
    OPTION_STRICT = 1 << 13,
    OPTION_INTERVAL = 1 << 14,
    OPTION_COUNT = 1 << 15,
    OPTION_ONCE = 1 << 16,
    OPTION_SORT = 1 << 17,
    OPTION_SVG = 1 << 18
};

/* What was asked for; zero and NULL where nothing was. Text belongs to argv. */
struct options {
    const char *input, *cpus;
    struct pinion_plan_options plan; /* its workers stay 0: see below */
    unsigned workers, cpu_count;     /* one of them at most is given */
    bool workers_given, placement_given, slice_given;
    bool ignore_quota, eager, json, quiet, strict;
    bool loop, backend_given;
    enum pinion_backend backend; /* of a loop */
    double interval; /* s */
    unsigned count;
    bool once;
    const char *sort;
    const char *svg; /* a file */
    const char *operand; /* the first; NULL if there is none */
    char **operands;     /* all, ended by NULL */
    int operand_count;
};

/* Parses what follows a verb's name, argv[0] being the verb. True: go on with *options. False: help
 * was printed or something was wrong, and *status is what to exit with. */
bool options_parse(const struct verb *verb, int argc, char **argv, struct options *options,
                   enum exit_status *status);

/* A verb's help. */
void options_print_help(const struct verb *verb, FILE *stream);

#endif
