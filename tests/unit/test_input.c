/* input.h: packed or not, in one piece or many, whole or cut off. What packs is the command line
 * tools' libraries themselves; what comes out must be what went in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include "collector/sources/input.h"

#define PLAIN_BYTES ((size_t)300000)

static unsigned char plain[PLAIN_BYTES];

typedef size_t pack_function(const unsigned char *from, size_t bytes, unsigned char *to,
                             size_t room);

static size_t pack_gzip(const unsigned char *from, size_t bytes, unsigned char *to, size_t room)
{
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = (z_const Bytef *)from;
    stream.avail_in = (uInt)bytes;
    stream.next_out = to;
    stream.avail_out = (uInt)room;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflateEnd(&stream);
    return room - stream.avail_out;
}

static size_t pack_xz(const unsigned char *from, size_t bytes, unsigned char *to, size_t room)
{
    size_t packed = 0;
    assert_int_equal(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC64, NULL, from, bytes, to, &packed,
                                             room),
                     LZMA_OK);
    return packed;
}

static size_t pack_zstd(const unsigned char *from, size_t bytes, unsigned char *to, size_t room)
{
    size_t packed = ZSTD_compress(to, room, from, bytes, 1);
    assert_false(ZSTD_isError(packed));
    return packed;
}

static pack_function *const packs[] = {pack_gzip, pack_xz, pack_zstd};
#define PACKS (sizeof packs / sizeof packs[0])

/* Reads all of it, in steps of `step`. */
static char *read_all(struct input *input, unsigned char *to, size_t room, size_t step,
                      size_t *bytes)
{
    *bytes = 0;
    while (!input_ended(input)) {
        size_t got = 0, want = step < room - *bytes ? step : room - *bytes;
        assert_true(want > 0);
        char *error = input_read(input, (char *)to + *bytes, want, &got);
        if (error != NULL) {
            return error;
        }
        *bytes += got;
    }
    return NULL;
}

static int fill_plain(void **state)
{
    (void)state;
    for (size_t i = 0; i < PLAIN_BYTES; i++) {
        plain[i] = (unsigned char)(i * i >> 7 ^ i);
    }
    return 0;
}

/* From memory or through a pipe-like file in /tmp: both ways must agree. */
static void expect(const unsigned char *packed, size_t packed_bytes, const unsigned char *wanted,
                   size_t wanted_bytes, size_t step)
{
    size_t room = wanted_bytes + 64, bytes = 0;
    unsigned char *got = malloc(room);
    char path[] = "/tmp/disco-input.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && got != NULL);
    assert_int_equal(write(fd, packed, packed_bytes), packed_bytes);
    close(fd);
    for (int from_file = 0; from_file < 2; from_file++) {
        struct input *input = NULL;
        char *error =
            from_file ? input_open(path, &input) : input_memory("f", packed, packed_bytes, &input);
        assert_null(error);
        error = read_all(input, got, room, step, &bytes);
        assert_null(error);
        assert_int_equal(bytes, wanted_bytes);
        assert_memory_equal(got, wanted, wanted_bytes);
        assert_int_equal(input_bytes_read(input), packed_bytes);
        assert_int_equal(input_bytes_total(input), packed_bytes);
        input_close(input);
    }
    unlink(path);
    free(got);
}

static void plain_bytes_come_as_they_are(void **state)
{
    (void)state;
    expect(plain, PLAIN_BYTES, plain, PLAIN_BYTES, 4096);
    expect(plain, 1, plain, 1, 7);
    expect(plain, 0, plain, 0, 7);
}

static void gzip_xz_and_zstd_are_known_by_their_first_bytes(void **state)
{
    (void)state;
    unsigned char *packed = malloc(2 * PLAIN_BYTES);
    for (size_t i = 0; i < PACKS; i++) {
        size_t bytes = packs[i](plain, PLAIN_BYTES, packed, 2 * PLAIN_BYTES);
        expect(packed, bytes, plain, PLAIN_BYTES, 1000);
        expect(packed, bytes, plain, PLAIN_BYTES, 1u << 20);
        bytes = packs[i](plain, 0, packed, 2 * PLAIN_BYTES);
        expect(packed, bytes, plain, 0, 10);
    }
    free(packed);
}

static void members_one_after_the_other_are_one(void **state)
{
    (void)state;
    unsigned char *packed = calloc(2, PLAIN_BYTES);
    for (size_t i = 0; i < PACKS; i++) {
        size_t bytes = 0;
        for (size_t part = 0; part < 10; part++) {
            bytes += packs[i](plain + part * 1000, 1000, packed + bytes, 2 * PLAIN_BYTES - bytes);
        }
        expect(packed, bytes, plain, 10000, 333);
        memset(packed + bytes, 0, 512);
        expect(packed, bytes + 512, plain, 10000, 333); /* padded with zeros */
    }
    free(packed);
}

static char *error_of(const unsigned char *packed, size_t bytes, size_t *got)
{
    struct input *input = NULL;
    unsigned char *to = malloc(2 * PLAIN_BYTES);
    char *error = input_memory("f", packed, bytes, &input);
    if (error == NULL) {
        error = read_all(input, to, 2 * PLAIN_BYTES, 4096, got);
        assert_memory_equal(to, plain, *got);
        input_close(input);
    }
    free(to);
    return error;
}

static void a_packed_file_that_was_cut_off_is_an_error_after_what_it_held(void **state)
{
    (void)state;
    unsigned char *packed = malloc(2 * PLAIN_BYTES);
    for (size_t i = 0; i < PACKS; i++) {
        size_t bytes = packs[i](plain, PLAIN_BYTES, packed, 2 * PLAIN_BYTES);
        size_t got = 0;
        char *error = error_of(packed, bytes - 1, &got);
        assert_non_null(error);
        assert_non_null(strstr(error, "cut off"));
        assert_true(got > PLAIN_BYTES / 2);
        free(error);
        error = error_of(packed, bytes / 2, &got);
        assert_non_null(error);
        assert_non_null(strstr(error, "cut off"));
        free(error);
    }
    free(packed);
}

static void damaged_packed_data_are_an_error(void **state)
{
    (void)state;
    unsigned char *packed = malloc(2 * PLAIN_BYTES);
    for (size_t i = 0; i < PACKS; i++) {
        size_t bytes = packs[i](plain, PLAIN_BYTES, packed, 2 * PLAIN_BYTES);
        size_t got = 0;
        memset(packed + 12, 0xa5, 40);
        char *error = error_of(packed, bytes, &got);
        assert_non_null(error);
        assert_non_null(strstr(error, "f: "));
        free(error);
    }
    free(packed);
}

static void other_bytes_behind_packed_data_are_an_error(void **state)
{
    (void)state;
    unsigned char *packed = malloc(2 * PLAIN_BYTES);
    for (size_t i = 0; i < PACKS; i++) {
        size_t bytes = packs[i](plain, 1000, packed, 2 * PLAIN_BYTES), got = 0;
        memcpy(packed + bytes, "I  0401ab70,3\n", 14);
        char *error = error_of(packed, bytes + 14, &got);
        assert_non_null(error);
        assert_non_null(strstr(error, "something follows"));
        assert_int_equal(got, 1000);
        free(error);
    }
    free(packed);
}

static void a_folder_and_a_missing_file_are_refused(void **state)
{
    (void)state;
    struct input *input = NULL;
    char *error = input_open("/tmp", &input);
    assert_string_equal(error, "/tmp: is a folder; name a file, or - for standard input");
    free(error);
    error = input_open("/tmp/disco-there-is-no-such-file", &input);
    assert_string_equal(error, "/tmp/disco-there-is-no-such-file: No such file or directory");
    free(error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_bytes_come_as_they_are),
        cmocka_unit_test(gzip_xz_and_zstd_are_known_by_their_first_bytes),
        cmocka_unit_test(members_one_after_the_other_are_one),
        cmocka_unit_test(a_packed_file_that_was_cut_off_is_an_error_after_what_it_held),
        cmocka_unit_test(damaged_packed_data_are_an_error),
        cmocka_unit_test(other_bytes_behind_packed_data_are_an_error),
        cmocka_unit_test(a_folder_and_a_missing_file_are_refused),
    };
    return cmocka_run_group_tests(tests, fill_plain, NULL);
}
