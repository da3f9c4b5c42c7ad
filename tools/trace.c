/* SPDX-License-Identifier: MIT
 *
 * pinion trace: records a command's trace, and says what one comes to.
 */
#include "trace.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "options.h"
#include "output.h"

/* ---- record ---- */

/* PINION_TRACE has a meaning for %. */
static char *escaped(const char *path)
{
    char *text = malloc(2 * strlen(path) + 1), *at = text;
    if (!text)
        abort();
    for (; *path; *at++ = *path++)
        if (*path == '%' && path[1] != 'p')
            *at++ = '%';
    *at = '\0';
    return text;
}

static enum exit_status record(const struct options *options)
{
    if (options->operand_count < 3) {
        complain("record wants a file and a command: pinion trace record FILE -- COMMAND…");
        return USAGE;
    }
    char *path = escaped(options->operands[1]);
    if (setenv("PINION_TRACE", path, 1))
        abort();
    free(path);
    (void)execvp(options->operands[2], options->operands + 2);
    complain("can't run %s: %s", options->operands[2], strerror(errno));
    return errno == ENOENT ? NOT_FOUND : NOT_RUN;
}

/* ---- summarize ---- */

/* Written aside, then renamed: there is no half of it. */
static bool write_picture(struct trace_summary *summary, const char *path)
{
    char *aside = malloc(strlen(path) + sizeof ".part");
    if (!aside)
        abort();
    (void)sprintf(aside, "%s.part", path);
    FILE *file = fopen(aside, "we");
    bool is_well = file != NULL;
    int error = errno;
    if (file) {
        trace_draw(summary, file);
        errno = 0;
        is_well = !ferror(file);
        is_well = fclose(file) == 0 && is_well && rename(aside, path) == 0;
        error = errno ? errno : EIO;
        if (!is_well)
            (void)remove(aside);
    }
    if (!is_well)
        complain("can't write %s: %s", path, strerror(error));
    free(aside);
    return is_well;
}

static enum exit_status report(struct trace_summary *summary, const struct options *options)
{
    if (options->svg && !write_picture(summary, options->svg))
        return FAILED;
    if (options->json)
        trace_print_json(summary);
    else
        trace_print_text(summary);
    const struct trace_file *file = summary->file;
    if (file->whole < file->size)
        complain("%s was cut: the last %zu bytes are no whole packet; this is what came before",
                 file->path, file->size - file->whole);
    const bool is_short = file->whole < file->size || summary->lost;
    return is_short && options->strict ? DEGRADED : DONE;
}

static enum exit_status summarize(const struct options *options)
{
    struct trace_file file;
    struct trace_summary summary;
    if (options->operand_count != 2) {
        complain("summarize wants one file: pinion trace summarize FILE");
        return USAGE;
    }
    if (!trace_open(&file, options->operands[1]))
        return FAILED;
    trace_sum(&summary, &file);
    const enum exit_status status = report(&summary, options);
    trace_forget(&summary);
    trace_close(&file);
    return status;
}

static enum exit_status run(const struct options *options)
{
    const char *what = options->operand ? options->operand : "";
    if (strcmp(what, "summarize") == 0)
        return summarize(options);
    if (strcmp(what, "record") == 0 && !options->svg && !options->json)
        return record(options);
    if (strcmp(what, "record") == 0)
        complain("record takes no options; it writes what summarize reads");
    else
        complain("trace wants 'summarize FILE' or 'record FILE -- COMMAND…', not '%s'", what);
    return USAGE;
}

const struct verb verb_trace = {
    .name = "trace",
    .operands = "summarize FILE | record FILE -- COMMAND...",
    .summary = "Records what a program's workers do, and sums it up",
    .details = "record runs COMMAND with PINION_TRACE=FILE: a program that uses pinion writes\n"
               "there what each of its threads did and when. ui.perfetto.dev opens the file.\n"
               "%p in FILE becomes the process' number.\n\n"
               "summarize reads such a file: time by state for each thread, tasks by name, the\n"
               "longest spans, who stole from whom and how far, how long wakes and queues took.\n"
               "A file that was cut is read as far as it goes.",
    .options = OPTION_JSON | OPTION_SVG | OPTION_STRICT,
    .operand_count_max = INT_MAX,
    .run = run,
};
