/* Text to numbers, and sorting. */
#include "vmm-core/guest/user/libc.h"

#include <stdbool.h>

enum { NO_DIGIT = 99 }; /* in any base */

static int digit(char letter)
{
    if (letter >= '0' && letter <= '9')
        return letter - '0';
    if (letter >= 'a' && letter <= 'z')
        return letter - 'a' + 10;
    if (letter >= 'A' && letter <= 'Z')
        return letter - 'A' + 10;
    return NO_DIGIT;
}

static const char *behind_sign(const char *text, bool *negative)
{
    while (*text == ' ' || (*text >= '\t' && *text <= '\r'))
        text++;
    *negative = *text == '-';
    return *text == '-' || *text == '+' ? text + 1 : text;
}

/* The magnitude, at most `limit`; *end is where it stops, `text` itself where there is none. */
static unsigned long magnitude(const char *text, const char **end, int base, unsigned long limit)
{
    unsigned long value = 0;
    bool over = false;

    if ((base == 0 || base == 16) && text[0] == '0' && (text[1] | 0x20) == 'x' &&
        digit(text[2]) < 16) {
        text += 2;
        base = 16;
    } else if (base == 0) {
        base = *text == '0' ? 8 : 10;
    }
    *end = text;
    for (int d; (d = digit(**end)) < base; ++*end) {
        over |= value > (limit - (unsigned long)d) / (unsigned long)base;
        value = value * (unsigned long)base + (unsigned long)d;
    }
    return over ? limit : value;
}

unsigned long strtoul(const char *text, char **end, int base)
{
    bool negative;
    const char *start = behind_sign(text, &negative);
    const char *stop;
    unsigned long value = magnitude(start, &stop, base, ~0ul);

    if (end)
        *end = (char *)(unsigned long)(stop == start ? text : stop);
    return negative ? -value : value;
}

long strtol(const char *text, char **end, int base)
{
    bool negative;
    const char *start = behind_sign(text, &negative);
    const char *stop;
    unsigned long limit = (~0ul >> 1) + negative;
    unsigned long value = magnitude(start, &stop, base, limit);

    if (end)
        *end = (char *)(unsigned long)(stop == start ? text : stop);
    return negative ? (long)-value : (long)value;
}

int atoi(const char *text)
{
    return (int)strtol(text, NULL, 10);
}

int abs(int value)
{
    return value < 0 ? -value : value;
}

static void swap(char *left, char *right, size_t bytes)
{
    while (bytes--) {
        char kept = *left;
        *left++ = *right;
        *right++ = kept;
    }
}

/* Item `at` of the heap of `count` items sinks below those that are greater. */
static void sink(char *first, size_t at, size_t count, size_t bytes,
                 int (*compare)(const void *left, const void *right))
{
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && compare(first + child * bytes, first + (child + 1) * bytes) < 0)
            child++;
        if (compare(first + at * bytes, first + child * bytes) >= 0)
            return;
        swap(first + at * bytes, first + child * bytes, bytes);
    }
}

void qsort(void *first, size_t count, size_t bytes,
           int (*compare)(const void *left, const void *right))
{
    for (size_t at = count / 2; at-- > 0;)
        sink(first, at, count, bytes, compare);
    for (size_t end = count; end-- > 1;) {
        swap(first, (char *)first + end * bytes, bytes);
        sink(first, 0, end, bytes, compare);
    }
}
