/* One recording, from the counters to the closed trace. */
#ifndef DISCO_PERF_RECORDING_H
#define DISCO_PERF_RECORDING_H

#include "collector/sources/perf/perf-counters.h"
#include "collector/sources/perf/perf-session.h"

struct perf_options {
    const struct perf_event_kind *kind;
    enum perf_target target;
    pid_t pid;                /* PERF_TARGET_PROCESS */
    char *const *argv;        /* PERF_TARGET_COMMAND: ends in NULL */
    uint64_t period;          /* events a sample */
    uint64_t frequency;       /* samples a second and CPU instead; 0: none */
    uint64_t duration_ns;     /* 0: until the end of what is recorded */
    uint64_t refs_per_sample; /* 0: the event's own */
    uint32_t scan_period_ms;  /* PERF_WAY_HINTING; 0: the kernel's own */
    size_t ring_bytes;
    const char *output;
    bool replace;
};

struct perf_result {
    struct perf_session_counts counts;
    uint64_t pages;
    char *outcome; /* of a command that did not succeed, in words; for the caller to free */
};

/* Records, with remarks on standard error. Ends well at SIGINT, SIGTERM and SIGHUP. Errors as in
 * collector/trace/writer.h; what was recorded before one is in the trace, which is marked as cut
 * off. */
char *perf_recording_run(const struct perf_options *options, struct perf_result *result);

#endif
