/* What of the FPU Unicorn cannot judge: denormal numbers as a 24Kf has them, signs of NaNs, enabled
 * exceptions, registers that are not there. */
#include "tests/unit/mips_fixture.h"

static int start(void **state)
{
    return start_with(state, (struct mips_model){0});
}

static int start_full(void **state)
{
    return start_with(state, (struct mips_model){.denormals_in_fpu = true});
}

#define ADD_S         0x46020800u /* f0 = f1 + f2 */
#define MUL_S         0x46020802u
#define ABS_S         0x46000805u
#define NEG_S         0x46000807u
#define ADD_D         0x46241000u /* f0 = f2 + f4 */
#define CVT_W_S       0x46000824u
#define CVT_L_S       0x46000825u
#define C_OLT_S       0x46020834u
#define CTC1(rt)      (0x44c0f800u | (rt) << 16)
#define CFC1(rt, reg) (0x44400000u | (rt) << 16 | (reg) << 11)

#define SMALLEST 0x00800000u /* normal */
#define DENORMAL 0x00400000u
#define HALF     0x3f000000u
#define ONE      0x3f800000u

/* One instruction on f1 and f2 with FCSR as given; the exception, or -1. */
static int operate(struct fixture *f, uint32_t word, uint32_t a, uint32_t b, uint32_t fcsr)
{
    f->s->fpr[0] = 0x12345678;
    f->s->fpr[1] = a;
    f->s->fpr[2] = b;
    f->s->fcsr = fcsr;
    f->s->cp0.status = STATUS_CU1;
    mips_state_changed(f->cpu);
    RUN(f, 1, word);
    return f->s->pc == CODE + 4 ? -1 : (int)exception_code(f);
}

static uint32_t cause_of(const struct fixture *f)
{
    return (f->s->fcsr & FCSR_CAUSE) >> FCSR_CAUSE_SHIFT;
}

static void denormal_numbers_are_not_implemented(void **state)
{
    struct fixture *const f = *state;
    assert_int_equal(operate(f, ADD_S, DENORMAL, ONE, 0), MIPS_EXCEPTION_FPU);
    assert_int_equal(cause_of(f), FPU_UNIMPLEMENTED);
    assert_int_equal(f->s->fpr[0], 0x12345678); /* as it was, and no flag */
    assert_int_equal(f->s->fcsr & FCSR_FLAGS, 0);
    assert_int_equal(operate(f, MUL_S, SMALLEST, HALF, 0), MIPS_EXCEPTION_FPU);
    assert_int_equal(operate(f, MUL_S, SMALLEST, SMALLEST, 0), MIPS_EXCEPTION_FPU);
    assert_int_equal(operate(f, CVT_W_S, DENORMAL, 0, 0), MIPS_EXCEPTION_FPU);
    assert_int_equal(operate(f, MUL_S, SMALLEST, ONE, 0), -1);
}

static void fs_fo_and_fn_replace_them(void **state)
{
    struct fixture *const f = *state;
    assert_int_equal(operate(f, ADD_S, DENORMAL, ONE, FCSR_FS), -1);
    assert_int_equal(f->s->fpr[0], ONE);
    assert_int_equal(cause_of(f), 0);
    /* 3/4 of the smallest: zero; rounding away: the smallest; nearest: the smallest */
    const uint32_t three_quarters = 0x3f400000, sign = 0x80000000;
    static const struct {
        uint32_t fcsr, positive, negative;
    } rules[] = {
        {FCSR_FS, 0, 0},
        {FCSR_FO, 0, 0},
        {FCSR_FS | 1, 0, 0},
        {FCSR_FS | 2, SMALLEST, 0},
        {FCSR_FS | 3, 0, SMALLEST},
        {FCSR_FS | FCSR_FN, SMALLEST, SMALLEST},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        assert_int_equal(operate(f, MUL_S, SMALLEST, three_quarters, rules[i].fcsr), -1);
        assert_int_equal(f->s->fpr[0], rules[i].positive);
        assert_int_equal(cause_of(f), FPU_UNDERFLOW | FPU_INEXACT);
        assert_int_equal(operate(f, MUL_S, SMALLEST | sign, three_quarters, rules[i].fcsr), -1);
        assert_int_equal(f->s->fpr[0], rules[i].negative | sign);
    }
    operate(f, MUL_S, SMALLEST, 0x3e800000, FCSR_FS | FCSR_FN); /* a quarter is nearer to zero */
    assert_int_equal(f->s->fpr[0], 0);
}

static void a_model_may_compute_with_them(void **state)
{
    struct fixture *const f = *state;
    assert_int_equal(operate(f, MUL_S, SMALLEST, HALF, 0), -1);
    assert_int_equal(f->s->fpr[0], DENORMAL);
    assert_int_equal(cause_of(f), 0);
    assert_int_equal(operate(f, MUL_S, SMALLEST + 1, HALF, 0), -1);
    assert_int_equal(cause_of(f), FPU_UNDERFLOW | FPU_INEXACT);
}

static void signs_are_arithmetic(void **state)
{
    struct fixture *const f = *state;
    assert_int_equal(operate(f, ABS_S, ONE | 0x80000000, 0, FCSR_CAUSE & 0x1000), -1);
    assert_int_equal(f->s->fpr[0], ONE);
    assert_int_equal(cause_of(f), 0);
    assert_int_equal(operate(f, NEG_S, ONE, 0, 0), -1);
    assert_int_equal(f->s->fpr[0], ONE | 0x80000000);
    operate(f, NEG_S, 0x7fbfffff, 0, 0); /* quiet: as it is */
    assert_int_equal(f->s->fpr[0], 0x7fbfffff);
    operate(f, NEG_S, 0x7fc00000, 0, 0); /* signalling: a new one */
    assert_int_equal(f->s->fpr[0], 0x7fbfffff);
    assert_int_equal(cause_of(f), FPU_INVALID);
}

static void enabled_exceptions_are_taken_and_write_nothing(void **state)
{
    struct fixture *const f = *state;
    const uint32_t third = 0x3eaaaaab, enable_inexact = FPU_INEXACT << FCSR_ENABLES_SHIFT;
    assert_int_equal(operate(f, MUL_S, third, third, 0), -1);
    assert_int_equal(cause_of(f), FPU_INEXACT);
    assert_int_equal(f->s->fcsr & FCSR_FLAGS, FPU_INEXACT << FCSR_FLAGS_SHIFT);
    assert_int_equal(operate(f, MUL_S, third, third, enable_inexact), MIPS_EXCEPTION_FPU);
    assert_int_equal(f->s->fpr[0], 0x12345678);
    assert_int_equal(f->s->fcsr & FCSR_FLAGS, 0);
    /* a comparison that signals keeps its condition */
    const uint32_t enable_invalid = FPU_INVALID << FCSR_ENABLES_SHIFT;
    assert_int_equal(operate(f, C_OLT_S | 8, 0x7fbfffff, ONE, enable_invalid | 1 << 23),
                     MIPS_EXCEPTION_FPU);
    assert_true(f->s->fcsr & 1 << 23);
    assert_int_equal(operate(f, C_OLT_S, 0x7fbfffff, ONE, enable_invalid | 1 << 23), -1);
    assert_false(f->s->fcsr & 1 << 23);
    /* written by hand */
    f->s->r[8] = enable_inexact | FPU_INEXACT << FCSR_CAUSE_SHIFT;
    assert_int_equal(operate(f, CTC1(8u), 0, 0, 0), MIPS_EXCEPTION_FPU);
}

static void the_host_keeps_its_own_rounding(void **state)
{
    struct fixture *const f = *state;
    volatile double one = 1, three = 3;
    const double before = one / three;
    for (uint32_t mode = 0; mode < 4; mode++) {
        operate(f, MUL_S, 0x3eaaaaab, 0x3eaaaaab, mode);
        assert_true(one / three == before);
    }
}

static void registers_that_are_not_there_are_reserved(void **state)
{
    struct fixture *const f = *state;
    assert_int_equal(operate(f, ADD_D, 0, 0, 0), -1);
    assert_int_equal(operate(f, ADD_D | 1 << 11, 0, 0, 0), MIPS_EXCEPTION_RESERVED);
    assert_int_equal(operate(f, CVT_L_S, ONE, 0, 0), MIPS_EXCEPTION_RESERVED);
    f->s->cp0.status = 0; /* CU1 off */
    mips_state_changed(f->cpu);
    RUN(f, 1, ADD_D);
    assert_int_equal(exception_code(f), MIPS_EXCEPTION_COPROCESSOR);
    assert_int_equal((f->s->cp0.cause & CAUSE_CE) >> CAUSE_CE_SHIFT, 1);
    /* with FR the odd ones are there, and apart */
    f->s->cp0.status = STATUS_CU1 | STATUS_FR;
    mips_state_changed(f->cpu);
    RUN(f, 1, ADD_D | 1 << 11);
    assert_int_equal(f->s->pc, CODE + 4);
    f->s->r[8] = 0x1111;
    f->s->r[9] = 0x2222;
    RUN(f, 3, 0x44880800u /* mtc1 $8, $f1 */, 0x44e90800u /* mthc1 $9, $f1 */,
        0x446a0800u /* mfhc1 $10, $f1 */);
    assert_int_equal(f->s->r[10], 0x2222);
    assert_int_equal(f->s->fpr[2], 0x1111);
    assert_int_equal(f->s->fpr[3], 0x2222);
}

static void the_control_registers_show_parts_of_fcsr(void **state)
{
    struct fixture *const f = *state;
    f->s->fcsr = 0xffe3ffff & ~FCSR_CAUSE;
    static const struct {
        uint32_t reg, value;
    } parts[] = {{0, 0x00739300}, {25, 0xff}, {26, 0x7c}, {28, 0xf87}, {31, 0xffe00fff}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        RUN(f, 1, CFC1(8u, parts[i].reg));
        assert_int_equal(f->s->r[8], parts[i].value);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(denormal_numbers_are_not_implemented),
        TEST(fs_fo_and_fn_replace_them),
        cmocka_unit_test_setup_teardown(a_model_may_compute_with_them, start_full, stop),
        TEST(signs_are_arithmetic),
        TEST(enabled_exceptions_are_taken_and_write_nothing),
        TEST(the_host_keeps_its_own_rounding),
        TEST(registers_that_are_not_there_are_reserved),
        TEST(the_control_registers_show_parts_of_fcsr),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
