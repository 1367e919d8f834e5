#include "replayer/thp.h"

#include <stdlib.h>
#include <string.h>

#include "replayer/report/say.h"

static bool anonymous(const struct trace_region *region)
{
    static const char *const kinds[] = {"mapping", "heap", "stack", "allocation"};
    if (region->file != NULL)
        return false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(region->kind, kinds[i]) == 0)
            return true;
    return false;
}

static int by_place(const void *a, const void *b)
{
    const struct guest_range *one = a, *other = b;
    if (one->space != other->space)
        return one->space < other->space ? -1 : 1;
    return one->first < other->first ? -1 : one->first > other->first;
}

/* What overlaps becomes one. Returns how many are left. */
static size_t merge(struct guest_range *range, size_t count)
{
    size_t kept = 0;
    if (count > 0)
        qsort(range, count, sizeof *range, by_place);
    for (size_t i = 0; i < count; i++) {
        struct guest_range *last = kept > 0 ? &range[kept - 1] : NULL;
        const uint64_t end = range[i].first + range[i].pages;
        if (last == NULL || last->space != range[i].space ||
            last->first + last->pages <= range[i].first)
            range[kept++] = range[i];
        else if (end > last->first + last->pages)
            last->pages = end - last->first;
    }
    return kept;
}

char *thp_ranges(const char *option, const char *which, const struct trace_reader *reader,
                 const struct machine *machine, struct guest_range **out, size_t *count)
{
    const struct trace_summary *summary = trace_reader_summary(reader);
    const bool always = strcmp(which, THP_ALWAYS) == 0;
    const unsigned shift = (unsigned)__builtin_ctz(machine->page_bytes);
    *out = NULL;
    *count = 0;
    if (strcmp(which, THP_NEVER) == 0)
        return NULL;
    struct guest_range *range =
        calloc((size_t)summary->regions + summary->spaces + 1, sizeof *range);
    *out = range;
    if (range == NULL)
        return say_no_memory();
    size_t found = 0;
    for (uint32_t i = 0; i < summary->regions; i++) {
        const struct trace_region *region = trace_reader_region(reader, i);
        if (region->start >= region->end ||
            !(always ? anonymous(region) : strcmp(region->name, which) == 0))
            continue;
        const uint64_t first = region->start >> shift;
        const uint64_t pages = ((region->end - 1) >> shift) - first + 1;
        range[found++] = (struct guest_range){first, pages, region->space};
    }
    if (found == 0 && !always)
        return say("%s=%s: the trace has no region of this name; table trace_region has their "
                   "names, or use %s or %s",
                   option, which, THP_ALWAYS, THP_NEVER);
    for (uint32_t space = 0; found == 0 && space < summary->spaces; space++)
        range[space] = (struct guest_range){0, (UINT64_MAX >> shift) + 1, space};
    *count = found == 0 ? summary->spaces : merge(range, found);
    return NULL;
}
