/* The printf of guests against the C library's: random numbers in every conversion, letter by letter. */
#include "vmm-core/guest/user/decimal.c" /* NOLINT(bugprone-suspicious-include): no part of the library */
#include "vmm-core/guest/user/format.c" /* NOLINT(bugprone-suspicious-include) */

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct text {
    char letters[1024];
    size_t count;
};

static void append(void *context, char letter)
{
    struct text *text = context;

    if (text->count < sizeof text->letters - 1)
        text->letters[text->count++] = letter;
}

static void __attribute__((format(printf, 1, 2))) expect_as_libc(const char *format, ...)
{
    struct text ours = {.count = 0};
    char theirs[1024];
    va_list arguments;

    va_start(arguments, format);
    int our_count = format_print(append, &ours, format, arguments);
    va_end(arguments);
    va_start(arguments, format);
    int their_count = vsnprintf(theirs, sizeof theirs, format, arguments);
    va_end(arguments);
    if (our_count != their_count || strcmp(ours.letters, theirs) != 0)
        fail_msg("format \"%s\": \"%s\" (%d), and the C library's is \"%s\" (%d)", format,
                 ours.letters, our_count, theirs, their_count);
}

static uint64_t next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state ^ *state >> 29;
}

static void test_integers_and_text_are_printed_as_the_c_library_does(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (int i = 0; i < 20000; i++) {
        int value = (int)(next(&random) >> (32 + i % 32));
        unsigned bits = (unsigned)value;
        long long wide = (long long)(next(&random) >> i % 64);
        expect_as_libc("%d %5d|%-7d|%05d|%+d|% d|%.3d|%.0d|%8.3d", value, value, value, value,
                       value, value, value, value, value);
        expect_as_libc("%u %x %X %#x %o %08x", bits, bits, bits, bits, bits, bits);
        expect_as_libc("%lld %llu %llx %zu %ld %hhd", wide, (unsigned long long)wide,
                       (unsigned long long)wide, (size_t)wide, (long)wide,
                       (signed char)(value % 100));
        expect_as_libc("%*d|%-*d|%.*d", value % 20, value, i % 9, value, value % 12, value);
    }
    expect_as_libc("%s|%10s|%-10s|%.2s|%c|%5c|%-3c|%%|%*s", "ab", "cd", "ef", "ghi", 'x', 'y', 'z',
                   7, "right");
}

static void test_numbers_are_printed_exactly(void **state)
{
    static const double edges[] = {0,       -0.0,  1,      0.5,   1.5,   2.5,      0.1,
                                   1e100,   1e308, 5e-324, 9.995, 99.95, 999999.5, 0.0001,
                                   0.00001, 1e15,  1e16,   9.5,   0.95,  2.2e-308, 1e300 * 1e300};
    (void)state;
    uint64_t random = 2;
    for (size_t i = 0; i < 20000; i++) {
        union {
            uint64_t bits;
            double value;
        } both = {.bits = next(&random)};
        double x = i < sizeof edges / sizeof *edges ? edges[i]
                   : i % 2 == 0                     ? both.value
                                                    : (double)(int64_t)(both.bits >> 30) / 1000;
        if (x != x)
            continue; /* its sign is nobody's business */
        expect_as_libc("%f|%e|%g", x, x, x);
        expect_as_libc("%.0f|%.0e|%.0g|%.3f", x, x, x, x);
        expect_as_libc("%10.2f|%-12.3e|%+g|%012.4f|% f", x, x, x, x, x);
        expect_as_libc("%.15g|%.17g|%#.0f|%.40f", x, x, x, x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers_and_text_are_printed_as_the_c_library_does),
        cmocka_unit_test(test_numbers_are_printed_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
