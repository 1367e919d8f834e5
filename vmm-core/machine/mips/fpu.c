#include "vmm-core/machine/mips/fpu.h"

const struct fpu_format fpu_single = {
    .sign = UINT64_C(0x80000000),
    .exponent = UINT64_C(0x7f800000),
    .fraction = UINT64_C(0x007fffff),
    .quiet = UINT64_C(0x00400000),
    .default_nan = UINT64_C(0x7fbfffff),
    .smallest = UINT64_C(0x00800000),
};
const struct fpu_format fpu_double = {
    .sign = UINT64_C(0x8000000000000000),
    .exponent = UINT64_C(0x7ff0000000000000),
    .fraction = UINT64_C(0x000fffffffffffff),
    .quiet = UINT64_C(0x0008000000000000),
    .default_nan = UINT64_C(0x7ff7ffffffffffff),
    .smallest = UINT64_C(0x0010000000000000),
};

static bool flushes(const struct mips_cpu *cpu)
{
    return cpu->s.fcsr & (FCSR_FS | FCSR_FO);
}

bool fpu_operand(const struct mips_cpu *cpu, const struct fpu_format *format, uint64_t *bits,
                 unsigned *cause)
{
    if (!fpu_is_denormal(format, *bits))
        return true;
    if (flushes(cpu)) {
        *bits &= format->sign;
        return true;
    }
    if (cpu->model.denormals_in_fpu)
        return true;
    *cause = FPU_UNIMPLEMENTED;
    return false;
}

/* FS alone: zero, or the smallest normal number where the rounding mode goes away from zero. FN:
 * whichever of them is nearer. */
static uint64_t flushed(const struct mips_cpu *cpu, const struct fpu_format *format, uint64_t bits)
{
    const uint64_t sign = bits & format->sign;
    const unsigned away = sign ? 3 : 2;
    const bool up = cpu->s.fcsr & FCSR_FN ? (bits & format->fraction) >= format->smallest / 2
                                          : (cpu->s.fcsr & FCSR_RM) == away;
    return sign | (up ? format->smallest : 0);
}

void fpu_result(const struct mips_cpu *cpu, const struct fpu_format *format, uint64_t *bits,
                unsigned *cause)
{
    *cause &= ~FPU_UNIMPLEMENTED;
    if (fpu_is_nan(format, *bits)) {
        *bits = format->default_nan;
    } else if (fpu_is_denormal(format, *bits) ||
               (*cause & FPU_UNDERFLOW && !(*bits & ~format->sign))) {
        if (flushes(cpu)) {
            *bits = flushed(cpu, format, *bits);
            *cause |= FPU_UNDERFLOW | FPU_INEXACT;
        } else if (!cpu->model.denormals_in_fpu) {
            *cause = FPU_UNIMPLEMENTED;
        }
    }
}

/* A signalling operand makes a new NaN; else the first quiet one is the result. */
uint64_t fpu_propagate(const struct fpu_format *format, uint64_t a, uint64_t b, unsigned *cause)
{
    if (fpu_is_signalling(format, a) || fpu_is_signalling(format, b)) {
        *cause = FPU_INVALID;
        return format->default_nan;
    }
    *cause = 0;
    return fpu_is_nan(format, a) ? a : b;
}
