/* Records of the perf ring, built here byte by byte from include/uapi/linux/perf_event.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <linux/perf_event.h>

#include "collector/sources/perf/perf-record.h"
#include "collector/trace/event.h"

#define RING_BYTES 4096u

/* A record that grows field by field. */
struct built {
    uint8_t bytes[1024];
    size_t size;
};

static void add(struct built *built, const void *bytes, size_t size)
{
    memcpy(built->bytes + built->size, bytes, size);
    built->size += size;
}

static void add_u32(struct built *built, uint32_t value)
{
    add(built, &value, sizeof value);
}

static void add_u64(struct built *built, uint64_t value)
{
    add(built, &value, sizeof value);
}

/* Padded with NULs to a multiple of 8, as the kernel does. */
static void add_text(struct built *built, const char *text)
{
    size_t size = (strlen(text) + 8) / 8 * 8;
    memset(built->bytes + built->size, 0, size);
    memcpy(built->bytes + built->size, text, strlen(text));
    built->size += size;
}

static struct built begin(uint32_t type, uint16_t misc)
{
    struct built built = {.size = 0};
    struct perf_event_header header = {.type = type, .misc = misc};
    add(&built, &header, sizeof header);
    return built;
}

static void set_size(struct built *built, size_t size)
{
    uint16_t in_header = (uint16_t)size;
    memcpy(built->bytes + offsetof(struct perf_event_header, size), &in_header, sizeof in_header);
}

static void end(struct built *built)
{
    set_size(built, built->size);
}

/* pid, tid; time; cpu, reserved: what PERF_SAMPLE_TID | TIME | CPU put behind each record. */
static void end_with_id(struct built *built, uint64_t time_ns, uint32_t cpu)
{
    add_u32(built, 1);
    add_u32(built, 2);
    add_u64(built, time_ns);
    add_u32(built, cpu);
    add_u32(built, 0);
    end(built);
}

static struct built sample(uint16_t misc, uint64_t addr)
{
    struct built built = begin(PERF_RECORD_SAMPLE, misc);
    add_u64(&built, 0x401000); /* ip */
    add_u32(&built, 10);       /* pid */
    add_u32(&built, 11);       /* tid */
    add_u64(&built, 5000);     /* time */
    add_u64(&built, addr);
    add_u32(&built, 3); /* cpu */
    add_u32(&built, 0);
    return built;
}

static const struct perf_layout plain = {0};
static const struct perf_layout with_raw = {
    .with_raw = true,
    .fault = {{.id = 190, .address_at = 8, .ip_at = 16, .error_at = 24},
              {.id = 191, .address_at = 8, .ip_at = 16, .error_at = 24}},
};

static void a_page_fault_sample_is_a_touch(void **state)
{
    (void)state;
    struct perf_record record;
    struct built built = sample(PERF_RECORD_MISC_USER, 0x7f0000001234);
    end(&built);
    assert_null(perf_record_parse(&plain, built.bytes, built.size, &record));
    assert_int_equal(record.seen, PERF_SEEN_SAMPLE);
    assert_int_equal(record.addr, 0x7f0000001234);
    assert_int_equal(record.ip, 0x401000);
    assert_int_equal(record.pid, 10);
    assert_int_equal(record.tid, 11);
    assert_int_equal(record.time_ns, 5000);
    assert_int_equal(record.cpu, 3);
    assert_int_equal(record.period, 1);
    assert_int_equal(record.what, REF_TOUCH);
}

static void a_sample_in_the_kernel_has_its_mode(void **state)
{
    (void)state;
    struct perf_record record;
    struct built built = sample(PERF_RECORD_MISC_KERNEL, 0x1000);
    end(&built);
    assert_null(perf_record_parse(&plain, built.bytes, built.size, &record));
    assert_int_equal(record.what, REF_TOUCH | REF_MODE_KERNEL);
}

static void a_period_is_the_weight(void **state)
{
    (void)state;
    struct perf_layout layout = {.with_period = true};
    struct perf_record record;
    struct built built = sample(PERF_RECORD_MISC_USER, 0x1000);
    add_u64(&built, 77);
    end(&built);
    assert_null(perf_record_parse(&layout, built.bytes, built.size, &record));
    assert_int_equal(record.period, 77);
}

static struct built fault(uint16_t id, uint64_t error)
{
    struct built built = sample(PERF_RECORD_MISC_KERNEL, 0);
    uint16_t common[2] = {id, 0};
    add_u32(&built, 36); /* size of the raw data: 32 bytes and padding */
    add(&built, common, sizeof common);
    add_u32(&built, 11);
    add_u64(&built, 0xabc000); /* address */
    add_u64(&built, 0x402000); /* ip */
    add_u64(&built, error);
    add_u32(&built, 0);
    end(&built);
    return built;
}

static void a_fault_tells_its_kind_by_the_error_code(void **state)
{
    (void)state;
    static const struct {
        uint64_t error;
        uint16_t id;
        uint8_t what;
    } known[] = {
        {0x4, 190, REF_LOAD},   /* user */
        {0x6, 190, REF_STORE},  /* user, write */
        {0x14, 190, REF_FETCH}, /* user, instruction */
        {0x7, 190, REF_STORE},  /* user, write, page was there */
        {0x0, 191, REF_LOAD | REF_MODE_KERNEL},
        {0x2, 191, REF_STORE | REF_MODE_KERNEL},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct perf_record record;
        struct built built = fault(known[i].id, known[i].error);
        assert_null(perf_record_parse(&with_raw, built.bytes, built.size, &record));
        assert_int_equal(record.what, known[i].what);
        assert_int_equal(record.addr, 0xabc000);
        assert_int_equal(record.ip, 0x402000);
    }
}

static void a_fault_of_another_tracepoint_is_refused(void **state)
{
    (void)state;
    struct perf_record record;
    struct built built = fault(7, 0);
    assert_non_null(perf_record_parse(&with_raw, built.bytes, built.size, &record));
}

static void raw_data_longer_than_its_record_is_refused(void **state)
{
    (void)state;
    struct perf_record record;
    struct built built = sample(PERF_RECORD_MISC_USER, 0);
    add_u32(&built, 0xffffffff);
    end(&built);
    assert_non_null(perf_record_parse(&with_raw, built.bytes, built.size, &record));
}

static void a_mapping_has_its_range_and_name(void **state)
{
    (void)state;
    struct perf_record record;
    struct built built = begin(PERF_RECORD_MMAP2, PERF_RECORD_MISC_USER);
    add_u32(&built, 10);
    add_u32(&built, 11);
    add_u64(&built, 0x10000);
    add_u64(&built, 0x3000);
    add_u64(&built, 0x1000);
    for (int i = 0; i < 4; i++) /* device, inode, generation, protection and flags */
        add_u64(&built, 9);
    add_text(&built, "/memfd:table (deleted)");
    end_with_id(&built, 77, 1);
    assert_null(perf_record_parse(&plain, built.bytes, built.size, &record));
    assert_int_equal(record.seen, PERF_SEEN_MMAP);
    assert_int_equal(record.pid, 10);
    assert_int_equal(record.start, 0x10000);
    assert_int_equal(record.end, 0x13000);
    assert_int_equal(record.offset_bytes, 0x1000);
    assert_string_equal(record.name, "/memfd:table (deleted)");
    assert_int_equal(record.time_ns, 77);
}

static void a_mapping_round_the_end_of_memory_is_refused(void **state)
{
    (void)state;
    struct perf_record record;
    struct built built = begin(PERF_RECORD_MMAP, 0);
    add_u64(&built, 0);
    add_u64(&built, UINT64_MAX - 0xfff);
    add_u64(&built, 0x2000);
    add_u64(&built, 0);
    add_text(&built, "x");
    end_with_id(&built, 1, 0);
    assert_non_null(perf_record_parse(&plain, built.bytes, built.size, &record));
}

static void an_exec_is_told_from_a_new_name(void **state)
{
    (void)state;
    static const uint16_t misc[] = {0, PERF_RECORD_MISC_COMM_EXEC};
    for (size_t i = 0; i < 2; i++) {
        struct perf_record record;
        struct built built = begin(PERF_RECORD_COMM, misc[i]);
        add_u32(&built, 10);
        add_u32(&built, 11);
        add_text(&built, "sort");
        end_with_id(&built, 5, 0);
        assert_null(perf_record_parse(&plain, built.bytes, built.size, &record));
        assert_int_equal(record.seen, PERF_SEEN_COMM);
        assert_int_equal(record.exec, i == 1);
        assert_string_equal(record.name, "sort");
    }
}

static void a_name_without_its_end_is_refused(void **state)
{
    (void)state;
    struct perf_record record;
    struct built built = begin(PERF_RECORD_COMM, 0);
    add_u64(&built, 0);
    add(&built, "12345678", 8);
    end_with_id(&built, 0x3132333435363738, 0);
    assert_non_null(perf_record_parse(&plain, built.bytes, built.size, &record));
}

static void forks_exits_and_losses_are_read(void **state)
{
    (void)state;
    struct perf_record record;
    struct built built = begin(PERF_RECORD_FORK, 0);
    for (uint32_t i = 20; i < 24; i++)
        add_u32(&built, i); /* pid, ppid, tid, ptid */
    add_u64(&built, 9);
    end_with_id(&built, 9, 0);
    assert_null(perf_record_parse(&plain, built.bytes, built.size, &record));
    assert_int_equal(record.seen, PERF_SEEN_FORK);
    assert_int_equal(record.pid, 20);
    assert_int_equal(record.ppid, 21);
    assert_int_equal(record.tid, 22);
    assert_int_equal(record.ptid, 23);

    built = begin(PERF_RECORD_LOST, 0);
    add_u64(&built, 1);
    add_u64(&built, 1234);
    end_with_id(&built, 9, 0);
    assert_null(perf_record_parse(&plain, built.bytes, built.size, &record));
    assert_int_equal(record.seen, PERF_SEEN_LOST);
    assert_int_equal(record.lost, 1234);

    built = begin(PERF_RECORD_LOST_SAMPLES, 0);
    add_u64(&built, 5);
    end_with_id(&built, 9, 0);
    assert_null(perf_record_parse(&plain, built.bytes, built.size, &record));
    assert_int_equal(record.lost, 5);
}

static void an_unknown_record_is_of_no_interest(void **state)
{
    (void)state;
    struct perf_record record;
    struct built built = begin(9999, 0);
    end_with_id(&built, 9, 0);
    assert_null(perf_record_parse(&plain, built.bytes, built.size, &record));
    assert_int_equal(record.seen, PERF_SEEN_OTHER);
}

/* Each truncation in memory of just its size, so that ASan sees any read behind it. */
static void no_truncated_record_is_read_past_its_end(void **state)
{
    (void)state;
    struct built full[8];
    size_t count = 0;
    for (uint32_t type = 1; type <= 13; type++) { /* the records with a sample_id */
        if (type == PERF_RECORD_SAMPLE || count == 7)
            continue;
        struct built built = begin(type, 0);
        for (int i = 0; i < 8; i++)
            add_u64(&built, 1);
        add_text(&built, "name");
        end_with_id(&built, 9, 0);
        full[count++] = built;
    }
    full[count++] = fault(190, 2);
    for (size_t i = 0; i < count; i++)
        for (size_t size = 0; size < full[i].size; size++) {
            struct perf_record record;
            uint8_t *exact = malloc(size ? size : 1);
            assert_non_null(exact);
            memcpy(exact, full[i].bytes, size);
            const char *wrong = perf_record_parse(&with_raw, exact, size, &record);
            assert_true(wrong != NULL || record.name == NULL ||
                        ((const uint8_t *)record.name >= exact &&
                         (const uint8_t *)record.name + strlen(record.name) < exact + size));
            free(exact);
        }
}

static void a_ring_gives_its_records_in_order(void **state)
{
    (void)state;
    uint8_t ring[RING_BYTES] = {0}, copy[PERF_RECORD_BYTES_MAX];
    const uint8_t *bytes;
    size_t size;
    uint64_t tail = 0, head = 0;
    for (uint64_t i = 0; i < 10; i++) {
        struct built built = sample(0, i);
        end(&built);
        memcpy(ring + head, built.bytes, built.size);
        head += built.size;
    }
    for (uint64_t i = 0; i < 10; i++) {
        struct perf_record record;
        assert_int_equal(perf_ring_take(ring, RING_BYTES, head, &tail, copy, &bytes, &size),
                         PERF_TAKEN_RECORD);
        assert_null(perf_record_parse(&plain, bytes, size, &record));
        assert_int_equal(record.addr, i);
    }
    assert_int_equal(perf_ring_take(ring, RING_BYTES, head, &tail, copy, &bytes, &size),
                     PERF_TAKEN_NOTHING);
}

static void a_record_round_the_end_is_put_together(void **state)
{
    (void)state;
    uint8_t ring[RING_BYTES] = {0}, copy[PERF_RECORD_BYTES_MAX];
    struct built built = sample(0, 0x1234);
    end(&built);
    for (size_t before = 1; before < built.size; before++) { /* bytes before the ring's end */
        struct perf_record record;
        const uint8_t *bytes;
        size_t size;
        uint64_t tail = 5 * (uint64_t)RING_BYTES - before, head = tail + built.size;
        for (size_t i = 0; i < built.size; i++)
            ring[(tail + i) % RING_BYTES] = built.bytes[i];
        assert_int_equal(perf_ring_take(ring, RING_BYTES, head, &tail, copy, &bytes, &size),
                         PERF_TAKEN_RECORD);
        assert_int_equal(size, built.size);
        assert_null(perf_record_parse(&plain, bytes, size, &record));
        assert_int_equal(record.addr, 0x1234);
        assert_int_equal(tail, head);
    }
}

static void a_ring_with_impossible_sizes_is_given_up(void **state)
{
    (void)state;
    static const size_t impossible[] = {0, 1, 7, 200, 0xffff};
    uint8_t ring[RING_BYTES] = {0}, copy[PERF_RECORD_BYTES_MAX];
    for (size_t i = 0; i < sizeof impossible / sizeof impossible[0]; i++) {
        const uint8_t *bytes;
        size_t size;
        uint64_t tail = 0, head = 64;
        struct built built = sample(0, 1);
        set_size(&built, impossible[i]);
        memcpy(ring, built.bytes, built.size);
        assert_int_equal(perf_ring_take(ring, RING_BYTES, head, &tail, copy, &bytes, &size),
                         PERF_TAKEN_DAMAGE);
        assert_int_equal(tail, head);
    }
    const uint8_t *bytes;
    size_t size;
    uint64_t tail = 0; /* a head further away than the ring is long, and one inside a header */
    assert_int_equal(perf_ring_take(ring, RING_BYTES, UINT64_C(1) << 40, &tail, copy, &bytes,
                                    &size),
                     PERF_TAKEN_DAMAGE);
    tail = 0;
    assert_int_equal(perf_ring_take(ring, RING_BYTES, 4, &tail, copy, &bytes, &size),
                     PERF_TAKEN_DAMAGE);
}

/* Whatever the bytes are, reading them ends, and stays inside. The seed is fixed: the search is
 * wide enough for the sanitizers to see what can go wrong. */
static void random_rings_are_read_to_their_end(void **state)
{
    (void)state;
    uint8_t *ring = malloc(RING_BYTES), *copy = malloc(PERF_RECORD_BYTES_MAX);
    uint64_t random = 1;
    assert_non_null(ring);
    assert_non_null(copy);
    for (int round = 0; round < 2000; round++) {
        const uint8_t *bytes;
        size_t size, taken = 0;
        for (size_t i = 0; i < RING_BYTES; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            ring[i] = (uint8_t)(random >> 33);
        }
        for (size_t i = 0; i + 8 <= RING_BYTES; i += 64) { /* mostly plausible headers */
            struct perf_event_header header = {.type = ring[i] % 20u,
                                               .misc = ring[i + 1],
                                               .size = (uint16_t)(ring[i + 2] % 96u)};
            memcpy(ring + i, &header, sizeof header);
        }
        uint64_t tail = random % RING_BYTES, head = tail + RING_BYTES;
        while (perf_ring_take(ring, RING_BYTES, head, &tail, copy, &bytes, &size) !=
               PERF_TAKEN_NOTHING) {
            struct perf_record record;
            (void)perf_record_parse(round % 2 ? &plain : &with_raw, bytes, size, &record);
            assert_true(++taken <= RING_BYTES / sizeof(struct perf_event_header));
        }
        assert_int_equal(tail, head);
    }
    free(ring);
    free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_fault_sample_is_a_touch),
        cmocka_unit_test(a_sample_in_the_kernel_has_its_mode),
        cmocka_unit_test(a_period_is_the_weight),
        cmocka_unit_test(a_fault_tells_its_kind_by_the_error_code),
        cmocka_unit_test(a_fault_of_another_tracepoint_is_refused),
        cmocka_unit_test(raw_data_longer_than_its_record_is_refused),
        cmocka_unit_test(a_mapping_has_its_range_and_name),
        cmocka_unit_test(a_mapping_round_the_end_of_memory_is_refused),
        cmocka_unit_test(an_exec_is_told_from_a_new_name),
        cmocka_unit_test(a_name_without_its_end_is_refused),
        cmocka_unit_test(forks_exits_and_losses_are_read),
        cmocka_unit_test(an_unknown_record_is_of_no_interest),
        cmocka_unit_test(no_truncated_record_is_read_past_its_end),
        cmocka_unit_test(a_ring_gives_its_records_in_order),
        cmocka_unit_test(a_record_round_the_end_is_put_together),
        cmocka_unit_test(a_ring_with_impossible_sizes_is_given_up),
        cmocka_unit_test(random_rings_are_read_to_their_end),
    };
    return cmocka_run_group_tests_name("perf records", tests, NULL, NULL);
}
