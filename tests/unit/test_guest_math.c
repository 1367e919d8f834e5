/* The real functions of guests against the C library's of 64-bit precision: at most 3 units in the last place
 * apart, as disco.h promises. */
#include "vmm-core/guest/user/math.c" /* NOLINT(bugprone-suspicious-include): no part of the library */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static uint64_t next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state ^ *state >> 29;
}

/* from 0 up to but not including 1 */
static double unit(uint64_t *state)
{
    return (double)(next(state) >> 11) * 0x1p-53;
}

static void expect_near(const char *what, double x, double got, long double right)
{
    int exponent;
    (void)frexpl(right, &exponent);
    long double units = fabsl((long double)got - right) / ldexpl(1, exponent - 53);
    if (!(units <= 3))
        fail_msg("%s(%.17g) is %.17g, %.2Lf units from %.20Lg", what, x, got, units, right);
}

static void test_functions_are_within_three_units_of_the_c_library(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (int i = 0; i < 400000; i++) {
        double x = (2 * unit(&random) - 1) * pow(10, i % 11 - 5);
        expect_near("sin", x, disco_sin(x), sinl((long double)x));
        expect_near("cos", x, disco_cos(x), cosl((long double)x));
        if (fabs(x) < 700)
            expect_near("exp", x, disco_exp(x), expl((long double)x));
        double positive = fabs(x) * pow(2, i % 1000 - 500);
        expect_near("log", positive, disco_log(positive), logl((long double)positive));
        double near_one = 1 + x * 1e-6;
        expect_near("log", near_one, disco_log(near_one), logl((long double)near_one));
    }
}

static void test_roots_and_whole_parts_are_exact(void **state)
{
    (void)state;
    uint64_t random = 2;
    for (int i = 0; i < 400000; i++) {
        double x = (2 * unit(&random) - 1) * pow(10, i % 20);
        assert_true(disco_floor(x) == floor(x));
        assert_true(disco_floor(floor(x)) == floor(x));
        assert_true(disco_sqrt(fabs(x)) == sqrt(fabs(x)));
        assert_true(disco_fabs(x) == fabs(x));
    }
}

static void test_the_ends_of_functions_are_those_of_c(void **state)
{
    (void)state;
    assert_true(disco_exp(1000) == INFINITY);
    assert_true(disco_exp(-1000) == 0);
    assert_true(disco_exp(0) == 1);
    assert_true(disco_log(1) == 0);
    assert_true(disco_log(0) == -INFINITY);
    assert_true(isnan(disco_log(-1)));
    assert_true(isnan(disco_exp(NAN)));
    assert_true(isnan(disco_log(NAN)));
    assert_true(disco_sin(0) == 0);
    assert_true(disco_cos(0) == 1);
    assert_true(fabs(disco_pow(2, 10) - 1024) < 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_functions_are_within_three_units_of_the_c_library),
        cmocka_unit_test(test_roots_and_whole_parts_are_exact),
        cmocka_unit_test(test_the_ends_of_functions_are_those_of_c),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
