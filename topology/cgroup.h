/* SPDX-License-Identifier: MIT
 *
 * What the control groups of this process leave it: CPU time and CPUs. Reads versions 1 and 2 and
 * hybrids of them, in cgroup namespaces or out, and every ancestor that is mounted.
 */
#ifndef PN_CGROUP_H
#define PN_CGROUP_H

#include <stdint.h>

#include <hwloc.h>

/* A limit on CPU time: quota_us of it in every period_us. */
struct pn_quota {
    char *path;       /* the cgroup, as /proc/self/cgroup names it or an ancestor of that */
    const char *file; /* "cpu.max" or "cpu.cfs_quota_us"; static */
    uint64_t quota_us, period_us;
};

/* All zero is one that limits nothing. */
struct pn_cgroup {
    struct pn_quota *quotas; /* from the process's own cgroup up */
    unsigned quota_count;
    hwloc_bitmap_t cpuset; /* NULL: no cpuset controller */
    char *cpuset_path;
};

/* Reads /proc/self/{cgroup,mountinfo} under root ("" but in tests) and the files that they lead to.
 * What is missing or does not parse limits nothing. 0 or -ENOMEM; fini it in either case. */
int pn_cgroup_read(const char *root, struct pn_cgroup *cgroup);

void pn_cgroup_fini(struct pn_cgroup *cgroup);

#endif
