/* SPDX-License-Identifier: MIT
 *
 * Prints a topology, for the scripts here: topology-show json|text|plans|cpus [FILE].
 * Exit: 0, or 1 with the error's detail on standard output.
 */
#include <stdio.h>
#include <string.h>

#include <pinion/error.h>
#include <pinion/plan.h>
#include <pinion/topology.h>

static int show_plans(const struct pinion_topology *topology)
{
    for (int i = PINION_PLACE_AUTO; i <= PINION_PLACE_NONE; i++) {
        struct pinion_plan *plan;
        const struct pinion_plan_options options = {.placement = (enum pinion_placement)i};
        if (pinion_plan_make(topology, &options, &plan))
            return -1;
        (void)printf("%s: %u\n%s\n", pinion_placement_name(options.placement), plan->count,
                     pinion_plan_reason(plan));
        pinion_plan_destroy(plan);
    }
    return 0;
}

int main(int count, char **words)
{
    struct pinion_topology_options options = {0};
    struct pinion_topology *topology;
    const char *what = count > 1 ? words[1] : "text";
    if (count > 2)
        options.xml_path = words[2];
    if (pinion_topology_load(&options, &topology)) {
        (void)printf("%s\n", pinion_error_detail());
        return 1;
    }
    int error;
    if (strcmp(what, "json") == 0)
        error = pinion_topology_write_json(topology, stdout);
    else if (strcmp(what, "plans") == 0)
        error = show_plans(topology);
    else
        error = pinion_topology_write_text(topology, stdout);
    pinion_topology_destroy(topology);
    return error ? 1 : 0;
}
