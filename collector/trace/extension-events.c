/* Table events: every event that is no reference, as a row. */
#include "collector/trace/extension-source.h"

#include <stdlib.h>

static const char declaration[] =
    "CREATE TABLE events (block INTEGER, event INTEGER, ref INTEGER, stream INTEGER, type TEXT, "
    "arg0 INTEGER, arg1 INTEGER, arg2 INTEGER, arg3 INTEGER, arg4 INTEGER)";

enum {
    FIELD_BLOCK,
    FIELD_EVENT,
    FIELD_REF,
    FIELD_STREAM,
    FIELD_TYPE,
    FIELD_ARG0,
};

struct events_cursor {
    sqlite3_vtab_cursor base;
    struct block_walk walk;
    uint64_t only; /* the one block asked for, or UINT64_MAX */
    sqlite3_int64 rowid;
    uint32_t at;
    bool at_end;
};

static int events_connect(sqlite3 *db, void *data, int arguments, const char *const *argument,
                          sqlite3_vtab **table, char **error)
{
    (void)arguments;
    (void)argument;
    return trace_table_connect(db, data, declaration, table, error);
}

/* One constraint is worth having: block = N. */
static int events_best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
    const struct trace_table *table = (const struct trace_table *)base;
    info->estimatedCost = (double)table->shape.refs + 1;
    for (int i = 0; i < info->nConstraint; i++) {
        if (info->aConstraint[i].usable && info->aConstraint[i].iColumn == FIELD_BLOCK &&
            info->aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_EQ) {
            info->aConstraintUsage[i].argvIndex = 1;
            info->estimatedCost = TRACE_BLOCK_EVENTS;
            break;
        }
    }
    return SQLITE_OK;
}

static int events_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out)
{
    (void)table;
    struct events_cursor *cursor = calloc(1, sizeof *cursor);
    if (cursor == NULL)
        return SQLITE_NOMEM;
    *out = &cursor->base;
    return SQLITE_OK;
}

static int events_close(sqlite3_vtab_cursor *base)
{
    struct events_cursor *cursor = (struct events_cursor *)base;
    block_walk_end(&cursor->walk);
    free(cursor);
    return SQLITE_OK;
}

/* Into the next block with events, when this one has no more. Others are not decoded. */
static int find(struct events_cursor *cursor)
{
    struct block_walk *walk = &cursor->walk;
    while (cursor->at >= walk->block->events) {
        bool end = false;
        int rc = block_walk_row(walk, &end);
        if (rc != SQLITE_OK)
            return rc;
        if (end || walk->row.number > cursor->only) {
            block_walk_pause(walk);
            cursor->at_end = true;
            return SQLITE_OK;
        }
        if (walk->row.events == 0)
            continue;
        rc = block_walk_decode(walk);
        if (rc != SQLITE_OK)
            return rc;
        cursor->at = 0;
    }
    return SQLITE_OK;
}

static int events_filter(sqlite3_vtab_cursor *base, int number, const char *plan, int arguments,
                         sqlite3_value **argument)
{
    (void)number;
    (void)plan;
    struct events_cursor *cursor = (struct events_cursor *)base;
    cursor->only = UINT64_MAX;
    cursor->rowid = 0;
    cursor->at = UINT32_MAX; /* in no block yet */
    cursor->at_end = false;
    uint64_t first = 0;
    if (arguments == 1) {
        if (sqlite3_value_numeric_type(argument[0]) != SQLITE_INTEGER ||
            sqlite3_value_int64(argument[0]) < 0) {
            cursor->at_end = true; /* SQLite compares again, so this need only be no block */
            return SQLITE_OK;
        }
        first = cursor->only = (uint64_t)sqlite3_value_int64(argument[0]);
    }
    int rc = block_walk_begin(&cursor->walk, (struct trace_table *)base->pVtab, 0, first);
    return rc == SQLITE_OK ? find(cursor) : rc;
}

static int events_next(sqlite3_vtab_cursor *base)
{
    struct events_cursor *cursor = (struct events_cursor *)base;
    cursor->at++;
    cursor->rowid++;
    return find(cursor);
}

static int events_eof(sqlite3_vtab_cursor *base)
{
    return ((const struct events_cursor *)base)->at_end;
}

static int events_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int field)
{
    const struct events_cursor *cursor = (const struct events_cursor *)base;
    const struct ref_block *block = cursor->walk.block;
    const struct trace_event *event = block->event + cursor->at;
    uint64_t ordinal = 0;
    switch (field) {
    case FIELD_BLOCK:
        sqlite3_result_int64(context, (sqlite3_int64)block->number);
        break;
    case FIELD_EVENT:
        sqlite3_result_int64(context, cursor->at);
        break;
    case FIELD_REF:
        ordinal = block->first_ref + event->position;
        sqlite3_result_int64(context, (sqlite3_int64)ordinal);
        break;
    case FIELD_STREAM:
        if (event->stream != UINT32_MAX)
            sqlite3_result_int64(context, event->stream);
        break;
    case FIELD_TYPE:
        if (event->type < EVENT_TYPES)
            sqlite3_result_text(context, event_type_names[event->type], -1, SQLITE_STATIC);
        break;
    default:
        sqlite3_result_int64(context, (sqlite3_int64)event->args[field - FIELD_ARG0]);
    }
    return SQLITE_OK;
}

static int events_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid)
{
    *rowid = ((const struct events_cursor *)base)->rowid;
    return SQLITE_OK;
}

const sqlite3_module events_module = {
    .xConnect = events_connect,
    .xBestIndex = events_best_index,
    .xDisconnect = trace_table_disconnect,
    .xOpen = events_open,
    .xClose = events_close,
    .xFilter = events_filter,
    .xNext = events_next,
    .xEof = events_eof,
    .xColumn = events_column,
    .xRowid = events_rowid,
};
