/* Addresses: segments and modes, cached translations, and loads and stores that miss them.
 *
 * Segments (volume III, chapter 4): useg below 0x80000000 for all, mapped, but in kernel mode with
 * ERL set itself; kseg0 and kseg1 for the kernel, the low 512 MB; ksseg for kernel and supervisor,
 * mapped; kseg3 for the kernel, mapped. */
#include "vmm-core/machine/mips/internal.h"

#include <string.h>

#define USEG_END   UINT32_C(0x80000000)
#define KSEG1_END  UINT32_C(0xc0000000)
#define KSSEG_END  UINT32_C(0xe0000000)
#define UNMAPPED   UINT32_C(0x1fffffff)
#define LINE_BYTES 32u /* of the 24Kf's caches: what LL watches */

/* What answers an address: an exception, the address itself, or the TLB. */
enum segment { SEGMENT_ERROR, SEGMENT_DIRECT, SEGMENT_MAPPED };

static enum segment segment_of(const struct mips_cpu *cpu, uint32_t address, uint32_t *physical)
{
    const enum mips_mode mode = mips_mode(cpu);
    if (address < USEG_END) {
        *physical = address;
        return cpu->s.cp0.status & STATUS_ERL ? SEGMENT_DIRECT : SEGMENT_MAPPED;
    }
    if (address >= KSEG1_END && address < KSSEG_END)
        return mode == MIPS_USER ? SEGMENT_ERROR : SEGMENT_MAPPED;
    if (mode != MIPS_KERNEL)
        return SEGMENT_ERROR;
    *physical = address & UNMAPPED;
    return address < KSEG1_END ? SEGMENT_DIRECT : SEGMENT_MAPPED;
}

static bool fault_at(struct mips_cpu *cpu, enum mips_exception code, uint32_t address, bool refill)
{
    cpu->fault = (struct mips_fault){.code = code, .address = address, .refill = refill};
    return false;
}

static bool translate(struct mips_cpu *cpu, uint32_t address, enum mips_access access,
                      uint32_t *physical)
{
    const bool store = access == MIPS_STORE;
    const enum segment segment = segment_of(cpu, address, physical);
    if (segment == SEGMENT_ERROR || (access == MIPS_FETCH && address & 3))
        return fault_at(cpu, store ? MIPS_EXCEPTION_ADDRESS_STORE : MIPS_EXCEPTION_ADDRESS_LOAD,
                        address, false);
    cpu->found = MIPS_TLB_ROOM;
    cpu->found_half = 0;
    if (segment == SEGMENT_DIRECT)
        return true;
    unsigned index;
    const enum mips_exception missing = store ? MIPS_EXCEPTION_TLB_STORE : MIPS_EXCEPTION_TLB_LOAD;
    if (!mips_tlb_find(cpu, address, &index))
        return fault_at(cpu, missing, address, true);
    const struct mips_tlb_entry *const entry = &cpu->s.tlb[index];
    /* a pair is one entry: the bit above the offset tells which */
    const uint32_t offset = entry->page_mask >> 1 | (MIPS_PAGE_BYTES - 1);
    const unsigned half = !!(address & (offset + 1));
    const uint32_t lo = entry->entry_lo[half];
    if (!(lo & ENTRYLO_V))
        return fault_at(cpu, missing, address, false);
    if (store && !(lo & ENTRYLO_D))
        return fault_at(cpu, MIPS_EXCEPTION_TLB_MODIFIED, address, false);
    *physical = ((lo >> ENTRYLO_PFN_SHIFT) * MIPS_PAGE_BYTES & ~offset) | (address & offset);
    cpu->found = index;
    cpu->found_half = half;
    return true;
}

/* After a translation that failed: asks the owner for `wanted`, and tries again for it. */
static bool ask(struct mips_cpu *cpu, const struct mips_op *op, uint32_t address,
                enum mips_access wanted, uint32_t *physical)
{
    if (!cpu->miss || !mips_is_tlb(cpu->fault.code))
        return false;
    cpu->op = op;
    const bool there = cpu->miss(cpu->miss_owner, cpu, address, wanted);
    cpu->op = NULL;
    if (cpu->resumed && cpu->next_reference == cpu->list)
        mips_resume(cpu);
    return there && translate(cpu, address, wanted, physical);
}

bool mips_address(struct mips_cpu *cpu, const struct mips_op *op, uint32_t address,
                  enum mips_access access, uint32_t *physical)
{
    return translate(cpu, address, access, physical) || ask(cpu, op, address, access, physical);
}

bool mips_address_conditional(struct mips_cpu *cpu, const struct mips_op *op, uint32_t address,
                              uint32_t *physical)
{
    if (translate(cpu, address, MIPS_STORE, physical))
        return true;
    const struct mips_fault fault = cpu->fault;
    if (ask(cpu, op, address, MIPS_CONDITIONAL, physical))
        return true;
    cpu->fault = fault;
    return false;
}

void mips_on_miss(struct mips_cpu *cpu, void *owner, mips_miss *miss)
{
    cpu->miss_owner = owner;
    cpu->miss = miss;
}

int mips_translate(struct mips_cpu *cpu, uint32_t address, enum mips_access access,
                   uint32_t *physical)
{
    const struct mips_fault kept = cpu->fault;
    const bool well = translate(cpu, address, access, physical);
    const int code = well ? -1 : (int)cpu->fault.code;
    cpu->fault = kept;
    return code;
}

/* ------------------------------------------------------------------------------- the cache */

static uint32_t cached_index(uint32_t address)
{
    return address / MIPS_PAGE_BYTES % CACHED_PAGES;
}

/* What was just translated. */
static void remember(struct mips_cpu *cpu, bool store, uint32_t address, uint32_t physical,
                     const struct mips_frame *frame)
{
    const uint32_t page = address & CACHED_PAGE;
    const unsigned mode = cpu->context >> 12 & (TRANSLATION_MODES - 1);
    cpu->cached[mode][store][cached_index(address)] = (struct mips_cached){
        .tag = page | cpu->asid_tag,
        .physical = physical & CACHED_PAGE,
        .addend = (uintptr_t)frame->host - page,
    };
    cpu->cached_modes |= 1u << mode;
    cpu->tlb_cached[cpu->found] |= 1u << ((2 * mode + store) * 2 + cpu->found_half);
}

void mips_cached_clear(struct mips_cpu *cpu)
{
    for (unsigned mode = 0; mode < TRANSLATION_MODES; mode++)
        for (unsigned i = 0; i < CACHED_PAGES && cpu->cached_modes >> mode & 1; i++)
            cpu->cached[mode][0][i].tag = cpu->cached[mode][1][i].tag = CACHED_NONE;
    cpu->cached_modes = 0;
    for (unsigned i = 0; i < CACHED_PAGES / 4; i++)
        cpu->fetch[i].tag = CACHED_NONE;
    memset(cpu->jump, 0, sizeof cpu->jump);
    memset(cpu->tlb_cached, 0, sizeof cpu->tlb_cached);
}

static void drop_fetch(struct mips_cpu *cpu, uint32_t page)
{
    struct mips_cached *const fetch = &cpu->fetch[page / MIPS_PAGE_BYTES % (CACHED_PAGES / 4)];
    if ((fetch->tag & CACHED_PAGE) == page && fetch->tag != CACHED_NONE) {
        fetch->tag = CACHED_NONE;
        mips_jump_forget(cpu, page);
        mips_kick(cpu); /* it might be running */
    }
}

void mips_cached_drop_entry(struct mips_cpu *cpu, unsigned index)
{
    const struct mips_tlb_entry *const entry = &cpu->s.tlb[index];
    uint32_t bits = cpu->tlb_cached[index];
    cpu->tlb_cached[index] = 0;
    if (bits && entry->page_mask) {
        mips_cached_clear(cpu);
        mips_kick(cpu);
        return;
    }
    for (; bits; bits &= bits - 1) {
        const unsigned bit = (unsigned)__builtin_ctz(bits), table = bit / 2;
        const uint32_t page = (entry->entry_hi & ENTRYHI_VPN2) + bit % 2 * MIPS_PAGE_BYTES;
        if (bit >= CACHED_FETCH_BIT) {
            drop_fetch(cpu, page);
        } else {
            struct mips_cached *const cached =
                &cpu->cached[table / 2][table % 2][cached_index(page)];
            if ((cached->tag & CACHED_PAGE) == page)
                cached->tag = CACHED_NONE;
        }
    }
}

static void drop_table(struct mips_cached *table, uint32_t physical)
{
    for (unsigned i = 0; i < CACHED_PAGES; i++)
        if (table[i].physical == (physical & CACHED_PAGE))
            table[i].tag = CACHED_NONE;
}

static void drop_stores(struct mips_cpu *cpu, uint32_t physical)
{
    for (unsigned mode = 0; mode < TRANSLATION_MODES; mode++)
        if (cpu->cached_modes >> mode & 1)
            drop_table(cpu->cached[mode][1], physical);
}

void mips_cached_drop_stores(struct mips_memory *memory, uint32_t physical)
{
    for (struct mips_cpu *cpu = memory->cpus; cpu; cpu = cpu->next)
        drop_stores(cpu, physical);
}

void mips_cached_drop_frame(struct mips_memory *memory, uint32_t physical)
{
    for (struct mips_cpu *cpu = memory->cpus; cpu; cpu = cpu->next) {
        for (unsigned mode = 0; mode < TRANSLATION_MODES; mode++)
            if (cpu->cached_modes >> mode & 1)
                drop_table(cpu->cached[mode][0], physical);
        drop_stores(cpu, physical);
        mips_kick(cpu);
    }
}

/* ------------------------------------------------------------------------------- LL and SC */

void mips_links_break(struct mips_memory *memory, const struct mips_cpu *except, uint32_t physical,
                      uint32_t bytes)
{
    for (struct mips_cpu *cpu = memory->cpus; cpu; cpu = cpu->next) {
        const uint32_t line = cpu->s.cp0.lladdr & ~(LINE_BYTES - 1);
        if (cpu != except && cpu->s.link && line < physical + bytes && physical < line + LINE_BYTES)
            cpu->s.link = false;
    }
}

/* Does another CPU hold a link into the page? Then stores to it have to be seen. */
static bool page_linked(const struct mips_cpu *cpu, uint32_t physical)
{
    for (const struct mips_cpu *other = cpu->memory->cpus; other; other = other->next)
        if (other != cpu && other->s.link &&
            other->s.cp0.lladdr / MIPS_PAGE_BYTES == physical / MIPS_PAGE_BYTES)
            return true;
    return false;
}

void mips_links_guard(struct mips_cpu *cpu)
{
    cpu->others_linked = false;
    for (const struct mips_cpu *other = cpu->memory->cpus; other; other = other->next)
        if (other != cpu && other->s.link) {
            cpu->others_linked = true;
            drop_stores(cpu, other->s.cp0.lladdr);
        }
}

/* ------------------------------------------------------------------------------- misses */

/* 1, 2, 4 or 8 bytes: a copy of a size that the compiler knows is an instruction, not a call. */
static void copy(uint8_t *to, const uint8_t *from, unsigned bytes)
{
    switch (bytes) {
    case 1:
        *to = *from;
        break;
    case 2:
        memcpy(to, from, 2);
        break;
    case 4:
        memcpy(to, from, 4);
        break;
    default:
        memcpy(to, from, 8);
        break;
    }
}

bool mips_load(struct mips_cpu *cpu, const struct mips_op *op, uint32_t address, unsigned bytes,
               uint64_t *value)
{
    uint32_t physical;
    if (address & (bytes - 1))
        return fault_at(cpu, MIPS_EXCEPTION_ADDRESS_LOAD, address, false);
    if (!mips_address(cpu, op, address, MIPS_LOAD, &physical))
        return false;
    *value = 0;
    const struct mips_frame *const frame = mips_frame(cpu->memory, physical);
    if (frame) {
        remember(cpu, false, address, physical, frame);
        copy((uint8_t *)value, frame->host + physical % MIPS_PAGE_BYTES, bytes);
        return true;
    }
    const struct mips_bus *const bus = &cpu->memory->bus;
    cpu->op = op;
    const bool answered = bus->read && bus->read(bus->owner, cpu, physical, bytes, value);
    cpu->op = NULL;
    return answered || fault_at(cpu, MIPS_EXCEPTION_BUS_DATA, address, false);
}

bool mips_store(struct mips_cpu *cpu, const struct mips_op *op, uint32_t address, unsigned bytes,
                uint64_t value)
{
    uint32_t physical;
    if (address & (bytes - 1))
        return fault_at(cpu, MIPS_EXCEPTION_ADDRESS_STORE, address, false);
    if (!mips_address(cpu, op, address, MIPS_STORE, &physical))
        return false;
    struct mips_frame *const frame = mips_frame(cpu->memory, physical);
    if (frame && frame->writable) {
        copy(frame->host + physical % MIPS_PAGE_BYTES, (const uint8_t *)&value, bytes);
        if (frame->blocks)
            mips_code_drop(cpu->memory, physical, bytes);
        if (cpu->others_linked)
            mips_links_break(cpu->memory, cpu, physical, bytes);
        if (!frame->blocks && !(cpu->others_linked && page_linked(cpu, physical)))
            remember(cpu, true, address, physical, frame);
        return true;
    }
    const struct mips_bus *const bus = &cpu->memory->bus;
    cpu->op = op;
    const bool answered = bus->write && bus->write(bus->owner, cpu, physical, bytes, value);
    cpu->op = NULL;
    return answered || fault_at(cpu, MIPS_EXCEPTION_BUS_DATA, address, false);
}
