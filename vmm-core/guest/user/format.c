/* Formats of printf: conversions of C17 but for a, n, and sizes j, t, L. */
#include "vmm-core/guest/user/format.h"

#include "vmm-core/guest/user/decimal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct output {
    void (*put)(void *context, char letter);
    void *context;
    int count;
};

struct conversion {
    bool left, zeros, plus, space, other;
    int width, precision; /* -1: not given */
    char letter;
};

static void put(struct output *out, char letter)
{
    out->put(out->context, letter);
    out->count++;
}

static void fill(struct output *out, char letter, int count)
{
    while (count-- > 0)
        put(out, letter);
}

/* ------------------------------------------------------------------------------- conversions */

/* A sign or other prefix, zeros, the body, zeros: in the width. */
static void field(struct output *out, const struct conversion *how, const char *prefix, int zeros,
                  const char *body, int length)
{
    int pad = how->width - zeros - length;

    for (const char *letter = prefix; *letter; letter++)
        pad--;
    if (!how->left && !how->zeros)
        fill(out, ' ', pad);
    while (*prefix)
        put(out, *prefix++);
    fill(out, '0', zeros + (how->zeros && !how->left ? (pad > 0 ? pad : 0) : 0));
    for (int i = 0; i < length; i++)
        put(out, body[i]);
    if (how->left)
        fill(out, ' ', pad);
}

static const char *sign_of(const struct conversion *how, bool negative)
{
    return negative ? "-" : how->plus ? "+" : how->space ? " " : "";
}

static void print_integer(struct output *out, struct conversion *how, uint64_t value, bool negative,
                          unsigned base)
{
    const char *letters = how->letter == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    char text[24];
    int at = sizeof(text);
    const char *prefix = base == 10 && (how->letter == 'd' || how->letter == 'i')
                             ? sign_of(how, negative)
                         : how->letter == 'p'                            ? "0x"
                         : how->other && how->letter == 'x' && value > 0 ? "0x"
                                                                         : "";

    for (; value; value /= base)
        text[--at] = letters[value % base];
    int length = (int)sizeof(text) - at;
    int least = how->precision < 0 ? 1 : how->precision;
    if (how->precision >= 0)
        how->zeros = false;
    field(out, how, prefix, least > length ? least - length : 0, text + at, length);
}

/* Beyond its digits a number has zeros. */
static char digit_at(const struct decimal *decimal, int i)
{
    if (i >= 0 && i < decimal->count)
        return decimal->digits[i];
    return '0';
}

static int put_digits(char *text, int at, const struct decimal *decimal, int from, int count)
{
    for (int i = from; i < from + count; i++)
        text[at++] = digit_at(decimal, i);
    return at;
}

static int fixed_text(char *text, struct decimal *decimal, int precision, bool point)
{
    int at = 0;

    decimal_round(decimal, decimal->point + precision);
    if (decimal->point > 0)
        at = put_digits(text, at, decimal, 0, decimal->point);
    else
        text[at++] = '0';
    if (precision > 0 || point)
        text[at++] = '.';
    return put_digits(text, at, decimal, decimal->point, precision);
}

static int exponent_text(char *text, struct decimal *decimal, int precision, bool point)
{
    int at, exponent;

    decimal_round(decimal, precision + 1);
    exponent = decimal->count ? decimal->point - 1 : 0;
    at = put_digits(text, 0, decimal, 0, 1);
    if (precision > 0 || point)
        text[at++] = '.';
    at = put_digits(text, at, decimal, 1, precision);
    text[at++] = 'e';
    text[at++] = exponent < 0 ? '-' : '+';
    exponent = exponent < 0 ? -exponent : exponent;
    if (exponent >= 100)
        text[at++] = (char)('0' + exponent / 100);
    text[at++] = (char)('0' + exponent / 10 % 10);
    text[at++] = (char)('0' + exponent % 10);
    return at;
}

static int general_text(char *text, struct decimal *decimal, int precision)
{
    int exponent;

    if (precision == 0)
        precision = 1;
    decimal_round(decimal, precision);
    exponent = decimal->count ? decimal->point - 1 : 0;
    int digits = decimal->count ? decimal->count : 1;
    if (exponent < -4 || exponent >= precision)
        return exponent_text(text, decimal, digits - 1, false);
    return fixed_text(text, decimal, digits > exponent + 1 ? digits - exponent - 1 : 0, false);
}

static void print_real(struct output *out, struct conversion *how, double value)
{
    enum { PRECISION_MAX = 500, TEXT_BYTES = 320 + PRECISION_MAX };
    union {
        double value;
        uint64_t bits;
    } both = {value};
    const char *sign = sign_of(how, both.bits >> 63);
    int precision = how->precision < 0               ? 6
                    : how->precision > PRECISION_MAX ? PRECISION_MAX
                                                     : how->precision;
    struct decimal decimal;
    char text[TEXT_BYTES];
    int length;

    both.bits &= ~((uint64_t)1 << 63);
    if (both.bits >> 52 == 0x7ff) {
        how->zeros = false;
        field(out, how, sign, 0, both.bits << 12 ? "nan" : "inf", 3);
        return;
    }
    decimal_of(&decimal, both.value);
    if (how->letter == 'f')
        length = fixed_text(text, &decimal, precision, how->other);
    else if (how->letter == 'e')
        length = exponent_text(text, &decimal, precision, how->other);
    else
        length = general_text(text, &decimal, precision);
    field(out, how, sign, 0, text, length);
}

static void print_text(struct output *out, struct conversion *how, const char *text)
{
    int length = 0;

    if (!text)
        text = "(null)";
    while ((how->precision < 0 || length < how->precision) && text[length])
        length++;
    how->zeros = false;
    field(out, how, "", 0, text, length);
}

/* ------------------------------------------------------------------------------- formats */

static const char *read_flags(const char *format, struct conversion *how)
{
    for (;; format++) {
        switch (*format) {
        case '-':
            how->left = true;
            break;
        case '0':
            how->zeros = true;
            break;
        case '+':
            how->plus = true;
            break;
        case ' ':
            how->space = true;
            break;
        case '#':
            how->other = true;
            break;
        default:
            return format;
        }
    }
}

static const char *read_number(const char *format, int *number)
{
    for (*number = 0; *format >= '0' && *format <= '9'; format++)
        *number = *number * 10 + (*format - '0');
    return format;
}

/* Bytes of the integer that the size letters name. */
static const char *read_size(const char *format, size_t *size)
{
    *size = sizeof(int);
    for (;; format++) {
        if (*format == 'l')
            *size = *size == sizeof(long) + 1 ? sizeof(long long) : sizeof(long) + 1;
        else if (*format == 'z')
            *size = sizeof(size_t);
        else if (*format != 'h')
            break;
    }
    if (*size == sizeof(long) + 1)
        *size = sizeof(long);
    return format;
}

int format_print(void (*put_letter)(void *context, char letter), void *context, const char *format,
                 va_list arguments)
{
    struct output all = {put_letter, context, 0}, *out = &all;

    for (; *format; format++) {
        struct conversion how = {.precision = -1};
        size_t size;
        uint64_t value;

        if (*format != '%') {
            put(out, *format);
            continue;
        }
        format = read_flags(format + 1, &how);
        if (*format == '*') {
            how.width = va_arg(arguments, int);
            how.left |= how.width < 0;
            how.width = how.width < 0 ? -how.width : how.width;
            format++;
        } else {
            format = read_number(format, &how.width);
        }
        if (*format == '.' && format[1] == '*') {
            how.precision = va_arg(arguments, int);
            format += 2;
        } else if (*format == '.') {
            format = read_number(format + 1, &how.precision);
        }
        format = read_size(format, &size);
        how.letter = *format;
        switch (*format) {
        case 'd':
        case 'i': {
            int64_t number =
                size == sizeof(int64_t) ? va_arg(arguments, int64_t) : va_arg(arguments, int);
            print_integer(out, &how, number < 0 ? 0 - (uint64_t)number : (uint64_t)number,
                          number < 0, 10);
            break;
        }
        case 'u':
        case 'x':
        case 'X':
        case 'o':
            value = size == sizeof(uint64_t) ? va_arg(arguments, uint64_t)
                                             : va_arg(arguments, unsigned);
            print_integer(out, &how, value, false, *format == 'u' ? 10 : *format == 'o' ? 8 : 16);
            break;
        case 'p':
            print_integer(out, &how, (uintptr_t)va_arg(arguments, void *), false, 16);
            break;
        case 'c':
            how.zeros = false;
            field(out, &how, "", 0, (char[]){(char)va_arg(arguments, int)}, 1);
            break;
        case 's':
            print_text(out, &how, va_arg(arguments, const char *));
            break;
        case 'f':
        case 'e':
        case 'g':
            print_real(out, &how, va_arg(arguments, double));
            break;
        case '%':
            put(out, '%');
            break;
        default:
            return out->count; /* the compiler's format check has refused it */
        }
    }
    return out->count;
}
