/* Huge pages: blocks of 512 pages, or 512 times as many, that are placed, moved, mapped and counted as
 * one.
 *
 * The guest says which pages are a block (huge-blocks.c); whether a huge page backs it is decided at
 * the block's first touch, by room on the node that the policy wants (place.c), and may be changed by
 * the policy later:
 *   split  the 512 pages of the next smaller size stay where they are, each with a translation of its own. One shootdown and
 *          move_page_ns; the page table that was spared is made.
 *   merge  all 512 pages are there, without replicas, on one node. One shootdown, move_page_ns and
 *          copy_huge_ns, since Linux's khugepaged copies into a fresh huge page
 *          (mm/khugepaged.c, collapse_huge_page()); the page table goes.
 * Nothing merges to 1 GiB: Linux makes such pages at once or not at all (mm/hugetlb.c). A guest that
 * unmaps a part of a huge page splits it down to that part, at no charge.
 *
 * Counters of the interval begin at 0 after a split, and are summed after a merge. Totals stay with
 * the page that had them.
 */
#include "vmm-core/memory/internal.h"

#include <string.h>

uint32_t huge_wanted(const struct memory *memory, uint32_t page)
{
    const uint32_t block = page >> GUEST_BLOCK_SHIFT;
    if (!guest_in_block(memory->guest, page))
        return 0;
    if (block >= memory->blocks || memory->block[block] == BLOCK_UNDECIDED)
        return guest_gigantic(memory->guest, page) == MEMORY_NONE ? 1 : 2;
    return memory->block[block] == BLOCK_PART ? 1 : 0;
}

char *huge_decide(struct memory *memory, uint32_t first, uint32_t order, enum block_state state)
{
    const uint32_t block = first >> GUEST_BLOCK_SHIFT;
    const uint32_t blocks = guest_block_pages(order) >> GUEST_BLOCK_SHIFT;
    const uint32_t before = memory->blocks;
    if (!memory_grow((void **)&memory->block, &memory->blocks, block + blocks,
                     sizeof *memory->block))
        return memory_short();
    memset(memory->block + before, BLOCK_UNDECIDED, memory->blocks - before);
    memset(memory->block + block, (int)state, blocks);
    return NULL;
}

uint64_t huge_copy_ns(const struct memory *memory, uint32_t page)
{
    const struct machine_costs *const costs = &memory->machine->costs;
    const uint64_t copy_ns[] = {costs->copy_page_ns, costs->copy_huge_ns, costs->copy_gigantic_ns};
    return copy_ns[huge_order(memory, page)];
}

/* ---- split ----------------------------------------------------------------------------------- */

/* Nothing translates it any more. Its pages of the order below are on their own. */
static void divide(struct memory *memory, uint32_t first, uint32_t order)
{
    const uint32_t step = guest_block_pages(order - 1);
    memset(memory->block + (first >> GUEST_BLOCK_SHIFT), order > 1 ? BLOCK_HUGE : BLOCK_SMALL,
           guest_block_pages(order) >> GUEST_BLOCK_SHIFT);
    const uint32_t acted = memory->page[first].acted;
    for (uint32_t page = first + step;
         acted != MEMORY_NONE && page < first + guest_block_pages(order); page += step)
        if (pmap_act(memory, page))
            pmap_moved(memory, page, memory->acted[acted].moved);
    if (memory->counts.record && counts_is(&memory->counts, memory->page[first].counted, first))
        counts_at(&memory->counts, memory->page[first].counted)->page = MEMORY_NONE;
}

/* What a split and a merge that were refused, or have been done, have in common. */
static struct memory_action action_of(const struct memory *memory, enum memory_action_kind kind,
                                      uint32_t page, const char *reason)
{
    return (struct memory_action){.kind = kind,
                                  .answer = POLICY_DONE,
                                  .page = page,
                                  .from = pmap_placed(memory, page) ? memory->page[page].home
                                                                    : MEMORY_NO_NODE,
                                  .to = MEMORY_NO_NODE,
                                  .reason = reason};
}

enum policy_answer huge_split(struct memory *memory, uint32_t page, const char *reason)
{
    struct memory_action action = action_of(memory, MEMORY_ACTION_SPLIT, page, reason);
    struct cpu *const cpu = cpu_for_action(memory, action.from);
    if (!action_page_exists(memory, page)) {
        action.answer = POLICY_NONSENSE;
        return action_refuse(memory, cpu, action);
    }
    if (!huge_is(memory, page))
        return POLICY_NOTHING;
    const struct guest_page *const at = &memory->guest->page[page];
    if (!tables_split(memory, cpu, at->space, at->vpn, huge_order(memory, page))) {
        action.answer = POLICY_NO_FRAME;
        return action_refuse(memory, cpu, action);
    }
    const uint64_t shootdown_ps = shootdown(memory, cpu, page);
    const uint64_t move_ps = memory->machine->costs.move_page_ns * PS_PER_NS;
    divide(memory, page, huge_order(memory, page));
    cpu_charge(cpu, ACCOUNT_move, move_ps);
    cpu->counters.splits++;
    action.cost_ns = (move_ps + shootdown_ps) / PS_PER_NS;
    action_log(memory, cpu, action);
    return POLICY_DONE;
}

/* Has the guest unmapped all of it? */
static bool all_gone(const struct memory *memory, uint32_t first)
{
    for (uint32_t page = first; page < first + huge_pages(memory, first); page++)
        if (!(memory->guest->page[page].extras & GUEST_EXTRA))
            return false;
    return true;
}

char *huge_forget(struct memory *memory, uint32_t page)
{
    while (huge_is(memory, page)) {
        const uint32_t order = huge_order(memory, page);
        const uint32_t first = huge_head(memory, page);
        const struct guest_page *const at = &memory->guest->page[first];
        shootdown_mappings(memory, first);
        if (all_gone(memory, first))
            tables_unmap(memory, at->space, at->vpn, order + 1);
        else if (!tables_split(memory, cpu_for_action(memory, memory->page[first].home), at->space,
                               at->vpn, order))
            return memory_refuse("the free memory for a page table", 0,
                                 "a huge page is unmapped in part; use a larger machine");
        divide(memory, first, order);
    }
    return NULL;
}

/* ---- merge ----------------------------------------------------------------------------------- */

/* Are all pages of the block there, mapped where they were first, alone, and on one node? */
static bool mergeable(const struct memory *memory, uint32_t first)
{
    for (uint32_t page = first; page < first + GUEST_BLOCK_PAGES; page++)
        if (!pmap_placed(memory, page) || pmap_has_replicas(memory, page) ||
            memory->page[page].home != memory->page[first].home ||
            memory->guest->page[page].extras & GUEST_EXTRA)
            return false;
    return true;
}

static uint16_t saturated(uint32_t one, uint32_t other)
{
    return (uint16_t)(one + other < UINT16_MAX ? one + other : UINT16_MAX);
}

/* Into the first record that one of the pages has: no record is added but by references. */
static void sum_counts(struct memory *memory, uint32_t first)
{
    struct counts *sum = NULL;
    for (uint32_t page = first; page < first + GUEST_BLOCK_PAGES; page++) {
        const uint32_t counted = memory->page[page].counted;
        if (!counts_is(&memory->counts, counted, page))
            continue;
        struct counts *const it = counts_at(&memory->counts, counted);
        if (!sum) {
            sum = it;
            sum->page = first;
            memory->page[first].counted = counted;
            continue;
        }
        sum->writes = saturated(sum->writes, it->writes);
        for (uint32_t node = 0; node < memory->nodes; node++)
            sum->by_node[node] = saturated(sum->by_node[node], it->by_node[node]);
        it->page = MEMORY_NONE;
    }
}

enum policy_answer huge_merge(struct memory *memory, uint32_t page, const char *reason)
{
    struct memory_action action = action_of(memory, MEMORY_ACTION_MERGE, page, reason);
    struct cpu *const cpu = cpu_for_action(memory, action.from);
    if (!action_page_exists(memory, page) || !guest_in_block(memory->guest, page)) {
        action.answer = POLICY_NONSENSE;
        return action_refuse(memory, cpu, action);
    }
    if (huge_is(memory, page))
        return POLICY_NOTHING;
    const uint32_t first = page & ~(GUEST_BLOCK_PAGES - 1);
    if (!mergeable(memory, first)) {
        action.answer = POLICY_APART;
        return action_refuse(memory, cpu, action);
    }
    const uint64_t shootdown_ps = shootdown_block(memory, cpu, first);
    const struct machine_costs *const costs = &memory->machine->costs;
    const uint64_t move_ps = (costs->move_page_ns + costs->copy_huge_ns) * PS_PER_NS;
    tables_merge(memory, memory->guest->page[first].space, memory->guest->page[first].vpn);
    if (memory->counts.record)
        sum_counts(memory, first);
    if (pmap_act(memory, first))
        pmap_moved(memory, first, memory->now + 1);
    for (uint32_t at = first; at < first + GUEST_BLOCK_PAGES; at++)
        contention_copy(memory, cpu->node, memory->page[at].home, memory->page[at].home);
    memory->block[first >> GUEST_BLOCK_SHIFT] = BLOCK_HUGE;
    cpu_charge(cpu, ACCOUNT_move, move_ps);
    cpu->counters.merges++;
    action.cost_ns = (move_ps + shootdown_ps) / PS_PER_NS;
    action.page = first;
    action_log(memory, cpu, action);
    return POLICY_DONE;
}
