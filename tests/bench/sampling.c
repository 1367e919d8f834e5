/* make bench: error against sampling rate, for each policy.
 *
 *   sampling FOLDER [REFERENCES]
 *
 * Makes a whole trace once (FOLDER/threads.db): eight threads; thread 0 touches everything first; each
 * then works on pages of its own (which migration can help), all read a table (replication), some write a
 * queue (nobody can help), and in the second half threads swap their pages. Replays it, and SEEDS random samples
 * of it at each rate, under each policy, and compares. FOLDER/sampling.tsv has a row for each rate and policy,
 * which tests/bench/sampling.gp draws; the same rows are printed:
 *
 *   rate, policy, samples, error of local_share (mean of the absolute ones, points), half of its
 *   interval (points), times out of SEEDS that the interval held the whole's, and the same of time_ns (%).
 *
 * Eight nodes as flash-8's, without a TLB: time_ns of a sample is without refills (replayer/sampling.h).
 * Everything is seeded: the same build gives the same figures.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector/tool.h"
#include "replayer/engine.h"
#include "replayer/report/results.h"

#define PAGE       UINT64_C(4096)
#define THREADS    8u
#define NODES      8u
#define SEEDS      8u
#define POLICIES   "first-touch,interleave,migrate,replicate,disco"
#define RUNS       5u
#define REFERENCES 4000000u

static const unsigned rates[] = {1, 3, 10, 30, 100, 300, 1000, 3000, 10000};
#define RATES (sizeof rates / sizeof *rates)

static void well(char *error)
{
    if (error == NULL)
        return;
    (void)fprintf(stderr, "bench sampling: %s\n", error);
    exit(1);
}

static uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint64_t below(uint64_t *state, uint64_t limit)
{
    return random_next(state) % limit;
}

/* ---- the whole trace --------------------------------------------------------------------------- */

enum { OWN = 0, OWN_PAGES = 40, TABLE = 1000, TABLE_PAGES = 60, QUEUE = 2000, QUEUE_PAGES = 8 };

static void put(struct trace_writer *writer, uint32_t thread, uint64_t page, uint64_t run,
                bool store)
{
    uint64_t addr[64];
    uint8_t what[64];
    for (uint64_t i = 0; i < run; i++) {
        addr[i] = page * PAGE + i * 64;
        what[i] = store && i % 3 == 0 ? REF_STORE : REF_LOAD;
    }
    well(trace_writer_refs(writer, thread, addr, what, run));
}

static void make_trace(const char *path, uint64_t references)
{
    struct trace_facts facts = {.source = "bench",
                                .command = "eight threads",
                                .page_bytes = PAGE,
                                .time_unit = TIME_REFERENCES,
                                .refs_per_sample = 1};
    struct trace_writer *writer = NULL;
    uint32_t space = 0, stream = 0;
    well(trace_writer_create(path, &facts, true, &writer));
    well(trace_writer_space(writer, "process", &space));
    for (uint32_t i = 0; i < THREADS; i++) {
        struct trace_stream it = {
            .space = space, .pid = 1, .tid = 1 + i, .cpu = (int32_t)i, .node = -1};
        well(trace_writer_stream(writer, &it, &stream));
    }
    for (uint64_t page = 0; page < OWN_PAGES * THREADS; page++)
        put(writer, 0, OWN + page, 1, true);
    for (uint64_t page = 0; page < TABLE_PAGES; page++)
        put(writer, 0, TABLE + page, 1, true);
    uint64_t random = 1, run = 0;
    for (uint64_t done = 0; done < references; done += run) {
        uint32_t thread = (uint32_t)below(&random, THREADS);
        uint32_t owner = 2 * done < references ? thread : (thread + 1) % THREADS;
        uint64_t kind = below(&random, 20);
        run = 1 + below(&random, 64);
        if (kind < 11) /* squared: some pages are hotter */
            put(writer, thread,
                OWN + owner * OWN_PAGES +
                    below(&random, OWN_PAGES) * below(&random, OWN_PAGES) / OWN_PAGES,
                run, kind < 5);
        else if (kind < 18)
            put(writer, thread,
                TABLE + below(&random, TABLE_PAGES) * below(&random, TABLE_PAGES) / TABLE_PAGES,
                run, false);
        else
            put(writer, thread, QUEUE + below(&random, QUEUE_PAGES), run, true);
    }
    well(trace_writer_close(writer, true));
}

static struct machine *make_machine(void)
{
    char json[4096];
    int at = snprintf(json, sizeof json,
                      "{\"name\": \"bench\", \"cpu_mhz\": 400, \"page_size\": 4096, \"tlb\": "
                      "{\"entries\": 0}, \"l2tlb\": {\"entries\": 0}, \"nodes\": [");
    for (unsigned i = 0; i < NODES; i++)
        at += snprintf(json + at, sizeof json - (size_t)at,
                       "%s{\"cpus\": [%u], \"memory\": \"32M\"}", i == 0 ? "" : ", ", i);
    at += snprintf(json + at, sizeof json - (size_t)at, "], \"latency_ns\": [");
    for (unsigned i = 0; i < NODES; i++)
        for (unsigned j = 0; j < NODES; j++)
            at += snprintf(json + at, sizeof json - (size_t)at, "%s%d%s",
                           j > 0   ? ", "
                           : i > 0 ? ", ["
                                   : "[",
                           i == j ? 300 : 900, j + 1 == NODES ? "]" : "");
    at += snprintf(json + at, sizeof json - (size_t)at, "]}");
    struct machine *machine = NULL;
    well(machine_parse("bench", json, (size_t)at, &machine));
    return machine;
}

/* ---- replays ----------------------------------------------------------------------------------- */

struct bench {
    struct machine *machine;
    struct registry *registry;
    char whole[512], thin[512];
};

static void replay_all(const struct bench *bench, const char *path, struct results results[RUNS])
{
    struct trace_reader *reader = NULL;
    struct policy_choices choices = {0};
    struct schedule *schedule = NULL;
    struct course *course = NULL;
    struct replay *replay[RUNS] = {NULL};
    well(trace_reader_open(path, &reader));
    well(registry_choose(bench->registry, POLICIES, &choices));
    well(schedule_make("recorded", path, bench->machine, &schedule));
    struct course_options how = {.machine = bench->machine, .schedule = schedule, .misses = true};
    well(course_new(&how, reader, &course));
    struct replay_options options = {.machine = bench->machine, .course = course, .seed = 1};
    for (size_t i = 0; i < RUNS; i++)
        well(replay_new(&options, reader, &choices.choice[i], &replay[i]));
    well(engine_run(path, course, replay, RUNS, engine_threads(RUNS)));
    for (size_t i = 0; i < RUNS; i++) {
        results[i] = results_of(replay_finished(replay[i]), bench->machine);
        replay_free(replay[i]);
        results[i].run = (struct policy_run){0};
    }
    course_free(course);
    schedule_free(schedule);
    policy_choices_free(&choices);
    trace_reader_close(reader);
}

static void sample(const struct bench *bench, unsigned rate, uint64_t seed)
{
    char rate_text[32], seed_text[32];
    (void)snprintf(rate_text, sizeof rate_text, "%u", rate);
    (void)snprintf(seed_text, sizeof seed_text, "%" PRIu64, seed);
    char *arguments[] = {(char *)"disco-trace sample",
                         (char *)"--method=random",
                         (char *)"--force",
                         (char *)"--rate",
                         rate_text,
                         (char *)"--seed",
                         seed_text,
                         (char *)"-o",
                         (char *)bench->thin,
                         (char *)bench->whole,
                         NULL};
    if (tool_sample.run((int)(sizeof arguments / sizeof *arguments) - 1, arguments) != 0)
        exit(1);
}

/* Sums over the seeds. */
struct score {
    double error, half;
    unsigned held;
};

static void add(struct score *score, double value, double whole, double unit,
                const struct sampling_interval *interval)
{
    score->error += fabs(value - whole) / unit;
    if (!interval->known) {
        score->half = NAN;
        return;
    }
    score->half += (interval->high - interval->low) / 2 / unit;
    score->held += interval->low <= whole && whole <= interval->high;
}

static void at_rate(const struct bench *bench, unsigned rate, const struct results *whole,
                    FILE *out)
{
    static const char *const name[RUNS] = {"first-touch", "interleave", "migrate", "replicate",
                                           "disco"};
    struct score share[RUNS] = {{0}}, time[RUNS] = {{0}};
    uint64_t samples = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct results part[RUNS];
        sample(bench, rate, seed);
        replay_all(bench, bench->thin, part);
        samples += part[0].figure[FIGURE_references].integer;
        for (size_t i = 0; i < RUNS; i++) {
            double whole_ns = (double)whole[i].figure[FIGURE_time_ns].integer;
            add(&share[i], part[i].figure[FIGURE_local_share].real,
                whole[i].figure[FIGURE_local_share].real, 0.01,
                &part[i].interval[FIGURE_local_share]);
            add(&time[i], (double)part[i].figure[FIGURE_time_ns].integer, whole_ns, whole_ns / 100,
                &part[i].interval[FIGURE_time_ns]);
        }
    }
    for (size_t i = 0; i < RUNS; i++) {
        const struct score *of[] = {&share[i], &time[i]};
        (void)fprintf(out, "%u\t%s\t%" PRIu64, rate, name[i], samples / SEEDS);
        (void)printf("%6u  %-12s %9" PRIu64, rate, name[i], samples / SEEDS);
        for (size_t at = 0; at < 2; at++) {
            (void)fprintf(out, "\t%.4f\t%.4f\t%u", of[at]->error / SEEDS, of[at]->half / SEEDS,
                          of[at]->held);
            (void)printf("  %8.3f %8.3f %u/%u", of[at]->error / SEEDS, of[at]->half / SEEDS,
                         of[at]->held, SEEDS);
        }
        (void)fputc('\n', out);
        (void)putchar('\n');
    }
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        (void)fprintf(stderr, "usage: sampling FOLDER [REFERENCES]\n");
        return 2;
    }
    struct bench bench = {.machine = make_machine()};
    char table[512];
    (void)snprintf(bench.whole, sizeof bench.whole, "%s/threads.db", argv[1]);
    (void)snprintf(bench.thin, sizeof bench.thin, "%s/threads-thin.db", argv[1]);
    (void)snprintf(table, sizeof table, "%s/sampling.tsv", argv[1]);
    well(registry_open(&bench.registry));
    make_trace(bench.whole, argc > 2 ? strtoull(argv[2], NULL, 10) : REFERENCES);
    FILE *out = fopen(table, "w");
    if (out == NULL) {
        (void)fprintf(stderr, "bench sampling: %s: could not be written\n", table);
        return 1;
    }
    struct results whole[RUNS];
    replay_all(&bench, bench.whole, whole);
    (void)fprintf(out, "rate\tpolicy\tsamples\tshare_error\tshare_half\tshare_held\ttime_error\t"
                       "time_half\ttime_held\n");
    (void)printf(
        "  rate  policy         samples  local share: error, interval +-, held (points); time: "
        "the same (%%)\n");
    for (size_t i = 1; i < RATES; i++)
        at_rate(&bench, rates[i], whole, out);
    int failed = fclose(out);
    (void)remove(bench.thin);
    registry_free(bench.registry);
    machine_free(bench.machine);
    return failed == 0 ? 0 : 1;
}
