/* Machines from `numactl --hardware` text and from hwloc XML. */
#include "vmm-core/machine/description/child.h"
#include "vmm-core/machine/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <hwloc.h>

static struct machine *read_bytes(const char *text, size_t text_bytes)
{
    struct machine *machine = NULL;
    char *error = machine_parse("topology", text, text_bytes, &machine);
    if (error != NULL)
        fail_msg("%s", error);
    return machine;
}

static struct machine *read_text(const char *text)
{
    return read_bytes(text, strlen(text));
}

static void refuses(const char *text, const char *message)
{
    struct machine *machine = NULL;
    char *error = machine_parse("n.txt", text, strlen(text), &machine);
    if (error == NULL) {
        fail_msg("read: %s", text);
        return;
    }
    if (strstr(error, message) == NULL || strchr(error, '\n') != NULL)
        fail_msg("'%s' is not in: %s", message, error);
    assert_null(machine);
    free(error);
}

/* ---- numactl ---- */

#define TWO_NODES                                                                                  \
    "available: 2 nodes (0-1)\n"                                                                   \
    "node 0 cpus: 0 2\n"                                                                           \
    "node 0 size: 1024 MB\n"                                                                       \
    "node 0 free: 900 MB\n"                                                                        \
    "node 1 cpus: 1 3\n"                                                                           \
    "node 1 size: 2048 MB\n"                                                                       \
    "node 1 free: 1900 MB\n"

static void numactl_text_gives_nodes_cpus_memory_and_distances(void **unused)
{
    (void)unused;
    struct machine *machine =
        read_text(TWO_NODES "node distances:\nnode   0   1 \n  0:  10  21 \n  1:  21  10 \n");
    static const uint32_t node[] = {0, 1, 0, 1};
    assert_int_equal(machine->nodes, 2);
    assert_int_equal(machine->cpus, 4);
    assert_memory_equal(machine->cpu_node, node, sizeof node);
    assert_int_equal(machine->node[0].memory_bytes, UINT64_C(1) << 30);
    assert_int_equal(machine->node[1].memory_bytes, UINT64_C(2) << 30);
    assert_int_equal(machine_latency_ns(machine, 0, 0), 89);
    assert_int_equal(machine_latency_ns(machine, 0, 1), 187); /* 186.9 */
    assert_non_null(strstr(machine->source, "not measured"));
    machine_free(machine);
}

static void numactl_nodes_may_be_sparse_without_cpus_and_asymmetric(void **unused)
{
    (void)unused;
    struct machine *machine = read_text("available: 4 nodes (0,8,250-251)\n"
                                        "node 0 cpus: 0 1\n"
                                        "node 0 size: 130564 MB\n"
                                        "node 8 cpus: 8 9\n"
                                        "node 8 size: 0 MB\n"
                                        "node 8 free: 0 MB\n"
                                        "node 250 cpus:\n"
                                        "node 250 size: 16128 MB\n"
                                        "node 251 cpus:\n"
                                        "node 251 size: 16128 MB\n"
                                        "node distances:\n"
                                        "node   0   8  250  251 \n"
                                        "  0:  10  40  80  70 \n"
                                        "  8:  20  10  81  82 \n"
                                        " 250:  80  80  10  80 \n"
                                        " 251:  80  80  80  10 \n");
    assert_int_equal(machine->nodes, 4);
    assert_int_equal(machine->node[3].os_id, 251);
    assert_int_equal(machine->node[2].cpus, 0);
    assert_int_equal(machine->node[1].memory_bytes, 0);
    assert_int_equal(machine_latency_ns(machine, 0, 1), 356);
    assert_int_equal(machine_latency_ns(machine, 1, 0), 178);
    assert_int_equal(machine_latency_ns(machine, 0, 3), 623);
    machine_free(machine);
}

static void numactl_without_distances_assumes_those_of_linux(void **unused)
{
    (void)unused;
    struct machine *machine = read_text(TWO_NODES);
    assert_int_equal(machine_latency_ns(machine, 0, 1), 178);
    assert_non_null(strstr(machine->source, "twice"));
    machine_free(machine);
}

static void numactl_columns_may_come_in_another_order(void **unused)
{
    (void)unused;
    struct machine *machine =
        read_text(TWO_NODES "node distances:\nnode 1 0\n1: 10 20\n0: 30 10\n");
    assert_int_equal(machine_latency_ns(machine, 1, 0), 178);
    assert_int_equal(machine_latency_ns(machine, 0, 1), 267);
    machine_free(machine);
}

static void numactl_text_from_windows_is_read(void **unused)
{
    (void)unused;
    struct machine *machine =
        read_text("available: 1 nodes (0)\r\nnode 0 cpus: 0 1\r\nnode 0 size: 12 MB\r\n\r\nnode "
                  "distances:\r\nnode 0\r\n0: 10\r\n");
    assert_int_equal(machine->cpus, 2);
    machine_free(machine);
}

static void wrong_numactl_text_is_refused_by_its_line(void **unused)
{
    (void)unused;
    static const char *const refusals[][2] = {
        {"available: 1 nodes (0)\n", "no 'node N cpus:' line"},
        {"available: 1 nodes (0)\nnode 0 cpus: 0\n", "node 0: no 'size:' line"},
        {"available: 1 nodes (0)\nnode 0 cpus: 0 x\n", "line 2: not a list of CPU numbers"},
        {"available: 1 nodes (0)\nnode 0 size: 3 MB\n", "line 2: a node that has no 'cpus:' line"},
        {"node 0 cpus: 0\nnode 0 size: many MB\n",
         "line 2: neither 'cpus:', 'size: N MB' nor 'free:'"},
        {"node 0 cpus: 0\nnode 0 size: 3 GB\n", "line 2: neither"},
        {"node 0 cpus: 0\nnode 0 size: 99999999999999 MB\n", "line 2"},
        {"node 0 cpus: 0\nnode 0 size: 2000000000 MB\n", "line 2: more than 1 PiB"},
        {"node 0 cpus: 0\nnode 0 cpus: 1\n", "node 0: node 0 stands after node 0"},
        {"node 0 cpus: 0 1\nnode 0 size: 9 MB\nnode 1 cpus: 1\n",
         "line 3: CPU 1 is on two nodes, 0 and 1"},
        {"node 0 cpus:\nnode 0 size: 9 MB\n", "nodes: no node has a CPU"},
        {"node 0 cpus: 0\nnode 0 size: 0 MB\n", "nodes: no node has memory"},
        {TWO_NODES "hello\n", "line 8: not a line of numactl --hardware"},
        {TWO_NODES "node distances:\n0: 10 20\n", "line 9: a row of distances"},
        {TWO_NODES "node distances:\nnode 0\n", "line 9: not one column for each node"},
        {TWO_NODES "node distances:\nnode 0 2\n", "line 9: a column for a node that is not listed"},
        {TWO_NODES "node distances:\nnode 0 1 1\n", "line 9: a column"},
        {TWO_NODES "node distances:\nnode 0 0\n0: 10 20\n1: 20 10\n", "line 9: a column"},
        {TWO_NODES "node distances:\nnode 0 1\n0: 10 20\n", "node 1: no row in the distances"},
        {TWO_NODES "node distances:\nnode 0 1\n0: 10\n", "line 10: not one distance from 1 to 254"},
        {TWO_NODES "node distances:\nnode 0 1\n0: 10 0\n", "line 10: not one distance"},
        {TWO_NODES "node distances:\nnode 0 1\n0: 10 255\n", "line 10: not one distance"},
        {TWO_NODES "node distances:\nnode 0 1\n0: 10 20 30\n",
         "line 10: more distances than nodes"},
        {TWO_NODES "node distances:\nnode 0 1\nnode 0 1\n", "line 10: a second head"},
        {TWO_NODES "node distances:\nnode 0 1\n7: 10 20\n",
         "line 10: a row of distances for a node"},
    };
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        refuses(refusals[i][0], refusals[i][1]);
}

/* ---- hwloc ---- */

/* The machine of a topology that libhwloc makes up and writes; `matrix` [nodes * nodes] by logical
 * index, or NULL. */
static struct machine *from_synthetic(const char *description, const uint64_t *matrix,
                                      unsigned long kind, unsigned long xml_version)
{
    hwloc_topology_t topology;
    char *xml = NULL;
    int xml_bytes = 0;
    assert_int_equal(hwloc_topology_init(&topology), 0);
    assert_int_equal(hwloc_topology_set_synthetic(topology, description), 0);
    assert_int_equal(hwloc_topology_load(topology), 0);
    if (matrix != NULL) {
        hwloc_obj_t node[8];
        unsigned nodes = 0;
        for (hwloc_obj_t at = NULL;
             (at = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_NUMANODE, at)) != NULL;)
            node[nodes++] = at;
        hwloc_uint64_t values[64];
        for (unsigned i = 0; i < nodes * nodes; i++)
            values[i] = matrix[i];
        hwloc_distances_add_handle_t handle = hwloc_distances_add_create(topology, NULL, kind, 0);
        assert_non_null(handle);
        assert_int_equal(hwloc_distances_add_values(topology, handle, nodes, node, values, 0), 0);
        assert_int_equal(hwloc_distances_add_commit(topology, handle, 0), 0);
    }
    assert_int_equal(hwloc_topology_export_xmlbuffer(topology, &xml, &xml_bytes, xml_version), 0);
    struct machine *machine = read_bytes(xml, strlen(xml));
    hwloc_free_xmlbuffer(topology, xml);
    hwloc_topology_destroy(topology);
    return machine;
}

#define LATENCY_BY_USER   (HWLOC_DISTANCES_KIND_FROM_USER | HWLOC_DISTANCES_KIND_MEANS_LATENCY)
#define BANDWIDTH_BY_USER (HWLOC_DISTANCES_KIND_FROM_USER | HWLOC_DISTANCES_KIND_MEANS_BANDWIDTH)

static void both_xml_versions_give_the_same_machine(void **unused)
{
    (void)unused;
    static const unsigned long versions[] = {0, HWLOC_TOPOLOGY_EXPORT_XML_FLAG_V1};
    static const uint64_t slit[] = {10, 12, 32, 32, 12, 10, 32, 32, 32, 32, 10, 12, 32, 32, 12, 10};
    for (size_t i = 0; i < 2; i++) {
        struct machine *machine =
            from_synthetic("pack:2 [numa(memory=1GiB)] [numa(memory=1GiB)] pu:4", slit,
                           LATENCY_BY_USER, versions[i]);
        assert_int_equal(machine->nodes, 4);
        assert_int_equal(machine->cpus, 8);
        assert_int_equal(machine_latency_ns(machine, 0, 1), 107); /* 106.8 */
        assert_int_equal(machine_latency_ns(machine, 2, 0), 285); /* 284.8 */
        assert_int_equal(machine->node[3].memory_bytes, 1 << 30);
        machine_free(machine);
    }
}

static void of_two_nodes_over_the_same_cpus_the_second_has_none(void **unused)
{
    (void)unused;
    struct machine *machine =
        from_synthetic("pack:2 [numa(memory=1GiB)] [numa(memory=1GiB)] pu:4", NULL, 0, 0);
    static const uint32_t cpus[] = {4, 0, 4, 0};
    assert_int_equal(machine->nodes, 4);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(machine->node[i].cpus, cpus[i]);
    machine_free(machine);
}

static void a_node_over_the_whole_machine_has_no_cpus_of_its_own(void **unused)
{
    (void)unused;
    struct machine *machine =
        from_synthetic("[numa(memory=4GiB)] pack:2 [numa(memory=1GiB)] pu:2", NULL, 0, 0);
    uint32_t without = 0;
    assert_int_equal(machine->nodes, 3);
    for (uint32_t i = 0; i < 3; i++) {
        if (machine->node[i].cpus != 0)
            continue;
        without++;
        assert_int_equal(machine->node[i].memory_bytes, UINT64_C(4) << 30);
    }
    assert_int_equal(without, 1);
    machine_free(machine);
}

static void nodes_stand_by_their_os_numbers_with_their_distances(void **unused)
{
    (void)unused;
    static const uint64_t slit[] = {10, 20, 30, 21, 10,
                                    40, 31, 41, 10}; /* logical order: os 7, 0, 3 */
    struct machine *machine =
        from_synthetic("numa:3(indexes=7,0,3) pu:1(indexes=4,5,9)", slit, LATENCY_BY_USER, 0);
    static const uint32_t os_id[] = {0, 3, 7}, cpu[] = {4, 5, 9}, cpu_node[] = {2, 0, 1};
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(machine->node[i].os_id, os_id[i]);
    assert_memory_equal(machine->cpu_os_id, cpu, sizeof cpu);
    assert_memory_equal(machine->cpu_node, cpu_node, sizeof cpu_node);
    assert_int_equal(machine_latency_ns(machine, 0, 1), 356); /* os 0 to 3: 40 */
    assert_int_equal(machine_latency_ns(machine, 1, 0), 365); /* 364.9: os 3 to 0: 41 */
    assert_int_equal(machine_latency_ns(machine, 2, 0), 178); /* os 7 to 0: 20 */
    machine_free(machine);
}

static void a_matrix_in_another_scale_is_brought_to_its_diagonal(void **unused)
{
    (void)unused;
    static const uint64_t ns[] = {100, 250, 250, 100};
    struct machine *machine = from_synthetic("numa:2 pu:1", ns, LATENCY_BY_USER, 0);
    assert_int_equal(machine_latency_ns(machine, 0, 0), 89);
    assert_int_equal(machine_latency_ns(machine, 0, 1), 223); /* 222.5 */
    machine_free(machine);
}

static void equal_distances_are_taken_with_a_remark(void **unused)
{
    (void)unused;
    static const uint64_t ten[] = {10, 10, 10, 10};
    struct machine *machine = from_synthetic("numa:2 pu:1", ten, LATENCY_BY_USER, 0);
    assert_int_equal(machine_latency_ns(machine, 0, 1), 89);
    assert_non_null(strstr(machine->source, "All distances are equal"));
    machine_free(machine);
}

static void useless_matrices_are_passed_over(void **unused)
{
    (void)unused;
    static const uint64_t zero[] = {0, 0, 0, 0}, bandwidth[] = {90, 30, 30, 90};
    struct machine *first = from_synthetic("numa:2 pu:1", zero, LATENCY_BY_USER, 0),
                   *second = from_synthetic("numa:2 pu:1", bandwidth, BANDWIDTH_BY_USER, 0);
    assert_int_equal(machine_latency_ns(first, 0, 1), 178);
    assert_int_equal(machine_latency_ns(second, 0, 1), 178);
    machine_free(first);
    machine_free(second);
}

static void caches_are_those_of_the_topology(void **unused)
{
    (void)unused;
    struct machine *machine =
        from_synthetic("numa:1 l3:1(size=8MiB) l2:2(size=1MiB) l1:1(size=32KiB) pu:1", NULL, 0, 0);
    static const uint64_t bytes[] = {32 << 10, 1 << 20, 8 << 20};
    assert_int_equal(machine->caches, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(machine->cache[i].level, i + 1);
        assert_int_equal(machine->cache[i].size_bytes, bytes[i]);
    }
    machine_free(machine);
}

static void more_than_64_nodes_are_refused(void **unused)
{
    (void)unused;
    hwloc_topology_t topology;
    char *xml = NULL;
    int xml_bytes = 0;
    assert_int_equal(hwloc_topology_init(&topology), 0);
    assert_int_equal(hwloc_topology_set_synthetic(topology, "numa:65 pu:1"), 0);
    assert_int_equal(hwloc_topology_load(topology), 0);
    assert_int_equal(hwloc_topology_export_xmlbuffer(topology, &xml, &xml_bytes, 0), 0);
    refuses(xml, "more than 64 nodes");
    hwloc_free_xmlbuffer(topology, xml);
    hwloc_topology_destroy(topology);
}

static void what_hwloc_cannot_read_is_refused(void **unused)
{
    (void)unused;
    refuses("<", "libhwloc cannot read it");
    refuses("<html><body>no</body></html>", "libhwloc cannot read it");
    refuses("<?xml version=\"1.0\"?><topology version=\"2.0\"></topology>",
            "libhwloc cannot read it");
}

static char *crashing(struct draft *draft, const char *text, size_t text_bytes)
{
    (void)text_bytes;
    draft->cpu_mhz = 77;
    if (text[0] == 'c')
        abort();
    return text[0] == 'r' ? draft_error(draft, "XML", "refused") : NULL;
}

static void a_reader_that_crashes_is_one_line(void **unused)
{
    (void)unused;
    struct draft *draft = draft_new("x.xml", TLB_REFILL_HARDWARE);
    assert_non_null(draft);
    uint32_t before = draft->cpu_mhz;
    char *error = draft_read_in_child(crashing, draft, "c", 1);
    assert_string_equal(
        error,
        "x.xml: XML: libhwloc fails on it, so it is damaged; write it anew with: lstopo FILE.xml");
    free(error);
    error = draft_read_in_child(crashing, draft, "r", 1);
    assert_string_equal(error, "x.xml: XML: refused");
    free(error);
    assert_int_equal(draft->cpu_mhz, before);
    assert_null(draft_read_in_child(crashing, draft, "w", 1));
    assert_int_equal(draft->cpu_mhz, 77);
    free(draft);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numactl_text_gives_nodes_cpus_memory_and_distances),
        cmocka_unit_test(numactl_nodes_may_be_sparse_without_cpus_and_asymmetric),
        cmocka_unit_test(numactl_without_distances_assumes_those_of_linux),
        cmocka_unit_test(numactl_columns_may_come_in_another_order),
        cmocka_unit_test(numactl_text_from_windows_is_read),
        cmocka_unit_test(wrong_numactl_text_is_refused_by_its_line),
        cmocka_unit_test(both_xml_versions_give_the_same_machine),
        cmocka_unit_test(of_two_nodes_over_the_same_cpus_the_second_has_none),
        cmocka_unit_test(a_node_over_the_whole_machine_has_no_cpus_of_its_own),
        cmocka_unit_test(nodes_stand_by_their_os_numbers_with_their_distances),
        cmocka_unit_test(a_matrix_in_another_scale_is_brought_to_its_diagonal),
        cmocka_unit_test(equal_distances_are_taken_with_a_remark),
        cmocka_unit_test(useless_matrices_are_passed_over),
        cmocka_unit_test(caches_are_those_of_the_topology),
        cmocka_unit_test(more_than_64_nodes_are_refused),
        cmocka_unit_test(what_hwloc_cannot_read_is_refused),
        cmocka_unit_test(a_reader_that_crashes_is_one_line),
    };
    return cmocka_run_group_tests_name("machine topologies", tests, NULL, NULL);
}
