/* The CPU under an owner that fills its TLB: what is asked, when, and what of the references is there
 * to be handed on by then. */
#include "tests/unit/mips_fixture.h"

#define MAPPED 0x00402000u /* an even page of useg */
#define PAGES  16u         /* from MAPPED on, at frames 16 and up */

struct stream {
    struct mips_reference list[MIPS_REFERENCES_MIN];
    struct {
        uint32_t address;
        enum mips_access access;
    } said[2048];
    size_t count;
    struct mips_reference run; /* what is still to come of it: address, place */
    unsigned done;
};

struct owner {
    struct fixture *f;
    unsigned asked;
    uint32_t address;
    enum mips_access access;
    uint32_t flags;        /* of the entries that are written; 0: none is */
    bool reluctant;        /* writable entries for stores alone */
    bool says;             /* what is answered */
    int interrupt;         /* a line to raise, or -1 */
    bool drops_code;       /* takes frame 30 away, where the program is */
    bool one_entry;        /* all pages go to one entry, so that nearly every access misses */
    struct stream *stream; /* hands on what was recorded */
};

static void say(struct stream *stream, uint32_t address, enum mips_access access)
{
    assert_true(stream->count < sizeof stream->said / sizeof *stream->said);
    stream->said[stream->count].address = address;
    stream->said[stream->count++].access = access;
}

static void say_fetches(struct stream *stream, unsigned until)
{
    for (; stream->done < until; stream->done++)
        say(stream, stream->run.address + 4 * stream->done, MIPS_FETCH);
}

/* As a reader of the list would, each list by itself. */
static void hand_on(struct fixture *f, struct stream *stream)
{
    const size_t recorded = mips_recorded(f->cpu);
    stream->run = (struct mips_reference){0};
    stream->done = 0;
    for (size_t i = 0; i < recorded; i++) {
        const struct mips_reference *const reference = &stream->list[i];
        if (reference->kind == MIPS_FETCH) {
            say_fetches(stream, stream->run.place);
            assert_true(reference->place > 0);
            stream->run = *reference;
            stream->done = 0;
        } else {
            if (stream->run.place)
                say_fetches(stream, reference->place + 1u);
            else
                assert_int_equal(reference->place, 0);
            say(stream, reference->address, (enum mips_access)reference->kind);
        }
    }
    say_fetches(stream, stream->run.place);
}

static bool miss(void *data, struct mips_cpu *cpu, uint32_t address, enum mips_access access)
{
    struct owner *const owner = data;
    owner->asked++;
    owner->address = address;
    owner->access = access;
    const uint32_t pair = (address - MAPPED) / (2 * MIPS_PAGE_BYTES);
    const bool there = pair < PAGES / 2;
    const uint32_t flags =
        owner->flags & ~(owner->reluctant && access != MIPS_STORE ? ENTRYLO_D : 0);
    if (owner->flags && there) {
        const struct mips_tlb_entry entry = {
            .entry_hi = address & ENTRYHI_VPN2,
            .entry_lo = {(16 + 2 * pair) << ENTRYLO_PFN_SHIFT | flags,
                         (17 + 2 * pair) << ENTRYLO_PFN_SHIFT | flags},
            .used = true,
        };
        assert_true(mips_tlb_write(cpu, owner->one_entry ? access == MIPS_FETCH : pair, &entry));
    }
    if (owner->drops_code && access != MIPS_FETCH)
        mips_tlb_drop(cpu, 30);
    if (owner->interrupt >= 0)
        mips_set_interrupt(cpu, (unsigned)owner->interrupt, true);
    if (owner->stream)
        hand_on(owner->f, owner->stream);
    return owner->says && there;
}

static int start(void **state)
{
    return start_with(state, (struct mips_model){0});
}

static struct owner owner_of(struct fixture *f)
{
    return (struct owner){.f = f, .flags = ENTRYLO_V | ENTRYLO_D, .says = true, .interrupt = -1};
}

static void a_miss_that_is_filled_costs_nothing(void **state)
{
    struct fixture *const f = *state;
    struct owner owner = owner_of(f);
    mips_on_miss(f->cpu, &owner, miss);
    put_word(f, 16 * MIPS_PAGE_BYTES + 8, 77);
    f->s->r[4] = MAPPED;
    RUN(f, 3, LW(5, 8, 4), ADDIU(5, 5, 1), SW(5, 12, 4));
    assert_int_equal(owner.asked, 1);
    assert_int_equal(owner.address, MAPPED + 8);
    assert_int_equal(owner.access, MIPS_LOAD);
    assert_int_equal(f->s->r[5], 78);
    assert_int_equal(get_word(f, 16 * MIPS_PAGE_BYTES + 12), 78);
    assert_int_equal(f->s->pc, CODE + 12);
    assert_int_equal(mips_instructions(f->cpu), 3);
    assert_false(f->s->cp0.status & STATUS_EXL);
}

static void a_fetch_asks_too(void **state)
{
    struct fixture *const f = *state;
    struct owner owner = owner_of(f);
    mips_on_miss(f->cpu, &owner, miss);
    put_word(f, 17 * MIPS_PAGE_BYTES - 4, ADDIU(5, 0, 3));
    put_word(f, 17 * MIPS_PAGE_BYTES, ADDIU(6, 0, 4));
    f->s->pc = MAPPED + MIPS_PAGE_BYTES - 4;
    mips_run(f->cpu, 2);
    assert_int_equal(owner.asked, 1);
    assert_int_equal(owner.access, MIPS_FETCH);
    assert_int_equal(f->s->r[6], 4);
    assert_int_equal(mips_instructions(f->cpu), 2);
}

static void an_interrupt_raised_at_a_fetch_comes_before_it(void **state)
{
    struct fixture *const f = *state;
    struct owner owner = owner_of(f);
    owner.interrupt = 1;
    mips_on_miss(f->cpu, &owner, miss);
    f->s->cp0.status = STATUS_IE | 0xff00;
    f->s->cp0.ebase = EBASE_FIXED;
    mips_state_changed(f->cpu);
    f->s->pc = MAPPED;
    mips_run(f->cpu, 1);
    assert_int_equal(exception_code(f), MIPS_EXCEPTION_INTERRUPT);
    assert_int_equal(f->s->cp0.epc, MAPPED);
}

static void what_is_not_filled_raises_as_ever(void **state)
{
    struct fixture *const f = *state;
    struct owner owner = owner_of(f);
    owner.flags = 0;
    mips_on_miss(f->cpu, &owner, miss);
    for (unsigned says = 0; says < 2; says++) {
        owner.asked = 0;
        owner.says =
            says; /* true without an entry is no entry either: the host does not wait for one */
        f->s->cp0.status = 0;
        mips_state_changed(f->cpu);
        f->s->r[4] = MAPPED;
        RUN(f, 1, SW(5, 8, 4));
        assert_int_equal(owner.asked, 1);
        assert_int_equal(owner.access, MIPS_STORE);
        assert_int_equal(exception_code(f), MIPS_EXCEPTION_TLB_STORE);
        assert_int_equal(f->s->pc, REFILL);
        assert_int_equal(f->s->cp0.bad_vaddr, MAPPED + 8);
        assert_int_equal(f->s->cp0.epc, CODE);
    }
}

static void a_store_to_what_is_not_writable_asks(void **state)
{
    struct fixture *const f = *state;
    struct owner owner = owner_of(f);
    assert_true(map_page(f, 0, MAPPED, 16, ENTRYLO_V));
    mips_on_miss(f->cpu, &owner, miss);
    f->s->r[4] = MAPPED;
    f->s->r[5] = 9;
    RUN(f, 2, LW(6, 8, 4), SW(5, 8, 4));
    assert_int_equal(owner.asked, 1);
    assert_int_equal(owner.access, MIPS_STORE);
    assert_int_equal(get_word(f, 16 * MIPS_PAGE_BYTES + 8), 9);
    /* kept read-only: the guest's own exception */
    owner.flags = ENTRYLO_V;
    assert_true(map_page(f, 0, MAPPED, 16, ENTRYLO_V));
    RUN(f, 1, SW(5, 12, 4));
    assert_int_equal(exception_code(f), MIPS_EXCEPTION_TLB_MODIFIED);
}

static void a_failing_sc_asks_for_no_store(void **state)
{
    struct fixture *const f = *state;
    struct owner owner = owner_of(f);
    owner.reluctant = true; /* as with copies that must not be written */
    mips_on_miss(f->cpu, &owner, miss);
    f->s->r[4] = MAPPED;
    f->s->r[5] = 9;
    RUN(f, 1, SC(5, 8, 4));
    assert_int_equal(owner.access, MIPS_CONDITIONAL);
    assert_int_equal(f->s->r[5], 0);
    assert_false(f->s->cp0.status & STATUS_EXL);
    /* one that holds its link stores */
    f->s->r[5] = 9;
    RUN(f, 2, LL(6, 8, 4), SC(5, 8, 4));
    assert_int_equal(owner.access, MIPS_STORE);
    assert_int_equal(f->s->r[5], 1);
    assert_int_equal(get_word(f, 16 * MIPS_PAGE_BYTES + 8), 9);
    /* one that nobody fills for raises what a store raises */
    mips_tlb_clear(f->cpu);
    owner.says = false;
    RUN(f, 1, SC(5, 8, 4));
    assert_int_equal(exception_code(f), MIPS_EXCEPTION_TLB_STORE);
}

static void a_dropped_frame_is_gone_in_its_half_alone(void **state)
{
    struct fixture *const f = *state;
    uint32_t physical;
    assert_true(map_page(f, 0, MAPPED, 16, ENTRYLO_V | ENTRYLO_D));
    const struct mips_tlb_entry large = {
        .page_mask = 0x6000,
        .entry_hi = 0x10000000,
        .entry_lo = {32 << ENTRYLO_PFN_SHIFT | ENTRYLO_V, 36 << ENTRYLO_PFN_SHIFT | ENTRYLO_V},
        .used = true,
    };
    assert_true(mips_tlb_write(f->cpu, 1, &large));
    f->s->r[4] = MAPPED;
    f->s->r[6] = 0x10005000;
    RUN(f, 3, LW(5, 0, 4), SW(5, 0, 4), LW(5, 0, 6)); /* now they are remembered */
    mips_tlb_drop(f->cpu, 16);
    mips_tlb_drop(f->cpu, 39);
    assert_int_equal(mips_translate(f->cpu, MAPPED, MIPS_LOAD, &physical), 2);
    assert_int_equal(mips_translate(f->cpu, MAPPED + 4096, MIPS_STORE, &physical), -1);
    assert_int_equal(mips_translate(f->cpu, 0x10003000, MIPS_LOAD, &physical), -1);
    assert_int_equal(mips_translate(f->cpu, 0x10004000, MIPS_LOAD, &physical), 2);
    static const uint32_t each[] = {LW(5, 0, 4), SW(5, 0, 4), LW(5, 0, 6)};
    for (unsigned i = 0; i < 3; i++) {
        f->s->cp0.status = 0;
        mips_state_changed(f->cpu);
        RUN(f, 1, each[i]);
        assert_int_equal(f->s->pc, GENERAL); /* invalid, not missing */
        assert_int_equal(exception_code(f),
                         i == 1 ? MIPS_EXCEPTION_TLB_STORE : MIPS_EXCEPTION_TLB_LOAD);
    }
}

static void a_page_dropped_while_it_runs_is_fetched_anew(void **state)
{
    struct fixture *const f = *state;
    struct owner owner = owner_of(f);
    owner.drops_code = true;
    mips_on_miss(f->cpu, &owner, miss);
    static const uint32_t code[] = {BEQ(4, 5, 2), ADDIU(4, 4, 4), LW(6, 0, 7), BEQ(0, 0, 0xfffc),
                                    NOP};
    for (unsigned i = 0; i < sizeof code / sizeof *code; i++)
        put_word(f, 30 * MIPS_PAGE_BYTES + 4 * i, code[i]);
    f->s->r[5] = 64;
    f->s->r[7] = MAPPED;
    f->s->pc = MAPPED + 14 * MIPS_PAGE_BYTES;
    mips_run(f->cpu, 5); /* the first time around: the page, then the load, which takes it away */
    assert_int_equal(owner.asked, 2);
    mips_run(f->cpu, 1);
    assert_int_equal(owner.asked, 3);
    assert_int_equal(owner.access, MIPS_FETCH);
    /* and in the middle of a run of blocks that know each other */
    mips_run(f->cpu, 18);
    assert_int_equal(owner.asked, 3);
    f->s->r[7] = MAPPED + 2 * MIPS_PAGE_BYTES;
    mips_run(f->cpu, 12);
    assert_int_equal(owner.asked, 5);
    assert_int_equal(owner.access, MIPS_FETCH);
}

/* A loop over pages: loads and stores behind each other, in a delay slot, in halves; LL and SC; and
 * its code on a mapped page. */
static void run_loop_of_misses(struct fixture *f, struct owner *owner, struct stream *stream)
{
    static const uint32_t code[] = {
        LW(5, 8, 4),
        ADDU(6, 6, 5),
        SW(6, 4, 7),
        LL(8, 0, 4),
        SC(8, 0, 4),
        BEQ(0, 0, 2),
        LW(9, 16, 7), /* in the delay slot, the last of its block */
        NOP,
        SB(9, 21, 4),
        0x88850013u, /* lwl $5, 19($4) */
        0x98850010u, /* lwr $5, 16($4) */
        ADDIU(4, 4, 0x2000),
        BNEL(4, 10, 0xfff3),
        LW(5, 0, 7),
        SW(5, 0, 7),
        LW(5, 0, 11), /* which nobody maps */
    };
    memset(f->host + 16 * MIPS_PAGE_BYTES, 0, PAGES * MIPS_PAGE_BYTES);
    for (unsigned i = 0; i < sizeof code / sizeof *code; i++)
        put_word(f, 30 * MIPS_PAGE_BYTES + 4 * i, code[i]);
    mips_tlb_clear(f->cpu);
    owner->asked = 0;
    owner->flags = ENTRYLO_V | ENTRYLO_D;
    owner->one_entry = true;
    f->s->cp0.status = 0;
    mips_state_changed(f->cpu);
    memset(f->s->r, 0, sizeof f->s->r);
    f->s->r[4] = MAPPED;
    f->s->r[7] = MAPPED + 0x3000;
    f->s->r[10] = MAPPED + 0xa000;
    f->s->r[11] = 0xe0000000u; /* kseg3 */
    f->s->pc = MAPPED + 14 * MIPS_PAGE_BYTES;
    mips_on_miss(f->cpu, owner, miss);
    assert_true(mips_record(f->cpu, stream->list, MIPS_REFERENCES_MIN));
    stream->count = 0;
    for (uint64_t end = mips_instructions(f->cpu) + 80; mips_instructions(f->cpu) < end;) {
        mips_run(f->cpu, end - mips_instructions(f->cpu));
        hand_on(f, stream);
    }
    mips_record(f->cpu, NULL, 0);
}

static void handing_on_at_misses_keeps_the_order(void **state)
{
    struct fixture *const f = *state;
    static struct stream plain, split;
    struct owner owner = owner_of(f);
    run_loop_of_misses(f, &owner, &plain);
    const unsigned asked = owner.asked;
    assert_true(asked > 20);
    owner.stream = &split;
    run_loop_of_misses(f, &owner, &split);
    assert_int_equal(owner.asked, asked);
    assert_true(plain.count > 100);
    assert_int_equal(plain.count, split.count);
    for (size_t i = 0; i < plain.count; i++) {
        assert_int_equal(plain.said[i].address, split.said[i].address);
        assert_int_equal(plain.said[i].access, split.said[i].access);
    }
}

/* What is handed on at a miss ends with the fetch of the instruction that missed. */
static void the_missing_instruction_is_fetched_by_then(void **state)
{
    struct fixture *const f = *state;
    static struct stream stream;
    struct owner owner = owner_of(f);
    owner.stream = &stream;
    mips_on_miss(f->cpu, &owner, miss);
    assert_true(mips_record(f->cpu, stream.list, MIPS_REFERENCES_MIN));
    f->s->r[4] = MAPPED;
    RUN(f, 4, ADDIU(5, 0, 1), LW(5, 8, 4), ADDIU(5, 0, 1), ADDIU(5, 0, 1));
    assert_int_equal(stream.count, 2);
    assert_int_equal(stream.said[1].address, CODE + 4);
    hand_on(f, &stream);
    assert_int_equal(stream.count, 5);
    assert_int_equal(stream.said[2].address, MAPPED + 8);
    assert_int_equal(stream.said[2].access, MIPS_LOAD);
    assert_int_equal(stream.said[3].address, CODE + 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_miss_that_is_filled_costs_nothing, start, stop),
        cmocka_unit_test_setup_teardown(a_fetch_asks_too, start, stop),
        cmocka_unit_test_setup_teardown(an_interrupt_raised_at_a_fetch_comes_before_it, start,
                                        stop),
        cmocka_unit_test_setup_teardown(what_is_not_filled_raises_as_ever, start, stop),
        cmocka_unit_test_setup_teardown(a_store_to_what_is_not_writable_asks, start, stop),
        cmocka_unit_test_setup_teardown(a_failing_sc_asks_for_no_store, start, stop),
        cmocka_unit_test_setup_teardown(a_dropped_frame_is_gone_in_its_half_alone, start, stop),
        cmocka_unit_test_setup_teardown(a_page_dropped_while_it_runs_is_fetched_anew, start, stop),
        cmocka_unit_test_setup_teardown(handing_on_at_misses_keeps_the_order, start, stop),
        cmocka_unit_test_setup_teardown(the_missing_instruction_is_fetched_by_then, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
