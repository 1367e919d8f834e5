/* Random guest kernels for the tests of the virtual CPU: vectors, handlers that fill the TLB and change modes, and pages of
 * instructions, privileged ones among them, for kernel and user mode alike.
 *
 * Everything is linked at 0xC0000000, which a virtual CPU shows by itself and which a bare CPU shows by one large TLB
 * entry of index 0, so the program keeps off that: Wired is at least 1, and Index never 0 unless a probe failed. */
#ifndef DISCO_TESTS_VCPU_PROGRAM_H
#define DISCO_TESTS_VCPU_PROGRAM_H

#include "tests/property/mips_words.h"
#include "vmm-core/machine/mips/cpu.h"

#include <string.h>

#define PROGRAM_PAGES  64u
#define PROGRAM_KERNEL 0xc0000000u
#define PROGRAM_USER   0x00400000u
#define PROGRAM_CODE   4u /* pages 4 .. 11 */
#define PROGRAM_CODES  8u
#define PROGRAM_DATA   32u /* pages 32 .. 63: user pages with address bit 17 set are there */
#define PROGRAM_WORDS  (PROGRAM_PAGES * 1024u)

#define PROGRAM_STARTS (PROGRAM_CODES * 1024u)

struct program {
    uint32_t word[PROGRAM_WORDS];
    uint32_t at;                            /* where the next word goes */
    uint32_t start[PROGRAM_STARTS], starts; /* where sequences begin: what may be jumped to */
    struct random random;
};

#define OWN 17u /* random words keep off it */
#define K0  26u
#define K1  27u
#define G0  28u

#define ANCHOR 64u /* at every so many words a sequence begins */

static inline void put(struct program *program, uint32_t word)
{
    program->word[program->at++] = word;
}

static inline uint32_t below(struct program *program, uint32_t bound)
{
    return random_below(&program->random, bound);
}

static inline void put_constant(struct program *program, uint32_t reg, uint32_t value)
{
    put(program, 0x3c000000u | reg << 16 | value >> 16);
    put(program, 0x34000000u | reg << 21 | reg << 16 | (value & 0xffff));
}

static inline uint32_t mfc0(uint32_t rt, uint32_t reg, uint32_t select)
{
    return 0x40000000u | rt << 16 | reg << 11 | select;
}
static inline uint32_t mtc0(uint32_t rt, uint32_t reg, uint32_t select)
{
    return mfc0(rt, reg, select) | 0x00800000u;
}

static inline void put_register(struct program *program, uint32_t reg, uint32_t select,
                                uint32_t value)
{
    put_constant(program, OWN, value);
    put(program, mtc0(OWN, reg, select));
}

/* ------------------------------------------------------------------------------ values */

static inline uint32_t code_address(struct program *program)
{
    const uint32_t at =
        (PROGRAM_CODE << 12) + below(program, PROGRAM_CODES * 1024 / ANCHOR) * ANCHOR * 4;
    return (below(program, 2) ? PROGRAM_KERNEL : PROGRAM_USER) | at;
}

/* In the middle of a page; mapped by the guest, or, `direct`, of the direct map perhaps. */
static inline uint32_t data_address(struct program *program, bool direct)
{
    static const uint32_t bases[] = {0x00020000, 0x00420000, 0x10020000, 0xd0020000, 0xdffe0000};
    const uint32_t page = below(program, 30) << 12 | 0x800;
    return page + (direct && !below(program, 5) ? PROGRAM_KERNEL | PROGRAM_DATA << 12
                                                : ANY(&program->random, bases));
}

static inline uint32_t status_value(struct program *program)
{
    uint32_t status = (uint32_t)random_next(&program->random) & STATUS_IM;
    status |= below(program, 2) ? STATUS_IE : 0;
    status |= below(program, 8) ? STATUS_CU1 : 0;
    status |= below(program, 16) ? 0 : STATUS_CU0;
    status |= below(program, 8) ? 0 : STATUS_FR;
    status |= below(program, 8) ? 0 : STATUS_EXL;
    status |= below(program, 32) ? 0 : STATUS_ERL;
    return status | (below(program, 8) ? 0 : (uint32_t)MIPS_USER << STATUS_KSU_SHIFT);
}

static inline uint32_t entry_lo(struct program *program)
{
    const uint32_t frame =
        below(program, 8) ? below(program, PROGRAM_DATA) : 64 + below(program, 9);
    return frame << ENTRYLO_PFN_SHIFT | below(program, 8) << 3 |
           (below(program, 4) ? ENTRYLO_V : 0) | (below(program, 4) ? 0 : ENTRYLO_G);
}

/* ------------------------------------------------------------------------------ privileged sequences */

static inline void put_set(struct program *program)
{
    switch (below(program, 17)) {
    case 0:
        put_register(program, 0, 0, 1 + below(program, 63));
        break;
    case 1:
        put_register(program, 2, 0, entry_lo(program));
        break;
    case 2:
        put_register(program, 3, 0, entry_lo(program));
        break;
    case 3:
        put_register(program, 4, 0, (uint32_t)random_next(&program->random));
        break;
    case 4:
        put_register(program, 5, 0, below(program, 3) ? 0 : below(program, 2) ? 0x6000 : 0x1e000);
        break;
    case 5:
        put_register(program, 6, 0, 1 + below(program, below(program, 4) ? 4 : 62));
        break;
    case 6:
        put_register(program, 7, 0, (uint32_t)random_next(&program->random));
        break;
    case 7:
        put_register(program, 10, 0,
                     (data_address(program, false) & ENTRYHI_VPN2) | below(program, 4));
        break;
    case 8: /* the timer, soon */
        put(program, mfc0(OWN, 9, 0));
        put(program, 0x24000000u | OWN << 21 | OWN << 16 | below(program, 60));
        put(program, mtc0(OWN, 11, 0));
        break;
    case 9:
        put_register(program, 9, 0, (uint32_t)random_next(&program->random));
        break;
    case 10:
        put_register(program, 13, 0,
                     (uint32_t)random_next(&program->random) &
                         (below(program, 8) ? ~CAUSE_DC : UINT32_MAX));
        break;
    case 11:
        put_register(program, 14, 0, code_address(program));
        break;
    case 12:
        put_register(program, 30, 0, code_address(program) | PROGRAM_KERNEL);
        break;
    case 13:
        put_register(program, 4, 2, (uint32_t)random_next(&program->random));
        break;
    case 14:
        put_register(program, 28, below(program, 2), (uint32_t)random_next(&program->random));
        break;
    case 15:
        put_register(program, 16, 0, (uint32_t)random_next(&program->random));
        break;
    default:
        put_register(program, 12, 0, status_value(program));
        break;
    }
}

/* One word that may stand in a delay slot. */
static inline uint32_t privileged_word(struct program *program)
{
    static const uint8_t readable[][2] = {
        {0, 0},  {1, 0},  {2, 0},  {3, 0},  {4, 0},  {4, 2},  {5, 0},  {6, 0},  {7, 0},  {8, 0},
        {9, 0},  {10, 0}, {11, 0}, {12, 0}, {12, 1}, {12, 2}, {13, 0}, {14, 0}, {15, 0}, {16, 0},
        {16, 1}, {16, 2}, {16, 3}, {16, 7}, {18, 0}, {25, 3}, {28, 0}, {28, 1}, {30, 0},
    };
    static const uint8_t hardware[] = {0, 1, 2, 3, 29, 5, 30};
    const uint32_t reg = random_register(&program->random);
    switch (below(program, 16)) {
    case 0:
        return 0x41606000u | reg << 16; /* di */
    case 1:
        return 0x41606020u | reg << 16; /* ei */
    case 2:
        return 0x42000008u; /* tlbp */
    case 3:
        return 0x7c00003bu | reg << 16 | (uint32_t)ANY(&program->random, hardware) << 11;
    case 4:
        return (below(program, 2) ? 0x41400000u : 0x41c00000u) | reg << 16 |
               random_register(&program->random) << 11;
    case 5: /* cache, around $16 */
        return 0xbc000000u | 16u << 21 | below(program, 32) << 16 |
               ((below(program, 256) - 128) & 0xffff);
    case 6:
        return below(program, 4)
                   ? 0
                   : 0x42000000u | below(program, 64); /* tlb*, eret, wait, reserved */
    default: {
        const uint8_t *const of = ANY(&program->random, readable);
        return mfc0(reg, of[0], of[1]);
    }
    }
}

static inline void put_privileged(struct program *program)
{
    switch (below(program, 8)) {
    case 0: /* probe, and never leave 0 in Index */
        put_constant(program, OWN, 1 + below(program, 63));
        put(program, 0x42000008u);
        put(program, mfc0(random_register(&program->random), 0, 0));
        put(program, mtc0(OWN, 0, 0));
        break;
    case 1:
        put_constant(program, OWN, 1 + below(program, 63));
        put(program, mtc0(OWN, 0, 0));
        put(program, below(program, 2) ? 0x42000001u : 0x42000002u);
        break;
    case 2: /* another pair, mostly */
        put_register(program, 10, 0,
                     (data_address(program, false) & ENTRYHI_VPN2) | below(program, 4));
        put(program, 0x42000006u);
        break;
    case 3:
    case 4:
    case 5:
        put_set(program);
        break;
    default:
        put(program, privileged_word(program));
        break;
    }
}

/* ------------------------------------------------------------------------------ all of it */

static inline void put_branch(struct program *program)
{
    static const uint32_t branches[] = {0x10000000u, 0x14000000u, 0x18000000u, 0x1c000000u,
                                        0x04000000u, 0x04010000u, 0x50000000u, 0x54000000u,
                                        0x04020000u, 0x04110000u, 0x04100000u, 0x45000000u,
                                        0x45010000u, 0x45030000u};
    uint32_t word = ANY(&program->random, branches);
    const uint32_t major = word >> 26;
    if (major != 0x11) {
        uint32_t rs = random_register(&program->random);
        if (major == 1 && rs == 31) /* its own link, undefined */
            rs = 8;
        word |= rs << 21;
    }
    if (major == 4 || major == 5 || major == 0x14 || major == 0x15)
        word |= random_register(&program->random) << 16;
    put(program, word); /* aimed by aim_branches() */
    put(program, below(program, 3) ? random_word(&program->random, 0) : privileged_word(program));
}

/* Branches of the code that have no target yet go to some sequence near by. */
static inline void aim_branches(struct program *program)
{
    for (uint32_t i = 0; i < program->starts; i++) {
        uint32_t *const word = &program->word[program->start[i]];
        const uint32_t major = *word >> 26;
        if (!((major >= 1 && major <= 7 && major != 2 && major != 3) || major == 0x14 ||
              major == 0x15 || (major == 0x11 && (*word >> 21 & 31) == 8)) ||
            *word & 0xffff)
            continue;
        /* ahead, and seldom back, or programs spend their time in small loops */
        const uint32_t by = 1 + below(program, 8);
        uint32_t to = below(program, 16) ? i + by : i > by ? i - by : 0;
        to = to < program->starts ? to : program->starts - 1;
        *word |= (program->start[to] - program->start[i] - 1) & 0xffff;
    }
}

static inline void put_random(struct program *program)
{
    const uint32_t kind = below(program, 100);
    if (kind < 58) {
        put(program, random_word(&program->random, 0));
    } else if (kind < 68) {
        put_branch(program);
    } else if (kind < 90) {
        put_privileged(program);
    } else if (kind < 93) { /* ll and sc of words near $16 */
        const uint32_t at = (below(program, 16) - 8) * 4 & 0xffff,
                       reg = random_register(&program->random);
        put(program, 0xc0000000u | 16u << 21 | reg << 16 | at);
        if (below(program, 2))
            put(program, privileged_word(program));
        put(program, 0xe0000000u | 16u << 21 | reg << 16 | at);
    } else if (kind < 95) {
        put_constant(program, OWN, code_address(program));
        put(program, 0x00000008u | OWN << 21 | (below(program, 2) ? 0 : 0xf801u)); /* jr, jalr */
        put(program, privileged_word(program));
    } else if (kind < 97) {
        static const uint32_t raising[] = {0x0000000cu, 0x0000000du, 0x00000005u, 0x48000000u};
        put(program, ANY(&program->random, raising));
    } else if (kind < 98) { /* FPU exceptions enabled or not */
        put(program, 0x44c0f800u | random_register(&program->random) << 16);
    } else {
        put_constant(program, 16, data_address(program, true));
        put_constant(program, 18, below(program, 16) * 8);
    }
}

static inline void put_vector(struct program *program, uint32_t at, uint32_t handler)
{
    program->at = at / 4;
    put_constant(program, K0, PROGRAM_KERNEL | handler);
    put(program, 0x00000008u | K0 << 21);
    put(program, 0);
    program->at = handler / 4;
}

/* Maps the page of BadVAddr as an operating system would: pages are where bits 12 to 17 of the address say. */
static inline void put_refill(struct program *program)
{
    put_vector(program, 0, 0x1000);
    put(program, mfc0(K0, 8, 0));
    put(program, 0x00000002u | K0 << 16 | K0 << 11 | 12u << 6); /* srl */
    put(program, 0x30000000u | K0 << 21 | K0 << 16 | 0x3e);     /* andi */
    put(program, 0x00000000u | K0 << 16 | K0 << 11 | 6u << 6);  /* sll */
    put(program, 0x34000000u | K0 << 21 | K0 << 16 |
                     (below(program, 16) ? 0x1e : 0x18 | below(program, 8))); /* ori: V, D */
    put(program, mtc0(K0, 2, 0));
    put(program, 0x24000000u | K0 << 21 | K0 << 16 | 64);
    put(program, mtc0(K0, 3, 0));
    put(program, 0x42000006u);
    put(program, 0x42000018u);
}

/* Goes on behind what was at fault; every eighth time in another mode somewhere else. */
static inline void put_general(struct program *program, uint32_t vector, uint32_t handler)
{
    put_vector(program, vector, handler);
    put(program, mfc0(K0, 14, 0));
    if (vector == 0x180) {
        put(program, 0x24000000u | K0 << 21 | K0 << 16 | 4);
    } else if (below(program, 32)) { /* no interrupts from now on, or they never end */
        put(program, mfc0(K1, 12, 0));
        put(program, 0x7c000004u | K1 << 16); /* ins, of $0: IE */
        put(program, mtc0(K1, 12, 0));
    }
    put(program, 0x3c000000u | K1 << 16 | (PROGRAM_KERNEL | PROGRAM_DATA << 12) >> 16);
    put(program, 0x8c000000u | K1 << 21 | G0 << 16 | 16);
    put(program, 0x24000000u | G0 << 21 | G0 << 16 | 1);
    put(program, 0xac000000u | K1 << 21 | G0 << 16 | 16);
    put(program, 0x30000000u | G0 << 21 | G0 << 16 | 7);
    const uint32_t branch = program->at;
    put(program, 0);
    put(program, 0);
    put_constant(program, K0, code_address(program));
    put_constant(program, K1, status_value(program) | STATUS_EXL);
    put(program, mtc0(K1, 12, 0));
    program->word[branch] = 0x14000000u | G0 << 21 | (program->at - branch - 1);
    put(program, mtc0(K0, 14, 0));
    for (unsigned i = below(program, 4); i; i--)
        put(program, privileged_word(program));
    put(program, 0x42000018u);
}

static inline void write_program(struct program *program)
{
    memset(program->word, 0, sizeof program->word);
    put_refill(program);
    put_general(program, 0x180, 0x1200);
    put_general(program, 0x200, 0x1800);
    program->at = PROGRAM_CODE * 1024;
    put_register(program, 6, 0, 1);
    put_register(program, 12, 0, STATUS_CU1 | STATUS_IE);
    put_constant(program, 16, data_address(program, true));
    put_constant(program, 18, 8);
    const uint32_t end = (PROGRAM_CODE + PROGRAM_CODES) * 1024 - 32;
    program->starts = 0;
    while (program->at < end - 16) {
        if (program->at % ANCHOR > ANCHOR - 12)
            program->at += ANCHOR - program->at % ANCHOR;
        program->start[program->starts++] = program->at;
        put_random(program);
    }
    aim_branches(program);
    program->at = end;
    put(program, 0x10000000u | ((PROGRAM_CODE * 1024 - end) & 0xffff)); /* and again */
    put(program, 0);
    for (uint32_t i = PROGRAM_DATA * 1024; i < PROGRAM_WORDS; i++)
        program->word[i] = random_operand(&program->random);
}

#endif
