/* Exceptions of the real CPU: which the monitor answers, and how the others are entered in the guest's kernel.
 * Source: volume III, chapter 5 (entry: 5.2.2 and figure 5-1; vectors: tables 5-1 to 5-3). */
#include "vmm-core/monitor/vcpu/vcpu-internal.h"

#include "vmm-core/monitor/abi.h"

#include <inttypes.h>
#include <stdio.h>

#define OFFSET_GENERAL   UINT32_C(0x180)
#define OFFSET_INTERRUPT UINT32_C(0x200) /* IV = 1 */

#define KSEG0 UINT32_C(0x80000000)
#define KSEG1 UINT32_C(0xa0000000)

bool vcpu_privileged(const struct vcpu *vcpu)
{
    return vcpu_kernel_mode(vcpu) || vcpu->guest.cp0.status & STATUS_CU0;
}

void vcpu_resume(struct vcpu *vcpu)
{
    mips_cp0_write(vcpu->cpu, 12, 0, vcpu_real_status(vcpu));
    vcpu_hal_show(vcpu);
}

#define SAY(vcpu, ...) (void)snprintf((vcpu)->error, sizeof(vcpu)->error, __VA_ARGS__)

/* ------------------------------------------------------------------------------ into the guest */

static bool has_address(enum mips_exception code)
{
    return code >= MIPS_EXCEPTION_TLB_MODIFIED && code <= MIPS_EXCEPTION_ADDRESS_STORE;
}

static bool is_tlb(enum mips_exception code)
{
    return code >= MIPS_EXCEPTION_TLB_MODIFIED && code <= MIPS_EXCEPTION_TLB_STORE;
}

/* A vector that faults itself enters itself for ever. */
static bool vector_faults(const struct vcpu *vcpu, struct vcpu_exception exception, uint32_t pc,
                          uint32_t vector)
{
    return vcpu->guest.cp0.status & STATUS_EXL && pc == vector &&
           (exception.code == MIPS_EXCEPTION_BUS_FETCH ||
            (has_address(exception.code) && exception.address == pc));
}

bool vcpu_reflect(struct vcpu *vcpu, struct vcpu_exception exception, struct vcpu_place place)
{
    struct mips_cp0 *const cp0 = &vcpu->guest.cp0;
    uint32_t offset = OFFSET_GENERAL;
    if (cp0->status & STATUS_BEV) {
        SAY(vcpu,
            "an exception (code %d) with Status.BEV set goes to the boot ROM at 0xbfc00000, which "
            "a virtual machine "
            "has not; the guest has to clear BEV",
            (int)exception.code);
        return false;
    }
    const uint32_t base = cp0->ebase & ~UINT32_C(0xfff);
    if (vector_faults(vcpu, exception, vcpu_place_pc(place), base + OFFSET_GENERAL)) {
        SAY(vcpu,
            "an exception within an exception: the vector at 0x%08" PRIx32
            " faults itself; the guest has to put code there",
            base + OFFSET_GENERAL);
        return false;
    }
    if (!(cp0->status & STATUS_EXL)) {
        cp0->epc = place.epc;
        cp0->cause = place.slot ? cp0->cause | CAUSE_BD : cp0->cause & ~CAUSE_BD;
        if (exception.refill)
            offset = 0;
        else if (exception.code == MIPS_EXCEPTION_INTERRUPT && cp0->cause & CAUSE_IV)
            offset = OFFSET_INTERRUPT;
    }
    cp0->cause = (cp0->cause & ~CAUSE_CODE) | (uint32_t)exception.code << CAUSE_CODE_SHIFT;
    if (exception.code == MIPS_EXCEPTION_COPROCESSOR)
        cp0->cause = (cp0->cause & ~CAUSE_CE) | exception.unit << CAUSE_CE_SHIFT;
    if (has_address(exception.code))
        cp0->bad_vaddr = exception.address;
    if (is_tlb(exception.code)) {
        cp0->context = (cp0->context & CONTEXT_BASE) |
                       ((exception.address >> CONTEXT_VPN2_SHIFT) & CONTEXT_VPN2);
        cp0->entry_hi = (exception.address & ENTRYHI_VPN2) | (cp0->entry_hi & ENTRYHI_ASID);
    }
    cp0->status |= STATUS_EXL;
    vcpu->s->pc = base + offset;
    vcpu->s->delay_slot = false;
    vcpu->guest.waiting = false;
    vcpu->service[exception.code == MIPS_EXCEPTION_INTERRUPT ? VCPU_INTERRUPTED : VCPU_REFLECTED]++;
    return true;
}

/* ------------------------------------------------------------------------------ what it means */

/* A TLB exception of the real CPU: the guest's is what its own TLB says. */
static struct vcpu_exception tlb_exception(const struct vcpu *vcpu, enum mips_exception code,
                                           uint32_t address, uint32_t pc)
{
    struct vcpu_exception exception = {.code = code, .address = address};
    uint32_t ppn, lo[2];
    const bool store = code != MIPS_EXCEPTION_TLB_LOAD, direct = vcpu_direct(vcpu, address, &ppn);
    const bool matched = !direct && vcpu_virtual_pair(vcpu, address, lo);
    const uint32_t half = matched ? lo[address / MIPS_PAGE_BYTES % 2] : 0;
    if (direct || (half & ENTRYLO_V && (!store || half & ENTRYLO_D))) {
        /* translated, to where there is no memory */
        exception.code = address == pc ? MIPS_EXCEPTION_BUS_FETCH : MIPS_EXCEPTION_BUS_DATA;
    } else if (half & ENTRYLO_V) {
        exception.code = MIPS_EXCEPTION_TLB_MODIFIED;
    } else {
        exception.code = store ? MIPS_EXCEPTION_TLB_STORE : MIPS_EXCEPTION_TLB_LOAD;
        exception.refill = !matched;
    }
    return exception;
}

static bool is_call(const struct vcpu *vcpu, enum mips_exception code, uint32_t address)
{
    return code == MIPS_EXCEPTION_ADDRESS_STORE && address - ABI_CALLS < ABI_CALLS_BYTES &&
           address % 4 == 0 && vcpu_kernel_mode(vcpu);
}

/* Where a kernel cannot reach: false, and it is said. */
static bool reachable(struct vcpu *vcpu, uint32_t address, uint32_t pc)
{
    if (!vcpu_kernel_mode(vcpu) || address < KSEG0 ||
        address - ABI_DIRECT_MAP < ABI_MAPPED_END - ABI_DIRECT_MAP)
        return true;
    const char *const segment = address < KSEG1            ? "KSEG0"
                                : address < ABI_DIRECT_MAP ? "KSEG1"
                                                           : "KSEG3";
    SAY(vcpu,
        "the guest's kernel %s 0x%08" PRIx32
        " in %s, which cannot be virtualised; it has to be linked to the direct map at 0x%08x",
        address == pc ? "jumps to" : "touches", address, segment, (unsigned)ABI_DIRECT_MAP);
    return false;
}

enum vcpu_emulated vcpu_touch(struct vcpu *vcpu, uint32_t address)
{
    uint32_t lo[2], ppn;
    if (!reachable(vcpu, address, 0))
        return VCPU_EMULATED_ERROR;
    if (!vcpu_kernel_mode(vcpu) && address >= KSEG0) {
        vcpu->exception =
            (struct vcpu_exception){.code = MIPS_EXCEPTION_ADDRESS_LOAD, .address = address};
        return VCPU_EMULATED_RAISES;
    }
    if (vcpu_direct(vcpu, address, &ppn) ||
        (vcpu_pair(vcpu, address, lo) && lo[address / MIPS_PAGE_BYTES % 2] & ENTRYLO_V))
        return VCPU_EMULATED_NEXT;
    vcpu->exception = tlb_exception(vcpu, MIPS_EXCEPTION_TLB_LOAD, address, 0);
    return VCPU_EMULATED_RAISES;
}

/* ------------------------------------------------------------------------------ answers */

/* What a trap comes to. */
enum outcome { GOES_ON, ERROR, CALL };

static enum outcome reflect(struct vcpu *vcpu, struct vcpu_exception exception,
                            struct vcpu_place place)
{
    return vcpu_reflect(vcpu, exception, place) ? GOES_ON : ERROR;
}

static enum outcome unreadable(struct vcpu *vcpu, uint32_t pc)
{
    SAY(vcpu, "the instruction at 0x%08" PRIx32 " has gone from memory while it was executed", pc);
    return ERROR;
}

static enum outcome monitor_call(struct vcpu *vcpu, uint32_t address, struct vcpu_place place)
{
    uint32_t behind;
    if (!vcpu_behind(vcpu, place, &behind))
        return unreadable(vcpu, place.epc);
    vcpu->s->pc = behind;
    vcpu->call = (address - ABI_CALLS) / 4;
    vcpu->service[VCPU_CALLED]++;
    return CALL;
}

/* A privileged instruction, or RDHWR. */
static enum outcome emulate(struct vcpu *vcpu, struct vcpu_place place)
{
    const uint32_t pc = vcpu_place_pc(place);
    uint32_t word, behind;
    if (!vcpu_fetch(vcpu, pc, &word) || !vcpu_behind(vcpu, place, &behind))
        return unreadable(vcpu, pc);
    switch (vcpu_emulate(vcpu, word, place)) {
    case VCPU_EMULATED_RAISES:
        return reflect(vcpu, vcpu->exception, place);
    case VCPU_EMULATED_ERROR:
        return ERROR;
    case VCPU_EMULATED_NEXT:
        vcpu->s->pc = behind;
        return GOES_ON;
    case VCPU_EMULATED_THERE:
        break;
    }
    return GOES_ON;
}

static enum outcome answer(struct vcpu *vcpu, struct vcpu_exception exception,
                           struct vcpu_place place)
{
    const uint32_t pc = vcpu_place_pc(place), address = exception.address;
    switch (exception.code) {
    case MIPS_EXCEPTION_COPROCESSOR:
        if (!exception.unit && vcpu_privileged(vcpu))
            return emulate(vcpu, place);
        break;
    case MIPS_EXCEPTION_RESERVED: /* RDHWR of what the real CPU may not tell */
        return emulate(vcpu, place);
    case MIPS_EXCEPTION_TLB_MODIFIED:
    case MIPS_EXCEPTION_TLB_LOAD:
    case MIPS_EXCEPTION_TLB_STORE:
        return reflect(vcpu, tlb_exception(vcpu, exception.code, address, pc), place);
    case MIPS_EXCEPTION_ADDRESS_LOAD:
    case MIPS_EXCEPTION_ADDRESS_STORE:
        if (is_call(vcpu, exception.code, address))
            return monitor_call(vcpu, address, place);
        if (!reachable(vcpu, address, pc))
            return ERROR;
        break;
    default:
        break;
    }
    return reflect(vcpu, exception, place);
}

bool vcpu_trap(struct vcpu *vcpu, enum vcpu_stop *why)
{
    const struct mips_cp0 *const real = &vcpu->s->cp0;
    const struct vcpu_exception exception = {
        .code = (enum mips_exception)((real->cause & CAUSE_CODE) >> CAUSE_CODE_SHIFT),
        .address = real->bad_vaddr,
        .unit = (real->cause & CAUSE_CE) >> CAUSE_CE_SHIFT,
    };
    const struct vcpu_place place = {real->epc, real->cause & CAUSE_BD};
    const enum outcome outcome = answer(vcpu, exception, place);
    if (outcome == ERROR)
        vcpu->s->pc = vcpu_place_pc(place);
    vcpu_resume(vcpu);
    *why = outcome == CALL ? VCPU_STOP_CALL : VCPU_STOP_ERROR;
    return outcome != GOES_ON;
}
