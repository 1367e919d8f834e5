#include "collector/sources/drmemtrace/drmemtrace-pages.h"

#include <stddef.h>
#include <stdlib.h>

struct page {
    uint64_t pid, virtual_page;
    uint64_t physical; /* address of its first byte */
    bool taken, known;
};

/* Open addressing; at most half full. */
struct drmemtrace_pages {
    struct page *slot;
    size_t slots, used;
};

#define SLOTS_AT_FIRST 1024u

static struct page *slot_of(const struct drmemtrace_pages *pages, uint64_t pid, uint64_t page)
{
    /* multiplicative hashing: Knuth, The Art of Computer Programming 3, 6.4; 2^64 / golden ratio */
    uint64_t hash = (pid * UINT64_C(0x9e3779b97f4a7c15) ^ page) * UINT64_C(0x9e3779b97f4a7c15);
    size_t at = (size_t)(hash >> 20) & (pages->slots - 1);
    while (pages->slot[at].taken &&
           (pages->slot[at].virtual_page != page || pages->slot[at].pid != pid)) {
        at = (at + 1) & (pages->slots - 1);
    }
    return &pages->slot[at];
}

struct drmemtrace_pages *drmemtrace_pages_new(void)
{
    struct drmemtrace_pages *pages = calloc(1, sizeof *pages);
    if (pages != NULL && (pages->slot = calloc(SLOTS_AT_FIRST, sizeof *pages->slot)) == NULL) {
        free(pages);
        return NULL;
    }
    if (pages != NULL) {
        pages->slots = SLOTS_AT_FIRST;
    }
    return pages;
}

void drmemtrace_pages_free(struct drmemtrace_pages *pages)
{
    if (pages != NULL) {
        free(pages->slot);
        free(pages);
    }
}

static bool grow(struct drmemtrace_pages *pages)
{
    struct drmemtrace_pages larger = {.slots = pages->slots * 2, .used = pages->used};
    larger.slot = calloc(larger.slots, sizeof *larger.slot);
    if (larger.slot == NULL) {
        return false;
    }
    for (size_t i = 0; i < pages->slots; i++) {
        if (pages->slot[i].taken) {
            *slot_of(&larger, pages->slot[i].pid, pages->slot[i].virtual_page) = pages->slot[i];
        }
    }
    free(pages->slot);
    *pages = larger;
    return true;
}

bool drmemtrace_pages_set(struct drmemtrace_pages *pages, uint64_t pid, uint64_t virtual_addr,
                          uint64_t physical_addr, uint64_t page_bytes)
{
    if (pages->used * 2 >= pages->slots && !grow(pages)) {
        return false;
    }
    struct page *page = slot_of(pages, pid, virtual_addr / page_bytes);
    pages->used += !page->taken;
    *page = (struct page){.pid = pid,
                          .virtual_page = virtual_addr / page_bytes,
                          .physical = physical_addr & ~(page_bytes - 1),
                          .taken = true,
                          .known = true};
    return true;
}

void drmemtrace_pages_forget(struct drmemtrace_pages *pages, uint64_t pid, uint64_t virtual_addr,
                             uint64_t page_bytes)
{
    slot_of(pages, pid, virtual_addr / page_bytes)->known = false; /* a free slot does not mind */
}

uint64_t drmemtrace_pages_find(const struct drmemtrace_pages *pages, uint64_t pid,
                               uint64_t virtual_addr, uint64_t page_bytes)
{
    const struct page *page = slot_of(pages, pid, virtual_addr / page_bytes);
    return page->known ? page->physical | (virtual_addr & (page_bytes - 1)) : 0;
}
