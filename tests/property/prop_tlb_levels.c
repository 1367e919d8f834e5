/* Random machines and random traces: the memory subsystem and the plain model of tlb_model.h agree in
 * every miss, walk, hit, read, table and shootdown, after each step, with huge pages that come, move,
 * are split, merged and unmapped. DISCO_SEED=N begins with seed N. */
#include "tests/property/tlb_model.h"
#include "vmm-core/memory/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SEEDS 100u
#define STEPS 1200u

static uint64_t draw(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static uint32_t below(uint64_t *state, uint32_t limit)
{
    return (uint32_t)((draw(state) >> 11) % limit);
}

struct run {
    uint64_t seed, state;
    struct machine machine;
    struct machine_node node[MODEL_NODES];
    uint32_t cpu_node[MODEL_CPUS], os_id[MODEL_CPUS], latency[MODEL_NODES * MODEL_NODES];
    struct guest_range range[MODEL_SPACES * MODEL_BLOCKS];
    struct memory *memory;
    struct model model;
    const char *step;
    uint32_t steps;
};

static uint32_t place_here(void *state, struct policy_host *host, const struct policy_event *event)
{
    (void)state;
    (void)host;
    return event->node;
}

static const struct policy nearby = {.abi = DISCO_POLICY_ABI,
                                     .name = "nearby",
                                     .place = place_here};

/* ---- random machines --------------------------------------------------------------------------- */

static void size_list(struct model_list *list, uint32_t entries, uint32_t ways)
{
    list->sets = entries / ways;
    list->ways = ways;
}

/* Up to two levels; sizes are apart or share an array; 4 KiB comes first on the first. */
static void random_tlb(struct run *run, struct machine_tlb *tlb)
{
    for (uint32_t level = 1; level <= 1 + below(&run->state, 2); level++) {
        uint32_t left = level == 1 ? 1 + 2 * below(&run->state, 2) : below(&run->state, 4);
        while (left != 0) {
            const uint32_t pages = below(&run->state, 2) == 0 ? left : left & -left;
            const uint32_t ways = 1 + below(&run->state, 3);
            left &= ~pages;
            tlb->array[tlb->arrays++] =
                (struct machine_tlb_array){.level = level,
                                           .pages = pages,
                                           .entries = ways << below(&run->state, 3),
                                           .ways = ways,
                                           .latency_ns = level == 2 ? 7 : 0};
        }
    }
    tlb->entries = tlb->array[0].entries;
    tlb->ways = tlb->array[0].ways;
    tlb->pages_per_entry = 1;
    tlb->refill = TLB_REFILL_HARDWARE;
    tlb->replacement = TLB_REPLACE_LRU;
    tlb->tagged = below(&run->state, 2) == 0;
}

static void random_walk(struct run *run, struct machine_walk *walk)
{
    walk->levels = 4 + below(&run->state, 2);
    for (uint32_t level = 2; level <= walk->levels; level++) {
        if (below(&run->state, 2) == 0)
            continue;
        const uint32_t ways = 1 + below(&run->state, 2);
        walk->cache[walk->caches++] =
            (struct machine_walk_cache){.level = level,
                                        .entries = ways << below(&run->state, 2),
                                        .ways = ways};
    }
    walk->line_ways = 1 + below(&run->state, 4);
    walk->line_entries = below(&run->state, 3) == 0 ? 0 : walk->line_ways << below(&run->state, 4);
    walk->line_ns = 3;
}

static void random_machine(struct run *run)
{
    struct machine *const machine = &run->machine;
    *machine = (struct machine){.page_bytes = 4096,
                                .nodes = MODEL_NODES,
                                .cpus = MODEL_CPUS,
                                .node = run->node,
                                .cpu_node = run->cpu_node,
                                .cpu_os_id = run->os_id,
                                .latency_ns = run->latency};
    random_tlb(run, &machine->tlb);
    random_walk(run, &machine->tlb.walk);
    for (uint32_t node = 0; node < MODEL_NODES; node++)
        run->node[node].memory_bytes =
            UINT64_C(4096) * (MODEL_PAGES * (2 + below(&run->state, 4)) + 400);
    for (uint32_t cpu = 0; cpu < MODEL_CPUS; cpu++)
        run->cpu_node[cpu] = cpu % MODEL_NODES;
    for (uint32_t pair = 0; pair < MODEL_NODES * MODEL_NODES; pair++)
        run->latency[pair] = pair % (MODEL_NODES + 1) == 0 ? 100 : 200 + 10 * pair;

    for (uint32_t cpu = 0; cpu < MODEL_CPUS; cpu++) {
        struct model_cpu *const it = &run->model.cpu[cpu];
        it->node = run->cpu_node[cpu];
        for (uint32_t array = 0; array < machine->tlb.arrays; array++)
            size_list(&it->array[array], machine->tlb.array[array].entries,
                      machine->tlb.array[array].ways);
        for (uint32_t at = 0; at < machine->tlb.walk.caches; at++)
            size_list(&it->cache[machine->tlb.walk.cache[at].level - 1],
                      machine->tlb.walk.cache[at].entries, machine->tlb.walk.cache[at].ways);
        size_list(&it->lines, machine->tlb.walk.line_entries, machine->tlb.walk.line_ways);
    }
}

static void begin(struct run *run, uint64_t seed)
{
    *run = (struct run){.seed = seed, .state = seed * UINT64_C(0x9E3779B97F4A7C15) + 1};
    run->model.machine = &run->machine;
    random_machine(run);
    struct memory_options options = {.machine = &run->machine,
                                     .policy = &nearby,
                                     .epoch_references = 1u << 20,
                                     .huge = run->range,
                                     .check_every = 7};
    for (uint32_t space = 0; space < MODEL_SPACES; space++) {
        for (uint32_t block = 0; block < MODEL_BLOCKS; block++) {
            if (below(&run->state, 4) == 0)
                continue;
            run->model.wanted[space][block] = true;
            run->range[options.huge_ranges++] = (struct guest_range){.first = model_vpn(block, 0),
                                                                     .pages = MODEL_PAGES,
                                                                     .space = space};
        }
    }
    char *const error = memory_new(&options, &run->memory);
    if (error != NULL)
        fail_msg("DISCO_SEED=%llu: %s", (unsigned long long)seed, error);
}

/* ---- steps --------------------------------------------------------------------------------------- */

static void well(const struct run *run, char *error)
{
    if (error != NULL)
        fail_msg("DISCO_SEED=%llu, step %u (%s): %s", (unsigned long long)run->seed, run->steps,
                 run->step, error);
}

static void same(const struct run *run, const char *what, uint32_t of, uint64_t real,
                 uint64_t model)
{
    if (real != model)
        fail_msg("DISCO_SEED=%llu, step %u (%s): %s of %u: %llu, the model has %llu",
                 (unsigned long long)run->seed, run->steps, run->step, what, of,
                 (unsigned long long)real, (unsigned long long)model);
}

static void compare(const struct run *run)
{
    for (uint32_t cpu = 0; cpu < MODEL_CPUS; cpu++) {
        const struct memory_cpu_counters *const real = memory_cpu(run->memory, cpu);
        const struct model_cpu *const it = &run->model.cpu[cpu];
        same(run, "misses", cpu, real->tlb_misses, it->misses);
        same(run, "misses of the second level", cpu, real->l2tlb_misses, it->second_misses);
        same(run, "walks", cpu, real->walks, it->walks);
        same(run, "line hits", cpu, real->walk_hits, it->line_hits);
        same(run, "local reads", cpu, real->walk_reads_local, it->local_reads);
        same(run, "remote reads", cpu, real->walk_reads_remote, it->remote_reads);
        same(run, "faults", cpu, real->page_faults, it->faults);
        same(run, "huge faults", cpu, real->huge_faults, it->huge_faults);
        same(run, "splits", cpu, real->splits, it->splits);
        same(run, "merges", cpu, real->merges, it->merges);
        same(run, "shootdowns", cpu, real->shootdowns, it->shootdowns);
        same(run, "shootdowns suffered", cpu, real->shootdowns_suffered, it->suffered);
    }
    for (uint32_t node = 0; node < MODEL_NODES; node++) {
        same(run, "tables", node, memory_node(run->memory, node).table_frames,
             model_tables_on(&run->model, node));
        same(run, "frames", node, memory_node(run->memory, node).frames_used,
             model_used(&run->model, node));
    }
}

/* Few pages of a block, and some next to each other: lines and sets are met again. */
static uint32_t random_page(struct run *run)
{
    static const uint32_t some[] = {0, 1, 7, 8, 9, 255, 256, 511};
    return below(&run->state, 16) == 0 ? below(&run->state, MODEL_PAGES)
                                       : some[below(&run->state, 8)];
}

static void refer(struct run *run, uint32_t cpu)
{
    const uint32_t block = below(&run->state, MODEL_BLOCKS);
    const uint32_t page = random_page(run);
    const uint64_t addr = model_vpn(block, page) * 4096 + 8;
    const uint8_t what = MEMORY_LOAD;
    run->step = "refer";
    model_refer(&run->model, cpu, block, page);
    well(run, memory_references(run->memory, cpu, &addr, &what, 1));
}

static void dispatch(struct run *run, uint32_t cpu, uint32_t space)
{
    run->step = "dispatch";
    model_dispatch(&run->model, cpu, space);
    well(run, memory_dispatch(run->memory, cpu, cpu * MODEL_SPACES + space, space));
}

/* A placed page as both know it; false: none was met. */
static bool random_placed(struct run *run, uint32_t *space, uint32_t *block, uint32_t *page,
                          uint32_t *number)
{
    *space = below(&run->state, MODEL_SPACES);
    *block = below(&run->state, MODEL_BLOCKS);
    *page = random_page(run);
    const struct model_block *const it = &run->model.block[*space][*block];
    if (!it->page[*page].placed)
        return false;
    const uint32_t mapping =
        guest_find(run->memory->guest, *space, model_vpn(*block, it->huge ? 0 : *page));
    if (mapping == MEMORY_NONE)
        return false;
    *number = guest_mapped_page(run->memory->guest, mapping);
    return true;
}

static void act(struct run *run, uint32_t cpu)
{
    uint32_t space = 0, block = 0, page = 0, number = 0;
    if (!random_placed(run, &space, &block, &page, &number))
        return;
    struct policy_host *const host = &run->memory->host;
    enum policy_answer real = POLICY_DONE, wanted = POLICY_DONE;
    const uint32_t node = below(&run->state, MODEL_NODES);
    run->memory->acting = run->memory->cpu[cpu];
    switch (below(&run->state, 3)) {
    case 0:
        run->step = "migrate";
        wanted = model_migrate(&run->model, cpu, space, block, page, node);
        real = policy_migrate(host, number, node, "test");
        break;
    case 1:
        run->step = "split";
        wanted = model_split(&run->model, cpu, space, block);
        real = policy_split(host, number, "test");
        break;
    default:
        run->step = "merge";
        wanted = model_merge(&run->model, cpu, space, block, page);
        real = policy_merge(host, number, "test");
    }
    run->memory->acting = NULL;
    same(run, "answer", number, real, wanted);
}

static void unmap(struct run *run)
{
    const uint32_t space = below(&run->state, MODEL_SPACES);
    const uint32_t block = below(&run->state, MODEL_BLOCKS);
    const bool all = below(&run->state, 2) == 0;
    const uint32_t first = all ? 0 : random_page(run);
    const uint32_t most = MODEL_PAGES - first;
    const uint32_t pages = all ? MODEL_PAGES : 1 + below(&run->state, most < 10 ? most : 10);
    const uint64_t start = model_vpn(block, first) * 4096;
    run->step = "unmap";
    model_unmap(&run->model, space, block, first, pages);
    well(run, memory_unmap(run->memory, space, start, start + pages * UINT64_C(4096)));
}

static void take_steps(struct run *run)
{
    for (uint32_t cpu = 0; cpu < MODEL_CPUS; cpu++)
        dispatch(run, cpu, 0);
    for (run->steps = 0; run->steps < STEPS; run->steps++) {
        const uint32_t cpu = below(&run->state, MODEL_CPUS);
        const uint32_t what = below(&run->state, 100);
        if (what < 88)
            refer(run, cpu);
        else if (what < 92)
            dispatch(run, cpu, below(&run->state, MODEL_SPACES));
        else if (what < 99)
            act(run, cpu);
        else
            unmap(run);
        if (run->steps % 8 == 0 || run->steps > STEPS - 8)
            compare(run);
    }
    run->step = "the end";
    memory_finish(run->memory);
    well(run, memory_check(run->memory));
    for (uint32_t cpu = 0; cpu < MODEL_CPUS; cpu++)
        same(run, "TLB time", cpu,
             memory_cpu(run->memory, cpu)->account_ps[ACCOUNT_tlb] / PS_PER_NS,
             run->model.cpu[cpu].tlb_ns);
}

static void tlbs_walks_and_huge_pages_agree_with_a_plain_model(void **unused)
{
    (void)unused;
    const char *const given = getenv("DISCO_SEED");
    const uint64_t first = given != NULL ? strtoull(given, NULL, 10) : 1;
    struct run *const run = malloc(sizeof *run);
    uint64_t splits = 0, merges = 0, huge = 0, hits = 0, remote = 0;
    assert_non_null(run);
    for (uint64_t seed = first; seed < first + SEEDS; seed++) {
        begin(run, seed);
        take_steps(run);
        for (uint32_t cpu = 0; cpu < MODEL_CPUS; cpu++) {
            const struct model_cpu *const it = &run->model.cpu[cpu];
            splits += it->splits;
            merges += it->merges;
            huge += it->huge_faults;
            hits += it->line_hits;
            remote += it->remote_reads;
        }
        memory_free(run->memory);
    }
    free(run);
    /* the traces do what they are meant to */
    assert_true(splits > SEEDS && merges > SEEDS && huge > SEEDS && hits > SEEDS && remote > SEEDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tlbs_walks_and_huge_pages_agree_with_a_plain_model),
    };
    return cmocka_run_group_tests_name("TLB levels and walks", tests, NULL, NULL);
}
