/* A translation that the fast table does not have: TLB, second-level TLB, pmap, first touch.
 *
 * Rules (Disco, SOSP'97, sections 4.1.2 and 4.2.2; where it is silent, ours):
 *  - software refill: a hit of the second-level TLB costs tlb_refill_ns; a miss goes on to the
 *    guest and costs tlb_forward_ns, or tlb_refill_ns where the guest's handler and the monitor's work for
 *    it are in the trace.
 *  - hardware refill: a hit of the TLB's own second level, if it has one, costs that level's latency;
 *    else a walk (walk.c), or where tables are not modelled tlb_walk_ns. A walk that ends in a page
 *    fault is part of the fault; the one after it is charged.
 *  - the monitor's second-level TLB is one a CPU, tagged by space, never flushed by a dispatch, as wide in
 *    pages as a TLB entry, and replaces the least recently used way.
 *  - a refill from the pmap fills every half that this space has touched; one from the
 *    second-level TLB copies its entry.
 *  - an entry is one space's: there are no global ones, and what several spaces show is held once for each.
 *  - the copy is chosen when the pmap is read: nearest for the CPU's node.
 *  - a huge page is one translation where it was first mapped; where a share shows parts of it, they
 *    are mapped in pages of 4 KiB.
 */
#include "vmm-core/memory/internal.h"

/* The page of (space, VPN), placed if this is its first reference. */
static char *resolve(struct memory *memory, struct cpu *cpu, uint32_t space, uint64_t vpn,
                     uint32_t *page)
{
    const uint32_t found = guest_find(memory->guest, space, vpn);
    if (found == MEMORY_NONE)
        return memory_refuse("the page of a reference", vpn, "the guest has not seen it");
    *page = guest_mapped_page(memory->guest, found);
    return pmap_placed(memory, *page) ? NULL : place_first_touch(memory, cpu, *page);
}

static struct tlb_half half_for(const struct memory *memory, const struct cpu *cpu, uint32_t part)
{
    const uint32_t page = huge_head(memory, part);
    return (struct tlb_half){.page = page,
                             .node = (uint8_t)pmap_nearest(memory, page, cpu->node),
                             .writable = !pmap_has_replicas(memory, page)};
}

/* Every half of the entry that holds `vpn`, as the pmap has it. */
static void halves_from_pmap(const struct memory *memory, const struct cpu *cpu, uint64_t vpn,
                             struct tlb_half *halves)
{
    const uint64_t first = vpn & ~(uint64_t)(cpu->tlb.halves - 1);
    for (uint32_t half = 0; half < cpu->tlb.halves; half++) {
        const uint32_t found = guest_find(memory->guest, cpu->space, first + half);
        halves[half].page = MEMORY_NONE;
        if (found == MEMORY_NONE || !guest_mapped_by(memory->guest, found, memory->now))
            continue;
        const uint32_t page = guest_mapped_page(memory->guest, found);
        if (pmap_placed(memory, page))
            halves[half] = half_for(memory, cpu, page);
    }
}

static void write_l2tlb(const struct memory *memory, struct cpu *cpu, uint64_t vpn,
                        const struct tlb_half *halves)
{
    if (cpu->l2tlb.entries)
        tlb_write(&cpu->l2tlb, tlb_slot(&cpu->l2tlb, cpu->space, vpn, NULL), cpu->space, vpn,
                  halves, memory->now);
}

uint32_t translate_order(const struct memory *memory, uint32_t mapping)
{
    return !(mapping & GUEST_EXTRA) ? huge_order(memory, mapping) : 0;
}

void translate_again(struct memory *memory, struct cpu *cpu, uint64_t vpn, struct tlb_half *half,
                     uint32_t *entry)
{
    struct tlb_half halves[TLB_HALVES_MAX];
    uint32_t order = 0;
    if (cpu->tlb.halves > 1) {
        halves_from_pmap(memory, cpu, vpn, halves);
    } else {
        const uint32_t found = guest_find(memory->guest, cpu->space, vpn);
        halves[0] = half_for(memory, cpu, guest_mapped_page(memory->guest, found));
        order = translate_order(memory, found);
    }
    *half = halves[vpn & (cpu->tlb.halves - 1)];
    *entry = 0;
    if (!cpu->tlb.entries)
        return;
    write_l2tlb(memory, cpu, vpn, halves);
    if (tlb_levels_two(cpu))
        tlb_levels_fill(memory, cpu, 2, vpn, order, halves);
    *entry = tlb_levels_fill(memory, cpu, 1, vpn, order, halves);
}

/* A miss of the hardware's first level that a second level answers, its own or the monitor's; false:
 * neither does. */
static bool refill(struct memory *memory, struct cpu *cpu, uint64_t vpn, struct tlb_half *half,
                   uint32_t *entry, bool *missed)
{
    const struct machine_costs *const costs = &memory->machine->costs;
    const bool software = memory->machine->tlb.refill == TLB_REFILL_SOFTWARE;
    uint32_t second = 0;
    cpu->counters.tlb_misses++;
    *missed = true;
    if (software && tlb_lookup(&cpu->l2tlb, cpu->space, vpn, &second)) {
        cpu_charge(cpu, ACCOUNT_tlb, costs->tlb_refill_ns * PS_PER_NS);
        cpu->l2tlb.stamp[second] = memory->now;
        *half = *tlb_half_of(&cpu->l2tlb, second, vpn);
        *entry = tlb_levels_fill(memory, cpu, 1, vpn, 0,
                                 &cpu->l2tlb.half[(size_t)second * cpu->l2tlb.halves]);
        return true;
    }
    struct tlb *const tlb =
        tlb_levels_two(cpu) ? tlb_levels_lookup(memory, cpu, 2, vpn, &second) : NULL;
    if (tlb) {
        cpu_charge(cpu, ACCOUNT_tlb, tlb->latency_ps);
        tlb->stamp[second] = memory->now;
        *missed = false;
        *half = tlb->half[second];
        *entry = tlb_levels_fill(memory, cpu, 1, vpn, tlb_key_order(tlb, tlb->tag[second]), half);
        return true;
    }
    cpu->counters.l2tlb_misses += software || tlb_levels_two(cpu);
    if (software)
        cpu_charge(cpu, ACCOUNT_tlb,
                   (memory->options.guest_refills ? costs->tlb_refill_ns : costs->tlb_forward_ns) *
                       PS_PER_NS);
    return false;
}

/* The hardware walks to a page that is mapped. */
static char *walk_to(struct memory *memory, struct cpu *cpu, uint64_t vpn)
{
    if (memory->machine->tlb.refill == TLB_REFILL_SOFTWARE)
        return NULL;
    if (!memory->tables.levels) {
        cpu_charge(cpu, ACCOUNT_tlb, memory->machine->costs.tlb_walk_ns * PS_PER_NS);
        return NULL;
    }
    const uint32_t mapping = guest_find(memory->guest, cpu->space, vpn);
    const uint32_t leaf = translate_order(memory, mapping) + 1;
    char *const error = tables_map(memory, cpu, cpu->space, vpn, leaf);
    if (!error)
        walk(memory, cpu, vpn, leaf);
    return error;
}

char *translate(struct memory *memory, struct cpu *cpu, uint64_t vpn, struct tlb_half *half,
                uint32_t *entry, bool *missed)
{
    *missed = false;
    if (cpu->tlb.entries) {
        uint32_t found = 0;
        struct tlb *const tlb = tlb_levels_lookup(memory, cpu, 1, vpn, &found);
        if (tlb) {
            *entry = tlb_levels_use(memory, tlb, found, vpn);
            *half = tlb->halves > 1 ? *tlb_half_of(tlb, found, vpn) : tlb->half[found];
            return NULL;
        }
        if (refill(memory, cpu, vpn, half, entry, missed))
            return NULL;
    }
    uint32_t page = 0;
    char *error = resolve(memory, cpu, cpu->space, vpn, &page);
    if (!error && cpu->tlb.entries)
        error = walk_to(memory, cpu, vpn);
    if (!error)
        translate_again(memory, cpu, vpn, half, entry);
    return error;
}
