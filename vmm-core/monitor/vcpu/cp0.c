/* The guest's registers of coprocessor 0: what is there, what reads as what, what a write may change; and the
 * guest's clock. Source: volume III, chapter 8; figures are the 24Kf's of mips/cp0.c, but for what a virtual CPU has
 * otherwise (vcpu.h). Absent registers read 0 and swallow writes. */
#include "vmm-core/monitor/vcpu/vcpu-internal.h"

#define PRID       UINT32_C(0x00019300)
#define CONFIG0_K0 UINT32_C(7)
/* 64 TLB entries, the caches of a 24Kf, an FPU */
#define CONFIG1                                                                                    \
    (UINT32_C(1) << 31 | (MIPS_TLB_MAX - 1) << 25 | UINT32_C(1) << 22 | UINT32_C(4) << 19 |        \
     UINT32_C(3) << 16 | UINT32_C(1) << 13 | UINT32_C(4) << 10 | UINT32_C(3) << 7 | UINT32_C(1))
#define CONFIG2 (UINT32_C(1) << 31)
#define INTCTL  UINT32_C(0xe0000000) /* the timer interrupts on line 7 */

/* CU1, CU0, FR, BEV, IM, UM, ERL, EXL, IE. TS, SR and NMI can only be written 0. */
#define STATUS_WRITABLE UINT32_C(0x3440ff17)
#define STATUS_CLEARED  (STATUS_TS | STATUS_SR | STATUS_NMI)

/* RDHWR that gives what the guest may see without a trap: SYNCI_Step, CCRes, UserLocal */
#define HWRENA_REAL (UINT32_C(1) << 1 | UINT32_C(1) << 3 | HWRENA_USERLOCAL)

enum special {
    PLAIN, /* offset and mask say all */
    INDEX,
    RANDOM,
    COUNT,
    COMPARE,
    STATUS,
    CAUSE,
    ENTRY_HI,
    HWRENA,
    USER_LOCAL,
    CONSTANT,
};

#define FIELD(name)           offsetof(struct mips_cp0, name)
#define REGISTER(reg, select) [(reg)*8 + (select)]

static const struct {
    bool there;
    uint8_t special;
    uint16_t offset;
    uint32_t writable; /* CONSTANT: the value */
} registers[32 * 8] = {
    REGISTER(0, 0) = {true, INDEX, FIELD(index), MIPS_TLB_MAX - 1},
    REGISTER(1, 0) = {true, RANDOM, 0, 0},
    REGISTER(2, 0) = {true, PLAIN, FIELD(entry_lo[0]), ENTRYLO_WRITABLE},
    REGISTER(3, 0) = {true, PLAIN, FIELD(entry_lo[1]), ENTRYLO_WRITABLE},
    REGISTER(4, 0) = {true, PLAIN, FIELD(context), CONTEXT_BASE},
    REGISTER(4, 2) = {true, USER_LOCAL, FIELD(user_local), UINT32_MAX},
    REGISTER(5, 0) = {true, PLAIN, FIELD(page_mask), PAGEMASK_WRITABLE},
    REGISTER(6, 0) = {true, PLAIN, FIELD(wired), MIPS_TLB_MAX - 1},
    REGISTER(7, 0) = {true, HWRENA, FIELD(hwrena), HWRENA_BASIC | HWRENA_USERLOCAL},
    REGISTER(8, 0) = {true, PLAIN, FIELD(bad_vaddr), 0},
    REGISTER(9, 0) = {true, COUNT, 0, 0},
    REGISTER(10, 0) = {true, ENTRY_HI, FIELD(entry_hi), ENTRYHI_VPN2 | ENTRYHI_ASID},
    REGISTER(11, 0) = {true, COMPARE, FIELD(compare), UINT32_MAX},
    REGISTER(12, 0) = {true, STATUS, FIELD(status), STATUS_WRITABLE},
    REGISTER(12, 1) = {true, CONSTANT, 0, INTCTL},
    REGISTER(13, 0) = {true, CAUSE, FIELD(cause), CAUSE_DC | CAUSE_IV | CAUSE_IP_SOFT},
    REGISTER(14, 0) = {true, PLAIN, FIELD(epc), UINT32_MAX},
    REGISTER(15, 0) = {true, CONSTANT, 0, PRID},
    REGISTER(15, 1) = {true, PLAIN, FIELD(ebase), EBASE_WRITABLE},
    REGISTER(16, 0) = {true, PLAIN, FIELD(config0), CONFIG0_K0},
    REGISTER(16, 1) = {true, CONSTANT, 0, CONFIG1},
    REGISTER(16, 2) = {true, CONSTANT, 0, CONFIG2},
    REGISTER(16, 3) = {true, CONSTANT, 0, CONFIG3_ULRI},
    REGISTER(28, 0) = {true, PLAIN, FIELD(tag_lo), UINT32_MAX},
    REGISTER(28, 1) = {true, PLAIN, FIELD(data_lo), UINT32_MAX},
    REGISTER(30, 0) = {true, PLAIN, FIELD(error_epc), UINT32_MAX},
};

static unsigned register_at(unsigned reg, unsigned select)
{
    return reg % 32 * 8 + select % 8;
}

uint32_t vcpu_cp0(const struct vcpu *vcpu, unsigned reg, unsigned select)
{
    const unsigned at = register_at(reg, select);
    if (!registers[at].there)
        return 0;
    switch (registers[at].special) {
    case RANDOM:
        return MIPS_TLB_MAX - 1;
    case COUNT:
        return vcpu_count(vcpu);
    case CONSTANT:
        return registers[at].writable;
    default:
        return *(const uint32_t *)(const void *)((const char *)&vcpu->guest.cp0 +
                                                 registers[at].offset);
    }
}

uint32_t vcpu_cp0_read(struct vcpu *vcpu, unsigned reg, unsigned select)
{
    const unsigned at = register_at(reg, select);
    return registers[at].special == RANDOM ? vcpu_random(vcpu) : vcpu_cp0(vcpu, reg, select);
}

/* ------------------------------------------------------------------------------ writes */

static void set_status(struct vcpu *vcpu, uint32_t value)
{
    struct mips_cp0 *const cp0 = &vcpu->guest.cp0;
    const uint32_t merged = (cp0->status & ~STATUS_WRITABLE) | (value & STATUS_WRITABLE),
                   status = merged & ~(STATUS_CLEARED & ~value);
    const bool error_level = (status ^ cp0->status) & STATUS_ERL;
    cp0->status = status;
    if (error_level) /* user addresses are other pages now */
        vcpu_real_clear(vcpu);
}

static void set_cause(struct vcpu *vcpu, uint32_t merged)
{
    struct mips_cp0 *const cp0 = &vcpu->guest.cp0;
    const uint32_t count = vcpu_count(vcpu);
    const bool stops = (merged ^ cp0->cause) & CAUSE_DC;
    cp0->cause = merged;
    if (!stops)
        return;
    vcpu->count_offset = count; /* Count goes on from where it was, or stays there */
    if (!(merged & CAUSE_DC))
        vcpu->count_offset -= (uint32_t)(vcpu_time(vcpu) / MIPS_COUNT_INSTRUCTIONS);
    vcpu_timer(vcpu);
}

void vcpu_set_entry_hi(struct vcpu *vcpu, uint32_t value)
{
    struct mips_cp0 *const cp0 = &vcpu->guest.cp0;
    const bool other = (value ^ cp0->entry_hi) & ENTRYHI_ASID;
    cp0->entry_hi = value;
    if (!other)
        return;
    if (vcpu->cpu)
        mips_cp0_write(vcpu->cpu, 10, 0, value & ENTRYHI_ASID);
    vcpu->owner.asid_changed(vcpu->owner.context, vcpu, value & ENTRYHI_ASID);
}

void vcpu_cp0_write(struct vcpu *vcpu, unsigned reg, unsigned select, uint32_t value)
{
    const unsigned at = register_at(reg, select);
    if (!registers[at].there)
        return;
    const uint32_t mask = registers[at].writable;
    switch (registers[at].special) {
    case RANDOM:
    case CONSTANT:
        return;
    case COUNT:
        vcpu->count_offset = value;
        if (!(vcpu->guest.cp0.cause & CAUSE_DC))
            vcpu->count_offset -= (uint32_t)(vcpu_time(vcpu) / MIPS_COUNT_INSTRUCTIONS);
        vcpu_timer(vcpu);
        return;
    case STATUS:
        set_status(vcpu, value);
        return;
    default:
        break;
    }
    uint32_t *const to = (uint32_t *)(void *)((char *)&vcpu->guest.cp0 + registers[at].offset);
    const uint32_t merged = (*to & ~mask) | (value & mask);
    switch (registers[at].special) {
    case INDEX:
        *to = (*to & INDEX_PROBE_FAILURE) | (value & mask);
        break;
    case COMPARE: /* a write takes the interrupt away */
        *to = merged;
        vcpu->guest.cp0.cause &= ~CAUSE_TI;
        vcpu_lines(vcpu);
        vcpu_timer(vcpu);
        break;
    case CAUSE:
        set_cause(vcpu, merged);
        break;
    case ENTRY_HI:
        vcpu_set_entry_hi(vcpu, merged);
        break;
    case HWRENA:
        *to = merged;
        if (vcpu->cpu)
            mips_cp0_write(vcpu->cpu, 7, 0, vcpu_real_hwrena(vcpu));
        break;
    case USER_LOCAL:
        *to = merged;
        if (vcpu->cpu)
            mips_cp0_write(vcpu->cpu, 4, 2, merged);
        break;
    default:
        *to = merged;
        break;
    }
}

/* Anything from Wired up will do for the architecture; this is the sequence of mips/tlb.c (xorshift64). */
uint32_t vcpu_random(struct vcpu *vcpu)
{
    vcpu->random ^= vcpu->random << 13;
    vcpu->random ^= vcpu->random >> 7;
    vcpu->random ^= vcpu->random << 17;
    const uint32_t wired = vcpu->guest.cp0.wired, free = MIPS_TLB_MAX - wired;
    return wired + (uint32_t)(vcpu->random >> 32) % free;
}

/* ------------------------------------------------------------------------------ on the CPU */

bool vcpu_kernel_mode(const struct vcpu *vcpu)
{
    const uint32_t status = vcpu->guest.cp0.status;
    return status & (STATUS_EXL | STATUS_ERL) || !(status & STATUS_KSU);
}

/* Interrupts are looked for by vcpu_run() and real exceptions come here, so IE and EXL are never set. */
uint32_t vcpu_real_status(const struct vcpu *vcpu)
{
    const uint32_t mode = vcpu_kernel_mode(vcpu) ? MIPS_SUPERVISOR : MIPS_USER;
    return mode << STATUS_KSU_SHIFT | (vcpu->guest.cp0.status & (STATUS_CU1 | STATUS_FR));
}

uint32_t vcpu_real_hwrena(const struct vcpu *vcpu)
{
    return vcpu->guest.cp0.hwrena & HWRENA_REAL;
}

/* ------------------------------------------------------------------------------ the clock */

uint64_t vcpu_time(const struct vcpu *vcpu)
{
    return vcpu->elapsed + (vcpu->cpu ? mips_instructions(vcpu->cpu) - vcpu->loaded_at : 0);
}

uint32_t vcpu_count(const struct vcpu *vcpu)
{
    if (vcpu->guest.cp0.cause & CAUSE_DC)
        return vcpu->count_offset;
    return vcpu->count_offset + (uint32_t)(vcpu_time(vcpu) / MIPS_COUNT_INSTRUCTIONS);
}

/* When Count reaches Compare next; having just reached it, a whole turn later. */
void vcpu_timer(struct vcpu *vcpu)
{
    if (vcpu->guest.cp0.cause & CAUSE_DC) {
        vcpu->timer_at = UINT64_MAX;
        return;
    }
    const uint32_t distance = vcpu->guest.cp0.compare - vcpu_count(vcpu);
    const uint64_t ticks = distance ? distance : UINT64_C(1) << 32;
    vcpu->timer_at = (vcpu_time(vcpu) / MIPS_COUNT_INSTRUCTIONS + ticks) * MIPS_COUNT_INSTRUCTIONS;
}

void vcpu_timer_expired(struct vcpu *vcpu)
{
    vcpu->guest.cp0.cause |= CAUSE_TI;
    vcpu_lines(vcpu);
    vcpu_timer(vcpu);
}

uint64_t vcpu_until_timer(const struct vcpu *vcpu)
{
    const uint64_t now = vcpu_time(vcpu);
    if (vcpu->timer_at == UINT64_MAX)
        return UINT64_MAX;
    return vcpu->timer_at > now ? vcpu->timer_at - now : 0;
}

void vcpu_skip(struct vcpu *vcpu, uint64_t instructions)
{
    /* a step a timer, so that none is missed */
    uint64_t left = instructions;
    for (;;) {
        const uint64_t until = vcpu_until_timer(vcpu), step = until < left ? until : left;
        vcpu->elapsed += step;
        left -= step;
        if (vcpu_time(vcpu) >= vcpu->timer_at)
            vcpu_timer_expired(vcpu);
        if (!left)
            break;
    }
    vcpu_hal_show(vcpu);
}

void vcpu_lines(struct vcpu *vcpu)
{
    uint32_t *const cause = &vcpu->guest.cp0.cause;
    *cause =
        (*cause & ~(CAUSE_IP & ~CAUSE_IP_SOFT)) | vcpu->lines | (*cause & CAUSE_TI ? CAUSE_IP7 : 0);
}

void vcpu_interrupt(struct vcpu *vcpu, unsigned line, bool high)
{
    const uint32_t bit = UINT32_C(4) << (line % 6) << CAUSE_IP_SHIFT;
    vcpu->lines = high ? vcpu->lines | bit : vcpu->lines & ~bit;
    vcpu_lines(vcpu);
    vcpu_hal_show(vcpu);
}
