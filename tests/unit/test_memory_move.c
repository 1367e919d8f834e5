/* The rules of moving pages, with costs computed by hand, and what a policy hears and may ask. */
#include "tests/unit/memory_fixture.h"

#define SHOT(cpus) (701u + (cpus)*53u) /* the starter's side of a shootdown */

static void a_migration_interrupts_only_the_cpus_that_map_the_page(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    f.wants = (struct policy_wants){.signals = POLICY_SIGNAL_HOT, .trigger = 3};
    f.migrate_hot_to = 1;
    start(&f);
    load(&f, 0, 7);
    load(&f, 2, 7);
    load(&f, 3, 8); /* another page */
    load(&f, 1, 7);
    load(&f, 1, 7);
    const uint64_t before = account_ns(&f, 1, ACCOUNT_shootdown);
    load(&f, 1, 7); /* hot */
    assert_int_equal(before, 0);
    assert_int_equal(f.hots, 1);
    assert_int_equal(memory_page(f.memory, 0).home, 1);
    assert_int_equal(memory_page(f.memory, 0).first_home, 0);
    assert_int_equal(memory_page(f.memory, 0).migrations, 1);
    assert_int_equal(account_ns(&f, 1, ACCOUNT_move), 211 + 2003 + 4001);
    assert_int_equal(account_ns(&f, 1, ACCOUNT_shootdown), SHOT(2));
    assert_int_equal(account_ns(&f, 0, ACCOUNT_shootdown), 53);
    assert_int_equal(account_ns(&f, 2, ACCOUNT_shootdown), 53);
    assert_int_equal(account_ns(&f, 3, ACCOUNT_shootdown), 0);
    assert_int_equal(count(&f, 1)->shootdowns, 1);
    assert_int_equal(count(&f, 2)->shootdowns_suffered, 1);
    assert_int_equal(f.action.kind, MEMORY_ACTION_MIGRATE);
    assert_int_equal(f.action.from, 0);
    assert_int_equal(f.action.to, 1);
    assert_int_equal(f.action.reference, 6);
    assert_int_equal(f.action.cost_ns, 2003 + 4001 + SHOT(2) + 2 * 53);
    assert_string_equal(f.action.reason, "hot");
    const uint64_t misses = count(&f, 1)->tlb_misses;
    load(&f, 1, 7); /* its own translation went too */
    assert_int_equal(count(&f, 1)->tlb_misses, misses + 1);
    memory_finish(f.memory);
    assert_int_equal(count(&f, 1)->local_accesses, 1);
    stop(&f);
}

static void a_migration_that_nobody_else_maps_is_no_shootdown(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    start(&f);
    load(&f, 0, 7);
    assert_int_equal(migrate(&f, 0, 3),
                     POLICY_DONE); /* outside a reference: node 0's first CPU pays */
    assert_int_equal(count(&f, 0)->migrations, 1);
    assert_int_equal(count(&f, 0)->shootdowns, 0);
    assert_int_equal(account_ns(&f, 0, ACCOUNT_move), 2003 + 4001);
    assert_int_equal(migrate(&f, 0, 3), POLICY_NOTHING);
    assert_int_equal(f.actions, 1);
    assert_int_equal(memory_node(f.memory, 0).frames_used, 0);
    assert_int_equal(memory_node(f.memory, 3).frames_used, 1);
    stop(&f);
}

static void a_replica_serves_its_node_at_once_and_all_mappings_become_read_only(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    start(&f);
    load(&f, 0, 7);
    load(&f, 1, 7);
    load(&f, 2, 7);
    assert_int_equal(replicate(&f, 0, 1), POLICY_DONE);
    assert_int_equal(account_ns(&f, 0, ACCOUNT_move), 2003 + 4001);
    assert_int_equal(account_ns(&f, 0, ACCOUNT_shootdown), SHOT(2)); /* CPUs 1 and 2 could write */
    assert_int_equal(memory_page(f.memory, 0).replicas, 1u << 1);
    const uint64_t misses = count(&f, 1)->tlb_misses;
    load(&f, 1, 7); /* repointed: no miss, and local */
    assert_int_equal(count(&f, 1)->tlb_misses, misses);
    assert_int_equal(replicate(&f, 0, 2), POLICY_DONE);
    assert_int_equal(count(&f, 1)->shootdowns_suffered, 1); /* read-only already */
    assert_int_equal(count(&f, 2)->shootdowns_suffered, 2); /* repointed */
    assert_int_equal(replicate(&f, 0, 2), POLICY_NOTHING);
    memory_finish(f.memory);
    assert_int_equal(count(&f, 1)->local_accesses, 1);
    assert_int_equal(memory_node(f.memory, 1).replica_frames, 1);
    stop(&f);
}

static void a_cpu_maps_the_nearest_copy(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    f.latency[3 * NODES + 1] = 250;
    start(&f);
    load(&f, 2, 7); /* home 2 */
    assert_int_equal(replicate(&f, 0, 1), POLICY_DONE);
    load(&f, 3, 7); /* 250 ns to node 1, 300 to node 2 */
    load(&f, 0, 7); /* 200 ns to node 2, 300 to node 1 */
    memory_finish(f.memory);
    assert_int_equal(memory_traffic_loads(f.memory)[3 * NODES + 1], 1);
    assert_int_equal(memory_traffic_loads(f.memory)[0 * NODES + 2], 1);
    stop(&f);
}

static void a_store_collapses_to_the_master_even_with_a_replica_at_hand(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    start(&f);
    load(&f, 0, 7);
    load(&f, 1, 7);
    assert_int_equal(replicate(&f, 0, 1), POLICY_DONE);
    const uint64_t shot = account_ns(&f, 1, ACCOUNT_shootdown);
    const uint64_t misses = count(&f, 1)->tlb_misses;
    store(&f, 1, 7);
    assert_int_equal(memory_page(f.memory, 0).home, 0);
    assert_int_equal(memory_page(f.memory, 0).replicas, 0);
    assert_int_equal(memory_page(f.memory, 0).collapses, 1);
    assert_int_equal(account_ns(&f, 1, ACCOUNT_move), 503 + 2003);
    assert_int_equal(account_ns(&f, 1, ACCOUNT_shootdown) - shot, SHOT(1));
    assert_int_equal(count(&f, 1)->collapses, 1);
    assert_int_equal(count(&f, 1)->tlb_misses, misses); /* the fault handler wrote the entry */
    assert_int_equal(f.collapseds, 1);
    assert_true(f.collapsed.store);
    assert_int_equal(f.action.kind, MEMORY_ACTION_COLLAPSE);
    assert_int_equal(f.action.cost_ns, 503 + 2003 + SHOT(1) + 53);
    store(&f, 1, 7); /* writable now */
    assert_int_equal(count(&f, 1)->collapses, 1);
    memory_finish(f.memory);
    assert_int_equal(count(&f, 1)->remote_accesses, 3);
    assert_int_equal(memory_node(f.memory, 1).replica_frames, 0);
    assert_int_equal(memory_node(f.memory, 1).replica_frames_most, 1);
    stop(&f);
}

static void a_migration_to_a_replica_copies_nothing(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    start(&f);
    load(&f, 0, 7);
    assert_int_equal(replicate(&f, 0, 1), POLICY_DONE);
    assert_int_equal(replicate(&f, 0, 2), POLICY_DONE);
    const uint64_t moves = account_ns(&f, 0, ACCOUNT_move);
    assert_int_equal(migrate(&f, 0, 1), POLICY_DONE);
    assert_int_equal(account_ns(&f, 0, ACCOUNT_move) - moves, 2 * 2003); /* collapse and move */
    assert_int_equal(memory_page(f.memory, 0).home, 1);
    assert_int_equal(memory_page(f.memory, 0).replicas, 0);
    assert_int_equal(memory_page(f.memory, 0).collapses, 1);
    assert_int_equal(memory_node(f.memory, 0).frames_used, 0);
    assert_int_equal(memory_node(f.memory, 2).frames_used, 0);
    stop(&f);
}

static void a_full_node_gives_up_its_oldest_replica_after_the_policy_was_told(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    f.node[1].memory_bytes = 2 * PAGE;
    start(&f);
    load(&f, 0, 1);
    load(&f, 0, 2);
    load(&f, 0, 3);
    assert_int_equal(replicate(&f, 1, 1), POLICY_DONE); /* the older */
    assert_int_equal(replicate(&f, 0, 1), POLICY_DONE);
    load(&f, 1, 9); /* a first touch takes the frame, no fallback */
    assert_int_equal(f.pressures, 1);
    assert_int_equal(f.pressure_node, 1);
    assert_int_equal(memory_page(f.memory, 3).home, 1);
    assert_int_equal(memory_page(f.memory, 1).replicas, 0);
    assert_int_equal(memory_page(f.memory, 0).replicas, 1u << 1);
    assert_int_equal(f.action.kind, MEMORY_ACTION_RECLAIM);
    assert_int_equal(f.action.page, 1);
    assert_int_equal(f.action.from, 1);
    assert_int_equal(account_ns(&f, 1, ACCOUNT_move), 2003);
    assert_int_equal(migrate(&f, 2, 1), POLICY_DONE); /* takes the other replica's */
    assert_int_equal(migrate(&f, 1, 1), POLICY_NO_FRAME);
    assert_int_equal(f.action.answer, POLICY_NO_FRAME);
    assert_int_equal(replicate(&f, 1, 1), POLICY_NO_FRAME);
    assert_int_equal(count(&f, 0)->refused, 2);
    stop(&f);
}

static void nonsense_is_refused_counted_and_logged(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    start(&f);
    load(&f, 2, 7);
    assert_int_equal(migrate(&f, 1, 0), POLICY_NONSENSE);
    assert_int_equal(migrate(&f, 0, NODES), POLICY_NONSENSE);
    assert_int_equal(replicate(&f, UINT32_MAX, 0), POLICY_NONSENSE);
    assert_int_equal(replicate(&f, 0, UINT32_MAX), POLICY_NONSENSE);
    assert_int_equal(policy_collapse(&f.memory->host, 5, "test"), POLICY_NONSENSE);
    assert_int_equal(policy_collapse(&f.memory->host, 0, "test"), POLICY_NOTHING);
    assert_int_equal(f.actions, 5);
    assert_int_equal(count(&f, 2)->refused, 2); /* the page's home */
    assert_int_equal(count(&f, 0)->refused, 3); /* no page, so no home */
    assert_int_equal(policy_free_frames(&f.memory->host, 99), 0);
    struct policy_page page;
    assert_false(policy_page(&f.memory->host, 1, &page));
    stop(&f);
}

static void hot_comes_at_exactly_the_trigger_and_not_for_local_references(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    f.wants = (struct policy_wants){.signals = POLICY_SIGNAL_HOT, .trigger = 4};
    start(&f);
    for (int at = 0; at < 10; at++)
        load(&f, 0, 7); /* local */
    assert_int_equal(f.hots, 0);
    for (int at = 0; at < 3; at++)
        load(&f, 1, 7);
    assert_int_equal(f.hots, 0);
    store(&f, 1, 7);
    assert_int_equal(f.hots, 1);
    assert_int_equal(f.hot.node, 1);
    assert_true(f.hot.store);
    load(&f, 1, 7); /* past it */
    assert_int_equal(f.hots, 1);
    assert_int_equal(count(&f, 1)->hot_pages, 1);
    struct policy_page page;
    assert_true(policy_page(&f.memory->host, 0, &page));
    assert_int_equal(page.counts[0], 10);
    assert_int_equal(page.counts[1], 5);
    assert_int_equal(page.counts[2], 0);
    assert_int_equal(page.writes, 1);
    assert_int_equal(page.moves, 0);
    stop(&f);
}

static void the_cpus_of_a_node_count_together_towards_the_trigger(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    f.wants = (struct policy_wants){.signals = POLICY_SIGNAL_HOT, .trigger = 4};
    start(&f);
    load(&f, 1, 7);
    load(&f, 0, 7);
    load(&f, CPU_B, 7);
    load(&f, 0, 7);
    assert_int_equal(f.hots, 0);
    load(&f, CPU_B, 7);
    assert_int_equal(f.hots, 1);
    assert_int_equal(f.hot.cpu, CPU_B);
    stop(&f);
}

static void counters_saturate_and_go_back_to_zero_with_the_interval(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    f.wants = (struct policy_wants){.signals = POLICY_SIGNAL_HOT,
                                    .trigger = 60000,
                                    .reset_ns = 1000000000};
    f.options.epoch_references = 70000;
    start(&f);
    for (int at = 0; at < 69999; at++)
        store(&f, 0, 7);
    struct policy_page page;
    assert_true(policy_page(&f.memory->host, 0, &page));
    assert_int_equal(page.counts[0], UINT16_MAX);
    assert_int_equal(page.writes, UINT16_MAX);
    memory_idle(f.memory, 2, 1000000000);
    store(&f, 0, 7); /* the epoch ends, and the interval with it */
    assert_true(policy_page(&f.memory->host, 0, &page));
    assert_int_equal(page.counts[0], 0);
    assert_int_equal(page.writes, 0);
    stop(&f);
}

static void every_nth_reference_and_every_miss_are_told_to_who_asks(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    f.wants = (struct policy_wants){.signals = POLICY_SIGNAL_REFERENCE | POLICY_SIGNAL_TLB_MISS,
                                    .reference_period = 3};
    start(&f);
    load(&f, 0, 1);
    load(&f, 1, 2);
    assert_int_equal(f.nths, 0);
    store(&f, 2, 1);
    assert_int_equal(f.nths, 1);
    assert_int_equal(f.nth.page, 0);
    assert_int_equal(f.nth.cpu, 2);
    assert_true(f.nth.store);
    load(&f, 2, 1);
    assert_int_equal(f.misses, 3);
    assert_int_equal(f.miss.page, 0);
    struct policy_page page;
    assert_true(policy_page(&f.memory->host, 0, &page));
    assert_null(page.counts); /* nobody asked for them */
    stop(&f);
}

static void ticks_come_at_epoch_borders_at_most_once_each(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    f.wants.tick_ns = 1000;
    f.options.epoch_references = 2;
    start(&f);
    load(&f, 0, 1);
    assert_int_equal(f.ticks, 0);
    load(&f, 0, 1); /* the first touch alone took ten intervals */
    assert_int_equal(f.ticks, 1);
    load(&f, 0, 1);
    load(&f, 0, 1);
    assert_int_equal(f.ticks, 1); /* 200 ns later */
    memory_idle(f.memory, 0, 5000);
    load(&f, 0, 1);
    memory_finish(f.memory);
    assert_int_equal(f.ticks, 1); /* not at the end */
    stop(&f);
}

static void the_page_in_use_may_be_moved_under_the_reference(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    f.wants = (struct policy_wants){.signals = POLICY_SIGNAL_HOT, .trigger = 2};
    f.migrate_hot_to = 3; /* away from everybody */
    f.options.check_every = 1;
    start(&f);
    load(&f, 0, 7);
    const uint64_t addr[4] = {7 * PAGE, 7 * PAGE, 7 * PAGE, 7 * PAGE};
    const uint8_t what[4] = {MEMORY_LOAD, MEMORY_LOAD, MEMORY_STORE, MEMORY_LOAD};
    well(memory_references(f.memory, 1, addr, what, 4)); /* the second makes it hot */
    memory_finish(f.memory);
    assert_int_equal(memory_page(f.memory, 0).home, 3);
    assert_int_equal(count(&f, 1)->tlb_misses, 2);
    assert_int_equal(memory_traffic_loads(f.memory)[1 * NODES + 0], 2);
    assert_int_equal(memory_traffic_loads(f.memory)[1 * NODES + 3], 1);
    assert_int_equal(memory_traffic_stores(f.memory)[1 * NODES + 3], 1);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_migration_interrupts_only_the_cpus_that_map_the_page),
        cmocka_unit_test(a_migration_that_nobody_else_maps_is_no_shootdown),
        cmocka_unit_test(a_replica_serves_its_node_at_once_and_all_mappings_become_read_only),
        cmocka_unit_test(a_cpu_maps_the_nearest_copy),
        cmocka_unit_test(a_store_collapses_to_the_master_even_with_a_replica_at_hand),
        cmocka_unit_test(a_migration_to_a_replica_copies_nothing),
        cmocka_unit_test(a_full_node_gives_up_its_oldest_replica_after_the_policy_was_told),
        cmocka_unit_test(nonsense_is_refused_counted_and_logged),
        cmocka_unit_test(hot_comes_at_exactly_the_trigger_and_not_for_local_references),
        cmocka_unit_test(the_cpus_of_a_node_count_together_towards_the_trigger),
        cmocka_unit_test(counters_saturate_and_go_back_to_zero_with_the_interval),
        cmocka_unit_test(every_nth_reference_and_every_miss_are_told_to_who_asks),
        cmocka_unit_test(ticks_come_at_epoch_borders_at_most_once_each),
        cmocka_unit_test(the_page_in_use_may_be_moved_under_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
