#include "collector/sources/perf/perf-cpus.h"

#include <hwloc.h>
#include <stdlib.h>

#include "collector/sources/perf/perf-error.h"

/* The node that a CPU's pages come from first. CPU-less nodes (tiers) hold no CPU in their set. */
static int32_t node_of(hwloc_topology_t topology, unsigned cpu)
{
    hwloc_obj_t node = NULL;
    while ((node = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_NUMANODE, node)) != NULL)
        if (hwloc_bitmap_isset(node->cpuset, cpu))
            return (int32_t)node->os_index;
    return -1;
}

static char *fill(hwloc_topology_t topology, struct perf_cpus *cpus)
{
    hwloc_const_bitmap_t all = hwloc_topology_get_topology_cpuset(topology);
    int count = hwloc_bitmap_weight(all), last = hwloc_bitmap_last(all), cpu = -1;
    if (count <= 0 || last < 0)
        return perf_error("hwloc finds no CPU on this machine");
    cpus->cpu = calloc((size_t)count, sizeof *cpus->cpu);
    cpus->node = calloc((size_t)last + 1, sizeof *cpus->node);
    if (cpus->cpu == NULL || cpus->node == NULL)
        return perf_error("not enough memory for the list of CPUs");
    cpus->nodes = (size_t)last + 1;
    for (size_t i = 0; i < cpus->nodes; i++)
        cpus->node[i] = node_of(topology, (unsigned)i);
    while ((cpu = hwloc_bitmap_next(all, cpu)) >= 0)
        cpus->cpu[cpus->count++] = (uint32_t)cpu;
    return NULL;
}

char *perf_cpus_read(struct perf_cpus *cpus)
{
    hwloc_topology_t topology;
    char *error = NULL;
    *cpus = (struct perf_cpus){0};
    if (hwloc_topology_init(&topology) != 0)
        return perf_error("hwloc cannot start");
    if (hwloc_topology_set_all_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_NONE) != 0 ||
        hwloc_topology_set_flags(topology, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED) != 0 ||
        hwloc_topology_load(topology) != 0)
        error = perf_error("hwloc cannot read the CPUs of this machine");
    else
        error = fill(topology, cpus);
    hwloc_topology_destroy(topology);
    return error;
}

void perf_cpus_free(struct perf_cpus *cpus)
{
    free(cpus->cpu);
    free(cpus->node);
}
