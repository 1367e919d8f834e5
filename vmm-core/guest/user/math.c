/* Functions of real numbers, the same bits wherever they run: only additions, multiplications,
 * divisions and square roots of IEEE doubles in the order written (compile with -ffp-contract=off).
 * Arguments are reduced with constants cut in parts that multiply exactly (W. Cody and W. Waite,
 * "Software Manual for the Elementary Functions", 1980); what is left is Taylor's series, as long as
 * its terms count in 53 bits.
 */
#include "vmm-core/guest/user/disco.h"

#define TWO_52 0x1p52

union bits {
    double value;
    uint64_t bits;
};

double disco_sqrt(double x)
{
    return __builtin_sqrt(x);
}

double disco_fabs(double x)
{
    return __builtin_fabs(x);
}

/* To the nearest whole number, for |x| below 2^52. */
static double nearest(double x)
{
    double shift = x < 0 ? -TWO_52 : TWO_52;

    return (x + shift) - shift;
}

double disco_floor(double x)
{
    double whole;

    if (!(disco_fabs(x) < TWO_52))
        return x;
    whole = nearest(x);
    return whole > x ? whole - 1 : whole;
}

/* Sum of x^(first + 2i) / (first + 2i)! with alternating signs, without the terms before `first`,
 * divided by x^first: terms of the sine (first 3) or cosine (first 2). */
static double series(double square, int first, int last)
{
    double sum = 1;

    for (int n = last; n > first; n -= 2)
        sum = 1 - square / (n * (n - 1)) * sum;
    return sum;
}

/* sin(r) or cos(r) for |r| up to pi/4 and a bit */
static double small_sine(double r)
{
    double square = r * r;

    return r - r * square * (1.0 / 6) * series(square, 3, 19);
}

static double small_cosine(double r)
{
    double square = r * r;

    return 1 - square * 0.5 * series(square, 2, 20);
}

/* sin(x + quarters * pi / 2) */
static double sine(double x, int quarters)
{
    double turns = nearest(x * 0x1.45f306dc9c883p-1);
    double r =
        ((x - turns * 0x1.921fb544p+0) - turns * 0x1.0b4611a6p-34) - turns * 0x1.3198a2e037073p-69;
    double result;

    quarters += (int)turns;
    result = quarters & 1 ? small_cosine(r) : small_sine(r);
    return quarters & 2 ? -result : result;
}

double disco_sin(double x)
{
    return sine(x, 0);
}

double disco_cos(double x)
{
    return sine(x, 1);
}

/* x * 2^exponent for results that are normal numbers. */
static double scaled(double x, int exponent)
{
    union bits both = {.bits = (uint64_t)(exponent / 2 + 1023) << 52};
    union bits rest = {.bits = (uint64_t)(exponent - exponent / 2 + 1023) << 52};

    return x * both.value * rest.value;
}

double disco_exp(double x)
{
    double power, r, sum = 1;

    if (!(x < 709.79))
        return x < 0 || x != x ? x : (double)__builtin_inf();
    if (x < -708.4)
        return 0;
    power = nearest(x * 0x1.71547652b82fep+0);
    r = (x - power * 0x1.62e42fefp-1) - power * 0x1.473de6af278edp-34;
    for (int n = 14; n > 1; n--)
        sum = 1 + r / n * sum;
    return scaled(1 + r * sum, (int)power);
}

double disco_log(double x)
{
    union bits number = {x};
    int exponent = (int)(number.bits >> 52) - 1023;
    double f, square, sum = 0;

    if (!(x > 0) || x == (double)__builtin_inf())
        return x == 0 ? -(double)__builtin_inf() : x > 0 ? x : (double)__builtin_nan("");
    number.bits = (number.bits & (((uint64_t)1 << 52) - 1)) | (uint64_t)1023 << 52;
    if (number.value > 0x1.6a09e667f3bcdp+0) { /* the square root of 2 */
        number.value *= 0.5;
        exponent++;
    }
    f = number.value - 1;
    /* log(1 + f) = 2 artanh(s) with s = f / (2 + f), and 2 s = f - s f */
    double s = f / (2 + f);
    square = s * s;
    for (int n = 23; n > 1; n -= 2)
        sum = square * (2.0 / n + sum);
    return exponent * 0x1.62e42fefp-1 + (f - (s * (f - sum) - exponent * 0x1.473de6af278edp-34));
}

double disco_pow(double x, double y)
{
    return disco_exp(y * disco_log(x));
}
