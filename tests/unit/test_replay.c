/* The replay: every event, the engine on any number of threads, and the figures, found by hand. */
#include "tests/unit/test_replay.h"
#include "vmm-core/memory/guest-tables.h"

static void references_are_counted_on_the_cpu_of_their_stream(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome;
    uint32_t space = add_space(fixture);
    uint32_t one = add_stream(fixture, space, 1, "one");
    uint32_t other = add_stream(fixture, space, 7, "other");
    add_refs(fixture, one, 10, REF_STORE, 5);
    add_refs(fixture, other, 10, REF_LOAD, 3);
    replay_it(fixture, "first-touch", NULL, 1, &outcome);
    well(outcome.error);
    outcome.error = NULL;
    assert_int_equal(outcome.schedule->kind, SCHEDULE_RECORDED);
    const struct memory_cpu_counters *cpu = memory_cpu(outcome.replay[0]->memory, 0);
    assert_int_equal(cpu->stores, 5);
    assert_int_equal(cpu->local_accesses, 5);
    assert_int_equal(memory_cpu(outcome.replay[0]->memory, 3)->remote_accesses, 3);
    /* CPU 1: 5 x (2 + 100) ns; CPU 7: 3 x (2 + 300) ns, the furthest */
    assert_int_equal(figure(&outcome, 0, FIGURE_time_ns), 906);
    assert_int_equal(figure(&outcome, 0, FIGURE_execution_ns), (10 + 6) / 2);
    assert_int_equal(figure(&outcome, 0, FIGURE_local_stall_ns), 500 / 2);
    assert_int_equal(figure(&outcome, 0, FIGURE_remote_stall_ns), 900 / 2);
    assert_int_equal(figure(&outcome, 0, FIGURE_idle_ns), 906 - 8 - 250 - 450);
    assert_int_equal(figure(&outcome, 0, FIGURE_references), 8);
    assert_int_equal(figure(&outcome, 0, FIGURE_local_accesses), 5);
    assert_int_equal(figure(&outcome, 0, FIGURE_frames_used), 1);
    assert_float_equal(outcome.results[0].figure[FIGURE_local_share].real, 0.625, 1e-9);
    /* 8 and 0 served: mean 4, sample deviation sqrt(32) */
    assert_float_equal(outcome.results[0].figure[FIGURE_imbalance].real, 141.421356237, 1e-6);
    outcome_free(&outcome);
}

static void more_streams_than_cpus_share_them(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome;
    uint32_t space = add_space(fixture), stream[5];
    for (unsigned i = 0; i < 5; i++)
        stream[i] = add_stream(fixture, space, -1, NULL);
    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = 0; i < 5; i++)
            add_refs(fixture, stream[i], i % 4, REF_LOAD, 1);
    replay_it(fixture, "first-touch", "compact", 1, &outcome);
    /* the fifth stream comes back to the first CPU, which then changes streams at each of them */
    assert_int_equal(memory_cpu(outcome.replay[0]->memory, 0)->references, 4);
    assert_int_equal(memory_cpu(outcome.replay[0]->memory, 0)->dispatches, 4);
    assert_int_equal(memory_cpu(outcome.replay[0]->memory, 1)->dispatches, 1);
    outcome_free(&outcome);
}

static void a_dispatch_event_moves_a_stream_if_the_schedule_is_recorded(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome;
    uint32_t stream = add_stream(fixture, add_space(fixture), 1, NULL);
    add_refs(fixture, stream, 1, REF_LOAD, 4);
    add_event(fixture, EVENT_DISPATCH, stream, 5, UINT64_MAX, 0, 0, 0);
    add_refs(fixture, stream, 1, REF_LOAD, 6);
    replay_it(fixture, "first-touch", "recorded", 1, &outcome);
    assert_int_equal(memory_cpu(outcome.replay[0]->memory, 0)->local_accesses, 4);
    assert_int_equal(memory_cpu(outcome.replay[0]->memory, 2)->remote_accesses, 6);
    outcome_free(&outcome);
    replay_it(fixture, "first-touch", "compact", 1, &outcome);
    assert_int_equal(memory_cpu(outcome.replay[0]->memory, 0)->local_accesses, 10);
    outcome_free(&outcome);
}

static void an_idle_event_moves_the_clock_of_its_cpu(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome;
    uint32_t stream = add_stream(fixture, add_space(fixture), 3, NULL);
    add_refs(fixture, stream, 1, REF_LOAD, 1);
    add_event(fixture, EVENT_IDLE, UINT32_MAX, 3, 1000, 0, 0, 0);
    replay_it(fixture, "first-touch", "recorded", 1, &outcome);
    assert_int_equal(figure(&outcome, 0, FIGURE_time_ns), 1102);
    assert_int_equal(figure(&outcome, 0, FIGURE_idle_ns), 1000);
    assert_int_equal(course_left_out(outcome.course)[EVENT_IDLE], 0);
    outcome_free(&outcome);
    replay_it(fixture, "first-touch", "scatter", 1, &outcome);
    assert_int_equal(figure(&outcome, 0, FIGURE_time_ns), 102);
    assert_int_equal(course_left_out(outcome.course)[EVENT_IDLE], 1);
    outcome_free(&outcome);
}

static void another_address_space_has_other_pages(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome;
    uint32_t space = add_space(fixture), other = add_space(fixture);
    uint32_t stream = add_stream(fixture, space, 1, NULL);
    add_refs(fixture, stream, 1, REF_LOAD, 2);
    add_event(fixture, EVENT_ASID, stream, other, 0, 0, 0, 0);
    add_refs(fixture, stream, 1, REF_LOAD, 3);
    add_event(fixture, EVENT_ASID, stream, space, 0, 0, 0, 0);
    add_refs(fixture, stream, 1, REF_LOAD, 4);
    replay_it(fixture, "first-touch", NULL, 1, &outcome);
    const struct memory *memory = outcome.replay[0]->memory;
    assert_int_equal(memory_pages(memory), 2);
    assert_int_equal(memory_page(memory, 0).loads, 6);
    assert_int_equal(memory_page(memory, 1).loads, 3);
    assert_int_equal(memory_page(memory, 1).space, other);
    outcome_free(&outcome);
}

static void a_stream_that_changed_its_space_elsewhere_comes_back_with_the_new_one(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome;
    uint32_t space = add_space(fixture), other = add_space(fixture);
    uint32_t stream = add_stream(fixture, space, 1, NULL);
    add_refs(fixture, stream, 1, REF_LOAD, 2);
    add_event(fixture, EVENT_DISPATCH, stream, 5, UINT64_MAX, 0, 0, 0);
    add_event(fixture, EVENT_ASID, stream, other, 0, 0, 0, 0);
    add_refs(fixture, stream, 1, REF_LOAD, 3);
    add_event(fixture, EVENT_DISPATCH, stream, 1, UINT64_MAX, 0, 0, 0);
    add_refs(fixture, stream, 1, REF_LOAD, 4);
    replay_it(fixture, "first-touch", "recorded", 1, &outcome);
    assert_int_equal(memory_pages(outcome.replay[0]->memory), 2);
    assert_int_equal(memory_page(outcome.replay[0]->memory, 0).loads, 2);
    assert_int_equal(memory_page(outcome.replay[0]->memory, 1).loads, 7);
    outcome_free(&outcome);
}

static void an_unmapped_page_is_freed_and_a_shared_one_is_one_page(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome;
    uint32_t space = add_space(fixture), other = add_space(fixture);
    uint32_t one = add_stream(fixture, space, 1, NULL);
    uint32_t two = add_stream(fixture, other, 3, NULL);
    add_event(fixture, EVENT_SHARE, UINT32_MAX, space, 4 * PAGE, other, 9 * PAGE, PAGE);
    add_refs(fixture, one, 4, REF_STORE, 2);
    add_refs(fixture, two, 9, REF_LOAD, 3);
    add_refs(fixture, one, 5, REF_STORE, 1);
    add_event(fixture, EVENT_UNMAP, UINT32_MAX, space, 5 * PAGE, 6 * PAGE, 0, 0);
    replay_it(fixture, "first-touch", NULL, 1, &outcome);
    const struct memory *memory = outcome.replay[0]->memory;
    assert_int_equal(memory_pages(memory), 2);
    assert_int_equal(memory_page(memory, 0).loads, 3);
    assert_int_equal(memory_page(memory, 0).stores, 2);
    assert_false(memory_page(memory, 1).mapped);
    assert_int_equal(figure(&outcome, 0, FIGURE_frames_used), 1);
    outcome_free(&outcome);
}

/* Eight frames in all, and twelve pages one process after the other: only freeing makes it fit. */
static void a_space_whose_streams_have_ended_is_freed_before_the_next_reference(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome;
    for (unsigned process = 0; process < 3; process++) {
        uint32_t space = add_space(fixture);
        uint32_t one = add_stream(fixture, space, 1, NULL);
        uint32_t two = add_stream(fixture, space, 3, NULL);
        for (unsigned page = 0; page < 4; page++)
            add_refs(fixture, page % 2 ? one : two, page, REF_STORE, 1);
        add_event(fixture, EVENT_EXIT, one, 0, 0, 0, 0, 0);
        add_event(fixture, EVENT_EXIT, two, 0, 0, 0, 0, 0);
    }
    replay_it(fixture, "first-touch", NULL, 1, &outcome);
    well(outcome.error);
    outcome.error = NULL;
    assert_int_equal(memory_pages(outcome.replay[0]->memory), 12);
    assert_int_equal(figure(&outcome, 0, FIGURE_local_accesses), 12); /* node 0 has room for each */
    /* the last one's pages are still there to be seen */
    assert_int_equal(figure(&outcome, 0, FIGURE_frames_used), 4);
    outcome_free(&outcome);
}

/* As perf tells of it: a shell's child begins in the shell's space and then runs a program in its
 * own. Eight frames in all, and three programs of four pages. */
static void a_program_that_changed_its_space_is_freed_when_it_ends(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome;
    uint32_t shell = add_space(fixture);
    add_refs(fixture, add_stream(fixture, shell, 1, NULL), 0, REF_STORE, 1);
    for (unsigned process = 0; process < 3; process++) {
        uint32_t program = add_space(fixture);
        uint32_t child = add_stream(fixture, shell, 3, NULL);
        add_refs(fixture, child, 1, REF_STORE, 1);
        add_event(fixture, EVENT_ASID, child, program, 0, 0, 0, 0);
        for (unsigned page = 0; page < 4; page++)
            add_refs(fixture, child, page, REF_STORE, 1);
        add_event(fixture, EVENT_EXIT, child, 0, 0, 0, 0, 0);
    }
    replay_it(fixture, "first-touch", NULL, 1, &outcome);
    well(outcome.error);
    outcome.error = NULL;
    assert_int_equal(memory_pages(outcome.replay[0]->memory), 14);
    assert_true(memory_page(outcome.replay[0]->memory, 0).mapped); /* the shell lives on */
    outcome_free(&outcome);
}

/* Two streams come to one space, and one of them ends. */
static void a_space_is_not_freed_while_a_stream_is_in_it(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome;
    uint32_t space = add_space(fixture), other = add_space(fixture);
    uint32_t one = add_stream(fixture, space, 1, NULL);
    uint32_t two = add_stream(fixture, other, 3, NULL);
    add_event(fixture, EVENT_ASID, two, space, 0, 0, 0, 0);
    add_refs(fixture, two, 1, REF_STORE, 1);
    add_event(fixture, EVENT_EXIT, one, 0, 0, 0, 0, 0);
    add_refs(fixture, two, 1, REF_STORE, 1);
    replay_it(fixture, "first-touch", NULL, 1, &outcome);
    assert_int_equal(memory_pages(outcome.replay[0]->memory), 1);
    outcome_free(&outcome);
}

static void a_forked_child_gets_pages_of_its_own(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome;
    uint32_t parent = add_space(fixture), child = add_space(fixture);
    uint32_t one = add_stream(fixture, parent, 1, NULL);
    uint32_t two = add_stream(fixture, child, 5, NULL);
    add_refs(fixture, one, 1, REF_STORE, 1);
    add_event(fixture, EVENT_FORK, one, parent, child, 0, 0, 0);
    add_refs(fixture, two, 1, REF_STORE, 1);
    replay_it(fixture, "first-touch", NULL, 1, &outcome);
    assert_int_equal(memory_pages(outcome.replay[0]->memory), 2);
    assert_int_equal(figure(&outcome, 0, FIGURE_local_accesses), 2);
    outcome_free(&outcome);
}

static void events_that_cannot_be_replayed_are_counted(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome;
    uint32_t stream = add_stream(fixture, add_space(fixture), 1, NULL);
    add_event(fixture, EVENT_TLBWRITE, stream, 1, 2, 3, 4, 5);
    add_event(fixture, EVENT_DMA, UINT32_MAX, 1, 2, 0, 0, 0);
    add_event(fixture, EVENT_DMA, UINT32_MAX, 3, 2, 0, 0, 0);
    add_event(fixture, EVENT_TIME, UINT32_MAX, 3, 0, 0, 0, 0);
    add_refs(fixture, stream, 1, REF_STORE, 1);
    replay_it(fixture, "first-touch", NULL, 1, &outcome);
    well(outcome.error);
    outcome.error = NULL;
    assert_int_equal(course_left_out(outcome.course)[EVENT_TLBWRITE], 1);
    assert_int_equal(course_left_out(outcome.course)[EVENT_DMA], 2);
    assert_int_equal(course_left_out(outcome.course)[EVENT_TIME], 0);
    outcome_free(&outcome);
}

static void an_event_about_an_unknown_space_is_an_error_that_names_the_block(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome;
    uint32_t stream = add_stream(fixture, add_space(fixture), 1, NULL);
    add_refs(fixture, stream, 1, REF_STORE, 1);
    add_event(fixture, EVENT_UNMAP, UINT32_MAX, 77, 0, PAGE, 0, 0);
    replay_it(fixture, "first-touch", NULL, 1, &outcome);
    refused(outcome.error, "block 0: an event is about address space 77");
    outcome.error = NULL;
    outcome_free(&outcome);
}

/* A few hundred thousand references of four streams over eight pages: several blocks. */
static void add_busy_trace(struct fixture *fixture)
{
    uint64_t random = 12345;
    uint32_t space = add_space(fixture), stream[4];
    for (unsigned i = 0; i < 4; i++)
        stream[i] = add_stream(fixture, space, (int32_t)(2 * i + 1), NULL);
    for (unsigned i = 0; i < 20000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        unsigned thread = (unsigned)(random >> 60) & 3, page = (unsigned)(random >> 50) & 3;
        bool store = page >= 2 && (random >> 40) % 64 == 0;
        add_refs(fixture, stream[thread], page, store ? REF_STORE : REF_LOAD,
                 1 + (unsigned)(random >> 33) % 30);
    }
}

static void any_number_of_threads_gives_the_same_results(void **state)
{
    struct fixture *fixture = *state;
    struct outcome alone, together;
    add_busy_trace(fixture);
    replay_it(fixture, "all", NULL, 1, &alone);
    well(alone.error);
    assert_true(alone.count >= 5);
    uint64_t actions = 0;
    for (uint32_t threads = 2; threads <= 12; threads += threads < 5 ? 1 : 7) {
        replay_it(fixture, "all", NULL, threads, &together);
        well(together.error);
        assert_int_equal(together.count, alone.count);
        for (size_t i = 0; i < alone.count; i++) {
            assert_memory_equal(together.results[i].figure, alone.results[i].figure,
                                sizeof alone.results[i].figure);
            const struct record *record = together.replay[i]->record;
            const struct record *first = alone.replay[i]->record;
            assert_int_equal(record->actions, first->actions);
            actions += record->actions;
            for (uint64_t a = 0; a < record->actions; a++) {
                assert_int_equal(record->action[a].page, first->action[a].page);
                assert_int_equal(record->action[a].reference, first->action[a].reference);
                assert_int_equal(record->action[a].cost_ns, first->action[a].cost_ns);
            }
        }
        outcome_free(&together);
    }
    assert_true(actions > 0);
    outcome_free(&alone);
}

static void the_parts_add_up_to_the_whole_and_every_reference_is_counted(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome;
    add_busy_trace(fixture);
    uint64_t refs = trace_writer_count(fixture->writer);
    replay_it(fixture, "all", NULL, 3, &outcome);
    well(outcome.error);
    for (size_t i = 0; i < outcome.count; i++) {
        uint64_t sum = 0;
        for (enum figure part = FIGURE_execution_ns; part <= FIGURE_idle_ns; part++)
            sum += figure(&outcome, i, part);
        assert_int_equal(sum, figure(&outcome, i, FIGURE_time_ns));
        assert_int_equal(figure(&outcome, i, FIGURE_references), refs);
        assert_int_equal(figure(&outcome, i, FIGURE_memory_accesses), refs);
        const struct memory *memory = outcome.replay[i]->memory;
        for (uint32_t cpu = 0; cpu < 4; cpu++) {
            uint64_t account_ns[MEMORY_ACCOUNT_COUNT], whole = 0;
            results_accounts_ns(memory_cpu(memory, cpu), account_ns);
            for (unsigned a = 0; a < MEMORY_ACCOUNT_COUNT; a++)
                whole += account_ns[a];
            assert_int_equal(whole, figure(&outcome, i, FIGURE_time_ns));
        }
        uint64_t stepped = 0;
        for (uint32_t step = 0; step < outcome.replay[i]->record->steps; step++) {
            assert_int_equal(outcome.replay[i]->record->step[step].first_reference, stepped);
            stepped += outcome.replay[i]->record->step[step].references;
        }
        assert_int_equal(stepped, refs);
    }
    outcome_free(&outcome);
}

/* 3 ns an instruction, and 2 ns that go with a load or store. */
static uint64_t execution_of(struct fixture *fixture, bool sampled, unsigned fetches,
                             unsigned loads)
{
    struct trace_facts facts = {.source = "text",
                                .command = "test",
                                .page_bytes = PAGE,
                                .time_unit = TIME_REFERENCES,
                                .sampled = sampled,
                                .refs_per_sample = sampled ? 10 : 1};
    struct outcome outcome;
    if (fixture->writer != NULL)
        end_trace(fixture);
    well(trace_writer_create(fixture->path, &facts, true, &fixture->writer));
    uint32_t stream = add_stream(fixture, add_space(fixture), 1, NULL);
    add_refs(fixture, stream, 0, REF_FETCH, fetches);
    add_refs(fixture, stream, 1, REF_LOAD, loads);
    fixture->machine->costs.fetch_ps = 3000;
    replay_it(fixture, "first-touch", NULL, 1, &outcome);
    uint64_t execution_ns = figure(&outcome, 0, FIGURE_execution_ns);
    outcome_free(&outcome);
    return execution_ns;
}

static void execution_goes_by_fetches_unless_a_sample_has_only_a_few_of_them(void **state)
{
    assert_int_equal(execution_of(*state, false, 5, 1000), 5 * 3);
    assert_int_equal(execution_of(*state, false, 0, 1000), 1000 * 2);
    assert_int_equal(execution_of(*state, true, 5, 1000), 10 * 1000 * 2);
    assert_int_equal(execution_of(*state, true, 3000, 1000), 10 * 3000 * 3);
}

/* Four CPUs of 80 days each are more ps than 64 bits hold. */
static void the_time_of_all_cpus_together_may_be_centuries(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome;
    const uint64_t days_ns = UINT64_C(80) * 86400 * 1000000000;
    uint32_t stream = add_stream(fixture, add_space(fixture), 1, NULL);
    for (uint64_t cpu = 1; cpu < 8; cpu += 2)
        add_event(fixture, EVENT_IDLE, UINT32_MAX, cpu, days_ns, 0, 0, 0);
    add_refs(fixture, stream, 0, REF_LOAD, 1);
    replay_it(fixture, "first-touch", "recorded", 1, &outcome);
    assert_int_equal(figure(&outcome, 0, FIGURE_time_ns), days_ns + 102);
    assert_int_equal(figure(&outcome, 0, FIGURE_idle_ns) +
                         figure(&outcome, 0, FIGURE_execution_ns) +
                         figure(&outcome, 0, FIGURE_local_stall_ns),
                     days_ns + 102);
    assert_int_equal(figure(&outcome, 0, FIGURE_local_stall_ns), 100 / 4);
    outcome_free(&outcome);
}

/* Nine pages in eight frames. */
static void of_several_failures_the_earliest_is_told_whatever_the_threads(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome;
    uint32_t stream = add_stream(fixture, add_space(fixture), 1, NULL);
    add_refs(fixture, stream, 0, REF_LOAD, 3 * TRACE_BLOCK_REFS);
    for (unsigned page = 1; page < 9; page++)
        add_refs(fixture, stream, page, REF_LOAD, 1);
    add_refs(fixture, stream, 0, REF_LOAD, 9 * TRACE_BLOCK_REFS);
    for (uint32_t threads = 1; threads < 5; threads++) {
        replay_it(fixture, "round-robin,first-touch,bind", NULL, threads, &outcome);
        refused(outcome.error, "policy round-robin: ");
        outcome.error = NULL;
        outcome_free(&outcome);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

static void the_checker_looks_at_the_tables_that_all_policies_share(void **state)
{
    struct fixture *fixture = *state;
    uint32_t stream = add_stream(fixture, add_space(fixture), 1, "thread");
    for (unsigned page = 0; page < 4; page++)
        add_refs(fixture, stream, page, REF_LOAD, 100);
    for (uint32_t threads = 1; threads <= 4; threads += 3) {
        struct outcome outcome;
        replay_prepare(fixture, "first-touch,interleave", "recorded", false, &outcome);
        /* the tables are the course's own, and not constant */
        ((struct guest *)(uintptr_t)course_guest(outcome.course))->slots_used++;
        replay_run(fixture, threads, &outcome);
        refused(outcome.error,
                "block 0: consistency check of the guest's tables: mappings: 4 in use, counted 5");
        outcome.error = NULL;
        outcome_free(&outcome);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(references_are_counted_on_the_cpu_of_their_stream),
        TEST(more_streams_than_cpus_share_them),
        TEST(a_dispatch_event_moves_a_stream_if_the_schedule_is_recorded),
        TEST(an_idle_event_moves_the_clock_of_its_cpu),
        TEST(another_address_space_has_other_pages),
        TEST(a_stream_that_changed_its_space_elsewhere_comes_back_with_the_new_one),
        TEST(an_unmapped_page_is_freed_and_a_shared_one_is_one_page),
        TEST(a_space_whose_streams_have_ended_is_freed_before_the_next_reference),
        TEST(a_program_that_changed_its_space_is_freed_when_it_ends),
        TEST(a_space_is_not_freed_while_a_stream_is_in_it),
        TEST(a_forked_child_gets_pages_of_its_own),
        TEST(events_that_cannot_be_replayed_are_counted),
        TEST(an_event_about_an_unknown_space_is_an_error_that_names_the_block),
        TEST(any_number_of_threads_gives_the_same_results),
        TEST(the_parts_add_up_to_the_whole_and_every_reference_is_counted),
        TEST(execution_goes_by_fetches_unless_a_sample_has_only_a_few_of_them),
        TEST(the_time_of_all_cpus_together_may_be_centuries),
        TEST(of_several_failures_the_earliest_is_told_whatever_the_threads),
        TEST(the_checker_looks_at_the_tables_that_all_policies_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
