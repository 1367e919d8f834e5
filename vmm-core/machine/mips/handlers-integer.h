/* Part of the run loop: integer arithmetic, multiply and divide. */

#define OPERATE(NAME, expression)                                                                  \
    HANDLER(NAME)                                                                                  \
    {                                                                                              \
        const uint32_t a = r[op->a], b = r[op->b], imm = op->imm;                                  \
        (void)a, (void)b, (void)imm;                                                               \
        r[op->c] = (expression);                                                                   \
        NEXT;                                                                                      \
    }
#define SIGNED(x) ((int32_t)(x))

/* What pairs are made of. */
#define VALUE_ADDU(a, b, imm)  ((a) + (b))
#define VALUE_SUBU(a, b, imm)  ((a) - (b))
#define VALUE_AND(a, b, imm)   ((a) & (b))
#define VALUE_OR(a, b, imm)    ((a) | (b))
#define VALUE_XOR(a, b, imm)   ((a) ^ (b))
#define VALUE_SLTU(a, b, imm)  ((a) < (b))
#define VALUE_SLL(a, b, imm)   ((a) << ((imm)&31))
#define VALUE_SRL(a, b, imm)   ((a) >> ((imm)&31))
#define VALUE_ADDIU(a, b, imm) ((a) + (imm))
#define VALUE_ANDI(a, b, imm)  ((a) & (imm))

OPERATE(SET, imm)
OPERATE(ADDU, VALUE_ADDU(a, b, imm))
OPERATE(SUBU, VALUE_SUBU(a, b, imm))
OPERATE(AND, VALUE_AND(a, b, imm))
OPERATE(OR, VALUE_OR(a, b, imm))
OPERATE(XOR, VALUE_XOR(a, b, imm))
OPERATE(NOR, ~(a | b))
OPERATE(SLT, SIGNED(a) < SIGNED(b))
OPERATE(SLTU, VALUE_SLTU(a, b, imm))
OPERATE(SLLV, a << (b & 31))
OPERATE(SRLV, a >> (b & 31))
OPERATE(SRAV, (uint32_t)(SIGNED(a) >> (b & 31)))
OPERATE(ROTRV, a >> (b & 31) | a << (-b & 31))
OPERATE(SLL, VALUE_SLL(a, b, imm))
OPERATE(SRL, VALUE_SRL(a, b, imm))
OPERATE(SRA, (uint32_t)(SIGNED(a) >> (imm & 31)))
OPERATE(ROTR, a >> (imm & 31) | a << (-imm & 31))
OPERATE(ADDIU, VALUE_ADDIU(a, b, imm))
OPERATE(SLTI, SIGNED(a) < SIGNED(imm))
OPERATE(SLTIU, a < imm)
OPERATE(ANDI, VALUE_ANDI(a, b, imm))
OPERATE(ORI, a | imm)
OPERATE(XORI, a ^ imm)
OPERATE(CLZ, a ? (uint32_t)__builtin_clz(a) : 32)
OPERATE(CLO, ~a ? (uint32_t)__builtin_clz(~a) : 32)
OPERATE(SEB, (uint32_t)(int8_t)a)
OPERATE(SEH, (uint32_t)(int16_t)a)
OPERATE(WSBH, (a >> 8 & 0x00ff00ff) | (a << 8 & 0xff00ff00))
OPERATE(EXT, a >> (op->b & 31) & imm)
OPERATE(INS, (b & ~imm) | (a << __builtin_ctz(imm | 1u << 31) & imm))
OPERATE(MUL, a *b)
OPERATE(MFHI, cpu->s.hi)
OPERATE(MFLO, cpu->s.lo)

HANDLER(MOVZ)
{
    if (!r[op->b])
        r[op->c] = r[op->a];
    NEXT;
}

HANDLER(MOVN)
{
    if (r[op->b])
        r[op->c] = r[op->a];
    NEXT;
}

HANDLER(MTHI)
{
    cpu->s.hi = r[op->a];
    NEXT;
}

HANDLER(MTLO)
{
    cpu->s.lo = r[op->a];
    NEXT;
}

#define OVERFLOWING(NAME, builtin, operand)                                                        \
    HANDLER(NAME)                                                                                  \
    {                                                                                              \
        int32_t result;                                                                            \
        if (UNLIKELY(builtin(SIGNED(r[op->a]), SIGNED(operand), &result)))                         \
            RAISE(MIPS_EXCEPTION_OVERFLOW);                                                        \
        r[op->c] = (uint32_t)result;                                                               \
        NEXT;                                                                                      \
    }
OVERFLOWING(ADD, __builtin_add_overflow, r[op->b])
OVERFLOWING(SUB, __builtin_sub_overflow, r[op->b])
OVERFLOWING(ADDI, __builtin_add_overflow, op->imm)

/* HI:LO = expression in a and b, which are extended to 64 bits through `type` */
#define MULTIPLY(NAME, type, expression)                                                           \
    HANDLER(NAME)                                                                                  \
    {                                                                                              \
        const uint64_t a = (uint64_t)(type)r[op->a], b = (uint64_t)(type)r[op->b],                 \
                       hilo = (uint64_t)cpu->s.hi << 32 | cpu->s.lo;                               \
        (void)hilo;                                                                                \
        const uint64_t result = (expression);                                                      \
        cpu->s.hi = (uint32_t)(result >> 32);                                                      \
        cpu->s.lo = (uint32_t)result;                                                              \
        NEXT;                                                                                      \
    }
MULTIPLY(MULT, int32_t, a *b)
MULTIPLY(MULTU, uint32_t, a *b)
MULTIPLY(MADD, int32_t, hilo + a * b)
MULTIPLY(MADDU, uint32_t, hilo + a * b)
MULTIPLY(MSUB, int32_t, hilo - a * b)
MULTIPLY(MSUBU, uint32_t, hilo - a * b)

/* By zero, or the least number by -1: not defined; here as if by 1. */
HANDLER(DIV)
{
    const int32_t a = SIGNED(r[op->a]);
    int32_t b = SIGNED(r[op->b]);
    if (!b || (a == INT32_MIN && b == -1))
        b = 1;
    cpu->s.lo = (uint32_t)(a / b);
    cpu->s.hi = (uint32_t)(a % b);
    NEXT;
}

HANDLER(DIVU)
{
    const uint32_t a = r[op->a], b = r[op->b] ? r[op->b] : 1;
    cpu->s.lo = a / b;
    cpu->s.hi = a % b;
    NEXT;
}

#undef OPERATE
#undef SIGNED
#undef OVERFLOWING
#undef MULTIPLY
