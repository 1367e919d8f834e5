/* How fast a replay is beside decoding alone: TRACE.db, one thread, decoding included, medians of
 * ROUNDS.
 *
 * The rate of the same program that decodes every block and does nothing else is the measure, in
 * the same run and turn about, so that a slow or busy computer does not change the answer. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "replayer/engine.h"

#define ROUNDS  5
#define MACHINE "flash-8"

/* Targets as shares of the decoding rate. 0: none, shown beside. */
static const struct {
    const char *policy;
    double target;
} kind[] = {{NULL, 0}, {"first-touch", 0.25}, {"disco", 0.20}, {"migrate", 0}, {"replicate", 0}};
#define KINDS (sizeof kind / sizeof *kind)

static void well(char *error)
{
    if (error == NULL)
        return;
    (void)fprintf(stderr, "replay: %s\n", error);
    exit(EXIT_FAILURE);
}

static double now_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int by_size(const void *a, const void *b)
{
    double one = *(const double *)a, other = *(const double *)b;
    return one < other ? -1 : one > other;
}

/* Seconds of one replay, or with policy NULL of decoding alone. */
static double run(const char *path, const struct machine *machine, const struct schedule *schedule,
                  const char *policy)
{
    struct registry *registry = NULL;
    struct policy_choices choices = {0};
    struct trace_reader *reader = NULL;
    struct replay *replay = NULL;
    well(registry_open(&registry));
    well(trace_reader_open(path, &reader));
    struct course *course = NULL;
    if (policy != NULL) {
        struct course_options facts = {.machine = machine, .schedule = schedule};
        well(course_new(&facts, reader, &course));
        struct replay_options options = {.machine = machine,
                                         .course = course,
                                         .seed = 1,
                                         .log_actions = 100000};
        well(registry_choose(registry, policy, &choices));
        well(replay_new(&options, reader, &choices.choice[0], &replay));
    }
    double start = now_s();
    well(engine_run(path, course, &replay, policy == NULL ? 0 : 1, 1));
    double seconds = now_s() - start;
    replay_free(replay);
    course_free(course);
    trace_reader_close(reader);
    policy_choices_free(&choices);
    registry_free(registry);
    return seconds;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: replay TRACE.db\n");
        return 2;
    }
    struct machine *machine = NULL;
    struct schedule *schedule = NULL;
    struct trace_reader *reader = NULL;
    well(machine_load(MACHINE, &machine));
    well(schedule_make("compact", argv[1], machine, &schedule));
    well(trace_reader_open(argv[1], &reader));
    double refs = (double)trace_reader_summary(reader)->refs;
    trace_reader_close(reader);

    double seconds[KINDS][ROUNDS];
    for (unsigned round = 0; round < ROUNDS; round++)
        for (unsigned i = 0; i < KINDS; i++)
            seconds[i][round] = run(argv[1], machine, schedule, kind[i].policy);
    for (unsigned i = 0; i < KINDS; i++)
        qsort(seconds[i], ROUNDS, sizeof(double), by_size);

    printf("%.1f M references, machine " MACHINE ", medians of %d\n", refs / 1e6, ROUNDS);
    printf("%-12s %8s %8s %10s %8s %8s\n", "policy", "seconds", "M/s", "of decode", "target", "");
    int missed = 0;
    double decode = seconds[0][ROUNDS / 2];
    for (unsigned i = 0; i < KINDS; i++) {
        double median = seconds[i][ROUNDS / 2], share = decode / median;
        printf("%-12s %8.3f %8.1f %10.3f", kind[i].policy == NULL ? "(decode)" : kind[i].policy,
               median, refs / median / 1e6, share);
        if (kind[i].target > 0) {
            bool reached = share >= kind[i].target;
            missed += !reached;
            printf(" %8.2f %8s", kind[i].target, reached ? "reached" : "MISSED");
        }
        printf("\n");
    }
    schedule_free(schedule);
    machine_free(machine);
    return missed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
