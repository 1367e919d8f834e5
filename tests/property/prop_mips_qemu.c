/* Lock-step with QEMU's 24Kf: random programs in kernel, supervisor and user mode, with exceptions in
 * and out of delay slots, TLB refills, soft interrupts and writes to coprocessor 0. QEMU writes its
 * registers before every instruction into a log; ours must have the same before the same ones:
 * general registers, HI, LO, the FPU's, FCSR, Status, Cause, EPC. mips/kernel.S is what runs around the programs; its
 * handlers read BadVAddr, Context and EntryHi into registers, so these are compared as well.
 *
 * Needs qemu-system-mipsel and mipsel-linux-gnu-gcc; skipped where they are not. */
#include "tests/property/malta.h"
#include "tests/property/mips_words.h"
#include "vmm-core/machine/mips/decode.h"

#define WORDS   1200u
#define IN_SLOT 0x803800u /* of QEMU's hflags: this is a delay slot */

/* ------------------------------------------------------------------------------- the program */

static uint32_t lui(uint32_t reg, uint32_t value)
{
    return 0x3c000000 | reg << 16 | (value & 0xffff);
}
static uint32_t ori(uint32_t reg, uint32_t value)
{
    return 0x34000000 | reg << 21 | reg << 16 | (value & 0xffff);
}

/* Where the next loads and stores go: mapped pages with and without D and V, for the user and for
 * the supervisor, and the kernel's segments. */
static unsigned new_base(struct random *random, uint32_t *word)
{
    static const uint32_t bases[] = {0x00010400, 0x00011ff0, 0x00020800, 0x00021000, 0x00030010,
                                     0x00031000, 0x00012000, 0x7fff0f00, 0xc0010400, 0xc0021000,
                                     0xdfff1000, 0xe0010400, 0xffff0f00, 0x80200400, 0xa0200800,
                                     0x80001000, 0x0000e000, 0x00041000};
    const uint32_t base = ANY(random, bases);
    word[0] = lui(16, base >> 16);
    word[1] = ori(16, base);
    return 2;
}

static unsigned branch_with_slot(struct random *random, uint32_t *word)
{
    static const uint32_t words[] = {0x10000000, 0x50000000, 0x14000000, 0x54000000,
                                     0x18000000, 0x58000000, 0x1c000000, 0x5c000000,
                                     0x04000000, 0x04020000, 0x04010000, 0x04030000,
                                     0x04100000, 0x04110000, 0x45000000, 0x45010000};
    word[0] = ANY(random, words) | (2 + random_below(random, 4));
    /* QEMU takes a branch that never is for no branch, and so its slot for none */
    const uint32_t rs = 1 + random_below(random, 15),
                   rt = random_below(random, 2) ? 0 : 19 + rs % 8;
    if (word[0] >> 26 != 0x11)
        word[0] |= rs << 21;
    if ((word[0] >> 26 & 0xe) == 4)
        word[0] |= rt << 16;
    word[1] = random_word(random, 0);
    return 2;
}

/* No branch comes over these. */
#define GUARD 6u
static uint32_t *after_guard(uint32_t *word)
{
    memset(word, 0, GUARD * sizeof *word);
    return word + GUARD;
}

/* Reads and writes of coprocessor 0 after which the kernel still works. */
static unsigned coprocessor(struct random *random, uint32_t *word)
{
    static const uint32_t read[] = {0x40000000, 0x40001000, 0x40001800, 0x40002000, 0x40002800,
                                    0x40004000, 0x40005000, 0x40006000, 0x40006800, 0x40007000,
                                    0x40007800, 0x40007801, 0x40008003, 0x4000f000, 0x40006001};
    static const uint32_t written[] = {0x40801000, 0x40801800, 0x40802000, 0x40807000, 0x4080f000};
    static const uint32_t other[] = {0x42000001, 0x42000008, 0x41606000, 0x4080e000,
                                     0x41406000, 0x7c00003b, 0x7c00083b, 0x7c00183b,
                                     0x7c00283b, 0x00000040, 0x00000000};
    const uint32_t reg = random_register(random);
    switch (random_below(random, 7)) {
    case 0:
        word[0] = ANY(random, written) | reg << 16;
        return 1;
    case 1: /* soft interrupts */
        word = after_guard(word);
        word[0] = 0x34080000 | random_below(random, 4) << 8;
        word[1] = 0x40886800;
        return GUARD + 2;
    case 2: { /* Status: CU1, BEV, IM1-0, IE; the mode is the phase's only with KSU 0 */
        word = after_guard(word);
        word[0] =
            lui(8, (random_below(random, 4) ? 0x2000 : 0) | (random_below(random, 4) ? 0 : 0x40));
        word[1] = ori(8, random_below(random, 4) << 8 | random_below(random, 2));
        word[2] = 0x40886000;
        return GUARD + 3;
    }
    case 3: /* another ASID */
        word = after_guard(word);
        word[0] = 0x34080000 | random_below(random, 3);
        word[1] = 0x40885000;
        return GUARD + 2;
    case 4:
        word[0] = ANY(random, other);
        if (word[0] >> 26 == 0x1f || word[0] == 0x41606000)
            word[0] |= reg << 16;
        return 1;
    default:
        word[0] = ANY(random, read) | reg << 16;
        return 1;
    }
}

/* What is not in these CPUs, or only raises an exception. */
static unsigned odd_word(struct random *random, uint32_t *word)
{
    static const uint32_t words[] = {0x0000004c, 0x0000000d, 0x70000003, 0x7c0007ff, 0x4600003f,
                                     0x46c00000, 0x44e00000, 0x00000035, 0x041e0000, 0x0000000f,
                                     0xdc000000, 0x7c000fc4, 0x46210840, 0x46200140};
    word[0] = ANY(random, words);
    return 1;
}

/* On a page that can be written: QEMU lets an SC whose link is lost fail before it translates
 * (MIPS32 volume II, SC: the address is translated first). No branch comes over the first words. */
static unsigned linked(struct random *random, uint32_t *word)
{
    const uint32_t offset = random_below(random, 16) * 4;
    word = after_guard(word);
    word[0] = lui(16, 4);
    word[1] = ori(16, 0x0400);
    word[2] = 0xc2000000 | random_register(random) << 16 | offset;
    word[3] = random_below(random, 2) ? fill(random, ANY(random, integer_words))
                                      : 0x00000034u | 8u << 21 | 9u << 16;
    word[4] = 0xe2000000 | random_register(random) << 16 |
              (random_below(random, 4) ? offset : offset + 4);
    return GUARD + 5;
}

static void write_program(struct random *random, uint32_t *word)
{
    unsigned at = 0;
    while (at < WORDS) {
        const uint32_t kind = random_below(random, 100);
        if (kind < 5)
            at += new_base(random, word + at);
        else if (kind < 18)
            at += branch_with_slot(random, word + at);
        else if (kind < 26)
            at += coprocessor(random, word + at);
        else if (kind < 28)
            at += odd_word(random, word + at);
        else if (kind < 30)
            at += linked(random, word + at);
        else if (kind < 33) { /* operands that are not what arithmetic makes of zeros */
            const uint32_t reg = random_register(random), value = random_operand(random);
            word[at++] = lui(reg, value >> 16);
            word[at++] = ori(reg, value);
        } else
            word[at++] = random_word(random, 0);
    }
    for (unsigned i = 0; i < 8; i++)
        word[at++] = 0;
    word[at++] = 0x0000000c;
}

/* ------------------------------------------------------------------------------- the two sides */

struct step {
    uint32_t pc, hi, lo, hflags, r[32], status, cause, epc, fcsr;
    uint64_t fpu[16];
};

/* A step ends where the next begins; the FPU is shown only while it may be used. */
static bool read_step(FILE *log, struct step *step)
{
    char line[256];
    unsigned first, w[4];
    unsigned long long pair;
    bool any = false;
    for (long at = ftell(log); fgets(line, sizeof line, log); at = ftell(log)) {
        if (!strncmp(line, "pc=", 3)) {
            if (any)
                return fseek(log, at, SEEK_SET) == 0;
            any = sscanf(line, "pc=0x%x HI=0x%x LO=0x%x ds %x", &step->pc, &step->hi, &step->lo,
                         &step->hflags) == 4;
        } else if (sscanf(line, "GPR%u: %*s %x %*s %x %*s %x %*s %x", &first, &w[0], &w[1], &w[2],
                          &w[3]) == 5 &&
                   first <= 28) {
            memcpy(&step->r[first], w, sizeof w);
        } else if (sscanf(line, " f%u: w:%*x d:%llx", &first, &pair) == 2 && first < 32) {
            step->fpu[first / 2] = pair;
        } else if (sscanf(line, "CP1 FCR0 0x%*x FCR31 0x%x", &w[0]) == 1) {
            step->fcsr = w[0];
        } else {
            (void)sscanf(line, "CP0 Status 0x%x Cause 0x%x EPC 0x%x", &step->status, &step->cause,
                         &step->epc);
        }
    }
    return any;
}

/* Which NaN comes of NaNs is not compared: QEMU 7.2 makes a new one where the manual asks for an
 * operand (MIPS32 volume I, 5.5.2; Unicorn, which is an older QEMU, takes the operand and is
 * compared exactly). Ours become QEMU's. */
static void adopt_nans(struct mips_state *s, const struct step *step)
{
    for (size_t i = 0; i < 16; i++) {
        uint64_t ours;
        memcpy(&ours, &s->fpr[2 * i], sizeof ours);
        const uint64_t theirs = step->fpu[i], twice = UINT64_C(0xffe0000000000000);
        if (ours << 1 > twice && theirs << 1 > twice)
            memcpy(&s->fpr[2 * i], &theirs, sizeof theirs);
        for (unsigned j = 0; j < 2; j++) {
            const uint32_t word = (uint32_t)(theirs >> 32 * j);
            if (s->fpr[2 * i + j] << 1 > 0xff000000 && word << 1 > 0xff000000)
                s->fpr[2 * i + j] = word;
        }
    }
}

/* What differs, or NULL. */
static const char *difference(const struct mips_state *s, const struct step *step)
{
    static char text[96];
    if (s->pc != step->pc)
        snprintf(text, sizeof text, "pc: ours %08x, QEMU's %08x", s->pc, step->pc);
    else if (s->hi != step->hi || s->lo != step->lo)
        snprintf(text, sizeof text, "HI:LO: ours %08x:%08x, QEMU's %08x:%08x", s->hi, s->lo,
                 step->hi, step->lo);
    else if (s->cp0.status != step->status)
        snprintf(text, sizeof text, "Status: ours %08x, QEMU's %08x", s->cp0.status, step->status);
    else if ((s->cp0.cause ^ step->cause) & ~BOARD_LINES)
        snprintf(text, sizeof text, "Cause: ours %08x, QEMU's %08x", s->cp0.cause, step->cause);
    else if (s->cp0.epc != step->epc)
        snprintf(text, sizeof text, "EPC: ours %08x, QEMU's %08x", s->cp0.epc, step->epc);
    else {
        for (unsigned i = 1; i < 32; i++)
            if (s->r[i] != step->r[i]) {
                snprintf(text, sizeof text, "$%u: ours %08x, QEMU's %08x", i, s->r[i], step->r[i]);
                return text;
            }
        for (unsigned i = 0; i < 32; i++) {
            const uint32_t theirs = (uint32_t)(step->fpu[i / 2] >> 32 * (i % 2));
            if (s->fpr[i] != theirs) {
                snprintf(text, sizeof text, "$f%u: ours %08x, QEMU's %08x", i, s->fpr[i], theirs);
                return text;
            }
        }
        if (s->fcsr == step->fcsr)
            return NULL;
        snprintf(text, sizeof text, "FCSR: ours %08x, QEMU's %08x", s->fcsr, step->fcsr);
    }
    return text;
}

static uint32_t word_at(const struct rom *rom, uint32_t pc)
{
    if (pc >> 16 == 0xbfc0)
        return rom->word[(pc & 0xffff) / 4];
    return rom->word[(PROGRAM + (pc & 0xffff)) / 4];
}

/* Steps compared, or a failed test. */
static unsigned long compare(const struct rom *rom, FILE *log, uint64_t seed)
{
    const struct mips_model model = {.tlb_entries = 16,
                                     .no_user_local = true,
                                     .denormals_in_fpu = true};
    struct machine machine;
    struct step step = {0}, last = {0};
    uint32_t before[4] = {0};
    start(&machine, rom, &model);
    unsigned long steps = 0;
    while (!machine.off && read_step(log, &step)) {
        const bool again = !memcmp(&step, &last, sizeof step);
        last = step;
        if (step.hflags & IN_SLOT || again) /* QEMU shows an instruction that it puts off twice */
            continue;
        struct mips_state *const s = mips_state(machine.cpu);
        uint32_t physical; /* entering is a step of ours, and none of QEMU's */
        const bool pending =
            (s->cp0.status & 7) == STATUS_IE && s->cp0.status & s->cp0.cause & CAUSE_IP;
        if (pending || mips_translate(machine.cpu, s->pc, MIPS_FETCH, &physical) >= 0)
            mips_run(machine.cpu, 1);
        adopt_nans(s, &step);
        const char *const why = difference(s, &step);
        if (why) {
            printf("# DISCO_SEED=%llu, step %lu: %s\n", (unsigned long long)seed, steps, why);
            for (unsigned i = 4; i-- > 0;)
                for (unsigned j = 0; j < 2; j++) {
                    char text[MIPS_TEXT_BYTES];
                    mips_disassemble(word_at(rom, before[i] + 4 * j), before[i] + 4 * j, text);
                    printf("#   %08x  %08x  %s\n", before[i] + 4 * j,
                           word_at(rom, before[i] + 4 * j), text);
                }
            fail_msg("%s", why);
        }
        memmove(before + 1, before, 3 * sizeof *before);
        before[0] = s->pc;
        mips_run(machine.cpu, 1);
        if (s->delay_slot) /* on the next page */
            mips_run(machine.cpu, 1);
        steps++;
    }
    assert_true(machine.off);
    stop(&machine);
    return steps;
}

static void equals_qemu_instruction_by_instruction(void **state)
{
    (void)state;
    need_malta();
    const uint64_t first = from_environment("DISCO_SEED", 1), programs = 3 + RUNS / 2000;
    char folder[] = "/tmp/disco-mips-XXXXXX";
    assert_non_null(mkdtemp(folder));
    struct rom *const rom = calloc(1, sizeof *rom);
    build_rom(folder, "kernel.S", "", rom, PROGRAM);
    for (uint64_t seed = first; seed < first + programs; seed++) {
        struct random random = {seed * UINT64_C(0x9e3779b97f4a7c15) | 1};
        write_program(&random, rom->word + PROGRAM / 4);
        run_qemu(folder, rom, "-singlestep -d cpu,fpu,nochain -D log");
        FILE *const log = open_in(folder, "log", "r");
        assert_true(compare(rom, log, seed) > 3ul * WORDS);
        (void)fclose(log);
    }
    free(rom);
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(equals_qemu_instruction_by_instruction)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
