/* A row of table trace_block as a struct, with all its checks.
 *
 * Reading a row is inline because the loadable extension must call the SQLite of the program that
 * loaded it, by way of sqlite3ext.h, where everyone else calls the library: include sqlite3.h or
 * sqlite3ext.h first.
 */
#ifndef DISCO_TRACE_BLOCK_ROW_H
#define DISCO_TRACE_BLOCK_ROW_H

#include "collector/trace/codec.h"
#include "collector/trace/event.h"

#include <sqlite3.h>
#include <string.h>

#define ROW_STREAM_BITS 256u /* trace_block.streams: a bit for each (stream mod 256) */

struct block_row {
    uint64_t number;
    uint32_t codec;
    uint64_t first_ref;
    uint32_t refs, events;
    uint64_t first_time, last_time;
    uint64_t min_addr, max_addr;
    uint32_t kinds; /* a bit each */
    uint32_t crc32c;
    uint8_t streams[ROW_STREAM_BITS / 8];
    const uint8_t *data; /* belongs to the statement */
    size_t data_bytes;
};

/* The columns in the order that block_row_read expects; put WHERE after it. */
#define BLOCK_ROW_SELECT                                                                           \
    "SELECT block, first_ref, first_time, last_time, min_addr, max_addr, codec, refs, events, "    \
    "kinds, crc32c, streams, data FROM main.trace_block "

enum {
    ROW_WIDE = 6,   /* as many columns of 64 bits come first */
    ROW_NARROW = 5, /* then as many of at most 32 bits */
    ROW_STREAMS = ROW_WIDE + ROW_NARROW,
    ROW_DATA,
};

/* Checks the stored bytes and decodes them; block_row_data first. Refuses streams from `streams`
 * on. Returns what is wrong (static text), or NULL. */
const char *block_row_decode(const struct block_row *row, struct codec *codec, uint32_t streams,
                             struct ref_block *block);

/* Fills in what trace_block says about a block: counts, addresses, kinds, streams and times (of
 * its time column where it has one). Leaves codec, CRC and data alone. */
void block_row_describe(const struct ref_block *block, struct block_row *row);

/* Takes a row apart, all but its data. Returns what is wrong with it (static text), or NULL. */
static inline const char *block_row_read(sqlite3_stmt *statement, struct block_row *row)
{
    uint64_t *const wide[ROW_WIDE] = {&row->number,    &row->first_ref, &row->first_time,
                                      &row->last_time, &row->min_addr,  &row->max_addr};
    uint32_t *const narrow[ROW_NARROW] = {&row->codec, &row->refs, &row->events, &row->kinds,
                                          &row->crc32c};
    static const uint32_t most[ROW_NARROW] = {UINT32_MAX, TRACE_BLOCK_REFS, TRACE_BLOCK_EVENTS, 15,
                                              UINT32_MAX};
    for (int i = 0; i < ROW_WIDE; i++) {
        if (sqlite3_column_type(statement, i) != SQLITE_INTEGER)
            return "its row is damaged";
        *wide[i] = (uint64_t)sqlite3_column_int64(statement, i);
    }
    for (int i = 0; i < ROW_NARROW; i++) {
        sqlite3_int64 value = sqlite3_column_int64(statement, ROW_WIDE + i);
        if (sqlite3_column_type(statement, ROW_WIDE + i) != SQLITE_INTEGER || value < 0 ||
            value > most[i])
            return "its row is damaged";
        *narrow[i] = (uint32_t)value;
    }
    if (row->codec != CODEC_VERSION)
        return "its encoding is of another version; use the Disco that wrote it";
    const void *streams = sqlite3_column_blob(statement, ROW_STREAMS);
    if (streams == NULL || sqlite3_column_bytes(statement, ROW_STREAMS) != (int)sizeof row->streams)
        return "its row is damaged";
    memcpy(row->streams, streams, sizeof row->streams);
    return NULL;
}

/* Then its data, which is what takes time. */
static inline const char *block_row_data(sqlite3_stmt *statement, struct block_row *row)
{
    if (sqlite3_column_type(statement, ROW_DATA) != SQLITE_BLOB)
        return "its row has no data";
    row->data = sqlite3_column_blob(statement, ROW_DATA);
    row->data_bytes = (size_t)sqlite3_column_bytes(statement, ROW_DATA);
    return row->data != NULL ? NULL : "its data cannot be read from the file";
}

#endif
