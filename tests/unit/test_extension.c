/* The SQLite extension, judged by SQLite: every query on table refs must answer as the same query
 * on an ordinary table that holds a row a reference. */
#include "collector/trace/extension.h"
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

#define REFS    400000u
#define STREAMS 5u

static uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void well(char *error)
{
    if (error != NULL)
        fail_msg("%s", error);
}

static void execute(sqlite3 *db, const char *sql)
{
    char *error = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
        fail_msg("%s: %s", sql, error);
}

/* A trace, and beside it the ordinary table `row` with the same references. */
struct pair {
    char folder[32], path[64];
    sqlite3 *db;
};

/* Phases of 20,000 references: each has its own stream, kind and half of the address space for
 * the most part, so that there is something to skip. */
static struct ref make_ref(uint64_t i, bool clock, uint64_t *time, uint64_t *seed)
{
    uint64_t r = random_next(seed);
    uint64_t phase = i / 20000;
    struct ref ref = {.stream = (uint32_t)(r % 50 == 0 ? r >> 8 : phase) % STREAMS,
                      .what = (uint8_t)((r >> 16) % 20 == 0 ? (r >> 24) & 7 : phase & 3)};
    ref.addr = 0x10000 + phase * 0x100000 + (r >> 32) % 0x80000;
    if (phase % 4 == 3)
        ref.addr |= UINT64_C(0xffff800000000000);
    *time += (r >> 40) % 3;
    if (clock)
        ref.column[COLUMN_TIME] = *time;
    ref.column[COLUMN_IP] = 0x400000 + r % 4096;
    ref.column[COLUMN_LATENCY] = r % 300;
    return ref;
}

static void insert_row(sqlite3_stmt *insert, uint64_t i, const struct ref *ref, bool clock,
                       const int *cpu)
{
    static const char *const kind[] = {"fetch", "load", "store", "touch"};
    sqlite3_bind_int64(insert, 1, (sqlite3_int64)(clock ? ref->column[COLUMN_TIME] : i));
    sqlite3_bind_int64(insert, 2, ref->stream);
    sqlite3_bind_int64(insert, 3, (sqlite3_int64)ref->addr);
    sqlite3_bind_text(insert, 4, kind[ref->what & 3], -1, SQLITE_STATIC);
    sqlite3_bind_text(insert, 5, (ref->what & 4) != 0 ? "kernel" : "user", -1, SQLITE_STATIC);
    sqlite3_bind_int64(insert, 6, (sqlite3_int64)(ref->addr >> 12));
    if (clock)
        sqlite3_bind_int64(insert, 7, (sqlite3_int64)ref->column[COLUMN_IP]);
    if (clock)
        sqlite3_bind_int64(insert, 8, (sqlite3_int64)ref->column[COLUMN_LATENCY]);
    if (cpu[ref->stream] >= 0)
        sqlite3_bind_int(insert, 9, cpu[ref->stream]);
    else
        sqlite3_bind_null(insert, 9);
    sqlite3_bind_int64(insert, 10, (sqlite3_int64)(i / TRACE_BLOCK_REFS));
    sqlite3_bind_int64(insert, 11, (sqlite3_int64)i);
    assert_int_equal(sqlite3_step(insert), SQLITE_DONE);
    sqlite3_reset(insert);
}

static void fill(struct pair *pair, bool clock)
{
    struct trace_facts facts = {.source = "text", .page_bytes = 4096, .refs_per_sample = 1};
    if (clock) {
        facts.columns =
            COLUMN_BIT(COLUMN_TIME) | COLUMN_BIT(COLUMN_IP) | COLUMN_BIT(COLUMN_LATENCY);
        facts.time_unit = TIME_NS;
    }
    struct trace_writer *writer = NULL;
    uint32_t id = 0;
    well(trace_writer_create(pair->path, &facts, false, &writer));
    well(trace_writer_space(writer, "a", &id));
    int cpu[STREAMS];
    for (uint32_t i = 0; i < STREAMS; i++) {
        cpu[i] = i == 2 ? -1 : (int)i;
        struct trace_stream stream = {.cpu = cpu[i], .node = -1};
        well(trace_writer_stream(writer, &stream, &id));
    }
    sqlite3 *rows = NULL;
    sqlite3_stmt *insert = NULL;
    char path[80];
    snprintf(path, sizeof path, "%s/rows.db", pair->folder);
    assert_int_equal(sqlite3_open(path, &rows), SQLITE_OK);
    execute(rows,
            "CREATE TABLE row (time INTEGER, stream INTEGER, addr INTEGER, kind TEXT, mode TEXT, "
            "page INTEGER, ip INTEGER, latency INTEGER, cpu INTEGER, block INTEGER, ref INTEGER); "
            "CREATE TABLE event (ref INTEGER, stream INTEGER, cpu INTEGER); BEGIN");
    sqlite3_prepare_v2(rows, "INSERT INTO row VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", -1,
                       &insert, NULL);
    uint64_t seed = 7;
    uint64_t time = 5;
    for (uint64_t i = 0; i < REFS; i++) {
        if (i % 9999 == 500) {
            struct trace_event event = {.stream = (uint32_t)(i / 9999 % STREAMS),
                                        .type = EVENT_DISPATCH,
                                        .args = {i % 64, UINT64_MAX}};
            cpu[event.stream] = (int)(i % 64);
            well(trace_writer_event(writer, &event));
            char sql[128];
            snprintf(sql, sizeof sql, "INSERT INTO event VALUES (%llu, %u, %llu)",
                     (unsigned long long)i, event.stream, (unsigned long long)(i % 64));
            execute(rows, sql);
        }
        struct ref ref = make_ref(i, clock, &time, &seed);
        well(trace_writer_ref(writer, &ref));
        insert_row(insert, i, &ref, clock, cpu);
    }
    execute(rows, "COMMIT");
    sqlite3_finalize(insert);
    sqlite3_close(rows);
    well(trace_writer_close(writer, true));
    assert_int_equal(sqlite3_open(pair->path, &pair->db), SQLITE_OK);
    char sql[128];
    snprintf(sql, sizeof sql, "ATTACH '%s' AS r", path);
    execute(pair->db, sql);
}

static int make_pair(void **state, bool clock)
{
    struct pair *pair = calloc(1, sizeof *pair);
    assert_non_null(pair);
    snprintf(pair->folder, sizeof pair->folder, "/tmp/disco-ext-XXXXXX");
    assert_non_null(mkdtemp(pair->folder));
    snprintf(pair->path, sizeof pair->path, "%s/trace.db", pair->folder);
    sqlite3_auto_extension((void (*)(void))sqlite3_disco_init);
    fill(pair, clock);
    *state = pair;
    return 0;
}

static int make_with_clock(void **state)
{
    return make_pair(state, true);
}

static int make_without_clock(void **state)
{
    return make_pair(state, false);
}

static int remove_pair(void **state)
{
    struct pair *pair = *state;
    char command[64];
    sqlite3_close(pair->db);
    snprintf(command, sizeof command, "rm -rf %s", pair->folder);
    free(pair);
    return system(command);
}

/* All values of the answer as one text, or the error. */
static char *answer(sqlite3 *db, const char *sql)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    sqlite3_stmt *row = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &row, NULL);
    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(row);
        for (int i = 0; rc == SQLITE_ROW && i < sqlite3_column_count(row); i++) {
            const unsigned char *value = sqlite3_column_text(row, i);
            fprintf(to, "%s|", value != NULL ? (const char *)value : "NULL");
        }
    }
    if (rc != SQLITE_DONE)
        fprintf(to, "error: %s", sqlite3_errmsg(db));
    sqlite3_finalize(row);
    fclose(to);
    return text;
}

static void same(struct pair *pair, const char *select, const char *where)
{
    char on_refs[600];
    char on_rows[600];
    snprintf(on_refs, sizeof on_refs, "SELECT %s FROM refs WHERE %s", select, where);
    snprintf(on_rows, sizeof on_rows, "SELECT %s FROM r.row WHERE %s", select, where);
    char *refs = answer(pair->db, on_refs);
    char *rows = answer(pair->db, on_rows);
    if (strcmp(refs, rows) != 0)
        fail_msg("%s: refs say %.200s, rows say %.200s", on_refs, refs, rows);
    free(refs);
    free(rows);
}

static long long ask(sqlite3 *db, const char *sql)
{
    char *text = answer(db, sql);
    if (strncmp(text, "error", 5) == 0)
        fail_msg("%s: %s", sql, text);
    long long value = strtoll(text, NULL, 10);
    free(text);
    return value;
}

#define SUMS "count(*), sum(ref), sum(addr & 0xffffffffff), sum(time), sum(stream), min(page)"

static void hand_picked_constraints_answer_as_rows_do(void **state)
{
    static const char *const where[] = {
        "true",
        "time BETWEEN 1000 AND 2000",
        "time > 200000.5 AND time < '300000'",
        "time = 1000.5",
        "time < NULL",
        "time < 'text' AND time > -1e300",
        "time >= 1e19",
        "ref = 65536",
        "ref >= 65535 AND ref <= 65537",
        "ref IN (3, 70000, 399999, 400000)",
        "stream = 3",
        "stream = -1",
        "stream > 2 AND stream <= 3",
        "stream = 1e0",
        "stream IN (1, 4, 99)",
        "addr < 0",
        "addr >= 0xffff800000000000 AND addr < 0xffff800000600000",
        "addr > -1 AND addr < 2000000",
        "addr = 9223372036854775807 OR addr = -9223372036854775808",
        "addr > 9223372036854775807",
        "addr < -9223372036854775808",
        "page BETWEEN 600 AND 700",
        "page >= 0xffff800000000",
        "kind = 'store'",
        "kind IN ('load', 'touch', 'nonsense', NULL)",
        "kind IN ()",
        "kind = 'LOAD'",
        "kind = 'LOAD' COLLATE NOCASE",
        "kind > 'load'",
        "kind = 1",
        "mode = 'kernel'",
        "mode = 'kernel' AND kind = 'fetch' AND stream = 1 AND time < 250000",
        "mode IN ('user')",
        "block = 3",
        "block > 4 AND addr < 0",
        "NOT (stream = 0)",
        "stream = (SELECT 2)",
        "cpu = 17",
        "cpu IS NULL AND block = 5",
        "latency > 290 AND kind <> 'load'",
        "ip = 0x400010",
    };
    for (size_t i = 0; i < sizeof where / sizeof *where; i++) {
        same(*state, SUMS, where[i]);
        same(*state, "count(*)", where[i]);
    }
}

static void random_constraints_answer_as_rows_do(void **state)
{
    static const char *const column[] = {"time", "stream", "addr", "page", "block", "ref"};
    static const char *const operator[] = {"=", "<", "<=", ">", ">="};
    const char *given = getenv("DISCO_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 11;
    print_message("DISCO_SEED=%llu\n", (unsigned long long)seed);
    for (int round = 0; round < 25; round++) {
        char where[500] = "true";
        for (uint64_t terms = 1 + random_next(&seed) % 3; terms > 0; terms--) {
            uint64_t which = random_next(&seed) % 6;
            char sample[120];
            /* a value that occurs, or is near one that does */
            snprintf(sample, sizeof sample, "SELECT %s + %d FROM r.row WHERE rowid = %llu",
                     column[which], (int)(random_next(&seed) % 3) - 1,
                     (unsigned long long)(1 + random_next(&seed) % REFS));
            size_t at = strlen(where);
            snprintf(where + at, sizeof where - at, " AND %s %s %lld",
                     column[which], operator[random_next(&seed) % 5],
                     ask(((struct pair *)*state)->db, sample));
        }
        same(*state, SUMS, where);
    }
}

static void rows_come_in_order_with_all_their_columns(void **state)
{
    same(*state, "time, stream, addr, kind, mode, page, ip, latency, cpu, block, ref",
         "ref BETWEEN 65000 AND 66500 ORDER BY ref");
    same(*state, "time, cpu", "stream = 2 AND block IN (1, 4) ORDER BY time, ref LIMIT 500");
    same(*state, "ref", "kind = 'store' ORDER BY ref DESC LIMIT 20");
    same(*state, "kind, count(*)", "block < 3 GROUP BY kind");
}

static void events_are_rows(void **state)
{
    struct pair *pair = *state;
    char *events = answer(pair->db, "SELECT ref, stream, arg0 FROM events WHERE type = 'dispatch'");
    char *rows = answer(pair->db, "SELECT * FROM r.event");
    assert_string_equal(events, rows);
    free(events);
    free(rows);
    assert_int_equal(ask(pair->db,
                         "SELECT count(*) = (SELECT events FROM trace_block WHERE block = 2) "
                         "FROM events WHERE block = 2"),
                     1);
    assert_int_equal(ask(pair->db, "SELECT count(*) FROM events WHERE block = -1 OR block = 'x'"),
                     0);
}

static void one_percent_of_the_time_costs_its_blocks_only(void **state)
{
    struct pair *pair = *state;
    long long before = ask(pair->db, "SELECT disco_blocks_read()");
    ask(pair->db, "SELECT count(*), min(addr) FROM refs WHERE time BETWEEN 100000 AND 104000");
    long long after = ask(pair->db, "SELECT disco_blocks_read()");
    assert_true(after - before >= 1 && after - before <= 2); /* of 7 */
    ask(pair->db, "SELECT sum(time) FROM refs WHERE block = 3");
    assert_int_equal(ask(pair->db, "SELECT disco_blocks_read()"), after + 1);
    ask(pair->db,
        "SELECT sum(time) FROM refs WHERE addr BETWEEN 1 AND 2"); /* below every address */
    ask(pair->db,
        "SELECT sum(time) FROM refs WHERE stream = 77 OR ref > 400000 OR time < 0 AND stream = 1");
    assert_true(ask(pair->db, "SELECT disco_blocks_read()") <= after + 8);
}

static void a_join_does_not_unpack_one_block_for_every_row(void **state)
{
    const struct pair *pair = *state;
    long long before = ask(pair->db, "SELECT disco_blocks_read()");
    assert_int_equal(ask(pair->db, "SELECT count(*) FROM (SELECT ref FROM refs WHERE ref < 1000) a "
                                   "CROSS JOIN refs b ON b.ref = a.ref + 70000"),
                     1000);
    assert_int_equal(ask(pair->db, "SELECT count(*) FROM row a CROSS JOIN events b "
                                   "ON b.block = 2 WHERE a.ref < 3"),
                     3 * ask(pair->db, "SELECT count(*) FROM events WHERE block = 2"));
    assert_true(ask(pair->db, "SELECT disco_blocks_read()") < before + 20);
    assert_int_equal(ask(pair->db,
                         "SELECT count(*) FROM (SELECT ref FROM refs WHERE ref < 300000 AND "
                         "ref % 20000 = 0) a JOIN refs b ON b.ref = a.ref + 1 "
                         "JOIN row c ON c.ref = b.ref AND c.cpu IS b.cpu "
                         "AND c.addr = b.addr"),
                     15);
}

static void the_heat_map_counts_every_reference_where_it_is(void **state)
{
    struct pair *pair = *state;
    assert_int_equal(ask(pair->db, "SELECT sum(refs) FROM heat(20, 30)"), REFS);
    assert_int_equal(ask(pair->db, "SELECT sum(stores) FROM heat(20, 30)"),
                     ask(pair->db, "SELECT count(*) FROM r.row WHERE kind = 'store'"));
    /* cell by cell: the page's bin is by its rank among the distinct pages */
    static const char expected[] =
        "WITH p AS (SELECT page, row_number() OVER (ORDER BY page) - 1 AS at, count(*) OVER () AS "
        "n "
        "  FROM (SELECT DISTINCT page FROM r.row)), "
        "t AS (SELECT min(time) AS first, max(time) - min(time) + 1 AS span FROM r.row), "
        "b AS (SELECT page, (SELECT max(k.value) FROM r.bins k WHERE p.n * k.value / 6 <= p.at) AS "
        "bin FROM p) "
        "SELECT (row.time - t.first) * 10 / t.span AS time_bin, b.bin AS page_bin, count(*), "
        "sum(kind = 'store') "
        "FROM r.row JOIN b USING (page), t GROUP BY 1, 2 ORDER BY 1, 2";
    execute(pair->db, "CREATE TABLE r.bins (value INTEGER); INSERT INTO r.bins VALUES (0), (1), "
                      "(2), (3), (4), (5)");
    char *rows = answer(pair->db, expected);
    char *heat =
        answer(pair->db, "SELECT time_bin, page_bin, refs, stores FROM heat(10, 6) ORDER BY 1, 2");
    if (strcmp(rows, heat) != 0)
        fail_msg("heat says %.400s, rows say %.400s", heat, rows);
    free(rows);
    free(heat);
}

static void wrong_use_of_the_heat_map_is_an_error(void **state)
{
    static const char *const wrong[] = {"SELECT * FROM heat", "SELECT * FROM heat(4)",
                                        "SELECT * FROM heat(0, 4)", "SELECT * FROM heat(4, 513)",
                                        "SELECT * FROM heat('a', 4)"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char *text = answer(((struct pair *)*state)->db, wrong[i]);
        assert_non_null(strstr(text, "error: heat wants"));
        free(text);
    }
}

static void a_damaged_block_is_an_error_that_names_it(void **state)
{
    struct pair *pair = *state;
    execute(pair->db, "UPDATE trace_block SET crc32c = crc32c + 1 WHERE block = 2");
    static const char *const queries[] = {"SELECT sum(addr) FROM refs",
                                          "SELECT count(*) FROM refs WHERE block = 2",
                                          "SELECT count(*) FROM events",
                                          "SELECT count(*) FROM heat(2, 2)"};
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        char *text = answer(pair->db, queries[i]);
        assert_non_null(strstr(text, "block 2: checksum differs"));
        free(text);
    }
    same(pair, SUMS, "block = 3"); /* the others answer */
    execute(pair->db, "DELETE FROM trace_block WHERE block = 2");
    char *text = answer(pair->db, "SELECT count(*) FROM refs");
    assert_non_null(strstr(text, "block 2: is missing"));
    free(text);
}

static void a_database_that_is_no_trace_is_told_so(void **state)
{
    (void)state;
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    execute(db, "CREATE TABLE t (x)");
    char *text = answer(db, "SELECT * FROM refs");
    assert_non_null(strstr(text, "not a trace"));
    free(text);
    sqlite3_close(db);
}

int main(void)
{
    static const struct CMUnitTest with_a_clock[] = {
        cmocka_unit_test(hand_picked_constraints_answer_as_rows_do),
        cmocka_unit_test(random_constraints_answer_as_rows_do),
        cmocka_unit_test(rows_come_in_order_with_all_their_columns),
        cmocka_unit_test(events_are_rows),
        cmocka_unit_test(the_heat_map_counts_every_reference_where_it_is),
    };
    static const struct CMUnitTest without_a_clock[] = {
        cmocka_unit_test(rows_come_in_order_with_all_their_columns),
        cmocka_unit_test(one_percent_of_the_time_costs_its_blocks_only),
        cmocka_unit_test(a_join_does_not_unpack_one_block_for_every_row),
        cmocka_unit_test(the_heat_map_counts_every_reference_where_it_is),
        cmocka_unit_test(wrong_use_of_the_heat_map_is_an_error),
        cmocka_unit_test(a_damaged_block_is_an_error_that_names_it), /* the last: it damages */
        cmocka_unit_test(a_database_that_is_no_trace_is_told_so),
    };
    int failed = cmocka_run_group_tests(with_a_clock, make_with_clock, remove_pair);
    return failed + cmocka_run_group_tests(without_a_clock, make_without_clock, remove_pair);
}
