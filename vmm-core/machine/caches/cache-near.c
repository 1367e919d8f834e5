/* The way of most references that miss the first cache: they lie in one line of it, the next cache
 * has the line, and nobody else has to be asked. Does what cache_refer() does of them, in half of the
 * instructions: no directory is searched, as the line there knows its block. */
#include "vmm-core/machine/caches/cache-internal.h"

/* A load or a fetch finds nothing that others have modified; a store finds the block taken. */
static bool is_settled(const struct cache_entry *entry, const struct cache_reference *reference)
{
    if (entry->owner == CACHE_NONE)
        return !reference->store && !entry->dirty_above;
    return entry->owner == reference->cpu->top;
}

/* Not from a line shorter than its own, nor past a cache that is filled by victims. */
static bool is_fit(const struct cache_kind *first, const struct cache_kind *next)
{
    return !first->has_above && !first->exclusive && !next->exclusive &&
           next->line_shift >= first->line_shift;
}

static void fill_first(struct caches *caches, const struct cache_reference *reference,
                       uint32_t instance, uint32_t entry)
{
    const struct cache_instance *first = &caches->instance[instance];
    const uint64_t set = cache_set(first, reference->virtual_address, reference->physical);
    const uint64_t tick = cache_tick(reference->ordinal, 0);
    const uint32_t slot = cache_victim(caches, first, set);
    if (caches->tag[slot] != 0)
        cache_evict(caches, slot, tick);
    caches->tag[slot] = (reference->physical >> first->kind->line_shift) + 1;
    cache_hold(caches, slot, entry, instance);
    cache_touch(caches, first, set, slot, tick);
    if (instance != reference->cpu->top)
        return;
    caches->line[slot].writable = caches->directory.entry[entry].owner == reference->cpu->top;
    if (reference->store)
        caches->line[slot].written = cache_words(caches, reference->physical, reference->bytes);
}

bool cache_refer_near(struct caches *caches, const struct cache_reference *reference)
{
    const uint32_t *const path = reference->cpu->path[reference->path];
    if (reference->cpu->depth[reference->path] < 2)
        return false;
    const struct cache_instance *const first = &caches->instance[path[0]];
    const struct cache_instance *const next = &caches->instance[path[1]];
    const uint64_t physical = reference->physical;
    const uint64_t line = physical >> first->kind->line_shift;
    if (!is_fit(first->kind, next->kind) ||
        (physical + reference->bytes - 1) >> first->kind->line_shift != line)
        return false;
    const uint64_t set = cache_set(next, reference->virtual_address, physical);
    const uint32_t slot = cache_find(caches, next, set, physical >> next->kind->line_shift);
    if (slot == CACHE_NONE)
        return false;
    const uint32_t entry = caches->line[slot].entry;
    if (!is_settled(&caches->directory.entry[entry], reference))
        return false;
    /* in the first cache after all: under another virtual address, or to be taken from others */
    for (uint32_t at = caches->directory.entry[entry].holders; at != CACHE_NONE;
         at = caches->line[at].next)
        if (caches->line[at].instance == path[0] && caches->tag[at] == line + 1)
            return false;
    const uint64_t words = cache_words(caches, physical, reference->bytes);
    const uint64_t last = cache_last_use(caches, slot) / 2;
    const uint64_t age = reference->ordinal > last ? reference->ordinal - last : 0;
    struct caches_counters *const missed = cache_count(caches, first->kind);
    missed->accesses++;
    cache_count_miss(missed, cache_classify(caches, path[0], physical, words));
    cache_count(caches, next->kind)->accesses++;
    cache_touch(caches, next, set, slot, cache_tick(reference->ordinal, 0));
    fill_first(caches, reference, path[0], entry);
    caches->outcome->level[caches->at] = (uint8_t)next->kind->level;
    caches->outcome->age[caches->at] = age < UINT32_MAX ? (uint32_t)age : UINT32_MAX;
    return true;
}
