/* Importing traces of other people's simulators: ChampSim, Dinero, and those of DRAM as tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/test_drmemtrace.h"
#include "tests/unit/test_import.h"

static struct collected found;
static struct import_result result;
static const struct import_options defaults;

static void well(const struct import_format *format, const struct import_options *options,
                 const void *data, size_t bytes)
{
    char *error = collect(format, options, data, bytes, &found, &result);
    if (error != NULL) {
        fail_msg("%s", error);
    }
}

static void refused(const struct import_format *format, const struct import_options *options,
                    const void *data, size_t bytes, const char *line)
{
    char *error = collect(format, options, data, bytes, &found, &result);
    assert_non_null(error);
    assert_string_equal(error, line);
    free(error);
}

static void expect(size_t index, unsigned what, uint64_t addr)
{
    assert_true(index < found.refs);
    assert_int_equal(found.ref[index].what, what);
    assert_int_equal(found.ref[index].addr, addr);
}

/* ------------------------------------------------------------------------------------- ChampSim */

/* An instruction of ChampSim's: `stores` slots for what it writes, 4 for what it reads. */
static void put_instruction(struct bytes *to, size_t registers_and_padding, uint64_t ip,
                            unsigned branch, const uint64_t *store, size_t stores,
                            const uint64_t *load)
{
    put(to, ip, 8);
    put(to, branch, 2);
    for (size_t i = 0; i < registers_and_padding; i++) {
        put(to, 0xff, 1);
    }
    for (size_t i = 0; i < stores; i++) {
        put(to, store[i], 8);
    }
    for (size_t i = 0; i < 4; i++) {
        put(to, load[i], 8);
    }
}

static void put_plain(struct bytes *to, uint64_t ip, unsigned branch, const uint64_t store[2],
                      const uint64_t load[4])
{
    put_instruction(to, 6, ip, branch, store, 2, load);
}

static void put_cloudsuite(struct bytes *to, uint64_t ip, const uint64_t store[4],
                           const uint64_t load[4], unsigned asid)
{
    put_instruction(to, 14, ip, 0, store, 4, load);
    put(to, asid, 8);
}

static void an_instruction_of_champsim_is_a_fetch_its_loads_and_its_stores(void **state)
{
    (void)state;
    struct bytes file = {0};
    put_plain(&file, 0x401000, 0x0101, (uint64_t[]){0, 0x9000}, (uint64_t[]){0x8000, 0, 0, 0x8008});
    put_plain(&file, 0x401004, 0, (uint64_t[]){0, 0}, (uint64_t[]){0, 0, 0, 0});
    assert_int_equal(file.bytes, 128);
    well(&import_champsim, &defaults, file.at, file.bytes);
    assert_int_equal(found.refs, 5);
    expect(0, REF_FETCH, 0x401000);
    expect(1, REF_LOAD, 0x8000);
    expect(2, REF_LOAD, 0x8008);
    expect(3, REF_STORE, 0x9000);
    expect(4, REF_FETCH, 0x401004);
    assert_int_equal(found.columns, 0);
    assert_int_equal(result.lines, 2);
    struct import_options options = {.no_fetches = true};
    well(&import_champsim, &options, file.at, file.bytes);
    assert_int_equal(found.refs, 3);
    free(file.at);
}

static void an_address_space_of_cloudsuite_is_an_asid(void **state)
{
    (void)state;
    struct bytes file = {0};
    put_cloudsuite(&file, 0x1000, (uint64_t[]){1, 2, 3, 4}, (uint64_t[]){5, 6, 7, 8}, 0x0102);
    put_cloudsuite(&file, 0x1004, (uint64_t[]){0, 0, 0, 9}, (uint64_t[]){0, 0, 0, 0}, 0xffff);
    assert_int_equal(file.bytes, 192);
    well(&import_champsim_cloudsuite, &defaults, file.at, file.bytes);
    assert_int_equal(found.refs, 11);
    expect(0, REF_FETCH, 0x1000);
    for (uint64_t i = 0; i < 4; i++) {
        expect(1 + i, REF_LOAD, 5 + i);
        expect(5 + i, REF_STORE, 1 + i);
    }
    expect(10, REF_STORE, 9);
    assert_int_equal(found.ref[8].space, 0x0102);
    assert_int_equal(found.ref[9].space, 0xffff);
    refused(&import_champsim, &defaults, file.at, 192,
            "f: record 2 (byte 64): is_branch and branch_taken are 7 and 0, not 0 or 1; is this a "
            "trace of ChampSim, or one for --format champsim-cloudsuite?");
    free(file.at);
}

static void damage_to_a_trace_of_champsim_is_named_by_record_and_byte(void **state)
{
    (void)state;
    struct bytes file = {0};
    for (unsigned i = 0; i < 3; i++) {
        put_plain(&file, 0x401000, i == 1 ? 2 : 0, (uint64_t[]){0, 0}, (uint64_t[]){0, 0, 0, 0});
    }
    refused(&import_champsim, &defaults, file.at, file.bytes,
            "f: record 2 (byte 64): is_branch and branch_taken are 2 and 0, not 0 or 1; is this a "
            "trace of ChampSim, or one for --format champsim-cloudsuite?");
    assert_int_equal(found.refs, 1);
    struct import_options options = {.skip_bad = true};
    well(&import_champsim, &options, file.at, file.bytes - 1);
    assert_int_equal(found.refs, 1);
    assert_int_equal(result.skipped, 2);
    refused(&import_champsim, &defaults, file.at, 63,
            "f: record 1 (byte 0) has 63 of 64 bytes: the file was cut off, or is of another "
            "format");
    refused(&import_champsim, &defaults, "", 0, "f: is empty");
    free(file.at);
}

/* --------------------------------------------------------------------------------------- Dinero */

static void both_styles_of_din_are_read(void **state)
{
    (void)state;
    static const char traditional[] = "2 0 This is an instruction fetch at hex address 0.\n"
                                      "0 1000 read\n\n"
                                      " 1\t70f60888\r\n"
                                      "3 ffffffffffffffff\n"
                                      "4 0\n5 10\n";
    static const char extended[] =
        "r 1000 4\nw 0X70f60888 10 comment\ni 0 1\nm 8 8\nc 0 0\nv 0 0\n";
    well(&import_din, &defaults, traditional, sizeof traditional - 1);
    assert_int_equal(found.refs, 4);
    expect(0, REF_FETCH, 0);
    expect(1, REF_LOAD, 0x1000);
    expect(2, REF_STORE, 0x70f60888);
    expect(3, REF_TOUCH, UINT64_MAX);
    assert_int_equal(found.columns, 0);
    assert_string_equal(found.notes, "cache_orders=2\n");
    well(&import_din, &defaults, extended, sizeof extended - 1);
    assert_int_equal(found.refs, 4);
    expect(1, REF_STORE, 0x70f60888);
    assert_int_equal(found.ref[1].column[COLUMN_SIZE], 16);
    assert_int_equal(found.columns, COLUMN_BIT(COLUMN_SIZE));
    struct import_options options = {.no_fetches = true};
    well(&import_din, &options, extended, sizeof extended - 1);
    assert_int_equal(found.refs, 3);
}

static void a_bad_line_of_din_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"2 10\n6 10\n", "f:2:1: expected a label from 0 to 5, as on the lines before, found '6'"},
        {"2 10\nr 10 4\n",
         "f:2:1: expected a label from 0 to 5, as on the lines before, found 'r'"},
        {"r 10 4\n0 10 4\n",
         "f:2:1: expected a label of r w i m c v, as on the lines before, found '0'"},
        {"20 10\n", "f:1:1: expected a label: 0 to 5, or r w i m c v, found '20'"},
        {"2 1g\n", "f:1:3: expected a hexadecimal address of at most 64 bits, found '1g'"},
        {"2\n",
         "f:1:2: expected a hexadecimal address of at most 64 bits, found the end of the line"},
        {"r 10\n", "f:1:5: expected a hexadecimal size, found the end of the line"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[256];
        snprintf(line, sizeof line, "%s; --skip-bad counts such lines and goes on", cases[i].error);
        refused(&import_din, &defaults, cases[i].text, strlen(cases[i].text), line);
    }
}

/* ------------------------------------------------------------------------- DRAM, by format text */

static void tables_of_dram_simulators_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *columns, *base, *default_kind, *text;
        struct {
            unsigned what;
            uint64_t addr;
        } ref[4];
        size_t refs;
    } cases[] = {
        /* Ramulator: memory trace, CPU trace */
        {"addr,kind",
         NULL,
         NULL,
         "0x12345680 R\n0x4cbd56c0 W\n",
         {{REF_LOAD, 0x12345680}, {REF_STORE, 0x4cbd56c0}},
         2},
        {"-,addr,writeback",
         "10",
         "load",
         "3 20734016\n1 20846400 20841280\n6 0x40 0x80\n",
         {{REF_LOAD, 20734016}, {REF_LOAD, 20846400}, {REF_STORE, 20841280}, {REF_LOAD, 0x40}},
         5},
        /* Ramulator 2: load-store trace */
        {"kind,addr",
         "10",
         NULL,
         "LD 20734016\nST 0x40\n",
         {{REF_LOAD, 20734016}, {REF_STORE, 0x40}},
         2},
        /* DRAMSim2: k6, mase; DRAMsim3 */
        {"addr,kind,-",
         NULL,
         NULL,
         "0x1F2F8E40 P_MEM_RD 10\n0x40 P_MEM_WR 11\n0x80 P_FETCH 12\n0xC0 BOFF 13\n",
         {{REF_LOAD, 0x1f2f8e40}, {REF_STORE, 0x40}, {REF_FETCH, 0x80}, {REF_STORE, 0xc0}},
         4},
        {"addr,kind,-",
         NULL,
         NULL,
         "0x7fff40 IFETCH 1\n0x80 READ 2\n1C0 WRITE 3\n",
         {{REF_FETCH, 0x7fff40}, {REF_LOAD, 0x80}, {REF_STORE, 0x1c0}},
         3},
        /* numbers of lines */
        {"kind,addr*64", "10", NULL, "R 100\nW 0x10\n", {{REF_LOAD, 6400}, {REF_STORE, 1024}}, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct import_options options = {.columns = cases[i].columns,
                                         .base = cases[i].base,
                                         .default_kind = cases[i].default_kind};
        well(&import_text, &options, cases[i].text, strlen(cases[i].text));
        assert_int_equal(found.refs, cases[i].refs);
        for (size_t ref = 0; ref < cases[i].refs && ref < 4; ref++) {
            expect(ref, cases[i].ref[ref].what, cases[i].ref[ref].addr);
        }
    }
}

static void units_that_mean_nothing_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *columns, *line;
    } cases[] = {
        {"addr*0", "--columns: 'addr*0' is no unit: addr*64 counts 64 bytes, of addresses and "
                   "numbers"},
        {"addr*x", "--columns: 'addr*x' is no unit: addr*64 counts 64 bytes, of addresses and "
                   "numbers"},
        {"kind*2,addr", "--columns: 'kind*2' is no unit: addr*64 counts 64 bytes, of addresses and "
                        "numbers"},
        {"writeback,addr", "--columns: writeback, which a line may lack, is the last one only"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct import_options options = {.columns = cases[i].columns};
        refused(&import_text, &options, "1 1\n", 4, cases[i].line);
        assert_true(result.wrong_options);
    }
    struct import_options options = {.columns = "addr*64"};
    refused(&import_text, &options, "400000000000000\n", 16,
            "f:1:1: expected an address of at most 64 bits in column addr, found "
            "'400000000000000'; --skip-bad counts such lines and goes on");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_instruction_of_champsim_is_a_fetch_its_loads_and_its_stores),
        cmocka_unit_test(an_address_space_of_cloudsuite_is_an_asid),
        cmocka_unit_test(damage_to_a_trace_of_champsim_is_named_by_record_and_byte),
        cmocka_unit_test(both_styles_of_din_are_read),
        cmocka_unit_test(a_bad_line_of_din_is_named),
        cmocka_unit_test(tables_of_dram_simulators_are_read),
        cmocka_unit_test(units_that_mean_nothing_are_refused),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    collected_reset(&found);
    return failed;
}
