/* The hardware TLB of a CPU: one array as MIPS has it, or arrays on two levels by page size.
 *
 * A page goes to each level as the largest of its parts that the level has an array for: a page of
 * 2 MiB to an array for 2 MiB, else in parts of 4 KiB as they are used. A refill fills both levels; a
 * hit on the second level fills the first. Neither level contains the other: what leaves one stays
 * in the other, and a hit on the first does not renew the second's order. What leaves the first level
 * leaves the fast table too.
 */
#include "vmm-core/memory/internal.h"

#include <stdlib.h>
#include <string.h>

static bool fit_out(const struct memory *memory, struct tlb *tlb,
                    const struct machine_tlb_array *array)
{
    tlb->level = array->level;
    tlb->sizes = array->pages;
    tlb->plru = memory->machine->tlb.replacement == TLB_REPLACE_PLRU;
    tlb->latency_ps = array->latency_ns * (uint64_t)PS_PER_NS;
    if (array->level > 1 || !(tlb->sizes & memory->orders & ~1u))
        return true;
    tlb->filled = calloc(tlb->entries ? tlb->entries : 1, sizeof *tlb->filled);
    return tlb->filled != NULL;
}

/* The stamps of all arrays of the first level, in one block that the first array owns. */
static bool join_stamps(struct cpu *cpu)
{
    uint32_t stamps = cpu->tlb.entries;
    for (uint32_t at = 0; at < cpu->mores; at++)
        if (cpu->more[at].level == 1) {
            cpu->more[at].first_stamp = stamps;
            stamps += cpu->more[at].entries;
        }
    uint64_t *const stamp = calloc(stamps, sizeof *stamp);
    if (!stamp)
        return false;
    free(cpu->tlb.stamp);
    cpu->tlb.stamp = stamp;
    for (uint32_t at = 0; at < cpu->mores; at++)
        if (cpu->more[at].level == 1) {
            free(cpu->more[at].stamp);
            cpu->more[at].stamp = stamp + cpu->more[at].first_stamp;
            cpu->more[at].stamps_lent = true;
        }
    return true;
}

static bool is_first(const struct machine_tlb_array *array)
{
    return array->level == 1 && array->pages & 1u << MACHINE_PAGE_4K;
}

bool tlb_levels_new(const struct memory *memory, struct cpu *cpu)
{
    const struct machine_tlb *const machine_tlb = &memory->machine->tlb;
    const struct machine_tlb_array whole = {
        .level = 1, .pages = machine_tlb->pages_per_entry > 1 ? 1u : (1u << TLB_ORDERS) - 1};
    bool made =
        tlb_new(&cpu->tlb, machine_tlb->entries, machine_tlb->ways, machine_tlb->pages_per_entry);
    if (!machine_tlb->arrays)
        return made && fit_out(memory, &cpu->tlb, &whole);
    cpu->more = calloc(MACHINE_TLB_ARRAYS_MAX, sizeof *cpu->more);
    made = made && cpu->more;
    for (uint32_t at = 0; at < machine_tlb->arrays && made; at++) {
        const struct machine_tlb_array *const it = &machine_tlb->array[at];
        if (is_first(it)) {
            made = fit_out(memory, &cpu->tlb, it);
            continue;
        }
        struct tlb *const tlb = &cpu->more[cpu->mores++];
        made = tlb_new(tlb, it->entries, it->ways, 1) && fit_out(memory, tlb, it);
    }
    return made && join_stamps(cpu);
}

void tlb_levels_free(struct cpu *cpu)
{
    for (uint32_t at = 0; at < cpu->mores; at++)
        tlb_free(&cpu->more[at]);
    free(cpu->more);
    tlb_free(&cpu->tlb);
}

void tlb_levels_flush(struct cpu *cpu)
{
    for (uint32_t at = 0; at <= cpu->mores; at++)
        tlb_flush(tlb_array(cpu, at));
    walker_flush(&cpu->walker);
}

/* ---- lookups --------------------------------------------------------------------------------- */

struct tlb *tlb_levels_lookup(const struct memory *memory, struct cpu *cpu, uint32_t level,
                              uint64_t vpn, uint32_t *entry)
{
    if (!cpu->mores && memory->orders == 1) /* one array for one size: no need to look around */
        return level == 1 && tlb_lookup(&cpu->tlb, cpu->space, vpn, entry) ? &cpu->tlb : NULL;
    for (uint32_t at = 0; at <= cpu->mores; at++) {
        struct tlb *const tlb = tlb_array(cpu, at);
        uint32_t sizes = tlb->level == level ? tlb->sizes & memory->orders : 0;
        for (uint32_t order = 0; sizes; order++, sizes >>= 1)
            if (sizes & 1 && tlb_lookup(tlb, cpu->space, tlb_key(vpn, order), entry))
                return tlb;
    }
    return NULL;
}

/* ---- filling --------------------------------------------------------------------------------- */

/* Pages of the machine in a 512th of an entry of order 1 or more. */
static uint64_t tlb_part_pages(uint32_t order)
{
    return order > 1 ? UINT64_C(1) << TLB_ORDER_BITS : 1;
}

/* What an entry of order 1 or more maps leaves the fast table. */
static void parts_leave_fast(struct memory *memory, struct cpu *cpu, struct tlb *tlb,
                             uint32_t entry)
{
    const uint32_t order = tlb_key_order(tlb, tlb->tag[entry]);
    const uint64_t first = tlb_key_vpn(tlb->tag[entry], order);
    const uint64_t pages = tlb_part_pages(order);
    for (uint32_t word = 0; word < TLB_FILLED_WORDS; word++) {
        for (uint64_t bits = tlb->filled[entry][word]; bits; bits &= bits - 1) {
            const uint64_t part = (uint64_t)word * 64 + (uint64_t)__builtin_ctzll(bits);
            for (uint64_t page = 0; page < pages; page++)
                fast_drop(memory, cpu, first + part * pages + page);
        }
    }
}

/* What an entry of the first level maps leaves the fast table, before another takes its place. */
static void leave_fast(struct memory *memory, struct cpu *cpu, struct tlb *tlb, uint32_t entry)
{
    const uint64_t tag = tlb->tag[entry];
    const bool current = tag != TLB_EMPTY && tlb->space[entry] == cpu->space;
    if (current && tlb_key_order(tlb, tag)) {
        parts_leave_fast(memory, cpu, tlb, entry);
    } else if (current) {
        for (uint32_t half = 0; half < tlb->halves; half++)
            fast_drop(memory, cpu, (tag << tlb->halves_shift) + half);
    }
    if (tlb->filled)
        memset(tlb->filled[entry], 0, sizeof tlb->filled[entry]);
}

/* The fast table is about to hold a page of the entry. */
static void note_filled(struct tlb *tlb, uint32_t entry, uint64_t vpn)
{
    const uint32_t order = tlb_key_order(tlb, tlb->tag[entry]);
    if (!tlb->filled || !order)
        return;
    const uint32_t part = (uint32_t)(vpn / tlb_part_pages(order)) & ((1u << TLB_ORDER_BITS) - 1);
    tlb->filled[entry][part / 64] |= UINT64_C(1) << (part % 64);
}

uint32_t tlb_levels_use(struct memory *memory, struct tlb *tlb, uint32_t entry, uint64_t vpn)
{
    tlb->stamp[entry] = memory->now;
    note_filled(tlb, entry, vpn);
    return tlb->first_stamp + entry;
}

/* The array of a level for the largest part of a page of `order` that it has one for, or NULL. */
static struct tlb *array_for(const struct memory *memory, struct cpu *cpu, uint32_t level,
                             uint32_t order, uint32_t *part)
{
    for (*part = order + 1; (*part)-- > 0;) {
        for (uint32_t at = 0; at <= cpu->mores; at++) {
            struct tlb *const tlb = tlb_array(cpu, at);
            if (tlb->level == level && tlb->sizes & memory->orders & 1u << *part)
                return tlb;
        }
    }
    return NULL;
}

uint32_t tlb_levels_fill(struct memory *memory, struct cpu *cpu, uint32_t level, uint64_t vpn,
                         uint32_t order, const struct tlb_half *halves)
{
    uint32_t part = 0;
    struct tlb *const tlb = array_for(memory, cpu, level, order, &part);
    if (!tlb)
        return MEMORY_NONE;
    const bool random = memory->machine->tlb.replacement == TLB_REPLACE_RANDOM;
    const uint64_t key = tlb_key(vpn, part);
    const uint32_t entry = tlb_slot(tlb, cpu->space, key, random ? &memory->tlb_random : NULL);
    if (level == 1)
        leave_fast(memory, cpu, tlb, entry);
    tlb_write(tlb, entry, cpu->space, key, halves, memory->now);
    note_filled(tlb, entry, vpn);
    return tlb->first_stamp + entry;
}
