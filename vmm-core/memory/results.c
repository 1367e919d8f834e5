/* The public face: results. */
#include "vmm-core/memory/internal.h"

const struct memory_cpu_counters *memory_cpu(const struct memory *memory, uint32_t cpu)
{
    static const struct memory_cpu_counters nothing = {0};
    return memory_cpu_used(memory, cpu) ? &memory->cpu[cpu]->counters : &nothing;
}

bool memory_cpu_used(const struct memory *memory, uint32_t cpu)
{
    return cpu < memory->machine->cpus && memory->cpu[cpu];
}

uint64_t memory_time_ns(const struct memory *memory)
{
    return clock_furthest_ps(memory) / PS_PER_NS;
}

const uint64_t *memory_traffic_loads(const struct memory *memory)
{
    return memory->traffic_loads;
}

const uint64_t *memory_traffic_stores(const struct memory *memory)
{
    return memory->traffic_stores;
}

struct memory_node_state memory_node(const struct memory *memory, uint32_t node)
{
    const struct node *const it = &memory->node[node];
    return (struct memory_node_state){.frames = it->frames,
                                      .frames_used = it->used,
                                      .frames_used_most = it->used_most,
                                      .replica_frames = it->replicas,
                                      .replica_frames_most = it->replicas_most,
                                      .table_frames = memory->tables.used_on[node],
                                      .local_accesses = it->local_accesses,
                                      .remote_accesses = it->remote_accesses};
}

uint32_t memory_pages(const struct memory *memory)
{
    return memory->pages;
}

static uint32_t node_of(uint8_t home)
{
    return home == PAGE_NOT_PLACED ? MEMORY_NO_NODE : home;
}

struct memory_page_state memory_page(const struct memory *memory, uint32_t page)
{
    const struct page *const it = &memory->page[page];
    const struct page_totals totals = pmap_totals(memory, page);
    const struct acted none = {.copies = MEMORY_NONE};
    const struct acted *const acted = it->acted == MEMORY_NONE ? &none : &memory->acted[it->acted];
    const bool part = huge_order(memory, page) > 1 && huge_head(memory, page) != page;
    return (struct memory_page_state){.space = memory->guest->page[page].space,
                                      .vpn = memory->guest->page[page].vpn,
                                      .first_home = part ? MEMORY_NO_NODE : node_of(it->first_home),
                                      .home = node_of(it->home),
                                      .replicas = pmap_replicas(memory, page),
                                      .loads = totals.loads,
                                      .stores = totals.stores,
                                      .local_accesses = totals.local,
                                      .migrations = acted->migrations,
                                      .replications = acted->replications,
                                      .collapses = acted->collapses,
                                      .mapped = it->master != MEMORY_NONE};
}

const struct policy_wants *memory_wants(const struct memory *memory)
{
    return &memory->wants;
}

const struct guest *memory_guest(const struct memory *memory)
{
    return memory->guest;
}
