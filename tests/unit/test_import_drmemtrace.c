/* Importing drmemtraces of a few records whose references can be listed by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/test_drmemtrace.h"
#include "tests/unit/test_import.h"

static struct collected found;
static struct import_result result;
static struct bytes file[3];
static const struct import_options defaults;

static int clear(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        free(file[i].at);
        file[i] = (struct bytes){0};
    }
    return 0;
}

static char *import(const struct import_options *options, size_t files)
{
    const void *data[3] = {file[0].at, file[1].at, file[2].at};
    const size_t bytes[3] = {file[0].bytes, file[1].bytes, file[2].bytes};
    return collect_files(&import_drmemtrace, options, data, bytes, files, &found, &result);
}

static void well(const struct import_options *options, size_t files)
{
    char *error = import(options, files);
    if (error != NULL) {
        fail_msg("%s", error);
    }
}

/* The import of file[0] ends with exactly this line. */
static void refused(const char *line)
{
    char *error = import(&defaults, 1);
    assert_non_null(error);
    assert_string_equal(error, line);
    free(error);
}

static void expect(size_t index, unsigned what, uint64_t addr, uint64_t size)
{
    assert_true(index < found.refs);
    assert_int_equal(found.ref[index].what, what);
    assert_int_equal(found.ref[index].addr, addr);
    assert_int_equal(found.ref[index].column[COLUMN_SIZE], size);
}

static void records_of_accesses_become_references(void **state)
{
    (void)state;
    put_start(&file[0], 50, 51);
    put_piece(&file[0], 1000, 3 << 12 | 17);
    put_record(&file[0], T_ENCODING, 3, 0xc38948);
    put_record(&file[0], T_INSTR, 3, 0x401000);
    put_record(&file[0], T_READ, 8, 0x7fff0008);
    put_record(&file[0], T_WRITE, 64, UINT64_MAX - 7);
    put_record(&file[0], T_RETURN, 1, 0x401003);
    put_record(&file[0], T_SYSENTER, 2, 0x401010);
    put_record(&file[0], T_TAKEN_JUMP, 2, 0x401012);
    put_record(&file[0], T_UNTAKEN_JUMP, 6, 0x401014);
    put_end(&file[0], 51);
    well(&defaults, 1);
    assert_int_equal(found.refs, 7);
    expect(0, REF_FETCH, 0x401000, 3);
    expect(1, REF_LOAD, 0x7fff0008, 8);
    expect(2, REF_STORE, UINT64_MAX - 7, 64);
    expect(3, REF_FETCH, 0x401003, 1);
    expect(4, REF_FETCH, 0x401010, 2);
    expect(5, REF_FETCH, 0x401012, 2);
    expect(6, REF_FETCH, 0x401014, 6);
    assert_int_equal(found.ref[0].pid, 50);
    assert_int_equal(found.ref[0].tid, 51);
    assert_int_equal(found.ref[0].cpu, 17);
    assert_int_equal(found.ref[0].node, 3);
    assert_int_equal(found.ref[0].column[COLUMN_TIME], 1000000);
    assert_int_equal(found.columns, COLUMN_BIT(COLUMN_SIZE) | COLUMN_BIT(COLUMN_TIME));
    assert_int_equal(found.time_unit, TIME_NS);
    assert_string_equal(found.notes, "drmemtrace_version=7\n");
    assert_int_equal(result.lines, file[0].bytes / 12);

    struct import_options options = {.no_fetches = true};
    well(&options, 1);
    assert_int_equal(found.refs, 2);
    expect(0, REF_LOAD, 0x7fff0008, 8);
}

static void what_is_no_reference_is_counted(void **state)
{
    (void)state;
    put_start(&file[0], 1, 1);
    put_piece(&file[0], 5, 0);
    put_record(&file[0], T_INSTR, 2, 0x1000);
    put_record(&file[0], T_READ, 1, 0x2000);
    put_record(&file[0], T_NO_FETCH, 2, 0x1000);
    put_record(&file[0], T_READ, 1, 0x2001);
    put_record(&file[0], T_MAYBE_FETCH, 2, 0x1000);
    put_record(&file[0], T_MAYBE_FETCH, 2, 0x1002);
    put_record(&file[0], T_PREFETCH, 64, 0x3000);
    put_record(&file[0], T_PREFETCH_WRITE_L3_NT, 64, 0x3000);
    put_record(&file[0], T_INSTR_FLUSH, 0, 0x3000);
    put_record(&file[0], T_INSTR_FLUSH_END, 0, 0x4000);
    put_record(&file[0], T_MARKER, M_KERNEL_EVENT, 0x1002);
    put_record(&file[0], T_MARKER, 101, 1);
    put_end(&file[0], 1);
    well(&defaults, 1);
    assert_int_equal(found.refs, 4);
    expect(3, REF_FETCH, 0x1002, 2);
    assert_string_equal(found.notes, "drmemtrace_version=7\nprefetches=2\ncache_flushes=1\n"
                                     "instructions_not_fetched=2\n");
}

static void a_bundle_is_fetches_behind_the_last_one(void **state)
{
    (void)state;
    put_start(&file[0], 1, 1);
    put_piece(&file[0], 5, 0);
    put_record(&file[0], T_INSTR, 5, 0x1000);
    put_record(&file[0], T_BUNDLE, 3, 0x070203);
    put_record(&file[0], T_BUNDLE, 1, 0x01);
    put_end(&file[0], 1);
    well(&defaults, 1);
    assert_int_equal(found.refs, 5);
    expect(1, REF_FETCH, 0x1005, 3);
    expect(2, REF_FETCH, 0x1008, 2);
    expect(3, REF_FETCH, 0x100a, 7);
    expect(4, REF_FETCH, 0x1011, 1);
}

static void threads_come_in_the_order_of_their_timestamps(void **state)
{
    (void)state;
    for (uint64_t thread = 0; thread < 2; thread++) {
        put_start(&file[thread], 9, 10 + thread);
        put_piece(&file[thread], 100, thread); /* both at 100: the first file first */
        put_record(&file[thread], T_READ, 1, 0x1000 * (thread + 1));
        put_piece(&file[thread], 400 - 200 * thread, 7);
        put_record(&file[thread], T_READ, 1, 0x1000 * (thread + 1) + 1);
        put_end(&file[thread], 10 + thread);
    }
    put_start(&file[2], 9, 12);
    put_piece(&file[2], 50, 2);
    put_piece(&file[2], 300, 3); /* nothing happened between the two */
    put_record(&file[2], T_WRITE, 1, 0x3000);
    put_end(&file[2], 12);
    well(&defaults, 3);
    static const uint64_t addr[] = {0x1000, 0x2000, 0x2001, 0x3000, 0x1001};
    static const uint64_t time_us[] = {100, 100, 200, 300, 400};
    static const int32_t cpu[] = {0, 1, 7, 3, 7};
    assert_int_equal(found.refs, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(found.ref[i].addr, addr[i]);
        assert_int_equal(found.ref[i].column[COLUMN_TIME], time_us[i] * 1000);
        assert_int_equal(found.ref[i].cpu, cpu[i]);
        assert_int_equal(found.ref[i].tid, 9 + addr[i] / 0x1000);
    }
}

static void a_time_that_falls_stands_for_the_last_one(void **state)
{
    (void)state;
    put_start(&file[0], 1, 1);
    put_piece(&file[0], 100, 0);
    put_record(&file[0], T_READ, 1, 0x1000);
    put_piece(&file[0], 99, 0);
    put_record(&file[0], T_READ, 1, 0x1001);
    put_end(&file[0], 1);
    well(&defaults, 1);
    assert_int_equal(found.ref[1].column[COLUMN_TIME], 100000);
    assert_string_equal(found.notes, "drmemtrace_version=7\ntimes_that_fell=1\n");
}

static void a_trace_without_timestamps_has_no_times(void **state)
{
    (void)state;
    put_start(&file[0], 1, 1);
    put_record(&file[0], T_READ, 1, 0x1000);
    put_end(&file[0], 1);
    well(&defaults, 1);
    assert_int_equal(found.time_unit, TIME_REFERENCES);
    assert_int_equal(found.columns, COLUMN_BIT(COLUMN_SIZE));
    assert_int_equal(found.ref[0].cpu, -1);
    assert_int_equal(found.ref[0].node, -1);
}

static void a_cpu_that_was_not_known_is_none(void **state)
{
    (void)state;
    put_start(&file[0], 1, 1);
    put_piece(&file[0], 1, UINT64_MAX);
    put_record(&file[0], T_READ, 1, 0x1000);
    put_end(&file[0], 1);
    well(&defaults, 1);
    assert_int_equal(found.ref[0].cpu, -1);
    assert_int_equal(found.ref[0].node, -1);
}

static void the_threads_of_one_file_are_told_apart(void **state)
{
    (void)state;
    put_start(&file[0], 1, 1);
    put_piece(&file[0], 1, 0);
    put_record(&file[0], T_READ, 1, 0x1000);
    put_record(&file[0], T_THREAD, 4, 2);
    put_record(&file[0], T_PID, 4, 3);
    put_record(&file[0], T_READ, 1, 0x1000);
    put_end(&file[0], 1);
    well(&defaults, 1);
    assert_int_equal(found.refs, 2);
    assert_int_equal(found.ref[0].tid, 1);
    assert_int_equal(found.ref[1].tid, 2);
    assert_int_equal(found.ref[1].pid, 3);
    assert_int_equal(found.ref[1].space, 3);
}

static void markers_tell_physical_addresses(void **state)
{
    (void)state;
    put_start(&file[0], 1, 1);
    put_piece(&file[0], 1, 0);
    put_record(&file[0], T_MARKER, M_PHYSICAL, 0xabc000);
    put_record(&file[0], T_MARKER, M_VIRTUAL, 0x7000123);
    put_record(&file[0], T_READ, 1, 0x7000fff);
    put_record(&file[0], T_READ, 1, 0x7001000);
    put_record(&file[0], T_MARKER, M_PHYSICAL, 0x123456);
    put_record(&file[0], T_MARKER, M_VIRTUAL, 0x7000456);
    put_record(&file[0], T_WRITE, 1, 0x7000008);
    put_record(&file[0], T_MARKER, M_NO_PHYSICAL, 0x7000000);
    put_record(&file[0], T_WRITE, 1, 0x7000010);
    put_end(&file[0], 1);
    well(&defaults, 1);
    static const uint64_t phys[] = {0xabcfff, 0, 0x123008, 0};
    assert_int_equal(found.refs, 4);
    assert_true((found.columns & COLUMN_BIT(COLUMN_PHYS)) != 0);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(found.ref[i].column[COLUMN_PHYS], phys[i]);
    }
    assert_string_equal(found.notes,
                        "drmemtrace_version=7\nreferences_without_physical_address=2\n");
}

static void instructions_of_a_system_call_are_the_kernels(void **state)
{
    (void)state;
    put_start(&file[0], 1, 1);
    put_piece(&file[0], 1, 0);
    put_record(&file[0], T_INSTR, 2, 0x1000);
    put_record(&file[0], T_MARKER, M_SYSCALL_TRACE_START, 1);
    put_record(&file[0], T_INSTR, 2, 0xffffffff81000000);
    put_record(&file[0], T_WRITE, 8, 0xffff888000000000);
    put_record(&file[0], T_MARKER, M_SYSCALL_TRACE_END, 1);
    put_record(&file[0], T_INSTR, 2, 0x1002);
    put_end(&file[0], 1);
    well(&defaults, 1);
    expect(0, REF_FETCH, 0x1000, 2);
    expect(1, REF_FETCH | REF_MODE_KERNEL, 0xffffffff81000000, 2);
    expect(2, REF_STORE | REF_MODE_KERNEL, 0xffff888000000000, 8);
    expect(3, REF_FETCH, 0x1002, 2);
}

static void what_a_filter_left_out_is_noted(void **state)
{
    (void)state;
    put_start(&file[0], 1, 1);
    put_record(&file[0], T_MARKER, M_FILETYPE, 0x1c0);
    put_piece(&file[0], 1, 0);
    put_record(&file[0], T_READ, 1, 0x1000);
    put_end(&file[0], 1);
    well(&defaults, 1);
    assert_string_equal(found.notes, "not_recorded=fetches, loads and stores that hit a cache "
                                     "filter\ndrmemtrace_version=7\n");
}

static void a_file_that_is_no_trace_is_refused(void **state)
{
    static const char no_header[] =
        "f: record 1 (byte 0): this is no header of a drmemtrace; one as recorded (folder raw) is "
        "made one by: drrun -t drmemtrace -indir FOLDER";
    refused("f: record 1 (byte 0): the file is empty");
    put(&file[0], T_HEADER, 3);
    refused(no_header);
    clear(state);
    put_record(&file[0], T_INSTR, 2, 0x1000);
    refused(no_header);
    clear(state);
    put_record(&file[0], T_HEADER, 0, 0);
    refused("f: record 1 (byte 0): 0 is no version of a drmemtrace");
    clear(state);
    put(&file[0], T_HEADER, 4); /* records of 8 bytes */
    put(&file[0], 7, 4);
    put(&file[0], T_MARKER | M_VERSION << 16, 4);
    put(&file[0], 7, 4);
    refused("f: record 1 (byte 0): the trace was recorded by a 32-bit DynamoRIO; only 64-bit ones "
            "are read");
    clear(state);
    put_start(&file[0], 1, 1);
    put_record(&file[0], T_MARKER, M_FILETYPE, 0x20);
    refused("f: record 7 (byte 72): the trace is of a 32-bit program; only 64-bit ones are read");
}

static void damage_is_named_by_record_and_byte(void **state)
{
    (void)state;
    put_start(&file[0], 1, 1);
    put_piece(&file[0], 1, 0);
    put_record(&file[0], T_READ, 1, 0x1000);
    size_t whole = file[0].bytes;
    refused("f: record 10 (byte 108): a footer should stand here: the file was cut off");
    assert_int_equal(found.refs, 1); /* what came before stays */
    put(&file[0], 1, 5);
    refused("f: record 10 (byte 108): has 5 of 12 bytes: the file was cut off");
    assert_int_equal(found.refs, 1);
    file[0].bytes = whole;
    put_record(&file[0], 50, 0, 0);
    refused("f: record 10 (byte 108): a record of type 50: the trace is damaged, or newer than "
            "this reader");
    assert_int_equal(found.refs, 1);
    file[0].bytes = whole;
    put_record(&file[0], T_BUNDLE, 9, 0);
    refused("f: record 10 (byte 108): a bundle of 9 instructions, more than its 8 bytes can tell");
    file[0].bytes = whole;
    put_record(&file[0], T_MARKER, M_TIMESTAMP, UINT64_MAX);
    put_record(&file[0], T_READ, 1, 0x1000);
    refused("f: a timestamp of 18446744073709551615 us since 1601 is beyond the year 2262");
}

static void the_other_threads_go_on_where_damage_is_skipped(void **state)
{
    (void)state;
    for (uint64_t thread = 0; thread < 2; thread++) {
        put_start(&file[thread], 9, thread);
        put_piece(&file[thread], 10 + thread, 0);
        put_record(&file[thread], T_READ, 1, thread);
    }
    put_end(&file[1], 1);
    char *error = import(&defaults, 2);
    assert_string_equal(
        error, "f: record 10 (byte 108): a footer should stand here: the file was cut off");
    free(error);
    assert_int_equal(found.refs, 1);
    struct import_options options = {.skip_bad = true};
    well(&options, 2);
    assert_int_equal(found.refs, 2);
    assert_int_equal(result.skipped, 1);
    assert_string_equal(found.notes,
                        "drmemtrace_version=7\nrecords_skipped=1\nfirst_record_skipped=f: record "
                        "10 (byte 108): a footer should stand here: the file was cut off\n");
}

int main(void)
{
#define test(function) cmocka_unit_test_setup(function, clear)
    const struct CMUnitTest tests[] = {
        test(records_of_accesses_become_references),
        test(what_is_no_reference_is_counted),
        test(a_bundle_is_fetches_behind_the_last_one),
        test(threads_come_in_the_order_of_their_timestamps),
        test(a_time_that_falls_stands_for_the_last_one),
        test(a_trace_without_timestamps_has_no_times),
        test(a_cpu_that_was_not_known_is_none),
        test(the_threads_of_one_file_are_told_apart),
        test(markers_tell_physical_addresses),
        test(instructions_of_a_system_call_are_the_kernels),
        test(what_a_filter_left_out_is_noted),
        test(a_file_that_is_no_trace_is_refused),
        test(damage_is_named_by_record_and_byte),
        test(the_other_threads_go_on_where_damage_is_skipped),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    clear(NULL);
    collected_reset(&found);
    return failed;
}
