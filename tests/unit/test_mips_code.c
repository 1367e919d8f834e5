/* The CPU's memory: code that changes, frames that move, links of LL and SC, several CPUs, and the
 * references that are written down. */
#include "tests/unit/mips_fixture.h"

static int start(void **state)
{
    return start_with(state, (struct mips_model){0});
}

static void stores_change_code_that_has_run(void **state)
{
    struct fixture *const f = *state;
    f->s->r[9] = CODE;
    f->s->r[10] = ADDIU(8u, 0u, 2u);
    RUN(f, 1, ADDIU(8u, 0u, 1u), SYSCALL);
    assert_int_equal(f->s->r[8], 1);
    put_word(f, CODE + 0x100, SW(10u, 0u, 9u));
    put_word(f, CODE + 0x104, SYNCI(9u));
    put_word(f, CODE + 0x108, JR(9u));
    put_word(f, CODE + 0x10c, NOP);
    f->s->pc = CODE + 0x100;
    mips_run(f->cpu, 5);
    assert_int_equal(f->s->r[8], 2);
    /* another CPU's store, through a translation that was cached before there was code */
    struct mips_state *const other = mips_state(f->other);
    const uint32_t page = KSEG0 + 0x8000;
    other->r[9] = page;
    other->r[10] = ADDIU(8u, 0u, 3u);
    put_word(f, CODE + 0x200, SW(10u, 0u, 9u));
    other->pc = CODE + 0x200;
    mips_run(f->other, 1);
    f->s->pc = page;
    mips_run(f->cpu, 1);
    assert_int_equal(f->s->r[8], 3);
    other->r[10] = ADDIU(8u, 0u, 4u);
    other->pc = CODE + 0x200;
    mips_run(f->other, 1);
    f->s->pc = page;
    mips_run(f->cpu, 1);
    assert_int_equal(f->s->r[8], 4);
}

static void data_beside_code_are_stored_without_losing_it(void **state)
{
    struct fixture *const f = *state;
    f->s->r[9] = CODE + 0x800;
    f->s->r[8] = 0;
    /* 100 turns of: count, store, branch back */
    RUN(f, 400, ADDIU(8u, 8u, 1u), SW(8u, 0u, 9u), BEQ(0u, 0u, 0xfffdu), NOP);
    assert_int_equal(get_word(f, CODE + 0x800), 100);
}

static void frames_move_under_a_running_program(void **state)
{
    struct fixture *const f = *state;
    uint8_t *const host = aligned_alloc(MIPS_PAGE_BYTES, MIPS_PAGE_BYTES);
    const uint32_t frame = 40, page = KSEG0 + frame * MIPS_PAGE_BYTES;
    put_word(f, page, ADDIU(8u, 8u, 1u));
    put_word(f, page + 4, LW(10u, 0x100u, 9u));
    put_word(f, page + 8, SW(8u, 0x200u, 9u));
    put_word(f, page + 12, BEQ(0u, 0u, 0xfffcu));
    f->s->r[9] = page;
    f->s->pc = page;
    mips_run(f->cpu, 50);
    /* other bytes: it loads what is there now, executes what is there now, stores there */
    memset(host, 0, MIPS_PAGE_BYTES);
    memcpy(host, f->host + (size_t)frame * MIPS_PAGE_BYTES, 16);
    const uint32_t word = ADDIU(8u, 8u, 100u), value = 4711;
    memcpy(host, &word, 4);
    memcpy(host + 0x100, &value, 4);
    mips_memory_map(f->memory, frame, host, true);
    memset(f->host + (size_t)frame * MIPS_PAGE_BYTES, 0xff, MIPS_PAGE_BYTES);
    f->s->pc = page;
    f->s->r[8] = 0;
    mips_run(f->cpu, 50);
    assert_int_equal(f->s->r[8], 1000);
    assert_int_equal(f->s->r[10], 4711);
    uint32_t stored;
    memcpy(&stored, host + 0x200, 4);
    assert_int_equal(stored, 1000);
    /* away: a bus error; read only: stores go to the bus */
    mips_memory_map(f->memory, frame, NULL, false);
    f->s->pc = page;
    mips_run(f->cpu, 1);
    assert_int_equal(exception_code(f), MIPS_EXCEPTION_BUS_FETCH);
    mips_memory_map(f->memory, frame, host, false);
    f->s->cp0.status = 0;
    f->s->pc = page + 8;
    mips_state_changed(f->cpu);
    mips_run(f->cpu, 1);
    assert_int_equal(exception_code(f), MIPS_EXCEPTION_BUS_DATA);
    free(host);
}

/* LL on one CPU, something, then SC there: does it store? */
static bool link_survives(struct fixture *f, bool (*between)(struct fixture *))
{
    const uint32_t at = KSEG0 + 0x9000;
    f->s->r[9] = at;
    f->s->r[8] = 7;
    put_word(f, CODE + 0x300, LL(10u, 0u, 9u));
    put_word(f, CODE + 0x304, SC(8u, 0u, 9u));
    f->s->pc = CODE + 0x300;
    mips_run(f->cpu, 1);
    assert_true(between(f));
    f->s->pc = CODE + 0x304;
    mips_run(f->cpu, 1);
    return f->s->r[8] == 1;
}

static bool nothing(struct fixture *f)
{
    (void)f;
    return true;
}

static bool other_stores(struct fixture *f, uint32_t offset)
{
    struct mips_state *const other = mips_state(f->other);
    other->r[9] = KSEG0 + 0x9000;
    put_word(f, CODE + 0x400, SW(0u, offset, 9u));
    other->pc = CODE + 0x400;
    return mips_run(f->other, 1) == MIPS_STOP_LIMIT;
}

static bool other_stores_the_same_value(struct fixture *f)
{
    return other_stores(f, 0);
}

static bool other_stores_elsewhere_on_the_page(struct fixture *f)
{
    return other_stores(f, 64);
}

static bool dma(struct fixture *f)
{
    mips_memory_written(f->memory, 0x9000, 4);
    return true;
}

static bool exception_return(struct fixture *f)
{
    f->s->cp0.epc = CODE;
    RUN(f, 1, ERET);
    return true;
}

static bool monitor_trap(struct fixture *f)
{
    RUN(f, 1, SYSCALL); /* and the monitor goes on behind it, without ERET */
    f->s->cp0.status &= ~STATUS_EXL;
    mips_state_changed(f->cpu);
    return true;
}

static void links_are_lost_to_stores_of_others_and_eret_alone(void **state)
{
    struct fixture *const f = *state;
    other_stores(f, 0); /* its translation is cached */
    assert_true(link_survives(f, nothing));
    assert_true(link_survives(f, other_stores_elsewhere_on_the_page));
    assert_true(link_survives(f, monitor_trap));
    assert_false(link_survives(f, other_stores_the_same_value));
    assert_false(link_survives(f, dma));
    assert_false(link_survives(f, exception_return));
}

/* Both CPUs add to one word under LL and SC, in turns of every length. */
static void counting_together_loses_nothing(void **state)
{
    struct fixture *const f = *state;
    const uint32_t words[] = {LL(8u, 0u, 9u),
                              ADDIU(8u, 8u, 1u),
                              SC(8u, 0u, 9u),
                              BEQ(8u, 0u, 0xfffcu),
                              NOP,
                              ADDIU(11u, 11u, 0xffffu),
                              BNE(11u, 0u, 0xfff9u),
                              NOP,
                              WAIT};
    for (unsigned i = 0; i < sizeof words / 4; i++)
        put_word(f, CODE + 4 * i, words[i]);
    struct mips_cpu *const cpu[2] = {f->cpu, f->other};
    for (unsigned i = 0; i < 2; i++) {
        mips_state(cpu[i])->r[9] = KSEG0 + 0xa000;
        mips_state(cpu[i])->r[11] = 500;
    }
    bool waits[2] = {false, false};
    for (unsigned turn = 0; turn < 100000 && !(waits[0] && waits[1]); turn++)
        waits[turn % 2] = mips_run(cpu[turn % 2], 1 + turn % 13) == MIPS_STOP_WAIT;
    assert_int_equal(get_word(f, 0xa000), 1000);
}

static void a_likely_branch_that_is_not_taken_skips_its_slot(void **state)
{
    struct fixture *const f = *state;
    struct mips_reference list[MIPS_REFERENCES_MIN];
    assert_true(mips_record(f->cpu, list, MIPS_REFERENCES_MIN));
    f->s->r[8] = 0;
    RUN(f, 2, BNEL(0u, 0u, 5u), ADDIU(8u, 0u, 1u), ADDIU(10u, 0u, 2u));
    assert_int_equal(f->s->r[8], 0);
    assert_int_equal(f->s->r[10], 2);
    assert_int_equal(f->s->pc, CODE + 12);
    unsigned fetched = 0;
    for (size_t i = 0, count = mips_recorded(f->cpu); i < count; i++)
        fetched += list[i].kind == MIPS_FETCH ? list[i].place : 0;
    assert_int_equal(fetched, 2);
}

static void every_reference_is_written_down_in_order(void **state)
{
    struct fixture *const f = *state;
    struct mips_reference list[MIPS_REFERENCES_MIN];
    assert_true(mips_record(f->cpu, list, MIPS_REFERENCES_MIN));
    f->s->r[9] = KSEG0 + 0x9000;
    RUN(f, 5, SW(8u, 4u, 9u), ADDU(8u, 8u, 8u), 0x91280003u /* lbu $8, 3($9) */, BEQ(0u, 0u, 9u),
        0xa9280002u /* swl $8, 2($9) */);
    static const struct mips_reference expected[] = {
        {CODE, MIPS_FETCH, MIPS_KERNEL, 5},
        {KSEG0 + 0x9004, MIPS_STORE, 4, 0},
        {KSEG0 + 0x9003, MIPS_LOAD, 1, 2},
        {KSEG0 + 0x9000, MIPS_STORE, 3, 4},
    };
    assert_int_equal(mips_recorded(f->cpu), 4);
    assert_memory_equal(list, expected, sizeof expected);
    /* a load that faults is not there, its fetch is, what follows is not */
    f->s->r[9] = KSEG0 + 0x9001;
    RUN(f, 2, ADDU(8u, 8u, 8u), LW(8u, 0u, 9u), SW(8u, 0u, 9u));
    assert_int_equal(mips_recorded(f->cpu), 1);
    assert_int_equal(list[0].place, 2);
}

static void a_full_list_stops_the_run_and_loses_nothing(void **state)
{
    struct fixture *const f = *state;
    struct mips_reference list[MIPS_REFERENCES_MIN];
    assert_true(mips_record(f->cpu, list, MIPS_REFERENCES_MIN));
    f->s->r[9] = KSEG0 + 0x9000;
    put_word(f, CODE, LW(8u, 0u, 9u));
    put_word(f, CODE + 4, BEQ(0u, 0u, 0xfffeu));
    put_word(f, CODE + 8, ADDIU(10u, 10u, 1u));
    const uint64_t total = 30000, before = mips_instructions(f->cpu);
    uint64_t fetches = 0, loads = 0;
    for (;;) {
        const uint64_t done = mips_instructions(f->cpu) - before;
        const enum mips_stop why = mips_run(f->cpu, total - done);
        for (size_t i = 0, count = mips_recorded(f->cpu); i < count; i++) {
            fetches += list[i].kind == MIPS_FETCH ? list[i].place : 0;
            loads += list[i].kind == MIPS_LOAD;
        }
        if (why == MIPS_STOP_LIMIT)
            break;
        assert_int_equal(why, MIPS_STOP_REFERENCES);
    }
    assert_int_equal(fetches, total);
    assert_int_equal(loads, total / 3);
    assert_int_equal(f->s->r[10], total / 3);
}

/* However a run is cut, it is the same run. */
static void runs_repeat_whatever_their_pieces(void **state)
{
    struct fixture *const f = *state;
    const uint32_t words[] = {ADDIU(8u, 8u, 3u),
                              ADDU(10u, 10u, 8u),
                              SW(10u, 0u, 9u),
                              MFC0(12u, 9u, 0u),
                              ADDU(13u, 13u, 12u),
                              BNE(8u, 11u, 0xfffau),
                              NOP,
                              SYSCALL};
    struct mips_state results[2];
    for (unsigned way = 0; way < 2; way++) {
        struct mips_cpu *const cpu = way ? f->other : f->cpu;
        struct mips_state *const s = mips_state(cpu);
        for (unsigned i = 0; i < sizeof words / 4; i++)
            put_word(f, CODE + 4 * i, words[i]);
        s->r[9] = KSEG0 + 0x9000;
        s->r[11] = 300;
        s->cp0.status = STATUS_IE | CAUSE_IP7;
        mips_state_changed(cpu);
        mips_cp0_write(cpu, 11, 0, 333);
        put_word(f, GENERAL, BEQ(0u, 0u, 0xffffu));
        const uint64_t end = 1500;
        for (unsigned i = 0; mips_instructions(cpu) < end; i++) {
            const uint64_t left = end - mips_instructions(cpu);
            mips_run(cpu, way && left > i % 7 + 1 ? i % 7 + 1 : left);
        }
        memcpy(&results[way], s, sizeof *s);
        results[way].cp0.ebase = 0; /* says which CPU it is */
    }
    assert_memory_equal(results[0].r, results[1].r, sizeof results[0].r);
    assert_int_equal(results[0].pc, results[1].pc);
    assert_memory_equal(&results[0].cp0, &results[1].cp0, sizeof results[0].cp0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(stores_change_code_that_has_run),
        TEST(data_beside_code_are_stored_without_losing_it),
        TEST(frames_move_under_a_running_program),
        TEST(links_are_lost_to_stores_of_others_and_eret_alone),
        TEST(counting_together_loses_nothing),
        TEST(a_likely_branch_that_is_not_taken_skips_its_slot),
        TEST(every_reference_is_written_down_in_order),
        TEST(a_full_list_stops_the_run_and_loses_nothing),
        TEST(runs_repeat_whatever_their_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
