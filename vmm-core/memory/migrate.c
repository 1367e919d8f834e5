/* Migration: the master copy moves to another node (Disco, SOSP'97, section 4.2.2).
 *
 * The order is the paper's: a frame, the new map, every TLB entry for the old machine page gone,
 * the copy. Replicas are collapsed first, since the copies would be read-only otherwise; a replica
 * that is on the target already stays as the one copy, so nothing is copied. All of it is charged
 * to the CPU on whose behalf the policy acts: move_page_ns, copy_page_ns where something is copied,
 * and the shootdown.
 */
#include "vmm-core/memory/internal.h"

static void count_move(const struct memory *memory, struct acted *acted)
{
    acted->migrations++;
    if (acted->interval != memory->counts.interval)
        acted->moves = 0;
    acted->interval = memory->counts.interval;
    acted->moves = (uint16_t)(acted->moves + (acted->moves != UINT16_MAX));
}

/* false: memory is short. */
static bool move_frame(struct memory *memory, const struct cpu *cpu, uint32_t page, uint32_t node)
{
    uint32_t frame = 0;
    if (action_failed(memory, frames_take(memory, node, page, &frame)))
        return false;
    struct page *const it = &memory->page[page];
    const uint32_t before = it->master;
    contention_copy(memory, cpu->node, it->home, node);
    frames_tell_copied(memory, page, before, frame);
    it->master = frame;
    it->home = (uint8_t)node;
    frames_tell_remapped(memory, page);
    frames_give_back(memory, before);
    return true;
}

enum policy_answer migrate_page(struct memory *memory, uint32_t page, uint32_t node,
                                const char *reason)
{
    struct memory_action action = {.kind = MEMORY_ACTION_MIGRATE,
                                   .page = page,
                                   .to = node,
                                   .reason = reason};
    struct cpu *const cpu = action_begin(memory, &action);
    if (action.answer == POLICY_NONSENSE)
        return action_refuse(memory, cpu, action);
    if (memory->page[page].home == node)
        return POLICY_NOTHING;
    const uint32_t pages = huge_pages(memory, page);
    if (pmap_copy_on(memory, page, node) == MEMORY_NONE &&
        !frames_make_room_for(memory, cpu, node, pages)) {
        action.answer = POLICY_NO_FRAME;
        return action_refuse(memory, cpu, action);
    }
    struct page *const it = &memory->page[page];
    if (it->home == node) /* the policy moved it itself, to make room */
        return POLICY_NOTHING;
    action.from = it->home;

    if (!pmap_act(memory, page))
        return POLICY_NO_FRAME;
    if (pmap_has_replicas(memory, page)) {
        const uint32_t there = pmap_copy_on(memory, page, node);
        collapse_now(memory, cpu, page, there == MEMORY_NONE ? it->master : there, 0,
                     "before a migration");
    }
    const struct machine_costs *const costs = &memory->machine->costs;
    uint64_t move_ps = costs->move_page_ns * PS_PER_NS;
    uint64_t shootdown_ps = 0;
    if (it->home != node) {
        shootdown_ps = shootdown(memory, cpu, page);
        move_ps += huge_copy_ns(memory, page) * PS_PER_NS;
        pmap_moved(memory, page, memory->now + 1);
        for (uint32_t at = page; at < page + pages; at++)
            if (!move_frame(memory, cpu, at, node))
                return POLICY_NO_FRAME;
    }
    cpu_charge(cpu, ACCOUNT_move, move_ps);
    cpu->counters.migrations++;
    memory->epoch.migrations++;
    count_move(memory, &memory->acted[it->acted]);
    action.cost_ns = (move_ps + shootdown_ps) / PS_PER_NS;
    action_log(memory, cpu, action);
    return POLICY_DONE;
}
