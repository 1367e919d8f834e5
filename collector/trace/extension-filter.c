#include "collector/trace/extension-filter.h"

#include <math.h>

/* The first double above every 64-bit signed integer. */
#define ABOVE_INTEGERS 9223372036854775808.0

#define NO_RANGE (-1)

/* Which range a column (-1: rowid) is answered by. */
static int range_of(int field)
{
    switch (field) {
    case -1: /* the rowid is the ordinal */
    case FIELD_REF:
        return FILTER_REF;
    case FIELD_TIME:
        return FILTER_TIME;
    case FIELD_STREAM:
        return FILTER_STREAM;
    case FIELD_ADDR:
        return FILTER_ADDR;
    case FIELD_PAGE:
        return FILTER_PAGE;
    case FIELD_BLOCK:
        return FILTER_BLOCK;
    default:
        return NO_RANGE;
    }
}

/* A constraint in idxStr is two letters: what it is on, and the comparison. */
static char letter_of(unsigned char op)
{
    switch (op) {
    case SQLITE_INDEX_CONSTRAINT_EQ:
        return '=';
    case SQLITE_INDEX_CONSTRAINT_GT:
        return '>';
    case SQLITE_INDEX_CONSTRAINT_GE:
        return 'g';
    case SQLITE_INDEX_CONSTRAINT_LT:
        return '<';
    case SQLITE_INDEX_CONSTRAINT_LE:
        return 'l';
    default:
        return 0;
    }
}

/* By enum filter_range. */
static const char range_letter[FILTER_RANGES + 1] = "012345";
static const char letter_kind = 'k';
static const char letter_mode = 'm';

/* What part of the references is left, as a guess for SQLite's choice between plans. */
static double left_by(int range, char op)
{
    if (op != '=')
        return 0.25;
    return range == FILTER_REF || range == FILTER_TIME ? 1e-6 : range == FILTER_BLOCK ? 1e-3 : 0.02;
}

int filter_plan(sqlite3_index_info *info, uint64_t refs, uint64_t blocks)
{
    char *plan = sqlite3_malloc(2 * info->nConstraint + 1);
    if (plan == NULL)
        return SQLITE_NOMEM;
    int taken = 0;
    double left = 1;
    for (int i = 0; i < info->nConstraint; i++) {
        int field = info->aConstraint[i].iColumn;
        char op = letter_of(info->aConstraint[i].op);
        int range = range_of(field);
        bool name = op == '=' && (field == FIELD_KIND || field == FIELD_MODE) &&
                    sqlite3_stricmp(sqlite3_vtab_collation(info, i), "BINARY") == 0;
        if (!info->aConstraint[i].usable || op == 0 || (range == NO_RANGE && !name))
            continue;
        size_t at = (size_t)taken * 2;
        if (name) {
            (void)sqlite3_vtab_in(info, i, 1); /* all values of an IN at once, where it is one */
            plan[at] = letter_kind;
            if (field == FIELD_MODE)
                plan[at] = letter_mode;
        } else {
            plan[at] = range_letter[range];
        }
        plan[at + 1] = op;
        info->aConstraintUsage[i].argvIndex = ++taken;
        info->aConstraintUsage[i].omit = 1;
        left *= name ? 0.4 : left_by(range, op);
    }
    plan[(size_t)taken * 2] = '\0';
    info->idxStr = plan;
    info->needToFreeIdxStr = 1;
    info->idxNum = (int)(info->colUsed & ((1u << FIELDS) - 1));
    info->estimatedRows = (sqlite3_int64)((double)refs * left) + 1;
    info->estimatedCost = (double)refs * left + (double)blocks + 1;
    /* rows come in the order of the trace, in which time never falls */
    if (info->nOrderBy == 1 && !info->aOrderBy[0].desc) {
        int field = info->aOrderBy[0].iColumn;
        info->orderByConsumed =
            field == -1 || field == FIELD_TIME || field == FIELD_REF || field == FIELD_BLOCK;
    }
    return SQLITE_OK;
}

static void nothing(struct range *range)
{
    range->low = INT64_MAX;
    range->high = INT64_MIN;
}

static void at_least(struct range *range, sqlite3_int64 value)
{
    range->low = value > range->low ? value : range->low;
}

static void at_most(struct range *range, sqlite3_int64 value)
{
    range->high = value < range->high ? value : range->high;
}

static void compare_integer(struct range *range, char op, sqlite3_int64 value)
{
    if ((op == '>' && value == INT64_MAX) || (op == '<' && value == INT64_MIN)) {
        nothing(range);
        return;
    }
    if (op == '=' || op == 'g' || op == '>')
        at_least(range, op == '>' ? value + 1 : value);
    if (op == '=' || op == 'l' || op == '<')
        at_most(range, op == '<' ? value - 1 : value);
}

/* x < 1.5 is x <= 1, and x >= 1.5 is x > 1. */
static char without_fraction(char op)
{
    switch (op) {
    case 'g':
        return '>';
    case '<':
        return 'l';
    default:
        return op;
    }
}

/* An integer column beside a real number. */
static void compare_real(struct range *range, char op, double value)
{
    bool below_all = value < -ABOVE_INTEGERS;
    bool above_all = value >= ABOVE_INTEGERS;
    if (below_all || above_all) {
        bool wants_more = op == '>' || op == 'g';
        if (op == '=' || wants_more == above_all)
            nothing(range);
        return;
    }
    double whole = floor(value);
    if (whole < value) {
        if (op == '=')
            nothing(range);
        else
            compare_integer(range, without_fraction(op), (sqlite3_int64)whole);
        return;
    }
    compare_integer(range, op, (sqlite3_int64)whole);
}

/* As SQLite compares a column of affinity INTEGER: NULL matches nothing, text that is a number is
 * one, and any other text is above every number. */
static void compare(struct range *range, char op, sqlite3_value *value)
{
    switch (sqlite3_value_numeric_type(value)) {
    case SQLITE_INTEGER:
        compare_integer(range, op, sqlite3_value_int64(value));
        break;
    case SQLITE_FLOAT:
        compare_real(range, op, sqlite3_value_double(value));
        break;
    case SQLITE_NULL:
        nothing(range);
        break;
    default:
        if (op != '<' && op != 'l')
            nothing(range);
    }
}

/* The bit of a name, none for what is no name. */
static uint32_t bit_of_name(char letter, sqlite3_value *value)
{
    const char *const *name = letter == letter_kind ? ref_kind_names : ref_mode_names;
    unsigned names = letter == letter_kind ? 4 : 2;
    if (sqlite3_value_type(value) != SQLITE_TEXT)
        return 0;
    const char *text = (const char *)sqlite3_value_text(value);
    for (unsigned i = 0; text != NULL && i < names; i++)
        if (strcmp(text, name[i]) == 0)
            return 1u << i;
    return 0;
}

static int bits_of_names(char letter, sqlite3_value *argument, uint32_t *bits)
{
    sqlite3_value *value = NULL;
    int rc = sqlite3_vtab_in_first(argument, &value);
    if (rc == SQLITE_ERROR || rc == SQLITE_MISUSE) { /* one value, not an IN (MISUSE before 3.42) */
        *bits = bit_of_name(letter, argument);
        return SQLITE_OK;
    }
    *bits = 0;
    for (; rc == SQLITE_OK && value != NULL; rc = sqlite3_vtab_in_next(argument, &value))
        *bits |= bit_of_name(letter, value);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int filter_begin(struct filter *filter, const char *plan, int arguments, sqlite3_value **argument,
                 const struct trace_shape *shape)
{
    *filter = (struct filter){.kinds = 0xf,
                              .modes = 0x3,
                              .clock = shape->clock,
                              .page_shift = shape->page_shift};
    for (int i = 0; i < FILTER_RANGES; i++)
        filter->range[i] = (struct range){.low = INT64_MIN, .high = INT64_MAX};
    for (int i = 0; i < arguments; i++) {
        char on = plan[(size_t)i * 2];
        char op = plan[(size_t)i * 2 + 1];
        if (on == letter_kind || on == letter_mode) {
            uint32_t bits = 0;
            int rc = bits_of_names(on, argument[i], &bits);
            if (rc != SQLITE_OK)
                return rc;
            *(on == letter_kind ? &filter->kinds : &filter->modes) &= bits;
        } else {
            compare(&filter->range[on - '0'], op, argument[i]);
            filter->asks_time = filter->asks_time || on - '0' == FILTER_TIME;
        }
    }
    for (unsigned what = 0; what <= REF_WHAT_MASK; what++)
        if ((filter->kinds >> (what & REF_KIND_MASK) & 1) != 0 &&
            (filter->modes >> ((what & REF_MODE_KERNEL) != 0) & 1) != 0)
            filter->what |= 1u << what;
    const struct range *addr = &filter->range[FILTER_ADDR];
    const struct range *page = &filter->range[FILTER_PAGE];
    filter->looks_inside = addr->low != INT64_MIN || addr->high != INT64_MAX ||
                           page->low != INT64_MIN || page->high != INT64_MAX ||
                           filter->what != 0xff;
    return SQLITE_OK;
}

bool filter_is_empty(const struct filter *filter)
{
    for (int i = 0; i < FILTER_RANGES; i++)
        if (filter->range[i].low > filter->range[i].high)
            return true;
    return filter->what == 0;
}

uint32_t filter_columns(const struct filter *filter, int used)
{
    uint32_t columns =
        filter->asks_time || (used & 1 << FIELD_TIME) != 0 ? COLUMN_BIT(COLUMN_TIME) : 0;
    for (int field = FIELD_IP; field <= FIELD_SIZE; field++)
        if ((used & 1 << field) != 0)
            columns |= COLUMN_BIT(COLUMN_IP + field - FIELD_IP);
    return columns;
}

uint64_t filter_first_block(const struct filter *filter, bool clock)
{
    sqlite3_int64 block = filter->range[FILTER_BLOCK].low;
    /* no block has more than TRACE_BLOCK_REFS, so reference r is not before block r / that */
    sqlite3_int64 ref = filter->range[FILTER_REF].low;
    if (!clock && filter->range[FILTER_TIME].low > ref)
        ref = filter->range[FILTER_TIME].low;
    if (ref > 0 && ref / TRACE_BLOCK_REFS > block)
        block = ref / TRACE_BLOCK_REFS;
    return block > 0 ? (uint64_t)block : 0;
}

bool filter_is_over(const struct filter *filter, const struct block_row *row)
{
    return (sqlite3_int64)row->number > filter->range[FILTER_BLOCK].high ||
           (sqlite3_int64)row->first_ref > filter->range[FILTER_REF].high ||
           (row->refs != 0 && (sqlite3_int64)row->first_time > filter->range[FILTER_TIME].high);
}

static bool overlaps(const struct range *range, uint64_t low, uint64_t high)
{
    return (sqlite3_int64)high >= range->low && (sqlite3_int64)low <= range->high;
}

/* Addresses are ordered unsigned in a block and signed in SQL: a block that holds both halves is,
 * in signed order, [lowest .., highest kernel address] and [lowest user address, highest ..]. */
static bool overlaps_addr(const struct range *range, uint64_t low, uint64_t high)
{
    if ((low ^ high) >> 63 == 0)
        return overlaps(range, low, high);
    return range->low <= (sqlite3_int64)high || range->high >= (sqlite3_int64)low;
}

bool filter_block(const struct filter *filter, const struct block_row *row)
{
    if (row->refs == 0 || (row->kinds & filter->kinds) == 0 ||
        !overlaps(&filter->range[FILTER_BLOCK], row->number, row->number) ||
        !overlaps(&filter->range[FILTER_REF], row->first_ref, row->first_ref + row->refs - 1) ||
        !overlaps(&filter->range[FILTER_TIME], row->first_time, row->last_time) ||
        !overlaps_addr(&filter->range[FILTER_ADDR], row->min_addr, row->max_addr) ||
        !overlaps(&filter->range[FILTER_PAGE], row->min_addr >> filter->page_shift,
                  row->max_addr >> filter->page_shift))
        return false;
    const struct range *stream = &filter->range[FILTER_STREAM];
    if (stream->low != stream->high)
        return true;
    uint32_t bit = (uint32_t)stream->low % ROW_STREAM_BITS;
    return (row->streams[bit / 8] >> bit % 8 & 1) != 0;
}
