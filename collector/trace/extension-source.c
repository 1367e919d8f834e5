#include "collector/trace/extension-source.h"

#include "collector/trace/store.h"

#include <inttypes.h>
#include <stdlib.h>

void connection_release(void *data)
{
    struct connection *connection = data;
    if (--connection->users == 0)
        free(connection);
}

static sqlite3_int64 integer(sqlite3 *db, const char *sql, int *rc)
{
    sqlite3_stmt *row = NULL;
    sqlite3_int64 value = 0;
    if (*rc == SQLITE_OK)
        *rc = sqlite3_prepare_v2(db, sql, -1, &row, NULL);
    if (*rc == SQLITE_OK) {
        *rc = sqlite3_step(row);
        if (*rc == SQLITE_ROW) {
            value = sqlite3_column_int64(row, 0);
            *rc = SQLITE_OK;
        } else if (*rc == SQLITE_DONE) {
            *rc = SQLITE_CORRUPT;
        }
    }
    sqlite3_finalize(row);
    return value;
}

int trace_shape_load(sqlite3 *db, struct trace_shape *shape, char **error)
{
    int rc = SQLITE_OK;
    sqlite3_int64 id = integer(db, "PRAGMA main.application_id", &rc);
    sqlite3_int64 version = integer(db, "PRAGMA main.user_version", &rc);
    sqlite3_int64 pages = integer(db, "PRAGMA main.page_count", &rc);
    const char *refusal = rc == SQLITE_OK ? store_refusal(id, version, pages) : NULL;
    if (refusal != NULL) {
        *error = sqlite3_mprintf("the main database is %s", refusal);
        return SQLITE_ERROR;
    }
    sqlite3_int64 page_bytes = integer(db, "SELECT page_bytes FROM main.trace", &rc);
    sqlite3_int64 columns = integer(db, "SELECT columns FROM main.trace", &rc);
    sqlite3_int64 streams = integer(db, "SELECT count(*) FROM main.trace_stream", &rc);
    shape->refs = (uint64_t)integer(db, "SELECT refs FROM main.trace", &rc);
    shape->blocks = (uint64_t)integer(db, "SELECT blocks FROM main.trace", &rc);
    if (rc == SQLITE_OK &&
        (page_bytes < 512 || (page_bytes & (page_bytes - 1)) != 0 || columns < 0 ||
         columns >> REF_COLUMNS != 0 || streams < 0 || streams > INT32_MAX))
        rc = SQLITE_CORRUPT;
    if (rc != SQLITE_OK) {
        *error = sqlite3_mprintf("the trace cannot be read: %s", sqlite3_errstr(rc));
        return rc;
    }
    shape->columns = (uint32_t)columns;
    shape->streams = (uint32_t)streams;
    shape->page_shift = (unsigned)__builtin_ctzll((unsigned long long)page_bytes);
    shape->clock = (shape->columns & COLUMN_BIT(COLUMN_TIME)) != 0;
    return SQLITE_OK;
}

int32_t *stream_facts(sqlite3 *db, uint32_t streams, const char *column)
{
    int32_t *value = malloc(((size_t)streams + 1) * sizeof *value);
    char *sql = sqlite3_mprintf("SELECT %s FROM main.trace_stream ORDER BY stream", column);
    sqlite3_stmt *row = NULL;
    if (value != NULL && sql != NULL && sqlite3_prepare_v2(db, sql, -1, &row, NULL) == SQLITE_OK) {
        uint32_t stream = 0;
        for (; stream < streams && sqlite3_step(row) == SQLITE_ROW; stream++)
            value[stream] =
                sqlite3_column_type(row, 0) == SQLITE_NULL ? -1 : sqlite3_column_int(row, 0);
        for (; stream < streams; stream++)
            value[stream] = -1;
    } else {
        free(value);
        value = NULL;
    }
    sqlite3_finalize(row);
    sqlite3_free(sql);
    return value;
}

int trace_table_connect(sqlite3 *db, void *connection, const char *declaration, sqlite3_vtab **out,
                        char **error)
{
    struct trace_table *table = calloc(1, sizeof *table);
    if (table == NULL)
        return SQLITE_NOMEM;
    table->connection = connection;
    int rc = trace_shape_load(db, &table->shape, error);
    if (rc == SQLITE_OK)
        rc = sqlite3_declare_vtab(db, declaration);
    if (rc != SQLITE_OK) {
        free(table);
        return rc;
    }
    *out = &table->base;
    return SQLITE_OK;
}

int trace_table_disconnect(sqlite3_vtab *table)
{
    free(table);
    return SQLITE_OK;
}

/* Sets the message that SQLite shows. */
static int bad_block(struct block_walk *walk, uint64_t number, const char *why)
{
    sqlite3_free(walk->table->base.zErrMsg);
    walk->table->base.zErrMsg = sqlite3_mprintf("block %llu: %s", (unsigned long long)number, why);
    return SQLITE_CORRUPT_VTAB;
}

int block_walk_begin(struct block_walk *walk, struct trace_table *table, uint32_t columns,
                     uint64_t first)
{
    walk->table = table;
    if (walk->codec == NULL)
        walk->codec = codec_new();
    if (walk->block == NULL)
        walk->block = ref_block_new(columns & table->shape.columns);
    if (walk->codec == NULL || walk->block == NULL)
        return SQLITE_NOMEM;
    if (walk->statement == NULL) {
        int rc = sqlite3_prepare_v2(table->connection->db,
                                    BLOCK_ROW_SELECT "WHERE block >= ?1 ORDER BY block", -1,
                                    &walk->statement, NULL);
        if (rc != SQLITE_OK)
            return rc;
    }
    sqlite3_reset(walk->statement);
    walk->next = first < INT64_MAX ? first : INT64_MAX;
    sqlite3_bind_int64(walk->statement, 1, (sqlite3_int64)walk->next);
    return SQLITE_OK;
}

int block_walk_row(struct block_walk *walk, bool *end)
{
    *end = walk->next >= walk->table->shape.blocks;
    if (*end) {
        sqlite3_reset(walk->statement);
        return SQLITE_OK;
    }
    int rc = sqlite3_step(walk->statement);
    if (rc == SQLITE_DONE)
        return bad_block(walk, walk->next, "is missing");
    if ((rc & 0xff) == SQLITE_CORRUPT)
        return bad_block(walk, walk->next, "the pages of the file that hold it are damaged");
    if (rc != SQLITE_ROW)
        return rc;
    const char *why = block_row_read(walk->statement, &walk->row);
    if (why == NULL && walk->row.number != walk->next)
        why = "is missing";
    if (why != NULL)
        return bad_block(walk, walk->next, why);
    walk->next++;
    return SQLITE_OK;
}

int block_walk_decode(struct block_walk *walk)
{
    if (walk->holds_block && walk->block->number == walk->row.number)
        return SQLITE_OK;
    const char *why = block_row_data(walk->statement, &walk->row);
    if (why == NULL)
        why = block_row_decode(&walk->row, walk->codec, walk->table->shape.streams, walk->block);
    walk->table->connection->blocks_read++;
    walk->holds_block = why == NULL;
    return why == NULL ? SQLITE_OK : bad_block(walk, walk->row.number, why);
}

void block_walk_pause(struct block_walk *walk)
{
    sqlite3_reset(walk->statement);
}

void block_walk_end(struct block_walk *walk)
{
    sqlite3_finalize(walk->statement);
    codec_free(walk->codec);
    ref_block_free(walk->block);
    *walk = (struct block_walk){0};
}
