/* Part of the run loop: traps, coprocessor 0, and the FPU's moves and arithmetic. */

#define RAISES(NAME, what)                                                                         \
    HANDLER(NAME)                                                                                  \
    {                                                                                              \
        RAISE(what);                                                                               \
    }
RAISES(SYSCALL, MIPS_EXCEPTION_SYSCALL)
RAISES(BREAK, MIPS_EXCEPTION_BREAK)

#define UNUSABLE(NAME, coprocessor)                                                                \
    HANDLER(NAME)                                                                                  \
    {                                                                                              \
        cpu->fault =                                                                               \
            (struct mips_fault){.code = MIPS_EXCEPTION_COPROCESSOR, .unit = (coprocessor)};        \
        goto fault;                                                                                \
    }
UNUSABLE(NO_FPU, 1)
UNUSABLE(COP2, 2)

/* A reserved word of coprocessor 0 asks for the coprocessor first. */
HANDLER(RESERVED)
{
reserved:
    if (op->b == RESERVED_COP0 && !mips_cp0_usable(cpu))
        goto fault;
    RAISE(MIPS_EXCEPTION_RESERVED);
}

/* These become other operations, or none, when they are decoded. */
#define NEVER(NAME)                                                                                \
    HANDLER(NAME)                                                                                  \
    {                                                                                              \
        goto reserved;                                                                             \
    }
NEVER(LUI)
NEVER(J)
NEVER(JAL)
NEVER(JR)
NEVER(JALR)
NEVER(BLTZAL)
NEVER(BLTZALL)
NEVER(BGEZAL)
NEVER(BGEZALL)
NEVER(PREF)
NEVER(PREFX)
NEVER(SYNC)

#define TRAP(NAME, type, compare, operand)                                                         \
    HANDLER(NAME)                                                                                  \
    {                                                                                              \
        if (UNLIKELY((type)r[op->a] compare(type)(operand)))                                       \
            RAISE(MIPS_EXCEPTION_TRAP);                                                            \
        NEXT;                                                                                      \
    }
TRAP(TGE, int32_t, >=, r[op->b])
TRAP(TGEU, uint32_t, >=, r[op->b])
TRAP(TLT, int32_t, <, r[op->b])
TRAP(TLTU, uint32_t, <, r[op->b])
TRAP(TEQ, uint32_t, ==, r[op->b])
TRAP(TNE, uint32_t, !=, r[op->b])
TRAP(TGEI, int32_t, >=, op->imm)
TRAP(TGEIU, uint32_t, >=, op->imm)
TRAP(TLTI, int32_t, <, op->imm)
TRAP(TLTIU, uint32_t, <, op->imm)
TRAP(TEQI, uint32_t, ==, op->imm)
TRAP(TNEI, uint32_t, !=, op->imm)

#define CALL(NAME, function)                                                                       \
    HANDLER(NAME)                                                                                  \
    {                                                                                              \
        if (UNLIKELY(!function(cpu, op)))                                                          \
            goto fault;                                                                            \
        NEXT;                                                                                      \
    }
CALL(MFC0, mips_do_mfc0)
CALL(MTC0, mips_do_mtc0)
CALL(RDPGPR, mips_do_gpr_shadow)
CALL(WRPGPR, mips_do_gpr_shadow)
CALL(DI, mips_do_di)
CALL(EI, mips_do_ei)
CALL(TLBR, mips_do_tlbr)
CALL(TLBWI, mips_do_tlbwi)
CALL(TLBWR, mips_do_tlbwr)
CALL(TLBP, mips_do_tlbp)
CALL(WAIT, mips_do_wait)
CALL(RDHWR, mips_do_rdhwr)
CALL(CACHE, mips_do_cache)
CALL(SYNCI, mips_do_synci)

HANDLER(ERET)
{
    if (!mips_cp0_usable(cpu))
        goto fault;
    mips_eret(cpu);
    goto next;
}

/* ------------------------------------------------------------------------------- the FPU */

#define MIPS_NAME(NAME) CALL(NAME, mips_fpu_##NAME)
FPU_FUNCTIONS(MIPS_NAME)
#undef MIPS_NAME

#define EFFECT(NAME, effect)                                                                       \
    HANDLER(NAME)                                                                                  \
    {                                                                                              \
        effect;                                                                                    \
        NEXT;                                                                                      \
    }
#define MOVE_WORD r[op->c] = r[op->a]
#define MOVE_S    cpu->s.fpr[op->c] = cpu->s.fpr[op->a]
#define MOVE_D    fpu_put_double(cpu, op->c, fpu_get_double(cpu, op->a))
#define CODE_SET  (cpu->s.fcsr & op->imm)
EFFECT(MFC1, r[op->c] = cpu->s.fpr[op->b])
EFFECT(MFHC1, r[op->c] = cpu->s.fpr[op->b])
EFFECT(MTC1, cpu->s.fpr[op->b] = r[op->a])
EFFECT(MTHC1, cpu->s.fpr[op->b] = r[op->a])
EFFECT(MOV_S, MOVE_S)
EFFECT(MOV_D, MOVE_D)
EFFECT(MOVF, if (!CODE_SET) MOVE_WORD)
EFFECT(MOVT, if (CODE_SET) MOVE_WORD)
EFFECT(MOVF_S, if (!CODE_SET) MOVE_S)
EFFECT(MOVF_D, if (!CODE_SET) MOVE_D)
EFFECT(MOVT_S, if (CODE_SET) MOVE_S)
EFFECT(MOVT_D, if (CODE_SET) MOVE_D)
EFFECT(MOVZ_S, if (!r[op->b]) MOVE_S)
EFFECT(MOVZ_D, if (!r[op->b]) MOVE_D)
EFFECT(MOVN_S, if (r[op->b]) MOVE_S)
EFFECT(MOVN_D, if (r[op->b]) MOVE_D)

#undef RAISES
#undef UNUSABLE
#undef NEVER
#undef TRAP
#undef CALL
#undef EFFECT
#undef MOVE_WORD
#undef MOVE_S
#undef MOVE_D
#undef CODE_SET
