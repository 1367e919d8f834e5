/* What a whole command is about: shared by the table, the JSON and the database. */
#ifndef DISCO_REPORT_REPORT_H
#define DISCO_REPORT_REPORT_H

#include <stdio.h>

#include "replayer/options.h"
#include "replayer/report/results.h"
#include "replayer/report/warnings.h"

struct report {
    const struct options *options;
    const struct trace_reader *reader;
    const struct machine *machine;
    const struct course *course;
    const struct schedule *schedule;
    const char *machine_json;  /* of machine_to_json */
    bool misses;               /* the references were taken for misses */
    uint64_t refs_per_sample;  /* in force */
    uint64_t epoch_references; /* in force */
    struct warnings warnings;
    struct results *results; /* [runs] in the order in which the policies were given */
    size_t runs;
};

/* One name for each enum event_type, as users read it. */
extern const char *const event_name[EVENT_TYPES];

/* For a terminal, in at most REPORT_COLUMNS columns where the figures allow it. */
#define REPORT_COLUMNS 120u
char *report_table(const struct report *report, FILE *out) MUST_CHECK;

/* One object, as README.md lists its keys. */
char *report_json(const struct report *report, FILE *out) MUST_CHECK;

/* The parameters of a policy as a JSON object. From malloc; NULL when memory is short. */
char *report_parameters(const struct policy_choice *choice);

#endif
