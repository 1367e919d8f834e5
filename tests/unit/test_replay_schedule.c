/* Schedules: which CPU each stream gets, and what is refused. */
#include "tests/unit/test_replay.h"

/* The machine's CPUs 0 to 3 have the numbers 1, 3 (node 0) and 5, 7 (node 1). */

static void make(struct fixture *fixture, const char *words, struct schedule **schedule)
{
    if (fixture->writer != NULL)
        end_trace(fixture);
    well(schedule_make(words, fixture->path, fixture->machine, schedule));
}

static char *make_error(struct fixture *fixture, const char *words)
{
    struct schedule *schedule = NULL;
    if (fixture->writer != NULL)
        end_trace(fixture);
    char *error = schedule_make(words, fixture->path, fixture->machine, &schedule);
    assert_null(schedule);
    return error;
}

static const char *write_file(struct fixture *fixture, const char *text)
{
    static char path[80];
    snprintf(path, sizeof path, "%s/schedule", fixture->folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    return path;
}

static void compact_fills_nodes_and_scatter_goes_round_them(void **state)
{
    struct fixture *fixture = *state;
    struct schedule *schedule = NULL;
    static const uint32_t compact[] = {0, 1, 2, 3}, scatter[] = {0, 2, 1, 3};
    make(fixture, "compact", &schedule);
    assert_memory_equal(schedule->order, compact, sizeof compact);
    schedule_free(schedule);
    make(fixture, "scatter", &schedule);
    assert_memory_equal(schedule->order, scatter, sizeof scatter);
    schedule_free(schedule);
}

static void without_a_word_it_is_recorded_where_that_can_be(void **state)
{
    struct fixture *fixture = *state;
    struct schedule *schedule = NULL;
    uint32_t stream = add_stream(fixture, add_space(fixture), 5, NULL);
    add_refs(fixture, stream, 1, REF_LOAD, 1);
    make(fixture, NULL, &schedule);
    assert_int_equal(schedule->kind, SCHEDULE_RECORDED);
    assert_int_equal(schedule->cpu[0], 2);
    assert_string_equal(schedule->name, "recorded");
    assert_non_null(schedule->reason);
    schedule_free(schedule);
}

static void a_dispatch_before_the_first_reference_is_as_good_as_a_recorded_cpu(void **state)
{
    struct fixture *fixture = *state;
    struct schedule *schedule = NULL;
    uint32_t stream = add_stream(fixture, add_space(fixture), -1, NULL);
    add_event(fixture, EVENT_DISPATCH, stream, 7, UINT64_MAX, 0, 0, 0);
    add_refs(fixture, stream, 1, REF_LOAD, 1);
    make(fixture, NULL, &schedule);
    assert_int_equal(schedule->kind, SCHEDULE_RECORDED);
    schedule_free(schedule);
}

static void without_a_word_a_foreign_cpu_makes_it_compact_and_says_so(void **state)
{
    struct fixture *fixture = *state;
    struct schedule *schedule = NULL;
    uint32_t stream = add_stream(fixture, add_space(fixture), 1, NULL);
    add_refs(fixture, stream, 1, REF_LOAD, 1);
    add_event(fixture, EVENT_DISPATCH, stream, 2, UINT64_MAX, 0, 0, 0);
    add_refs(fixture, stream, 1, REF_LOAD, 1);
    make(fixture, NULL, &schedule);
    assert_int_equal(schedule->kind, SCHEDULE_COMPACT);
    assert_non_null(strstr(schedule->reason, "CPU 2"));
    schedule_free(schedule);
}

static void recorded_counts_references_on_cpus_that_the_machine_has_not(void **state)
{
    struct fixture *fixture = *state;
    uint32_t stream = add_stream(fixture, add_space(fixture), 1, NULL);
    add_refs(fixture, stream, 1, REF_LOAD, 4);
    add_event(fixture, EVENT_DISPATCH, stream, 2, UINT64_MAX, 0, 0, 0);
    add_refs(fixture, stream, 1, REF_LOAD, 6);
    add_event(fixture, EVENT_DISPATCH, stream, 4, UINT64_MAX, 0, 0, 0);
    add_refs(fixture, stream, 1, REF_LOAD, 1);
    refused(make_error(fixture, "recorded"),
            "7 references were recorded on CPUs that machine small does not have (CPU 2 first)");
}

static void recorded_counts_references_without_a_cpu(void **state)
{
    struct fixture *fixture = *state;
    uint32_t space = add_space(fixture);
    uint32_t known = add_stream(fixture, space, 1, NULL);
    uint32_t unknown = add_stream(fixture, space, -1, NULL);
    add_refs(fixture, known, 1, REF_LOAD, 4);
    add_refs(fixture, unknown, 1, REF_LOAD, 9);
    refused(make_error(fixture, "recorded"),
            "9 references are of streams whose CPU was not recorded (stream 1 first)");
}

static void a_file_names_streams_in_five_ways_and_the_first_line_counts(void **state)
{
    struct fixture *fixture = *state;
    struct schedule *schedule = NULL;
    uint32_t space = add_space(fixture);
    for (unsigned i = 0; i < 6; i++) {
        struct trace_stream facts = {.space = space, .tid = 40 + i, .cpu = -1, .node = -1};
        uint32_t stream = 0;
        facts.name = i == 2 ? "a worker" : i == 3 ? "44" : NULL;
        well(trace_writer_stream(fixture->writer, &facts, &stream));
    }
    make(fixture,
         write_file(fixture, "# a comment\n\nstream:0 7\ntid:41 5 # the second\n  a worker   3\r\n"
                             "name:44 1\n44 3\n* 7\nstream:0 1\n"),
         &schedule);
    static const uint32_t expected[] = {3, 2, 1, 0, 1, 3};
    assert_memory_equal(schedule->cpu, expected, sizeof expected);
    schedule_free(schedule);
}

static void a_bad_line_is_named(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *text, *error;
    } bad[] = {
        {"* 1\nword\n", "schedule:2: one word"},
        {"* one\n", "schedule:1: the last word is not the number of a CPU"},
        {"* -1\n", "schedule:1: the last word is not the number of a CPU"},
        {"\n* 2\n", "schedule:2: machine small has no CPU 2"},
        {"nobody 1\n", "schedule:1: no stream of the trace is 'nobody'"},
        {"stream:x 1\n", "schedule:1: stream: wants a number"},
        {"tid:99999999999999999999 1\n", "schedule:1: tid: wants a number"},
        {"stream:1 1\n", "schedule: no line fits 1 streams of the trace (stream 0 first)"},
    };
    uint32_t space = add_space(fixture);
    (void)add_stream(fixture, space, 1, "main");
    (void)add_stream(fixture, space, 1, "main");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refused(make_error(fixture, write_file(fixture, bad[i].text)), bad[i].error);
    refused(make_error(fixture, "/nowhere/schedule"), "/nowhere/schedule: No such file");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(compact_fills_nodes_and_scatter_goes_round_them),
        TEST(without_a_word_it_is_recorded_where_that_can_be),
        TEST(a_dispatch_before_the_first_reference_is_as_good_as_a_recorded_cpu),
        TEST(without_a_word_a_foreign_cpu_makes_it_compact_and_says_so),
        TEST(recorded_counts_references_on_cpus_that_the_machine_has_not),
        TEST(recorded_counts_references_without_a_cpu),
        TEST(a_file_names_streams_in_five_ways_and_the_first_line_counts),
        TEST(a_bad_line_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
