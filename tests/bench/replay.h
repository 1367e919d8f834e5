/* One replay, as disco-replay does it but without results: for the programs that measure it. */
#ifndef DISCO_BENCH_REPLAY_H
#define DISCO_BENCH_REPLAY_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "replayer/engine.h"

static inline void well(char *error)
{
    if (error == NULL)
        return;
    (void)fprintf(stderr, "bench: %s\n", error);
    exit(EXIT_FAILURE);
}

static inline double now_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

struct bench_options {
    const char *trace;
    const struct machine *machine;
    const char *policies; /* NULL: only decode */
    uint32_t threads;     /* 0: as disco-replay chooses */
    bool misses, contention;
    uint64_t log_actions;
};

/* Seconds of the pass. */
static inline double bench_replay(const struct bench_options *options)
{
    struct registry *registry = NULL;
    struct policy_choices choices = {0};
    struct trace_reader *reader = NULL;
    struct schedule *schedule = NULL;
    struct course *course = NULL;
    struct replay *replay[16] = {NULL};
    well(registry_open(&registry));
    well(trace_reader_open(options->trace, &reader));
    if (options->policies != NULL) {
        well(schedule_make("compact", options->trace, options->machine, &schedule));
        struct course_options facts = {.machine = options->machine,
                                       .schedule = schedule,
                                       .misses = options->misses};
        well(course_new(&facts, reader, &course));
        well(registry_choose(registry, options->policies, &choices));
    }
    struct replay_options each = {.machine = options->machine,
                                  .course = course,
                                  .contention = options->contention,
                                  .seed = 1,
                                  .log_actions = options->log_actions};
    for (size_t i = 0; i < choices.count && i < 16; i++)
        well(replay_new(&each, reader, &choices.choice[i], &replay[i]));
    uint32_t threads = options->threads == 0 ? engine_threads(choices.count) : options->threads;
    double start = now_s();
    well(engine_run(options->trace, course, replay, choices.count, threads));
    double seconds = now_s() - start;
    for (size_t i = 0; i < choices.count && i < 16; i++)
        replay_free(replay[i]);
    course_free(course);
    schedule_free(schedule);
    trace_reader_close(reader);
    policy_choices_free(&choices);
    registry_free(registry);
    return seconds;
}

#endif
