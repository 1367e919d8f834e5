/* What a reader of a recorded trace should know of its recording, for table trace_note. */
#ifndef DISCO_PERF_NOTES_H
#define DISCO_PERF_NOTES_H

#include "collector/sources/perf/perf-session.h"

struct perf_notes {
    struct perf_session_counts counts;
    uint64_t late, damaged;  /* records: out of their order, unreadable */
    bool user_only;          /* the kernel let us sample user mode only */
    bool hinting;            /* NUMA balancing was on */
    bool kinds_unknown;      /* hinting without the tracepoints: no loads and stores */
    const char *scan_remark; /* of hinting, or NULL */
};

/* Counts of what is missing, where there is any (lost records always); how the system was set. */
char *perf_notes_put(struct trace_writer *writer, const struct perf_notes *notes);

#endif
