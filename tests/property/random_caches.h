/* Random caches that a machine may have: any number of levels, split or not, of any sharing that
 * nests. Shared by the property tests; sizes stay small, so that short traces fill them. */
#ifndef DISCO_TESTS_RANDOM_CACHES_H
#define DISCO_TESTS_RANDOM_CACHES_H

#include "vmm-core/machine/machine.h"

#include <stdio.h>

static uint32_t caches_below(uint64_t *state, uint32_t bound) /* splitmix64 */
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((((z ^ (z >> 31)) >> 32) * bound) >> 32);
}

/* CPUs of the smallest node that has any: beyond it, groups are made of whole nodes, and do not nest
 * in every case. */
static uint32_t fewest_cpus(const struct machine *machine)
{
    uint32_t fewest = UINT32_MAX;
    for (uint32_t node = 0; node < machine->nodes; node++) {
        uint32_t cpus = 0;
        for (uint32_t cpu = 0; cpu < machine->cpus; cpu++)
            cpus += machine->cpu_node[cpu] == node;
        if (cpus > 0 && cpus < fewest)
            fewest = cpus;
    }
    return fewest;
}

static void random_cache(uint64_t *state, struct machine *machine, const char *kind, uint32_t level,
                         uint32_t line, uint32_t cpus)
{
    struct machine_cache *cache = &machine->cache[machine->caches++];
    uint32_t ways = 1 + caches_below(state, caches_below(state, 4) == 0 ? 9 : 4);
    uint32_t sets =
        caches_below(state, 4) == 0 ? 1 + caches_below(state, 12) : 1u << caches_below(state, 5);
    *cache = (struct machine_cache){
        .level = level,
        .size_bytes = (uint64_t)line * ways * sets,
        .ways = ways,
        .line_bytes = line,
        .cpus = cpus,
        .replacement = caches_below(state, 3) == 0 ? CACHE_REPLACE_PLRU : CACHE_REPLACE_LRU,
        .latency_ns = level == 1 ? 0 : caches_below(state, 50),
    };
    if (caches_below(state, 3) == 0 && (sets & (sets - 1)) == 0)
        cache->index = CACHE_INDEX_VIRTUAL;
    snprintf(cache->kind, sizeof cache->kind, "%s", kind);
}

/* Whether every cache above it on its ways is there and has lines of this length. */
static bool may_exclude(const struct machine *machine, const struct machine_cache *cache)
{
    uint32_t level[2] = {0, 0}, line[2] = {0, 0};
    for (uint32_t i = 0; i < machine->caches; i++) {
        const struct machine_cache *other = &machine->cache[i];
        for (uint32_t way = 0; way < 2; way++)
            if (other->level < cache->level && other->level > level[way] &&
                other->kind[0] != (way == 0 ? 'd' : 'i')) {
                level[way] = other->level;
                line[way] = other->line_bytes;
            }
    }
    return (cache->kind[0] == 'd' || line[0] == cache->line_bytes) &&
           (cache->kind[0] == 'i' || line[1] == cache->line_bytes);
}

static void random_inclusion(uint64_t *state, struct machine *machine, struct machine_cache *cache)
{
    uint32_t draw = caches_below(state, 3);
    bool above = false;
    for (uint32_t i = 0; i < machine->caches; i++)
        above = above || (machine->cache[i].level < cache->level &&
                          (machine->cache[i].kind[0] == cache->kind[0] ||
                           machine->cache[i].kind[0] == 'u' || cache->kind[0] == 'u'));
    if (draw == 1 && above)
        cache->inclusion = CACHE_INCLUSION_INCLUSIVE;
    if (draw == 2 && above && may_exclude(machine, cache) && cache->index == CACHE_INDEX_PHYSICAL)
        cache->inclusion = CACHE_INCLUSION_EXCLUSIVE;
}

/* Fills machine->cache[]; nodes and CPUs are there already, pages hold 256 bytes at least. */
static void random_caches(uint64_t *state, struct machine *machine)
{
    uint32_t levels = 1 + caches_below(state, 4), line = 8u << caches_below(state, 4), cpus = 1;
    uint32_t most = fewest_cpus(machine);
    bool unified = false;
    machine->caches = 0;
    for (uint32_t level = 1; level <= levels && machine->caches + 2 <= MACHINE_CACHES_MAX;
         level++) {
        uint32_t first = machine->caches;
        if (caches_below(state, 3) == 0 && line < 256)
            line *= 2;
        if (cpus != 0 && caches_below(state, 2) == 0)
            cpus = caches_below(state, 3) == 0 || cpus * 2 > most ? 0 : cpus * 2;
        unified = unified || caches_below(state, level == 1 ? 4 : 2) == 0;
        if (unified)
            random_cache(state, machine, "unified", level, line, cpus);
        if (!unified && caches_below(state, 8) != 0)
            random_cache(state, machine, "instruction", level, line, cpus);
        if (!unified && caches_below(state, 8) != 0)
            random_cache(state, machine, "data", level, line, cpus);
        for (uint32_t i = first; i < machine->caches; i++)
            random_inclusion(state, machine, &machine->cache[i]);
    }
}

#endif
