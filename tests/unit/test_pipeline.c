/* Blocks are the same, and all there, however many threads can be had for them; an error in taking a block
 * reaches who records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

#include "collector/trace/pipeline.h"

#define BLOCKS 7u

/* Threads that may still be made: this stands in for the C library's function. A sanitizer has to see
 * every thread, so there it does not. */
static int threads_left = 100;
#ifndef __SANITIZE_ADDRESS__
__attribute__((visibility("default"))) int pthread_create(pthread_t *thread,
                                                          const pthread_attr_t *attributes,
                                                          void *(*work)(void *), void *data)
{
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = NULL;
    void *symbol = dlsym(RTLD_NEXT, "pthread_create");
    memcpy(&real, &symbol, sizeof real);
    return threads_left-- > 0 ? real(thread, attributes, work, data) : EAGAIN;
}
#endif

static void well(char *error)
{
    if (error != NULL)
        fail_msg("%s", error);
}

static void fill(struct ref_block *block, uint32_t refs)
{
    block->runs = 1;
    block->run[0] = (struct stream_run){0};
    for (; block->refs < refs; block->refs++) {
        const uint64_t ordinal = block->first_ref + block->refs;
        block->addr[block->refs] = 0x1000 + ordinal * ordinal % 100003;
        block->what[block->refs] = (uint8_t)(ordinal * 7 % 3);
    }
}

/* What was taken: a digest of numbers and checksums in order. */
struct taken {
    uint64_t blocks, digest;
    uint64_t fail_at; /* block that cannot be taken */
};

static char *take(void *context, const struct ref_block *block, const struct block_row *row)
{
    struct taken *taken = context;
    if (block->number == taken->fail_at)
        return strdup("there is no room");
    assert_int_equal(block->number, row->number);
    assert_int_equal(block->refs, row->refs);
    taken->blocks++;
    taken->digest = (taken->digest ^ row->crc32c ^ row->number << 32) * UINT64_C(0x100000001b3);
    return NULL;
}

/* Full blocks, the last of them stored in two steps. Returns the first error. */
static char *send(int threads, struct taken *taken)
{
    threads_left = threads;
    struct pipeline *pipeline = pipeline_new(0, take, taken);
    assert_non_null(pipeline);
    char *error = NULL;
    for (unsigned i = 0; i < BLOCKS && error == NULL; i++) {
        fill(pipeline_block(pipeline), TRACE_BLOCK_REFS);
        error = pipeline_next(pipeline);
    }
    for (uint32_t refs = 100; refs <= 200 && error == NULL; refs += 100) {
        fill(pipeline_block(pipeline), refs);
        error = pipeline_flush(pipeline);
    }
    if (error == NULL) {
        assert_int_equal(pipeline_block(pipeline)->number, BLOCKS);
        error = pipeline_wait(pipeline);
    }
    pipeline_free(pipeline);
    threads_left = 100;
    return error;
}

static void any_number_of_threads_gives_the_same_blocks(void **state)
{
    (void)state;
    struct taken all = {.fail_at = UINT64_MAX};
    well(send(100, &all));
    assert_int_equal(all.blocks, BLOCKS + 2);
    for (int threads = 0; threads <= (int)PIPELINE_ENCODERS + 1; threads++) {
        struct taken some = {.fail_at = UINT64_MAX};
        well(send(threads, &some));
        assert_int_equal(some.blocks, all.blocks);
        assert_int_equal(some.digest, all.digest);
    }
}

static void a_block_that_cannot_be_taken_is_told_and_ends_it(void **state)
{
    (void)state;
    for (int threads = 0; threads <= 100; threads += 25)
        for (uint64_t block = 0; block <= BLOCKS; block++) {
            struct taken taken = {.fail_at = block};
            char *error = send(threads, &taken);
            assert_non_null(error);
            assert_string_equal(error, "there is no room");
            assert_int_equal(taken.blocks, block);
            free(error);
        }
}

static void a_pipeline_that_is_dropped_forgets_what_it_has(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        struct taken taken = {.fail_at = UINT64_MAX};
        struct pipeline *pipeline = pipeline_new(0, take, &taken);
        for (unsigned b = 0; b < i % 5; b++) {
            fill(pipeline_block(pipeline), TRACE_BLOCK_REFS);
            well(pipeline_next(pipeline));
        }
        pipeline_free(pipeline);
        assert_true(taken.blocks <= i % 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_number_of_threads_gives_the_same_blocks),
        cmocka_unit_test(a_block_that_cannot_be_taken_is_told_and_ends_it),
        cmocka_unit_test(a_pipeline_that_is_dropped_forgets_what_it_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
