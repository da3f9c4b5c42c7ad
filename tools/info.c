/* SPDX-License-Identifier: MIT
 *
 * pinion info: versions, environment and limits, and what is degraded here. What to paste into a
 * bug report.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <pinion/error.h>
#include <pinion/loop.h>
#include <pinion/topology.h>
#include <pinion/version.h>

#include "backend.h"
#include "json.h"
#include "options.h"
#include "output.h"

/* The variables that this version reads. */
static const char *const known[] = {"PINION_CPUS", "PINION_PLACE", "PINION_IDLE", "PINION_SLICE",
                                    "PINION_BACKEND", "PINION_TRACE"};

#define KNOWN_COUNT (sizeof known / sizeof known[0])
#define OTHER_MAX   16

struct variable {
    const char *name, *value; /* NULL: not set */
    bool is_known, valid;
    char *detail; /* why it is invalid; NULL otherwise */
};

struct findings {
    struct utsname kernel;
    struct variable variables[KNOWN_COUNT + OTHER_MAX];
    size_t variables_count;
    struct pinion_loop_stats loop; /* what its workers would wait in */
    char *degraded;                /* lines: of a loop, which has all that a pool has */
    unsigned cpu_count, cpus_allowed, nodes;
    char *limits; /* lines */
};

static char *copy(const char *text)
{
    char *mine = strdup(text);
    if (!mine)
        abort();
    return mine;
}

static void collect(struct findings *findings)
{
    for (size_t i = 0; i < KNOWN_COUNT; i++) {
        const char *value = getenv(known[i]);
        findings->variables[i] =
            (struct variable){known[i], value ? copy(value) : NULL, true, true, NULL};
    }
    size_t count = KNOWN_COUNT;
    for (char **entry = environ; *entry && count < KNOWN_COUNT + OTHER_MAX; entry++) {
        const size_t length = strcspn(*entry, "=");
        bool is_known = false;
        if (strncmp(*entry, "PINION_", 7) != 0 || (*entry)[length] != '=')
            continue;
        for (size_t i = 0; i < KNOWN_COUNT; i++)
            is_known |= strlen(known[i]) == length && memcmp(known[i], *entry, length) == 0;
        if (is_known)
            continue;
        char *name = copy(*entry);
        name[length] = '\0';
        findings->variables[count++] =
            (struct variable){name, name + length + 1, false, true, NULL};
    }
    findings->variables_count = count;
}

/* The library is the judge: a loop, which reads all of them, is made with one variable set at a
 * time. Those that are invalid stay unset, so that the rest can be told; and PINION_TRACE, by which
 * this would write over somebody's file. */
static void judge(struct findings *findings)
{
    for (size_t i = 0; i < KNOWN_COUNT; i++)
        (void)unsetenv(known[i]);
    for (size_t i = 0; i < KNOWN_COUNT; i++) {
        struct variable *variable = &findings->variables[i];
        struct pinion_loop *loop;
        if (!variable->value || strcmp(variable->name, "PINION_TRACE") == 0)
            continue;
        (void)setenv(variable->name, variable->value, 1);
        variable->valid = pinion_loop_create(NULL, &loop) == 0;
        if (variable->valid)
            pinion_loop_destroy(loop);
        else
            variable->detail = copy(pinion_error_detail());
        (void)unsetenv(variable->name);
    }
    for (size_t i = 0; i < KNOWN_COUNT; i++)
        if (findings->variables[i].value && findings->variables[i].valid &&
            strcmp(known[i], "PINION_TRACE") != 0)
            (void)setenv(known[i], findings->variables[i].value, 1);
}

static enum exit_status look(struct findings *findings)
{
    struct pinion_loop *loop;
    struct pinion_topology *topology;
    const struct pinion_cpu *cpus;
    const struct pinion_node *nodes;
    const char *list = getenv("PINION_CPUS");
    struct pinion_topology_options options = {.cpus = list && *list ? list : NULL};
    if (uname(&findings->kernel) || pinion_topology_load(&options, &topology)) {
        complain("can't read this machine: %s", pinion_error_detail());
        return FAILED;
    }
    findings->cpus_allowed = pinion_topology_cpus(topology, &cpus);
    findings->nodes = pinion_topology_nodes(topology, &nodes);
    findings->cpu_count = pinion_topology_cpu_count(topology);
    findings->limits = copy(pinion_topology_limits(topology));
    pinion_topology_destroy(topology);
    if (pinion_loop_create(NULL, &loop)) {
        complain("can't make a loop: %s", pinion_error_detail());
        return FAILED;
    }
    pinion_loop_stats(loop, &findings->loop);
    const size_t length = pinion_loop_degraded(loop, NULL, 0) + 1;
    findings->degraded = calloc(1, length);
    if (!findings->degraded)
        abort();
    (void)pinion_loop_degraded(loop, findings->degraded, length);
    pinion_loop_destroy(loop);
    return DONE;
}

static void print_heading(const char *text)
{
    (void)printf("\n%s%s%s\n", bold(stdout), text, plain(stdout));
}

static void print_variable(const struct variable *variable)
{
    (void)printf("  %-14s ", variable->name);
    if (!variable->value) {
        (void)printf("not set\n");
        return;
    }
    (void)fputc('\'', stdout);
    print_name(stdout, variable->value);
    (void)fputc('\'', stdout);
    if (!variable->is_known)
        (void)printf(" unknown to this version, ignored");
    else if (!variable->valid)
        (void)printf(" %sinvalid%s: %s", warning(stdout), plain(stdout), variable->detail);
    else if (!*variable->value)
        (void)printf(" counts as not set");
    (void)fputc('\n', stdout);
}

static void print_loop(const struct pinion_loop_stats *loop)
{
    (void)printf("  waits in  ");
    backend_print(loop);
    backend_print_features("  taken     ", loop->features_taken);
    backend_print_features("  refused   ", loop->features_refused);
}

static void print_text(const struct findings *findings)
{
    print_version();
    (void)printf("kernel %s %s %s\n", findings->kernel.sysname, findings->kernel.release,
                 findings->kernel.machine);
    print_heading("machine");
    (void)printf("  %u CPU%s to count on, of %u allowed; %u node%s\n", findings->cpu_count,
                 findings->cpu_count == 1 ? "" : "s", findings->cpus_allowed, findings->nodes,
                 findings->nodes == 1 ? "" : "s");
    print_lines(stdout, 2, findings->limits);
    print_heading("environment");
    for (size_t i = 0; i < findings->variables_count; i++)
        print_variable(&findings->variables[i]);
    print_heading("a loop here");
    print_loop(&findings->loop);
    print_heading("degraded here");
    print_lines(stdout, 2, *findings->degraded ? findings->degraded : "nothing");
}

static void print_json(const struct findings *findings)
{
    struct json json = {.stream = stdout};
    json_object_open(&json, NULL);
    json_text(&json, "schema", "pinion.info/1");
    json_text(&json, "version", pinion_version());
    json_lines(&json, "built_with", pinion_build_info());
    json_text(&json, "kernel", findings->kernel.release);
    json_text(&json, "machine", findings->kernel.machine);
    json_count(&json, "cpu_count", findings->cpu_count);
    json_count(&json, "cpus_allowed", findings->cpus_allowed);
    json_count(&json, "nodes", findings->nodes);
    json_lines(&json, "limits", findings->limits);
    json_array_open(&json, "environment");
    for (size_t i = 0; i < findings->variables_count; i++) {
        const struct variable *variable = &findings->variables[i];
        json_row_open(&json, NULL);
        json_text(&json, "name", variable->name);
        json_text(&json, "value", variable->value);
        json_bool(&json, "known", variable->is_known);
        json_bool(&json, "valid", variable->valid);
        json_text(&json, "detail", variable->detail);
        json_object_close(&json);
    }
    json_array_close(&json);
    backend_write(&json, &findings->loop);
    json_lines(&json, "degraded", findings->degraded);
    json_object_close(&json);
}

static void forget(struct findings *findings)
{
    for (size_t i = 0; i < findings->variables_count; i++) {
        struct variable *variable = &findings->variables[i];
        free(variable->detail);
        /* A known one's value is a copy, an unknown one's lies behind its name. */
        free(variable->is_known ? (char *)variable->value : (char *)variable->name);
    }
    free(findings->degraded);
    free(findings->limits);
}

static enum exit_status run(const struct options *options)
{
    struct findings findings = {0};
    collect(&findings);
    judge(&findings);
    enum exit_status status = look(&findings);
    if (status == DONE) {
        if (options->json)
            print_json(&findings);
        else
            print_text(&findings);
        if (options->strict && *findings.degraded)
            status = DEGRADED;
    }
    forget(&findings);
    return status;
}

const struct verb verb_info = {
    .name = "info",
    .operands = "",
    .summary = "Says versions, environment, limits, and what is degraded here",
    .details = "What to send along with a question. It makes a loop, to see whether one would\n"
               "wait in io_uring or in epoll here, and what of that the kernel has.",
    .options = OPTION_JSON | OPTION_STRICT,
    .run = run,
};
