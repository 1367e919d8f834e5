/* The trace as a SQLite file: what writer, reader and the tools share.
 *
 * Opening with every refusal in one line, and SQLite's result codes in a user's words. Errors as in
 * writer.h: NULL, or one line to free.
 *
 * Journal: rollback, not WAL. A WAL trace could not be read in a read-only folder (SQLite must
 * write the -shm file, https://sqlite.org/wal.html "Read-Only Databases"). A recorder that is
 * killed between commits leaves a file that is whole by itself; one killed inside a commit leaves
 * a hot journal, which the next program that may write (sqlite3, or store_open here) rolls back.
 */
#ifndef DISCO_TRACE_STORE_H
#define DISCO_TRACE_STORE_H

#include "collector/trace/writer.h"

#include <sqlite3.h>

#define STORE_APPLICATION_ID 0x44697363 /* "Disc"; as in schema.sql */
#define STORE_SCHEMA_VERSION 1          /* PRAGMA user_version, as in schema.sql */

/* What SQLite's `rc` means for the file at `path`, and what to do. Never NULL but for want of
 * memory. */
char *store_error(sqlite3 *db, int rc, const char *path);

/* Opens a trace read only, and rolls back what a killed recorder left half done where it may.
 * Refuses what is not a trace and a schema version other than ours. */
char *store_open(const char *path, sqlite3 **out) MUST_CHECK;

/* Is this database a trace that we can read? NULL: yes. Otherwise why not (static text). */
const char *store_refusal(sqlite3_int64 application_id, sqlite3_int64 schema_version,
                          sqlite3_int64 pages);

#endif
