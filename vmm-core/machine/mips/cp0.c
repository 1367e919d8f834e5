/* Coprocessor 0's registers: what is there, what reads as what, what a write may change.
 * Source: volume III, chapter 8. Absent registers read 0 and swallow writes. */
#include "vmm-core/machine/mips/internal.h"

#include <stddef.h>

/* PRId of a 24Kf; Config is in cp0.h. Config1: FPU, 4-way caches of 16 KiB with 32-byte lines
 * as IS/IL/IA and DS/DL/DA say; no watch registers, no performance counters, no MIPS16e. */
#define PRID       UINT32_C(0x00019300)
#define CONFIG0_K0 UINT32_C(7)
#define CONFIG1_FIXED                                                                              \
    (UINT32_C(1) << 31 | UINT32_C(1) << 22 | UINT32_C(4) << 19 | UINT32_C(3) << 16 |               \
     UINT32_C(1) << 13 | UINT32_C(4) << 10 | UINT32_C(3) << 7 | UINT32_C(1))
#define CONFIG1_MMU_SHIFT 25
#define CONFIG2_FIXED     (UINT32_C(1) << 31)
#define INTCTL_FIXED      UINT32_C(0xe0000000) /* the timer interrupts on line 7 */

/* CU1, CU0, FR, BEV, IM, KSU, ERL, EXL, IE; RE, RP and MX are not there. TS, SR and NMI can only be
 * written 0. */
#define STATUS_WRITABLE UINT32_C(0x3440ff1f)
#define STATUS_CLEARED  (STATUS_TS | STATUS_SR | STATUS_NMI)

enum special {
    PLAIN, /* offset and mask say all */
    RANDOM,
    COUNT,
    COMPARE,
    STATUS,
    CAUSE,
    ENTRY_HI,
    WIRED,
    USER_LOCAL,
    LLADDR,
    CONFIG1,
    CONFIG3,
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
    REGISTER(0, 0) = {true, PLAIN, FIELD(index), MIPS_TLB_MAX - 1},
    REGISTER(1, 0) = {true, RANDOM, 0, 0},
    REGISTER(2, 0) = {true, PLAIN, FIELD(entry_lo[0]), ENTRYLO_WRITABLE},
    REGISTER(3, 0) = {true, PLAIN, FIELD(entry_lo[1]), ENTRYLO_WRITABLE},
    REGISTER(4, 0) = {true, PLAIN, FIELD(context), CONTEXT_BASE},
    REGISTER(4, 2) = {true, USER_LOCAL, FIELD(user_local), UINT32_MAX},
    REGISTER(5, 0) = {true, PLAIN, FIELD(page_mask), PAGEMASK_WRITABLE},
    REGISTER(6, 0) = {true, WIRED, FIELD(wired), MIPS_TLB_MAX - 1},
    REGISTER(7, 0) = {true, PLAIN, FIELD(hwrena), HWRENA_BASIC | HWRENA_USERLOCAL},
    REGISTER(8, 0) = {true, PLAIN, FIELD(bad_vaddr), 0},
    REGISTER(9, 0) = {true, COUNT, 0, 0},
    REGISTER(10, 0) = {true, ENTRY_HI, FIELD(entry_hi), ENTRYHI_VPN2 | ENTRYHI_ASID},
    REGISTER(11, 0) = {true, COMPARE, FIELD(compare), UINT32_MAX},
    REGISTER(12, 0) = {true, STATUS, FIELD(status), STATUS_WRITABLE},
    REGISTER(12, 1) = {true, CONSTANT, 0, INTCTL_FIXED},
    REGISTER(13, 0) = {true, CAUSE, FIELD(cause), CAUSE_DC | CAUSE_IV | CAUSE_IP_SOFT},
    REGISTER(14, 0) = {true, PLAIN, FIELD(epc), UINT32_MAX},
    REGISTER(15, 0) = {true, CONSTANT, 0, PRID},
    REGISTER(15, 1) = {true, PLAIN, FIELD(ebase), EBASE_WRITABLE},
    REGISTER(16, 0) = {true, PLAIN, FIELD(config0), CONFIG0_K0},
    REGISTER(16, 1) = {true, CONFIG1, 0, 0},
    REGISTER(16, 2) = {true, CONSTANT, 0, CONFIG2_FIXED},
    REGISTER(16, 3) = {true, CONFIG3, 0, 0},
    REGISTER(17, 0) = {true, LLADDR, FIELD(lladdr), 0},
    REGISTER(28, 0) = {true, PLAIN, FIELD(tag_lo), UINT32_MAX},
    REGISTER(28, 1) = {true, PLAIN, FIELD(data_lo), UINT32_MAX},
    REGISTER(30, 0) = {true, PLAIN, FIELD(error_epc), UINT32_MAX},
};

static uint32_t *field(struct mips_cpu *cpu, unsigned at)
{
    return (uint32_t *)(void *)((char *)&cpu->s.cp0 + registers[at].offset);
}

uint32_t mips_cp0_read(struct mips_cpu *cpu, unsigned reg, unsigned select)
{
    const unsigned at = reg % 32 * 8 + select % 8;
    if (!registers[at].there)
        return 0;
    switch (registers[at].special) {
    case RANDOM:
        return mips_random(cpu);
    case COUNT:
        return mips_count(cpu);
    case USER_LOCAL:
        return cpu->model.no_user_local ? 0 : cpu->s.cp0.user_local;
    case LLADDR:
        return cpu->s.cp0.lladdr >> 4;
    case CONFIG1:
        return CONFIG1_FIXED | (cpu->entries - 1) << CONFIG1_MMU_SHIFT;
    case CONFIG3:
        return cpu->model.no_user_local ? 0 : CONFIG3_ULRI;
    case CONSTANT:
        return registers[at].writable;
    default:
        return *field(cpu, at);
    }
}

static void write_cause(struct mips_cpu *cpu, uint32_t merged)
{
    const uint32_t count = mips_count(cpu);
    const bool stops = (merged ^ cpu->s.cp0.cause) & CAUSE_DC;
    cpu->s.cp0.cause = merged;
    if (stops) /* Count goes on from where it was, or stays there */
        mips_set_count(cpu, count);
}

void mips_cp0_write(struct mips_cpu *cpu, unsigned reg, unsigned select, uint32_t value)
{
    const unsigned at = reg % 32 * 8 + select % 8;
    if (!registers[at].there)
        return;
    const uint32_t mask = registers[at].writable;
    switch (registers[at].special) {
    case RANDOM:
    case LLADDR:
    case CONFIG1:
    case CONFIG3:
    case CONSTANT:
        return;
    case COUNT:
        mips_set_count(cpu, value);
        return;
    default:
        break;
    }
    uint32_t *const to = field(cpu, at);
    const uint32_t merged = (*to & ~mask) | (value & mask);
    switch (registers[at].special) {
    case COMPARE: /* a write takes the interrupt away */
        *to = merged;
        cpu->s.cp0.cause &= ~CAUSE_TI;
        mips_lines(cpu);
        mips_timer(cpu);
        break;
    case STATUS:
        *to = merged & ~(STATUS_CLEARED & ~value);
        break;
    case CAUSE:
        write_cause(cpu, merged);
        break;
    case WIRED:
        *to = value & (cpu->entries - 1);
        break;
    default:
        *to = merged;
        if (at == 0)
            *to = (*to & INDEX_PROBE_FAILURE) | (value & (cpu->entries - 1));
        if (at == 7 * 8 && cpu->model.no_user_local)
            *to &= ~HWRENA_USERLOCAL;
        break;
    }
    mips_context(cpu);
    mips_kick(cpu);
}
