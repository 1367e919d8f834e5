/* What must hold of a machine before anything runs on it. */
#include <inttypes.h>
#include <stdio.h>

#include "vmm-core/machine/draft.h"
#include "vmm-core/machine/fields.h"

static bool power_of_two(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

static const char *node_place(const struct draft *draft, uint32_t node, char place[48])
{
    if (draft->json)
        snprintf(place, 48, "$.nodes[%" PRIu32 "]", node);
    else
        snprintf(place, 48, "node %" PRIu32, draft->node[node].os_id);
    return place;
}

static char *check_nodes(const struct draft *draft)
{
    const char *place = draft->json ? "$.nodes" : "nodes";
    char node_at[48];
    bool memory = false;
    if (draft->nodes == 0)
        return draft_error(draft, place, "no nodes; give at least one, with a CPU and memory");
    for (uint32_t i = 0; i < draft->nodes; i++) {
        uint64_t bytes = draft->node[i].memory_bytes;
        if (bytes != 0 && bytes < draft->page_bytes)
            return draft_error(draft, node_place(draft, i, node_at),
                               "%" PRIu64 " bytes of memory hold no page of %" PRIu32
                               " bytes; give more, or 0",
                               bytes, draft->page_bytes);
        memory = memory || bytes != 0;
    }
    if (draft->cpus == 0)
        return draft_error(draft, place, "no node has a CPU; give one some");
    if (!memory)
        return draft_error(draft, place, "no node has memory; give one some");
    return NULL;
}

static char *unreachable(const struct draft *draft, uint32_t from, uint32_t to)
{
    char place[64];
    bool reached = false;
    for (uint32_t i = 0; i < draft->nodes; i++)
        reached = reached || (draft->node[i].cpus > 0 &&
                              draft->latency_ns[i * draft->nodes + to] != DRAFT_LATENCY_NONE);
    if (!reached)
        return draft_error(draft, node_place(draft, to, place),
                           "no CPU can reach node %" PRIu32
                           ": its column of latencies is 0; give one latency a node",
                           draft->node[to].os_id);
    if (draft->json)
        snprintf(place, sizeof place, "$.latency_ns[%" PRIu32 "][%" PRIu32 "]", from, to);
    else
        snprintf(place, sizeof place, "distances, node %" PRIu32 " to node %" PRIu32,
                 draft->node[from].os_id, draft->node[to].os_id);
    if (from == to)
        return draft_error(draft, place,
                           "a local latency of 0; give the time of a local miss, in ns");
    return draft_error(draft, place,
                       "the CPUs of node %" PRIu32 " cannot reach node %" PRIu32
                       ": the latency is 0; give it in ns",
                       draft->node[from].os_id, draft->node[to].os_id);
}

/* A node without CPUs has no one to measure its row. The way back stands for it; where that is not
 * known either (two such nodes), the nearest that any CPU sees. */
static uint32_t way_back_ns(const struct draft *draft, uint32_t from, uint32_t to)
{
    uint32_t nodes = draft->nodes, back = draft->latency_ns[to * nodes + from];
    if (draft->node[to].cpus > 0 && back != DRAFT_LATENCY_NONE)
        return back;
    uint32_t nearest = LATENCY_MOST_NS;
    for (uint32_t i = 0; i < nodes; i++) {
        uint32_t ns = draft->latency_ns[i * nodes + to];
        if (draft->node[i].cpus > 0 && ns < nearest)
            nearest = ns;
    }
    return nearest;
}

static char *check_latencies(struct draft *draft)
{
    uint32_t nodes = draft->nodes;
    for (uint32_t from = 0; from < nodes; from++)
        for (uint32_t to = 0; to < nodes; to++)
            if (draft->latency_ns[from * nodes + to] == DRAFT_LATENCY_NONE &&
                draft->node[from].cpus > 0)
                return unreachable(draft, from, to);
    for (uint32_t from = 0; from < nodes; from++)
        for (uint32_t to = 0; to < nodes; to++)
            if (draft->latency_ns[from * nodes + to] == DRAFT_LATENCY_NONE)
                draft->latency_ns[from * nodes + to] = way_back_ns(draft, from, to);
    return NULL;
}

static char *check_tlb(const struct draft *draft)
{
    const struct machine_tlb *tlb = &draft->tlb;
    if (tlb->entries != 0 &&
        (tlb->entries % tlb->ways != 0 || !power_of_two(tlb->entries / tlb->ways)))
        return draft_error(draft, "$.tlb.ways",
                           "%" PRIu32 " entries in sets of %" PRIu32
                           " do not make a power of two of sets; "
                           "change entries or ways, or say \"full\"",
                           tlb->entries, tlb->ways);
    const struct machine_l2tlb *l2tlb = &draft->l2tlb;
    if (l2tlb->entries != 0 && !power_of_two(l2tlb->entries))
        return draft_error(draft, "$.l2tlb.entries",
                           "%" PRIu32 " is not a power of two; take the next one", l2tlb->entries);
    if (l2tlb->entries != 0 && l2tlb->entries % l2tlb->ways != 0)
        return draft_error(draft, "$.l2tlb.ways",
                           "%" PRIu32 " does not divide %" PRIu32
                           " entries; take a power of two up to it, or \"full\"",
                           l2tlb->ways, l2tlb->entries);
    return NULL;
}

char *draft_check(struct draft *draft)
{
    if (!power_of_two(draft->page_bytes))
        return draft_error(draft, "$.page_size",
                           "%" PRIu32 " is not a power of two; take the next one",
                           draft->page_bytes);
    char *error = check_nodes(draft);
    if (error == NULL)
        error = check_tlb(draft);
    if (error == NULL)
        error = check_latencies(draft);
    return error;
}
