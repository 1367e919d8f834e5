/* The sets of a cache: where a line may be, and which one has to go. */
#include "vmm-core/machine/caches/cache-internal.h"

#include <stdlib.h>

uint64_t cache_set(const struct cache_instance *cache, uint64_t virtual_address, uint64_t physical)
{
    const struct cache_kind *kind = cache->kind;
    uint64_t line = (kind->virtual_index ? virtual_address : physical) >> kind->line_shift;
    return kind->sets_are_power_of_two ? line & (kind->sets - 1) : line % kind->sets;
}

uint32_t cache_find(const struct caches *caches, const struct cache_instance *cache, uint64_t set,
                    uint64_t line)
{
    uint32_t first = cache->first_slot + (uint32_t)set * cache->kind->ways;
    for (uint32_t slot = first; slot < first + cache->kind->ways; slot++)
        if (caches->tag[slot] == line + 1)
            return slot;
    return CACHE_NONE;
}

uint32_t cache_find_anywhere(const struct caches *caches, uint32_t instance, uint64_t physical)
{
    const struct cache_instance *cache = &caches->instance[instance];
    uint64_t line = physical >> cache->kind->line_shift;
    if (!cache->kind->virtual_index)
        return cache_find(caches, cache, cache_set(cache, 0, physical), line);
    uint32_t entry = cache_directory_find(&caches->directory, cache_block_of(caches, physical));
    uint32_t slot = entry != CACHE_NONE ? caches->directory.entry[entry].holders : CACHE_NONE;
    while (slot != CACHE_NONE &&
           (caches->line[slot].instance != instance || caches->tag[slot] != line + 1))
        slot = caches->line[slot].next;
    return slot;
}

/* Tree: node 1 is the root, nodes 2n and 2n + 1 are below n; a bit says which half is to go next.
 * Otherwise a bit says that the way was used; the last one to be set clears the others. */
uint64_t cache_plru_touched(const struct cache_kind *kind, uint64_t bits, uint32_t way)
{
    if (kind->tree) {
        uint32_t node = 1;
        for (uint32_t half = kind->ways / 2; half > 0; half /= 2) {
            uint32_t upper = (way & half) != 0;
            bits = upper != 0 ? bits & ~(UINT64_C(1) << node) : bits | UINT64_C(1) << node;
            node = 2 * node + upper;
        }
        return bits;
    }
    uint64_t all = UINT64_MAX >> (64 - kind->ways), own = UINT64_C(1) << way;
    bits |= own;
    return bits == all ? own : bits;
}

static uint32_t plru_victim(const struct cache_kind *kind, uint64_t bits)
{
    if (kind->tree) {
        uint32_t node = 1, way = 0;
        for (uint32_t half = kind->ways / 2; half > 0; half /= 2) {
            uint32_t upper = (uint32_t)(bits >> node & 1);
            way += upper * half;
            node = 2 * node + upper;
        }
        return way;
    }
    /* of one way the bit is set, and it goes all the same */
    return kind->ways == 1 ? 0 : (uint32_t)__builtin_ctzll(~bits);
}

void cache_touch(struct caches *caches, const struct cache_instance *cache, uint64_t set,
                 uint32_t slot, uint64_t tick)
{
    uint32_t way = slot - cache->first_slot - (uint32_t)set * cache->kind->ways;
    caches->stamp[slot] = tick;
    if (cache->most_recent != NULL)
        cache->most_recent[set] = way;
    if (cache->plru != NULL)
        cache->plru[set] = cache_plru_touched(cache->kind, cache->plru[set], way);
}

uint32_t cache_victim(const struct caches *caches, const struct cache_instance *cache, uint64_t set)
{
    uint32_t ways = cache->kind->ways, first = cache->first_slot + (uint32_t)set * ways;
    uint32_t oldest = first;
    for (uint32_t slot = first; slot < first + ways; slot++) {
        if (caches->tag[slot] == 0)
            return slot;
        if (caches->stamp[slot] < caches->stamp[oldest])
            oldest = slot;
    }
    return cache->plru != NULL ? first + plru_victim(cache->kind, cache->plru[set]) : oldest;
}

bool cache_ready(struct cache_instance *cache)
{
    if (cache->most_recent != NULL)
        return true;
    cache->most_recent = calloc(cache->kind->sets, sizeof *cache->most_recent);
    if (cache->kind->plru && cache->plru == NULL)
        cache->plru = calloc(cache->kind->sets, sizeof *cache->plru);
    return cache->most_recent != NULL && (!cache->kind->plru || cache->plru != NULL);
}
