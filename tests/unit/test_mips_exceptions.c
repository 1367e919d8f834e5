/* Every exception that a program can raise on the CPU: its code, EPC, BadVAddr, Cause.CE and vector, and
 * that the instruction has done nothing else. By the manuals: MIPS32 volume III, chapter 5 (vectors:
 * tables 5-1 to 5-3; each exception: 5.2). */
#include "tests/unit/mips_fixture.h"

#define MAPPED  0x00402000u /* an even page of useg: valid, read-only; the odd one is not valid */
#define MISSING 0x00602000u
#define NOWHERE 0xbe000000u /* in kseg1, where nothing answers */
#define OFF     0u
#define ON      STATUS_CU1

struct raised {
    const char *what;
    uint32_t word, status, r8, r9;
    enum mips_exception code;
    uint32_t vector, bad_vaddr, unit; /* 0: none */
};

/* $10 is where results go; $8 and $9 are operands and addresses. */
static const struct raised table[] = {
    {"lw, not aligned", LW(10, 1, 9), ON, 0, CODE, 4, GENERAL, CODE + 1, 0},
    {"lh, not aligned", 0x852a0001, ON, 0, CODE, 4, GENERAL, CODE + 1, 0},
    {"ldc1, not aligned", 0xd52a0004, ON, 0, CODE, 4, GENERAL, CODE + 4, 0},
    {"ll, not aligned", LL(10, 2, 9), ON, 0, CODE, 4, GENERAL, CODE + 2, 0},
    {"sw, not aligned", SW(10, 2, 9), ON, 0, CODE, 5, GENERAL, CODE + 2, 0},
    {"sh, not aligned", 0xa52a0001, ON, 0, CODE, 5, GENERAL, CODE + 1, 0},
    {"sc, not aligned", SC(10, 1, 9), ON, 0, CODE, 5, GENERAL, CODE + 1, 0},
    {"lw, no entry", LW(10, 4, 9), ON, 0, MISSING, 2, REFILL, MISSING + 4, 0},
    {"sw, no entry", SW(10, 4, 9), ON, 0, MISSING, 3, REFILL, MISSING + 4, 0},
    {"sc, no entry", SC(10, 4, 9), ON, 0, MISSING, 3, REFILL, MISSING + 4, 0},
    {"cache, no entry", 0xbd300004, ON, 0, MISSING, 2, REFILL, MISSING + 4, 0},
    {"lw, not valid", LW(10, 0x1000, 9), ON, 0, MAPPED, 2, GENERAL, MAPPED + 0x1000, 0},
    {"sw, not valid", SW(10, 0x1000, 9), ON, 0, MAPPED, 3, GENERAL, MAPPED + 0x1000, 0},
    {"sw, read-only", SW(10, 4, 9), ON, 0, MAPPED, 1, GENERAL, MAPPED + 4, 0},
    {"swl, read-only", 0xa92a0005, ON, 0, MAPPED, 1, GENERAL, MAPPED + 5, 0},
    {"lw, nothing answers", LW(10, 0, 9), ON, 0, NOWHERE, 7, GENERAL, 0, 0},
    {"sw, nothing answers", SW(10, 0, 9), ON, 0, NOWHERE, 7, GENERAL, 0, 0},
    {"syscall", SYSCALL, ON, 0, 0, 8, GENERAL, 0, 0},
    {"break", 0x0000000d, ON, 0, 0, 9, GENERAL, 0, 0},
    {"a function that is none", 0x0000003f, ON, 0, 0, 10, GENERAL, 0, 0},
    {"an opcode that is none", 0xfc000000, ON, 0, 0, 10, GENERAL, 0, 0},
    {"a coprocessor 0 word that is none", 0x4200003f, ON, 0, 0, 10, GENERAL, 0, 0},
    {"sdbbp", 0x7000003f, ON, 0, 0, 10, GENERAL, 0, 0},
    {"mfc1, FPU off", 0x440a0000, OFF, 0, 0, 11, GENERAL, 0, 1},
    {"add.s, FPU off", 0x46000000, OFF, 0, 0, 11, GENERAL, 0, 1},
    {"lwc1, FPU off", 0xc5200000, OFF, 0, CODE, 11, GENERAL, 0, 1},
    {"movf, FPU off", 0x01005001, OFF, 0, 0, 11, GENERAL, 0, 1},
    {"coprocessor 2", 0x480a0000, ON, 0, 0, 11, GENERAL, 0, 2},
    {"add, overflow", 0x01095020, ON, 0x7fffffff, 1, 12, GENERAL, 0, 0},
    {"addi, overflow", 0x210affff, ON, 0x80000000, 0, 12, GENERAL, 0, 0},
    {"sub, overflow", 0x01095022, ON, 0x80000000, 1, 12, GENERAL, 0, 0},
    {"teq", 0x01090034, ON, 5, 5, 13, GENERAL, 0, 0},
    {"tltiu", 0x050bffff, ON, 5, 0, 13, GENERAL, 0, 0},
    {"ctc1, a cause that is enabled", 0x44c8f800, ON, 1u << 16 | 1u << 11, 0, 15, GENERAL, 0, 0},
    {"add.s of a denormal number", 0x46001000, ON, 0, 0, 15, GENERAL, 0, 0},
    {"tlbwi, twice the same", TLBWI, ON, 0, 0, 24, GENERAL, 0, 0},
};

static int start(void **state)
{
    return start_with(state, (struct mips_model){0});
}

static void prepare(struct fixture *f, const struct raised *row)
{
    mips_tlb_clear(f->cpu);
    assert_true(map_page(f, 3, MAPPED, 16, ENTRYLO_V));
    f->s->tlb[3].entry_lo[1] &= ~ENTRYLO_V;
    memset(&f->s->cp0, 0, sizeof f->s->cp0);
    f->s->cp0.status = row->status;
    f->s->cp0.ebase = EBASE_FIXED;
    f->s->cp0.entry_hi = MAPPED;
    f->s->cp0.index = 5;
    f->s->fcsr = 0;
    f->s->fpr[2] = 1; /* denormal: not implemented */
    f->s->r[8] = row->r8;
    f->s->r[9] = row->r9;
    f->s->r[10] = 0x1234;
    mips_state_changed(f->cpu);
}

static void check(struct fixture *f, const struct raised *row, uint32_t epc, bool slot)
{
    const struct mips_cp0 *const cp0 = &f->s->cp0;
    if (exception_code(f) != row->code || !(cp0->status & STATUS_EXL))
        fail_msg("%s: code %u, Status %x", row->what, exception_code(f), cp0->status);
    if (f->s->pc != row->vector || cp0->epc != epc || !(cp0->cause & CAUSE_BD) == slot)
        fail_msg("%s: at %x, EPC %x, Cause %x", row->what, f->s->pc, cp0->epc, cp0->cause);
    if (cp0->bad_vaddr != row->bad_vaddr)
        fail_msg("%s: BadVAddr %x", row->what, cp0->bad_vaddr);
    if ((cp0->cause & CAUSE_CE) >> CAUSE_CE_SHIFT != row->unit)
        fail_msg("%s: Cause %x", row->what, cp0->cause);
    const bool of_tlb = row->code >= 1 && row->code <= 3;
    if (of_tlb && (cp0->entry_hi != (row->bad_vaddr & ENTRYHI_VPN2) ||
                   cp0->context != (row->bad_vaddr >> 13) << 4))
        fail_msg("%s: EntryHi %x, Context %x", row->what, cp0->entry_hi, cp0->context);
    if (f->s->r[10] != 0x1234)
        fail_msg("%s: wrote %x", row->what, f->s->r[10]);
}

static void each_is_raised_as_the_manual_says(void **state)
{
    struct fixture *const f = *state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        prepare(f, &table[i]);
        RUN(f, 1, table[i].word);
        check(f, &table[i], CODE, false);
    }
}

static void each_in_a_delay_slot_names_the_branch(void **state)
{
    struct fixture *const f = *state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        prepare(f, &table[i]);
        RUN(f, 2, BEQ(0, 0, 5), table[i].word);
        check(f, &table[i], CODE, true);
    }
}

/* Within an exception EPC and BD stay, and a miss goes where the others go. */
static void each_within_another_keeps_its_epc(void **state)
{
    struct fixture *const f = *state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct raised row = table[i];
        row.status |= STATUS_EXL;
        row.vector = GENERAL;
        prepare(f, &row);
        f->s->cp0.epc = 0x80005678;
        RUN(f, 2, BEQ(0, 0, 5), row.word);
        check(f, &row, 0x80005678, false);
    }
}

static void fetches_raise_at_their_own_address(void **state)
{
    struct fixture *const f = *state;
    static const struct raised fetches[] = {
        {"not aligned", 0, ON, 0, 0, 4, GENERAL, CODE + 2, 0},
        {"no entry", 0, ON, 0, 0, 2, REFILL, MISSING, 0},
        {"not valid", 0, ON, 0, 0, 2, GENERAL, MAPPED + 0x1000, 0},
        {"nothing answers", 0, ON, 0, 0, 6, GENERAL, 0, 0},
    };
    for (size_t i = 0; i < sizeof fetches / sizeof *fetches; i++) {
        prepare(f, &fetches[i]);
        f->s->pc = fetches[i].bad_vaddr ? fetches[i].bad_vaddr : NOWHERE;
        const uint32_t pc = f->s->pc;
        mips_run(f->cpu, 1);
        check(f, &fetches[i], pc, false);
    }
}

/* Configuration of a 24Kf, field by field (24K manual, "Config registers"). */
static void config_says_what_is_there(void **state)
{
    struct fixture *const f = *state;
    const uint32_t config = mips_cp0_read(f->cpu, 16, 0), config1 = mips_cp0_read(f->cpu, 16, 1);
    assert_int_equal(config >> 31, 1);
    assert_int_equal(config >> 15 & 1, 0);          /* little-endian */
    assert_int_equal(config >> 13 & 3, 0);          /* MIPS32 */
    assert_int_equal(config >> 10 & 7, 1);          /* release 2 */
    assert_int_equal(config >> 7 & 7, 1);           /* a TLB */
    assert_int_equal((config1 >> 25 & 63) + 1, 64); /* of so many entries */
    assert_int_equal(config1 & 1, 1);               /* FPU */
    assert_int_equal(config1 >> 3 & 1, 0);          /* no watch registers */
    assert_int_equal(config1 >> 2 & 1, 0);          /* no MIPS16e */
    assert_int_equal(mips_cp0_read(f->cpu, 18, 0), 0);
    assert_int_equal(mips_cp0_read(f->cpu, 15, 0) >> 8, 0x193);
    mips_cp0_write(f->cpu, 16, 0, UINT32_MAX); /* K0 alone can be written */
    assert_int_equal(mips_cp0_read(f->cpu, 16, 0), config | 7);
    mips_cp0_write(f->cpu, 16, 1, 0);
    assert_int_equal(mips_cp0_read(f->cpu, 16, 1), config1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_is_raised_as_the_manual_says), TEST(each_in_a_delay_slot_names_the_branch),
        TEST(each_within_another_keeps_its_epc), TEST(fetches_raise_at_their_own_address),
        TEST(config_says_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
