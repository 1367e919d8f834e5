/* Pages of 1 GiB: where they are made, what they cost, moved and split, by hand. Node memories have room
 * for one and four of 2 MiB unless a test says otherwise. */
#include "tests/unit/memory_fixture.h"

#define HUGE              UINT64_C(512)
#define GIGANTIC          (HUGE * 512)
#define HUGE_FAULT_NS     50021u
#define COPY_HUGE_NS      40009u
#define GIGANTIC_FAULT_NS 700001u
#define COPY_GIGANTIC_NS  600011u
#define DISPATCH_NS       1009u

static const struct guest_range two[] = {{.first = 0, .pages = 2 * GIGANTIC, .space = 0}};

/* Arrays for 4 KiB, 2 MiB and 1 GiB, two entries each, and four levels of tables without caches. */
static void prepare_gigantic(struct fixture *f)
{
    prepare(f);
    struct machine_tlb *const tlb = &f->machine.tlb;
    tlb->refill = TLB_REFILL_HARDWARE;
    tlb->replacement = TLB_REPLACE_LRU;
    tlb->tagged = true;
    tlb->entries = tlb->ways = 2;
    tlb->arrays = 3;
    for (uint32_t size = 0; size < 3; size++)
        tlb->array[size] =
            (struct machine_tlb_array){.level = 1, .pages = 1u << size, .entries = 2, .ways = 2};
    tlb->walk = (struct machine_walk){.levels = 4, .line_ways = 1};
    f->machine.l2tlb.entries = 0;
    f->machine.costs.huge_fault_ns = HUGE_FAULT_NS;
    f->machine.costs.copy_huge_ns = COPY_HUGE_NS;
    f->machine.costs.gigantic_fault_ns = GIGANTIC_FAULT_NS;
    f->machine.costs.copy_gigantic_ns = COPY_GIGANTIC_NS;
    for (uint32_t node = 0; node < NODES; node++)
        f->node[node].memory_bytes = (GIGANTIC + 4 * HUGE + 64) * PAGE;
    f->options.gigantic = two;
    f->options.gigantic_ranges = 1;
}

static enum policy_answer split(struct fixture *f, uint32_t page)
{
    return policy_split(&f->memory->host, page, "test");
}

static uint64_t frames_on(const struct fixture *f, uint32_t node)
{
    const struct memory_node_state state = memory_node(f->memory, node);
    return state.frames_used - state.table_frames;
}

static uint64_t reads(const struct fixture *f, uint32_t cpu)
{
    return count(f, cpu)->walk_reads_local + count(f, cpu)->walk_reads_remote;
}

static void one_fault_one_entry_and_a_walk_of_one_level_fewer_than_2_mib(void **unused)
{
    (void)unused;
    struct fixture f;
    prepare_gigantic(&f);
    start(&f);
    load(&f, 1, GIGANTIC + 70000); /* the second block, on node 1 */
    load(&f, 1, GIGANTIC);
    load(&f, 1, 2 * GIGANTIC - 1);
    assert_int_equal(frames_on(&f, 1), GIGANTIC);
    assert_int_equal(memory_node(f.memory, 1).table_frames, 2); /* levels 4 and 3 */
    assert_int_equal(count(&f, 1)->page_faults, 1);
    assert_int_equal(count(&f, 1)->huge_faults, 1);
    assert_int_equal(account_ns(&f, 1, ACCOUNT_monitor), DISPATCH_NS + GIGANTIC_FAULT_NS);
    assert_int_equal(count(&f, 1)->tlb_misses, 1);
    assert_int_equal(reads(&f, 1), 2);
    struct policy_page page;
    assert_true(policy_page(&f.memory->host, 0, &page));
    assert_int_equal(page.pages, GIGANTIC);
    memory_finish(f.memory);
    assert_int_equal(memory_page(f.memory, 0).loads, 3);
    assert_int_equal(memory_page(f.memory, 70000).first_home, MEMORY_NO_NODE); /* a part */
    stop(&f);
}

static void only_whole_untouched_blocks_are_gigantic(void **unused)
{
    (void)unused;
    static const struct guest_range odd[] = {{.first = 5, .pages = 2 * GIGANTIC, .space = 0}};
    struct fixture f;
    prepare_gigantic(&f);
    f.options.gigantic = odd;
    start(&f);
    load(&f, 0, 7); /* its block begins before the range */
    load(&f, 1, GIGANTIC);
    load(&f, 0, 2 * GIGANTIC); /* its block ends after it */
    assert_int_equal(frames_on(&f, 0), 2);
    assert_int_equal(frames_on(&f, 1), GIGANTIC);
    stop(&f);
    prepare_gigantic(&f);
    start(&f);
    well(memory_share(f.memory, 1, 0, 0, 9 * PAGE, PAGE)); /* page 9 is that of another space */
    load(&f, 0, 0);
    load(&f, 0, 1);
    assert_int_equal(frames_on(&f, 0), 2);
    well(memory_unmap(f.memory, 0, 0, GIGANTIC * PAGE));
    load(&f, 0, 1); /* there is nothing in it any more */
    assert_int_equal(frames_on(&f, 0), GIGANTIC);
    stop(&f);
}

static void a_node_without_room_gives_2_mib_then_4_kib(void **unused)
{
    (void)unused;
    struct fixture f;
    prepare_gigantic(&f);
    f.node[0].memory_bytes = (HUGE + 100) * PAGE;
    start(&f);
    load(&f, 0, 3);
    load(&f, 0, HUGE + 3);
    load(&f, 0, HUGE + 4);
    assert_int_equal(count(&f, 0)->huge_faults, 1);
    assert_int_equal(count(&f, 0)->page_faults, 3);
    assert_int_equal(account_ns(&f, 0, ACCOUNT_monitor), DISPATCH_NS + HUGE_FAULT_NS + 2 * 10007);
    assert_int_equal(frames_on(&f, 0), HUGE + 2);
    assert_int_equal(frames_on(&f, 1) + frames_on(&f, 2) + frames_on(&f, 3), 0);
    stop(&f);
}

static void a_move_takes_all_of_it_with_one_shootdown(void **unused)
{
    (void)unused;
    struct fixture f;
    prepare_gigantic(&f);
    start(&f);
    load(&f, 0, 0);
    load(&f, 0, 200000);
    load(&f, 1, 9);
    f.memory->acting = f.memory->cpu[1];
    assert_int_equal(migrate(&f, 512, 1), POLICY_NONSENSE); /* a part of it is no page */
    assert_int_equal(migrate(&f, 0, 1), POLICY_DONE);
    f.memory->acting = NULL;
    well(memory_check(f.memory));
    assert_int_equal(frames_on(&f, 0), 0);
    assert_int_equal(frames_on(&f, 1), GIGANTIC);
    assert_int_equal(account_ns(&f, 1, ACCOUNT_move), 2003 + COPY_GIGANTIC_NS);
    assert_int_equal(count(&f, 1)->shootdowns, 1);
    assert_int_equal(count(&f, 0)->shootdowns_suffered, 1);
    load(&f, 0, 200000);
    memory_finish(f.memory);
    assert_int_equal(count(&f, 0)->tlb_misses, 2);
    assert_int_equal(count(&f, 0)->remote_accesses, 1);
    stop(&f);
}

static void a_replica_is_of_all_of_it_and_a_store_anywhere_collapses_it(void **unused)
{
    (void)unused;
    struct fixture f;
    prepare_gigantic(&f);
    start(&f);
    load(&f, 0, 0);
    load(&f, 1, 1);
    assert_int_equal(replicate(&f, 0, 1), POLICY_DONE);
    assert_int_equal(memory_node(f.memory, 1).replica_frames, GIGANTIC);
    load(&f, 1, 131072);
    well(memory_check(f.memory));
    store(&f, 1, 262143);
    assert_int_equal(frames_on(&f, 1), 0);
    assert_int_equal(count(&f, 1)->collapses, 1);
    stop(&f);
}

static void a_split_leaves_512_pages_of_2_mib_and_those_of_4_kib(void **unused)
{
    (void)unused;
    struct fixture f;
    prepare_gigantic(&f);
    start(&f);
    load(&f, 0, 0);
    load(&f, 1, 600);
    assert_int_equal(split(&f, 512), POLICY_NONSENSE);
    assert_int_equal(split(&f, 0), POLICY_DONE);
    well(memory_check(f.memory));
    assert_int_equal(memory_node(f.memory, 0).table_frames, 3); /* one of level 2 */
    struct policy_page page;
    assert_true(policy_page(&f.memory->host, 512, &page));
    assert_int_equal(page.pages, HUGE);
    assert_int_equal(migrate(&f, 512, 1), POLICY_DONE);
    assert_int_equal(frames_on(&f, 0), GIGANTIC - HUGE);
    load(&f, 1, 600);
    load(&f, 1, 513);
    assert_int_equal(count(&f, 1)->tlb_misses, 2);
    assert_int_equal(split(&f, 512), POLICY_DONE);
    assert_int_equal(migrate(&f, 513, 2), POLICY_DONE);
    assert_int_equal(frames_on(&f, 1), HUGE - 1);
    load(&f, 1, 513);
    well(memory_check(f.memory));
    assert_int_equal(migrate(&f, 513, 1), POLICY_DONE);
    assert_int_equal(policy_merge(&f.memory->host, 513, "test"), POLICY_DONE); /* to 2 MiB */
    assert_int_equal(policy_merge(&f.memory->host, 512, "test"), POLICY_NOTHING);
    stop(&f);
}

static void unmapping_a_part_splits_down_to_it_at_no_charge(void **unused)
{
    (void)unused;
    struct fixture f;
    prepare_gigantic(&f);
    start(&f);
    load(&f, 0, 0);
    well(memory_unmap(f.memory, 0, 1000 * PAGE, 1002 * PAGE));
    well(memory_check(f.memory));
    assert_int_equal(frames_on(&f, 0), GIGANTIC - 2);
    assert_int_equal(memory_node(f.memory, 0).table_frames, 4);
    assert_int_equal(account_ns(&f, 0, ACCOUNT_move), 0);
    struct policy_page page;
    assert_true(policy_page(&f.memory->host, 0, &page));
    assert_int_equal(page.pages, HUGE);
    assert_true(policy_page(&f.memory->host, 999, &page));
    assert_int_equal(page.pages, 1);
    well(memory_unmap(f.memory, 0, 0, GIGANTIC * PAGE));
    assert_int_equal(memory_node(f.memory, 0).frames_used, 0);
    load(&f, 0, 0); /* whole again */
    assert_int_equal(frames_on(&f, 0), GIGANTIC);
    well(memory_unmap(f.memory, 0, 0, GIGANTIC * PAGE));
    assert_int_equal(memory_node(f.memory, 0).frames_used, 0);
    stop(&f);
}

static void a_tlb_without_an_array_for_them_holds_parts(void **unused)
{
    (void)unused;
    for (uint32_t arrays = 1; arrays <= 2; arrays++) { /* 4 KiB alone, and 2 MiB too */
        struct fixture f;
        prepare_gigantic(&f);
        f.machine.tlb.arrays = arrays;
        start(&f);
        load(&f, 0, 0);
        load(&f, 0, 1);
        load(&f, 0, HUGE);
        assert_int_equal(count(&f, 0)->tlb_misses, arrays == 1 ? 3 : 2);
        assert_int_equal(reads(&f, 0), arrays == 1 ? 6 : 4);
        well(memory_check(f.memory));
        assert_int_equal(migrate(&f, 0, 1), POLICY_DONE);
        load(&f, 0, HUGE);
        assert_int_equal(count(&f, 0)->tlb_misses, arrays == 1 ? 4 : 3);
        stop(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_fault_one_entry_and_a_walk_of_one_level_fewer_than_2_mib),
        cmocka_unit_test(only_whole_untouched_blocks_are_gigantic),
        cmocka_unit_test(a_node_without_room_gives_2_mib_then_4_kib),
        cmocka_unit_test(a_move_takes_all_of_it_with_one_shootdown),
        cmocka_unit_test(a_replica_is_of_all_of_it_and_a_store_anywhere_collapses_it),
        cmocka_unit_test(a_split_leaves_512_pages_of_2_mib_and_those_of_4_kib),
        cmocka_unit_test(unmapping_a_part_splits_down_to_it_at_no_charge),
        cmocka_unit_test(a_tlb_without_an_array_for_them_holds_parts),
    };
    return cmocka_run_group_tests_name("gigantic pages", tests, NULL, NULL);
}
