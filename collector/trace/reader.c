#include "collector/trace/reader.h"

#include "collector/trace/block-row.h"
#include "collector/trace/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct trace_reader {
    char *path;
    sqlite3 *db;
    struct codec *codec;
    sqlite3_stmt *all, *one; /* blocks in order; one by number */
    bool positioned;         /* `all` stands before block `next` */
    uint64_t next;
    struct trace_summary summary;
    char *source, *command, *host, *event;
    struct trace_stream *stream;
    char **space;
    struct trace_region *region;
    struct trace_note *note;
};

static char *line(const char *path, const char *what)
{
    char *text = NULL;
    if (asprintf(&text, "%s: %s", path, what) < 0)
        return NULL;
    return text;
}

static char *prepare(struct trace_reader *reader, const char *sql, sqlite3_stmt **statement)
{
    int rc = sqlite3_prepare_v2(reader->db, sql, -1, statement, NULL);
    return rc == SQLITE_OK ? NULL : store_error(reader->db, rc, reader->path);
}

static char *text_of(sqlite3_stmt *row, int column)
{
    const unsigned char *text = sqlite3_column_text(row, column);
    return text != NULL ? strdup((const char *)text) : NULL;
}

static uint64_t number_of(sqlite3_stmt *row, int column)
{
    return (uint64_t)sqlite3_column_int64(row, column);
}

static int32_t known_of(sqlite3_stmt *row, int column)
{
    return sqlite3_column_type(row, column) == SQLITE_NULL ? -1 : sqlite3_column_int(row, column);
}

static char *load_facts(struct trace_reader *reader)
{
    sqlite3_stmt *row = NULL;
    char *error =
        prepare(reader,
                "SELECT source, command, host, event, page_bytes, columns, time_unit, "
                "start_unix_ns, refs_per_sample, sampled, complete, blocks, refs, events, "
                "fetches, loads, stores, touches FROM trace",
                &row);
    if (error != NULL)
        return error;
    int rc = sqlite3_step(row);
    if (rc != SQLITE_ROW) {
        error = rc == SQLITE_DONE ? line(reader->path, "has no row in table trace; record again")
                                  : store_error(reader->db, rc, reader->path);
        sqlite3_finalize(row);
        return error;
    }
    struct trace_summary *summary = &reader->summary;
    struct trace_facts *facts = &summary->facts;
    int at = 0;
    facts->source = reader->source = text_of(row, at++);
    facts->command = reader->command = text_of(row, at++);
    facts->host = reader->host = text_of(row, at++);
    facts->event = reader->event = text_of(row, at++);
    uint64_t page_bytes = number_of(row, at++);
    uint64_t columns = number_of(row, at++);
    const unsigned char *unit = sqlite3_column_text(row, at++);
    facts->time_unit =
        unit != NULL && strcmp((const char *)unit, "ns") == 0 ? TIME_NS : TIME_REFERENCES;
    facts->start_unix_ns = number_of(row, at++);
    facts->refs_per_sample = number_of(row, at++);
    facts->sampled = number_of(row, at++) != 0;
    summary->complete = number_of(row, at++) == 1;
    summary->blocks = number_of(row, at++);
    summary->refs = number_of(row, at++);
    summary->events = number_of(row, at++);
    summary->fetches = number_of(row, at++);
    summary->loads = number_of(row, at++);
    summary->stores = number_of(row, at++);
    summary->touches = number_of(row, at);
    sqlite3_finalize(row);
    facts->page_bytes = (uint32_t)page_bytes;
    facts->columns = (uint32_t)columns;
    if (page_bytes < 512 || page_bytes > 1u << 30 || (page_bytes & (page_bytes - 1)) != 0)
        return line(reader->path, "table trace is damaged: its page size is no power of two");
    if (columns >> REF_COLUMNS != 0)
        return line(reader->path, "has columns that this Disco does not know; use a newer one");
    if ((facts->time_unit == TIME_NS) != ((columns & COLUMN_BIT(COLUMN_TIME)) != 0))
        return line(reader->path, "table trace is damaged: its time_unit does not fit its columns");
    if (facts->refs_per_sample == 0 || facts->refs_per_sample > INT64_MAX)
        return line(reader->path, "table trace is damaged: refs_per_sample is less than 1");
    return NULL;
}

/* How many rows a table of ids has; ids run from 0 without gaps. */
static char *count_ids(struct trace_reader *reader, const char *sql, uint32_t *count)
{
    sqlite3_stmt *row = NULL;
    char *error = prepare(reader, sql, &row);
    if (error != NULL)
        return error;
    int rc = sqlite3_step(row);
    if (rc != SQLITE_ROW)
        error = store_error(reader->db, rc, reader->path);
    else if (number_of(row, 0) != number_of(row, 1) || number_of(row, 0) > UINT32_MAX / 2)
        error = line(reader->path,
                     "the ids of its streams, spaces or regions have gaps; the file is damaged");
    else
        *count = (uint32_t)number_of(row, 0);
    sqlite3_finalize(row);
    return error;
}

/* Reads the rows of one table, in order of their ids, each by `take`. */
static char *load_rows(struct trace_reader *reader, const char *sql, uint32_t count,
                       void (*take)(struct trace_reader *reader, uint32_t id, sqlite3_stmt *row))
{
    sqlite3_stmt *row = NULL;
    char *error = prepare(reader, sql, &row);
    if (error != NULL)
        return error;
    uint32_t id = 0;
    int rc = sqlite3_step(row);
    for (; rc == SQLITE_ROW && id < count; rc = sqlite3_step(row))
        take(reader, id++, row);
    if (rc != SQLITE_DONE && rc != SQLITE_ROW)
        error = store_error(reader->db, rc, reader->path);
    else if (id != count)
        error = line(reader->path,
                     "a table of it is damaged; `disco-trace verify` says what is intact");
    sqlite3_finalize(row);
    return error;
}

static void take_space(struct trace_reader *reader, uint32_t id, sqlite3_stmt *row)
{
    reader->space[id] = text_of(row, 0);
}

static void take_stream(struct trace_reader *reader, uint32_t id, sqlite3_stmt *row)
{
    reader->stream[id] = (struct trace_stream){
        .space = (uint32_t)number_of(row, 0),
        .vm = (uint32_t)number_of(row, 1),
        .pid = number_of(row, 2),
        .tid = number_of(row, 3),
        .cpu = known_of(row, 4),
        .node = known_of(row, 5),
        .name = text_of(row, 6),
    };
}

static void take_region(struct trace_reader *reader, uint32_t id, sqlite3_stmt *row)
{
    reader->region[id] = (struct trace_region){
        .space = (uint32_t)number_of(row, 0),
        .start = number_of(row, 1),
        .end = number_of(row, 2),
        .kind = text_of(row, 3),
        .name = text_of(row, 4),
        .file = text_of(row, 5),
        .file_offset_bytes = number_of(row, 6),
    };
}

static void take_note(struct trace_reader *reader, uint32_t index, sqlite3_stmt *row)
{
    reader->note[index] = (struct trace_note){.key = text_of(row, 0), .value = text_of(row, 1)};
}

static char *load_notes(struct trace_reader *reader)
{
    uint32_t notes = 0;
    char *error = count_ids(reader, "SELECT count(*), count(*) FROM trace_note", &notes);
    if (error != NULL)
        return error;
    reader->note = calloc((size_t)notes + 1, sizeof *reader->note);
    if (reader->note == NULL)
        return line(reader->path, "out of memory");
    reader->summary.notes = notes;
    return load_rows(reader, "SELECT key, value FROM trace_note ORDER BY key", notes, take_note);
}

static char *load_ids(struct trace_reader *reader)
{
    struct trace_summary *summary = &reader->summary;
    char *error = count_ids(reader, "SELECT count(*), coalesce(max(space) + 1, 0) FROM trace_space",
                            &summary->spaces);
    if (error == NULL)
        error = count_ids(reader, "SELECT count(*), coalesce(max(stream) + 1, 0) FROM trace_stream",
                          &summary->streams);
    if (error == NULL)
        error = count_ids(reader, "SELECT count(*), coalesce(max(region) + 1, 0) FROM trace_region",
                          &summary->regions);
    if (error != NULL) {
        summary->spaces = summary->streams = summary->regions = 0;
        return error;
    }
    /* one more, so that none is not NULL */
    reader->space = calloc((size_t)summary->spaces + 1, sizeof *reader->space);
    reader->stream = calloc((size_t)summary->streams + 1, sizeof *reader->stream);
    reader->region = calloc((size_t)summary->regions + 1, sizeof *reader->region);
    if (reader->space == NULL || reader->stream == NULL || reader->region == NULL)
        return line(reader->path, "out of memory");
    error = load_rows(reader, "SELECT name FROM trace_space ORDER BY space", summary->spaces,
                      take_space);
    if (error == NULL)
        error = load_rows(
            reader, "SELECT space, vm, pid, tid, cpu, node, name FROM trace_stream ORDER BY stream",
            summary->streams, take_stream);
    if (error == NULL)
        error = load_rows(
            reader,
            "SELECT space, start, \"end\", kind, name, file, file_offset_bytes FROM trace_region "
            "ORDER BY region",
            summary->regions, take_region);
    for (uint32_t i = 0; i < summary->streams && error == NULL; i++)
        if (reader->stream[i].space >= summary->spaces)
            error =
                line(reader->path, "table trace_stream is damaged: a stream's space is not listed");
    for (uint32_t i = 0; i < summary->regions && error == NULL; i++)
        if (reader->region[i].space >= summary->spaces)
            error =
                line(reader->path, "table trace_region is damaged: a region's space is not listed");
    return error;
}

/* FNV-1a, 64 bits (draft-eastlake-fnv): over the CRCs of the blocks, so that a trace is told from
 * another without reading all of it. */
static uint64_t fnv1a(uint64_t hash, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        hash = (hash ^ (value >> i * 8 & 0xff)) * UINT64_C(0x100000001b3);
    return hash;
}

/* What the blocks' rows say in sum, without their data. */
static char *load_blocks(struct trace_reader *reader)
{
    sqlite3_stmt *row = NULL;
    char *error = prepare(reader,
                          "SELECT crc32c, refs, events, first_time, last_time, length(data) "
                          "FROM trace_block ORDER BY block",
                          &row);
    if (error != NULL)
        return error;
    struct trace_summary *summary = &reader->summary;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    bool first = true;
    int rc = SQLITE_OK;
    while ((rc = sqlite3_step(row)) == SQLITE_ROW) {
        hash = fnv1a(hash, number_of(row, 0));
        hash = fnv1a(hash, number_of(row, 1));
        hash = fnv1a(hash, number_of(row, 2));
        if (first)
            summary->first_time = number_of(row, 3);
        first = false;
        summary->last_time = number_of(row, 4);
        summary->stored_bytes += number_of(row, 5);
    }
    if (rc != SQLITE_DONE)
        error = store_error(reader->db, rc, reader->path);
    sqlite3_finalize(row);
    snprintf(summary->checksum, sizeof summary->checksum, "%016" PRIx64, hash);
    return error;
}

char *trace_reader_open(const char *path, struct trace_reader **out)
{
    *out = NULL;
    struct trace_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL || (reader->path = strdup(path)) == NULL) {
        free(reader);
        return line(path, "out of memory");
    }
    reader->summary.schema_version = STORE_SCHEMA_VERSION;
    reader->codec = codec_new();
    char *error =
        reader->codec != NULL ? store_open(path, &reader->db) : line(path, "out of memory");
    if (error == NULL)
        error = load_facts(reader);
    if (error == NULL)
        error = load_ids(reader);
    if (error == NULL)
        error = load_notes(reader);
    if (error == NULL)
        error = load_blocks(reader);
    if (error == NULL)
        error = prepare(reader, BLOCK_ROW_SELECT "WHERE block >= ?1 ORDER BY block", &reader->all);
    if (error == NULL)
        error = prepare(reader, BLOCK_ROW_SELECT "WHERE block = ?1", &reader->one);
    if (error != NULL) {
        trace_reader_close(reader);
        return error;
    }
    *out = reader;
    return NULL;
}

/* The structs hold const text that this reader allocated. */
static void free_text(const char *text)
{
    free((void *)(uintptr_t)text);
}

void trace_reader_close(struct trace_reader *reader)
{
    if (reader == NULL)
        return;
    for (uint32_t i = 0; reader->space != NULL && i < reader->summary.spaces; i++)
        free(reader->space[i]);
    for (uint32_t i = 0; reader->stream != NULL && i < reader->summary.streams; i++)
        free_text(reader->stream[i].name);
    for (uint32_t i = 0; reader->region != NULL && i < reader->summary.regions; i++) {
        free_text(reader->region[i].kind);
        free_text(reader->region[i].name);
        free_text(reader->region[i].file);
    }
    for (uint32_t i = 0; reader->note != NULL && i < reader->summary.notes; i++) {
        free(reader->note[i].key);
        free(reader->note[i].value);
    }
    free(reader->note);
    free(reader->space);
    free(reader->stream);
    free(reader->region);
    free(reader->source);
    free(reader->command);
    free(reader->host);
    free(reader->event);
    sqlite3_finalize(reader->all);
    sqlite3_finalize(reader->one);
    sqlite3_close(reader->db);
    codec_free(reader->codec);
    free(reader->path);
    free(reader);
}

const struct trace_summary *trace_reader_summary(const struct trace_reader *reader)
{
    return &reader->summary;
}

const struct trace_stream *trace_reader_stream(const struct trace_reader *reader, uint32_t id)
{
    return reader->stream + id;
}

const char *trace_reader_space(const struct trace_reader *reader, uint32_t id)
{
    return reader->space[id];
}

const struct trace_region *trace_reader_region(const struct trace_reader *reader, uint32_t id)
{
    return reader->region + id;
}

const struct trace_note *trace_reader_note(const struct trace_reader *reader, uint32_t index)
{
    return reader->note + index;
}

static char *bad_block(const struct trace_reader *reader, uint64_t number, const char *why)
{
    char *text = NULL;
    if (asprintf(&text, "%s: block %" PRIu64 ": %s; `disco-trace verify` says what is intact",
                 reader->path, number, why) < 0)
        return NULL;
    return text;
}

/* Steps to block `number` and decodes it. SQLite's own finding of damage is damage of that block.
 */
static char *take_block(struct trace_reader *reader, sqlite3_stmt *statement, uint64_t number,
                        struct ref_block *block)
{
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_DONE)
        return bad_block(reader, number, "is missing");
    if ((rc & 0xff) == SQLITE_CORRUPT)
        return bad_block(reader, number, "the pages of the file that hold it are damaged");
    if (rc != SQLITE_ROW)
        return store_error(reader->db, rc, reader->path);
    struct block_row row;
    const char *why = block_row_read(statement, &row);
    if (why == NULL && row.number != number)
        why = "is missing";
    if (why == NULL)
        why = block_row_data(statement, &row);
    if (why == NULL)
        why = block_row_decode(&row, reader->codec, reader->summary.streams, block);
    if (why == NULL && reader->summary.facts.time_unit == TIME_REFERENCES && row.refs != 0 &&
        (row.first_time != row.first_ref || row.last_time != row.first_ref + row.refs - 1))
        why = "its times differ from its row";
    return why == NULL ? NULL : bad_block(reader, number, why);
}

char *trace_reader_next(struct trace_reader *reader, struct ref_block *block, bool *end)
{
    *end = reader->next >= reader->summary.blocks;
    if (*end) {
        /* an open statement would keep who writes results into this file waiting */
        sqlite3_reset(reader->all);
        reader->positioned = false;
        return NULL;
    }
    if (!reader->positioned) {
        sqlite3_reset(reader->all);
        sqlite3_bind_int64(reader->all, 1, (sqlite3_int64)reader->next);
        reader->positioned = true;
    }
    char *error = take_block(reader, reader->all, reader->next, block);
    if (error != NULL)
        reader->positioned = false;
    else
        reader->next++;
    return error;
}

char *trace_reader_block(struct trace_reader *reader, uint64_t number, struct ref_block *block)
{
    sqlite3_bind_int64(reader->one, 1, (sqlite3_int64)number);
    char *error = take_block(reader, reader->one, number, block);
    sqlite3_reset(reader->one);
    return error;
}

void trace_reader_seek(struct trace_reader *reader, uint64_t number)
{
    reader->next = number;
    reader->positioned = false;
}
