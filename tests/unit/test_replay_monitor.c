/* Traces of a monitor's guests: what their events do in a replay, and what is refused. Random ones:
 * tests/property/prop_monitor_trace.c. */
#include "tests/unit/test_replay.h"

#include "vmm-core/memory/guest-writes.h"
#include "vmm-core/memory/memory.h"

#define NONE UINT32_MAX

/* A trace of the monitor's, with one VM. */
static int open_guests(void **state)
{
    const int status = fixture_open(state);
    struct fixture *fixture = *state;
    struct trace_facts facts = {.source = "mips",
                                .command = "test",
                                .page_bytes = PAGE,
                                .time_unit = TIME_REFERENCES,
                                .refs_per_sample = 1};
    end_trace(fixture);
    well(trace_writer_create(fixture->path, &facts, true, &fixture->writer));
    (void)add_space(fixture);
    (void)add_stream(fixture, 0, 1, "vm0.cpu0");
    return status;
}

static void pages_are_zeroed_freed_and_moved_by_devices_on_the_cpu_of_the_stream(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome;
    add_event(fixture, EVENT_DMA, 0, 0, 2, 0, 0, 0);
    add_event(fixture, EVENT_ZERO, 0, 7, 0, 0, 0, 0);
    add_refs(fixture, 0, GUEST_DIRECT_VPN + 7, REF_STORE, 3);
    add_event(fixture, EVENT_DISPATCH, 0, 5, UINT64_MAX, 0, 0, 0); /* the other node */
    add_event(fixture, EVENT_FREE, 0, 1, 0, 0, 0, 0);
    add_event(fixture, EVENT_ZERO, 0, 1, 0, 0, 0, 0);
    add_event(fixture, EVENT_SERVICE, 0, MEMORY_SERVICE_CALL, 12, 0, 0, 0);
    add_refs(fixture, 0, GUEST_DIRECT_VPN + 1, REF_STORE, 1);
    replay_it(fixture, "first-touch", NULL, 1, &outcome);
    well(outcome.error);
    outcome.error = NULL;
    const struct memory *memory = outcome.replay[0]->memory;
    assert_int_equal(memory_cpu(memory, 0)->dma_pages, 2);
    assert_int_equal(memory_cpu(memory, 0)->zeroed_pages, 1);
    assert_int_equal(memory_cpu(memory, 0)->page_faults, 3);
    assert_int_equal(memory_cpu(memory, 2)->freed_pages, 1);
    assert_int_equal(memory_cpu(memory, 2)->page_faults, 1);
    assert_int_equal(memory_cpu(memory, 2)->monitor_calls, 12);
    assert_int_equal(memory_page(memory, memory_find(memory, 0, GUEST_DIRECT_VPN + 1)).home, 1);
    assert_int_equal(memory_node(memory, 0).frames_used, 2);
    for (unsigned type = 0; type < EVENT_TYPES; type++)
        assert_int_equal(course_left_out(outcome.course)[type], 0);
    outcome_free(&outcome);
}

static void tlb_writes_join_spaces_and_change_what_is_mapped(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome;
    const uint32_t space = add_space(fixture);
    add_event(fixture, EVENT_SHARE, NONE, 0, GUEST_DIRECT_BASE, space, GUEST_DIRECT_BASE,
              0x20000000);
    add_event(fixture, EVENT_ASID, 0, space, 0, 0, 0, 0);
    add_event(fixture, EVENT_TLBWRITE, 0, 3, 0x400001, 5 << 6 | 6, 6 << 6 | 6, 0);
    add_refs(fixture, 0, 0x400, REF_STORE, 1);
    add_refs(fixture, 0, GUEST_DIRECT_VPN + 5, REF_STORE, 1);
    add_event(fixture, EVENT_TLBWRITE, 0, 3, 0x400001, 7 << 6 | 6, 6 << 6 | 6, 0);
    add_refs(fixture, 0, 0x400, REF_STORE, 1);
    replay_it(fixture, "first-touch,replicate", NULL, 2, &outcome);
    well(outcome.error);
    outcome.error = NULL;
    for (size_t run = 0; run < 2; run++) {
        const struct memory *memory = outcome.replay[run]->memory;
        assert_int_equal(memory_cpu(memory, 0)->page_faults, 2);
        assert_int_equal(memory_find(memory, space, 0x400),
                         memory_find(memory, 0, GUEST_DIRECT_VPN + 7));
    }
    outcome_free(&outcome);
}

static void a_stream_that_exits_takes_no_pages_along(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome;
    const uint32_t other = add_stream(fixture, add_space(fixture), 1, "vm1.cpu0");
    add_refs(fixture, 0, GUEST_DIRECT_VPN, REF_STORE, 1);
    add_event(fixture, EVENT_EXIT, 0, 0, 0, 0, 0, 0);
    add_refs(fixture, other, GUEST_DIRECT_VPN, REF_STORE, 1);
    replay_it(fixture, "first-touch", NULL, 1, &outcome);
    well(outcome.error);
    outcome.error = NULL;
    assert_int_equal(memory_node(outcome.replay[0]->memory, 0).frames_used, 2);
    outcome_free(&outcome);
}

static void on_other_page_sizes_only_services_are_replayed(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome;
    fixture->machine->page_bytes = 8192;
    add_event(fixture, EVENT_ZERO, 0, 1, 0, 0, 0, 0);
    add_event(fixture, EVENT_TLBWRITE, 0, 3, 0x400001, 5 << 6 | 6, 6 << 6 | 6, 0);
    add_event(fixture, EVENT_SERVICE, 0, MEMORY_SERVICE_REFLECT, 2, 0, 0, 0);
    add_refs(fixture, 0, 0x400, REF_STORE, 1);
    replay_it(fixture, "first-touch", NULL, 1, &outcome);
    well(outcome.error);
    outcome.error = NULL;
    assert_int_equal(course_left_out(outcome.course)[EVENT_ZERO], 1);
    assert_int_equal(course_left_out(outcome.course)[EVENT_TLBWRITE], 1);
    assert_int_equal(memory_cpu(outcome.replay[0]->memory, 0)->reflections, 2);
    assert_int_equal(memory_cpu(outcome.replay[0]->memory, 0)->zeroed_pages, 0);
    outcome_free(&outcome);
}

static void refuse(struct fixture *fixture, enum event_type type, uint32_t stream, uint64_t a,
                   uint64_t b, const char *why)
{
    struct outcome outcome;
    add_refs(fixture, 0, 1, REF_STORE, 1);
    add_event(fixture, type, stream, a, b, 0, 0, 0);
    add_refs(fixture, 0, 1, REF_STORE, 1);
    replay_it(fixture, "first-touch", NULL, 1, &outcome);
    refused(outcome.error, why);
    outcome.error = NULL;
    outcome_free(&outcome);
}

static void a_page_beyond_the_direct_map_is_refused(void **state)
{
    refuse(*state, EVENT_ZERO, 0, GUEST_DIRECT_PAGES, 0, "block 0: an event is about page 65536");
}

static void more_pages_than_there_are_are_refused(void **state)
{
    refuse(*state, EVENT_DMA, 0, 5, UINT64_MAX, "18446744073709551615 in a row");
}

static void a_stream_that_is_not_there_is_refused(void **state)
{
    refuse(*state, EVENT_FREE, NONE, 5, 0, "about stream 4294967295");
}

static void an_unknown_service_is_refused(void **state)
{
    refuse(*state, EVENT_SERVICE, 0, MEMORY_SERVICE_KINDS, 1, "kind 6 is not known");
}

static void huge_pages_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct trace_reader *reader = NULL;
    struct schedule *schedule = NULL;
    struct course *course = NULL;
    const struct guest_range range = {.pages = 512};
    add_refs(fixture, 0, 1, REF_STORE, 1);
    end_trace(fixture);
    well(trace_reader_open(fixture->path, &reader));
    well(schedule_make(NULL, fixture->path, fixture->machine, &schedule));
    const struct course_options options = {.machine = fixture->machine,
                                           .schedule = schedule,
                                           .huge = &range,
                                           .huge_ranges = 1};
    refused(course_new(&options, reader, &course), "pages of 4 KiB");
    course_free(course);
    schedule_free(schedule);
    trace_reader_close(reader);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_guests, fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(pages_are_zeroed_freed_and_moved_by_devices_on_the_cpu_of_the_stream),
        TEST(tlb_writes_join_spaces_and_change_what_is_mapped),
        TEST(a_stream_that_exits_takes_no_pages_along),
        TEST(on_other_page_sizes_only_services_are_replayed),
        TEST(a_page_beyond_the_direct_map_is_refused),
        TEST(more_pages_than_there_are_are_refused),
        TEST(a_stream_that_is_not_there_is_refused),
        TEST(an_unknown_service_is_refused),
        TEST(huge_pages_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
