#include "vmm-core/memory/guest-writes.h"

#include "vmm-core/memory/guest-tables.h"

/* MIPS32 privileged architecture: EntryLo and PageMask. */
#define LO_GLOBAL        UINT64_C(1)
#define LO_VALID         UINT64_C(2)
#define LO_PFN_SHIFT     6u
#define HI_VPN2_SHIFT    13u
#define MASK_SHIFT       13u
#define ADDRESS_MASK     UINT64_C(0xFFFFFFFF)
#define UNMAPPED_VPN     (UINT64_C(0x80000000) / GUEST_PAGE_BYTES)
#define MAPPED_AGAIN_VPN (GUEST_DIRECT_VPN + GUEST_DIRECT_PAGES)
#define MAPPED_END_VPN   (UINT64_C(0xE0000000) / GUEST_PAGE_BYTES)

/* Three passes over what a write says: guest_write() sees what is new and whether anything changes;
 * guest_write_begin() and guest_write_end() change it. */
enum pass { PASS_LOOK, PASS_BEGIN, PASS_END };

struct pass_state {
    struct guest *guest;
    enum pass pass;
    bool changes;
};

static bool is_mapped_by_guest(uint64_t vpn)
{
    return vpn < UNMAPPED_VPN || (vpn >= MAPPED_AGAIN_VPN && vpn < MAPPED_END_VPN);
}

/* What happens between two references is there for the one after. */
static uint32_t touch_between(struct guest *guest, uint32_t space, uint64_t vpn)
{
    guest->now++;
    const uint32_t page = guest_touch(guest, space, vpn);
    guest->now--;
    return page;
}

static bool list_mapping(struct guest *guest, uint32_t space, uint64_t vpn)
{
    const uint32_t mapping = guest_find(guest, space, vpn);
    return mapping == MEMORY_NONE || guest_list_gone(guest, mapping);
}

/* Unmaps (space, VPN) wherever it is seen. Ranges that show it stay joined to it; where it is itself
 * shown from elsewhere, it is no longer. */
static char *unmap_one(struct guest *guest, uint32_t space, uint64_t vpn)
{
    if (guest_share_find(guest, space, vpn)) {
        char *const error = guest_share_cut(guest, space, vpn, 1);
        if (error)
            return error;
    }
    bool listed = list_mapping(guest, space, vpn);
    for (size_t at = 0; at < guest->shares && listed; at++) {
        const struct guest_share_range it = guest->share[at];
        if (it.from == space && vpn - it.from_first < it.pages)
            listed = list_mapping(guest, it.space, it.first + (vpn - it.from_first));
    }
    return listed ? NULL : memory_short();
}

/* (space, VPN) is to be this page. */
static char *map_one(struct pass_state *state, uint32_t space, uint64_t vpn, uint32_t page)
{
    struct guest *const guest = state->guest;
    const struct guest_share_range *const share = guest_share_find(guest, space, vpn);
    uint32_t now = guest_page_of(guest, space, vpn);
    const bool mapped = now != MEMORY_NONE;
    if (!mapped && share)
        now = guest_page_of(guest, share->from, share->from_first + (vpn - share->first));
    if (now == page)
        return NULL;
    const bool changes = mapped || share;
    state->changes |= changes;
    if (state->pass == PASS_BEGIN)
        return changes ? unmap_one(guest, space, vpn) : NULL;
    if (state->pass == PASS_END)
        return guest_add_extra(guest, space, vpn, page, guest->now + 1);
    return changes || guest_set_aside(guest, space, vpn, page, guest->now + 1) ? NULL
                                                                               : memory_short();
}

/* The spaces of the VM that do not show this VPN of `physical` anyway. */
static char *map_in_others(struct pass_state *state, uint32_t physical, uint64_t vpn, uint32_t page)
{
    struct guest *const guest = state->guest;
    char *error = NULL;
    for (size_t at = 0; at < guest->shares && !error; at++) {
        const struct guest_share_range it = guest->share[at];
        if (it.from != physical || it.first != GUEST_DIRECT_VPN ||
            it.from_first != GUEST_DIRECT_VPN)
            continue;
        if (vpn - it.first < it.pages)
            continue;
        const struct guest_share_range *const share = guest_share_find(guest, it.space, vpn);
        if (share && share->from == physical && share->from_first == share->first)
            continue; /* behind a hole */
        error = map_one(state, it.space, vpn, page);
        /* a cut moves records */
        at = (size_t)(guest_share_find(guest, it.space, GUEST_DIRECT_VPN) - guest->share);
    }
    return error;
}

static char *map_half(struct pass_state *state, const struct guest_write *write, uint64_t vpn,
                      uint64_t lo, uint64_t pages)
{
    const bool global = (write->entry_lo0 & write->entry_lo1 & LO_GLOBAL) != 0;
    const uint64_t frame = ((lo & ADDRESS_MASK) >> LO_PFN_SHIFT) & ~(pages - 1);
    char *error = NULL;
    if (!(lo & LO_VALID))
        return NULL;
    for (uint64_t at = 0; at < pages && !error; at++) {
        if (!is_mapped_by_guest(vpn + at) || frame + at >= GUEST_DIRECT_PAGES)
            continue;
        const uint32_t page =
            touch_between(state->guest, write->physical, GUEST_DIRECT_VPN + frame + at);
        if (page == MEMORY_NONE)
            return memory_short();
        error = map_one(state, global ? write->physical : write->space, vpn + at, page);
        if (!error && global)
            error = map_in_others(state, write->physical, vpn + at, page);
    }
    return error;
}

/* Pages of an entry's half: PageMask has two bits for each step of four. */
static uint64_t half_pages(uint64_t page_mask)
{
    uint64_t pages = 1;
    uint64_t mask = (page_mask & ADDRESS_MASK) >> MASK_SHIFT;
    for (; (mask & 3) == 3 && pages < GUEST_DIRECT_PAGES; mask >>= 2)
        pages *= 4;
    return pages;
}

static char *map_entry(struct pass_state *state, const struct guest_write *write)
{
    if (state->guest->machine->page_bytes != GUEST_PAGE_BYTES)
        return NULL;
    const uint64_t pages = half_pages(write->page_mask);
    const uint64_t vpn2 = (write->entry_hi & ADDRESS_MASK) >> HI_VPN2_SHIFT;
    const uint64_t first = (vpn2 << 1) & ~(2 * pages - 1);
    char *const error = map_half(state, write, first, write->entry_lo0, pages);
    return error ? error : map_half(state, write, first + pages, write->entry_lo1, pages);
}

char *guest_write(struct guest *guest, const struct guest_write *write, bool *changes)
{
    struct pass_state state = {.guest = guest, .pass = PASS_LOOK};
    char *const error = map_entry(&state, write);
    *changes = state.changes;
    return error;
}

char *guest_write_begin(struct guest *guest, const struct guest_write *write)
{
    return map_entry(&(struct pass_state){.guest = guest, .pass = PASS_BEGIN}, write);
}

char *guest_write_end(struct guest *guest, const struct guest_write *write)
{
    guest_unmap_end(guest);
    return map_entry(&(struct pass_state){.guest = guest, .pass = PASS_END}, write);
}

/* ---- pages without references ----------------------------------------------------------------- */

static void leave_caches(struct guest *guest, uint32_t page)
{
    if (guest->caches && page != MEMORY_NONE)
        caches_forget_page(guest->caches, page);
}

char *guest_zero(struct guest *guest, uint32_t physical, uint64_t vpn)
{
    leave_caches(guest, guest_page_of(guest, physical, vpn));
    return touch_between(guest, physical, vpn) == MEMORY_NONE ? memory_short() : NULL;
}

char *guest_dma(struct guest *guest, uint32_t physical, uint64_t vpn, uint64_t pages, bool out)
{
    for (uint64_t at = 0; at < pages; at++) {
        if (!out)
            leave_caches(guest, guest_page_of(guest, physical, vpn + at));
        if (touch_between(guest, physical, vpn + at) == MEMORY_NONE)
            return memory_short();
    }
    return NULL;
}

void guest_free_page(struct guest *guest, uint32_t physical, uint64_t vpn)
{
    if (!guest_share_find(guest, physical, vpn))
        leave_caches(guest, guest_page_of(guest, physical, vpn));
}
