/* Conversions between single, double, word and long, and the FPU's control registers. */
#include "vmm-core/machine/mips/fpu.h"

#include <math.h>
#include <string.h>

#define CONTROL_FIR  0
#define CONTROL_FCCR 25
#define CONTROL_FEXR 26
#define CONTROL_FENR 28
#define CONTROL_FCSR 31

/* ------------------------------------------------------------------------------- to integers */

/* as in FCSR.RM */
enum rounding { NEAREST, ZERO, PLUS, MINUS, BY_FCSR };

static double value_of(const struct fpu_format *format, uint64_t bits)
{
    if (format == &fpu_double) {
        double value;
        memcpy(&value, &bits, sizeof value);
        return value;
    }
    const uint32_t low = (uint32_t)bits;
    float value;
    memcpy(&value, &low, sizeof value);
    return (double)value;
}

static double rounded(double value, enum rounding rounding)
{
    switch (rounding) {
    case ZERO:
        return trunc(value);
    case PLUS:
        return ceil(value);
    case MINUS:
        return floor(value);
    default:
        return rint(value); /* the host's own mode is nearest */
    }
}

/* Too large, infinite or no number: Invalid, and the largest integer (volume I, table 5-12). */
static bool to_integer(struct mips_cpu *cpu, const struct mips_op *op,
                       const struct fpu_format *format, enum rounding rounding, unsigned bits)
{
    uint64_t operand =
        format == &fpu_double ? fpu_get_double(cpu, op->a) : fpu_get_single(cpu, op->a);
    const double limit = bits == 64 ? 0x1p63 : 0x1p31;
    int64_t result = bits == 64 ? INT64_MAX : INT32_MAX;
    unsigned cause = FPU_INVALID;
    if (!fpu_is_nan(format, operand) && fpu_operand(cpu, format, &operand, &cause)) {
        const double value = value_of(format, operand);
        const double whole =
            rounded(value, rounding == BY_FCSR ? (enum rounding)(cpu->s.fcsr & FCSR_RM) : rounding);
        if (whole >= -limit && whole < limit) {
            result = (int64_t)whole;
            cause = whole != value ? FPU_INEXACT : 0;
        }
    }
    if (!fpu_finish(cpu, cause))
        return false;
    if (bits == 64)
        fpu_put_double(cpu, op->c, (uint64_t)result);
    else
        cpu->s.fpr[op->c] = (uint32_t)result;
    return true;
}

#define TO_INTEGER(NAME, format, rounding, bits)                                                   \
    bool mips_fpu_##NAME(struct mips_cpu *cpu, const struct mips_op *op)                           \
    {                                                                                              \
        return to_integer(cpu, op, &(format), rounding, bits);                                     \
    }

TO_INTEGER(ROUND_L_S, fpu_single, NEAREST, 64)
TO_INTEGER(TRUNC_L_S, fpu_single, ZERO, 64)
TO_INTEGER(CEIL_L_S, fpu_single, PLUS, 64)
TO_INTEGER(FLOOR_L_S, fpu_single, MINUS, 64)
TO_INTEGER(CVT_L_S, fpu_single, BY_FCSR, 64)
TO_INTEGER(ROUND_W_S, fpu_single, NEAREST, 32)
TO_INTEGER(TRUNC_W_S, fpu_single, ZERO, 32)
TO_INTEGER(CEIL_W_S, fpu_single, PLUS, 32)
TO_INTEGER(FLOOR_W_S, fpu_single, MINUS, 32)
TO_INTEGER(CVT_W_S, fpu_single, BY_FCSR, 32)
TO_INTEGER(ROUND_L_D, fpu_double, NEAREST, 64)
TO_INTEGER(TRUNC_L_D, fpu_double, ZERO, 64)
TO_INTEGER(CEIL_L_D, fpu_double, PLUS, 64)
TO_INTEGER(FLOOR_L_D, fpu_double, MINUS, 64)
TO_INTEGER(CVT_L_D, fpu_double, BY_FCSR, 64)
TO_INTEGER(ROUND_W_D, fpu_double, NEAREST, 32)
TO_INTEGER(TRUNC_W_D, fpu_double, ZERO, 32)
TO_INTEGER(CEIL_W_D, fpu_double, PLUS, 32)
TO_INTEGER(FLOOR_W_D, fpu_double, MINUS, 32)
TO_INTEGER(CVT_W_D, fpu_double, BY_FCSR, 32)

/* ------------------------------------------------------------------------------- from integers */

/* Never a NaN, never denormal: the host's answer is the answer. */
#define FROM_INTEGER(NAME, integer, read, type, bits_type, put)                                    \
    bool mips_fpu_##NAME(struct mips_cpu *cpu, const struct mips_op *op)                           \
    {                                                                                              \
        integer value = (integer)read(cpu, op->a);                                                 \
        fpu_host_begin(cpu->s.fcsr);                                                               \
        FPU_PIN_INT(value);                                                                        \
        type result = (type)value;                                                                 \
        FPU_PIN(result);                                                                           \
        const unsigned cause = fpu_host_end(cpu->s.fcsr) & FPU_INEXACT;                            \
        bits_type bits;                                                                            \
        memcpy(&bits, &result, sizeof bits);                                                       \
        if (!fpu_finish(cpu, cause))                                                               \
            return false;                                                                          \
        put(cpu, op->c, bits);                                                                     \
        return true;                                                                               \
    }

static void put_single(struct mips_cpu *cpu, unsigned word, uint32_t bits)
{
    cpu->s.fpr[word] = bits;
}

FROM_INTEGER(CVT_S_W, int32_t, fpu_get_single, float, uint32_t, put_single)
FROM_INTEGER(CVT_D_W, int32_t, fpu_get_single, double, uint64_t, fpu_put_double)
FROM_INTEGER(CVT_S_L, int64_t, fpu_get_double, float, uint32_t, put_single)
FROM_INTEGER(CVT_D_L, int64_t, fpu_get_double, double, uint64_t, fpu_put_double)

/* ------------------------------------------------------------------------------- between formats */

bool mips_fpu_CVT_S_D(struct mips_cpu *cpu, const struct mips_op *op)
{
    uint64_t operand = fpu_get_double(cpu, op->a), result = 0;
    unsigned cause = 0;
    if (fpu_is_nan(&fpu_double, operand)) {
        /* a quiet NaN keeps what fits of its fraction; with nothing left it would be infinity */
        const uint64_t nan = fpu_propagate(&fpu_double, operand, operand, &cause);
        result =
            (nan >> 32 & fpu_single.sign) | fpu_single.exponent | (nan >> 29 & fpu_single.fraction);
        if (!(result & fpu_single.fraction))
            result = fpu_single.default_nan;
    } else if (fpu_operand(cpu, &fpu_double, &operand, &cause)) {
        double value = value_of(&fpu_double, operand);
        fpu_host_begin(cpu->s.fcsr);
        FPU_PIN(value);
        float single = (float)value;
        FPU_PIN(single);
        cause = fpu_host_end(cpu->s.fcsr);
        uint32_t bits;
        memcpy(&bits, &single, sizeof bits);
        result = bits;
        fpu_result(cpu, &fpu_single, &result, &cause);
    }
    if (!fpu_finish(cpu, cause))
        return false;
    cpu->s.fpr[op->c] = (uint32_t)result;
    return true;
}

bool mips_fpu_CVT_D_S(struct mips_cpu *cpu, const struct mips_op *op)
{
    uint64_t operand = fpu_get_single(cpu, op->a), result = 0;
    unsigned cause = 0;
    if (fpu_is_nan(&fpu_single, operand)) {
        const uint64_t nan = fpu_propagate(&fpu_single, operand, operand, &cause);
        result = cause ? fpu_double.default_nan
                       : (nan & fpu_single.sign) << 32 | fpu_double.exponent |
                             (nan & fpu_single.fraction) << 29;
    } else if (fpu_operand(cpu, &fpu_single, &operand, &cause)) {
        const double value = value_of(&fpu_single, operand); /* exact */
        memcpy(&result, &value, sizeof result);
    }
    if (!fpu_finish(cpu, cause))
        return false;
    fpu_put_double(cpu, op->c, result);
    return true;
}

/* ------------------------------------------------------------------------------- control */

bool mips_fpu_CFC1(struct mips_cpu *cpu, const struct mips_op *op)
{
    const uint32_t fcsr = cpu->s.fcsr;
    uint32_t value = 0;
    switch (op->b) {
    case CONTROL_FIR:
        value = MIPS_FIR;
        break;
    case CONTROL_FCCR:
        value = (fcsr >> 24 & 0xfe) | (fcsr >> 23 & 1);
        break;
    case CONTROL_FEXR:
        value = fcsr & (FCSR_CAUSE | FCSR_FLAGS);
        break;
    case CONTROL_FENR: /* FS in bit 2 */
        value = (fcsr & (FCSR_ENABLES | FCSR_RM)) | (fcsr & FCSR_FS ? 4 : 0);
        break;
    case CONTROL_FCSR:
        value = fcsr;
        break;
    default:
        break;
    }
    cpu->s.r[op->c] = value;
    return true;
}

bool mips_fpu_CTC1(struct mips_cpu *cpu, const struct mips_op *op)
{
    const uint32_t value = cpu->s.r[op->a];
    uint32_t *const fcsr = &cpu->s.fcsr;
    switch (op->b) {
    case CONTROL_FCCR:
        *fcsr = (*fcsr & ~FCSR_FCC) | (value & 0xfe) << 24 | (value & 1) << 23;
        break;
    case CONTROL_FEXR:
        *fcsr = (*fcsr & ~(FCSR_CAUSE | FCSR_FLAGS)) | (value & (FCSR_CAUSE | FCSR_FLAGS));
        break;
    case CONTROL_FENR:
        *fcsr = (*fcsr & ~(FCSR_ENABLES | FCSR_RM | FCSR_FS)) | (value & (FCSR_ENABLES | FCSR_RM)) |
                (value & 4 ? FCSR_FS : 0);
        break;
    case CONTROL_FCSR:
        *fcsr = value & FCSR_WRITABLE;
        break;
    default:
        return true;
    }
    /* a cause that is written beside its enable is an exception at once */
    const uint32_t cause = *fcsr >> FCSR_CAUSE_SHIFT & 63;
    if (cause & ((*fcsr >> FCSR_ENABLES_SHIFT & 31) | FPU_UNIMPLEMENTED))
        return mips_fault(cpu, MIPS_EXCEPTION_FPU);
    return true;
}
