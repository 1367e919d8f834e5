/* Operands of the FPU: which words of its registers they are, and whether there are such. */
#include "vmm-core/machine/mips/compile.h"

static bool is_double(enum mips_instruction instruction)
{
    return (instruction >= MIPS_ADD_D && instruction <= MIPS_NMSUB_D) ||
           instruction == MIPS_CVT_S_D;
}

/* 64-bit operands: bit 0 the sources, bit 1 the destination. */
static unsigned wide_operands(enum mips_instruction instruction)
{
    switch (instruction) {
    case MIPS_ROUND_L_S:
    case MIPS_TRUNC_L_S:
    case MIPS_CEIL_L_S:
    case MIPS_FLOOR_L_S:
    case MIPS_CVT_L_S:
    case MIPS_CVT_D_S:
    case MIPS_CVT_D_W:
        return 2;
    case MIPS_ROUND_W_D:
    case MIPS_TRUNC_W_D:
    case MIPS_CEIL_W_D:
    case MIPS_FLOOR_W_D:
    case MIPS_CVT_W_D:
    case MIPS_CVT_S_D:
    case MIPS_CVT_S_L:
    case MIPS_C_D:
        return 1;
    case MIPS_CVT_D_L:
    case MIPS_LDC1:
    case MIPS_SDC1:
    case MIPS_LDXC1:
    case MIPS_SDXC1:
    case MIPS_LUXC1:
    case MIPS_SUXC1:
        return 3;
    default:
        return is_double(instruction) ? 3 : 0;
    }
}

/* Instructions on 64-bit integers, and unaligned indexed ones, ask for 64-bit registers. */
static bool needs_fr(enum mips_instruction instruction)
{
    switch (instruction) {
    case MIPS_ROUND_L_S:
    case MIPS_TRUNC_L_S:
    case MIPS_CEIL_L_S:
    case MIPS_FLOOR_L_S:
    case MIPS_CVT_L_S:
    case MIPS_ROUND_L_D:
    case MIPS_TRUNC_L_D:
    case MIPS_CEIL_L_D:
    case MIPS_FLOOR_L_D:
    case MIPS_CVT_L_D:
    case MIPS_CVT_S_L:
    case MIPS_CVT_D_L:
    case MIPS_LUXC1:
    case MIPS_SUXC1:
        return true;
    default:
        return false;
    }
}

static unsigned fpu_word(const struct draft *draft, unsigned reg)
{
    return draft->block->variant & VARIANT_FR ? 2 * reg : reg;
}

/* A double in an odd register is no register with FR=0. */
bool mips_fpu_registers_exist(const struct draft *draft, enum mips_instruction instruction,
                              uint32_t word)
{
    if (draft->block->variant & VARIANT_FR)
        return true;
    if (needs_fr(instruction))
        return false;
    const unsigned wide = wide_operands(instruction), fs = mips_rd(word), ft = mips_rt(word),
                   fd = mips_sa(word);
    const unsigned source = wide & 1, target = wide >> 1;
    switch (mips_form(instruction)) {
    case MIPS_FORM_FD_FS_FT:
        return !((fs & source) | (ft & source) | (fd & target));
    case MIPS_FORM_FD_FR_FS_FT:
        return !((fs & source) | (ft & source) | (mips_rs(word) & source) | (fd & target));
    case MIPS_FORM_CC_FS_FT:
        return !((fs & source) | (ft & source));
    case MIPS_FORM_FD_FS:
    case MIPS_FORM_FD_FS_CC:
    case MIPS_FORM_FD_FS_RT:
        return !((fs & source) | (fd & target));
    case MIPS_FORM_FT_MEMORY:
        return !(ft & source);
    case MIPS_FORM_FD_INDEXED:
        return !(fd & target);
    case MIPS_FORM_FS_INDEXED:
        return !(fs & source);
    default:
        return true;
    }
}

/* Condition code `cc` as its bit of FCSR: 0 stands apart from 1-7. */
static uint32_t condition_bit(unsigned cc)
{
    return UINT32_C(1) << (cc ? 24 + cc : 23);
}

bool mips_uses_fpu(uint32_t word)
{
    switch (word >> 26) {
    case 0x00:
        return (word & 63) == 0x01;
    case 0x11:
    case 0x13:
    case 0x31:
    case 0x35:
    case 0x39:
    case 0x3d:
        return true;
    default:
        return false;
    }
}

void mips_emit_fpu(struct draft *draft, enum mips_instruction instruction, uint32_t word)
{
    const unsigned fs = fpu_word(draft, mips_rd(word)), ft = fpu_word(draft, mips_rt(word)),
                   fd = fpu_word(draft, mips_sa(word));
    const bool fr = draft->block->variant & VARIANT_FR;
    switch (mips_form(instruction)) {
    case MIPS_FORM_RT_FS: {
        /* the high halves, with FR=0, are the odd registers */
        const unsigned high = instruction == MIPS_MFHC1 || instruction == MIPS_MTHC1;
        const unsigned half = !high ? fs : fr ? fs + 1 : fs | 1;
        mips_emit(draft, instruction, mips_rt(word), half, mips_written(mips_rt(word)), 0);
        break;
    }
    case MIPS_FORM_RT_CONTROL:
        mips_emit(draft, instruction, mips_rt(word), mips_rd(word), mips_written(mips_rt(word)), 0);
        break;
    case MIPS_FORM_RD_RS_CC:
        mips_emit(draft, instruction, mips_rs(word), 0, mips_written(mips_rd(word)),
                  condition_bit(word >> 18 & 7));
        break;
    case MIPS_FORM_FD_FS_CC:
        mips_emit(draft, instruction, fs, 0, fd, condition_bit(word >> 18 & 7));
        break;
    case MIPS_FORM_FD_FS_RT:
        mips_emit(draft, instruction, fs, mips_rt(word), fd, 0);
        break;
    case MIPS_FORM_CC_FS_FT:
        mips_emit(draft, instruction, fs, ft, word & 15, condition_bit(word >> 8 & 7));
        break;
    case MIPS_FORM_FD_FR_FS_FT:
        mips_emit(draft, instruction, fs, ft, fd, fpu_word(draft, mips_rs(word)));
        break;
    case MIPS_FORM_FT_MEMORY:
        mips_emit(draft, instruction, mips_rs(word), ft, ft, mips_signed(word));
        break;
    case MIPS_FORM_FD_INDEXED:
        mips_emit(draft, instruction, mips_rs(word), mips_rt(word), fd, 0);
        break;
    case MIPS_FORM_FS_INDEXED:
        mips_emit(draft, instruction, mips_rs(word), mips_rt(word), fs, 0);
        break;
    case MIPS_FORM_HINT_INDEXED: /* a prefetch has no effect that a program could see */
        break;
    default:
        mips_emit(draft, instruction, fs, ft, fd, 0);
        break;
    }
}
