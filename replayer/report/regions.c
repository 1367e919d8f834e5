#include "replayer/report/regions.h"

#include <stdlib.h>

struct extent {
    uint32_t space, id; /* of the region, or PPN of the page */
    uint32_t rank;      /* of the page's places */
    uint64_t start,
        last; /* last: the last byte, so that the end of the address space has a number */
};

struct sweep {
    struct extent *region, *place; /* a page has one or more places */
    uint32_t regions;
    size_t places, room;
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

static void fill_regions(struct sweep *sweep, const struct trace_reader *reader)
{
    uint32_t regions = sweep->regions;
    sweep->regions = 0;
    for (uint32_t i = 0; i < regions; i++) {
        const struct trace_region *region = trace_reader_region(reader, i);
        if (region->end > region->start)
            sweep->region[sweep->regions++] = (struct extent){.space = region->space,
                                                              .id = i,
                                                              .start = region->start,
                                                              .last = region->end - 1};
    }
    if (sweep->regions > 0)
        qsort(sweep->region, sweep->regions, sizeof *sweep->region, by_start);
}

/* All places of all pages; `found` gets the first of each. False: memory is short. */
static bool fill_places(struct sweep *sweep, const struct memory *memory, uint32_t page_bytes,
                        struct page_region *found)
{
    const struct guest *guest = memory_guest(memory);
    for (uint32_t i = 0; i < memory_pages(memory); i++) {
        struct guest_place place[REGION_PLACES];
        const struct memory_page_state page = memory_page(memory, i);
        found[i] = (struct page_region){REGION_NONE, page.space, page.vpn};
        uint32_t places = guest_places(guest, i, place, REGION_PLACES);
        if (places == 0) /* unmapped by now */
            place[places++] = (struct guest_place){page.space, page.vpn};
        if (sweep->places + places > sweep->room) {
            const size_t room = 2 * sweep->room + memory_pages(memory) + REGION_PLACES;
            struct extent *more = reallocarray(sweep->place, room, sizeof *more);
            if (more == NULL)
                return false;
            sweep->place = more;
            sweep->room = room;
        }
        for (uint32_t rank = 0; rank < places; rank++) {
            const uint64_t start = place[rank].vpn * page_bytes;
            sweep->place[sweep->places++] = (struct extent){.space = place[rank].space,
                                                            .id = i,
                                                            .rank = rank,
                                                            .start = start,
                                                            .last = start + page_bytes - 1};
        }
    }
    if (sweep->places > 0)
        qsort(sweep->place, sweep->places, sizeof *sweep->place, by_start);
    return true;
}

/* `rank`: [pages] that of the place found so far. */
static void find(struct sweep *sweep, uint32_t page_bytes, struct page_region *found,
                 uint32_t *rank)
{
    uint32_t next = 0;
    for (size_t i = 0; i < sweep->places; i++) {
        const struct extent *place = &sweep->place[i];
        while (next < sweep->regions && (sweep->region[next].space < place->space ||
                                         (sweep->region[next].space == place->space &&
                                          sweep->region[next].start <= place->last)))
            sweep->active[sweep->actives++] = next++;
        const uint32_t region = best(sweep, place);
        struct page_region *of = &found[place->id];
        if (region == REGION_NONE || (of->region != REGION_NONE && rank[place->id] > place->rank))
            continue;
        *of = (struct page_region){region, place->space, place->start / page_bytes};
        rank[place->id] = place->rank;
    }
}

char *regions_of_pages(const struct trace_reader *reader, const struct memory *memory,
                       uint32_t page_bytes, struct page_region **out)
{
    struct sweep sweep = {.regions = trace_reader_summary(reader)->regions};
    const size_t pages = memory_pages(memory);
    sweep.region = calloc((size_t)sweep.regions + 1, sizeof *sweep.region);
    sweep.active = calloc((size_t)sweep.regions + 1, sizeof *sweep.active);
    struct page_region *found = calloc(pages + 1, sizeof *found);
    uint32_t *rank = calloc(pages + 1, sizeof *rank);
    char *error = NULL;
    if (sweep.region == NULL || sweep.active == NULL || found == NULL || rank == NULL ||
        !fill_places(&sweep, memory, page_bytes, found)) {
        error = say_no_memory();
        free(found);
        found = NULL;
    } else {
        fill_regions(&sweep, reader);
        find(&sweep, page_bytes, found, rank);
    }
    free(sweep.region);
    free(sweep.active);
    free(sweep.place);
    free(rank);
    *out = found;
    return error;
}
