/* Arrays of (space, key) with the least recently used, a pseudo-LRU or a random entry going: the TLBs of a CPU, and
 * what else a CPU keeps that way (walk.h).
 *
 * A TLB of today has several arrays: on two levels, each for pages of some sizes. A page of order n
 * has 512^n pages of the machine; its key is its number among pages of that order, with the order
 * above all bits of a VPN. An array of the first level has its stamps in one block with the others of
 * its CPU, so that the fast table names any entry's stamp by one index.
 */
#ifndef DISCO_MEMORY_TLB_H
#define DISCO_MEMORY_TLB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm-core/machine/machine.h"
#include "vmm-core/memory/records.h"

#define TLB_EMPTY      UINT64_MAX /* no VPN: pages have at least two bytes */
#define TLB_HALVES_MAX 2u

#define TLB_ORDER_BITS      9u /* an order has 512 pages of the one below */
#define TLB_ORDERS          3u /* 4 KiB, 2 MiB, 1 GiB: as enum machine_page_size */
#define TLB_KEY_ORDER_SHIFT 58
#define TLB_FILLED_WORDS    8u

/* One page of an entry. */
struct tlb_half {
    uint32_t page; /* MEMORY_NONE: invalid */
    uint8_t node;  /* of the copy that serves it */
    bool writable; /* exactly when the page has no replica */
};

/* Set-associative, entry `set * ways + way`. An entry is in use while any half of it is valid. */
struct tlb {
    uint32_t entries, ways, halves; /* entries 0: there is none */
    uint32_t level, sizes; /* of a hardware TLB: 1 or 2; bit n: it holds pages of order n */
    uint32_t first_stamp;  /* place of its stamps in the CPU's block, on the first level */
    uint64_t latency_ps;   /* of a hit */
    bool plru;             /* who goes: by a tree of bits, not the least recently used */
    bool stamps_lent;      /* `stamp` is part of another array's */
    uint32_t halves_shift, set_mask, filter_mask;
    uint64_t *tag;   /* [entries] VPN / halves, or TLB_EMPTY */
    uint64_t *stamp; /* [entries] ordinal of the last reference that used it; [1] if no entries */
    uint32_t *space; /* [entries] */
    struct tlb_half *half; /* [entries * halves] */
    uint32_t *used;        /* [sets] entries in use */
    uint32_t *filter;      /* [filter_mask + 1] entries in use by a hash of (space, tag) */
    /* [entries] or NULL: of an entry of order 1 or more, the 512ths that the fast table may hold */
    uint64_t (*filled)[TLB_FILLED_WORDS];
};

/* The entry of order `order` that a VPN belongs to; the first VPN of an entry. */
static inline uint64_t tlb_key(uint64_t vpn, uint32_t order)
{
    return vpn >> (order * TLB_ORDER_BITS) | (uint64_t)order << TLB_KEY_ORDER_SHIFT;
}
static inline uint32_t tlb_key_order(const struct tlb *tlb, uint64_t key)
{
    return tlb->sizes > 1 ? (uint32_t)(key >> TLB_KEY_ORDER_SHIFT) : 0;
}
static inline uint64_t tlb_key_vpn(uint64_t key, uint32_t order)
{
    return (order ? key & ((UINT64_C(1) << TLB_KEY_ORDER_SHIFT) - 1) : key)
           << (order * TLB_ORDER_BITS);
}

bool tlb_new(struct tlb *tlb, uint32_t entries, uint32_t ways, uint32_t halves);
void tlb_free(struct tlb *tlb);
/* The entry whose tag holds the page, its half valid or not; MEMORY_NONE: none. */
uint32_t tlb_find(const struct tlb *tlb, uint32_t space, uint64_t vpn);
/* The half of a found entry. */
static inline struct tlb_half *tlb_half_of(const struct tlb *tlb, uint32_t entry, uint64_t vpn)
{
    return &tlb->half[(size_t)entry * tlb->halves + (vpn & (tlb->halves - 1))];
}
/* Valid half of (space, VPN), or NULL; *entry is set when it is not NULL. */
struct tlb_half *tlb_lookup(const struct tlb *tlb, uint32_t space, uint64_t vpn, uint32_t *entry);
/* Where a refill goes: the entry with this tag; else the lowest free way of the set; else a victim:
 * one draw of `random`, or with NULL the way that the tree of bits points to, else the least recently
 * used one. */
uint32_t tlb_slot(const struct tlb *tlb, uint32_t space, uint64_t vpn, uint64_t *random);
void tlb_write(struct tlb *tlb, uint32_t entry, uint32_t space, uint64_t vpn,
               const struct tlb_half *halves, uint64_t stamp);
/* Makes a half invalid, and the entry free when it was the last valid one. */
void tlb_invalidate(struct tlb *tlb, uint32_t entry, uint64_t vpn);
void tlb_flush(struct tlb *tlb);

/* ---- the hardware TLB of a CPU: all its arrays (tlb-levels.c) --------------------------------- */

struct cpu;
struct memory;

bool tlb_levels_new(const struct memory *memory, struct cpu *cpu);
void tlb_levels_free(struct cpu *cpu);
void tlb_levels_flush(struct cpu *cpu); /* and the walk cache */
/* The array of a level that maps the VPN of the CPU's space, and the entry; or NULL. */
struct tlb *tlb_levels_lookup(const struct memory *memory, struct cpu *cpu, uint32_t level,
                              uint64_t vpn, uint32_t *entry);
/* A found entry of the first level serves this reference. The place of its stamp. */
uint32_t tlb_levels_use(struct memory *memory, struct tlb *tlb, uint32_t entry, uint64_t vpn);
/* Writes a translation of a page of `order` to a level; the place of its stamp if it is the first. */
uint32_t tlb_levels_fill(struct memory *memory, struct cpu *cpu, uint32_t level, uint64_t vpn,
                         uint32_t order, const struct tlb_half *halves);
#endif
