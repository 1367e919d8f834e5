/* Traces of DynamoRIO's drmemtrace (offline, after raw2trace): a folder with a file for each
 * thread, or one such file. Files are raw, gzip, or zip archives whose members ("chunks") follow
 * one another; drmemtrace-record.h describes the records.
 *
 * A thread's records are cut by timestamps into pieces. The trace is the merge of all threads'
 * pieces in the order of these times; equal ones in the order of the files' names. So memory is a
 * buffer a thread, however long they are. Where a thread goes to another CPU a marker says so, and
 * the sink makes a dispatch of it. A time that falls (a clock that was set back; threads put on
 * cores after recording) stands for the last one, and is counted.
 *
 * Not references, and only counted: prefetches, flushes, and instructions that are not fetched
 * (further rounds of a rep string loop). Encodings are passed over. cpu_schedule.bin.zip and
 * serial_schedule.bin.gz repeat what the markers say, and are left alone.
 */
#include "collector/sources/drmemtrace/drmemtrace-record.h"
#include "collector/sources/drmemtrace/drmemtrace-thread.h"
#include "collector/sources/import.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define US_NS            UINT64_C(1000)
#define PIECES_PER_WATCH 64u

struct drmemtrace {
    struct import *import;
    struct drmemtrace_thread **thread; /* [import->inputs->inputs] */
    size_t *heap;                      /* threads that have not ended, the first in time on top */
    size_t threads, waiting;
    uint64_t last_ns, fallen;
    struct trace_facts facts;
    struct import_ref like; /* of the batch */
    struct drmemtrace_batch batch;
};

static void drmemtrace_close(void *parser)
{
    struct drmemtrace *all = parser;
    for (size_t i = 0; i < all->threads; i++) {
        drmemtrace_thread_free(all->thread[i]);
    }
    drmemtrace_pages_free(all->batch.pages);
    free(all->thread);
    free(all->heap);
    free(all);
}

static char *drmemtrace_open(struct import *import, void **parser)
{
    size_t files = import->inputs->inputs;
    struct drmemtrace *all = calloc(1, sizeof *all);
    if (all == NULL || (all->thread = calloc(files, sizeof(struct drmemtrace_thread *))) == NULL ||
        (all->heap = calloc(files, sizeof *all->heap)) == NULL) {
        free(all != NULL ? all->thread : NULL);
        free(all);
        return import_error("%s: out of memory", import->file);
    }
    all->import = import;
    all->batch.fetches = !import->options->no_fetches;
    for (; all->threads < files; all->threads++) {
        char *error =
            drmemtrace_thread_new(import->inputs->input[all->threads], &all->thread[all->threads]);
        if (error != NULL) {
            drmemtrace_close(all);
            return error;
        }
    }
    *parser = all;
    return NULL;
}

/* ------------------------------------------------------------------------------- the order of time */

static bool before(const struct drmemtrace *all, size_t a, size_t b)
{
    uint64_t time_a = drmemtrace_thread_place(all->thread[a])->timestamp_us;
    uint64_t time_b = drmemtrace_thread_place(all->thread[b])->timestamp_us;
    return time_a != time_b ? time_a < time_b : a < b;
}

static void sink_down(struct drmemtrace *all, size_t at)
{
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < all->waiting; child++) {
            least = before(all, all->heap[child], all->heap[least]) ? child : least;
        }
        if (least == at) {
            return;
        }
        size_t thread = all->heap[at];
        all->heap[at] = all->heap[least];
        all->heap[least] = thread;
        at = least;
    }
}

/* ------------------------------------------------------------------------------------ references */

/* In ns since 1970; a clock that began elsewhere is taken as it is. */
static bool unix_ns(uint64_t timestamp_us, uint64_t *ns)
{
    uint64_t us = timestamp_us >= DRMEMTRACE_UNIX_EPOCH_US ? timestamp_us - DRMEMTRACE_UNIX_EPOCH_US
                                                           : timestamp_us;
    return !__builtin_mul_overflow(us, US_NS, ns) && *ns <= INT64_MAX;
}

/* What is in the batch to the sink. */
static char *flush(struct drmemtrace *all, const struct drmemtrace_place *place)
{
    struct import *import = all->import;
    struct drmemtrace_batch *batch = &all->batch;
    if (batch->refs == 0) {
        return NULL;
    }
    uint64_t time_ns = 0;
    if (!unix_ns(place->timestamp_us, &time_ns)) {
        batch->refs = 0;
        return import_error("%s: a timestamp of %" PRIu64 " us since 1601 is beyond the year 2262",
                            import->file, place->timestamp_us);
    }
    all->fallen += time_ns < all->last_ns;
    all->last_ns = time_ns > all->last_ns ? time_ns : all->last_ns;
    bool clocked = all->facts.time_unit == TIME_NS;
    all->facts.start_unix_ns = place->timestamp_us >= DRMEMTRACE_UNIX_EPOCH_US ? all->last_ns : 0;
    if (!import->begun && place->timestamp_us >= DRMEMTRACE_UNIX_EPOCH_US) {
        all->facts.start_unix_ns = time_ns;
    }
    all->like = (struct import_ref){
        .column = {[COLUMN_TIME] = clocked ? all->last_ns : 0},
        .space = place->pid,
        .stream = place->tid,
        .pid = place->pid,
        .tid = place->tid,
        .cpu = place->cpu,
        .node = place->node,
    };
    const uint64_t *const column[REF_COLUMNS] = {
        [COLUMN_SIZE] = batch->size, [COLUMN_PHYS] = batch->phys};
    char *error = import_begin(import, &all->facts);
    if (error == NULL) {
        import->refs += batch->refs;
        error = import->sink->refs(import->sink, &all->like, batch->addr, batch->what, column,
                                   batch->refs);
    }
    batch->refs = 0;
    return error;
}

/* One thread's references up to its next timestamp or its end. A thread that cannot be read on ends
 * there; with --skip-bad the others go on. With `peek`, up to its first reference. */
static char *read_piece(struct drmemtrace *all, struct drmemtrace_thread *thread, bool peek,
                        enum drmemtrace_stop *stop)
{
    char *error = NULL;
    do {
        char *bad = drmemtrace_thread_decode(thread, &all->batch, peek, stop);
        error = flush(all, drmemtrace_thread_place(thread));
        if (bad != NULL && error == NULL) {
            error = import_skip_or(all->import, bad);
            *stop = STOP_END;
        } else {
            free(bad);
        }
    } while (error == NULL && *stop == STOP_FLUSH && !peek);
    return error;
}

/* To the first reference of each thread: what stands before it tells when the thread begins, and
 * which columns the trace has. */
static char *begin(struct drmemtrace *all)
{
    bool clocked = false;
    for (size_t i = 0; i < all->threads; i++) {
        enum drmemtrace_stop stop = STOP_TIME;
        char *error = NULL;
        while (error == NULL && stop == STOP_TIME) {
            error = read_piece(all, all->thread[i], true, &stop);
        }
        if (error != NULL) {
            return error;
        }
        clocked = clocked || drmemtrace_thread_place(all->thread[i])->timestamp_us != 0;
        if (stop != STOP_END) {
            all->heap[all->waiting++] = i;
        }
    }
    for (size_t i = all->waiting / 2; i-- > 0;) {
        sink_down(all, i);
    }
    all->facts = (struct trace_facts){
        .source = "drmemtrace",
        .columns = COLUMN_BIT(COLUMN_SIZE) | (clocked ? COLUMN_BIT(COLUMN_TIME) : 0) |
                   (all->batch.pages != NULL ? COLUMN_BIT(COLUMN_PHYS) : 0),
        .time_unit = clocked ? TIME_NS : TIME_REFERENCES,
    };
    return NULL;
}

static char *drmemtrace_read(void *parser, bool *stopped)
{
    struct drmemtrace *all = parser;
    char *error = begin(all);
    for (uint64_t pieces = 1; error == NULL && all->waiting > 0 && !*stopped; pieces++) {
        enum drmemtrace_stop stop = STOP_END;
        error = read_piece(all, all->thread[all->heap[0]], false, &stop);
        if (stop == STOP_END) {
            all->heap[0] = all->heap[--all->waiting];
        }
        sink_down(all, 0);
        *stopped = pieces % PIECES_PER_WATCH == 0 && import_watched(all->import);
    }
    all->import->line = all->batch.records;
    return error;
}

/* ----------------------------------------------------------------------------------------- notes */

/* What the file type says is missing from the trace. */
static const char *missing(uint64_t file_type)
{
    bool fetches = (file_type & (FILE_FILTERED | FILE_FETCHES_FILTERED)) != 0;
    bool data = (file_type & (FILE_FILTERED | FILE_DATA_FILTERED)) != 0;
    return (file_type & FILE_INSTRUCTIONS_ONLY) != 0 ? "all loads and stores"
           : fetches && data ? "fetches, loads and stores that hit a cache filter"
           : fetches         ? "fetches that hit a cache filter"
           : data            ? "loads and stores that hit a cache filter"
                             : NULL;
}

static char *drmemtrace_finish(void *parser)
{
    struct drmemtrace *all = parser;
    const struct drmemtrace_batch *batch = &all->batch;
    const char *without = missing(batch->file_type);
    const struct {
        const char *key;
        uint64_t count;
    } counts[] = {
        {"drmemtrace_version", batch->version},
        {"prefetches", batch->prefetches},
        {"cache_flushes", batch->flushes},
        {"instructions_not_fetched", batch->not_fetched},
        {"times_that_fell", all->fallen},
        {"references_without_physical_address",
         (all->facts.columns & COLUMN_BIT(COLUMN_PHYS)) != 0 ? batch->without_physical : 0},
    };
    char *error = without != NULL
                      ? all->import->sink->note(all->import->sink, "not_recorded", without)
                      : NULL;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0] && error == NULL; i++) {
        error = import_note_count(all->import, counts[i].key, counts[i].count);
    }
    return error;
}

/* "drmemtrace.app.1234.5678.trace.zip", "1234.memtrace.gz", "core.0.trace" */
static bool wants_file(const char *name)
{
    static const char word[] = "trace";
    for (const char *at = strstr(name, word); at != NULL; at = strstr(at + 1, word)) {
        const char *rest = at + sizeof word - 1;
        if (*rest == '\0' || strcmp(rest, ".zip") == 0 || strcmp(rest, ".gz") == 0 ||
            strcmp(rest, ".zst") == 0 || strcmp(rest, ".xz") == 0 || strcmp(rest, ".lz4") == 0) {
            return true;
        }
    }
    return false;
}

const struct import_format import_drmemtrace = {
    .name = "drmemtrace",
    .summary = "trace of DynamoRIO's drmemtrace: its folder, or one file",
    .takes = IMPORT_TAKES(IMPORT_NO_FETCHES),
    .open = drmemtrace_open,
    .read = drmemtrace_read,
    .wants_file = wants_file,
    .inner_folder = "trace",
    .no_files = "holds no file *trace, *trace.zip or *trace.gz of a thread; a recording that only "
                "has a folder raw is made a trace by: drrun -t drmemtrace -indir FOLDER",
    .finish = drmemtrace_finish,
    .close = drmemtrace_close,
};
