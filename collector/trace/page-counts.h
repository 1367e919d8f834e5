/* Counts references by space, page and stream in fixed memory, for table page_summary.
 *
 * An open-addressed hash that the writer empties into the database when it is full and at every
 * commit: memory does not grow with the trace, and the database agrees with the committed blocks.
 */
#ifndef DISCO_TRACE_PAGE_COUNTS_H
#define DISCO_TRACE_PAGE_COUNTS_H

#include "collector/trace/event.h"

struct page_count {
    uint64_t page;
    uint64_t owner;   /* space in the upper half, stream in the lower: one comparison */
    uint32_t kind[4]; /* by enum ref_kind; emptied long before 2^32 */
};

struct page_counts;

/* `page_shift`: log2 of the page size. NULL when memory is short. */
struct page_counts *page_counts_new(unsigned page_shift);
void page_counts_free(struct page_counts *counts);

/* There is room for a whole block more. When not, empty it first. */
bool page_counts_room(const struct page_counts *counts);

/* At most TRACE_BLOCK_REFS between two looks at page_counts_room. */
void page_counts_add(struct page_counts *counts, uint32_t space, uint32_t stream,
                     const uint64_t *addr, const uint8_t *what, size_t refs);

/* Hands every count to `take`, in the order (space, page, stream), and forgets them. Gives nothing
 * more after the first for which that does not return 0, and returns what it did. */
int page_counts_empty(struct page_counts *counts,
                      int (*take)(void *to, const struct page_count *count), void *to);

#endif
