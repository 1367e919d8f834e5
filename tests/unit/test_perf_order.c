/* Records of several rings come out in one order of time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/sources/perf/perf-order.h"

struct seen {
    uint64_t time_ns[64];
    uint32_t tid[64];
    size_t count, refuse_at;
    char name[64];
};

static char *note(void *state, const struct perf_record *record)
{
    struct seen *seen = state;
    if (seen->refuse_at && seen->count + 1 == seen->refuse_at)
        return strdup("refused");
    seen->time_ns[seen->count] = record->time_ns;
    seen->tid[seen->count++] = record->tid;
    if (record->name)
        strncpy(seen->name, record->name, sizeof seen->name - 1);
    return NULL;
}

static void put(struct perf_order *order, uint64_t time_ns, uint32_t tid)
{
    struct perf_record record = {.time_ns = time_ns, .tid = tid};
    assert_true(perf_order_add(order, &record));
}

static void records_of_two_rings_are_merged_by_time(void **state)
{
    (void)state;
    static const uint64_t expected[] = {1, 2, 3, 5, 8, 9};
    struct seen seen = {.count = 0};
    struct perf_order *order = perf_order_new();
    put(order, 2, 0); /* one ring */
    put(order, 5, 0);
    put(order, 9, 0);
    put(order, 1, 1); /* the other */
    put(order, 3, 1);
    put(order, 8, 1);
    assert_null(perf_order_until(order, UINT64_MAX, note, &seen));
    assert_int_equal(seen.count, 6);
    assert_memory_equal(seen.time_ns, expected, sizeof expected);
    assert_int_equal(perf_order_late(order), 0);
    perf_order_free(order);
}

static void what_is_newer_than_the_limit_waits(void **state)
{
    (void)state;
    static const uint64_t expected[] = {10, 15, 20, 30};
    struct seen seen = {.count = 0};
    struct perf_order *order = perf_order_new();
    put(order, 10, 0);
    put(order, 20, 0);
    assert_null(perf_order_until(order, 10, note, &seen));
    assert_int_equal(seen.count, 1);
    put(order, 30, 0);
    put(order, 15, 1); /* of a ring that was read before it was written */
    assert_null(perf_order_until(order, 30, note, &seen));
    assert_int_equal(seen.count, 4);
    assert_memory_equal(seen.time_ns, expected, sizeof expected);
    perf_order_free(order);
}

static void records_of_one_time_keep_their_order(void **state)
{
    (void)state;
    struct seen seen = {.count = 0};
    struct perf_order *order = perf_order_new();
    for (uint32_t i = 0; i < 50; i++)
        put(order, 7, i);
    assert_null(perf_order_until(order, 7, note, &seen));
    for (uint32_t i = 0; i < 50; i++)
        assert_int_equal(seen.tid[i], i);
    perf_order_free(order);
}

static void one_that_comes_too_late_is_counted(void **state)
{
    (void)state;
    struct seen seen = {.count = 0};
    struct perf_order *order = perf_order_new();
    put(order, 10, 0);
    assert_null(perf_order_until(order, 10, note, &seen));
    put(order, 4, 0);
    assert_null(perf_order_until(order, 10, note, &seen));
    assert_int_equal(seen.count, 2);
    assert_int_equal(perf_order_late(order), 1);
    perf_order_free(order);
}

static void names_are_copied(void **state)
{
    (void)state;
    struct seen seen = {.count = 0};
    struct perf_order *order = perf_order_new();
    char name[] = "sort";
    struct perf_record record = {.time_ns = 1, .name = name};
    assert_true(perf_order_add(order, &record));
    memset(name, 'x', sizeof name - 1);
    assert_null(perf_order_until(order, 1, note, &seen));
    assert_string_equal(seen.name, "sort");
    assert_true(perf_order_add(order, &record)); /* one left behind is freed with the rest */
    perf_order_free(order);
}

static void an_error_stops_and_loses_nothing_after_it(void **state)
{
    (void)state;
    struct seen seen = {.refuse_at = 2};
    struct perf_order *order = perf_order_new();
    for (uint64_t i = 1; i <= 4; i++)
        put(order, i, 0);
    char *error = perf_order_until(order, UINT64_MAX, note, &seen);
    assert_string_equal(error, "refused");
    free(error);
    seen.refuse_at = 0;
    assert_null(perf_order_until(order, UINT64_MAX, note, &seen));
    assert_int_equal(seen.count, 3); /* 1, then 3 and 4 */
    assert_int_equal(seen.time_ns[2], 4);
    perf_order_free(order);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_of_two_rings_are_merged_by_time),
        cmocka_unit_test(what_is_newer_than_the_limit_waits),
        cmocka_unit_test(records_of_one_time_keep_their_order),
        cmocka_unit_test(one_that_comes_too_late_is_counted),
        cmocka_unit_test(names_are_copied),
        cmocka_unit_test(an_error_stops_and_loses_nothing_after_it),
    };
    return cmocka_run_group_tests_name("perf order", tests, NULL, NULL);
}
