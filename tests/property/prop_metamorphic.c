/* What must not change when the question is put differently (or must change in one way only).
 *
 * Random traces over random machines, under a policy that migrates, replicates and collapses by
 * counters. No model is needed: one run is compared with another. DISCO_SEED repeats one trial.
 */
#include "vmm-core/memory/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NODES_MOST 6u
#define CPUS_MOST  12u
#define RUNS       60u
#define RUN_MOST   80u
#define PAGE       UINT64_C(4096)
#define TRIALS     200u

/* ---- a policy that sees no node's number: private pages move, read-shared ones are replicated
 * ------ */

static const char *by_counters_init(void *state, const struct policy_setup *setup,
                                    struct policy_wants *wants)
{
    (void)state;
    *wants = (struct policy_wants){.signals = POLICY_SIGNAL_HOT,
                                   .trigger = (uint32_t)setup->param[0],
                                   .reset_ns = (uint64_t)setup->param[1]};
    return NULL;
}

static void by_counters_hot(void *state, struct policy_host *host, const struct policy_event *event)
{
    (void)state;
    struct policy_page page;
    if (!policy_page(host, event->page, &page))
        return;
    bool shared = false;
    for (uint32_t node = 0; node < host->nodes; node++)
        shared |= node != event->node && page.counts[node] > 2;
    if (shared && page.writes <= 1)
        policy_replicate(host, event->page, event->node, "shared");
    else if (!shared)
        policy_migrate(host, event->page, event->node, "private");
}

static const struct policy by_counters = {.abi = DISCO_POLICY_ABI,
                                          .name = "by-counters",
                                          .init = by_counters_init,
                                          .place = policy_place_first_touch,
                                          .hot = by_counters_hot};

/* ---- a trial
 * ------------------------------------------------------------------------------------------- */

struct run {
    uint32_t cpu, stream, space;
    size_t references;
    uint64_t addr[RUN_MOST];
    uint8_t what[RUN_MOST];
};

struct trial {
    struct machine machine;
    struct machine_node node[NODES_MOST];
    uint32_t cpu_node[CPUS_MOST], os_id[CPUS_MOST], latency[NODES_MOST * NODES_MOST];
    int64_t param[2];
    struct memory_options options;
    struct run run[RUNS];
    uint32_t fast_shift; /* 0: the subsystem's own */
    size_t chunk;        /* references handed over at once; 0: whole runs */
};

static uint32_t draw(uint64_t *random, uint32_t limit)
{
    return random_below(random, limit);
}

/* All structures that point into a trial do so again after it was copied. */
static void tie(struct trial *trial)
{
    trial->machine.node = trial->node;
    trial->machine.cpu_node = trial->cpu_node;
    trial->machine.cpu_os_id = trial->os_id;
    trial->machine.latency_ns = trial->latency;
    trial->options.machine = &trial->machine;
    trial->options.param = trial->param;
}

static void draw_trial(struct trial *trial, uint64_t seed, bool symmetric)
{
    uint64_t random = seed;
    *trial = (struct trial){.param = {2 + draw(&random, 10), 0}};
    tie(trial);
    struct machine *const machine = &trial->machine;
    machine->page_bytes = PAGE;
    machine->nodes = 1 + draw(&random, NODES_MOST);
    const uint32_t each = 1 + draw(&random, 2);
    machine->cpus = machine->nodes * each;
    for (uint32_t cpu = 0; cpu < machine->cpus; cpu++)
        trial->cpu_node[cpu] = cpu / each;
    for (uint32_t node = 0; node < machine->nodes; node++)
        trial->node[node].memory_bytes = (uint64_t)(symmetric ? 200 : 5 + draw(&random, 40)) * PAGE;
    if (!symmetric)
        trial->node[machine->nodes - 1].memory_bytes += (uint64_t)80 * PAGE; /* all pages fit */
    for (uint32_t pair = 0; pair < machine->nodes * machine->nodes; pair++) {
        const bool local = pair % (machine->nodes + 1) == 0;
        trial->latency[pair] = symmetric ? (local ? 100 : 300) : 50 + draw(&random, 400);
    }
    machine->tlb.ways = 1 + draw(&random, 16);
    machine->tlb.entries = machine->tlb.ways << draw(&random, 3);
    machine->tlb.pages_per_entry = 1 + draw(&random, 2);
    machine->tlb.replacement = draw(&random, 2) ? TLB_REPLACE_LRU : TLB_REPLACE_RANDOM;
    machine->tlb.tagged = draw(&random, 2);
    machine->l2tlb.ways = 4;
    machine->l2tlb.entries = 32;
#define DRAW_COST(name, meaning) machine->costs.name = draw(&random, 1000);
    MACHINE_COSTS(DRAW_COST)
#undef DRAW_COST
    trial->options.policy = &by_counters;
    trial->options.seed = random_next(&random);
    trial->options.refs_per_sample = 1;
    trial->options.epoch_references = 1 + draw(&random, 200);
    for (uint32_t at = 0; at < RUNS; at++) {
        struct run *const run = &trial->run[at];
        run->cpu = draw(&random, machine->cpus);
        run->stream = draw(&random, 8);
        run->space = draw(&random, 2);
        run->references = 1 + draw(&random, RUN_MOST);
        const uint32_t base = draw(&random, 30);
        const uint32_t stores = draw(&random, 3);
        for (size_t reference = 0; reference < run->references; reference++) {
            run->addr[reference] = (uint64_t)(base + draw(&random, 10)) * PAGE;
            run->what[reference] = draw(&random, 8) < stores ? MEMORY_STORE : MEMORY_LOAD;
        }
    }
}

static struct memory *play(const struct trial *trial)
{
    struct memory *memory = NULL;
    char *error = memory_new(&trial->options, &memory);
    if (!error && trial->fast_shift)
        memory->fast_shift = trial->fast_shift; /* before any CPU has its table */
    for (uint32_t at = 0; at < RUNS && !error; at++) {
        const struct run *const run = &trial->run[at];
        error = memory_dispatch(memory, run->cpu, run->stream, run->space);
        const size_t chunk = trial->chunk ? trial->chunk : run->references;
        for (size_t done = 0; done < run->references && !error; done += chunk) {
            const size_t left = run->references - done;
            error = memory_references(memory, run->cpu, run->addr + done, run->what + done,
                                      left < chunk ? left : chunk);
        }
    }
    if (!error) {
        memory_finish(memory);
        error = memory_check(memory);
    }
    if (error)
        fail_msg("%s", error);
    return memory;
}

/* ---- comparing
 * ------------------------------------------------------------------------------------------- */

struct renaming {
    uint32_t node[NODES_MOST], cpu[CPUS_MOST];
};

static struct renaming same_names(void)
{
    struct renaming names;
    for (uint32_t node = 0; node < NODES_MOST; node++)
        names.node[node] = node;
    for (uint32_t cpu = 0; cpu < CPUS_MOST; cpu++)
        names.cpu[cpu] = cpu;
    return names;
}

static uint64_t renamed_set(uint64_t nodes, const struct renaming *names)
{
    uint64_t renamed = 0;
    for (uint32_t node = 0; node < NODES_MOST; node++)
        renamed |= (nodes >> node & 1) << names->node[node];
    return renamed;
}

/* `other` is `one` with node n called names.node[n], and CPUs likewise. */
static void expect_renamed(const struct trial *trial, const struct memory *one,
                           const struct memory *other, const struct renaming *names)
{
    const struct machine *const machine = &trial->machine;
    for (uint32_t cpu = 0; cpu < machine->cpus; cpu++)
        assert_memory_equal(memory_cpu(one, cpu), memory_cpu(other, names->cpu[cpu]),
                            sizeof(struct memory_cpu_counters));
    for (uint32_t node = 0; node < machine->nodes; node++) {
        const struct memory_node_state left = memory_node(one, node);
        const struct memory_node_state right = memory_node(other, names->node[node]);
        assert_memory_equal(&left, &right, sizeof left);
    }
    for (uint32_t from = 0; from < machine->nodes; from++)
        for (uint32_t to = 0; to < machine->nodes; to++) {
            const size_t left = (size_t)from * machine->nodes + to;
            const size_t right = (size_t)names->node[from] * machine->nodes + names->node[to];
            assert_int_equal(memory_traffic_loads(one)[left], memory_traffic_loads(other)[right]);
            assert_int_equal(memory_traffic_stores(one)[left], memory_traffic_stores(other)[right]);
        }
    assert_int_equal(memory_pages(one), memory_pages(other));
    for (uint32_t page = 0; page < memory_pages(one); page++) {
        const struct memory_page_state left = memory_page(one, page);
        const struct memory_page_state right = memory_page(other, page);
        assert_int_equal(names->node[left.home], right.home);
        assert_int_equal(names->node[left.first_home], right.first_home);
        assert_int_equal(renamed_set(left.replicas, names), right.replicas);
        assert_int_equal(left.loads, right.loads);
        assert_int_equal(left.stores, right.stores);
        assert_int_equal(left.local_accesses, right.local_accesses);
        assert_int_equal(left.migrations, right.migrations);
        assert_int_equal(left.replications, right.replications);
        assert_int_equal(left.collapses, right.collapses);
    }
}

static void shuffle(uint32_t *names, uint32_t count, uint64_t *random)
{
    for (uint32_t at = count; at > 1; at--) {
        const uint32_t with = draw(random, at);
        const uint32_t name = names[at - 1];
        names[at - 1] = names[with];
        names[with] = name;
    }
}

/* Plays both and compares. */
static void compare(const struct trial *one, const struct trial *other,
                    const struct renaming *names)
{
    struct memory *const left = play(one);
    struct memory *const right = play(other);
    expect_renamed(one, left, right, names);
    memory_free(left);
    memory_free(right);
}

static uint64_t seed_on_trial; /* 0: none */

static int say_seed(void **state)
{
    (void)state;
    if (seed_on_trial)
        print_error("DISCO_SEED=%llu\n", (unsigned long long)seed_on_trial);
    seed_on_trial = 0;
    return 0;
}

static void each_trial(void (*check)(uint64_t seed, struct trial *one, struct trial *other))
{
    static struct trial one, other;
    const char *const text = getenv("DISCO_SEED"); /* NOLINT(concurrency-mt-unsafe): one thread */
    const uint64_t only = text ? strtoull(text, NULL, 10) : 0;
    for (uint64_t seed = only ? only : 1; seed <= (only ? only : TRIALS); seed++) {
        seed_on_trial = seed;
        check(seed, &one, &other);
    }
    seed_on_trial = 0;
}

/* ---- the relations
 * ---------------------------------------------------------------------------------------- */

static void rename_nodes(uint64_t seed, struct trial *one, struct trial *other)
{
    draw_trial(one, seed, true);
    uint64_t random = ~seed;
    struct renaming names = same_names();
    const uint32_t nodes = one->machine.nodes;
    const uint32_t each = one->machine.cpus / nodes;
    shuffle(names.node, nodes, &random);
    for (uint32_t cpu = 0; cpu < one->machine.cpus; cpu++) /* CPUs go with their node */
        names.cpu[cpu] = names.node[cpu / each] * each + cpu % each;
    *other = *one;
    tie(other);
    for (uint32_t at = 0; at < RUNS; at++)
        other->run[at].cpu = names.cpu[one->run[at].cpu];
    compare(one, other, &names);
}

static void renaming_the_nodes_of_a_symmetric_machine_permutes_and_nothing_else(void **state)
{
    (void)state;
    each_trial(rename_nodes);
}

static void rename_cpus(uint64_t seed, struct trial *one, struct trial *other)
{
    draw_trial(one, seed, false);
    uint64_t random = ~seed;
    struct renaming names = same_names();
    shuffle(names.cpu, one->machine.cpus, &random);
    *other = *one;
    tie(other);
    for (uint32_t cpu = 0; cpu < one->machine.cpus; cpu++)
        other->cpu_node[names.cpu[cpu]] = one->cpu_node[cpu];
    for (uint32_t at = 0; at < RUNS; at++)
        other->run[at].cpu = names.cpu[one->run[at].cpu];
    compare(one, other, &names);
}

static void renaming_cpus_permutes_and_nothing_else(void **state)
{
    (void)state;
    each_trial(rename_cpus);
}

static void double_latencies(uint64_t seed, struct trial *one, struct trial *other)
{
    draw_trial(one, seed, false);
    *other = *one;
    tie(other);
    for (uint32_t pair = 0; pair < NODES_MOST * NODES_MOST; pair++)
        other->latency[pair] *= 2;
    struct memory *const left = play(one);
    struct memory *const right = play(other);
    for (uint32_t cpu = 0; cpu < one->machine.cpus; cpu++) {
        const struct memory_cpu_counters *const before = memory_cpu(left, cpu);
        const struct memory_cpu_counters *const after = memory_cpu(right, cpu);
        for (int account = 0; account < MEMORY_ACCOUNT_COUNT; account++) {
            const bool stall = account == ACCOUNT_local_stall || account == ACCOUNT_remote_stall;
            if (account != ACCOUNT_idle)
                assert_int_equal(before->account_ps[account] * (stall ? 2 : 1),
                                 after->account_ps[account]);
        }
        assert_int_equal(before->local_accesses, after->local_accesses);
        assert_int_equal(before->migrations, after->migrations);
        assert_int_equal(before->tlb_misses, after->tlb_misses);
    }
    memory_free(left);
    memory_free(right);
}

static void doubling_all_latencies_doubles_stall_and_nothing_else(void **state)
{
    (void)state;
    each_trial(double_latencies);
}

static void chunk(uint64_t seed, struct trial *one, struct trial *other)
{
    draw_trial(one, seed, false);
    one->param[1] = 5000; /* counters go back at epoch borders, wherever a chunk ends */
    *other = *one;
    tie(other);
    other->chunk = 1 + seed % 7;
    const struct renaming names = same_names();
    compare(one, other, &names);
}

static void how_references_are_handed_over_does_not_matter(void **state)
{
    (void)state;
    each_trial(chunk);
}

static void shrink(uint64_t seed, struct trial *one, struct trial *other)
{
    draw_trial(one, seed, false);
    *other = *one;
    tie(other);
    other->fast_shift = 1; /* two entries: nearly every reference goes the slow way */
    const struct renaming names = same_names();
    compare(one, other, &names);
}

static void the_fast_table_changes_no_result(void **state)
{
    (void)state;
    each_trial(shrink);
}

static void displace(uint64_t seed, struct trial *one, struct trial *other)
{
    draw_trial(one, seed, false);
    *other = *one;
    tie(other);
    for (uint32_t at = 0; at < RUNS; at++) {
        other->run[at].space = 1000 - one->run[at].space;
        for (size_t reference = 0; reference < RUN_MOST; reference++)
            other->run[at].addr[reference] += UINT64_C(0x7f0000000000);
    }
    const struct renaming names = same_names();
    compare(one, other, &names);
}

static void where_a_program_lies_in_its_space_does_not_matter(void **state)
{
    (void)state;
    each_trial(displace);
}

static void multiply(uint64_t seed, struct trial *one, struct trial *other)
{
    draw_trial(one, seed, false);
    *other = *one;
    tie(other);
    other->options.refs_per_sample = 7;
    struct memory *const left = play(one);
    struct memory *const right = play(other);
    for (uint32_t cpu = 0; cpu < one->machine.cpus; cpu++) {
        const uint64_t *const before = memory_cpu(left, cpu)->account_ps;
        const uint64_t *const after = memory_cpu(right, cpu)->account_ps;
        assert_int_equal(before[ACCOUNT_execution] * 7, after[ACCOUNT_execution]);
        assert_int_equal(before[ACCOUNT_local_stall] * 7, after[ACCOUNT_local_stall]);
        assert_int_equal(before[ACCOUNT_remote_stall] * 7, after[ACCOUNT_remote_stall]);
        assert_int_equal(before[ACCOUNT_move], after[ACCOUNT_move]);
        assert_int_equal(before[ACCOUNT_tlb], after[ACCOUNT_tlb]);
    }
    memory_free(left);
    memory_free(right);
}

static void a_sample_that_stands_for_seven_costs_seven(void **state)
{
    (void)state;
    each_trial(multiply);
}

static void the_trials_move_and_copy_pages(void **state)
{
    (void)state;
    static struct trial trial;
    uint64_t migrations = 0;
    uint64_t replications = 0;
    uint64_t collapses = 0;
    for (uint64_t seed = 1; seed <= TRIALS; seed++) {
        draw_trial(&trial, seed, seed % 2);
        struct memory *const memory = play(&trial);
        for (uint32_t cpu = 0; cpu < trial.machine.cpus; cpu++) {
            migrations += memory_cpu(memory, cpu)->migrations;
            replications += memory_cpu(memory, cpu)->replications;
            collapses += memory_cpu(memory, cpu)->collapses;
        }
        memory_free(memory);
    }
    assert_true(migrations > TRIALS);
    assert_true(replications > TRIALS);
    assert_true(collapses > TRIALS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_trials_move_and_copy_pages),
        cmocka_unit_test_teardown(
            renaming_the_nodes_of_a_symmetric_machine_permutes_and_nothing_else, say_seed),
        cmocka_unit_test_teardown(renaming_cpus_permutes_and_nothing_else, say_seed),
        cmocka_unit_test_teardown(doubling_all_latencies_doubles_stall_and_nothing_else, say_seed),
        cmocka_unit_test_teardown(how_references_are_handed_over_does_not_matter, say_seed),
        cmocka_unit_test_teardown(the_fast_table_changes_no_result, say_seed),
        cmocka_unit_test_teardown(where_a_program_lies_in_its_space_does_not_matter, say_seed),
        cmocka_unit_test_teardown(a_sample_that_stands_for_seven_costs_seven, say_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
