/* Replicas: made, collapsed, reclaimed (Disco, SOSP'97, section 4.2.2).
 *
 * A page with replicas is mapped read-only everywhere. To replicate, all mappings are downgraded
 * and those of the CPUs of the new copy's node point to it at once; other CPUs find the nearest
 * copy at their next refill from the pmap. To collapse, the master stays where it is, also when the
 * CPU that stores has a replica of its own: a write-shared page would otherwise wander from writer
 * to writer. Any loss of a copy takes all mappings of the page with it, so that "writable" always
 * means "no replica".
 */
#include "vmm-core/memory/internal.h"

/* false: memory is short, and the run ends. */
static bool add_replica(struct memory *memory, const struct cpu *cpu, uint32_t page, uint32_t node)
{
    if (!pmap_act(memory, page))
        return false;
    uint32_t frame = 0;
    if (action_failed(memory, frames_take(memory, node, page, &frame)) ||
        action_failed(memory, pmap_add_replica(memory, page, frame)))
        return false;
    contention_copy(memory, cpu->node, memory->page[page].home, node);
    frames_tell_copied(memory, page, memory->page[page].master, frame);
    return true;
}

enum policy_answer replicate_page(struct memory *memory, uint32_t page, uint32_t node,
                                  const char *reason)
{
    struct memory_action action = {.kind = MEMORY_ACTION_REPLICATE,
                                   .page = page,
                                   .to = node,
                                   .reason = reason};
    struct cpu *const cpu = action_begin(memory, &action);
    if (action.answer == POLICY_NONSENSE)
        return action_refuse(memory, cpu, action);
    if (pmap_copy_on(memory, page, node) != MEMORY_NONE)
        return POLICY_NOTHING;
    const uint32_t pages = huge_pages(memory, page);
    if (!frames_make_room_for(memory, cpu, node, pages)) {
        action.answer = POLICY_NO_FRAME;
        return action_refuse(memory, cpu, action);
    }
    if (pmap_copy_on(memory, page, node) != MEMORY_NONE) /* by the policy itself, meanwhile */
        return POLICY_NOTHING;
    struct page *const it = &memory->page[page];
    action.from = it->home;
    for (uint32_t at = page; at < page + pages; at++)
        if (!add_replica(memory, cpu, at, node))
            return POLICY_NO_FRAME;
    frames_tell_remapped(memory, page);
    const uint64_t shootdown_ps = shootdown_to_replica(memory, cpu, page, node);
    const uint64_t move_ps =
        (memory->machine->costs.move_page_ns + huge_copy_ns(memory, page)) * PS_PER_NS;
    cpu_charge(cpu, ACCOUNT_move, move_ps);
    cpu->counters.replications++;
    memory->epoch.replications++;
    memory->acted[it->acted].replications++;
    action.cost_ns = (move_ps + shootdown_ps) / PS_PER_NS;
    action_log(memory, cpu, action);
    return POLICY_DONE;
}

void collapse_now(struct memory *memory, struct cpu *cpu, uint32_t page, uint32_t keep,
                  uint64_t fault_ps, const char *reason)
{
    struct page *const it = &memory->page[page];
    const uint64_t shootdown_ps = shootdown(memory, cpu, page);
    frames_tell_remapped(memory, page);
    pmap_keep_only(memory, page, keep);
    pmap_moved(memory, page, memory->now + 1);
    const uint64_t move_ps = memory->machine->costs.move_page_ns * PS_PER_NS;
    cpu_charge(cpu, ACCOUNT_move, move_ps);
    cpu->counters.collapses++;
    memory->epoch.collapses++;
    memory->acted[it->acted].collapses++;
    action_log(memory, cpu,
               (struct memory_action){.kind = MEMORY_ACTION_COLLAPSE,
                                      .answer = POLICY_DONE,
                                      .page = page,
                                      .from = it->home,
                                      .to = MEMORY_NO_NODE,
                                      .cost_ns = (fault_ps + move_ps + shootdown_ps) / PS_PER_NS,
                                      .reason = reason});
}

enum policy_answer collapse_page(struct memory *memory, uint32_t page, const char *reason)
{
    if (!action_page_exists(memory, page)) {
        return action_refuse(memory, cpu_for_action(memory, MEMORY_NO_NODE),
                             (struct memory_action){.kind = MEMORY_ACTION_COLLAPSE,
                                                    .answer = POLICY_NONSENSE,
                                                    .page = page,
                                                    .from = MEMORY_NO_NODE,
                                                    .to = MEMORY_NO_NODE,
                                                    .reason = reason});
    }
    if (!pmap_has_replicas(memory, page))
        return POLICY_NOTHING;
    const struct page *const it = &memory->page[page];
    collapse_now(memory, cpu_for_action(memory, it->home), page, it->master, 0, reason);
    return POLICY_DONE;
}

void reclaim_replica(struct memory *memory, struct cpu *cpu, uint32_t copy)
{
    const struct frame frame = memory->frame[memory->copy[copy].frame];
    const uint32_t page = huge_head(memory, frame.page);
    const uint32_t node = frame.node;
    const uint64_t shootdown_ps = shootdown(memory, cpu, page);
    frames_tell_remapped(memory, page);
    pmap_drop_replicas(memory, page, node);
    pmap_moved(memory, page, memory->now + 1);
    const uint64_t move_ps = memory->machine->costs.move_page_ns * PS_PER_NS;
    cpu_charge(cpu, ACCOUNT_move, move_ps);
    action_log(memory, cpu,
               (struct memory_action){.kind = MEMORY_ACTION_RECLAIM,
                                      .answer = POLICY_DONE,
                                      .page = page,
                                      .from = node,
                                      .to = MEMORY_NO_NODE,
                                      .cost_ns = (move_ps + shootdown_ps) / PS_PER_NS,
                                      .reason = "the node's memory is full"});
}
