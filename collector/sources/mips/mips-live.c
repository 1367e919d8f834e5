#include "collector/sources/mips/mips-live.h"

#include <stdlib.h>

#include "collector/trace/reader.h"
#include "replayer/report/registry.h"
#include "replayer/report/report.h"
#include "replayer/report/store.h"

/* As disco-replay has them where its user does not say. */
#define EPOCH_REFERENCES 16384u
#define LOG_ACTIONS      100000u
#define CONTENTION       true
#define REFS_PER_SAMPLE  1u

struct mips_live {
    struct registry *registry;
    struct policy_choices choices; /* one */
    struct record *record;
    struct memory_options memory;
};

static char *set_up(struct mips_live *live, const char *word, uint64_t seed)
{
    char *error = registry_open(&live->registry);
    if (error == NULL)
        error = registry_choose(live->registry, word, &live->choices);
    if (error == NULL && live->choices.count != 1)
        error =
            say("--policy %s: a live run has one policy; disco-replay compares many on its trace",
                word);
    if (error == NULL && (live->record = record_new(LOG_ACTIONS)) == NULL)
        error = say_no_memory();
    if (error != NULL)
        return error;
    const struct policy_choice *choice = &live->choices.choice[0];
    live->memory = (struct memory_options){
        .contention = CONTENTION,
        .policy = choice->policy,
        .param = choice->param,
        .seed = seed,
        .refs_per_sample = REFS_PER_SAMPLE,
        .epoch_references = EPOCH_REFERENCES,
        .context = live->record,
        .on_action = record_action,
        .on_epoch = record_epoch,
    };
    return NULL;
}

char *mips_live_new(const char *word, uint64_t seed, struct mips_live **out)
{
    struct mips_live *live = calloc(1, sizeof *live);
    *out = live;
    char *error = live == NULL ? say_no_memory() : set_up(live, word, seed);
    if (error != NULL) {
        mips_live_free(live);
        *out = NULL;
    }
    return error;
}

void mips_live_free(struct mips_live *live)
{
    if (live == NULL)
        return;
    record_free(live->record);
    policy_choices_free(&live->choices);
    registry_free(live->registry);
    free(live);
}

const struct memory_options *mips_live_memory(const struct mips_live *live)
{
    return live == NULL ? NULL : &live->memory;
}

static char *put_out(struct report *report, bool json)
{
    char *error = warnings_find(report, &report->warnings);
    if (error == NULL && report->runs > 0)
        error = store_write(NULL, report);
    if (error == NULL)
        error = json ? report_json(report, stdout) : report_table(report, stdout);
    if (error == NULL && (fflush(stdout) != 0 || ferror(stdout)))
        error = say("standard output: could not be written; make room, or read it to its end");
    for (size_t i = 0; error == NULL && i < report->warnings.count; i++)
        (void)fprintf(stderr, "disco-record: %s: warning: %s\n", report->trace,
                      report->warnings.warning[i].text);
    warnings_free(&report->warnings);
    return error;
}

static struct results results_of_live(const struct mips_live *live, const struct memory *memory,
                                      const struct machine *machine)
{
    const struct policy_run run = {.choice = &live->choices.choice[0],
                                   .memory = memory,
                                   .record = live->record,
                                   .refs_per_sample = REFS_PER_SAMPLE};
    return results_of(run, machine);
}

char *mips_live_report(const struct mips_live *live, const struct memory *memory,
                       const struct machine *machine, uint64_t seed, const char *trace, bool json)
{
    static const uint64_t left_out[EVENT_TYPES] = {0};
    struct trace_reader *reader = NULL;
    if (live != NULL && live->record->no_memory)
        return say_no_memory();
    char *machine_json = machine_to_json(machine);
    char *error = machine_json == NULL ? say_no_memory() : trace_reader_open(trace, &reader);
    if (error == NULL) {
        struct results results = {0};
        if (live != NULL)
            results = results_of_live(live, memory, machine);
        struct report report = {.trace = trace,
                                .reader = reader,
                                .machine = machine,
                                .machine_json = machine_json,
                                .schedule = "recorded",
                                .schedule_reason = "the monitor's own",
                                .thp = "never",
                                .gigantic = "never",
                                .left_out = left_out,
                                .contention = CONTENTION,
                                .refs_per_sample = REFS_PER_SAMPLE,
                                .epoch_references = EPOCH_REFERENCES,
                                .seed = seed,
                                .log_actions = LOG_ACTIONS,
                                .results = &results,
                                .runs = live != NULL};
        error = put_out(&report, json);
    }
    if (reader != NULL)
        trace_reader_close(reader);
    free(machine_json);
    return error;
}
