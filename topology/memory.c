/* SPDX-License-Identifier: MIT
 *
 * Memory onto nodes. Binding goes through hwloc; whether it took, and where pages are, only the
 * kernel is asked.
 */
#include "binding.h"

#include <errno.h>
#include <limits.h>
#include <linux/mempolicy.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <hwloc.h>

#include "atomic.h"
#include "buffer.h"
#include "cpulist.h"
#include "process.h"
#include "sysfs.h"

enum { WORD_BITS = sizeof(unsigned long) * CHAR_BIT };

/* Kernels are built for at most 1024 nodes (NODES_SHIFT 10), and refuse masks that are narrower
 * than their own. */
enum { NODES_MAX = 1024, NODE_WORDS = NODES_MAX / WORD_BITS };

/* What binding needs of this machine: made on first use, kept for the life of the process. The lock
 * is held while it is made, and not taken once loaded is set, when nothing in it changes: the hooks
 * of an allocator, which come here with its locks, then take none. Not pthread_once: want of memory
 * passes. */
static struct {
    pthread_mutex_t lock;
    _Atomic bool loaded;
    int error;             /* 0, or why nothing can be bound, for good */
    hwloc_topology_t tree; /* knows the nodes and nothing else */
    hwloc_bitmap_t nodes;  /* those that have memory */
} machine = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool is_set(const unsigned long *mask, unsigned bit)
{
    return bit < NODES_MAX && (mask[bit / WORD_BITS] >> bit % WORD_BITS & 1);
}

/* The nodes with memory; node 0 alone where the kernel knows of none. */
static hwloc_bitmap_t read_nodes(void)
{
    hwloc_bitmap_t nodes;
    if (pn_sysfs_list_read("", "devices/system/node/has_memory", &nodes))
        return NULL;
    if (!nodes && pn_sysfs_list_read("", "devices/system/node/online", &nodes))
        return NULL;
    if (!nodes && (nodes = hwloc_bitmap_alloc()) && hwloc_bitmap_only(nodes, 0)) {
        hwloc_bitmap_free(nodes);
        nodes = NULL;
    }
    return nodes;
}

/* As many nodes as there are, with their own numbers, and one CPU: all that hwloc looks at when it
 * binds memory. Described rather than discovered, it costs no walk through /sys, and HWLOC_XMLFILE
 * and its like cannot put another machine in its place. */
static bool describe(struct pn_buffer *text, hwloc_const_bitmap_t nodes)
{
    const char *comma = "";
    pn_buffer_add(text, "node:%d(indexes=", hwloc_bitmap_weight(nodes));
    for (int node = hwloc_bitmap_first(nodes); node >= 0; node = hwloc_bitmap_next(nodes, node)) {
        pn_buffer_add(text, "%s%d", comma, node);
        comma = ",";
    }
    pn_buffer_add(text, ") pu:1");
    return !text->failed;
}

/* IS_THISSYSTEM makes hwloc call the kernel for it; HWLOC_THISSYSTEM=0 in the environment would
 * undo that, and hwloc then do nothing and report success. */
static int load_tree(hwloc_topology_t *tree, const char *description)
{
    const unsigned long flags = HWLOC_TOPOLOGY_FLAG_IS_THISSYSTEM |
                                HWLOC_TOPOLOGY_FLAG_DONT_CHANGE_BINDING |
                                HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED;
    hwloc_topology_t made;
    if (hwloc_topology_init(&made))
        return -ENOMEM;
    int error = 0;
    if (hwloc_topology_set_flags(made, flags) ||
        hwloc_topology_set_all_types_filter(made, HWLOC_TYPE_FILTER_KEEP_NONE) ||
        hwloc_topology_set_synthetic(made, description) || hwloc_topology_load(made))
        error = errno == ENOMEM ? -ENOMEM : -ENOSYS;
    else if (hwloc_topology_is_thissystem(made) != 1 ||
             !hwloc_topology_get_support(made)->membind->set_area_membind)
        error = -ENOSYS;
    if (error)
        hwloc_topology_destroy(made);
    else
        *tree = made;
    return error;
}

static int machine_load(void)
{
    struct pn_buffer text = {0};
    hwloc_bitmap_t nodes = read_nodes();
    hwloc_topology_t tree = NULL;
    pn_fork_delay(); /* hwloc has a lock of its own */
    int error = nodes && describe(&text, nodes) ? load_tree(&tree, text.bytes) : -ENOMEM;
    pn_fork_allow();
    pn_buffer_fini(&text);
    if (error == -ENOMEM) {
        hwloc_bitmap_free(nodes);
        return error;
    }
    machine.error = error;
    machine.tree = tree;
    machine.nodes = nodes;
    pn_store_release(&machine.loaded, true); /* pairs with machine_use */
    return 0;
}

/* 0 once machine can be used, or -ENOMEM. */
static int machine_use(void)
{
    if (pn_load_acquire(&machine.loaded)) /* pairs with machine_load */
        return 0;
    (void)pthread_mutex_lock(&machine.lock);
    /* Relaxed: written under the lock. */
    const int error = pn_load_relaxed(&machine.loaded) ? 0 : machine_load();
    (void)pthread_mutex_unlock(&machine.lock);
    return error;
}

static void before_fork(void) { (void)pthread_mutex_lock(&machine.lock); }

static void after_fork(bool is_child)
{
    (void)is_child;
    (void)pthread_mutex_unlock(&machine.lock);
}

__attribute__((constructor)) static void watch_forks(void)
{
    pn_fork_register(PN_FORK_MEMORY, before_fork, after_fork);
}

/* get_mempolicy(2). Where it is denied (containers' seccomp profiles do), every node with memory is
 * taken to be allowed: binding then says no by itself. */
int pn_memory_node_check(int node)
{
    unsigned long mask[NODE_WORDS] = {0};
    const int error = machine_use();
    if (error)
        return error;
    if (node < 0 || !hwloc_bitmap_isset(machine.nodes, (unsigned)node))
        return -ENODEV;
    if (syscall(SYS_get_mempolicy, NULL, mask, (unsigned long)NODES_MAX, NULL, MPOL_F_MEMS_ALLOWED))
        return 0;
    return is_set(mask, (unsigned)node) ? 0 : -ENODEV;
}

/* Has the kernel's policy for an area read back as MPOL_PREFERRED of the node. hwloc asks newer
 * kernels for MPOL_PREFERRED_MANY, which they forget for huge pages (seen with Linux 6.1: these
 * then come from the node of whoever touches them first), so that is put right. */
static int settle_policy(void *address, size_t length, int node)
{
    unsigned long mask[NODE_WORDS] = {0};
    int mode;
    for (int tries = 0; tries < 2; tries++) {
        if (syscall(SYS_get_mempolicy, &mode, mask, (unsigned long)NODES_MAX, address, MPOL_F_ADDR))
            return -errno;
        mode &= ~MPOL_MODE_FLAGS;
        if (!is_set(mask, (unsigned)node))
            return -EPERM;
        if (mode == MPOL_PREFERRED)
            return 0;
        /* One more bit than there are nodes: the kernel takes one off. */
        if (syscall(SYS_mbind, address, length, MPOL_PREFERRED, mask, (unsigned long)NODES_MAX + 1,
                    0))
            return -errno;
    }
    return -EPERM;
}

int pn_memory_bind(void *address, size_t length, int node)
{
    int error = pn_memory_node_check(node);
    if (error)
        return error;
    if (hwloc_bitmap_weight(machine.nodes) == 1)
        return -ENOTSUP;
    if (machine.error)
        return machine.error;
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    if (!set || hwloc_bitmap_only(set, (unsigned)node)) {
        hwloc_bitmap_free(set);
        return -ENOMEM;
    }
    /* Without STRICT this prefers the node: memory past the node's end comes from its neighbours,
     * where MPOL_BIND would call the OOM killer. */
    if (hwloc_set_area_membind(machine.tree, address, length, set, HWLOC_MEMBIND_BIND,
                               HWLOC_MEMBIND_BYNODESET))
        error = -errno;
    hwloc_bitmap_free(set);
    return error ? error : settle_policy(address, length, node);
}

/* Older kernels (6.1 does) answer -EFAULT for a page that is mapped but has never been touched, if
 * not even its page table is there. mincore(2) knows: it fails only where nothing is mapped. */
static int untouched_or(int error, const void *pointer)
{
    const uintptr_t size = (uintptr_t)sysconf(_SC_PAGESIZE);
    unsigned char resident;
    if (error != -EFAULT)
        return error;
    return mincore((void *)((uintptr_t)pointer & ~(size - 1)), 1, &resident) ? error : -ENOENT;
}

int pn_memory_nodes_of(const void *const *pages, size_t count, int *nodes)
{
    /* Without target nodes move_pages(2) moves nothing and tells where each page is. */
    if (syscall(SYS_move_pages, 0, (unsigned long)count, pages, NULL, nodes, 0))
        return -errno;
    for (size_t i = 0; i < count; i++)
        nodes[i] = untouched_or(nodes[i], pages[i]);
    return 0;
}

int pn_memory_node_of(const void *pointer)
{
    int node;
    const int error = pn_memory_nodes_of(&pointer, 1, &node);
    return error ? error : node;
}
