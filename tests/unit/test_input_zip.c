/* zip archives as inputs, written here by the format's description (APPNOTE.TXT). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "collector/sources/input.h"
#include "tests/unit/test_drmemtrace.h"

static struct bytes archive;
static char text[1u << 16];
static size_t text_bytes;

static int clear(void **state)
{
    (void)state;
    free(archive.at);
    archive = (struct bytes){0};
    return 0;
}

enum shape { SIZES_BEFORE, SIZES_BEHIND, SIZES_BEHIND_BARE, SIZES_BEHIND_WIDE, STORED };

static void put_member(const char *name, const char *data, enum shape shape)
{
    unsigned char packed[1024];
    z_stream stream = {0};
    size_t bytes = strlen(data);
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = (z_const Bytef *)data;
    stream.avail_in = (uInt)bytes;
    stream.next_out = packed;
    stream.avail_out = sizeof packed;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t packed_bytes = shape == STORED ? bytes : stream.total_out;
    deflateEnd(&stream);
    uint64_t crc = crc32(0, (const Bytef *)data, (uInt)bytes);
    bool behind = shape != SIZES_BEFORE && shape != STORED;
    put(&archive, 0x04034b50, 4);
    put(&archive, 20, 2);
    put(&archive, behind ? 8 : 0, 2);
    put(&archive, shape == STORED ? 0 : 8, 2);
    put(&archive, 0, 4); /* time, date */
    put(&archive, behind ? 0 : crc, 4);
    put(&archive, behind ? 0 : packed_bytes, 4);
    put(&archive, behind ? 0 : bytes, 4);
    put(&archive, strlen(name), 2);
    put(&archive, 5, 2);
    for (const char *at = name; *at != '\0'; at++) {
        put(&archive, (unsigned char)*at, 1);
    }
    put(&archive, 0x1122334455, 5); /* some extra field */
    for (size_t i = 0; i < packed_bytes; i++) {
        put(&archive, shape == STORED ? (unsigned char)data[i] : packed[i], 1);
    }
    if (behind) {
        unsigned wide = shape == SIZES_BEHIND_WIDE ? 8 : 4;
        if (shape != SIZES_BEHIND_BARE) {
            put(&archive, 0x08074b50, 4);
        }
        put(&archive, crc, 4);
        put(&archive, packed_bytes, wide);
        put(&archive, bytes, wide);
    }
}

static void put_directory(void)
{
    put(&archive, 0x02014b50, 4);
    for (int i = 0; i < 100; i++) {
        put(&archive, (unsigned)i, 1);
    }
}

/* Unpacks the archive, given in one piece (memory) or by a pipe, a few bytes at a time. */
static char *unpack(bool by_pipe)
{
    struct input *input = NULL;
    int ends[2] = {-1, -1};
    char path[32] = "";
    char *error = NULL;
    text_bytes = 0;
    if (by_pipe) {
        assert_int_equal(pipe(ends), 0);
        assert_true(write(ends[1], archive.at, archive.bytes) == (ssize_t)archive.bytes);
        close(ends[1]);
        snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
        error = input_open_small(path, 4096, &input);
    } else {
        error = input_memory("f", archive.at, archive.bytes, &input);
    }
    while (error == NULL && !input_ended(input)) {
        size_t got = 0, room = sizeof text - text_bytes;
        error = input_read(input, text + text_bytes, room < 7 ? room : 7, &got);
        text_bytes += got;
    }
    input_close(input);
    if (by_pipe) {
        close(ends[0]);
    }
    return error;
}

static void gives(const char *wanted)
{
    for (int by_pipe = 0; by_pipe < 2; by_pipe++) {
        char *error = unpack(by_pipe != 0);
        assert_null(error);
        assert_int_equal(text_bytes, strlen(wanted));
        assert_memory_equal(text, wanted, text_bytes);
    }
}

static void fails(const char *line, const char *before)
{
    char *error = unpack(false);
    assert_non_null(error);
    assert_string_equal(error, line);
    assert_int_equal(text_bytes, strlen(before));
    assert_memory_equal(text, before, text_bytes);
    free(error);
}

static void members_are_read_one_after_the_other(void **state)
{
    (void)state;
    put_member("chunk.0000", "one two three three three three ", SIZES_BEFORE);
    put_member("folder/", "", STORED);
    put_member("chunk.0001", "four ", SIZES_BEHIND);
    put_member("chunk.0002", "five ", SIZES_BEHIND_BARE);
    put_member("chunk.0003", "six ", SIZES_BEHIND_WIDE);
    put_member("chunk.0004", "seven", STORED);
    put_directory();
    gives("one two three three three three four five six seven");
}

static void an_archive_that_was_cut_off_gives_what_it_has(void **state)
{
    (void)state;
    put_member("a", "one ", SIZES_BEFORE);
    put_member("b", "two ", STORED);
    size_t whole = archive.bytes;
    fails("f: zip data end too early: the file was cut off near byte 82 of the file", "one two ");
    for (size_t bytes = 5; bytes < whole; bytes++) {
        archive.bytes = bytes;
        char *error = unpack(false);
        assert_non_null(error);
        assert_memory_equal(text, "one two ", text_bytes);
        free(error);
    }
}

static void damage_is_an_error(void **state)
{
    (void)state;
    put_member("a", "one ", STORED);
    put_directory();
    archive.at[36] ^= 1; /* the first letter */
    fails("f: zip data are damaged near byte 40 of the file", "nne ");
    clear(state);
    put_member("a", "one ", SIZES_BEHIND);
    archive.at[archive.bytes - 1] ^= 1; /* a size */
    put_directory();
    char *error = unpack(false);
    assert_non_null(error);
    assert_non_null(strstr(error, "zip data are damaged"));
    free(error);
    clear(state);
    put_member("a", "one ", STORED);
    put(&archive, 0x12345678, 4);
    error = unpack(false);
    assert_non_null(strstr(error, "zip data are damaged"));
    free(error);
}

static void what_is_packed_otherwise_is_refused(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        unsigned char value;
    } cases[] = {{6, 1}, {8, 93}, {6, 8}}; /* encrypted; zstd; stored, but the size comes behind */
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clear(state);
        put_member("a", "one ", STORED);
        archive.at[cases[i].at] = cases[i].value;
        char *error = unpack(false);
        assert_non_null(error);
        assert_non_null(strstr(error, "zip data are encrypted, or neither deflated nor stored"));
        free(error);
    }
}

int main(void)
{
#define test(function) cmocka_unit_test_setup(function, clear)
    const struct CMUnitTest tests[] = {
        test(members_are_read_one_after_the_other),
        test(an_archive_that_was_cut_off_gives_what_it_has),
        test(damage_is_an_error),
        test(what_is_packed_otherwise_is_refused),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    clear(NULL);
    return failed;
}
