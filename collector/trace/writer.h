/* Writes a trace, as it is recorded, in memory that does not grow with its length.
 *
 * Commits as it goes: whatever kills the process, the file opens, is marked as cut off, and holds
 * everything up to the last commit. One writer a file: a second one is refused.
 *
 * Errors: every function that can fail returns NULL when all is well and otherwise one line, in
 * memory from malloc, that names the file and what to do; the caller prints and frees it. After an
 * error the writer takes nothing more, but must still be closed; what was committed stays.
 */
#ifndef DISCO_TRACE_WRITER_H
#define DISCO_TRACE_WRITER_H

#include "collector/trace/event.h"

#define MUST_CHECK __attribute__((warn_unused_result))

enum trace_time_unit {
    TIME_REFERENCES, /* no clock: the time of a reference is its ordinal; no column is stored */
    TIME_NS,
};

/* What is known of a trace before its first reference. Strings are copied; NULL for what is not
 * known. */
struct trace_facts {
    const char *source;  /* "perf", "lackey", "perf-script", "text", "mips", ... */
    const char *command; /* the recorded program and its arguments, or the imported file */
    const char *host;    /* where it was recorded */
    const char *event;   /* the sampled event, where there is one */
    uint32_t page_bytes; /* page size of the recorded system: a power of two, 512 to 1 GiB */
    uint32_t columns;    /* COLUMN_BITs that every reference carries */
    enum trace_time_unit time_unit; /* TIME_NS wants COLUMN_TIME */
    uint64_t start_unix_ns;         /* wall clock at time 0, or 0 */
    uint64_t refs_per_sample; /* references that one recorded one stands for: 1 for full traces */
    bool sampled;             /* some references are missing by design */
};

struct trace_stream {
    uint32_t space;    /* address space it starts in */
    uint32_t vm;       /* virtual machine, 0 where there is none */
    uint64_t pid, tid; /* as the source names them */
    int32_t cpu, node; /* recorded at its first reference, or -1 */
    const char *name;  /* or NULL */
};

struct trace_region {
    uint32_t space;
    uint64_t start, end; /* bytes, end excluded */
    const char *kind;    /* "mapping", "symbol", "heap", "stack", "allocation" */
    const char *name;    /* what a user would call it: file, symbol, "[heap]" */
    const char *file;    /* path, or NULL */
    uint64_t file_offset_bytes;
};

struct trace_writer;

/* Makes the file, which must not exist (`replace` removes one that is a trace or empty, nothing
 * else). */
char *trace_writer_create(const char *path, const struct trace_facts *facts, bool replace,
                          struct trace_writer **out) MUST_CHECK;

/* Each gives a new id, from 0. They may come at any time before the references that use them. */
char *trace_writer_space(struct trace_writer *writer, const char *name, uint32_t *space) MUST_CHECK;
char *trace_writer_stream(struct trace_writer *writer, const struct trace_stream *facts,
                          uint32_t *stream) MUST_CHECK;
char *trace_writer_region(struct trace_writer *writer, const struct trace_region *facts,
                          uint32_t *region) MUST_CHECK;
/* A stream's name may be learnt late (comm records). */
char *trace_writer_name_stream(struct trace_writer *writer, uint32_t stream,
                               const char *name) MUST_CHECK;
/* Learnt late, by who finds that all its samples have one period: facts.refs_per_sample, at
 * least 1. */
char *trace_writer_refs_per_sample(struct trace_writer *writer,
                                   uint64_t refs_per_sample) MUST_CHECK;
/* The note that its references are misses of caches already, which a replay then takes them for. */
#define TRACE_NOTE_INPUT  "input"
#define TRACE_NOTE_MISSES "misses"
/* A fact for table trace_note: things counted by the source (lost records, skipped lines, ...). */
char *trace_writer_note(struct trace_writer *writer, const char *key, const char *value) MUST_CHECK;

/* Cheap: fills the open block, and hands it on when it is full. Order of calls is order of the
 * trace. */
char *trace_writer_ref(struct trace_writer *writer, const struct ref *ref) MUST_CHECK;
char *trace_writer_event(struct trace_writer *writer, const struct trace_event *event) MUST_CHECK;
/* Many references of one stream at once: the fast way in. `like` tells the stream, and for each
 * column of the trace whose array is NULL (or where `column` is) the value that all have: a time of
 * the whole piece, say. Arrays have `refs` values; those of columns that the trace does not have
 * are not looked at. */
char *trace_writer_refs_like(struct trace_writer *writer, const struct ref *like,
                             const uint64_t *addr, const uint8_t *what,
                             const uint64_t *const column[REF_COLUMNS], size_t refs) MUST_CHECK;
/* The same for a trace that has no optional columns. */
char *trace_writer_refs(struct trace_writer *writer, uint32_t stream, const uint64_t *addr,
                        const uint8_t *what, size_t refs) MUST_CHECK;
/* The same for a trace whose only optional column is COLUMN_SIZE. */
char *trace_writer_refs_sized(struct trace_writer *writer, uint32_t stream, const uint64_t *addr,
                              const uint8_t *what, const uint64_t *size_bytes,
                              size_t refs) MUST_CHECK;

/* Makes what has come so far durable. The writer also does so by itself, about once a second. */
char *trace_writer_commit(struct trace_writer *writer) MUST_CHECK;

uint64_t trace_writer_count(const struct trace_writer *writer); /* references so far */

/* Commits, writes the summaries, marks the trace complete (or, !complete, cut off), frees the
 * writer. */
char *trace_writer_close(struct trace_writer *writer, bool complete) MUST_CHECK;

#endif
