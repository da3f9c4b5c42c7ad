/* SPDX-License-Identifier: MIT
 *
 * The verbs of the command, and the exit statuses that all of them use.
 */
#ifndef TOOLS_VERB_H
#define TOOLS_VERB_H

enum exit_status {
    DONE = 0,
    FAILED = 1,
    USAGE = 2,
    DEGRADED = 3,     /* done, but short of what was asked for, and --strict was given */
    NOT_RUN = 126,   /* the command that was to be run is none, … */
    NOT_FOUND = 127, /* … or is not there */
    INTERRUPTED = 130 /* 128 + SIGINT */
};

struct options;

struct verb {
    const char *name, *operands, *summary;
    const char *details; /* paragraphs for --help, after the summary */
    unsigned options;    /* set of OPTION_… bits that it takes */
    int operand_count_max;
    enum exit_status (*run)(const struct options *options);
};

extern const struct verb verb_topo, verb_plan, verb_info, verb_demo, verb_top, verb_trace;

#endif
