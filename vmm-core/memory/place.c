/* The first touch of a page: the policy names a node, the nearest one with room gives the frame. A
 * huge page does not go to another node than the policy's: where that has no room for it, smaller
 * pages take its place, each at its own first touch (Linux allocates a huge page on the preferred
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

/* The policy's node for a page, or for all from `first` on that are placed together. */
static uint32_t ask(struct memory *memory, struct cpu *cpu, uint32_t page, uint32_t first,
                    uint32_t pages)
{
    const struct policy_event event = {.page = first,
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
    char *error = frames_take(memory, node, page, &frame);
    if (!error)
        error = pmap_add(memory, page, frame);
    const struct memory_frames *const frames = memory->options.frames;
    if (!error && frames)
        frames->placed(frames->context, page, frame, node);
    return error;
}

/* A huge page for the block, where the policy's node has room for it; *placed says whether. */
static char *place_huge(struct memory *memory, struct cpu *cpu, uint32_t page, uint32_t order,
                        bool *placed)
{
    static const enum block_state made[] = {BLOCK_SMALL, BLOCK_HUGE, BLOCK_GIGANTIC};
    static const enum block_state refused[] = {BLOCK_SMALL, BLOCK_SMALL, BLOCK_PART};
    const uint32_t first = huge_first(memory, page, order);
    const uint32_t pages = guest_block_pages(order);
    const uint32_t node = ask(memory, cpu, page, first, pages);
    *placed = frames_make_room_for(memory, cpu, node, pages);
    char *error = huge_decide(memory, first, order, *placed ? made[order] : refused[order]);
    for (uint32_t at = first; *placed && at < first + pages && !error; at++)
        error = place_on(memory, at, node);
    return error;
}

char *place_first_touch(struct memory *memory, struct cpu *cpu, uint32_t page)
{
    const struct machine_costs *const costs = &memory->machine->costs;
    const uint64_t fault_ns[] = {costs->page_fault_ns, costs->huge_fault_ns,
                                 costs->gigantic_fault_ns};
    bool placed = false;
    char *error = NULL;
    for (uint32_t order = huge_wanted(memory, page); order && !placed && !error; order--)
        error = place_huge(memory, cpu, page, order, &placed);
    if (error)
        return error;
    cpu->counters.page_faults++;
    cpu->counters.huge_faults += placed;
    cpu_charge(cpu, ACCOUNT_monitor, fault_ns[huge_order(memory, page)] * PS_PER_NS);
    if (placed)
        return NULL;
    uint32_t node = ask(memory, cpu, page, page, 1);
    if (place_find_room(memory, cpu, node, &node))
        return place_on(memory, page, node);
    if (asprintf(&error, "memory of the machine is full after %u pages; use a larger machine",
                 memory->pages) < 0)
        return memory_short();
    return error;
}
