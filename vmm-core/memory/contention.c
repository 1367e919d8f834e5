/* Contention: what an epoch asks of controllers and links, and the network (machine/network/network.h) that
 * turns it into loaded latencies.
 *
 * A CPU that executed in the epoch is a customer. It is busy for as long as its accounts say, but
 * for idle time and the waiting for memory itself: stalls, and lines fetched again after a move,
 * which are accesses like others here. Each recorded access stands for refs_per_sample.
 *
 * A copy of a page reads each of its lines from one node and writes it to the other, from the node
 * of the CPU that copies. With contention off there is nothing to count.
 */
#include "vmm-core/memory/internal.h"

#include <stdlib.h>
#include <string.h>

struct contention {
    struct network *network;
    uint64_t *reads, *writes; /* [nodes * nodes] of the open epoch, as network_demand has them */
    uint64_t *latency_ps;     /* [nodes * nodes] of the epoch solved last */
    uint32_t lines_per_page;
    uint32_t cpus, room; /* in these: */
    uint32_t *node;
    uint64_t *busy_ps, *accesses;
};

char *contention_new(struct memory *memory)
{
    if (!memory->options.contention)
        return NULL;
    const size_t pairs = (size_t)memory->nodes * memory->nodes;
    struct contention *const it = calloc(1, sizeof *it);
    memory->contention = it;
    if (!it)
        return memory_short();
    it->reads = calloc(pairs, sizeof *it->reads);
    it->writes = calloc(pairs, sizeof *it->writes);
    it->latency_ps = calloc(pairs, sizeof *it->latency_ps);
    if (!it->reads || !it->writes || !it->latency_ps)
        return memory_short();
    const uint32_t lines = memory->machine->page_bytes / network_line_bytes(memory->machine);
    it->lines_per_page = lines ? lines : 1;
    return network_new(memory->machine, &it->network);
}

void contention_free(struct memory *memory)
{
    struct contention *const it = memory->contention;
    if (!it)
        return;
    network_free(it->network);
    free(it->reads);
    free(it->writes);
    free(it->latency_ps);
    free(it->node);
    free(it->busy_ps);
    free(it->accesses);
    free(it);
}

void contention_reads(struct memory *memory, uint32_t from, uint32_t to, uint64_t accesses)
{
    if (memory->contention)
        memory->contention->reads[from * memory->nodes + to] += accesses;
}

void contention_writes(struct memory *memory, uint32_t from, uint32_t to, uint64_t accesses)
{
    if (memory->contention)
        memory->contention->writes[from * memory->nodes + to] += accesses;
}

void contention_copy(struct memory *memory, uint32_t by, uint32_t from, uint32_t to)
{
    if (!memory->contention)
        return;
    contention_reads(memory, by, from, memory->contention->lines_per_page);
    contention_writes(memory, by, to, memory->contention->lines_per_page);
}

uint64_t contention_latency_ps(const struct memory *memory, uint32_t from, uint32_t to)
{
    return memory->contention->latency_ps[from * memory->nodes + to];
}

static bool make_room(struct contention *contention, uint32_t cpus, size_t nodes)
{
    if (cpus <= contention->room)
        return true;
    free(contention->node);
    free(contention->busy_ps);
    free(contention->accesses);
    contention->room = 0;
    contention->node = malloc(cpus * sizeof *contention->node);
    contention->busy_ps = malloc(cpus * sizeof *contention->busy_ps);
    contention->accesses = malloc(cpus * nodes * sizeof *contention->accesses);
    if (!contention->node || !contention->busy_ps || !contention->accesses)
        return false;
    contention->room = cpus;
    return true;
}

static uint64_t not_waiting_ps(const struct cpu *cpu)
{
    const uint64_t *const account = cpu->counters.account_ps;
    return cpu->counters.clock_ps - account[ACCOUNT_idle] - account[ACCOUNT_local_stall] -
           account[ACCOUNT_remote_stall];
}

void contention_settle(struct memory *memory)
{
    for (uint32_t at = 0; memory->contention && at < memory->used_count; at++)
        memory->used[at]->not_waiting_before_ps = not_waiting_ps(memory->used[at]);
}

static void add_cpu(struct memory *memory, const struct cpu *cpu)
{
    struct contention *const it = memory->contention;
    const size_t nodes = memory->nodes;
    uint64_t *const accesses = it->accesses + it->cpus * nodes;
    for (size_t node = 0; node < nodes; node++)
        accesses[node] =
            (cpu->loads[node] + cpu->stores[node] + cpu->refetches[node]) * memory->times;
    it->node[it->cpus] = cpu->node;
    it->busy_ps[it->cpus++] = not_waiting_ps(cpu) - cpu->not_waiting_before_ps;
}

void contention_solve(struct memory *memory)
{
    struct contention *const it = memory->contention;
    const size_t pairs = (size_t)memory->nodes * memory->nodes;
    if (!it)
        return;
    it->cpus = 0;
    const bool room = make_room(it, memory->used_count, memory->nodes);
    if (!room && !memory->failure)
        memory->failure = memory_short();
    for (uint32_t at = 0; room && at < memory->used_count; at++)
        if (memory->used[at]->active)
            add_cpu(memory, memory->used[at]);
    const struct network_demand demand = {.cpus = it->cpus,
                                          .node = it->node,
                                          .busy_ps = it->busy_ps,
                                          .accesses = it->accesses,
                                          .other_reads = it->reads,
                                          .other_writes = it->writes};
    network_solve(it->network, &demand, it->latency_ps);
    memory->epoch.station = network_stations(it->network, &memory->epoch.stations);
    memset(it->reads, 0, pairs * sizeof *it->reads);
    memset(it->writes, 0, pairs * sizeof *it->writes);
}
