/* What a query on table refs asks for, as ranges: planning, reading the values, skipping blocks. */
#ifndef DISCO_TRACE_EXTENSION_FILTER_H
#define DISCO_TRACE_EXTENSION_FILTER_H

#include "collector/trace/extension-source.h"

/* Columns of table refs, in the order of its declaration. */
enum refs_field {
    FIELD_TIME,
    FIELD_STREAM,
    FIELD_ADDR,
    FIELD_KIND,
    FIELD_MODE,
    FIELD_PAGE,
    FIELD_IP,
    FIELD_PHYS,
    FIELD_LATENCY,
    FIELD_SOURCE,
    FIELD_WEIGHT,
    FIELD_SIZE,
    FIELD_CPU,
    FIELD_BLOCK,
    FIELD_REF,
    FIELDS
};

/* Both ends included, compared as SQLite compares: signed. Empty when low > high. */
struct range {
    sqlite3_int64 low, high;
};

enum filter_range {
    FILTER_TIME,
    FILTER_STREAM,
    FILTER_ADDR,
    FILTER_PAGE,
    FILTER_BLOCK,
    FILTER_REF,
    FILTER_RANGES
};

struct filter {
    struct range range[FILTER_RANGES];
    uint32_t kinds;    /* bit of each kind that may pass */
    uint32_t modes;    /* bit 0 user, bit 1 kernel */
    uint32_t what;     /* bit of each byte `what` that may pass: kinds x modes */
    bool looks_inside; /* address or `what` of every reference has to be looked at */
    bool asks_time;
    bool clock;
    unsigned page_shift;
};

/* xBestIndex: takes the constraints that ranges can express, and answers them exactly. */
int filter_plan(sqlite3_index_info *info, uint64_t refs, uint64_t blocks);

/* xFilter: `plan` is what filter_plan left in idxStr. */
int filter_begin(struct filter *filter, const char *plan, int arguments, sqlite3_value **argument,
                 const struct trace_shape *shape);

bool filter_is_empty(const struct filter *filter);
/* Optional columns to decode, when the query uses the fields `used` (a bit each). */
uint32_t filter_columns(const struct filter *filter, int used);
/* No block before this one can match. */
uint64_t filter_first_block(const struct filter *filter, bool clock);
/* No block from this one on can match. */
bool filter_is_over(const struct filter *filter, const struct block_row *row);
/* References of this block may match. */
bool filter_block(const struct filter *filter, const struct block_row *row);

static inline bool in_range(const struct range *range, sqlite3_int64 value)
{
    return value >= range->low && value <= range->high;
}

static inline bool filter_passes(const struct filter *filter, uint64_t addr, uint8_t what)
{
    return in_range(&filter->range[FILTER_ADDR], (sqlite3_int64)addr) &&
           in_range(&filter->range[FILTER_PAGE], (sqlite3_int64)(addr >> filter->page_shift)) &&
           (filter->what >> (what & REF_WHAT_MASK) & 1) != 0;
}

#endif
