/* Blocks: 512 pages of a space that are touched together, since a huge page may back them.
 *
 * Their PPNs are in a row and aligned as their VPNs are, so that caches indexed by them see a huge
 * page as it is. The numbers that alignment leaves out, at most 511 before each block, are never
 * given to a page. Whether a block is backed by a huge page is each memory's own (huge.c).
 */
#include "vmm-core/memory/guest-tables.h"

#include <stdlib.h>
#include <string.h>

bool guest_block_wanted(const struct guest *guest, uint32_t space, uint64_t first)
{
    size_t low = 0;
    size_t high = guest->huge_ranges;
    while (low < high) { /* the last range that starts at or before the block */
        const size_t middle = low + (high - low) / 2;
        const struct guest_range *const it = &guest->huge_range[middle];
        if (it->space < space || (it->space == space && it->first <= first))
            low = middle + 1;
        else
            high = middle;
    }
    if (!low)
        return false;
    const struct guest_range *const it = &guest->huge_range[low - 1];
    return it->space == space && it->pages >= GUEST_BLOCK_PAGES &&
           first - it->first <= it->pages - GUEST_BLOCK_PAGES;
}

char *guest_block_begin(struct guest *guest, uint32_t page)
{
    const uint32_t block = page >> GUEST_BLOCK_SHIFT;
    const uint32_t before = guest->block_words;
    if (!memory_grow((void **)&guest->block, &guest->block_words, block / 64 + 1,
                     sizeof *guest->block))
        return memory_short();
    memset(guest->block + before, 0, (guest->block_words - before) * sizeof *guest->block);
    guest->block[block / 64] |= UINT64_C(1) << (block % 64);
    char *error = NULL;
    while (guest->pages < page && !error)
        error = guest_add_gap(guest);
    return error;
}
