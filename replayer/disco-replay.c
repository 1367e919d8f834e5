/* disco-replay: what would this recorded program cost on that machine under those policies? */
#include <stdlib.h>
#include <string.h>

#include "replayer/engine.h"
#include "replayer/heap.h"
#include "replayer/options.h"
#include "replayer/report/interrupt.h"
#include "replayer/report/list.h"
#include "replayer/report/store.h"
#include "replayer/thp.h"

#define USAGE_EXIT 2

/* Everything that a command has opened; freed together. */
struct command {
    struct options options;
    struct registry *registry;
    struct policy_choices choices;
    struct machine *machine;
    char *machine_json;
    struct trace_reader *reader;
    struct schedule *schedule;
    bool misses;                         /* the trace's references are taken for misses */
    struct guest_range *huge, *gigantic; /* backed by pages of 2 MiB, of 1 GiB */
    struct course *course;
    struct replay **replay; /* [choices.count] */
    struct results *results;
};

static void command_free(struct command *command)
{
    for (size_t i = 0; command->replay != NULL && i < command->choices.count; i++)
        replay_free(command->replay[i]);
    free((void *)command->replay);
    free(command->results);
    course_free(command->course);
    free(command->huge);
    free(command->gigantic);
    schedule_free(command->schedule);
    if (command->reader != NULL)
        trace_reader_close(command->reader);
    free(command->machine_json);
    if (command->machine != NULL)
        machine_free(command->machine);
    policy_choices_free(&command->choices);
    registry_free(command->registry);
    options_free(&command->options);
}

static int end_with(const char *error, int code)
{
    (void)fprintf(stderr, "disco-replay: %s\n", error);
    return code;
}

static char *load_machine(struct command *command)
{
    char *error = machine_load(command->options.machine, &command->machine);
    if (error != NULL)
        return error;
    command->machine_json = machine_to_json(command->machine);
    return command->machine_json == NULL ? say_no_memory() : NULL;
}

/* Samples say nothing of caches, and who recorded may have left out what they served. */
static bool holds_misses(const struct trace_reader *reader)
{
    const struct trace_summary *summary = trace_reader_summary(reader);
    for (uint32_t i = 0; i < summary->notes; i++) {
        const struct trace_note *note = trace_reader_note(reader, i);
        if (note->key != NULL && note->value != NULL && strcmp(note->key, TRACE_NOTE_INPUT) == 0 &&
            strcmp(note->value, TRACE_NOTE_MISSES) == 0)
            return true;
    }
    return summary->facts.sampled;
}

static char *make_course(struct command *command)
{
    const struct options *options = &command->options;
    command->misses = options->input == NULL ? holds_misses(command->reader)
                                             : strcmp(options->input, "misses") == 0;
    struct course_options course = {.machine = command->machine,
                                    .schedule = command->schedule,
                                    .misses = command->misses,
                                    .check_every = options->check_every};
    char *error = thp_ranges("--thp", options->thp, command->reader, command->machine,
                             &command->huge, &course.huge_ranges);
    if (error == NULL)
        error = thp_ranges("--gigantic", options->gigantic, command->reader, command->machine,
                           &command->gigantic, &course.gigantic_ranges);
    course.huge = command->huge;
    course.gigantic = command->gigantic;
    return error == NULL ? course_new(&course, command->reader, &command->course) : error;
}

static char *open_all(struct command *command)
{
    const struct options *options = &command->options;
    char *error = trace_reader_open(options->trace, &command->reader);
    if (error == NULL && !options->no_results)
        error = store_probe(options->results, options->trace,
                            trace_reader_summary(command->reader)->checksum);
    if (error == NULL)
        error =
            schedule_make(options->schedule, options->trace, command->machine, &command->schedule);
    if (error != NULL)
        return error;
    error = make_course(command);
    if (error != NULL)
        return error;
    command->replay = calloc(command->choices.count, sizeof(struct replay *));
    command->results = calloc(command->choices.count, sizeof *command->results);
    if (command->replay == NULL || command->results == NULL)
        return say_no_memory();
    const struct trace_facts *facts = &trace_reader_summary(command->reader)->facts;
    uint64_t refs_per_sample = options->refs_per_sample;
    if (refs_per_sample == 0 && facts->sampled && facts->refs_per_sample == 1 &&
        (facts->columns & COLUMN_BIT(COLUMN_WEIGHT)) != 0 &&
        (error = sampling_mean_weight(command->reader, &refs_per_sample)) != NULL)
        return error;
    struct replay_options replay = {
        .machine = command->machine,
        .course = command->course,
        .contention = options->contention,
        .seed = options->seed,
        .refs_per_sample = refs_per_sample,
        .epoch_references = options->epoch_references,
        .log_actions = options->log_actions,
        .check_every = options->check_every,
    };
    for (size_t i = 0; i < command->choices.count; i++) {
        const struct policy_choice *choice = &command->choices.choice[i];
        error = replay_new(&replay, command->reader, choice, &command->replay[i]);
        if (error != NULL) {
            char *named = say("policy %s: %s", choice->label, error);
            free(error);
            return named;
        }
    }
    return NULL;
}

/* What was printed is out, or the error. */
static char *printed(void)
{
    return fflush(stdout) == 0 && !ferror(stdout)
               ? NULL
               : say("standard output: could not be written; make room, or read it to its end");
}

static void print_warnings(const struct report *report)
{
    for (size_t i = 0; i < report->warnings.count; i++)
        (void)fprintf(stderr, "disco-replay: %s: warning: %s\n", report->trace,
                      report->warnings.warning[i].text);
}

static char *put_out(const struct options *options, struct report *report)
{
    char *error = warnings_find(report, &report->warnings);
    if (error == NULL && !options->no_results)
        error = store_write(options->results, report);
    if (error == NULL)
        error = options->json ? report_json(report, stdout) : report_table(report, stdout);
    if (error == NULL)
        error = printed();
    if (error == NULL)
        print_warnings(report);
    warnings_free(&report->warnings);
    return error;
}

/* Stores and prints. Results of all policies, or of none. */
static char *report(struct command *command)
{
    const struct options *options = &command->options;
    struct report report = {
        .trace = options->trace,
        .reader = command->reader,
        .machine = command->machine,
        .machine_json = command->machine_json,
        .schedule = command->schedule->name,
        .schedule_reason = command->schedule->reason,
        .thp = options->thp,
        .gigantic = options->gigantic,
        .left_out = course_left_out(command->course),
        .misses = command->misses,
        .contention = options->contention,
        .refs_per_sample = command->replay[0]->refs_per_sample,
        .epoch_references = command->replay[0]->epoch_references,
        .seed = options->seed,
        .log_actions = options->log_actions,
        .check_every = options->check_every,
        .results = command->results,
        .runs = command->choices.count,
    };
    for (size_t i = 0; i < report.runs; i++)
        report.results[i] = results_of(replay_finished(command->replay[i]), command->machine);
    return put_out(options, &report);
}

static char *replay(struct command *command)
{
    char *error = open_all(command);
    if (error != NULL)
        return error;
    size_t policies = command->choices.count;
    uint32_t threads = command->options.threads;
    error = engine_run(command->options.trace, command->course, command->replay, policies,
                       threads == 0 ? engine_threads(policies) : threads);
    return error == NULL ? report(command) : error;
}

static char *do_it(struct command *command)
{
    if (command->options.list_policies) {
        list_policies(command->registry, stdout);
        return printed();
    }
    if (command->options.list_machines) {
        list_machines(stdout);
        return printed();
    }
    char *error = load_machine(command);
    if (error != NULL || !command->options.print_machine)
        return error == NULL ? replay(command) : error;
    (void)fputs(command->machine_json, stdout);
    return printed();
}

static int run(struct command *command)
{
    const struct options *options = &command->options;
    char *error = registry_open(&command->registry);
    int code = EXIT_FAILURE;
    for (size_t i = 0; error == NULL && i < options->policies; i++)
        if ((error = registry_choose(command->registry, options->policy[i], &command->choices)) !=
            NULL)
            code = USAGE_EXIT;
    if (error == NULL)
        error = do_it(command);
    if (error == NULL)
        return EXIT_SUCCESS;
    code = end_with(error, code);
    free(error);
    return code;
}

int main(int argc, char **argv)
{
    struct command command = {0};
    heap_tight();
    options_parse(argc, argv, &command.options);
    interrupt_hold();
    int code = run(&command);
    command_free(&command);
    return code;
}
