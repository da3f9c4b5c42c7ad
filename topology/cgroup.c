/* SPDX-License-Identifier: MIT
 *
 * The process's cgroups are in /proc/self/cgroup, "ID:CONTROLLERS:PATH" with "0::PATH" for version
 * 2; where each hierarchy is mounted is in /proc/self/mountinfo, whose root field says which part
 * of it a mount shows (proc(5), cgroups(7)).
 */
#include "cgroup.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "cpulist.h"

enum { FILE_LIMIT = 16 << 20 };

/* A cgroup of this process in one hierarchy: its directory is mount + rest. All borrowed from the
 * texts of struct tables or owned as said. */
struct place {
    char *mount;      /* owned; root included */
    const char *path; /* as /proc/self/cgroup has it */
    const char *rest; /* "" or the tail of path below the mount */
};

struct tables {
    struct pn_buffer cgroups, mounts;
};

/* Cuts the next field off *text at a separator; NULL when nothing is left. */
static char *next_field(char **text, char separator)
{
    char *field = *text;
    if (!field || !*field)
        return NULL;
    char *end = strchr(field, separator);
    *text = end ? end + 1 : NULL;
    if (end)
        *end = '\0';
    return field;
}

/* Whether a comma separated list has a word. */
static bool list_has(const char *list, const char *word)
{
    const size_t length = strlen(word);
    for (const char *at = list; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, word, length) == 0 && (at[length] == ',' || at[length] == '\0'))
            return true;
    }
    return false;
}

/* mountinfo writes space, tab, newline and backslash as \ooo. */
static void unescape(char *text)
{
    char *out = text;
    for (const char *at = text; *at; out++) {
        if (at[0] == '\\' && at[1] >= '0' && at[1] <= '3' && at[2] >= '0' && at[2] <= '7' &&
            at[3] >= '0' && at[3] <= '7') {
            *out = (char)((at[1] - '0') << 6 | (at[2] - '0') << 3 | (at[3] - '0'));
            at += 4;
        } else {
            *out = *at++;
        }
    }
    *out = '\0';
}

/* The process's path in the hierarchy of a version 1 controller, or with NULL in that of version 2;
 * NULL if there is none. Points into lines. */
static const char *path_of(char *lines, const char *controller)
{
    for (char *line; (line = next_field(&lines, '\n'));) {
        const char *id = next_field(&line, ':');
        const char *controllers = id && line ? line : NULL;
        char *path = controllers ? strchr(line, ':') : NULL;
        if (!path || path[1] != '/')
            continue;
        *path = '\0';
        if (controller ? list_has(controllers, controller) : strcmp(id, "0") == 0 && !*controllers)
            return path + 1;
    }
    return NULL;
}

struct mount {
    char *root, *point, *type, *options;
};

/* "id parent major:minor root point options [tags] - type source super-options" */
static bool parse_mount(char *line, struct mount *mount)
{
    char *field = NULL;
    for (unsigned i = 0; i < 3; i++)
        field = next_field(&line, ' ');
    mount->root = field ? next_field(&line, ' ') : NULL;
    mount->point = mount->root ? next_field(&line, ' ') : NULL;
    while (mount->point && (field = next_field(&line, ' ')) && strcmp(field, "-") != 0)
        ;
    mount->type = mount->point && field ? next_field(&line, ' ') : NULL;
    field = mount->type ? next_field(&line, ' ') : NULL;
    mount->options = field ? next_field(&line, ' ') : NULL;
    if (!mount->options)
        return false;
    unescape(mount->root);
    unescape(mount->point);
    return true;
}

/* The part of path below a mount's root; NULL if the mount does not show it. */
static const char *below(const char *path, const char *root)
{
    const size_t length = strcmp(root, "/") == 0 ? 0 : strlen(root);
    if (strncmp(path, root, length) != 0 || (path[length] != '/' && path[length] != '\0'))
        return NULL;
    return strcmp(path + length, "/") == 0 ? "" : path + length;
}

/* Whether a path leads up, out of the process's cgroup namespace: no mount shows that. */
static bool leads_up(const char *path)
{
    return strstr(path, "/..") != NULL;
}

static char *join(const char *a, const char *b)
{
    const size_t length = strlen(a);
    char *text = malloc(length + strlen(b) + 1);
    if (text) {
        memcpy(text, a, length);
        strcpy(text + length, b);
    }
    return text;
}

/* Takes a mount that shows the path, or for want of one the first of the hierarchy: in a container
 * without a cgroup namespace its top is the container's own cgroup. */
static int choose_mount(char *lines, const char *root, const char *controller, struct place *place)
{
    for (char *line; (line = next_field(&lines, '\n'));) {
        struct mount mount;
        if (!parse_mount(line, &mount) ||
            strcmp(mount.type, controller ? "cgroup" : "cgroup2") != 0)
            continue;
        if (controller && !list_has(mount.options, controller))
            continue;
        const char *rest = below(place->path, mount.root);
        if (!rest && place->mount)
            continue;
        free(place->mount);
        place->mount = join(root, mount.point);
        place->rest = rest ? rest : "";
        if (!place->mount)
            return -ENOMEM;
        if (rest)
            break;
    }
    return place->mount && !leads_up(place->rest) ? 0 : -ENOENT;
}

/* Reads the file in the cgroup whose directory is mount + the first length bytes of rest. */
static int read_file_at(const struct place *place, size_t length, const char *file,
                        struct pn_buffer *text)
{
    struct pn_buffer path = {0};
    pn_buffer_add(&path, "%s%.*s/%s", place->mount, (int)length, place->rest, file);
    const int error = path.failed ? -ENOMEM : pn_buffer_read_file(text, path.bytes, FILE_LIMIT);
    pn_buffer_fini(&path);
    return error;
}

/* The name of that cgroup, an ancestor of path. */
static char *name_at(const struct place *place, size_t length)
{
    const size_t cut = strlen(place->rest) - length, whole = strlen(place->path);
    char *name = join(place->path, "");
    if (name && cut < whole)
        name[whole - cut] = '\0';
    else if (name)
        strcpy(name, "/");
    return name;
}

/* Length of the parent's rest; rest begins with '/' unless it is empty. */
static size_t parent_of(const char *rest, size_t length)
{
    while (length > 0 && rest[--length] != '/')
        ;
    return length;
}

/* A decimal number at *text and the spaces after it. */
static bool take_number(const char **text, uint64_t *number)
{
    const char *at = *text;
    uint64_t value = 0;
    if (*at < '0' || *at > '9')
        return false;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (value > (UINT64_MAX - 9) / 10)
            return false;
        value = value * 10 + (uint64_t)(*at - '0');
    }
    while (*at == ' ' || *at == '\n')
        at++;
    *text = at;
    *number = value;
    return true;
}

/* "max 100000" or "150000 100000", the period being 100 ms if it is left out. */
static bool parse_cpu_max(const char *text, struct pn_quota *quota)
{
    quota->period_us = 100000;
    if (!take_number(&text, &quota->quota_us))
        return false;
    return !*text || (take_number(&text, &quota->period_us) && !*text);
}

/* 0 if the cgroup has a quota, -ENOENT if not. */
static int read_quota_v2(const struct place *place, size_t length, struct pn_quota *quota)
{
    struct pn_buffer text;
    int error = read_file_at(place, length, "cpu.max", &text);
    if (error)
        return error == -ENOMEM ? error : -ENOENT;
    quota->file = "cpu.max";
    error = parse_cpu_max(pn_buffer_text(&text), quota) ? 0 : -ENOENT;
    pn_buffer_fini(&text);
    return error;
}

static int read_number_at(const struct place *place, size_t length, const char *file,
                          uint64_t *number)
{
    struct pn_buffer text;
    int error = read_file_at(place, length, file, &text);
    if (error)
        return error == -ENOMEM ? error : -ENOENT;
    const char *at = pn_buffer_text(&text);
    error = take_number(&at, number) && !*at ? 0 : -ENOENT;
    pn_buffer_fini(&text);
    return error;
}

/* Version 1 writes "no quota" as -1, which take_number refuses. */
static int read_quota_v1(const struct place *place, size_t length, struct pn_quota *quota)
{
    quota->file = "cpu.cfs_quota_us";
    int error = read_number_at(place, length, quota->file, &quota->quota_us);
    return error ? error : read_number_at(place, length, "cpu.cfs_period_us", &quota->period_us);
}

static int keep_quota(struct pn_cgroup *cgroup, const struct place *place, size_t length,
                      struct pn_quota quota)
{
    if (quota.quota_us == 0 || quota.period_us == 0)
        return 0;
    struct pn_quota *grown =
        realloc(cgroup->quotas, (cgroup->quota_count + 1) * sizeof *cgroup->quotas);
    if (!grown)
        return -ENOMEM;
    cgroup->quotas = grown;
    quota.path = name_at(place, length);
    if (!quota.path)
        return -ENOMEM;
    grown[cgroup->quota_count++] = quota;
    return 0;
}

/* Every cgroup from the process's own up to the mount's top. */
static int read_quotas(struct pn_cgroup *cgroup, const struct place *place, const char *controller)
{
    for (size_t length = strlen(place->rest);; length = parent_of(place->rest, length)) {
        struct pn_quota quota = {0};
        int error = controller ? read_quota_v1(place, length, &quota)
                               : read_quota_v2(place, length, &quota);
        if (!error)
            error = keep_quota(cgroup, place, length, quota);
        if (error == -ENOMEM)
            return error;
        if (length == 0)
            return 0;
    }
}

/* Takes a cpuset from a file's list. -ENOENT if it is empty: the controller has not been set up
 * there, and the parent's holds. */
static int take_cpuset(struct pn_cgroup *cgroup, const struct place *place, size_t length,
                       const char *text)
{
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    if (!set)
        return -ENOMEM;
    int error = pn_cpulist_parse(text, set, NULL);
    if (!error && hwloc_bitmap_iszero(set))
        error = -ENOENT;
    if (!error && !(cgroup->cpuset_path = name_at(place, length)))
        error = -ENOMEM;
    if (error)
        hwloc_bitmap_free(set);
    else
        cgroup->cpuset = set;
    return error;
}

/* The nearest cgroup that has a cpuset: an ancestor's effective one holds for those below it. */
static int read_cpuset(struct pn_cgroup *cgroup, const struct place *place, const char *controller)
{
    const char *const files[] = {controller ? "cpuset.effective_cpus" : "cpuset.cpus.effective",
                                 controller ? "cpuset.cpus" : NULL};
    for (size_t length = strlen(place->rest);; length = parent_of(place->rest, length)) {
        for (unsigned i = 0; i < 2 && files[i]; i++) {
            struct pn_buffer text;
            int error = read_file_at(place, length, files[i], &text);
            if (!error) {
                error = take_cpuset(cgroup, place, length, pn_buffer_text(&text));
                pn_buffer_fini(&text);
            }
            if (!error || error == -ENOMEM)
                return error;
        }
        if (length == 0)
            return 0;
    }
}

typedef int read_place_fn(struct pn_cgroup *, const struct place *, const char *controller);

/* Finds the process's cgroup for a controller (NULL: version 2) and reads it. Parsing cuts the
 * texts into pieces, so each run has copies of them. */
static int read_hierarchy(struct pn_cgroup *cgroup, const struct tables *tables, const char *root,
                          const char *controller, read_place_fn *read_place)
{
    char *cgroups = join(pn_buffer_text(&tables->cgroups), "");
    char *mounts = join(pn_buffer_text(&tables->mounts), "");
    struct place place = {0};
    int error = cgroups && mounts ? 0 : -ENOMEM;
    if (!error)
        place.path = path_of(cgroups, controller);
    if (place.path)
        error = choose_mount(mounts, root, controller, &place);
    if (place.path && !error)
        error = read_place(cgroup, &place, controller);
    free(place.mount);
    free(mounts);
    free(cgroups);
    return error == -ENOMEM ? error : 0;
}

static int read_table(const char *root, const char *file, struct pn_buffer *text)
{
    char *path = join(root, file);
    if (!path)
        return -ENOMEM;
    const int error = pn_buffer_read_file(text, path, FILE_LIMIT);
    free(path);
    return error;
}

int pn_cgroup_read(const char *root, struct pn_cgroup *cgroup)
{
    *cgroup = (struct pn_cgroup){0};
    struct tables tables = {0};
    int error = read_table(root, "/proc/self/cgroup", &tables.cgroups);
    if (!error)
        error = read_table(root, "/proc/self/mountinfo", &tables.mounts);
    if (!error)
        error = read_hierarchy(cgroup, &tables, root, NULL, read_quotas);
    if (!error)
        error = read_hierarchy(cgroup, &tables, root, "cpu", read_quotas);
    if (!error)
        error = read_hierarchy(cgroup, &tables, root, "cpuset", read_cpuset);
    if (!error && !cgroup->cpuset)
        error = read_hierarchy(cgroup, &tables, root, NULL, read_cpuset);
    pn_buffer_fini(&tables.mounts);
    pn_buffer_fini(&tables.cgroups);
    return error == -ENOMEM ? error : 0;
}

void pn_cgroup_fini(struct pn_cgroup *cgroup)
{
    for (unsigned i = 0; i < cgroup->quota_count; i++)
        free(cgroup->quotas[i].path);
    free(cgroup->quotas);
    if (cgroup->cpuset)
        hwloc_bitmap_free(cgroup->cpuset);
    free(cgroup->cpuset_path);
    *cgroup = (struct pn_cgroup){0};
}
