/* The exception stream against QEMU's (`-d int`): long random programs in kernel, supervisor and user mode,
 * run in whole blocks on both sides, so that it is told after how much each exception comes, where, and
 * with which EPC, BadVAddr, Status and Cause. prop_mips_qemu.c steps through shorter ones, instruction by
 * instruction. mips/kernel.S is what runs around the programs.
 *
 * No branch has its slot on the next page: QEMU fetches the slot of a likely branch that is not taken, and
 * takes the page's refill there, with BD set; nullified, it does nothing (MIPS32 volume II, BLTZL).
 *
 * Needs qemu-system-mipsel and mipsel-linux-gnu-gcc; skipped where they are not. */
#include "tests/property/malta.h"
#include "tests/property/mips_words.h"

#define WORDS     15000u
#define CTC1_FCSR 0x44c0f800u

/* ------------------------------------------------------------------------------- the program */

/* Which NaN comes of two is not the same in QEMU (prop_mips_qemu.c). So a program has the FPU's singles or its
 * doubles, and nothing that takes a NaN for something else, or out of the FPU. */
static bool tells_nans_apart(uint32_t word, bool doubles)
{
    enum { CFC1 = 2, MTC1 = 4, CTC1 = 6, BC1 = 8, SINGLE = 16, DOUBLE = 17 };
    const uint32_t major = word >> 26, rs = word >> 21 & 31, function = word & 63;
    switch (major) {
    case 0x11:
        if (rs == CFC1 || rs == CTC1 || rs == BC1)
            return false;
        if (rs == MTC1)
            return doubles;
        if (rs != (doubles ? DOUBLE : SINGLE) || function == 0x20 || function == 0x21)
            return true;
        return doubles && ((function >= 0x0c && function <= 0x0f) || function == 0x24);
    case 0x13:
        if (function < 8)
            return function == 0 && doubles;
        return function < 16 || ((function & 7) == 1) != doubles;
    case 0x31: /* LWC1 */
        return doubles;
    case 0x39: /* SWC1 */
    case 0x3d: /* SDC1 */
        return true;
    default:
        return false;
    }
}

static uint32_t inner_word(struct random *random, bool doubles)
{
    for (;;) {
        const uint32_t word = random_word(random, 0);
        if (!tells_nans_apart(word, doubles))
            return word;
    }
}

static unsigned branch(struct random *random, bool doubles, uint32_t *word)
{
    static const uint32_t words[] = {0x10000000, 0x50000000, 0x14000000, 0x54000000,
                                     0x18000000, 0x58000000, 0x1c000000, 0x5c000000,
                                     0x04000000, 0x04020000, 0x04010000, 0x04030000,
                                     0x04100000, 0x04110000, 0x45000000, 0x45010000};
    /* never a register against itself: to QEMU that is no branch */
    const uint32_t rs = 1 + random_below(random, 15),
                   rt = random_below(random, 2) ? 0 : 19 + rs % 8;
    word[0] = ANY(random, words) | (2 + random_below(random, 12));
    if (word[0] >> 26 != 0x11)
        word[0] |= rs << 21;
    if ((word[0] >> 26 & 0xe) == 4)
        word[0] |= rt << 16;
    word[1] = inner_word(random, doubles);
    return 2;
}

/* Mapped pages with and without D and V, of the user and of the supervisor, the kernel's segments. */
static unsigned base(struct random *random, uint32_t *word)
{
    static const uint32_t bases[] = {0x00010400, 0x00011ff0, 0x00020800, 0x00021000, 0x00030010,
                                     0x00012000, 0x7fff0f00, 0xc0010400, 0xc0021000, 0xdfff1000,
                                     0xe0010400, 0x80200400, 0xa0200800, 0x0005e000, 0x00061000};
    const uint32_t address = ANY(random, bases) + random_below(random, 4) * 0x4000;
    word[0] = 0x3c100000 | address >> 16;
    word[1] = 0x36100000 | (address & 0xffff);
    return 2;
}

static void write_program(struct random *random, bool doubles, uint32_t *word)
{
    static const uint32_t raising[] = {0x0000000d, 0x0000004c, 0x70000003, 0x7c0007ff, 0x4600003f,
                                       0x40086000, 0x42000008, 0x7c08283b, 0x00000034, 0xdc000000};
    unsigned at = 0;
    while (at < WORDS) {
        const uint32_t kind = random_below(random, 100);
        if (kind < 6) {
            at += base(random, word + at);
        } else if (kind < 20 && at % 1024 != 1023) { /* see above */
            at += branch(random, doubles, word + at);
        } else if (kind < 22) {
            word[at++] = ANY(random, raising);
        } else if (kind < 24) { /* which of the FPU's exceptions are taken, and rounding */
            word[at++] = 0x34080000 | random_below(random, 32) << 7 | random_below(random, 4);
            word[at++] = CTC1_FCSR | 8 << 16;
        } else if (kind < 28) {
            const uint32_t reg = random_register(random), value = random_operand(random);
            word[at++] = 0x3c000000 | reg << 16 | value >> 16;
            word[at++] = 0x34000000 | reg << 21 | reg << 16 | (value & 0xffff);
        } else {
            word[at++] = inner_word(random, doubles);
        }
    }
    for (unsigned i = 0; i < 16; i++)
        word[at++] = 0;
    word[at] = 0x0000000c;
}

/* ------------------------------------------------------------------------------- the two sides */

struct event {
    uint32_t vector, epc, code, status, cause, bad_vaddr;
};

/* The next exception of QEMU's log. */
static bool read_event(FILE *log, struct event *event)
{
    char line[256];
    while (fgets(line, sizeof line, log)) {
        if (sscanf(line, "mips_cpu_do_interrupt: PC %x EPC %x cause %u", &event->vector,
                   &event->epc, &event->code) == 3)
            return fgets(line, sizeof line, log) && sscanf(line, " S %x C %x A %x", &event->status,
                                                           &event->cause, &event->bad_vaddr) == 3;
    }
    return false;
}

static bool next_event(struct machine *machine, struct event *event)
{
    while (!machine->off) {
        if (mips_run(machine->cpu, 1000) != MIPS_STOP_EXCEPTION)
            continue;
        const struct mips_state *const s = mips_state(machine->cpu);
        *event = (struct event){s->pc,
                                s->cp0.epc,
                                s->cp0.cause >> CAUSE_CODE_SHIFT & 31,
                                s->cp0.status,
                                s->cp0.cause & ~BOARD_LINES,
                                s->cp0.bad_vaddr};
        return true;
    }
    return false;
}

/* How many there were; `kinds` gets a bit for each code. */
static unsigned long compare(const struct rom *rom, FILE *log, uint64_t seed, uint32_t *kinds)
{
    const struct mips_model model = {.tlb_entries = 16,
                                     .no_user_local = true,
                                     .denormals_in_fpu = true,
                                     .stop_on_exception = true};
    struct machine machine;
    struct event ours = {0}, theirs = {0};
    unsigned long events = 0;
    start(&machine, rom, &model);
    while (next_event(&machine, &ours)) {
        if (!read_event(log, &theirs))
            fail_msg("DISCO_SEED=%llu: QEMU has only %lu exceptions", (unsigned long long)seed,
                     events);
        theirs.cause &= ~BOARD_LINES;
        if (memcmp(&ours, &theirs, sizeof ours) != 0)
            fail_msg("DISCO_SEED=%llu, exception %lu: ours code %u to %08x, EPC %08x Status %08x "
                     "Cause %08x BadVAddr %08x; QEMU's code %u to %08x, EPC %08x Status %08x Cause "
                     "%08x BadVAddr %08x",
                     (unsigned long long)seed, events, ours.code, ours.vector, ours.epc,
                     ours.status, ours.cause, ours.bad_vaddr, theirs.code, theirs.vector,
                     theirs.epc, theirs.status, theirs.cause, theirs.bad_vaddr);
        *kinds |= UINT32_C(1) << ours.code;
        events++;
    }
    if (read_event(log, &theirs))
        fail_msg("DISCO_SEED=%llu: QEMU has more than %lu exceptions", (unsigned long long)seed,
                 events);
    stop(&machine);
    return events;
}

static void raises_what_qemu_raises(void **state)
{
    (void)state;
    need_malta();
    const uint64_t first = from_environment("DISCO_SEED", 1), programs = 3 + RUNS / 1000;
    char folder[] = "/tmp/disco-mips-XXXXXX";
    uint32_t kinds = 0;
    unsigned long events = 0;
    assert_non_null(mkdtemp(folder));
    struct rom *const rom = calloc(1, sizeof *rom);
    build_rom(folder, "kernel.S", "", rom, PROGRAM);
    for (uint64_t seed = first; seed < first + programs; seed++) {
        struct random random = {seed * UINT64_C(0x9e3779b97f4a7c15) | 1};
        write_program(&random, seed % 2, rom->word + PROGRAM / 4);
        run_qemu(folder, rom, "-d int -D log");
        FILE *const log = open_in(folder, "log", "r");
        events += compare(rom, log, seed, &kinds);
        (void)fclose(log);
    }
    free(rom);
    remove_folder(folder);
    printf("# %lu exceptions, codes %08x\n", events, kinds);
    assert_true(events > programs * 1000);
    /* modified, load, store, address errors, syscall, break, reserved, coprocessor, overflow, trap, FPU */
    assert_int_equal(kinds & 0xbf3e, 0xbf3e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(raises_what_qemu_raises)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
