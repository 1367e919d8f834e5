#include "replayer/report/store_upgrade.h"

#include <stdbool.h>
#include <string.h>

#include "schema.h"

/* The text that made it, from malloc by SQLite; NULL: there is no such table or view. */
static char *text_of(sqlite3 *db, const char *name, int *code)
{
    sqlite3_stmt *statement = NULL;
    char *text = NULL;
    *code = sqlite3_prepare_v2(db, "SELECT sql FROM sqlite_schema WHERE name = ?", -1, &statement,
                               NULL);
    if (*code == SQLITE_OK)
        *code = sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    if (*code == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
        text = sqlite3_mprintf("%s", sqlite3_column_text(statement, 0));
    int end = sqlite3_finalize(statement);
    if (*code == SQLITE_OK)
        *code = end;
    return text;
}

static int execute(sqlite3 *db, char *sql)
{
    int code = sql == NULL ? SQLITE_NOMEM : sqlite3_exec(db, sql, NULL, NULL, NULL);
    sqlite3_free(sql);
    return code;
}

static int add_columns(sqlite3 *db, sqlite3 *fresh, const char *table)
{
    sqlite3_stmt *column = NULL;
    int code =
        sqlite3_prepare_v2(fresh, "SELECT name, type FROM pragma_table_info(?)", -1, &column, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_bind_text(column, 1, table, -1, SQLITE_STATIC);
    while (code == SQLITE_OK && sqlite3_step(column) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(column, 0);
        const char *type = (const char *)sqlite3_column_text(column, 1);
        if (sqlite3_table_column_metadata(db, NULL, table, name, NULL, NULL, NULL, NULL, NULL) !=
            SQLITE_OK)
            code = execute(db, sqlite3_mprintf("ALTER TABLE \"%w\" ADD COLUMN \"%w\" %s", table,
                                               name, type));
    }
    int end = sqlite3_finalize(column);
    return code == SQLITE_OK ? end : code;
}

/* A table or view of the schema as it is now. */
static int bring(sqlite3 *db, sqlite3 *fresh, const char *type, const char *name, const char *sql)
{
    int code = SQLITE_OK;
    char *old = text_of(db, name, &code);
    const bool view = strcmp(type, "view") == 0;
    const bool there = old != NULL, same = there && strcmp(old, sql) == 0;
    sqlite3_free(old);
    if (code != SQLITE_OK || same)
        return code;
    if (there && !view)
        return add_columns(db, fresh, name);
    if (there)
        code = execute(db, sqlite3_mprintf("DROP VIEW \"%w\"", name));
    return code == SQLITE_OK ? execute(db, sqlite3_mprintf("%s", sql)) : code;
}

int store_upgrade(sqlite3 *db)
{
    sqlite3 *fresh = NULL;
    sqlite3_stmt *each = NULL;
    int code = sqlite3_open(":memory:", &fresh);
    if (code == SQLITE_OK)
        code = sqlite3_exec(fresh, disco_schema_sql, NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_prepare_v2(fresh,
                                  "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL",
                                  -1, &each, NULL);
    while (code == SQLITE_OK && sqlite3_step(each) == SQLITE_ROW)
        code = bring(db, fresh, (const char *)sqlite3_column_text(each, 0),
                     (const char *)sqlite3_column_text(each, 1),
                     (const char *)sqlite3_column_text(each, 2));
    int end = sqlite3_finalize(each);
    (void)sqlite3_close(fresh);
    return code == SQLITE_OK ? end : code;
}
