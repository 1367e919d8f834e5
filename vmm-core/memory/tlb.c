/* Both levels of a CPU's TLB: set-associative arrays of (space, VPN) -> page and copy.
 *
 * An entry holds `halves` consecutive pages, as MIPS entries hold pairs (MIPS32 privileged
 * architecture, EntryLo0 and EntryLo1); any half can be invalid. Tags stand apart from the rest,
 * since a fully associative lookup reads all of them and little else. The set is chosen by the low
 * bits of the tag; the space is not in it.
 *
 * Most lookups in a wide set fail (refills of other pages, shootdowns on CPUs that do not hold the
 * page), so a filter counts the entries in use by a hash of their tag, and a count of 0 ends the
 * search.
 */
#include "vmm-core/memory/internal.h"

#include <stdlib.h>
#include <string.h>

#define FILTER_WAYS      8u  /* sets of fewer ways are read at once */
#define FILTER_PER_ENTRY 16u /* so that one absent tag in 16 is searched for in vain */

static uint32_t filter_mask_for(uint32_t entries, uint32_t ways)
{
    uint64_t counters = 1;
    while (ways > FILTER_WAYS && counters < (uint64_t)entries * FILTER_PER_ENTRY)
        counters *= 2;
    return (uint32_t)(counters - 1);
}

bool tlb_new(struct tlb *tlb, uint32_t entries, uint32_t ways, uint32_t halves)
{
    *tlb = (struct tlb){.entries = entries,
                        .ways = ways,
                        .halves = halves,
                        .halves_shift = halves == 2 ? 1 : 0,
                        .set_mask = entries ? entries / ways - 1 : 0,
                        .filter_mask = filter_mask_for(entries, ways)};
    const size_t room = entries ? entries : 1; /* so that stamps can be written without asking */
    tlb->sizes = 1;
    tlb->tag = malloc(room * sizeof *tlb->tag);
    tlb->stamp = calloc(room, sizeof *tlb->stamp);
    tlb->space = calloc(room, sizeof *tlb->space);
    tlb->half = malloc(room * halves * sizeof *tlb->half);
    tlb->used = malloc(((size_t)tlb->set_mask + 1) * sizeof *tlb->used);
    tlb->filter = malloc(((size_t)tlb->filter_mask + 1) * sizeof *tlb->filter);
    if (!tlb->tag || !tlb->stamp || !tlb->space || !tlb->half || !tlb->used || !tlb->filter)
        return false;
    tlb_flush(tlb);
    return true;
}

void tlb_free(struct tlb *tlb)
{
    free(tlb->tag);
    if (!tlb->stamps_lent)
        free(tlb->stamp);
    free(tlb->filled);
    free(tlb->space);
    free(tlb->half);
    free(tlb->used);
    free(tlb->filter);
}

static uint32_t set_of(const struct tlb *tlb, uint64_t tag)
{
    return (uint32_t)tag & tlb->set_mask;
}

static uint32_t *filter_of(const struct tlb *tlb, uint32_t space, uint64_t tag)
{
    const uint64_t mixed = (tag ^ ((uint64_t)space << 40)) * UINT64_C(0x9E3779B97F4A7C15);
    return &tlb->filter[(uint32_t)(mixed >> 32) & tlb->filter_mask];
}

uint32_t tlb_find(const struct tlb *tlb, uint32_t space, uint64_t vpn)
{
    const uint64_t tag = vpn >> tlb->halves_shift;
    if (!*filter_of(tlb, space, tag))
        return MEMORY_NONE;
    const uint32_t first = set_of(tlb, tag) * tlb->ways;
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

/* A bit of the tree points away from the half that was used last, so stamps say all of its bits: no use
 * has to be noted anywhere else. Where ways are odd, the right half has one more. */
static uint32_t plru_victim(const struct tlb *tlb, uint32_t first)
{
    uint32_t ways = tlb->ways;
    while (ways > 1) {
        uint64_t last[2] = {0};
        const uint32_t left = ways / 2;
        for (uint32_t way = 0; way < ways; way++)
            if (tlb->stamp[first + way] > last[way >= left])
                last[way >= left] = tlb->stamp[first + way];
        const bool right = last[0] > last[1];
        first += right ? left : 0;
        ways = right ? ways - left : left;
    }
    return first;
}

uint32_t tlb_slot(const struct tlb *tlb, uint32_t space, uint64_t vpn, uint64_t *random)
{
    const uint32_t found = tlb_find(tlb, space, vpn);
    if (found != MEMORY_NONE)
        return found;
    const uint32_t set = set_of(tlb, vpn >> tlb->halves_shift);
    uint32_t slot = set * tlb->ways;
    if (tlb->used[set] < tlb->ways) {
        while (tlb->tag[slot] != TLB_EMPTY)
            slot++;
        return slot;
    }
    if (random)
        return slot + random_below(random, tlb->ways);
    if (tlb->plru)
        return plru_victim(tlb, slot);
    for (uint32_t entry = slot + 1; entry < (set + 1) * tlb->ways; entry++)
        if (tlb->stamp[entry] < tlb->stamp[slot])
            slot = entry;
    return slot;
}

static void vacate(struct tlb *tlb, uint32_t entry)
{
    const uint64_t tag = tlb->tag[entry];
    tlb->tag[entry] = TLB_EMPTY;
    tlb->used[set_of(tlb, tag)]--;
    --*filter_of(tlb, tlb->space[entry], tag);
}

void tlb_write(struct tlb *tlb, uint32_t entry, uint32_t space, uint64_t vpn,
               const struct tlb_half *halves, uint64_t stamp)
{
    if (tlb->tag[entry] != TLB_EMPTY)
        vacate(tlb, entry);
    const uint64_t tag = vpn >> tlb->halves_shift;
    tlb->tag[entry] = tag;
    tlb->space[entry] = space;
    tlb->stamp[entry] = stamp;
    tlb->used[set_of(tlb, tag)]++;
    ++*filter_of(tlb, space, tag);
    for (uint32_t half = 0; half < tlb->halves; half++)
        tlb->half[(size_t)entry * tlb->halves + half] = halves[half];
}

void tlb_invalidate(struct tlb *tlb, uint32_t entry, uint64_t vpn)
{
    tlb_half_of(tlb, entry, vpn)->page = MEMORY_NONE;
    for (uint32_t half = 0; half < tlb->halves; half++)
        if (tlb->half[(size_t)entry * tlb->halves + half].page != MEMORY_NONE)
            return;
    vacate(tlb, entry);
}

void tlb_flush(struct tlb *tlb)
{
    for (uint32_t entry = 0; entry < tlb->entries; entry++)
        tlb->tag[entry] = TLB_EMPTY;
    for (size_t half = 0; half < (size_t)tlb->entries * tlb->halves; half++)
        tlb->half[half] = (struct tlb_half){.page = MEMORY_NONE};
    memset(tlb->used, 0, ((size_t)tlb->set_mask + 1) * sizeof *tlb->used);
    memset(tlb->filter, 0, ((size_t)tlb->filter_mask + 1) * sizeof *tlb->filter);
}
