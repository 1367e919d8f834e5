/* The CPU: modes and segments, the TLB, exceptions, the clock. What QEMU cannot judge (the 24Kf's
 * machine check, its 64 entries, time) is checked here, by the manuals. */
#include "tests/unit/mips_fixture.h"

static int start(void **state)
{
    return start_with(state, (struct mips_model){0});
}

#define MAPPED 0x00402000u /* an even page of useg */

/* The exception that a load of `address` raises in a mode; -1: none. */
static int load_in(struct fixture *f, uint32_t status, uint32_t address)
{
    uint32_t physical;
    f->s->cp0.status = status;
    mips_state_changed(f->cpu);
    return mips_translate(f->cpu, address, MIPS_LOAD, &physical);
}

static void each_mode_has_its_segments(void **state)
{
    struct fixture *const f = *state;
    const uint32_t kernel = 0, supervisor = 1u << STATUS_KSU_SHIFT, user = 2u << STATUS_KSU_SHIFT;
    static const struct {
        uint32_t address;
        int kernel, supervisor, user;
    } rules[] = {
        {0x00000000, 2, 2, 2},  {0x7fffffff, 2, 2, 2},  {0x80000000, -1, 4, 4},
        {0x9fffffff, -1, 4, 4}, {0xa0000000, -1, 4, 4}, {0xbfffffff, -1, 4, 4},
        {0xc0000000, 2, 2, 4},  {0xdfffffff, 2, 2, 4},  {0xe0000000, 2, 4, 4},
        {0xffffffff, 2, 4, 4},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        assert_int_equal(load_in(f, kernel, rules[i].address), rules[i].kernel);
        assert_int_equal(load_in(f, supervisor, rules[i].address), rules[i].supervisor);
        assert_int_equal(load_in(f, user, rules[i].address), rules[i].user);
        /* an exception makes any mode the kernel's */
        assert_int_equal(load_in(f, user | STATUS_EXL, rules[i].address), rules[i].kernel);
    }
    uint32_t physical;
    assert_int_equal(load_in(f, STATUS_ERL, 0x00012345), -1);
    assert_int_equal(mips_translate(f->cpu, 0x00012345, MIPS_STORE, &physical), -1);
    assert_int_equal(physical, 0x12345);
    assert_int_equal(mips_translate(f->cpu, 0xa0012345, MIPS_STORE, &physical), -1);
    assert_int_equal(physical, 0x12345);
}

static void pages_of_every_size_translate(void **state)
{
    struct fixture *const f = *state;
    for (uint32_t mask = 0; mask <= PAGEMASK_WRITABLE; mask = mask << 2 | 0x6000) {
        const uint32_t size = (mask + 0x2000) / 2, address = 0x40000000;
        mips_tlb_clear(f->cpu);
        const struct mips_tlb_entry entry = {
            .page_mask = mask,
            .entry_hi = address,
            .entry_lo = {0x00010000u << 6 | ENTRYLO_V, 0x00020000u << 6 | ENTRYLO_V},
            .used = true,
        };
        assert_true(mips_tlb_write(f->cpu, 3, &entry));
        uint32_t physical;
        assert_int_equal(mips_translate(f->cpu, address + size - 4, MIPS_LOAD, &physical), -1);
        assert_int_equal(physical, 0x10000000 + size - 4);
        assert_int_equal(mips_translate(f->cpu, address + size, MIPS_LOAD, &physical), -1);
        assert_int_equal(physical, 0x20000000);
        assert_int_equal(mips_translate(f->cpu, address + 2 * size, MIPS_LOAD, &physical), 2);
        assert_int_equal(mips_translate(f->cpu, address, MIPS_STORE, &physical), 1);
    }
}

static void asids_part_entries_and_global_ones_do_not_care(void **state)
{
    struct fixture *const f = *state;
    uint32_t physical;
    assert_true(map_page(f, 0, MAPPED | 5, 16, ENTRYLO_V));
    assert_true(map_page(f, 1, MAPPED | 6, 32, ENTRYLO_V));
    assert_true(map_page(f, 2, MAPPED + 0x2000, 48, ENTRYLO_V | ENTRYLO_G));
    f->s->cp0.entry_hi = 6;
    mips_state_changed(f->cpu);
    assert_int_equal(mips_translate(f->cpu, MAPPED, MIPS_LOAD, &physical), -1);
    assert_int_equal(physical, 32 * 4096);
    f->s->cp0.entry_hi = 7;
    mips_state_changed(f->cpu);
    assert_int_equal(mips_translate(f->cpu, MAPPED, MIPS_LOAD, &physical), 2);
    assert_int_equal(mips_translate(f->cpu, MAPPED + 0x2000, MIPS_LOAD, &physical), -1);
}

static void two_entries_for_one_address_are_a_machine_check(void **state)
{
    struct fixture *const f = *state;
    assert_true(map_page(f, 0, MAPPED, 16, ENTRYLO_V));
    assert_false(map_page(f, 1, MAPPED, 32, ENTRYLO_V));
    assert_true(map_page(f, 0, MAPPED, 32, ENTRYLO_V)); /* in its own place */
    f->s->cp0.entry_hi = MAPPED;
    f->s->cp0.index = 9;
    RUN(f, 1, TLBWI);
    assert_int_equal(exception_code(f), MIPS_EXCEPTION_MACHINE_CHECK);
    assert_true(f->s->cp0.status & STATUS_TS);
    assert_false(f->s->tlb[9].used);
    assert_int_equal(f->s->pc, GENERAL);
}

static void the_tlb_is_read_probed_and_written_by_instructions(void **state)
{
    struct fixture *const f = *state;
    assert_true(map_page(f, 40, MAPPED | 3, 16, ENTRYLO_V | ENTRYLO_D));
    f->s->cp0.entry_hi = MAPPED | 3;
    mips_state_changed(f->cpu);
    RUN(f, 3, TLBP, TLBR, MFC0(8u, 2u, 0u));
    assert_int_equal(f->s->cp0.index, 40);
    assert_int_equal(f->s->r[8], 16 << 6 | 6);
    f->s->cp0.entry_hi = MAPPED + 0x4000;
    RUN(f, 1, TLBP);
    assert_int_equal(f->s->cp0.index, INDEX_PROBE_FAILURE);
    /* Random keeps off the wired entries */
    f->s->cp0.wired = 60;
    for (unsigned i = 0; i < 200; i++) {
        const uint32_t random = mips_cp0_read(f->cpu, 1, 0);
        assert_true(random >= 60 && random < 64);
    }
}

static void a_miss_is_a_refill_and_an_invalid_page_is_not(void **state)
{
    struct fixture *const f = *state;
    f->s->cp0.context = 0xff800000;
    f->s->r[9] = 0x12345678;
    RUN(f, 1, LW(8u, 0u, 9u));
    assert_int_equal(f->s->pc, REFILL);
    assert_int_equal(exception_code(f), MIPS_EXCEPTION_TLB_LOAD);
    assert_int_equal(f->s->cp0.bad_vaddr, 0x12345678);
    assert_int_equal(f->s->cp0.context, 0xff800000 | 0x12345678 >> 13 << 4);
    assert_int_equal(f->s->cp0.entry_hi, 0x12344000);
    assert_int_equal(f->s->cp0.epc, CODE);
    /* with EXL already set: the general vector, EPC as it was */
    f->s->r[9] = MAPPED;
    RUN(f, 1, NOP, SW(8u, 0u, 9u));
    RUN(f, 2, NOP, SW(8u, 0u, 9u));
    assert_int_equal(f->s->pc, GENERAL);
    assert_int_equal(f->s->cp0.epc, CODE);
    f->s->cp0.status = 0;
    assert_true(map_page(f, 0, MAPPED, 16, 0));
    mips_state_changed(f->cpu);
    RUN(f, 1, SW(8u, 0u, 9u));
    assert_int_equal(f->s->pc, GENERAL);
    assert_int_equal(exception_code(f), MIPS_EXCEPTION_TLB_STORE);
}

static void vectors_follow_bev_iv_and_ebase(void **state)
{
    struct fixture *const f = *state;
    RUN(f, 1, SYSCALL);
    assert_int_equal(f->s->pc, GENERAL);
    f->s->cp0.status = 0;
    mips_cp0_write(f->cpu, 15, 1, 0x00005000);
    assert_int_equal(mips_cp0_read(f->cpu, 15, 1), 0x80005000);
    RUN(f, 1, SYSCALL);
    assert_int_equal(f->s->pc, 0x80005180);
    f->s->cp0.status = STATUS_BEV;
    RUN(f, 1, SYSCALL);
    assert_int_equal(f->s->pc, 0xbfc00380);
    f->s->cp0.status = STATUS_IE | 1 << 8;
    f->s->cp0.cause = CAUSE_IV | 1 << 8;
    RUN(f, 1, NOP);
    assert_int_equal(f->s->pc, 0x80005200);
    assert_int_equal(exception_code(f), 0);
    assert_int_equal(f->s->cp0.epc, CODE);
}

static void an_exception_in_a_delay_slot_names_the_branch(void **state)
{
    struct fixture *const f = *state;
    RUN(f, 2, BEQ(0u, 0u, 3u), SYSCALL);
    assert_int_equal(f->s->cp0.epc, CODE);
    assert_true(f->s->cp0.cause & CAUSE_BD);
    /* a slot on the next page, which is not there */
    assert_true(map_page(f, 0, MAPPED, 16, ENTRYLO_V | ENTRYLO_D));
    put_word(f, 17 * 4096 + 4092, BEQ(0u, 0u, 3u));
    f->s->cp0.status = 0;
    f->s->pc = MAPPED + 8188;
    mips_state_changed(f->cpu);
    mips_run(f->cpu, 2);
    assert_int_equal(f->s->pc, REFILL);
    assert_int_equal(f->s->cp0.epc, MAPPED + 8188);
    assert_int_equal(f->s->cp0.bad_vaddr, MAPPED + 8192);
    assert_true(f->s->cp0.cause & CAUSE_BD);
    /* and once it is there it is executed, and the branch goes on */
    assert_true(map_page(f, 1, MAPPED + 0x2000, 20, ENTRYLO_V));
    put_word(f, 20 * 4096, ADDIU(8u, 0u, 77u));
    f->s->cp0.status = 0;
    f->s->pc = MAPPED + 8188;
    mips_state_changed(f->cpu);
    mips_run(f->cpu, 2);
    assert_int_equal(f->s->r[8], 77);
    assert_int_equal(f->s->pc, MAPPED + 8192 + 12);
}

static void privileges_are_kept(void **state)
{
    struct fixture *const f = *state;
    assert_true(map_page(f, 0, MAPPED, 1, ENTRYLO_V));
    static const uint32_t words[] = {MFC0(8u, 12u, 0u), TLBWI, ERET, WAIT, 0xbc000000, 0x41606000};
    for (unsigned mode = 1; mode <= 2; mode++)
        for (size_t i = 0; i < sizeof words / 4; i++) {
            put_word(f, CODE, words[i]);
            f->s->cp0.status = mode << STATUS_KSU_SHIFT;
            f->s->pc = MAPPED;
            mips_state_changed(f->cpu);
            mips_run(f->cpu, 1);
            assert_int_equal(exception_code(f), MIPS_EXCEPTION_COPROCESSOR);
            assert_int_equal(f->s->cp0.cause & CAUSE_CE, 0);
        }
    /* UserLocal is the user's to read where HWREna says so */
    f->s->cp0.user_local = 4711;
    put_word(f, CODE, RDHWR(8u, 29u));
    for (uint32_t allowed = 0; allowed < 2; allowed++) {
        f->s->cp0.status = 2u << STATUS_KSU_SHIFT;
        f->s->cp0.hwrena = allowed << 29;
        f->s->pc = MAPPED;
        mips_state_changed(f->cpu);
        mips_run(f->cpu, 1);
        assert_int_equal(f->s->pc, allowed ? MAPPED + 4 : GENERAL);
    }
    assert_int_equal(f->s->r[8], 4711);
}

static void the_timer_interrupts_when_count_reaches_compare(void **state)
{
    struct fixture *const f = *state;
    put_word(f, CODE, BEQ(0u, 0u, 0xffffu));
    f->s->cp0.status = STATUS_IE | CAUSE_IP7;
    f->s->pc = CODE;
    mips_state_changed(f->cpu);
    mips_cp0_write(f->cpu, 9, 0, 0);
    mips_cp0_write(f->cpu, 11, 0, 500);
    assert_int_equal(mips_until_timer(f->cpu), 1000);
    assert_int_equal(mips_run(f->cpu, 998), MIPS_STOP_LIMIT);
    assert_false(f->s->cp0.cause & CAUSE_TI);
    mips_run(f->cpu, 3);
    assert_true(f->s->cp0.cause & CAUSE_TI);
    assert_int_equal(f->s->pc & 0xfffff000, KSEG0);
    mips_cp0_write(f->cpu, 11, 0, 900); /* takes it away */
    assert_false(f->s->cp0.cause & (CAUSE_TI | CAUSE_IP7));
    /* Count stands while DC is set */
    mips_cp0_write(f->cpu, 13, 0, CAUSE_DC);
    const uint32_t count = mips_cp0_read(f->cpu, 9, 0);
    mips_skip(f->cpu, 10000);
    assert_int_equal(mips_cp0_read(f->cpu, 9, 0), count);
    assert_true(mips_until_timer(f->cpu) == UINT64_MAX);
}

static void wait_waits_for_an_interrupt(void **state)
{
    struct fixture *const f = *state;
    f->s->cp0.status = STATUS_IE | 1u << 10;
    mips_state_changed(f->cpu);
    put_word(f, CODE, WAIT);
    assert_int_equal(mips_run(f->cpu, 100), MIPS_STOP_WAIT);
    assert_int_equal(mips_instructions(f->cpu), 1);
    assert_int_equal(mips_run(f->cpu, 100), MIPS_STOP_WAIT);
    mips_set_interrupt(f->cpu, 0, true);
    mips_run(f->cpu, 1);
    assert_int_equal(f->s->pc, GENERAL);
    assert_int_equal(f->s->cp0.epc, CODE + 4);
    mips_set_interrupt(f->cpu, 0, false);
    assert_int_equal(f->s->cp0.cause & CAUSE_IP, 0);
}

static void nothing_where_there_is_nothing(void **state)
{
    struct fixture *const f = *state;
    f->s->r[9] = KSEG1 + DEVICE + 8;
    f->device_value = 0xfedcba9876543210;
    RUN(f, 1, LW(8u, 0u, 9u));
    assert_int_equal(f->s->r[8], 0x76543210);
    assert_int_equal(f->device_physical, DEVICE + 8);
    assert_int_equal(f->device_bytes, 4);
    f->s->r[9] = KSEG1 + DEVICE + 0x2000;
    RUN(f, 1, SB(8u, 0u, 9u));
    assert_int_equal(exception_code(f), MIPS_EXCEPTION_BUS_DATA);
    f->s->pc = KSEG1 + DEVICE + 0x3000;
    mips_run(f->cpu, 1);
    assert_int_equal(exception_code(f), MIPS_EXCEPTION_BUS_FETCH);
    /* code in a device is fetched a word at a time */
    f->device_value = ADDIU(8u, 8u, 1u);
    f->s->r[8] = 0;
    f->s->pc = KSEG1 + DEVICE;
    mips_run(f->cpu, 5);
    assert_int_equal(f->s->r[8], 5);
}

static void a_monitor_hears_of_every_exception(void **state)
{
    struct fixture *const f = *state;
    put_word(f, CODE, ADDIU(8u, 0u, 1u));
    put_word(f, CODE + 4, SYSCALL);
    assert_int_equal(mips_run(f->cpu, 100), MIPS_STOP_EXCEPTION);
    assert_int_equal(mips_instructions(f->cpu), 2);
    assert_int_equal(f->s->cp0.epc, CODE + 4);
    char *const text = mips_describe(f->cpu);
    assert_non_null(strstr(text, "kernel mode"));
    free(text);
    f->s->cp0.status = 0;
    f->s->pc = CODE + 4;
    mips_state_changed(f->cpu);
    mips_raise(f->cpu, MIPS_EXCEPTION_ADDRESS_STORE, 0x1235);
    assert_int_equal(f->s->cp0.bad_vaddr, 0x1235);
    assert_int_equal(f->s->cp0.epc, CODE + 4);
    assert_int_equal(f->s->pc, GENERAL);
}

static int start_monitor(void **state)
{
    return start_with(state, (struct mips_model){.stop_on_exception = true});
}

static void models_that_cannot_be_are_refused(void **state)
{
    struct fixture *const f = *state;
    assert_null(mips_cpu_new(f->memory, &(struct mips_model){.tlb_entries = 17}, 0));
    assert_null(mips_cpu_new(f->memory, &(struct mips_model){.tlb_entries = 128}, 0));
    assert_null(mips_cpu_new(f->memory, &(struct mips_model){0}, 1024));
    assert_null(mips_memory_new(MIPS_FRAMES_MAX + 1, NULL));
    assert_false(mips_memory_map(f->memory, FRAMES, f->host, true));
    assert_false(mips_record(f->cpu, (struct mips_reference[4]){0}, 4));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_mode_has_its_segments),
        TEST(pages_of_every_size_translate),
        TEST(asids_part_entries_and_global_ones_do_not_care),
        TEST(two_entries_for_one_address_are_a_machine_check),
        TEST(the_tlb_is_read_probed_and_written_by_instructions),
        TEST(a_miss_is_a_refill_and_an_invalid_page_is_not),
        TEST(vectors_follow_bev_iv_and_ebase),
        TEST(an_exception_in_a_delay_slot_names_the_branch),
        TEST(privileges_are_kept),
        TEST(the_timer_interrupts_when_count_reaches_compare),
        TEST(wait_waits_for_an_interrupt),
        TEST(nothing_where_there_is_nothing),
        cmocka_unit_test_setup_teardown(a_monitor_hears_of_every_exception, start_monitor, stop),
        TEST(models_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
