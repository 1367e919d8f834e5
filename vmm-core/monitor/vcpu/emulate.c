/* Privileged instructions, on the guest's state. What each does stands in volume II and in mips/system.c; the order of
 * rules is theirs: in a virtual kernel mode a reserved word of coprocessor 0 is Reserved Instruction, and so
 * are a branch or ERET in a delay slot. */
#include "vmm-core/monitor/vcpu/vcpu-internal.h"

#include "vmm-core/machine/mips/decode.h"

#define SYNCI_STEP 32u /* bytes: a line of the 24Kf's caches */

static void set_register(struct vcpu *vcpu, unsigned reg, uint32_t value)
{
    if (reg)
        vcpu->s->r[reg] = value;
}

static enum vcpu_emulated raises(struct vcpu *vcpu, struct vcpu_exception exception)
{
    vcpu->exception = exception;
    return VCPU_EMULATED_RAISES;
}

static enum vcpu_emulated reserved(struct vcpu *vcpu)
{
    return raises(vcpu, (struct vcpu_exception){.code = MIPS_EXCEPTION_RESERVED});
}

static enum vcpu_emulated set_enable(struct vcpu *vcpu, uint32_t word, uint32_t enable)
{
    struct mips_cp0 *const cp0 = &vcpu->guest.cp0;
    set_register(vcpu, mips_rt(word), cp0->status);
    cp0->status = (cp0->status & ~STATUS_IE) | enable;
    return VCPU_EMULATED_NEXT;
}

static enum vcpu_emulated write_tlb(struct vcpu *vcpu, bool random)
{
    if (vcpu_tlb_write(vcpu, random))
        return VCPU_EMULATED_NEXT;
    /* 24K Software User's Manual, "Machine Check Exception": found on the write, which is not done */
    vcpu->guest.cp0.status |= STATUS_TS;
    return raises(vcpu, (struct vcpu_exception){.code = MIPS_EXCEPTION_MACHINE_CHECK});
}

static enum vcpu_emulated do_eret(struct vcpu *vcpu)
{
    struct mips_cp0 *const cp0 = &vcpu->guest.cp0;
    if (cp0->status & STATUS_ERL) {
        vcpu->s->pc = cp0->error_epc;
        cp0->status &= ~STATUS_ERL;
        vcpu_real_clear(vcpu); /* user addresses are other pages now */
    } else {
        vcpu->s->pc = cp0->epc;
        cp0->status &= ~STATUS_EXL;
    }
    vcpu->s->link = false;
    return VCPU_EMULATED_THERE;
}

/* No cache holds what memory does not, so operations on an address ("hit") translate it and no more. Bits 20:18 are
 * the operation, 17:16 the cache (volume II, CACHE). */
static enum vcpu_emulated do_cache(struct vcpu *vcpu, uint32_t word)
{
    const unsigned operation = mips_rt(word) >> 2;
    if (operation == 1) /* Index Load Tag */
        vcpu->guest.cp0.tag_lo = vcpu->guest.cp0.data_lo = 0;
    if (operation < 4)
        return VCPU_EMULATED_NEXT;
    const uint32_t address = vcpu->s->r[mips_rs(word)] + mips_signed(word);
    return vcpu_touch(vcpu, address);
}

static enum vcpu_emulated do_rdhwr(struct vcpu *vcpu, uint32_t word)
{
    const unsigned number = mips_rd(word), to = mips_rt(word);
    if (!vcpu_privileged(vcpu) && !(vcpu->guest.cp0.hwrena >> number & 1))
        return reserved(vcpu);
    switch (number) {
    case 0:
        set_register(vcpu, to, vcpu->options.number);
        break;
    case 1:
        set_register(vcpu, to, SYNCI_STEP);
        break;
    case 2:
        set_register(vcpu, to, vcpu_count(vcpu));
        break;
    case 3:
        set_register(vcpu, to, MIPS_COUNT_INSTRUCTIONS);
        break;
    case 29:
        set_register(vcpu, to, vcpu->guest.cp0.user_local);
        break;
    default:
        return reserved(vcpu);
    }
    return VCPU_EMULATED_NEXT;
}

static enum vcpu_emulated dispatch(struct vcpu *vcpu, enum mips_instruction instruction,
                                   uint32_t word, struct vcpu_place place)
{
    switch (instruction) {
    case MIPS_MFC0:
        vcpu_hal_patch(vcpu, vcpu_place_pc(place), word);
        set_register(vcpu, mips_rt(word), vcpu_cp0_read(vcpu, mips_rd(word), word & 7));
        return VCPU_EMULATED_NEXT;
    case MIPS_MTC0:
        vcpu_cp0_write(vcpu, mips_rd(word), word & 7, vcpu->s->r[mips_rt(word)]);
        return VCPU_EMULATED_NEXT;
    case MIPS_RDPGPR: /* one set of registers: the previous set is the present one */
    case MIPS_WRPGPR:
        set_register(vcpu, mips_rd(word), vcpu->s->r[mips_rt(word)]);
        return VCPU_EMULATED_NEXT;
    case MIPS_DI:
        return set_enable(vcpu, word, 0);
    case MIPS_EI:
        return set_enable(vcpu, word, STATUS_IE);
    case MIPS_TLBR:
        vcpu_tlb_read(vcpu);
        return VCPU_EMULATED_NEXT;
    case MIPS_TLBWI:
        return write_tlb(vcpu, false);
    case MIPS_TLBWR:
        return write_tlb(vcpu, true);
    case MIPS_TLBP:
        vcpu_tlb_probe(vcpu);
        return VCPU_EMULATED_NEXT;
    case MIPS_ERET:
        return place.slot ? reserved(vcpu) : do_eret(vcpu);
    case MIPS_WAIT:
        vcpu->guest.waiting = true;
        return VCPU_EMULATED_NEXT;
    case MIPS_CACHE:
        return do_cache(vcpu, word);
    case MIPS_RDHWR:
        return do_rdhwr(vcpu, word);
    default:
        return reserved(vcpu);
    }
}

enum vcpu_emulated vcpu_emulate(struct vcpu *vcpu, uint32_t word, struct vcpu_place place)
{
    const enum mips_instruction instruction = mips_decode(word);
    const bool tlb = instruction == MIPS_TLBWI || instruction == MIPS_TLBWR;
    const enum vcpu_emulated outcome = dispatch(vcpu, instruction, word, place);
    if (outcome == VCPU_EMULATED_NEXT || outcome == VCPU_EMULATED_THERE)
        vcpu->service[tlb ? VCPU_TLB_WRITE : VCPU_PRIVILEGED]++;
    return outcome;
}

/* ------------------------------------------------------------------------------ delay slots */

/* Is the branch taken? Its slot has not changed anything yet, so registers are what it saw, but for its own link. */
static bool taken(const struct vcpu *vcpu, enum mips_instruction branch, uint32_t word)
{
    const uint32_t *const r = vcpu->s->r;
    const int32_t rs = (int32_t)r[mips_rs(word)];
    const unsigned cc = word >> 18 & 7;
    const bool condition = vcpu->s->fcsr >> (cc ? 24 + cc : 23) & 1;
    switch (branch) {
    case MIPS_BEQ:
        return r[mips_rs(word)] == r[mips_rt(word)];
    case MIPS_BNE:
        return r[mips_rs(word)] != r[mips_rt(word)];
    case MIPS_BLEZ:
        return rs <= 0;
    case MIPS_BGTZ:
        return rs > 0;
    case MIPS_BLTZ:
    case MIPS_BLTZAL:
        return rs < 0;
    case MIPS_BGEZ:
    case MIPS_BGEZAL:
        return rs >= 0;
    case MIPS_BC1F:
        return !condition;
    case MIPS_BC1T:
        return condition;
    default: /* jumps; the slot of a likely branch is executed only if it is taken */
        return true;
    }
}

bool vcpu_behind(struct vcpu *vcpu, struct vcpu_place place, uint32_t *pc)
{
    const uint32_t epc = place.epc;
    uint32_t word;
    if (!place.slot) {
        *pc = epc + 4;
        return true;
    }
    if (epc % MIPS_PAGE_BYTES ==
        MIPS_PAGE_BYTES - 4) { /* mips/: the branch was decided before its slot */
        *pc = vcpu->s->delay_target;
        return true;
    }
    if (!vcpu_fetch(vcpu, epc, &word))
        return false;
    const enum mips_instruction branch = mips_decode(word);
    if (!taken(vcpu, branch, word))
        *pc = epc + 8;
    else if (branch == MIPS_J || branch == MIPS_JAL)
        *pc = ((epc + 4) & 0xf0000000) | (word << 2 & 0x0fffffff);
    else if (branch == MIPS_JR || branch == MIPS_JALR)
        *pc = vcpu->s->r[mips_rs(word)];
    else
        *pc = epc + 4 + (mips_signed(word) << 2);
    if (branch == MIPS_JALR && mips_rs(word) == mips_rd(word))
        *pc = vcpu->s->delay_target;
    return true;
}
