/* The trace as a SQLite file: what writer, reader and the tools share.
 *
 * Opening with every refusal in one line, SQLite's result codes in a user's words, and a row of
 * trace_block as a struct with all its checks. Errors as in writer.h: NULL, or one line to free.
 *
 * Journal: rollback, not WAL. A WAL trace could not be read in a read-only folder (SQLite must
 * write the -shm file, https://sqlite.org/wal.html "Read-Only Databases"). A recorder that is
 * killed between commits leaves a file that is whole by itself; one killed inside a commit leaves
 * a hot journal, which the next program that may write (sqlite3, or store_open here) rolls back.
 */
#ifndef DISCO_TRACE_STORE_H
#define DISCO_TRACE_STORE_H

#include "collector/trace/codec.h"
#include "collector/trace/event.h"
#include "collector/trace/writer.h"

#include <sqlite3.h>

#define STORE_APPLICATION_ID 0x44697363 /* "Disc"; as in schema.sql */
#define STORE_SCHEMA_VERSION 1          /* PRAGMA user_version, as in schema.sql */
#define STORE_STREAM_BITS    256u       /* trace_block.streams: a bit for each (stream mod 256) */

/* What SQLite's `rc` means for the file at `path`, and what to do. Never NULL but for want of
 * memory. */
char *store_error(sqlite3 *db, int rc, const char *path);

/* Opens a trace read only, and rolls back what a killed recorder left half done where it may.
 * Refuses what is not a trace and a schema version other than ours. */
char *store_open(const char *path, sqlite3 **out) MUST_CHECK;

/* Is this database a trace that we can read? NULL: yes. Otherwise why not (static text). */
const char *store_refusal(sqlite3_int64 application_id, sqlite3_int64 schema_version,
                          sqlite3_int64 pages);

/* Everything of a row of trace_block. */
struct block_row {
    uint64_t number;
    uint32_t codec;
    uint64_t first_ref;
    uint32_t refs, events;
    uint64_t first_time, last_time;
    uint64_t min_addr, max_addr;
    uint32_t kinds; /* a bit each */
    uint32_t crc32c;
    uint8_t streams[STORE_STREAM_BITS / 8];
    const uint8_t *data; /* belongs to the statement */
    size_t data_bytes;
};

/* The columns in the order that block_row_read expects; put WHERE after it. */
#define BLOCK_ROW_SELECT                                                                           \
    "SELECT block, codec, first_ref, refs, events, first_time, last_time, min_addr, max_addr, "    \
    "kinds, streams, crc32c, data FROM main.trace_block "

/* Takes a row apart. Returns what is wrong with it (static text), or NULL. */
const char *block_row_read(sqlite3_stmt *row, struct block_row *out);

/* Checks the stored bytes and decodes them. `clock`: the trace has a time column; otherwise the
 * block's times are ordinals. Returns what is wrong (static text), or NULL. */
const char *block_row_decode(const struct block_row *row, struct codec *codec, uint32_t streams,
                             struct ref_block *block);

/* Fills in what trace_block says about a block: counts, addresses, kinds, streams and, with
 * `clock`, times of its time column. Leaves codec, CRC and data alone. */
void block_row_describe(const struct ref_block *block, struct block_row *row);

#endif
