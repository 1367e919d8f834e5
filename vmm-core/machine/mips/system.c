/* Instructions of coprocessor 0, RDHWR, CACHE and SYNCI, LL and SC: rare, and out of the run loop. */
#include "vmm-core/machine/mips/internal.h"

#include <stdlib.h>

#define SYNCI_STEP 32u /* bytes: a line of the 24Kf's caches */

struct mips_cpu *mips_cpu_new(struct mips_memory *memory, const struct mips_model *model,
                              uint32_t number)
{
    const uint32_t entries = model->tlb_entries ? model->tlb_entries : MIPS_TLB_MAX;
    if (entries < 16 || entries > MIPS_TLB_MAX || entries & (entries - 1) || number > 1023)
        return NULL;
    struct mips_cpu *const cpu = calloc(1, sizeof *cpu);
    struct mips_block *const once =
        calloc(1, sizeof(struct mips_block) + MIPS_BLOCK_OPS * sizeof(struct mips_op));
    if (!cpu || !once) {
        free(cpu);
        free(once);
        return NULL;
    }
    cpu->once = once;
    cpu->memory = memory;
    cpu->model = *model;
    cpu->number = number;
    cpu->entries = entries;
    cpu->random = model->seed ? model->seed : UINT64_C(0x9e3779b97f4a7c15) + number;
    cpu->cached_modes = (1u << TRANSLATION_MODES) - 1; /* zeros are no tags: to be cleared once */
    cpu->next = memory->cpus;
    memory->cpus = cpu;
    cpu->s.pc = UINT32_C(0xbfc00000);
    cpu->s.cp0.status = STATUS_BEV | STATUS_ERL;
    cpu->s.cp0.ebase = EBASE_FIXED | number;
    cpu->s.cp0.config0 = CONFIG0_RESET;
    mips_state_changed(cpu);
    return cpu;
}

void mips_cpu_free(struct mips_cpu *cpu)
{
    if (!cpu)
        return;
    struct mips_cpu **at = &cpu->memory->cpus;
    while (*at && *at != cpu)
        at = &(*at)->next;
    if (*at)
        *at = cpu->next;
    free(cpu->once);
    free(cpu);
}

struct mips_state *mips_state(struct mips_cpu *cpu)
{
    return &cpu->s;
}

bool mips_cp0_usable(struct mips_cpu *cpu)
{
    if (mips_mode(cpu) == MIPS_KERNEL || cpu->s.cp0.status & STATUS_CU0)
        return true;
    return mips_fault(cpu, MIPS_EXCEPTION_COPROCESSOR);
}

bool mips_do_mfc0(struct mips_cpu *cpu, const struct mips_op *op)
{
    if (!mips_cp0_usable(cpu))
        return false;
    cpu->op = op;
    cpu->s.r[op->c] = mips_cp0_read(cpu, op->b, op->imm);
    cpu->op = NULL;
    return true;
}

bool mips_do_mtc0(struct mips_cpu *cpu, const struct mips_op *op)
{
    if (!mips_cp0_usable(cpu))
        return false;
    cpu->op = op;
    mips_cp0_write(cpu, op->b, op->imm, cpu->s.r[op->a]);
    cpu->op = NULL;
    return true;
}

static bool set_enable(struct mips_cpu *cpu, const struct mips_op *op, uint32_t enable)
{
    if (!mips_cp0_usable(cpu))
        return false;
    cpu->s.r[op->c] = cpu->s.cp0.status;
    cpu->s.cp0.status = (cpu->s.cp0.status & ~STATUS_IE) | enable;
    mips_kick(cpu);
    return true;
}

bool mips_do_di(struct mips_cpu *cpu, const struct mips_op *op)
{
    return set_enable(cpu, op, 0);
}

bool mips_do_ei(struct mips_cpu *cpu, const struct mips_op *op)
{
    return set_enable(cpu, op, STATUS_IE);
}

bool mips_do_tlbr(struct mips_cpu *cpu, const struct mips_op *op)
{
    (void)op;
    if (!mips_cp0_usable(cpu))
        return false;
    mips_tlbr(cpu);
    return true;
}

bool mips_do_tlbwi(struct mips_cpu *cpu, const struct mips_op *op)
{
    (void)op;
    return mips_cp0_usable(cpu) && mips_tlbwi(cpu);
}

bool mips_do_tlbwr(struct mips_cpu *cpu, const struct mips_op *op)
{
    (void)op;
    return mips_cp0_usable(cpu) && mips_tlbwr(cpu);
}

bool mips_do_tlbp(struct mips_cpu *cpu, const struct mips_op *op)
{
    (void)op;
    if (!mips_cp0_usable(cpu))
        return false;
    mips_tlbp(cpu);
    return true;
}

bool mips_do_wait(struct mips_cpu *cpu, const struct mips_op *op)
{
    (void)op;
    if (!mips_cp0_usable(cpu))
        return false;
    cpu->s.waiting = true;
    mips_kick(cpu);
    return true;
}

/* One set of registers: the previous set is the present one. */
bool mips_do_gpr_shadow(struct mips_cpu *cpu, const struct mips_op *op)
{
    if (!mips_cp0_usable(cpu))
        return false;
    cpu->s.r[op->c] = cpu->s.r[op->a];
    return true;
}

bool mips_do_rdhwr(struct mips_cpu *cpu, const struct mips_op *op)
{
    const bool free = mips_mode(cpu) == MIPS_KERNEL || cpu->s.cp0.status & STATUS_CU0;
    if (!free && !(cpu->s.cp0.hwrena >> op->b & 1))
        return mips_fault(cpu, MIPS_EXCEPTION_RESERVED);
    uint32_t value;
    cpu->op = op;
    switch (op->b) {
    case 0:
        value = cpu->number;
        break;
    case 1:
        value = SYNCI_STEP;
        break;
    case 2:
        value = mips_count(cpu);
        break;
    case 3:
        value = MIPS_COUNT_INSTRUCTIONS;
        break;
    default:
        cpu->op = NULL;
        if (op->b != 29 || cpu->model.no_user_local)
            return mips_fault(cpu, MIPS_EXCEPTION_RESERVED);
        value = cpu->s.cp0.user_local;
        break;
    }
    cpu->op = NULL;
    cpu->s.r[op->c] = value;
    return true;
}

static bool forget_line(struct mips_cpu *cpu, const struct mips_op *op)
{
    const uint32_t address = cpu->s.r[op->a] + op->imm;
    uint32_t physical;
    if (!mips_address(cpu, op, address, MIPS_LOAD, &physical))
        return false;
    mips_code_drop(cpu->memory, physical & ~(SYNCI_STEP - 1), SYNCI_STEP);
    mips_kick(cpu);
    return true;
}

bool mips_do_synci(struct mips_cpu *cpu, const struct mips_op *op)
{
    return forget_line(cpu, op);
}

/* No cache holds what memory does not, so only operations on an address ("hit") do anything: they
 * translate it. Bits 20:18 of the instruction are the operation, 17:16 the cache (volume II). */
bool mips_do_cache(struct mips_cpu *cpu, const struct mips_op *op)
{
    if (!mips_cp0_usable(cpu))
        return false;
    const unsigned operation = op->b >> 2;
    if (operation == 1) { /* Index Load Tag */
        cpu->s.cp0.tag_lo = cpu->s.cp0.data_lo = 0;
        return true;
    }
    return operation < 4 || forget_line(cpu, op);
}

bool mips_do_ll(struct mips_cpu *cpu, const struct mips_op *op)
{
    const uint32_t address = cpu->s.r[op->a] + op->imm;
    uint64_t value;
    uint32_t physical;
    if (!mips_load(cpu, op, address, 4, &value) ||
        !mips_address(cpu, op, address, MIPS_LOAD, &physical))
        return false;
    cpu->s.link = true;
    cpu->s.cp0.lladdr = physical;
    cpu->s.r[op->c] = (uint32_t)value;
    return true;
}

/* Fails where the link is lost or was to another word; the address is checked in any case. */
bool mips_do_sc(struct mips_cpu *cpu, const struct mips_op *op)
{
    const uint32_t address = cpu->s.r[op->a] + op->imm, value = cpu->s.r[op->b];
    uint32_t physical;
    if (address & 3) {
        cpu->fault = (struct mips_fault){.code = MIPS_EXCEPTION_ADDRESS_STORE, .address = address};
        return false;
    }
    if (!mips_address_conditional(cpu, op, address, &physical))
        return false;
    const bool linked = cpu->s.link && physical == cpu->s.cp0.lladdr;
    if (linked && !mips_store(cpu, op, address, 4, value))
        return false;
    cpu->s.link = false;
    cpu->s.r[op->c] = linked;
    return true;
}
