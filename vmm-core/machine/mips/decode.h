/* A word -> the instruction it is, and its text.
 *
 * Knows the instruction set alone: no CPU state. Words that a 24Kf answers with Reserved
 * Instruction decode to MIPS_RESERVED. Fields that the manual calls zero and no instruction is told
 * apart by are not looked at, as in hardware.
 */
#ifndef DISCO_MIPS_DECODE_H
#define DISCO_MIPS_DECODE_H

#include "vmm-core/machine/mips/instructions.h"

#include <stddef.h>
#include <stdint.h>

#define MIPS_NAME(NAME, mnemonic, FORM) MIPS_##NAME,
enum mips_instruction { MIPS_INSTRUCTIONS(MIPS_NAME) MIPS_INSTRUCTION_COUNT };
#undef MIPS_NAME

#define MIPS_NAME(FORM) MIPS_FORM_##FORM,
enum mips_form { MIPS_FORMS(MIPS_NAME) MIPS_FORM_COUNT };
#undef MIPS_NAME

/* The fields of a word (MIPS32 volume I, section 5): positions are the same in all formats. */
static inline unsigned mips_rs(uint32_t word)
{
    return word >> 21 & 31;
}
static inline unsigned mips_rt(uint32_t word)
{
    return word >> 16 & 31;
}
static inline unsigned mips_rd(uint32_t word)
{
    return word >> 11 & 31;
}
static inline unsigned mips_sa(uint32_t word)
{
    return word >> 6 & 31;
}
static inline uint32_t mips_signed(uint32_t word)
{
    return (uint32_t)(int32_t)(int16_t)word;
}
static inline uint32_t mips_unsigned(uint32_t word)
{
    return word & 0xffff;
}

enum mips_instruction mips_decode(uint32_t word);
enum mips_form mips_form(enum mips_instruction instruction);
const char *mips_mnemonic(enum mips_instruction instruction);

#define MIPS_TEXT_BYTES 64u

/* The word at address `pc` as assembly, such as "lw $v0, -4($sp)"; `.word 0x...` if reserved. */
void mips_disassemble(uint32_t word, uint32_t pc, char text[static MIPS_TEXT_BYTES]);

#endif
