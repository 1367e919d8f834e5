/* Mappings of a process: reports that overlap, and what the mappings are called. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/sources/perf/perf-maps.h"

/* "FILE:start-end FILE:start-end ..." in pages. */
static void assert_maps(const struct perf_maps *maps, const char *expected)
{
    char text[1024] = "";
    size_t length = 0;
    for (size_t i = 0; i < maps->count; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "%s%s:%" PRIu64 "-%" PRIu64,
                                   i ? " " : "", maps->map[i].file, maps->map[i].start / 4096,
                                   maps->map[i].end / 4096);
    assert_string_equal(text, expected);
}

static void add(struct perf_maps *maps, const char *file, uint64_t start, uint64_t end)
{
    assert_true(perf_maps_add(maps, start * 4096, end * 4096, 0, file));
}

static void mappings_are_kept_in_order(void **state)
{
    (void)state;
    struct perf_maps maps = {0};
    add(&maps, "c", 30, 40);
    add(&maps, "a", 1, 2);
    add(&maps, "b", 10, 30);
    assert_maps(&maps, "a:1-2 b:10-30 c:30-40");
    perf_maps_clear(&maps);
}

static void a_report_of_what_is_known_adds_nothing(void **state)
{
    (void)state;
    struct perf_maps maps = {0};
    add(&maps, "a", 10, 20);
    maps.map[0].region = 5;
    add(&maps, "a", 10, 20);
    add(&maps, "a", 12, 14); /* mprotect of a part */
    assert_maps(&maps, "a:10-20");
    assert_int_equal(maps.map[0].region, 5);
    perf_maps_clear(&maps);
}

static void a_mapping_that_grew_adds_what_is_new(void **state)
{
    (void)state;
    struct perf_maps maps = {0};
    add(&maps, "[heap]", 10, 20);
    add(&maps, "[heap]", 10, 25);
    add(&maps, "[heap]", 5, 12);
    assert_maps(&maps, "[heap]:5-10 [heap]:10-20 [heap]:20-25");
    perf_maps_clear(&maps);
}

static void another_file_takes_the_place(void **state)
{
    (void)state;
    struct perf_maps maps = {0};
    add(&maps, "a", 10, 20);
    add(&maps, "b", 12, 14);
    assert_maps(&maps, "a:10-12 b:12-14 a:14-20");
    assert_int_equal(maps.map[2].offset_bytes, 4 * 4096);
    add(&maps, "c", 11, 15);
    assert_maps(&maps, "a:10-11 c:11-15 a:15-20");
    add(&maps, "d", 0, 100);
    assert_maps(&maps, "d:0-100");
    perf_maps_clear(&maps);
}

/* Against an array with a name for each page: the slow and simple model. */
static void random_reports_agree_with_a_page_by_page_model(void **state)
{
    (void)state;
    enum { PAGES = 64 };
    static const char *const names[] = {"a", "b", "c"};
    uint64_t random = 7;
    for (int round = 0; round < 500; round++) {
        struct perf_maps maps = {0};
        const char *model[PAGES] = {NULL};
        for (int step = 0; step < 40; step++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            uint64_t start = (random >> 33) % (PAGES - 1);
            uint64_t end = start + 1 + (random >> 43) % (PAGES - start);
            const char *name = names[(random >> 53) % 3];
            if (end > PAGES)
                end = PAGES;
            add(&maps, name, start, end);
            for (uint64_t page = start; page < end; page++)
                model[page] = name;
            uint64_t last_end = 0;
            const char *now[PAGES] = {NULL};
            for (size_t i = 0; i < maps.count; i++) {
                assert_true(maps.map[i].start >= last_end && maps.map[i].start < maps.map[i].end);
                last_end = maps.map[i].end;
                for (uint64_t page = maps.map[i].start / 4096; page < last_end / 4096; page++)
                    now[page] = maps.map[i].file;
            }
            for (int page = 0; page < PAGES; page++) {
                assert_true((now[page] == NULL) == (model[page] == NULL));
                if (now[page])
                    assert_string_equal(now[page], model[page]);
            }
        }
        perf_maps_clear(&maps);
    }
}

static void a_fork_has_the_same_mappings_without_regions(void **state)
{
    (void)state;
    struct perf_maps maps = {0}, copy = {0};
    add(&maps, "a", 10, 20);
    add(&maps, "b", 30, 40);
    maps.map[0].region = 3;
    assert_true(perf_maps_copy(&maps, &copy));
    assert_maps(&copy, "a:10-20 b:30-40");
    assert_int_equal(copy.map[0].region, PERF_NO_REGION);
    perf_maps_clear(&maps);
    perf_maps_clear(&copy);
}

static void this_process_can_be_read(void **state)
{
    (void)state;
    struct perf_maps maps = {0};
    size_t stacks = 0, here = 0;
    uint64_t on_stack = (uint64_t)(uintptr_t)&maps;
    assert_true(perf_maps_read(&maps, (uint32_t)getpid()));
    for (size_t i = 0; i < maps.count; i++) {
        stacks += strcmp(maps.map[i].file, "[stack]") == 0;
        here += maps.map[i].start <= on_stack && on_stack < maps.map[i].end;
    }
    assert_int_equal(stacks, 1);
    assert_int_equal(here, 1);
    perf_maps_clear(&maps);
    assert_false(perf_maps_read(&maps, UINT32_MAX));
}

static void mappings_have_the_names_that_users_know(void **state)
{
    (void)state;
    static const struct {
        const char *file, *kind, *name;
        bool has_file;
    } known[] = {
        {"/usr/lib/libc.so.6", "mapping", "libc.so.6", true},
        {"/memfd:private-0 (deleted)", "mapping", "private-0", true},
        {"/tmp/x (deleted)", "mapping", "x", true},
        {"/dev/zero (deleted)", "mapping", "[shared anonymous]", true},
        {"//anon", "mapping", "[anonymous]", false},
        {"[heap]", "heap", "[heap]", false},
        {"[stack]", "stack", "[stack]", false},
        {"[vdso]", "mapping", "[vdso]", false},
        {"anon_inode:[io_uring]", "mapping", "anon_inode:[io_uring]", false},
        {"/", "mapping", "", true},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct perf_map_name name = perf_map_name(known[i].file);
        assert_string_equal(name.kind, known[i].kind);
        assert_string_equal(name.name, known[i].name);
        assert_int_equal(name.file != NULL, known[i].has_file);
    }
    char path[600]; /* longer than a name may be */
    memset(path, 'x', sizeof path - 1);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    assert_int_equal(strlen(perf_map_name(path).name), sizeof((struct perf_map_name *)0)->name - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mappings_are_kept_in_order),
        cmocka_unit_test(a_report_of_what_is_known_adds_nothing),
        cmocka_unit_test(a_mapping_that_grew_adds_what_is_new),
        cmocka_unit_test(another_file_takes_the_place),
        cmocka_unit_test(random_reports_agree_with_a_page_by_page_model),
        cmocka_unit_test(a_fork_has_the_same_mappings_without_regions),
        cmocka_unit_test(this_process_can_be_read),
        cmocka_unit_test(mappings_have_the_names_that_users_know),
    };
    return cmocka_run_group_tests_name("perf maps", tests, NULL, NULL);
}
