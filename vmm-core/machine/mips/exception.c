/* Exceptions: how they are entered and left, and what of the state they depend on.
 * Source: volume III, chapter 5 (entry: 5.2.2 and figure 5-1; vectors: tables 5-1 to 5-3). */
#include "vmm-core/machine/mips/internal.h"

#define VECTOR_BOOT      UINT32_C(0xbfc00200) /* BEV = 1 */
#define OFFSET_GENERAL   UINT32_C(0x180)
#define OFFSET_INTERRUPT UINT32_C(0x200) /* IV = 1 */

void mips_context(struct mips_cpu *cpu)
{
    const uint32_t status = cpu->s.cp0.status;
    const unsigned mode = status & STATUS_ERL ? TRANSLATION_ERL : (unsigned)mips_mode(cpu);
    uint32_t variant = 0;
    if (status & STATUS_CU1)
        variant = VARIANT_FPU | (status & STATUS_FR ? VARIANT_FR : 0);
    if (cpu->s.delay_slot)
        variant |= VARIANT_DELAY;
    if (cpu->list)
        variant |= VARIANT_RECORD;
    cpu->mode = (uint8_t)mips_mode(cpu);
    cpu->asid_tag = (cpu->s.cp0.entry_hi & ENTRYHI_ASID) << CACHED_ASID_SHIFT;
    /* the top bit tells a context from a table's zero */
    cpu->context = UINT32_C(1) << 31 | mode << 12 | cpu->asid_tag | variant;
    cpu->load = cpu->cached[mode][0];
    cpu->store = cpu->cached[mode][1];
}

void mips_state_changed(struct mips_cpu *cpu)
{
    struct mips_state *const s = &cpu->s;
    s->cp0.wired &= cpu->entries - 1;
    mips_tlb_keys(cpu);
    mips_cached_clear(cpu);
    mips_lines(cpu);
    mips_timer(cpu);
    mips_context(cpu);
    mips_kick(cpu);
}

bool mips_interrupted(const struct mips_cpu *cpu)
{
    const uint32_t status = cpu->s.cp0.status;
    return (status & (STATUS_IE | STATUS_EXL | STATUS_ERL)) == STATUS_IE &&
           status & cpu->s.cp0.cause & CAUSE_IP;
}

static bool has_address(enum mips_exception code)
{
    return code >= MIPS_EXCEPTION_TLB_MODIFIED && code <= MIPS_EXCEPTION_ADDRESS_STORE;
}

/* Enters cpu->fault, raised by the instruction at `pc`. */
void mips_enter(struct mips_cpu *cpu, uint32_t pc, bool delay_slot)
{
    struct mips_cp0 *const cp0 = &cpu->s.cp0;
    const struct mips_fault *const fault = &cpu->fault;
    uint32_t offset = OFFSET_GENERAL;
    if (!(cp0->status & STATUS_EXL)) {
        cp0->epc = delay_slot ? pc - 4 : pc;
        cp0->cause = delay_slot ? cp0->cause | CAUSE_BD : cp0->cause & ~CAUSE_BD;
        if (fault->refill)
            offset = 0;
        else if (fault->code == MIPS_EXCEPTION_INTERRUPT && cp0->cause & CAUSE_IV)
            offset = OFFSET_INTERRUPT;
    }
    cp0->cause = (cp0->cause & ~CAUSE_CODE) | (uint32_t)fault->code << CAUSE_CODE_SHIFT;
    if (fault->code == MIPS_EXCEPTION_COPROCESSOR)
        cp0->cause = (cp0->cause & ~CAUSE_CE) | fault->unit << CAUSE_CE_SHIFT;
    if (has_address(fault->code))
        cp0->bad_vaddr = fault->address;
    if (mips_is_tlb(fault->code)) {
        cp0->context =
            (cp0->context & CONTEXT_BASE) | ((fault->address >> CONTEXT_VPN2_SHIFT) & CONTEXT_VPN2);
        cp0->entry_hi = (fault->address & ENTRYHI_VPN2) | (cp0->entry_hi & ENTRYHI_ASID);
    }
    cp0->status |= STATUS_EXL;
    cpu->s.pc = (cp0->status & STATUS_BEV ? VECTOR_BOOT : cp0->ebase & ~UINT32_C(0xfff)) + offset;
    cpu->s.delay_slot = false;
    cpu->s.waiting = false;
    mips_context(cpu);
}

void mips_raise(struct mips_cpu *cpu, enum mips_exception code, uint32_t bad_vaddr)
{
    cpu->fault = (struct mips_fault){.code = code, .address = bad_vaddr};
    mips_enter(cpu, cpu->s.pc, cpu->s.delay_slot);
    mips_kick(cpu);
}

void mips_eret(struct mips_cpu *cpu)
{
    struct mips_cp0 *const cp0 = &cpu->s.cp0;
    if (cp0->status & STATUS_ERL) {
        cpu->s.pc = cp0->error_epc;
        cp0->status &= ~STATUS_ERL;
    } else {
        cpu->s.pc = cp0->epc;
        cp0->status &= ~STATUS_EXL;
    }
    cpu->s.link = false;
    mips_context(cpu);
    mips_kick(cpu);
}

void mips_set_interrupt(struct mips_cpu *cpu, unsigned line, bool high)
{
    const uint32_t bit = UINT32_C(4) << (line % 6) << CAUSE_IP_SHIFT;
    cpu->lines = high ? cpu->lines | bit : cpu->lines & ~bit;
    mips_lines(cpu);
    mips_kick(cpu);
}
