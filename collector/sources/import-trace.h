/* The sink that writes a trace: gives streams and spaces their ids, puts time 0 at the first
 * reference, tells where a stream moves from CPU to CPU.
 *
 * The file is made at the first reference, so that an input which has none leaves nothing behind
 * and replaces nothing. Errors as in collector/trace/writer.h. */
#ifndef DISCO_SOURCES_IMPORT_TRACE_H
#define DISCO_SOURCES_IMPORT_TRACE_H

#include "collector/sources/import.h"

struct import_trace_options {
    const char *path;
    const char *command; /* NULL: what the format found, else `file` */
    const char *file;    /* the imported one */
    uint32_t page_bytes;
    uint64_t refs_per_sample; /* above 1: the trace is sampled; 0: the weight of all, or 1 */
    bool replace;             /* a trace that is there */
    bool sort;
};

struct import_trace;

char *import_trace_open(const struct import_trace_options *options,
                        struct import_trace **out) MUST_CHECK;
struct import_sink *import_trace_sink(struct import_trace *trace);
/* Ends the trace, if it has begun, and frees. `complete` as in trace_writer_close. */
char *import_trace_close(struct import_trace *trace, bool complete) MUST_CHECK;

#endif
