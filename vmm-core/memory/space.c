/* The space table, (space, VPN) -> mapping -> PPN, and with it the backmaps: the mappings of a page
 * are chained. One record serves both, so they cannot disagree.
 *
 * Hash with open addressing and linear probing over 32-bit indices; a removal closes the gap.
 */
#include "vmm-core/memory/internal.h"

#include <stdlib.h>

static uint32_t hash(uint32_t space, uint64_t vpn)
{
    uint64_t mixed = (vpn ^ ((uint64_t)space << 40)) * UINT64_C(0x9E3779B97F4A7C15);
    mixed = (mixed ^ (mixed >> 32) ^ space) * UINT64_C(0xD6E8FEB86659FD93);
    return (uint32_t)(mixed >> 32);
}

/* The slot that holds the mapping, or the empty one where it would go. */
static uint32_t slot_of(const struct memory *memory, uint32_t space, uint64_t vpn)
{
    uint32_t slot = hash(space, vpn) & memory->slot_mask;
    while (memory->slot[slot]) {
        const struct mapping *const it = &memory->mapping[memory->slot[slot] - 1];
        if (it->vpn == vpn && it->space == space)
            break;
        slot = (slot + 1) & memory->slot_mask;
    }
    return slot;
}

uint32_t space_find(const struct memory *memory, uint32_t space, uint64_t vpn)
{
    if (!memory->slot)
        return MEMORY_NONE;
    const uint32_t slot = slot_of(memory, space, vpn);
    return memory->slot[slot] ? memory->slot[slot] - 1 : MEMORY_NONE;
}

/* Keeps the table at most half full. */
static char *room_for_slot(struct memory *memory)
{
    const uint64_t slots = memory->slot ? (uint64_t)memory->slot_mask + 1 : 0;
    if ((uint64_t)memory->mappings_used + 1 <= slots / 2)
        return NULL;
    const uint64_t wanted = slots ? slots * 2 : 1024;
    uint32_t *const slot = wanted > UINT32_MAX ? NULL : calloc(wanted, sizeof *slot);
    if (!slot)
        return memory_short();
    free(memory->slot);
    memory->slot = slot;
    memory->slot_mask = (uint32_t)(wanted - 1);
    for (uint32_t index = 0; index < memory->mappings; index++) {
        const struct mapping *const it = &memory->mapping[index];
        if (it->page != MEMORY_NONE)
            slot[slot_of(memory, it->space, it->vpn)] = index + 1;
    }
    return NULL;
}

char *space_map(struct memory *memory, uint32_t space, uint64_t vpn, uint32_t page)
{
    char *const error = room_for_slot(memory);
    if (error)
        return error;
    uint32_t index = memory->mappings_free;
    if (index != MEMORY_NONE) {
        memory->mappings_free = memory->mapping[index].next;
    } else {
        if (!memory_grow((void **)&memory->mapping, &memory->mappings_room, memory->mappings + 1,
                         sizeof *memory->mapping))
            return memory_short();
        index = memory->mappings++;
    }
    memory->mappings_used++;
    memory->mapping[index] = (struct mapping){.vpn = vpn,
                                              .space = space,
                                              .page = page,
                                              .next = memory->page[page].mappings};
    memory->page[page].mappings = index;
    memory->slot[slot_of(memory, space, vpn)] = index + 1;
    return NULL;
}

/* Moves later members of the probe chain into the gap, as far as their hash allows. */
static void remove_slot(struct memory *memory, uint32_t gap)
{
    const uint32_t mask = memory->slot_mask;
    for (uint32_t slot = (gap + 1) & mask; memory->slot[slot]; slot = (slot + 1) & mask) {
        const struct mapping *const it = &memory->mapping[memory->slot[slot] - 1];
        const uint32_t wanted = hash(it->space, it->vpn) & mask;
        if (((slot - wanted) & mask) >= ((slot - gap) & mask)) {
            memory->slot[gap] = memory->slot[slot];
            gap = slot;
        }
    }
    memory->slot[gap] = 0;
}

static void unmap_one(struct memory *memory, uint32_t index)
{
    const struct mapping gone = memory->mapping[index];
    shootdown_mapping(memory, gone.space, gone.vpn);
    remove_slot(memory, slot_of(memory, gone.space, gone.vpn));
    uint32_t *link = &memory->page[gone.page].mappings;
    while (*link != index)
        link = &memory->mapping[*link].next;
    *link = gone.next;
    memory->mapping[index] = (struct mapping){.page = MEMORY_NONE, .next = memory->mappings_free};
    memory->mappings_free = index;
    memory->mappings_used--;
    if (memory->page[gone.page].mappings == MEMORY_NONE)
        pmap_free(memory, gone.page);
}

void space_unmap(struct memory *memory, uint32_t space, uint64_t first, uint64_t pages)
{
    if (pages <= memory->mappings) {
        for (uint64_t vpn = first; vpn - first < pages; vpn++) {
            const uint32_t index = space_find(memory, space, vpn);
            if (index != MEMORY_NONE)
                unmap_one(memory, index);
        }
        return;
    }
    for (uint32_t index = 0; index < memory->mappings; index++) { /* a wide range, mostly empty */
        const struct mapping *const it = &memory->mapping[index];
        if (it->page != MEMORY_NONE && it->space == space && it->vpn - first < pages)
            unmap_one(memory, index);
    }
}
