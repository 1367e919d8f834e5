/* One file of a drmemtrace: the records of a thread (or of a core, whose threads follow one
 * another), decoded to references in pieces of one thread, one CPU and one timestamp.
 *
 * Errors as in collector/trace/writer.h; they name the file, the record by its number from 1, and
 * its first byte in the unpacked data. What was decoded before an error is in the batch.
 */
#ifndef DISCO_SOURCES_DRMEMTRACE_THREAD_H
#define DISCO_SOURCES_DRMEMTRACE_THREAD_H

#include "collector/sources/drmemtrace/drmemtrace-pages.h"
#include "collector/sources/input.h"

#include <stdbool.h>
#include <stdint.h>

#define DRMEMTRACE_BATCH_REFS 4096u
/* A bundle gives up to 8 references at once. */
#define DRMEMTRACE_BATCH_ROOM (DRMEMTRACE_BATCH_REFS + 8u)

/* References of one piece, and what was met that is none. One for all threads of an import. */
struct drmemtrace_batch {
    size_t refs;
    uint64_t addr[DRMEMTRACE_BATCH_ROOM], size[DRMEMTRACE_BATCH_ROOM], phys[DRMEMTRACE_BATCH_ROOM];
    uint8_t what[DRMEMTRACE_BATCH_ROOM];
    bool fetches;                   /* wanted */
    struct drmemtrace_pages *pages; /* fills phys from here on; NULL: no marker has told of any */
    uint64_t records, prefetches, flushes, not_fetched, without_physical;
    uint64_t version, file_type; /* highest; all bits */
};

/* Where a thread is: true of all references in the batch. */
struct drmemtrace_place {
    uint64_t pid, tid;
    int32_t cpu, node;     /* -1: not known */
    uint64_t timestamp_us; /* since 1601; 0: none yet */
};

enum drmemtrace_stop {
    STOP_FLUSH, /* the batch is full, or what comes is elsewhere: take it and go on */
    STOP_TIME,  /* a timestamp: the batch is empty, and other threads may come first */
    STOP_END,   /* the file's end; the batch may hold the last references */
};

struct drmemtrace_thread;

/* The input stays the caller's. */
char *drmemtrace_thread_new(struct input *input, struct drmemtrace_thread **out) MUST_CHECK;
void drmemtrace_thread_free(struct drmemtrace_thread *thread); /* leaves the input */

/* Decodes on until one of the reasons to stop, which is not an error. With `peek`, stops
 * (STOP_FLUSH) before the first reference. */
char *drmemtrace_thread_decode(struct drmemtrace_thread *thread, struct drmemtrace_batch *batch,
                               bool peek, enum drmemtrace_stop *stop) MUST_CHECK;
const struct drmemtrace_place *drmemtrace_thread_place(const struct drmemtrace_thread *thread);

#endif
