/* Reads a topology through libhwloc: an XML file that lstopo wrote (version 1 or 2), or the running
 * host.
 *
 * hwloc gives a memory-only node (CXL, HBM) the CPUs of the part of the machine it hangs on, so a
 * CPU is taken to be on the smallest node that holds it, and on the first of equals: DRAM comes
 * before the rest. */
#include <hwloc.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm-core/machine/description/defaults.h"
#include "vmm-core/machine/description/draft.h"
#include "vmm-core/machine/description/fields.h"

#define MATRICES_MOST 32u

static int by_os_index(const void *left, const void *right)
{
    unsigned a = (*(const hwloc_obj_t *)left)->os_index,
             b = (*(const hwloc_obj_t *)right)->os_index;
    return (a > b) - (a < b);
}

/* `node` [nodes]: by operating system number, as the draft has them. */
static char *read_nodes(struct draft *draft, hwloc_topology_t topology,
                        hwloc_obj_t node[MACHINE_NODES_MAX])
{
    uint32_t nodes = 0;
    for (hwloc_obj_t at = NULL;
         (at = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_NUMANODE, at)) != NULL;) {
        if (nodes == MACHINE_NODES_MAX)
            return draft_error(draft, "NUMANode", "more than %u nodes; leave some out",
                               MACHINE_NODES_MAX);
        node[nodes++] = at;
    }
    qsort(node, nodes, sizeof(hwloc_obj_t), by_os_index);
    char *error = NULL;
    for (uint32_t i = 0; error == NULL && i < nodes; i++)
        error = draft_add_node(draft, node[i]->os_index, node[i]->attr->numanode.local_memory);
    return error;
}

static char *read_cpus(struct draft *draft, hwloc_topology_t topology,
                       hwloc_obj_t node[MACHINE_NODES_MAX])
{
    char *error = NULL, place[24];
    for (hwloc_obj_t cpu = NULL;
         error == NULL &&
         (cpu = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_PU, cpu)) != NULL;) {
        uint32_t home = MACHINE_NODES_MAX;
        int home_cpus = INT_MAX;
        for (uint32_t i = 0; i < draft->nodes; i++) {
            int cpus = hwloc_bitmap_weight(node[i]->cpuset);
            bool nearer = home == MACHINE_NODES_MAX || cpus < home_cpus ||
                          (cpus == home_cpus && node[i]->logical_index < node[home]->logical_index);
            if (nearer && hwloc_bitmap_isset(node[i]->cpuset, cpu->os_index)) {
                home = i;
                home_cpus = cpus;
            }
        }
        snprintf(place, sizeof place, "PU %u", cpu->os_index);
        if (home == MACHINE_NODES_MAX)
            return draft_error(draft, place, "on no NUMA node; correct the topology");
        error = draft_add_cpu(draft, home, cpu->os_index, place);
    }
    return error;
}

/* The latencies between nodes as distances to SLIT_LOCAL; false where `matrix` does not give all of
 * them. */
static bool read_matrix(const struct draft *draft, const struct hwloc_distances_s *matrix,
                        uint32_t distance[MACHINE_NODES_MAX * MACHINE_NODES_MAX])
{
    uint32_t nodes = draft->nodes, index[MACHINE_NODES_MAX], found = 0;
    if (matrix->nbobjs != nodes)
        return false;
    uint64_t local = UINT64_MAX;
    for (uint32_t i = 0; i < nodes; i++) {
        for (uint32_t n = 0; n < nodes && matrix->objs[i] != NULL; n++) {
            if (draft->node[n].os_id == matrix->objs[i]->os_index) {
                index[i] = n;
                found++;
            }
        }
        if (matrix->values[i * nodes + i] < local)
            local = matrix->values[i * nodes + i];
    }
    if (found != nodes || local == 0)
        return false;
    for (uint32_t i = 0; i < nodes * nodes; i++) {
        uint64_t value = matrix->values[i];
        if (value == 0 || value > UINT32_MAX / SLIT_LOCAL)
            return false;
        /* a SLIT has 10 on its diagonal; other scales are brought to it */
        distance[index[i / nodes] * nodes + index[i % nodes]] =
            (uint32_t)(local == SLIT_LOCAL ? value : (value * SLIT_LOCAL + local / 2) / local);
    }
    return true;
}

static bool all_equal(const uint32_t *distance, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++)
        if (distance[i] != distance[0])
            return false;
    return true;
}

/* Several matrices may be there, of other kinds of objects or by a user: the operating system's
 * own, "NUMALatency", is preferred (version 1 files give it no name). */
static char *read_distances(struct draft *draft, hwloc_topology_t topology)
{
    struct hwloc_distances_s *matrix[MATRICES_MOST];
    unsigned matrices = MATRICES_MOST;
    uint32_t distance[MACHINE_NODES_MAX * MACHINE_NODES_MAX],
        other[MACHINE_NODES_MAX * MACHINE_NODES_MAX];
    bool found = false, named = false;
    if (hwloc_distances_get_by_type(topology, HWLOC_OBJ_NUMANODE, &matrices, matrix,
                                    HWLOC_DISTANCES_KIND_MEANS_LATENCY, 0) != 0)
        matrices = 0;
    if (matrices > MATRICES_MOST)
        matrices = MATRICES_MOST;
    for (unsigned i = 0; i < matrices; i++) {
        const char *name = hwloc_distances_get_name(topology, matrix[i]);
        bool is_named = name != NULL && strcmp(name, "NUMALatency") == 0;
        if ((!found || (is_named && !named)) && read_matrix(draft, matrix[i], other)) {
            memcpy(distance, other, sizeof distance[0] * draft->nodes * draft->nodes);
            found = true;
            named = is_named;
        }
        hwloc_distances_release(topology, matrix[i]);
    }
    if (found && draft->nodes > 1 && all_equal(distance, draft->nodes * draft->nodes))
        draft_remark(draft, "All distances are equal, as broken firmware says: every node is as "
                            "near as the own one.");
    return draft_derive_latency(draft, found ? distance : NULL, DEFAULT_LOCAL_NS,
                                "default: Intel MLC on a 2-socket Ice Lake");
}

/* What the cache has of the first object of its kind, made such that it can be cut into sets; false:
 * it is none to model. */
static bool read_cache(struct machine_cache *cache, const struct hwloc_obj *object)
{
    static const char *const kinds[] = {[HWLOC_OBJ_CACHE_UNIFIED] = "unified",
                                        [HWLOC_OBJ_CACHE_DATA] = "data",
                                        [HWLOC_OBJ_CACHE_INSTRUCTION] = "instruction"};
    const struct hwloc_cache_attr_s *attr = &object->attr->cache;
    int cpus = object->cpuset != NULL ? hwloc_bitmap_weight(object->cpuset) : 0;
    if ((size_t)attr->type >= sizeof kinds / sizeof kinds[0] || attr->depth < 1 ||
        attr->depth > 5 || cpus < 1 || cpus > (int)MACHINE_CPUS_MAX)
        return false;
    uint32_t line = attr->linesize;
    if (line < CACHE_LINE_LEAST || line > CACHE_LINE_MOST || (line & (line - 1)) != 0)
        line = 64; /* not given, or damaged */
    uint64_t lines = attr->size / line;
    if (lines == 0 || attr->size > CACHE_BYTES_MOST)
        return false;
    /* -1: fully associative; 0: not known, taken as 8 */
    uint64_t ways = attr->associativity > 0   ? (uint64_t)attr->associativity
                    : attr->associativity < 0 ? lines
                                              : 8;
    if (ways > CACHE_WAYS_MOST || ways > lines)
        ways = lines < 8 ? lines : 8;
    *cache = (struct machine_cache){.level = attr->depth,
                                    .size_bytes = lines / ways * ways * line,
                                    .ways = (uint32_t)ways,
                                    .line_bytes = line,
                                    .cpus = (uint32_t)cpus,
                                    .latency_ns = machine_cache_latency_ns(attr->depth)};
    snprintf(cache->kind, sizeof cache->kind, "%s", kinds[attr->type]);
    return true;
}

/* One of each level and kind. */
static void read_caches(struct draft *draft, hwloc_topology_t topology)
{
    static const hwloc_obj_type_t types[] = {HWLOC_OBJ_L1CACHE, HWLOC_OBJ_L1ICACHE,
                                             HWLOC_OBJ_L2CACHE, HWLOC_OBJ_L3CACHE,
                                             HWLOC_OBJ_L4CACHE};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        const struct hwloc_obj *object = hwloc_get_obj_by_type(topology, types[i], 0);
        if (object != NULL && read_cache(&draft->cache[draft->caches], object))
            draft->caches++;
    }
    char *error = draft_check_caches(draft);
    if (error != NULL) { /* cores that are not alike: better none than wrong ones */
        draft_remark(draft, "Its caches are left out: those of its first core do not fit all.");
        draft->caches = 0;
    }
    free(error);
}

static char *read_topology(struct draft *draft, hwloc_topology_t topology, const char *source)
{
    hwloc_obj_t node[MACHINE_NODES_MAX] = {NULL};
    char *error = read_nodes(draft, topology, node);
    if (error == NULL)
        error = read_cpus(draft, topology, node);
    if (error != NULL)
        return error;
    draft_remark(draft, source);
    draft_remark(draft, "TLB and costs are defaults for a Linux server.");
    read_caches(draft, topology);
    return draft->nodes > 0 ? read_distances(draft, topology) : NULL;
}

char *draft_read_hwloc_xml(struct draft *draft, const char *text, size_t text_bytes)
{
    hwloc_topology_t topology;
    char *error = NULL;
    if (text_bytes >= INT_MAX)
        return draft_error(draft, "XML", "more than 2 GiB; give a topology");
    if (hwloc_topology_init(&topology) != 0)
        return draft_error(draft, "XML", "out of memory");
    /* all CPUs and nodes of the machine, not those that the recording process was allowed */
    hwloc_topology_set_flags(topology, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED);
    if (hwloc_topology_set_xmlbuffer(topology, text, (int)text_bytes + 1) != 0 ||
        hwloc_topology_load(topology) != 0)
        error =
            draft_error(draft, "XML",
                        "libhwloc cannot read it as a topology; write it with: lstopo FILE.xml");
    else
        error = read_topology(draft, topology, "Nodes, CPUs, memory and caches from hwloc XML.");
    hwloc_topology_destroy(topology);
    return error;
}

char *draft_read_host(struct draft *draft)
{
    hwloc_topology_t topology;
    char *error = NULL;
    if (hwloc_topology_init(&topology) != 0)
        return draft_error(draft, "topology", "out of memory");
    hwloc_topology_set_flags(topology, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED);
    if (hwloc_topology_load(topology) != 0)
        error = draft_error(draft, "topology", "libhwloc cannot read it; give a machine file");
    else
        error = read_topology(draft, topology,
                              "Nodes, CPUs, memory and caches of the running host, by libhwloc.");
    hwloc_topology_destroy(topology);
    return error;
}
