/* disco-record perf: the command line. */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector/sources/perf/perf-recording.h"
#include "collector/sources/sources.h"

#define RATE_FILE "/proc/sys/kernel/perf_event_max_sample_rate"
/* 2 MiB hold some 37,000 samples of 56 bytes; the kernel grants less without privilege. */
#define RING_KB_DEFAULT 2048
#define RING_KB_MAX     (1u << 20)

enum long_option {
    OPTION_DURATION = 256,
    OPTION_SCAN_PERIOD,
    OPTION_REFS_PER_SAMPLE,
    OPTION_RING,
    OPTION_FORCE,
    OPTION_LIST,
};

/* The command line as it was given: what was not is 0. */
struct line {
    const char *event, *output;
    uint64_t period, frequency, pid, duration_s, scan_period_ms, refs_per_sample, ring_kb;
    char **argv;
    bool system, replace, list;
};

struct number {
    int key;
    size_t at; /* offset in struct line of its uint64_t */
    uint64_t least, most;
    const char *what;
};

static const struct number numbers[] = {
    {'c', offsetof(struct line, period), 1, UINT64_C(1) << 40, "period"},
    {'F', offsetof(struct line, frequency), 1, 1000000, "frequency"},
    {'p', offsetof(struct line, pid), 1, INT32_MAX, "process id"},
    {OPTION_DURATION, offsetof(struct line, duration_s), 1, UINT64_C(86400) * 30, "duration"},
    {OPTION_SCAN_PERIOD, offsetof(struct line, scan_period_ms), 10, 600000, "scan period"},
    {OPTION_REFS_PER_SAMPLE, offsetof(struct line, refs_per_sample), 1, UINT64_C(1) << 40,
     "number of references"},
    {OPTION_RING, offsetof(struct line, ring_kb), 4, RING_KB_MAX, "ring size"},
};

static const struct argp_option known[] = {
    {"event", 'e', "EVENT", 0, "What to sample (page-faults); --list-events shows all", 1},
    {"count", 'c', "PERIOD", 0, "A sample every PERIOD events (1: all of them)", 1},
    {"freq", 'F', "HZ", 0,
     "About HZ samples a second and CPU instead; each carries the events it stands for", 1},
    {"pid", 'p', "PID", 0, "Record a running process, until it ends", 2},
    {"all-cpus", 'a', NULL, 0, "Record the whole system", 2},
    {"duration", OPTION_DURATION, "SECONDS", 0, "End after so long (and end CMD by SIGTERM)", 2},
    {"output", 'o', "TRACE.db", 0, "The trace to make", 3},
    {"force", OPTION_FORCE, NULL, 0, "Replace TRACE.db where it is a trace already", 3},
    {"refs-per-sample", OPTION_REFS_PER_SAMPLE, "N", 0,
     "References that a sample stands for (the period; with hinting nominally 64 times that)", 3},
    {"scan-period-ms", OPTION_SCAN_PERIOD, "MS", 0,
     "With hinting: have the kernel scan so often (where its debugfs allows it; 1000 by default)",
     4},
    {"ring-kb", OPTION_RING, "KIB", 0,
     "Buffer of each CPU: a power of two (2048, or less where "
     "the kernel grants less)",
     4},
    {"list-events", OPTION_LIST, NULL, 0, "Show the events that can be recorded", 4},
    {0},
};

static const char text_before[] =
    "Records the memory references of a program, of a running process or of the whole system, as "
    "the kernel's page faults show them.";
static const char text_after[] =
    "A page fault is mostly the first touch of a page. With -e hinting the kernel's NUMA balancing "
    "makes resident pages fault again from time to time: it needs root, is on for the whole system "
    "meanwhile, and is put back at the end, also when the recorder is killed.\n\n"
    "SIGINT and SIGTERM end a recording well: the trace is complete. Exit status: 0 recorded "
    "(whatever the status of CMD, which is reported), 1 failed, 2 wrong usage.\n\n"
    "Examples:\n"
    "  disco-record perf -o sort.db -- sort -n numbers.txt\n"
    "  sudo disco-record perf -e hinting -p 1234 --duration 60 -o server.db";

static error_t take_number(const struct number *number, const char *text, struct argp_state *state)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || value < number->least ||
        value > number->most)
        argp_error(state, "'%s' is not a %s: a number from %" PRIu64 " to %" PRIu64 " is wanted",
                   text, number->what, number->least, number->most);
    *(uint64_t *)((char *)state->input + number->at) = value;
    return 0;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct line *line = state->input;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (numbers[i].key == key)
            return take_number(&numbers[i], text, state);
    switch (key) {
    case 'e':
        line->event = text;
        return 0;
    case 'o':
        line->output = text;
        return 0;
    case 'a':
        line->system = true;
        return 0;
    case OPTION_FORCE:
        line->replace = true;
        return 0;
    case OPTION_LIST:
        line->list = true;
        return 0;
    case ARGP_KEY_ARG: /* the command: everything from here is its own */
        line->argv = state->argv + state->next - 1;
        state->next = state->argc;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static uint64_t highest_frequency(void)
{
    uint64_t rate = 0;
    FILE *file = fopen(RATE_FILE, "re");
    if (file) {
        if (fscanf(file, "%" SCNu64, &rate) != 1)
            rate = 0;
        fclose(file);
    }
    return rate ? rate : UINT64_MAX;
}

/* What is wrong with the line as a whole, or NULL. */
static const char *contradiction(const struct line *line, const struct perf_event_kind *kind)
{
    int targets = (line->argv != NULL) + (line->pid != 0) + line->system;
    if (line->period && line->frequency)
        return "-c and -F exclude each other";
    if (targets == 0)
        return "nothing to record: give a command, -p PID or -a";
    if (targets > 1)
        return "a command, -p and -a exclude each other";
    if (line->output == NULL)
        return "-o TRACE.db is missing: where the trace goes";
    if (line->ring_kb & (line->ring_kb - 1))
        return "--ring-kb wants a power of two";
    if (line->scan_period_ms && kind->way != PERF_WAY_HINTING)
        return "--scan-period-ms goes with -e hinting only";
    if (line->frequency > highest_frequency())
        return "-F is higher than kernel.perf_event_max_sample_rate allows";
    return NULL;
}

static void report(const struct line *line, const struct perf_result *result)
{
    const struct perf_session_counts *counts = &result->counts;
    fprintf(stderr,
            "disco-record: %" PRIu64 " samples of %" PRIu64 " streams on %" PRIu64
            " pages, %" PRIu64 " lost, in %s\n",
            counts->samples, counts->streams, result->pages, counts->lost, line->output);
    if (result->outcome)
        fprintf(stderr, "disco-record: %s %s\n", line->argv[0], result->outcome);
}

static int run(const struct line *line, const struct perf_event_kind *kind)
{
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    size_t ring_bytes = (line->ring_kb ? line->ring_kb : RING_KB_DEFAULT) * 1024;
    struct perf_options options = {
        .kind = kind,
        .target = line->argv  ? PERF_TARGET_COMMAND
                  : line->pid ? PERF_TARGET_PROCESS
                              : PERF_TARGET_SYSTEM,
        .pid = (pid_t)line->pid,
        .argv = line->argv,
        .period = line->period ? line->period : 1,
        .frequency = line->frequency,
        .duration_ns = line->duration_s * UINT64_C(1000000000),
        .refs_per_sample = line->refs_per_sample,
        .scan_period_ms = (uint32_t)line->scan_period_ms,
        .ring_bytes = ring_bytes < page_bytes ? page_bytes : ring_bytes,
        .output = line->output,
        .replace = line->replace,
    };
    struct perf_result result;
    char *error = perf_recording_run(&options, &result);
    if (error)
        fprintf(stderr, "disco-record: %s\n", error);
    else
        report(line, &result);
    free(result.outcome);
    int status = error ? 1 : 0;
    free(error);
    return status;
}

int record_perf(int argc, char **argv)
{
    static const struct argp argp = {
        known, parse, "-o TRACE.db [--] CMD [ARG...]\n-o TRACE.db -p PID\n-o TRACE.db -a",
        NULL,  NULL,  NULL,
        NULL};
    struct argp with_text = argp;
    char text[sizeof text_before + sizeof text_after];
    snprintf(text, sizeof text, "%s\v%s", text_before, text_after);
    with_text.doc = text;
    struct line line = {0};
    argp_parse(&with_text, argc, argv, ARGP_IN_ORDER, NULL, &line);
    if (line.list) {
        perf_event_list(stdout);
        return 0;
    }
    char *why = NULL;
    const struct perf_event_kind *kind =
        perf_event_find(line.event ? line.event : "page-faults", &why);
    if (kind == NULL) {
        fprintf(stderr, "disco-record: %s\n", why ? why : "out of memory");
        free(why);
        return 2;
    }
    const char *wrong = contradiction(&line, kind);
    if (wrong) {
        fprintf(stderr, "disco-record: %s; see disco-record perf --help\n", wrong);
        return 2;
    }
    return run(&line, kind);
}
