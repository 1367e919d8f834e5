/* Why a cache has not a line. Two records:
 *   seen    a bit a line for each cache that has looked for it: the first time is a cold miss
 *   losses  lines that a store by others took, with the words stored to since, until the cache looks
 *           for them again: a coherence miss, true sharing if it wants one of those words
 * The bits follow the footprint of each CPU. Losses are bounded by the caches: a cache remembers
 * those of as many blocks as it has lines, and then forgets the oldest: that line would hardly be
 * there still, had nobody taken it, and missing it is a matter of capacity. */
#include "vmm-core/machine/caches/cache-internal.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_WORDS  ((1u << CACHE_CHUNK_SHIFT) / 64)
#define FIRST_LOSSES 256u

static bool reach_chunk(struct cache_instance *cache, uint64_t chunk)
{
    if (chunk >= cache->chunks) {
        uint64_t chunks = cache->chunks != 0 ? cache->chunks : 8;
        while (chunks <= chunk)
            chunks *= 2;
        uint64_t **seen = chunks <= SIZE_MAX / sizeof *seen
                              ? realloc(cache->seen, (size_t)chunks * sizeof *seen)
                              : NULL;
        if (seen == NULL)
            return false;
        memset(seen + cache->chunks, 0, (size_t)(chunks - cache->chunks) * sizeof *seen);
        cache->seen = seen;
        cache->chunks = chunks;
    }
    if (cache->seen[chunk] == NULL)
        cache->seen[chunk] = calloc(CHUNK_WORDS, sizeof(uint64_t));
    return cache->seen[chunk] != NULL;
}

/* Whether the cache has looked for the line before; from now on it has. */
static bool see(struct caches *caches, struct cache_instance *cache, uint64_t line)
{
    uint64_t chunk = line >> CACHE_CHUNK_SHIFT, bit = UINT64_C(1) << (line & 63);
    if ((chunk >= cache->chunks || cache->seen[chunk] == NULL) && !reach_chunk(cache, chunk)) {
        caches->no_memory = true;
        return false;
    }
    uint64_t *word = &cache->seen[chunk][line >> 6 & (CHUNK_WORDS - 1)];
    bool before = (*word & bit) != 0;
    *word |= bit;
    return before;
}

static uint32_t bucket_of(const struct cache_history *history, uint64_t block)
{
    return (uint32_t)((block * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (history->buckets - 1);
}

static bool grow(struct cache_history *history)
{
    uint32_t room = history->room != 0 ? history->room * 2 : FIRST_LOSSES, old = history->room;
    struct cache_loss *loss = realloc(history->loss, room * sizeof *loss);
    if (loss == NULL)
        return false;
    history->loss = loss;
    uint32_t *bucket = malloc(room * sizeof *bucket);
    if (bucket == NULL)
        return false;
    free(history->bucket);
    history->bucket = bucket;
    history->buckets = room;
    history->room = room;
    memset(bucket, 0xff, room * sizeof *bucket);
    for (uint32_t at = 0; at < old; at++) { /* all of them are in use */
        uint32_t *head = &bucket[bucket_of(history, loss[at].block)];
        loss[at].next = *head;
        *head = at;
    }
    for (uint32_t at = old; at < room; at++)
        loss[at].next = at + 1 < room ? at + 1 : CACHE_NONE;
    history->free = old;
    return true;
}

bool cache_history_new(struct cache_history *history)
{
    *history = (struct cache_history){.free = CACHE_NONE};
    return grow(history);
}

void cache_history_free(struct cache_history *history)
{
    free(history->loss);
    free(history->bucket);
}

/* Points at the link to the record of this cache and block; the link is CACHE_NONE if none is. */
static uint32_t *find(const struct cache_history *history, uint64_t block, uint32_t instance)
{
    uint32_t *at = &history->bucket[bucket_of(history, block)];
    while (*at != CACHE_NONE &&
           (history->loss[*at].block != block || history->loss[*at].instance != instance))
        at = &history->loss[*at].next;
    return at;
}

static void forget(struct caches *caches, uint32_t *link)
{
    struct cache_history *history = &caches->history;
    uint32_t gone = *link;
    struct cache_loss *loss = &history->loss[gone];
    struct cache_instance *cache = &caches->instance[loss->instance];
    *link = loss->next;
    *(loss->older == CACHE_NONE ? &cache->oldest_loss : &history->loss[loss->older].newer) =
        loss->newer;
    *(loss->newer == CACHE_NONE ? &cache->newest_loss : &history->loss[loss->newer].older) =
        loss->older;
    cache->losses--;
    loss->next = history->free;
    history->free = gone;
    history->losses--;
}

/* A new record, the newest of the cache. CACHE_NONE: memory is short. */
static uint32_t remember(struct caches *caches, uint32_t instance, uint64_t block)
{
    struct cache_history *history = &caches->history;
    struct cache_instance *cache = &caches->instance[instance];
    if (cache->losses == cache->kind->sets * cache->kind->ways)
        forget(caches, find(history, history->loss[cache->oldest_loss].block, instance));
    if (history->free == CACHE_NONE && !grow(history))
        return CACHE_NONE;
    uint32_t at = history->free, *head = &history->bucket[bucket_of(history, block)];
    history->free = history->loss[at].next;
    history->loss[at] =
        (struct cache_loss){.block = block,
                            .instance = instance,
                            .next = *head,
                            .older = cache->losses != 0 ? cache->newest_loss : CACHE_NONE,
                            .newer = CACHE_NONE};
    *head = at;
    *(cache->losses != 0 ? &history->loss[cache->newest_loss].newer : &cache->oldest_loss) = at;
    cache->newest_loss = at;
    cache->losses++;
    history->losses++;
    return at;
}

/* The bit of the line in its block, and the words that it has there. */
static uint32_t line_bit(const struct caches *caches, const struct cache_kind *kind,
                         uint64_t physical, uint64_t *words)
{
    uint64_t line = physical >> kind->line_shift << kind->line_shift;
    *words = cache_words(caches, line, UINT64_C(1) << kind->line_shift);
    uint64_t in_block = line & ((UINT64_C(1) << caches->block_shift) - 1);
    return UINT32_C(1) << (in_block >> kind->line_shift);
}

enum cache_miss cache_classify(struct caches *caches, uint32_t instance, uint64_t physical,
                               uint64_t words)
{
    struct cache_instance *cache = &caches->instance[instance];
    struct cache_history *history = &caches->history;
    if (!see(caches, cache, physical >> cache->kind->line_shift))
        return CACHE_COLD;
    if (history->losses == 0)
        return CACHE_CAPACITY;
    uint32_t *link = find(history, cache_block_of(caches, physical), instance);
    if (*link == CACHE_NONE)
        return CACHE_CAPACITY;
    struct cache_loss *loss = &history->loss[*link];
    uint64_t of_line;
    uint32_t bit = line_bit(caches, cache->kind, physical, &of_line);
    if ((loss->lines & bit) == 0)
        return CACHE_CAPACITY;
    enum cache_miss miss = (loss->words & words) != 0 ? CACHE_TRUE_SHARING : CACHE_FALSE_SHARING;
    loss->lines &= ~bit;
    loss->words &= ~of_line;
    if (loss->lines == 0)
        forget(caches, link);
    return miss;
}

void cache_lose(struct caches *caches, uint32_t slot)
{
    struct cache_history *history = &caches->history;
    uint32_t instance = caches->line[slot].instance;
    uint64_t physical = cache_slot_address(caches, slot), block = cache_block_of(caches, physical);
    uint64_t words;
    uint32_t bit = line_bit(caches, caches->instance[instance].kind, physical, &words);
    uint32_t at = *find(history, block, instance);
    if (at == CACHE_NONE && (at = remember(caches, instance, block)) == CACHE_NONE) {
        caches->no_memory = true;
        return;
    }
    history->loss[at].lines |= bit;
    history->loss[at].words &= ~words;
}

void cache_report_words(struct caches *caches, uint32_t first_cpu, uint32_t last_cpu,
                        uint64_t block, uint64_t words)
{
    struct cache_history *history = &caches->history;
    if (history->losses == 0)
        return;
    for (uint32_t at = history->bucket[bucket_of(history, block)]; at != CACHE_NONE;
         at = history->loss[at].next) {
        struct cache_loss *loss = &history->loss[at];
        const struct cache_instance *loser = &caches->instance[loss->instance];
        if (loss->block == block && (loser->last_cpu < first_cpu || loser->first_cpu > last_cpu))
            loss->words |= words;
    }
}

void cache_forget_losses(struct caches *caches, uint64_t block)
{
    struct cache_history *history = &caches->history;
    uint32_t *at = &history->bucket[bucket_of(history, block)];
    while (*at != CACHE_NONE) {
        if (history->loss[*at].block == block)
            forget(caches, at);
        else
            at = &history->loss[*at].next;
    }
}
