/* Caches by hand: small traces whose outcome can be counted on fingers. That they do what they should
 * on any trace is for tests/property/prop_caches.c and tests/cli/caches-cachegrind.sh. */
#include "vmm-core/machine/caches/caches.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FETCH, LOAD, STORE };

struct bench {
    struct machine *machine;
    struct caches *caches;
    uint64_t ordinal;
    struct caches_outcome outcome;
    uint8_t level;
    uint32_t age;
};

/* `nodes` and `caches` as in the JSON of a machine. */
static void open_bench(struct bench *bench, const char *nodes, const char *caches)
{
    char text[2048];
    snprintf(text, sizeof text, "{\"nodes\": [%s], \"caches\": [%s]}", nodes, caches);
    *bench = (struct bench){.ordinal = 1};
    bench->outcome.level = &bench->level;
    bench->outcome.age = &bench->age;
    char *error = machine_parse("test", text, strlen(text), &bench->machine);
    if (error == NULL)
        error = caches_new(bench->machine, &bench->caches);
    if (error != NULL)
        fail_msg("%s", error);
}

static void close_bench(struct bench *bench)
{
    assert_null(caches_check(bench->caches));
    caches_free(bench->caches);
    machine_free(bench->machine);
    free(bench->outcome.writeback);
}

/* The level that serves it. */
static uint32_t refer(struct bench *bench, uint32_t cpu, uint8_t what, uint64_t address,
                      uint64_t bytes)
{
    const struct caches_input input = {.cpu = cpu,
                                       .references = 1,
                                       .first = bench->ordinal++,
                                       .virtual_address = &address,
                                       .physical_address = &address,
                                       .what = &what,
                                       .bytes = &bytes};
    bench->outcome.writebacks = 0;
    assert_null(caches_references(bench->caches, &input, &bench->outcome, 0));
    return bench->level;
}

#define TWO_CPUS  "{\"cpus\": [0, 1]}"
#define TWO_NODES "{\"cpus\": [0]}, {\"cpus\": [1]}"
#define L1(size, ways)                                                                             \
    "{\"level\": 1, \"kind\": \"data\", \"size\": " #size ", \"ways\": " #ways ", \"line\": 64}"
#define L2(rest)                                                                                   \
    "{\"level\": 2, \"kind\": \"unified\", \"size\": 512, \"ways\": 8, \"line\": 64" rest "}"

static void misses_are_cold_then_capacity(void **unused)
{
    (void)unused;
    struct bench bench;
    open_bench(&bench, TWO_CPUS, L1(128, 2));
    assert_int_equal(refer(&bench, 0, LOAD, 0, 4), CACHES_MEMORY);
    assert_int_equal(refer(&bench, 0, LOAD, 60, 4), 1);
    assert_int_equal(bench.age, 1);
    refer(&bench, 0, LOAD, 64, 4);
    refer(&bench, 0, LOAD, 128, 4); /* line 0 makes room */
    assert_int_equal(refer(&bench, 0, LOAD, 0, 4), CACHES_MEMORY);
    struct caches_counters counters = caches_counted(bench.caches, 0);
    assert_int_equal(counters.accesses, 5);
    assert_int_equal(counters.cold, 3);
    assert_int_equal(counters.capacity, 1);
    assert_int_equal(counters.coherence, 0);
    close_bench(&bench);
}

static void sharing_is_true_or_false_by_the_word(void **unused)
{
    (void)unused;
    struct bench bench;
    open_bench(&bench, TWO_NODES, L1(128, 2));
    for (uint64_t word = 0; word < 2; word++) {
        refer(&bench, 0, LOAD, 4 * word, 4);
        refer(&bench, 1, LOAD, 0, 4);
        assert_int_equal(refer(&bench, 1, STORE, 0, 4), CACHES_MEMORY); /* an upgrade */
        refer(&bench, 0, LOAD, 4 * word, 4);
        assert_int_equal(bench.outcome.writebacks, 1);
        assert_int_equal(bench.outcome.writeback[0].cpu, 1);
    }
    struct caches_counters counters = caches_counted_cpu(bench.caches, 0, 0);
    assert_int_equal(counters.coherence, 2);
    assert_int_equal(counters.false_sharing, 1);
    assert_int_equal(caches_counted_cpu(bench.caches, 0, 1).upgrades, 2);
    close_bench(&bench);
}

static void a_line_that_only_one_cpu_has_is_stored_to_freely(void **unused)
{
    (void)unused;
    struct bench bench;
    open_bench(&bench, TWO_NODES, L1(128, 2));
    refer(&bench, 0, LOAD, 0, 4);
    assert_int_equal(refer(&bench, 0, STORE, 0, 4), 1);
    assert_int_equal(caches_counted(bench.caches, 0).upgrades, 0);
    close_bench(&bench);
}

static void a_cache_that_both_use_serves_what_one_modified(void **unused)
{
    (void)unused;
    struct bench bench;
    open_bench(&bench, TWO_CPUS, L1(128, 2) ", " L2(", \"cpus\": \"node\""));
    refer(&bench, 0, STORE, 0, 4);
    assert_int_equal(refer(&bench, 1, LOAD, 0, 4), 2);
    assert_int_equal(bench.age, 1);
    assert_int_equal(bench.outcome.writebacks, 0);
    assert_int_equal(refer(&bench, 0, STORE, 0, 4), 2); /* it is taken back there */
    close_bench(&bench);
}

static void what_includes_takes_along_and_what_excludes_takes_over(void **unused)
{
    (void)unused;
    struct bench bench;
    open_bench(&bench, TWO_CPUS, L1(1024, 16) ", " L2(", \"inclusion\": \"inclusive\""));
    for (uint64_t line = 0; line < 9; line++)
        refer(&bench, 0, LOAD, 64 * line, 4);
    assert_int_equal(refer(&bench, 0, LOAD, 0, 4), CACHES_MEMORY);
    close_bench(&bench);
    open_bench(&bench, TWO_CPUS,
               L1(128, 2) ", {\"level\": 2, \"kind\": \"data\", \"size\": 512, \"ways\": 8, "
                          "\"line\": 64, \"inclusion\": \"exclusive\"}");
    for (uint64_t line = 0; line < 10; line++)
        refer(&bench, 0, LOAD, 64 * line, 4);
    for (uint64_t line = 0; line < 8; line++) /* ten lines in two and eight */
        assert_int_equal(refer(&bench, 0, LOAD, 64 * line, 4), 2);
    close_bench(&bench);
}

static void a_straddling_reference_is_one_access_and_one_miss(void **unused)
{
    (void)unused;
    struct bench bench;
    open_bench(&bench, TWO_CPUS, L1(256, 2));
    refer(&bench, 0, LOAD, 0, 4);
    assert_int_equal(refer(&bench, 0, LOAD, 60, 8), CACHES_MEMORY);
    assert_int_equal(refer(&bench, 0, LOAD, 60, 8), 1);
    assert_int_equal(caches_counted(bench.caches, 0).accesses, 3);
    assert_int_equal(caches_counted(bench.caches, 0).misses, 2);
    close_bench(&bench);
}

static void a_freed_page_is_in_no_cache_and_not_written_back(void **unused)
{
    (void)unused;
    struct bench bench;
    open_bench(&bench, TWO_CPUS, L1(256, 2));
    refer(&bench, 0, STORE, 4096, 4);
    caches_forget_page(bench.caches, 1);
    assert_int_equal(refer(&bench, 0, LOAD, 4096, 4), CACHES_MEMORY);
    assert_int_equal(caches_counted(bench.caches, 0).writebacks, 0);
    close_bench(&bench);
}

static void every_preset_has_caches_that_work(void **unused)
{
    (void)unused;
    for (size_t i = 0; machine_preset_name(i) != NULL; i++) {
        struct bench bench = {.ordinal = 1};
        bench.outcome.level = &bench.level;
        bench.outcome.age = &bench.age;
        assert_null(machine_load(machine_preset_name(i), &bench.machine));
        assert_true(bench.machine->caches >= 3);
        assert_null(caches_new(bench.machine, &bench.caches));
        for (uint64_t address = 0; address < 100000; address += 40)
            refer(&bench, (uint32_t)(address / 4000 % bench.machine->cpus),
                  (uint8_t)(address / 40 % 3), address % 30000, 8);
        close_bench(&bench);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(misses_are_cold_then_capacity),
        cmocka_unit_test(sharing_is_true_or_false_by_the_word),
        cmocka_unit_test(a_line_that_only_one_cpu_has_is_stored_to_freely),
        cmocka_unit_test(a_cache_that_both_use_serves_what_one_modified),
        cmocka_unit_test(what_includes_takes_along_and_what_excludes_takes_over),
        cmocka_unit_test(a_straddling_reference_is_one_access_and_one_miss),
        cmocka_unit_test(a_freed_page_is_in_no_cache_and_not_written_back),
        cmocka_unit_test(every_preset_has_caches_that_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
