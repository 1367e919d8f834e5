#include "collector/sources/import-sort.h"

#include <sqlite3.h>
#include <stdlib.h>

struct import_sort {
    sqlite3 *database;
    sqlite3_stmt *insert;
};

static char *fail(const struct import_sort *sort)
{
    return import_error("--sort: the temporary database: %s; it needs room where TMPDIR points",
                        sort->database != NULL ? sqlite3_errmsg(sort->database) : "out of memory");
}

char *import_sort_new(struct import_sort **out)
{
    struct import_sort *sort = calloc(1, sizeof *sort);
    if (sort == NULL) {
        return import_error("out of memory");
    }
    /* the empty name is a private database on disk that is gone when it is closed */
    if (sqlite3_open("", &sort->database) != SQLITE_OK ||
        sqlite3_exec(
            sort->database,
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA temp_store = FILE;"
            "CREATE TABLE refs (time INTEGER, ref BLOB); BEGIN",
            NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(sort->database, "INSERT INTO refs VALUES (?, ?)", -1, &sort->insert,
                           NULL) != SQLITE_OK) {
        char *error = fail(sort);
        import_sort_free(sort);
        return error;
    }
    *out = sort;
    return NULL;
}

void import_sort_free(struct import_sort *sort)
{
    if (sort != NULL) {
        sqlite3_finalize(sort->insert);
        sqlite3_close(sort->database);
        free(sort);
    }
}

char *import_sort_add(struct import_sort *sort, const struct import_ref *ref)
{
    /* times are unsigned: the top bit turned over makes SQLite's signed order theirs */
    sqlite3_bind_int64(sort->insert, 1, (int64_t)(ref->column[COLUMN_TIME] ^ UINT64_C(1) << 63));
    sqlite3_bind_blob(sort->insert, 2, ref, sizeof *ref, SQLITE_STATIC);
    bool done = sqlite3_step(sort->insert) == SQLITE_DONE;
    return sqlite3_reset(sort->insert) == SQLITE_OK && done ? NULL : fail(sort);
}

char *import_sort_drain(struct import_sort *sort,
                        char *(*take)(void *context, const struct import_ref *ref), void *context)
{
    sqlite3_stmt *select = NULL;
    if (sqlite3_prepare_v2(sort->database, "SELECT ref FROM refs ORDER BY time, rowid", -1, &select,
                           NULL) != SQLITE_OK) {
        return fail(sort);
    }
    char *error = NULL;
    int step = SQLITE_ROW;
    struct import_ref ref;
    while (error == NULL && (step = sqlite3_step(select)) == SQLITE_ROW) {
        memcpy(&ref, sqlite3_column_blob(select, 0), sizeof ref);
        error = take(context, &ref);
    }
    if (error == NULL && step != SQLITE_DONE) {
        error = fail(sort);
    }
    sqlite3_finalize(select);
    return error;
}
