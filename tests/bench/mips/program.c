/* What the engines of tests/bench/mips.c run, without a system: a dependent loop (WORDS = 0), or a
 * radix sort and a walk of pointers over twice WORDS words. Linked at BASE + 1 MiB, data from
 * BASE + 16 MiB on; REPEAT times. It ends with a store that switches a Malta board off. */

#define TEXT(number)  TEXT_(number)
#define TEXT_(number) #number

__asm__(".set noreorder\n"
        ".globl __start\n"
        "__start:\n"
        "  li $29, " TEXT(BASE) " + 0x00800000\n"
                                "  jal program\n"
                                "  nop\n"
                                "  lui $8, 0xbf00\n"
                                "  addiu $9, $0, 0x42\n"
                                "  sw $9, 0x500($8)\n"
                                "1: b 1b\n"
                                "  nop\n"
                                ".set reorder\n");

unsigned program(void);

#if WORDS == 0
unsigned program(void)
{
    unsigned sum = 1;
    for (unsigned i = 0; i < REPEAT; i++) {
        sum = sum * 5 + i;
        sum ^= sum >> 7;
        sum += sum << 3;
        sum ^= i;
        sum += 0x1234;
    }
    return sum;
}
#else
unsigned program(void)
{
    unsigned *from = (unsigned *)(BASE + 0x01000000);
    unsigned *to = (unsigned *)(BASE + 0x02000000);
    unsigned *const count = (unsigned *)(BASE + 0x00900000);
    unsigned sum = 0;
    for (unsigned repeat = 0; repeat < REPEAT; repeat++) {
        unsigned random = 12345 + repeat;
        for (unsigned i = 0; i < WORDS; i++) {
            random = random * 1664525 + 1013904223;
            from[i] = random;
        }
        for (unsigned shift = 0; shift < 32; shift += 8) {
            for (unsigned i = 0; i < 256; i++)
                count[i] = 0;
            for (unsigned i = 0; i < WORDS; i++)
                count[from[i] >> shift & 255]++;
            unsigned place = 0;
            for (unsigned i = 0; i < 256; i++) {
                const unsigned here = count[i];
                count[i] = place;
                place += here;
            }
            for (unsigned i = 0; i < WORDS; i++)
                to[count[from[i] >> shift & 255]++] = from[i];
            unsigned *const kept = from;
            from = to;
            to = kept;
        }
        unsigned at = 0;
        for (unsigned i = 0; i < WORDS; i++) {
            sum += from[at];
            at = (from[at] ^ i) & (WORDS - 1);
        }
    }
    return sum;
}
#endif
