/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include <pinion/error.h>

#include "backend.h"
#include "output.h"

/* No pool seats more; see pool.h. */
#define CPU_COUNT_MAX (1U << 20)

/* Each takes the option's argument (NULL for a flag): true, or false after a complaint. */
typedef bool take_fn(struct options *options, const char *text);

static bool take_input(struct options *options, const char *text)
{
    options->input = text;
    return true;
}

/* Moves *text behind a number. */
static bool skip_number(const char **text)
{
    const size_t digits = strspn(*text, "0123456789");
    *text += digits;
    return digits > 0;
}

/* Whether it has the form of a list; what is in it, the library judges by the machine. */
static bool is_cpu_list(const char *text)
{
    do {
        if (!skip_number(&text))
            return false;
        if (*text == '-' && (text++, !skip_number(&text)))
            return false;
        if (*text == ':' && (text++, !skip_number(&text)))
            return false;
    } while (*text++ == ',');
    return text[-1] == '\0';
}

static bool take_cpus(struct options *options, const char *text)
{
    options->cpus = text;
    if (!is_cpu_list(text))
        complain("--cpus '%s' is no list of CPUs; write one such as 0-3,8 or 0-14:2", text);
    return is_cpu_list(text);
}

static bool take_ignore_quota(struct options *options, const char *text)
{
    (void)text;
    return options->ignore_quota = true;
}

static bool take_place(struct options *options, const char *text)
{
    if (pinion_placement_parse(text, &options->plan.placement)) {
        complain("--place '%s': %s", text, pinion_error_detail());
        return false;
    }
    return options->placement_given = true;
}

static bool parse_count(const char *option, const char *text, unsigned low, unsigned *count)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || value < low || value > CPU_COUNT_MAX) {
        complain("%s '%s' is not a number from %u to %u", option, text, low, CPU_COUNT_MAX);
        return false;
    }
    *count = (unsigned)value;
    return true;
}

static bool take_workers(struct options *options, const char *text)
{
    options->workers_given = true;
    return parse_count("--workers", text, 0, &options->workers);
}

static bool take_cpu_count(struct options *options, const char *text)
{
    return parse_count("--cpu-count", text, 1, &options->cpu_count);
}

static bool take_avoid_smt(struct options *options, const char *text)
{
    (void)text;
    return options->plan.avoid_smt = true;
}

static bool take_slice(struct options *options, const char *text)
{
    if (pinion_slice_parse(text, &options->plan.slice_index, &options->plan.slice_count)) {
        complain("--slice '%s': %s", text, pinion_error_detail());
        return false;
    }
    return options->slice_given = true;
}

static bool take_eager(struct options *options, const char *text)
{
    (void)text;
    return options->eager = true;
}

static bool take_loop(struct options *options, const char *text)
{
    (void)text;
    return options->loop = true;
}

static bool take_backend(struct options *options, const char *text)
{
    options->backend_given = backend_parse(text, &options->backend);
    if (!options->backend_given)
        complain("--backend '%s' is none; it takes auto, io_uring or epoll", text);
    return options->backend_given;
}

static bool take_interval(struct options *options, const char *text)
{
    char *end;
    options->interval = strtod(text, &end);
    if (*end || end == text || !(options->interval >= 0.02 && options->interval <= 3600)) {
        complain("--interval '%s' is not a number of seconds from 0.02 to 3600", text);
        return false;
    }
    return true;
}

static bool take_count(struct options *options, const char *text)
{
    return parse_count("--count", text, 1, &options->count);
}

static bool take_once(struct options *options, const char *text)
{
    (void)text;
    return options->once = true;
}

static bool take_sort(struct options *options, const char *text)
{
    options->sort = text;
    return true;
}

static bool take_json(struct options *options, const char *text)
{
    (void)text;
    return options->json = true;
}

static bool take_quiet(struct options *options, const char *text)
{
    (void)text;
    return options->quiet = true;
}

static bool take_strict(struct options *options, const char *text)
{
    (void)text;
    return options->strict = true;
}

static bool take_svg(struct options *options, const char *text)
{
    options->svg = text;
    return true;
}

/* The bit of entry i is 1 << i. Help is cut into lines by hand, to fit 80 columns. */
static const struct {
    const char *name, *argument;
    char letter;
    take_fn *take;
    const char *help;
} table[] = {
    {"input", "FILE|SYNTHETIC", 'i', take_input,
     "another machine: an hwloc XML file, or a synthetic\ndescription such as 'pack:2 core:4 "
     "pu:2'"},
    {"cpus", "LIST", 'c', take_cpus, "only these CPUs, by OS index: 0-3,8 or 0-14:2"},
    {"ignore-quota", NULL, 0, take_ignore_quota, "do not cut the CPU count to the CPU quota"},
    {"place", "HOW", 'p', take_place, "auto, compact, scatter, node or none"},
    {"workers", "N", 'w', take_workers, "workers beside the calling thread"},
    {"cpu-count", "N", 'n', take_cpu_count,
     "CPUs to count on: N - 1 workers and the caller. More\nthan there are is allowed: seats wrap "
     "round"},
    {"avoid-smt", NULL, 0, take_avoid_smt, "one worker a core"},
    {"slice", "I/N", 's', take_slice, "this is process I, from 0, of N that share the machine"},
    {"eager", NULL, 'e', take_eager, "always queue tasks, also when all are busy"},
    {"loop", NULL, 'l', take_loop, "by a loop instead of a pool: tasks are fibers"},
    {"backend", "WHAT", 'b', take_backend,
     "what a loop's workers wait in: auto, io_uring or epoll"},
    {"json", NULL, 'j', take_json, "one JSON object instead of text"},
    {"quiet", NULL, 'q', take_quiet, "no progress, no notes; errors only"},
    {"strict", NULL, 0, take_strict, "exit with 3 if anything is degraded"},
    {"interval", "SECONDS", 'd', take_interval, "between two looks, 0.02 to 3600; 1"},
    {"count", "N", 0, take_count, "so many looks, then the end"},
    {"once", NULL, '1', take_once, "one look, as text"},
    {"sort", "KEY", 'o', take_sort,
     "seat, tasks, steals, parks, queue, delay, arena or\nsince; the most first"},
    {"svg", "FILE", 0, take_svg, "a picture, too: written to FILE"},
};

#define TABLE_COUNT (sizeof table / sizeof table[0])

enum { LETTERLESS = 256, HELP = 1 << 10, VERSION };

static void print_option(const char *name, const char *argument, char letter, const char *help,
                         FILE *stream)
{
    char left[64];
    (void)snprintf(left, sizeof left, letter ? "-%c, --%s%s%s" : "%c   --%s%s%s",
                   letter ? letter : ' ', name, argument ? " " : "", argument ? argument : "");
    const bool wide = strlen(left) > 21;
    (void)fprintf(stream, wide ? "  %s\n%25s" : "  %-21s  ", left, "");
    for (; *help; help++) {
        (void)fputc(*help, stream);
        if (*help == '\n')
            (void)fprintf(stream, "%25s", "");
    }
    (void)fputc('\n', stream);
}

void options_print_help(const struct verb *verb, FILE *stream)
{
    (void)fprintf(stream, "Usage: pinion %s [OPTION...]%s%s\n\n%s.\n", verb->name,
                  *verb->operands ? " " : "", verb->operands, verb->summary);
    if (*verb->details)
        (void)fprintf(stream, "\n%s\n", verb->details);
    (void)fputc('\n', stream);
    for (size_t i = 0; i < TABLE_COUNT; i++)
        if (verb->options & 1U << i)
            print_option(table[i].name, table[i].argument, table[i].letter, table[i].help, stream);
    print_option("help", NULL, 'h', "this text", stream);
    print_option("version", NULL, 'V', "versions of pinion and what it was built with", stream);
}

/* getopt's own description of what a verb takes. */
static void describe(const struct verb *verb, char *letters, struct option *longs)
{
    *letters++ = ':'; /* tell a missing argument from an unknown option */
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        if (!(verb->options & 1U << i))
            continue;
        *longs++ =
            (struct option){table[i].name, table[i].argument ? required_argument : no_argument,
                            NULL, LETTERLESS + (int)i};
        if (!table[i].letter)
            continue;
        *letters++ = table[i].letter;
        if (table[i].argument)
            *letters++ = ':';
    }
    *longs++ = (struct option){"help", no_argument, NULL, HELP};
    *longs++ = (struct option){"version", no_argument, NULL, VERSION};
    *longs = (struct option){NULL, 0, NULL, 0};
    *letters++ = 'h';
    *letters++ = 'V';
    *letters = '\0';
}

static size_t entry_of(int code)
{
    if (code >= LETTERLESS)
        return (size_t)(code - LETTERLESS);
    size_t i = 0;
    while (table[i].letter != code)
        i++;
    return i;
}

/* What getopt stumbled over: a letter by optopt, a long option by the argument just read. */
static void complain_of(const struct verb *verb, int code, char **argv)
{
    const char *word = argv[optind - 1];
    char letter[3] = {'-', (char)optopt, '\0'};
    const bool is_long = strncmp(word, "--", 2) == 0;
    const char *name = is_long ? word : letter;
    if (code == ':')
        complain("%s wants an argument; see pinion %s --help", name, verb->name);
    else if (is_long && optopt)
        complain("%s takes no argument; see pinion %s --help", name, verb->name);
    else
        complain("no option '%s'; see pinion %s --help", name, verb->name);
}

static bool check(const struct verb *verb, int argc, char **argv, struct options *options)
{
    if (argc - optind > verb->operand_count_max) {
        complain("unexpected argument '%s'; see pinion %s --help",
                 argv[optind + verb->operand_count_max], verb->name);
        return false;
    }
    if (options->workers_given && options->cpu_count &&
        options->workers + 1 != options->cpu_count) {
        complain("--workers %u means --cpu-count %u, not %u; give one of them", options->workers,
                 options->workers + 1, options->cpu_count);
        return false;
    }
    if (options->backend_given && !options->loop) {
        complain("--backend is for a loop; give --loop, too");
        return false;
    }
    if (options->eager && options->loop) {
        complain("--eager is for a pool; a loop queues every task anyway");
        return false;
    }
    options->operands = argv + optind;
    options->operand_count = argc - optind;
    options->operand = argc > optind ? argv[optind] : NULL;
    return true;
}

bool options_parse(const struct verb *verb, int argc, char **argv, struct options *options,
                   enum exit_status *status)
{
    struct option longs[TABLE_COUNT + 3];
    char letters[2 * TABLE_COUNT + 4];
    describe(verb, letters, longs);
    *options = (struct options){0};
    *status = USAGE;
    optind = 0; /* anew, and glibc's own state with it */
    opterr = 0;
    int code;
    while ((code = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        if (code == 'h' || code == HELP) {
            options_print_help(verb, stdout);
            *status = DONE;
            return false;
        }
        if (code == 'V' || code == VERSION) {
            print_version();
            *status = DONE;
            return false;
        }
        if (code == '?' || code == ':') {
            complain_of(verb, code, argv);
            return false;
        }
        if (!table[entry_of(code)].take(options, optarg))
            return false;
    }
    return check(verb, argc, argv, options);
}
