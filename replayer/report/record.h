/* What is kept of a replay while it runs: its actions, and its course over time.
 *
 * Both are bounded: actions beyond the limit are counted only, and epochs are joined in steps, so
 * many to a step that there are at most RECORD_STEPS; fewer where the machine has so many memory
 * controllers and links (stations, network.h) that steps x stations would pass RECORD_CELLS, but
 * RECORD_STEPS_LEAST.
 */
#ifndef DISCO_REPORT_RECORD_H
#define DISCO_REPORT_RECORD_H

#include "vmm-core/memory/memory.h"

#define RECORD_STEPS       2048u
#define RECORD_STEPS_LEAST 64u
#define RECORD_CELLS       32768u

struct record_step {
    uint64_t first_reference, references;
    uint64_t start_ns, end_ns;
    uint64_t local_accesses, remote_accesses;
    uint64_t migrations, replications, collapses, shootdowns;
    uint64_t frames_used, replica_frames; /* at its end */
    uint64_t local_stall_ps, remote_stall_ps;
    uint64_t weight_ns; /* of its epochs together, as the stations are weighted */
};

/* One station in one step. Means are sums that are to be divided: of time by weight_ns, of
 * accesses by `accesses`. */
struct record_station {
    uint64_t accesses;
    double utilisation_ns, queue_ns; /* utilisation and queue length, each times weight_ns */
    double latency_ps;               /* of all accesses */
};

struct record {
    uint64_t limit;               /* actions kept */
    struct memory_action *action; /* [actions] */
    uint64_t actions, room, not_logged;
    struct record_step *step; /* [RECORD_STEPS] */
    uint32_t steps, steps_most;
    struct network_station *kind;   /* [stations] what each is: kind, from, to */
    struct record_station *station; /* [steps_most][stations]; NULL with contention off */
    uint32_t stations;
    uint64_t epochs_per_step; /* a power of two */
    uint64_t epochs_in_last;  /* of the last step */
    bool no_memory;           /* something could not be kept */
};

/* NULL when memory is short. */
struct record *record_new(uint64_t action_limit);
void record_free(struct record *record);

uint64_t record_accesses(const struct record *record, uint32_t step, uint32_t station);
/* Of a step: a station's share of the time in which it is busy, its mean queue, and the mean latency
 * of its accesses. */
double record_utilisation(const struct record *record, uint32_t step, uint32_t station);
double record_queue(const struct record *record, uint32_t step, uint32_t station);
double record_latency_ns(const struct record *record, uint32_t step, uint32_t station);

/* For struct memory_options; the context is the record. */
void record_action(void *context, const struct memory_action *action);
void record_epoch(void *context, const struct memory_epoch *epoch);

#endif
