/* One policy's replay of a trace: turns decoded blocks into calls of the memory subsystem.
 *
 * A reference's CPU is its stream's (schedule.h). Events:
 *   dispatch   with schedule `recorded`, the stream's CPU from now on; otherwise of no meaning
 *   idle       with schedule `recorded`, the CPU's clock moves on; otherwise counted as left out
 *   asid       the stream's address space from now on; it is one of that space's streams
 *   unmap      the pages are no longer mapped; a page that nothing maps is freed
 *   share      two spaces map the same pages
 *   exit       when the last stream of a space ends, its pages are freed before the next reference
 *              (so that after the last reference of the trace the pages are still to be seen)
 *   map, time  nothing: pages appear at their first touch, and time is the model's
 *   fork       the child gets a page of its own at its first touch of it. Copy on write is
 *              approximated: what parent and child only read would be shared on a real system, and
 *              here takes two frames
 *   tlbwrite, dma, zero, free
 *              counted as left out: they need a monitor's guest-physical pages
 */
#ifndef DISCO_REPLAYER_REPLAY_H
#define DISCO_REPLAYER_REPLAY_H

#include "collector/trace/reader.h"
#include "replayer/record.h"
#include "replayer/registry.h"
#include "replayer/schedule.h"
#include "vmm-core/memory/memory.h"

struct replay_options {
    const struct machine *machine;
    const struct schedule *schedule;
    uint64_t seed;
    uint64_t refs_per_sample;  /* 0: as the trace says */
    uint64_t epoch_references; /* 0: the memory subsystem's own choice */
    uint64_t log_actions;      /* kept of each policy; the rest is counted */
    uint32_t check_every;      /* 0: never */
};

struct replay {
    const struct policy_choice *choice;
    const struct schedule *schedule;
    struct memory *memory;
    struct record *record;
    uint64_t left_out[EVENT_TYPES]; /* events that mean something and were not replayed */
    uint64_t refs_per_sample, epoch_references; /* in force */
    uint32_t streams, spaces;
    uint32_t *cpu;   /* [streams] where it is now, or SCHEDULE_NO_CPU */
    uint32_t *space; /* [streams] its address space now */
    uint32_t *alive; /* [spaces] streams that are in it and have not ended */
    uint32_t *ended; /* [spaces_ended] spaces to be freed before the next reference */
    uint32_t spaces_ended;
    uint32_t slice; /* references between two looks at the user's wishes */
    bool stopped;   /* by the user */
    uint32_t given; /* CPUs given out so far by compact or scatter */
};

/* The options' machine and schedule, and the choice, must outlive it. */
char *replay_new(const struct replay_options *options, const struct trace_reader *reader,
                 const struct policy_choice *choice, struct replay **out) MUST_CHECK;
void replay_free(struct replay *replay);

/* The next block. An error names the policy. */
char *replay_block(struct replay *replay, const struct ref_block *block) MUST_CHECK;
/* After the last block. */
char *replay_finish(struct replay *replay) MUST_CHECK;

#endif
