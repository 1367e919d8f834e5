/* The TLB: pairs of pages of 4 KiB to 256 MiB, matched by address and ASID or G.
 *
 * An entry matches where (address and ASID, against its own) differ in no bit that it cares for;
 * key and care are kept beside the entries so that a search is one comparison an entry. */
#include "vmm-core/machine/mips/internal.h"

#include <string.h>

/* Of an entry that was never written: a bit that no address has, and that is cared for. */
#define KEY_NEVER UINT32_C(0x100)

void mips_tlb_keys(struct mips_cpu *cpu)
{
    for (uint32_t i = 0; i < cpu->entries; i++) {
        const struct mips_tlb_entry *const entry = &cpu->s.tlb[i];
        const bool global = entry->entry_lo[0] & entry->entry_lo[1] & ENTRYLO_G;
        cpu->tlb_key[i] = entry->used ? entry->entry_hi : KEY_NEVER;
        cpu->tlb_care[i] =
            KEY_NEVER | (ENTRYHI_VPN2 & ~entry->page_mask) | (global ? 0 : ENTRYHI_ASID);
    }
}

bool mips_tlb_find(const struct mips_cpu *cpu, uint32_t address, unsigned *index)
{
    const uint32_t key = (address & ENTRYHI_VPN2) | (cpu->s.cp0.entry_hi & ENTRYHI_ASID);
    for (unsigned i = 0; i < cpu->entries; i++)
        if (!((key ^ cpu->tlb_key[i]) & cpu->tlb_care[i])) {
            *index = i;
            return true;
        }
    return false;
}

/* The largest page that a mask's lowest bits ask for: pages grow by factors of four. */
static uint32_t legal_mask(uint32_t mask)
{
    uint32_t legal = 0;
    while (legal < PAGEMASK_WRITABLE) {
        const uint32_t larger = legal << 2 | UINT32_C(0x6000);
        if ((mask & larger) != larger)
            break;
        legal = larger;
    }
    return legal;
}

static bool overlaps(const struct mips_cpu *cpu, uint32_t index, const struct mips_tlb_entry *entry)
{
    const bool global = entry->entry_lo[0] & ENTRYLO_G;
    const uint32_t care =
        KEY_NEVER | (ENTRYHI_VPN2 & ~entry->page_mask) | (global ? 0 : ENTRYHI_ASID);
    for (uint32_t i = 0; i < cpu->entries; i++)
        if (i != index && !((entry->entry_hi ^ cpu->tlb_key[i]) & care & cpu->tlb_care[i]))
            return true;
    return false;
}

static void forget(struct mips_cpu *cpu, const struct mips_tlb_entry *entry)
{
    if (!entry->used)
        return;
    if (entry->page_mask) {
        mips_cached_clear(cpu);
        return;
    }
    for (uint32_t i = 0; i < 2; i++)
        if (entry->entry_lo[i] & ENTRYLO_V)
            mips_cached_drop_page(cpu, (entry->entry_hi & ENTRYHI_VPN2) + i * MIPS_PAGE_BYTES);
}

bool mips_tlb_write(struct mips_cpu *cpu, uint32_t index, const struct mips_tlb_entry *entry)
{
    struct mips_tlb_entry new = *entry;
    index %= cpu->entries;
    if (new.used) {
        new.page_mask = legal_mask(new.page_mask);
        new.entry_hi &= (ENTRYHI_VPN2 & ~new.page_mask) | ENTRYHI_ASID;
        const uint32_t global = new.entry_lo[0] & new.entry_lo[1] & ENTRYLO_G;
        for (unsigned i = 0; i < 2; i++)
            new.entry_lo[i] = (new.entry_lo[i] & ENTRYLO_WRITABLE & ~ENTRYLO_G) | global;
        if (overlaps(cpu, index, &new))
            return false;
    } else {
        memset(&new, 0, sizeof new);
    }
    forget(cpu, &cpu->s.tlb[index]);
    cpu->s.tlb[index] = new;
    const bool global = new.entry_lo[0] & ENTRYLO_G;
    cpu->tlb_key[index] = new.used ? new.entry_hi : KEY_NEVER;
    cpu->tlb_care[index] =
        KEY_NEVER | (ENTRYHI_VPN2 & ~new.page_mask) | (global ? 0 : ENTRYHI_ASID);
    mips_kick(cpu);
    return true;
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
    for (uint32_t i = 0; i < cpu->entries; i++) {
        struct mips_tlb_entry *const entry = &cpu->s.tlb[i];
        const uint32_t offset = entry->page_mask >> 13; /* frames of a page, less one */
        for (unsigned half = 0; half < 2; half++)
            if (entry->entry_lo[half] & ENTRYLO_V &&
                !((entry->entry_lo[half] >> ENTRYLO_PFN_SHIFT ^ frame) & ~offset)) {
                forget(cpu, entry);
                entry->entry_lo[half] &= ~ENTRYLO_V;
            }
    }
    mips_kick(cpu);
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
    if (mips_tlb_write(cpu, index, &entry))
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
