/* SPDX-License-Identifier: MIT */
#include "machine.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pinion/error.h>

#include "output.h"

/* A file is what is there, or looks like a path; all else is a description. */
static bool is_file(const char *input)
{
    const char *dot = strrchr(input, '.');
    return access(input, F_OK) == 0 || strchr(input, '/') || (dot && strcmp(dot, ".xml") == 0);
}

static const char *cpus_of_environment(void)
{
    const char *cpus = getenv("PINION_CPUS");
    return cpus && *cpus ? cpus : NULL;
}

static void complain_of_load(const struct options *options, const char *cpus)
{
    if (options->input)
        complain("--input %s: %s", options->input, pinion_error_detail());
    else if (options->cpus)
        complain("--cpus %s: %s", options->cpus, pinion_error_detail());
    else if (cpus)
        complain("PINION_CPUS=%s: %s", cpus, pinion_error_detail());
    else
        complain("%s", pinion_error_detail());
}

struct pinion_topology *machine_load(const struct options *options)
{
    struct pinion_topology_options wanted = {.cpus = options->cpus,
                                             .ignore_quota = options->ignore_quota};
    struct pinion_topology *topology;
    if (options->input && is_file(options->input))
        wanted.xml_path = options->input;
    else
        wanted.synthetic = options->input;
    if (!wanted.cpus && !options->input)
        wanted.cpus = cpus_of_environment();
    if (pinion_topology_load(&wanted, &topology)) {
        complain_of_load(options, wanted.cpus);
        return NULL;
    }
    return topology;
}
