/* SPDX-License-Identifier: MIT
 *
 * Control groups in made-up trees of /proc and /sys.
 */
#include "cgroup.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cpulist.h"
#include "machine.h"
#include "machines.h"
#include "sysfs.h"

#include <pinion/error.h>

static char root[64];

/* Writes a file under root, folders included. */
static void put(const char *path, const char *text)
{
    char full[512];
    (void)snprintf(full, sizeof full, "%s%s", root, path);
    for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        (void)mkdir(full, 0755);
        *slash = '/';
    }
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int make_root(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof root, "/tmp/pinion-cgroup-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *status, int flag, struct FTW *walk)
{
    (void)status, (void)flag, (void)walk;
    return remove(path);
}

static int remove_root(void **state)
{
    (void)state;
    return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void put_v2(const char *path)
{
    char line[256];
    (void)snprintf(line, sizeof line, "0::%s\n", path);
    put("/proc/self/cgroup", line);
    put("/proc/self/mountinfo",
        "22 28 0:21 / /sys rw - sysfs sysfs rw\n"
        "30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n");
}

/* Loads 16 CPUs under the tree. */
static struct pinion_topology *load_16(const struct pinion_topology_options *more)
{
    struct pinion_topology_options options = {0};
    struct pinion_topology *topology = NULL;
    if (more)
        options = *more;
    options.synthetic = "numa:2 core:4 pu:2";
    if (pn_topology_load_at(root, &options, &topology))
        fail_msg("%s", pinion_error_detail());
    return topology;
}

static void assert_limited(unsigned cpu_count, const char *limits)
{
    struct pinion_topology *topology = load_16(NULL);
    assert_string_equal(pinion_topology_limits(topology), limits);
    assert_int_equal(pinion_topology_cpu_count(topology), cpu_count);
    pinion_topology_destroy(topology);
}

static void without_cgroups_nothing_is_limited(void **state)
{
    (void)state;
    assert_limited(16, "");
}

static void a_quota_of_version_2_is_rounded_down(void **state)
{
    (void)state;
    put_v2("/a/b");
    put("/sys/fs/cgroup/a/b/cpu.max", "250000 100000\n");
    assert_limited(2, "cgroup /a/b cpu.max 250000/100000: 16 -> 2");
}

static void half_a_cpu_counts_as_one(void **state)
{
    (void)state;
    put_v2("/a");
    put("/sys/fs/cgroup/a/cpu.max", "50000 100000\n");
    assert_limited(1, "cgroup /a cpu.max 50000/100000: 16 -> 1");
}

static void max_is_no_quota(void **state)
{
    (void)state;
    put_v2("/a");
    put("/sys/fs/cgroup/a/cpu.max", "max 100000\n");
    assert_limited(16, "");
}

static void a_quota_above_the_cpus_cuts_nothing(void **state)
{
    (void)state;
    put_v2("/a");
    put("/sys/fs/cgroup/a/cpu.max", "1600000 100000\n");
    assert_limited(16, "");
}

static void every_ancestor_is_looked_at_and_named(void **state)
{
    (void)state;
    put_v2("/a/b/c");
    put("/sys/fs/cgroup/a/b/c/cpu.max", "800000 100000\n");
    put("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    put("/sys/fs/cgroup/a/cpu.max", "60000 20000\n");
    assert_limited(3, "cgroup /a/b/c cpu.max 800000/100000: 16 -> 8\n"
                      "cgroup /a cpu.max 60000/20000: 8 -> 3");
}

static void an_ancestor_s_larger_quota_is_not_named(void **state)
{
    (void)state;
    put_v2("/a/b");
    put("/sys/fs/cgroup/a/b/cpu.max", "200000 100000\n");
    put("/sys/fs/cgroup/a/cpu.max", "400000 100000\n");
    assert_limited(2, "cgroup /a/b cpu.max 200000/100000: 16 -> 2");
}

static void ignore_quota_leaves_all(void **state)
{
    (void)state;
    put_v2("/a");
    put("/sys/fs/cgroup/a/cpu.max", "50000 100000\n");
    struct pinion_topology *topology =
        load_16(&(struct pinion_topology_options){.ignore_quota = true});
    assert_int_equal(pinion_topology_cpu_count(topology), 16);
    assert_string_equal(pinion_topology_limits(topology), "");
    pinion_topology_destroy(topology);
}

static void malformed_quotas_limit_nothing(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "\n",
        "x",
        "max",
        "-1 100000",
        "100000 x",
        "100000 0",
        "0 100000",
        "100000 -5",
        "100000 100000 100000",
        "1e5 100000",
        "99999999999999999999999 100000",
        "100000,100000",
    };
    put_v2("/a");
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        put("/sys/fs/cgroup/a/cpu.max", texts[i]);
        assert_limited(16, "");
    }
}

static void a_quota_without_a_period_has_the_kernel_s(void **state)
{
    (void)state;
    put_v2("/a");
    put("/sys/fs/cgroup/a/cpu.max", "300000\n");
    assert_limited(3, "cgroup /a cpu.max 300000/100000: 16 -> 3");
}

static void a_cgroup_namespace_shows_its_own_root(void **state)
{
    (void)state;
    put_v2("/");
    put("/sys/fs/cgroup/cpu.max", "150000 100000\n");
    assert_limited(1, "cgroup / cpu.max 150000/100000: 16 -> 1");
}

static void a_container_without_namespace_has_its_cgroup_at_the_mount(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/docker/c0ffee\n");
    put("/proc/self/mountinfo",
        "30 22 0:26 /docker/c0ffee /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
    put("/sys/fs/cgroup/cpu.max", "400000 100000\n");
    assert_limited(4, "cgroup /docker/c0ffee cpu.max 400000/100000: 16 -> 4");
}

static void a_mount_that_does_not_show_the_path_is_still_looked_at(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/docker/c0ffee\n");
    put("/proc/self/mountinfo", "30 22 0:26 /docker/bad /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
    put("/sys/fs/cgroup/cpu.max", "400000 100000\n");
    assert_limited(4, "cgroup /docker/c0ffee cpu.max 400000/100000: 16 -> 4");
}

static void a_path_is_not_taken_for_another_that_it_begins_like(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/ab/c\n");
    put("/proc/self/mountinfo", "30 22 0:26 /a /wrong ro - cgroup2 cgroup rw\n"
                                "31 22 0:26 / /right ro - cgroup2 cgroup rw\n");
    put("/wrong/b/c/cpu.max", "100000 100000\n");
    put("/right/ab/c/cpu.max", "500000 100000\n");
    assert_limited(5, "cgroup /ab/c cpu.max 500000/100000: 16 -> 5");
}

static void a_cgroup_outside_the_namespace_is_not_followed(void **state)
{
    (void)state;
    put_v2("/../other");
    put("/sys/fs/cgroup/cpu.max", "100000 100000\n");
    put("/sys/fs/other/cpu.max", "100000 100000\n");
    assert_limited(16, "");
}

static void a_mount_point_may_have_spaces(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/a\n");
    put("/proc/self/mountinfo", "30 22 0:26 / /my\\040groups rw - cgroup2 cgroup2 rw\n");
    put("/my groups/a/cpu.max", "200000 100000\n");
    assert_limited(2, "cgroup /a cpu.max 200000/100000: 16 -> 2");
}

static void put_v1(void)
{
    put("/proc/self/cgroup", "4:cpuset:/s\n3:cpu,cpuacct:/x/y\n2:cpuacct2:/z\n1:name=systemd:/q\n");
    put("/proc/self/mountinfo",
        "31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
        "32 30 0:28 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n");
}

static void version_1_quotas_are_read(void **state)
{
    (void)state;
    put_v1();
    put("/sys/fs/cgroup/cpu,cpuacct/x/y/cpu.cfs_quota_us", "350000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/x/y/cpu.cfs_period_us", "100000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us", "100000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us", "50000\n");
    assert_limited(2, "cgroup /x/y cpu.cfs_quota_us 350000/100000: 16 -> 3\n"
                      "cgroup /x cpu.cfs_quota_us 100000/50000: 3 -> 2");
}

static void minus_one_is_no_quota_in_version_1(void **state)
{
    (void)state;
    put_v1();
    put("/sys/fs/cgroup/cpu,cpuacct/x/y/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu,cpuacct/x/y/cpu.cfs_period_us", "100000\n");
    assert_limited(16, "");
}

static void both_hierarchies_of_a_hybrid_count(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "3:cpu:/x\n0::/u\n");
    put("/proc/self/mountinfo", "31 30 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
                                "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    put("/sys/fs/cgroup/unified/u/cpu.max", "900000 100000\n");
    put("/sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "200000\n");
    put("/sys/fs/cgroup/cpu/x/cpu.cfs_period_us", "100000\n");
    assert_limited(2, "cgroup /u cpu.max 900000/100000: 16 -> 9\n"
                      "cgroup /x cpu.cfs_quota_us 200000/100000: 9 -> 2");
}

static void a_cpuset_cuts_and_is_named(void **state)
{
    (void)state;
    put_v2("/a/b");
    put("/sys/fs/cgroup/a/cpuset.cpus.effective", "0-3,8\n");
    assert_limited(5, "cgroup /a cpuset 0-3,8: 16 -> 5");
}

static void the_nearest_cpuset_holds_and_an_empty_one_does_not(void **state)
{
    (void)state;
    put_v2("/a/b");
    put("/sys/fs/cgroup/a/b/cpuset.cpus.effective", "\n");
    put("/sys/fs/cgroup/a/cpuset.cpus.effective", "4-5\n");
    put("/sys/fs/cgroup/cpuset.cpus.effective", "0-15\n");
    assert_limited(2, "cgroup /a cpuset 4-5: 16 -> 2");
}

static void version_1_cpusets_are_read_with_or_without_effective_ones(void **state)
{
    (void)state;
    put_v1();
    put("/sys/fs/cgroup/cpuset/s/cpuset.cpus", "0-7\n");
    assert_limited(8, "cgroup /s cpuset 0-7: 16 -> 8");
    put("/sys/fs/cgroup/cpuset/s/cpuset.effective_cpus", "0-1\n");
    assert_limited(2, "cgroup /s cpuset 0-1: 16 -> 2");
}

static void each_limit_has_its_line(void **state)
{
    (void)state;
    put_v2("/a");
    put("/sys/fs/cgroup/a/cpuset.cpus.effective", "0-7\n");
    put("/sys/fs/cgroup/a/cpu.max", "200000 100000\n");
    struct pinion_topology *topology = load_16(&(struct pinion_topology_options){.cpus = "0-3"});
    assert_string_equal(pinion_topology_limits(topology),
                        "cgroup /a cpuset 0-7: 16 -> 8\n"
                        "explicit list 0-3: 8 -> 4\n"
                        "cgroup /a cpu.max 200000/100000: 4 -> 2");
    const struct pinion_cpu *cpus;
    assert_int_equal(pinion_topology_cpus(topology, &cpus), 4);
    pinion_topology_destroy(topology);
}

static void assert_refused(const char *cpus, const char *detail)
{
    struct pinion_topology *topology = NULL;
    const struct pinion_topology_options options = {.synthetic = "core:4 pu:1", .cpus = cpus};
    assert_int_equal(pn_topology_load_at(root, &options, &topology), -EINVAL);
    assert_string_equal(pinion_error_detail(), detail);
    assert_null(topology);
}

static void a_list_beyond_the_cpuset_or_the_machine_is_refused_with_the_reason(void **state)
{
    (void)state;
    put_v2("/a");
    put("/sys/devices/system/cpu/present", "0-4\n");
    put("/sys/fs/cgroup/a/cpuset.cpus.effective", "0-2\n");
    assert_refused("0,3", "cpu 3 is outside this cgroup's cpuset (0-2); ask for one of those, or "
                          "widen cpuset.cpus");
    assert_refused("4", "cpu 4 is offline; ask for one that is online (0-3), or write 1 to "
                        "/sys/devices/system/cpu/cpu4/online");
    assert_refused("0-2,4-9", "cpu 4 is offline; ask for one that is online (0-3), or write 1 to "
                              "/sys/devices/system/cpu/cpu4/online");
    assert_refused("9", "there is no cpu 9 on this machine (0-4); ask for one of those");
}

static void a_cpuset_without_any_cpu_of_the_machine_is_an_error(void **state)
{
    (void)state;
    struct pinion_topology *topology = NULL;
    put_v2("/a");
    put("/sys/fs/cgroup/a/cpuset.cpus.effective", "100-101\n");
    assert_int_equal(pn_topology_load_at(
                         root, &(struct pinion_topology_options){.synthetic = "pu:2"}, &topology),
                     -EINVAL);
    assert_non_null(strstr(pinion_error_detail(), "no cpu is left"));
}

static void isolated_sets_are_kept_apart(void **state)
{
    (void)state;
    put("/sys/devices/system/cpu/isolated", "2-3\n");
    put("/sys/devices/system/cpu/nohz_full", "3\n");
    struct pinion_topology *topology = load_16(NULL);
    assert_int_equal(hwloc_bitmap_weight(topology->sets.isolated), 2);
    assert_true(hwloc_bitmap_isset(topology->sets.nohz_full, 3));
    assert_int_equal(hwloc_bitmap_weight(topology->sets.allowed), 16);
    pinion_topology_destroy(topology);
}

/* How some kernels fill nohz_full when there is none. */
static void a_set_that_does_not_parse_is_unknown(void **state)
{
    (void)state;
    put("/sys/devices/system/cpu/nohz_full", "  (null)\n");
    struct pinion_topology *topology = load_16(NULL);
    assert_null(topology->sets.nohz_full);
    pinion_topology_destroy(topology);
}

static void malformed_tables_limit_nothing(void **state)
{
    (void)state;
    static const char *const tables[] = {
        "",
        "\n",
        "0",
        "0:",
        "0::",
        "0::x",
        ":::",
        "0::/a",
        "\n0::/a\n",
        "3:cpu:\n",
        "a b c - d",
        "30 22 0:26 / /sys/fs/cgroup rw -",
        "30 22 0:26 / /sys/fs/cgroup rw - cgroup2",
        "30 22 0:26 / /sys/fs/cgroup",
        "30 22 0:26 /",
        "- - - - - - - - - -",
        "30  22 0:26 / / - x",
    };
    const size_t count = sizeof tables / sizeof tables[0];
    put("/sys/fs/cgroup/a/cpu.max", "100000 100000\n");
    for (size_t i = 0; i < count * count; i++) {
        put("/proc/self/cgroup", tables[i % count]);
        put("/proc/self/mountinfo", tables[i / count]);
        assert_limited(16, "");
    }
}

static void the_kernel_s_distances_of_a_cpu_without_memory_are_read(void **state)
{
    (void)state;
    struct pn_node_row row = {0};
    put("/sys/devices/system/node/online", "0,4-5\n");
    put("/sys/devices/system/node/node0/cpulist", "0-1\n");
    put("/sys/devices/system/node/node4/cpulist", "2-3\n");
    put("/sys/devices/system/node/node5/cpulist", "4-5\n");
    put("/sys/devices/system/node/node0/distance", "10 31 21\n");
    put("/sys/devices/system/node/node4/distance", "31 10 12\n");
    assert_int_equal(pn_node_row_read(root, 0, &row), 0);
    assert_int_equal(pn_node_row_distance(&row, 4), 31);
    assert_int_equal(pn_node_row_distance(&row, 5), 21);
    assert_int_equal(pn_node_row_distance(&row, 9), UINT_MAX);
    assert_int_equal(pn_node_row_read(root, 3, &row), 0);
    assert_int_equal(pn_node_row_distance(&row, 5), 12);
    assert_int_equal(pn_node_row_read(root, 4, &row), 0);
    assert_int_equal(pn_node_row_distance(&row, 5), UINT_MAX);
    assert_int_equal(pn_node_row_read(root, 77, &row), 0);
    assert_int_equal(row.count, 0);
    pn_node_row_fini(&row);
}

/* Of the file's machine, CPU 1 has no node; the kernel says which is nearer. */
static void a_cpu_without_memory_uses_the_node_that_the_kernel_calls_nearest(void **state)
{
    (void)state;
    char path[512];
    struct pinion_topology *topology = NULL;
    (void)snprintf(path, sizeof path, "%s/4fake-4gr1nu1pu.xml", MACHINES);
    put("/sys/devices/system/node/online", "0-2\n");
    put("/sys/devices/system/node/node0/cpulist", "0\n");
    put("/sys/devices/system/node/node1/cpulist", "1\n");
    put("/sys/devices/system/node/node1/distance", "30 10 20\n");
    assert_int_equal(
        pn_topology_load_at(root, &(struct pinion_topology_options){.xml_path = path}, &topology),
        0);
    assert_int_equal(topology->cpus[1].node, PINION_NO_NODE);
    assert_int_equal(topology->homes[1], 2);
    pinion_topology_destroy(topology);
}

#define IN_A_TREE(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_TREE(without_cgroups_nothing_is_limited),
        IN_A_TREE(a_quota_of_version_2_is_rounded_down),
        IN_A_TREE(half_a_cpu_counts_as_one),
        IN_A_TREE(max_is_no_quota),
        IN_A_TREE(a_quota_above_the_cpus_cuts_nothing),
        IN_A_TREE(every_ancestor_is_looked_at_and_named),
        IN_A_TREE(an_ancestor_s_larger_quota_is_not_named),
        IN_A_TREE(ignore_quota_leaves_all),
        IN_A_TREE(malformed_quotas_limit_nothing),
        IN_A_TREE(a_quota_without_a_period_has_the_kernel_s),
        IN_A_TREE(a_cgroup_namespace_shows_its_own_root),
        IN_A_TREE(a_container_without_namespace_has_its_cgroup_at_the_mount),
        IN_A_TREE(a_mount_that_does_not_show_the_path_is_still_looked_at),
        IN_A_TREE(a_path_is_not_taken_for_another_that_it_begins_like),
        IN_A_TREE(a_cgroup_outside_the_namespace_is_not_followed),
        IN_A_TREE(a_mount_point_may_have_spaces),
        IN_A_TREE(version_1_quotas_are_read),
        IN_A_TREE(minus_one_is_no_quota_in_version_1),
        IN_A_TREE(both_hierarchies_of_a_hybrid_count),
        IN_A_TREE(a_cpuset_cuts_and_is_named),
        IN_A_TREE(the_nearest_cpuset_holds_and_an_empty_one_does_not),
        IN_A_TREE(version_1_cpusets_are_read_with_or_without_effective_ones),
        IN_A_TREE(each_limit_has_its_line),
        IN_A_TREE(a_list_beyond_the_cpuset_or_the_machine_is_refused_with_the_reason),
        IN_A_TREE(a_cpuset_without_any_cpu_of_the_machine_is_an_error),
        IN_A_TREE(isolated_sets_are_kept_apart),
        IN_A_TREE(a_set_that_does_not_parse_is_unknown),
        IN_A_TREE(malformed_tables_limit_nothing),
        IN_A_TREE(the_kernel_s_distances_of_a_cpu_without_memory_are_read),
        IN_A_TREE(a_cpu_without_memory_uses_the_node_that_the_kernel_calls_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
