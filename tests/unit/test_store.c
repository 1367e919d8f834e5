/* The trace store: what is written is what is read, and every damage is named. */
#include "collector/trace/reader.h"
#include "collector/trace/writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

static const struct trace_facts plain = {
    .source = "text",
    .command = "test",
    .page_bytes = 4096,
    .time_unit = TIME_REFERENCES,
    .refs_per_sample = 1,
};

static void well(char *error)
{
    if (error != NULL)
        fail_msg("%s", error);
}

static void refused(char *error, const char *text)
{
    assert_non_null(error);
    if (strstr(error, text) == NULL || strchr(error, '\n') != NULL)
        fail_msg("'%s' is not in: %s", text, error);
    free(error);
}

/* A private file name per test. */
static int make_path(void **state)
{
    char *folder = strdup("/tmp/disco-store-XXXXXX");
    assert_non_null(mkdtemp(folder));
    *state = folder;
    return 0;
}

static int remove_path(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", (char *)*state);
    free(*state);
    return system(command);
}

static const char *path_in(void **state)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/trace.db", (char *)*state);
    return path;
}

/* The address and kind of reference `i` of the traces below. */
static uint64_t addr_at(uint64_t i)
{
    return i % 3 == 0 ? UINT64_C(0xffff888000000000) + i * 8
                      : 0x400000 + (i * 2654435761u) % 1000000;
}

static uint8_t what_at(uint64_t i)
{
    return (uint8_t)(i * 7 % 4 | (i % 5 == 0 ? REF_MODE_KERNEL : 0));
}

static void put(struct trace_writer *writer, uint32_t stream, uint64_t first, uint64_t end)
{
    for (uint64_t i = first; i < end; i++) {
        struct ref ref = {.addr = addr_at(i), .stream = stream, .what = what_at(i)};
        well(trace_writer_ref(writer, &ref));
    }
}

static struct trace_writer *begin(const char *path)
{
    struct trace_writer *writer = NULL;
    uint32_t id = 0;
    well(trace_writer_create(path, &plain, false, &writer));
    well(trace_writer_space(writer, "program", &id));
    struct trace_stream stream = {.pid = 7, .tid = 8, .cpu = 3, .node = -1, .name = "main"};
    well(trace_writer_stream(writer, &stream, &id));
    return writer;
}

static uint64_t read_all(const char *path)
{
    struct trace_reader *reader = NULL;
    well(trace_reader_open(path, &reader));
    struct ref_block *block = ref_block_new(0);
    uint64_t at = 0;
    for (bool end = false;;) {
        well(trace_reader_next(reader, block, &end));
        if (end)
            break;
        assert_int_equal(block->first_ref, at);
        assert_int_equal(block->first_time, at);
        for (uint32_t i = 0; i < block->refs; i++, at++) {
            assert_int_equal(block->addr[i], addr_at(at));
            assert_int_equal(block->what[i], what_at(at));
        }
    }
    assert_int_equal(trace_reader_summary(reader)->refs, at);
    ref_block_free(block);
    trace_reader_close(reader);
    return at;
}

/* One integer from plain SQLite. */
static long long ask(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *row = NULL;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &row, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(row), SQLITE_ROW);
    long long value = sqlite3_column_int64(row, 0);
    sqlite3_finalize(row);
    sqlite3_close(db);
    return value;
}

static void tell(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void what_is_written_is_what_is_read(void **state)
{
    const char *path = path_in(state);
    struct trace_writer *writer = begin(path);
    put(writer, 0, 0, 200000);
    assert_int_equal(trace_writer_count(writer), 200000);
    well(trace_writer_close(writer, true));
    assert_int_equal(read_all(path), 200000);
}

static void an_empty_trace_is_a_trace(void **state)
{
    const char *path = path_in(state);
    well(trace_writer_close(begin(path), true));
    assert_int_equal(read_all(path), 0);
}

static void facts_streams_and_regions_come_back(void **state)
{
    const char *path = path_in(state);
    struct trace_writer *writer = begin(path);
    uint32_t id = 0;
    struct trace_region region = {.start = 0x1000,
                                  .end = 0xfffffffffffff000,
                                  .kind = "heap",
                                  .name = "[heap]"};
    well(trace_writer_region(writer, &region, &id));
    well(trace_writer_name_stream(writer, 0, "renamed"));
    well(trace_writer_note(writer, "lost", "12"));
    well(trace_writer_close(writer, false));
    struct trace_reader *reader = NULL;
    well(trace_reader_open(path, &reader));
    const struct trace_summary *summary = trace_reader_summary(reader);
    assert_string_equal(summary->facts.source, "text");
    assert_null(summary->facts.host);
    assert_false(summary->complete);
    assert_int_equal(summary->streams, 1);
    assert_string_equal(trace_reader_stream(reader, 0)->name, "renamed");
    assert_int_equal(trace_reader_stream(reader, 0)->cpu, 3);
    assert_int_equal(trace_reader_stream(reader, 0)->node, -1);
    assert_string_equal(trace_reader_space(reader, 0), "program");
    assert_int_equal(trace_reader_region(reader, 0)->end, 0xfffffffffffff000);
    assert_null(trace_reader_region(reader, 0)->file);
    trace_reader_close(reader);
    assert_int_equal(ask(path, "SELECT value FROM trace_note WHERE key = 'lost'"), 12);
}

static void commits_leave_the_blocks_as_they_would_be(void **state)
{
    const char *path = path_in(state);
    char other[160];
    snprintf(other, sizeof other, "%s/other.db", (char *)*state);
    struct trace_writer *writer = begin(path);
    put(writer, 0, 0, 150000);
    well(trace_writer_close(writer, true));
    writer = begin(other);
    for (uint64_t at = 0; at < 150000; at += 7777) {
        put(writer, 0, at, at + 7777 < 150000 ? at + 7777 : 150000);
        well(trace_writer_commit(writer));
    }
    well(trace_writer_close(writer, true));
    char sql[512];
    snprintf(
        sql, sizeof sql,
        "ATTACH '%s' AS o; "
        "CREATE TABLE same AS SELECT (SELECT count(*) FROM (SELECT * FROM trace_block EXCEPT "
        "SELECT * FROM "
        "o.trace_block)) + (SELECT count(*) FROM (SELECT * FROM page_summary EXCEPT SELECT * FROM "
        "o.page_summary)) AS n",
        other);
    tell(path, sql);
    assert_int_equal(ask(path, "SELECT n FROM same"), 0);
    assert_int_equal(ask(path, "SELECT count(*) FROM trace_block"), 3);
}

static void a_commit_is_there_for_a_reader_after_a_crash(void **state)
{
    const char *path = path_in(state);
    struct trace_writer *writer = begin(path);
    put(writer, 0, 0, 70000);
    well(trace_writer_commit(writer));
    char copy[160];
    char command[400];
    snprintf(copy, sizeof copy, "%s/copy.db", (char *)*state);
    snprintf(command, sizeof command, "cp %s %s", path, copy);
    assert_int_equal(system(command),
                     0); /* the file as a killed recorder leaves it between commits */
    assert_int_equal(read_all(copy), 70000);
    assert_int_equal(ask(copy, "SELECT complete FROM trace"), 0);
    assert_int_equal(ask(copy, "SELECT sum(fetches + loads + stores + touches) FROM page_summary"),
                     70000);
    well(trace_writer_close(writer, true));
}

static void page_summary_follows_the_address_space(void **state)
{
    const char *path = path_in(state);
    struct trace_writer *writer = begin(path);
    uint32_t space = 0;
    well(trace_writer_space(writer, "child", &space));
    put(writer, 0, 0, 1000);
    struct trace_event change = {.stream = 0, .type = EVENT_ASID, .args = {space}};
    well(trace_writer_event(writer, &change));
    put(writer, 0, 1000, 1300);
    well(trace_writer_commit(writer));
    put(writer, 0, 1300, 1500);
    change.args[0] = 0;
    well(trace_writer_event(writer, &change));
    put(writer, 0, 1500, 2000);
    well(trace_writer_close(writer, true));
    assert_int_equal(
        ask(path,
            "SELECT sum(fetches + loads + stores + touches) FROM page_summary WHERE space = 0"),
        1500);
    assert_int_equal(
        ask(path,
            "SELECT sum(fetches + loads + stores + touches) FROM page_summary WHERE space = 1"),
        500);
    assert_int_equal(ask(path, "SELECT sum(loads) = (SELECT loads FROM trace) FROM page_summary"),
                     1);
}

static void a_damaged_block_is_named(void **state)
{
    const char *path = path_in(state);
    struct trace_writer *writer = begin(path);
    put(writer, 0, 0, 200000);
    well(trace_writer_close(writer, true));
    tell(path, "UPDATE trace_block SET data = CAST(substr(data, 1, 99) || x'00' || substr(data, "
               "101) AS BLOB), "
               "crc32c = crc32c + 1 WHERE block = 2");
    struct trace_reader *reader = NULL;
    well(trace_reader_open(path, &reader));
    struct ref_block *block = ref_block_new(0);
    bool end = false;
    well(trace_reader_next(reader, block, &end));
    well(trace_reader_next(reader, block, &end));
    refused(trace_reader_next(reader, block, &end), "block 2: checksum differs");
    refused(trace_reader_block(reader, 2, block), "block 2: checksum differs");
    well(trace_reader_block(reader, 3, block));
    assert_int_equal(block->first_ref, 3 * TRACE_BLOCK_REFS);
    trace_reader_seek(reader, 3);
    well(trace_reader_next(reader, block, &end));
    assert_int_equal(block->number, 3);
    ref_block_free(block);
    trace_reader_close(reader);
}

/* Flips one bit of the stored bytes of a block, in the file. */
static void flip(sqlite3 *db, sqlite3_int64 block, int bit)
{
    sqlite3_blob *blob = NULL;
    assert_int_equal(sqlite3_blob_open(db, "main", "trace_block", "data", block, 1, &blob),
                     SQLITE_OK);
    uint8_t byte = 0;
    int at = bit / 8 % sqlite3_blob_bytes(blob);
    assert_int_equal(sqlite3_blob_read(blob, &byte, 1, at), SQLITE_OK);
    byte = (uint8_t)(byte ^ 1u << bit % 8);
    assert_int_equal(sqlite3_blob_write(blob, &byte, 1, at), SQLITE_OK);
    sqlite3_blob_close(blob);
}

static void a_flipped_bit_in_any_block_is_named(void **state)
{
    const char *path = path_in(state);
    struct trace_writer *writer = begin(path);
    put(writer, 0, 0, 500000);
    well(trace_writer_close(writer, true));
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    struct ref_block *block = ref_block_new(0);
    for (sqlite3_int64 number = 0; number < 8; number++) {
        for (int i = 0; i < 20; i++) {
            int bit = (int)((unsigned)(i * 7919 + number) * 2654435761u % 1000000);
            flip(db, number, bit);
            struct trace_reader *reader = NULL;
            well(trace_reader_open(path, &reader));
            char named[64];
            snprintf(named, sizeof named, "block %lld: checksum differs", (long long)number);
            refused(trace_reader_block(reader, (uint64_t)number, block), named);
            well(trace_reader_block(reader, (uint64_t)(number + 1) % 8, block));
            trace_reader_close(reader);
            flip(db, number, bit);
        }
    }
    ref_block_free(block);
    sqlite3_close(db);
    assert_int_equal(read_all(path), 500000);
}

static void a_missing_block_is_named(void **state)
{
    const char *path = path_in(state);
    struct trace_writer *writer = begin(path);
    put(writer, 0, 0, 200000);
    well(trace_writer_close(writer, true));
    tell(path, "DELETE FROM trace_block WHERE block = 1");
    struct trace_reader *reader = NULL;
    well(trace_reader_open(path, &reader));
    struct ref_block *block = ref_block_new(0);
    bool end = false;
    well(trace_reader_next(reader, block, &end));
    refused(trace_reader_next(reader, block, &end), "block 1: is missing");
    ref_block_free(block);
    trace_reader_close(reader);
}

static void what_is_no_trace_is_refused(void **state)
{
    const char *path = path_in(state);
    struct trace_reader *reader = NULL;
    refused(trace_reader_open(path, &reader), "No such file");
    refused(trace_reader_open(*state, &reader), "a folder");
    tell(path, "CREATE TABLE t (x)");
    refused(trace_reader_open(path, &reader), "a database, but not a trace");
    struct trace_writer *writer = NULL;
    refused(trace_writer_create(path, &plain, false, &writer), "exists");
    refused(trace_writer_create(path, &plain, true, &writer), "not a trace");
    assert_int_equal(ask(path, "SELECT count(*) FROM t"), 0);
    FILE *file = fopen(path, "w");
    fputs("I am a text file, and was never a database, but quite long enough to be one, if I say "
          "so.\n",
          file);
    fclose(file);
    refused(trace_reader_open(path, &reader), "not a database");
    refused(trace_writer_create(path, &plain, true, &writer), "not a trace");
}

static void a_version_to_come_is_refused_by_number(void **state)
{
    const char *path = path_in(state);
    well(trace_writer_close(begin(path), true));
    tell(path, "PRAGMA user_version = 97");
    struct trace_reader *reader = NULL;
    refused(trace_reader_open(path, &reader), "version 97");
}

static void a_second_writer_is_refused(void **state)
{
    const char *path = path_in(state);
    struct trace_writer *first = begin(path);
    put(first, 0, 0, 100000);
    struct trace_writer *second = NULL;
    struct trace_reader *reader = NULL;
    refused(trace_writer_create(path, &plain, false, &second), "exists");
    refused(trace_writer_create(path, &plain, true, &second), "another program is writing it");
    refused(trace_reader_open(path, &reader), "another program is writing it");
    put(first, 0, 100000, 110000);
    well(trace_writer_close(first, true));
    assert_int_equal(read_all(path), 110000);
    well(trace_writer_create(path, &plain, true, &second));
    well(trace_writer_close(second, true));
    assert_int_equal(read_all(path), 0);
}

static void wrong_use_is_refused_and_keeps_what_was_committed(void **state)
{
    const char *path = path_in(state);
    struct trace_writer *writer = begin(path);
    put(writer, 0, 0, 10);
    well(trace_writer_commit(writer));
    struct ref ref = {.stream = 1};
    refused(trace_writer_ref(writer, &ref), "stream that was not announced");
    ref.stream = 0;
    refused(trace_writer_ref(writer, &ref),
            "stream that was not announced"); /* takes nothing more */
    well(trace_writer_close(writer, true));
    assert_int_equal(read_all(path), 10);
    assert_int_equal(ask(path, "SELECT complete FROM trace"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_written_is_what_is_read, make_path, remove_path),
        cmocka_unit_test_setup_teardown(an_empty_trace_is_a_trace, make_path, remove_path),
        cmocka_unit_test_setup_teardown(facts_streams_and_regions_come_back, make_path,
                                        remove_path),
        cmocka_unit_test_setup_teardown(commits_leave_the_blocks_as_they_would_be, make_path,
                                        remove_path),
        cmocka_unit_test_setup_teardown(a_commit_is_there_for_a_reader_after_a_crash, make_path,
                                        remove_path),
        cmocka_unit_test_setup_teardown(page_summary_follows_the_address_space, make_path,
                                        remove_path),
        cmocka_unit_test_setup_teardown(a_damaged_block_is_named, make_path, remove_path),
        cmocka_unit_test_setup_teardown(a_flipped_bit_in_any_block_is_named, make_path,
                                        remove_path),
        cmocka_unit_test_setup_teardown(a_missing_block_is_named, make_path, remove_path),
        cmocka_unit_test_setup_teardown(what_is_no_trace_is_refused, make_path, remove_path),
        cmocka_unit_test_setup_teardown(a_version_to_come_is_refused_by_number, make_path,
                                        remove_path),
        cmocka_unit_test_setup_teardown(a_second_writer_is_refused, make_path, remove_path),
        cmocka_unit_test_setup_teardown(wrong_use_is_refused_and_keeps_what_was_committed,
                                        make_path, remove_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
