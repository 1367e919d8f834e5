/* Epochs: where counts become time.
 *
 * The path of a reference only counts, by (CPU, node, load or store). At the end of the epoch
 * each count is multiplied by the latency from the CPU's node to the memory's, in integers of ps,
 * and by the references that one recorded one stands for (`times`; counts of weighted references
 * are sums of weights already); the same for execution. Faults, refills,
 * moves and shootdowns are charged when they happen and stand for themselves.
 *
 * The latency is the machine's, or with contention what the network makes of all counts of the epoch
 * together. For that the counts stand for the time that they take: the epoch lasts as long as its
 * slowest CPU, and each CPU makes its accesses within that time. Clocks are not brought together;
 * each advances by what its own accesses took.
 *
 * Then the furthest clock is looked at: the policy's tick comes at most once an epoch, before its
 * counters are set back, so that a policy that ticks as often as it resets sees full counters.
 */
#include "vmm-core/memory/internal.h"

#include <string.h>

/* The latency that every access of this epoch from one node to another has seen. */
static uint64_t epoch_latency_ps(const struct memory *memory, uint32_t from, uint32_t to)
{
    if (memory->contention)
        return contention_latency_ps(memory, from, to);
    return (uint64_t)machine_latency_ns(memory->machine, from, to) * PS_PER_NS;
}

void epoch_begin(struct memory *memory)
{
    const uint64_t number = memory->epoch.number + 1;
    memory->epoch = (struct memory_epoch){.number = number,
                                          .start_ns = clock_furthest_ps(memory) / PS_PER_NS,
                                          .node_accesses = memory->epoch_accesses};
    memset(memory->epoch_accesses, 0, memory->nodes * sizeof *memory->epoch_accesses);
    memory->epoch_left = memory->options.epoch_references;
}

/* `count` recorded references took `each_ps` a reference; returns what was charged. A clock that has
 * no room for them stops at its end, and the run fails. */
static uint64_t charge(struct memory *memory, struct cpu *cpu, enum memory_account account,
                       uint64_t count, uint64_t each_ps)
{
    const unsigned __int128 ps = (unsigned __int128)(count * memory->times) * each_ps;
    const uint64_t clock_ps = cpu->counters.clock_ps;
    const uint64_t room_ps = clock_ps < CLOCK_PS_MOST ? CLOCK_PS_MOST - clock_ps : 0;
    const uint64_t charged_ps = ps <= room_ps ? (uint64_t)ps : room_ps;
    cpu_charge(cpu, account, charged_ps);
    if (ps > room_ps && !memory->failure) {
        memory->failure =
            strdup("the modelled time has passed 106 days; replay a shorter trace, or "
                   "fewer references for each sample");
        if (!memory->failure)
            memory->failure = memory_short();
    }
    return charged_ps;
}

static void charge_stalls(struct memory *memory, struct cpu *cpu)
{
    for (uint32_t node = 0; node < memory->nodes; node++) {
        const uint64_t accesses = cpu->loads[node] + cpu->stores[node];
        walk_charge(cpu, node, epoch_latency_ps(memory, cpu->node, node));
        if (!accesses)
            continue;
        const bool local = node == cpu->node;
        *(local ? &memory->epoch.local_stall_ps : &memory->epoch.remote_stall_ps) +=
            charge(memory, cpu, local ? ACCOUNT_local_stall : ACCOUNT_remote_stall, accesses,
                   epoch_latency_ps(memory, cpu->node, node));
        const size_t pair = (size_t)cpu->node * memory->nodes + node;
        memory->traffic_loads[pair] += cpu->loads[node];
        memory->traffic_stores[pair] += cpu->stores[node];
        memory->epoch_accesses[node] += accesses;
        *(local ? &memory->epoch.local_accesses : &memory->epoch.remote_accesses) += accesses;
        *(local ? &memory->node[node].local_accesses : &memory->node[node].remote_accesses) +=
            accesses;
        cpu->loads[node] = cpu->stores[node] = 0;
    }
}

/* Hits beyond the first level are part of execution. */
static void charge_hits(struct memory *memory, struct cpu *cpu)
{
    for (uint32_t kind = 0; kind < 2; kind++) {
        for (uint32_t level = 2; level <= MACHINE_CACHES_MAX; level++) {
            if (cpu->hits[kind][level])
                charge(memory, cpu, ACCOUNT_execution, cpu->hits[kind][level] * memory->each,
                       memory->hit_ps[kind][level]);
            cpu->hits[kind][level] = 0;
        }
    }
}

/* Lines that went with their page are what the move cost. */
static void charge_refetches(struct memory *memory, struct cpu *cpu)
{
    for (uint32_t node = 0; node < memory->nodes; node++) {
        if (cpu->refetches[node])
            charge(memory, cpu, ACCOUNT_move, cpu->refetches[node] * memory->each,
                   epoch_latency_ps(memory, cpu->node, node));
        cpu->refetches[node] = 0;
    }
}

void epoch_sum_execution(const struct memory *memory, struct cpu *cpu)
{
    const struct memory_cpu_counters *const count = &cpu->counters;
    const uint64_t all =
        memory->options.has_fetches ? count->fetches : count->loads + count->stores;
    cpu->executed += (all - cpu->executed_before) * memory->weight;
    cpu->executed_before = all;
}

static void charge_execution(struct memory *memory, struct cpu *cpu)
{
    const struct machine_costs *const costs = &memory->machine->costs;
    epoch_sum_execution(memory, cpu);
    charge(memory, cpu, ACCOUNT_execution, cpu->executed,
           memory->options.has_fetches ? costs->fetch_ps : costs->data_reference_ps);
    cpu->executed = 0;
}

static void report(struct memory *memory, uint64_t end_ns)
{
    struct memory_epoch *const epoch = &memory->epoch;
    epoch->references = memory->options.epoch_references - memory->epoch_left;
    epoch->end_ns = end_ns;
    for (uint32_t node = 0; node < memory->nodes; node++) {
        epoch->frames_used += memory->node[node].used;
        epoch->replica_frames += memory->node[node].replicas;
    }
    const bool empty = !epoch->references && epoch->start_ns == end_ns && !epoch->migrations &&
                       !epoch->replications && !epoch->collapses;
    if (memory->options.on_epoch && !empty) /* the last one can be */
        memory->options.on_epoch(memory->options.context, epoch);
}

static void tick_and_reset(struct memory *memory, uint64_t now_ns)
{
    const struct policy_wants *const wants = &memory->wants;
    if (wants->tick_ns && memory->policy->tick && now_ns >= memory->next_tick_ns) {
        memory->next_tick_ns = (now_ns / wants->tick_ns + 1) * wants->tick_ns;
        memory->policy->tick(memory->state, &memory->host, now_ns);
    }
    if (wants->reset_ns && memory->counts.record && now_ns >= memory->next_reset_ns) {
        memory->next_reset_ns = (now_ns / wants->reset_ns + 1) * wants->reset_ns;
        counts_reset(memory);
    }
}

void epoch_end(struct memory *memory, bool last)
{
    for (uint32_t at = 0; at < memory->used_count; at++) {
        struct cpu *const cpu = memory->used[at];
        if (!cpu->active)
            continue;
        fast_settle(memory, cpu);
        charge_execution(memory, cpu);
        charge_hits(memory, cpu);
    }
    contention_solve(memory);
    for (uint32_t at = 0; at < memory->used_count; at++) {
        struct cpu *const cpu = memory->used[at];
        if (!cpu->active)
            continue;
        charge_refetches(memory, cpu);
        charge_stalls(memory, cpu);
        cpu->active = false;
    }
    contention_settle(memory);
    const uint64_t now_ns = clock_furthest_ps(memory) / PS_PER_NS;
    report(memory, now_ns);
    epoch_begin(memory);
    if (!last)
        tick_and_reset(memory, now_ns);
}
