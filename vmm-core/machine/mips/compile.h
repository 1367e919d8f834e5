/* What the files that decode a block share: the block as it grows. */
#ifndef DISCO_MIPS_COMPILE_H
#define DISCO_MIPS_COMPILE_H

#include "vmm-core/machine/mips/internal.h"

struct draft {
    struct mips_block *block;
    const void *const *handler;
    const uint8_t *page; /* bytes of the frame */
    unsigned ops, place, most;
    unsigned last;  /* what the last operation is; MIPS_MICRO_END: none that can begin a pair */
    unsigned delay; /* PLACE_DELAY in a delay slot */
};

/* Puts an operation behind the others; may make a pair of it and the one before. */
void mips_emit(struct draft *draft, unsigned what, unsigned a, unsigned b, unsigned c,
               uint32_t imm);

/* Writes to register 0 go where nobody looks. */
static inline unsigned mips_written(unsigned reg)
{
    return reg ? reg : 32;
}

/* compile-fpu.c */
/* Does the word need a usable coprocessor 1? Reserved ones of its opcodes do. */
bool mips_uses_fpu(uint32_t word);
/* A double in an odd register is no register with FR=0, and 64-bit integers need FR=1. */
bool mips_fpu_registers_exist(const struct draft *draft, enum mips_instruction instruction,
                              uint32_t word);
void mips_emit_fpu(struct draft *draft, enum mips_instruction instruction, uint32_t word);

#endif
