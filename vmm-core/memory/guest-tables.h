/* The records of a guest (guest.h), and the lookups that memories do in them.
 *
 *   page     one a PPN, with its first mapping in it                      guest-tables.c
 *   extra    each further mapping of a page, chained to it                guest-tables.c
 *   slot     hash of (space, VPN) over both                               guest-tables.c
 *   share    ranges that show another range's pages                       guest-share.c
 *   pending  mappings of references that no memory has replayed yet       guest.c
 *
 * A mapping is named by a number: its page's if it is the page's first, else the extra's index with
 * GUEST_EXTRA set. One record serves the space table and the backmaps, so they cannot disagree.
 */
#ifndef DISCO_MEMORY_GUEST_TABLES_H
#define DISCO_MEMORY_GUEST_TABLES_H

#include "vmm-core/memory/guest.h"
#include "vmm-core/memory/records.h"

#define GUEST_EXTRA      (UINT32_C(1) << 31)
#define GUEST_PAGES_MOST (GUEST_EXTRA - 2) /* pages, and further mappings: numbers have 31 bits */

struct guest_page {
    uint64_t vpn;   /* where it was first mapped */
    uint32_t space; /* with it */
    /* Low 31 bits: the first extra, from 1; 0: there is none. Top bit: the first mapping is gone. */
    uint32_t extras;
};
_Static_assert(sizeof(struct guest_page) == 16, "one a guest page");

struct guest_extra {
    uint64_t vpn;
    uint64_t since; /* ordinal of the reference that made it; memories behind it do not see it */
    uint32_t space;
    uint32_t page; /* MEMORY_NONE: free */
    uint32_t next; /* from 1: of the same page, or the next free one; 0: none */
};

/* Pages [first, + pages) of `space` are those of [from_first, ...) of `from`. */
struct guest_share_range {
    uint64_t first, pages, from_first;
    uint32_t space, from;
};

struct guest_pending {
    uint64_t vpn, since;
    uint32_t space, page;
    uint8_t begins; /* order of the block that it is the first page of; 0: of none */
};

struct guest_apart {
    uint64_t first;
    uint32_t space;
};

/* What a CPU touched of late: direct-mapped, for speed only. */
struct guest_memo {
    uint64_t vpn; /* UINT64_MAX: none */
    uint32_t space, page;
};
#define GUEST_MEMO_SHIFT 9

struct guest {
    const struct machine *machine;
    uint32_t page_shift;
    uint64_t now; /* references seen */

    struct guest_page *page;
    uint32_t pages, pages_room;
    struct guest_extra *extra;
    uint32_t extras, extras_room, extras_free; /* extras_free: from 1; 0: none */
    uint32_t *slot;                            /* a mapping's number + 1, or 0 */
    uint32_t slot_mask, slots_used;
    const struct guest_range *huge_range; /* as options had them */
    size_t huge_ranges;
    const struct guest_range *gigantic_range; /* the same */
    size_t gigantic_ranges;
    uint32_t *gigantic; /* [gigantics] ascending: first pages of blocks of 1 GiB */
    uint32_t gigantics, gigantics_room;
    uint64_t *block; /* bit n: pages [512 n, 512 n + 512) are one block (huge-blocks.c) */
    uint32_t block_words;
    struct guest_share_range *share; /* ascending by (space, first); none is itself shown */
    size_t shares, shares_room;

    /* Memories in other threads do not look at what follows. */
    struct guest_pending *pending;
    uint32_t pendings, pendings_room, pending_pages;
    uint32_t *pending_slot; /* index + 1, or 0 */
    uint32_t pending_mask;
    struct caches *caches;     /* NULL: there are none */
    struct guest_slice *slice; /* with caches */
    struct guest_memo **memo;  /* [machine cpus] NULL: not used yet */
    struct guest_gone *gone;
    uint32_t gones, gones_room;
    struct guest_apart *apart; /* blocks of 1 GiB that had pages in them when they were wanted */
    uint32_t aparts, aparts_room;
};

/* ---- what memories look up --------------------------------------------------------------------- */

/* The mapping of (space, VPN), or MEMORY_NONE. */
uint32_t guest_find(const struct guest *guest, uint32_t space, uint64_t vpn);

static inline uint32_t guest_mapped_page(const struct guest *guest, uint32_t mapping)
{
    return mapping & GUEST_EXTRA ? guest->extra[mapping & ~GUEST_EXTRA].page : mapping;
}
static inline uint64_t guest_mapped_vpn(const struct guest *guest, uint32_t mapping)
{
    return mapping & GUEST_EXTRA ? guest->extra[mapping & ~GUEST_EXTRA].vpn
                                 : guest->page[mapping].vpn;
}
static inline uint32_t guest_mapped_space(const struct guest *guest, uint32_t mapping)
{
    return mapping & GUEST_EXTRA ? guest->extra[mapping & ~GUEST_EXTRA].space
                                 : guest->page[mapping].space;
}
/* Is it there for a memory that has done `now` references and has placed the page? The first
 * mapping of a page is as old as the page. */
static inline bool guest_mapped_by(const struct guest *guest, uint32_t mapping, uint64_t now)
{
    return !(mapping & GUEST_EXTRA) || guest->extra[mapping & ~GUEST_EXTRA].since <= now;
}

/* The backmaps of a page: the first, the one after; MEMORY_NONE at the end. Some may be younger than
 * what a memory has done; no TLB holds them yet. */
static inline uint32_t guest_chained(uint32_t link)
{
    const uint32_t from_1 = link & ~GUEST_EXTRA;
    return from_1 ? (from_1 - 1) | GUEST_EXTRA : MEMORY_NONE;
}
static inline uint32_t guest_backmap(const struct guest *guest, uint32_t page)
{
    if (page >= guest->pages)
        return MEMORY_NONE;
    const uint32_t extras = guest->page[page].extras;
    return extras & GUEST_EXTRA ? guest_chained(extras) : page;
}
static inline uint32_t guest_backmap_next(const struct guest *guest, uint32_t mapping)
{
    return guest_chained(mapping & GUEST_EXTRA ? guest->extra[mapping & ~GUEST_EXTRA].next
                                               : guest->page[mapping].extras);
}

/* ---- guest.c: looking ahead -------------------------------------------------------------------- */

/* The page of (space, VPN) in the tables or among what is pending, or MEMORY_NONE. */
uint32_t guest_page_of(const struct guest *guest, uint32_t space, uint64_t vpn);
/* The same, touched for the first time if need be, by reference guest.now. A page shown from elsewhere
 * is touched there, and mapped here too. MEMORY_NONE: memory is short. */
uint32_t guest_touch(struct guest *guest, uint32_t space, uint64_t vpn);
/* A further mapping of a page, which the next commit adds. false: memory is short. */
bool guest_set_aside(struct guest *guest, uint32_t space, uint64_t vpn, uint32_t page,
                     uint64_t since);
/* Takes a mapping out of the tables, and lists it (guest_gone()). false: memory is short. */
bool guest_list_gone(struct guest *guest, uint32_t mapping);

/* ---- guest-tables.c: changes ------------------------------------------------------------------- */

uint32_t guest_hash(uint32_t space, uint64_t vpn);
/* A number for no page, so that the next one is aligned. */
char *guest_add_gap(struct guest *guest);
/* A new page with its first mapping; a further mapping of one that is there. */
char *guest_add_page(struct guest *guest, uint32_t space, uint64_t vpn);
char *guest_add_extra(struct guest *guest, uint32_t space, uint64_t vpn, uint32_t page,
                      uint64_t since);
/* true: nothing maps its page any more. */
bool guest_remove(struct guest *guest, uint32_t mapping);
/* To look at all mappings: `step` counts from 0; MEMORY_NONE where there is a hole. */
static inline uint64_t guest_steps(const struct guest *guest)
{
    return (uint64_t)guest->pages + guest->extras;
}
uint32_t guest_at_step(const struct guest *guest, uint64_t step);

/* ---- huge-blocks.c: pages that huge pages may back ---------------------------------------------- */

#define GUEST_BLOCK_SHIFT 9u
#define GUEST_BLOCK_PAGES (1u << GUEST_BLOCK_SHIFT) /* pages of 4 KiB in one of 2 MiB */

/* Pages in a block: order 1 is 2 MiB, order 2 is 1 GiB. */
static inline uint32_t guest_block_pages(uint32_t order)
{
    return 1u << (order * GUEST_BLOCK_SHIFT);
}
/* Are the pages of the block that starts there within one of the ranges for its order? */
bool guest_block_wanted(const struct guest *guest, uint32_t space, uint64_t first, uint32_t order);
/* The page, which is not there yet, is the first of a block; pages up to it that are not there
 * either never will be. */
char *guest_block_begin(struct guest *guest, uint32_t page, uint32_t order);
/* The first page of the block of 1 GiB that the page is one of, or MEMORY_NONE. */
uint32_t guest_gigantic(const struct guest *guest, uint32_t page);
/* Blocks of 1 GiB that had pages in them. Forgotten when the guest unmaps a part of one. */
bool guest_apart_is(const struct guest *guest, uint32_t space, uint64_t first);
bool guest_apart_add(struct guest *guest, uint32_t space, uint64_t first);
void guest_apart_forget(struct guest *guest, uint32_t space, uint64_t first, uint64_t pages);
/* Is the page one of a block? */
static inline bool guest_in_block(const struct guest *guest, uint32_t page)
{
    const uint32_t block = page >> GUEST_BLOCK_SHIFT;
    return block / 64 < guest->block_words && guest->block[block / 64] >> (block % 64) & 1;
}

/* ---- guest-share.c ------------------------------------------------------------------------------- */

/* The range that shows (space, VPN), or NULL. */
const struct guest_share_range *guest_share_find(const struct guest *guest, uint32_t space,
                                                 uint64_t vpn);
/* The range that is to show another must be free of mappings and shares. */
char *guest_share_add(struct guest *guest, const struct guest_share_range *share);
/* No share leads into or out of the range any more. */
char *guest_share_cut(struct guest *guest, uint32_t space, uint64_t first, uint64_t pages);

#endif
