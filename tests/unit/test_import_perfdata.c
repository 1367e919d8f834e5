/* Importing small perf.data files whose references can be listed by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/test_import.h"
#include "tests/unit/test_perfdata.h"

#define PLAIN UINT64_C(0x0f) /* ip, tid, time, addr */

static struct collected found;
static struct import_result result;
static struct pd file;
static const struct import_options defaults;

static int clear(void **state)
{
    (void)state;
    free(file.at);
    file = (struct pd){0};
    return 0;
}

static void well(const struct import_options *options)
{
    char *error = collect(&import_perfdata, options, file.at, file.bytes, &found, &result);
    if (error != NULL) {
        fail_msg("%s", error);
    }
}

/* The import ends with exactly this line. */
static void refused(const char *line)
{
    char *error = collect(&import_perfdata, &defaults, file.at, file.bytes, &found, &result);
    assert_non_null(error);
    assert_string_equal(error, line);
    free(error);
}

/* A sample with ip, tid, time and addr. */
static void put_sample(uint32_t pid, uint32_t tid, uint64_t time, uint64_t addr)
{
    size_t at = pd_begin(&file, 9, 2);
    pd_u64(&file, 0x401000);
    pd_u32(&file, pid);
    pd_u32(&file, tid);
    pd_u64(&file, time);
    pd_u64(&file, addr);
    pd_end(&file, at);
}

static void attributes_of_any_age_are_read(void **state)
{
    static const uint32_t sizes[] = {64, 72, 80, 96, 104, 112, 120, 128, 136, 144, 1000};
    const struct pd_event event = {.type = 4, .period = 77, .sample_type = PLAIN};
    for (size_t i = 0; i < 2 * sizeof sizes / sizeof sizes[0]; i++) {
        clear(state);
        file.big = i % 2 == 1;
        size_t data = pd_file(&file, &event, 1, sizes[i / 2], 0);
        put_sample(5, 6, 1000, 0x1234);
        pd_close_data(&file, data);
        well(&defaults);
        assert_int_equal(found.refs, 1);
        assert_int_equal(found.ref[0].addr, 0x1234);
        assert_int_equal(found.ref[0].pid, 5);
        assert_int_equal(found.ref[0].tid, 6);
        assert_int_equal(found.ref[0].column[COLUMN_IP], 0x401000);
        assert_int_equal(found.ref[0].column[COLUMN_TIME], 1000);
        assert_int_equal(found.ref[0].column[COLUMN_WEIGHT], 77);
        assert_int_equal(found.ref[0].what, REF_TOUCH);
        assert_int_equal(found.ref[0].cpu, -1);
        assert_true(found.sampled);
        assert_string_equal(found.notes, "samples_without_cpu=1\n");
    }
}

static void a_frequency_is_no_period(void **state)
{
    (void)state;
    const struct pd_event event = {.type = 4, .period = 4000, .sample_type = PLAIN, .freq = true};
    size_t data = pd_file(&file, &event, 1, 112, 0);
    put_sample(5, 6, 1000, 0x1234);
    pd_close_data(&file, data);
    well(&defaults);
    assert_int_equal(found.ref[0].column[COLUMN_WEIGHT], 1);
}

static void threads_have_the_names_that_they_have_at_the_time(void **state)
{
    (void)state;
    const struct pd_event event = {.type = 1, .config = 2, .period = 1, .sample_type = PLAIN};
    size_t data = pd_file(&file, &event, 1, 112, 0);
    put_sample(5, 7, 30, 3); /* in the file first, in time last */
    pd_comm(&file, PLAIN, 5, 5, "parent", 10, 0);
    put_sample(5, 5, 11, 1);
    size_t at = pd_begin(&file, 7, 0); /* fork: pid, ppid, tid, ptid, time */
    pd_u32(&file, 5);
    pd_u32(&file, 5);
    pd_u32(&file, 7);
    pd_u32(&file, 5);
    pd_u64(&file, 12);
    pd_trailer(&file, PLAIN, 5, 5, 12, 0, 0);
    pd_end(&file, at);
    put_sample(5, 7, 13, 2);
    pd_comm(&file, PLAIN, 5, 7, "fifteen letters", 20, 0);
    pd_close_data(&file, data);
    well(&defaults);
    static const char *const names[] = {"parent", "parent", "fifteen letters"};
    assert_int_equal(found.refs, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(found.ref[i].addr, i + 1);
        assert_string_equal(found.ref[i].name, names[i]);
    }
    assert_string_equal(found.event, "page-faults");
}

/* A feature of a pipe. */
static size_t begin_feature(uint64_t feature)
{
    size_t at = pd_begin(&file, 80, 0);
    pd_u64(&file, feature);
    return at;
}

static void put_text_feature(uint64_t feature, const char *text)
{
    size_t at = begin_feature(feature);
    pd_text(&file, text);
    pd_end(&file, at);
}

static void features_tell_of_the_machine(void **state)
{
    for (int big = 0; big < 2; big++) {
        clear(state);
        file.big = big != 0;
        const struct pd_event event = {.type = 4,
                                       .period = 1,
                                       .sample_type = PLAIN | 1 << 7 | 1 << 16,
                                       .id = 9};
        pd_pipe(&file);
        pd_pipe_event(&file, &event, 136);
        put_text_feature(3, "somewhere");
        put_text_feature(4, "6.12.0");
        size_t at = begin_feature(11); /* command line */
        pd_u32(&file, 2);
        pd_text(&file, "perf");
        pd_text(&file, "record");
        pd_end(&file, at);
        at = begin_feature(14); /* nodes: number, kB, free kB, CPUs */
        pd_u32(&file, 2);
        for (uint32_t node = 0; node < 2; node++) {
            pd_u32(&file, 8 * node);
            pd_u64(&file, 1000);
            pd_u64(&file, 10);
            pd_text(&file, node == 0 ? "0-3,8" : "4-7");
        }
        pd_end(&file, at);
        at = pd_begin(&file, 78, 0); /* the event's name */
        pd_u64(&file, 2);
        pd_u64(&file, 9);
        pd_bytes(&file, "mem-stores\0\0\0\0\0", 16);
        pd_end(&file, at);
        for (uint32_t cpu = 3; cpu < 10; cpu++) {
            at = pd_begin(&file, 9, 2);
            pd_u64(&file, 9);
            pd_u64(&file, 0x401000);
            pd_u32(&file, 5);
            pd_u32(&file, 6);
            pd_u64(&file, 100 + cpu);
            pd_u64(&file, 0x1000);
            pd_u32(&file, cpu);
            pd_u32(&file, 0);
            pd_end(&file, at);
        }
        well(&defaults);
        static const int32_t nodes[] = {0, 8, 8, 8, 8, 0, -1};
        assert_int_equal(found.refs, 7);
        for (size_t i = 0; i < 7; i++) {
            assert_int_equal(found.ref[i].cpu, 3 + i);
            assert_int_equal(found.ref[i].node, nodes[i]);
            assert_int_equal(found.ref[i].what, REF_STORE);
        }
        assert_string_equal(found.command, "perf record");
        assert_string_equal(found.event, "mem-stores");
        assert_string_equal(found.notes, "os_release=6.12.0\nnode_0=CPUs 0-3,8, 1000 kB\n"
                                         "node_8=CPUs 4-7, 1000 kB\n");
    }
}

static void put_sized_text(const char *text)
{
    pd_u64(&file, strlen(text));
    pd_bytes(&file, text, strlen(text));
}

static void page_faults_of_tracepoints_are_loads_stores_and_fetches(void **state)
{
    static const char format[] =
        "name: page_fault_user\nID: 123\nformat:\n"
        "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
        "\n"
        "\tfield:unsigned long address;\toffset:8;\tsize:8;\tsigned:0;\n"
        "\tfield:unsigned long ip;\toffset:16;\tsize:8;\tsigned:0;\n"
        "\tfield:unsigned long error_code;\toffset:24;\tsize:8;\tsigned:0;\n"
        "\nprint fmt: \"address=%ps\", REC->address\n";
    for (int big = 0; big < 2; big++) {
        clear(state);
        file.big = big != 0;
        const struct pd_event event = {.type = 2,
                                       .config = 123,
                                       .period = 1,
                                       .sample_type = 0x7 | 1 << 10};
        pd_pipe(&file);
        pd_pipe_event(&file, &event, 128);
        size_t record = pd_begin(&file, 66, 0), size_at = file.bytes;
        pd_u32(&file, 0);
        pd_end(&file, record);
        size_t start = file.bytes;
        pd_bytes(&file, "\x17\x08\x44tracing0.6", 14);
        pd_put(&file, file.big, 1);
        pd_put(&file, 8, 1);
        pd_u32(&file, 4096);
        pd_bytes(&file, "header_page", 12);
        put_sized_text("x");
        pd_bytes(&file, "header_event", 13);
        put_sized_text("y");
        pd_u32(&file, 1); /* one of ftrace's own */
        put_sized_text("name: function\nID: 1\n");
        pd_u32(&file, 1);
        pd_bytes(&file, "exceptions", 11);
        pd_u32(&file, 1);
        put_sized_text(format);
        pd_patch(&file, size_at, file.bytes - start, 4);
        while ((file.bytes - start) % 8 != 0) {
            pd_put(&file, 0, 1);
        }
        static const uint64_t codes[] = {4, 6, 0x14};
        for (uint64_t i = 0; i < 3; i++) {
            size_t at = pd_begin(&file, 9, 1);
            pd_u64(&file, 0xffffffff81000000);
            pd_u32(&file, 5);
            pd_u32(&file, 6);
            pd_u64(&file, 10 + i);
            pd_u32(&file, 36);
            pd_u64(&file, 123);
            pd_u64(&file, 0x7000 + i);
            pd_u64(&file, 0x401000 + i);
            pd_u64(&file, codes[i]);
            pd_u32(&file, 0);
            pd_end(&file, at);
        }
        well(&defaults);
        static const unsigned kinds[] = {REF_LOAD, REF_STORE, REF_FETCH};
        assert_int_equal(found.refs, 3);
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(found.ref[i].what, kinds[i]);
            assert_int_equal(found.ref[i].addr, 0x7000 + i);
            assert_int_equal(found.ref[i].column[COLUMN_IP], 0x401000 + i);
        }
        assert_string_equal(found.event, "exceptions:page_fault_user");
    }
}

static void samples_without_addresses_are_counted_or_refused(void **state)
{
    (void)state;
    const struct pd_event events[] = {
        {.type = 4, .period = 1, .sample_type = 1 << 16 | 0x7, .id = 1},
        {.type = 4, .period = 1, .sample_type = 1 << 16 | PLAIN, .id = 2}};
    size_t data = pd_file(&file, events, 2, 112, 0);
    static const struct {
        uint64_t id, addr;
    } samples[] = {{1, 0}, {3, 5}, {2, 0}, {2, 8}};
    for (size_t i = 0; i < 4; i++) {
        size_t at = pd_begin(&file, 9, 2);
        pd_u64(&file, samples[i].id);
        pd_u64(&file, 0x401000);
        pd_u64(&file, 0);
        pd_u64(&file, 10 + i);
        if (samples[i].id != 1) {
            pd_u64(&file, samples[i].addr);
        }
        pd_end(&file, at);
        pd_close_data(&file, data);
        if (i == 0) {
            refused("f: no sample (of 1) has an address; record with perf record -d, or perf mem "
                    "record");
        }
        if (i == 2) {
            refused("f: every sample (1) has address 0: event without a name gives no addresses; "
                    "record memory accesses (perf mem record) or page faults (perf record -d -e "
                    "page-faults)");
        }
    }
    well(&defaults);
    assert_int_equal(found.refs, 1);
    assert_int_equal(found.ref[0].addr, 8);
    assert_string_equal(found.notes, "samples_without_address=1\nsamples_with_address_0=1\n"
                                     "samples_without_cpu=1\nsamples_of_unknown_events=1\n");
}

/* A packet of SPE, always little-endian: header, extended header or -1, payload. */
static void put_packet(struct pd *area, unsigned header, int extended, uint64_t payload)
{
    pd_put(area, header, 1);
    if (extended >= 0) {
        pd_put(area, (unsigned)extended, 1);
    }
    pd_put(area, payload, 1u << ((extended >= 0 ? (unsigned)extended : header) >> 4 & 3));
}

/* Headers of Arm's manual: 0xb0 + n address n of 8 bytes, 0x98 + n counter n of 2, 0x52 events of 2,
 * 0x49 a memory operation, 0x65 context of 4, 0x71 timestamp, 0x01 end, 0x2n 0x00 alignment. */
static void put_operation(struct pd *area, uint64_t ip, uint64_t addr, bool store, uint64_t timer)
{
    put_packet(area, 0xb0, -1, ip);
    put_packet(area, 0x65, -1, 77);
    put_packet(area, 0x49, -1, store);
    put_packet(area, 0x52, -1, store ? 1 << 8 | 1 << 9 | 1 << 10 | 1 << 5 : 1 << 2 | 1 << 4);
    put_packet(area, 0x99, -1, 5);  /* issue latency */
    put_packet(area, 0x98, -1, 43); /* total latency */
    put_packet(area, 0x20, 0xb2, addr);
    put_packet(area, 0xb3, -1, UINT64_C(0x8000000000000000) | (addr & 0xfff) | 0xabc000);
    pd_put(area, 0x43, 1); /* data source of the implementation */
    pd_put(area, 7, 1);
    put_packet(area, 0x71, -1, timer);
}

static void put_area(uint32_t tid, uint32_t cpu, const struct pd *area)
{
    size_t at = pd_begin(&file, 71, 0);
    pd_u64(&file, area->bytes);
    pd_u64(&file, 0);
    pd_u64(&file, 0);
    pd_u32(&file, 0);
    pd_u32(&file, tid);
    pd_u32(&file, cpu);
    pd_u32(&file, 0);
    pd_end(&file, at);
    pd_bytes(&file, area->at, area->bytes);
}

static void loads_and_stores_of_arm_spe_are_references(void **state)
{
    for (int big = 0; big < 2; big++) {
        clear(state);
        file.big = big != 0;
        const struct pd_event event = {.type = 9, .period = 1024, .sample_type = PLAIN};
        struct pd first = {0}, second = {0};
        pd_pipe(&file);
        pd_pipe_event(&file, &event, 128);
        pd_comm(&file, PLAIN, 70, 77, "worker", 0, 0);
        size_t at = pd_begin(&file, 70, 0);
        pd_u32(&file, 4); /* Arm SPE */
        pd_u32(&file, 0);
        pd_end(&file, at);
        at = pd_begin(&file, 79, 0); /* 1000 + (timer * 80 >> 1) */
        pd_u64(&file, 1);
        pd_u64(&file, 80);
        pd_u64(&file, 1000);
        pd_end(&file, at);
        put_operation(&first, 0xa0ffff8000123450, 0xfff0000012345678, true, 31); /* kernel, EL1 */
        put_packet(&first, 0xb0, -1, 0x401000);                                  /* a branch */
        put_packet(&first, 0x4a, -1, 0);
        pd_put(&first, 0x01, 1);
        pd_put(&first, 0x25, 1); /* up to a multiple of 64 */
        while (first.bytes % 64 != 0) {
            pd_put(&first, 0, 1);
        }
        put_operation(&first, 0x8000000000401000, 0x5a007fff00000008, false, 50);
        pd_bytes(&first, "\xb0\x01", 2); /* cut off */
        put_operation(&second, 0x401004, 0x7fff00000010, false, 40);
        put_area(UINT32_MAX, 3, &first);
        put_area(78, UINT32_MAX, &second);
        well(&defaults);
        static const struct {
            uint64_t ip, addr, time, tid, pid;
            unsigned what;
            int32_t cpu;
        } wanted[] = {
            {0xffffff8000123450, 0xfff0000012345678, 2240, 77, 70, REF_STORE | REF_MODE_KERNEL, 3},
            {0x401004, 0x7fff00000010, 2600, 78, 78, REF_LOAD, -1},
            {0x401000, 0x7fff00000008, 3000, 77, 70, REF_LOAD, 3},
        };
        assert_int_equal(found.refs, 3);
        for (size_t i = 0; i < 3; i++) {
            const struct import_ref *ref = &found.ref[i];
            assert_int_equal(ref->column[COLUMN_IP], wanted[i].ip);
            assert_int_equal(ref->addr, wanted[i].addr);
            assert_int_equal(ref->column[COLUMN_TIME], wanted[i].time);
            assert_int_equal(ref->tid, wanted[i].tid);
            assert_int_equal(ref->pid, wanted[i].pid);
            assert_int_equal(ref->what, wanted[i].what);
            assert_int_equal(ref->cpu, wanted[i].cpu);
            assert_int_equal(ref->column[COLUMN_LATENCY], 43);
            assert_int_equal(ref->column[COLUMN_PHYS], 0xabc000 | (ref->addr & 0xfff));
            assert_int_equal(ref->column[COLUMN_WEIGHT], 1024);
        }
        /* store, L3 miss, a remote cache, a walk; load, L1 hit, TLB hit */
        assert_int_equal(found.ref[0].column[COLUMN_SOURCE],
                         4 | (4 | 0x40 | 0x400) << 5 | UINT64_C(0x24) << 26);
        assert_int_equal(found.ref[1].column[COLUMN_SOURCE],
                         2 | (2 | 8) << 5 | UINT64_C(0x0a) << 26);
        assert_string_equal(found.ref[0].name, "worker");
        free(first.at);
        free(second.at);
    }
}

static void areas_of_other_hardware_are_passed_over_and_counted(void **state)
{
    (void)state;
    const struct pd_event event = {.type = 4, .period = 1, .sample_type = PLAIN};
    unsigned char bytes[24] = {0xb0};
    const struct pd area = {.at = bytes, .bytes = sizeof bytes};
    pd_pipe(&file);
    pd_pipe_event(&file, &event, 128);
    put_area(1, 1, &area);
    put_sample(5, 6, 1000, 0x1234);
    well(&defaults);
    assert_int_equal(found.refs, 1);
    assert_string_equal(found.notes, "samples_without_cpu=1\naux_bytes_not_read=24\n");
}

static void damage_is_named_by_its_byte_and_what_came_before_stays(void **state)
{
    const struct pd_event event = {.type = 4, .period = 1, .sample_type = PLAIN};
    size_t data = pd_file(&file, &event, 1, 112, 0);
    put_sample(5, 6, 1, 1);
    size_t at = pd_begin(&file, 9, 2);
    pd_u64(&file, 0);
    pd_end(&file, at);
    put_sample(5, 6, 3, 3);
    pd_close_data(&file, data);
    refused("f: the sample at byte 280 is shorter than its fields");
    assert_int_equal(found.refs, 0); /* in time it is the first: it has none */
    struct import_options skip = {.skip_bad = true};
    well(&skip);
    assert_int_equal(found.refs, 2);
    assert_int_equal(result.skipped, 1);
    pd_patch(&file, 280 + 6, 7, 2);
    refused("f: the record at byte 280 has a size of 7 bytes");
    assert_int_equal(found.refs, 1);
    pd_patch(&file, 280 + 6, 65535, 2);
    refused("f: the record at byte 280 was cut off");
    assert_int_equal(found.refs, 1);
    file.bytes = 250;
    refused("f: the record at byte 240 was cut off");
    pd_patch(&file, 48, 0, 8);
    refused("f: the recording was not closed: perf was killed");
    pd_patch(&file, 16, 60, 8);
    refused("f: its header is damaged: events of 60 bytes in a section that is not in the file");
    pd_patch(&file, 8, 17, 8);
    refused("f: its header is damaged: it has 17 bytes");
    memcpy(file.at, "PERFFILE", 8);
    refused("f: is a perf.data of version 1, from before Linux 3.3; record again");
    file.at[0] = 'p';
    refused("f: is no perf.data");
    file.bytes = 0;
    refused("f: is empty");
    clear(state);
}

int main(void)
{
#define test(function) cmocka_unit_test_setup(function, clear)
    const struct CMUnitTest tests[] = {
        test(attributes_of_any_age_are_read),
        test(a_frequency_is_no_period),
        test(threads_have_the_names_that_they_have_at_the_time),
        test(features_tell_of_the_machine),
        test(page_faults_of_tracepoints_are_loads_stores_and_fetches),
        test(samples_without_addresses_are_counted_or_refused),
        test(loads_and_stores_of_arm_spe_are_references),
        test(areas_of_other_hardware_are_passed_over_and_counted),
        test(damage_is_named_by_its_byte_and_what_came_before_stays),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    clear(NULL);
    collected_reset(&found);
    return failed;
}
