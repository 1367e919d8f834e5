#include "vmm-core/machine/mips/decode.h"

#include <stdbool.h>

/* The opcode maps (MIPS32 volume II, appendix A), one table each; what a table leaves out is
 * reserved. An entry is the instruction + 1, so that zero means reserved. */
#define AT(index, NAME) [index] = MIPS_##NAME + 1

static const uint16_t major[64] = {
    AT(0x02, J),    AT(0x03, JAL),   AT(0x04, BEQ),   AT(0x05, BNE),   AT(0x06, BLEZ),
    AT(0x07, BGTZ), AT(0x08, ADDI),  AT(0x09, ADDIU), AT(0x0a, SLTI),  AT(0x0b, SLTIU),
    AT(0x0c, ANDI), AT(0x0d, ORI),   AT(0x0e, XORI),  AT(0x0f, LUI),   AT(0x12, COP2),
    AT(0x14, BEQL), AT(0x15, BNEL),  AT(0x16, BLEZL), AT(0x17, BGTZL), AT(0x20, LB),
    AT(0x21, LH),   AT(0x22, LWL),   AT(0x23, LW),    AT(0x24, LBU),   AT(0x25, LHU),
    AT(0x26, LWR),  AT(0x28, SB),    AT(0x29, SH),    AT(0x2a, SWL),   AT(0x2b, SW),
    AT(0x2e, SWR),  AT(0x2f, CACHE), AT(0x30, LL),    AT(0x31, LWC1),  AT(0x32, COP2),
    AT(0x33, PREF), AT(0x35, LDC1),  AT(0x36, COP2),  AT(0x38, SC),    AT(0x39, SWC1),
    AT(0x3a, COP2), AT(0x3d, SDC1),  AT(0x3e, COP2),
};

static const uint16_t special[64] = {
    AT(0x00, SLL),  AT(0x03, SRA),   AT(0x04, SLLV), AT(0x07, SRAV),    AT(0x08, JR),
    AT(0x09, JALR), AT(0x0a, MOVZ),  AT(0x0b, MOVN), AT(0x0c, SYSCALL), AT(0x0d, BREAK),
    AT(0x0f, SYNC), AT(0x10, MFHI),  AT(0x11, MTHI), AT(0x12, MFLO),    AT(0x13, MTLO),
    AT(0x18, MULT), AT(0x19, MULTU), AT(0x1a, DIV),  AT(0x1b, DIVU),    AT(0x20, ADD),
    AT(0x21, ADDU), AT(0x22, SUB),   AT(0x23, SUBU), AT(0x24, AND),     AT(0x25, OR),
    AT(0x26, XOR),  AT(0x27, NOR),   AT(0x2a, SLT),  AT(0x2b, SLTU),    AT(0x30, TGE),
    AT(0x31, TGEU), AT(0x32, TLT),   AT(0x33, TLTU), AT(0x34, TEQ),     AT(0x36, TNE),
};

static const uint16_t regimm[32] = {
    AT(0x00, BLTZ),   AT(0x01, BGEZ),   AT(0x02, BLTZL),   AT(0x03, BGEZL),   AT(0x08, TGEI),
    AT(0x09, TGEIU),  AT(0x0a, TLTI),   AT(0x0b, TLTIU),   AT(0x0c, TEQI),    AT(0x0e, TNEI),
    AT(0x10, BLTZAL), AT(0x11, BGEZAL), AT(0x12, BLTZALL), AT(0x13, BGEZALL), AT(0x1f, SYNCI),
};

static const uint16_t special2[64] = {
    AT(0x00, MADD),  AT(0x01, MADDU), AT(0x02, MUL), AT(0x04, MSUB),
    AT(0x05, MSUBU), AT(0x20, CLZ),   AT(0x21, CLO),
};

static const uint16_t special3[64] = {
    AT(0x00, EXT),
    AT(0x04, INS),
    AT(0x3b, RDHWR),
};

static const uint16_t bshfl[32] = {
    AT(0x02, WSBH),
    AT(0x10, SEB),
    AT(0x18, SEH),
};

static const uint16_t cop0_function[64] = {
    AT(0x01, TLBR), AT(0x02, TLBWI), AT(0x06, TLBWR),
    AT(0x08, TLBP), AT(0x18, ERET),  AT(0x20, WAIT),
};

static const uint16_t cop1_move[16] = {
    AT(0x00, MFC1), AT(0x02, CFC1), AT(0x03, MFHC1),
    AT(0x04, MTC1), AT(0x06, CTC1), AT(0x07, MTHC1),
};

static const uint16_t branch_cc[4] = {AT(0, BC1F), AT(1, BC1T), AT(2, BC1FL), AT(3, BC1TL)};

/* Function codes of COP1 that S and D share; D's names follow S's in the list at one distance. */
#define D_MINUS_S (MIPS_ADD_D - MIPS_ADD_S)
static const uint16_t cop1_single[64] = {
    AT(0x00, ADD_S),     AT(0x01, SUB_S),     AT(0x02, MUL_S),    AT(0x03, DIV_S),
    AT(0x04, SQRT_S),    AT(0x05, ABS_S),     AT(0x06, MOV_S),    AT(0x07, NEG_S),
    AT(0x08, ROUND_L_S), AT(0x09, TRUNC_L_S), AT(0x0a, CEIL_L_S), AT(0x0b, FLOOR_L_S),
    AT(0x0c, ROUND_W_S), AT(0x0d, TRUNC_W_S), AT(0x0e, CEIL_W_S), AT(0x0f, FLOOR_W_S),
    AT(0x12, MOVZ_S),    AT(0x13, MOVN_S),    AT(0x15, RECIP_S),  AT(0x16, RSQRT_S),
    AT(0x24, CVT_W_S),   AT(0x25, CVT_L_S),
};

static const uint16_t cop1x[64] = {
    AT(0x00, LWXC1),  AT(0x01, LDXC1),   AT(0x05, LUXC1),   AT(0x08, SWXC1),   AT(0x09, SDXC1),
    AT(0x0d, SUXC1),  AT(0x0f, PREFX),   AT(0x20, MADD_S),  AT(0x21, MADD_D),  AT(0x28, MSUB_S),
    AT(0x29, MSUB_D), AT(0x30, NMADD_S), AT(0x31, NMADD_D), AT(0x38, NMSUB_S), AT(0x39, NMSUB_D),
};

static enum mips_instruction named(uint16_t entry)
{
    return entry ? (enum mips_instruction)(entry - 1) : MIPS_RESERVED;
}

static enum mips_instruction decode_special(uint32_t word)
{
    switch (word & 63) {
    case 0x01:
        if (word >> 17 & 1)
            return MIPS_RESERVED;
        return word >> 16 & 1 ? MIPS_MOVT : MIPS_MOVF;
    case 0x02: /* release 2 tells a rotate by the rs field */
        return mips_rs(word) > 1 ? MIPS_RESERVED : mips_rs(word) ? MIPS_ROTR : MIPS_SRL;
    case 0x06:
        return mips_sa(word) > 1 ? MIPS_RESERVED : mips_sa(word) ? MIPS_ROTRV : MIPS_SRLV;
    default:
        return named(special[word & 63]);
    }
}

static enum mips_instruction decode_special3(uint32_t word)
{
    if ((word & 63) == 0x20)
        return named(bshfl[mips_sa(word)]);
    /* a field that leaves the register, or ends before it begins */
    if ((word & 63) == 0x00 && mips_sa(word) + mips_rd(word) > 31)
        return MIPS_RESERVED;
    if ((word & 63) == 0x04 && mips_sa(word) > mips_rd(word))
        return MIPS_RESERVED;
    return named(special3[word & 63]);
}

static enum mips_instruction decode_cop0(uint32_t word)
{
    const unsigned rs = mips_rs(word);
    if (rs & 0x10)
        return named(cop0_function[word & 63]);
    switch (rs) {
    case 0x00:
        return MIPS_MFC0;
    case 0x04:
        return MIPS_MTC0;
    case 0x0a:
        return MIPS_RDPGPR;
    case 0x0b:
        return (word & 0xffff) == 0x6000   ? MIPS_DI
               : (word & 0xffff) == 0x6020 ? MIPS_EI
                                           : MIPS_RESERVED;
    case 0x0e:
        return MIPS_WRPGPR;
    default:
        return MIPS_RESERVED;
    }
}

static enum mips_instruction decode_format(uint32_t word, bool twice)
{
    const unsigned function = word & 63;
    if (function >= 0x30)
        return twice ? MIPS_C_D : MIPS_C_S;
    if (function == 0x11) {
        if (word >> 17 & 1)
            return MIPS_RESERVED;
        const bool when = word >> 16 & 1;
        return twice ? (when ? MIPS_MOVT_D : MIPS_MOVF_D) : (when ? MIPS_MOVT_S : MIPS_MOVF_S);
    }
    if (function == 0x20)
        return twice ? MIPS_CVT_S_D : MIPS_RESERVED;
    if (function == 0x21)
        return twice ? MIPS_RESERVED : MIPS_CVT_D_S;
    const enum mips_instruction found = named(cop1_single[function]);
    return found == MIPS_RESERVED || !twice ? found : (enum mips_instruction)(found + D_MINUS_S);
}

static enum mips_instruction decode_cop1(uint32_t word)
{
    const unsigned rs = mips_rs(word);
    switch (rs) {
    case 0x08:
        return named(branch_cc[word >> 16 & 3]);
    case 0x10:
    case 0x11:
        return decode_format(word, rs & 1);
    case 0x14: /* W: the only functions are the two conversions */
        return (word & 63) == 0x20   ? MIPS_CVT_S_W
               : (word & 63) == 0x21 ? MIPS_CVT_D_W
                                     : MIPS_RESERVED;
    case 0x15:
        return (word & 63) == 0x20   ? MIPS_CVT_S_L
               : (word & 63) == 0x21 ? MIPS_CVT_D_L
                                     : MIPS_RESERVED;
    default:
        return rs < 16 ? named(cop1_move[rs]) : MIPS_RESERVED;
    }
}

enum mips_instruction mips_decode(uint32_t word)
{
    switch (word >> 26) {
    case 0x00:
        return decode_special(word);
    case 0x01:
        return named(regimm[mips_rt(word)]);
    case 0x10:
        return decode_cop0(word);
    case 0x11:
        return decode_cop1(word);
    case 0x13:
        return named(cop1x[word & 63]);
    case 0x1c:
        return named(special2[word & 63]);
    case 0x1f:
        return decode_special3(word);
    default:
        return named(major[word >> 26]);
    }
}

#define MIPS_NAME(NAME, mnemonic, FORM) {mnemonic, MIPS_FORM_##FORM},
static const struct {
    const char *mnemonic;
    enum mips_form form;
} about[] = {MIPS_INSTRUCTIONS(MIPS_NAME)};
#undef MIPS_NAME

enum mips_form mips_form(enum mips_instruction instruction)
{
    return about[instruction].form;
}

const char *mips_mnemonic(enum mips_instruction instruction)
{
    return about[instruction].mnemonic;
}
