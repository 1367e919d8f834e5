/* What a policy keeps about pages, pays for its handlers and knows of bandwidths. */
#include "tests/unit/memory_fixture.h"

static struct policy_host *host(struct fixture *fixture)
{
    return &fixture->memory->host;
}

static void a_note_begins_as_zero_and_stays_with_its_page(void **unused)
{
    (void)unused;
    struct fixture it;
    prepare(&it);
    it.wants.note_bytes = 20;
    start(&it);
    for (uint64_t vpn = 0; vpn < 100; vpn++)
        load(&it, 0, vpn);
    for (uint32_t page = 100; page-- > 0;) {
        uint8_t *const note = policy_note(host(&it), page);
        assert_int_equal((uintptr_t)note % 8, 0);
        for (uint32_t byte = 0; byte < 20; byte++)
            assert_int_equal(note[byte], 0);
        memset(note, (int)page + 1, 20);
    }
    migrate(&it, 7, 1);
    for (uint32_t page = 0; page < 100; page++)
        for (uint32_t byte = 0; byte < 20; byte++)
            assert_int_equal(((uint8_t *)policy_note(host(&it), page))[byte], page + 1);
    stop(&it);
}

static void notes_of_many_pages_are_zero_where_the_array_grew(void **unused)
{
    (void)unused;
    struct fixture it;
    prepare(&it);
    it.wants.note_bytes = 1;
    for (uint32_t node = 0; node < NODES; node++)
        it.node[node].memory_bytes = 2048 * PAGE;
    start(&it);
    for (uint64_t vpn = 0; vpn < 5000; vpn++) {
        load(&it, 0, vpn);
        uint64_t *const note = policy_note(host(&it), (uint32_t)vpn);
        assert_int_equal(*note, 0);
        *note = UINT64_MAX;
    }
    stop(&it);
}

static void there_is_no_note_without_a_page_or_a_wish(void **unused)
{
    (void)unused;
    struct fixture it;
    prepare(&it);
    start(&it);
    load(&it, 0, 1);
    assert_null(policy_note(host(&it), 0));
    stop(&it);
    prepare(&it);
    it.wants.note_bytes = 8;
    start(&it);
    load(&it, 0, 1);
    assert_non_null(policy_note(host(&it), 0));
    assert_null(policy_note(host(&it), 1));
    assert_null(policy_note(host(&it), POLICY_NO_PAGE));
    stop(&it);
}

static void an_interrupt_costs_what_a_hot_page_costs(void **unused)
{
    (void)unused;
    struct fixture it;
    prepare(&it);
    start(&it);
    load(&it, 1, 1);
    const uint64_t before = account_ns(&it, 1, ACCOUNT_move);
    policy_interrupt(host(&it), 1);
    policy_interrupt(host(&it), 1);
    policy_interrupt(host(&it), CPUS); /* not there */
    assert_int_equal(account_ns(&it, 1, ACCOUNT_move) - before, 2 * 211);
    assert_int_equal(count(&it, 1)->hot_pages, 2);
    stop(&it);
}

static void bandwidths_are_the_curves_end_or_a_line_in_each_service_time(void **unused)
{
    (void)unused;
    struct fixture it;
    struct machine_curve_point curve[] = {{.mb_per_s = 1000, .latency_ps = 90000},
                                          {.mb_per_s = 50000, .latency_ps = 150000}};
    prepare(&it);
    it.machine.curve = curve;
    it.machine.curve_points = 2;
    it.node[0].curve_points = 2;
    it.node[0].service_ps = 7;
    it.node[1].service_ps = 1000; /* of a line of 64 bytes: 64 GB/s */
    it.node[3].memory_bytes = 0;
    it.node[3].service_ps = 1000;
    const uint64_t line = network_line_bytes(&it.machine);
    start(&it);
    assert_int_equal(host(&it)->mb_per_s[0], 50000);
    assert_int_equal(host(&it)->mb_per_s[1], line * 1000);
    assert_int_equal(host(&it)->mb_per_s[2], 0);
    assert_int_equal(host(&it)->mb_per_s[3], 0);
    stop(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_note_begins_as_zero_and_stays_with_its_page),
        cmocka_unit_test(notes_of_many_pages_are_zero_where_the_array_grew),
        cmocka_unit_test(there_is_no_note_without_a_page_or_a_wish),
        cmocka_unit_test(an_interrupt_costs_what_a_hot_page_costs),
        cmocka_unit_test(bandwidths_are_the_curves_end_or_a_line_in_each_service_time),
    };
    return cmocka_run_group_tests_name("memory notes", tests, NULL, NULL);
}
