/* Random machines: what is printed reads back to an equal machine, and damaged text never does
 * harm. DISCO_SEED repeats a run. */
#include "tests/property/random_caches.h"
#include "vmm-core/machine/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static uint64_t first_seed(void)
{
    const char *text = getenv("DISCO_SEED");
    return text != NULL ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);
}

static uint64_t next(uint64_t *state) /* splitmix64 */
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint32_t below(uint64_t *state, uint32_t bound)
{
    return (uint32_t)((next(state) >> 32) * bound >> 32);
}

/* Small more often than large. */
static uint64_t up_to(uint64_t *state, uint64_t most)
{
    uint64_t value = next(state) >> below(state, 64);
    return value % (most + 1);
}

static void random_text(uint64_t *state, char *text, size_t bytes)
{
    static const char *const pieces[] = {"a",  "Z", " ",        "\"",
                                         "\\", "/", "\xc3\xa9", "\xe2\x82\xac",
                                         "\n", "{", "0"};
    size_t used = 0;
    for (uint32_t count = below(state, (uint32_t)bytes / 4); count > 0; count--) {
        const char *piece = pieces[below(state, sizeof pieces / sizeof pieces[0])];
        memcpy(text + used, piece, strlen(piece));
        used += strlen(piece);
    }
    text[used] = '\0';
}

static void *room(size_t count, size_t bytes)
{
    void *items = calloc(count + 1, bytes);
    if (items == NULL)
        abort();
    return items;
}

static void random_nodes(uint64_t *state, struct machine *machine)
{
    uint32_t nodes = machine->nodes, os_id = 0;
    machine->node = room(nodes, sizeof machine->node[0]);
    machine->latency_ns = room((size_t)nodes * nodes, sizeof machine->latency_ns[0]);
    machine->cpu_node = room(machine->cpus, sizeof machine->cpu_node[0]);
    machine->cpu_os_id = room(machine->cpus, sizeof machine->cpu_os_id[0]);
    for (uint32_t i = 0; i < nodes; i++) {
        os_id += i == 0 ? below(state, 2) : 1 + below(state, 3) * below(state, 40);
        machine->node[i].os_id = os_id;
        machine->node[i].memory_bytes =
            below(state, 5) == 0 ? 0 : machine->page_bytes + up_to(state, UINT64_C(1) << 49);
        machine->node[i].service_ps = (uint32_t)up_to(state, 1000000000);
    }
    machine->node[below(state, nodes)].memory_bytes = UINT64_C(1) << 40;
    os_id = below(state, 3);
    for (uint32_t i = 0; i < machine->cpus; i++) {
        machine->cpu_node[i] = below(state, nodes);
        machine->node[machine->cpu_node[i]].cpus++;
        machine->cpu_os_id[i] = os_id;
        os_id += 1 + (below(state, 4) == 0 ? below(state, 100) : 0);
    }
    for (uint32_t i = 0; i < nodes * nodes; i++)
        machine->latency_ns[i] = 1 + (uint32_t)up_to(state, 999999);
}

/* Sizes of pages go to arrays so that no two of a level hold the same; 4 KiB pages come first. */
static void random_levels(uint64_t *state, struct machine_tlb *tlb)
{
    for (uint32_t level = 1; level <= 1 + below(state, 2); level++) {
        uint32_t left = level == 1 ? 7 : below(state, 8);
        while (left != 0 && tlb->arrays < MACHINE_TLB_ARRAYS_MAX) {
            const uint32_t pages = (left & (1 + below(state, 7))) | (left & -left);
            const uint32_t ways = 1 + below(state, 16);
            left &= ~pages;
            tlb->array[tlb->arrays++] =
                (struct machine_tlb_array){.level = level,
                                           .pages = pages,
                                           .entries = ways << below(state, 8),
                                           .ways = ways,
                                           .latency_ns = level == 1 ? 0 : below(state, 100)};
        }
    }
    tlb->entries = tlb->array[0].entries;
    tlb->ways = tlb->array[0].ways;
    tlb->pages_per_entry = 1;
}

static void random_walk(uint64_t *state, struct machine_walk *walk)
{
    walk->levels = 4 + below(state, 2);
    for (uint32_t level = 2; level <= walk->levels; level++)
        if (below(state, 2) == 0) {
            const uint32_t ways = 1 + below(state, 16);
            walk->cache[walk->caches++] =
                (struct machine_walk_cache){.level = level,
                                            .entries = ways << below(state, 6),
                                            .ways = ways};
        }
    walk->line_ways = 1 + below(state, 16);
    walk->line_entries = below(state, 2) == 0 ? 0 : walk->line_ways << below(state, 6);
    walk->line_ns = below(state, 100);
}

static void random_curves(uint64_t *state, struct machine *machine)
{
    machine->curve = room((size_t)machine->nodes * MACHINE_CURVE_MAX, sizeof machine->curve[0]);
    for (uint32_t node = 0; node < machine->nodes; node++) {
        struct machine_node *const it = &machine->node[node];
        it->curve = machine->curve_points;
        it->curve_points = below(state, 3) == 0 ? below(state, MACHINE_CURVE_MAX + 1) : 0;
        for (uint32_t i = 0, mb_per_s = 0; i < it->curve_points; i++)
            machine->curve[machine->curve_points++] =
                (struct machine_curve_point){.mb_per_s = mb_per_s +=
                                             1 + (uint32_t)up_to(state, 999999),
                                             .latency_ps = (uint32_t)up_to(state, 1000000000)};
    }
}

static struct machine *random_machine(uint64_t *state)
{
    struct machine *machine = room(0, sizeof *machine);
    random_text(state, machine->name, sizeof machine->name);
    random_text(state, machine->source, sizeof machine->source);
    machine->cpu_mhz = 1 + below(state, 10000);
    machine->page_bytes = below(state, 2) == 0 ? 4096 : 512u << below(state, 12);
    machine->nodes = 1 + below(state, below(state, 2) == 0 ? 4 : MACHINE_NODES_MAX);
    machine->cpus = 1 + below(state, below(state, 8) == 0 ? MACHINE_CPUS_MAX : 40);
    random_nodes(state, machine);
    random_curves(state, machine);
    machine->links = below(state, 6);
    machine->link = room(machine->links, sizeof machine->link[0]);
    for (uint32_t i = 0; i < machine->links; i++)
        machine->link[i] = (struct machine_link){.from = below(state, machine->nodes),
                                                 .to = below(state, machine->nodes),
                                                 .mb_per_s = 1 + (uint32_t)up_to(state, 999999999)};
    if (below(state, 4) != 0)
        random_caches(state, machine);
    machine->tlb.ways = 1 + below(state, 16);
    machine->tlb.entries = machine->tlb.ways << below(state, 8);
    machine->tlb.pages_per_entry = 1 + below(state, 2);
    machine->tlb.refill = below(state, 2) == 0 ? TLB_REFILL_SOFTWARE : TLB_REFILL_HARDWARE;
    machine->tlb.replacement = below(state, 2) == 0 ? TLB_REPLACE_RANDOM : TLB_REPLACE_LRU;
    machine->tlb.tagged = below(state, 2) == 0;
    if (machine->tlb.refill == TLB_REFILL_HARDWARE && machine->page_bytes == 4096) {
        if (below(state, 2) == 0)
            random_levels(state, &machine->tlb);
        if (below(state, 2) == 0)
            random_walk(state, &machine->tlb.walk);
    }
    machine->l2tlb.entries = below(state, 2) == 0 ? 0 : 1u << below(state, 20);
    machine->l2tlb.ways =
        machine->l2tlb.entries == 0
            ? 1
            : 1u << below(state, (uint32_t)__builtin_ctz(machine->l2tlb.entries) + 1);
#define RANDOM_COST(cost, meaning) machine->costs.cost = up_to(state, 10000000000);
    MACHINE_COSTS(RANDOM_COST)
#undef RANDOM_COST
    return machine;
}

static void same_number(uint64_t seed, const char *what, uint64_t left, uint64_t right)
{
    if (left != right)
        fail_msg("DISCO_SEED=%llu: %s: %llu, then %llu", (unsigned long long)seed, what,
                 (unsigned long long)left, (unsigned long long)right);
}

static void same_bytes(uint64_t seed, const char *what, const void *left, const void *right,
                       size_t bytes)
{
    if (memcmp(left, right, bytes) != 0)
        fail_msg("DISCO_SEED=%llu: %s differ", (unsigned long long)seed, what);
}

static void same_machine(uint64_t seed, const struct machine *left, const struct machine *right)
{
#define SAME(field) same_number(seed, #field, left->field, right->field)
    if (strcmp(left->name, right->name) != 0 || strcmp(left->source, right->source) != 0)
        fail_msg("DISCO_SEED=%llu: '%s' '%s', then '%s' '%s'", (unsigned long long)seed, left->name,
                 left->source, right->name, right->source);
    SAME(cpu_mhz);
    SAME(page_bytes);
    SAME(nodes);
    SAME(cpus);
    SAME(links);
    SAME(caches);
    for (uint32_t i = 0; i < left->nodes; i++) {
        SAME(node[i].os_id);
        SAME(node[i].memory_bytes);
        SAME(node[i].service_ps);
        SAME(node[i].curve_points);
        SAME(node[i].cpus);
    }
    uint32_t left_order[MACHINE_CPUS_MAX], right_order[MACHINE_CPUS_MAX];
    machine_cpu_order(left, left_order);
    machine_cpu_order(right, right_order);
    same_bytes(seed, "orders of CPUs", left_order, right_order, left->cpus * sizeof left_order[0]);
    size_t cells = (size_t)left->nodes * left->nodes;
    same_bytes(seed, "latencies", left->latency_ns, right->latency_ns,
               cells * sizeof left->latency_ns[0]);
    same_bytes(seed, "nodes of CPUs", left->cpu_node, right->cpu_node,
               left->cpus * sizeof left->cpu_node[0]);
    same_bytes(seed, "CPU numbers", left->cpu_os_id, right->cpu_os_id,
               left->cpus * sizeof left->cpu_os_id[0]);
    SAME(curve_points);
    for (uint32_t i = 0; i < left->curve_points; i++) {
        SAME(curve[i].mb_per_s);
        SAME(curve[i].latency_ps);
    }
    for (uint32_t i = 0; i < left->links; i++) {
        SAME(link[i].from);
        SAME(link[i].to);
        SAME(link[i].mb_per_s);
    }
    for (uint32_t i = 0; i < left->caches; i++) {
        SAME(cache[i].level);
        SAME(cache[i].size_bytes);
        SAME(cache[i].ways);
        SAME(cache[i].line_bytes);
        SAME(cache[i].cpus);
        SAME(cache[i].index);
        SAME(cache[i].replacement);
        SAME(cache[i].inclusion);
        SAME(cache[i].latency_ns);
        same_bytes(seed, "kinds of caches", left->cache[i].kind, right->cache[i].kind,
                   sizeof left->cache[i].kind);
    }
    SAME(tlb.arrays);
    same_bytes(seed, "TLB arrays", left->tlb.array, right->tlb.array, sizeof left->tlb.array);
    same_bytes(seed, "page walks", &left->tlb.walk, &right->tlb.walk, sizeof left->tlb.walk);
    SAME(tlb.entries);
    SAME(tlb.ways);
    SAME(tlb.pages_per_entry);
    SAME(tlb.refill);
    SAME(tlb.replacement);
    SAME(tlb.tagged);
    SAME(l2tlb.entries);
    SAME(l2tlb.ways);
#define SAME_COST(cost, meaning) SAME(costs.cost);
    MACHINE_COSTS(SAME_COST)
#undef SAME_COST
#undef SAME
}

static void a_printed_machine_reads_back_equal(void **unused)
{
    (void)unused;
    uint64_t first = first_seed();
    for (uint64_t seed = first; seed < first + 300; seed++) {
        uint64_t state = seed;
        struct machine *machine = random_machine(&state), *again = NULL;
        char *text = machine_to_json(machine);
        assert_non_null(text);
        char *error = machine_parse("printed", text, strlen(text), &again);
        if (error != NULL)
            fail_msg("DISCO_SEED=%llu: %s\n%s", (unsigned long long)seed, error, text);
        same_machine(seed, machine, again);
        char *twice = machine_to_json(again);
        assert_string_equal(text, twice);
        free(text);
        free(twice);
        machine_free(machine);
        machine_free(again);
    }
}

static void every_preset_reads_back_equal(void **unused)
{
    (void)unused;
    for (size_t i = 0; machine_preset_name(i) != NULL; i++) {
        struct machine *machine = NULL, *again = NULL;
        assert_null(machine_load(machine_preset_name(i), &machine));
        char *text = machine_to_json(machine);
        assert_non_null(text);
        char *error = machine_parse("printed", text, strlen(text), &again);
        if (error != NULL)
            fail_msg("%s: %s", machine->name, error);
        same_machine(i, machine, again);
        free(text);
        machine_free(machine);
        machine_free(again);
    }
}

static void damaged_text_is_a_machine_or_one_line(void **unused)
{
    (void)unused;
    uint64_t first = first_seed(), refused = 0;
    for (uint64_t seed = first; seed < first + 20; seed++) {
        uint64_t state = seed;
        struct machine *machine = random_machine(&state);
        char *text = machine_to_json(machine);
        assert_non_null(text);
        size_t length = strlen(text);
        machine_free(machine);
        for (unsigned i = 0; i < 50; i++) {
            size_t at = below(&state, (uint32_t)length);
            char kept = text[at];
            text[at] = (char)next(&state);
            char *error =
                machine_parse("damaged", text, below(&state, 4) == 0 ? at : length, &machine);
            if ((error == NULL) == (machine == NULL) ||
                (error != NULL && strchr(error, '\n') != NULL))
                fail_msg("DISCO_SEED=%llu: %s", (unsigned long long)seed,
                         error != NULL ? error : "no error");
            refused += error != NULL;
            free(error);
            machine_free(machine);
            text[at] = kept;
        }
        free(text);
    }
    assert_true(refused > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_printed_machine_reads_back_equal),
        cmocka_unit_test(every_preset_reads_back_equal),
        cmocka_unit_test(damaged_text_is_a_machine_or_one_line),
    };
    return cmocka_run_group_tests_name("random machines", tests, NULL, NULL);
}
