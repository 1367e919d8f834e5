/* The virtual TLB: the 64 entries that the guest reads, writes and probes, by the rules of mips/tlb.c; and what a write
 * of it does to the second level and to the real TLB.
 *
 * Key and care are kept beside the entries so that a search is one comparison an entry. */
#include "vmm-core/monitor/vcpu/vcpu-internal.h"

/* Of an entry that was never written: a bit that no address has, and that is cared for. */
#define KEY_NEVER UINT32_C(0x100)

static bool is_global(const struct mips_tlb_entry *entry)
{
    return entry->entry_lo[0] & entry->entry_lo[1] & ENTRYLO_G;
}

static uint32_t care_of(const struct mips_tlb_entry *entry)
{
    return KEY_NEVER | (ENTRYHI_VPN2 & ~entry->page_mask) | (is_global(entry) ? 0 : ENTRYHI_ASID);
}

void vcpu_tlb_reset(struct vcpu *vcpu)
{
    for (uint32_t i = 0; i < MIPS_TLB_MAX; i++) {
        vcpu->guest.tlb[i] = (struct mips_tlb_entry){0};
        vcpu->tlb_key[i] = vcpu->tlb_care[i] = KEY_NEVER;
    }
    vtlb_second_clear(&vcpu->second);
}

static struct mips_tlb_entry legal(const struct mips_cp0 *cp0)
{
    const uint32_t mask = pagemask_legal(cp0->page_mask),
                   global = cp0->entry_lo[0] & cp0->entry_lo[1] & ENTRYLO_G;
    return (struct mips_tlb_entry){
        .page_mask = mask,
        .entry_hi = cp0->entry_hi & ((ENTRYHI_VPN2 & ~mask) | ENTRYHI_ASID),
        .entry_lo = {(cp0->entry_lo[0] & ENTRYLO_WRITABLE & ~ENTRYLO_G) | global,
                     (cp0->entry_lo[1] & ENTRYLO_WRITABLE & ~ENTRYLO_G) | global},
        .used = true,
    };
}

/* ------------------------------------------------------------------------------ lookups */

bool vcpu_tlb_find(const struct vcpu *vcpu, uint32_t address, uint32_t asid, uint32_t *index)
{
    /* no entry maps what another does, so there is nothing to stop at: the compiler makes vectors */
    const uint32_t key = (address & ENTRYHI_VPN2) | asid;
    uint32_t found = 0;
    for (uint32_t i = 0; i < MIPS_TLB_MAX; i++)
        found |= (key ^ vcpu->tlb_key[i]) & vcpu->tlb_care[i] ? 0 : i + 1;
    *index = found - 1;
    return found;
}

bool vcpu_virtual_pair(const struct vcpu *vcpu, uint32_t address, uint32_t lo[2])
{
    uint32_t index;
    if (!vcpu_tlb_find(vcpu, address, vcpu->guest.cp0.entry_hi & ENTRYHI_ASID, &index))
        return false;
    const struct mips_tlb_entry *const entry = &vcpu->guest.tlb[index];
    if (!entry->page_mask) {
        lo[0] = entry->entry_lo[0];
        lo[1] = entry->entry_lo[1];
        return true;
    }
    /* the pair lies within one half of a larger page */
    const uint32_t offset = entry->page_mask >> 1 | (MIPS_PAGE_BYTES - 1),
                   half = entry->entry_lo[!!(address & (offset + 1))],
                   within = (address & offset) / MIPS_PAGE_BYTES & ~UINT32_C(1),
                   first = ((half >> ENTRYLO_PFN_SHIFT) & ~(offset / MIPS_PAGE_BYTES)) | within,
                   flags = half & (ENTRYLO_G | ENTRYLO_V | ENTRYLO_D | ENTRYLO_C);
    lo[0] = first << ENTRYLO_PFN_SHIFT | flags;
    lo[1] = (first + 1) << ENTRYLO_PFN_SHIFT | flags;
    return true;
}

bool vcpu_pair(const struct vcpu *vcpu, uint32_t address, uint32_t lo[2])
{
    const struct vtlb_second_entry *const second =
        vtlb_second_find(&vcpu->second, address, vcpu->guest.cp0.entry_hi & ENTRYHI_ASID);
    if (!second)
        return vcpu_virtual_pair(vcpu, address, lo);
    lo[0] = second->lo[0];
    lo[1] = second->lo[1];
    return true;
}

/* ------------------------------------------------------------------------------ what leaves */

/* The real TLB may hold what the second level or an entry holds; what neither does goes. */
static void forget_pair(struct vcpu *vcpu, uint32_t address, uint32_t asid, bool global)
{
    vtlb_second_drop(&vcpu->second, address, asid, global);
    vcpu_real_drop(vcpu, address, asid, global);
}

static void forget_entry(struct vcpu *vcpu, const struct mips_tlb_entry *entry)
{
    if (entry->page_mask) /* its pairs are in the real TLB alone, who knows which */
        vcpu_real_clear(vcpu);
    else
        forget_pair(vcpu, entry->entry_hi, entry->entry_hi & ENTRYHI_ASID, is_global(entry));
}

/* TLBWR took the entry: the second level may keep it. */
static void retire_entry(struct vcpu *vcpu, const struct mips_tlb_entry *entry)
{
    const uint32_t asid = entry->entry_hi & ENTRYHI_ASID;
    if (entry->page_mask || !vtlb_second_find(&vcpu->second, entry->entry_hi, asid))
        forget_entry(vcpu, entry);
}

/* A pair went from the second level for want of room: the virtual TLB may still have it. */
static void retire_second(struct vcpu *vcpu, const struct vtlb_second_entry *gone)
{
    const uint32_t address = vtlb_second_address(gone), asid = vtlb_second_asid(gone);
    uint32_t index;
    if (!vcpu_tlb_find(vcpu, address, asid, &index))
        vcpu_real_drop(vcpu, address, asid, vtlb_second_global(gone));
}

static void announce(struct vcpu *vcpu, const struct mips_tlb_entry *entry)
{
    if (entry->page_mask) {
        /* the second level may hold pairs within, from before */
        vtlb_second_clear(&vcpu->second);
        vcpu_real_clear(vcpu);
        return;
    }
    const uint32_t asid = entry->entry_hi & ENTRYHI_ASID;
    forget_pair(vcpu, entry->entry_hi, asid, is_global(entry));
    if (!((entry->entry_lo[0] | entry->entry_lo[1]) & ENTRYLO_V))
        return;
    struct vtlb_second_entry gone;
    vtlb_second_put(&vcpu->second, entry->entry_hi, asid, entry->entry_lo, &gone);
    if (gone.key)
        retire_second(vcpu, &gone);
}

/* ------------------------------------------------------------------------------ instructions */

static bool overlaps(const struct vcpu *vcpu, uint32_t index, const struct mips_tlb_entry *entry)
{
    const uint32_t care = care_of(entry);
    uint32_t others = 0;
    for (uint32_t i = 0; i < MIPS_TLB_MAX; i++)
        others += !((entry->entry_hi ^ vcpu->tlb_key[i]) & care & vcpu->tlb_care[i]) && i != index;
    return others;
}

bool vcpu_tlb_write(struct vcpu *vcpu, bool random)
{
    const struct mips_tlb_entry entry = legal(&vcpu->guest.cp0);
    const uint32_t index = random ? vcpu_random(vcpu) : vcpu->guest.cp0.index & (MIPS_TLB_MAX - 1);
    if (overlaps(vcpu, index, &entry))
        return false;
    const struct mips_tlb_entry old = vcpu->guest.tlb[index];
    vcpu->guest.tlb[index] = entry;
    vcpu->tlb_key[index] = entry.entry_hi;
    vcpu->tlb_care[index] = care_of(&entry);
    if (old.used) {
        if (random)
            retire_entry(vcpu, &old);
        else
            forget_entry(vcpu, &old);
    }
    announce(vcpu, &entry);
    vcpu->owner.tlb_written(vcpu->owner.context, vcpu, index, &entry);
    return true;
}

void vcpu_tlb_read(struct vcpu *vcpu)
{
    struct mips_cp0 *const cp0 = &vcpu->guest.cp0;
    const struct mips_tlb_entry *const entry = &vcpu->guest.tlb[cp0->index & (MIPS_TLB_MAX - 1)];
    cp0->page_mask = entry->page_mask;
    cp0->entry_lo[0] = entry->entry_lo[0];
    cp0->entry_lo[1] = entry->entry_lo[1];
    vcpu_set_entry_hi(vcpu, entry->entry_hi);
}

void vcpu_tlb_probe(struct vcpu *vcpu)
{
    struct mips_cp0 *const cp0 = &vcpu->guest.cp0;
    const uint32_t asid = cp0->entry_hi & ENTRYHI_ASID;
    uint32_t index;
    if (vcpu_tlb_find(vcpu, cp0->entry_hi, asid, &index)) {
        cp0->index = index;
        return;
    }
    cp0->index = INDEX_PROBE_FAILURE;
    forget_pair(vcpu, cp0->entry_hi, asid, false);
}

void vcpu_forget_space(struct vcpu *vcpu, uint32_t asid)
{
    vtlb_second_forget(&vcpu->second, asid & ENTRYHI_ASID);
    vcpu_real_forget(vcpu, asid & ENTRYHI_ASID);
}
