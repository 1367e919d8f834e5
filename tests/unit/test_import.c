/* The importers on small texts whose references can be listed by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "collector/sources/cpu-map.h"
#include "tests/unit/test_import.h"

static struct collected found;
static struct import_result result;

static void well(const struct import_format *format, const struct import_options *options,
                 const char *text)
{
    char *error = collect(format, options, text, strlen(text), &found, &result);
    if (error != NULL) {
        fail_msg("%s", error);
    }
}

/* The import ends with exactly this line. */
static void refused(const struct import_format *format, const struct import_options *options,
                    const char *text, const char *line)
{
    char *error = collect(format, options, text, strlen(text), &found, &result);
    assert_non_null(error);
    assert_string_equal(error, line);
    free(error);
}

static void expect_ref(size_t index, uint64_t addr, unsigned what)
{
    assert_true(index < found.refs);
    assert_int_equal(found.ref[index].addr, addr);
    assert_int_equal(found.ref[index].what, what);
}

/* ------------------------------------------------------------------------------------- lackey */

static void lackey_lines_become_references_and_a_modify_two(void **state)
{
    (void)state;
    struct import_options options = {0};
    well(&import_lackey, &options,
         "==1== Command: ls -l /tmp\n"
         "I  0401ab70,3\n"
         " S 1fff000708,8\n"
         " L ffffffffffffffff,16\r\n"
         " M 04033e06,1\n");
    assert_int_equal(found.refs, 5);
    expect_ref(0, 0x0401ab70, REF_FETCH);
    expect_ref(1, 0x1fff000708, REF_STORE);
    expect_ref(2, UINT64_MAX, REF_LOAD);
    expect_ref(3, 0x04033e06, REF_LOAD);
    expect_ref(4, 0x04033e06, REF_STORE);
    assert_int_equal(found.ref[2].column[COLUMN_SIZE], 16);
    assert_string_equal(found.command, "ls -l /tmp");
    assert_int_equal(found.columns, COLUMN_BIT(COLUMN_SIZE));
    assert_int_equal(found.time_unit, TIME_REFERENCES);
    assert_string_equal(found.notes, "");
}

static void lackey_fetches_can_be_left_out(void **state)
{
    (void)state;
    struct import_options options = {.no_fetches = true};
    well(&import_lackey, &options, "I  0401ab70,3\n S 1fff000708,8\nI  0401ab73,5\n");
    assert_int_equal(found.refs, 1);
    expect_ref(0, 0x1fff000708, REF_STORE);
}

static void output_of_the_program_between_lackey_lines_is_passed_over_and_counted(void **state)
{
    (void)state;
    struct import_options options = {0};
    well(&import_lackey, &options,
         "==1== Command: a\n==2== Command: b\n--2-- verbose\nHello, world\n\nI  0401ab70,3\nL\nIt "
         "works\n");
    assert_int_equal(found.refs, 1);
    assert_string_equal(found.notes, "processes_in_one_stream=2\nlines_of_other_output=3\n");
}

static void a_bad_lackey_line_is_named_by_line_and_column(void **state)
{
    (void)state;
    struct import_options options = {0};
    static const struct {
        const char *line, *error;
    } cases[] = {
        {"I  0401zb70,3", "f:2:8: expected a comma behind the address, found 'zb70,3'"},
        {" L ,3", "f:2:4: expected an address of at most 16 hexadecimal digits, found ',3'"},
        {" L 12345678123456781,3",
         "f:2:4: expected an address of at most 16 hexadecimal digits, found "
         "'12345678123456781,3'"},
        {" L 0401ab70", "f:2:12: expected a comma behind the address, found the end of the line"},
        {" L 0401ab70,", "f:2:13: expected a size in bytes, found the end of the line"},
        {" S 0401ab70,8 x", "f:2:14: expected the end of the line, found ' x'"},
        {" M 0401ab70,99999999999999999999",
         "f:2:13: expected a size in bytes, found '99999999999999999999'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256], line[256];
        snprintf(text, sizeof text, "I  0401ab70,3\n%s\n%s", cases[i].line,
                 "I  0401ab70,3\nI  0401ab70,3\nI  0401ab70,3\n");
        snprintf(line, sizeof line, "%s; --skip-bad counts such lines and goes on", cases[i].error);
        refused(&import_lackey, &options, text, line);
        assert_int_equal(found.refs, 1); /* what came before stays */
        struct import_options skip = {.skip_bad = true};
        well(&import_lackey, &skip, text);
        assert_int_equal(found.refs, 4);
        assert_int_equal(result.skipped, 1);
        snprintf(line, sizeof line, "lines_skipped=1\nfirst_line_skipped=%s\n", cases[i].error);
        assert_string_equal(found.notes, line);
    }
}

static void input_without_references_is_refused(void **state)
{
    (void)state;
    struct import_options options = {0}, columns = {.columns = "addr"};
    refused(&import_lackey, &options, "", "f: is empty");
    refused(&import_lackey, &options, "hello\nworld\n",
            "f: has 2 lines but no reference of format lackey");
    refused(&import_perf_script, &options, "# a comment\n",
            "f: has 1 lines but no reference of format perf-script");
    refused(&import_text, &columns, "\n", "f: has 1 lines but no reference of format text");
    struct import_options skip = {.columns = "addr", .skip_bad = true};
    refused(&import_text, &skip, "zz\nyy\n",
            "f: has 2 lines but no reference of format text; skipped f:1:1: expected an address of "
            "at most 64 "
            "bits in column addr, found 'zz'");
}

/* A line longer than the buffer, in the middle: named, or skipped as one line. */
static void a_line_without_end_does_not_fill_memory(void **state)
{
    (void)state;
    size_t bytes = 5u * IMPORT_LINE_BYTES / 2;
    char *text = malloc(bytes + 64);
    memset(text, 'x', bytes);
    memcpy(text, "I  0401ab70,3\n", 14);
    memcpy(text + bytes, "\nI  0401ab73,3\n", 15);
    struct import_options options = {0}, skip = {.skip_bad = true};
    char *error = collect(&import_lackey, &options, text, bytes + 15, &found, &result);
    assert_string_equal(error,
                        "f:2: the line is longer than 1048576 bytes; is this the right format?");
    free(error);
    error = collect(&import_lackey, &skip, text, bytes + 15, &found, &result);
    assert_null(error);
    assert_int_equal(found.refs, 2);
    assert_int_equal(result.skipped, 1);
    assert_int_equal(result.lines, 3);
    expect_ref(1, 0x0401ab73, REF_FETCH);
    free(text);
}

/* --------------------------------------------------------------------------------------- text */

static void a_table_is_read_by_the_names_of_its_columns(void **state)
{
    (void)state;
    struct import_options options = {.columns = "ip,addr,cpu,time,-"};
    well(&import_text, &options,
         "# ip addr cpu time burst\n"
         "0x4983f7 0x7fc4a630cce8 3 13964463.803418284 36380\n"
         "\n"
         "0xffffffff81000000\t7fc4a630cce0   -1  13964463.9   x\r\n");
    assert_int_equal(found.refs, 2);
    expect_ref(0, 0x7fc4a630cce8, REF_TOUCH);
    expect_ref(1, 0x7fc4a630cce0, REF_TOUCH | REF_MODE_KERNEL);
    assert_int_equal(found.columns, COLUMN_BIT(COLUMN_IP) | COLUMN_BIT(COLUMN_TIME));
    assert_int_equal(found.time_unit, TIME_NS);
    assert_int_equal(found.ref[0].column[COLUMN_IP], 0x4983f7);
    assert_int_equal(found.ref[0].column[COLUMN_TIME], UINT64_C(13964463803418284));
    assert_int_equal(found.ref[1].column[COLUMN_TIME], UINT64_C(13964463900000000));
    assert_int_equal(found.ref[0].cpu, 3);
    assert_int_equal(found.ref[0].stream, 3);
    assert_string_equal(found.ref[0].name, "CPU 3");
    assert_int_equal(found.ref[1].cpu, -1);
}

static void every_column_of_a_table_has_its_place(void **state)
{
    (void)state;
    struct import_options options = {
        .columns = "kind,addr,size,weight,latency,phys,node,tid,pid,stream,space,..."};
    well(&import_text, &options, "W,10,8,3,0x20,30,1,7,6,5,4,anything at all, here\n");
    assert_int_equal(found.refs, 1);
    const struct import_ref *ref = &found.ref[0];
    expect_ref(0, 0x10, REF_STORE);
    assert_int_equal(ref->column[COLUMN_SIZE], 8);
    assert_int_equal(ref->column[COLUMN_WEIGHT], 3);
    assert_int_equal(ref->column[COLUMN_LATENCY], 0x20);
    assert_int_equal(ref->column[COLUMN_PHYS], 0x30);
    assert_int_equal(ref->node, 1);
    assert_int_equal(ref->tid, 7);
    assert_int_equal(ref->pid, 6);
    assert_int_equal(ref->stream, 5);
    assert_int_equal(ref->space, 4);
    assert_int_equal(found.time_unit, TIME_REFERENCES);
}

static void kinds_are_told_by_known_words_and_by_those_that_are_taught(void **state)
{
    (void)state;
    struct import_options options = {.columns = "kind,addr",
                                     .kinds = "rmw=modify,0=store,a=b=touch"};
    well(&import_text, &options, "R 1\nstore 2\nI 3\nrmw 4\n0 5\na=b 6\nld 7\n");
    static const unsigned what[] = {REF_LOAD,  REF_STORE, REF_FETCH, REF_LOAD,
                                    REF_STORE, REF_STORE, REF_TOUCH, REF_LOAD};
    assert_int_equal(found.refs, 8);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(found.ref[i].what, what[i]);
    }
    struct import_options always = {.columns = "addr", .default_kind = "load"};
    well(&import_text, &always, "1\n");
    expect_ref(0, 1, REF_LOAD);
}

static void separators_count_each_time_and_blanks_do_not(void **state)
{
    (void)state;
    struct import_options options = {.columns = "addr,-,cpu", .separators = "|"};
    well(&import_text, &options, "10|a b|3\n 11 | | 4 \n");
    expect_ref(1, 0x11, REF_TOUCH);
    assert_int_equal(found.ref[1].cpu, 4);
    struct import_options usual = {.columns = "addr,-,cpu"};
    well(&import_text, &usual, "10,,3\n11 ;x,  4,\n12 y 5\n");
    assert_int_equal(found.refs, 3);
    assert_int_equal(found.ref[2].cpu, 5);
}

static void bases_and_units_are_as_the_user_says(void **state)
{
    (void)state;
    struct import_options decimal = {.columns = "addr,time", .base = "10", .time_unit = "us"};
    well(&import_text, &decimal, "16 1.5\n0x10 2\n");
    expect_ref(0, 16, REF_TOUCH);
    expect_ref(1, 16, REF_TOUCH);
    assert_int_equal(found.ref[0].column[COLUMN_TIME], 1500);
    struct import_options ns = {.columns = "addr,time", .time_unit = "ns"};
    well(&import_text, &ns, "10 7.9\n10 18446744073709551615\n");
    assert_int_equal(found.ref[0].column[COLUMN_TIME], 7);
    assert_int_equal(found.ref[1].column[COLUMN_TIME], UINT64_MAX);
    struct import_options seconds = {.columns = "addr,time"};
    well(&import_text, &seconds, "10 .5\n10 18446744073.709551615999\n");
    assert_int_equal(found.ref[0].column[COLUMN_TIME], 500000000);
    assert_int_equal(found.ref[1].column[COLUMN_TIME], UINT64_MAX);
}

static void header_lines_are_skipped_and_still_counted(void **state)
{
    (void)state;
    struct import_options options = {.columns = "addr", .header_lines = 2};
    refused(&import_text, &options, "addr\n----\n10\nend\n",
            "f:4:1: expected an address of at most 64 bits in column addr, found 'end'; --skip-bad "
            "counts such lines and goes on");
}

static void a_bad_field_is_named_by_line_and_column(void **state)
{
    (void)state;
    struct import_options options = {.columns = "addr,cpu,time"};
    static const struct {
        const char *line, *error;
    } cases[] = {
        {"0x1g 2 3", "f:1:1: expected an address of at most 64 bits in column addr, found '0x1g'"},
        {"10000000000000000 2 3",
         "f:1:1: expected an address of at most 64 bits in column addr, found '10000000000000000'"},
        {"-1 2 3", "f:1:1: expected an address of at most 64 bits in column addr, found '-1'"},
        {"1 two 3", "f:1:3: expected a CPU number, or -1, in column cpu, found 'two'"},
        {"1  2147483648 3",
         "f:1:4: expected a CPU number, or -1, in column cpu, found '2147483648'"},
        {"1 2 3.x", "f:1:5: expected a time in column time, found '3.x'"},
        {"1 2 1e3", "f:1:5: expected a time in column time, found '1e3'"},
        {"1 2 18446744073.709551616",
         "f:1:5: expected a time in column time, found '18446744073.709551616'"},
        {"1 2", "f:1:4: expected a time in column time, found the end of the line"},
        {"1,,3", "f:1:3: expected a CPU number, or -1, in column cpu, found the end of the line"},
        {"1 2 3 4", "f:1:7: expected the end of the line (--columns ends here; - or ... takes "
                    "more), found '4'"},
        {"1 2\x01 3", "f:1:3: expected a CPU number, or -1, in column cpu, found '2\\x01'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[256];
        snprintf(line, sizeof line, "%s; --skip-bad counts such lines and goes on", cases[i].error);
        refused(&import_text, &options, cases[i].line, line);
    }
}

static void a_time_that_falls_is_an_error_unless_order_does_not_matter(void **state)
{
    (void)state;
    struct import_options options = {.columns = "addr,time"},
                          any = {.columns = "addr,time", .any_order = true};
    refused(&import_text, &options, "10 2\n10 2\n10 1.5\n",
            "f:3: this time is 500000000 ns before that of an earlier line; --sort puts lines in "
            "order");
    well(&import_text, &any, "10 2\n10 2\n10 1.5\n");
    assert_int_equal(found.refs, 3);
}

static void wrong_options_of_a_table_are_refused(void **state)
{
    (void)state;
    static const struct {
        struct import_options options;
        const char *error;
    } cases[] = {
        {{0}, "--format text needs --columns, such as ip,addr,cpu,time,-"},
        {{.columns = "ip"}, "--columns: addr is missing"},
        {{.columns = "addr,addr"}, "--columns: addr stands there twice"},
        {{.columns = "addr,...,-"},
         "--columns: ... stands for the rest of the line: the last one only"},
        {{.columns = "addr", .separators = "a"},
         "--separator: 'a' cannot part columns: it stands in numbers, or begins a comment"},
        {{.columns = "addr", .base = "8"}, "--base: '8' is not 16, 10 or auto"},
        {{.columns = "addr", .time_unit = "min"}, "--time-unit: 'min' is not s, ms, us or ns"},
        {{.columns = "addr", .kinds = "r"},
         "--kind: 'r' is not WORD=KIND with KIND fetch, load, store, modify or touch"},
        {{.columns = "addr", .default_kind = "no"},
         "--default-kind: 'no' is not fetch, load, store, modify or touch"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        refused(&import_text, &cases[i].options, "1\n", cases[i].error);
        assert_true(result.wrong_options);
    }
}

/* -------------------------------------------------------------------------------- perf script */

/* One line of any layout, and what must come of it. */
static void expect_sample(const char *fields, const char *line, uint64_t addr, uint64_t ip,
                          unsigned what, uint64_t pid, uint64_t tid, int32_t cpu, const char *name)
{
    struct import_options options = {.fields = fields};
    well(&import_perf_script, &options, line);
    assert_int_equal(found.refs, 1);
    expect_ref(0, addr, what);
    assert_int_equal(found.ref[0].column[COLUMN_IP], ip);
    assert_int_equal(found.ref[0].pid, pid);
    assert_int_equal(found.ref[0].tid, tid);
    assert_int_equal(found.ref[0].cpu, cpu);
    assert_string_equal(found.ref[0].name, name);
    assert_true(found.sampled);
}

static void perf_script_lines_are_read_by_their_shape(void **state)
{
    (void)state;
    expect_sample(NULL,
                  "   a b 12 c 22903/22904 [003]  3199.506041: page-faults:     563eed89c088     "
                  "563eed8995cd\n",
                  0x563eed89c088, 0x563eed8995cd, REF_TOUCH, 22903, 22904, 3, "a b 12 c");
    expect_sample(NULL, "22903  3199.506041:     563eed89c088\n", 0x563eed89c088, 0, REF_TOUCH, 0,
                  22903, -1, "");
    expect_sample(NULL, "   gt 22903 [000] page-faults:     563eed89c088 ffffffff817554ea\n",
                  0x563eed89c088, 0xffffffff817554ea, REF_TOUCH | REF_MODE_KERNEL, 0, 22903, 0,
                  "gt");
    expect_sample(NULL,
                  "x 997883 6026386.524403:      39891 cpu/mem-stores/pp: ffff88201489b878 "
                  "ffffffff8117d567 f+0x1 ([k])\n",
                  0xffff88201489b878, 0xffffffff8117d567, REF_STORE | REF_MODE_KERNEL, 0, 997883,
                  -1, "x");
    assert_int_equal(found.ref[0].column[COLUMN_TIME], UINT64_C(6026386524403000));
    assert_int_equal(found.ref[0].column[COLUMN_WEIGHT], 39891);
    expect_sample(NULL,
                  "gt 1/2 [000]  3.5: page-faults:     563eed89c088 operator new(unsigned long) "
                  "(/tmp/a b) ffffffff817554ea elf_load ([kernel.kallsyms])\n",
                  0x563eed89c088, 0xffffffff817554ea, REF_TOUCH | REF_MODE_KERNEL, 1, 2, 0, "gt");
    expect_sample(NULL,
                  "numatest   139 [001]     4.145725:   exceptions:page_fault_user: "
                  "address=0x532928 ip=0x403841 error_code=0x6\n",
                  0x532928, 0x403841, REF_STORE, 0, 139, 1, "numatest");
    expect_sample(NULL, "squeezed 1/2 [0] 3.5: e: 0x563eed89c088 0x401000\n", 0x563eed89c088,
                  0x401000, REF_TOUCH, 1, 2, 0, "squeezed");
}

static void a_data_source_tells_load_from_store(void **state)
{
    (void)state;
    static const char rest[] = "|LVL L1 hit|SNP None|TLB L1 or L2 hit|LCK No|BLK  N/A              "
                               "43           4006a5 main+0x5 (/bin/x)";
    static const struct {
        const char *hex, *op;
        unsigned what;
    } cases[] = {{"68100142", "LOAD", REF_LOAD},
                 {"68100144", "STORE", REF_STORE},
                 {"68100150", "EXEC", REF_FETCH},
                 {"1e05080021", "N/A", REF_TOUCH},
                 {"68100148", "PFETCH", REF_TOUCH}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[400];
        snprintf(line, sizeof line,
                 "x 9 6.524403:      39891 cpu/mem/pp:     7fffcf7971d4 %s |OP %s%s\n",
                 cases[i].hex, cases[i].op, rest);
        expect_sample(NULL, line, 0x7fffcf7971d4, 0x4006a5, cases[i].what, 0, 9, -1, "x");
        assert_int_equal(found.ref[0].column[COLUMN_SOURCE], strtoull(cases[i].hex, NULL, 16));
        assert_int_equal(found.ref[0].column[COLUMN_LATENCY], 43);
        /* without the number, from its words */
        snprintf(line, sizeof line, "x 9 6.524403: e:     7fffcf7971d4 |OP %s%s\n", cases[i].op,
                 rest);
        expect_sample("comm,tid,time,event,addr,data_src,weight,ip,sym", line, 0x7fffcf7971d4,
                      0x4006a5, cases[i].what, 0, 9, -1, "x");
        assert_int_equal(found.ref[0].column[COLUMN_SOURCE] & 0x1ff,
                         (strtoull(cases[i].hex, NULL, 16) & 0x1f) | 0x140);
    }
}

static void fields_are_read_by_the_list_of_perf_script(void **state)
{
    (void)state;
    expect_sample("addr", "    563eed89c088\n", 0x563eed89c088, 0, REF_TOUCH, 0, 0, -1, "");
    expect_sample("pid,addr", "  12     563eed89c088\n", 0x563eed89c088, 0, REF_TOUCH, 12, 0, -1,
                  "");
    expect_sample("comm,tid,cpu,addr,ip,phys_addr", " a b 12 [1]     563eed89c088 401000 1234000\n",
                  0x563eed89c088, 0x401000, REF_TOUCH, 0, 12, 1, "a b");
    assert_int_equal(found.ref[0].column[COLUMN_PHYS], 0x1234000);
    expect_sample("tid,time,period,event,addr,weight", "12 1.000000: 77 e:     563eed89c088   19\n",
                  0x563eed89c088, 0, REF_TOUCH, 0, 12, -1, "");
    assert_int_equal(found.ref[0].column[COLUMN_LATENCY], 19);
    assert_int_equal(found.ref[0].column[COLUMN_WEIGHT], 77);
    struct import_options unknown = {.fields = "tid,brstack"}, no_address = {.fields = "tid,ip"};
    refused(&import_perf_script, &no_address, "1\n",
            "--fields: addr is missing: without it there is nothing to import");
    char *error = collect(&import_perf_script, &unknown, "1\n", 2, &found, &result);
    assert_non_null(strstr(error, "--fields: 'brstack' cannot be imported"));
    free(error);
}

static void a_line_whose_fields_cannot_be_told_apart_is_refused(void **state)
{
    (void)state;
    struct import_options options = {0};
    static const char *const lines[] = {
        "x 9 6.5: e:     7fffcf7971d4              43\n", /* a weight, or a physical address */
        "x 9 6.5: e: 7fffcf7971d4\n",                     /* addr, or ip */
        "x 9 6.5: e:     7fffcf7971d4 43 4006a5\n",       /* weight and ip, or ip and phys_addr */
        "x 9 6.5: e:     7fffcf7971d4 68100142 |OP LOAD|LCK No 4006\n", /* weight, or ip */
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char *error =
            collect(&import_perf_script, &options, lines[i], strlen(lines[i]), &found, &result);
        assert_non_null(error);
        assert_non_null(strstr(error, "--fields"));
        free(error);
    }
}

static void samples_without_an_address_are_counted_and_alone_refused(void **state)
{
    (void)state;
    struct import_options options = {0};
    static const char no_address[] =
        "x 9 [000] 6.5: cycles:u:      7f3eadc20320 f+0x150 (/lib/ld.so)\n";
    static const char zero[] = "x 9/9 6.6: cpu-clock:                0\n";
    static const char good[] = "x 9/9 6.7: page-faults:     7f3eadc20320\n";
    char text[512];
    refused(&import_perf_script, &options, no_address,
            "f: no sample (of 1) has an address; record with perf record -d, and print with perf "
            "script -F "
            "comm,pid,tid,cpu,time,event,addr,ip");
    refused(&import_perf_script, &options, zero,
            "f: every sample (1) has address 0: event cpu-clock gives no addresses; record memory "
            "accesses (perf mem "
            "record) or page faults (perf record -d -e page-faults)");
    snprintf(text, sizeof text, "%s%s%s", no_address, zero, good);
    well(&import_perf_script, &options, text);
    assert_int_equal(found.refs, 1);
    assert_string_equal(
        found.notes,
        "samples_without_address=1\nsamples_with_address_0=1\nsamples_without_cpu=1\n");
}

static void a_call_chain_gives_the_instruction_of_its_sample(void **state)
{
    (void)state;
    struct import_options options = {0};
    well(&import_perf_script, &options,
         "x 9/9 [001] 6.7: page-faults:     7f3eadc20320 \n"
         "\t    4006a5 main+0x5 (/bin/x)\n"
         "\tffffffff81000000 start+0x5 (/bin/x)\n"
         "\n"
         "x 9/9 [001] 6.8: page-faults:     7f3eadc20321 \n"
         "\tffffffff81000000 start+0x5 (/bin/x)\n\n");
    assert_int_equal(found.refs, 2);
    assert_int_equal(found.columns, COLUMN_BIT(COLUMN_TIME) | COLUMN_BIT(COLUMN_IP));
    assert_int_equal(found.ref[0].column[COLUMN_IP], 0x4006a5);
    expect_ref(1, 0x7f3eadc20321, REF_TOUCH | REF_MODE_KERNEL);
}

static void a_call_chain_is_no_sample_even_where_only_addresses_are_printed(void **state)
{
    (void)state;
    struct import_options options = {.fields = "addr,ip"};
    well(&import_perf_script, &options,
         "    557aa4a515c0\n\tffffffff817554ea\n\t          4006a5\n\n    7f5ee6d50110\n\t         "
         " 4006a6\n");
    assert_int_equal(found.refs, 2);
    expect_ref(0, 0x557aa4a515c0, REF_TOUCH | REF_MODE_KERNEL);
    expect_ref(1, 0x7f5ee6d50110, REF_TOUCH);
    assert_int_equal(found.ref[1].column[COLUMN_IP], 0x4006a6);
}

static void cpus_of_threads_come_from_the_map(void **state)
{
    (void)state;
    struct import_options options = {.cpu_map = "9=4,12=0,*=7"};
    well(&import_perf_script, &options,
         "x 9/9 6.7: e:     7f3eadc20320\nx 9/12 6.7: e:     7f3eadc20320\nx 9/13 6.7: e:     "
         "7f3eadc20320\n"
         "x 9/9 [001] 6.7: e:     7f3eadc20320\n");
    static const int32_t cpus[] = {4, 0, 7, 1};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(found.ref[i].cpu, cpus[i]);
    }
    assert_string_equal(found.notes, "");
    struct import_options wrong = {.cpu_map = "9=4,12"};
    refused(&import_perf_script, &wrong, "x\n", "--cpu-map: '12' is not TID=CPU or *=CPU");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lackey_lines_become_references_and_a_modify_two),
        cmocka_unit_test(lackey_fetches_can_be_left_out),
        cmocka_unit_test(output_of_the_program_between_lackey_lines_is_passed_over_and_counted),
        cmocka_unit_test(a_bad_lackey_line_is_named_by_line_and_column),
        cmocka_unit_test(input_without_references_is_refused),
        cmocka_unit_test(a_line_without_end_does_not_fill_memory),
        cmocka_unit_test(a_table_is_read_by_the_names_of_its_columns),
        cmocka_unit_test(every_column_of_a_table_has_its_place),
        cmocka_unit_test(kinds_are_told_by_known_words_and_by_those_that_are_taught),
        cmocka_unit_test(separators_count_each_time_and_blanks_do_not),
        cmocka_unit_test(bases_and_units_are_as_the_user_says),
        cmocka_unit_test(header_lines_are_skipped_and_still_counted),
        cmocka_unit_test(a_bad_field_is_named_by_line_and_column),
        cmocka_unit_test(a_time_that_falls_is_an_error_unless_order_does_not_matter),
        cmocka_unit_test(wrong_options_of_a_table_are_refused),
        cmocka_unit_test(perf_script_lines_are_read_by_their_shape),
        cmocka_unit_test(a_data_source_tells_load_from_store),
        cmocka_unit_test(fields_are_read_by_the_list_of_perf_script),
        cmocka_unit_test(a_line_whose_fields_cannot_be_told_apart_is_refused),
        cmocka_unit_test(samples_without_an_address_are_counted_and_alone_refused),
        cmocka_unit_test(a_call_chain_gives_the_instruction_of_its_sample),
        cmocka_unit_test(a_call_chain_is_no_sample_even_where_only_addresses_are_printed),
        cmocka_unit_test(cpus_of_threads_come_from_the_map),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    collected_reset(&found);
    return failed;
}
