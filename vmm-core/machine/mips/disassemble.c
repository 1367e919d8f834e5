/* Words as assembly, in the way of GNU as with register names of the o32 ABI. No aliases: `move` is
 * shown as the instruction it is. */
#include "vmm-core/machine/mips/decode.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const general[32] = {
    "$zero", "$at", "$v0", "$v1", "$a0", "$a1", "$a2", "$a3", "$t0", "$t1", "$t2",
    "$t3",   "$t4", "$t5", "$t6", "$t7", "$s0", "$s1", "$s2", "$s3", "$s4", "$s5",
    "$s6",   "$s7", "$t8", "$t9", "$k0", "$k1", "$gp", "$sp", "$fp", "$ra",
};

static const char *const condition[16] = {"f",  "un",   "eq",  "ueq", "olt", "ult", "ole", "ule",
                                          "sf", "ngle", "seq", "ngl", "lt",  "nge", "le",  "ngt"};

/* One operand, by a letter: s t d general registers; S T D F of the FPU (F: fr); h sa; i j immediate
 * signed and not; o(s) memory; x t(s) indexed; b branch, J jump; c code; n, N condition code of
 * compares and moves, of branches; p e m position and sizes; r a register's number, l select;
 * y stype, H hint, I index of a hint. */
static const char *const operands[MIPS_FORM_COUNT] = {
    [MIPS_FORM_NONE] = "",
    [MIPS_FORM_RD_RS_RT] = "dst",
    [MIPS_FORM_RD_RT_RS] = "dts",
    [MIPS_FORM_RD_RT_SA] = "dth",
    [MIPS_FORM_RT_RS_SIGNED] = "tsi",
    [MIPS_FORM_RT_RS_UNSIGNED] = "tsj",
    [MIPS_FORM_RT_UPPER] = "tj",
    [MIPS_FORM_RD_RS] = "ds",
    [MIPS_FORM_RD_RT] = "dt",
    [MIPS_FORM_RT_RS_EXT] = "tspe",
    [MIPS_FORM_RT_RS_INS] = "tspm",
    [MIPS_FORM_RS_RT] = "st",
    [MIPS_FORM_RD] = "d",
    [MIPS_FORM_RS] = "s",
    [MIPS_FORM_RT] = "t",
    [MIPS_FORM_RS_RT_OFFSET] = "stb",
    [MIPS_FORM_RS_OFFSET] = "sb",
    [MIPS_FORM_CC_OFFSET] = "Nb",
    [MIPS_FORM_TARGET] = "J",
    [MIPS_FORM_RT_MEMORY] = "to",
    [MIPS_FORM_HINT_MEMORY] = "Ho",
    [MIPS_FORM_MEMORY] = "o",
    [MIPS_FORM_STYPE] = "y",
    [MIPS_FORM_FT_MEMORY] = "To",
    [MIPS_FORM_FD_INDEXED] = "Dx",
    [MIPS_FORM_FS_INDEXED] = "Sx",
    [MIPS_FORM_HINT_INDEXED] = "Ix",
    [MIPS_FORM_CODE20] = "c",
    [MIPS_FORM_CODE19] = "c",
    [MIPS_FORM_RS_RT_CODE] = "stc",
    [MIPS_FORM_RS_SIGNED] = "si",
    [MIPS_FORM_RT_CP0] = "trl",
    [MIPS_FORM_RT_HARDWARE] = "tr",
    [MIPS_FORM_RT_FS] = "tS",
    [MIPS_FORM_RT_CONTROL] = "tr",
    [MIPS_FORM_RD_RS_CC] = "dsN",
    [MIPS_FORM_FD_FS_FT] = "DST",
    [MIPS_FORM_FD_FS] = "DS",
    [MIPS_FORM_FD_FS_CC] = "DSN",
    [MIPS_FORM_FD_FS_RT] = "DSt",
    [MIPS_FORM_CC_FS_FT] = "nST",
    [MIPS_FORM_FD_FR_FS_FT] = "DFST",
};

struct text {
    char *to;
    size_t room;
};

static void put(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct text *text, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    const int length = vsnprintf(text->to, text->room, format, list);
    va_end(list);
    const size_t used = length < 0 ? 0 : (size_t)length < text->room ? (size_t)length : text->room;
    text->to += used;
    text->room -= used;
}

static unsigned code_of(uint32_t word)
{
    switch (mips_form(mips_decode(word))) {
    case MIPS_FORM_RS_RT_CODE:
        return word >> 6 & 0x3ff;
    case MIPS_FORM_CODE19:
        return word >> 6 & 0x7ffff;
    default:
        return word >> 6 & 0xfffff;
    }
}

static void put_operand(struct text *text, char kind, uint32_t word, uint32_t pc)
{
    switch (kind) {
    case 's':
        put(text, "%s", general[mips_rs(word)]);
        break;
    case 't':
        put(text, "%s", general[mips_rt(word)]);
        break;
    case 'd':
        put(text, "%s", general[mips_rd(word)]);
        break;
    case 'S':
        put(text, "$f%u", mips_rd(word));
        break;
    case 'T':
        put(text, "$f%u", mips_rt(word));
        break;
    case 'D':
        put(text, "$f%u", mips_sa(word));
        break;
    case 'F':
        put(text, "$f%u", mips_rs(word));
        break;
    case 'h':
    case 'p':
    case 'y':
        put(text, "%u", mips_sa(word));
        break;
    case 'e':
        put(text, "%u", mips_rd(word) + 1);
        break;
    case 'm':
        put(text, "%u", mips_rd(word) - mips_sa(word) + 1);
        break;
    case 'i':
        put(text, "%d", (int16_t)word);
        break;
    case 'j':
        put(text, "0x%x", mips_unsigned(word));
        break;
    case 'o':
        put(text, "%d(%s)", (int16_t)word, general[mips_rs(word)]);
        break;
    case 'x':
        put(text, "%s(%s)", general[mips_rt(word)], general[mips_rs(word)]);
        break;
    case 'b':
        put(text, "0x%x", pc + 4 + (mips_signed(word) << 2));
        break;
    case 'J':
        put(text, "0x%x", ((pc + 4) & 0xf0000000) | (word << 2 & 0x0fffffff));
        break;
    case 'c':
        put(text, "0x%x", code_of(word));
        break;
    case 'n':
        put(text, "$fcc%u", word >> 8 & 7);
        break;
    case 'N':
        put(text, "$fcc%u", word >> 18 & 7);
        break;
    case 'r':
        put(text, "$%u", mips_rd(word));
        break;
    case 'l':
        put(text, "%u", word & 7);
        break;
    case 'H':
        put(text, "%u", mips_rt(word));
        break;
    case 'I':
        put(text, "%u", mips_rd(word));
        break;
    default:
        break;
    }
}

void mips_disassemble(uint32_t word, uint32_t pc, char text[static MIPS_TEXT_BYTES])
{
    struct text to = {text, MIPS_TEXT_BYTES};
    const enum mips_instruction instruction = mips_decode(word);
    if (instruction == MIPS_RESERVED) {
        put(&to, ".word 0x%08x", word);
        return;
    }
    if (instruction == MIPS_C_S || instruction == MIPS_C_D)
        put(&to, "c.%s.%c", condition[word & 15], instruction == MIPS_C_S ? 's' : 'd');
    else
        put(&to, "%s", mips_mnemonic(instruction));
    const char *between = " ";
    for (const char *kind = operands[mips_form(instruction)]; *kind; kind++) {
        put(&to, "%s", between);
        put_operand(&to, *kind, word, pc);
        between = ", ";
    }
}
