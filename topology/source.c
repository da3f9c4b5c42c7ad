/* SPDX-License-Identifier: MIT
 *
 * Where a topology comes from: this machine, an XML file or a synthetic description. hwloc's own
 * variables HWLOC_SYNTHETIC and HWLOC_XMLFILE count where options ask for this machine, but what it
 * drops in silence when they are malformed is an error here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <hwloc.h>

#include "buffer.h"
#include "detail.h"
#include "machine.h"
#include "xml.h"

enum { XML_BYTES_MAX = 256 << 20 };

/* Only what a plan or a picture of the machine needs: I/O devices are what takes hwloc longest. */
static int set_filters(hwloc_topology_t tree)
{
    static const hwloc_obj_type_t kept[] = {
        HWLOC_OBJ_PACKAGE, HWLOC_OBJ_DIE,     HWLOC_OBJ_CORE,    HWLOC_OBJ_L1CACHE,
        HWLOC_OBJ_L2CACHE, HWLOC_OBJ_L3CACHE, HWLOC_OBJ_L4CACHE, HWLOC_OBJ_L5CACHE,
    };
    if (hwloc_topology_set_all_types_filter(tree, HWLOC_TYPE_FILTER_KEEP_NONE))
        return -1;
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        if (hwloc_topology_set_type_filter(tree, kept[i], HWLOC_TYPE_FILTER_KEEP_ALL))
            return -1;
    }
    return hwloc_topology_set_type_filter(tree, HWLOC_OBJ_GROUP, HWLOC_TYPE_FILTER_KEEP_STRUCTURE);
}

static int keep_source(struct pinion_topology *topology, const char *kind, const char *text)
{
    struct pn_buffer source = {0};
    pn_buffer_add(&source, "%s%s", kind, text);
    if (source.failed) {
        pn_buffer_fini(&source);
        return pn_error(ENOMEM, "no memory for the name of the topology");
    }
    topology->source = source.bytes;
    return 0;
}

/* name says where the description came from, for the message. */
static int use_synthetic(struct pinion_topology *topology, const char *text, const char *name)
{
    if (hwloc_topology_set_synthetic(topology->tree, text) == 0)
        return keep_source(topology, "synthetic ", text);
    return pn_error(EINVAL,
                    "%s \"%.200s\" is no description that hwloc understands; write one such "
                    "as \"pack:2 core:4 pu:2\" (see lstopo(1))",
                    name, text);
}

static int not_a_topology(const char *name, const char *path)
{
    return pn_error(EINVAL,
                    "%s %.200s is no topology that this hwloc can read; make one with "
                    "\"lstopo FILE.xml\" of hwloc 2",
                    name, path);
}

/* The file is read here, not by hwloc, which takes "-" for standard input and tells no reason when
 * it cannot open one. */
static int use_xml(struct pinion_topology *topology, const char *path, const char *name)
{
    struct pn_buffer text;
    int error = pn_buffer_read_file(&text, path, XML_BYTES_MAX);
    if (error)
        return pn_error(-error, "%s %.200s cannot be read: %s", name, path,
                        strerrordesc_np(-error));
    /* The NUL counts in hwloc's size. */
    if (!pn_xml_is_sound(text.bytes) ||
        hwloc_topology_set_xmlbuffer(topology->tree, text.bytes, (int)text.length + 1))
        error = not_a_topology(name, path);
    else
        error = keep_source(topology, "xml ", path);
    pn_buffer_fini(&text);
    return error;
}

/* The variables, in the order in which hwloc itself would take them; those that name components or
 * other roots are for its debugging, and are left to it. */
static int use_environment(struct pinion_topology *topology)
{
    const char *text;
    if (getenv("HWLOC_COMPONENTS") || getenv("HWLOC_FSROOT") || getenv("HWLOC_CPUID_PATH"))
        return keep_source(topology, "this machine", "");
    if ((text = getenv("HWLOC_SYNTHETIC")))
        return use_synthetic(topology, text, "HWLOC_SYNTHETIC");
    if ((text = getenv("HWLOC_XMLFILE")))
        return use_xml(topology, text, "HWLOC_XMLFILE");
    return keep_source(topology, "this machine", "");
}

static int choose_source(struct pinion_topology *topology,
                         const struct pinion_topology_options *options)
{
    if (options->xml_path && options->synthetic)
        return pn_error(EINVAL, "xml_path and synthetic are both set; name one of them");
    if (options->xml_path)
        return use_xml(topology, options->xml_path, "xml_path");
    if (options->synthetic)
        return use_synthetic(topology, options->synthetic, "synthetic");
    return use_environment(topology);
}

/* Whether the objects of a type are what their sets say, each its own number and none twice: files
 * can claim otherwise, and hwloc lets them. */
static int check_numbers(hwloc_topology_t tree, hwloc_obj_type_t type)
{
    hwloc_bitmap_t seen = hwloc_bitmap_alloc();
    hwloc_obj_t object = NULL;
    int error = seen ? 0 : -ENOMEM;
    while (!error && (object = hwloc_get_next_obj_by_type(tree, type, object))) {
        hwloc_const_bitmap_t own = type == HWLOC_OBJ_PU ? object->cpuset : object->nodeset;
        if (hwloc_bitmap_weight(own) != 1 || !hwloc_bitmap_isset(own, object->os_index) ||
            hwloc_bitmap_isset(seen, object->os_index))
            error = -EINVAL;
        else if (hwloc_bitmap_set(seen, object->os_index))
            error = -ENOMEM;
    }
    hwloc_bitmap_free(seen);
    return error;
}

static int load_tree(struct pinion_topology *topology)
{
    if (hwloc_topology_load(topology->tree))
        return errno == ENOMEM ? -ENOMEM : -EINVAL;
    const int error = check_numbers(topology->tree, HWLOC_OBJ_PU);
    return error ? error : check_numbers(topology->tree, HWLOC_OBJ_NUMANODE);
}

int pn_source_open(struct pinion_topology *topology, const struct pinion_topology_options *options)
{
    /* Whatever the environment: hwloc must not move this thread from CPU to CPU to ask each. */
    const unsigned long flags =
        HWLOC_TOPOLOGY_FLAG_DONT_CHANGE_BINDING | HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED;
    if (hwloc_topology_init(&topology->tree)) {
        topology->tree = NULL;
        return pn_error(ENOMEM, "hwloc could not start: no memory");
    }
    if (hwloc_topology_set_flags(topology->tree, flags) || set_filters(topology->tree))
        return pn_error(EINVAL, "this hwloc does not know the flags of version 2.5");
    int error = choose_source(topology, options);
    if (error)
        return error;
    error = load_tree(topology);
    if (error == -EINVAL && options->xml_path)
        return not_a_topology("xml_path", options->xml_path);
    if (error)
        return pn_error(-error, "hwloc could not load the topology of %s", topology->source);
    topology->this_machine = hwloc_topology_is_thissystem(topology->tree) == 1;
    return 0;
}
