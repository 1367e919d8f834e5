/* Blocks of the main database for the extension's tables: one walk over them, in order.
 *
 * Goes through the SQLite of the program that loaded the extension (sqlite3ext.h), so it shares
 * with the reader what a block is, and not how a database is opened.
 */
#ifndef DISCO_TRACE_EXTENSION_SOURCE_H
#define DISCO_TRACE_EXTENSION_SOURCE_H

#include <sqlite3ext.h>
/* what SQLITE_EXTENSION_INIT3 is; before block-row.h, whose inline functions need it */
extern const sqlite3_api_routines *sqlite3_api;

#include "collector/trace/block-row.h"

/* One per connection, shared by the modules and functions registered on it. */
struct connection {
    sqlite3 *db;
    unsigned users;
    uint64_t blocks_read;
};
void connection_release(void *connection);

/* The module data of the tables is the connection. */
extern const sqlite3_module refs_module, events_module, heat_module;

/* What a table knows of the trace. */
struct trace_shape {
    uint64_t refs, blocks;
    uint32_t columns;
    uint32_t streams;
    unsigned page_shift;
    bool clock;
};
/* Returns an SQLite result; *error from sqlite3_malloc. */
int trace_shape_load(sqlite3 *db, struct trace_shape *shape, char **error);

/* Where a stream starts, from trace_stream: `column` is cpu or space. -1 for NULL. From malloc. */
int32_t *stream_facts(sqlite3 *db, uint32_t streams, const char *column);

/* Every table of the extension starts with this. */
struct trace_table {
    sqlite3_vtab base;
    struct connection *connection;
    struct trace_shape shape;
};
/* Loads the shape and declares the table. */
int trace_table_connect(sqlite3 *db, void *connection, const char *declaration, sqlite3_vtab **out,
                        char **error);
int trace_table_disconnect(sqlite3_vtab *table);

/* A walk over blocks. Zero is a walk that was not begun. */
struct block_walk {
    struct trace_table *table;
    sqlite3_stmt *statement;
    struct codec *codec;
    struct ref_block *block;
    struct block_row row;
    uint64_t next;    /* the block that has to come */
    bool holds_block; /* `block` is decoded, whole */
};
/* Begins again, at block `first`, to decode `columns`. */
int block_walk_begin(struct block_walk *walk, struct trace_table *table, uint32_t columns,
                     uint64_t first);
/* Goes on to the next row, without decoding it; *end after the last. */
int block_walk_row(struct block_walk *walk, bool *end);
/* Decodes the block of this row, unless it is the one decoded last: the inner side of a join begins
 * again for every row of the outer one, and mostly in the same place. */
int block_walk_decode(struct block_walk *walk);
void block_walk_end(struct block_walk *walk);
/* Lets go of the database, keeps the buffers. */
void block_walk_pause(struct block_walk *walk);

#endif
