/* SPDX-License-Identifier: MIT
 *
 * Which of the machine's CPUs may be used, how many of them are worth using, and what decided so.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <hwloc.h>

#include "binding.h"
#include "cpulist.h"
#include "detail.h"
#include "machine.h"
#include "sysfs.h"

/* A list in a message, which has 511 bytes for all. */
enum { SHORT_LIST = 120 };

static int no_memory(void)
{
    return pn_error(ENOMEM, "no memory for a set of cpus");
}

static hwloc_bitmap_t intersection(hwloc_const_bitmap_t a, hwloc_const_bitmap_t b)
{
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    if (set && hwloc_bitmap_and(set, a, b)) {
        hwloc_bitmap_free(set);
        return NULL;
    }
    return set;
}

/* Says that a limit left fewer CPUs, if it did. */
static void note_limit(struct pn_buffer *limits, const char *what, const char *value, int before,
                       int after)
{
    if (after < before)
        pn_buffer_add(limits, "%s%s %s: %d -> %d", limits->length ? "\n" : "", what, value, before,
                      after);
}

static void note_set(struct pn_buffer *limits, const char *what, hwloc_const_bitmap_t set,
                     int before, int after)
{
    struct pn_buffer list = {0};
    pn_cpulist_add(&list, set);
    note_limit(limits, what, list.failed ? "?" : pn_buffer_text(&list), before, after);
    limits->failed |= list.failed;
    pn_buffer_fini(&list);
}

/* Only PUs with an object count, whatever the sets of a file claim. */
static hwloc_bitmap_t cpus_of_tree(hwloc_topology_t tree)
{
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    hwloc_obj_t cpu = NULL;
    while (set && (cpu = hwloc_get_next_obj_by_type(tree, HWLOC_OBJ_PU, cpu))) {
        if (cpu->os_index <= PN_CPULIST_MAX && hwloc_bitmap_set(set, cpu->os_index)) {
            hwloc_bitmap_free(set);
            return NULL;
        }
    }
    return set;
}

/* hwloc counts CPUs as present that the kernel only knows as possible. */
static int read_present(struct pinion_topology *topology, const char *root, bool by_kernel)
{
    struct pn_sets *sets = &topology->sets;
    hwloc_const_bitmap_t complete = hwloc_topology_get_complete_cpuset(topology->tree);
    int error = 0;
    if (by_kernel)
        error = pn_sysfs_list_read(root, "devices/system/cpu/present", &sets->present);
    if (error)
        return error;
    if (!sets->present && hwloc_bitmap_weight(complete) >= 0)
        sets->present = hwloc_bitmap_dup(complete);
    else if (!sets->present)
        sets->present = hwloc_bitmap_alloc();
    if (!sets->present || hwloc_bitmap_or(sets->present, sets->present, sets->online))
        return -ENOMEM;
    return 0;
}

static int read_affinity(hwloc_bitmap_t *set)
{
    struct pn_cpu_mask *mask = NULL;
    int error = pn_cpu_mask_get(&mask);
    if (error)
        return error;
    *set = hwloc_bitmap_alloc();
    error = *set ? 0 : -ENOMEM;
    for (unsigned cpu = 0; cpu < pn_cpu_mask_end(mask) && !error; cpu++) {
        if (pn_cpu_mask_has(mask, cpu) && hwloc_bitmap_set(*set, cpu))
            error = -ENOMEM;
    }
    pn_cpu_mask_destroy(mask);
    return error;
}

/* What only the running kernel knows. A mask that cannot be read limits nothing. */
static int read_kernel_sets(struct pinion_topology *topology, const char *root)
{
    struct pn_sets *sets = &topology->sets;
    int error = pn_cgroup_read(root, &topology->cgroup);
    if (!error)
        error = pn_sysfs_list_read(root, "devices/system/cpu/isolated", &sets->isolated);
    if (!error)
        error = pn_sysfs_list_read(root, "devices/system/cpu/nohz_full", &sets->nohz_full);
    if (!error && !*root)
        error = read_affinity(&sets->affinity);
    return error == -ENOMEM ? error : 0;
}

static int read_sets(struct pinion_topology *topology, const char *root, bool by_kernel)
{
    struct pn_sets *sets = &topology->sets;
    if (!(sets->online = cpus_of_tree(topology->tree)))
        return -ENOMEM;
    int error = read_present(topology, root, by_kernel);
    if (!error && by_kernel)
        error = read_kernel_sets(topology, root);
    if (error)
        return error;
    sets->cpuset = intersection(sets->online, hwloc_topology_get_allowed_cpuset(topology->tree));
    if (!sets->cpuset)
        return -ENOMEM;
    /* hwloc misses the cpuset of a container that has no cgroup namespace. */
    if (topology->cgroup.cpuset &&
        hwloc_bitmap_and(sets->cpuset, sets->cpuset, topology->cgroup.cpuset))
        return -ENOMEM;
    return 0;
}

static int check_there(const struct pn_sets *sets, unsigned cpu)
{
    char list[SHORT_LIST];
    if (!hwloc_bitmap_isset(sets->present, cpu))
        return pn_error(EINVAL, "there is no cpu %u on this machine (%s); ask for one of those",
                        cpu, pn_cpulist_short(sets->present, list, sizeof list));
    if (!hwloc_bitmap_isset(sets->online, cpu))
        return pn_error(EINVAL,
                        "cpu %u is offline; ask for one that is online (%s), or write 1 to "
                        "/sys/devices/system/cpu/cpu%u/online",
                        cpu, pn_cpulist_short(sets->online, list, sizeof list), cpu);
    if (!hwloc_bitmap_isset(sets->cpuset, cpu))
        return pn_error(EINVAL,
                        "cpu %u is outside this cgroup's cpuset (%s); ask for one of those, "
                        "or widen cpuset.cpus",
                        cpu, pn_cpulist_short(sets->cpuset, list, sizeof list));
    return 0;
}

static int parse_list(const char *text, hwloc_bitmap_t set)
{
    const char *bad = text;
    const int error = pn_cpulist_parse(text, set, &bad);
    if (error == -ENOMEM)
        return no_memory();
    if (error)
        return pn_error(EINVAL,
                        "the cpu list \"%.120s\" does not parse at \"%.40s\"; write one such "
                        "as \"0-3,8\" or \"0-14:2\"",
                        text, bad);
    if (hwloc_bitmap_iszero(set))
        return pn_error(EINVAL, "the cpu list is empty; name at least one cpu, such as \"0-3\"");
    return 0;
}

/* The explicit list takes the place of the inherited mask: who isolates CPUs means them for
 * programs that name them. */
static int apply_list(struct pinion_topology *topology, const char *text)
{
    struct pn_sets *sets = &topology->sets;
    if (!(sets->allowed = hwloc_bitmap_alloc()))
        return no_memory();
    int error = parse_list(text, sets->allowed);
    for (int cpu = error ? -1 : hwloc_bitmap_first(sets->allowed); cpu >= 0 && !error;
         cpu = hwloc_bitmap_next(sets->allowed, cpu))
        error = check_there(sets, (unsigned)cpu);
    if (!error)
        note_set(&topology->limits, "explicit list", sets->allowed,
                 hwloc_bitmap_weight(sets->cpuset), hwloc_bitmap_weight(sets->allowed));
    return error;
}

static int apply_affinity(struct pinion_topology *topology)
{
    struct pn_sets *sets = &topology->sets;
    sets->allowed = sets->affinity ? intersection(sets->cpuset, sets->affinity)
                                   : hwloc_bitmap_dup(sets->cpuset);
    if (!sets->allowed)
        return no_memory();
    if (sets->affinity)
        note_set(&topology->limits, "affinity mask", sets->allowed,
                 hwloc_bitmap_weight(sets->cpuset), hwloc_bitmap_weight(sets->allowed));
    return 0;
}

static void note_cpuset(struct pinion_topology *topology)
{
    const struct pn_sets *sets = &topology->sets;
    struct pn_buffer what = {0};
    const char *path = topology->cgroup.cpuset_path;
    if (path)
        pn_buffer_add(&what, "cgroup %s cpuset", path);
    else
        pn_buffer_add(&what, "%s", topology->this_machine ? "cgroup cpuset" : "allowed cpus");
    topology->limits.failed |= what.failed;
    note_set(&topology->limits, pn_buffer_text(&what), sets->cpuset,
             hwloc_bitmap_weight(sets->online), hwloc_bitmap_weight(sets->cpuset));
    pn_buffer_fini(&what);
}

/* Each quota that leaves fewer whole CPUs than those before it. */
static void apply_quotas(struct pinion_topology *topology)
{
    for (unsigned i = 0; i < topology->cgroup.quota_count; i++) {
        const struct pn_quota *quota = &topology->cgroup.quotas[i];
        const uint64_t whole = quota->quota_us / quota->period_us;
        if (whole >= topology->cpu_count)
            continue;
        const unsigned after = whole ? (unsigned)whole : 1;
        struct pn_buffer what = {0};
        pn_buffer_add(&what, "cgroup %s %s %llu/%llu", quota->path, quota->file,
                      (unsigned long long)quota->quota_us, (unsigned long long)quota->period_us);
        if (after < topology->cpu_count)
            pn_buffer_add(&topology->limits, "%s%s: %u -> %u", topology->limits.length ? "\n" : "",
                          pn_buffer_text(&what), topology->cpu_count, after);
        topology->limits.failed |= what.failed;
        pn_buffer_fini(&what);
        topology->cpu_count = after;
    }
}

int pn_limits_read(struct pinion_topology *topology, const struct pinion_topology_options *options,
                   const char *root)
{
    const bool by_kernel = topology->this_machine || *root;
    if (read_sets(topology, root, by_kernel))
        return no_memory();
    note_cpuset(topology);
    int error = options->cpus ? apply_list(topology, options->cpus) : apply_affinity(topology);
    if (error)
        return error;
    const int left = hwloc_bitmap_weight(topology->sets.allowed);
    if (left < 1)
        return pn_error(EINVAL, "no cpu is left of %s once its limits are applied (%s)",
                        topology->source, pn_buffer_text(&topology->limits));
    topology->cpu_count = (unsigned)left;
    if (by_kernel && !options->ignore_quota)
        apply_quotas(topology);
    return topology->limits.failed ? no_memory() : 0;
}
