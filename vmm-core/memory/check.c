/* The consistency checker: what must hold between any two references (DESIGN section 9.3).
 *
 * It recomputes everything from the records and trusts no count. The first thing that disagrees is
 * named with its numbers; nothing is repaired.
 */
#include "vmm-core/memory/internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* How often each frame has been met. */
struct marks {
    uint8_t *frame;
};

static __attribute__((format(printf, 1, 2))) char *wrong(const char *format, ...)
{
    char *line = NULL;
    va_list list;
    va_start(list, format);
    const int length = vasprintf(&line, format, list);
    va_end(list);
    return length < 0 ? memory_short() : line;
}

/* ---- memmap and pmap ------------------------------------------------------------------------- */

static char *check_free_frames(const struct memory *memory, const struct marks *marks)
{
    for (uint32_t node = 0; node < memory->nodes; node++) {
        uint32_t frame = memory->node[node].free;
        for (; frame != MEMORY_NONE; frame = memory->frame[frame].page) {
            if (frame >= memory->frames)
                return wrong("node %u: frame %u on its free list does not exist", node, frame);
            if (marks->frame[frame]++)
                return wrong("frame %u: twice on free lists", frame);
            if (memory->frame[frame].use != FRAME_FREE)
                return wrong("frame %u: on a free list, but page %u owns it", frame,
                             memory->frame[frame].page);
            if (memory->frame[frame].node != node)
                return wrong("frame %u: of node %u, on the free list of node %u", frame,
                             memory->frame[frame].node, node);
        }
    }
    return NULL;
}

static char *check_copy(const struct memory *memory, const struct marks *marks, uint32_t page,
                        uint32_t frame, enum frame_use use)
{
    const char *const role = use == FRAME_REPLICA ? "replica" : "master";
    if (frame >= memory->frames)
        return wrong("page %u: its %s is frame %u, which does not exist", page, role, frame);
    const struct frame *const it = &memory->frame[frame];
    if (it->use == FRAME_FREE || it->page != page)
        return wrong("page %u: its %s is frame %u, whose owner is page %" PRId64, page, role, frame,
                     it->use == FRAME_FREE ? -1 : (int64_t)it->page);
    if (marks->frame[frame]++)
        return wrong("frame %u: in use twice, or free and in use by page %u", frame, page);
    if (it->use != use)
        return wrong("frame %u: memmap and pmap of page %u disagree whether it is a replica", frame,
                     page);
    return NULL;
}

static char *check_replicas(const struct memory *memory, const struct marks *marks, uint32_t page)
{
    uint64_t nodes = UINT64_C(1) << memory->page[page].home;
    for (uint32_t copy = pmap_copies(memory, page); copy != MEMORY_NONE;
         copy = memory->copy[copy].next) {
        if (copy >= memory->copies || memory->copy[copy].frame == MEMORY_NONE)
            return wrong("page %u: replica %u of its chain is not there", page, copy);
        const uint32_t frame = memory->copy[copy].frame;
        char *const error = check_copy(memory, marks, page, frame, FRAME_REPLICA);
        if (error)
            return error;
        const uint64_t bit = UINT64_C(1) << memory->frame[frame].node;
        if (nodes & bit)
            return wrong("page %u: two copies on node %u", page, memory->frame[frame].node);
        nodes |= bit;
    }
    return NULL;
}

static char *check_page(const struct memory *memory, const struct marks *marks, uint32_t page)
{
    const struct page *const it = &memory->page[page];
    const bool mapped = guest_backmap(memory->guest, page) != MEMORY_NONE;
    if (it->acted != MEMORY_NONE && it->acted >= memory->acteds)
        return wrong("page %u: what was done with it is not recorded at %u", page, it->acted);
    const bool has_frame = it->master != MEMORY_NONE; /* else not placed, or given back */
    if (!has_frame || it->first_home == PAGE_NOT_PLACED || !mapped)
        return !has_frame && !pmap_has_replicas(memory, page)
                   ? NULL
                   : wrong("page %u: nothing maps it, but it has frames", page);
    char *const error = check_copy(memory, marks, page, it->master, FRAME_MASTER);
    if (error)
        return error;
    if (memory->frame[it->master].node != it->home)
        return wrong("page %u: its home is node %u, its master is on node %u", page, it->home,
                     memory->frame[it->master].node);
    return check_replicas(memory, marks, page);
}

static char *check_replica_list(const struct memory *memory, uint32_t node)
{
    const struct node *const it = &memory->node[node];
    uint64_t length = 0;
    uint32_t older = MEMORY_NONE;
    for (uint32_t copy = it->oldest; copy != MEMORY_NONE; copy = memory->copy[copy].newer) {
        if (copy >= memory->copies || ++length > it->replicas)
            return wrong("node %u: its list of replicas is damaged at %u", node, copy);
        const struct copy *const listed = &memory->copy[copy];
        if (listed->frame == MEMORY_NONE || memory->frame[listed->frame].node != node ||
            listed->older != older)
            return wrong("node %u: replica %u on its list is not one of its own", node, copy);
        older = copy;
    }
    if (length != it->replicas || it->newest != older)
        return wrong("node %u: its list of replicas has %" PRIu64 " of %" PRIu64, node, length,
                     it->replicas);
    return NULL;
}

static char *check_frames(const struct memory *memory, const struct marks *marks)
{
    char *error = check_free_frames(memory, marks);
    for (uint32_t page = 0; page < memory->pages && !error; page++)
        error = check_page(memory, marks, page);
    if (!error)
        error = walk_check(memory, marks->frame);
    if (error)
        return error;

    uint64_t used[MACHINE_NODES_MAX] = {0};
    uint64_t replicas[MACHINE_NODES_MAX] = {0};
    uint64_t fresh[MACHINE_NODES_MAX] = {0};
    for (uint32_t frame = 0; frame < memory->frames; frame++) {
        const struct frame *const it = &memory->frame[frame];
        if (!marks->frame[frame])
            return wrong("frame %u: lost: neither free nor the copy of a page", frame);
        fresh[it->node]++;
        used[it->node] += it->use != FRAME_FREE;
        replicas[it->node] += it->use == FRAME_REPLICA;
    }
    for (uint32_t node = 0; node < memory->nodes && !error; node++) {
        const struct node *const it = &memory->node[node];
        if (used[node] != it->used || used[node] > it->frames || fresh[node] != it->fresh)
            return wrong("node %u: %" PRIu64 " frames in use, counted %" PRIu64 " of %" PRIu64,
                         node, used[node], it->used, it->frames);
        if (replicas[node] != it->replicas)
            return wrong("node %u: %" PRIu64 " replicas, counted %" PRIu64, node, replicas[node],
                         it->replicas);
        error = check_replica_list(memory, node);
    }
    return error;
}

/* ---- TLBs and fast tables ----------------------------------------------------------------------
 */

/* What a translation must agree with, wherever it is held. */
static char *check_translation(const struct memory *memory, const struct cpu *cpu,
                               const char *where, uint32_t space, uint64_t vpn,
                               struct tlb_half half)
{
    const uint32_t mapping = guest_find(memory->guest, space, vpn);
    if (mapping == MEMORY_NONE ||
        huge_head(memory, guest_mapped_page(memory->guest, mapping)) != half.page ||
        !guest_mapped_by(memory->guest, mapping, memory->now) || half.page >= memory->pages)
        return wrong("CPU %u: its %s maps space %u page %#" PRIx64 " to page %u, the space table "
                     "does not",
                     cpu->index, where, space, vpn, half.page);
    if (pmap_copy_on(memory, half.page, half.node) == MEMORY_NONE)
        return wrong(
            "CPU %u: its %s maps page %u to node %u, where it has no copy (a shootdown was "
            "forgotten)",
            cpu->index, where, half.page, half.node);
    if (half.writable == pmap_has_replicas(memory, half.page))
        return wrong("CPU %u: its %s maps page %u %s, though it has %s", cpu->index, where,
                     half.page, half.writable ? "writable" : "read-only",
                     half.writable ? "replicas" : "no replica");
    return NULL;
}

static char *check_tlb(const struct memory *memory, const struct cpu *cpu, const struct tlb *tlb,
                       const char *where, bool one_space)
{
    char *error = NULL;
    uint32_t used = 0;
    for (uint32_t set = 0; set <= tlb->set_mask; set++)
        used += tlb->used[set];
    for (uint32_t entry = 0; entry < tlb->entries; entry++)
        used -= tlb->tag[entry] != TLB_EMPTY;
    if (used)
        return wrong("CPU %u: its %s has lost count of the entries in use", cpu->index, where);
    for (uint32_t entry = 0; entry < tlb->entries && !error; entry++) {
        uint32_t valid = 0;
        for (uint32_t at = 0; at < tlb->halves && !error; at++) {
            const struct tlb_half half = tlb->half[(size_t)entry * tlb->halves + at];
            if (half.page == MEMORY_NONE)
                continue;
            valid++;
            const uint64_t key = (tlb->tag[entry] << tlb->halves_shift) + at;
            const uint64_t vpn = tlb_key_vpn(key, tlb_key_order(tlb, key));
            if (tlb->tag[entry] == TLB_EMPTY || tlb_find(tlb, tlb->space[entry], key) != entry)
                return wrong("CPU %u: entry %u of its %s cannot be found by its tag", cpu->index,
                             entry, where);
            if (one_space && tlb->space[entry] != cpu->space)
                return wrong("CPU %u: its %s holds space %u, but space %u runs", cpu->index, where,
                             tlb->space[entry], cpu->space);
            error = check_translation(memory, cpu, where, tlb->space[entry], vpn, half);
            if (!error)
                error = walk_check_mapped(memory, cpu, tlb->space[entry], vpn);
        }
        if (!error && !valid && tlb->tag[entry] != TLB_EMPTY)
            return wrong("CPU %u: entry %u of its %s is in use with no valid page", cpu->index,
                         entry, where);
    }
    return error;
}

static char *check_fast(const struct memory *memory, struct cpu *cpu)
{
    for (uint32_t index = 0; index < 1u << memory->fast_shift; index++) {
        const struct fast_entry *const it = &cpu->fast[index];
        if (it->vpn == TLB_EMPTY)
            continue;
        if (!it->listed || fast_index(memory, it->vpn) != index)
            return wrong("CPU %u: entry %u of its fast table is not listed or out of place",
                         cpu->index, index);
        char *const error =
            check_translation(memory, cpu, "fast table", cpu->space, it->vpn,
                              (struct tlb_half){.page = it->page,
                                                .node = it->node,
                                                .writable = it->slow_kind != MEMORY_STORE});
        if (error)
            return error;
        if (it->trigger != (it->node == cpu->node ? 0 : memory->trigger))
            return wrong("CPU %u: its fast table has trigger %u for page %u on node %u", cpu->index,
                         it->trigger, it->page, it->node);
        if (it->fresh_from != pmap_fresh_from(memory, it->page, it->node))
            return wrong("CPU %u: its fast table knows an older move of page %u", cpu->index,
                         it->page);
        if (!cpu->tlb.entries)
            continue;
        uint32_t entry = 0;
        const struct tlb *const tlb = tlb_levels_lookup(memory, cpu, 1, it->vpn, &entry);
        const struct tlb_half *const half = !tlb              ? NULL
                                            : tlb->halves > 1 ? tlb_half_of(tlb, entry, it->vpn)
                                                              : &tlb->half[entry];
        if (!half || tlb->first_stamp + entry != it->stamp || half->page != it->page ||
            half->node != it->node)
            return wrong("CPU %u: its fast table maps page %u otherwise than its TLB", cpu->index,
                         it->page);
    }
    return NULL;
}

static char *check_cpus(const struct memory *memory)
{
    char *error = NULL;
    for (uint32_t at = 0; at < memory->used_count && !error; at++) {
        struct cpu *const cpu = memory->used[at];
        for (uint32_t array = 0; array <= cpu->mores && !error; array++)
            error = check_tlb(memory, cpu, tlb_array(cpu, array), "TLB", !memory->keeps_spaces);
        if (!error)
            error = check_tlb(memory, cpu, &cpu->l2tlb, "second-level TLB", false);
        if (!error)
            error = check_fast(memory, cpu);
    }
    return error;
}

/* ---- sums ---------------------------------------------------------------------------------------
 */

/* References and stores that the fast table of a CPU has not handed on yet. */
static void add_pending(const struct cpu *cpu, uint64_t *all, uint64_t *stores)
{
    for (uint32_t at = 0; at < cpu->live_count; at++) {
        *all += (uint32_t)cpu->fast[cpu->live[at]].counts;
        *stores += cpu->fast[cpu->live[at]].counts >> 32;
    }
}

/* Hits of the first level are not counted: they are what is left of the references. */
static char *check_cpu_sums(const struct memory *memory, const struct cpu *cpu)
{
    const struct memory_cpu_counters *const it = &cpu->counters;
    uint64_t pending = 0;
    uint64_t pending_stores = 0;
    add_pending(cpu, &pending, &pending_stores);
    if (it->references != it->fetches + it->loads + it->stores)
        return wrong("CPU %u: references are not fetches, loads and stores", cpu->index);
    const uint64_t accesses = it->local_accesses + it->remote_accesses + pending + it->refetches;
    const bool wrong_sum =
        memory->has_caches ? it->references < accesses : it->references != accesses;
    if (wrong_sum && !memory->options.weighted) /* weights are not known here */
        return wrong("CPU %u: %" PRIu64 " references, but %" PRIu64 " accesses", cpu->index,
                     it->references, accesses);
    uint64_t clock_ps = 0;
    for (int account = 0; account < MEMORY_ACCOUNT_COUNT; account++)
        clock_ps += it->account_ps[account];
    return clock_ps == it->clock_ps
               ? NULL
               : wrong("CPU %u: its accounts do not add up to its clock", cpu->index);
}

/* What reaches memory, as the CPUs, the pages and the traffic have it. */
static char *check_sums(const struct memory *memory)
{
    uint64_t references = 0;
    uint64_t stores = 0;
    uint64_t accesses = 0;
    uint64_t pending = 0;
    uint64_t pending_stores = 0;
    uint64_t open = 0; /* settled, but the epoch has not ended */
    uint64_t open_stores = 0;
    for (uint32_t at = 0; at < memory->used_count; at++) {
        const struct cpu *const cpu = memory->used[at];
        char *const error = check_cpu_sums(memory, cpu);
        if (error)
            return error;
        references += cpu->counters.references;
        stores += cpu->counters.stores;
        accesses += cpu->counters.local_accesses + cpu->counters.remote_accesses;
        add_pending(cpu, &pending, &pending_stores);
        for (uint32_t node = 0; node < memory->nodes; node++) {
            open += cpu->loads[node] + cpu->stores[node];
            open_stores += cpu->stores[node];
        }
    }
    pending *= memory->weight;
    pending_stores *= memory->weight;
    accesses += pending;
    uint64_t paged = pending;
    uint64_t paged_stores = pending_stores;
    for (uint32_t page = 0; page < memory->pages; page++) {
        const struct page_totals totals = pmap_totals(memory, page);
        paged += totals.loads + totals.stores;
        paged_stores += totals.stores;
    }
    /* stores with a weight are more than were executed */
    const bool exact = !memory->has_caches && !memory->options.weighted;
    if (paged != accesses || (paged_stores > stores && !memory->options.weighted) ||
        (exact && paged_stores != stores))
        return wrong("%" PRIu64 " accesses (%" PRIu64 " stores), but pages have %" PRIu64
                     " (%" PRIu64 ")",
                     accesses, stores, paged, paged_stores);
    uint64_t traffic = open + pending;
    uint64_t traffic_stores = open_stores + pending_stores;
    for (size_t pair = 0; pair < (size_t)memory->nodes * memory->nodes; pair++) {
        traffic += memory->traffic_loads[pair] + memory->traffic_stores[pair];
        traffic_stores += memory->traffic_stores[pair];
    }
    if (traffic != accesses || traffic_stores != paged_stores || memory->now != references)
        return wrong("%" PRIu64 " accesses (%" PRIu64 " stores), but the traffic is %" PRIu64
                     " (%" PRIu64 ")",
                     accesses, paged_stores, traffic, traffic_stores);
    return NULL;
}

static char *check_all(const struct memory *memory, const struct marks *marks)
{
    char *error = check_frames(memory, marks);
    if (!error && memory->own)
        error = guest_check(memory->own);
    if (!error)
        error = check_cpus(memory);
    return error ? error : check_sums(memory);
}

char *memory_check(const struct memory *memory)
{
    const struct marks marks = {.frame = calloc((size_t)memory->frames + 1, 1)};
    char *const error = marks.frame ? check_all(memory, &marks) : memory_short();
    free(marks.frame);
    return error;
}
