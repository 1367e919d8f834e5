/* Whether all parts of the caches agree. Slow: walks every slot. */
#include "vmm-core/machine/caches/cache-internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *wrong(const struct caches *caches, uint32_t slot, const char *what)
{
    char *line = NULL;
    const struct cache_instance *cache = &caches->instance[caches->line[slot].instance];
    return asprintf(&line,
                    "cache of level %" PRIu32 " of CPU %" PRIu32 ", line at %#" PRIx64 ": %s",
                    cache->kind->level, cache->cpu, cache_slot_address(caches, slot), what) >= 0
               ? line
               : strdup(what);
}

/* A line is in the list of its block, once in a cache, and in the set where it belongs. */
static char *check_place(const struct caches *caches, uint32_t slot, uint32_t instance)
{
    const struct cache_line *line = &caches->line[slot];
    const struct cache_instance *cache = &caches->instance[instance];
    uint64_t physical;
    if (line->instance != instance)
        return wrong(caches, slot, "belongs to another cache");
    physical = cache_slot_address(caches, slot);
    uint32_t entry = cache_directory_find(&caches->directory, cache_block_of(caches, physical));
    if (entry == CACHE_NONE || entry != line->entry)
        return wrong(caches, slot, "not in the directory under its block");
    uint32_t times = 0;
    for (uint32_t at = caches->directory.entry[entry].holders; at != CACHE_NONE;
         at = caches->line[at].next)
        times += caches->line[at].instance == instance && caches->tag[at] == caches->tag[slot];
    if (times != 1)
        return wrong(caches, slot, "not held just once");
    uint64_t set = (slot - cache->first_slot) / cache->kind->ways;
    if (!cache->kind->virtual_index && set != cache_set(cache, 0, physical))
        return wrong(caches, slot, "in another line's set");
    return NULL;
}

/* An exclusive cache hands a line that it has modified up to one of those that share it. */
static bool has_exclusive(const struct caches *caches)
{
    bool any = false;
    for (uint32_t i = 0; i < caches->machine->caches; i++)
        any = any || caches->kind[i].exclusive;
    return any;
}

/* One writer or many readers; nothing is modified where others have copies. */
static char *check_sharing(const struct caches *caches, uint32_t slot)
{
    const struct cache_line *line = &caches->line[slot];
    const struct cache_entry *entry = &caches->directory.entry[line->entry];
    const struct cache_instance *cache = &caches->instance[line->instance];
    if (line->writable && entry->owner != line->instance)
        return wrong(caches, slot, "writable, and not the owner's");
    if (line->written != 0 && !line->writable)
        return wrong(caches, slot, "written to, and not writable");
    for (uint32_t at = entry->holders; at != CACHE_NONE; at = caches->line[at].next) {
        const struct cache_instance *other = &caches->instance[caches->line[at].instance];
        bool apart = other->last_cpu < cache->first_cpu || other->first_cpu > cache->last_cpu;
        if (apart && line->writable)
            return wrong(caches, slot, "writable, and others have it");
        if (apart && cache_dirty(line) && !has_exclusive(caches))
            return wrong(caches, slot, "modified, and others have it");
    }
    if (cache_dirty(line) && cache->below != CACHE_NONE && !entry->dirty_above &&
        entry->owner == CACHE_NONE)
        return wrong(caches, slot, "modified, and the directory does not know");
    return NULL;
}

static char *check_inclusion(const struct caches *caches, uint32_t slot)
{
    const struct cache_line *line = &caches->line[slot];
    uint64_t physical = cache_slot_address(caches, slot);
    for (uint32_t at = caches->instance[line->instance].below; at != CACHE_NONE;
         at = caches->instance[at].below)
        if (caches->instance[at].kind->inclusive &&
            cache_find_anywhere(caches, at, physical) == CACHE_NONE)
            return wrong(caches, slot, "not in a cache that includes it");
    return NULL;
}

static char *check_counters(const struct caches *caches)
{
    char *line = NULL;
    for (uint32_t i = 0; i < caches->machine->caches; i++) {
        struct caches_counters sum = caches_counted(caches, i);
        if ((sum.misses > sum.accesses || sum.cold + sum.capacity + sum.coherence != sum.misses ||
             sum.false_sharing > sum.coherence) &&
            asprintf(&line, "cache %" PRIu32 ": its counters do not add up", i) >= 0)
            return line;
    }
    return NULL;
}

char *caches_check(const struct caches *caches)
{
    char *error = check_counters(caches);
    uint64_t lines = 0;
    for (uint32_t i = 0; error == NULL && i < caches->instances; i++) {
        const struct cache_instance *cache = &caches->instance[i];
        uint64_t slots = cache->most_recent != NULL ? cache->kind->sets * cache->kind->ways : 0;
        for (uint64_t at = 0; error == NULL && at < slots; at++) {
            uint32_t slot = cache->first_slot + (uint32_t)at;
            if (caches->tag[slot] == 0)
                continue;
            lines++;
            error = check_place(caches, slot, i);
            if (error == NULL)
                error = check_sharing(caches, slot);
            if (error == NULL)
                error = check_inclusion(caches, slot);
        }
    }
    if (error == NULL && caches->directory.entries > lines)
        error = strdup("directory: more entries than lines are cached");
    return error;
}
