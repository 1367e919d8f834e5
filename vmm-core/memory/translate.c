/* A translation that the fast table does not have: TLB, second-level TLB, pmap, first touch.
 *
 * Rules (Disco, SOSP'97, sections 4.1.2 and 4.2.2; where it is silent, ours):
 *  - software refill: a hit of the second-level TLB costs tlb_refill_ns; a miss goes on to the
 *    guest and costs tlb_forward_ns. Hardware refill costs tlb_walk_ns and knows no second level.
 *  - the second-level TLB is one a CPU, tagged by space, never flushed by a dispatch, as wide in
 *    pages as a TLB entry, and replaces the least recently used way.
 *  - a refill from the pmap fills every half that this space has touched; one from the
 *    second-level TLB copies its entry.
 *  - the copy is chosen when the pmap is read: nearest for the CPU's node.
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

static struct tlb_half half_for(const struct memory *memory, const struct cpu *cpu, uint32_t page)
{
    return (struct tlb_half){.page = page,
                             .node = (uint8_t)pmap_nearest(memory, page, cpu->node),
                             .writable = memory->page[page].replicas == MEMORY_NONE};
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

/* Writes the hardware TLB; what the entry held before leaves the fast table. */
static uint32_t write_tlb(struct memory *memory, struct cpu *cpu, uint64_t vpn,
                          const struct tlb_half *halves)
{
    struct tlb *const tlb = &cpu->tlb;
    const bool lru = memory->machine->tlb.replacement == TLB_REPLACE_LRU;
    const uint32_t entry = tlb_slot(tlb, cpu->space, vpn, lru ? NULL : &memory->tlb_random);
    if (tlb->tag[entry] != TLB_EMPTY && tlb->space[entry] == cpu->space)
        for (uint32_t half = 0; half < tlb->halves; half++)
            fast_drop(memory, cpu, (tlb->tag[entry] << tlb->halves_shift) + half);
    tlb_write(tlb, entry, cpu->space, vpn, halves, memory->now);
    return entry;
}

static void write_l2tlb(const struct memory *memory, struct cpu *cpu, uint64_t vpn,
                        const struct tlb_half *halves)
{
    if (cpu->l2tlb.entries)
        tlb_write(&cpu->l2tlb, tlb_slot(&cpu->l2tlb, cpu->space, vpn, NULL), cpu->space, vpn,
                  halves, memory->now);
}

void translate_again(struct memory *memory, struct cpu *cpu, uint64_t vpn, struct tlb_half *half,
                     uint32_t *entry)
{
    if (!cpu->tlb.entries) {
        const uint32_t found = guest_find(memory->guest, cpu->space, vpn);
        *half = half_for(memory, cpu, guest_mapped_page(memory->guest, found));
        *entry = 0;
        return;
    }
    struct tlb_half halves[TLB_HALVES_MAX];
    halves_from_pmap(memory, cpu, vpn, halves);
    write_l2tlb(memory, cpu, vpn, halves);
    *entry = write_tlb(memory, cpu, vpn, halves);
    *half = *tlb_half_of(&cpu->tlb, *entry, vpn);
}

/* A TLB miss that the second-level TLB answers; false: it does not. */
static bool refill(struct memory *memory, struct cpu *cpu, uint64_t vpn, uint32_t *entry)
{
    const struct machine_costs *const costs = &memory->machine->costs;
    cpu->counters.tlb_misses++;
    if (memory->machine->tlb.refill == TLB_REFILL_HARDWARE) {
        cpu_charge(cpu, ACCOUNT_tlb, costs->tlb_walk_ns * PS_PER_NS);
        return false;
    }
    uint32_t second = 0;
    if (!tlb_lookup(&cpu->l2tlb, cpu->space, vpn, &second)) {
        cpu->counters.l2tlb_misses++;
        cpu_charge(cpu, ACCOUNT_tlb, costs->tlb_forward_ns * PS_PER_NS);
        return false;
    }
    cpu_charge(cpu, ACCOUNT_tlb, costs->tlb_refill_ns * PS_PER_NS);
    cpu->l2tlb.stamp[second] = memory->now;
    *entry = write_tlb(memory, cpu, vpn, &cpu->l2tlb.half[(size_t)second * cpu->l2tlb.halves]);
    return true;
}

char *translate(struct memory *memory, struct cpu *cpu, uint64_t vpn, struct tlb_half *half,
                uint32_t *entry, bool *missed)
{
    *missed = false;
    if (cpu->tlb.entries) {
        const struct tlb_half *const hit = tlb_lookup(&cpu->tlb, cpu->space, vpn, entry);
        if (hit) {
            cpu->tlb.stamp[*entry] = memory->now;
            *half = *hit;
            return NULL;
        }
        *missed = true;
        if (refill(memory, cpu, vpn, entry)) {
            *half = *tlb_half_of(&cpu->tlb, *entry, vpn);
            return NULL;
        }
    }
    uint32_t page = 0;
    char *const error = resolve(memory, cpu, cpu->space, vpn, &page);
    if (!error)
        translate_again(memory, cpu, vpn, half, entry);
    return error;
}
