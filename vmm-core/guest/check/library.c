/* Checks of the library: text, numbers, heap, files, time, and what system calls refuse. */
#include "vmm-core/guest/check/check.h"

static bool prints(const char *expected, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool prints(const char *expected, const char *format, ...)
{
    char text[128];
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return length == (int)strlen(expected) && strcmp(text, expected) == 0;
}

static const char *check_text(void)
{
    EXPECT(prints("-5 |   7|7   |007|+7", "%d |%4d|%-4d|%03d|%+d", -5, 7, 7, 7, 7));
    EXPECT(prints("4294967295 ff 0XFF 17", "%u %x 0X%X %o", 0xffffffffu, 255u, 255u, 15u));
    EXPECT(prints("-9223372036854775808", "%lld", (long long)INT64_MIN));
    EXPECT(prints("abc|ab|  a|x%", "%s|%.2s|%3s|%c%%", "abc", "abc", "a", 'x'));
    EXPECT(prints("0.1 1e+100 3.1416 2.50e-03", "%g %g %.4f %.2e", 0.1, 1e100, 3.14159265, 0.0025));
    EXPECT(prints("0.1000000000000000055511", "%.22f", 0.1));
    EXPECT(strtol(" -0x1f rest", NULL, 0) == -31 && atoi("123abc") == 123);
    return NULL;
}

static int by_value(const void *left, const void *right)
{
    const int *l = left, *r = right;

    return (*l > *r) - (*l < *r);
}

static const char *check_numbers(void)
{
    enum { COUNT = 500 };
    static int numbers[COUNT];
    uint64_t state = 1;

    EXPECT(disco_random(&state) == 0x910a2dec89025cc1u);
    for (int i = 0; i < COUNT; i++)
        numbers[i] = (int)(disco_random(&state) % 1000);
    qsort(numbers, COUNT, sizeof(numbers[0]), by_value);
    for (int i = 1; i < COUNT; i++)
        EXPECT(numbers[i - 1] <= numbers[i]);
    EXPECT(disco_sqrt(2) == 0x1.6a09e667f3bcdp+0);
    EXPECT(disco_fabs(disco_sin(1) - 0x1.aed548f090ceep-1) < 1e-15);
    EXPECT(disco_fabs(disco_cos(1) - 0x1.14a280fb5068cp-1) < 1e-15);
    EXPECT(disco_fabs(disco_exp(1) - 0x1.5bf0a8b145769p+1) < 2e-15);
    EXPECT(disco_fabs(disco_log(10) - 0x1.26bb1bbb55516p+1) < 1e-15);
    EXPECT(disco_floor(-1.5) == -2 && disco_floor(2.99) == 2);
    return NULL;
}

static void use_heap(int number, void *argument)
{
    enum { PIECES = 40 };
    unsigned char *piece[PIECES] = {0};
    uint64_t state = (uint64_t)number;

    for (int turn = 0; turn < 400; turn++) {
        int i = (int)(disco_random(&state) % PIECES);
        size_t bytes = 4 + (size_t)(disco_random(&state) % 900);

        if (piece[i] && piece[i][0] != (unsigned char)(number * 7 + i))
            *(int *)argument = 1;
        piece[i] = realloc(piece[i], bytes);
        memset(piece[i], number * 7 + i, bytes);
        if (turn % 3 == 0) {
            free(piece[i]);
            piece[i] = NULL;
        }
    }
}

static const char *check_heap(void)
{
    int wrong = 0;
    char *large = calloc(1000, 1000);

    EXPECT(large && large[0] == 0 && large[999999] == 0);
    EXPECT(((uintptr_t)large & 15) == 0);
    free(large);
    large = malloc((size_t)1 << 31);
    free(large);
    EXPECT(large == NULL);
    disco_parallel(check_threads(), use_heap, &wrong);
    EXPECT(!wrong);
    return NULL;
}

static const char *check_files(void)
{
    enum { BYTES = 10000 };
    static char out[BYTES], in[BYTES];
    int file;

    for (int i = 0; i < BYTES; i++)
        out[i] = (char)(i * 31 >> 3);
    EXPECT(disco_open("notes") == -1);
    file = disco_create("notes");
    EXPECT(file >= 0);
    EXPECT(disco_write(file, out, 5000) == 5000 && disco_write(file, out + 5000, 5000) == 5000);
    EXPECT(disco_close(file) == 0);
    EXPECT(disco_close(file) == -1);
    file = disco_open("notes");
    EXPECT(disco_size(file) == BYTES && disco_write(file, out, 1) == -1);
    EXPECT(disco_read(file, in, 3333) == 3333);
    EXPECT(disco_read(file, in + 3333, BYTES) == BYTES - 3333);
    EXPECT(disco_read(file, in, 1) == 0);
    EXPECT(memcmp(in, out, BYTES) == 0);
    EXPECT(disco_unlink("notes") == 0 && disco_open("notes") == -1);
    EXPECT(disco_size(file) == BYTES); /* it is still open */
    EXPECT(disco_close(file) == 0);
    file = disco_open("check");
    EXPECT(disco_read(file, in, 4) == 4 && memcmp(in, "\177ELF", 4) == 0);
    EXPECT(disco_close(file) == 0);
    EXPECT(disco_create("check") == -1 && disco_unlink("check") == -1);
    return NULL;
}

static const char *check_refusals(void)
{
    uintptr_t kernel = 0xC0000000, nowhere = 0x60000000;
    int file = disco_open("check");

    EXPECT(disco_call(0, 0, 0, CALLS) == -1);
    EXPECT(disco_call(0, 0, 0, -1) == -1);
    EXPECT(disco_call(kernel, 16, 0, CALL_CONSOLE) == -1);
    EXPECT(disco_call(nowhere, 16, 0, CALL_CONSOLE) == -1);
    EXPECT(disco_call((uintptr_t)file, kernel, 16, CALL_READ) == -1);
    EXPECT(disco_call((uintptr_t)file, nowhere, 16, CALL_READ) == -1);
    EXPECT(disco_call((uintptr_t)file, 0x00400000, 16, CALL_READ) == -1); /* text */
    EXPECT(disco_call((uintptr_t)file, 0x7ffffff0, 0x20, CALL_READ) == -1);
    EXPECT(disco_call(99, nowhere, 16, CALL_READ) == -1);
    EXPECT(disco_call(nowhere, 0, 0, CALL_OPEN) == -1);
    EXPECT(disco_call(0xC0002000, 0, 0, CALL_SLEEP_ON) == -1);
    EXPECT(disco_call(0, (uintptr_t) "none", 0, CALL_MAP) == 0);
    EXPECT(disco_call(0x7fffffff, (uintptr_t) "much", 0, CALL_MAP) == 0);
    EXPECT(disco_call(77, 0, 0, CALL_JOIN) == -1);
    EXPECT(disco_shared((size_t)1 << 29) == NULL);
    return disco_close(file) ? "close" : NULL;
}

static uint32_t *common;

static void touch_common(void)
{
    common[0]++;
}

/* Memory of all virtual machines, where they have some. */
static const char *check_common(void)
{
    uint32_t *again;

    common = disco_shared(DISCO_PAGE_BYTES);
    if (!common)
        return NULL;
    for (int i = 0; i < 1000; i++)
        __atomic_add_fetch(&common[1], 1, __ATOMIC_RELAXED);
    again = disco_shared(8);
    EXPECT(again && again != common && again[1] >= 1000);
    EXPECT(status_of_child(touch_common) == 128 + 2);
    return NULL;
}

static const char *check_time(void)
{
    uint64_t before = disco_clock();
    volatile int turns = 2000;

    while (turns > 0)
        turns--;
    /* another CPU may be the one that is asked the second time: the clock is each CPU's own */
    EXPECT(disco_cpu() >= 0 && disco_cpu() < disco_cpus());
    EXPECT(disco_cpus() > 1 || disco_clock() - before > 2000);
    disco_mark(1);
    return NULL;
}

const struct check library_checks[] = {
    {"text is printed as C says", check_text},
    {"numbers, sorting, functions", check_numbers},
    {"the heap keeps apart what threads allocate", check_heap},
    {"files are what was written", check_files},
    {"system calls refuse what they cannot do", check_refusals},
    {"memory of all virtual machines", check_common},
    {"time passes", check_time},
    {0},
};
