/* A small trace and a small machine for the tests of the replayer: all figures can be found by
 * hand. */
#ifndef DISCO_TEST_REPLAY_H
#define DISCO_TEST_REPLAY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/trace/writer.h"
#include "replayer/engine.h"
#include "replayer/report/results.h"

#define PAGE 4096u

/* Two nodes of two CPUs with odd numbers; 100 ns to the own node, 300 ns to the other; four frames
 * each; no TLB; a load or store takes 2 ns by itself, everything else nothing. */
static const char small_machine[] =
    "{\"name\": \"small\", \"cpu_mhz\": 1000, \"page_size\": 4096,"
    " \"nodes\": [{\"cpus\": [1, 3], \"memory\": \"16K\"}, {\"cpus\": [5, 7], \"memory\": "
    "\"16K\"}],"
    " \"latency_ns\": [[100, 300], [300, 100]],"
    " \"tlb\": {\"entries\": 0}, \"l2tlb\": {\"entries\": 0},"
    " \"costs\": {\"trap_ns\": 0, \"tlb_refill_ns\": 0, \"tlb_forward_ns\": 0, \"tlb_walk_ns\": 0,"
    "  \"dispatch_ns\": 0, \"page_fault_ns\": 0, \"replica_fault_ns\": 0, \"hot_page_ns\": 0,"
    "  \"move_page_ns\": 0, \"copy_page_ns\": 0, \"shootdown_ns\": 0, \"shootdown_per_cpu_ns\": 0,"
    "  \"fetch_ps\": 0, \"data_reference_ps\": 2000}}";

static inline void well(char *error)
{
    if (error != NULL)
        fail_msg("%s", error);
}

/* One line that holds `text`. */
static inline void refused(char *error, const char *text)
{
    assert_non_null(error);
    if (strstr(error, text) == NULL || strchr(error, '\n') != NULL)
        fail_msg("'%s' is not in: %s", text, error);
    free(error);
}

/* What a test works on; made by fixture_open, filled by the test, freed by fixture_close. */
struct fixture {
    char folder[32], path[64];
    struct machine *machine;
    struct trace_writer *writer;
    struct registry *registry;
};

static inline int fixture_open(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    strcpy(fixture->folder, "/tmp/disco-replay-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    snprintf(fixture->path, sizeof fixture->path, "%s/trace.db", fixture->folder);
    well(machine_parse("small", small_machine, strlen(small_machine), &fixture->machine));
    struct trace_facts facts = {.source = "text",
                                .command = "test",
                                .page_bytes = PAGE,
                                .time_unit = TIME_REFERENCES,
                                .refs_per_sample = 1};
    well(trace_writer_create(fixture->path, &facts, false, &fixture->writer));
    well(registry_open(&fixture->registry));
    *state = fixture;
    return 0;
}

static inline int fixture_close(void **state)
{
    struct fixture *fixture = *state;
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", fixture->folder);
    if (fixture->writer != NULL)
        well(trace_writer_close(fixture->writer, true));
    machine_free(fixture->machine);
    registry_free(fixture->registry);
    free(fixture);
    return system(command);
}

static inline uint32_t add_space(struct fixture *fixture)
{
    uint32_t space = 0;
    well(trace_writer_space(fixture->writer, "process", &space));
    return space;
}

static inline uint32_t add_stream(struct fixture *fixture, uint32_t space, int32_t cpu,
                                  const char *name)
{
    uint32_t stream = 0;
    static uint64_t tid = 100;
    struct trace_stream facts = {
        .space = space, .pid = 10, .tid = tid++, .cpu = cpu, .node = -1, .name = name};
    well(trace_writer_stream(fixture->writer, &facts, &stream));
    return stream;
}

static inline void add_refs(struct fixture *fixture, uint32_t stream, uint64_t page,
                            enum ref_kind kind, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        struct ref ref = {.addr = page * PAGE + i % PAGE, .stream = stream, .what = (uint8_t)kind};
        well(trace_writer_ref(fixture->writer, &ref));
    }
}

static inline void add_event(struct fixture *fixture, enum event_type type, uint32_t stream,
                             uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
    struct trace_event event = {.type = type, .stream = stream, .args = {a, b, c, d, e}};
    well(trace_writer_event(fixture->writer, &event));
}

static inline void end_trace(struct fixture *fixture)
{
    well(trace_writer_close(fixture->writer, true));
    fixture->writer = NULL;
}

/* A replay of the fixture's trace under each policy of `words`. */
struct outcome {
    struct trace_reader *reader;
    struct policy_choices choices;
    struct schedule *schedule;
    struct course *course;
    struct replay *replay[16];
    struct results results[16];
    size_t count;
    char *error; /* of the engine */
};

static inline void replay_prepare(struct fixture *fixture, const char *words, const char *how,
                                  bool contention, struct outcome *outcome)
{
    *outcome = (struct outcome){0};
    if (fixture->writer != NULL)
        end_trace(fixture);
    struct trace_reader *reader = NULL;
    well(trace_reader_open(fixture->path, &reader));
    outcome->reader = reader;
    well(registry_choose(fixture->registry, words, &outcome->choices));
    well(schedule_make(how, fixture->path, fixture->machine, &outcome->schedule));
    struct course_options course = {.machine = fixture->machine,
                                    .schedule = outcome->schedule,
                                    .check_every = 100};
    well(course_new(&course, reader, &outcome->course));
    struct replay_options options = {.machine = fixture->machine,
                                     .course = outcome->course,
                                     .contention = contention,
                                     .seed = 1,
                                     .log_actions = 1000,
                                     .check_every = 100};
    outcome->count = outcome->choices.count;
    for (size_t i = 0; i < outcome->count; i++)
        well(replay_new(&options, reader, &outcome->choices.choice[i], &outcome->replay[i]));
}

static inline void replay_run(struct fixture *fixture, uint32_t threads, struct outcome *outcome)
{
    outcome->error =
        engine_run(fixture->path, outcome->course, outcome->replay, outcome->count, threads);
    for (size_t i = 0; outcome->error == NULL && i < outcome->count; i++)
        outcome->results[i] = results_of(replay_finished(outcome->replay[i]), fixture->machine);
}

static inline void replay_with(struct fixture *fixture, const char *words, const char *how,
                               uint32_t threads, bool contention, struct outcome *outcome)
{
    replay_prepare(fixture, words, how, contention, outcome);
    replay_run(fixture, threads, outcome);
}

static inline void replay_it(struct fixture *fixture, const char *words, const char *how,
                             uint32_t threads, struct outcome *outcome)
{
    replay_with(fixture, words, how, threads, false, outcome);
}

static inline void outcome_free(struct outcome *outcome)
{
    for (size_t i = 0; i < outcome->count; i++)
        replay_free(outcome->replay[i]);
    course_free(outcome->course);
    schedule_free(outcome->schedule);
    policy_choices_free(&outcome->choices);
    trace_reader_close(outcome->reader);
    free(outcome->error);
}

static inline uint64_t figure(const struct outcome *outcome, size_t run, enum figure name)
{
    assert_int_equal(outcome->results[run].figure[name].kind, VALUE_INTEGER);
    return outcome->results[run].figure[name].integer;
}

#endif
