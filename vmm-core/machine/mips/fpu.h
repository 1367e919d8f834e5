/* The FPU: single, double, word and long, by the host's arithmetic.
 *
 * An operation runs on the host under the guest's rounding mode, from clear flags. Where no operand
 * and no result is a NaN or denormal, the host's result and flags are the guest's: both are IEEE
 * 754, and both find tininess after rounding. All else goes the long way: MIPS before release 5
 * has quiet NaNs where the host has signalling ones, and a 24Kf does not compute with denormal
 * numbers but raises Unimplemented, or with FS, FO or FN set replaces them.
 *
 * Sources: volume I, chapter 5 (formats, NaNs: 5.5; exceptions: 5.7); Programming the MIPS32 24K
 * Core Family, "Floating point unit" (denormals).
 */
#ifndef DISCO_MIPS_FPU_H
#define DISCO_MIPS_FPU_H

#include "vmm-core/machine/mips/internal.h"

#define MIPS_FIR UINT32_C(0x00739300) /* F64, L, W, D, S; processor 0x93 */

/* Where bits are in a format. */
struct fpu_format {
    uint64_t sign, exponent, fraction, quiet; /* quiet: the bit that is 0 in a quiet NaN */
    uint64_t default_nan, smallest;           /* smallest normal number */
};
extern const struct fpu_format fpu_single, fpu_double;

/* Into Cause; false, with cpu->fault, where an enabled exception is among `cause`. */
static inline bool fpu_finish(struct mips_cpu *cpu, unsigned cause)
{
    const uint32_t fcsr = (cpu->s.fcsr & ~FCSR_CAUSE) | cause << FCSR_CAUSE_SHIFT;
    cpu->s.fcsr = fcsr;
    if (__builtin_expect(cause & ((fcsr >> FCSR_ENABLES_SHIFT & 31) | FPU_UNIMPLEMENTED), 0))
        return mips_fault(cpu, MIPS_EXCEPTION_FPU);
    cpu->s.fcsr |= cause << FCSR_FLAGS_SHIFT;
    return true;
}

static inline uint32_t fpu_get_single(const struct mips_cpu *cpu, unsigned word)
{
    return cpu->s.fpr[word];
}
static inline uint64_t fpu_get_double(const struct mips_cpu *cpu, unsigned word)
{
    uint64_t bits;
    __builtin_memcpy(&bits, &cpu->s.fpr[word], sizeof bits);
    return bits;
}
static inline void fpu_put_double(struct mips_cpu *cpu, unsigned word, uint64_t bits)
{
    __builtin_memcpy(&cpu->s.fpr[word], &bits, sizeof bits);
}

static inline bool fpu_is_nan(const struct fpu_format *format, uint64_t bits)
{
    return (bits & ~format->sign) > format->exponent;
}
static inline bool fpu_is_signalling(const struct fpu_format *format, uint64_t bits)
{
    return fpu_is_nan(format, bits) && bits & format->quiet;
}
static inline bool fpu_is_denormal(const struct fpu_format *format, uint64_t bits)
{
    return !(bits & format->exponent) && bits & format->fraction;
}

/* fpu.c: what the host cannot do. */
/* An operand that is about to be used: true, or its `*cause` if it cannot be. */
bool fpu_operand(const struct mips_cpu *cpu, const struct fpu_format *format, uint64_t *bits,
                 unsigned *cause);
/* A result that the host gave, with its flags as Cause. */
void fpu_result(const struct mips_cpu *cpu, const struct fpu_format *format, uint64_t *bits,
                unsigned *cause);
/* The NaN that comes of operands of which one is a NaN. */
uint64_t fpu_propagate(const struct fpu_format *format, uint64_t a, uint64_t b, unsigned *cause);

/* fpu-arithmetic.c, fpu-convert.c, fpu-control.c: a function an instruction */
#define FPU_OF_FORMAT(X, F)                                                                        \
    X(ADD_##F)                                                                                     \
    X(SUB_##F)                                                                                     \
    X(MUL_##F)                                                                                     \
    X(DIV_##F)                                                                                     \
    X(SQRT_##F)                                                                                    \
    X(ABS_##F)                                                                                     \
    X(NEG_##F)                                                                                     \
    X(RECIP_##F)                                                                                   \
    X(RSQRT_##F)                                                                                   \
    X(MADD_##F)                                                                                    \
    X(MSUB_##F)                                                                                    \
    X(NMADD_##F)                                                                                   \
    X(NMSUB_##F)                                                                                   \
    X(C_##F)                                                                                       \
    X(ROUND_L_##F)                                                                                 \
    X(TRUNC_L_##F)                                                                                 \
    X(CEIL_L_##F)                                                                                  \
    X(FLOOR_L_##F)                                                                                 \
    X(CVT_L_##F)                                                                                   \
    X(ROUND_W_##F)                                                                                 \
    X(TRUNC_W_##F)                                                                                 \
    X(CEIL_W_##F)                                                                                  \
    X(FLOOR_W_##F)                                                                                 \
    X(CVT_W_##F)
#define FPU_FUNCTIONS(X)                                                                           \
    FPU_OF_FORMAT(X, S)                                                                            \
    FPU_OF_FORMAT(X, D)                                                                            \
    X(CVT_S_D)                                                                                     \
    X(CVT_D_S)                                                                                     \
    X(CVT_S_W)                                                                                     \
    X(CVT_D_W)                                                                                     \
    X(CVT_S_L)                                                                                     \
    X(CVT_D_L)                                                                                     \
    X(CFC1)                                                                                        \
    X(CTC1)
#define MIPS_NAME(NAME) mips_slow mips_fpu_##NAME;
FPU_FUNCTIONS(MIPS_NAME)
#undef MIPS_NAME

/* ------------------------------------------------------------------------------- the host */

/* From begin to end the host computes with the guest's rounding and clear flags. FPU_PIN() keeps
 * the compiler from moving arithmetic out of there. */
#ifdef __SSE2__
#include <xmmintrin.h>
#define FPU_PIN(value)     __asm__ volatile("" : "+x"(value))
#define FPU_PIN_INT(value) __asm__ volatile("" : "+r"(value))
#define HOST_DEFAULT       0x1f80u /* nearest, all masked, no flag */

static inline void fpu_host_begin(uint32_t fcsr)
{
    static const unsigned mode[4] = {HOST_DEFAULT, 0x7f80, 0x5f80, 0x3f80};
    _mm_setcsr(mode[fcsr & FCSR_RM]);
}
/* The flags as bits of Cause; a denormal operand as FPU_UNIMPLEMENTED. */
static inline unsigned fpu_host_end(uint32_t fcsr)
{
    const unsigned flags = _mm_getcsr();
    if (__builtin_expect(fcsr & FCSR_RM, 0))
        _mm_setcsr(HOST_DEFAULT);
    /* invalid, denormal, zero, overflow, underflow, inexact are bits 0 .. 5 */
    return (flags & 1) << 4 | (flags & 2) << 4 | (flags & 4) << 1 | (flags & 8) >> 1 |
           (flags & 16) >> 3 | (flags & 32) >> 5;
}
#else
#include <fenv.h>
#define FPU_PIN(value)     __asm__ volatile("" : "+m"(value))
#define FPU_PIN_INT(value) __asm__ volatile("" : "+m"(value))

static inline void fpu_host_begin(uint32_t fcsr)
{
    static const int mode[4] = {FE_TONEAREST, FE_TOWARDZERO, FE_UPWARD, FE_DOWNWARD};
    feclearexcept(FE_ALL_EXCEPT);
    fesetround(mode[fcsr & FCSR_RM]);
}
static inline unsigned fpu_host_end(uint32_t fcsr)
{
    const int flags = fetestexcept(FE_ALL_EXCEPT);
    if (fcsr & FCSR_RM)
        fesetround(FE_TONEAREST);
    /* the long way where it might have been a denormal operand */
    return (flags & FE_INVALID ? FPU_INVALID : 0) | (flags & FE_DIVBYZERO ? FPU_DIVIDE_ZERO : 0) |
           (flags & FE_OVERFLOW ? FPU_OVERFLOW : 0) | (flags & FE_UNDERFLOW ? FPU_UNDERFLOW : 0) |
           (flags & FE_INEXACT ? FPU_INEXACT : 0) | FPU_UNIMPLEMENTED;
}
#endif

#endif
