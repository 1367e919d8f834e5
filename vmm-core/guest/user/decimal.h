/* The decimal digits of a double, all of them: exact. */
#ifndef DISCO_GUEST_DECIMAL_H
#define DISCO_GUEST_DECIMAL_H

/* The smallest double has 1074 digits behind the point, the largest 309 before it. */
#define DECIMAL_DIGITS_MAX 1120

struct decimal {
    int count;                       /* digits, the first of which is not 0; 0 for zero */
    int point;                       /* the value is 0.d1d2d3... times 10 to the power of this */
    char digits[DECIMAL_DIGITS_MAX]; /* '0' to '9' */
};

/* Of a finite number that is not negative. */
void decimal_of(struct decimal *decimal, double value);
/* Rounds to the first `count` digits (0 or less: to none, or to one more in front), to even where it
 * is exactly between. */
void decimal_round(struct decimal *decimal, int count);

#endif
