/* Real TLB misses: who knows the page, and what goes into the real TLB.
 *
 * This is the path that Disco calls the TLB refill (SOSP'97, section 4.2.2): the guest's translation of the virtual
 * page, the virtual machine's of the guest-physical one, put together into one entry. */
#include "vmm-core/monitor/vcpu/vcpu-internal.h"

#include "vmm-core/monitor/abi.h"

#define USEG_END  UINT32_C(0x80000000)
#define CACHEABLE UINT32_C(0x18) /* C = 3 */
#define PAIR      (2 * MIPS_PAGE_BYTES)

bool vcpu_direct(const struct vcpu *vcpu, uint32_t address, uint32_t *ppn)
{
    uint32_t first = 0;
    if (address - ABI_DIRECT_MAP < ABI_DIRECT_BYTES)
        first = ABI_DIRECT_MAP;
    else if (address >= USEG_END || !(vcpu->guest.cp0.status & STATUS_ERL))
        return false;
    *ppn = (address - first) / MIPS_PAGE_BYTES;
    return true;
}

/* ------------------------------------------------------------------------------ the real TLB */

static uint32_t real_key(uint32_t address, uint32_t asid, bool global)
{
    return (address & ENTRYHI_VPN2) | (global ? 0 : asid);
}

/* The first entry of the set that a pair belongs to. */
static uint32_t real_set(uint32_t key)
{
    const uint32_t mixed = (key >> 13) + (key >> 21) + (key & ENTRYHI_ASID) * 37;
    return mixed % VCPU_REAL_SETS * VCPU_REAL_WAYS;
}

static bool real_holds(const struct mips_tlb_entry *entry, uint32_t key, bool global)
{
    return entry->used && entry->entry_hi == key && (entry->entry_lo[0] & ENTRYLO_G) == global;
}

static void real_drop_set(struct vcpu *vcpu, uint32_t key, bool global)
{
    const uint32_t set = real_set(key);
    for (uint32_t i = set; i < set + VCPU_REAL_WAYS; i++)
        if (real_holds(&vcpu->s->tlb[i], key, global))
            mips_tlb_write(vcpu->cpu, i, &(struct mips_tlb_entry){0});
}

void vcpu_real_drop(struct vcpu *vcpu, uint32_t address, uint32_t asid, bool global)
{
    if (!vcpu->cpu)
        return;
    real_drop_set(vcpu, real_key(address, asid, true), true);
    if (!global) {
        real_drop_set(vcpu, real_key(address, asid, false), false);
        return;
    }
    for (uint32_t i = 0; i < MIPS_TLB_ROOM; i++)
        if (vcpu->s->tlb[i].used && !((vcpu->s->tlb[i].entry_hi ^ address) & ENTRYHI_VPN2))
            mips_tlb_write(vcpu->cpu, i, &(struct mips_tlb_entry){0});
}

void vcpu_real_forget(struct vcpu *vcpu, uint32_t asid)
{
    for (uint32_t i = 0; vcpu->cpu && i < MIPS_TLB_ROOM; i++) {
        const struct mips_tlb_entry *const entry = &vcpu->s->tlb[i];
        if (entry->used && !(entry->entry_lo[0] & ENTRYLO_G) &&
            (entry->entry_hi & ENTRYHI_ASID) == asid)
            mips_tlb_write(vcpu->cpu, i, &(struct mips_tlb_entry){0});
    }
}

void vcpu_real_clear(struct vcpu *vcpu)
{
    if (vcpu->cpu)
        mips_tlb_clear(vcpu->cpu);
}

static void real_put(struct vcpu *vcpu, uint32_t address, const uint32_t lo[2])
{
    const bool global = lo[0] & ENTRYLO_G;
    const uint32_t key = real_key(address, vcpu->guest.cp0.entry_hi & ENTRYHI_ASID, global),
                   set = real_set(key);
    const struct mips_tlb_entry entry = {
        .entry_hi = key,
        .entry_lo = {lo[0], lo[1]},
        .used = true,
    };
    uint32_t at = MIPS_TLB_ROOM;
    for (uint32_t i = set; i < set + VCPU_REAL_WAYS; i++)
        if (real_holds(&vcpu->s->tlb[i], key, global))
            at = i;
    for (uint32_t i = set; at == MIPS_TLB_ROOM && i < set + VCPU_REAL_WAYS; i++)
        if (!vcpu->s->tlb[i].used)
            at = i;
    if (at == MIPS_TLB_ROOM)
        at = set + vcpu->real_next[set / VCPU_REAL_WAYS]++ % VCPU_REAL_WAYS;
    if (!mips_tlb_write(vcpu->cpu, at, &entry)) { /* the page of registers beside a global page */
        mips_tlb_clear(vcpu->cpu);
        mips_tlb_write(vcpu->cpu, at, &entry);
    }
}

/* ------------------------------------------------------------------------------ a miss */

static bool is_hal(const struct vcpu *vcpu, uint32_t address)
{
    return vcpu->options.hal && (address & ~(MIPS_PAGE_BYTES - 1)) == ABI_HAL_PAGE;
}

/* The guest's EntryLo of the pair at `address`; false: nothing maps it. */
static bool guest_pair(const struct vcpu *vcpu, uint32_t address, uint32_t lo[2])
{
    uint32_t ppn;
    if (!vcpu_direct(vcpu, address & ~(PAIR - 1), &ppn))
        return vcpu_pair(vcpu, address, lo);
    const uint32_t flags = ENTRYLO_G | ENTRYLO_V | ENTRYLO_D;
    lo[0] = ppn << ENTRYLO_PFN_SHIFT | flags;
    lo[1] = (ppn + 1) << ENTRYLO_PFN_SHIFT | flags;
    return true;
}

/* The real EntryLo for a guest's. */
static uint32_t real_lo(struct vcpu *vcpu, uint32_t lo, enum vcpu_touch touch)
{
    struct vcpu_frame frame;
    const uint32_t ppn = lo >> ENTRYLO_PFN_SHIFT;
    if (!(lo & ENTRYLO_V) || ppn >= vcpu->options.pages ||
        !vcpu->owner.translate(vcpu->owner.context, vcpu, ppn, touch, &frame))
        return lo & ENTRYLO_G;
    const uint32_t kept = lo & (ENTRYLO_G | (frame.writable ? ENTRYLO_D : 0));
    return frame.frame << ENTRYLO_PFN_SHIFT | CACHEABLE | ENTRYLO_V | kept;
}

/* LL's link follows the page to where a store goes (replicas give way to their master): whether SC succeeds
 * must not depend on the page's copies. */
static void move_link(struct vcpu *vcpu, uint32_t before, uint32_t after)
{
    struct mips_state *const s = vcpu->s;
    const uint32_t from = before >> ENTRYLO_PFN_SHIFT, to = after >> ENTRYLO_PFN_SHIFT;
    if (before & ENTRYLO_V && s->link && s->cp0.lladdr / MIPS_PAGE_BYTES == from)
        s->cp0.lladdr = to * MIPS_PAGE_BYTES | s->cp0.lladdr % MIPS_PAGE_BYTES;
}

static const struct mips_tlb_entry *real_find(const struct vcpu *vcpu, uint32_t address)
{
    const uint32_t asid = vcpu->guest.cp0.entry_hi & ENTRYHI_ASID;
    for (int global = 0; global < 2; global++) {
        const uint32_t key = real_key(address, asid, global), set = real_set(key);
        for (uint32_t i = set; i < set + VCPU_REAL_WAYS; i++)
            if (real_holds(&vcpu->s->tlb[i], key, global))
                return &vcpu->s->tlb[i];
    }
    return NULL;
}

/* Beside the page of registers may be a page of the guest's, whose G counts for both. */
static uint32_t hal_lo(const struct vcpu *vcpu, uint32_t beside)
{
    return vcpu->options.hal_frame << ENTRYLO_PFN_SHIFT | CACHEABLE | ENTRYLO_V |
           (beside & ENTRYLO_G);
}

static bool refill_hal(struct vcpu *vcpu, bool writes)
{
    uint32_t lo[2] = {0, 0};
    if (writes)
        return false;
    guest_pair(vcpu, ABI_HAL_PAGE, lo);
    real_put(vcpu, ABI_HAL_PAGE,
             (const uint32_t[]){real_lo(vcpu, lo[0], VCPU_PEEK), hal_lo(vcpu, lo[0])});
    vcpu->service[VCPU_REFILLED]++;
    return true;
}

bool vcpu_refill(void *owner, struct mips_cpu *cpu, uint32_t address, enum mips_access access)
{
    struct vcpu *const vcpu = owner;
    const bool store = access == MIPS_STORE, writes = store || access == MIPS_CONDITIONAL;
    const unsigned half = address / MIPS_PAGE_BYTES % 2;
    uint32_t lo[2], real[2];
    (void)cpu;
    if (is_hal(vcpu, address))
        return refill_hal(vcpu, writes);
    if (!guest_pair(vcpu, address, lo) || !(lo[half] & ENTRYLO_V) ||
        (writes && !(lo[half] & ENTRYLO_D)))
        return false;
    const struct mips_tlb_entry *const before = store ? real_find(vcpu, address) : NULL;
    const uint32_t before_lo = before ? before->entry_lo[half] : 0;
    real[half] = real_lo(vcpu, lo[half], store ? VCPU_WRITE : VCPU_READ);
    if (!(real[half] & ENTRYLO_V))
        return false;
    move_link(vcpu, before_lo, real[half]);
    real[!half] = is_hal(vcpu, address ^ MIPS_PAGE_BYTES) ? hal_lo(vcpu, lo[half])
                                                          : real_lo(vcpu, lo[!half], VCPU_PEEK);
    real_put(vcpu, address, real);
    vcpu->service[VCPU_REFILLED]++;
    return true;
}

/* ------------------------------------------------------------------------------ looking at memory */

static bool guest_page(const struct vcpu *vcpu, uint32_t address, uint32_t *ppn)
{
    uint32_t lo[2];
    if (!guest_pair(vcpu, address, lo))
        return false;
    const uint32_t half = lo[address / MIPS_PAGE_BYTES % 2];
    *ppn = half >> ENTRYLO_PFN_SHIFT;
    return half & ENTRYLO_V && *ppn < vcpu->options.pages;
}

bool vcpu_guest_physical(const struct vcpu *vcpu, uint32_t address, uint32_t *guest_physical)
{
    uint32_t ppn;
    if (!guest_page(vcpu, address, &ppn))
        return false;
    *guest_physical = ppn * MIPS_PAGE_BYTES | address % MIPS_PAGE_BYTES;
    return true;
}

static const uint8_t *code_at(struct vcpu *vcpu, uint32_t pc)
{
    const struct mips_tlb_entry *const entry = real_find(vcpu, pc);
    const uint32_t lo = entry ? entry->entry_lo[pc / MIPS_PAGE_BYTES % 2] : 0,
                   frame = lo >> ENTRYLO_PFN_SHIFT, at = frame % VCPU_CODE_FRAMES;
    if (lo & ENTRYLO_V && vcpu->code[at].host && vcpu->code[at].frame == frame)
        return vcpu->code[at].host;
    uint32_t ppn;
    struct vcpu_frame found;
    if (!guest_page(vcpu, pc, &ppn) ||
        !vcpu->owner.translate(vcpu->owner.context, vcpu, ppn, VCPU_READ, &found))
        return NULL;
    vcpu->code[found.frame % VCPU_CODE_FRAMES].frame = found.frame;
    vcpu->code[found.frame % VCPU_CODE_FRAMES].host = found.host;
    return found.host;
}

bool vcpu_fetch(struct vcpu *vcpu, uint32_t pc, uint32_t *word)
{
    const uint8_t *const code = code_at(vcpu, pc);
    if (code)
        __builtin_memcpy(word, code + pc % MIPS_PAGE_BYTES, sizeof *word);
    return code;
}
