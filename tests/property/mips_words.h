/* Random words of instructions for the tests of the CPU: every instruction that needs no privilege
 * and cannot leave the program, with the fields that may vary. */
#ifndef DISCO_TESTS_MIPS_WORDS_H
#define DISCO_TESTS_MIPS_WORDS_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* DISCO_SEED repeats a run; DISCO_RUNS says how much is run, 4000 where it is not set. */
static inline uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *const text = getenv(name);
    return text ? strtoull(text, NULL, 0) : otherwise;
}
#define RUNS from_environment("DISCO_RUNS", getenv("DISCO_SANITIZED") ? 400 : 4000)

struct random {
    uint64_t state;
};

static inline uint64_t random_next(struct random *random)
{
    random->state ^= random->state << 13;
    random->state ^= random->state >> 7;
    random->state ^= random->state << 17;
    return random->state;
}

static inline uint32_t random_below(struct random *random, uint32_t bound)
{
    return (uint32_t)((random_next(random) >> 32) * bound >> 32);
}

/* Fields that vary. General registers are never 16 or 17, which the tests keep for addresses. */
enum field {
    RS = 1,
    RT = 2,
    RD = 4,
    SA = 8,
    IMMEDIATE = 16,
    FT = 32,      /* of the FPU, where RT is */
    FS = 64,      /* where RD is */
    FD = 128,     /* where SA is */
    FR = 256,     /* where RS is */
    OFFSET = 512, /* of memory: rs is 16; aligned to the low 3 bits of `word` + 1 */
    CC_COMPARE = 1024,
    CC_MOVE = 2048,
    CLZ_PAIR = 4096, /* rt as rd */
    BIT_FIELD = 8192,
    EVEN = 16384,    /* FPU registers are even, unless FR is 1 */
    INDEXED = 32768, /* rs is 16, rt is 18, which the tests keep small and aligned */
    ONLY_FR = 65536,
};

struct template
{
    uint32_t word, fields;
};

static const struct template integer_words[] = {
    {0x00000020, RS | RT | RD},
    {0x00000021, RS | RT | RD},
    {0x00000022, RS | RT | RD},
    {0x00000023, RS | RT | RD},
    {0x00000024, RS | RT | RD},
    {0x00000025, RS | RT | RD},
    {0x00000026, RS | RT | RD},
    {0x00000027, RS | RT | RD},
    {0x0000002a, RS | RT | RD},
    {0x0000002b, RS | RT | RD},
    {0x0000000a, RS | RT | RD},
    {0x0000000b, RS | RT | RD},
    {0x00000004, RS | RT | RD},
    {0x00000006, RS | RT | RD},
    {0x00000007, RS | RT | RD},
    {0x00000046, RS | RT | RD},
    {0x00000000, RT | RD | SA},
    {0x00000002, RT | RD | SA},
    {0x00000003, RT | RD | SA},
    {0x00200002, RT | RD | SA},
    {0x20000000, RS | RT | IMMEDIATE},
    {0x24000000, RS | RT | IMMEDIATE},
    {0x28000000, RS | RT | IMMEDIATE},
    {0x2c000000, RS | RT | IMMEDIATE},
    {0x30000000, RS | RT | IMMEDIATE},
    {0x34000000, RS | RT | IMMEDIATE},
    {0x38000000, RS | RT | IMMEDIATE},
    {0x3c000000, RT | IMMEDIATE},
    {0x70000020, RS | RD | CLZ_PAIR},
    {0x70000021, RS | RD | CLZ_PAIR},
    {0x7c000420, RT | RD},
    {0x7c000620, RT | RD},
    {0x7c0000a0, RT | RD},
    {0x7c000000, RS | RT | BIT_FIELD},
    {0x7c000004, RS | RT | BIT_FIELD},
    {0x00000018, RS | RT},
    {0x00000019, RS | RT},
    {0x0000001a, RS | RT},
    {0x0000001b, RS | RT},
    {0x70000000, RS | RT},
    {0x70000001, RS | RT},
    {0x70000004, RS | RT},
    {0x70000005, RS | RT},
    {0x70000002, RS | RT | RD},
    {0x00000010, RD},
    {0x00000012, RD},
    {0x00000011, RS},
    {0x00000013, RS},
    {0x0000000f, 0},
    {0x00000001, RS | RD | CC_MOVE},
    {0x00010001, RS | RD | CC_MOVE},
};

/* traps, the codes zero */
static const struct template trap_words[] = {
    {0x00000030, RS | RT},        {0x00000031, RS | RT},        {0x00000032, RS | RT},
    {0x00000033, RS | RT},        {0x00000034, RS | RT},        {0x00000036, RS | RT},
    {0x04080000, RS | IMMEDIATE}, {0x04090000, RS | IMMEDIATE}, {0x040a0000, RS | IMMEDIATE},
    {0x040b0000, RS | IMMEDIATE}, {0x040c0000, RS | IMMEDIATE}, {0x040e0000, RS | IMMEDIATE},
};

/* the low bits of the word: size - 1, for the alignment of the offset */
static const struct template memory_words[] = {
    {0x80000000, RT | OFFSET},
    {0x90000000, RT | OFFSET},
    {0x84000001, RT | OFFSET},
    {0x94000001, RT | OFFSET},
    {0x8c000003, RT | OFFSET},
    {0x88000000, RT | OFFSET},
    {0x98000000, RT | OFFSET},
    {0xa0000000, RT | OFFSET},
    {0xa4000001, RT | OFFSET},
    {0xac000003, RT | OFFSET},
    {0xa8000000, RT | OFFSET},
    {0xb8000000, RT | OFFSET},
    {0xc4000003, FT | OFFSET},
    {0xd4000007, FT | OFFSET | EVEN},
    {0xe4000003, FT | OFFSET},
    {0xf4000007, FT | OFFSET | EVEN},
    {0xcc000000, OFFSET},
    {0xc0000003, RT | OFFSET},
    {0x4c000000, FD | INDEXED},
    {0x4c000001, FD | INDEXED | EVEN},
    {0x4c000008, FS | INDEXED},
    {0x4c000009, FS | INDEXED | EVEN},
    {0x4c000005, FD | INDEXED | ONLY_FR},
    {0x4c00000d, FS | INDEXED | ONLY_FR},
};

/* of format single; those with EVEN exist as double, whose format bit is added */
static const struct template fpu_words[] = {
    {0x46000000, FT | FS | FD},      {0x46000001, FT | FS | FD},
    {0x46000002, FT | FS | FD},      {0x46000003, FT | FS | FD},
    {0x46000004, FS | FD},           {0x46000006, FS | FD},
    {0x4600000c, FS | FD},           {0x4600000d, FS | FD},
    {0x4600000e, FS | FD},           {0x4600000f, FS | FD},
    {0x46000024, FS | FD},           {0x46000011, FS | FD | CC_MOVE},
    {0x46010011, FS | FD | CC_MOVE}, {0x46000012, RT | FS | FD},
    {0x46000013, RT | FS | FD},      {0x46000015, FS | FD},
    {0x46000016, FS | FD},           {0x46000030, FT | FS | CC_COMPARE},
    {0x46000008, FS | FD | ONLY_FR}, {0x46000009, FS | FD | ONLY_FR},
    {0x4600000a, FS | FD | ONLY_FR}, {0x4600000b, FS | FD | ONLY_FR},
    {0x46000025, FS | FD | ONLY_FR},
};
/* the same word whatever the format: conversions, moves, fused forms */
static const struct template fpu_other_words[] = {
    {0x46000021, FS | FD | EVEN},
    {0x46200020, FS | FD | EVEN},
    {0x46800020, FS | FD},
    {0x46800021, FS | FD | EVEN},
    {0x46a00020, FS | FD | ONLY_FR},
    {0x46a00021, FS | FD | ONLY_FR},
    {0x4c000020, FR | FT | FS | FD},
    {0x4c000021, FR | FT | FS | FD | EVEN},
    {0x4c000028, FR | FT | FS | FD},
    {0x4c000029, FR | FT | FS | FD | EVEN},
    {0x4c000030, FR | FT | FS | FD},
    {0x4c000031, FR | FT | FS | FD | EVEN},
    {0x4c000038, FR | FT | FS | FD},
    {0x4c000039, FR | FT | FS | FD | EVEN},
    {0x44000000, RT | FS},
    {0x44800000, RT | FS},
    {0x44600000, RT | FS},
    {0x44e00000, RT | FS},
    {0x4440f800, RT},
    {0x4440c800, RT},
    {0x4440d000, RT},
    {0x4440e000, RT},
};

static inline uint32_t random_register(struct random *random)
{
    if (random_below(random, 2)) /* few, so that one instruction uses what another made */
        return 8 + random_below(random, 3);
    const uint32_t reg = random_below(random, 32);
    return reg >= 16 && reg <= 18 ? reg + 3 : reg;
}

static inline uint32_t random_fpu(struct random *random, uint32_t fields)
{
    return random_below(random, 32) & (fields & EVEN ? 30u : 31u);
}

static inline uint32_t fill(struct random *random, struct template template)
{
    const uint32_t fields = template.fields;
    uint32_t word = template.word;
    if (fields & RS)
        word |= random_register(random) << 21;
    if (fields & RT)
        word |= random_register(random) << 16;
    if (fields & RD)
        word |= random_register(random) << 11;
    if (fields & SA)
        word |= random_below(random, 32) << 6;
    if (fields & IMMEDIATE)
        word |= random_below(random, 4) ? random_below(random, 65536)
                                        : (random_below(random, 5) - 2) & 0xffff;
    if (fields & FT)
        word |= random_fpu(random, fields) << 16;
    if (fields & FS)
        word |= random_fpu(random, fields) << 11;
    if (fields & FD)
        word |= random_fpu(random, fields) << 6;
    if (fields & FR)
        word |= random_fpu(random, fields) << 21;
    if (fields & CC_COMPARE)
        word |= random_below(random, 8) << 8 | random_below(random, 16);
    if (fields & CC_MOVE)
        word |= random_below(random, 8) << 18;
    if (fields & CLZ_PAIR)
        word |= (word >> 11 & 31) << 16;
    if (fields & BIT_FIELD) {
        const uint32_t low = random_below(random, 32), size = 1 + random_below(random, 32 - low);
        word |= low << 6 | (word & 4 ? low + size - 1 : size - 1) << 11;
    }
    if (fields & OFFSET) {
        const uint32_t align = word & 7;
        /* one in 64 is not aligned */
        const uint32_t loose = random_below(random, 64) ? align : 0;
        word = (word & ~7u) | 16u << 21 | (((random_below(random, 256) - 128) & ~loose) & 0xffff);
    }
    if (fields & INDEXED)
        word |= 16u << 21 | 18u << 16;
    return word;
}

#define ANY(random, table) (table)[random_below(random, sizeof(table) / sizeof *(table))]

/* A word that goes on behind itself, or traps. With `fr` the FPU has 32 doubles. */
static inline uint32_t random_word(struct random *random, int fr)
{
    for (;;) {
        struct template template;
        const uint32_t kind = random_below(random, 100);
        if (kind < 40) {
            template = ANY(random, integer_words);
        } else if (kind < 41) {
            template = ANY(random, trap_words);
        } else if (kind < 60) {
            template = ANY(random, memory_words);
        } else if (kind < 85) {
            template = ANY(random, fpu_words);
            if (random_below(random, 2)) {
                template.word |= 0x00200000;
                template.fields |= EVEN;
            }
        } else {
            template = ANY(random, fpu_other_words);
        }
        if (!fr && template.fields & ONLY_FR)
            continue;
        if (fr)
            template.fields &= ~(uint32_t)EVEN;
        return fill(random, template);
    }
}

static inline uint32_t random_operand(struct random *random)
{
    static const uint32_t edges[] = {0,          1,          2,          0xffffffff, 0x7fffffff,
                                     0x80000000, 0x80000001, 0x0000ffff, 0x00008000, 0xffff8000,
                                     0x00007fff, 0x000000ff, 0x00000080, 31,         32};
    return random_below(random, 2) ? ANY(random, edges) : (uint32_t)random_next(random);
}

static inline uint32_t random_single(struct random *random)
{
    static const uint32_t edges[] = {0x00000000, 0x3f800000, 0x3f000000, 0x7f800000, 0x7fbfffff,
                                     0x7fc00000, 0x7f800001, 0x7fffffff, 0x00000001, 0x007fffff,
                                     0x00800000, 0x7f7fffff, 0x4f000000, 0x4effffff, 0x5f000000,
                                     0x5effffff, 0x3effffff, 0x3fc00000, 0x40200000, 0x4b800001,
                                     0x34000000};
    uint32_t bits = random_below(random, 2) ? ANY(random, edges) : (uint32_t)random_next(random);
    if (random_below(random, 8) == 0) /* near 1, so that sums cancel and round */
        bits = (bits & 0x807fffff) | (0x3f000000 + (random_below(random, 32) << 21));
    return bits ^ random_below(random, 2) << 31;
}

static inline uint64_t random_double(struct random *random)
{
    static const uint64_t edges[] = {0x0000000000000000, 0x3ff0000000000000, 0x3fe0000000000000,
                                     0x7ff0000000000000, 0x7ff7ffffffffffff, 0x7ff8000000000000,
                                     0x7ff0000020000001, 0x0000000000000001, 0x000fffffffffffff,
                                     0x0010000000000000, 0x7fefffffffffffff, 0x41e0000000000000,
                                     0x41dfffffffc00000, 0x41dfffffffe00000, 0x43e0000000000000,
                                     0x43dfffffffffffff, 0x3810000000000000, 0x380fffffffffffff,
                                     0x36a0000000000000, 0x369fffffffffffff, 0x47efffffefffffff,
                                     0x47effffff0000000, 0x3ff8000000000000, 0x4330000000000001};
    uint64_t bits = random_below(random, 2) ? ANY(random, edges) : random_next(random);
    if (random_below(random, 8) == 0)
        bits = (bits & 0x800fffffffffffff) |
               (0x3fe0000000000000 + ((uint64_t)random_below(random, 32) << 50));
    return bits ^ (uint64_t)random_below(random, 2) << 63;
}

#endif
