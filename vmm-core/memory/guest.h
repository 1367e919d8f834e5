/* What does not depend on the placement policy, done once for any number of policies: the guest's
 * own page tables, (space, VPN) -> PPN, and what the caches make of its references.
 *
 * PPNs are given out in the order of first touch and not used again. One guest serves any number of
 * memories (memory.h), which keep what depends on the policy: PPN -> machine pages, TLBs, time.
 *
 * Two phases, so that the guest may work on the next references while memories, in other threads,
 * replay the last ones:
 *   - guest_references() looks ahead. New mappings are set aside; nothing that a memory reads changes.
 *   - guest_commit() puts them into the tables; guest_unmap_*() and guest_share() change them. All of
 *     these run alone.
 * A memory that is behind the tables sees each mapping from the reference on that made it (`since`).
 *
 * Memory: 16 bytes and hash slots a page (27 bytes at most), 43 a further mapping, caches that grow
 * with the machine, not with the trace, and what they remember of lines that they do not hold: a bit
 * a line for each cache that has looked for it, and losses to the stores of other CPUs, of as many blocks
 * as the cache has lines.
 *
 * Errors: NULL, or one line from malloc. After an error the object can only be freed.
 */
#ifndef DISCO_GUEST_H
#define DISCO_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm-core/machine/caches/caches.h"
#include "vmm-core/machine/machine.h"

struct guest;

/* Pages of a space that huge pages may back. */
struct guest_range {
    uint64_t first, pages;
    uint32_t space;
};

struct guest_options {
    const struct machine *machine; /* must outlive the object */
    bool
        misses; /* the references are misses already: every one reaches memory, caches are left out */
    /* Where 2 MiB pages are wanted (--thp), ascending by (space, first), apart from each other; must
     * outlive the object. The first touch in an aligned block of 512 pages that lies in one range,
     * and of which no page is mapped or shows another's, maps all 512, to PPNs in a row. Machines
     * with pages of 4 KiB only. */
    const struct guest_range *huge;
    size_t huge_ranges;
    /* The same for pages of 1 GiB (--gigantic): aligned blocks of 262144 pages, each decided at its first
     * touch and, where that found pages in it, again after a part of it has been unmapped. The pages of
     * such a block have records like any other: 15 MB a GiB with one memory. */
    const struct guest_range *gigantic;
    size_t gigantic_ranges;
};

char *guest_new(const struct guest_options *options, struct guest **out)
    __attribute__((warn_unused_result));
void guest_free(struct guest *guest);

/* Room for the outcomes of so many references; false: memory is short. */
bool guest_outcome_new(struct caches_outcome *outcome, uint32_t references);
void guest_outcome_free(struct caches_outcome *outcome);

/* References of one CPU in one space, in order. Maps what they touch first (set aside), and where
 * the guest has caches fills outcome from index `at` on; without caches, outcome is left alone and
 * may be NULL. `bytes`: as in caches_input; a reference that straddles two pages gives the second a
 * number too, for the caches alone: memories place it when it is referred to itself. Without caches
 * `bytes` is not looked at. The caller sets outcome->writebacks back to 0 when it begins anew. */
char *guest_references(struct guest *guest, uint32_t cpu, uint32_t space, const uint64_t *addr,
                       const uint8_t *what, const uint64_t *bytes, uint32_t references,
                       struct caches_outcome *outcome, uint32_t at)
    __attribute__((warn_unused_result));
bool guest_has_caches(const struct guest *guest);
char *guest_commit(struct guest *guest) __attribute__((warn_unused_result));

/* [first, + pages) of a space is to be unmapped. begin: takes it out of the tables and lists what
 * went, for the memories to forget (memory_forget); end: it is gone from the caches too, and the list
 * is empty. Both run alone, after a commit. Mapped pages that another range shows are mapped there,
 * and live on. */
struct guest_gone {
    uint64_t vpn;
    uint32_t space, page;
    bool last; /* nothing maps the page any more: it is freed */
};
char *guest_unmap_begin(struct guest *guest, uint32_t space, uint64_t first, uint64_t pages)
    __attribute__((warn_unused_result));
const struct guest_gone *guest_gone(const struct guest *guest, size_t *count);
void guest_unmap_end(struct guest *guest);
/* The pages of [first, + pages) of `from` are those of [shown_first, ...) of `space` from now on,
 * touched already or not; what was there before has been unmapped by the caller. */
char *guest_share(struct guest *guest, uint32_t from, uint64_t from_first, uint32_t space,
                  uint64_t first, uint64_t pages) __attribute__((warn_unused_result));

uint32_t guest_pages(const struct guest *guest); /* PPNs given out and committed */
/* Where the page was first mapped. */
void guest_page(const struct guest *guest, uint32_t page, uint32_t *space, uint64_t *vpn);
/* Where it is mapped now, the first `most` places, its first mapping in front if it is still there.
 * Returns how many. */
struct guest_place {
    uint32_t space;
    uint64_t vpn;
};
uint32_t guest_places(const struct guest *guest, uint32_t page, struct guest_place *place,
                      uint32_t most);
/* NULL where there are no caches. */
const struct caches *guest_caches(const struct guest *guest);

/* Tables and caches agree; NULL, or what does not. */
char *guest_check(const struct guest *guest) __attribute__((warn_unused_result));

#endif
