/* The first touch of a page: the policy names a node, the nearest one with room gives the frame. */
#include "vmm-core/memory/internal.h"

#include <stdio.h>
#include <stdlib.h>

bool place_find_room(struct memory *memory, struct cpu *cpu, uint32_t wanted, uint32_t *node)
{
    for (uint32_t at = 0; at < memory->nodes_with_memory; at++) {
        *node = memory->node[wanted].by_distance[at];
        if (frames_make_room(memory, cpu, *node))
            return true;
    }
    return false;
}

char *place_first_touch(struct memory *memory, struct cpu *cpu, uint32_t page)
{
    cpu->counters.page_faults++;
    cpu_charge(cpu, ACCOUNT_monitor, memory->machine->costs.page_fault_ns * PS_PER_NS);
    const struct policy_event event = {.page = page,
                                       .node = cpu->node,
                                       .cpu = cpu->index,
                                       .time_ns = memory->epoch.start_ns,
                                       .vpn = memory->guest->page[page].vpn};
    uint32_t node = memory->policy->place(memory->state, &memory->host, &event);
    if (node >= memory->nodes) {
        action_refuse(memory, cpu,
                      (struct memory_action){.kind = MEMORY_ACTION_PLACE,
                                             .answer = POLICY_NONSENSE,
                                             .page = event.page,
                                             .from = MEMORY_NO_NODE,
                                             .to = node,
                                             .reason = "placed on a node that is not there"});
        node = cpu->node;
    }
    char *error = NULL;
    uint32_t frame = 0;
    if (!place_find_room(memory, cpu, node, &node)) {
        if (asprintf(&error, "memory of the machine is full after %u pages; use a larger machine",
                     memory->pages) < 0)
            error = NULL;
        return error ? error : memory_short();
    }
    error = frames_take(memory, node, page, &frame);
    return error ? error : pmap_add(memory, page, frame);
}
