/* SPDX-License-Identifier: MIT
 *
 * The pinion command: finds the verb, parses its options, runs it.
 */
#include <string.h>

#include "options.h"
#include "output.h"
#include "verb.h"

static const struct verb *const verbs[] = {&verb_topo, &verb_plan, &verb_info, &verb_demo,
                                           &verb_top, &verb_trace};

#define VERB_COUNT (sizeof verbs / sizeof verbs[0])

static void print_help(FILE *stream)
{
    (void)fprintf(stream, "Usage: pinion VERB [OPTION...]\n\n");
    for (size_t i = 0; i < VERB_COUNT; i++)
        (void)fprintf(stream, "  %-6s %s\n", verbs[i]->name, verbs[i]->summary);
    (void)fprintf(stream,
                  "\npinion VERB --help tells more. pinion --version says what this was built with."
                  "\n\nExit status: 0 done, 1 failed, 2 usage, 3 degraded under --strict.\n");
}

static const struct verb *find(const char *name)
{
    for (size_t i = 0; i < VERB_COUNT; i++)
        if (strcmp(verbs[i]->name, name) == 0)
            return verbs[i];
    return NULL;
}

static enum exit_status complain_of_verb(const char *name)
{
    char names[64] = "";
    for (size_t i = 0; i < VERB_COUNT; i++)
        (void)snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", i ? ", " : "",
                       verbs[i]->name);
    complain("no %s '%s'; there are %s: see pinion --help", *name == '-' ? "option" : "verb", name,
             names);
    return USAGE;
}

static enum exit_status run(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return USAGE;
    }
    if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0) {
        print_help(stdout);
        return DONE;
    }
    if (strcmp(argv[1], "-V") == 0 || strcmp(argv[1], "--version") == 0) {
        print_version();
        return DONE;
    }
    const struct verb *verb = find(argv[1]);
    if (!verb)
        return complain_of_verb(argv[1]);
    struct options options;
    enum exit_status status;
    output_name(verb->name);
    if (options_parse(verb, argc - 1, argv + 1, &options, &status))
        status = verb->run(&options);
    return status;
}

int main(int argc, char **argv)
{
    output_begin();
    return (int)output_end(run(argc, argv));
}
