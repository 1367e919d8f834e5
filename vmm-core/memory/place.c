/* The first touch of a page: the policy names a node, the nearest one with room gives the frame. A
 * huge page does not go to another node than the policy's: where that has no room for it, pages of
 * 4 KiB take its place, each at its own first touch (Linux allocates a huge page on the preferred
 * node only, then falls back: __GFP_THISNODE in alloc_pages_vma()). */
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

/* The policy's node for a page, or 512 that are placed together. */
static uint32_t ask(struct memory *memory, struct cpu *cpu, uint32_t page, uint32_t pages)
{
    const struct policy_event event = {.page = pages > 1 ? page & ~(pages - 1) : page,
                                       .node = cpu->node,
                                       .cpu = cpu->index,
                                       .time_ns = memory->epoch.start_ns,
                                       .vpn = memory->guest->page[page].vpn,
                                       .pages = pages};
    const uint32_t node = memory->policy->place(memory->state, &memory->host, &event);
    if (node < memory->nodes)
        return node;
    action_refuse(memory, cpu,
                  (struct memory_action){.kind = MEMORY_ACTION_PLACE,
                                         .answer = POLICY_NONSENSE,
                                         .page = event.page,
                                         .from = MEMORY_NO_NODE,
                                         .to = node,
                                         .reason = "placed on a node that is not there"});
    return cpu->node;
}

static char *place_on(struct memory *memory, uint32_t page, uint32_t node)
{
    uint32_t frame = 0;
    char *const error = frames_take(memory, node, page, &frame);
    return error ? error : pmap_add(memory, page, frame);
}

/* A huge page for the block, where the policy's node has room for it; *placed says whether. */
static char *place_huge(struct memory *memory, struct cpu *cpu, uint32_t page, bool *placed)
{
    const uint32_t first = page & ~(GUEST_BLOCK_PAGES - 1);
    const uint32_t node = ask(memory, cpu, page, GUEST_BLOCK_PAGES);
    *placed = frames_make_room_for(memory, cpu, node, GUEST_BLOCK_PAGES);
    char *error = huge_decide(memory, page, *placed ? BLOCK_HUGE : BLOCK_SMALL);
    for (uint32_t at = first; *placed && at < first + GUEST_BLOCK_PAGES && !error; at++)
        error = place_on(memory, at, node);
    return error;
}

char *place_first_touch(struct memory *memory, struct cpu *cpu, uint32_t page)
{
    const struct machine_costs *const costs = &memory->machine->costs;
    bool placed = false;
    char *error = huge_wanted(memory, page) ? place_huge(memory, cpu, page, &placed) : NULL;
    if (error)
        return error;
    cpu->counters.page_faults++;
    cpu->counters.huge_faults += placed;
    cpu_charge(cpu, ACCOUNT_monitor,
               (placed ? costs->huge_fault_ns : costs->page_fault_ns) * PS_PER_NS);
    if (placed)
        return NULL;
    uint32_t node = ask(memory, cpu, page, 1);
    if (place_find_room(memory, cpu, node, &node))
        return place_on(memory, page, node);
    if (asprintf(&error, "memory of the machine is full after %u pages; use a larger machine",
                 memory->pages) < 0)
        return memory_short();
    return error;
}
