/* Lines that leave a cache: to make room, because a cache that includes it gives them up, or because
 * another CPU wants them.
 *
 *   - A modified line that makes room is merged into the first cache behind that holds it, and
 *     otherwise written to memory; it makes no room on its way. What an exclusive cache's neighbour
 *     gives up goes into it, modified or not.
 *   - A cache that includes those above takes their lines along when it gives up its own.
 *   - What another CPU wants and a cache has modified is written to the cache which both use and
 *     which serves the reference, or to memory.
 */
#include "vmm-core/machine/caches/cache-internal.h"

#include <stdlib.h>

static bool share_a_path(const struct cache_kind *left, const struct cache_kind *right)
{
    return (left->path[CACHE_CODE] && right->path[CACHE_CODE]) ||
           (left->path[CACHE_DATA] && right->path[CACHE_DATA]);
}

/* `upper` is above `lower`, and its line a part of this one. */
static bool is_above(const struct caches *caches, uint32_t upper, uint32_t lower)
{
    const struct cache_instance *above = &caches->instance[caches->line[upper].instance],
                                *cache = &caches->instance[caches->line[lower].instance];
    return above->kind->level < cache->kind->level && share_a_path(above->kind, cache->kind) &&
           cache_covers(cache, above) &&
           cache_slot_address(caches, upper) >> cache->kind->line_shift == caches->tag[lower] - 1;
}

static uint64_t own_last_use(const struct caches *caches, uint32_t slot)
{
    const struct cache_line *line = &caches->line[slot];
    bool exclusive = caches->instance[line->instance].kind->exclusive; /* its stamp is no use */
    return exclusive || line->last > caches->stamp[slot] ? line->last : caches->stamp[slot];
}

uint64_t cache_last_use(const struct caches *caches, uint32_t slot)
{
    uint64_t last = own_last_use(caches, slot);
    const struct cache_line *line = &caches->line[slot];
    const struct cache_kind *kind = caches->instance[line->instance].kind;
    if (!kind->has_above || kind->exclusive)
        return last;
    for (uint32_t at = caches->directory.entry[line->entry].holders; at != CACHE_NONE;
         at = caches->line[at].next) {
        if (!is_above(caches, at, slot))
            continue;
        uint64_t used = own_last_use(caches, at);
        last = used > last ? used : last;
    }
    return last;
}

void cache_write_to_memory(struct caches *caches, uint32_t cpu, uint64_t physical)
{
    struct caches_outcome *outcome = caches->outcome;
    if (outcome->writebacks == outcome->writebacks_room) {
        uint32_t room = outcome->writebacks_room != 0 ? outcome->writebacks_room * 2 : 1024;
        struct caches_writeback *grown =
            room > outcome->writebacks_room
                ? realloc(outcome->writeback, room * sizeof *outcome->writeback)
                : NULL;
        if (grown == NULL) {
            caches->no_memory = true;
            return;
        }
        outcome->writeback = grown;
        outcome->writebacks_room = room;
    }
    outcome->writeback[outcome->writebacks++] =
        (struct caches_writeback){.at = caches->at, .cpu = cpu, .physical_address = physical};
}

void cache_mark_dirty(struct caches *caches, uint32_t slot)
{
    struct cache_line *line = &caches->line[slot];
    line->dirty = true;
    if (caches->instance[line->instance].below != CACHE_NONE)
        caches->directory.entry[line->entry].dirty_above = true;
}

static void report_written(struct caches *caches, uint32_t slot)
{
    struct cache_line *line = &caches->line[slot];
    if (line->written == 0)
        return;
    const struct cache_instance *writer = &caches->instance[line->instance];
    cache_report_words(caches, writer->first_cpu, writer->last_cpu,
                       caches->directory.entry[line->entry].block, line->written);
    line->written = 0;
    line->dirty = true;
}

/* Counts a modified line that its cache gives up; whether it was one. */
static bool give_up(struct caches *caches, uint32_t slot)
{
    struct cache_line *line = &caches->line[slot];
    report_written(caches, slot);
    if (!line->dirty)
        return false;
    cache_count(caches, caches->instance[line->instance].kind)->writebacks++;
    line->dirty = false;
    return true;
}

/* The lines above an inclusive cache's line: whether one of them was modified; *last, when one of them
 * was used. */
static bool take_those_above(struct caches *caches, uint32_t slot, uint64_t *last)
{
    bool dirty = false;
    uint32_t next;
    for (uint32_t at = caches->directory.entry[caches->line[slot].entry].holders; at != CACHE_NONE;
         at = next) {
        next = caches->line[at].next;
        if (!is_above(caches, at, slot))
            continue;
        uint64_t used = own_last_use(caches, at);
        *last = used > *last ? used : *last;
        dirty = give_up(caches, at) || dirty;
        cache_leave(caches, at);
    }
    return dirty;
}

/* The victim in `slot` goes into the exclusive cache behind it. */
static void insert_victim(struct caches *caches, uint32_t slot, uint32_t instance, bool dirty,
                          uint64_t last, uint64_t tick)
{
    const struct cache_instance *cache = &caches->instance[instance];
    uint64_t physical = cache_slot_address(caches, slot),
             line = physical >> cache->kind->line_shift, set = cache_set(cache, 0, physical);
    uint32_t to = cache_find(caches, cache, set, line);
    if (to == CACHE_NONE) {
        to = cache_victim(caches, cache, set);
        if (caches->tag[to] != 0)
            cache_evict(caches, to, tick);
        caches->tag[to] = line + 1;
        cache_hold(caches, to, caches->line[slot].entry, instance);
    }
    cache_touch(caches, cache, set, to, tick);
    if (last > caches->line[to].last)
        caches->line[to].last = last;
    if (dirty)
        cache_mark_dirty(caches, to);
}

/* To the first cache behind that holds the line, or to memory. */
static void pass_down(struct caches *caches, uint32_t slot, bool dirty, uint64_t last)
{
    uint64_t physical = cache_slot_address(caches, slot);
    const struct cache_instance *from = &caches->instance[caches->line[slot].instance];
    for (uint32_t at = from->below; at != CACHE_NONE; at = caches->instance[at].below) {
        uint32_t to = cache_find_anywhere(caches, at, physical);
        if (to == CACHE_NONE)
            continue;
        if (dirty)
            cache_mark_dirty(caches, to);
        dirty = false;
        if (caches->instance[at].kind->exclusive)
            continue;
        if (last > caches->line[to].last)
            caches->line[to].last = last;
        return;
    }
    if (dirty)
        cache_write_to_memory(caches, from->cpu, physical);
}

void cache_note_below(struct caches *caches, uint32_t slot)
{
    pass_down(caches, slot, false, own_last_use(caches, slot));
}

void cache_evict(struct caches *caches, uint32_t slot, uint64_t tick)
{
    const struct cache_instance *cache = &caches->instance[caches->line[slot].instance];
    bool to_exclusive =
        cache->below != CACHE_NONE && caches->instance[cache->below].kind->exclusive;
    uint64_t last = to_exclusive ? cache_last_use(caches, slot) : own_last_use(caches, slot);
    bool dirty = cache->kind->inclusive && take_those_above(caches, slot, &last);
    if (dirty) /* its own now, and counted once more when it goes on */
        caches->line[slot].dirty = true;
    dirty = give_up(caches, slot);
    if (to_exclusive)
        insert_victim(caches, slot, cache->below, dirty, last, tick);
    else
        pass_down(caches, slot, dirty, last);
    cache_leave(caches, slot);
}

bool cache_others(const struct caches *caches, const struct cache_cpu *cpu, uint32_t entry,
                  uint32_t *first_cpu, uint32_t *last_cpu)
{
    *first_cpu = UINT32_MAX;
    *last_cpu = 0;
    for (uint32_t at = caches->directory.entry[entry].holders; at != CACHE_NONE;
         at = caches->line[at].next) {
        const struct cache_instance *cache = &caches->instance[caches->line[at].instance];
        if (!cache_is_other(cache, cpu))
            continue;
        *first_cpu = cache->first_cpu < *first_cpu ? cache->first_cpu : *first_cpu;
        *last_cpu = cache->last_cpu > *last_cpu ? cache->last_cpu : *last_cpu;
    }
    return *first_cpu != UINT32_MAX;
}

void cache_report_others(struct caches *caches, const struct cache_cpu *cpu, uint32_t entry)
{
    const struct cache_entry *holders = &caches->directory.entry[entry];
    if (caches->history.losses == 0 || holders->owner == CACHE_NONE || holders->owner == cpu->top)
        return;
    for (uint32_t at = holders->holders; at != CACHE_NONE; at = caches->line[at].next)
        if (cache_is_other(&caches->instance[caches->line[at].instance], cpu))
            report_written(caches, at);
}

bool cache_settle(struct caches *caches, const struct cache_cpu *cpu, uint32_t entry, bool take,
                  bool served)
{
    bool dirty = false, dirty_above = false;
    uint32_t from = 0, next;
    for (uint32_t at = caches->directory.entry[entry].holders; at != CACHE_NONE; at = next) {
        struct cache_line *line = &caches->line[at];
        const struct cache_instance *cache = &caches->instance[line->instance];
        next = line->next;
        if (cache_is_other(cache, cpu)) {
            if (give_up(caches, at)) {
                from = !dirty || cache->cpu < from ? cache->cpu : from;
                dirty = true;
            }
            line->writable = false;
            if (take) {
                cache_lose(caches, at);
                cache_note_below(caches, at);
                cache_leave(caches, at);
            }
        } else if (cache_dirty(line) && cache->below != CACHE_NONE) {
            dirty_above = true;
        }
    }
    struct cache_entry *holders = &caches->directory.entry[entry];
    holders->dirty_above = dirty_above;
    if (holders->owner != cpu->top)
        holders->owner = CACHE_NONE;
    if (dirty && !served)
        cache_write_to_memory(caches, from, holders->block << caches->block_shift);
    return dirty && served;
}
