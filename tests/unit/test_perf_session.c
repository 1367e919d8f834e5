/* What records become in the trace: streams, spaces, regions, events and references, by SQL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "collector/sources/perf/perf-session.h"
#include "collector/trace/reader.h"

/* Process ids that no running process has: /proc must not answer. */
#define PID      0x70000000u
#define START_NS 1000u

struct fixture {
    char path[64];
    struct trace_writer *writer;
    struct perf_session *session;
    int32_t node[4];
};

static void well(char *error)
{
    if (error)
        print_error("%s\n", error);
    assert_null(error);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    snprintf(fixture->path, sizeof fixture->path, "/tmp/disco-session-%d.db", (int)getpid());
    fixture->node[2] = fixture->node[3] = 1;
    struct trace_facts facts = {
        .source = "perf",
        .page_bytes = 4096,
        .columns = COLUMN_BIT(COLUMN_TIME) | COLUMN_BIT(COLUMN_IP),
        .time_unit = TIME_NS,
        .refs_per_sample = 1,
        .sampled = true,
    };
    struct perf_session_facts session = {.start_ns = START_NS,
                                         .left_out = 77,
                                         .cpu_node = fixture->node,
                                         .cpus = 4};
    unlink(fixture->path);
    well(trace_writer_create(fixture->path, &facts, false, &fixture->writer));
    fixture->session = perf_session_new(fixture->writer, &session);
    assert_non_null(fixture->session);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    perf_session_free(fixture->session);
    if (fixture->writer)
        well(trace_writer_close(fixture->writer, true));
    unlink(fixture->path);
    free(fixture);
    return 0;
}

static void take(struct fixture *fixture, struct perf_record record)
{
    well(perf_session_record(fixture->session, &record));
}

static void sample(struct fixture *fixture, uint32_t pid, uint32_t tid, uint64_t page, uint32_t cpu,
                   uint64_t time_ns)
{
    take(fixture, (struct perf_record){.seen = PERF_SEEN_SAMPLE,
                                       .pid = pid,
                                       .tid = tid,
                                       .addr = page * 4096 + 8,
                                       .cpu = cpu,
                                       .time_ns = START_NS + time_ns,
                                       .what = REF_TOUCH,
                                       .period = 1});
}

static void comm(struct fixture *fixture, uint32_t pid, uint32_t tid, const char *name, bool exec)
{
    take(fixture, (struct perf_record){
                      .seen = PERF_SEEN_COMM, .pid = pid, .tid = tid, .name = name, .exec = exec});
}

static void map(struct fixture *fixture, uint32_t pid, uint64_t start, uint64_t end,
                const char *name)
{
    take(fixture, (struct perf_record){.seen = PERF_SEEN_MMAP,
                                       .pid = pid,
                                       .start = start * 4096,
                                       .end = end * 4096,
                                       .name = name});
}

static void fork_of(struct fixture *fixture, uint32_t pid, uint32_t tid, uint32_t ppid,
                    uint32_t ptid)
{
    take(fixture, (struct perf_record){
                      .seen = PERF_SEEN_FORK, .pid = pid, .tid = tid, .ppid = ppid, .ptid = ptid});
}

/* Closes the trace, once, and compares what a query gives: rows by ';', fields by '|'. */
static void assert_rows(struct fixture *fixture, const char *query, const char *expected)
{
    char text[1024] = "";
    size_t length = 0;
    sqlite3 *db;
    sqlite3_stmt *statement;
    if (fixture->writer)
        well(trace_writer_close(fixture->writer, true));
    fixture->writer = NULL;
    assert_int_equal(sqlite3_open(fixture->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, query, -1, &statement, NULL), SQLITE_OK);
    while (sqlite3_step(statement) == SQLITE_ROW)
        for (int i = 0; i < sqlite3_column_count(statement); i++) {
            const char *value = (const char *)sqlite3_column_text(statement, i);
            length += (size_t)snprintf(text + length, sizeof text - length, "%s%s",
                                       i ? "|" : (length ? ";" : ""), value ? value : "NULL");
        }
    sqlite3_finalize(statement);
    sqlite3_close(db);
    assert_string_equal(text, expected);
}

/* Events of the (one) block in words. */
static void assert_events(struct fixture *fixture, const char *expected)
{
    static const char *const words[EVENT_TYPES] = {[EVENT_DISPATCH] = "dispatch",
                                                   [EVENT_ASID] = "asid",
                                                   [EVENT_UNMAP] = "unmap",
                                                   [EVENT_FORK] = "fork",
                                                   [EVENT_EXIT] = "exit"};
    char text[1024] = "";
    size_t length = 0;
    struct trace_reader *reader;
    struct ref_block *block = ref_block_new(COLUMN_BIT(COLUMN_TIME));
    bool at_end = false;
    assert_non_null(block);
    if (fixture->writer)
        well(trace_writer_close(fixture->writer, true));
    fixture->writer = NULL;
    well(trace_reader_open(fixture->path, &reader));
    well(trace_reader_next(reader, block, &at_end));
    for (uint32_t i = 0; !at_end && i < block->events; i++) {
        const struct trace_event *event = &block->event[i];
        if (event->type < EVENT_TYPES && words[event->type])
            length += (size_t)snprintf(text + length, sizeof text - length, "%s%u:%s %d %ju,%jd",
                                       length ? "; " : "", event->position, words[event->type],
                                       (int)event->stream, (uintmax_t)event->args[0],
                                       (intmax_t)event->args[1]);
    }
    ref_block_free(block);
    trace_reader_close(reader);
    assert_string_equal(text, expected);
}

static void a_thread_with_samples_is_a_stream(void **state)
{
    struct fixture *fixture = *state;
    comm(fixture, PID, PID, "sort", true);
    fork_of(fixture, PID, PID + 1, PID, PID);
    fork_of(fixture, PID, PID + 2, PID, PID); /* never sampled */
    sample(fixture, PID, PID, 5, 0, 10);
    sample(fixture, PID, PID + 1, 6, 3, 20);
    comm(fixture, PID, PID + 1, "sort-worker", false);
    assert_rows(fixture,
                "SELECT stream, space, pid - 0x70000000, tid - 0x70000000, cpu, node, name FROM "
                "trace_stream",
                "0|0|0|0|0|0|sort;1|0|0|1|3|1|sort-worker");
    assert_rows(fixture, "SELECT page, stream, touches FROM page_summary", "5|0|1;6|1|1");
    assert_int_equal(perf_session_counts(fixture->session).streams, 2);
}

static void a_change_of_cpu_is_a_dispatch(void **state)
{
    struct fixture *fixture = *state;
    comm(fixture, PID, PID, "a", true);
    sample(fixture, PID, PID, 1, 0, 1);
    sample(fixture, PID, PID, 2, 0, 2);
    sample(fixture, PID, PID, 3, 2, 3);
    sample(fixture, PID, PID, 4, 9, 4); /* a CPU that hwloc did not show */
    assert_events(fixture, "0:dispatch 0 0,0; 2:dispatch 0 2,1; 3:dispatch 0 9,-1");
}

static void a_fork_is_a_new_space_and_an_exec_another(void **state)
{
    struct fixture *fixture = *state;
    comm(fixture, PID, PID, "sh", true);
    map(fixture, PID, 10, 20, "/bin/sh");
    sample(fixture, PID, PID, 11, 0, 1);
    fork_of(fixture, PID + 5, PID + 5, PID, PID);
    sample(fixture, PID + 5, PID + 5, 11, 0, 2);
    comm(fixture, PID + 5, PID + 5, "ls", true);
    map(fixture, PID + 5, 30, 40, "/bin/ls");
    sample(fixture, PID + 5, PID + 5, 31, 0, 3);
    take(fixture, (struct perf_record){.seen = PERF_SEEN_EXIT, .pid = PID + 5, .tid = PID + 5});
    assert_rows(fixture, "SELECT space, name FROM trace_space", "0|sh;1|sh;2|ls");
    assert_rows(fixture, "SELECT space, start / 4096, \"end\" / 4096, name FROM trace_region",
                "0|10|20|sh;1|10|20|sh;2|30|40|ls");
    assert_rows(fixture, "SELECT space, page, stream FROM page_summary", "0|11|0;1|11|1;2|31|1");
    assert_rows(fixture, "SELECT name FROM trace_stream", "sh;ls");
    assert_events(fixture, "0:dispatch 0 0,0; 1:fork 0 0,1; 1:dispatch 1 0,0; "
                           "2:unmap -1 1,0; 2:asid 1 2,0; 3:exit 1 0,0");
}

static void a_thread_id_used_again_is_a_new_stream(void **state)
{
    struct fixture *fixture = *state;
    comm(fixture, PID, PID, "a", true);
    for (uint64_t i = 0; i < 2; i++) {
        fork_of(fixture, PID, PID + 1, PID, PID);
        sample(fixture, PID, PID + 1, i, 0, i);
        if (i == 0) /* the second one's end was lost */
            take(fixture, (struct perf_record){.seen = PERF_SEEN_EXIT, .pid = PID, .tid = PID + 1});
    }
    fork_of(fixture, PID, PID + 1, PID, PID);
    sample(fixture, PID, PID + 1, 2, 0, 5);
    assert_rows(fixture, "SELECT page, stream FROM page_summary", "0|0;1|1;2|2");
}

static void a_process_that_is_never_sampled_leaves_nothing(void **state)
{
    struct fixture *fixture = *state;
    comm(fixture, PID, PID, "quiet", true);
    map(fixture, PID, 1, 2, "/bin/quiet");
    fork_of(fixture, PID + 1, PID + 1, PID, PID);
    take(fixture, (struct perf_record){.seen = PERF_SEEN_EXIT, .pid = PID, .tid = PID});
    assert_rows(fixture,
                "SELECT (SELECT count(*) FROM trace_space), (SELECT count(*) FROM trace_stream), "
                "(SELECT count(*) FROM trace_region)",
                "0|0|0");
}

static void what_runs_already_is_read_from_proc(void **state)
{
    struct fixture *fixture = *state;
    char name[16] = "", expected[64];
    FILE *file = fopen("/proc/self/comm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%15s", name), 1);
    fclose(file);
    uint32_t self = (uint32_t)getpid();
    sample(fixture, self, self, (uint64_t)(uintptr_t)&fixture / 4096, 0, 1);
    snprintf(expected, sizeof expected, "%s|%s|stack", name, name);
    assert_rows(fixture,
                "SELECT s.name, t.name, g.kind FROM trace_space s, trace_stream t, trace_region g, "
                "page_summary p WHERE p.page * 4096 >= g.start AND p.page * 4096 < g.\"end\"",
                expected);
}

static void what_must_not_be_recorded_is_counted(void **state)
{
    struct fixture *fixture = *state;
    comm(fixture, PID, PID, "a", true);
    sample(fixture, 77, 77, 1, 0, 1); /* the recorder itself */
    sample(fixture, UINT32_MAX, UINT32_MAX, 1, 0, 1);
    sample(fixture, PID, PID, UINT64_C(0xffff888000000), 0, 1);
    take(fixture, (struct perf_record){.seen = PERF_SEEN_LOST, .lost = 12});
    take(fixture, (struct perf_record){.seen = PERF_SEEN_LOST, .lost = 30});
    take(fixture, (struct perf_record){.seen = PERF_SEEN_THROTTLE});
    struct perf_session_counts counts = perf_session_counts(fixture->session);
    assert_int_equal(counts.samples, 0);
    assert_int_equal(counts.unattributed, 1);
    assert_int_equal(counts.kernel_addresses, 1);
    assert_int_equal(counts.lost, 42);
    assert_int_equal(counts.throttled, 1);
    assert_rows(fixture, "SELECT refs FROM trace", "0");
}

static void time_never_falls(void **state)
{
    struct fixture *fixture = *state;
    static const uint64_t expected[] = {0, 50, 50, 60};
    comm(fixture, PID, PID, "a", true);
    sample(fixture, PID, PID, 1, 0, (uint64_t)-500); /* before the start */
    sample(fixture, PID, PID, 2, 0, 50);
    sample(fixture, PID, PID, 3, 0, 40); /* late */
    sample(fixture, PID, PID, 4, 0, 60);
    well(trace_writer_close(fixture->writer, true));
    fixture->writer = NULL;
    struct trace_reader *reader;
    struct ref_block *block = ref_block_new(COLUMN_BIT(COLUMN_TIME));
    bool at_end = false;
    assert_non_null(block);
    well(trace_reader_open(fixture->path, &reader));
    well(trace_reader_next(reader, block, &at_end));
    assert_int_equal(block->refs, 4);
    assert_memory_equal(block->column[COLUMN_TIME], expected, sizeof expected);
    ref_block_free(block);
    trace_reader_close(reader);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_thread_with_samples_is_a_stream),
        TEST(a_change_of_cpu_is_a_dispatch),
        TEST(a_fork_is_a_new_space_and_an_exec_another),
        TEST(a_thread_id_used_again_is_a_new_stream),
        TEST(a_process_that_is_never_sampled_leaves_nothing),
        TEST(what_runs_already_is_read_from_proc),
        TEST(what_must_not_be_recorded_is_counted),
        TEST(time_never_falls),
    };
    return cmocka_run_group_tests_name("perf session", tests, NULL, NULL);
}
