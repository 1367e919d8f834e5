/* heat(time_bins, page_bins): the trace as a picture, in one pass. */
#include "collector/trace/extension-source.h"

#include <stdlib.h>

#define BINS_MOST  512
#define MEMO_SLOTS 4096u /* pages whose bin is remembered */
#define NO_BIN     UINT32_MAX

static const char declaration[] =
    "CREATE TABLE heat (time_bin INTEGER, page_bin INTEGER, first_time INTEGER, first_page "
    "INTEGER, "
    "space INTEGER, refs INTEGER, stores INTEGER, time_bins HIDDEN, page_bins HIDDEN)";

enum {
    FIELD_TIME_BIN,
    FIELD_PAGE_BIN,
    FIELD_FIRST_TIME,
    FIELD_FIRST_PAGE,
    FIELD_SPACE,
    FIELD_REFS,
    FIELD_STORES,
    FIELD_TIME_BINS,
    FIELD_PAGE_BINS,
};

struct place {
    uint64_t page;
    uint32_t space;
};

struct memo {
    struct place place;
    uint32_t bin; /* NO_BIN: slot not in use */
};

struct cell {
    uint64_t refs, stores;
};

struct heat_cursor {
    sqlite3_vtab_cursor base;
    uint32_t time_bins, page_bins;
    uint64_t first_time, span;     /* of the trace; span is at least 1 */
    struct place first[BINS_MOST]; /* of each page bin, ascending */
    struct cell *cell;             /* [time_bins][page_bins] */
    struct memo memo[MEMO_SLOTS];
    uint32_t at;
};

static int heat_connect(sqlite3 *db, void *data, int arguments, const char *const *argument,
                        sqlite3_vtab **table, char **error)
{
    (void)arguments;
    (void)argument;
    return trace_table_connect(db, data, declaration, table, error);
}

/* Both arguments have to be given. */
static int heat_best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
    int given = 0;
    for (int i = 0; i < info->nConstraint; i++) {
        int field = info->aConstraint[i].iColumn;
        if (info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ ||
            (field != FIELD_TIME_BINS && field != FIELD_PAGE_BINS))
            continue;
        if (!info->aConstraint[i].usable)
            return SQLITE_CONSTRAINT;
        info->aConstraintUsage[i].argvIndex = field - FIELD_TIME_BINS + 1;
        info->aConstraintUsage[i].omit = 1;
        given |= 1 << (field - FIELD_TIME_BINS);
    }
    if (given != 3) {
        base->zErrMsg =
            sqlite3_mprintf("heat wants two arguments: heat(time_bins, page_bins), each 1 to %d",
                            BINS_MOST);
        return SQLITE_ERROR;
    }
    info->estimatedCost = (double)((const struct trace_table *)base)->shape.refs + 1;
    return SQLITE_OK;
}

static int heat_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out)
{
    (void)table;
    struct heat_cursor *cursor = calloc(1, sizeof *cursor);
    if (cursor == NULL)
        return SQLITE_NOMEM;
    *out = &cursor->base;
    return SQLITE_OK;
}

static int heat_close(sqlite3_vtab_cursor *base)
{
    struct heat_cursor *cursor = (struct heat_cursor *)base;
    free(cursor->cell);
    free(cursor);
    return SQLITE_OK;
}

/* Cuts the sorted distinct pages into page_bins parts of nearly equal numbers. */
static int cut_pages(struct heat_cursor *cursor, sqlite3 *db)
{
    sqlite3_stmt *row = NULL;
    int rc = sqlite3_prepare_v2(
        db, "SELECT count(*) FROM (SELECT DISTINCT space, page FROM main.page_summary)", -1, &row,
        NULL);
    if (rc != SQLITE_OK)
        return rc;
    uint64_t pages = sqlite3_step(row) == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(row, 0) : 0;
    sqlite3_finalize(row);
    if (pages < cursor->page_bins)
        cursor->page_bins = pages != 0 ? (uint32_t)pages : 1;
    rc = sqlite3_prepare_v2(
        db, "SELECT DISTINCT space, page FROM main.page_summary ORDER BY space, page", -1, &row,
        NULL);
    if (rc != SQLITE_OK)
        return rc;
    uint32_t bin = 0;
    for (uint64_t i = 0; bin < cursor->page_bins && (rc = sqlite3_step(row)) == SQLITE_ROW; i++)
        if (i == pages * bin / cursor->page_bins)
            cursor->first[bin++] = (struct place){.page = (uint64_t)sqlite3_column_int64(row, 1),
                                                  .space = (uint32_t)sqlite3_column_int64(row, 0)};
    sqlite3_finalize(row);
    return rc == SQLITE_ROW || rc == SQLITE_DONE || rc == SQLITE_OK ? SQLITE_OK : rc;
}

/* First and last time of the trace; its ordinals where it has no clock. */
static int measure_time(struct heat_cursor *cursor, sqlite3 *db)
{
    sqlite3_stmt *row = NULL;
    int rc = sqlite3_prepare_v2(
        db,
        "SELECT (SELECT first_time FROM main.trace_block WHERE refs > 0 ORDER BY block "
        "LIMIT 1), (SELECT last_time FROM main.trace_block WHERE refs > 0 ORDER BY "
        "block DESC LIMIT 1)",
        -1, &row, NULL);
    if (rc != SQLITE_OK)
        return rc;
    cursor->first_time = 0;
    cursor->span = 1;
    if (sqlite3_step(row) == SQLITE_ROW) {
        sqlite3_int64 first = sqlite3_column_int64(row, 0);
        sqlite3_int64 last = sqlite3_column_int64(row, 1);
        cursor->first_time = (uint64_t)first;
        cursor->span = last >= first && first >= 0 ? (uint64_t)(last - first) + 1 : 1;
    }
    return sqlite3_finalize(row);
}

/* Where time bin `bin` starts. */
static uint64_t bin_start(const struct heat_cursor *cursor, uint32_t bin)
{
    unsigned __int128 part = (unsigned __int128)cursor->span * bin + cursor->time_bins - 1;
    return cursor->first_time + (uint64_t)(part / cursor->time_bins);
}

static bool before(struct place a, struct place b)
{
    return a.space != b.space ? a.space < b.space : a.page < b.page;
}

/* The last bin that does not start after the page. */
static uint32_t bin_of_page(const struct heat_cursor *cursor, struct place place)
{
    uint32_t low = 0;
    uint32_t high = cursor->page_bins;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (before(place, cursor->first[middle]))
            high = middle;
        else
            low = middle;
    }
    return low;
}

/* References [first, end) of the block: one space, one time bin. */
static void add_part(struct heat_cursor *cursor, const struct block_walk *walk, uint32_t space,
                     uint32_t time_bin, uint32_t first, uint32_t end)
{
    const struct ref_block *block = walk->block;
    const unsigned shift = walk->table->shape.page_shift;
    struct cell *row = cursor->cell + (size_t)time_bin * cursor->page_bins;
    for (uint32_t i = first; i < end; i++) {
        uint64_t page = block->addr[i] >> shift;
        struct memo *memo = cursor->memo + ((page ^ (uint64_t)space * 0x9e37u) & (MEMO_SLOTS - 1));
        if (memo->place.page != page || memo->place.space != space || memo->bin == NO_BIN) {
            memo->place = (struct place){.page = page, .space = space};
            memo->bin = bin_of_page(cursor, memo->place);
        }
        row[memo->bin].refs++;
        row[memo->bin].stores += (block->what[i] & REF_KIND_MASK) == REF_STORE;
    }
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Cuts the block where a run ends, a stream changes its space, or a time bin begins. */
static void add_block(struct heat_cursor *cursor, const struct block_walk *walk, int32_t *space)
{
    const struct ref_block *block = walk->block;
    bool clock = walk->table->shape.clock;
    uint32_t event = 0;
    uint32_t run = 0;
    uint32_t time_bin = 0;
    uint32_t time_end = 0; /* where the time bin ends in this block */
    for (uint32_t at = 0; at < block->refs;) {
        for (; event < block->events && block->event[event].position <= at; event++)
            if (block->event[event].type == EVENT_ASID &&
                block->event[event].stream < walk->table->shape.streams)
                space[block->event[event].stream] = (int32_t)block->event[event].args[0];
        while (run + 1 < block->runs && block->run[run + 1].first <= at)
            run++;
        if (at >= time_end) {
            uint64_t time = clock ? block->column[COLUMN_TIME][at] : block->first_ref + at;
            while (time_bin + 1 < cursor->time_bins && bin_start(cursor, time_bin + 1) <= time)
                time_bin++;
            uint64_t until =
                time_bin + 1 < cursor->time_bins ? bin_start(cursor, time_bin + 1) : UINT64_MAX;
            if (clock)
                for (time_end = at + 1;
                     time_end < block->refs && block->column[COLUMN_TIME][time_end] < until;)
                    time_end++;
            else
                time_end = until - block->first_ref < block->refs
                               ? (uint32_t)(until - block->first_ref)
                               : block->refs;
        }
        uint32_t end = smaller(block->refs, time_end);
        if (run + 1 < block->runs)
            end = smaller(end, block->run[run + 1].first);
        if (event < block->events)
            end = smaller(end, block->event[event].position);
        add_part(cursor, walk, (uint32_t)space[block->run[run].stream], time_bin, at, end);
        at = end;
    }
    for (; event < block->events; event++)
        if (block->event[event].type == EVENT_ASID &&
            block->event[event].stream < walk->table->shape.streams)
            space[block->event[event].stream] = (int32_t)block->event[event].args[0];
}

static int add_trace(struct heat_cursor *cursor, struct trace_table *table)
{
    struct block_walk walk = {0};
    int32_t *space = stream_facts(table->connection->db, table->shape.streams, "space");
    int rc =
        space == NULL ? SQLITE_NOMEM : block_walk_begin(&walk, table, COLUMN_BIT(COLUMN_TIME), 0);
    for (bool end = false; rc == SQLITE_OK;) {
        rc = block_walk_row(&walk, &end);
        if (rc != SQLITE_OK || end)
            break;
        rc = block_walk_decode(&walk);
        if (rc == SQLITE_OK)
            add_block(cursor, &walk, space);
    }
    block_walk_end(&walk);
    free(space);
    return rc;
}

/* To the next cell that was touched. */
static void find(struct heat_cursor *cursor)
{
    uint32_t cells = cursor->time_bins * cursor->page_bins;
    while (cursor->at < cells && cursor->cell[cursor->at].refs == 0)
        cursor->at++;
}

static int heat_filter(sqlite3_vtab_cursor *base, int number, const char *plan, int arguments,
                       sqlite3_value **argument)
{
    (void)number;
    (void)plan;
    struct heat_cursor *cursor = (struct heat_cursor *)base;
    struct trace_table *table = (struct trace_table *)base->pVtab;
    for (int i = 0; i < arguments; i++) {
        sqlite3_int64 bins = sqlite3_value_int64(argument[i]);
        if (sqlite3_value_numeric_type(argument[i]) != SQLITE_INTEGER || bins < 1 ||
            bins > BINS_MOST) {
            sqlite3_free(table->base.zErrMsg);
            table->base.zErrMsg =
                sqlite3_mprintf("heat wants integers from 1 to %d as its bins", BINS_MOST);
            return SQLITE_ERROR;
        }
        *(i == 0 ? &cursor->time_bins : &cursor->page_bins) = (uint32_t)bins;
    }
    cursor->at = 0;
    for (uint32_t i = 0; i < MEMO_SLOTS; i++)
        cursor->memo[i].bin = NO_BIN;
    int rc = cut_pages(cursor, table->connection->db);
    if (rc == SQLITE_OK)
        rc = measure_time(cursor, table->connection->db);
    if (rc != SQLITE_OK)
        return rc;
    free(cursor->cell);
    cursor->cell = calloc((size_t)cursor->time_bins * cursor->page_bins, sizeof *cursor->cell);
    if (cursor->cell == NULL)
        return SQLITE_NOMEM;
    rc = add_trace(cursor, table);
    find(cursor);
    return rc;
}

static int heat_next(sqlite3_vtab_cursor *base)
{
    struct heat_cursor *cursor = (struct heat_cursor *)base;
    cursor->at++;
    find(cursor);
    return SQLITE_OK;
}

static int heat_eof(sqlite3_vtab_cursor *base)
{
    const struct heat_cursor *cursor = (const struct heat_cursor *)base;
    return cursor->at >= cursor->time_bins * cursor->page_bins;
}

static int heat_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int field)
{
    const struct heat_cursor *cursor = (const struct heat_cursor *)base;
    uint32_t time_bin = cursor->at / cursor->page_bins;
    uint32_t page_bin = cursor->at % cursor->page_bins;
    const struct cell *cell = cursor->cell + cursor->at;
    uint64_t value = 0;
    switch (field) {
    case FIELD_TIME_BIN:
        value = time_bin;
        break;
    case FIELD_PAGE_BIN:
        value = page_bin;
        break;
    case FIELD_FIRST_TIME:
        value = bin_start(cursor, time_bin);
        break;
    case FIELD_FIRST_PAGE:
        value = cursor->first[page_bin].page;
        break;
    case FIELD_SPACE:
        value = cursor->first[page_bin].space;
        break;
    case FIELD_REFS:
        value = cell->refs;
        break;
    case FIELD_STORES:
        value = cell->stores;
        break;
    case FIELD_TIME_BINS:
        value = cursor->time_bins;
        break;
    default:
        value = cursor->page_bins;
    }
    sqlite3_result_int64(context, (sqlite3_int64)value);
    return SQLITE_OK;
}

static int heat_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid)
{
    *rowid = ((const struct heat_cursor *)base)->at;
    return SQLITE_OK;
}

const sqlite3_module heat_module = {
    .xConnect = heat_connect,
    .xBestIndex = heat_best_index,
    .xDisconnect = trace_table_disconnect,
    .xOpen = heat_open,
    .xClose = heat_close,
    .xFilter = heat_filter,
    .xNext = heat_next,
    .xEof = heat_eof,
    .xColumn = heat_column,
    .xRowid = heat_rowid,
};
