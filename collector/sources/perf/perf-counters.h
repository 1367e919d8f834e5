/* The counters of one recording and their rings.
 *
 * One ring a CPU. A counter that children inherit must be opened for each CPU (the kernel refuses
 * to map one that is inherited over all CPUs, Linux 6.1 kernel/events/core.c perf_mmap), so there
 * is one for each event, target and CPU, and all those of a CPU write to its one ring.
 */
#ifndef DISCO_PERF_COUNTERS_H
#define DISCO_PERF_COUNTERS_H

#include <poll.h>
#include <sys/types.h>

#include "collector/sources/perf/perf-event.h"
#include "collector/sources/perf/perf-order.h"

/* Counters read this clock, which the recorder can read too. */
#define PERF_CLOCK CLOCK_MONOTONIC

enum perf_target {
    PERF_TARGET_COMMAND, /* one process, stopped before its exec, which starts the counters */
    PERF_TARGET_PROCESS, /* a running process: all its threads and their children */
    PERF_TARGET_SYSTEM,
};

struct perf_wish {
    enum perf_target target;
    pid_t pid; /* COMMAND, PROCESS */
    const struct perf_event_kind *kind;
    bool faults;        /* by the tracepoints in `layout`, and not by kind->config */
    uint64_t period;    /* events a sample, where frequency is 0 */
    uint64_t frequency; /* samples a second, a CPU */
    size_t ring_bytes;  /* a power of two of pages; halved until the kernel grants it */
    struct perf_layout layout;
    const uint32_t *cpu;
    size_t cpus;
};

struct perf_counters;

char *perf_counters_open(const struct perf_wish *wish, struct perf_counters **out);
void perf_counters_close(struct perf_counters *counters);

/* Starts what its exec does not start; stops all. */
char *perf_counters_start(struct perf_counters *counters);
void perf_counters_stop(struct perf_counters *counters);

/* One round: everything that the rings hold goes to `order`. Counts records that cannot be read.
 * False when memory is short. */
bool perf_counters_read(struct perf_counters *counters, struct perf_order *order,
                        uint64_t *damaged);

/* Samples lost because a ring was full, from the counters themselves (Linux 6.0; 0 before): records
 * tell of a loss only when a later one finds room in the same ring. */
uint64_t perf_counters_lost(const struct perf_counters *counters);

/* For poll(2): one a ring. */
struct pollfd *perf_counters_polls(struct perf_counters *counters, size_t *count);
/* The kernel let us count in user mode only (kernel.perf_event_paranoid). */
bool perf_counters_user_only(const struct perf_counters *counters);

#endif
