#include "collector/trace/page-counts.h"

#include <stdlib.h>
#include <string.h>

/* 2^18 slots of 32 bytes are 8 MiB. Three quarters full, less the block to come, is when to empty:
 * probes stay short, and a block never meets a full table. */
#define SLOT_BITS 18u
#define SLOTS     (1u << SLOT_BITS)
#define USED_MOST (SLOTS / 4 * 3 - TRACE_BLOCK_REFS)
#define NO_OWNER  UINT64_MAX

struct page_counts {
    unsigned page_shift;
    uint32_t used;
    struct page_count slot[SLOTS];
    uint32_t taken[SLOTS / 4 * 3]; /* slots in use, so that emptying does not walk the table */
};

struct page_counts *page_counts_new(unsigned page_shift)
{
    struct page_counts *counts = malloc(sizeof *counts);
    if (counts == NULL)
        return NULL;
    counts->page_shift = page_shift;
    counts->used = 0;
    for (size_t i = 0; i < SLOTS; i++)
        counts->slot[i] = (struct page_count){.owner = NO_OWNER};
    return counts;
}

void page_counts_free(struct page_counts *counts)
{
    free(counts);
}

bool page_counts_room(const struct page_counts *counts)
{
    return counts->used <= USED_MOST;
}

/* The slot of a page, made if need be. Fibonacci hashing (Knuth, The Art of Computer Programming 3,
 * section 6.4) of page and owner. */
static inline struct page_count *slot_of(struct page_counts *counts, uint64_t page, uint64_t owner,
                                         uint64_t mix)
{
    struct page_count *slot = counts->slot;
    uint32_t at = (uint32_t)(((page ^ mix) * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - SLOT_BITS));
    while (slot[at].page != page || slot[at].owner != owner) {
        if (slot[at].owner == NO_OWNER) {
            slot[at] = (struct page_count){.page = page, .owner = owner};
            counts->taken[counts->used++] = at;
            break;
        }
        at = (at + 1) & (SLOTS - 1);
    }
    return &slot[at];
}

void page_counts_add(struct page_counts *counts, uint32_t space, uint32_t stream,
                     const uint64_t *addr, const uint8_t *what, size_t refs)
{
    const unsigned shift = counts->page_shift;
    const uint64_t owner = (uint64_t)space << 32 | stream;
    const uint64_t mix = owner * UINT64_C(0xc2b2ae3d27d4eb4f);
    /* instructions stay on a page: one counter in a register, instead of one in memory that each
     * of them waits for */
    struct page_count *code = NULL;
    uint64_t code_page = 0;
    uint32_t fetches = 0;
    for (size_t i = 0; i < refs; i++) {
        const uint64_t page = addr[i] >> shift;
        const unsigned kind = what[i] & REF_KIND_MASK;
        if (kind != REF_FETCH) {
            slot_of(counts, page, owner, mix)->kind[kind]++;
            continue;
        }
        if (page != code_page || code == NULL) {
            if (code != NULL)
                code->kind[REF_FETCH] += fetches;
            code = slot_of(counts, page, owner, mix);
            code_page = page;
            fetches = 0;
        }
        fetches++;
    }
    if (code != NULL)
        code->kind[REF_FETCH] += fetches;
}

static int by_key(const void *left, const void *right, void *slots)
{
    const struct page_count *slot = slots;
    const struct page_count *a = slot + *(const uint32_t *)left;
    const struct page_count *b = slot + *(const uint32_t *)right;
    if (a->owner >> 32 != b->owner >> 32)
        return a->owner >> 32 < b->owner >> 32 ? -1 : 1;
    if (a->page != b->page)
        return a->page < b->page ? -1 : 1;
    return a->owner < b->owner ? -1 : a->owner > b->owner;
}

int page_counts_empty(struct page_counts *counts,
                      int (*take)(void *to, const struct page_count *count), void *to)
{
    /* sorted, because a B-tree takes neighbours many times faster than strangers */
    qsort_r(counts->taken, counts->used, sizeof *counts->taken, by_key, counts->slot);
    int result = 0;
    for (uint32_t i = 0; i < counts->used; i++) {
        struct page_count *slot = counts->slot + counts->taken[i];
        if (result == 0)
            result = take(to, slot);
        *slot = (struct page_count){.owner = NO_OWNER};
    }
    counts->used = 0;
    return result;
}
