/* The store beside a plain table with a row a reference, on one real trace, in one run.
 *
 *   build/tests/bench/store TRACE.db [ROWS]
 *
 * Both sides get the same references, in memory, before the clock starts: blocks of TRACE.db are
 * decoded into a buffer of 4 Mi references, and only the time of handing them on counts. Rows
 * (time, stream, addr, kind, and the size where the trace has it) go in by one prepared statement,
 * in one transaction, without a journal. ROWS (4,000,000 when not given) of the trace go into the
 * row table, all into the store; rates are per reference, so a shorter row side is only fairer to
 * rows. Each of the four is measured three times in turn, and the medians are printed. Writer and
 * reader run in processes of their own, so that their peak memory is theirs.
 */
#include "collector/trace/reader.h"
#include "collector/trace/writer.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHUNK_REFS   (UINT64_C(4) << 20)
#define DEFAULT_ROWS 4000000u
#define ROUNDS       3
#define MIB          (1024.0 * 1024.0)

/* Column of the row table. */
#define ROW_ADDR 2

/* What a measured process hands back. */
struct result {
    double seconds;
    uint64_t refs, bytes;
    uint64_t sum, others; /* what was read, so that reading it cannot be left out */
    long peak_kib, before_kib;
};

struct chunk {
    uint64_t *addr;
    uint64_t *size; /* NULL where the trace has none */
    uint8_t *what;
    uint32_t *stream;
    uint32_t *run_end; /* where runs of one stream end, as a source knows them */
    uint64_t refs, runs;
};

static _Noreturn void stop(const char *what, const char *why)
{
    fprintf(stderr, "store: %s: %s\n", what, why);
    exit(1);
}

static void well(char *error)
{
    if (error != NULL)
        stop("trace", error);
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* VmHWM of this process, KiB. */
static long peak_kib(void)
{
    char text[256];
    long kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(text, sizeof text, status) != NULL)
        if (strncmp(text, "VmHWM:", 6) == 0)
            kib = strtol(text + 6, NULL, 10);
    if (status != NULL)
        fclose(status);
    return kib;
}

static uint64_t file_bytes(const char *path)
{
    struct stat file;
    return stat(path, &file) == 0 ? (uint64_t)file.st_size : 0;
}

static bool has_size(const struct trace_reader *reader)
{
    return (trace_reader_summary(reader)->facts.columns & COLUMN_BIT(COLUMN_SIZE)) != 0;
}

/* Resident before memory is measured. */
static struct chunk chunk_new(bool with_size)
{
    struct chunk chunk = {.addr = malloc(CHUNK_REFS * sizeof *chunk.addr),
                          .size = with_size ? malloc(CHUNK_REFS * sizeof *chunk.size) : NULL,
                          .what = malloc(CHUNK_REFS),
                          .stream = malloc(CHUNK_REFS * sizeof *chunk.stream),
                          .run_end = malloc(CHUNK_REFS * sizeof *chunk.run_end)};
    if (chunk.addr == NULL || chunk.what == NULL || chunk.stream == NULL || chunk.run_end == NULL ||
        (with_size && chunk.size == NULL))
        stop("memory", "too little");
    memset(chunk.addr, 1, CHUNK_REFS * sizeof *chunk.addr);
    memset(chunk.what, 1, CHUNK_REFS);
    memset(chunk.stream, 1, CHUNK_REFS * sizeof *chunk.stream);
    memset(chunk.run_end, 1, CHUNK_REFS * sizeof *chunk.run_end);
    if (with_size)
        memset(chunk.size, 1, CHUNK_REFS * sizeof *chunk.size);
    return chunk;
}

static void chunk_free(struct chunk *chunk)
{
    free(chunk->addr);
    free(chunk->size);
    free(chunk->what);
    free(chunk->stream);
    free(chunk->run_end);
}

/* The next references of the trace, as many as fit; none at its end. */
static void chunk_fill(struct chunk *chunk, struct trace_reader *reader, struct ref_block *block)
{
    chunk->refs = chunk->runs = 0;
    bool end = false;
    while (chunk->refs + TRACE_BLOCK_REFS <= CHUNK_REFS) {
        well(trace_reader_next(reader, block, &end));
        if (end)
            break;
        memcpy(chunk->addr + chunk->refs, block->addr, block->refs * sizeof *block->addr);
        memcpy(chunk->what + chunk->refs, block->what, block->refs);
        if (chunk->size != NULL)
            memcpy(chunk->size + chunk->refs, block->column[COLUMN_SIZE],
                   block->refs * sizeof *chunk->size);
        for (uint32_t run = 0; run < block->runs; run++) {
            uint32_t run_end = run + 1 < block->runs ? block->run[run + 1].first : block->refs;
            for (uint32_t i = block->run[run].first; i < run_end; i++)
                chunk->stream[chunk->refs + i] = block->run[run].stream;
            chunk->run_end[chunk->runs++] = (uint32_t)chunk->refs + run_end;
        }
        chunk->refs += block->refs;
    }
}

static void write_store(const char *trace, const char *path, uint64_t most, struct result *result)
{
    (void)most;
    struct trace_reader *reader = NULL;
    struct trace_writer *writer = NULL;
    well(trace_reader_open(trace, &reader));
    const struct trace_summary *summary = trace_reader_summary(reader);
    struct trace_facts facts = {.source = "bench",
                                .page_bytes = summary->facts.page_bytes,
                                .refs_per_sample = 1,
                                .time_unit = TIME_REFERENCES};
    bool sized = has_size(reader);
    facts.columns = sized ? COLUMN_BIT(COLUMN_SIZE) : 0;
    struct ref_block *block = ref_block_new(facts.columns);
    struct chunk chunk = chunk_new(sized);
    chunk_fill(&chunk, reader, block);
    result->before_kib = peak_kib();
    double start = now_s();
    well(trace_writer_create(path, &facts, true, &writer));
    for (uint32_t i = 0; i < summary->spaces; i++) {
        uint32_t id = 0;
        well(trace_writer_space(writer, trace_reader_space(reader, i), &id));
    }
    for (uint32_t i = 0; i < summary->streams; i++) {
        uint32_t id = 0;
        well(trace_writer_stream(writer, trace_reader_stream(reader, i), &id));
    }
    result->seconds = now_s() - start;
    while (chunk.refs != 0) {
        start = now_s();
        for (uint64_t run = 0, at = 0; run < chunk.runs; run++) {
            uint64_t end = chunk.run_end[run];
            char *error = sized
                              ? trace_writer_refs_sized(writer, chunk.stream[at], chunk.addr + at,
                                                        chunk.what + at, chunk.size + at, end - at)
                              : trace_writer_refs(writer, chunk.stream[at], chunk.addr + at,
                                                  chunk.what + at, end - at);
            well(error);
            at = end;
        }
        result->seconds += now_s() - start;
        result->refs += chunk.refs;
        chunk_fill(&chunk, reader, block);
    }
    start = now_s();
    well(trace_writer_close(writer, true));
    result->seconds += now_s() - start;
    result->bytes = file_bytes(path);
    result->peak_kib = peak_kib();
    chunk_free(&chunk);
    ref_block_free(block);
    trace_reader_close(reader);
}

static void read_store(const char *trace, const char *path, uint64_t most, struct result *result)
{
    (void)trace;
    (void)most;
    struct trace_reader *reader = NULL;
    double start = now_s();
    well(trace_reader_open(path, &reader));
    struct ref_block *block = ref_block_new(has_size(reader) ? COLUMN_BIT(COLUMN_SIZE) : 0);
    for (bool end = false;;) {
        well(trace_reader_next(reader, block, &end));
        if (end)
            break;
        for (uint32_t i = 0; i < block->refs; i++)
            result->sum += block->addr[i];
        result->refs += block->refs;
    }
    result->seconds = now_s() - start;
    result->peak_kib = peak_kib();
    ref_block_free(block);
    trace_reader_close(reader);
}

static void execute(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        stop("rows", sqlite3_errmsg(db));
}

static void write_rows(const char *trace, const char *path, uint64_t most, struct result *result)
{
    struct trace_reader *reader = NULL;
    well(trace_reader_open(trace, &reader));
    bool sized = has_size(reader);
    struct ref_block *block = ref_block_new(sized ? COLUMN_BIT(COLUMN_SIZE) : 0);
    struct chunk chunk = chunk_new(sized);
    sqlite3 *db = NULL;
    sqlite3_stmt *insert = NULL;
    if (sqlite3_open(path, &db) != SQLITE_OK)
        stop(path, sqlite3_errmsg(db));
    execute(db, "PRAGMA journal_mode = OFF");
    execute(db, "CREATE TABLE ref (time INTEGER, stream INTEGER, addr INTEGER, kind INTEGER)");
    if (sized)
        execute(db, "ALTER TABLE ref ADD COLUMN size INTEGER");
    execute(db, "BEGIN");
    const char *sql =
        sized ? "INSERT INTO ref VALUES (?, ?, ?, ?, ?)" : "INSERT INTO ref VALUES (?, ?, ?, ?)";
    sqlite3_prepare_v2(db, sql, -1, &insert, NULL);
    while (result->refs < most) {
        chunk_fill(&chunk, reader, block);
        if (chunk.refs == 0)
            break;
        double start = now_s();
        for (uint64_t i = 0; i < chunk.refs && result->refs < most; i++, result->refs++) {
            sqlite3_bind_int64(insert, 1, (sqlite3_int64)result->refs);
            sqlite3_bind_int64(insert, 2, chunk.stream[i]);
            sqlite3_bind_int64(insert, 3, (sqlite3_int64)chunk.addr[i]);
            sqlite3_bind_int(insert, 4, chunk.what[i]);
            if (sized)
                sqlite3_bind_int64(insert, 5, (sqlite3_int64)chunk.size[i]);
            if (sqlite3_step(insert) != SQLITE_DONE)
                stop(path, sqlite3_errmsg(db));
            sqlite3_reset(insert);
        }
        result->seconds += now_s() - start;
    }
    double start = now_s();
    execute(db, "COMMIT");
    result->seconds += now_s() - start;
    result->bytes = file_bytes(path);
    result->peak_kib = peak_kib();
    sqlite3_finalize(insert);
    sqlite3_close(db);
    chunk_free(&chunk);
    ref_block_free(block);
    trace_reader_close(reader);
}

/* What a replay would have to do with rows: step through all of them. */
static void read_rows(const char *trace, const char *path, uint64_t most, struct result *result)
{
    (void)trace;
    (void)most;
    sqlite3 *db = NULL;
    sqlite3_stmt *scan = NULL;
    double start = now_s();
    sqlite3_open(path, &db);
    if (sqlite3_prepare_v2(db, "SELECT * FROM ref", -1, &scan, NULL) != SQLITE_OK)
        stop(path, sqlite3_errmsg(db));
    int columns = sqlite3_column_count(scan);
    while (sqlite3_step(scan) == SQLITE_ROW) {
        for (int i = 0; i < columns; i++)
            if (i != ROW_ADDR)
                result->others |= (uint64_t)sqlite3_column_int64(scan, i);
        result->sum += (uint64_t)sqlite3_column_int64(scan, ROW_ADDR);
        result->refs++;
    }
    result->seconds = now_s() - start;
    result->peak_kib = peak_kib();
    sqlite3_finalize(scan);
    sqlite3_close(db);
}

/* Runs one side in a process of its own. */
static struct result measure(void (*side)(const char *, const char *, uint64_t, struct result *),
                             const char *trace, const char *path, uint64_t most)
{
    struct result *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        stop("memory", "too little");
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        side(trace, path, most, shared);
        _exit(0);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) < 0 || status != 0)
        stop(path, "a measured process failed");
    struct result result = *shared;
    munmap(shared, sizeof *shared);
    return result;
}

static int by_seconds(const void *left, const void *right)
{
    const struct result *a = left;
    const struct result *b = right;
    return a->seconds < b->seconds ? -1 : a->seconds > b->seconds;
}

static double rate(struct result result)
{
    return (double)result.refs / result.seconds / 1e6;
}

static void print_line(const char *what, double rows, double store, const char *unit, double ratio,
                       double wanted)
{
    printf("%-10s %10.2f %10.2f  %-14s %7.1f times  (to reach: %.0f)\n", what, rows, store, unit,
           ratio, wanted);
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        fputs("usage: store TRACE.db [ROWS]\n", stderr);
        return 2;
    }
    const char *trace = argv[1];
    uint64_t most = argc == 3 ? strtoull(argv[2], NULL, 10) : DEFAULT_ROWS;
    char folder[] = "/tmp/disco-bench-XXXXXX";
    if (mkdtemp(folder) == NULL)
        stop(folder, "cannot be made");
    char rows_path[64];
    char store_path[64];
    snprintf(rows_path, sizeof rows_path, "%s/rows.db", folder);
    snprintf(store_path, sizeof store_path, "%s/store.db", folder);

    struct result all[4][ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        all[0][round] = measure(write_rows, trace, rows_path, most);
        all[1][round] = measure(read_rows, trace, rows_path, most);
        all[2][round] = measure(write_store, trace, store_path, most);
        all[3][round] = measure(read_store, trace, store_path, most);
        unlink(rows_path);
        unlink(store_path);
    }
    for (int side = 0; side < 4; side++)
        qsort(all[side], ROUNDS, sizeof all[side][0], by_seconds);
    struct result rows_in = all[0][ROUNDS / 2];
    struct result rows_out = all[1][ROUNDS / 2];
    struct result store_in = all[2][ROUNDS / 2];
    struct result store_out = all[3][ROUNDS / 2];
    rmdir(folder);

    printf("%" PRIu64 " references in the store, the first %" PRIu64
           " of them in a table of rows\n",
           store_in.refs, rows_in.refs);
    printf("%-10s %10s %10s\n", "", "rows", "store");
    print_line("insert", rate(rows_in), rate(store_in), "M refs/s", rate(store_in) / rate(rows_in),
               60);
    print_line("full scan", rate(rows_out), rate(store_out), "M refs/s",
               rate(store_out) / rate(rows_out), 40);
    double row_bytes = (double)rows_in.bytes / (double)rows_in.refs;
    double store_bytes = (double)store_in.bytes / (double)store_in.refs;
    printf(
        "%-10s %10.2f %10.3f  %-14s %7.1f times  (to reach: at most 0.25 bytes, data only 1.0)\n",
        "size", row_bytes, store_bytes, "bytes/ref", row_bytes / store_bytes);
    printf("%-10s writer %.1f MiB, reader %.1f MiB  (to stay under 64)\n", "memory",
           (double)(store_in.peak_kib - store_in.before_kib) / 1024,
           (double)store_out.peak_kib / 1024);
    if (store_out.refs != store_in.refs ||
        (rows_out.refs == store_in.refs && rows_out.sum != store_out.sum))
        stop(trace, "the two sides differ");
    return 0;
}
