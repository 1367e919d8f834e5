#include "plots/store.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plots/text.h"

/* schema.sql: "Disc", and the version of the tables that the scripts ask. */
#define APPLICATION_ID 0x44697363
#define SCHEMA_VERSION 1

struct store {
    sqlite3 *db;
    char *trace, *results; /* file names, for messages */
};

/* A run's label is its policy and those of its parameters that tell it from other chosen runs of
 * that policy on that machine; long ones are cut; runs that are still alike get their number. */
static const char choose_sql[] =
    "CREATE TEMP TABLE chosen AS"
    " WITH picked AS (SELECT run.* FROM run JOIN asked USING (run_id)),"
    " parameter AS (SELECT p.run_id, p.machine, p.policy, j.key, j.atom AS value FROM picked p,"
    "  json_each(CASE WHEN json_valid(p.parameters) THEN p.parameters ELSE '{}' END) j),"
    " differs AS (SELECT machine, policy, key FROM parameter GROUP BY machine, policy, key"
    "  HAVING count(DISTINCT value) > 1),"
    " named AS (SELECT p.run_id, p.machine, p.policy || coalesce((SELECT ' ' || group_concat(key "
    "|| '=' ||"
    "  value, ' ') FROM parameter q JOIN differs USING (machine, policy, key)"
    "  WHERE q.run_id = p.run_id), '') AS label FROM picked p),"
    " cut AS (SELECT run_id, machine, CASE WHEN length(label) > 30 THEN substr(label, 1, 29) || '…'"
    "  ELSE label END AS label FROM named)"
    " SELECT run_id, machine, CASE WHEN count(*) OVER (PARTITION BY machine, label) > 1"
    "  THEN label || ' #' || run_id ELSE label END AS label FROM cut";

static char *sql_error(const struct store *store)
{
    return text_message("%s: %s; check it with disco-trace verify, or replay again", store->trace,
                        sqlite3_errmsg(store->db));
}

static char *run_sql(struct store *store, const char *sql)
{
    return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK ? NULL : sql_error(store);
}

/* A statement with its parameters; those that the query does not name are left out. */
static char *prepare(struct store *store, const char *sql, struct grid grid, sqlite3_stmt **out)
{
    if (sqlite3_prepare_v2(store->db, sql, -1, out, NULL) != SQLITE_OK)
        return sql_error(store);
    const struct {
        const char *name;
        int value;
    } parameters[] = {{":grid_x", grid.x}, {":grid_y", grid.y}};
    for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++) {
        int index = sqlite3_bind_parameter_index(*out, parameters[i].name);
        if (index > 0)
            sqlite3_bind_int(*out, index, parameters[i].value);
    }
    return NULL;
}

/* Closes a statement; `code` is what its last step gave. */
static char *finish(const struct store *store, sqlite3_stmt *statement, int code)
{
    char *why = code == SQLITE_DONE || code == SQLITE_ROW ? NULL : sql_error(store);
    sqlite3_finalize(statement);
    return why;
}

/* The path as a URI, so that it can carry options: everything but letters, digits and "/._-" is
 * %XX. */
static char *file_uri(const char *path, const char *options)
{
    size_t room = strlen(path) * 3 + strlen(options) + sizeof "file:";
    char *uri = malloc(room);
    if (uri == NULL)
        return NULL;
    char *at = stpcpy(uri, "file:");
    for (; *path != '\0'; path++) {
        unsigned char c = (unsigned char)*path;
        bool plain = (c >= '0' && c <= '9') || ((c | 0x20u) >= 'a' && (c | 0x20u) <= 'z');
        if (plain || (c < 0x80 && strchr("/._-", c) != NULL))
            *at++ = (char)c;
        else
            at += sprintf(at, "%%%02X", c);
    }
    strcpy(at, options);
    return uri;
}

/* A database in WAL mode in a folder where nothing can be written opens only as immutable, which is
 * safe where no other process has left a log beside it (sqlite.org/wal.html, "Read-Only
 * Databases"). */
static bool may_be_immutable(const char *path)
{
    char *log = text_message("%s-wal", path);
    bool there = access(log, F_OK) == 0;
    free(log);
    return !there;
}

static int open_read_only(const char *path, bool immutable, sqlite3 **db)
{
    char *uri = file_uri(path, immutable ? "?mode=ro&immutable=1" : "?mode=ro");
    if (uri == NULL)
        return SQLITE_NOMEM;
    int code = sqlite3_open_v2(uri, db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
    free(uri);
    if (code == SQLITE_OK)
        code = sqlite3_exec(*db, "SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);
    return code;
}

static char *pragma_number(struct store *store, const char *pragma, int64_t *out)
{
    sqlite3_stmt *statement;
    char *why = prepare(store, pragma, (struct grid){0}, &statement);
    if (why != NULL)
        return why;
    int code = sqlite3_step(statement);
    *out = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    return finish(store, statement, code);
}

static char *check_kind(struct store *store, const char *schema, const char *file)
{
    char pragma[64];
    int64_t id = 0, version = 0;
    snprintf(pragma, sizeof pragma, "PRAGMA %s.application_id", schema);
    char *why = pragma_number(store, pragma, &id);
    snprintf(pragma, sizeof pragma, "PRAGMA %s.user_version", schema);
    if (why == NULL)
        why = pragma_number(store, pragma, &version);
    if (why != NULL)
        return why;
    if (id != APPLICATION_ID)
        return text_message(
            "%s: not a trace of Disco; give what disco-record or disco-replay wrote", file);
    if (version != SCHEMA_VERSION)
        return text_message(
            "%s: schema version %lld, this disco-plot knows %d; use the Disco that wrote it", file,
            (long long)version, SCHEMA_VERSION);
    return NULL;
}

/* With a file of results, its tables take the place of the trace's own. */
static char *attach_results(struct store *store)
{
    static const char *const tables[] = {"run",      "run_metric",  "run_cpu",
                                         "run_node", "run_traffic", "run_epoch",
                                         "run_page", "run_region",  "run_action"};
    bool immutable = access(store->results, R_OK) == 0 && may_be_immutable(store->results);
    char *why = NULL;
    for (int attempt = 0; attempt < 2; attempt++) {
        char *uri = file_uri(store->results, attempt > 0 ? "?mode=ro&immutable=1" : "?mode=ro");
        char *sql =
            sqlite3_mprintf("ATTACH %Q AS results; SELECT count(*) FROM results.sqlite_schema",
                            uri);
        int code = sql != NULL ? sqlite3_exec(store->db, sql, NULL, NULL, NULL) : SQLITE_NOMEM;
        sqlite3_free(sql);
        free(uri);
        free(why);
        why = NULL;
        if (code == SQLITE_OK)
            break;
        why = text_message("%s: cannot be read: %s", store->results, sqlite3_errmsg(store->db));
        if (code != SQLITE_CANTOPEN || !immutable)
            return why;
        sqlite3_exec(store->db, "DETACH results", NULL, NULL, NULL);
    }
    if (why == NULL)
        why = check_kind(store, "results", store->results);
    for (size_t i = 0; why == NULL && i < sizeof tables / sizeof *tables; i++) {
        char *sql = sqlite3_mprintf("CREATE TEMP VIEW %s AS SELECT * FROM results.%s", tables[i],
                                    tables[i]);
        why = sql != NULL ? run_sql(store, sql) : text_message("out of memory");
        sqlite3_free(sql);
    }
    return why;
}

static char *load_extension(struct store *store, const char *path)
{
    char *problem = NULL;
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL);
    int code = sqlite3_load_extension(store->db, path, NULL, &problem);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    char *why = code == SQLITE_OK
                    ? NULL
                    : text_message("%s: cannot be loaded: %s; build it with make", path,
                                   problem != NULL ? problem : "no reason given");
    sqlite3_free(problem);
    return why;
}

char *store_open(const char *trace, const char *results, const char *extension, struct store **out)
{
    struct store *store = calloc(1, sizeof *store);
    *out = store;
    if (store == NULL)
        return text_message("out of memory");
    store->trace = strdup(trace);
    store->results = results != NULL ? strdup(results) : NULL;
    if (access(trace, R_OK) != 0)
        return text_message("%s: cannot be read: %m; give a trace that disco-record made", trace);
    int code = open_read_only(trace, false, &store->db);
    if (code == SQLITE_CANTOPEN && may_be_immutable(trace)) {
        sqlite3_close(store->db);
        code = open_read_only(trace, true, &store->db);
    }
    if (code == SQLITE_NOTADB)
        return text_message(
            "%s: not a trace of Disco; give what disco-record or disco-replay wrote", trace);
    if (code != SQLITE_OK)
        return text_message("%s: cannot be read: %s", trace,
                            store->db != NULL ? sqlite3_errmsg(store->db) : sqlite3_errstr(code));
    sqlite3_busy_timeout(store->db, 5000);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    char *why = check_kind(store, "main", trace);
    if (why == NULL && results != NULL)
        why = attach_results(store);
    if (why == NULL && extension != NULL)
        why = load_extension(store, extension);
    if (why == NULL)
        why = run_sql(
            store,
            "CREATE TEMP TABLE asked (run_id INTEGER PRIMARY KEY);"
            "CREATE TEMP TABLE shown (run_id INTEGER PRIMARY KEY, number INTEGER, label TEXT)");
    return why;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    sqlite3_close(store->db);
    free(store->trace);
    free(store->results);
    free(store);
}

/* Puts an asked run into `asked`; says so if there is none of that number. */
static char *ask_run(struct store *store, int64_t run)
{
    char sql[128];
    snprintf(sql, sizeof sql,
             "INSERT OR IGNORE INTO asked SELECT run_id FROM run WHERE run_id = %lld",
             (long long)run);
    char *why = run_sql(store, sql);
    int64_t known = 0;
    snprintf(sql, sizeof sql, "SELECT count(*) FROM asked WHERE run_id = %lld", (long long)run);
    if (why == NULL)
        why = pragma_number(store, sql, &known);
    if (why == NULL && known == 0)
        why = text_message("%s: no run %lld; see: sqlite3 %s 'SELECT * FROM v_compare'",
                           store->results != NULL ? store->results : store->trace, (long long)run,
                           store->results != NULL ? store->results : store->trace);
    return why;
}

char *store_choose(struct store *store, const int64_t *run, size_t runs)
{
    char *why = NULL;
    for (size_t i = 0; why == NULL && i < runs; i++)
        why = ask_run(store, run[i]);
    if (why == NULL && runs == 0)
        why = run_sql(
            store,
            "INSERT INTO asked SELECT max(run_id) FROM run GROUP BY policy, parameters, machine");
    return why != NULL ? why : run_sql(store, choose_sql);
}

static char *column_text(sqlite3_stmt *statement, int column)
{
    const unsigned char *text = sqlite3_column_text(statement, column);
    return text != NULL ? strdup((const char *)text) : NULL;
}

char *store_pictures(struct store *store, enum picture_of of, struct pictures *out)
{
    static const char *const sql[] = {
        [PICTURE_OF_MACHINE] = "SELECT DISTINCT machine, NULL, 0 FROM chosen ORDER BY 1",
        [PICTURE_OF_RUN] = "SELECT machine, label, run_id FROM chosen ORDER BY 1, 3",
        [PICTURE_OF_TRACE] = "SELECT NULL, NULL, 0",
    };
    *out = (struct pictures){0};
    sqlite3_stmt *statement;
    char *why = prepare(store, sql[of], (struct grid){0}, &statement);
    if (why != NULL)
        return why;
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct picture *longer = reallocarray(out->picture, out->count + 1, sizeof *out->picture);
        if (longer == NULL)
            break;
        out->picture = longer;
        out->picture[out->count++] = (struct picture){
            .machine = column_text(statement, 0),
            .label = column_text(statement, 1),
            .run_id = sqlite3_column_int64(statement, 2),
        };
    }
    return finish(store, statement, code);
}

void pictures_free(struct pictures *pictures)
{
    for (size_t i = 0; i < pictures->count; i++) {
        free(pictures->picture[i].machine);
        free(pictures->picture[i].label);
    }
    free(pictures->picture);
    *pictures = (struct pictures){0};
}

char *store_show(struct store *store, const struct picture *picture)
{
    char *sql =
        sqlite3_mprintf("DELETE FROM shown; INSERT INTO shown SELECT run_id,"
                        " row_number() OVER (ORDER BY run_id), label FROM chosen"
                        " WHERE machine = %Q AND (%lld = 0 OR run_id = %lld)",
                        picture->machine, (long long)picture->run_id, (long long)picture->run_id);
    char *why = sql != NULL ? run_sql(store, sql) : text_message("out of memory");
    sqlite3_free(sql);
    return why;
}

char *store_trace_name(struct store *store, char **out)
{
    const char *slash = strrchr(store->trace, '/');
    *out = strdup(slash != NULL ? slash + 1 : store->trace);
    sqlite3_stmt *statement;
    char *why = prepare(store,
                        "SELECT CASE WHEN length(command) > 48 THEN substr(command, 1, 47) || '…'"
                        " ELSE command END FROM trace WHERE command <> ''",
                        (struct grid){0}, &statement);
    if (why != NULL)
        return why;
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        char *file = *out;
        *out = text_message("%s (%s)", file, (const char *)sqlite3_column_text(statement, 0));
        free(file);
    }
    return finish(store, statement, code);
}

char *store_make_table(struct store *store, const char *name, const char *sql)
{
    char *whole =
        text_message("DROP TABLE IF EXISTS temp.%s; CREATE TEMP TABLE %s AS %s", name, name, sql);
    char *why = run_sql(store, whole);
    free(whole);
    return why;
}

char *store_write_value(struct store *store, const char *sql, struct grid grid, FILE *out)
{
    sqlite3_stmt *statement;
    char *why = prepare(store, sql, grid, &statement);
    if (why != NULL)
        return why;
    int code = sqlite3_step(statement);
    int type = code == SQLITE_ROW ? sqlite3_column_type(statement, 0) : SQLITE_NULL;
    const char *text = code == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    if (text == NULL)
        fputs("NaN", out);
    else if (type == SQLITE_TEXT || type == SQLITE_BLOB)
        text_write_quoted(out, text);
    else /* a point, lest gnuplot divides as integers do */
        fprintf(out, "%s%s", text, type == SQLITE_INTEGER ? ".0" : "");
    return finish(store, statement, code);
}

char *store_write_rows(struct store *store, const char *sql, struct grid grid, FILE *out,
                       size_t *rows)
{
    *rows = 0;
    sqlite3_stmt *statement;
    char *why = prepare(store, sql, grid, &statement);
    if (why != NULL)
        return why;
    int columns = sqlite3_column_count(statement);
    for (int i = 0; i < columns; i++)
        fprintf(out, "%s%c", sqlite3_column_name(statement, i), i + 1 < columns ? '\t' : '\n');
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        for (int i = 0; i < columns; i++) {
            const unsigned char *text = sqlite3_column_text(statement, i);
            text_write_field(out, text != NULL ? (const char *)text : "");
            fputc(i + 1 < columns ? '\t' : '\n', out);
        }
        ++*rows;
    }
    return finish(store, statement, code);
}

char *store_pair(struct store *store, const char *sql, int pair[2])
{
    sqlite3_stmt *statement;
    char *why = prepare(store, sql, (struct grid){0}, &statement);
    if (why != NULL)
        return why;
    int code = sqlite3_step(statement);
    for (int i = 0; code == SQLITE_ROW && i < 2; i++)
        pair[i] = sqlite3_column_int(statement, i);
    return finish(store, statement, code);
}
