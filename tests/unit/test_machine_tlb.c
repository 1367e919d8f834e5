/* TLBs of several levels and page walks as JSON: what is read, filled in and printed, and what is
 * refused with its path. */
#include "vmm-core/machine/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A machine whose "tlb" is `tlb`. */
static char *parse(const char *tlb, struct machine **machine)
{
    char text[1024];
    snprintf(text, sizeof text, "{\"nodes\": [{\"cpus\": [0]}], \"tlb\": %s}", tlb);
    return machine_parse("m.json", text, strlen(text), machine);
}

static struct machine *read_tlb(const char *tlb)
{
    struct machine *machine = NULL;
    char *error = parse(tlb, &machine);
    if (error != NULL)
        fail_msg("%s", error);
    return machine;
}

static void refuses(const char *tlb, const char *message)
{
    struct machine *machine = NULL;
    char *error = parse(tlb, &machine);
    if (error == NULL) {
        fail_msg("read: %s", tlb);
        return;
    }
    if (strstr(error, message) == NULL || strchr(error, '\n') != NULL)
        fail_msg("'%s' is not in: %s", message, error);
    assert_null(machine);
    free(error);
}

#define FIRST "{\"level\": 1, \"pages\": [\"4K\"], \"entries\": 64, \"ways\": 4}"

static void arrays_are_read_by_level_and_page_size(void **unused)
{
    (void)unused;
    struct machine *machine = read_tlb(
        "{\"levels\": [" FIRST ", {\"level\": 1, \"pages\": [\"2M\", \"1G\"], \"entries\":"
        " 32}, {\"level\": 2, \"pages\": [\"4K\", \"2M\"], \"entries\": 2048, \"ways\": 16,"
        " \"latency_ns\": 3}]}");
    const struct machine_tlb *tlb = &machine->tlb;
    assert_int_equal(tlb->arrays, 3);
    assert_int_equal(tlb->array[0].pages, 1u << MACHINE_PAGE_4K);
    assert_int_equal(tlb->array[0].ways, 4);
    assert_int_equal(tlb->array[1].pages, 1u << MACHINE_PAGE_2M | 1u << MACHINE_PAGE_1G);
    assert_int_equal(tlb->array[1].ways, 32); /* not said: full */
    assert_int_equal(tlb->array[2].level, 2);
    assert_int_equal(tlb->array[2].latency_ns, 3);
    assert_int_equal(tlb->entries, 64);
    assert_int_equal(tlb->ways, 4);
    assert_int_equal(tlb->pages_per_entry, 1);
    assert_int_equal(tlb->walk.levels, 0);
    machine_free(machine);
}

static void a_tlb_of_one_level_is_read_as_before(void **unused)
{
    (void)unused;
    struct machine *machine = read_tlb("{\"entries\": 128, \"ways\": 4}");
    assert_int_equal(machine->tlb.arrays, 0);
    assert_int_equal(machine->tlb.entries, 128);
    assert_int_equal(machine->tlb.walk.levels, 0);
    machine_free(machine);
}

static void a_walk_has_levels_caches_and_lines(void **unused)
{
    (void)unused;
    struct machine *machine =
        read_tlb("{\"walk\": {\"levels\": 5, \"cache\": [{\"level\": 2, \"entries\": 32, \"ways\": "
                 "4}, {\"level\": 5, \"entries\": 2}], \"lines\": {\"entries\": 512, \"ways\": 8, "
                 "\"latency_ns\": 5}}}");
    const struct machine_walk *walk = &machine->tlb.walk;
    assert_int_equal(walk->levels, 5);
    assert_int_equal(walk->caches, 2);
    assert_int_equal(walk->cache[0].ways, 4);
    assert_int_equal(walk->cache[1].level, 5);
    assert_int_equal(walk->cache[1].ways, 2);
    assert_int_equal(walk->line_entries, 512);
    assert_int_equal(walk->line_ways, 8);
    assert_int_equal(walk->line_ns, 5);
    assert_int_equal(machine->tlb.entries, 1536); /* the TLB itself is the default one */
    machine_free(machine);
}

static void what_does_not_hold_together_is_refused(void **unused)
{
    (void)unused;
    refuses("{\"levels\": [], \"refill\": \"hardware\"}", "$.tlb.levels: 0 arrays");
    refuses("{\"levels\": 3}", "$.tlb.levels: an integer, where a list");
    refuses("{\"levels\": [3]}", "$.tlb.levels[0]: an integer, where an object");
    refuses("{\"entries\": 64, \"levels\": [" FIRST "]}",
            "$.tlb.entries: $.tlb.levels says it already");
    refuses("{\"refill\": \"software\", \"levels\": [" FIRST "]}", "only a TLB that hardware");
    refuses("{\"levels\": [{\"level\": 1, \"entries\": 64}]}", "$.tlb.levels[0].pages: missing");
    refuses("{\"levels\": [{\"level\": 1, \"pages\": [], \"entries\": 64}]}", "no size of pages");
    refuses("{\"levels\": [{\"level\": 1, \"pages\": [\"8K\"], \"entries\": 64}]}",
            "$.tlb.levels[0].pages[0]: '8K' is none of 4K, 2M, 1G");
    refuses("{\"levels\": [{\"level\": 1, \"pages\": [\"4K\"], \"entries\": 64, \"ways\": 12}]}",
            "$.tlb.levels[0]: 64 entries in sets of 12");
    refuses(
        "{\"levels\": [{\"level\": 1, \"pages\": [\"4K\"], \"entries\": 64, \"latency_ns\": 1}]}",
        "$.tlb.levels[0]: latency_ns on the first level");
    refuses("{\"levels\": [{\"level\": 1, \"pages\": [\"2M\"], \"entries\": 64}]}",
            "no array of level 1 holds pages of 4K");
    refuses("{\"levels\": [" FIRST "," FIRST "]}", "$.tlb.levels[1]: level 1 holds pages");
    refuses("{\"levels\": [{\"level\": 2, \"pages\": [\"4K\"], \"entries\": 64}, " FIRST "]}",
            "$.tlb.levels[1]: level 1 after level 2");
    refuses("{\"levels\": [{\"level\": 3, \"pages\": [\"4K\"], \"entries\": 64}]}",
            "$.tlb.levels[0].level: 3 is not within 1 to 2");
    refuses("{\"walk\": {}}", "$.tlb.walk.levels: missing");
    refuses("{\"walk\": {\"levels\": 3}}", "$.tlb.walk.levels: 3 is not within 4 to 5");
    refuses("{\"walk\": {\"levels\": 4, \"cache\": [{\"level\": 5, \"entries\": 2}]}}",
            "$.tlb.walk.cache[0]: level 5 of 4");
    refuses("{\"walk\": {\"levels\": 4, \"cache\": [{\"level\": 3, \"entries\": 2}, "
            "{\"level\": 2, \"entries\": 2}]}}",
            "$.tlb.walk.cache[1]: level 2 after level 3");
    refuses("{\"walk\": {\"levels\": 4, \"cache\": [{\"level\": 3, \"entries\": 6, \"ways\": 4}]}}",
            "$.tlb.walk.cache[0]: 6 entries in sets of 4");
    refuses("{\"walk\": {\"levels\": 4, \"lines\": {\"entries\": 6, \"ways\": 4}}}",
            "$.tlb.walk.lines: 6 entries in sets of 4");
    refuses("{\"walk\": {\"levels\": 4, \"speed\": 1}}", "$.tlb.walk.speed: unknown key");
    refuses("{\"refill\": \"software\", \"walk\": {\"levels\": 4}}", "$.tlb.walk: no walk where");
}

static void levels_and_walks_are_for_pages_of_4k(void **unused)
{
    (void)unused;
    static const char *const texts[] = {
        "{\"page_size\": \"8K\", \"nodes\": [{\"cpus\": [0]}], \"tlb\": {\"levels\": [" FIRST "]}}",
        "{\"page_size\": \"8K\", \"nodes\": [{\"cpus\": [0]}], \"tlb\": {\"walk\": {\"levels\": "
        "4}}}"};
    for (size_t i = 0; i < 2; i++) {
        struct machine *machine = NULL;
        char *error = machine_parse("m.json", texts[i], strlen(texts[i]), &machine);
        assert_non_null(error);
        assert_non_null(strstr(error, "pages of 8192 bytes"));
        free(error);
    }
}

static void servers_have_two_levels_and_walk_four_and_mips_has_neither(void **unused)
{
    (void)unused;
    static const char *const names[] = {"2-socket", "epyc-nps4-2s", "cxl-tier", "flash-8"};
    for (size_t i = 0; i < 4; i++) {
        struct machine *machine = NULL;
        assert_null(machine_load(names[i], &machine));
        const struct machine_tlb *tlb = &machine->tlb;
        const bool server = i < 3;
        assert_int_equal(tlb->arrays > 0, server);
        assert_int_equal(tlb->walk.levels, server ? 4 : 0);
        if (server) {
            assert_int_equal(tlb->array[0].level, 1);
            assert_int_equal(tlb->array[tlb->arrays - 1].level, 2);
            assert_int_equal(tlb->entries, 64);
        }
        machine_free(machine);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_are_read_by_level_and_page_size),
        cmocka_unit_test(a_tlb_of_one_level_is_read_as_before),
        cmocka_unit_test(a_walk_has_levels_caches_and_lines),
        cmocka_unit_test(what_does_not_hold_together_is_refused),
        cmocka_unit_test(levels_and_walks_are_for_pages_of_4k),
        cmocka_unit_test(servers_have_two_levels_and_walk_four_and_mips_has_neither),
    };
    return cmocka_run_group_tests_name("TLBs of machines", tests, NULL, NULL);
}
