#include "replayer/report/store.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/trace/store.h"
#include "replayer/report/store_rows.h"
#include "replayer/report/store_upgrade.h"
#include "schema.h"

/* How long a recorder's or another replay's commit is waited for. */
#define BUSY_MS 5000

struct target {
    const char *path;
    bool is_trace; /* the trace's own database */
    bool is_new;   /* empty so far: wants the schema */
    sqlite3 *db;
};

static char *refused(const struct target *target, int code)
{
    int plain = code & 0xff;
    const char *advice = target->is_trace ? "use --results FILE, or --no-results"
                                          : "name another --results FILE, or use --no-results";
    if (plain == SQLITE_FULL)
        advice = "make room and try again; nothing was written";
    if (plain == SQLITE_BUSY || plain == SQLITE_LOCKED)
        advice = "another program writes it: wait for it, or use --results FILE";
    return say("%s: results cannot be written (%s); %s", target->path,
               target->db == NULL ? sqlite3_errstr(code) : sqlite3_errmsg(target->db), advice);
}

static int64_t number_of(sqlite3 *db, const char *sql, int *code)
{
    sqlite3_stmt *statement = NULL;
    int64_t number = 0;
    if (*code == SQLITE_OK)
        *code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (*code == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
        number = sqlite3_column_int64(statement, 0);
    int end = sqlite3_finalize(statement);
    if (*code == SQLITE_OK)
        *code = end;
    return number;
}

static int64_t runs_of_other_traces(sqlite3 *db, const char *checksum, int *code)
{
    sqlite3_stmt *statement = NULL;
    int64_t runs = 0;
    *code = sqlite3_prepare_v2(db, "SELECT count(*) FROM run WHERE trace_checksum <> ?", -1,
                               &statement, NULL);
    if (*code == SQLITE_OK)
        *code = sqlite3_bind_text(statement, 1, checksum, -1, SQLITE_STATIC);
    if (*code == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
        runs = sqlite3_column_int64(statement, 0);
    int end = sqlite3_finalize(statement);
    if (*code == SQLITE_OK)
        *code = end;
    return runs;
}

/* Is it ours, of our version, and about this trace? */
static char *look_at(struct target *target, const char *checksum)
{
    int code = SQLITE_OK;
    int64_t application = number_of(target->db, "PRAGMA application_id", &code);
    int64_t version = number_of(target->db, "PRAGMA user_version", &code);
    int64_t tables = number_of(target->db, "SELECT count(*) FROM sqlite_schema", &code);
    if (code != SQLITE_OK)
        return refused(target, code);
    target->is_new = application == 0 && tables == 0;
    if (target->is_new)
        return NULL;
    if (application != STORE_APPLICATION_ID)
        return say("%s: not a database of Disco; name another --results FILE", target->path);
    if (version != STORE_SCHEMA_VERSION)
        return say(
            "%s: has schema version %lld and this Disco writes %d; name another --results FILE",
            target->path, (long long)version, STORE_SCHEMA_VERSION);
    if (target->is_trace)
        return NULL;
    if (number_of(target->db, "SELECT count(*) FROM trace", &code) > 0 && code == SQLITE_OK)
        return say("%s: is another trace; name another --results FILE", target->path);
    if (code == SQLITE_OK && runs_of_other_traces(target->db, checksum, &code) > 0)
        return say("%s: holds results of another trace; name another --results FILE", target->path);
    return code == SQLITE_OK ? NULL : refused(target, code);
}

static bool same_file(const char *one, const char *other)
{
    struct stat a, b;
    return stat(one, &a) == 0 && stat(other, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* Opens it, begins the transaction, and looks. On an error everything is closed. */
static char *begin(struct target *target, const char *path, const char *trace_path,
                   const char *checksum)
{
    *target = (struct target){.path = path == NULL ? trace_path : path};
    target->is_trace = path == NULL || same_file(path, trace_path);
    int flags = SQLITE_OPEN_READWRITE | (target->is_trace ? 0 : SQLITE_OPEN_CREATE);
    int code = sqlite3_open_v2(target->path, &target->db, flags, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_busy_timeout(target->db, BUSY_MS);
    if (code == SQLITE_OK)
        code = sqlite3_exec(target->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    char *error = code == SQLITE_OK ? look_at(target, checksum) : refused(target, code);
    if (error == NULL && target->is_new) {
        code = sqlite3_exec(target->db, disco_schema_sql, NULL, NULL, NULL);
        if (code != SQLITE_OK)
            error = refused(target, code);
    }
    if (error != NULL)
        (void)sqlite3_close(target->db);
    return error;
}

/* Can a file be made there? Tried beside it: `path` itself may be made meanwhile by another replay,
 * whose results must not go with what is taken back here. */
static char *probe_new(const char *path)
{
    char *beside = say("%s.XXXXXX", path);
    int file = mkstemp(beside);
    char *error = NULL;
    if (file < 0)
        error = say("%s: results cannot be written (%s); name another --results FILE, or use "
                    "--no-results",
                    path, strerror(errno));
    else
        (void)unlink(beside);
    if (file >= 0)
        (void)close(file);
    free(beside);
    return error;
}

char *store_probe(const char *path, const char *trace_path, const char *checksum)
{
    if (path != NULL && access(path, F_OK) != 0)
        return probe_new(path);
    struct target target;
    char *error = begin(&target, path, trace_path, checksum);
    if (error != NULL)
        return error;
    /* A write that is taken back: only then does SQLite make its journal beside the file. */
    int code = sqlite3_exec(target.db, "CREATE TABLE disco_probe(x); ROLLBACK", NULL, NULL, NULL);
    error = code == SQLITE_OK ? NULL : refused(&target, code);
    (void)sqlite3_close(target.db);
    return error;
}

static char *write_all(struct target *target, const struct report *report,
                       struct progress *progress)
{
    struct row_writer writer = {.db = target->db, .report = report, .progress = progress};
    int code = target->is_new ? SQLITE_OK : store_upgrade(target->db);
    if (code == SQLITE_OK && !target->is_trace)
        code = store_region_rows(&writer);
    int64_t last = number_of(target->db, "SELECT coalesce(max(run_id), 0) FROM run", &code);
    for (size_t i = 0; i < report->runs && code == SQLITE_OK; i++) {
        report->results[i].run_id = last + 1 + (int64_t)i;
        code = store_run_rows(&writer, &report->results[i]);
    }
    if (code == SQLITE_OK)
        code = sqlite3_exec(target->db, "COMMIT", NULL, NULL, NULL);
    if (writer.stopped != NULL)
        return writer.stopped;
    return code == SQLITE_OK ? NULL : refused(target, code);
}

char *store_write(const char *path, const struct report *report)
{
    struct target target;
    char *error =
        begin(&target, path, report->trace, trace_reader_summary(report->reader)->checksum);
    if (error != NULL)
        return error;
    uint64_t rows = 0;
    for (size_t i = 0; i < report->runs; i++)
        rows +=
            memory_pages(report->results[i].run.memory) + report->results[i].run.record->actions;
    struct progress progress;
    progress_start(&progress, "storing", "rows", rows);
    error = write_all(&target, report, &progress);
    progress_end(&progress);
    (void)sqlite3_close(target.db); /* rolls back what was not committed */
    return error;
}
