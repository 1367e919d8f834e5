/* One policy's replay of a trace: the steps of the course (course.h) become calls of the memory
 * subsystem.
 *
 * Belongs to one thread at a time. Replays of one course share its guest, and nothing else.
 */
#ifndef DISCO_REPLAYER_REPLAY_H
#define DISCO_REPLAYER_REPLAY_H

#include "replayer/course.h"
#include "replayer/report/results.h"

struct replay_options {
    const struct machine *machine;
    const struct course *course;
    bool contention; /* loaded latencies; false: the machine's, flat */
    uint64_t seed;
    uint64_t refs_per_sample;  /* 0: as the trace says */
    uint64_t epoch_references; /* 0: the memory subsystem's own choice */
    uint64_t log_actions;      /* kept of each policy; the rest is counted */
    uint32_t check_every;      /* 0: never */
};

struct replay {
    const struct policy_choice *choice;
    struct memory *memory;
    struct record *record;
    struct sampling *sampling;                  /* NULL: the trace is whole */
    bool weighted;                              /* each reference has a weight of its own */
    uint64_t refs_per_sample, epoch_references; /* in force */
    uint32_t slice; /* references between two looks at the user's wishes */
    bool stopped;   /* by the user */
};

/* The options' machine and course, and the choice, must outlive it. */
char *replay_new(const struct replay_options *options, const struct trace_reader *reader,
                 const struct policy_choice *choice, struct replay **out) MUST_CHECK;
void replay_free(struct replay *replay);

/* For results, once it is finished. */
static inline struct policy_run replay_finished(const struct replay *replay)
{
    return (struct policy_run){.choice = replay->choice,
                               .memory = replay->memory,
                               .record = replay->record,
                               .sampling = replay->sampling,
                               .weighted = replay->weighted,
                               .refs_per_sample = replay->refs_per_sample};
}

/* An error names the policy. */
char *replay_piece(struct replay *replay, const struct piece *piece) MUST_CHECK;
/* What course_change_begin() is about is no longer mapped. */
char *replay_forget(struct replay *replay) MUST_CHECK;
/* After the last piece. */
char *replay_finish(struct replay *replay) MUST_CHECK;

#endif
