/* Shares: ranges of pages that are the pages of another range.
 *
 * Pages are joined when they are touched, not when the range is shared, so that sharing a segment
 * of 64 GB costs one record. A share leads from the range that shows (space, first) to the one that
 * is shown (from, from_first), and never to a range that is itself shown from elsewhere: a new
 * share of such a range leads past it. When a shown range goes, the pages of it that have been
 * touched are mapped where they are shown, and so live on; the others are no longer joined.
 */
#include "vmm-core/memory/internal.h"

#include <stdlib.h>
#include <string.h>

/* The first share that ends behind (space, vpn). */
static size_t share_at(const struct memory *memory, uint32_t space, uint64_t vpn)
{
    size_t low = 0;
    size_t high = memory->shares;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const struct share *const it = &memory->share[middle];
        if (it->space < space || (it->space == space && it->first + it->pages <= vpn))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct share *share_find(const struct memory *memory, uint32_t space, uint64_t vpn)
{
    const size_t at = share_at(memory, space, vpn);
    if (at == memory->shares)
        return NULL;
    const struct share *const it = &memory->share[at];
    return it->space == space && it->first <= vpn ? it : NULL;
}

static char *insert(struct memory *memory, const struct share *share)
{
    if (memory->shares == memory->shares_room) {
        const size_t room = memory->shares_room ? memory->shares_room * 2 : 16;
        struct share *const grown = realloc(memory->share, room * sizeof *grown);
        if (!grown)
            return memory_short();
        memory->share = grown;
        memory->shares_room = room;
    }
    const size_t at = share_at(memory, share->space, share->first);
    memmove(&memory->share[at + 1], &memory->share[at],
            (memory->shares - at) * sizeof *memory->share);
    memory->share[at] = *share;
    memory->shares++;
    return NULL;
}

/* Takes [first, + pages) out of share `at`, counted from its start; what is left behind the hole
 * becomes a share of its own. */
static char *cut_out(struct memory *memory, size_t at, uint64_t first, uint64_t pages)
{
    struct share *const it = &memory->share[at];
    struct share rest = *it;
    rest.first += first + pages;
    rest.from_first += first + pages;
    rest.pages -= first + pages;
    it->pages = first;
    if (!first) {
        memory->shares--;
        memmove(it, it + 1, (memory->shares - at) * sizeof *it);
    }
    return rest.pages ? insert(memory, &rest) : NULL;
}

/* The part of [start, + length) that lies in [first, + pages), from `start`. */
static bool overlap(uint64_t start, uint64_t length, uint64_t first, uint64_t pages, uint64_t *from,
                    uint64_t *size)
{
    const uint64_t low = start > first ? start : first;
    const uint64_t high =
        start + length < first + pages ? start + length : first + pages; /* VPNs: no overflow */
    if (low >= high)
        return false;
    *from = low - start;
    *size = high - low;
    return true;
}

/* Maps the touched pages of [from, + size) of a share, counted from its start, where it shows them.
 */
static char *map_touched(struct memory *memory, const struct share share, uint64_t from,
                         uint64_t size)
{
    const bool by_page = size <= memory->mappings;
    const uint64_t steps = by_page ? size : memory->mappings;
    char *error = NULL;
    for (uint64_t step = 0; step < steps && !error; step++) {
        const uint64_t shown = share.from_first + from + step;
        const uint32_t index = by_page ? space_find(memory, share.from, shown) : (uint32_t)step;
        if (index == MEMORY_NONE)
            continue;
        const struct mapping it = memory->mapping[index];
        const uint64_t offset = it.vpn - share.from_first;
        if (it.page == MEMORY_NONE || it.space != share.from || offset - from >= size)
            continue;
        if (space_find(memory, share.space, share.first + offset) == MEMORY_NONE)
            error = space_map(memory, share.space, share.first + offset, it.page);
    }
    return error;
}

char *share_cut(struct memory *memory, uint32_t space, uint64_t first, uint64_t pages)
{
    size_t at = 0;
    while (at < memory->shares) {
        const struct share it = memory->share[at];
        uint64_t from = 0;
        uint64_t size = 0;
        char *error = NULL;
        if (it.space == space && overlap(it.first, it.pages, first, pages, &from, &size)) {
            error = cut_out(memory, at, from, size);
        } else if (it.from == space &&
                   overlap(it.from_first, it.pages, first, pages, &from, &size)) {
            error = map_touched(memory, it, from, size);
            if (!error)
                error = cut_out(memory, at, from, size);
        } else {
            at++; /* what a cut leaves stands at the same place and is looked at again */
        }
        if (error)
            return error;
    }
    return NULL;
}

char *share_add(struct memory *memory, const struct share *share)
{
    char *error = NULL;
    for (uint64_t done = 0; done < share->pages && !error;) {
        const uint64_t shown = share->from_first + done;
        struct share piece = {.first = share->first + done,
                              .pages = share->pages - done,
                              .from_first = shown,
                              .space = share->space,
                              .from = share->from};
        const size_t at = share_at(memory, share->from, shown);
        if (at < memory->shares && memory->share[at].space == share->from) {
            const struct share next = memory->share[at]; /* the shown range is itself shown */
            const bool inside = next.first <= shown;
            const uint64_t border = inside ? next.first + next.pages : next.first;
            if (border - shown < piece.pages)
                piece.pages = border - shown;
            if (inside) {
                piece.from = next.from;
                piece.from_first = next.from_first + (shown - next.first);
            }
        }
        done += piece.pages;
        error = insert(memory, &piece);
    }
    return error;
}
