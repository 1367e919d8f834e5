/* Blocks: pages of a space that are touched together, since a huge page may back them: 512 of them for
 * 2 MiB, 512 times as many for 1 GiB.
 *
 * Their PPNs are in a row and aligned to 512 as their VPNs are, so that caches indexed by them see a huge
 * page as it is (a block of 1 GiB too is aligned to 2 MiB only: no more numbers are lost for it). The
 * numbers that alignment leaves out, at most 511 before each block, are never given to a page. A block of
 * 1 GiB is also 512 blocks of 2 MiB. Whether a block is backed by a huge page is each memory's own
 * (huge.c).
 */
#include "vmm-core/memory/guest-tables.h"

#include <stdlib.h>
#include <string.h>

bool guest_block_wanted(const struct guest *guest, uint32_t space, uint64_t first, uint32_t order)
{
    const struct guest_range *const range = order > 1 ? guest->gigantic_range : guest->huge_range;
    const uint32_t pages = guest_block_pages(order);
    size_t low = 0;
    size_t high = order > 1 ? guest->gigantic_ranges : guest->huge_ranges;
    while (low < high) { /* the last range that starts at or before the block */
        const size_t middle = low + (high - low) / 2;
        const struct guest_range *const it = &range[middle];
        if (it->space < space || (it->space == space && it->first <= first))
            low = middle + 1;
        else
            high = middle;
    }
    if (!low)
        return false;
    const struct guest_range *const it = &range[low - 1];
    return it->space == space && it->pages >= pages && first - it->first <= it->pages - pages;
}

static char *mark(struct guest *guest, uint32_t block)
{
    const uint32_t before = guest->block_words;
    if (!memory_grow((void **)&guest->block, &guest->block_words, block / 64 + 1,
                     sizeof *guest->block))
        return memory_short();
    memset(guest->block + before, 0, (guest->block_words - before) * sizeof *guest->block);
    guest->block[block / 64] |= UINT64_C(1) << (block % 64);
    return NULL;
}

char *guest_block_begin(struct guest *guest, uint32_t page, uint32_t order)
{
    if (order > 1 && !memory_grow((void **)&guest->gigantic, &guest->gigantics_room,
                                  guest->gigantics + 1, sizeof *guest->gigantic))
        return memory_short();
    if (order > 1)
        guest->gigantic[guest->gigantics++] = page;
    char *error = mark(guest, page >> GUEST_BLOCK_SHIFT);
    while (guest->pages < page && !error)
        error = guest_add_gap(guest);
    return error;
}

uint32_t guest_gigantic(const struct guest *guest, uint32_t page)
{
    uint32_t low = 0;
    uint32_t high = guest->gigantics;
    while (low < high) { /* the last one that starts at or before the page */
        const uint32_t middle = low + (high - low) / 2;
        if (guest->gigantic[middle] <= page)
            low = middle + 1;
        else
            high = middle;
    }
    return low && page - guest->gigantic[low - 1] < guest_block_pages(2) ? guest->gigantic[low - 1]
                                                                         : MEMORY_NONE;
}

/* ---- blocks of 1 GiB that are not to be ------------------------------------------------------- */

bool guest_apart_is(const struct guest *guest, uint32_t space, uint64_t first)
{
    for (uint32_t at = 0; at < guest->aparts; at++)
        if (guest->apart[at].first == first && guest->apart[at].space == space)
            return true;
    return false;
}

bool guest_apart_add(struct guest *guest, uint32_t space, uint64_t first)
{
    if (!memory_grow((void **)&guest->apart, &guest->aparts_room, guest->aparts + 1,
                     sizeof *guest->apart))
        return false;
    guest->apart[guest->aparts++] = (struct guest_apart){.first = first, .space = space};
    return true;
}

void guest_apart_forget(struct guest *guest, uint32_t space, uint64_t first, uint64_t pages)
{
    uint32_t kept = 0;
    for (uint32_t at = 0; at < guest->aparts; at++) {
        const struct guest_apart it = guest->apart[at];
        const bool concerned = it.space == space && (it.first - first < pages ||
                                                     first - it.first < guest_block_pages(2));
        if (!concerned)
            guest->apart[kept++] = it;
    }
    guest->aparts = kept;
}
