#include "collector/tool-pages.h"

#include <stdlib.h>

#define SLOTS_FIRST 1024u

/* A page that was touched once keeps its slot; `touched` says whether it is now. */
struct slot {
    uint64_t vpn;
    uint32_t space;
    bool used, touched;
};

struct tool_pages {
    struct slot *slot; /* open addressing, at most half full */
    uint64_t mask, used;
    uint32_t *space; /* [streams] each one's now */
    uint32_t streams;
    unsigned shift;
    /* of the last touch: most references are to the page of the one before */
    uint64_t last_vpn;
    uint32_t last_space;
    bool last_valid;
};

struct tool_pages *tool_pages_new(const struct trace_reader *reader)
{
    const struct trace_summary *summary = trace_reader_summary(reader);
    struct tool_pages *pages = calloc(1, sizeof *pages);
    if (pages == NULL)
        return NULL;
    pages->mask = SLOTS_FIRST - 1;
    pages->slot = calloc(SLOTS_FIRST, sizeof *pages->slot);
    pages->streams = summary->streams;
    pages->space = calloc((size_t)pages->streams + 1, sizeof *pages->space);
    if (pages->slot == NULL || pages->space == NULL) {
        tool_pages_free(pages);
        return NULL;
    }
    for (uint32_t i = 0; i < pages->streams; i++)
        pages->space[i] = trace_reader_stream(reader, i)->space;
    pages->shift = (unsigned)__builtin_ctz(summary->facts.page_bytes);
    return pages;
}

void tool_pages_free(struct tool_pages *pages)
{
    if (pages == NULL)
        return;
    free(pages->slot);
    free(pages->space);
    free(pages);
}

/* The page's slot, or the free one where it belongs. */
static struct slot *find(struct slot *slots, uint64_t mask, uint32_t space, uint64_t vpn)
{
    /* Fibonacci hashing (Knuth, volume 3, 6.4) */
    uint64_t at = ((vpn ^ (uint64_t)space << 40) * UINT64_C(0x9e3779b97f4a7c15) >> 20) & mask;
    while (slots[at].used && (slots[at].vpn != vpn || slots[at].space != space))
        at = (at + 1) & mask;
    return &slots[at];
}

static bool grow(struct tool_pages *pages)
{
    uint64_t mask = 2 * pages->mask + 1;
    struct slot *slots = calloc(mask + 1, sizeof *slots);
    if (slots == NULL)
        return false;
    for (uint64_t i = 0; i <= pages->mask; i++)
        if (pages->slot[i].used)
            *find(slots, mask, pages->slot[i].space, pages->slot[i].vpn) = pages->slot[i];
    free(pages->slot);
    pages->slot = slots;
    pages->mask = mask;
    return true;
}

bool tool_pages_touch(struct tool_pages *pages, uint32_t stream, uint64_t addr, bool *first)
{
    uint32_t space = stream < pages->streams ? pages->space[stream] : 0;
    uint64_t vpn = addr >> pages->shift;
    *first = false;
    if (pages->last_valid && pages->last_vpn == vpn && pages->last_space == space)
        return true;
    if (2 * pages->used > pages->mask && !grow(pages))
        return false;
    struct slot *slot = find(pages->slot, pages->mask, space, vpn);
    *first = !slot->touched;
    pages->used += !slot->used;
    *slot = (struct slot){.vpn = vpn, .space = space, .used = true, .touched = true};
    pages->last_vpn = vpn;
    pages->last_space = space;
    pages->last_valid = true;
    return true;
}

/* Page by page, or slot by slot where those are fewer. */
static void unmap(struct tool_pages *pages, uint32_t space, uint64_t first, uint64_t end)
{
    pages->last_valid = false;
    if (end - first > pages->mask) {
        for (uint64_t i = 0; i <= pages->mask; i++) {
            struct slot *slot = &pages->slot[i];
            if (slot->space == space && slot->vpn >= first && slot->vpn < end)
                slot->touched = false;
        }
        return;
    }
    for (uint64_t vpn = first; vpn < end; vpn++)
        find(pages->slot, pages->mask, space, vpn)->touched = false;
}

void tool_pages_event(struct tool_pages *pages, const struct trace_event *event)
{
    const uint64_t *args = event->args;
    if (event->type == EVENT_ASID && event->stream < pages->streams)
        pages->space[event->stream] = (uint32_t)args[0];
    if (event->type == EVENT_UNMAP && args[2] > args[1])
        unmap(pages, (uint32_t)args[0], args[1] >> pages->shift,
              ((args[2] - 1) >> pages->shift) + 1);
}
