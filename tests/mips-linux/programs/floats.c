/* The FPU's edges: every operation on every pair of edges under every rounding mode, with the flags that
 * it raises; conversions; the library's functions. Results that are NaNs are printed as such: which NaN
 * comes of two is not the same everywhere. */
#include <fenv.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const uint64_t edges[] = {0x0000000000000000, 0x3ff0000000000000, 0x3fe0000000000000,
                                 0x7ff0000000000000, 0x7ff7ffffffffffff, 0x0000000000000001,
                                 0x000fffffffffffff, 0x0010000000000000, 0x7fefffffffffffff,
                                 0x41dfffffffe00000, 0x41e0000000000000, 0x3810000000000000,
                                 0x380fffffffffffff, 0x36a0000000000000, 0x47efffffefffffff,
                                 0x47effffff0000000, 0x3ff8000000000000, 0x4330000000000001,
                                 0x4008000000000000, 0xc000000000000000};
#define EDGES (sizeof edges / sizeof *edges)

static uint64_t sum;

static void add(uint64_t value)
{
    sum = (sum ^ value) * 0x100000001b3;
}

static void result_double(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    add(value != value ? 1 : bits);
    add((uint64_t)fetestexcept(FE_ALL_EXCEPT));
    feclearexcept(FE_ALL_EXCEPT);
}

static void result_single(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    add(value != value ? 1 : bits);
    add((uint64_t)fetestexcept(FE_ALL_EXCEPT));
    feclearexcept(FE_ALL_EXCEPT);
}

static void pairs(double da, double db)
{
    volatile double a = da, b = db;
    volatile float x = (float)da, y = (float)db;
    feclearexcept(FE_ALL_EXCEPT);
    result_double(a + b);
    result_double(a - b);
    result_double(a * b);
    result_double(a / b);
    result_double(sqrt(a));
    result_single(x + y);
    result_single(x - y);
    result_single(x * y);
    result_single(x / y);
    result_single(sqrtf(x));
    result_single((float)a);
    result_double((double)x);
    add((uint64_t)(a < b) | (uint64_t)(a <= b) << 1 | (uint64_t)(a == b) << 2 |
        (uint64_t)isunordered(a, b) << 3 | (uint64_t)(x < y) << 4);
    feclearexcept(FE_ALL_EXCEPT);
    if (fabs(a) < 2147483000.0) {
        add((uint64_t)(int32_t)a);
        result_double(rint(a));
        add((uint64_t)lrint(a));
    }
}

int main(void)
{
    static const int modes[] = {FE_TONEAREST, FE_TOWARDZERO, FE_UPWARD, FE_DOWNWARD};
    for (unsigned mode = 0; mode < 4; mode++) {
        fesetround(modes[mode]);
        sum = 0;
        for (unsigned i = 0; i < EDGES; i++)
            for (unsigned j = 0; j < EDGES; j++) {
                double a, b;
                memcpy(&a, &edges[i], sizeof a);
                memcpy(&b, &edges[j], sizeof b);
                pairs(a, b);
                pairs(-a, b);
            }
        fesetround(FE_TONEAREST);
        printf("mode %u %016llx\n", mode, (unsigned long long)sum);
    }
    for (double x = -3; x < 4; x += 0.734)
        printf("%.17g %.17g %.17g %.17g %.9g\n", sin(x), exp(x), log(fabs(x)), pow(fabs(x), x),
               (double)cosf((float)x));
    printf("%.17g %.17g %.17g\n", fma(0.1, 10, -1), cbrt(2), tgamma(4.5));
    return 0;
}
