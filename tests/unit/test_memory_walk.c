/* Hardware TLBs of two levels, and walks through tables that have homes: every hit and read by hand,
 * with the machine of memory_fixture.h (100 ns to the own node, 300 to the others). */
#include "tests/unit/memory_fixture.h"

#define L2_NS   7u
#define LINE_NS 5u

/* Two entries on the first level and four on the second, four levels of tables, no cache of them. */
static void prepare_walks(struct fixture *f)
{
    prepare(f);
    struct machine_tlb *const tlb = &f->machine.tlb;
    tlb->refill = TLB_REFILL_HARDWARE;
    tlb->replacement = TLB_REPLACE_LRU;
    tlb->tagged = true;
    tlb->entries = tlb->ways = 2;
    tlb->arrays = 2;
    tlb->array[0] = (struct machine_tlb_array){.level = 1, .pages = 1, .entries = 2, .ways = 2};
    tlb->array[1] = (struct machine_tlb_array){
        .level = 2, .pages = 1, .entries = 4, .ways = 4, .latency_ns = L2_NS};
    tlb->walk = (struct machine_walk){.levels = 4, .line_ways = 1};
    f->machine.l2tlb.entries = 0;
}

static uint64_t tlb_ns(struct fixture *f, uint32_t cpu)
{
    memory_finish(f->memory); /* reads are charged at the end of an epoch */
    return account_ns(f, cpu, ACCOUNT_tlb);
}

static uint64_t tables_on(const struct fixture *f, uint32_t node)
{
    return memory_node(f->memory, node).table_frames;
}

static void the_second_level_serves_what_the_first_has_lost(void **unused)
{
    (void)unused;
    struct fixture f;
    prepare_walks(&f);
    start(&f);
    for (uint64_t vpn = 0; vpn < 4; vpn++)
        load(&f, 0, vpn);
    assert_int_equal(count(&f, 0)->tlb_misses, 4);
    assert_int_equal(count(&f, 0)->l2tlb_misses, 4);
    assert_int_equal(count(&f, 0)->walks, 4);
    load(&f, 0, 3); /* in the first level */
    assert_int_equal(count(&f, 0)->tlb_misses, 4);
    load(&f, 0, 0); /* in the second; takes the place of page 2 in the first */
    load(&f, 0, 3);
    assert_int_equal(count(&f, 0)->tlb_misses, 5);
    load(&f, 0, 2);
    assert_int_equal(count(&f, 0)->tlb_misses, 6);
    assert_int_equal(count(&f, 0)->l2tlb_misses, 4);
    assert_int_equal(tlb_ns(&f, 0), 2 * L2_NS + 4 * 4 * 100);
    stop(&f);
}

static void the_second_level_replaces_by_its_own_order(void **unused)
{
    (void)unused;
    struct fixture f;
    prepare_walks(&f);
    start(&f);
    for (uint64_t vpn = 0; vpn < 4; vpn++)
        load(&f, 0, vpn);
    load(&f, 0, 0); /* renewed in the second level */
    for (int again = 0; again < 5; again++)
        load(&f, 0, 0); /* hits of the first level do not renew it there */
    load(&f, 0, 1);     /* renewed too */
    load(&f, 0, 4);     /* a walk; page 2 leaves the second level */
    load(&f, 0, 0);
    assert_int_equal(count(&f, 0)->walks, 5);
    load(&f, 0, 2);
    assert_int_equal(count(&f, 0)->walks, 6);
    stop(&f);
}

static void tables_live_where_they_are_first_needed_and_remote_walks_read_remotely(void **unused)
{
    (void)unused;
    struct fixture f;
    prepare_walks(&f);
    start(&f);
    load(&f, 1, 0); /* node 1 gets the page and all four tables */
    assert_int_equal(tables_on(&f, 1), 4);
    assert_int_equal(memory_node(f.memory, 1).frames_used, 5);
    for (uint64_t vpn = 1; vpn < 40; vpn++)
        load(&f, 0, vpn); /* 39 pages on node 0, through the tables on node 1 */
    assert_int_equal(tables_on(&f, 0), 0);
    assert_int_equal(count(&f, 0)->walks, 39);
    assert_int_equal(count(&f, 0)->walk_reads_remote, 39 * 4);
    assert_int_equal(count(&f, 0)->walk_reads_local, 0);
    assert_int_equal(count(&f, 1)->walk_reads_local, 4);
    assert_int_equal(tlb_ns(&f, 0), 39 * 4 * 300);
    assert_int_equal(count(&f, 0)->walk_remote_ps, UINT64_C(39) * 4 * 300 * PS_PER_NS);
    assert_int_equal(account_ns(&f, 1, ACCOUNT_tlb), 4 * 100);
    assert_int_equal(account_ns(&f, 0, ACCOUNT_remote_stall), 0);
    stop(&f);
}

static void the_walk_cache_spares_the_levels_above(void **unused)
{
    (void)unused;
    struct fixture f;
    prepare_walks(&f);
    f.machine.tlb.walk.caches = 2;
    f.machine.tlb.walk.cache[0] = (struct machine_walk_cache){.level = 2, .entries = 2, .ways = 2};
    f.machine.tlb.walk.cache[1] = (struct machine_walk_cache){.level = 3, .entries = 1, .ways = 1};
    start(&f);
    load(&f, 0, 0); /* four reads */
    load(&f, 0, 1); /* level 2 hits: one read */
    assert_int_equal(count(&f, 0)->walk_reads_local, 5);
    load(&f, 0, 512); /* level 3 hits: two reads */
    assert_int_equal(count(&f, 0)->walk_reads_local, 7);
    load(&f, 0, UINT64_C(1) << 18); /* another gigabyte: levels 4, 3, 2, 1 */
    assert_int_equal(count(&f, 0)->walk_reads_local, 11);
    load(&f, 0, 2); /* level 2 has the two last: level 3 has the last alone, so four reads */
    assert_int_equal(count(&f, 0)->walk_reads_local, 15);
    stop(&f);
}

static void a_line_holds_eight_entries_until_another_cpu_writes_one(void **unused)
{
    (void)unused;
    struct fixture f;
    prepare_walks(&f);
    f.machine.tlb.walk.line_entries = f.machine.tlb.walk.line_ways = 16;
    f.machine.tlb.walk.line_ns = LINE_NS;
    start(&f);
    load(&f, 0, 0); /* four lines read */
    load(&f, 0, 7); /* four lines hit */
    assert_int_equal(count(&f, 0)->walk_reads_local, 4);
    assert_int_equal(count(&f, 0)->walk_hits, 4);
    load(&f, 0, 8); /* the next line of the last level */
    assert_int_equal(count(&f, 0)->walk_reads_local, 5);
    load(&f, 1, 9); /* CPU 1 maps a page there: its own reads are remote, CPU 0 loses the line */
    assert_int_equal(count(&f, 1)->walk_reads_remote, 4);
    load(&f, 0, 10);
    assert_int_equal(count(&f, 0)->walk_reads_local, 6);
    assert_int_equal(tlb_ns(&f, 0), 6 * 100 + (4 + 3 + 3) * LINE_NS);
    stop(&f);
}

static void a_move_rewrites_the_entry_of_the_table(void **unused)
{
    (void)unused;
    struct fixture f;
    prepare_walks(&f);
    f.machine.tlb.walk.line_entries = f.machine.tlb.walk.line_ways = 16;
    start(&f);
    load(&f, 0, 0);
    load(&f, 1, 0);
    assert_int_equal(count(&f, 1)->walk_reads_remote, 4);
    f.memory->acting = f.memory->cpu[1];
    assert_int_equal(migrate(&f, 0, 1), POLICY_DONE);
    f.memory->acting = NULL;
    load(&f, 0, 0); /* its line is gone; the three above are not */
    assert_int_equal(count(&f, 0)->walk_reads_local, 5);
    assert_int_equal(count(&f, 0)->walk_hits, 3);
    load(&f, 1, 0); /* the one that moved it has them all */
    assert_int_equal(count(&f, 1)->walk_reads_remote, 4);
    assert_int_equal(count(&f, 1)->walk_hits, 4);
    stop(&f);
}

static void tables_go_with_the_last_page_they_map(void **unused)
{
    (void)unused;
    struct fixture f;
    prepare_walks(&f);
    f.machine.tlb.walk.caches = 1;
    f.machine.tlb.walk.cache[0] = (struct machine_walk_cache){.level = 2, .entries = 8, .ways = 8};
    f.machine.tlb.walk.line_entries = f.machine.tlb.walk.line_ways = 16;
    start(&f);
    load(&f, 0, 0);
    load(&f, 0, 512);
    assert_int_equal(tables_on(&f, 0), 5);
    well(memory_unmap(f.memory, 0, 0, PAGE));
    assert_int_equal(tables_on(&f, 0), 4);
    well(memory_check(f.memory));
    well(memory_unmap(f.memory, 0, 512 * PAGE, 513 * PAGE));
    assert_int_equal(tables_on(&f, 0), 0);
    assert_int_equal(memory_node(f.memory, 0).frames_used, 0);
    load(&f, 1, 0); /* made anew, on another node */
    assert_int_equal(tables_on(&f, 1), 4);
    stop(&f);
}

static void each_space_has_tables_of_its_own(void **unused)
{
    (void)unused;
    struct fixture f;
    prepare_walks(&f);
    start(&f);
    load(&f, 0, 0);
    well(memory_share(f.memory, 0, 0, 1, 0, PAGE));
    well(memory_dispatch(f.memory, 1, 9, 1));
    load(&f, 1, 0);
    assert_int_equal(tables_on(&f, 0), 4);
    assert_int_equal(tables_on(&f, 1), 4);
    assert_int_equal(count(&f, 1)->walk_reads_local, 4);
    assert_int_equal(count(&f, 1)->page_faults, 0);
    stop(&f);
}

static void both_halves_of_the_addresses_share_a_root(void **unused)
{
    (void)unused;
    struct fixture f;
    prepare_walks(&f);
    start(&f);
    load(&f, 0, 0);
    load(&f, 0, (UINT64_C(1) << 52) - 1); /* the kernel's half */
    assert_int_equal(tables_on(&f, 0), 7);
    load(&f, 0, UINT64_C(1) << 40); /* no canonical address: a root of its own */
    assert_int_equal(tables_on(&f, 0), 11);
    stop(&f);
}

static uint32_t tables_asked, table_levels, table_node;

static uint32_t place_tables(void *state, struct policy_host *host,
                             const struct policy_event *event)
{
    (void)state;
    (void)host;
    if (!event->table_level)
        return event->node;
    assert_int_equal(event->page, POLICY_NO_PAGE);
    tables_asked++;
    table_levels |= 1u << event->table_level;
    return table_node;
}

static void a_policy_that_wants_to_places_tables(void **unused)
{
    (void)unused;
    struct fixture f;
    prepare_walks(&f);
    f.wants.tables = true;
    f.policy.place = place_tables;
    table_node = 2;
    tables_asked = table_levels = 0;
    start(&f);
    load(&f, 0, 0);
    assert_int_equal(tables_asked, 4);
    assert_int_equal(table_levels, 0x1e);
    assert_int_equal(tables_on(&f, 2), 4);
    assert_int_equal(tlb_ns(&f, 0), 4 * 200); /* nodes 0 and 2 are 200 ns apart */
    stop(&f);
}

static void tables_fall_back_by_distance_and_fill_the_machine(void **unused)
{
    (void)unused;
    struct fixture f;
    prepare_walks(&f);
    for (uint32_t node = 0; node < NODES; node++)
        f.node[node].memory_bytes = 2 * PAGE;
    start(&f);
    load(&f, 0, 0); /* the page and a table on node 0, two on node 2 (the nearest), one on node 1 */
    assert_int_equal(tables_on(&f, 0), 1);
    assert_int_equal(tables_on(&f, 2), 2);
    assert_int_equal(tables_on(&f, 1), 1);
    well(memory_check(f.memory));
    char *error = try_one(&f, 0, UINT64_C(1) << 30, MEMORY_LOAD);
    assert_non_null(error);
    assert_non_null(strstr(error, "full after"));
    free(error);
    memory_free(f.memory);
}

static void a_dispatch_without_tags_empties_every_level_and_the_walk_cache(void **unused)
{
    (void)unused;
    struct fixture f;
    prepare_walks(&f);
    f.machine.tlb.tagged = false;
    f.machine.tlb.walk.caches = 1;
    f.machine.tlb.walk.cache[0] = (struct machine_walk_cache){.level = 2, .entries = 8, .ways = 8};
    start(&f);
    load(&f, 0, 0);
    load(&f, 0, 1);
    assert_int_equal(count(&f, 0)->walk_reads_local, 5);
    well(memory_dispatch(f.memory, 0, 77, 0));
    load(&f, 0, 1);
    assert_int_equal(count(&f, 0)->walks, 3);
    assert_int_equal(count(&f, 0)->walk_reads_local, 9);
    stop(&f);
}

static void a_shootdown_reaches_the_second_level(void **unused)
{
    (void)unused;
    struct fixture f;
    prepare_walks(&f);
    start(&f);
    for (uint64_t vpn = 0; vpn < 3; vpn++)
        load(&f, 0, vpn); /* page 0 is on the second level alone */
    f.memory->acting = f.memory->cpu[1];
    assert_int_equal(migrate(&f, 0, 1), POLICY_DONE);
    f.memory->acting = NULL;
    assert_int_equal(count(&f, 0)->shootdowns_suffered, 1);
    load(&f, 0, 0);
    assert_int_equal(count(&f, 0)->walks, 4);
    stop(&f);
}

static uint64_t accesses_at[NODES]; /* of the controllers, over all epochs */

static void add_accesses(void *context, const struct memory_epoch *epoch)
{
    (void)context;
    for (uint32_t at = 0; at < epoch->stations; at++)
        if (epoch->station[at].kind == NETWORK_CONTROLLER)
            accesses_at[epoch->station[at].from] += epoch->station[at].accesses;
}

static void walks_load_the_controllers_of_the_tables(void **unused)
{
    (void)unused;
    struct fixture f;
    prepare_walks(&f);
    for (uint32_t node = 0; node < NODES; node++)
        f.node[node].service_ps = 50 * PS_PER_NS;
    f.options.contention = true;
    memset(accesses_at, 0, sizeof accesses_at);
    start(&f);
    f.memory->options.on_epoch = add_accesses;
    load(&f, 1, 0);
    for (uint64_t vpn = 1; vpn < 40; vpn++)
        load(&f, 0, vpn);
    memory_finish(f.memory);
    assert_int_equal(accesses_at[1], 1 + 40 * 4); /* a load, and all walks */
    assert_int_equal(accesses_at[0], 39);
    assert_true(account_ns(&f, 0, ACCOUNT_tlb) >= 39 * 4 * 300);
    stop(&f);
}

/* ---- the checker against damage ---- */

static void names(struct fixture *f, const char *message)
{
    char *error = memory_check(f->memory);
    assert_non_null(error);
    if (strstr(error, message) == NULL)
        fail_msg("'%s' is not in: %s", message, error);
    free(error);
}

static void damaged_tables_are_named(void **unused)
{
    (void)unused;
    struct fixture f;
    prepare_walks(&f);
    f.machine.tlb.walk.caches = 1;
    f.machine.tlb.walk.cache[0] = (struct machine_walk_cache){.level = 2, .entries = 8, .ways = 8};
    f.machine.tlb.walk.line_entries = f.machine.tlb.walk.line_ways = 16;
    start(&f);
    load(&f, 0, 5);
    struct tables *const tables = &f.memory->tables;
    struct table *const last = &tables->table[tables_find(tables, 0, 5, 1)];
    well(memory_check(f.memory));

    last->present[0] |= 1;
    names(&f, "maps page 0, the guest does not");
    last->present[0] &= ~UINT64_C(1);
    last->entries = 2;
    names(&f, "has 1 entries, counted 2");
    last->entries = 1;
    last->home = 3;
    names(&f, "is not its own");
    last->home = 0;
    tables->used_on[2]++;
    names(&f, "node 2: 0 page tables, counted 1");
    tables->used_on[2]--;
    tables->used++;
    names(&f, "4 page tables, counted 5");
    tables->used--;
    struct table *const above = &tables->table[tables_find(tables, 0, 5, 2)];
    above->present[0] = 2; /* of another gigabyte's part: leads nowhere */
    names(&f, "table of level 2 maps page 0x200");
    above->present[0] = 1;
    stop(&f);
}

static void what_cpus_keep_of_tables_that_are_gone_is_named(void **unused)
{
    (void)unused;
    struct fixture f;
    prepare_walks(&f);
    f.machine.tlb.walk.caches = 1;
    f.machine.tlb.walk.cache[0] = (struct machine_walk_cache){.level = 2, .entries = 8, .ways = 8};
    f.machine.tlb.walk.line_entries = f.machine.tlb.walk.line_ways = 16;
    start(&f);
    load(&f, 0, 5);
    struct walker *const walker = &f.memory->cpu[0]->walker;
    const uint64_t entry = walker->cache[0].tag[0];
    walker->cache[0].tag[0] = 77;
    names(&f, "its walk cache of level 2 leads space 0 page 0x9a00 to a table that is gone");
    walker->cache[0].tag[0] = entry;
    const uint64_t line = walker->lines.tag[0];
    walker->lines.tag[0] = UINT64_C(99) * TABLE_LINES;
    names(&f, "it holds a line of a table that is gone");
    walker->lines.tag[0] = line;
    struct tables *const tables = &f.memory->tables;
    tables_unmap(f.memory, 0, 5, 1); /* a shootdown was forgotten */
    names(&f, "its TLB maps space 0 page 0x5, the page tables do not");
    well(tables_map(f.memory, f.memory->cpu[0], 0, 5, 1));
    assert_int_equal(tables->used, 4);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_second_level_serves_what_the_first_has_lost),
        cmocka_unit_test(the_second_level_replaces_by_its_own_order),
        cmocka_unit_test(tables_live_where_they_are_first_needed_and_remote_walks_read_remotely),
        cmocka_unit_test(the_walk_cache_spares_the_levels_above),
        cmocka_unit_test(a_line_holds_eight_entries_until_another_cpu_writes_one),
        cmocka_unit_test(a_move_rewrites_the_entry_of_the_table),
        cmocka_unit_test(tables_go_with_the_last_page_they_map),
        cmocka_unit_test(each_space_has_tables_of_its_own),
        cmocka_unit_test(both_halves_of_the_addresses_share_a_root),
        cmocka_unit_test(a_policy_that_wants_to_places_tables),
        cmocka_unit_test(tables_fall_back_by_distance_and_fill_the_machine),
        cmocka_unit_test(a_dispatch_without_tags_empties_every_level_and_the_walk_cache),
        cmocka_unit_test(a_shootdown_reaches_the_second_level),
        cmocka_unit_test(walks_load_the_controllers_of_the_tables),
        cmocka_unit_test(damaged_tables_are_named),
        cmocka_unit_test(what_cpus_keep_of_tables_that_are_gone_is_named),
    };
    return cmocka_run_group_tests_name("walks", tests, NULL, NULL);
}
