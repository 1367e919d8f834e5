/* Which CPUs share a cache. */
#include "vmm-core/machine/description/draft.h"

uint32_t draft_cache_groups(const uint32_t *node_cpus, uint32_t nodes, uint32_t cpus,
                            uint32_t *group)
{
    uint32_t groups = 0, place = 0, room = 0; /* room: CPUs that the last group may still take */
    for (uint32_t node = 0; node < nodes; node++) {
        uint32_t most = cpus != 0 ? cpus : node_cpus[node];
        if (node_cpus[node] == 0)
            continue;
        if (room >= node_cpus[node]) { /* the whole node joins the group of the one before */
            room -= node_cpus[node];
            for (uint32_t i = 0; i < node_cpus[node]; i++)
                group[place++] = groups - 1;
            continue;
        }
        for (uint32_t i = 0; i < node_cpus[node]; i++)
            group[place++] = groups + i / most;
        groups += (node_cpus[node] + most - 1) / most;
        room = node_cpus[node] <= most ? most - node_cpus[node] : 0;
    }
    return groups;
}

void machine_cpu_order(const struct machine *machine, uint32_t *order)
{
    uint32_t place = 0;
    if (machine->cpu_order != NULL) {
        for (uint32_t cpu = 0; cpu < machine->cpus; cpu++)
            order[cpu] = machine->cpu_order[cpu];
        return;
    }
    for (uint32_t node = 0; node < machine->nodes; node++)
        for (uint32_t cpu = 0; cpu < machine->cpus; cpu++)
            if (machine->cpu_node[cpu] == node)
                order[place++] = cpu;
}

uint32_t machine_cache_groups(const struct machine *machine, uint32_t index, uint32_t *group)
{
    uint32_t order[MACHINE_CPUS_MAX] = {0}, by_place[MACHINE_CPUS_MAX] = {0},
             node_cpus[MACHINE_NODES_MAX] = {0};
    for (uint32_t cpu = 0; cpu < machine->cpus; cpu++)
        node_cpus[machine->cpu_node[cpu]]++;
    machine_cpu_order(machine, order);
    uint32_t groups =
        draft_cache_groups(node_cpus, machine->nodes, machine->cache[index].cpus, by_place);
    for (uint32_t place = 0; place < machine->cpus; place++)
        group[order[place]] = by_place[place];
    return groups;
}
