/* The directory: an entry for each block that a cache holds a line of, and the list of the slots that
 * hold them, linked through the slots themselves. So it never has more entries than there are cached
 * lines (and those that a reference at work has pinned). */
#include "vmm-core/machine/caches/cache-internal.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ENTRIES 1024u

static uint32_t bucket_of(const struct cache_directory *directory, uint64_t block)
{
    return (uint32_t)((block * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (directory->buckets - 1);
}

/* Free entries are a list, in order. */
static void free_from(struct cache_directory *directory, uint32_t first)
{
    for (uint32_t entry = first; entry < directory->room; entry++)
        directory->entry[entry].next = entry + 1 < directory->room ? entry + 1 : directory->free;
    directory->free = first;
}

/* Twice the room, and a bucket for each entry. */
static bool grow(struct cache_directory *directory)
{
    uint32_t room = directory->room != 0 ? directory->room * 2 : FIRST_ENTRIES;
    struct cache_entry *entry = realloc(directory->entry, room * sizeof *entry);
    if (entry == NULL)
        return false;
    directory->entry = entry;
    uint32_t *bucket = malloc(room * sizeof *bucket);
    if (bucket == NULL)
        return false;
    uint32_t old = directory->room, *old_bucket = directory->bucket,
             old_buckets = directory->buckets;
    directory->bucket = bucket;
    directory->buckets = room;
    directory->room = room;
    memset(bucket, 0xff, room * sizeof *bucket);
    for (uint32_t i = 0; i < old_buckets; i++) {
        for (uint32_t at = old_bucket[i], next; at != CACHE_NONE; at = next) {
            uint32_t *head = &bucket[bucket_of(directory, entry[at].block)];
            next = entry[at].next;
            entry[at].next = *head;
            *head = at;
        }
    }
    free(old_bucket);
    free_from(directory, old);
    return true;
}

bool cache_directory_new(struct cache_directory *directory)
{
    *directory = (struct cache_directory){.free = CACHE_NONE};
    return grow(directory);
}

void cache_directory_free(struct cache_directory *directory)
{
    free(directory->entry);
    free(directory->bucket);
}

uint32_t cache_directory_find(const struct cache_directory *directory, uint64_t block)
{
    uint32_t at = directory->bucket[bucket_of(directory, block)];
    while (at != CACHE_NONE && directory->entry[at].block != block)
        at = directory->entry[at].next;
    return at;
}

uint32_t cache_directory_pin(struct cache_directory *directory, uint64_t block)
{
    uint32_t at = cache_directory_find(directory, block);
    if (at == CACHE_NONE) {
        if (directory->free == CACHE_NONE && !grow(directory))
            return CACHE_NONE;
        uint32_t *head = &directory->bucket[bucket_of(directory, block)];
        at = directory->free;
        directory->free = directory->entry[at].next;
        directory->entry[at] = (struct cache_entry){.block = block,
                                                    .next = *head,
                                                    .holders = CACHE_NONE,
                                                    .owner = CACHE_NONE};
        *head = at;
        directory->entries++;
    }
    directory->entry[at].pins++;
    return at;
}

static void drop_if_unused(struct cache_directory *directory, uint32_t entry)
{
    struct cache_entry *gone = &directory->entry[entry];
    if (gone->pins != 0 || gone->holders != CACHE_NONE)
        return;
    uint32_t *at = &directory->bucket[bucket_of(directory, gone->block)];
    while (*at != entry)
        at = &directory->entry[*at].next;
    *at = gone->next;
    gone->next = directory->free;
    directory->free = entry;
    directory->entries--;
}

void cache_directory_unpin(struct cache_directory *directory, uint32_t entry)
{
    directory->entry[entry].pins--;
    drop_if_unused(directory, entry);
}

void cache_hold(struct caches *caches, uint32_t slot, uint32_t entry, uint32_t instance)
{
    uint32_t first = caches->directory.entry[entry].holders;
    caches->line[slot] = (struct cache_line){.next = first,
                                             .previous = CACHE_NONE,
                                             .entry = entry,
                                             .instance = (uint16_t)instance};
    if (first != CACHE_NONE)
        caches->line[first].previous = slot;
    caches->directory.entry[entry].holders = slot;
}

void cache_leave(struct caches *caches, uint32_t slot)
{
    const struct cache_line *line = &caches->line[slot];
    if (line->previous != CACHE_NONE)
        caches->line[line->previous].next = line->next;
    else
        caches->directory.entry[line->entry].holders = line->next;
    if (line->next != CACHE_NONE)
        caches->line[line->next].previous = line->previous;
    caches->tag[slot] = 0;
    drop_if_unused(&caches->directory, line->entry);
}
