#include "collector/trace/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Another program may hold the file for the length of a commit; recorders hold it much longer. */
#define BUSY_WAIT_MS 2000

static char *line(const char *path, const char *what)
{
    char *text = NULL;
    if (asprintf(&text, "%s: %s", path, what) < 0)
        return NULL;
    return text;
}

static char *line_errno(const char *path, const char *what, int error)
{
    char *text = NULL;
    if (asprintf(&text, "%s: %s: %s", path, what, strerror(error)) < 0)
        return NULL;
    return text;
}

/* SQLite's result codes that a user can do something about. */
static const struct {
    int rc;
    const char *text;
} meaning[] = {
    {SQLITE_FULL, "the disk is full; free some space (everything up to the last commit is kept)"},
    {SQLITE_NOTADB, "not a database; give a trace made by disco-record"},
    {SQLITE_CORRUPT, "the file is damaged; `disco-trace verify` says what of it is intact"},
    {SQLITE_BUSY, "another program is writing it; wait until that has ended"},
    {SQLITE_LOCKED, "another program is writing it; wait until that has ended"},
    {SQLITE_READONLY_ROLLBACK, "a recorder was killed in the middle of a commit, and this folder "
                               "cannot be written to undo it; "
                               "copy the file and its -journal to a folder that can"},
    {SQLITE_READONLY, "the file or its folder is read-only; make it writable or work on a copy"},
    {SQLITE_NOMEM, "out of memory"},
    {SQLITE_TOOBIG, "a value is larger than SQLite takes; the file is damaged"},
};

char *store_error(sqlite3 *db, int rc, const char *path)
{
    int extended = db != NULL ? sqlite3_extended_errcode(db) : rc;
    if ((extended & 0xff) != (rc & 0xff))
        extended = rc;
    for (size_t i = 0; i < sizeof meaning / sizeof *meaning; i++)
        if (meaning[i].rc == extended || meaning[i].rc == (rc & 0xff))
            return line(path, meaning[i].text);
    int error = db != NULL ? sqlite3_system_errno(db) : 0;
    if ((rc & 0xff) == SQLITE_CANTOPEN)
        return line_errno(path, "cannot be opened", error != 0 ? error : errno);
    if ((rc & 0xff) == SQLITE_IOERR && error == ENOSPC)
        return line(path, meaning[0].text);
    if ((rc & 0xff) == SQLITE_IOERR && error != 0)
        return line_errno(path, "cannot be read or written", error);
    return line(path, db != NULL ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
}

/* One integer from a pragma. */
static int pragma_value(sqlite3 *db, const char *sql, sqlite3_int64 *value)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(statement);
        if (rc == SQLITE_ROW) {
            *value = sqlite3_column_int64(statement, 0);
            rc = SQLITE_OK;
        } else if (rc == SQLITE_DONE) {
            rc = SQLITE_CORRUPT;
        }
    }
    sqlite3_finalize(statement);
    return rc;
}

const char *store_refusal(sqlite3_int64 application_id, sqlite3_int64 schema_version,
                          sqlite3_int64 pages)
{
    if (pages == 0)
        return "empty; the recording ended before its first commit, record again";
    if (application_id != STORE_APPLICATION_ID)
        return "a database, but not a trace; give a trace made by disco-record";
    if (schema_version != STORE_SCHEMA_VERSION)
        return "a trace of another version";
    return NULL;
}

static char *check_identity(sqlite3 *db, const char *path)
{
    sqlite3_int64 id = 0;
    sqlite3_int64 version = 0;
    sqlite3_int64 pages = 0;
    int rc = pragma_value(db, "PRAGMA main.page_count", &pages);
    if (rc == SQLITE_OK)
        rc = pragma_value(db, "PRAGMA main.application_id", &id);
    if (rc == SQLITE_OK)
        rc = pragma_value(db, "PRAGMA main.user_version", &version);
    if (rc != SQLITE_OK)
        return store_error(db, rc, path);
    const char *refusal = store_refusal(id, version, pages);
    if (refusal == NULL)
        return NULL;
    char *text = NULL;
    if (pages != 0 && id == STORE_APPLICATION_ID) {
        if (asprintf(&text,
                     "%s: a trace of version %lld, this Disco reads version %d; use the Disco that "
                     "wrote it%s",
                     path, (long long)version, STORE_SCHEMA_VERSION,
                     version > STORE_SCHEMA_VERSION ? " or a newer one" : "") < 0)
            return NULL;
        return text;
    }
    return line(path, refusal);
}

static char *open_and_check(const char *path, int flags, sqlite3 **out)
{
    int rc = sqlite3_open_v2(path, out, flags, NULL);
    if (rc != SQLITE_OK)
        return store_error(*out, rc, path);
    sqlite3_extended_result_codes(*out, 1);
    sqlite3_busy_timeout(*out, BUSY_WAIT_MS);
    return check_identity(*out, path);
}

char *store_open(const char *path, sqlite3 **out)
{
    *out = NULL;
    /* SQLite would say "unable to open" or "disk I/O error" for these. */
    struct stat file;
    if (stat(path, &file) != 0)
        return line_errno(path, "cannot be opened", errno);
    if (S_ISDIR(file.st_mode))
        return line(path, "a folder; give a trace made by disco-record");
    if (!S_ISREG(file.st_mode))
        return line(path, "not a file; give a trace made by disco-record");
    if (access(path, R_OK) != 0)
        return line_errno(path, "cannot be read", errno);

    char *error = open_and_check(path, SQLITE_OPEN_READONLY, out);
    if (error != NULL && sqlite3_extended_errcode(*out) == SQLITE_READONLY_ROLLBACK) {
        /* a recorder was killed inside a commit: whoever may write undoes the half of it */
        sqlite3_close(*out);
        sqlite3 *writable = NULL;
        char *recovery = open_and_check(path, SQLITE_OPEN_READWRITE, &writable);
        sqlite3_close(writable);
        free(recovery);
        free(error);
        error = open_and_check(path, SQLITE_OPEN_READONLY, out);
    }
    if (error != NULL) {
        sqlite3_close(*out);
        *out = NULL;
    }
    return error;
}
