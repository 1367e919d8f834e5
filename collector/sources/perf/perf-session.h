/* What is known of the recorded system, and its way into the trace.
 *
 * Takes records in order of time; gives streams (threads), spaces (processes, and again at each
 * exec), regions (mappings), events and references to the writer. Only what has references gets
 * into the trace: a process that is never sampled leaves nothing.
 */
#ifndef DISCO_PERF_SESSION_H
#define DISCO_PERF_SESSION_H

#include <sys/types.h>

#include "collector/sources/perf/perf-record.h"
#include "collector/trace/writer.h"

struct perf_session_facts {
    uint64_t start_ns;       /* time 0 of the trace, on the counters' clock */
    bool weighted;           /* the trace has COLUMN_WEIGHT: the period of each sample */
    pid_t left_out;          /* a process whose samples are not recorded (the recorder), or 0 */
    const int32_t *cpu_node; /* node of each CPU, or -1; kept by the caller */
    size_t cpus;
};

struct perf_session_counts {
    uint64_t samples, streams;
    uint64_t lost, throttled;
    uint64_t kernel_addresses; /* samples of the kernel's own memory: left out */
    uint64_t unattributed;     /* samples of a thread that was already gone: left out */
};

struct perf_session;

/* NULL when memory is short. The writer stays the caller's. */
struct perf_session *perf_session_new(struct trace_writer *writer,
                                      const struct perf_session_facts *facts);
void perf_session_free(struct perf_session *session);

/* A perf_order_sink: `session` is a struct perf_session. */
char *perf_session_record(void *session, const struct perf_record *record);

struct perf_session_counts perf_session_counts(const struct perf_session *session);

#endif
