#include "replayer/report/results.h"

#include <math.h>

#define PS_PER_NS 1000u

const char *const figure_name[FIGURE_COUNT] = {
#define FIGURE_NAME(name) [FIGURE_##name] = #name,
    FIGURES(FIGURE_NAME)
#undef FIGURE_NAME
};

static struct value integer(uint64_t number)
{
    return (struct value){.kind = VALUE_INTEGER, .integer = number};
}

static struct value real(double number)
{
    return (struct value){.kind = VALUE_REAL, .real = number};
}

/* Accounts to figures: the parts of the run time. */
static const enum figure part[MEMORY_ACCOUNT_COUNT] = {
#define PART(name, meaning) [ACCOUNT_##name] = FIGURE_##name##_ns,
    MEMORY_ACCOUNTS(PART)
#undef PART
};

/* Divides ps into ns; `total_ns` is what the parts have to add up to. */
static void round_accounts(const unsigned __int128 account_ps[MEMORY_ACCOUNT_COUNT], uint64_t cpus,
                           uint64_t total_ns, uint64_t account_ns[MEMORY_ACCOUNT_COUNT])
{
    uint64_t busy_ns = 0;
    for (unsigned i = 0; i < MEMORY_ACCOUNT_COUNT; i++) {
        account_ns[i] = cpus == 0 ? 0 : (uint64_t)(account_ps[i] / cpus / PS_PER_NS);
        if (i != ACCOUNT_idle)
            busy_ns += account_ns[i];
    }
    account_ns[ACCOUNT_idle] = total_ns - busy_ns;
}

void results_accounts_ns(const struct memory_cpu_counters *cpu,
                         uint64_t account_ns[MEMORY_ACCOUNT_COUNT])
{
    unsigned __int128 account_ps[MEMORY_ACCOUNT_COUNT];
    for (unsigned i = 0; i < MEMORY_ACCOUNT_COUNT; i++)
        account_ps[i] = cpu->account_ps[i];
    round_accounts(account_ps, 1, cpu->clock_ps / PS_PER_NS, account_ns);
}

static struct value imbalance(const struct memory *memory, const struct machine *machine)
{
    double served[MACHINE_NODES_MAX], sum = 0, squares = 0;
    unsigned nodes = 0;
    for (uint32_t node = 0; node < machine->nodes; node++) {
        if (machine->node[node].memory_bytes == 0)
            continue;
        struct memory_node_state state = memory_node(memory, node);
        served[nodes] = (double)(state.local_accesses + state.remote_accesses);
        sum += served[nodes++];
    }
    if (sum == 0)
        return (struct value){.kind = VALUE_ABSENT};
    if (nodes == 1)
        return real(0);
    double mean = sum / nodes;
    for (unsigned i = 0; i < nodes; i++)
        squares += (served[i] - mean) * (served[i] - mean);
    return real(100 * sqrt(squares / (nodes - 1)) / mean);
}

/* What samples say of the whole trace, in place of what was counted. */
static void put_estimate(struct results *results, struct sampling_estimate estimate)
{
    const struct {
        enum figure figure;
        struct sampling_interval interval;
    } known[] = {{FIGURE_memory_accesses, estimate.memory_accesses},
                 {FIGURE_local_accesses, estimate.local},
                 {FIGURE_local_share, estimate.local_share},
                 {FIGURE_time_ns, estimate.time_ns},
                 {FIGURE_execution_ns, estimate.execution_ns},
                 {FIGURE_local_stall_ns, estimate.local_stall_ns},
                 {FIGURE_remote_stall_ns, estimate.remote_stall_ns},
                 {FIGURE_imbalance, estimate.imbalance}};
    static const enum figure absent[] = {FIGURE_tlb_ns, FIGURE_tlb_misses, FIGURE_l2tlb_misses};
    struct value *figure = results->figure;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        results->interval[known[i].figure] = known[i].interval;
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        figure[absent[i]] = (struct value){.kind = VALUE_ABSENT};
    figure[FIGURE_memory_accesses] = integer((uint64_t)llround(estimate.accesses));
    figure[FIGURE_local_accesses] = integer((uint64_t)llround(estimate.local_accesses));
    /* the parts still add up to the time */
    uint64_t busy_ns = 0, time_ns = estimate.time_ps / PS_PER_NS;
    for (unsigned i = 0; i < MEMORY_ACCOUNT_COUNT; i++)
        if (i != ACCOUNT_idle && i != ACCOUNT_tlb)
            busy_ns += figure[part[i]].integer;
    figure[FIGURE_time_ns] = integer(time_ns > busy_ns ? time_ns : busy_ns);
    figure[FIGURE_idle_ns] = integer(figure[FIGURE_time_ns].integer - busy_ns);
}

static struct value cache_misses(const struct caches *caches, const struct machine *machine)
{
    uint32_t outermost = 0;
    uint64_t misses = 0;
    if (caches == NULL)
        return (struct value){.kind = VALUE_ABSENT};
    for (uint32_t i = 0; i < machine->caches; i++)
        if (machine->cache[i].level > outermost)
            outermost = machine->cache[i].level;
    for (uint32_t i = 0; i < machine->caches; i++)
        if (machine->cache[i].level == outermost)
            misses += caches_counted(caches, i).misses;
    return integer(misses);
}

struct results results_of(struct policy_run run, const struct machine *machine)
{
    struct results results = {.run = run};
    struct value *figure = results.figure;
    const struct memory *memory = run.memory;
    struct memory_cpu_counters all = {0};
    unsigned __int128 account_ps[MEMORY_ACCOUNT_COUNT] = {
        0}; /* 214 CPU-days do not fit in 64 bits */
    uint64_t cpus = 0;
    for (uint32_t i = 0; i < machine->cpus; i++) {
        if (!memory_cpu_used(memory, i))
            continue;
        const struct memory_cpu_counters *cpu = memory_cpu(memory, i);
        cpus++;
#define ADD(name, meaning) all.name += cpu->name;
        MEMORY_CPU_COUNTERS(ADD)
#undef ADD
        for (unsigned account = 0; account < MEMORY_ACCOUNT_COUNT; account++)
            account_ps[account] += cpu->account_ps[account];
    }
    uint64_t accesses = all.local_accesses + all.remote_accesses;
    figure[FIGURE_references] = integer(all.references);
    figure[FIGURE_memory_accesses] = integer(accesses);
    figure[FIGURE_local_accesses] = integer(all.local_accesses);
    if (accesses > 0)
        figure[FIGURE_local_share] = real((double)all.local_accesses / (double)accesses);

    uint64_t account_ns[MEMORY_ACCOUNT_COUNT];
    uint64_t time_ns = memory_time_ns(memory);
    round_accounts(account_ps, cpus, time_ns, account_ns);
    figure[FIGURE_time_ns] = integer(time_ns);
    for (unsigned i = 0; i < MEMORY_ACCOUNT_COUNT; i++)
        figure[part[i]] = integer(account_ns[i]);

    figure[FIGURE_tlb_misses] = integer(all.tlb_misses);
    figure[FIGURE_l2tlb_misses] = integer(all.l2tlb_misses);
    figure[FIGURE_cache_misses] = cache_misses(guest_caches(memory_guest(memory)), machine);
    figure[FIGURE_refetches] = integer(all.refetches);
    figure[FIGURE_migrations] = integer(all.migrations);
    figure[FIGURE_replications] = integer(all.replications);
    figure[FIGURE_collapses] = integer(all.collapses);
    figure[FIGURE_shootdowns] = integer(all.shootdowns);
    figure[FIGURE_refused] = integer(all.refused);

    uint64_t frames = 0, replicas = 0;
    for (uint32_t node = 0; node < machine->nodes; node++) {
        struct memory_node_state state = memory_node(memory, node);
        frames += state.frames_used;
        replicas += state.replica_frames;
    }
    figure[FIGURE_frames_used] = integer(frames);
    figure[FIGURE_replica_frames] = integer(replicas);
    figure[FIGURE_imbalance] = imbalance(memory, machine);
    if (run.sampling != NULL)
        put_estimate(&results, sampling_estimate_of(run.sampling, memory));
    return results;
}
