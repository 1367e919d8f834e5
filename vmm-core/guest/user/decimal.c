/* A double is m * 2^e. As limbs of nine decimal digits it is doubled or halved e times, which
 * is exact: 10^9 is divisible by 2^9, so halving nine times moves a remainder into the next limb. */
#include "vmm-core/guest/user/decimal.h"

#include <stdbool.h>
#include <stdint.h>

#define BASE 1000000000u

enum { LIMB_DIGITS = 9, HALVINGS = 9, DOUBLINGS = 29, POINT = 36, LIMBS = POINT + 122 };

/* limb[POINT-1] has the ones, limb[POINT] the first nine digits behind the point */
struct limbs {
    uint32_t limb[LIMBS];
    int first, end;
};

static void load(struct limbs *number, uint64_t value)
{
    number->first = number->end = POINT;
    for (; value; value /= BASE)
        number->limb[--number->first] = (uint32_t)(value % BASE);
}

static void double_times(struct limbs *number, int times)
{
    uint32_t carry = 0;

    for (int i = number->end; i-- > number->first;) {
        uint64_t wide = ((uint64_t)number->limb[i] << times) + carry;
        number->limb[i] = (uint32_t)(wide % BASE);
        carry = (uint32_t)(wide / BASE);
    }
    if (carry)
        number->limb[--number->first] = carry;
}

static void halve_times(struct limbs *number, int times)
{
    uint32_t carry = 0;

    for (int i = number->first; i < number->end; i++) {
        uint32_t remainder = number->limb[i] & ((1u << times) - 1);
        number->limb[i] = (number->limb[i] >> times) + carry;
        carry = (BASE >> times) * remainder;
    }
    if (carry)
        number->limb[number->end++] = carry;
}

static void store(struct decimal *decimal, const struct limbs *number)
{
    int count = 0;

    decimal->point = (POINT - number->first) * LIMB_DIGITS;
    for (int i = number->first; i < number->end; i++) {
        uint32_t rest = number->limb[i];
        for (uint32_t unit = BASE / 10; unit; unit /= 10) {
            char letter = (char)('0' + rest / unit);
            rest %= unit;
            if (count == 0 && letter == '0')
                decimal->point--;
            else if (count < DECIMAL_DIGITS_MAX)
                decimal->digits[count++] = letter;
        }
    }
    while (count && decimal->digits[count - 1] == '0')
        count--;
    decimal->count = count;
    if (count == 0)
        decimal->point = 0;
}

void decimal_of(struct decimal *decimal, double value)
{
    union {
        double value;
        uint64_t bits;
    } both = {value};
    int exponent = (int)(both.bits >> 52 & 0x7ff);
    uint64_t fraction = both.bits & (((uint64_t)1 << 52) - 1);
    struct limbs number;

    if (exponent)
        fraction |= (uint64_t)1 << 52;
    else
        exponent = 1;
    load(&number, fraction);
    exponent -= 1023 + 52;
    for (int left = exponent; left > 0; left -= DOUBLINGS)
        double_times(&number, left < DOUBLINGS ? left : DOUBLINGS);
    for (int left = -exponent; left > 0; left -= HALVINGS)
        halve_times(&number, left < HALVINGS ? left : HALVINGS);
    store(decimal, &number);
}

void decimal_round(struct decimal *decimal, int count)
{
    char *digits = decimal->digits;
    bool up;

    if (count >= decimal->count)
        return;
    if (count < 0) {
        decimal->count = 0;
        return;
    }
    up = digits[count] > '5' || (digits[count] == '5' && (decimal->count > count + 1 ||
                                                          (count && (digits[count - 1] & 1))));
    while (count && digits[count - 1] == (up ? '9' : '0'))
        count--;
    if (up && count) {
        digits[count - 1]++;
    } else if (up) {
        digits[count++] = '1';
        decimal->point++;
    }
    decimal->count = count;
}
