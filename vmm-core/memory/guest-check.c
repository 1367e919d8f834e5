/* The consistency checker of the guest's tables. It trusts no count. */
#include "vmm-core/memory/guest-tables.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define WRONG(...) (asprintf(&line, __VA_ARGS__) < 0 ? memory_short() : line)

static char *check_chain(const struct guest *guest, uint32_t page, uint8_t *met)
{
    char *line = NULL;
    uint32_t mapping = guest_backmap(guest, page);
    for (; mapping != MEMORY_NONE; mapping = guest_backmap_next(guest, mapping)) {
        const uint32_t index = mapping & ~GUEST_EXTRA;
        if (!(mapping & GUEST_EXTRA))
            continue; /* its own */
        if (index >= guest->extras)
            return WRONG("page %u: its backmap %u does not exist", page, index);
        if (guest->extra[index].page != page)
            return WRONG("page %u: backmap %u leads to page %u", page, index,
                         guest->extra[index].page);
        if (met[index]++)
            return WRONG("page %u: backmap %u is chained twice", page, index);
    }
    return NULL;
}

static char *check_mapping(const struct guest *guest, uint32_t mapping, const uint8_t *met)
{
    char *line = NULL;
    const uint32_t space = guest_mapped_space(guest, mapping);
    const uint64_t vpn = guest_mapped_vpn(guest, mapping);
    if (mapping & GUEST_EXTRA && !met[mapping & ~GUEST_EXTRA])
        return WRONG("space %u page %#" PRIx64 ": not among the backmaps of page %u", space, vpn,
                     guest_mapped_page(guest, mapping));
    if (guest_find(guest, space, vpn) != mapping)
        return WRONG("space %u page %#" PRIx64 ": the space table does not lead to it", space, vpn);
    return NULL;
}

static char *check_mappings(const struct guest *guest, uint8_t *met)
{
    char *line = NULL;
    char *error = NULL;
    for (uint32_t page = 0; page < guest->pages && !error; page++)
        error = check_chain(guest, page, met);
    uint32_t used = 0;
    for (uint64_t step = 0; step < guest_steps(guest) && !error; step++) {
        const uint32_t mapping = guest_at_step(guest, step);
        if (mapping == MEMORY_NONE)
            continue;
        used++;
        error = check_mapping(guest, mapping, met);
    }
    if (error)
        return error;
    uint32_t slots = 0;
    for (uint32_t slot = 0; guest->slot && slot <= guest->slot_mask; slot++)
        slots += guest->slot[slot] != 0;
    return used == guest->slots_used && used == slots
               ? NULL
               : WRONG("mappings: %u in use, counted %u, in the space table %u", used,
                       guest->slots_used, slots);
}

static char *check_shares(const struct guest *guest)
{
    char *line = NULL;
    for (size_t at = 0; at < guest->shares; at++) {
        const struct guest_share_range *const it = &guest->share[at];
        if (at && (it[-1].space > it->space ||
                   (it[-1].space == it->space && it[-1].first + it[-1].pages > it->first)))
            return WRONG("share %zu: out of order with the one before", at);
        if (guest_share_find(guest, it->from, it->from_first))
            return WRONG("share %zu: what it shows is itself shown from elsewhere", at);
    }
    return NULL;
}

/* A memo may only say what the tables or the pending mappings say; what is pending is not in the
 * tables. */
static char *check_lookahead(const struct guest *guest)
{
    char *line = NULL;
    for (uint32_t at = 0; at < guest->pendings; at++) {
        const struct guest_pending *const it = &guest->pending[at];
        if (guest_find(guest, it->space, it->vpn) != MEMORY_NONE)
            return WRONG("space %u page %#" PRIx64 ": pending, and mapped already", it->space,
                         it->vpn);
        if (it->page >= guest->pages + guest->pending_pages)
            return WRONG("space %u page %#" PRIx64 ": pending for page %u, which is not given out",
                         it->space, it->vpn, it->page);
    }
    for (uint32_t cpu = 0; cpu < guest->machine->cpus; cpu++) {
        for (uint32_t entry = 0; guest->memo[cpu] && entry < 1u << GUEST_MEMO_SHIFT; entry++) {
            const struct guest_memo *const it = &guest->memo[cpu][entry];
            const uint32_t mapping =
                it->vpn == UINT64_MAX ? MEMORY_NONE : guest_find(guest, it->space, it->vpn);
            if (mapping != MEMORY_NONE && guest_mapped_page(guest, mapping) != it->page)
                return WRONG("CPU %u: remembers page %u for space %u page %#" PRIx64
                             ", the space table does not",
                             cpu, it->page, it->space, it->vpn);
            if (it->vpn != UINT64_MAX && mapping == MEMORY_NONE && !guest->pendings)
                return WRONG("CPU %u: remembers space %u page %#" PRIx64 ", which is not mapped",
                             cpu, it->space, it->vpn);
        }
    }
    return NULL;
}

char *guest_check(const struct guest *guest)
{
    uint8_t *const met = calloc((size_t)guest->extras + 1, 1);
    char *error = met ? check_mappings(guest, met) : memory_short();
    free(met);
    if (!error)
        error = check_shares(guest);
    if (!error)
        error = check_lookahead(guest);
    return error || !guest->caches ? error : caches_check(guest->caches);
}
