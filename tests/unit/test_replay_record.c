/* What is kept of a replay: steps of time, the log of actions, and the regions of pages. */
#include "tests/unit/test_replay.h"

#include "replayer/regions.h"

static void steps_are_joined_so_that_there_are_never_more_than_the_limit(void **state)
{
    (void)state;
    struct record *record = record_new(0);
    assert_non_null(record);
    uint64_t references = 0;
    for (uint64_t i = 0; i < 10 * RECORD_STEPS + 7; i++) {
        struct memory_epoch epoch = {.number = i,
                                     .references = 1 + i % 5,
                                     .start_ns = 10 * i,
                                     .end_ns = 10 * i + 10,
                                     .local_accesses = 1,
                                     .migrations = i % 3,
                                     .frames_used = i};
        record_epoch(record, &epoch);
        references += epoch.references;
        assert_true(record->steps <= RECORD_STEPS);
    }
    uint64_t seen = 0, epochs = 0;
    for (uint32_t i = 0; i < record->steps; i++) {
        const struct record_step *step = &record->step[i];
        assert_int_equal(step->first_reference, seen);
        assert_int_equal(step->start_ns, 10 * epochs);
        seen += step->references;
        epochs += step->local_accesses;
        assert_int_equal(step->end_ns, 10 * epochs);
        assert_int_equal(step->frames_used, epochs - 1);
        if (i + 1 < record->steps)
            assert_int_equal(step->local_accesses, 16); /* 10 times the limit needs 16 in one */
    }
    assert_int_equal(seen, references);
    assert_int_equal(epochs, 10 * RECORD_STEPS + 7);
    record_free(record);
}

static void actions_beyond_the_limit_are_counted_only(void **state)
{
    (void)state;
    struct record *record = record_new(3);
    assert_non_null(record);
    for (uint32_t i = 0; i < 10; i++) {
        struct memory_action action = {.kind = MEMORY_ACTION_MIGRATE, .page = i};
        record_action(record, &action);
        action.kind = MEMORY_ACTION_PLACE; /* not an action that is logged */
        record_action(record, &action);
    }
    assert_int_equal(record->actions, 3);
    assert_int_equal(record->action[2].page, 2);
    assert_int_equal(record->not_logged, 7);
    record_free(record);
}

static uint64_t held_bytes(const struct trace_region *region, uint64_t start)
{
    uint64_t first = region->start > start ? region->start : start;
    uint64_t end = region->end < start + PAGE ? region->end : start + PAGE;
    return end > first ? end - first : 0;
}

/* Against looking at every region for every page. */
static void a_page_lies_in_the_smallest_region_that_holds_most_of_it(void **state)
{
    struct fixture *fixture = *state;
    uint64_t random = 7;
    uint32_t space[2] = {add_space(fixture), add_space(fixture)}, id = 0;
    uint32_t stream[2] = {add_stream(fixture, space[0], 1, NULL),
                          add_stream(fixture, space[1], 1, NULL)};
    struct trace_region region[60];
    for (unsigned i = 0; i < 60; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint64_t start = (random >> 40) % (6 * PAGE);
        uint64_t bytes = (random >> 20) % (i % 3 == 0 ? 3 * PAGE : i % 3 == 1 ? 100 : PAGE);
        if (i % 4 == 0) {
            start = start / PAGE * PAGE;
            bytes = bytes / PAGE * PAGE + PAGE;
        }
        region[i] = (struct trace_region){.space = space[i % 2],
                                          .start = start,
                                          .end = start + bytes,
                                          .kind = "mapping",
                                          .name = "region"};
        if (bytes == 0)
            region[i].end++;
        well(trace_writer_region(fixture->writer, &region[i], &id));
    }
    for (unsigned page = 0; page < 4; page++)
        for (unsigned s = 0; s < 2; s++)
            add_refs(fixture, stream[s], (page * 5 + 3 * s) % 11, REF_LOAD, 1);
    struct outcome outcome;
    replay_it(fixture, "first-touch", NULL, 1, &outcome);
    well(outcome.error);
    struct trace_reader *reader = NULL;
    uint32_t *found = NULL;
    const struct memory *memory = outcome.replay[0]->memory;
    well(trace_reader_open(fixture->path, &reader));
    well(regions_of_pages(reader, memory, PAGE, &found));
    assert_int_equal(memory_pages(memory), 8);
    unsigned some = 0;
    for (uint32_t ppn = 0; ppn < memory_pages(memory); ppn++) {
        struct memory_page_state page = memory_page(memory, ppn);
        uint32_t best = REGION_NONE;
        uint64_t best_held = 1, best_bytes = UINT64_MAX;
        for (uint32_t i = 0; i < 60; i++) {
            uint64_t held = held_bytes(&region[i], page.vpn * PAGE);
            uint64_t bytes = region[i].end - region[i].start;
            if (region[i].space != page.space || held < best_held)
                continue;
            if (held > best_held || bytes <= best_bytes) {
                best = i;
                best_held = held;
                best_bytes = bytes;
            }
        }
        assert_int_equal(found[ppn], best);
        some += best != REGION_NONE;
    }
    assert_true(some > 2);
    free(found);
    trace_reader_close(reader);
    outcome_free(&outcome);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_joined_so_that_there_are_never_more_than_the_limit),
        cmocka_unit_test(actions_beyond_the_limit_are_counted_only),
        cmocka_unit_test_setup_teardown(a_page_lies_in_the_smallest_region_that_holds_most_of_it,
                                        fixture_open, fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
