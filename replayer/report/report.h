/* What a whole command is about: shared by the table, the JSON and the database.
 *
 * Of a replay of a trace, or of a live run of the monitor and the trace that it recorded. What stands
 * here is what the command has used, not what was asked for.
 */
#ifndef DISCO_REPORT_REPORT_H
#define DISCO_REPORT_REPORT_H

#include <stdio.h>

#include "replayer/report/results.h"
#include "replayer/report/warnings.h"

struct report {
    const char *trace; /* its path */
    const struct trace_reader *reader;
    const struct machine *machine;
    const char *machine_json;               /* of machine_to_json */
    const char *schedule, *schedule_reason; /* schedule_reason NULL: the user said so */
    const char *thp, *gigantic; /* what backed with huge pages, by their option's words */
    const uint64_t *left_out;   /* [EVENT_TYPES] events that were not replayed */
    bool misses;                /* the references were taken for misses */
    bool contention;
    uint64_t refs_per_sample, epoch_references, seed, log_actions;
    uint32_t check_every;
    struct warnings warnings;
    struct results *results; /* [runs] in the order in which the policies were given */
    size_t runs;
};

/* For a terminal, in at most REPORT_COLUMNS columns where the figures allow it. */
#define REPORT_COLUMNS 120u
char *report_table(const struct report *report, FILE *out) MUST_CHECK;

/* One object, as replayer/README.md lists its keys. */
char *report_json(const struct report *report, FILE *out) MUST_CHECK;

/* The parameters of a policy as a JSON object. From malloc; NULL when memory is short. */
char *report_parameters(const struct policy_choice *choice);

#endif
