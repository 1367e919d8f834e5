/* What is kept of a replay while it runs: its actions, and its course over time.
 *
 * Both are bounded: actions beyond the limit are counted only, and epochs are joined in steps, so
 * many to a step that there are at most RECORD_STEPS.
 */
#ifndef DISCO_REPLAYER_RECORD_H
#define DISCO_REPLAYER_RECORD_H

#include "vmm-core/memory/memory.h"

#define RECORD_STEPS 2048u

struct record_step {
    uint64_t first_reference, references;
    uint64_t start_ns, end_ns;
    uint64_t local_accesses, remote_accesses;
    uint64_t migrations, replications, collapses, shootdowns;
    uint64_t frames_used, replica_frames; /* at its end */
};

struct record {
    uint64_t limit;               /* actions kept */
    struct memory_action *action; /* [actions] */
    uint64_t actions, room, not_logged;
    struct record_step *step; /* [RECORD_STEPS] */
    uint32_t steps;
    uint64_t epochs_per_step; /* a power of two */
    uint64_t epochs_in_last;  /* of the last step */
    bool no_memory;           /* something could not be kept */
};

/* NULL when memory is short. */
struct record *record_new(uint64_t action_limit);
void record_free(struct record *record);

/* For struct memory_options; the context is the record. */
void record_action(void *context, const struct memory_action *action);
void record_epoch(void *context, const struct memory_epoch *epoch);

#endif
