#include "replayer/report/regions.h"

#include <stdlib.h>

struct extent {
    uint32_t space, id; /* of the region, or PPN of the page */
    uint64_t start,
        last; /* last: the last byte, so that the end of the address space has a number */
};

struct sweep {
    struct extent *region, *page;
    uint32_t regions, pages;
    uint32_t *active; /* indices of regions that may hold pages from here on */
    uint32_t actives;
};

static int by_start(const void *a, const void *b)
{
    const struct extent *one = a, *other = b;
    if (one->space != other->space)
        return one->space < other->space ? -1 : 1;
    if (one->start != other->start)
        return one->start < other->start ? -1 : 1;
    return one->id < other->id ? -1 : one->id > other->id;
}

static uint64_t overlap(const struct extent *region, const struct extent *page)
{
    uint64_t start = region->start > page->start ? region->start : page->start;
    uint64_t last = region->last < page->last ? region->last : page->last;
    return last >= start ? last - start + 1 : 0;
}

static bool better(const struct extent *one, const struct extent *other, const struct extent *page)
{
    uint64_t held = overlap(one, page), other_held = overlap(other, page);
    if (held != other_held)
        return held > other_held;
    uint64_t size = one->last - one->start, other_size = other->last - other->start;
    if (size != other_size)
        return size < other_size;
    return one->id > other->id;
}

/* The best of the active regions; those that end before the page are dropped on the way. */
static uint32_t best(struct sweep *sweep, const struct extent *page)
{
    const struct extent *found = NULL;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < sweep->actives; i++) {
        const struct extent *region = &sweep->region[sweep->active[i]];
        if (region->space != page->space || region->last < page->start)
            continue;
        sweep->active[kept++] = sweep->active[i];
        if (found == NULL || better(region, found, page))
            found = region;
    }
    sweep->actives = kept;
    return found == NULL ? REGION_NONE : found->id;
}

static void fill(struct sweep *sweep, const struct trace_reader *reader,
                 const struct memory *memory, uint32_t page_bytes)
{
    uint32_t regions = sweep->regions;
    sweep->regions = 0;
    for (uint32_t i = 0; i < regions; i++) {
        const struct trace_region *region = trace_reader_region(reader, i);
        if (region->end > region->start)
            sweep->region[sweep->regions++] =
                (struct extent){region->space, i, region->start, region->end - 1};
    }
    for (uint32_t i = 0; i < sweep->pages; i++) {
        struct memory_page_state page = memory_page(memory, i);
        uint64_t start = page.vpn * page_bytes;
        sweep->page[i] = (struct extent){page.space, i, start, start + page_bytes - 1};
    }
    if (sweep->regions > 0)
        qsort(sweep->region, sweep->regions, sizeof *sweep->region, by_start);
    if (sweep->pages > 0)
        qsort(sweep->page, sweep->pages, sizeof *sweep->page, by_start);
}

char *regions_of_pages(const struct trace_reader *reader, const struct memory *memory,
                       uint32_t page_bytes, uint32_t **out)
{
    struct sweep sweep = {.regions = trace_reader_summary(reader)->regions,
                          .pages = memory_pages(memory)};
    sweep.region = calloc((size_t)sweep.regions + 1, sizeof *sweep.region);
    sweep.active = calloc((size_t)sweep.regions + 1, sizeof *sweep.active);
    sweep.page = calloc((size_t)sweep.pages + 1, sizeof *sweep.page);
    uint32_t *region = calloc((size_t)sweep.pages + 1, sizeof *region);
    char *error = NULL;
    if (sweep.region == NULL || sweep.active == NULL || sweep.page == NULL || region == NULL) {
        error = say_no_memory();
        free(region);
        region = NULL;
    } else {
        fill(&sweep, reader, memory, page_bytes);
        uint32_t next = 0;
        for (uint32_t i = 0; i < sweep.pages; i++) {
            const struct extent *page = &sweep.page[i];
            while (next < sweep.regions && (sweep.region[next].space < page->space ||
                                            (sweep.region[next].space == page->space &&
                                             sweep.region[next].start <= page->last)))
                sweep.active[sweep.actives++] = next++;
            region[page->id] = best(&sweep, page);
        }
    }
    free(sweep.region);
    free(sweep.active);
    free(sweep.page);
    *out = region;
    return error;
}
