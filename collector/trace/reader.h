/* Reads a trace: its facts, and its blocks one after the other or by number.
 *
 * Every block's checksum and every size in it is checked before use. A damaged block is an error
 * that names it; nothing of it is handed out. Errors as in writer.h: NULL, or one line to free.
 * A reader belongs to one thread; several readers may have one file open.
 */
#ifndef DISCO_TRACE_READER_H
#define DISCO_TRACE_READER_H

#include "collector/trace/event.h"
#include "collector/trace/writer.h"

struct trace_reader;

/* A row of trace_note. */
struct trace_note {
    char *key, *value; /* belong to the reader */
};

struct trace_summary {
    struct trace_facts facts; /* strings belong to the reader */
    uint32_t schema_version;
    uint64_t refs, events, blocks;
    uint64_t fetches, loads, stores, touches;
    uint32_t streams, spaces, regions, notes;
    uint64_t first_time, last_time;
    uint64_t stored_bytes; /* of all blocks, compressed */
    bool complete;         /* false: cut off */
    char checksum[17];     /* hex; of all blocks in order: what was replayed */
};

/* Opens read only. Refuses what is not a trace, and a version it does not know, by name. */
char *trace_reader_open(const char *path, struct trace_reader **out) MUST_CHECK;
void trace_reader_close(struct trace_reader *reader);

const struct trace_summary *trace_reader_summary(const struct trace_reader *reader)
    __attribute__((returns_nonnull));
/* id < summary.streams (or spaces, regions); the strings belong to the reader. Loaded at open. */
const struct trace_stream *trace_reader_stream(const struct trace_reader *reader, uint32_t id);
const char *trace_reader_space(const struct trace_reader *reader, uint32_t id);
const struct trace_region *trace_reader_region(const struct trace_reader *reader, uint32_t id);

/* index < summary.notes */
const struct trace_note *trace_reader_note(const struct trace_reader *reader, uint32_t index);

/* The next block, from the first, into `block` (from ref_block_new; `columns` of it are filled,
 * where the trace has them). *end is set, and block left alone, after the last. */
char *trace_reader_next(struct trace_reader *reader, struct ref_block *block, bool *end) MUST_CHECK;
/* One block by number. Does not move the place of trace_reader_next. */
char *trace_reader_block(struct trace_reader *reader, uint64_t number,
                         struct ref_block *block) MUST_CHECK;
/* trace_reader_next starts again at block `number`. */
void trace_reader_seek(struct trace_reader *reader, uint64_t number);

#endif
