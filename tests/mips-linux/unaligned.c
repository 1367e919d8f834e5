/* Accesses that are not aligned, which Linux/MIPS mends (arch/mips/kernel/unaligned.c), and where a
 * program goes on behind an instruction that was carried out for it (branch.c there). */
#include "tests/mips-linux/process.h"

#include <string.h>

#define FCC0_BIT 23
#define FCC1_BIT 25 /* and 2 .. 7 behind it */

static bool fpu_condition(const struct process *process, unsigned code)
{
    return process->s->fcsr >> (code ? FCC1_BIT + code - 1 : FCC0_BIT) & 1;
}

/* Whether the branch is taken; false: it is none that goes by its offset. */
static bool condition(const struct process *process, uint32_t word, bool *taken)
{
    const uint32_t *const r = process->s->r;
    const int32_t rs = (int32_t)r[word >> 21 & 31];
    const uint32_t rt = word >> 16 & 31;
    switch (word >> 26 & ~(word >> 26 >= 20 ? 16u : 0)) { /* likely ones as the others */
    case 1:
        *taken = (rs < 0) != (rt & 1);
        return (rt & 0xc) == 0;
    case 4:
        *taken = (uint32_t)rs == r[rt];
        return true;
    case 5:
        *taken = (uint32_t)rs != r[rt];
        return true;
    case 6:
        *taken = rs <= 0;
        return true;
    case 7:
        *taken = rs > 0;
        return true;
    case 17:
        *taken = fpu_condition(process, word >> 18 & 7) == (word >> 16 & 1);
        return (word >> 21 & 31) == 8;
    default:
        return false;
    }
}

bool process_behind(struct process *process, uint32_t *pc)
{
    const uint32_t epc = process->s->cp0.epc;
    uint32_t word;
    *pc = epc + 4;
    if (!(process->s->cp0.cause & CAUSE_BD))
        return true;
    if (!process_get(process, &word, epc, 4))
        return false;
    /* links were written before the slot was entered */
    if (word >> 26 == 2 || word >> 26 == 3)
        *pc = ((epc + 4) & 0xf0000000) | (word & 0x03ffffff) << 2;
    else if (word >> 26 == 0 && (word & 0x3e) == 8)
        *pc = process->s->r[word >> 21 & 31];
    else {
        bool taken;
        if (!condition(process, word, &taken))
            return false;
        *pc = taken ? epc + 4 + ((uint32_t)(int32_t)(int16_t)word << 2) : epc + 8;
    }
    return true;
}

enum opcode {
    LH = 33,
    LW = 35,
    LHU = 37,
    SH = 41,
    SW = 43,
    LWC1 = 49,
    LDC1 = 53,
    SWC1 = 57,
    SDC1 = 61,
};

bool process_unaligned(struct process *process)
{
    struct mips_state *const s = process->s;
    const uint32_t at = s->cp0.epc + (s->cp0.cause & CAUSE_BD ? 4 : 0);
    uint32_t word, pc, value = 0;
    if (!process_get(process, &word, at, 4) || !process_behind(process, &pc))
        return false;
    const uint32_t offset = (uint32_t)(int32_t)(int16_t)word;
    const uint32_t address = s->r[word >> 21 & 31] + offset;
    const unsigned rt = word >> 16 & 31;
    uint32_t *const single = &s->fpr[process->status & STATUS_FR ? 2 * rt : rt];
    uint32_t *const pair = &s->fpr[process->status & STATUS_FR ? 2 * rt : rt & 30];
    if (address >= TASK_END - 8)
        return false;
    bool well;
    switch ((enum opcode)(word >> 26)) {
    case LH:
    case LHU:
        well = process_get(process, &value, address, 2);
        if (word >> 26 == LH)
            value = (uint32_t)(int32_t)(int16_t)value;
        if (well && rt)
            s->r[rt] = value;
        break;
    case LW:
        well = process_get(process, &value, address, 4);
        if (well && rt)
            s->r[rt] = value;
        break;
    case SH:
        well = process_put(process, address, &s->r[rt], 2);
        break;
    case SW:
        well = process_put(process, address, &s->r[rt], 4);
        break;
    case LWC1:
        well = process_get(process, single, address, 4);
        break;
    case LDC1:
        well = process_get(process, pair, address, 8);
        break;
    case SWC1:
        well = process_put(process, address, single, 4);
        break;
    case SDC1:
        well = process_put(process, address, pair, 8);
        break;
    default: /* LL and SC must not be mended; LWXC1 and such are not */
        well = false;
        break;
    }
    if (well)
        s->pc = pc;
    return well;
}
