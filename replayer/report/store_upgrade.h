/* Brings an older database of the same schema version up to schema.sql: tables that it has not are
 * made, columns that its tables have not are added (empty in old rows, so they must allow NULL), and
 * views are made anew where they differ. Rows are left alone. */
#ifndef DISCO_REPORT_STORE_UPGRADE_H
#define DISCO_REPORT_STORE_UPGRADE_H

#include <sqlite3.h>

/* In the caller's transaction. SQLITE_OK, or its code; sqlite3_errmsg(db) says more. */
int store_upgrade(sqlite3 *db);

#endif
