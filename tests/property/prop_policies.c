/* Every policy of the list on random machines and traces, with and without huge pages: the bookkeeping
 * agrees all along, every reference is counted, and the same again gives the same. DISCO_SEED repeats
 * one trial. */
#include "vmm-core/memory/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NODES_MOST  6u
#define CPUS_MOST   12u
#define PARAMS_MOST 20u
#define TRIALS      24u
#define RUNS        40u
#define RUN_MOST    120u
#define PAGES       24u
#define PAGE        UINT64_C(4096)
#define HUGE        UINT64_C(512)

extern const struct policy *const __start_disco_policies[];
extern const struct policy *const __stop_disco_policies[];

struct trial {
    uint64_t seed;
    struct machine machine;
    struct machine_node node[NODES_MOST];
    uint32_t cpu_node[CPUS_MOST], os_id[CPUS_MOST], latency[NODES_MOST * NODES_MOST];
    struct guest_range huge;
    int64_t param[PARAMS_MOST];
    struct memory_options options;
};

static uint64_t failed_seed;
static const char *failed_policy;

static int say_seed(void **state)
{
    (void)state;
    if (failed_policy)
        print_message("policy %s, DISCO_SEED=%llu repeats it\n", failed_policy,
                      (unsigned long long)failed_seed);
    return 0;
}

static void draw_machine(struct trial *trial, uint64_t *random)
{
    struct machine *const machine = &trial->machine;
    const bool huge = random_below(random, 2);
    machine->page_bytes = PAGE;
    machine->nodes = 1 + random_below(random, NODES_MOST);
    machine->cpus = machine->nodes * (1 + random_below(random, 2));
    for (uint32_t cpu = 0; cpu < machine->cpus; cpu++)
        trial->cpu_node[cpu] = cpu % machine->nodes;
    for (uint32_t node = 0; node < machine->nodes; node++) {
        const uint64_t pages = (huge ? 2 * HUGE : 3) + random_below(random, 30);
        trial->node[node].memory_bytes = random_below(random, 5) ? pages * PAGE : 0;
        trial->node[node].service_ps = random_below(random, 3) * 500;
    }
    trial->node[machine->nodes - 1].memory_bytes = (huge ? 4 * HUGE : UINT64_C(4) * PAGES) * PAGE;
    for (uint32_t pair = 0; pair < machine->nodes * machine->nodes; pair++)
        trial->latency[pair] = 50 + random_below(random, 400);
    machine->node = trial->node;
    machine->cpu_node = trial->cpu_node;
    machine->cpu_os_id = trial->os_id;
    machine->latency_ns = trial->latency;
    machine->tlb = (struct machine_tlb){.entries = 8, .ways = 8, .pages_per_entry = 1};
    machine->costs.page_fault_ns = 1000 + random_below(random, 100000);
    machine->costs.move_page_ns = random_below(random, 10000);
    machine->costs.data_reference_ps = 7500;
    trial->huge = (struct guest_range){.first = 0, .pages = 2 * HUGE, .space = 0};
    trial->options.huge = &trial->huge;
    trial->options.huge_ranges = huge;
}

/* Defaults, or small values that let a policy act in a short trace. */
static void draw_params(struct trial *trial, uint64_t *random)
{
    const struct policy *const policy = trial->options.policy;
    assert_true(policy->param_count <= PARAMS_MOST);
    for (size_t i = 0; i < policy->param_count; i++) {
        const struct policy_param *const it = &policy->params[i];
        const uint64_t range = (uint64_t)it->most - (uint64_t)it->least;
        const uint32_t small = random_below(random, range < 8 ? (uint32_t)range + 1 : 9);
        const bool weight = strcmp(it->unit, "pages") == 0; /* of node i */
        if (weight && (i >= trial->machine.nodes || !trial->node[i].memory_bytes))
            trial->param[i] = 0;
        else if (strcmp(it->unit, "nodes") == 0) /* of the nodes, which may have no memory */
            trial->param[i] = random_below(random, 1u << trial->machine.nodes);
        else
            trial->param[i] = random_below(random, 3) ? it->least + small : it->standard;
    }
}

static void draw_trial(struct trial *trial, const struct policy *policy, uint64_t seed)
{
    uint64_t random = seed;
    *trial = (struct trial){.seed = seed};
    draw_machine(trial, &random);
    trial->options.machine = &trial->machine;
    trial->options.policy = policy;
    trial->options.param = trial->param;
    trial->options.seed = random_next(&random);
    trial->options.refs_per_sample = 1;
    trial->options.epoch_references = 1 + random_below(&random, 300);
    trial->options.check_every = 1 + random_below(&random, 90);
    draw_params(trial, &random);
}

/* false: the policy has refused its parameters. */
static bool play(const struct trial *trial, struct memory **out, uint64_t *references)
{
    uint64_t random = ~trial->seed;
    *references = 0;
    char *error = memory_new(&trial->options, out);
    if (error) {
        free(error);
        return false;
    }
    for (uint32_t at = 0; at < RUNS && !error; at++) {
        uint64_t addr[RUN_MOST];
        uint8_t what[RUN_MOST];
        const uint32_t cpu = random_below(&random, trial->machine.cpus);
        const uint32_t count = 1 + random_below(&random, RUN_MOST);
        const uint32_t stores = random_below(&random, 3), base = random_below(&random, PAGES - 8);
        for (uint32_t i = 0; i < count; i++) {
            addr[i] = (base + random_below(&random, 8)) * PAGE;
            what[i] = random_below(&random, 8) < stores ? MEMORY_STORE : MEMORY_LOAD;
        }
        *references += count;
        error = memory_dispatch(*out, cpu, cpu, 0);
        if (!error)
            error = memory_references(*out, cpu, addr, what, count);
    }
    if (!error) {
        memory_finish(*out);
        error = memory_check(*out);
    }
    if (error)
        fail_msg("%s", error);
    return true;
}

static uint64_t accesses(const struct memory *memory)
{
    uint64_t sum = 0;
    for (uint32_t page = 0; page < memory_pages(memory); page++) {
        const struct memory_page_state state = memory_page(memory, page);
        sum += state.loads + state.stores;
    }
    return sum;
}

/* Were there any actions? */
static bool acted(const struct memory *memory, const struct machine *machine)
{
    uint64_t actions = 0;
    for (uint32_t cpu = 0; cpu < machine->cpus; cpu++)
        actions += memory_cpu(memory, cpu)->migrations + memory_cpu(memory, cpu)->replications;
    return actions > 0;
}

static void same(const struct memory *one, const struct memory *other,
                 const struct machine *machine)
{
    for (uint32_t cpu = 0; cpu < machine->cpus; cpu++)
        assert_memory_equal(memory_cpu(one, cpu), memory_cpu(other, cpu),
                            sizeof(struct memory_cpu_counters));
    assert_int_equal(memory_pages(one), memory_pages(other));
    for (uint32_t page = 0; page < memory_pages(one); page++) {
        assert_int_equal(memory_page(one, page).home, memory_page(other, page).home);
        assert_int_equal(memory_page(one, page).replicas, memory_page(other, page).replicas);
    }
}

/* How many of the trials ran; *acts: with actions. */
static unsigned each_trial(const struct policy *policy, unsigned *acts)
{
    static struct trial trial;
    unsigned ran = 0;
    const char *const repeat = getenv("DISCO_SEED");
    const uint64_t first = repeat ? strtoull(repeat, NULL, 0) : 1;
    failed_policy = policy->name;
    for (uint64_t seed = first; seed < first + (repeat ? 1 : TRIALS); seed++) {
        struct memory *one = NULL, *other = NULL;
        uint64_t references = 0;
        failed_seed = seed;
        draw_trial(&trial, policy, seed);
        if (!play(&trial, &one, &references))
            continue;
        assert_true(play(&trial, &other, &references));
        assert_int_equal(accesses(one), references);
        same(one, other, &trial.machine);
        *acts += acted(one, &trial.machine);
        ran++;
        memory_free(one);
        memory_free(other);
    }
    failed_policy = NULL;
    return repeat ? TRIALS : ran;
}

static void nothing_a_policy_does_damages_memory(void **state)
{
    (void)state;
    for (const struct policy *const *at = __start_disco_policies; at < __stop_disco_policies;
         at++) {
        unsigned acts = 0;
        const unsigned ran = each_trial(*at, &acts);
        const bool listens = (*at)->hot || (*at)->reference;
        if (getenv("DISCO_SEED"))
            continue;
        if (ran < TRIALS / 8 || (acts > 0) != listens)
            fail_msg("%s: %u of %u trials ran, %u with actions", (*at)->name, ran, TRIALS, acts);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(nothing_a_policy_does_damages_memory, say_seed),
    };
    return cmocka_run_group_tests_name("policies on random traces", tests, NULL, NULL);
}
