/* The guest: its references become pages, once for all memories.
 *
 * Looking ahead writes only what no memory reads: the memo of each CPU, which makes a repeated
 * touch one comparison, and the pending mappings, a list with a hash of its own that
 * guest_commit() empties into the tables.
 */
#include "vmm-core/memory/guest.h"

#include "vmm-core/memory/guest-tables.h"

#include <stdlib.h>
#include <string.h>

#define PENDING_SLOTS_AT_FIRST 1024u
#define PENDING_SLOTS_KEPT     (1u << 18)
#define SLICE                  1024u /* references that go through the caches together */
#define HUGE_BASE_BYTES        4096u
#define KINDS                  4u /* fetch, load, store, touch: the low bits of `what` */

#define unlikely(condition) __builtin_expect(!!(condition), 0)

/* Addresses of a slice: of each reference, and of the second page of those that straddle two. */
struct guest_slice {
    uint64_t physical[SLICE], second_page[SLICE];
};

static char *set_up_caches(struct guest *guest)
{
    guest->slice = malloc(sizeof *guest->slice);
    return guest->slice ? caches_new(guest->machine, &guest->caches) : memory_short();
}

char *guest_new(const struct guest_options *options, struct guest **out)
{
    *out = NULL;
    const struct machine *const machine = options->machine;
    const uint32_t page_bytes = machine->page_bytes;
    if (page_bytes < 2 || page_bytes & (page_bytes - 1))
        return memory_refuse("the page size", page_bytes, "it must be a power of two");
    if ((options->huge_ranges || options->gigantic_ranges) && page_bytes != HUGE_BASE_BYTES)
        return memory_refuse("the page size", page_bytes,
                             "huge pages are for machines with pages of 4096");
    struct guest *const guest = calloc(1, sizeof *guest);
    if (!guest)
        return memory_short();
    guest->machine = machine;
    guest->page_shift = (uint32_t)__builtin_ctz(page_bytes);
    guest->huge_range = options->huge;
    guest->huge_ranges = options->huge_ranges;
    guest->gigantic_range = options->gigantic;
    guest->gigantic_ranges = options->gigantic_ranges;
    guest->memo = calloc(machine->cpus ? machine->cpus : 1, sizeof(struct guest_memo *));
    guest->pending_slot = calloc(PENDING_SLOTS_AT_FIRST, sizeof *guest->pending_slot);
    guest->pending_mask = PENDING_SLOTS_AT_FIRST - 1;
    char *error = guest->memo && guest->pending_slot ? NULL : memory_short();
    if (!error && machine->caches && !options->misses)
        error = set_up_caches(guest);
    if (error)
        guest_free(guest);
    else
        *out = guest;
    return error;
}

void guest_free(struct guest *guest)
{
    if (!guest)
        return;
    for (uint32_t cpu = 0; guest->memo && cpu < guest->machine->cpus; cpu++)
        free(guest->memo[cpu]);
    free(guest->memo);
    free(guest->slice);
    caches_free(guest->caches);
    free(guest->page);
    free(guest->extra);
    free(guest->slot);
    free(guest->share);
    free(guest->pending);
    free(guest->pending_slot);
    free(guest->gone);
    free(guest->block);
    free(guest->gigantic);
    free(guest->apart);
    free(guest);
}

bool guest_outcome_new(struct caches_outcome *outcome, uint32_t references)
{
    *outcome = (struct caches_outcome){.level = malloc(references ? references : 1),
                                       .age = malloc((references ? references : (size_t)1) *
                                                     sizeof *outcome->age)};
    if (outcome->level && outcome->age)
        return true;
    guest_outcome_free(outcome);
    return false;
}

void guest_outcome_free(struct caches_outcome *outcome)
{
    free(outcome->level);
    free(outcome->age);
    free(outcome->writeback);
    *outcome = (struct caches_outcome){0};
}

bool guest_has_caches(const struct guest *guest)
{
    return guest->caches != NULL;
}

const struct caches *guest_caches(const struct guest *guest)
{
    return guest->caches;
}

/* ---- pending mappings ---------------------------------------------------------------------------- */

/* The pending slot that holds (space, VPN), or the empty one where it would go. */
static uint32_t pending_slot_of(const struct guest *guest, uint32_t space, uint64_t vpn)
{
    uint32_t slot = guest_hash(space, vpn) & guest->pending_mask;
    while (guest->pending_slot[slot]) {
        const struct guest_pending *const it = &guest->pending[guest->pending_slot[slot] - 1];
        if (it->vpn == vpn && it->space == space)
            break;
        slot = (slot + 1) & guest->pending_mask;
    }
    return slot;
}

uint32_t guest_page_of(const struct guest *guest, uint32_t space, uint64_t vpn)
{
    const uint32_t mapping = guest_find(guest, space, vpn);
    if (mapping != MEMORY_NONE)
        return guest_mapped_page(guest, mapping);
    const uint32_t slot = pending_slot_of(guest, space, vpn);
    return guest->pending_slot[slot] ? guest->pending[guest->pending_slot[slot] - 1].page
                                     : MEMORY_NONE;
}

/* Keeps the hash of what is pending at most half full. */
static bool room_for_pending(struct guest *guest)
{
    if (!memory_grow((void **)&guest->pending, &guest->pendings_room, guest->pendings + 1,
                     sizeof *guest->pending))
        return false;
    const uint64_t slots = (uint64_t)guest->pending_mask + 1;
    if (guest->pendings < slots / 2)
        return true;
    uint32_t *const slot = slots * 2 > UINT32_MAX ? NULL : calloc(slots * 2, sizeof *slot);
    if (!slot)
        return false;
    free(guest->pending_slot);
    guest->pending_slot = slot;
    guest->pending_mask = (uint32_t)(slots * 2 - 1);
    for (uint32_t at = 0; at < guest->pendings; at++)
        slot[pending_slot_of(guest, guest->pending[at].space, guest->pending[at].vpn)] = at + 1;
    return true;
}

static bool set_aside(struct guest *guest, struct guest_pending pending)
{
    if (!room_for_pending(guest))
        return false;
    guest->pending[guest->pendings++] = pending;
    guest->pending_slot[pending_slot_of(guest, pending.space, pending.vpn)] = guest->pendings;
    return true;
}

bool guest_set_aside(struct guest *guest, uint32_t space, uint64_t vpn, uint32_t page,
                     uint64_t since)
{
    return set_aside(
        guest, (struct guest_pending){.vpn = vpn, .since = since, .space = space, .page = page});
}

/* Is a page of the block there, or shown from elsewhere? */
static bool block_in_use(const struct guest *guest, uint32_t space, uint64_t first, uint32_t order)
{
    if (order > 1 && guest_apart_is(guest, space, first))
        return true;
    for (uint64_t at = first; at < first + guest_block_pages(order); at++)
        if (guest_page_of(guest, space, at) != MEMORY_NONE || guest_share_find(guest, space, at))
            return true;
    return false;
}

/* The block of this order around a first touch, where huge pages are wanted and no page of it is there;
 * *page stays MEMORY_NONE where it is not to be. false: memory is short. */
static bool touch_block(struct guest *guest, uint32_t space, uint64_t vpn, uint32_t order,
                        uint32_t *page)
{
    const uint32_t pages = guest_block_pages(order);
    const uint64_t first = vpn & ~(uint64_t)(pages - 1);
    if (!guest_block_wanted(guest, space, first, order))
        return true;
    const uint32_t next = guest->pages + guest->pending_pages;
    if (next > GUEST_PAGES_MOST - pages - GUEST_BLOCK_PAGES)
        return true;
    if (block_in_use(guest, space, first, order))
        return order == 1 || guest_apart_is(guest, space, first) ||
               guest_apart_add(guest, space, first);
    const uint32_t base = (next + GUEST_BLOCK_PAGES - 1) & ~(GUEST_BLOCK_PAGES - 1);
    for (uint32_t at = 0; at < pages; at++) {
        const uint32_t begins = !at ? order : !(at & (GUEST_BLOCK_PAGES - 1));
        if (!set_aside(guest, (struct guest_pending){.vpn = first + at,
                                                     .since = guest->now,
                                                     .space = space,
                                                     .page = base + at,
                                                     .begins = (uint8_t)begins}))
            return false;
    }
    guest->pending_pages = base + pages - guest->pages;
    *page = base + (uint32_t)(vpn - first);
    return true;
}

/* The largest block that can be. */
static bool touch_blocks(struct guest *guest, uint32_t space, uint64_t vpn, uint32_t *page)
{
    bool room = true;
    for (uint32_t order = 2; order && room && *page == MEMORY_NONE; order--)
        room = touch_block(guest, space, vpn, order, page);
    return room;
}

uint32_t guest_touch(struct guest *guest, uint32_t space, uint64_t vpn)
{
    uint32_t page = guest_page_of(guest, space, vpn);
    if (page != MEMORY_NONE)
        return page;
    const struct guest_share_range *const share = guest_share_find(guest, space, vpn);
    const uint32_t shown_space = share ? share->from : space;
    const uint64_t shown_vpn = share ? share->from_first + (vpn - share->first) : vpn;
    if (share)
        page = guest_page_of(guest, shown_space, shown_vpn);
    if (page == MEMORY_NONE && !touch_blocks(guest, shown_space, shown_vpn, &page))
        return MEMORY_NONE;
    if (page == MEMORY_NONE) {
        if (guest->pending_pages >= GUEST_PAGES_MOST - guest->pages)
            return MEMORY_NONE;
        page = guest->pages + guest->pending_pages;
        if (!guest_set_aside(guest, shown_space, shown_vpn, page, guest->now))
            return MEMORY_NONE;
        guest->pending_pages++;
    }
    return !share || guest_set_aside(guest, space, vpn, page, guest->now) ? page : MEMORY_NONE;
}

char *guest_commit(struct guest *guest)
{
    char *error = NULL;
    for (uint32_t at = 0; at < guest->pendings && !error; at++) {
        const struct guest_pending *const it = &guest->pending[at];
        /* pages are numbered in order: the first mapping with a new number is the page's first */
        const bool first = it->page >= guest->pages;
        if (first && it->begins)
            error = guest_block_begin(guest, it->page, it->begins);
        if (!error)
            error = first ? guest_add_page(guest, it->space, it->vpn)
                          : guest_add_extra(guest, it->space, it->vpn, it->page, it->since);
    }
    if (guest->pending_mask >= PENDING_SLOTS_KEPT) { /* which each commit would clear */
        uint32_t *const slot = calloc(PENDING_SLOTS_AT_FIRST, sizeof *slot);
        if (!slot)
            return error ? error : memory_short();
        free(guest->pending_slot);
        guest->pending_slot = slot;
        guest->pending_mask = PENDING_SLOTS_AT_FIRST - 1;
    } else if (guest->pendings)
        memset(guest->pending_slot, 0,
               ((size_t)guest->pending_mask + 1) * sizeof *guest->pending_slot);
    guest->pendings = guest->pending_pages = 0;
    return error;
}

/* ---- references ----------------------------------------------------------------------------------- */

static struct guest_memo *memo_of(struct guest *guest, uint32_t cpu)
{
    if (guest->memo[cpu])
        return guest->memo[cpu];
    const uint32_t entries = 1u << GUEST_MEMO_SHIFT;
    struct guest_memo *const memo = malloc(entries * sizeof *memo);
    for (uint32_t entry = 0; memo && entry < entries; entry++)
        memo[entry] = (struct guest_memo){.vpn = UINT64_MAX, .page = MEMORY_NONE};
    guest->memo[cpu] = memo;
    return memo;
}

static inline struct guest_memo *memo_entry(struct guest_memo *memo, uint64_t vpn)
{
    return &memo[(vpn ^ (vpn >> GUEST_MEMO_SHIFT)) & ((1u << GUEST_MEMO_SHIFT) - 1)];
}

static __attribute__((noinline)) bool remember(struct guest *guest, struct guest_memo *entry,
                                               uint32_t space, uint64_t vpn)
{
    const uint32_t page = guest_touch(guest, space, vpn);
    *entry = (struct guest_memo){.vpn = vpn, .space = space, .page = page};
    return page != MEMORY_NONE;
}

/* The page of a reference, now. MEMORY_NONE: memory is short. */
static inline __attribute__((always_inline)) uint32_t
page_at(struct guest *guest, struct guest_memo *memo, uint32_t space, uint64_t vpn, uint64_t now)
{
    struct guest_memo *const entry = memo_entry(memo, vpn);
    if (unlikely(((entry->vpn ^ vpn) | (entry->space ^ space)) != 0)) {
        guest->now = now;
        if (!remember(guest, entry, space, vpn))
            return MEMORY_NONE;
    }
    return entry->page;
}

/* Makes sure that every page has a number; what misses all else, since there are no caches. */
static bool touch_all(struct guest *guest, struct guest_memo *memo, uint32_t space,
                      const uint64_t *addr, uint32_t references)
{
    const uint32_t page_shift = guest->page_shift;
    const uint64_t before = guest->now;
    for (uint32_t index = 0; index < references; index++)
        if (page_at(guest, memo, space, addr[index] >> page_shift, before + index + 1) ==
            MEMORY_NONE)
            return false;
    guest->now = before + references;
    return true;
}

/* First bytes of a page that was referred to: what is within is translated by an addition. */
struct guest_recent {
    uint64_t address, physical;
};

/* A reference to another page than the last of its kind, or to two. */
static __attribute__((noinline)) bool
translate_other(struct guest *guest, struct guest_memo *memo, const struct caches_input *slice,
                uint32_t space, size_t index, struct guest_recent *recent, uint64_t **second)
{
    const uint32_t page_shift = guest->page_shift;
    const uint64_t offset_mask = (UINT64_C(1) << page_shift) - 1;
    const uint64_t addr = slice->virtual_address[index], vpn = addr >> page_shift;
    const uint64_t now = slice->first + index;
    const uint64_t page = page_at(guest, memo, space, vpn, now);
    if (page == MEMORY_NONE)
        return false;
    *recent = (struct guest_recent){.address = addr & ~offset_mask, .physical = page << page_shift};
    guest->slice->physical[index] = recent->physical | (addr & offset_mask);
    if (!slice->bytes || (addr & offset_mask) + slice->bytes[index] <= offset_mask + 1)
        return true;
    const uint64_t last = UINT64_MAX >> page_shift; /* after the last page comes the first */
    const uint64_t next = page_at(guest, memo, space, (vpn + 1) & last, now);
    *(*second)++ = next << page_shift;
    return next != MEMORY_NONE;
}

/* Guest-physical addresses of a slice. A reference that straddles two pages touches both. Fetches, loads
 * and stores each stay in a page for some time. */
static inline __attribute__((always_inline)) bool translate_slice(struct guest *guest,
                                                                  struct guest_memo *memo,
                                                                  const struct caches_input *slice,
                                                                  uint32_t space, const bool sizes)
{
    const uint64_t offset_mask = (UINT64_C(1) << guest->page_shift) - 1;
    const uint64_t *const addr = slice->virtual_address, *const bytes = slice->bytes;
    const uint8_t *const what = slice->what;
    const size_t references = slice->references;
    uint64_t *const physical = guest->slice->physical, *second = guest->slice->second_page;
    struct guest_recent recent[KINDS];
    if (!translate_other(guest, memo, slice, space, 0, recent, &second))
        return false;
    for (uint32_t kind = 1; kind < KINDS; kind++)
        recent[kind] = recent[0];
    for (size_t index = 1; index < references; index++) {
        struct guest_recent *const page = &recent[what[index] & (KINDS - 1)];
        const uint64_t offset = addr[index] - page->address;
        const uint64_t last_byte = sizes ? bytes[index] - 1 : 0;
        /* none of the three is larger than the bits of all */
        if (unlikely((offset | last_byte | (offset + last_byte)) > offset_mask)) {
            if (!translate_other(guest, memo, slice, space, index, page, &second))
                return false;
        } else {
            physical[index] = page->physical + offset;
        }
    }
    return true;
}

static char *through_caches(struct guest *guest, struct caches_input slice, uint32_t space,
                            struct caches_outcome *outcome, uint32_t at)
{
    struct guest_memo *const memo = guest->memo[slice.cpu];
    for (uint32_t left = slice.references; left;) {
        slice.references = left < SLICE ? left : SLICE;
        slice.first = guest->now + 1;
        if (!(slice.bytes ? translate_slice(guest, memo, &slice, space, true)
                          : translate_slice(guest, memo, &slice, space, false)))
            return memory_short();
        guest->now = slice.first + slice.references - 1;
        char *const error = caches_references(guest->caches, &slice, outcome, at);
        if (error)
            return error;
        slice.virtual_address += slice.references;
        slice.what += slice.references;
        if (slice.bytes)
            slice.bytes += slice.references;
        at += slice.references;
        left -= slice.references;
    }
    return NULL;
}

char *guest_references(struct guest *guest, uint32_t cpu, uint32_t space, const uint64_t *addr,
                       const uint8_t *what, const uint64_t *bytes, uint32_t references,
                       struct caches_outcome *outcome, uint32_t at)
{
    if (cpu >= guest->machine->cpus)
        return memory_refuse("the CPU of a reference", cpu, "the machine has no such CPU");
    struct guest_memo *const memo = memo_of(guest, cpu);
    if (!memo)
        return memory_short();
    if (!guest->caches)
        return touch_all(guest, memo, space, addr, references) ? NULL : memory_short();
    const struct caches_input slice = {.cpu = cpu,
                                       .references = references,
                                       .virtual_address = addr,
                                       .physical_address = guest->slice->physical,
                                       .what = what,
                                       .bytes = bytes,
                                       .second_page = guest->slice->second_page};
    return through_caches(guest, slice, space, outcome, at);
}

/* ---- events ---------------------------------------------------------------------------------------- */

bool guest_list_gone(struct guest *guest, uint32_t mapping)
{
    if (!memory_grow((void **)&guest->gone, &guest->gones_room, guest->gones + 1,
                     sizeof *guest->gone))
        return false;
    struct guest_gone *const it = &guest->gone[guest->gones++];
    it->vpn = guest_mapped_vpn(guest, mapping);
    it->space = guest_mapped_space(guest, mapping);
    it->page = guest_mapped_page(guest, mapping);
    it->last = guest_remove(guest, mapping);
    return true;
}

char *guest_unmap_begin(struct guest *guest, uint32_t space, uint64_t first, uint64_t pages)
{
    char *const error = guest_share_cut(guest, space, first, pages);
    if (error)
        return error;
    guest_apart_forget(guest, space, first, pages);
    const bool by_page = pages <= guest_steps(guest);
    const uint64_t steps = by_page ? pages : guest_steps(guest);
    for (uint64_t step = 0; step < steps; step++) {
        const uint32_t mapping =
            by_page ? guest_find(guest, space, first + step) : guest_at_step(guest, step);
        if (mapping == MEMORY_NONE || guest_mapped_space(guest, mapping) != space ||
            guest_mapped_vpn(guest, mapping) - first >= pages)
            continue;
        if (!guest_list_gone(guest, mapping))
            return memory_short();
    }
    return NULL;
}

const struct guest_gone *guest_gone(const struct guest *guest, size_t *count)
{
    *count = guest->gones;
    return guest->gone;
}

void guest_unmap_end(struct guest *guest)
{
    for (uint32_t at = 0; at < guest->gones; at++) {
        const struct guest_gone *const it = &guest->gone[at];
        for (uint32_t cpu = 0; cpu < guest->machine->cpus; cpu++) {
            struct guest_memo *const entry =
                guest->memo[cpu] ? memo_entry(guest->memo[cpu], it->vpn) : NULL;
            if (entry && entry->vpn == it->vpn && entry->space == it->space)
                entry->vpn = UINT64_MAX;
        }
        if (it->last && guest->caches)
            caches_forget_page(guest->caches, it->page);
    }
    guest->gones = 0;
}

char *guest_share(struct guest *guest, uint32_t from, uint64_t from_first, uint32_t space,
                  uint64_t first, uint64_t pages)
{
    const struct guest_share_range share = {
        .first = first, .pages = pages, .from_first = from_first, .space = space, .from = from};
    return guest_share_add(guest, &share);
}

/* ---- results --------------------------------------------------------------------------------------- */

uint32_t guest_pages(const struct guest *guest)
{
    return guest->pages;
}

void guest_page(const struct guest *guest, uint32_t page, uint32_t *space, uint64_t *vpn)
{
    *space = guest->page[page].space;
    *vpn = guest->page[page].vpn;
}

uint32_t guest_places(const struct guest *guest, uint32_t page, struct guest_place *place,
                      uint32_t most)
{
    uint32_t places = 0;
    for (uint32_t mapping = guest_backmap(guest, page); mapping != MEMORY_NONE && places < most;
         mapping = guest_backmap_next(guest, mapping))
        place[places++] = (struct guest_place){.space = guest_mapped_space(guest, mapping),
                                               .vpn = guest_mapped_vpn(guest, mapping)};
    return places;
}
