/* The rules of the memory subsystem one by one, with costs computed by hand: translation and
 * placement. */
#include "tests/unit/memory_fixture.h"

#include <malloc.h>

static void the_first_touch_faults_and_places_where_it_is_touched(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    start(&f);
    load(&f, 1, 7);
    load(&f, 2, 7);
    assert_int_equal(memory_pages(f.memory), 1);
    assert_int_equal(memory_page(f.memory, 0).home, 1);
    assert_int_equal(count(&f, 1)->page_faults, 1);
    assert_int_equal(count(&f, 2)->page_faults, 0);
    assert_int_equal(account_ns(&f, 1, ACCOUNT_monitor), 1009 + 10007);
    assert_int_equal(account_ns(&f, 2, ACCOUNT_monitor), 1009);
    stop(&f);
}

static void a_miss_is_forwarded_once_and_then_refilled_by_the_second_level(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    f.machine.tlb.entries = f.machine.tlb.ways = 1;
    start(&f);
    load(&f, 0, 1); /* forwarded */
    load(&f, 0, 2); /* forwarded, puts page 1 out */
    load(&f, 0, 1); /* refilled */
    load(&f, 0, 1); /* hit */
    assert_int_equal(count(&f, 0)->tlb_misses, 3);
    assert_int_equal(count(&f, 0)->l2tlb_misses, 2);
    assert_int_equal(account_ns(&f, 0, ACCOUNT_tlb), 2 * 101 + 11);
    stop(&f);
}

static void a_hardware_walk_knows_no_second_level(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    f.machine.tlb.entries = f.machine.tlb.ways = 1;
    f.machine.tlb.refill = TLB_REFILL_HARDWARE;
    start(&f);
    load(&f, 0, 1);
    load(&f, 0, 2);
    load(&f, 0, 1);
    assert_int_equal(count(&f, 0)->tlb_misses, 3);
    assert_int_equal(count(&f, 0)->l2tlb_misses, 0);
    assert_int_equal(account_ns(&f, 0, ACCOUNT_tlb), 3 * 31);
    stop(&f);
}

static void without_a_tlb_translation_is_free(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    f.machine.tlb.entries = 0;
    start(&f);
    load(&f, 0, 1);
    load(&f, 1, 1);
    assert_int_equal(replicate(&f, 0, 1), POLICY_DONE);
    load(&f, 1, 1);
    store(&f, 1, 1);
    memory_finish(f.memory);
    assert_int_equal(count(&f, 1)->tlb_misses, 0);
    assert_int_equal(account_ns(&f, 1, ACCOUNT_tlb), 0);
    assert_int_equal(count(&f, 1)->local_accesses, 1);
    assert_int_equal(count(&f, 1)->collapses, 1);
    stop(&f);
}

static void the_least_recently_used_entry_goes(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    f.machine.tlb.entries = f.machine.tlb.ways = 2;
    f.machine.tlb.replacement = TLB_REPLACE_LRU;
    start(&f);
    load(&f, 0, 1);
    load(&f, 0, 2);
    load(&f, 0, 1); /* a hit, which must count as use */
    load(&f, 0, 3); /* puts 2 out */
    assert_int_equal(count(&f, 0)->tlb_misses, 3);
    load(&f, 0, 1);
    assert_int_equal(count(&f, 0)->tlb_misses, 3);
    load(&f, 0, 2);
    assert_int_equal(count(&f, 0)->tlb_misses, 4);
    stop(&f);
}

static void sets_are_chosen_by_the_low_bits_of_the_page(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    f.machine.tlb.entries = 4;
    f.machine.tlb.ways = 1;
    start(&f);
    load(&f, 0, 0);
    load(&f, 0, 1);
    load(&f, 0, 0);
    assert_int_equal(count(&f, 0)->tlb_misses, 2);
    load(&f, 0, 4); /* the set of page 0 */
    load(&f, 0, 1);
    assert_int_equal(count(&f, 0)->tlb_misses, 3);
    load(&f, 0, 0);
    assert_int_equal(count(&f, 0)->tlb_misses, 4);
    stop(&f);
}

static void a_pair_shares_an_entry_and_its_untouched_half_is_invalid(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    f.machine.tlb.entries = f.machine.tlb.ways = 1;
    f.machine.tlb.pages_per_entry = 2;
    start(&f);
    load(&f, 0, 6);
    load(&f, 0, 7); /* the other half: first touch, a miss that refills in place */
    load(&f, 0, 6);
    load(&f, 0, 7);
    assert_int_equal(count(&f, 0)->tlb_misses, 2);
    load(&f, 1, 7); /* another CPU gets both halves at once */
    load(&f, 1, 6);
    assert_int_equal(count(&f, 1)->tlb_misses, 1);
    load(&f, 0, 5); /* not its pair */
    assert_int_equal(count(&f, 0)->tlb_misses, 3);
    stop(&f);
}

static void another_stream_is_dispatched_and_flushes_an_untagged_tlb(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    start(&f);
    load(&f, 0, 1);
    well(memory_dispatch(f.memory, 0, 0, 0)); /* the same again: nothing */
    load(&f, 0, 1);
    assert_int_equal(count(&f, 0)->dispatches, 1);
    assert_int_equal(count(&f, 0)->tlb_misses, 1);
    well(memory_dispatch(f.memory, 0, 9, 0));
    load(&f, 0, 1);
    assert_int_equal(count(&f, 0)->dispatches, 2);
    assert_int_equal(count(&f, 0)->tlb_misses, 2);
    assert_int_equal(count(&f, 0)->l2tlb_misses, 1); /* the second level outlives the dispatch */
    assert_int_equal(account_ns(&f, 0, ACCOUNT_monitor), 2 * 1009 + 10007);
    stop(&f);
}

/* Entries that software writes carry the guest's ASID (Disco, 4.1: not virtualised, so another vCPU
 * flushes them and another space of the same one does not); a hardware walker's do not, untagged. */
static void another_space_of_a_stream_flushes_where_hardware_refills(void **state)
{
    (void)state;
    struct fixture f;
    for (enum tlb_refill refill = TLB_REFILL_SOFTWARE; refill <= TLB_REFILL_HARDWARE; refill++) {
        prepare(&f);
        f.machine.tlb.refill = refill;
        start(&f);
        load(&f, 0, 1);
        well(memory_dispatch(f.memory, 0, 0, 1));
        load(&f, 0, 1); /* the same address, another page */
        assert_int_equal(count(&f, 0)->page_faults, 2);
        well(memory_dispatch(f.memory, 0, 0, 0));
        load(&f, 0, 1);
        assert_int_equal(count(&f, 0)->dispatches, 1);
        assert_int_equal(count(&f, 0)->tlb_misses, refill == TLB_REFILL_SOFTWARE ? 2 : 3);
        stop(&f);
    }
}

static void a_tagged_tlb_keeps_the_entries_of_all_spaces_apart(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    f.machine.tlb.tagged = true;
    start(&f);
    load(&f, 0, 1);
    well(memory_dispatch(f.memory, 0, 9, 1));
    load(&f, 0, 1); /* the same address, another page */
    well(memory_dispatch(f.memory, 0, 0, 0));
    load(&f, 0, 1);
    assert_int_equal(count(&f, 0)->tlb_misses, 2);
    assert_int_equal(memory_pages(f.memory), 2);
    memory_finish(f.memory);
    assert_int_equal(memory_page(f.memory, 0).loads, 2);
    stop(&f);
}

static void a_full_node_falls_back_by_distance_then_by_index(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    for (uint32_t node = 0; node < NODES; node++)
        f.node[node].memory_bytes = PAGE;
    start(&f);
    for (uint64_t vpn = 0; vpn < NODES; vpn++)
        load(&f, 0, vpn);
    assert_int_equal(memory_page(f.memory, 0).home, 0);
    assert_int_equal(memory_page(f.memory, 1).home, 2); /* 200 ns */
    assert_int_equal(memory_page(f.memory, 2).home, 1); /* 300 ns, as node 3 */
    assert_int_equal(memory_page(f.memory, 3).home, 3);
    assert_true(f.pressures > 0);
    char *const error = try_one(&f, 0, 99, MEMORY_LOAD);
    assert_string_equal(error, "memory of the machine is full after 4 pages; use a larger machine");
    free(error);
    memory_free(f.memory);
}

static void a_node_without_memory_is_served_by_its_neighbour(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    f.node[0].memory_bytes = 0;
    start(&f);
    load(&f, 0, 1);
    assert_int_equal(memory_page(f.memory, 0).home, 2);
    assert_int_equal(f.pressures, 0); /* it never had any */
    assert_int_equal(migrate(&f, 0, 0), POLICY_NONSENSE);
    stop(&f);
}

static void a_placement_on_no_node_is_refused_and_done_locally(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    f.place = 77;
    start(&f);
    load(&f, 3, 1);
    assert_int_equal(memory_page(f.memory, 0).home, 3);
    assert_int_equal(count(&f, 3)->refused, 1);
    assert_int_equal(f.action.kind, MEMORY_ACTION_PLACE);
    assert_int_equal(f.action.answer, POLICY_NONSENSE);
    stop(&f);
}

static void counts_become_time_at_the_end_of_the_epoch(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    f.options.epoch_references = 4;
    f.options.refs_per_sample = 10;
    start(&f);
    load(&f, 0, 1);
    store(&f, 2, 1);
    load(&f, 1, 1);
    assert_int_equal(account_ns(&f, 0, ACCOUNT_local_stall), 0);
    well(try_one(&f, 0, 1, MEMORY_FETCH));
    assert_int_equal(f.epochs, 1);
    assert_int_equal(account_ns(&f, 0, ACCOUNT_local_stall), 2 * 100 * 10);
    assert_int_equal(account_ns(&f, 2, ACCOUNT_remote_stall), 200 * 10);
    assert_int_equal(account_ns(&f, 1, ACCOUNT_remote_stall), 300 * 10);
    assert_int_equal(account_ns(&f, 0, ACCOUNT_execution), 75); /* one load; the fetch not */
    assert_int_equal(memory_traffic_loads(f.memory)[0], 2);
    assert_int_equal(memory_traffic_loads(f.memory)[1 * NODES + 0], 1);
    assert_int_equal(memory_traffic_stores(f.memory)[2 * NODES + 0], 1);
    memory_finish(f.memory);
    assert_int_equal(f.epochs, 1); /* there was nothing more to report */
    for (uint32_t cpu = 0; cpu < CPUS; cpu++)
        assert_int_equal(count(&f, cpu)->clock_ps / PS_PER_NS, memory_time_ns(f.memory));
    stop(&f);
}

static void execution_goes_by_fetches_where_the_trace_has_them(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    f.options.has_fetches = true;
    start(&f);
    load(&f, 0, 1);
    well(try_one(&f, 0, 1, MEMORY_FETCH));
    well(try_one(&f, 0, 1, MEMORY_FETCH));
    well(try_one(&f, 0, 1, MEMORY_TOUCH | 4));
    memory_finish(f.memory);
    assert_int_equal(account_ns(&f, 0, ACCOUNT_execution), 5);
    assert_int_equal(count(&f, 0)->fetches, 2);
    assert_int_equal(count(&f, 0)->loads, 2); /* a touch counts as one */
    stop(&f);
}

static void idle_time_counts_and_cannot_overflow(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    start(&f);
    memory_idle(f.memory, 1, 12345);
    assert_int_equal(account_ns(&f, 1, ACCOUNT_idle), 12345);
    memory_idle(f.memory, 1, UINT64_MAX);
    memory_idle(f.memory, 1, UINT64_MAX);
    assert_true(count(&f, 1)->clock_ps <= UINT64_MAX / 2);
    memory_idle(f.memory, 4000, 1); /* no such CPU */
    stop(&f);
}

static void an_unmapped_page_is_freed_and_a_later_touch_is_a_new_page(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    start(&f);
    load(&f, 0, 1);
    load(&f, 1, 1);
    well(memory_unmap(f.memory, 0, 1 * PAGE, 2 * PAGE));
    assert_false(memory_page(f.memory, 0).mapped);
    assert_int_equal(memory_node(f.memory, 0).frames_used, 0);
    assert_int_equal(memory_node(f.memory, 0).frames_used_most, 1);
    load(&f, 1, 1);
    assert_int_equal(memory_pages(f.memory), 2);
    assert_int_equal(memory_page(f.memory, 1).home, 1);
    assert_int_equal(count(&f, 0)->shootdowns_suffered, 0);
    well(memory_unmap(f.memory, 0, 0, UINT64_MAX)); /* all of it, quickly */
    assert_int_equal(memory_node(f.memory, 1).frames_used, 0);
    assert_int_equal(migrate(&f, 1, 0), POLICY_NONSENSE);
    stop(&f);
}

static void shared_pages_are_one_page_whoever_touches_first(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    start(&f);
    load(&f, 0, 10); /* touched before */
    well(memory_share(f.memory, 0, 10 * PAGE, 1, 20 * PAGE, 3 * PAGE));
    well(memory_dispatch(f.memory, 1, 1, 1));
    load(&f, 1, 20); /* = 10 */
    load(&f, 1, 21); /* = 11, touched here first */
    load(&f, 0, 11);
    assert_int_equal(memory_pages(f.memory), 2);
    assert_int_equal(memory_page(f.memory, 1).home, 1);
    load(&f, 0, 12);
    well(memory_unmap(f.memory, 0, 0, 100 * PAGE)); /* the pages live on where they are shown */
    load(&f, 1, 22);
    assert_int_equal(memory_pages(f.memory), 3);
    assert_true(memory_page(f.memory, 2).mapped);
    well(memory_unmap(f.memory, 1, 0, 100 * PAGE));
    assert_false(memory_page(f.memory, 2).mapped);
    stop(&f);
}

static void wrong_shares_are_refused_in_a_line(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    start(&f);
    char *errors[] = {memory_share(f.memory, 0, PAGE, 0, 2 * PAGE, 2 * PAGE),
                      memory_share(f.memory, 0, PAGE, 1, 2 * PAGE + 1, PAGE),
                      memory_share(f.memory, 0, UINT64_MAX - 10, 1, UINT64_MAX - 10, PAGE),
                      memory_references(f.memory, 99, NULL, NULL, 0),
                      memory_dispatch(f.memory, CPUS, 0, 0)};
    for (size_t at = 0; at < sizeof errors / sizeof *errors; at++) {
        assert_non_null(errors[at]);
        free(errors[at]);
    }
    stop(&f);
}

static void refuse_machine(struct fixture *f, const char *needs)
{
    f->options.machine = &f->machine;
    f->options.policy = &f->policy;
    const int64_t self = (intptr_t)f;
    f->options.param = &self;
    char *const error = memory_new(&f->options, &f->memory);
    assert_non_null(error);
    if (!strstr(error, needs))
        fail_msg("\"%s\" does not say \"%s\"", error, needs);
    assert_null(f->memory);
    free(error);
}

static void impossible_machines_and_policies_are_refused_in_a_line(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    f.machine.page_bytes = 3000;
    refuse_machine(&f, "page size is 3000");
    prepare(&f);
    f.machine.tlb.ways = 3;
    refuse_machine(&f, "TLB ways is 3");
    prepare(&f);
    f.machine.l2tlb.entries = 12;
    refuse_machine(&f, "second-level TLB ways");
    prepare(&f);
    f.machine.tlb.pages_per_entry = 4;
    refuse_machine(&f, "must be 1 or 2");
    prepare(&f);
    f.machine.nodes = 65;
    refuse_machine(&f, "1 to 64");
    prepare(&f);
    for (uint32_t node = 0; node < NODES; node++)
        f.node[node].memory_bytes = PAGE - 1;
    refuse_machine(&f, "one page at least");
    prepare(&f);
    f.cpu_node[2] = NODES;
    refuse_machine(&f, "node of a CPU");
    prepare(&f);
    f.policy.abi = 99;
    refuse_machine(&f, "interface version is 99");
    prepare(&f);
    f.policy.place = NULL;
    refuse_machine(&f, "no place()");
    prepare(&f);
    f.wants = (struct policy_wants){.signals = POLICY_SIGNAL_HOT, .trigger = 65535};
    refuse_machine(&f, "below 65535");
    prepare(&f);
    f.options.epoch_references = UINT64_C(1) << 32;
    refuse_machine(&f, "at most 2^31");
}

static void a_node_of_512_gigabytes_costs_nothing_until_it_is_used(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    for (uint32_t node = 0; node < NODES; node++)
        f.node[node].memory_bytes = UINT64_C(512) << 30;
    const size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    start(&f);
    for (uint64_t vpn = 0; vpn < 1000; vpn++)
        load(&f, 0, vpn << 30);
    const size_t bytes = mallinfo2().uordblks + mallinfo2().hblkhd - before;
    if (bytes > 1000000)
        fail_msg("%zu bytes for 1000 pages", bytes);
    assert_int_equal(memory_node(f.memory, 0).frames, UINT64_C(1) << 27);
    assert_int_equal(memory_node(f.memory, 0).frames_used, 1000);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_touch_faults_and_places_where_it_is_touched),
        cmocka_unit_test(a_miss_is_forwarded_once_and_then_refilled_by_the_second_level),
        cmocka_unit_test(a_hardware_walk_knows_no_second_level),
        cmocka_unit_test(without_a_tlb_translation_is_free),
        cmocka_unit_test(the_least_recently_used_entry_goes),
        cmocka_unit_test(sets_are_chosen_by_the_low_bits_of_the_page),
        cmocka_unit_test(a_pair_shares_an_entry_and_its_untouched_half_is_invalid),
        cmocka_unit_test(another_stream_is_dispatched_and_flushes_an_untagged_tlb),
        cmocka_unit_test(another_space_of_a_stream_flushes_where_hardware_refills),
        cmocka_unit_test(a_tagged_tlb_keeps_the_entries_of_all_spaces_apart),
        cmocka_unit_test(a_full_node_falls_back_by_distance_then_by_index),
        cmocka_unit_test(a_node_without_memory_is_served_by_its_neighbour),
        cmocka_unit_test(a_placement_on_no_node_is_refused_and_done_locally),
        cmocka_unit_test(counts_become_time_at_the_end_of_the_epoch),
        cmocka_unit_test(execution_goes_by_fetches_where_the_trace_has_them),
        cmocka_unit_test(idle_time_counts_and_cannot_overflow),
        cmocka_unit_test(an_unmapped_page_is_freed_and_a_later_touch_is_a_new_page),
        cmocka_unit_test(shared_pages_are_one_page_whoever_touches_first),
        cmocka_unit_test(wrong_shares_are_refused_in_a_line),
        cmocka_unit_test(impossible_machines_and_policies_are_refused_in_a_line),
        cmocka_unit_test(a_node_of_512_gigabytes_costs_nothing_until_it_is_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
