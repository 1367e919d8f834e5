/* The policy's counters: for each page that was referred to in this interval, by node.
 *
 * Records stand in one array in the order of first reference, and a page remembers where its own
 * was last. It still is if the record names the page and is among those in use, so that the end of
 * an interval is one assignment, however many pages there are. Records are only added by
 * references, never by what a policy does, so that what a policy holds stays where it is.
 */
#include "vmm-core/memory/internal.h"

#include <stdlib.h>
#include <string.h>

#define RECORDS_AT_FIRST 1024u

char *counts_new(struct memory *memory)
{
    struct counts_pool *const pool = &memory->counts;
    const size_t bytes = sizeof(struct counts) + memory->nodes * sizeof(uint16_t);
    pool->each_bytes = (uint32_t)((bytes + 3) / 4 * 4);
    pool->none = calloc(memory->nodes, sizeof *pool->none);
    pool->record = malloc((size_t)RECORDS_AT_FIRST * pool->each_bytes);
    pool->room = RECORDS_AT_FIRST;
    return pool->none && pool->record ? NULL : memory_short();
}

void counts_free(struct memory *memory)
{
    free(memory->counts.none);
    free(memory->counts.record);
}

uint32_t counts_of(struct memory *memory, uint32_t page)
{
    struct counts_pool *const pool = &memory->counts;
    const uint32_t before = memory->page[page].counted;
    if (counts_is(pool, before, page))
        return before;
    void *record = pool->record;
    if (!memory_grow(&record, &pool->room, pool->used + 1, pool->each_bytes))
        return MEMORY_NONE;
    pool->record = record;
    const uint32_t index = pool->used++;
    struct counts *const it = counts_at(pool, index);
    memset(it, 0, pool->each_bytes);
    it->page = page;
    memory->page[page].counted = index;
    return index;
}

void counts_reset(struct memory *memory)
{
    memory->counts.used = 0;
    memory->counts.interval++;
}
