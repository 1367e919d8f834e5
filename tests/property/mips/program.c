/* A program without a system, run from ROM: sorts, recurses, computes with bytes, halves and doubles.
 * Its answer is in $2 when it switches a Malta board off. */
#define COUNT 300u

__asm__(".set noreorder\n"
        ".globl __start\n"
        "__start:\n"
        "  b 1f\n"
        "  nop\n"
        "  .org 0x20\n" /* the board writes its number into 0x10 */
        "1: lui $8, 0x2000\n"
        "  mtc0 $8, $12\n" /* the FPU on, BEV and ERL off */
        "  ehb\n"
        "  lui $29, 0x8020\n"
        "  lui $25, %hi(program)\n"
        "  addiu $25, $25, %lo(program)\n"
        "  jalr $25\n"
        "  nop\n"
        "  lui $8, 0xbf00\n"
        "  addiu $9, $0, 0x42\n"
        "  sw $9, 0x500($8)\n"
        "2: b 2b\n"
        "  nop\n"
        ".set reorder\n");

static unsigned value[COUNT];
static unsigned char byte[COUNT];
static short half[COUNT];
static double number[COUNT];

static void sort(unsigned *from, unsigned *to)
{
    if (to - from < 2)
        return;
    unsigned *low = from, *high = to - 1;
    const unsigned pivot = *(from + (to - from) / 2);
    while (low <= high) {
        while (*low < pivot)
            low++;
        while (*high > pivot)
            high--;
        if (low <= high) {
            const unsigned kept = *low;
            *low++ = *high;
            *high-- = kept;
        }
    }
    sort(from, high + 1);
    sort(low, to);
}

unsigned program(void);
unsigned program(void)
{
    unsigned random = 1, sum = 0;
    for (unsigned i = 0; i < COUNT; i++) {
        random = random * 1664525 + 1013904223;
        value[i] = random;
        byte[i] = (unsigned char)(random >> 24);
        half[i] = (short)(random >> 16);
        number[i] = (double)(int)random / 3;
    }
    sort(value, value + COUNT);
    for (unsigned i = 1; i < COUNT; i++) {
        number[i] += number[i - 1] * 0.5;
        half[i] = (short)(half[i] ^ byte[i - 1]);
        sum = sum * 31 + value[i] / (byte[i] + 1u) + (unsigned)half[i] +
              (unsigned)(int)(number[i] * 0.25);
    }
    return sum;
}
