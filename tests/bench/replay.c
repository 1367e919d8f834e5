/* How fast a replay is beside decoding alone, and six policies together beside one after the other:
 * TRACE.db, medians of ROUNDS.
 *
 * The rate of the same program that decodes every block and does nothing else is the measure, in
 * the same run and turn about, so that a slow or busy computer does not change the answer. */
#include <inttypes.h>

#include "tests/bench/replay.h"

#define ROUNDS  5
#define MACHINE "flash-8"
#define SIX     "first-touch,interleave,round-robin,migrate,replicate,disco"

static const char *const six[] = {"first-touch", "interleave", "round-robin",
                                  "migrate",     "replicate",  "disco"};

/* Caches are on unless it says misses. Targets are shares of the decoding rate; 0: none. */
static const struct {
    const char *what, *policies;
    uint32_t threads;
    bool misses, contention;
    double target;
} kind[] = {
    {"decoding alone", NULL, 1, false, false, 0},
    {"first-touch", "first-touch", 0, false, false, 0.20},
    {"interleave", "interleave", 0, false, false, 0.20},
    {"round-robin", "round-robin", 0, false, false, 0.20},
    {"migrate", "migrate", 0, false, false, 0.20},
    {"replicate", "replicate", 0, false, false, 0.20},
    {"disco", "disco", 0, false, false, 0.20},
    {"all six", SIX, 0, false, false, 0},
    {"disco, 1 thread", "disco", 1, false, false, 0},
    {"all six, 1 thread", SIX, 1, false, false, 0},
    {"disco, contention", "disco", 0, false, true, 0},
    {"disco, misses", "disco", 0, true, false, 0},
};
#define KINDS           (sizeof kind / sizeof *kind)
#define FIRST_ONE       1u /* of the six that are replayed alone, in the order of `six` */
#define TOGETHER        7u
#define TARGET_TOGETHER 2.5

static int by_size(const void *a, const void *b)
{
    double one = *(const double *)a, other = *(const double *)b;
    return one < other ? -1 : one > other;
}

static void measure(const char *trace, const struct machine *machine, double median[KINDS])
{
    double seconds[KINDS][ROUNDS];
    for (unsigned round = 0; round < ROUNDS; round++)
        for (unsigned i = 0; i < KINDS; i++) {
            struct bench_options options = {.trace = trace,
                                            .machine = machine,
                                            .policies = kind[i].policies,
                                            .threads = kind[i].threads,
                                            .misses = kind[i].misses,
                                            .contention = kind[i].contention,
                                            .log_actions = 100000};
            seconds[i][round] = bench_replay(&options);
        }
    for (unsigned i = 0; i < KINDS; i++) {
        qsort(seconds[i], ROUNDS, sizeof(double), by_size);
        median[i] = seconds[i][ROUNDS / 2];
    }
}

static bool target(double reached, double wanted)
{
    printf(" %8.2f %8s", wanted, reached >= wanted ? "reached" : "MISSED");
    return reached >= wanted;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: replay TRACE.db\n");
        return 2;
    }
    struct machine *machine = NULL;
    struct trace_reader *reader = NULL;
    well(machine_load(MACHINE, &machine));
    well(trace_reader_open(argv[1], &reader));
    double refs = (double)trace_reader_summary(reader)->refs;
    trace_reader_close(reader);

    double median[KINDS], alone = 0;
    measure(argv[1], machine, median);
    printf("%.1f M references, machine " MACHINE " with its caches, %" PRIu32
           " threads, medians of %d\n",
           refs / 1e6, engine_threads(sizeof six / sizeof *six), ROUNDS);
    printf("%-18s %8s %8s %10s %8s\n", "", "seconds", "M/s", "of decode", "target");
    bool well_done = true;
    for (unsigned i = 0; i < KINDS; i++) {
        double share = median[0] / median[i];
        printf("%-18s %8.3f %8.1f %10.3f", kind[i].what, median[i], refs / median[i] / 1e6, share);
        if (kind[i].target > 0 && !target(share, kind[i].target))
            well_done = false;
        printf("\n");
        if (i >= FIRST_ONE && i < TOGETHER)
            alone += median[i];
    }
    double ratio = alone / median[TOGETHER];
    printf("six policies one after the other take %.3f s, together %.3f s: %.2f times the rate,",
           alone, median[TOGETHER], ratio);
    if (!target(ratio, TARGET_TOGETHER))
        well_done = false;
    printf("\n");
    machine_free(machine);
    return well_done ? EXIT_SUCCESS : EXIT_FAILURE;
}
