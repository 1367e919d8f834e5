/* Translations that must go or change, wherever a CPU holds them.
 *
 * Hardware TLBs of other CPUs are reached by an interrupt; only CPUs that hold the translation are
 * interrupted, since the backmaps tell the addresses to look for. Second-level TLBs are the
 * monitor's own memory and are changed from afar. A shootdown is counted and paid for when at least
 * one other CPU is interrupted: shootdown_ns by the one that starts it, and shootdown_per_cpu_ns
 * for each interrupted one on both sides. The starter's own entries cost nothing extra.
 */
#include "vmm-core/memory/internal.h"

/* What becomes of a half. Invalid, or read-only and, on the CPUs of `node`, served from there. */
struct change {
    bool to_replica;
    uint32_t node;
};

static bool concerns(const struct cpu *cpu, const struct tlb_half *half, struct change change)
{
    return !change.to_replica || half->writable || cpu->node == change.node;
}

static void change_half(const struct cpu *cpu, struct tlb *tlb, uint32_t entry, uint64_t vpn,
                        struct change change)
{
    if (!change.to_replica) {
        tlb_invalidate(tlb, entry, vpn);
        return;
    }
    struct tlb_half *const half = tlb_half_of(tlb, entry, vpn);
    half->writable = false;
    if (cpu->node == change.node)
        half->node = (uint8_t)change.node;
}

/* An entry of the hardware TLB, by its key. true: it was there. */
static bool change_entry(const struct cpu *cpu, struct tlb *tlb, uint32_t space, uint64_t key,
                         struct change change)
{
    uint32_t entry = 0;
    const struct tlb_half *const half = tlb_lookup(tlb, space, key, &entry);
    if (!half)
        return false;
    if (!concerns(cpu, half, change))
        return false;
    change_half(cpu, tlb, entry, key, change);
    return true;
}

/* true: the CPU's hardware TLB held it. */
static bool change_on(struct memory *memory, struct cpu *cpu, uint32_t space, uint64_t vpn,
                      struct change change)
{
    uint32_t entry = 0;
    const struct tlb_half *half = tlb_lookup(&cpu->l2tlb, space, vpn, &entry);
    if (half && concerns(cpu, half, change))
        change_half(cpu, &cpu->l2tlb, entry, vpn, change);

    if (cpu->space == space)
        fast_drop(memory, cpu, vpn);
    else if (!memory->keeps_spaces)
        return false; /* the TLB only holds the space that runs */
    bool held = false;
    for (uint32_t at = 0; at <= cpu->mores; at++) {
        struct tlb *const tlb = tlb_array(cpu, at);
        if (tlb->sizes & 1)
            held = change_entry(cpu, tlb, space, tlb_key(vpn, 0), change) || held;
    }
    return held;
}

/* Whatever maps pages [first, + pages) of a space in an array: whole, or in parts of any size. */
static bool change_range(const struct cpu *cpu, struct tlb *tlb, uint32_t space, uint64_t first,
                         uint64_t pages, struct change change)
{
    bool held = false;
    for (uint32_t entry = 0; entry < tlb->entries; entry++) {
        const uint64_t tag = tlb->tag[entry];
        if (tag == TLB_EMPTY || tlb->space[entry] != space)
            continue;
        for (uint32_t at = 0; at < tlb->halves; at++) {
            const struct tlb_half *const half = &tlb->half[(size_t)entry * tlb->halves + at];
            const uint64_t key = (tag << tlb->halves_shift) + at;
            const uint64_t vpn = tlb_key_vpn(key, tlb_key_order(tlb, key));
            if (half->page == MEMORY_NONE || vpn - first >= pages || !concerns(cpu, half, change))
                continue;
            change_half(cpu, tlb, entry, key, change);
            held = true;
        }
    }
    return held;
}

/* A huge page where it was first mapped. Arrays and the fast table are smaller than it is. */
static bool change_huge_on(struct memory *memory, struct cpu *cpu, uint32_t page,
                           struct change change)
{
    const uint32_t space = memory->guest->page[page].space;
    const uint64_t first = memory->guest->page[page].vpn;
    const uint64_t pages = huge_pages(memory, page);
    change_range(cpu, &cpu->l2tlb, space, first, pages, change);
    if (cpu->space == space)
        fast_drop_range(memory, cpu, first, pages);
    else if (!memory->keeps_spaces)
        return false; /* the TLB only holds the space that runs */
    bool held = false;
    for (uint32_t at = 0; at <= cpu->mores; at++)
        held = change_range(cpu, tlb_array(cpu, at), space, first, pages, change) || held;
    return held;
}

/* Every mapping of pages [first, + pages), which are one huge page or none. */
static bool change_all_on(struct memory *memory, struct cpu *cpu, uint32_t first, uint32_t pages,
                          struct change change)
{
    const struct guest *const guest = memory->guest;
    const bool huge = huge_is(memory, first);
    bool held = huge && change_huge_on(memory, cpu, first, change);
    for (uint32_t page = first; page < first + pages; page++) {
        for (uint32_t mapping = guest_backmap(guest, page); mapping != MEMORY_NONE;
             mapping = guest_backmap_next(guest, mapping))
            if (!huge || mapping & GUEST_EXTRA)
                held = change_on(memory, cpu, guest_mapped_space(guest, mapping),
                                 guest_mapped_vpn(guest, mapping), change) ||
                       held;
    }
    return held;
}

/* The table entries of those mappings are written. */
static void write_tables(struct memory *memory, const struct cpu *starter, uint32_t first,
                         uint32_t pages)
{
    const struct guest *const guest = memory->guest;
    const bool huge = huge_is(memory, first);
    for (uint32_t page = first; memory->tables.levels && page < first + pages; page++)
        for (uint32_t mapping = guest_backmap(guest, page); mapping != MEMORY_NONE;
             mapping = guest_backmap_next(guest, mapping))
            if (!huge || page == first || mapping & GUEST_EXTRA)
                tables_written(memory, starter, guest_mapped_space(guest, mapping),
                               guest_mapped_vpn(guest, mapping),
                               translate_order(memory, mapping) + 1);
}

static uint64_t change_everywhere(struct memory *memory, struct cpu *starter, uint32_t page,
                                  uint32_t pages, struct change change)
{
    const struct machine_costs *const costs = &memory->machine->costs;
    const uint64_t each_ps = costs->shootdown_per_cpu_ns * PS_PER_NS;
    uint64_t interrupted = 0;
    write_tables(memory, starter, page, pages);
    for (uint32_t at = 0; at < memory->used_count; at++) {
        struct cpu *const cpu = memory->used[at];
        if (!change_all_on(memory, cpu, page, pages, change) || cpu == starter)
            continue;
        interrupted++;
        cpu->counters.shootdowns_suffered++;
        cpu_charge(cpu, ACCOUNT_shootdown, each_ps);
    }
    if (!interrupted)
        return 0;
    const uint64_t started_ps = costs->shootdown_ns * PS_PER_NS + interrupted * each_ps;
    starter->counters.shootdowns++;
    memory->epoch.shootdowns++;
    cpu_charge(starter, ACCOUNT_shootdown, started_ps);
    return started_ps + interrupted * each_ps;
}

uint64_t shootdown(struct memory *memory, struct cpu *starter, uint32_t page)
{
    return change_everywhere(memory, starter, page, huge_pages(memory, page),
                             (struct change){.to_replica = false});
}

uint64_t shootdown_block(struct memory *memory, struct cpu *starter, uint32_t first)
{
    return change_everywhere(memory, starter, first, GUEST_BLOCK_PAGES,
                             (struct change){.to_replica = false});
}

uint64_t shootdown_to_replica(struct memory *memory, struct cpu *starter, uint32_t page,
                              uint32_t node)
{
    return change_everywhere(memory, starter, page, huge_pages(memory, page),
                             (struct change){.to_replica = true, .node = node});
}

void shootdown_mappings(struct memory *memory, uint32_t page)
{
    for (uint32_t at = 0; at < memory->used_count; at++)
        change_all_on(memory, memory->used[at], page, huge_pages(memory, page),
                      (struct change){.to_replica = false});
}

void shootdown_mapping(struct memory *memory, uint32_t space, uint64_t vpn)
{
    for (uint32_t at = 0; at < memory->used_count; at++)
        change_on(memory, memory->used[at], space, vpn, (struct change){.to_replica = false});
}
