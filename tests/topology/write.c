/* SPDX-License-Identifier: MIT
 *
 * Topologies written as JSON and as text.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pinion/topology.h>

#include "json.h"
#include "machines.h"

typedef int write_fn(const struct pinion_topology *, FILE *);

static char *written(const struct pinion_topology *topology, write_fn *write)
{
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    assert_non_null(stream);
    assert_int_equal(write(topology, stream), 0);
    assert_int_equal(fclose(stream), 0);
    return text;
}

static void json_names_its_schema_and_ends_in_a_newline(void **state)
{
    (void)state;
    struct pinion_topology *topology = load_synthetic("numa:2 core:2 pu:2");
    char *text = written(topology, pinion_topology_write_json);
    static const char begin[] = "{\"schema\": \"pinion.topology/1\",";
    assert_memory_equal(text, begin, sizeof begin - 1);
    assert_string_equal(text + strlen(text) - 2, "}\n");
    free(text);
    pinion_topology_destroy(topology);
}

static void text_is_a_tree(void **state)
{
    (void)state;
    struct pinion_topology *topology = load_synthetic("pack:2 [numa(memory=1GB)] l2:2 core:2 pu:2");
    char *text = written(topology, pinion_topology_write_text);
    assert_string_equal(
        text,
        "synthetic pack:2 [numa(memory=1GB)] l2:2 core:2 pu:2: cpu_count 16, allowed cpus 16, "
        "nodes 2\n"
        "package 0: cpus 0-7\n"
        "  node 0: 953.7 MiB, cpus 0-7\n"
        "  L2 0 (4 MiB): cpus 0-3\n"
        "    cores 0-1: cpus 0-3\n"
        "  L2 1 (4 MiB): cpus 4-7\n"
        "    cores 2-3: cpus 4-7\n"
        "package 1: cpus 8-15\n"
        "  node 1: 953.7 MiB, cpus 8-15\n"
        "  L2 2 (4 MiB): cpus 8-11\n"
        "    cores 4-5: cpus 8-11\n"
        "  L2 3 (4 MiB): cpus 12-15\n"
        "    cores 6-7: cpus 12-15\n"
        "distances (the machine tells none)\n"
        "    node    0    1\n"
        "       0   10   20\n"
        "       1   20   10\n"
        "sets\n"
        "  present   cpus 0-15\n"
        "  online    cpus 0-15\n"
        "  cpuset    cpus 0-15\n"
        "  allowed   cpus 0-15\n"
        "limits: none\n");
    free(text);
    pinion_topology_destroy(topology);
}

static size_t lines_of(const char *text)
{
    size_t lines = 0;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

static void text_of_256_cpus_fits_on_a_page(void **state)
{
    (void)state;
    struct pinion_topology *topology = load_synthetic("pack:2 numa:4 l3:4 l2:4 core:1 pu:2");
    char *text = written(topology, pinion_topology_write_text);
    assert_in_range(lines_of(text), 10, 50);
    free(text);
    pinion_topology_destroy(topology);
}

static void every_cpu_and_node_of_every_machine_is_in_its_text(void **state)
{
    (void)state;
    for (unsigned i = 0; machine_files[i]; i++) {
        struct pinion_topology *topology = load_file(machine_files[i]);
        const struct pinion_node *nodes;
        const unsigned count = pinion_topology_nodes(topology, &nodes);
        char *text = written(topology, pinion_topology_write_text);
        for (unsigned j = 0; j < count; j++) {
            char line[32];
            (void)snprintf(line, sizeof line, "node %u: ", nodes[j].os_index);
            if (!strstr(text, line))
                fail_msg("%s: no \"%s\"", machine_files[i], line);
        }
        free(text);
        pinion_topology_destroy(topology);
    }
}

/* /dev/full refuses what is flushed to it. */
static void a_stream_that_refuses_is_reported(void **state)
{
    (void)state;
    struct pinion_topology *topology = load_synthetic("core:2 pu:1");
    write_fn *const writers[] = {pinion_topology_write_json, pinion_topology_write_text};
    for (unsigned i = 0; i < 2; i++) {
        FILE *stream = fopen("/dev/full", "w");
        if (!stream)
            skip();
        assert_int_equal(writers[i](topology, stream), -ENOSPC);
        (void)fclose(stream);
    }
    pinion_topology_destroy(topology);
}

static void a_stream_that_had_failed_before_is_reported(void **state)
{
    (void)state;
    FILE *stream = fopen("/dev/null", "r");
    assert_non_null(stream);
    struct pinion_topology *topology = load_synthetic("core:2 pu:1");
    assert_in_range(-pinion_topology_write_text(topology, stream), 1, 200);
    (void)fclose(stream);
    pinion_topology_destroy(topology);
}

static void strings_are_escaped_and_broken_utf_8_replaced(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    assert_non_null(stream);
    struct pn_json json = {.stream = stream};
    pn_json_string(&json, NULL,
                   "a\"b\\c\n\x01 \xc3\xa9 \xff \xc3 \xe2\x82\xac \xf0\x9f\x99\x82 "
                   "\xed\xa0\x80 \xc0\x80 \xf5");
    assert_int_equal(pn_stream_finish(stream), 0);
    assert_string_equal(text, "\"a\\\"b\\\\c\\u000a\\u0001 \xc3\xa9 \\ufffd \\ufffd \xe2\x82\xac "
                              "\xf0\x9f\x99\x82 \\ufffd\\ufffd\\ufffd \\ufffd\\ufffd \\ufffd\"");
    (void)fclose(stream);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_names_its_schema_and_ends_in_a_newline),
        cmocka_unit_test(text_is_a_tree),
        cmocka_unit_test(text_of_256_cpus_fits_on_a_page),
        cmocka_unit_test(every_cpu_and_node_of_every_machine_is_in_its_text),
        cmocka_unit_test(a_stream_that_refuses_is_reported),
        cmocka_unit_test(a_stream_that_had_failed_before_is_reported),
        cmocka_unit_test(strings_are_escaped_and_broken_utf_8_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
