/* What is kept of a replay: steps of time, the log of actions, and the regions of pages. */
#include "tests/unit/test_replay.h"

#include "replayer/report/regions.h"

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

static bool near(double one, double other)
{
    return one - other < 1e-9 * other + 1e-9 && other - one < 1e-9 * other + 1e-9;
}

/* Epochs of different length join to means by time, accesses to means by access. */
static void stations_are_joined_by_time_and_by_access(void **state)
{
    (void)state;
    struct record *record = record_new(0);
    assert_non_null(record);
    const uint32_t stations = 100, epochs = 3 * RECORD_STEPS;
    struct network_station *station = calloc(stations, sizeof *station);
    double busy[3] = {0}, queue[3] = {0}, latency[3] = {0}, accesses[3] = {0}, time_ns = 0;
    uint64_t now_ns = 0;
    for (uint32_t i = 0; i < epochs; i++) {
        const uint64_t lasts_ns = 99 + 100 * (i % 7); /* the weight is a ns more */
        for (uint32_t k = 0; k < stations; k++)
            station[k] = (struct network_station){.kind = k < 8 ? NETWORK_CONTROLLER : NETWORK_LINK,
                                                  .from = k,
                                                  .accesses = k * (i % 5),
                                                  .utilisation_ppm = (i * 37 + k) % 1000000,
                                                  .queue_thousandths = (i * 11 + k) % 5000,
                                                  .latency_ps = 1000 * (i % 13)};
        for (uint32_t k = 0; k < 3; k++) {
            busy[k] += station[k].utilisation_ppm * 1e-6 * (double)(lasts_ns + 1);
            queue[k] += station[k].queue_thousandths * 1e-3 * (double)(lasts_ns + 1);
            latency[k] += (double)(i % 13) * (double)station[k].accesses;
            accesses[k] += (double)station[k].accesses;
        }
        time_ns += (double)(lasts_ns + 1);
        struct memory_epoch epoch = {.number = i,
                                     .references = 1,
                                     .start_ns = now_ns,
                                     .end_ns = now_ns + lasts_ns,
                                     .station = station,
                                     .stations = stations};
        record_epoch(record, &epoch);
        now_ns += lasts_ns;
        assert_true((uint64_t)record->steps * stations <= RECORD_CELLS);
    }
    free(station);
    assert_int_equal(record->stations, stations);
    assert_int_equal(record->kind[8].kind, NETWORK_LINK);
    assert_int_equal(record->kind[99].from, 99);
    assert_true(record->steps > RECORD_CELLS / stations / 4);
    for (uint32_t k = 0; k < 3; k++) {
        double seen_busy = 0, seen_queue = 0, seen_latency = 0, seen = 0;
        for (uint32_t step = 0; step < record->steps; step++) {
            const double weight = (double)record->step[step].weight_ns;
            const double here = (double)record_accesses(record, step, k);
            seen_busy += record_utilisation(record, step, k) * weight;
            seen_queue += record_queue(record, step, k) * weight;
            seen_latency += record_latency_ns(record, step, k) * here;
            seen += here;
        }
        assert_true(near(seen_busy / time_ns, busy[k] / time_ns));
        assert_true(near(seen_queue / time_ns, queue[k] / time_ns));
        assert_true(near(seen, accesses[k]));
        assert_true(near(seen_latency, latency[k]));
    }
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
    struct page_region *found = NULL;
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
        assert_int_equal(found[ppn].region, best);
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
        cmocka_unit_test(stations_are_joined_by_time_and_by_access),
        cmocka_unit_test(actions_beyond_the_limit_are_counted_only),
        cmocka_unit_test_setup_teardown(a_page_lies_in_the_smallest_region_that_holds_most_of_it,
                                        fixture_open, fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
