/* Mean value analysis against closed forms, the normalising constant of the product form, and the
 * bounds that hold for any closed network. */
#include "vmm-core/machine/network/network-mva.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_near(double value, double expected, double part)
{
    if (!(fabs(value - expected) <= part * fabs(expected)))
        fail_msg("%.12g is not within %g of %.12g", value, part, expected);
}

/* Machine repair, M/M/1 with a finite population: N machines run for `think` on average, one man
 * mends them. The chance that he has nothing to do is 1 / sum of N! / (N - i)! (demand / think)^i;
 * his rate follows, and by Little's law the time that a machine is down. */
static double down_time(uint32_t machines, double think, double demand)
{
    double term = 1, sum = 1;
    for (uint32_t i = 0; i < machines; i++) {
        term *= (machines - i) * demand / think;
        sum += term;
    }
    const double rate = (1 - 1 / sum) / demand;
    return machines / rate - think;
}

static void one_station_is_machine_repair(void **unused)
{
    (void)unused;
    for (uint32_t machines = 1; machines <= 64; machines++) {
        for (double think = 0.125; think < 100; think *= 2) {
            const double customers = machines, demand = 0.75;
            const struct mva_model model = {1, 1, &customers, &think, &demand};
            double exact, approximate;
            assert_true(mva_exact(&model, &exact));
            assert_near(exact, down_time(machines, think, demand), 1e-9);
            assert_true(mva_approximate(&model, &approximate));
            assert_near(approximate, exact, 1e-6); /* one class is exact */
        }
    }
}

static void a_balanced_network_without_thinking_has_its_formula(void **unused)
{
    (void)unused;
    for (uint32_t stations = 1; stations <= 12; stations++) {
        for (uint32_t population = 1; population <= 30; population++) {
            const double customers = population, think = 0;
            double demand[12], residence[12], cycle = 0;
            for (uint32_t k = 0; k < stations; k++)
                demand[k] = 2.5;
            const struct mva_model model = {1, stations, &customers, &think, demand};
            assert_true(mva_exact(&model, residence));
            for (uint32_t k = 0; k < stations; k++)
                cycle += residence[k];
            assert_near(cycle, 2.5 * (population + stations - 1), 1e-12);
        }
    }
}

static void one_customer_never_waits(void **unused)
{
    (void)unused;
    const double customers[] = {0, 1}, think[] = {1, 3}, demand[] = {1, 2, 3, 4, 0, 5};
    double exact[6], approximate[3];
    const struct mva_model both = {2, 3, customers, think, demand};
    const struct mva_model alone = {1, 3, customers + 1, think + 1, demand + 3};
    assert_true(mva_exact(&both, exact));
    assert_true(mva_approximate(&alone, approximate));
    for (uint32_t k = 0; k < 3; k++) {
        assert_near(exact[3 + k], demand[3 + k], 1e-12);
        assert_near(approximate[k], demand[3 + k], 1e-12);
    }
}

/* The product form (Baskett, Chandy, Muntz, Palacios, JACM 22(2), 1975): the weight of all states
 * with so many customers, by putting them on the stations one after the other. */
static double constant(const double *demand, const double *think, uint32_t stations, uint32_t first,
                       uint32_t second)
{
    if (stations == 0) /* the rest thinks */
        return pow(think[0], first) / tgamma(first + 1.0) * pow(think[1], second) /
               tgamma(second + 1.0);
    double sum = 0;
    for (uint32_t a = 0; a <= first; a++) {
        for (uint32_t b = 0; b <= second; b++) {
            const double orders = tgamma(a + b + 1.0) / (tgamma(a + 1.0) * tgamma(b + 1.0)) *
                                  pow(demand[stations - 1], a) * pow(demand[3 + stations - 1], b);
            sum += orders * constant(demand, think, stations - 1, first - a, second - b);
        }
    }
    return sum;
}

static void two_classes_agree_with_the_product_form(void **unused)
{
    (void)unused;
    const double demand[] = {1, 0.25, 2, 0.5, 3, 0.125}, think[] = {1.5, 4};
    for (uint32_t first = 1; first <= 4; first++) {
        for (uint32_t second = 1; second <= 4; second++) {
            const double customers[] = {first, second};
            const struct mva_model model = {2, 3, customers, think, demand};
            double residence[6];
            assert_true(mva_exact(&model, residence));
            const double all = constant(demand, think, 3, first, second);
            const double rate[] = {constant(demand, think, 3, first - 1, second) / all,
                                   constant(demand, think, 3, first, second - 1) / all};
            for (uint32_t c = 0; c < 2; c++)
                assert_near(think[c] + residence[3 * c] + residence[3 * c + 1] +
                                residence[3 * c + 2],
                            customers[c] / rate[c], 1e-9);
        }
    }
}

/* Up to 16 classes by Linearizer, near saturation with hundreds of customers too; beyond, what an
 * absent customer changes is found for all classes as one. */
static void many_classes_alike_are_as_one(void **unused)
{
    (void)unused;
    for (uint32_t classes = 4; classes <= 64; classes *= 2) {
        for (double part = 0.25; part < 4; part *= 1.25) { /* of saturation */
            double customers[64], think[64], demand[128], residence[128], exact[2];
            for (uint32_t c = 0; c < classes; c++) {
                customers[c] = 12;
                think[c] = 12 * classes * part;
                demand[2 * c] = 1;
                demand[2 * c + 1] = 0.5;
            }
            const double all = 12.0 * classes;
            const struct mva_model many = {classes, 2, customers, think, demand};
            const struct mva_model one = {1, 2, &all, think, demand};
            assert_true(mva_approximate(&many, residence));
            assert_true(mva_exact(&one, exact));
            assert_near(residence[0] + residence[1], exact[0] + exact[1], 0.12);
            assert_near(think[0] + residence[0] + residence[1], think[0] + exact[0] + exact[1],
                        0.02);
        }
    }
}

static void what_is_too_large_is_refused(void **unused)
{
    (void)unused;
    const double many[] = {2000, 2000}, think[] = {1, 1}, demand[] = {1, 1};
    double residence[2];
    assert_false(mva_exact(&(struct mva_model){2, 1, many, think, demand}, residence));
    const double nonsense = NAN;
    assert_false(mva_exact(&(struct mva_model){1, 1, &nonsense, think, demand}, residence));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_station_is_machine_repair),
        cmocka_unit_test(a_balanced_network_without_thinking_has_its_formula),
        cmocka_unit_test(one_customer_never_waits),
        cmocka_unit_test(two_classes_agree_with_the_product_form),
        cmocka_unit_test(many_classes_alike_are_as_one),
        cmocka_unit_test(what_is_too_large_is_refused),
    };
    return cmocka_run_group_tests_name("network-mva", tests, NULL, NULL);
}
