/* What must hold of a machine before anything runs on it. */
#include <inttypes.h>
#include <stdio.h>

#include "vmm-core/machine/description/draft.h"
#include "vmm-core/machine/description/fields.h"

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

static char *check_array(const struct draft *draft, uint32_t at, uint32_t held[3])
{
    const struct machine_tlb_array *array = &draft->tlb.array[at];
    char place[48];
    snprintf(place, sizeof place, "$.tlb.levels[%" PRIu32 "]", at);
    if (at > 0 && array->level < draft->tlb.array[at - 1].level)
        return draft_error(draft, place,
                           "level %" PRIu32 " after level %" PRIu32 "; list the first level first",
                           array->level, draft->tlb.array[at - 1].level);
    if ((held[array->level] & array->pages) != 0)
        return draft_error(draft, place,
                           "level %" PRIu32 " holds pages of this size already; "
                           "give each size one array a level",
                           array->level);
    held[array->level] |= array->pages;
    if (array->entries % array->ways != 0 || !power_of_two(array->entries / array->ways))
        return draft_error(draft, place,
                           "%" PRIu32 " entries in sets of %" PRIu32
                           " do not make a power of two of sets; "
                           "change entries or ways, or say \"full\"",
                           array->entries, array->ways);
    if (array->level == 1 && array->latency_ns != 0)
        return draft_error(draft, place,
                           "latency_ns on the first level, whose hits are free; "
                           "give 0");
    return NULL;
}

static char *check_arrays(const struct draft *draft)
{
    const struct machine_tlb *tlb = &draft->tlb;
    uint32_t held[3] = {0}; /* sizes by level */
    char *error = NULL;
    if (tlb->refill == TLB_REFILL_SOFTWARE)
        return draft_error(draft, "$.tlb.levels",
                           "only a TLB that hardware refills has levels; "
                           "say \"refill\": \"hardware\", or give entries and ways");
    if (draft->page_bytes != DEFAULT_PAGE_BYTES)
        return draft_error(draft, "$.tlb.levels",
                           "pages of %" PRIu32 " bytes; levels are for pages of 4K",
                           draft->page_bytes);
    for (uint32_t at = 0; at < tlb->arrays && error == NULL; at++)
        error = check_array(draft, at, held);
    if (error == NULL && (held[1] & 1u << MACHINE_PAGE_4K) == 0)
        return draft_error(draft, "$.tlb.levels", "no array of level 1 holds pages of 4K; add one");
    return error;
}

static char *check_walk(const struct draft *draft)
{
    const struct machine_walk *walk = &draft->tlb.walk;
    if (draft->tlb.refill == TLB_REFILL_SOFTWARE)
        return draft_error(draft, "$.tlb.walk",
                           "no walk where software refills the TLB; "
                           "say \"refill\": \"hardware\", or leave it out");
    if (draft->page_bytes != DEFAULT_PAGE_BYTES)
        return draft_error(draft, "$.tlb.walk",
                           "pages of %" PRIu32 " bytes; tables are modelled for pages of 4K",
                           draft->page_bytes);
    for (uint32_t at = 0; at < walk->caches; at++) {
        const struct machine_walk_cache *cache = &walk->cache[at];
        char place[48];
        snprintf(place, sizeof place, "$.tlb.walk.cache[%" PRIu32 "]", at);
        if (cache->level > walk->levels)
            return draft_error(draft, place, "level %" PRIu32 " of %" PRIu32 "; leave it out",
                               cache->level, walk->levels);
        if (at > 0 && cache->level <= walk->cache[at - 1].level)
            return draft_error(draft, place,
                               "level %" PRIu32 " after level %" PRIu32
                               "; list each level once, by rising level",
                               cache->level, walk->cache[at - 1].level);
        if (cache->entries % cache->ways != 0 || !power_of_two(cache->entries / cache->ways))
            return draft_error(draft, place,
                               "%" PRIu32 " entries in sets of %" PRIu32
                               " do not make a power of two of sets; "
                               "change entries or ways, or say \"full\"",
                               cache->entries, cache->ways);
    }
    if (walk->line_entries != 0 && (walk->line_entries % walk->line_ways != 0 ||
                                    !power_of_two(walk->line_entries / walk->line_ways)))
        return draft_error(draft, "$.tlb.walk.lines",
                           "%" PRIu32 " entries in sets of %" PRIu32
                           " do not make a power of two of sets; "
                           "change entries or ways, or say \"full\"",
                           walk->line_entries, walk->line_ways);
    return NULL;
}

static char *check_tlb(const struct draft *draft)
{
    char *error = draft->tlb.arrays != 0 ? check_arrays(draft) : NULL;
    if (error == NULL && draft->tlb.walk.levels != 0)
        error = check_walk(draft);
    if (error != NULL)
        return error;
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
        error = draft_check_caches(draft);
    if (error == NULL)
        error = check_latencies(draft);
    return error;
}
