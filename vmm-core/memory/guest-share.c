/* Shares: ranges of pages that are the pages of another range.
 *
 * Pages are joined when they are touched, not when the range is shared, so that sharing a segment
 * of 64 GB costs one record. A share leads from the range that shows (space, first) to the one that
 * is shown (from, from_first), and never to a range that is itself shown from elsewhere: a new
 * share of such a range leads past it. When a shown range goes, the pages of it that have been
 * touched are mapped where they are shown, and so live on; the others are no longer joined.
 */
#include "vmm-core/memory/guest-tables.h"

#include <stdlib.h>
#include <string.h>

/* The first share that ends behind (space, vpn). */
static size_t share_at(const struct guest *guest, uint32_t space, uint64_t vpn)
{
    size_t low = 0;
    size_t high = guest->shares;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const struct guest_share_range *const it = &guest->share[middle];
        if (it->space < space || (it->space == space && it->first + it->pages <= vpn))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct guest_share_range *guest_share_find(const struct guest *guest, uint32_t space,
                                                 uint64_t vpn)
{
    const size_t at = share_at(guest, space, vpn);
    if (at == guest->shares)
        return NULL;
    const struct guest_share_range *const it = &guest->share[at];
    return it->space == space && it->first <= vpn ? it : NULL;
}

static char *insert(struct guest *guest, const struct guest_share_range *share)
{
    if (guest->shares == guest->shares_room) {
        const size_t room = guest->shares_room ? guest->shares_room * 2 : 16;
        struct guest_share_range *const grown = realloc(guest->share, room * sizeof *grown);
        if (!grown)
            return memory_short();
        guest->share = grown;
        guest->shares_room = room;
    }
    const size_t at = share_at(guest, share->space, share->first);
    memmove(&guest->share[at + 1], &guest->share[at], (guest->shares - at) * sizeof *guest->share);
    guest->share[at] = *share;
    guest->shares++;
    return NULL;
}

/* Takes [first, + pages) out of share `at`, counted from its start; what is left behind the hole
 * becomes a share of its own. */
static char *cut_out(struct guest *guest, size_t at, uint64_t first, uint64_t pages)
{
    struct guest_share_range *const it = &guest->share[at];
    struct guest_share_range rest = *it;
    rest.first += first + pages;
    rest.from_first += first + pages;
    rest.pages -= first + pages;
    it->pages = first;
    if (!first) {
        guest->shares--;
        memmove(it, it + 1, (guest->shares - at) * sizeof *it);
    }
    return rest.pages ? insert(guest, &rest) : NULL;
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
static char *map_touched(struct guest *guest, const struct guest_share_range share, uint64_t from,
                         uint64_t size)
{
    const bool by_page = size <= guest_steps(guest);
    const uint64_t steps = by_page ? size : guest_steps(guest);
    char *error = NULL;
    for (uint64_t step = 0; step < steps && !error; step++) {
        const uint64_t shown = share.from_first + from + step;
        const uint32_t mapping =
            by_page ? guest_find(guest, share.from, shown) : guest_at_step(guest, step);
        if (mapping == MEMORY_NONE || guest_mapped_space(guest, mapping) != share.from)
            continue;
        const uint64_t offset = guest_mapped_vpn(guest, mapping) - share.from_first;
        if (offset - from >= size)
            continue;
        if (guest_find(guest, share.space, share.first + offset) == MEMORY_NONE)
            error = guest_add_extra(guest, share.space, share.first + offset,
                                    guest_mapped_page(guest, mapping), guest->now);
    }
    return error;
}

char *guest_share_cut(struct guest *guest, uint32_t space, uint64_t first, uint64_t pages)
{
    size_t at = 0;
    while (at < guest->shares) {
        const struct guest_share_range it = guest->share[at];
        uint64_t from = 0;
        uint64_t size = 0;
        char *error = NULL;
        if (it.space == space && overlap(it.first, it.pages, first, pages, &from, &size)) {
            error = cut_out(guest, at, from, size);
        } else if (it.from == space &&
                   overlap(it.from_first, it.pages, first, pages, &from, &size)) {
            error = map_touched(guest, it, from, size);
            if (!error)
                error = cut_out(guest, at, from, size);
        } else {
            at++; /* what a cut leaves stands at the same place and is looked at again */
        }
        if (error)
            return error;
    }
    return NULL;
}

char *guest_share_add(struct guest *guest, const struct guest_share_range *share)
{
    char *error = NULL;
    for (uint64_t done = 0; done < share->pages && !error;) {
        const uint64_t shown = share->from_first + done;
        struct guest_share_range piece = {.first = share->first + done,
                                          .pages = share->pages - done,
                                          .from_first = shown,
                                          .space = share->space,
                                          .from = share->from};
        const size_t at = share_at(guest, share->from, shown);
        if (at < guest->shares && guest->share[at].space == share->from) {
            const struct guest_share_range next =
                guest->share[at]; /* the shown range is itself shown */
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
        error = insert(guest, &piece);
    }
    return error;
}
