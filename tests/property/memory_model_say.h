/* All results of the memory subsystem and of its model, as text that can be compared. */
#ifndef DISCO_TESTS_MEMORY_MODEL_SAY_H
#define DISCO_TESTS_MEMORY_MODEL_SAY_H

#include "tests/property/memory_model.h"

static inline void say_cpu(FILE *log, uint32_t cpu, const struct memory_cpu_counters *count)
{
    fprintf(log, "cpu %u:", cpu);
#define SAY_COUNTER(name, meaning) fprintf(log, " " #name " %llu", (unsigned long long)count->name);
    MEMORY_CPU_COUNTERS(SAY_COUNTER)
#undef SAY_COUNTER
#define SAY_ACCOUNT(name, meaning)                                                                 \
    fprintf(log, " " #name " %llu ps", (unsigned long long)count->account_ps[ACCOUNT_##name]);
    MEMORY_ACCOUNTS(SAY_ACCOUNT)
#undef SAY_ACCOUNT
    fputc('\n', log);
}

static inline void say_page(FILE *log, uint32_t page, struct memory_page_state it)
{
    fprintf(log, "page %u: %u/%llx %u %u %llx %llu %llu %llu %u %u %u %d\n", page, it.space,
            (unsigned long long)it.vpn, it.first_home, it.home, (unsigned long long)it.replicas,
            (unsigned long long)it.loads, (unsigned long long)it.stores,
            (unsigned long long)it.local_accesses, it.migrations, it.replications, it.collapses,
            it.mapped);
}

static inline void say_node(FILE *log, uint32_t node, struct memory_node_state it)
{
    fprintf(log, "node %u: %llu %llu %llu %llu %llu %llu %llu\n", node,
            (unsigned long long)it.frames, (unsigned long long)it.frames_used,
            (unsigned long long)it.frames_used_most, (unsigned long long)it.replica_frames,
            (unsigned long long)it.replica_frames_most, (unsigned long long)it.local_accesses,
            (unsigned long long)it.remote_accesses);
}

static inline void say_real(FILE *log, const struct memory *memory, const struct machine *machine)
{
    for (uint32_t cpu = 0; cpu < machine->cpus; cpu++)
        say_cpu(log, cpu, memory_cpu(memory, cpu));
    for (uint32_t page = 0; page < memory_pages(memory); page++)
        say_page(log, page, memory_page(memory, page));
    for (uint32_t node = 0; node < machine->nodes; node++)
        say_node(log, node, memory_node(memory, node));
    for (uint32_t pair = 0; pair < machine->nodes * machine->nodes; pair++)
        fprintf(log, "traffic %llu %llu\n", (unsigned long long)memory_traffic_loads(memory)[pair],
                (unsigned long long)memory_traffic_stores(memory)[pair]);
    fprintf(log, "time %llu ns\n", (unsigned long long)memory_time_ns(memory));
}

static inline void say_model(FILE *log, const struct model *model)
{
    const struct machine *const machine = model->machine;
    const uint64_t furthest_ps = model_furthest(model);
    for (uint32_t cpu = 0; cpu < machine->cpus; cpu++) {
        struct memory_cpu_counters count = model->cpu[cpu].count;
        for (int account = 0; account < MEMORY_ACCOUNT_COUNT; account++)
            count.account_ps[account] *= account == ACCOUNT_execution ? 1 : 1000;
        if (model->cpu[cpu].used)
            count.account_ps[ACCOUNT_idle] += furthest_ps - model_clock(&model->cpu[cpu]);
        say_cpu(log, cpu, &count);
    }
    for (uint32_t page = 0; page < model->pages; page++) {
        const struct model_page *const it = &model->page[page];
        say_page(log, page,
                 (struct memory_page_state){.space = it->space,
                                            .vpn = it->vpn,
                                            .first_home = it->first_home,
                                            .home = it->home,
                                            .replicas = model_replicas(model, page),
                                            .loads = it->loads,
                                            .stores = it->stores,
                                            .local_accesses = it->local,
                                            .migrations = it->migrations,
                                            .replications = it->replications,
                                            .collapses = it->collapses,
                                            .mapped = it->live});
    }
    for (uint32_t node = 0; node < machine->nodes; node++)
        say_node(log, node,
                 (struct memory_node_state){.frames = model->frames[node],
                                            .frames_used = model_used(model, node),
                                            .frames_used_most = model->used_most[node],
                                            .replica_frames = model_replicas_on(model, node),
                                            .replica_frames_most = model->replicas_most[node],
                                            .local_accesses = model->served_local[node],
                                            .remote_accesses = model->served_remote[node]});
    for (uint32_t from = 0; from < machine->nodes; from++)
        for (uint32_t to = 0; to < machine->nodes; to++)
            fprintf(log, "traffic %llu %llu\n", (unsigned long long)model->loads[from][to],
                    (unsigned long long)model->stores[from][to]);
    fprintf(log, "time %llu ns\n", (unsigned long long)(furthest_ps / 1000));
}

#endif
