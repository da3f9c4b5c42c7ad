/* SPDX-License-Identifier: MIT */
#include "backend.h"

#include <stdio.h>
#include <string.h>

#define WIDTH 80

static const char *const names[] = {[PINION_BACKEND_AUTO] = "auto",
                                    [PINION_BACKEND_IO_URING] = "io_uring",
                                    [PINION_BACKEND_EPOLL] = "epoll"};

const char *backend_name(enum pinion_backend backend) { return names[backend]; }

bool backend_parse(const char *text, enum pinion_backend *backend)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i]) == 0) {
            *backend = (enum pinion_backend)i;
            return true;
        }
    }
    return false;
}

void backend_print(const struct pinion_loop_stats *stats)
{
    (void)printf("%s", names[stats->backend]);
    if (stats->ring_entries)
        (void)printf(", %u operations at a time", stats->ring_entries);
    if (stats->ring_error)
        (void)printf(": io_uring is refused, with %s", strerrorname_np(-stats->ring_error));
    (void)fputc('\n', stdout);
}

void backend_print_features(const char *label, unsigned features)
{
    const char *name;
    int column = printf("%s", label);
    const int indent = column;
    if (!features)
        (void)printf("nothing");
    for (unsigned i = 0; (name = pinion_backend_feature_name(i)); i++) {
        if (!(features & 1U << i))
            continue;
        if (column > indent && column + 1 + (int)strlen(name) > WIDTH)
            column = printf("\n%*s", indent, "") - 1;
        column += printf(column > indent ? " %s" : "%s", name);
    }
    (void)fputc('\n', stdout);
}

static void write_features(struct json *json, const char *key, unsigned features)
{
    const char *name;
    json_array_open(json, key);
    for (unsigned i = 0; (name = pinion_backend_feature_name(i)); i++)
        if (features & 1U << i)
            json_text(json, NULL, name);
    json_array_close(json);
}

void backend_write(struct json *json, const struct pinion_loop_stats *stats)
{
    json_object_open(json, "backend");
    json_text(json, "name", names[stats->backend]);
    json_count(json, "ring_entries", stats->ring_entries);
    json_text(json, "ring_error", stats->ring_error ? strerrorname_np(-stats->ring_error) : NULL);
    write_features(json, "features_taken", stats->features_taken);
    write_features(json, "features_refused", stats->features_refused);
    json_object_close(json);
}
