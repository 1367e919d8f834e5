/* The TLB: pairs of pages of 4 KiB to 256 MiB, matched by address and ASID or G.
 *
 * An entry matches where (address and ASID, against its own) differ in no bit that it cares for;
 * key and care are kept beside the entries. Entries of pages of 4 KiB are found by a hash of their
 * address, all others are in one list: so a miss and a write look at one or two entries. */
#include "vmm-core/machine/mips/internal.h"

#include <string.h>

/* Of an entry that was never written: a bit that no address has, and that is cared for. */
#define KEY_NEVER UINT32_C(0x100)
#define LIST_END  UINT16_MAX

static uint32_t care_of(const struct mips_tlb_entry *entry)
{
    const bool global = entry->entry_lo[0] & entry->entry_lo[1] & ENTRYLO_G;
    return KEY_NEVER | (ENTRYHI_VPN2 & ~entry->page_mask) | (global ? 0 : ENTRYHI_ASID);
}

static unsigned bucket_of(uint32_t address)
{
    return ((address >> 13) * UINT32_C(0x9e3779b1)) >> 21; /* TLB_BUCKETS of them */
}

/* The start of the list that an entry is in. */
static uint16_t *list_of(struct mips_cpu *cpu, const struct mips_tlb_entry *entry)
{
    return entry->page_mask ? &cpu->tlb_large : &cpu->tlb_bucket[bucket_of(entry->entry_hi)];
}

static void put(struct mips_cpu *cpu, unsigned index)
{
    const struct mips_tlb_entry *const entry = &cpu->s.tlb[index];
    cpu->tlb_key[index] = entry->used ? entry->entry_hi : KEY_NEVER;
    cpu->tlb_care[index] = care_of(entry);
    if (!entry->used)
        return;
    uint16_t *const list = list_of(cpu, entry);
    cpu->tlb_next[index] = *list;
    *list = (uint16_t)index;
    if (cpu->tlb_used <= index)
        cpu->tlb_used = index + 1;
}

static void take(struct mips_cpu *cpu, unsigned index)
{
    if (!cpu->s.tlb[index].used)
        return;
    uint16_t *at = list_of(cpu, &cpu->s.tlb[index]);
    while (*at != index && *at != LIST_END)
        at = &cpu->tlb_next[*at];
    if (*at == index)
        *at = cpu->tlb_next[index];
}

void mips_tlb_keys(struct mips_cpu *cpu)
{
    memset(cpu->tlb_bucket, 0xff, sizeof cpu->tlb_bucket); /* LIST_END */
    cpu->tlb_large = LIST_END;
    cpu->tlb_used = 0;
    for (unsigned i = 0; i < MIPS_TLB_ROOM; i++)
        put(cpu, i);
}

static unsigned search(const struct mips_cpu *cpu, unsigned first, uint32_t key, uint32_t care)
{
    unsigned i = first;
    while (i != LIST_END && (key ^ cpu->tlb_key[i]) & care & cpu->tlb_care[i])
        i = cpu->tlb_next[i];
    return i;
}

bool mips_tlb_find(const struct mips_cpu *cpu, uint32_t address, unsigned *index)
{
    const uint32_t key = (address & ENTRYHI_VPN2) | (cpu->s.cp0.entry_hi & ENTRYHI_ASID);
    *index = search(cpu, cpu->tlb_bucket[bucket_of(address)], key, UINT32_MAX);
    if (*index == LIST_END)
        *index = search(cpu, cpu->tlb_large, key, UINT32_MAX);
    return *index != LIST_END;
}

/* Does an entry other than `index`, which is in no list now, map some of the same addresses? */
static bool overlaps(const struct mips_cpu *cpu, unsigned index, const struct mips_tlb_entry *entry)
{
    const uint32_t care = care_of(entry);
    if (!entry->page_mask)
        return search(cpu, cpu->tlb_bucket[bucket_of(entry->entry_hi)], entry->entry_hi, care) !=
                   LIST_END ||
               search(cpu, cpu->tlb_large, entry->entry_hi, care) != LIST_END;
    for (unsigned i = 0; i < cpu->tlb_used; i++)
        if (i != index && !((entry->entry_hi ^ cpu->tlb_key[i]) & care & cpu->tlb_care[i]))
            return true;
    return false;
}

bool mips_tlb_write(struct mips_cpu *cpu, uint32_t index, const struct mips_tlb_entry *entry)
{
    struct mips_tlb_entry new = {0};
    index %= MIPS_TLB_ROOM;
    if (entry->used) {
        const uint32_t global = entry->entry_lo[0] & entry->entry_lo[1] & ENTRYLO_G;
        new.page_mask = pagemask_legal(entry->page_mask);
        new.entry_hi = entry->entry_hi &((ENTRYHI_VPN2 & ~new.page_mask) | ENTRYHI_ASID);
        for (unsigned i = 0; i < 2; i++)
            new.entry_lo[i] = (entry->entry_lo[i] & ENTRYLO_WRITABLE & ~ENTRYLO_G) | global;
        new.used = true;
    }
    take(cpu, index);
    const bool well = !new.used || !overlaps(cpu, index, &new);
    if (well) {
        mips_cached_drop_entry(cpu, index);
        cpu->s.tlb[index] = new;
    }
    put(cpu, index);
    return well;
}

void mips_tlb_clear(struct mips_cpu *cpu)
{
    memset(cpu->s.tlb, 0, sizeof cpu->s.tlb);
    mips_tlb_keys(cpu);
    mips_cached_clear(cpu);
    mips_kick(cpu);
}

void mips_tlb_drop(struct mips_cpu *cpu, uint32_t frame)
{
    for (uint32_t i = 0; i < cpu->tlb_used; i++) {
        struct mips_tlb_entry *const entry = &cpu->s.tlb[i];
        const uint32_t offset = entry->page_mask >> 13; /* frames of a page, less one */
        for (unsigned half = 0; half < 2; half++)
            if (entry->entry_lo[half] & ENTRYLO_V &&
                !((entry->entry_lo[half] >> ENTRYLO_PFN_SHIFT ^ frame) & ~offset)) {
                mips_cached_drop_entry(cpu, i);
                entry->entry_lo[half] &= ~ENTRYLO_V;
            }
    }
}

static bool write_from_registers(struct mips_cpu *cpu, uint32_t index)
{
    const struct mips_cp0 *const cp0 = &cpu->s.cp0;
    const struct mips_tlb_entry entry = {
        .page_mask = cp0->page_mask,
        .entry_hi = cp0->entry_hi,
        .entry_lo = {cp0->entry_lo[0], cp0->entry_lo[1]},
        .used = true,
    };
    if (mips_tlb_write(cpu, index % cpu->entries, &entry))
        return true;
    /* 24K Software User's Manual, "Machine Check Exception": found on the write, which is not
     * done; TS tells */
    cpu->s.cp0.status |= STATUS_TS;
    return mips_fault(cpu, MIPS_EXCEPTION_MACHINE_CHECK);
}

bool mips_tlbwi(struct mips_cpu *cpu)
{
    return write_from_registers(cpu, cpu->s.cp0.index);
}

bool mips_tlbwr(struct mips_cpu *cpu)
{
    return write_from_registers(cpu, mips_random(cpu));
}

void mips_tlbr(struct mips_cpu *cpu)
{
    struct mips_cp0 *const cp0 = &cpu->s.cp0;
    const struct mips_tlb_entry *const entry = &cpu->s.tlb[cp0->index % cpu->entries];
    cp0->page_mask = entry->page_mask;
    cp0->entry_hi = entry->entry_hi;
    cp0->entry_lo[0] = entry->entry_lo[0];
    cp0->entry_lo[1] = entry->entry_lo[1];
    mips_context(cpu);
    mips_kick(cpu);
}

void mips_tlbp(struct mips_cpu *cpu)
{
    unsigned index;
    cpu->s.cp0.index =
        mips_tlb_find(cpu, cpu->s.cp0.entry_hi, &index) ? index : INDEX_PROBE_FAILURE;
}

/* Anything from Wired up will do for the architecture; this sequence repeats (xorshift64). */
uint32_t mips_random(struct mips_cpu *cpu)
{
    cpu->random ^= cpu->random << 13;
    cpu->random ^= cpu->random >> 7;
    cpu->random ^= cpu->random << 17;
    const uint32_t wired = cpu->s.cp0.wired, free = cpu->entries - wired;
    return wired + (uint32_t)(cpu->random >> 32) % free;
}
