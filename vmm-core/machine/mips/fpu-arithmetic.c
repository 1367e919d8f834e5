/* Arithmetic and comparison. What single and double have in common is written once, as macros. */
#include "vmm-core/machine/mips/fpu.h"

#include <math.h>
#include <string.h>

/* Is there more to it than what the host computed? */
static inline bool is_ordinary(const struct fpu_format *format, uint64_t bits, unsigned cause)
{
    const uint64_t exponent = bits & format->exponent;
    return !(cause & (FPU_UNIMPLEMENTED | FPU_INVALID | FPU_UNDERFLOW)) &&
           ((exponent && exponent != format->exponent) || !(bits & format->fraction));
}

/* host(a, b): the operation on the host. OPERATION defines operate_<name>(): bits and Cause of it,
 * short where all is ordinary, else by way of fpu.c. */
#define OPERATION(name, type, bits_type, format, expression)                                       \
    static inline bits_type host_##name(uint32_t fcsr, bits_type a_bits, bits_type b_bits,         \
                                        unsigned *cause)                                           \
    {                                                                                              \
        type a, b, result;                                                                         \
        memcpy(&a, &a_bits, sizeof a);                                                             \
        memcpy(&b, &b_bits, sizeof b);                                                             \
        fpu_host_begin(fcsr);                                                                      \
        FPU_PIN(a);                                                                                \
        FPU_PIN(b);                                                                                \
        result = expression;                                                                       \
        FPU_PIN(result);                                                                           \
        *cause = fpu_host_end(fcsr);                                                               \
        bits_type bits;                                                                            \
        memcpy(&bits, &result, sizeof bits);                                                       \
        return bits;                                                                               \
    }                                                                                              \
    static __attribute__((noinline))                                                               \
    bits_type long_##name(struct mips_cpu *cpu, bits_type a, bits_type b, unsigned *cause)         \
    {                                                                                              \
        uint64_t x = a, y = b;                                                                     \
        if (fpu_is_nan(&(format), x) || fpu_is_nan(&(format), y))                                  \
            return (bits_type)fpu_propagate(&(format), x, y, cause);                               \
        if (!fpu_operand(cpu, &(format), &x, cause) || !fpu_operand(cpu, &(format), &y, cause))    \
            return 0;                                                                              \
        uint64_t result = host_##name(cpu->s.fcsr, (bits_type)x, (bits_type)y, cause);             \
        fpu_result(cpu, &(format), &result, cause);                                                \
        return (bits_type)result;                                                                  \
    }                                                                                              \
    static inline bits_type operate_##name(struct mips_cpu *cpu, bits_type a, bits_type b,         \
                                           unsigned *cause)                                        \
    {                                                                                              \
        const bits_type bits = host_##name(cpu->s.fcsr, a, b, cause);                              \
        if (__builtin_expect(is_ordinary(&(format), bits, *cause), 1))                             \
            return bits;                                                                           \
        return long_##name(cpu, a, b, cause);                                                      \
    }

OPERATION(add_s, float, uint32_t, fpu_single, a + b)
OPERATION(sub_s, float, uint32_t, fpu_single, a - b)
OPERATION(mul_s, float, uint32_t, fpu_single, a *b)
OPERATION(div_s, float, uint32_t, fpu_single, a / b)
OPERATION(sqrt_s, float, uint32_t, fpu_single, sqrtf(a))
OPERATION(add_d, double, uint64_t, fpu_double, a + b)
OPERATION(sub_d, double, uint64_t, fpu_double, a - b)
OPERATION(mul_d, double, uint64_t, fpu_double, a *b)
OPERATION(div_d, double, uint64_t, fpu_double, a / b)
OPERATION(sqrt_d, double, uint64_t, fpu_double, sqrt(a))

static inline void put_single(struct mips_cpu *cpu, unsigned word, uint32_t bits)
{
    cpu->s.fpr[word] = bits;
}

#define ONE_SINGLE UINT32_C(0x3f800000)
#define ONE_DOUBLE UINT64_C(0x3ff0000000000000)

/* The instructions of one format. `f` and `F`: s and S, or d and D. */
#define BINARY(NAME, name, get, put)                                                               \
    bool mips_fpu_##NAME(struct mips_cpu *cpu, const struct mips_op *op)                           \
    {                                                                                              \
        unsigned cause;                                                                            \
        const __auto_type bits = operate_##name(cpu, get(cpu, op->a), get(cpu, op->b), &cause);    \
        if (!fpu_finish(cpu, cause))                                                               \
            return false;                                                                          \
        put(cpu, op->c, bits);                                                                     \
        return true;                                                                               \
    }

/* Not fused: the product is rounded (volume II, MADD.fmt). `flip` negates the sum. */
#define MULTIPLY_ADD(NAME, f, step, format, bits_type, get, put, flip)                             \
    bool mips_fpu_##NAME(struct mips_cpu *cpu, const struct mips_op *op)                           \
    {                                                                                              \
        unsigned first, cause;                                                                     \
        bits_type bits = operate_mul_##f(cpu, get(cpu, op->a), get(cpu, op->b), &first);           \
        cause = first;                                                                             \
        if (!(first & FPU_UNIMPLEMENTED)) {                                                        \
            bits = operate_##step##_##f(cpu, bits, get(cpu, op->imm), &cause);                     \
            cause = cause & FPU_UNIMPLEMENTED ? cause : cause | first;                             \
        }                                                                                          \
        if (!fpu_finish(cpu, cause))                                                               \
            return false;                                                                          \
        put(cpu, op->c, bits ^ (flip ? (bits_type)(format).sign : 0));                             \
        return true;                                                                               \
    }

/* Not IEEE's sign operations: before release 5 they are arithmetic, and a NaN has no sign. */
#define SIGN(NAME, format, bits_type, get, put, expression)                                        \
    bool mips_fpu_##NAME(struct mips_cpu *cpu, const struct mips_op *op)                           \
    {                                                                                              \
        const bits_type bits = get(cpu, op->a), sign = (bits_type)(format).sign;                   \
        unsigned cause = 0;                                                                        \
        const bits_type result = fpu_is_nan(&(format), bits)                                       \
                                     ? (bits_type)fpu_propagate(&(format), bits, bits, &cause)     \
                                     : (bits_type)(expression);                                    \
        if (!fpu_finish(cpu, cause))                                                               \
            return false;                                                                          \
        put(cpu, op->c, result);                                                                   \
        return true;                                                                               \
    }

/* c: the condition's four bits: unordered, equal, less, signalling */
#define COMPARE(NAME, format, type, bits_type, get)                                                \
    bool mips_fpu_##NAME(struct mips_cpu *cpu, const struct mips_op *op)                           \
    {                                                                                              \
        const bits_type x = get(cpu, op->a), y = get(cpu, op->b);                                  \
        const unsigned condition = op->c;                                                          \
        unsigned cause = 0, holds;                                                                 \
        if (fpu_is_nan(&(format), x) || fpu_is_nan(&(format), y)) {                                \
            (void)fpu_propagate(&(format), x, y, &cause);                                          \
            if (condition & 8)                                                                     \
                cause = FPU_INVALID;                                                               \
            holds = condition & 1;                                                                 \
        } else {                                                                                   \
            type a, b;                                                                             \
            memcpy(&a, &x, sizeof a);                                                              \
            memcpy(&b, &y, sizeof b);                                                              \
            holds = (condition & 4 && a < b) || (condition & 2 && !(a < b) && !(a > b));           \
        }                                                                                          \
        if (!fpu_finish(cpu, cause))                                                               \
            return false;                                                                          \
        cpu->s.fcsr = holds ? cpu->s.fcsr | op->imm : cpu->s.fcsr & ~op->imm;                      \
        return true;                                                                               \
    }

#define SQUARE_ROOT(NAME, f, get, put)                                                             \
    bool mips_fpu_##NAME(struct mips_cpu *cpu, const struct mips_op *op)                           \
    {                                                                                              \
        unsigned cause;                                                                            \
        const __auto_type a = get(cpu, op->a);                                                     \
        const __auto_type bits = operate_sqrt_##f(cpu, a, a, &cause);                              \
        if (!fpu_finish(cpu, cause))                                                               \
            return false;                                                                          \
        put(cpu, op->c, bits);                                                                     \
        return true;                                                                               \
    }

/* 1 / x and 1 / sqrt(x), each step rounded: within the manual's two units of the last place. */
#define RECIPROCAL(NAME, f, bits_type, one, get, put, of_root)                                     \
    bool mips_fpu_##NAME(struct mips_cpu *cpu, const struct mips_op *op)                           \
    {                                                                                              \
        unsigned first = 0, cause;                                                                 \
        bits_type bits = get(cpu, op->a);                                                          \
        if (of_root)                                                                               \
            bits = operate_sqrt_##f(cpu, bits, bits, &first);                                      \
        cause = first;                                                                             \
        if (!(first & FPU_UNIMPLEMENTED)) {                                                        \
            bits = operate_div_##f(cpu, one, bits, &cause);                                        \
            cause = cause & FPU_UNIMPLEMENTED ? cause : cause | first;                             \
        }                                                                                          \
        if (!fpu_finish(cpu, cause))                                                               \
            return false;                                                                          \
        put(cpu, op->c, bits);                                                                     \
        return true;                                                                               \
    }

#define FORMAT(f, F, type, bits_type, format, get, put, one)                                       \
    BINARY(ADD_##F, add_##f, get, put)                                                             \
    BINARY(SUB_##F, sub_##f, get, put)                                                             \
    BINARY(MUL_##F, mul_##f, get, put)                                                             \
    BINARY(DIV_##F, div_##f, get, put)                                                             \
    SQUARE_ROOT(SQRT_##F, f, get, put)                                                             \
    MULTIPLY_ADD(MADD_##F, f, add, format, bits_type, get, put, false)                             \
    MULTIPLY_ADD(MSUB_##F, f, sub, format, bits_type, get, put, false)                             \
    MULTIPLY_ADD(NMADD_##F, f, add, format, bits_type, get, put, true)                             \
    MULTIPLY_ADD(NMSUB_##F, f, sub, format, bits_type, get, put, true)                             \
    SIGN(ABS_##F, format, bits_type, get, put, bits & ~sign)                                       \
    SIGN(NEG_##F, format, bits_type, get, put, bits ^ sign)                                        \
    COMPARE(C_##F, format, type, bits_type, get)                                                   \
    RECIPROCAL(RECIP_##F, f, bits_type, one, get, put, false)                                      \
    RECIPROCAL(RSQRT_##F, f, bits_type, one, get, put, true)

FORMAT(s, S, float, uint32_t, fpu_single, fpu_get_single, put_single, ONE_SINGLE)
FORMAT(d, D, double, uint64_t, fpu_double, fpu_get_double, fpu_put_double, ONE_DOUBLE)
