#include "collector/trace/store.h"

#include <string.h>

/* Column order of BLOCK_ROW_SELECT. */
enum {
    ROW_BLOCK,
    ROW_CODEC,
    ROW_FIRST_REF,
    ROW_REFS,
    ROW_EVENTS,
    ROW_FIRST_TIME,
    ROW_LAST_TIME,
    ROW_MIN_ADDR,
    ROW_MAX_ADDR,
    ROW_KINDS,
    ROW_STREAMS,
    ROW_CRC32C,
    ROW_DATA,
};

/* Integers below `limit`; anything else in the column is damage. */
static bool small(sqlite3_stmt *row, int column, uint64_t limit, uint32_t *out)
{
    sqlite3_int64 value = sqlite3_column_int64(row, column);
    *out = (uint32_t)value;
    return sqlite3_column_type(row, column) == SQLITE_INTEGER && value >= 0 &&
           (uint64_t)value <= limit;
}

const char *block_row_read(sqlite3_stmt *row, struct block_row *out)
{
    for (int i = ROW_BLOCK; i <= ROW_KINDS; i++)
        if (sqlite3_column_type(row, i) != SQLITE_INTEGER)
            return "its row is damaged";
    out->number = (uint64_t)sqlite3_column_int64(row, ROW_BLOCK);
    out->first_ref = (uint64_t)sqlite3_column_int64(row, ROW_FIRST_REF);
    out->first_time = (uint64_t)sqlite3_column_int64(row, ROW_FIRST_TIME);
    out->last_time = (uint64_t)sqlite3_column_int64(row, ROW_LAST_TIME);
    out->min_addr = (uint64_t)sqlite3_column_int64(row, ROW_MIN_ADDR);
    out->max_addr = (uint64_t)sqlite3_column_int64(row, ROW_MAX_ADDR);
    if (!small(row, ROW_CODEC, UINT32_MAX, &out->codec) ||
        !small(row, ROW_REFS, TRACE_BLOCK_REFS, &out->refs) ||
        !small(row, ROW_EVENTS, TRACE_BLOCK_EVENTS, &out->events) ||
        !small(row, ROW_KINDS, 15, &out->kinds) ||
        !small(row, ROW_CRC32C, UINT32_MAX, &out->crc32c))
        return "its row has a count out of range";
    if (out->codec != CODEC_VERSION)
        return "its encoding is of another version; use the Disco that wrote it";
    const void *streams = sqlite3_column_blob(row, ROW_STREAMS);
    if (streams == NULL || sqlite3_column_bytes(row, ROW_STREAMS) != (int)sizeof out->streams)
        return "its row is damaged";
    memcpy(out->streams, streams, sizeof out->streams);
    out->data = sqlite3_column_blob(row, ROW_DATA);
    out->data_bytes = (size_t)sqlite3_column_bytes(row, ROW_DATA);
    if (out->data == NULL || sqlite3_column_type(row, ROW_DATA) != SQLITE_BLOB)
        return "its row has no data";
    return NULL;
}

const char *block_row_decode(const struct block_row *row, struct codec *codec, uint32_t streams,
                             struct ref_block *block)
{
    if (crc32c(0, row->data, row->data_bytes) != row->crc32c)
        return "checksum differs";
    const char *why = codec_decode(codec, row->codec, row->data, row->data_bytes, block);
    if (why != NULL)
        return why;
    if (block->refs != row->refs || block->events != row->events)
        return "its counts differ from its row";
    for (uint32_t i = 0; i < block->runs; i++)
        if (block->run[i].stream >= streams)
            return "it has a stream that the trace does not list";
    for (uint32_t i = 0; i < block->events; i++)
        if (block->event[i].stream >= streams && block->event[i].stream != UINT32_MAX)
            return "it has an event of a stream that the trace does not list";
    block->number = row->number;
    block->first_ref = row->first_ref;
    block->first_time = row->first_time;
    block->last_time = row->last_time;
    return NULL;
}

void block_row_describe(const struct ref_block *block, struct block_row *row)
{
    row->number = block->number;
    row->first_ref = block->first_ref;
    row->refs = block->refs;
    row->events = block->events;
    uint64_t low = block->refs != 0 ? UINT64_MAX : 0;
    uint64_t high = 0;
    uint8_t seen[REF_KIND_MASK + 1] = {0};
    for (uint32_t i = 0; i < block->refs; i++) {
        low = block->addr[i] < low ? block->addr[i] : low;
        high = block->addr[i] > high ? block->addr[i] : high;
        seen[block->what[i] & REF_KIND_MASK] = 1;
    }
    row->min_addr = low;
    row->max_addr = high;
    row->kinds = (uint32_t)(seen[0] | seen[1] << 1 | seen[2] << 2 | seen[3] << 3);
    row->first_time = block->first_time;
    row->last_time = block->last_time;
    if (block->refs != 0 && (block->columns & COLUMN_BIT(COLUMN_TIME)) != 0) {
        row->first_time = block->column[COLUMN_TIME][0];
        row->last_time = block->column[COLUMN_TIME][block->refs - 1];
    }
    memset(row->streams, 0, sizeof row->streams);
    for (uint32_t i = 0; i < block->runs; i++) {
        uint32_t bit = block->run[i].stream % STORE_STREAM_BITS;
        row->streams[bit / 8] = (uint8_t)(row->streams[bit / 8] | 1u << bit % 8);
    }
}
