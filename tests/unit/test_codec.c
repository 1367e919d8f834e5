/* The block codec: checksums against published ones, the form of a block byte by byte, what is
 * refused, and how small blocks of a known shape become. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/test_codec.h"

/* The checksum as a processor without SSE4.2 would compute it: built once more, under its name. */
#define crc32c                          crc32c_portable
#define __builtin_cpu_supports(feature) 0
uint32_t crc32c_portable(uint32_t crc, const void *bytes, size_t size_bytes);
#include "collector/trace/crc32c.c" /* NOLINT(bugprone-suspicious-include) */
#undef crc32c
#undef __builtin_cpu_supports

struct fixture {
    struct codec *codec;
    struct ref_block *block, *back;
    const uint8_t *bytes;
    size_t size;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){codec_new(), ref_block_new(ALL_COLUMNS), ref_block_new(ALL_COLUMNS),
                               NULL, 0};
    *state = &fixture;
    return fixture.codec && fixture.block && fixture.back ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    codec_free(fixture->codec);
    ref_block_free(fixture->block);
    ref_block_free(fixture->back);
    return 0;
}

static const char *encode(struct fixture *fixture)
{
    return codec_encode(fixture->codec, fixture->block, &fixture->bytes, &fixture->size);
}

static const char *decode(struct fixture *fixture, const void *bytes, size_t size)
{
    return codec_decode(fixture->codec, CODEC_VERSION, bytes, size, fixture->back);
}

static void assert_round_trip(struct fixture *fixture)
{
    assert_null(encode(fixture));
    assert_null(decode(fixture, fixture->bytes, fixture->size));
    assert_null(difference(fixture->block, fixture->back, ALL_COLUMNS));
}

static void checksums_are_those_of_rfc_3720(void **state)
{
    (void)state;
    static const uint8_t read_command[48] = {
        [0] = 0x01, 0xc0, [16] = 0x14, [22] = 0x04, [27] = 0x14, [31] = 0x18, 0x28, [40] = 0x02};
    uint8_t bytes[32];
    static uint32_t (*const ways[])(uint32_t, const void *, size_t) = {crc32c, crc32c_portable};
    for (unsigned way = 0; way < 2; way++) {
        memset(bytes, 0, sizeof bytes);
        assert_int_equal(ways[way](0, bytes, 32), 0x8A9136AA);
        memset(bytes, 0xFF, sizeof bytes);
        assert_int_equal(ways[way](0, bytes, 32), 0x62A8AB43);
        for (uint8_t i = 0; i < 32; i++)
            bytes[i] = i;
        assert_int_equal(ways[way](0, bytes, 32), 0x46DD794E);
        for (uint8_t i = 0; i < 32; i++)
            bytes[i] = (uint8_t)(31 - i);
        assert_int_equal(ways[way](0, bytes, 32), 0x113FDB5C);
        assert_int_equal(ways[way](0, read_command, 48), 0xD9963A56);
        assert_int_equal(ways[way](0, "123456789", 9), 0xE3069283);
        assert_int_equal(ways[way](0, "", 0), 0);
    }
}

static void a_checksum_in_parts_is_that_of_the_whole(void **state)
{
    (void)state;
    uint64_t random = 1;
    uint8_t bytes[100];
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)next_random(&random);
    for (size_t cut = 0; cut <= sizeof bytes; cut++) {
        const uint32_t whole = crc32c(0, bytes, sizeof bytes);
        assert_int_equal(crc32c(crc32c(0, bytes, cut), bytes + cut, sizeof bytes - cut), whole);
        assert_int_equal(crc32c_portable(crc32c_portable(0, bytes, cut), bytes + cut,
                                         sizeof bytes - cut),
                         whole);
    }
}

/* One block in each encoding, written by hand from codec-format.h: a fetch of 4 bytes at 0x1000, a
 * load of 8 at 0x4000, a fetch of 2 at 0x1004; stream 5. */
static const uint8_t by_delta[] = {
    3, 1, 0,    0x40, 1,                /* references, runs, events, columns: sizes; in here */
    0,                                  /* ADDRESS_DELTA */
    0, 3, 0,    1,    0,                /* fetch, load, fetch */
    0, 3, 4,    8,    2,                /* sizes */
    0, 6, 0x80, 0x40, 0x80, 0x80, 2, 8, /* zigzag of 0x1000, 0x4000, 4 */
    0, 0, 0,    5,                      /* the run: first 0, stream 5, each constant */
};
static const uint8_t by_code[] = {
    3, 1, 0,    0x40, 1,    /* as before */
    1,                      /* ADDRESS_CODE */
    0, 1, 3,                /* literals: 3 */
    0, 0, 0,    0,    0, 0, /* no lengths, no distances */
    0, 3, 0,    1,    0,    /* fetch, load, fetch */
    0, 3, 4,    8,    2,    /* sizes */
    0, 3, 0x80, 0x40, 0,    /* 0x1000 from 0; then where it ends */
    1, 1, 3,                /* the load: a stray of two bytes */
    0, 2, 0x00, 0x80,       /* zigzag of 0x4000 from 0 */
    0, 0, 0,    5,
};
static const uint8_t by_pattern[] = {
    3, 1, 0,    0x40, 1,                            /* as before */
    2,                                              /* ADDRESS_PATTERN */
    0, 3, 0,    1,    0,    0,    3,    4,    8, 2, /* what, sizes */
    0, 3, 3,    3,    3,                            /* each a stray of two bytes */
    0, 6, 0x00, 0x20, 0x00, 0x60, 0xF7, 0x5F,       /* zigzag of 0x1000, 0x3000, -0x2FFC */
    0, 0, 0,    5,
};

static void fill_three_references(struct ref_block *block)
{
    block->refs = 3;
    block->runs = 1;
    block->events = 0;
    block->columns = COLUMN_BIT(COLUMN_SIZE);
    memcpy(block->addr, (uint64_t[]){0x1000, 0x4000, 0x1004}, 3 * sizeof(uint64_t));
    memcpy(block->what, (uint8_t[]){REF_FETCH, REF_LOAD, REF_FETCH}, 3);
    memcpy(block->column[COLUMN_SIZE], (uint64_t[]){4, 8, 2}, 3 * sizeof(uint64_t));
    block->run[0] = (struct stream_run){0, 5};
}

static void bytes_of_the_written_form_are_understood(void **state)
{
    struct fixture *fixture = *state;
    fill_three_references(fixture->block);
    assert_null(decode(fixture, by_delta, sizeof by_delta));
    assert_null(difference(fixture->block, fixture->back, ALL_COLUMNS));
    assert_null(decode(fixture, by_code, sizeof by_code));
    assert_null(difference(fixture->block, fixture->back, ALL_COLUMNS));
    assert_null(decode(fixture, by_pattern, sizeof by_pattern));
    assert_null(difference(fixture->block, fixture->back, ALL_COLUMNS));
}

static void the_smallest_encoding_is_the_one_that_is_stored(void **state)
{
    struct fixture *fixture = *state;
    fill_three_references(fixture->block);
    assert_round_trip(fixture);
    assert_int_equal(fixture->size, sizeof by_delta);
    assert_memory_equal(fixture->bytes, by_delta, sizeof by_delta);
}

static void an_empty_block_comes_back_empty(void **state)
{
    struct fixture *fixture = *state;
    fixture->back->refs = 7;
    assert_round_trip(fixture);
    assert_true(fixture->size < 40);
}

static void events_after_the_last_reference_and_without_any_are_kept(void **state)
{
    struct fixture *fixture = *state;
    fixture->block->events = 2;
    fixture->block->event[0] =
        (struct trace_event){.stream = UINT32_MAX, .type = EVENT_FREE, .args = {UINT64_MAX, 0, 1}};
    fixture->block->event[1] = (struct trace_event){.stream = 3, .type = EVENT_EXIT};
    assert_round_trip(fixture);
    fill_three_references(fixture->block);
    fixture->block->events = 2;
    fixture->block->event[1].position = 3;
    assert_round_trip(fixture);
}

static void another_version_is_refused(void **state)
{
    struct fixture *fixture = *state;
    for (uint32_t version = 0; version < 300; version++) {
        const char *wrong =
            codec_decode(fixture->codec, version, by_code, sizeof by_code, fixture->back);
        assert_true((wrong == NULL) == (version == CODEC_VERSION));
        if (wrong)
            assert_non_null(strstr(wrong, "version"));
    }
}

static void a_block_cut_short_or_too_long_is_refused(void **state)
{
    struct fixture *fixture = *state;
    uint64_t random = 5;
    fixture->block->refs = 2000;
    fill_program(fixture->block, &random);
    fixture->block->columns = COLUMN_BIT(COLUMN_SIZE) | COLUMN_BIT(COLUMN_IP);
    fill_column(fixture->block, COLUMN_IP, &random);
    fill_runs(fixture->block, &random);
    assert_round_trip(fixture);
    for (size_t cut = 0; cut < fixture->size; cut++)
        assert_non_null(decode(fixture, fixture->bytes, cut));
    uint8_t longer[sizeof by_code + 1] = {0};
    memcpy(longer, by_code, sizeof by_code);
    assert_non_null(decode(fixture, longer, sizeof longer));
}

static void counts_above_the_limits_are_refused(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        uint8_t bytes[12];
        const char *says;
    } cases[] = {
        {{0x81, 0x80, 0x04, 1, 0, 0}, "more references"}, /* 65537 */
        {{3, 4, 0, 0}, "more runs"},
        {{3, 1, 0x81, 0x80, 0x04, 0}, "more events"},
        {{3, 1, 0, 0x80, 0x01}, "unknown columns"},
        {{3, 1, 0, 0, 1}, "sizes"},
        {{3, 1, 0, 0, 0, 9}, "unknown encoding"},
        {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, "64 bits"},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *wrong = decode(fixture, cases[i].bytes, sizeof cases[i].bytes);
        assert_non_null(wrong);
        assert_non_null(strstr(wrong, cases[i].says));
    }
}

static void a_section_that_claims_a_huge_size_is_refused_before_it_is_unpacked(void **state)
{
    struct fixture *fixture = *state;
    /* a zstd frame header (RFC 8878, 3.1.1) with a content size of 2^40, in a section of 2^40 */
    static const uint8_t huge[] = {3,    1,    0,    0,    0,  1,    2,    0x80, 0x80,
                                   0x80, 0x80, 0x80, 0x20, 13, 0x28, 0xB5, 0x2F, 0xFD,
                                   0xE0, 0,    0,    0,    0,  0,    1,    0,    0};
    assert_non_null(strstr(decode(fixture, huge, sizeof huge), "larger than the block allows"));
    /* the same frame in a section that says 3 */
    static const uint8_t liar[] = {3,    1,    0, 0, 0, 1, 2, 3, 13, 0x28, 0xB5, 0x2F,
                                   0xFD, 0xE0, 0, 0, 0, 0, 0, 1, 0,  0,    0};
    assert_non_null(strstr(decode(fixture, liar, sizeof liar), "another size"));
}

static void what_no_decoder_takes_is_not_encoded(void **state)
{
    struct fixture *fixture = *state;
    struct ref_block *const block = fixture->block;
    fill_three_references(block);
    block->refs = TRACE_BLOCK_REFS + 1;
    assert_non_null(encode(fixture));
    fill_three_references(block);
    block->what[1] = REF_WHAT_MASK + 1;
    assert_non_null(encode(fixture));
    fill_three_references(block);
    block->run[0].first = 1;
    assert_non_null(encode(fixture));
    fill_three_references(block);
    block->runs = 2;
    block->run[1] = (struct stream_run){3, 0};
    assert_non_null(encode(fixture));
    fill_three_references(block);
    block->runs = 0;
    assert_non_null(encode(fixture));
    fill_three_references(block);
    block->events = 1;
    block->event[0] = (struct trace_event){.position = 4};
    assert_non_null(encode(fixture));
    block->event[0] = (struct trace_event){.type = EVENT_TYPES};
    assert_non_null(encode(fixture));
    fill_three_references(block);
    assert_null(encode(fixture));
}

static void sizes_above_a_byte_are_kept(void **state)
{
    struct fixture *fixture = *state;
    fill_three_references(fixture->block);
    fixture->block->column[COLUMN_SIZE][1] = 256;
    assert_round_trip(fixture);
    fixture->block->column[COLUMN_SIZE][1] = UINT64_MAX;
    assert_round_trip(fixture);
}

static void a_constant_column_costs_a_few_bytes(void **state)
{
    struct fixture *fixture = *state;
    uint64_t random = 9;
    fixture->block->refs = TRACE_BLOCK_REFS;
    fill_loop(fixture->block, &random);
    fill_runs(fixture->block, &random);
    assert_null(encode(fixture));
    const size_t without = fixture->size;
    fixture->block->columns = COLUMN_BIT(COLUMN_WEIGHT) | COLUMN_BIT(COLUMN_TIME);
    for (uint32_t i = 0; i < TRACE_BLOCK_REFS; i++) {
        fixture->block->column[COLUMN_WEIGHT][i] = 4096;
        fixture->block->column[COLUMN_TIME][i] = 1000000 + (uint64_t)i * 250;
    }
    fixture->block->first_time = 1000000;
    fixture->block->last_time = 1000000 + (uint64_t)(TRACE_BLOCK_REFS - 1) * 250;
    assert_round_trip(fixture);
    assert_true(fixture->size - without <= 12);
}

/* Sixteen instructions in a loop, every other with an operand that walks. */
static void a_loop_costs_next_to_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct ref_block *const block = fixture->block;
    block->refs = TRACE_BLOCK_REFS;
    block->columns = COLUMN_BIT(COLUMN_SIZE);
    for (uint32_t i = 0; i < TRACE_BLOCK_REFS; i++) {
        const uint32_t at = i % 24, round = i / 24;
        const bool data = at % 3 == 2;
        block->what[i] = data ? REF_LOAD : REF_FETCH;
        block->addr[i] = data ? 0x7f0000000000u + UINT64_C(4096) * at + UINT64_C(8) * round
                              : 0x400000u + UINT64_C(4) * at;
        block->column[COLUMN_SIZE][i] = data ? 8 : 4;
    }
    block->runs = 1;
    block->run[0] = (struct stream_run){0, 0};
    assert_round_trip(fixture);
    assert_true(fixture->size < TRACE_BLOCK_REFS / 100);
    for (uint32_t i = 0; i < TRACE_BLOCK_REFS; i++) /* and its data alone */
        if (block->what[i] == REF_FETCH) {
            block->what[i] = REF_STORE;
            block->addr[i] += UINT64_C(0x100000000) + UINT64_C(16) * (i / 24);
        }
    assert_round_trip(fixture);
    assert_true(fixture->size < TRACE_BLOCK_REFS / 20);
}

static void random_addresses_cost_no_more_than_themselves(void **state)
{
    struct fixture *fixture = *state;
    uint64_t random = 11;
    fixture->block->refs = TRACE_BLOCK_REFS;
    for (uint32_t i = 0; i < TRACE_BLOCK_REFS; i++) {
        fixture->block->addr[i] = next_random(&random);
        fixture->block->what[i] = REF_TOUCH;
    }
    fixture->block->runs = 1;
    fixture->block->run[0] = (struct stream_run){0, 0};
    assert_round_trip(fixture);
    assert_true(fixture->size < TRACE_BLOCK_REFS * 8u * 102u / 100u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksums_are_those_of_rfc_3720),
        cmocka_unit_test(a_checksum_in_parts_is_that_of_the_whole),
        cmocka_unit_test_setup_teardown(bytes_of_the_written_form_are_understood, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_smallest_encoding_is_the_one_that_is_stored, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_empty_block_comes_back_empty, set_up, tear_down),
        cmocka_unit_test_setup_teardown(events_after_the_last_reference_and_without_any_are_kept,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_version_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_block_cut_short_or_too_long_is_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(counts_above_the_limits_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_section_that_claims_a_huge_size_is_refused_before_it_is_unpacked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_no_decoder_takes_is_not_encoded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sizes_above_a_byte_are_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_constant_column_costs_a_few_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_loop_costs_next_to_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(random_addresses_cost_no_more_than_themselves, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
