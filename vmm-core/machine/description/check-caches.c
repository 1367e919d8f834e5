/* What must hold of caches before anything runs on them: shapes that can be cut into sets, one way
 * from each CPU outward, sharing that nests, lines that do not get shorter outward. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "vmm-core/machine/description/draft.h"
#include "vmm-core/machine/description/fields.h"

#define PLRU_WAYS_MOST 64u                 /* a bit each */
#define LINES_MOST     (UINT64_C(1) << 31) /* of all caches of a machine: numbered in 32 bits */

static bool power_of_two(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

static bool holds_data(const struct machine_cache *cache)
{
    return strcmp(cache->kind, "instruction") != 0;
}

static bool holds_code(const struct machine_cache *cache)
{
    return strcmp(cache->kind, "data") != 0;
}

static bool on_one_way(const struct machine_cache *left, const struct machine_cache *right)
{
    return (holds_data(left) && holds_data(right)) || (holds_code(left) && holds_code(right));
}

static char *check_shape(const struct draft *draft, const char *place,
                         const struct machine_cache *cache)
{
    if (strcmp(cache->kind, "data") != 0 && strcmp(cache->kind, "instruction") != 0 &&
        strcmp(cache->kind, "unified") != 0)
        return draft_error(draft, place,
                           "kind '%s' is none of data, instruction, unified; write one of them",
                           cache->kind);
    if (!power_of_two(cache->line_bytes) || cache->line_bytes > draft->page_bytes)
        return draft_error(draft, place,
                           "a line of %" PRIu32 " bytes is no power of two, or longer than a "
                           "page; most are of 32, 64 or 128",
                           cache->line_bytes);
    uint64_t set_bytes = (uint64_t)cache->ways * cache->line_bytes;
    if (set_bytes == 0 || cache->size_bytes % set_bytes != 0)
        return draft_error(draft, place,
                           "%" PRIu64 " bytes do not divide into sets of %" PRIu32
                           " lines of %" PRIu32 " bytes; correct size, ways or line",
                           cache->size_bytes, cache->ways, cache->line_bytes);
    if (cache->replacement == CACHE_REPLACE_PLRU && cache->ways > PLRU_WAYS_MOST)
        return draft_error(draft, place, "%" PRIu32 " ways under plru; give up to %u, or lru",
                           cache->ways, PLRU_WAYS_MOST);
    if (cache->index == CACHE_INDEX_VIRTUAL && !power_of_two(cache->size_bytes / set_bytes))
        return draft_error(draft, place,
                           "%" PRIu64 " sets are no power of two, which a virtual index needs; "
                           "correct size, ways or line, or index physically",
                           cache->size_bytes / set_bytes);
    if (cache->level == 1 && cache->latency_ns != 0)
        return draft_error(draft, place,
                           "latency_ns of level 1 is part of execution; leave it out");
    return NULL;
}

/* `inner` has the lower level of two on one way. */
static char *check_pair(const struct draft *draft, const char *place,
                        const struct machine_cache *inner, const struct machine_cache *outer)
{
    uint32_t group[MACHINE_CPUS_MAX], within[MACHINE_CPUS_MAX], node_cpus[MACHINE_NODES_MAX];
    if (strcmp(inner->kind, "unified") == 0 && strcmp(outer->kind, "unified") != 0)
        return draft_error(draft, place,
                           "a cache of one kind behind the unified one of level %" PRIu32
                           "; correct kind or level",
                           inner->level);
    if (outer->line_bytes < inner->line_bytes)
        return draft_error(draft, place,
                           "its lines of %" PRIu32 " bytes are shorter than those of level %" PRIu32
                           "; give at least %" PRIu32,
                           outer->line_bytes, inner->level, inner->line_bytes);
    for (uint32_t node = 0; node < draft->nodes; node++)
        node_cpus[node] = draft->node[node].cpus;
    draft_cache_groups(node_cpus, draft->nodes, inner->cpus, within);
    draft_cache_groups(node_cpus, draft->nodes, outer->cpus, group);
    for (uint32_t cpu = 1; cpu < draft->cpus; cpu++)
        if (within[cpu] == within[cpu - 1] && group[cpu] != group[cpu - 1])
            return draft_error(draft, place,
                               "CPUs that share a cache of level %" PRIu32
                               " do not share one of level %" PRIu32 "; correct cpus",
                               inner->level, outer->level);
    return NULL;
}

/* Against all caches above it. */
static char *check_above(const struct draft *draft, const char *place,
                         const struct machine_cache *cache)
{
    uint32_t next[2] = {0, 0}, line[2] = {0, 0}; /* level above and its lines, for code and data */
    for (uint32_t i = 0; i < draft->caches; i++) {
        const struct machine_cache *other = &draft->cache[i];
        if (other == cache || !on_one_way(other, cache) || other->level > cache->level)
            continue;
        if (other->level == cache->level)
            return draft_error(draft, place,
                               "another cache of level %" PRIu32
                               " holds the same; give each its level",
                               cache->level);
        char *error = check_pair(draft, place, other, cache);
        if (error != NULL)
            return error;
        for (uint32_t way = 0; way < 2; way++) {
            if ((way == 0 ? holds_code(other) : holds_data(other)) && other->level > next[way]) {
                next[way] = other->level;
                line[way] = other->line_bytes;
            }
        }
    }
    if (cache->inclusion == CACHE_INCLUSION_NONE)
        return NULL;
    if (next[0] == 0 && next[1] == 0)
        return draft_error(draft, place,
                           "no cache is above it that it could %s; leave inclusion out",
                           cache->inclusion == CACHE_INCLUSION_INCLUSIVE ? "include" : "exclude");
    if (cache->inclusion == CACHE_INCLUSION_EXCLUSIVE && cache->index == CACHE_INDEX_VIRTUAL)
        return draft_error(draft, place,
                           "exclusive under a virtual index, which victims have not; index "
                           "physically");
    for (uint32_t way = 0; way < 2; way++)
        if (cache->inclusion == CACHE_INCLUSION_EXCLUSIVE &&
            (way == 0 ? holds_code(cache) : holds_data(cache)) && line[way] != cache->line_bytes)
            return draft_error(draft, place,
                               "exclusive, and the cache above it for %s has lines of %" PRIu32
                               " bytes (0: is not there); give it the same lines",
                               way == 0 ? "code" : "data", line[way]);
    return NULL;
}

char *draft_check_caches(const struct draft *draft)
{
    char place[48], *error = NULL;
    uint64_t lines = 0;
    for (uint32_t i = 0; error == NULL && i < draft->caches; i++) {
        const struct machine_cache *cache = &draft->cache[i];
        if (draft->json)
            snprintf(place, sizeof place, "$.caches[%" PRIu32 "]", i);
        else
            snprintf(place, sizeof place, "cache of level %" PRIu32, cache->level);
        error = check_shape(draft, place, cache);
        if (error == NULL)
            error = check_above(draft, place, cache);
        if (error != NULL)
            break;
        uint32_t sharing = cache->cpus != 0 ? cache->cpus : draft->cpus / draft->nodes + 1;
        lines += cache->size_bytes / cache->line_bytes * (draft->cpus / sharing + 1);
        if (lines > LINES_MOST)
            error = draft_error(draft, place,
                                "more than 2^31 lines in all caches of the machine; give less");
    }
    return error;
}
