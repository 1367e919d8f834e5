/* The database side of the writer: makes the file, puts rows into it, commits.
 *
 * Holds an exclusive lock from creation to close, so that a second writer is refused and no reader
 * makes a recorder wait. Errors as in writer.h. After an error the open transaction is rolled back
 * and the file must only be closed; what was committed stays.
 */
#ifndef DISCO_TRACE_WRITER_FILE_H
#define DISCO_TRACE_WRITER_FILE_H

#include "collector/trace/block-row.h"
#include "collector/trace/page-counts.h"
#include "collector/trace/store.h"

struct writer_file;

/* Sums over everything handed to the file so far. */
struct trace_totals {
    uint64_t blocks, refs, events;
    uint64_t kind[4]; /* by enum ref_kind */
};

char *writer_file_create(const char *path, const struct trace_facts *facts, bool replace,
                         struct writer_file **out) MUST_CHECK;

char *writer_file_space(struct writer_file *file, uint32_t id, const char *name) MUST_CHECK;
char *writer_file_stream(struct writer_file *file, uint32_t id,
                         const struct trace_stream *facts) MUST_CHECK;
char *writer_file_region(struct writer_file *file, uint32_t id,
                         const struct trace_region *facts) MUST_CHECK;
char *writer_file_name_stream(struct writer_file *file, uint32_t id, const char *name) MUST_CHECK;
char *writer_file_refs_per_sample(struct writer_file *file, uint64_t refs_per_sample) MUST_CHECK;
char *writer_file_note(struct writer_file *file, const char *key, const char *value) MUST_CHECK;

/* Takes the place of an earlier row of the same number. */
char *writer_file_block(struct writer_file *file, const struct block_row *row) MUST_CHECK;
/* Moves all counts into page_summary, and adds them to totals->kind. */
char *writer_file_counts(struct writer_file *file, struct page_counts *counts,
                         struct trace_totals *totals) MUST_CHECK;

/* Makes everything so far durable, and begins the next transaction. */
char *writer_file_commit(struct writer_file *file, const struct trace_totals *totals,
                         bool complete) MUST_CHECK;
void writer_file_close(struct writer_file *file);

const char *writer_file_path(const struct writer_file *file);

#endif
