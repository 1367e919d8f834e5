/* Both levels of a CPU's TLB: set-associative arrays of (space, VPN) -> page and copy.
 *
 * An entry holds `halves` consecutive pages, as MIPS entries hold pairs (MIPS32 privileged
 * architecture, EntryLo0 and EntryLo1); any half can be invalid. Tags stand apart from the rest,
 * since a fully associative lookup reads all of them and little else. The set is chosen by the low
 * bits of the tag; the space is not in it.
 */
#include "vmm-core/memory/internal.h"

#include <stdlib.h>

bool tlb_new(struct tlb *tlb, uint32_t entries, uint32_t ways, uint32_t halves)
{
    *tlb = (struct tlb){.entries = entries,
                        .ways = ways,
                        .halves = halves,
                        .halves_shift = halves == 2 ? 1 : 0,
                        .set_mask = entries ? entries / ways - 1 : 0};
    const size_t room = entries ? entries : 1; /* so that stamps can be written without asking */
    tlb->tag = malloc(room * sizeof *tlb->tag);
    tlb->stamp = calloc(room, sizeof *tlb->stamp);
    tlb->space = calloc(room, sizeof *tlb->space);
    tlb->half = malloc(room * halves * sizeof *tlb->half);
    if (!tlb->tag || !tlb->stamp || !tlb->space || !tlb->half)
        return false;
    tlb_flush(tlb);
    return true;
}

void tlb_free(struct tlb *tlb)
{
    free(tlb->tag);
    free(tlb->stamp);
    free(tlb->space);
    free(tlb->half);
}

static uint32_t first_of_set(const struct tlb *tlb, uint64_t tag)
{
    return ((uint32_t)tag & tlb->set_mask) * tlb->ways;
}

uint32_t tlb_find(const struct tlb *tlb, uint32_t space, uint64_t vpn)
{
    if (!tlb->entries)
        return MEMORY_NONE;
    const uint64_t tag = vpn >> tlb->halves_shift;
    const uint32_t first = first_of_set(tlb, tag);
    const uint64_t *const tags = &tlb->tag[first];
    for (uint32_t way = 0; way < tlb->ways; way++)
        if (tags[way] == tag && tlb->space[first + way] == space)
            return first + way;
    return MEMORY_NONE;
}

struct tlb_half *tlb_lookup(const struct tlb *tlb, uint32_t space, uint64_t vpn, uint32_t *entry)
{
    const uint32_t found = tlb_find(tlb, space, vpn);
    if (found == MEMORY_NONE)
        return NULL;
    struct tlb_half *const half = tlb_half_of(tlb, found, vpn);
    if (half->page == MEMORY_NONE)
        return NULL;
    *entry = found;
    return half;
}

uint32_t tlb_slot(const struct tlb *tlb, uint32_t space, uint64_t vpn, uint64_t *random)
{
    const uint32_t found = tlb_find(tlb, space, vpn);
    if (found != MEMORY_NONE)
        return found;
    const uint32_t first = first_of_set(tlb, vpn >> tlb->halves_shift);
    uint32_t oldest = first;
    for (uint32_t entry = first; entry < first + tlb->ways; entry++) {
        if (tlb->tag[entry] == TLB_EMPTY)
            return entry;
        if (tlb->stamp[entry] < tlb->stamp[oldest])
            oldest = entry;
    }
    return random ? first + random_below(random, tlb->ways) : oldest;
}

void tlb_write(struct tlb *tlb, uint32_t entry, uint32_t space, uint64_t vpn,
               const struct tlb_half *halves, uint64_t stamp)
{
    tlb->tag[entry] = vpn >> tlb->halves_shift;
    tlb->space[entry] = space;
    tlb->stamp[entry] = stamp;
    for (uint32_t half = 0; half < tlb->halves; half++)
        tlb->half[(size_t)entry * tlb->halves + half] = halves[half];
}

void tlb_invalidate(struct tlb *tlb, uint32_t entry, uint64_t vpn)
{
    tlb_half_of(tlb, entry, vpn)->page = MEMORY_NONE;
    for (uint32_t half = 0; half < tlb->halves; half++)
        if (tlb->half[(size_t)entry * tlb->halves + half].page != MEMORY_NONE)
            return;
    tlb->tag[entry] = TLB_EMPTY;
}

void tlb_flush(struct tlb *tlb)
{
    for (uint32_t entry = 0; entry < tlb->entries; entry++)
        tlb->tag[entry] = TLB_EMPTY;
    for (size_t half = 0; half < (size_t)tlb->entries * tlb->halves; half++)
        tlb->half[half] = (struct tlb_half){.page = MEMORY_NONE};
}
