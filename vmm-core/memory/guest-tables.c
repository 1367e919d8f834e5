/* The space table, (space, VPN) -> mapping -> PPN, and with it the backmaps.
 *
 * Hash with open addressing and linear probing over 32-bit numbers, at most three quarters full; a
 * removal closes the gap. A page, nearly always mapped once, holds its first mapping itself: 16
 * bytes and 5.3 to 10.7 of slots a page.
 */
#include "vmm-core/memory/guest-tables.h"

#include <stdlib.h>

#define SLOTS_AT_FIRST 1024u

uint32_t guest_hash(uint32_t space, uint64_t vpn)
{
    uint64_t mixed = (vpn ^ ((uint64_t)space << 40)) * UINT64_C(0x9E3779B97F4A7C15);
    mixed = (mixed ^ (mixed >> 32) ^ space) * UINT64_C(0xD6E8FEB86659FD93);
    return (uint32_t)(mixed >> 32);
}

/* The slot that holds the mapping, or the empty one where it would go. */
static uint32_t slot_of(const struct guest *guest, uint32_t space, uint64_t vpn)
{
    uint32_t slot = guest_hash(space, vpn) & guest->slot_mask;
    while (guest->slot[slot]) {
        const uint32_t mapping = guest->slot[slot] - 1;
        if (guest_mapped_vpn(guest, mapping) == vpn && guest_mapped_space(guest, mapping) == space)
            break;
        slot = (slot + 1) & guest->slot_mask;
    }
    return slot;
}

uint32_t guest_find(const struct guest *guest, uint32_t space, uint64_t vpn)
{
    if (!guest->slot)
        return MEMORY_NONE;
    const uint32_t slot = slot_of(guest, space, vpn);
    return guest->slot[slot] ? guest->slot[slot] - 1 : MEMORY_NONE;
}

uint32_t guest_at_step(const struct guest *guest, uint64_t step)
{
    if (step < guest->pages)
        return guest->page[step].extras & GUEST_EXTRA ? MEMORY_NONE : (uint32_t)step;
    const uint32_t index = (uint32_t)(step - guest->pages);
    return guest->extra[index].page == MEMORY_NONE ? MEMORY_NONE : index | GUEST_EXTRA;
}

/* Makes room for one more. */
static char *room_for_slot(struct guest *guest)
{
    const uint64_t slots = guest->slot ? (uint64_t)guest->slot_mask + 1 : 0;
    if ((uint64_t)guest->slots_used + 1 <= slots / 4 * 3)
        return NULL;
    const uint64_t wanted = slots ? slots * 2 : SLOTS_AT_FIRST;
    uint32_t *const slot = wanted > UINT32_MAX ? NULL : calloc(wanted, sizeof *slot);
    if (!slot)
        return memory_short();
    free(guest->slot);
    guest->slot = slot;
    guest->slot_mask = (uint32_t)(wanted - 1);
    for (uint64_t step = 0; step < guest_steps(guest); step++) {
        const uint32_t mapping = guest_at_step(guest, step);
        if (mapping != MEMORY_NONE)
            slot[slot_of(guest, guest_mapped_space(guest, mapping),
                         guest_mapped_vpn(guest, mapping))] = mapping + 1;
    }
    return NULL;
}

static void fill_slot(struct guest *guest, uint32_t space, uint64_t vpn, uint32_t mapping)
{
    guest->slot[slot_of(guest, space, vpn)] = mapping + 1;
    guest->slots_used++;
}

static bool room_for_page(struct guest *guest)
{
    return guest->pages != GUEST_PAGES_MOST &&
           memory_grow((void **)&guest->page, &guest->pages_room, guest->pages + 1,
                       sizeof *guest->page);
}

char *guest_add_gap(struct guest *guest)
{
    if (!room_for_page(guest))
        return memory_short();
    guest->page[guest->pages++] = (struct guest_page){.extras = GUEST_EXTRA};
    return NULL;
}

char *guest_add_page(struct guest *guest, uint32_t space, uint64_t vpn)
{
    char *const error = room_for_slot(guest);
    if (error)
        return error;
    if (!room_for_page(guest))
        return memory_short();
    const uint32_t page = guest->pages;
    guest->page[page] = (struct guest_page){.vpn = vpn, .space = space};
    fill_slot(guest, space, vpn, page);
    guest->pages++;
    return NULL;
}

char *guest_add_extra(struct guest *guest, uint32_t space, uint64_t vpn, uint32_t page,
                      uint64_t since)
{
    char *const error = room_for_slot(guest);
    if (error)
        return error;
    uint32_t index = guest->extras_free - 1;
    if (guest->extras_free) {
        guest->extras_free = guest->extra[index].next;
    } else {
        if (guest->extras == GUEST_PAGES_MOST ||
            !memory_grow((void **)&guest->extra, &guest->extras_room, guest->extras + 1,
                         sizeof *guest->extra))
            return memory_short();
        index = guest->extras++;
    }
    uint32_t *const chain = &guest->page[page].extras;
    guest->extra[index] = (struct guest_extra){
        .vpn = vpn, .since = since, .space = space, .page = page, .next = *chain & ~GUEST_EXTRA};
    *chain = (*chain & GUEST_EXTRA) | (index + 1);
    fill_slot(guest, space, vpn, index | GUEST_EXTRA);
    return NULL;
}

/* Moves later members of the probe chain into the gap, as far as their hash allows. */
static void empty_slot(struct guest *guest, uint32_t gap)
{
    const uint32_t mask = guest->slot_mask;
    for (uint32_t slot = (gap + 1) & mask; guest->slot[slot]; slot = (slot + 1) & mask) {
        const uint32_t mapping = guest->slot[slot] - 1;
        const uint32_t wanted =
            guest_hash(guest_mapped_space(guest, mapping), guest_mapped_vpn(guest, mapping)) & mask;
        if (((slot - wanted) & mask) >= ((slot - gap) & mask)) {
            guest->slot[gap] = guest->slot[slot];
            gap = slot;
        }
    }
    guest->slot[gap] = 0;
    guest->slots_used--;
}

static void unchain(struct guest *guest, uint32_t index)
{
    struct guest_extra *const gone = &guest->extra[index];
    uint32_t *link = &guest->page[gone->page].extras;
    while ((*link & ~GUEST_EXTRA) != index + 1)
        link = &guest->extra[(*link & ~GUEST_EXTRA) - 1].next;
    *link = (*link & GUEST_EXTRA) | gone->next; /* only a page's own link has the bit */
    *gone = (struct guest_extra){.page = MEMORY_NONE, .next = guest->extras_free};
    guest->extras_free = index + 1;
}

bool guest_remove(struct guest *guest, uint32_t mapping)
{
    const uint32_t page = guest_mapped_page(guest, mapping);
    empty_slot(guest, slot_of(guest, guest_mapped_space(guest, mapping),
                              guest_mapped_vpn(guest, mapping)));
    if (mapping & GUEST_EXTRA)
        unchain(guest, mapping & ~GUEST_EXTRA);
    else
        guest->page[page].extras |= GUEST_EXTRA;
    return guest->page[page].extras == GUEST_EXTRA;
}
