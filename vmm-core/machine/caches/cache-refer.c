/* One reference through the levels, where the first one does not serve it at once:
 *
 *   1. look it up, level by level, until all lines that it touches are there; tell misses apart
 *   2. settle the block with the other CPUs: a store takes it, a load has it written back
 *   3. fill, from the last level up, so that victims go to levels that have made their room already
 *
 * Of two lines that a reference straddles, the second is looked up as if the first had been filled:
 * it is a miss where the first would have taken its place (caches of one set).
 */
#include "vmm-core/machine/caches/cache-internal.h"

#define NOT_SERVED UINT32_MAX /* by any cache */

/* What happens to the reference's lines at one level. */
struct look {
    uint32_t parts;
    struct cache_part part[CACHE_PARTS];
    bool present[CACHE_PARTS];  /* found here, or, at an exclusive level, above */
    uint32_t slot[CACHE_PARTS]; /* where it was found; CACHE_NONE: missed, or taken out */
    uint64_t set[CACHE_PARTS];
};

struct walk {
    struct caches *caches;
    const struct cache_reference *reference;
    struct look look[CACHE_LEVELS_MAX];
    uint32_t looked; /* levels */
    uint32_t served; /* index of the level; NOT_SERVED: memory */
    uint32_t blocks;
    struct cache_part block[CACHE_PARTS];
    uint32_t entry[CACHE_PARTS];
    uint64_t age;
    /* lines that a hit took out of an exclusive cache */
    uint32_t moved;
    uint64_t moved_line[CACHE_PARTS * CACHE_LEVELS_MAX];
    bool moved_dirty[CACHE_PARTS * CACHE_LEVELS_MAX];
};

/* Cuts the reference into the lines of 2^shift bytes that it touches. */
static uint32_t cut(const struct caches *caches, const struct cache_reference *reference,
                    uint32_t shift, struct cache_part *part)
{
    uint64_t line = UINT64_C(1) << shift, first = reference->physical;
    uint64_t room = line - (first & (line - 1));
    bool two = reference->bytes > room;
    uint64_t bytes = two ? room : reference->bytes;
    part[0] = (struct cache_part){.physical = first,
                                  .virtual_address = reference->virtual_address,
                                  .words = cache_words(caches, first, bytes)};
    if (!two)
        return 1;
    uint64_t page = caches->machine->page_bytes, second = first + room;
    if ((second & (page - 1)) == 0)
        second = reference->second_page;
    part[1] = (struct cache_part){.physical = second,
                                  .virtual_address = reference->virtual_address + room,
                                  .words = cache_words(caches, second, reference->bytes - room)};
    return 2;
}

static uint32_t entry_of(const struct walk *walk, uint64_t physical)
{
    uint64_t block = cache_block_of(walk->caches, physical);
    return walk->entry[cache_block_of(walk->caches, walk->block[0].physical) == block ? 0 : 1];
}

static void note_age(struct walk *walk, uint32_t slot)
{
    uint64_t last = cache_last_use(walk->caches, slot) / 2;
    uint64_t age = walk->reference->ordinal > last ? walk->reference->ordinal - last : 0;
    walk->age = age > walk->age ? age : walk->age;
}

/* A hit. An exclusive cache hands its line to the level above. */
static void found(struct walk *walk, const struct cache_instance *cache, struct look *look,
                  uint32_t which, uint64_t set, uint32_t slot)
{
    struct caches *caches = walk->caches;
    look->present[which] = true;
    note_age(walk, slot);
    if (!cache->kind->exclusive) {
        look->slot[which] = slot;
        look->set[which] = set;
        return;
    }
    walk->moved_line[walk->moved] = caches->tag[slot] - 1;
    walk->moved_dirty[walk->moved++] = caches->line[slot].dirty;
    cache_note_below(caches, slot);
    cache_leave(caches, slot);
}

/* The fill of the first line, which is not there, would make this slot's line go. */
static bool gives_way(const struct walk *walk, const struct cache_instance *cache,
                      const struct look *look, uint64_t set, uint32_t slot)
{
    const struct cache_part *first = &look->part[0];
    return !cache->kind->exclusive && !look->present[0] &&
           cache_set(cache, first->virtual_address, first->physical) == set &&
           cache_victim(walk->caches, cache, set) == slot;
}

/* Whether all lines are there. */
static bool look_up(struct walk *walk, uint32_t level)
{
    struct caches *caches = walk->caches;
    const struct cache_reference *reference = walk->reference;
    uint32_t instance = reference->cpu->path[reference->path][level];
    const struct cache_instance *cache = &caches->instance[instance];
    struct look *look = &walk->look[level];
    const struct look *above = level > 0 ? &walk->look[level - 1] : NULL;
    struct caches_counters *counters = cache_count(caches, cache->kind);
    bool all = true;
    walk->age = 0;
    *look = (struct look){.slot = {CACHE_NONE, CACHE_NONE}};
    look->parts = cut(caches, reference, cache->kind->line_shift, look->part);
    counters->accesses++;
    for (uint32_t which = 0; which < look->parts; which++) {
        const struct cache_part *part = &look->part[which];
        look->present[which] = above != NULL && cache->kind->exclusive && above->present[which];
        if (look->present[which])
            continue;
        uint64_t set = cache_set(cache, part->virtual_address, part->physical);
        uint32_t slot = cache_find(caches, cache, set, part->physical >> cache->kind->line_shift);
        if (slot != CACHE_NONE && which == 1 && gives_way(walk, cache, look, set, slot))
            slot = CACHE_NONE;
        if (slot != CACHE_NONE) {
            found(walk, cache, look, which, set, slot);
            continue;
        }
        enum cache_miss miss = cache_classify(caches, instance, part->physical, part->words);
        if (all)
            cache_count_miss(counters, miss);
        all = false;
    }
    return all;
}

/* The slot of the block's line at a level where it was found; CACHE_NONE. */
static uint32_t slot_of_block(const struct walk *walk, uint32_t level, uint64_t block)
{
    const struct look *look = &walk->look[level];
    for (uint32_t which = 0; which < look->parts; which++)
        if (cache_block_of(walk->caches, look->part[which].physical) == block)
            return look->slot[which];
    return CACHE_NONE;
}

/* A store while others hold the block: served by the nearest cache, from the one that has it on, that
 * has it and that all of them use; NOT_SERVED: by memory. *slot: there; CACHE_NONE: it has just been
 * taken out. */
static uint32_t shared_level(const struct walk *walk, uint32_t which, uint32_t first_cpu,
                             uint32_t last_cpu, uint32_t *slot)
{
    const struct cache_reference *reference = walk->reference;
    const struct cache_part *block = &walk->block[which];
    for (uint32_t level = walk->served; level < reference->cpu->depth[reference->path]; level++) {
        uint32_t instance = reference->cpu->path[reference->path][level];
        const struct cache_instance *cache = &walk->caches->instance[instance];
        bool all = cache->first_cpu <= first_cpu && last_cpu <= cache->last_cpu;
        if (!all)
            continue;
        *slot = level == walk->served
                    ? slot_of_block(walk, level, cache_block_of(walk->caches, block->physical))
                    : cache_find_anywhere(walk->caches, instance, block->physical);
        if (*slot != CACHE_NONE || level == walk->served)
            return level;
    }
    return NOT_SERVED;
}

/* What others had modified is in the cache that serves: in its slot, or on its way up. */
static void mark_served(struct walk *walk, uint32_t slot, uint64_t block)
{
    if (slot != CACHE_NONE) {
        cache_mark_dirty(walk->caches, slot);
        return;
    }
    for (uint32_t i = 0; i < walk->moved; i++) {
        const struct cache_reference *reference = walk->reference;
        const struct cache_kind *kind =
            walk->caches->instance[reference->cpu->path[reference->path][walk->served]].kind;
        if (cache_block_of(walk->caches, walk->moved_line[i] << kind->line_shift) == block)
            walk->moved_dirty[i] = true;
    }
}

/* A store and one of its blocks. Returns the level that serves it. */
static uint32_t take_block(struct walk *walk, uint32_t which, bool *others)
{
    struct caches *caches = walk->caches;
    const struct cache_cpu *cpu = walk->reference->cpu;
    uint32_t entry = walk->entry[which], first_cpu, last_cpu, slot = CACHE_NONE;
    uint64_t block = cache_block_of(caches, walk->block[which].physical);
    uint32_t served = walk->served;
    struct cache_entry *holders = &caches->directory.entry[entry];
    if (holders->owner == cpu->top && cpu->top != CACHE_NONE)
        return served;
    if (cache_others(caches, cpu, entry, &first_cpu, &last_cpu)) {
        *others = true;
        if (served != NOT_SERVED)
            served = shared_level(walk, which, first_cpu, last_cpu, &slot);
        if (served != NOT_SERVED && served > walk->served)
            note_age(walk, slot);
        if (cache_settle(caches, cpu, entry, true, served != NOT_SERVED))
            mark_served(walk, slot, block);
        holders = &caches->directory.entry[entry];
    }
    holders->owner = cpu->top;
    return served;
}

/* A load or a fetch and one of its blocks. */
static void share_block(struct walk *walk, uint32_t which)
{
    struct caches *caches = walk->caches;
    const struct cache_cpu *cpu = walk->reference->cpu;
    struct cache_entry *holders = &caches->directory.entry[walk->entry[which]];
    uint64_t block = cache_block_of(caches, walk->block[which].physical);
    bool served = walk->served != NOT_SERVED;
    uint32_t first_cpu, last_cpu;
    if (holders->owner == cpu->top && cpu->top != CACHE_NONE)
        return;
    if ((holders->owner != CACHE_NONE || holders->dirty_above || !served) &&
        cache_settle(caches, cpu, walk->entry[which], false, served))
        mark_served(walk, slot_of_block(walk, walk->served, block), block);
    if (!served && walk->reference->path == CACHE_DATA &&
        !cache_others(caches, cpu, walk->entry[which], &first_cpu, &last_cpu))
        holders->owner = cpu->top; /* exclusive: may store without asking */
}

/* Returns the level that serves the reference in the end. */
static uint32_t settle(struct walk *walk)
{
    struct caches *caches = walk->caches;
    const uint32_t found_at = walk->served;
    uint32_t served = found_at;
    uint64_t found_age = walk->age;
    bool others = false;
    for (uint32_t which = 0; which < walk->blocks; which++) {
        if (!walk->reference->store) {
            if (walk->served != 0) /* a first cache that has the line asks nobody */
                share_block(walk, which);
            continue;
        }
        walk->age = 0;
        uint32_t level = take_block(walk, which, &others);
        if (level == served)
            found_age = walk->age > found_age ? walk->age : found_age;
        if (level > served) { /* NOT_SERVED is the furthest */
            served = level;
            found_age = walk->age;
        }
    }
    walk->age = served == NOT_SERVED ? 0 : found_age;
    if (others && found_at != NOT_SERVED) {
        const struct cache_reference *reference = walk->reference;
        uint32_t instance = reference->cpu->path[reference->path][found_at];
        cache_count(caches, caches->instance[instance].kind)->upgrades++;
    }
    return served;
}

/* The CPU's first-level data cache has the line: it may be stored to, and is if this is a store. */
static void use_top(struct walk *walk, uint32_t slot, const struct cache_part *part)
{
    struct cache_line *line = &walk->caches->line[slot];
    const struct cache_reference *reference = walk->reference;
    if (line->instance != reference->cpu->top)
        return;
    line->writable = walk->caches->directory.entry[line->entry].owner == reference->cpu->top;
    if (reference->store)
        line->written |= part->words;
}

/* Behind a reference that straddles, a cache may have given up what it includes. */
static bool included_behind(const struct caches *caches, uint32_t instance, uint64_t physical)
{
    for (uint32_t at = caches->instance[instance].below; at != CACHE_NONE;
         at = caches->instance[at].below)
        if (caches->instance[at].kind->inclusive &&
            cache_find_anywhere(caches, at, physical) == CACHE_NONE)
            return false;
    return true;
}

/* Whether the line comes from an exclusive cache that had it modified. */
static bool moved_dirty(struct walk *walk, uint64_t line)
{
    for (uint32_t i = 0; i < walk->moved; i++) {
        if (walk->moved_line[i] != line || !walk->moved_dirty[i])
            continue;
        walk->moved_dirty[i] = false;
        return true;
    }
    return false;
}

/* Words stored to that no slot remembers. */
static void report(const struct walk *walk, uint64_t physical, uint64_t words)
{
    const struct cache_cpu *cpu = walk->reference->cpu;
    cache_report_words(walk->caches, cpu->top_first, cpu->top_last,
                       cache_block_of(walk->caches, physical), words);
}

static void fill(struct walk *walk, uint32_t level, uint32_t which)
{
    struct caches *caches = walk->caches;
    const struct cache_reference *reference = walk->reference;
    uint32_t instance = reference->cpu->path[reference->path][level];
    const struct cache_instance *cache = &caches->instance[instance];
    const struct cache_part *part = &walk->look[level].part[which];
    uint64_t line = part->physical >> cache->kind->line_shift,
             tick = cache_tick(reference->ordinal, which);
    bool dirty = moved_dirty(walk, line);
    if (reference->bytes > 1 && !included_behind(caches, instance, part->physical)) {
        bool stored = reference->store && instance == reference->cpu->top;
        if (stored)
            report(walk, part->physical, part->words);
        if (dirty || stored)
            cache_write_to_memory(caches, cache->cpu, line << cache->kind->line_shift);
        return;
    }
    /* A line is in a cache once: not under two virtual addresses, nor where it was to give way to the
     * first line and did not, as room was made elsewhere. */
    if (cache->kind->virtual_index || which > 0) {
        uint32_t alias = cache_find_anywhere(caches, instance, part->physical);
        if (alias != CACHE_NONE) {
            const struct cache_line *old = &caches->line[alias];
            dirty = dirty || cache_dirty(old);
            if (old->written != 0)
                report(walk, part->physical, old->written);
            cache_leave(caches, alias);
        }
    }
    uint64_t set = cache_set(cache, part->virtual_address, part->physical);
    uint32_t slot = cache_victim(caches, cache, set);
    if (caches->tag[slot] != 0)
        cache_evict(caches, slot, tick);
    caches->tag[slot] = line + 1;
    cache_hold(caches, slot, entry_of(walk, part->physical), instance);
    cache_touch(caches, cache, set, slot, tick);
    if (dirty)
        cache_mark_dirty(caches, slot);
    use_top(walk, slot, part);
}

/* The lines that were found have been used now: not before, so that their age is that of the last
 * reference. */
static void touch_all(struct walk *walk)
{
    const struct cache_reference *reference = walk->reference;
    for (uint32_t level = 0; level < walk->looked; level++) {
        const struct look *look = &walk->look[level];
        const struct cache_instance *cache =
            &walk->caches->instance[reference->cpu->path[reference->path][level]];
        for (uint32_t which = 0; which < look->parts; which++)
            if (look->slot[which] != CACHE_NONE)
                cache_touch(walk->caches, cache, look->set[which], look->slot[which],
                            cache_tick(reference->ordinal, which));
    }
}

static void fill_all(struct walk *walk)
{
    const struct cache_reference *reference = walk->reference;
    if (walk->looked > 0)
        for (uint32_t which = 0; which < walk->look[0].parts; which++)
            if (walk->look[0].slot[which] != CACHE_NONE)
                use_top(walk, walk->look[0].slot[which], &walk->look[0].part[which]);
    for (uint32_t level = walk->looked; level-- > 0;) {
        uint32_t instance = reference->cpu->path[reference->path][level];
        if (walk->caches->instance[instance].kind->exclusive)
            continue;
        for (uint32_t which = 0; which < walk->look[level].parts; which++)
            if (!walk->look[level].present[which])
                fill(walk, level, which);
    }
}

void cache_refer(struct caches *caches, const struct cache_reference *reference)
{
    struct walk walk; /* the rest of it is set as it is needed: zeroing it all takes long */
    walk.caches = caches;
    walk.reference = reference;
    walk.served = NOT_SERVED;
    walk.looked = 0;
    walk.moved = 0;
    walk.age = 0;
    for (uint32_t level = 0; level < CACHE_LEVELS_MAX; level++)
        walk.look[level].parts = 0;
    walk.blocks = cut(caches, reference, caches->block_shift, walk.block);
    for (uint32_t which = 0; which < walk.blocks; which++) {
        walk.entry[which] = cache_directory_pin(&caches->directory,
                                                cache_block_of(caches, walk.block[which].physical));
        if (walk.entry[which] == CACHE_NONE) {
            caches->no_memory = true;
            return;
        }
    }
    for (uint32_t which = 0; which < walk.blocks; which++)
        cache_report_others(caches, reference->cpu, walk.entry[which]);
    while (walk.served == NOT_SERVED && walk.looked < reference->cpu->depth[reference->path]) {
        if (look_up(&walk, walk.looked))
            walk.served = walk.looked;
        walk.looked++;
    }
    uint32_t served = settle(&walk);
    for (uint32_t which = 0; reference->store && which < walk.blocks; which++)
        if (reference->cpu->top == CACHE_NONE)
            report(&walk, walk.block[which].physical, walk.block[which].words);
    touch_all(&walk);
    fill_all(&walk);
    for (uint32_t which = 0; which < walk.blocks; which++)
        cache_directory_unpin(&caches->directory, walk.entry[which]);
    uint32_t at = caches->at;
    caches->outcome->level[at] = CACHES_MEMORY;
    caches->outcome->age[at] = 0;
    if (served != NOT_SERVED) {
        uint32_t instance = reference->cpu->path[reference->path][served];
        caches->outcome->level[at] = (uint8_t)caches->instance[instance].kind->level;
        caches->outcome->age[at] = walk.age < UINT32_MAX ? (uint32_t)walk.age : UINT32_MAX;
    }
}
