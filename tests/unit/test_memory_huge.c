/* Huge pages: where they are made, what they cost, moved, split and merged, by hand. Node memories
 * have room for two huge pages unless a test says otherwise. */
#include "tests/unit/memory_fixture.h"

#define HUGE          UINT64_C(512)
#define HUGE_FAULT_NS 50021u
#define COPY_HUGE_NS  40009u

static const struct guest_range everywhere[] = {{.first = 0, .pages = 8 * 512, .space = 0},
                                                {.first = 0, .pages = 4 * 512, .space = 1}};

/* Arrays for 4 KiB and for 2 MiB, two entries each, and four levels of tables. */
static void prepare_huge(struct fixture *f)
{
    prepare(f);
    struct machine_tlb *const tlb = &f->machine.tlb;
    tlb->refill = TLB_REFILL_HARDWARE;
    tlb->replacement = TLB_REPLACE_LRU;
    tlb->tagged = true;
    tlb->entries = tlb->ways = 2;
    tlb->arrays = 2;
    tlb->array[0] = (struct machine_tlb_array){.level = 1, .pages = 1, .entries = 2, .ways = 2};
    tlb->array[1] = (struct machine_tlb_array){.level = 1, .pages = 6, .entries = 2, .ways = 2};
    tlb->walk = (struct machine_walk){.levels = 4, .line_ways = 1};
    f->machine.l2tlb.entries = 0;
    f->machine.costs.huge_fault_ns = HUGE_FAULT_NS;
    f->machine.costs.copy_huge_ns = COPY_HUGE_NS;
    for (uint32_t node = 0; node < NODES; node++)
        f->node[node].memory_bytes = (2 * HUGE + 64) * PAGE;
    f->options.huge = everywhere;
    f->options.huge_ranges = 2;
    f->options.check_every = 1;
}

static enum policy_answer split(struct fixture *f, uint32_t page)
{
    return policy_split(&f->memory->host, page, "test");
}

static enum policy_answer merge(struct fixture *f, uint32_t page)
{
    return policy_merge(&f->memory->host, page, "test");
}

static uint64_t frames_on(const struct fixture *f, uint32_t node)
{
    const struct memory_node_state state = memory_node(f->memory, node);
    return state.frames_used - state.table_frames;
}

static void the_first_touch_of_a_block_places_all_of_it(void **unused)
{
    (void)unused;
    struct fixture f;
    prepare_huge(&f);
    start(&f);
    load(&f, 1, 700); /* the second block, on node 1 */
    assert_int_equal(frames_on(&f, 1), HUGE);
    assert_int_equal(memory_node(f.memory, 1).table_frames, 3); /* none for 4 KiB pages */
    assert_int_equal(count(&f, 1)->page_faults, 1);
    assert_int_equal(count(&f, 1)->huge_faults, 1);
    assert_int_equal(account_ns(&f, 1, ACCOUNT_monitor), 1009 + HUGE_FAULT_NS);
    load(&f, 1, 512);
    load(&f, 1, 1023);
    assert_int_equal(count(&f, 1)->page_faults, 1);
    assert_int_equal(count(&f, 1)->tlb_misses, 1); /* one entry maps it all */
    memory_finish(f.memory);
    assert_int_equal(account_ns(&f, 1, ACCOUNT_tlb), 3 * 100); /* three levels */
    assert_int_equal(memory_page(f.memory, 0).loads, 3);       /* of the block */
    struct policy_page page;
    assert_true(policy_page(&f.memory->host, 0, &page));
    assert_int_equal(page.pages, 512);
    assert_false(policy_page(&f.memory->host, 1, &page));
    stop(&f);
}

static void blocks_are_aligned_whole_and_untouched(void **unused)
{
    (void)unused;
    static const struct guest_range odd[] = {{.first = 100, .pages = 1000, .space = 0}};
    struct fixture f;
    prepare_huge(&f);
    f.options.huge = odd;
    f.options.huge_ranges = 1;
    start(&f);
    load(&f, 0, 200);  /* its block begins before the range */
    load(&f, 0, 1050); /* its block ends behind it */
    load(&f, 0, 2000); /* outside */
    assert_int_equal(frames_on(&f, 0), 3);
    load(&f, 0, 600); /* pages 512 to 1023: whole */
    assert_int_equal(frames_on(&f, 0), 3 + HUGE);
    assert_int_equal(memory_page(f.memory, 512).vpn, 512); /* numbers aligned as addresses are */
    stop(&f);
}

static void a_full_node_gets_small_pages_not_another_node_a_huge_one(void **unused)
{
    (void)unused;
    struct fixture f;
    prepare_huge(&f);
    f.node[0].memory_bytes = 500 * PAGE;
    start(&f);
    load(&f, 0, 0);
    load(&f, 0, 1);
    assert_int_equal(count(&f, 0)->huge_faults, 0);
    assert_int_equal(count(&f, 0)->page_faults, 2);
    assert_int_equal(frames_on(&f, 0), 2);
    assert_int_equal(frames_on(&f, 1) + frames_on(&f, 2) + frames_on(&f, 3), 0);
    struct policy_page page;
    assert_true(policy_page(&f.memory->host, 0, &page));
    assert_int_equal(page.pages, 1);
    assert_int_equal(merge(&f, 0), POLICY_APART); /* 510 of its pages are not there */
    assert_int_equal(f.action.answer, POLICY_APART);
    stop(&f);
}

static void a_move_takes_the_whole_page_with_one_shootdown(void **unused)
{
    (void)unused;
    struct fixture f;
    prepare_huge(&f);
    start(&f);
    load(&f, 0, 0);
    load(&f, 0, 5);
    load(&f, 1, 9);
    f.memory->acting = f.memory->cpu[1];
    assert_int_equal(migrate(&f, 3, 1), POLICY_NONSENSE); /* a part of it is no page */
    assert_int_equal(migrate(&f, 0, 1), POLICY_DONE);
    f.memory->acting = NULL;
    assert_int_equal(frames_on(&f, 0), 0);
    assert_int_equal(frames_on(&f, 1), HUGE);
    assert_int_equal(account_ns(&f, 1, ACCOUNT_move), 2003 + COPY_HUGE_NS);
    assert_int_equal(count(&f, 1)->shootdowns, 1);
    assert_int_equal(count(&f, 0)->shootdowns_suffered, 1);
    load(&f, 0, 5);
    load(&f, 0, 0);
    assert_int_equal(count(&f, 0)->tlb_misses, 2);
    memory_finish(f.memory);
    assert_int_equal(count(&f, 0)->local_accesses, 2);
    assert_int_equal(count(&f, 0)->remote_accesses, 2);
    stop(&f);
}

static void a_move_needs_room_for_all_of_it(void **unused)
{
    (void)unused;
    struct fixture f;
    prepare_huge(&f);
    f.node[1].memory_bytes = 511 * PAGE;
    start(&f);
    load(&f, 0, 0);
    assert_int_equal(migrate(&f, 0, 1), POLICY_NO_FRAME);
    assert_int_equal(replicate(&f, 0, 1), POLICY_NO_FRAME);
    assert_int_equal(frames_on(&f, 0), HUGE);
    assert_int_equal(frames_on(&f, 1), 0);
    stop(&f);
}

static void replicas_are_of_the_whole_page_and_a_store_to_any_part_collapses_them(void **unused)
{
    (void)unused;
    struct fixture f;
    prepare_huge(&f);
    start(&f);
    load(&f, 0, 0);
    load(&f, 1, 1);
    assert_int_equal(replicate(&f, 0, 1), POLICY_DONE);
    assert_int_equal(frames_on(&f, 1), HUGE);
    assert_int_equal(memory_node(f.memory, 1).replica_frames, HUGE);
    load(&f, 1, 2);
    memory_finish(f.memory);
    assert_int_equal(count(&f, 1)->local_accesses, 1);
    store(&f, 1, 300);
    assert_int_equal(frames_on(&f, 1), 0);
    assert_int_equal(count(&f, 1)->collapses, 1);
    stop(&f);
}

static void a_replica_of_a_huge_page_is_reclaimed_whole(void **unused)
{
    (void)unused;
    struct fixture f;
    prepare_huge(&f);
    f.node[1].memory_bytes = 520 * PAGE;
    start(&f);
    load(&f, 0, 0);
    assert_int_equal(replicate(&f, 0, 1), POLICY_DONE);
    for (uint64_t vpn = 0; vpn < 10; vpn++)
        load(&f, 1, 8 * 512 + vpn); /* outside of the ranges: small pages, more than fit */
    assert_int_equal(memory_node(f.memory, 1).replica_frames, 0);
    assert_int_equal(frames_on(&f, 1), 10);
    stop(&f);
}

static void a_split_leaves_512_pages_with_translations_of_their_own(void **unused)
{
    (void)unused;
    struct fixture f;
    prepare_huge(&f);
    start(&f);
    load(&f, 0, 0);
    load(&f, 1, 1);
    f.memory->acting = f.memory->cpu[0];
    assert_int_equal(split(&f, 0), POLICY_DONE);
    assert_int_equal(f.action.kind, MEMORY_ACTION_SPLIT);
    assert_int_equal(split(&f, 0), POLICY_NOTHING);
    assert_int_equal(split(&f, 4000), POLICY_NONSENSE);
    f.memory->acting = NULL;
    assert_int_equal(account_ns(&f, 0, ACCOUNT_move), 2003);
    assert_int_equal(count(&f, 0)->splits, 1);
    assert_int_equal(count(&f, 0)->shootdowns, 1);
    assert_int_equal(memory_node(f.memory, 0).table_frames, 4); /* the table that was spared */
    load(&f, 0, 0);
    load(&f, 0, 1);
    load(&f, 0, 2);
    load(&f, 0, 0); /* two entries for 4 KiB: gone again */
    assert_int_equal(count(&f, 0)->tlb_misses, 1 + 4);
    assert_int_equal(count(&f, 0)->page_faults, 1);
    assert_int_equal(migrate(&f, 7, 3), POLICY_DONE); /* each is a page now */
    assert_int_equal(frames_on(&f, 3), 1);
    assert_int_equal(merge(&f, 0), POLICY_APART);
    assert_int_equal(migrate(&f, 7, 0), POLICY_DONE);
    assert_int_equal(merge(&f, 300), POLICY_DONE);
    assert_int_equal(f.action.kind, MEMORY_ACTION_MERGE);
    assert_int_equal(memory_node(f.memory, 0).table_frames, 3);
    load(&f, 0, 5);
    load(&f, 0, 6);
    assert_int_equal(count(&f, 0)->tlb_misses, 6);
    stop(&f);
}

static void counters_are_those_of_the_block(void **unused)
{
    (void)unused;
    struct fixture f;
    prepare_huge(&f);
    f.wants = (struct policy_wants){.signals = POLICY_SIGNAL_HOT, .trigger = 5};
    start(&f);
    load(&f, 0, 0);
    for (uint64_t vpn = 10; vpn < 14; vpn++)
        store(&f, 1, vpn);
    assert_int_equal(f.hots, 0);
    load(&f, 1, 20);
    assert_int_equal(f.hots, 1);
    assert_int_equal(f.hot.page, 0);
    struct policy_page page;
    assert_true(policy_page(&f.memory->host, 0, &page));
    assert_int_equal(page.counts[1], 5);
    assert_int_equal(page.writes, 4);
    assert_int_equal(split(&f, 0), POLICY_DONE);
    assert_true(policy_page(&f.memory->host, 0, &page));
    assert_int_equal(page.counts[1], 0);
    load(&f, 1, 3);
    store(&f, 1, 4);
    assert_int_equal(merge(&f, 0), POLICY_DONE);
    assert_true(policy_page(&f.memory->host, 0, &page));
    assert_int_equal(page.counts[1], 2);
    assert_int_equal(page.writes, 1);
    stop(&f);
}

static void unmapping_a_part_splits_at_no_charge(void **unused)
{
    (void)unused;
    struct fixture f;
    prepare_huge(&f);
    start(&f);
    load(&f, 0, 0);
    load(&f, 0, 512);
    well(memory_unmap(f.memory, 0, 5 * PAGE, 7 * PAGE));
    assert_int_equal(frames_on(&f, 0), 2 * HUGE - 2);
    assert_int_equal(memory_node(f.memory, 0).table_frames, 4);
    assert_int_equal(count(&f, 0)->splits, 0);
    assert_int_equal(account_ns(&f, 0, ACCOUNT_move), 0);
    load(&f, 0, 5); /* a page again, on its own */
    assert_int_equal(frames_on(&f, 0), 2 * HUGE - 1);
    assert_int_equal(merge(&f, 0), POLICY_APART);
    well(memory_unmap(f.memory, 0, 512 * PAGE, 1024 * PAGE)); /* all of the other */
    assert_int_equal(frames_on(&f, 0), HUGE - 1);
    assert_int_equal(memory_node(f.memory, 0).table_frames, 4);
    stop(&f);
}

static void a_share_shows_parts_of_a_huge_page_in_small_ones(void **unused)
{
    (void)unused;
    struct fixture f;
    prepare_huge(&f);
    start(&f);
    load(&f, 0, 0);
    well(memory_share(f.memory, 0, 3 * PAGE, 1, 10 * PAGE, 4 * PAGE));
    well(memory_dispatch(f.memory, 1, 9, 1));
    load(&f, 1, 10);
    load(&f, 1, 11);
    assert_int_equal(count(&f, 1)->page_faults, 0);
    assert_int_equal(count(&f, 1)->tlb_misses, 2);
    assert_int_equal(memory_page(f.memory, 0).loads + memory_page(f.memory, 3).loads, 0);
    assert_int_equal(migrate(&f, 0, 1), POLICY_DONE); /* both mappings are shot down */
    load(&f, 1, 10);
    assert_int_equal(count(&f, 1)->tlb_misses, 3);
    memory_finish(f.memory);
    assert_int_equal(memory_page(f.memory, 0).loads, 4);
    assert_int_equal(memory_page(f.memory, 3).loads, 0);
    assert_int_equal(split(&f, 0), POLICY_DONE);
    load(&f, 1, 10);
    memory_finish(f.memory);
    assert_int_equal(memory_page(f.memory, 3).loads, 1);
    stop(&f);
}

static void a_tlb_without_an_array_for_them_holds_parts(void **unused)
{
    (void)unused;
    for (int software = 0; software < 2; software++) {
        struct fixture f;
        prepare_huge(&f);
        f.machine.tlb.arrays = 1;
        if (software) {
            f.machine.tlb = (struct machine_tlb){.entries = 4, .ways = 4, .pages_per_entry = 2};
            f.machine.l2tlb.entries = 16;
        }
        start(&f);
        load(&f, 0, 0);
        load(&f, 0, 2);
        load(&f, 0, 0);
        assert_int_equal(count(&f, 0)->tlb_misses, 2);
        assert_int_equal(frames_on(&f, 0), HUGE);
        assert_int_equal(migrate(&f, 0, 1), POLICY_DONE);
        load(&f, 0, 0);
        load(&f, 0, 2);
        assert_int_equal(count(&f, 0)->tlb_misses, 4);
        assert_int_equal(split(&f, 0), POLICY_DONE);
        load(&f, 0, 2);
        assert_int_equal(count(&f, 0)->tlb_misses, 5);
        stop(&f);
    }
}

static void one_array_for_all_sizes_holds_each_as_it_is(void **unused)
{
    (void)unused;
    struct fixture f;
    prepare_huge(&f);
    f.machine.tlb.arrays = 0; /* one level, two entries */
    f.machine.tlb.pages_per_entry = 1;
    start(&f);
    load(&f, 0, 0);
    load(&f, 0, 100);
    load(&f, 0, 8 * 512); /* a small page */
    load(&f, 0, 511);
    assert_int_equal(count(&f, 0)->tlb_misses, 2);
    load(&f, 0, 8 * 512 + 1); /* the small one goes: used least recently */
    load(&f, 0, 5);
    assert_int_equal(count(&f, 0)->tlb_misses, 3);
    stop(&f);
}

static void huge_pages_are_for_pages_of_4_kib(void **unused)
{
    (void)unused;
    struct fixture f;
    prepare_huge(&f);
    f.machine.page_bytes = 8192;
    f.options.machine = &f.machine;
    f.options.policy = &f.policy;
    char *error = memory_new(&f.options, &f.memory);
    assert_non_null(error);
    assert_non_null(strstr(error, "4096"));
    free(error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_touch_of_a_block_places_all_of_it),
        cmocka_unit_test(blocks_are_aligned_whole_and_untouched),
        cmocka_unit_test(a_full_node_gets_small_pages_not_another_node_a_huge_one),
        cmocka_unit_test(a_move_takes_the_whole_page_with_one_shootdown),
        cmocka_unit_test(a_move_needs_room_for_all_of_it),
        cmocka_unit_test(replicas_are_of_the_whole_page_and_a_store_to_any_part_collapses_them),
        cmocka_unit_test(a_replica_of_a_huge_page_is_reclaimed_whole),
        cmocka_unit_test(a_split_leaves_512_pages_with_translations_of_their_own),
        cmocka_unit_test(counters_are_those_of_the_block),
        cmocka_unit_test(unmapping_a_part_splits_at_no_charge),
        cmocka_unit_test(a_share_shows_parts_of_a_huge_page_in_small_ones),
        cmocka_unit_test(a_tlb_without_an_array_for_them_holds_parts),
        cmocka_unit_test(one_array_for_all_sizes_holds_each_as_it_is),
        cmocka_unit_test(huge_pages_are_for_pages_of_4_kib),
    };
    return cmocka_run_group_tests_name("huge pages", tests, NULL, NULL);
}
