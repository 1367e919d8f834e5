#include "collector/trace/writer-file.h"
#include "schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum statement {
    INSERT_TRACE,
    INSERT_SPACE,
    INSERT_STREAM,
    INSERT_REGION,
    NAME_STREAM,
    REFS_PER_SAMPLE,
    INSERT_NOTE,
    INSERT_BLOCK,
    ADD_COUNT,
    UPDATE_TOTALS,
    STATEMENTS
};

static const char *const sql[STATEMENTS] = {
    [INSERT_TRACE] =
        "INSERT INTO trace (id, source, command, host, event, page_bytes, columns, time_unit, "
        "start_unix_ns, refs_per_sample, sampled, complete, blocks, refs, events, fetches, "
        "loads, stores, touches, version) "
        "VALUES (0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0, 0, 0, 0, '" DISCO_VERSION "')",
    [INSERT_SPACE] = "INSERT INTO trace_space (space, name) VALUES (?, ?)",
    [INSERT_STREAM] = "INSERT INTO trace_stream (stream, space, vm, pid, tid, cpu, node, name) "
                      "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    [INSERT_REGION] = "INSERT INTO trace_region (region, space, start, \"end\", kind, name, file, "
                      "file_offset_bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    [NAME_STREAM] = "UPDATE trace_stream SET name = ?2 WHERE stream = ?1",
    [REFS_PER_SAMPLE] = "UPDATE trace SET refs_per_sample = ?",
    [INSERT_NOTE] = "INSERT OR REPLACE INTO trace_note (key, value) VALUES (?, ?)",
    [INSERT_BLOCK] =
        "INSERT OR REPLACE INTO trace_block (block, codec, first_ref, refs, events, first_time, "
        "last_time, min_addr, max_addr, kinds, streams, crc32c, data) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [ADD_COUNT] = "INSERT INTO page_summary (space, page, stream, fetches, loads, stores, touches) "
                  "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET fetches = fetches + "
                  "excluded.fetches, "
                  "loads = loads + excluded.loads, stores = stores + excluded.stores, "
                  "touches = touches + excluded.touches",
    [UPDATE_TOTALS] =
        "UPDATE trace SET complete = ?, blocks = ?, refs = ?, events = ?, fetches = ?, loads = ?, "
        "stores = ?, touches = ?",
};

struct writer_file {
    char *path;
    sqlite3 *db;
    sqlite3_stmt *statement[STATEMENTS];
};

static char *line_errno(const char *path, const char *what, int error)
{
    char *text = NULL;
    if (asprintf(&text, "%s: %s: %s", path, what, strerror(error)) < 0)
        return NULL;
    return text;
}

static char *line(const char *path, const char *what)
{
    char *text = NULL;
    if (asprintf(&text, "%s: %s", path, what) < 0)
        return NULL;
    return text;
}

static char *failed(struct writer_file *file, int rc)
{
    char *text = store_error(file->db, rc, file->path);
    if (sqlite3_get_autocommit(file->db) == 0)
        (void)sqlite3_exec(file->db, "ROLLBACK", NULL, NULL, NULL);
    return text;
}

static char *execute(struct writer_file *file, const char *text)
{
    int rc = sqlite3_exec(file->db, text, NULL, NULL, NULL);
    return rc == SQLITE_OK ? NULL : failed(file, rc);
}

/* Runs a statement whose parameters are bound. */
static char *finish(struct writer_file *file, enum statement which)
{
    int rc = sqlite3_step(file->statement[which]);
    if (rc == SQLITE_DONE) {
        sqlite3_reset(file->statement[which]);
        return NULL;
    }
    char *error = failed(file, rc);
    sqlite3_reset(file->statement[which]);
    return error;
}

static void bind_text(sqlite3_stmt *statement, int at, const char *text)
{
    sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC); /* NULL binds NULL */
}

static void bind_known(sqlite3_stmt *statement, int at, int32_t value)
{
    if (value < 0)
        sqlite3_bind_null(statement, at);
    else
        sqlite3_bind_int(statement, at, value);
}

static void bind(sqlite3_stmt *statement, int at, uint64_t value)
{
    sqlite3_bind_int64(statement, at, (sqlite3_int64)value);
}

static char *no_trace(const char *path)
{
    return line(path, "exists and is not a trace, so it is not replaced; give another name");
}

/* Only a trace, or what never became one, may be replaced. NULL: go on. */
static char *may_replace(sqlite3 *db, const char *path)
{
    static const char *const question[] = {"PRAGMA page_count", "PRAGMA application_id"};
    sqlite3_int64 answer[2] = {0};
    for (int i = 0; i < 2; i++) {
        sqlite3_stmt *statement = NULL;
        int rc = sqlite3_prepare_v2(db, question[i], -1, &statement, NULL);
        if (rc == SQLITE_OK)
            rc = sqlite3_step(statement);
        if (rc == SQLITE_ROW)
            answer[i] = sqlite3_column_int64(statement, 0);
        sqlite3_finalize(statement);
        if ((rc & 0xff) == SQLITE_NOTADB)
            return no_trace(path);
        if (rc != SQLITE_ROW)
            return store_error(db, rc, path);
    }
    if (answer[0] != 0 && answer[1] != STORE_APPLICATION_ID)
        return no_trace(path);
    return NULL;
}

/* Removes an old trace. Its exclusive lock is held meanwhile, so that nobody who writes it loses
 * it; and the lock is on the file that the name still means, so that two who replace at the same
 * time cannot remove each other's new file. */
static char *remove_old(const char *path)
{
    struct stat old;
    if (stat(path, &old) != 0)
        return NULL;
    if (!S_ISREG(old.st_mode)) /* of these SQLite would say that they are damaged */
        return no_trace(path);
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL);
    char *error = NULL;
    if (rc != SQLITE_OK) {
        error = store_error(db, rc, path);
    } else {
        sqlite3_extended_result_codes(db, 1);
        error = may_replace(db, path);
    }
    if (error == NULL) {
        rc = sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL);
        int moved = 0;
        sqlite3_file_control(db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
        if ((rc & 0xff) == SQLITE_BUSY || moved != 0)
            error = store_error(NULL, SQLITE_BUSY, path);
        else if (sqlite3_db_readonly(db, "main") == 1)
            error = store_error(NULL, SQLITE_READONLY, path);
        else if (unlink(path) != 0) /* a damaged trace may be replaced too, so rc may be an error */
            error = line_errno(path, "cannot be replaced", errno);
    }
    sqlite3_close(db);
    return error;
}

/* Makes an empty file of this name, or fails where there is one. */
static char *make_empty(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno == EEXIST)
        return line(path, "exists; --force replaces a trace, or give another name");
    if (fd < 0)
        return line_errno(path, "cannot be made", errno);
    close(fd);
    /* the journal of a file that had this name before would be rolled back into ours */
    char *journal = NULL;
    if (asprintf(&journal, "%s-journal", path) < 0)
        return line(path, "out of memory");
    (void)unlink(journal);
    free(journal);
    return NULL;
}

static char *insert_facts(struct writer_file *file, const struct trace_facts *facts)
{
    sqlite3_stmt *statement = file->statement[INSERT_TRACE];
    int at = 1;
    bind_text(statement, at++, facts->source != NULL ? facts->source : "");
    bind_text(statement, at++, facts->command);
    bind_text(statement, at++, facts->host);
    bind_text(statement, at++, facts->event);
    bind(statement, at++, facts->page_bytes);
    bind(statement, at++, facts->columns);
    bind_text(statement, at++, facts->time_unit == TIME_NS ? "ns" : "references");
    bind(statement, at++, facts->start_unix_ns);
    bind(statement, at++, facts->refs_per_sample);
    bind(statement, at, facts->sampled ? 1 : 0);
    return finish(file, INSERT_TRACE);
}

/* Lock, schema, facts: from the first commit on the file is a trace. */
static char *set_up(struct writer_file *file, const struct trace_facts *facts)
{
    int rc = sqlite3_open_v2(file->path, &file->db, SQLITE_OPEN_READWRITE, NULL);
    if (rc != SQLITE_OK)
        return store_error(file->db, rc, file->path);
    sqlite3_extended_result_codes(file->db, 1);
    /* cache: 8 MiB, so that memory is bounded; appended pages need no journal, so spilling is cheap
     */
    char *error =
        execute(file, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = NORMAL; "
                      "PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY; BEGIN EXCLUSIVE");
    int moved = 0;
    if (error == NULL) {
        sqlite3_file_control(file->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
        if (moved != 0)
            error = store_error(NULL, SQLITE_BUSY, file->path);
    }
    if (error == NULL)
        error = execute(file, disco_schema_sql);
    for (int i = 0; i < STATEMENTS && error == NULL; i++) {
        rc = sqlite3_prepare_v3(file->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                                &file->statement[i], NULL);
        if (rc != SQLITE_OK)
            error = failed(file, rc);
    }
    if (error == NULL)
        error = insert_facts(file, facts);
    if (error == NULL)
        error = execute(file, "COMMIT; BEGIN");
    return error;
}

char *writer_file_create(const char *path, const struct trace_facts *facts, bool replace,
                         struct writer_file **out)
{
    *out = NULL;
    char *error = replace ? remove_old(path) : NULL;
    if (error != NULL)
        return error;
    struct writer_file *file = calloc(1, sizeof *file);
    if (file == NULL || (file->path = strdup(path)) == NULL) {
        free(file);
        return line(path, "out of memory");
    }
    error = make_empty(path);
    if (error != NULL) {
        writer_file_close(file);
        return error;
    }
    error = set_up(file, facts);
    if (error != NULL) {
        (void)unlink(path); /* it was ours, and holds nothing */
        writer_file_close(file);
        return error;
    }
    *out = file;
    return NULL;
}

char *writer_file_space(struct writer_file *file, uint32_t id, const char *name)
{
    bind(file->statement[INSERT_SPACE], 1, id);
    bind_text(file->statement[INSERT_SPACE], 2, name);
    return finish(file, INSERT_SPACE);
}

char *writer_file_stream(struct writer_file *file, uint32_t id, const struct trace_stream *facts)
{
    sqlite3_stmt *statement = file->statement[INSERT_STREAM];
    int at = 1;
    bind(statement, at++, id);
    bind(statement, at++, facts->space);
    bind(statement, at++, facts->vm);
    bind(statement, at++, facts->pid);
    bind(statement, at++, facts->tid);
    bind_known(statement, at++, facts->cpu);
    bind_known(statement, at++, facts->node);
    bind_text(statement, at, facts->name);
    return finish(file, INSERT_STREAM);
}

char *writer_file_region(struct writer_file *file, uint32_t id, const struct trace_region *facts)
{
    sqlite3_stmt *statement = file->statement[INSERT_REGION];
    int at = 1;
    bind(statement, at++, id);
    bind(statement, at++, facts->space);
    bind(statement, at++, facts->start);
    bind(statement, at++, facts->end);
    bind_text(statement, at++, facts->kind != NULL ? facts->kind : "mapping");
    bind_text(statement, at++, facts->name != NULL ? facts->name : "");
    bind_text(statement, at++, facts->file);
    bind(statement, at, facts->file_offset_bytes);
    return finish(file, INSERT_REGION);
}

char *writer_file_name_stream(struct writer_file *file, uint32_t id, const char *name)
{
    bind(file->statement[NAME_STREAM], 1, id);
    bind_text(file->statement[NAME_STREAM], 2, name);
    return finish(file, NAME_STREAM);
}

char *writer_file_refs_per_sample(struct writer_file *file, uint64_t refs_per_sample)
{
    bind(file->statement[REFS_PER_SAMPLE], 1, refs_per_sample);
    return finish(file, REFS_PER_SAMPLE);
}

char *writer_file_note(struct writer_file *file, const char *key, const char *value)
{
    bind_text(file->statement[INSERT_NOTE], 1, key);
    bind_text(file->statement[INSERT_NOTE], 2, value);
    return finish(file, INSERT_NOTE);
}

char *writer_file_block(struct writer_file *file, const struct block_row *row)
{
    sqlite3_stmt *statement = file->statement[INSERT_BLOCK];
    int at = 1;
    bind(statement, at++, row->number);
    bind(statement, at++, row->codec);
    bind(statement, at++, row->first_ref);
    bind(statement, at++, row->refs);
    bind(statement, at++, row->events);
    bind(statement, at++, row->first_time);
    bind(statement, at++, row->last_time);
    bind(statement, at++, row->min_addr);
    bind(statement, at++, row->max_addr);
    bind(statement, at++, row->kinds);
    sqlite3_bind_blob(statement, at++, row->streams, sizeof row->streams, SQLITE_STATIC);
    bind(statement, at++, row->crc32c);
    sqlite3_bind_blob64(statement, at, row->data, row->data_bytes, SQLITE_STATIC);
    return finish(file, INSERT_BLOCK);
}

struct count_place {
    sqlite3_stmt *statement;
    struct trace_totals *totals;
};

static int add_count(void *to, const struct page_count *count)
{
    struct count_place *place = to;
    bind(place->statement, 1, count->owner >> 32);
    bind(place->statement, 2, count->page);
    bind(place->statement, 3, count->owner & UINT32_MAX);
    for (int kind = 0; kind < 4; kind++) {
        sqlite3_bind_int64(place->statement, 4 + kind, count->kind[kind]);
        place->totals->kind[kind] += count->kind[kind];
    }
    int rc = sqlite3_step(place->statement);
    sqlite3_reset(place->statement);
    return rc == SQLITE_DONE ? 0 : rc;
}

char *writer_file_counts(struct writer_file *file, struct page_counts *counts,
                         struct trace_totals *totals)
{
    struct count_place place = {.statement = file->statement[ADD_COUNT], .totals = totals};
    int rc = page_counts_empty(counts, add_count, &place);
    return rc == 0 ? NULL : failed(file, rc);
}

char *writer_file_commit(struct writer_file *file, const struct trace_totals *totals, bool complete)
{
    sqlite3_stmt *statement = file->statement[UPDATE_TOTALS];
    sqlite3_bind_int(statement, 1, complete ? 1 : 0);
    bind(statement, 2, totals->blocks);
    bind(statement, 3, totals->refs);
    bind(statement, 4, totals->events);
    for (int kind = 0; kind < 4; kind++)
        bind(statement, 5 + kind, totals->kind[kind]);
    char *error = finish(file, UPDATE_TOTALS);
    return error != NULL ? error : execute(file, "COMMIT; BEGIN");
}

void writer_file_close(struct writer_file *file)
{
    if (file == NULL)
        return;
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(file->statement[i]);
    sqlite3_close(file->db);
    free(file->path);
    free(file);
}

const char *writer_file_path(const struct writer_file *file)
{
    return file->path;
}
