/* The C library at work: numbers printed and read, memory, strings, sorting, jumps out of functions. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static jmp_buf back;

static void down(int depth)
{
    volatile double kept = depth * 0.25;
    if (depth == 20)
        longjmp(back, 7);
    down(depth + 1);
    printf("never %g\n", kept);
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void memory(void)
{
    char *piece[100];
    unsigned sum = 0;
    for (unsigned i = 0; i < 100; i++) {
        const size_t bytes = 1 + i * i * 31 % 9000;
        piece[i] = malloc(bytes);
        memset(piece[i], (int)i, bytes);
    }
    for (unsigned i = 0; i < 100; i += 3)
        free(piece[i]);
    for (unsigned i = 0; i < 100; i += 3) {
        piece[i] = calloc(i + 1, 40);
        sum += (unsigned char)piece[i][i];
    }
    for (unsigned i = 0; i < 100; i++)
        sum = sum * 31 + (unsigned char)piece[i][0];
    for (unsigned i = 0; i < 100; i++) {
        piece[i] = realloc(piece[i], 12000 + i);
        sum = sum * 31 + (unsigned char)piece[i][0];
        free(piece[i]);
    }
    printf("memory %u\n", sum);
}

static void strings(void)
{
    char text[200] = "a line of words, some of them long; others not", copy[300];
    unsigned words = 0;
    for (unsigned shift = 0; shift < 8; shift++) { /* of all alignments */
        memmove(copy + shift, text, strlen(text) + 1);
        memmove(copy + 9 - shift, copy + shift, strlen(text) + 1);
        printf("%s %d\n", copy + 9 - shift, strcmp(copy + 9 - shift, text));
    }
    for (char *word = strtok(text, " ,;"); word; word = strtok(NULL, " ,;"))
        words += (unsigned)strlen(word) << words % 7;
    printf("strings %u %s\n", words, strstr(copy, "long"));
}

static void numbers(void)
{
    static const double values[] = {0.1, -1e300, 1e-300, 2.0 / 3, 123456789.125, 5e-324, 0};
    double sorted[64];
    uint64_t random = 88172645463325252;
    for (unsigned i = 0; i < sizeof values / sizeof *values; i++) {
        char text[64];
        snprintf(text, sizeof text, "%.17g", values[i]);
        printf("%e %.3f %a %s %d\n", values[i], values[i] * 1e-290, values[i], text,
               strtod(text, NULL) == values[i]);
    }
    for (unsigned i = 0; i < 64; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        sorted[i] = (double)(int64_t)random / (1 + i);
    }
    qsort(sorted, 64, sizeof *sorted, by_value);
    printf("%.10g %.10g %.10g\n", sorted[0], sorted[31], sorted[63]);
    printf("%" PRIu64 " %" PRId64 " %" PRIx64 "\n", random / 1000003, (int64_t)random % 97,
           random * 0x9e3779b97f4a7c15);
    printf("%lld %llu\n", strtoll("-9223372036854775808", NULL, 10),
           strtoull("18446744073709551615", NULL, 10));
}

int main(int argc, char **argv)
{
    (void)argv;
    const int came = setjmp(back);
    if (!came)
        down(0);
    printf("library %d %d\n", argc, came);
    numbers();
    strings();
    memory();
    return 3;
}
