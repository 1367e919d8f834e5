/* Random blocks of very different shapes come back from the codec as they were, and damaged bytes
 * end in a block or an error. DISCO_SEED repeats a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/unit/test_codec.h"

#define ROUNDS  2500
#define DAMAGES 12 /* of each of some blocks */

struct fixture {
    uint64_t seed;
    struct codec *codec, *other;
    struct ref_block *block, *back, *bare;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    const char *text = getenv("DISCO_SEED");
    fixture.seed = text ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);
    fixture.codec = codec_new();
    fixture.other = codec_new();
    fixture.block = ref_block_new(ALL_COLUMNS);
    fixture.back = ref_block_new(ALL_COLUMNS);
    fixture.bare = ref_block_new(0);
    *state = &fixture;
    return fixture.codec && fixture.other && fixture.block && fixture.back && fixture.bare ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    codec_free(fixture->codec);
    codec_free(fixture->other);
    ref_block_free(fixture->block);
    ref_block_free(fixture->back);
    ref_block_free(fixture->bare);
    return 0;
}

#define CHECK(wrong)                                                                               \
    do {                                                                                           \
        const char *const found = (wrong);                                                         \
        if (found)                                                                                 \
            fail_msg("DISCO_SEED=%" PRIu64 ": round %d: %s: %s", fixture->seed, round, #wrong,     \
                     found);                                                                       \
    } while (0)

static void every_block_comes_back_as_it_was(void **state)
{
    struct fixture *fixture = *state;
    uint64_t random = fixture->seed;
    for (int round = 0; round < ROUNDS; round++) {
        const uint8_t *bytes;
        size_t size;
        random_block(fixture->block, &random);
        CHECK(codec_encode(fixture->codec, fixture->block, &bytes, &size));
        CHECK(codec_decode(fixture->other, CODEC_VERSION, bytes, size, fixture->back));
        CHECK(difference(fixture->block, fixture->back, ALL_COLUMNS));
    }
}

static void columns_that_have_no_room_are_left_out(void **state)
{
    struct fixture *fixture = *state;
    uint64_t random = fixture->seed + 1;
    for (int round = 0; round < ROUNDS / 4; round++) {
        const uint8_t *bytes;
        size_t size;
        random_block(fixture->block, &random);
        CHECK(codec_encode(fixture->codec, fixture->block, &bytes, &size));
        CHECK(codec_decode(fixture->codec, CODEC_VERSION, bytes, size, fixture->bare));
        CHECK(difference(fixture->block, fixture->bare, 0));
        assert_int_equal(fixture->bare->columns, 0);
    }
}

static void what_a_codec_did_before_does_not_change_the_bytes(void **state)
{
    struct fixture *fixture = *state;
    uint64_t random = fixture->seed + 2;
    struct codec *fresh = NULL;
    for (int round = 0; round < ROUNDS / 50; round++) {
        const uint8_t *bytes, *again;
        size_t size, size_again;
        random_block(fixture->block, &random);
        codec_free(fresh);
        fresh = codec_new();
        assert_non_null(fresh);
        CHECK(codec_encode(fixture->codec, fixture->block, &bytes, &size));
        CHECK(codec_encode(fresh, fixture->block, &again, &size_again));
        assert_int_equal(size, size_again);
        assert_memory_equal(bytes, again, size);
    }
    codec_free(fresh);
}

/* In memory of its own, so that a byte too far is seen by a sanitizer. */
static uint8_t *damaged_copy(const uint8_t *bytes, size_t *size, uint64_t *random)
{
    const size_t kept = below(random, 3) ? *size : below(random, (uint32_t)*size + 1);
    uint8_t *const copy = malloc(kept ? kept : 1);
    if (!copy)
        abort();
    memcpy(copy, bytes, kept);
    *size = kept;
    for (uint32_t flips = below(random, 4); flips > 0 && kept > 0; flips--) {
        const uint32_t place = below(random, 2) ? below(random, (uint32_t)kept)
                                                : below(random, kept < 32 ? (uint32_t)kept : 32);
        copy[place] = (uint8_t)(copy[place] ^
                                (below(random, 2) ? 1u << below(random, 8) : next_random(random)));
    }
    return copy;
}

static void damaged_bytes_end_in_a_block_or_an_error(void **state)
{
    struct fixture *fixture = *state;
    uint64_t random = fixture->seed + 3;
    unsigned refused = 0, taken = 0;
    for (int round = 0; round < ROUNDS / 4; round++) {
        const uint8_t *bytes, *again;
        size_t size, size_again;
        random_block(fixture->block, &random);
        CHECK(codec_encode(fixture->codec, fixture->block, &bytes, &size));
        for (int damage = 0; damage < DAMAGES; damage++) {
            size_t kept = size;
            uint8_t *copy = damaged_copy(bytes, &kept, &random);
            const char *wrong =
                codec_decode(fixture->other, CODEC_VERSION, copy, kept, fixture->back);
            free(copy);
            refused += wrong != NULL;
            taken += wrong == NULL;
            if (!wrong) /* then it is a block like any other */
                CHECK(codec_encode(fixture->other, fixture->back, &again, &size_again));
        }
    }
    assert_true(refused > taken / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_block_comes_back_as_it_was),
        cmocka_unit_test(columns_that_have_no_room_are_left_out),
        cmocka_unit_test(what_a_codec_did_before_does_not_change_the_bytes),
        cmocka_unit_test(damaged_bytes_end_in_a_block_or_an_error),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
