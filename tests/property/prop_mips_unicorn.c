/* Random programs on the CPU and on Unicorn (QEMU's translator, in process): the same registers,
 * HI, LO, FPU, FCSR and memory after each.
 *
 * A program loads a random state from memory, runs random instructions with branches, delay slots
 * and likely ones among them, and stores its state. One that ends in an exception must do so at the
 * same place with the same general registers.
 *
 * Not compared, because QEMU differs from the manuals there: ABS and NEG of a NaN and their Cause
 * (MIPS32 volume II, ABS.fmt: arithmetic before release 5; QEMU moves the sign and leaves FCSR
 * alone), FS (24K manual: operands too), denormals as Unimplemented (24K manual); unit tests have
 * these. */
#include "tests/property/mips_words.h"
#include "vmm-core/machine/mips/cpu.h"
#include "vmm-core/machine/mips/decode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unicorn/unicorn.h>

#define MEMORY_BYTES 0x40000u
#define CODE         0x10000u
#define DATA         0x20000u /* what the program's loads and stores are around */
#define STATE        0x30000u
#define BODY_MAX     48u
#define WORDS_MAX    512u

/* The state in memory, for load and store alike. */
struct image {
    uint64_t fpu[32];
    uint32_t general[32], hi, lo, fcsr, unused;
};

struct program {
    uint32_t word[WORDS_MAX];
    unsigned words, body, body_end; /* where the random part is */
};

struct pair {
    uc_engine *uc;
    uc_context *fresh; /* an exception in a delay slot would be remembered */
    struct mips_memory *memory;
    struct mips_cpu *cpu;
    uint8_t *ours;
    unsigned interrupt, programs;
};

static void emit(struct program *program, uint32_t word)
{
    program->word[program->words++] = word;
}

/* lw, sw, ldc1 and sdc1 of the state, relative to $17 */
#define AT(opcode, reg, member)                                                                    \
    ((opcode) | 17u << 21 | (uint32_t)(reg) << 16 | (uint32_t)offsetof(struct image, member))
#define LW               0x8c000000u
#define SW               0xac000000u
#define LDC1             0xd4000000u
#define SDC1             0xf4000000u
#define MTC0_STATUS(reg) (0x40806000u | (reg) << 16)
#define BREAK            0x0000000du
#define FR_ON            0x04000000u

static bool is_free(unsigned reg)
{
    return reg && reg != 16 && reg != 17;
}

static uint32_t random_branch(struct random *random, const struct program *program)
{
    static const uint32_t words[] = {0x10000000, 0x50000000, 0x14000000, 0x54000000, 0x18000000,
                                     0x58000000, 0x1c000000, 0x5c000000, 0x04000000, 0x04020000,
                                     0x04010000, 0x04030000, 0x45000000, 0x45010000, 0x45020000,
                                     0x45030000, 0x08000000, 0x0c000000};
    uint32_t word = ANY(random, words);
    const uint32_t forward = 1 + random_below(random, 6);
    if (word >> 26 == 2 || word >> 26 == 3)
        return word | (CODE / 4 + program->words + 1 + forward);
    if (word >> 26 == 0x11)
        return word | random_below(random, 8) << 18 | forward;
    word |= random_register(random) << 21 | forward;
    if (word >> 26 == 4 || word >> 26 == 5 || word >> 26 == 20 || word >> 26 == 21)
        word |= random_register(random) << 16;
    return word;
}

static void write_program(struct random *random, struct program *program, bool fr)
{
    program->words = 0;
    emit(program, AT(LW, 8, unused)); /* Status */
    emit(program, MTC0_STATUS(8));
    emit(program, 0x000000c0); /* ehb */
    for (unsigned i = 0; i < 32; i += fr ? 1 : 2)
        emit(program, AT(LDC1, i, fpu[i]));
    emit(program, AT(LW, 8, fcsr));
    emit(program, 0x44c8f800); /* ctc1 $8, $31 */
    emit(program, AT(LW, 8, hi));
    emit(program, 0x01000011);
    emit(program, AT(LW, 8, lo));
    emit(program, 0x01000013);
    for (unsigned i = 0; i < 32; i++)
        if (is_free(i))
            emit(program, AT(LW, i, general[i]));
    program->body = program->words;
    const unsigned length = 1 + random_below(random, BODY_MAX);
    while (program->words < program->body + length) {
        if (random_below(random, 10) == 0) {
            emit(program, random_branch(random, program));
            emit(program, random_word(random, fr));
        } else {
            emit(program, random_word(random, fr));
        }
    }
    program->body_end = program->words;
    for (unsigned i = 0; i < 8; i++)
        emit(program, 0);
    for (unsigned i = 0; i < 32; i++)
        if (is_free(i))
            emit(program, AT(SW, i, general[i]));
    emit(program, 0x00004010);
    emit(program, AT(SW, 8, hi));
    emit(program, 0x00004012);
    emit(program, AT(SW, 8, lo));
    emit(program, 0x4448f800);
    emit(program, AT(SW, 8, fcsr));
    for (unsigned i = 0; i < 32; i += fr ? 1 : 2)
        emit(program, AT(SDC1, i, fpu[i]));
    emit(program, BREAK); /* where our side is stopped */
}

static void random_image(struct random *random, struct image *image, bool fr)
{
    for (unsigned i = 0; i < 32; i++) {
        image->general[i] = random_operand(random);
        if (random_below(random, 2))
            image->fpu[i] = random_double(random);
        else
            image->fpu[i] = (uint64_t)random_single(random) << 32 | random_single(random);
    }
    image->general[18] = random_below(random, 32) * 8;
    image->hi = random_operand(random);
    image->lo = random_operand(random);
    image->fcsr = random_below(random, 4);
    if (random_below(random, 16) == 0) /* enables */
        image->fcsr |= random_below(random, 32) << 7;
    image->fcsr |= (uint32_t)random_next(random) & 0xfe800000;
    image->fcsr |= random_below(random, 32) << 2;
    image->unused = 0x30000004u | (fr ? FR_ON : 0); /* CU1, CU0, ERL */
}

static void on_interrupt(uc_engine *uc, uint32_t number, void *data)
{
    struct pair *const pair = data;
    pair->interrupt = number;
    uc_emu_stop(uc);
}

static struct pair *start(void)
{
    struct pair *const pair = calloc(1, sizeof *pair);
    uc_hook hook;
    assert_int_equal(uc_open(UC_ARCH_MIPS, UC_MODE_MIPS32 | UC_MODE_LITTLE_ENDIAN, &pair->uc),
                     UC_ERR_OK);
    assert_int_equal(uc_ctl_set_cpu_model(pair->uc, UC_CPU_MIPS32_24KF), UC_ERR_OK);
    assert_int_equal(uc_mem_map(pair->uc, 0, MEMORY_BYTES, UC_PROT_ALL), UC_ERR_OK);
    assert_int_equal(uc_hook_add(pair->uc, &hook, UC_HOOK_INTR, (void *)(intptr_t)on_interrupt,
                                 pair, 1, 0),
                     UC_ERR_OK);
    assert_int_equal(uc_context_alloc(pair->uc, &pair->fresh), UC_ERR_OK);
    assert_int_equal(uc_context_save(pair->uc, pair->fresh), UC_ERR_OK);
    pair->memory = mips_memory_new(MEMORY_BYTES / MIPS_PAGE_BYTES, NULL);
    pair->ours = aligned_alloc(MIPS_PAGE_BYTES, MEMORY_BYTES);
    memset(pair->ours, 0, MEMORY_BYTES);
    for (uint32_t i = 0; i < MEMORY_BYTES / MIPS_PAGE_BYTES; i++)
        mips_memory_map(pair->memory, i, pair->ours + (size_t)i * MIPS_PAGE_BYTES, true);
    pair->cpu =
        mips_cpu_new(pair->memory,
                     &(struct mips_model){.stop_on_exception = true, .denormals_in_fpu = true}, 0);
    return pair;
}

static void stop(struct pair *pair)
{
    uc_context_free(pair->fresh);
    uc_close(pair->uc);
    mips_cpu_free(pair->cpu);
    mips_memory_free(pair->memory);
    free(pair->ours);
    free(pair);
}

static void put_both(struct pair *pair, uint32_t at, const void *bytes, size_t count)
{
    assert_int_equal(uc_mem_write(pair->uc, at, bytes, count), UC_ERR_OK);
    memcpy(pair->ours + at, bytes, count);
    mips_memory_written(pair->memory, at, (uint32_t)count);
}

/* An instruction at a time, in blocks, or in blocks that write down references. */
static void run_ours(struct pair *pair, uint32_t end)
{
    static struct mips_reference list[MIPS_REFERENCES_MIN];
    const unsigned way = pair->programs++ % 3;
    mips_record(pair->cpu, way == 2 ? list : NULL, MIPS_REFERENCES_MIN);
    enum mips_stop why = MIPS_STOP_LIMIT;
    for (unsigned i = 0; i < WORDS_MAX && why != MIPS_STOP_EXCEPTION; i++) {
        why = mips_run(pair->cpu, way == 0 ? 1 : WORDS_MAX);
        if (way == 2)
            mips_recorded(pair->cpu);
    }
    if (why != MIPS_STOP_EXCEPTION)
        fail_msg("it does not come to %08x", end);
}

static struct mips_state *start_ours(struct pair *pair)
{
    struct mips_state *const s = mips_state(pair->cpu);
    s->pc = CODE;
    s->r[16] = DATA;
    s->r[17] = STATE;
    s->cp0.status = STATUS_ERL;
    s->delay_slot = false;
    mips_state_changed(pair->cpu);
    return s;
}

/* Runs both; what differs, or NULL. */
static const char *compare(struct pair *pair, const struct program *program,
                           const struct image *image, const uint8_t *data)
{
    static char text[128];
    put_both(pair, CODE, program->word, program->words * 4);
    put_both(pair, STATE, image, sizeof *image);
    put_both(pair, DATA - 256, data, 1024);
    uc_ctl_remove_cache(pair->uc, CODE, CODE + WORDS_MAX * 4);

    const uint32_t end = CODE + (program->words - 1) * 4;
    uint32_t value = DATA;
    uc_context_restore(pair->uc, pair->fresh);
    uc_reg_write(pair->uc, UC_MIPS_REG_16, &value);
    value = STATE;
    uc_reg_write(pair->uc, UC_MIPS_REG_17, &value);
    pair->interrupt = 0;
    const uc_err error = uc_emu_start(pair->uc, CODE, end, 0, 0);
    const struct mips_state *const s = start_ours(pair);
    run_ours(pair, end);
    const bool stopped = s->cp0.epc != end, theirs = error || pair->interrupt;
    uint32_t pc = 0;
    uc_reg_read(pair->uc, UC_MIPS_REG_PC, &pc);
    if (stopped != theirs) {
        snprintf(text, sizeof text, "%s alone: ours code %u at %08x, theirs error %d (%u) at %08x",
                 stopped ? "our exception" : "their exception", s->cp0.cause >> 2 & 31, s->cp0.epc,
                 (int)error, pair->interrupt, pc);
        return text;
    }
    for (int i = 1; i < 32; i++) {
        uc_reg_read(pair->uc, UC_MIPS_REG_0 + i, &value);
        if (value != s->r[i]) {
            snprintf(text, sizeof text, "$%d: ours %08x, theirs %08x%s", i, s->r[i], value,
                     stopped ? " (at an exception)" : "");
            return text;
        }
    }
    if (stopped)
        return NULL;
    struct image after, mine;
    uc_mem_read(pair->uc, STATE, &after, sizeof after);
    memcpy(&mine, pair->ours + STATE, sizeof mine);
    if (after.fcsr != mine.fcsr) {
        snprintf(text, sizeof text, "FCSR: ours %08x, theirs %08x", mine.fcsr, after.fcsr);
        return text;
    }
    for (unsigned i = 0; i < 32; i++)
        if (after.fpu[i] != mine.fpu[i]) {
            snprintf(text, sizeof text, "$f%u: ours %016llx, theirs %016llx", i,
                     (unsigned long long)mine.fpu[i], (unsigned long long)after.fpu[i]);
            return text;
        }
    if (memcmp(&after, &mine, sizeof after))
        return "HI or LO";
    uint8_t bytes[1024];
    uc_mem_read(pair->uc, DATA - 256, bytes, sizeof bytes);
    return memcmp(bytes, pair->ours + DATA - 256, sizeof bytes) ? "memory" : NULL;
}

static void print_program(const struct program *program, const struct image *image)
{
    for (unsigned i = program->body; i < program->body_end; i++) {
        char text[MIPS_TEXT_BYTES];
        if (!program->word[i])
            continue;
        mips_disassemble(program->word[i], CODE + 4 * i, text);
        printf("#   %08x  %08x  %s\n", CODE + 4 * i, program->word[i], text);
    }
    printf("# FCSR %08x Status %08x HI %08x LO %08x\n", image->fcsr, image->unused, image->hi,
           image->lo);
    for (unsigned i = 0; i < 32; i++)
        printf("# $%u %08x  $f%u %016llx\n", i, image->general[i], i,
               (unsigned long long)image->fpu[i]);
}

/* Words become nops for as long as the difference stays. */
static void shrink(struct pair *pair, struct program *program, const struct image *image,
                   const uint8_t *data)
{
    for (unsigned i = program->body; i < program->body_end; i++) {
        const uint32_t kept = program->word[i];
        program->word[i] = 0;
        if (!compare(pair, program, image, data))
            program->word[i] = kept;
    }
    const char *const why = compare(pair, program, image, data);
    printf("# %s\n", why ? why : "gone");
    print_program(program, image);
}

/* CVT.S.D of a NaN of which the upper fraction is zero: an infinity there, a NaN here (a NaN's result
 * is one: volume I, 5.5.2). Random operands leave such NaNs out, but programs can make them. */
static bool narrows_such_a_nan(const struct mips_state *s, uint32_t word)
{
    if ((word & 0xffff003f) != 0x46200020)
        return false;
    const unsigned fs = word >> 11 & 31, low = s->cp0.status & STATUS_FR ? 2 * fs : fs & 30;
    const uint32_t high = s->fpr[low + 1];
    return (high & 0x7fffffff) == 0x7ff00000 && s->fpr[low] && s->fpr[low] < 1u << 29;
}

static bool differs_for_unicorn_alone(struct pair *pair, const struct program *program,
                                      const struct image *image, const uint8_t *data)
{
    put_both(pair, CODE, program->word, program->words * 4);
    put_both(pair, STATE, image, sizeof *image);
    put_both(pair, DATA - 256, data, 1024);
    const struct mips_state *const s = start_ours(pair);
    for (unsigned i = 0; i < WORDS_MAX; i++) {
        const unsigned at = (s->pc - CODE) / 4; /* a branch takes its slot with it */
        if (at + 1 < program->words && (narrows_such_a_nan(s, program->word[at]) ||
                                        narrows_such_a_nan(s, program->word[at + 1])))
            return true;
        if (mips_run(pair->cpu, 1) == MIPS_STOP_EXCEPTION)
            break;
    }
    return false;
}

static void run_programs(struct pair *pair, uint64_t seed, bool fr, unsigned programs)
{
    struct random random = {(2 * seed + fr) * UINT64_C(0x9e3779b97f4a7c15) | 1};
    struct program program;
    struct image image;
    uint8_t data[1024];
    for (unsigned i = 0; i < programs; i++) {
        write_program(&random, &program, fr);
        random_image(&random, &image, fr);
        for (unsigned j = 0; j < sizeof data / 8; j++) {
            const uint64_t bits = random_double(&random);
            memcpy(data + 8 * j, &bits, 8);
        }
        const char *const why = compare(pair, &program, &image, data);
        if (why && !differs_for_unicorn_alone(pair, &program, &image, data)) {
            printf("# DISCO_SEED=%llu, program %u: %s\n", (unsigned long long)seed, i, why);
            shrink(pair, &program, &image, data);
            fail_msg("%s", why);
        }
    }
}

/* An engine for so many programs: later its buffer of code is full, and Unicorn 2.0.1 then jumps into
 * what it has thrown away. */
#define PROGRAMS 20000u

static void run_batches(bool fr)
{
    const uint64_t seed = from_environment("DISCO_SEED", 1);
    for (uint64_t left = RUNS * 5, batch = 0; left; batch++) {
        const unsigned programs = left < PROGRAMS ? (unsigned)left : PROGRAMS;
        struct pair *const pair = start();
        run_programs(pair, seed + batch, fr, programs);
        stop(pair);
        left -= programs;
    }
}

static void runs_like_unicorn(void **state)
{
    (void)state;
    run_batches(false);
}

static void runs_like_unicorn_with_64_bit_registers(void **state)
{
    (void)state;
    run_batches(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_like_unicorn),
        cmocka_unit_test(runs_like_unicorn_with_64_bit_registers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
