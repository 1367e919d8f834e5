/* Table refs: every reference as a row, and constraints that skip blocks. */
#include "collector/trace/extension-filter.h"
#include "collector/trace/extension-source.h"

#include <stdlib.h>

static const char declaration[] =
    "CREATE TABLE refs (time INTEGER, stream INTEGER, addr INTEGER, kind TEXT, mode TEXT, page "
    "INTEGER, "
    "ip INTEGER, phys INTEGER, latency INTEGER, source INTEGER, weight INTEGER, size INTEGER, "
    "cpu INTEGER, block INTEGER, ref INTEGER)";

struct refs_cursor {
    sqlite3_vtab_cursor base;
    struct block_walk walk;
    struct filter filter;
    bool wants_cpu, at_end;
    uint32_t at, end;      /* this reference; after the last of the block that can match */
    uint32_t run, run_end; /* the run that holds `at`, and where it ends */
    uint32_t event;        /* events of the block before `at` are applied */
    int32_t *cpu;          /* [streams] where each one runs; -1 not known */
};

static int refs_connect(sqlite3 *db, void *data, int arguments, const char *const *argument,
                        sqlite3_vtab **table, char **error)
{
    (void)arguments;
    (void)argument;
    return trace_table_connect(db, data, declaration, table, error);
}

static int refs_best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
    const struct trace_table *table = (const struct trace_table *)base;
    return filter_plan(info, table->shape.refs, table->shape.blocks);
}

static int refs_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out)
{
    (void)table;
    struct refs_cursor *cursor = calloc(1, sizeof *cursor);
    if (cursor == NULL)
        return SQLITE_NOMEM;
    *out = &cursor->base;
    return SQLITE_OK;
}

static int refs_close(sqlite3_vtab_cursor *base)
{
    struct refs_cursor *cursor = (struct refs_cursor *)base;
    block_walk_end(&cursor->walk);
    free(cursor->cpu);
    free(cursor);
    return SQLITE_OK;
}

/* Brings the streams' CPUs up to the events before reference `at` of the block. */
static void apply_dispatches(struct refs_cursor *cursor, uint32_t at)
{
    const struct ref_block *block = cursor->walk.block;
    for (; cursor->event < block->events && block->event[cursor->event].position <= at;
         cursor->event++) {
        const struct trace_event *event = block->event + cursor->event;
        if (event->type == EVENT_DISPATCH && event->stream < cursor->walk.table->shape.streams)
            cursor->cpu[event->stream] = event->args[0] <= INT32_MAX ? (int32_t)event->args[0] : -1;
    }
}

/* First index in [0, refs] whose time is at least `time`. */
static uint32_t lower_bound(const uint64_t *time, uint32_t refs, sqlite3_int64 wanted)
{
    uint32_t low = 0;
    uint32_t high = refs;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if ((sqlite3_int64)time[middle] < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* References of the block that ordinal and time let through: [at, end). */
static void narrow(struct refs_cursor *cursor)
{
    const struct ref_block *block = cursor->walk.block;
    struct range ordinal = cursor->filter.range[FILTER_REF];
    const struct range *time = &cursor->filter.range[FILTER_TIME];
    uint32_t at = 0;
    uint32_t end = block->refs;
    if (cursor->walk.table->shape.clock && block->column[COLUMN_TIME] == NULL) {
        /* the query neither asks for times nor limits them: they were not decoded */
    } else if (cursor->walk.table->shape.clock) {
        at = lower_bound(block->column[COLUMN_TIME], end, time->low);
        if (time->high < INT64_MAX)
            end = lower_bound(block->column[COLUMN_TIME], end, time->high + 1);
    } else {
        ordinal.low = time->low > ordinal.low ? time->low : ordinal.low;
        ordinal.high = time->high < ordinal.high ? time->high : ordinal.high;
    }
    sqlite3_int64 first = (sqlite3_int64)block->first_ref;
    if (ordinal.low > first + at)
        at = ordinal.low - first < block->refs ? (uint32_t)(ordinal.low - first) : block->refs;
    if (ordinal.high < first + (sqlite3_int64)end - 1)
        end = ordinal.high < first ? 0 : (uint32_t)(ordinal.high - first + 1);
    cursor->at = at;
    cursor->end = end;
    cursor->run = 0;
    cursor->run_end = block->runs > 1 ? block->run[1].first : block->refs;
    cursor->event = 0;
}

/* Goes from `at` on to the first reference of the block that matches; false when there is none. */
static bool find_in_block(struct refs_cursor *cursor)
{
    const struct ref_block *block = cursor->walk.block;
    const struct filter *filter = &cursor->filter;
    uint32_t at = cursor->at;
    while (at < cursor->end) {
        if (at >= cursor->run_end) {
            cursor->run++;
            cursor->run_end =
                cursor->run + 1 < block->runs ? block->run[cursor->run + 1].first : block->refs;
            continue;
        }
        if (!in_range(&filter->range[FILTER_STREAM], block->run[cursor->run].stream)) {
            at = cursor->run_end;
            continue;
        }
        if (!filter->looks_inside) {
            cursor->at = at;
            return true;
        }
        uint32_t end = cursor->run_end < cursor->end ? cursor->run_end : cursor->end;
        for (; at < end; at++) {
            if (filter_passes(filter, block->addr[at], block->what[at])) {
                cursor->at = at;
                return true;
            }
        }
    }
    cursor->at = at;
    return false;
}

/* From the place of the cursor on, into further blocks where need be. */
static int find(struct refs_cursor *cursor)
{
    struct block_walk *walk = &cursor->walk;
    while (!find_in_block(cursor)) {
        if (cursor->wants_cpu)
            apply_dispatches(cursor, UINT32_MAX);
        bool end = false;
        int rc = block_walk_row(walk, &end);
        if (rc != SQLITE_OK)
            return rc;
        if (end || filter_is_over(&cursor->filter, &walk->row)) {
            block_walk_pause(walk);
            cursor->at_end = true;
            return SQLITE_OK;
        }
        bool matches = filter_block(&cursor->filter, &walk->row);
        if (!matches && !(cursor->wants_cpu && walk->row.events != 0))
            continue;
        rc = block_walk_decode(walk);
        if (rc != SQLITE_OK)
            return rc;
        narrow(cursor);
        if (!matches)
            cursor->at = cursor->end = 0; /* only for its dispatches */
    }
    if (cursor->wants_cpu)
        apply_dispatches(cursor, cursor->at);
    return SQLITE_OK;
}

static int refs_filter(sqlite3_vtab_cursor *base, int used, const char *plan, int arguments,
                       sqlite3_value **argument)
{
    struct refs_cursor *cursor = (struct refs_cursor *)base;
    struct trace_table *table = (struct trace_table *)base->pVtab;
    int rc = filter_begin(&cursor->filter, plan, arguments, argument, &table->shape);
    if (rc != SQLITE_OK)
        return rc;
    cursor->wants_cpu = (used & 1 << FIELD_CPU) != 0;
    cursor->at_end = filter_is_empty(&cursor->filter);
    cursor->at = cursor->end = 0;
    cursor->event = UINT32_MAX; /* in no block yet */
    if (cursor->at_end)
        return SQLITE_OK;
    if (cursor->wants_cpu) {
        free(cursor->cpu);
        cursor->cpu = stream_facts(table->connection->db, table->shape.streams, "cpu");
        if (cursor->cpu == NULL)
            return SQLITE_NOMEM;
    }
    uint32_t columns = filter_columns(&cursor->filter, used);
    /* dispatches of all blocks before decide where a stream is */
    uint64_t first =
        cursor->wants_cpu ? 0 : filter_first_block(&cursor->filter, table->shape.clock);
    rc = block_walk_begin(&cursor->walk, table, columns, first);
    return rc == SQLITE_OK ? find(cursor) : rc;
}

static int refs_next(sqlite3_vtab_cursor *base)
{
    struct refs_cursor *cursor = (struct refs_cursor *)base;
    cursor->at++;
    /* the common case without a call: nothing to look at before the run ends */
    if (!cursor->filter.looks_inside && !cursor->wants_cpu && cursor->at < cursor->run_end &&
        cursor->at < cursor->end)
        return SQLITE_OK;
    return find(cursor);
}

static int refs_eof(sqlite3_vtab_cursor *base)
{
    return ((const struct refs_cursor *)base)->at_end;
}

static void result_name(sqlite3_context *context, const char *const *name, unsigned which)
{
    sqlite3_result_text(context, name[which], -1, SQLITE_STATIC);
}

static int refs_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int field)
{
    static const int8_t column_of[FIELDS] = {
        [FIELD_IP] = COLUMN_IP,           [FIELD_PHYS] = COLUMN_PHYS,
        [FIELD_LATENCY] = COLUMN_LATENCY, [FIELD_SOURCE] = COLUMN_SOURCE,
        [FIELD_WEIGHT] = COLUMN_WEIGHT,   [FIELD_SIZE] = COLUMN_SIZE,
    };
    const struct refs_cursor *cursor = (const struct refs_cursor *)base;
    const struct ref_block *block = cursor->walk.block;
    const struct trace_shape *shape = &cursor->walk.table->shape;
    uint32_t at = cursor->at;
    uint64_t ordinal = block->first_ref + at;
    switch (field) {
    case FIELD_TIME:
        sqlite3_result_int64(context, (sqlite3_int64)(shape->clock ? block->column[COLUMN_TIME][at]
                                                                   : ordinal));
        break;
    case FIELD_STREAM:
        sqlite3_result_int64(context, block->run[cursor->run].stream);
        break;
    case FIELD_ADDR:
        sqlite3_result_int64(context, (sqlite3_int64)block->addr[at]);
        break;
    case FIELD_KIND:
        result_name(context, ref_kind_names, block->what[at] & REF_KIND_MASK);
        break;
    case FIELD_MODE:
        result_name(context, ref_mode_names, (block->what[at] & REF_MODE_KERNEL) != 0);
        break;
    case FIELD_PAGE:
        sqlite3_result_int64(context, (sqlite3_int64)(block->addr[at] >> shape->page_shift));
        break;
    case FIELD_CPU: {
        int32_t cpu = cursor->cpu != NULL ? cursor->cpu[block->run[cursor->run].stream] : -1;
        if (cpu >= 0)
            sqlite3_result_int(context, cpu);
        break;
    }
    case FIELD_BLOCK:
        sqlite3_result_int64(context, (sqlite3_int64)block->number);
        break;
    case FIELD_REF:
        sqlite3_result_int64(context, (sqlite3_int64)ordinal);
        break;
    default: /* an optional column; NULL where the trace has it not */
        if ((shape->columns & block->columns & COLUMN_BIT(column_of[field])) != 0)
            sqlite3_result_int64(context, (sqlite3_int64)block->column[column_of[field]][at]);
    }
    return SQLITE_OK;
}

static int refs_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid)
{
    const struct refs_cursor *cursor = (const struct refs_cursor *)base;
    uint64_t ordinal = cursor->walk.block->first_ref + cursor->at;
    *rowid = (sqlite3_int64)ordinal;
    return SQLITE_OK;
}

const sqlite3_module refs_module = {
    .xConnect = refs_connect, /* no xCreate: the table is there without being made */
    .xBestIndex = refs_best_index,
    .xDisconnect = trace_table_disconnect,
    .xOpen = refs_open,
    .xClose = refs_close,
    .xFilter = refs_filter,
    .xNext = refs_next,
    .xEof = refs_eof,
    .xColumn = refs_column,
    .xRowid = refs_rowid,
};
