/* What the unit tests of the CPU share: 1 MiB of memory, two CPUs on it, a device that remembers, and
 * words of instructions by name. */
#ifndef DISCO_TESTS_MIPS_FIXTURE_H
#define DISCO_TESTS_MIPS_FIXTURE_H

#include "vmm-core/machine/mips/cpu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FRAMES  256u
#define KSEG0   0x80000000u
#define KSEG1   0xa0000000u
#define CODE    0x80001000u /* where programs are put */
#define DEVICE  0x1f000000u
#define GENERAL 0x80000180u
#define REFILL  0x80000000u

struct fixture {
    struct mips_memory *memory;
    struct mips_cpu *cpu, *other;
    struct mips_state *s;
    uint8_t *host;
    uint32_t device_physical, device_bytes;
    uint64_t device_value;
};

/* Instructions. Registers are numbers. */
#define ADDIU(rt, rs, imm)    (0x24000000u | (rs) << 21 | (rt) << 16 | ((imm)&0xffffu))
#define ADDU(rd, rs, rt)      (0x00000021u | (rs) << 21 | (rt) << 16 | (rd) << 11)
#define LUI(rt, imm)          (0x3c000000u | (rt) << 16 | (imm))
#define LW(rt, offset, base)  (0x8c000000u | (base) << 21 | (rt) << 16 | ((offset)&0xffffu))
#define SW(rt, offset, base)  (0xac000000u | (base) << 21 | (rt) << 16 | ((offset)&0xffffu))
#define SB(rt, offset, base)  (0xa0000000u | (base) << 21 | (rt) << 16 | ((offset)&0xffffu))
#define LL(rt, offset, base)  (0xc0000000u | (base) << 21 | (rt) << 16 | ((offset)&0xffffu))
#define SC(rt, offset, base)  (0xe0000000u | (base) << 21 | (rt) << 16 | ((offset)&0xffffu))
#define BEQ(rs, rt, words)    (0x10000000u | (rs) << 21 | (rt) << 16 | ((words)&0xffffu))
#define BNEL(rs, rt, words)   (0x54000000u | (rs) << 21 | (rt) << 16 | ((words)&0xffffu))
#define BNE(rs, rt, words)    (0x14000000u | (rs) << 21 | (rt) << 16 | ((words)&0xffffu))
#define JR(rs)                (0x00000008u | (rs) << 21)
#define MFC0(rt, reg, select) (0x40000000u | (rt) << 16 | (reg) << 11 | (select))
#define MTC0(rt, reg, select) (0x40800000u | (rt) << 16 | (reg) << 11 | (select))
#define NOP                   0u
#define SYSCALL               0x0000000cu
#define TLBR                  0x42000001u
#define TLBWI                 0x42000002u
#define TLBWR                 0x42000006u
#define TLBP                  0x42000008u
#define ERET                  0x42000018u
#define WAIT                  0x42000020u
#define SYNCI(base)           (0x041f0000u | (base) << 21)
#define RDHWR(rt, reg)        (0x7c00003bu | (rt) << 16 | (reg) << 11)

static inline bool device_read(void *owner, struct mips_cpu *cpu, uint32_t physical, unsigned bytes,
                               uint64_t *value)
{
    (void)cpu;
    struct fixture *const fixture = owner;
    fixture->device_physical = physical;
    fixture->device_bytes = bytes;
    *value = fixture->device_value;
    return physical >= DEVICE && physical < DEVICE + 0x1000;
}

static inline bool device_write(void *owner, struct mips_cpu *cpu, uint32_t physical,
                                unsigned bytes, uint64_t value)
{
    uint64_t unused;
    const bool there = device_read(owner, cpu, physical, bytes, &unused);
    ((struct fixture *)owner)->device_value = value;
    return there;
}

/* Kernel mode, BEV and ERL off, the FPU usable. */
static inline void start_cpu(struct mips_cpu *cpu)
{
    struct mips_state *const s = mips_state(cpu);
    s->cp0.status = STATUS_CU1;
    s->pc = CODE;
    mips_state_changed(cpu);
}

static inline int start_with(void **state, struct mips_model model)
{
    struct fixture *const f = calloc(1, sizeof *f);
    const struct mips_bus bus = {f, device_read, device_write};
    f->memory = mips_memory_new(FRAMES, &bus);
    f->host = aligned_alloc(MIPS_PAGE_BYTES, (size_t)FRAMES * MIPS_PAGE_BYTES);
    memset(f->host, 0, (size_t)FRAMES * MIPS_PAGE_BYTES);
    for (uint32_t i = 0; i < FRAMES; i++)
        mips_memory_map(f->memory, i, f->host + (size_t)i * MIPS_PAGE_BYTES, true);
    f->cpu = mips_cpu_new(f->memory, &model, 0);
    f->other = mips_cpu_new(f->memory, &model, 1);
    f->s = mips_state(f->cpu);
    start_cpu(f->cpu);
    start_cpu(f->other);
    *state = f;
    return 0;
}

static inline int stop(void **state)
{
    struct fixture *const f = *state;
    mips_cpu_free(f->cpu);
    mips_cpu_free(f->other);
    mips_memory_free(f->memory);
    free(f->host);
    free(f);
    return 0;
}

static inline void put_word(struct fixture *f, uint32_t physical, uint32_t word)
{
    physical &= 0x1fffffff;
    memcpy(f->host + physical, &word, 4);
    mips_memory_written(f->memory, physical, 4);
}

static inline uint32_t get_word(const struct fixture *f, uint32_t physical)
{
    uint32_t word;
    memcpy(&word, f->host + (physical & 0x1fffffff), 4);
    return word;
}

/* Puts the words at CODE and runs so many instructions of them. */
#define RUN(f, instructions, ...)                                                                  \
    do {                                                                                           \
        const uint32_t words[] = {__VA_ARGS__};                                                    \
        for (unsigned word_ = 0; word_ < sizeof words / 4; word_++)                                \
            put_word(f, CODE + 4 * word_, words[word_]);                                           \
        (f)->s->pc = CODE;                                                                         \
        mips_run((f)->cpu, instructions);                                                          \
    } while (0)

static inline unsigned exception_code(const struct fixture *f)
{
    return (f->s->cp0.cause & CAUSE_CODE) >> CAUSE_CODE_SHIFT;
}

static inline bool map_page(struct fixture *f, uint32_t index, uint32_t address, uint32_t frame,
                            uint32_t flags)
{
    const struct mips_tlb_entry entry = {
        .entry_hi = address,
        .entry_lo = {frame << ENTRYLO_PFN_SHIFT | flags, (frame + 1) << ENTRYLO_PFN_SHIFT | flags},
        .used = true,
    };
    return mips_tlb_write(f->cpu, index, &entry);
}

#endif
