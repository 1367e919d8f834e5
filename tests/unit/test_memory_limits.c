/* The memory subsystem where things are many or at their limit: tables that grow, long stretches of
 * references, ranges wider than what is in them, clocks at their end. */
#include "tests/unit/memory_fixture.h"

#include <cmocka.h>

#define MANY   20000u
#define PASSES 5u

/* Each page is loaded once by CPU 0, which has it, then PASSES times by CPU 1 in one call. With a
 * TLB this small against this many pages in turn, every reference is a miss. */
static void tables_grow_and_one_call_may_hold_any_number_of_references(void **state)
{
    (void)state;
    static uint64_t addr[MANY * PASSES];
    static uint8_t what[MANY * PASSES];
    struct fixture f;
    prepare(&f);
    for (uint32_t node = 0; node < NODES; node++)
        f.node[node].memory_bytes = MANY * PAGE;
    f.wants = (struct policy_wants){.signals = POLICY_SIGNAL_HOT, .trigger = 3};
    f.options.epoch_references = UINT64_C(1) << 20;
    start(&f);
    for (uint32_t at = 0; at < MANY * PASSES; at++) {
        addr[at] = (uint64_t)(at % MANY) * 7 * PAGE;
        what[at] = at % 4 == 0 ? MEMORY_STORE : at % 4 == 1 ? MEMORY_FETCH : MEMORY_LOAD;
    }
    well(memory_references(f.memory, 0, addr, what, MANY));
    assert_int_equal(count(&f, 0)->page_faults, MANY);
    well(memory_references(f.memory, 1, addr, what, MANY * PASSES));
    memory_finish(f.memory);
    assert_int_equal(f.hots, MANY); /* each at its third load by CPU 1, and never again */
    assert_int_equal(count(&f, 1)->hot_pages, MANY);
    assert_int_equal(count(&f, 1)->stores, MANY * PASSES / 4);
    assert_int_equal(count(&f, 1)->fetches, MANY * PASSES / 4);
    assert_int_equal(count(&f, 1)->loads, MANY * PASSES / 2);
    assert_int_equal(count(&f, 1)->remote_accesses, MANY * PASSES);
    assert_int_equal(count(&f, 1)->l2tlb_misses, MANY * PASSES);
    assert_int_equal(account_ns(&f, 1, ACCOUNT_remote_stall), MANY * PASSES * 300);
    for (uint32_t page = 0; page < MANY; page++)
        assert_int_equal(memory_page(f.memory, page).loads + memory_page(f.memory, page).stores,
                         1 + PASSES);
    well(memory_unmap(f.memory, 0, 0, MANY / 2 * 7 * PAGE));
    assert_int_equal(memory_node(f.memory, 0).frames_used, MANY / 2);
    stop(&f);
}

/* Each kind is counted in 16 bits within a stretch, and the policy's counters have 16 bits. */
static void one_page_may_have_any_number_of_references_of_one_kind(void **state)
{
    (void)state;
    static uint64_t addr[150000];
    static uint8_t what[150000];
    static const enum memory_kind kinds[] = {MEMORY_FETCH, MEMORY_LOAD, MEMORY_STORE, MEMORY_TOUCH};
    const uint32_t each = sizeof what;
    struct fixture f;
    prepare(&f);
    f.wants = (struct policy_wants){.signals = POLICY_SIGNAL_HOT, .trigger = 65534};
    f.options.epoch_references = UINT64_C(1) << 20;
    start(&f);
    load(&f, 0, 0);
    struct policy_page page;
    memset(what, MEMORY_STORE, sizeof what);
    well(memory_references(f.memory, 2, addr, what, 65534));
    assert_true(policy_page(&f.memory->host, 0, &page));
    assert_int_equal(page.writes, 65534);
    assert_int_equal(page.counts[2], 65534);
    for (uint32_t kind = 0; kind < 4; kind++) {
        memset(what, (int)kinds[kind], sizeof what);
        well(memory_references(f.memory, 1, addr, what, each));
    }
    assert_int_equal(count(&f, 1)->fetches, each);
    assert_int_equal(count(&f, 1)->loads, 2 * each);
    assert_int_equal(count(&f, 1)->stores, each);
    assert_true(policy_page(&f.memory->host, 0, &page));
    assert_int_equal(page.counts[0], 1);
    assert_int_equal(page.counts[1], 65535);
    assert_int_equal(page.writes, 65535);
    assert_int_equal(f.hots, 2); /* once for each node */
    store(&f, 2, 0);
    assert_true(policy_page(&f.memory->host, 0, &page));
    assert_int_equal(page.writes, 65535);
    memory_finish(f.memory);
    assert_int_equal(memory_page(f.memory, 0).stores, each + 65535);
    assert_int_equal(memory_page(f.memory, 0).loads, 3 * each + 1);
    stop(&f);
}

static void a_range_far_wider_than_what_was_touched_is_shared_and_unmapped(void **state)
{
    (void)state;
    const uint64_t wide = UINT64_C(1) << 40;
    struct fixture f;
    prepare(&f);
    start(&f);
    load(&f, 0, 3);         /* before it is shown */
    load(&f, 0, wide + 12); /* beside it */
    well(memory_share(f.memory, 0, 0, 1, 16 * PAGE, wide * PAGE));
    well(memory_dispatch(f.memory, 1, 1, 1));
    load(&f, 1, 16 + 3);
    load(&f, 0, 900); /* touched where it is from, not yet where it is shown */
    assert_int_equal(memory_pages(f.memory), 3);
    well(memory_unmap(f.memory, 0, 0, wide * PAGE));
    load(&f, 1, 16 + 3);
    load(&f, 1, 16 + 900);
    assert_int_equal(memory_pages(f.memory), 3); /* both lived on in space 1 */
    load(&f, 0, 900);
    assert_int_equal(memory_pages(f.memory), 4); /* no longer joined */
    assert_true(memory_page(f.memory, 1).mapped);
    well(memory_unmap(f.memory, 1, 0, UINT64_MAX));
    assert_false(memory_page(f.memory, 0).mapped);
    assert_int_equal(memory_node(f.memory, 0).frames_used, 2);
    stop(&f);
}

static void an_epoch_has_16384_references_of_the_program_and_at_least_64_of_the_trace(void **state)
{
    (void)state;
    static const struct {
        uint64_t refs_per_sample, references;
    } expected[] = {{0, 16384}, {1, 16384}, {16, 1024}, {256, 64}, {100000, 64}};
    for (size_t at = 0; at < sizeof expected / sizeof expected[0]; at++) {
        struct fixture f;
        prepare(&f);
        f.options.epoch_references = 0;
        f.options.refs_per_sample = expected[at].refs_per_sample;
        start(&f);
        for (uint64_t reference = 1; reference < expected[at].references; reference++)
            load(&f, 0, 1);
        assert_int_equal(f.epochs, 0);
        load(&f, 0, 1);
        assert_int_equal(f.epochs, 1);
        stop(&f);
    }
}

static void a_tick_and_an_interval_end_at_their_very_nanosecond(void **state)
{
    (void)state;
    const uint64_t due_ns = 1000000;
    for (uint64_t early_ns = 0; early_ns < 2; early_ns++) {
        struct fixture f;
        struct policy_page page;
        prepare(&f);
        f.wants = (struct policy_wants){.signals = POLICY_SIGNAL_HOT,
                                        .trigger = 9,
                                        .tick_ns = due_ns,
                                        .reset_ns = due_ns};
        f.options.epoch_references = 2;
        start(&f);
        memory_idle(f.memory, 2, due_ns - early_ns - f.machine.costs.dispatch_ns);
        load(&f, 0, 1);
        load(&f, 0, 1);
        assert_int_equal(memory_time_ns(f.memory), due_ns - early_ns);
        assert_int_equal(f.ticks, 1 - early_ns);
        assert_true(policy_page(&f.memory->host, 0, &page));
        assert_int_equal(page.counts[0], 2 * early_ns);
        stop(&f);
    }
}

static void a_clock_stops_at_its_end_and_the_run_fails_in_a_line(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    for (uint32_t pair = 0; pair < NODES * NODES; pair++)
        f.latency[pair] = 1000000; /* the most that a machine may have */
    f.options.refs_per_sample = UINT64_C(1) << 32;
    f.options.epoch_references = 2;
    start(&f);
    load(&f, 0, 1);
    load(&f, 1, 1);
    assert_int_equal(account_ns(&f, 0, ACCOUNT_local_stall), (UINT64_C(1) << 32) * 1000000);
    load(&f, 0, 1);
    char *const error = try_one(&f, 0, 1, MEMORY_LOAD);
    assert_non_null(error);
    assert_non_null(strstr(error, "106 days"));
    free(error);
    assert_int_equal(count(&f, 0)->clock_ps, CLOCK_PS_MOST);
    stop(&f); /* its accounts still add up to its clock */
}

static void limits_of_machine_and_options_are_refused_in_a_line(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    f.options.machine = &f.machine;
    f.options.policy = &f.policy;
    f.machine.cpus = 4097;
    char *error = memory_new(&f.options, &f.memory);
    assert_string_equal(error, "the number of CPUs is 4097; it must be 1 to 4096");
    free(error);
    f.machine.cpus = CPUS;
    f.options.refs_per_sample = (UINT64_C(1) << 32) + 1;
    error = memory_new(&f.options, &f.memory);
    assert_non_null(error);
    assert_non_null(strstr(error, "at most 2^32"));
    free(error);
    assert_null(f.memory);
    memory_free(NULL);
}

static const char *refuse_it(void *state, const struct policy_setup *setup,
                             struct policy_wants *wants)
{
    (void)state;
    (void)setup;
    (void)wants;
    return "node: there is no such node; give another";
}

/* The caller names the policy: it knows the parameters too. */
static void what_a_policy_says_of_its_parameters_is_handed_on_as_it_is(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    f.options.machine = &f.machine;
    f.options.policy = &f.policy;
    f.policy.init = refuse_it;
    char *const error = memory_new(&f.options, &f.memory);
    assert_string_equal(error, "node: there is no such node; give another");
    free(error);
}

static void totals_of_a_page_go_beyond_32_bits(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    start(&f);
    load(&f, 0, 1);
    load(&f, 1, 2);
    memory_finish(f.memory);
    for (uint32_t more = 0; more < 3; more++) {
        pmap_count(f.memory, 0, UINT32_MAX, 7, true);
        pmap_count(f.memory, 1, 5, UINT64_C(1) << 33, false);
    }
    const struct memory_page_state first = memory_page(f.memory, 0);
    assert_true(first.loads == 1 + 3 * (uint64_t)UINT32_MAX);
    assert_int_equal(first.stores, 21);
    assert_true(first.local_accesses == 1 + 3 * ((uint64_t)UINT32_MAX + 7));
    const struct memory_page_state second = memory_page(f.memory, 1);
    assert_int_equal(second.loads, 16);
    assert_true(second.stores == UINT64_C(3) << 33);
    assert_int_equal(second.local_accesses, 1);
    memory_free(f.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(totals_of_a_page_go_beyond_32_bits),
        cmocka_unit_test(tables_grow_and_one_call_may_hold_any_number_of_references),
        cmocka_unit_test(one_page_may_have_any_number_of_references_of_one_kind),
        cmocka_unit_test(a_range_far_wider_than_what_was_touched_is_shared_and_unmapped),
        cmocka_unit_test(an_epoch_has_16384_references_of_the_program_and_at_least_64_of_the_trace),
        cmocka_unit_test(a_tick_and_an_interval_end_at_their_very_nanosecond),
        cmocka_unit_test(a_clock_stops_at_its_end_and_the_run_fails_in_a_line),
        cmocka_unit_test(limits_of_machine_and_options_are_refused_in_a_line),
        cmocka_unit_test(what_a_policy_says_of_its_parameters_is_handed_on_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
