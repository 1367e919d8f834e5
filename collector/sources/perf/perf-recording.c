#include "collector/sources/perf/perf-recording.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "collector/sources/perf/hinting.h"
#include "collector/sources/perf/perf-command.h"
#include "collector/sources/perf/perf-cpus.h"
#include "collector/sources/perf/perf-error.h"
#include "collector/sources/perf/perf-notes.h"
#include "collector/trace/progress.h"
#include "collector/trace/store.h"

#define SECOND_NS UINT64_C(1000000000)
/* A round at least so often, though rings are read earlier when they fill. */
#define ROUND_MS 200
/* References that a hinting fault stands for, when the user gives no figure. It is nominal: a
 * sighting says that a page was used since the last scan, not how often. 64 makes pages that are
 * seen in each of a few scans count as hot under the usual thresholds of 64 to 256 misses. */
#define HINTING_REFS_PER_SAMPLE 64

/* Everything that one recording has open. */
struct recording {
    const struct perf_options *options;
    struct perf_cpus cpus;
    struct perf_wish wish;
    struct perf_command command;
    struct perf_counters *counters;
    struct hinting *hinting;
    struct trace_writer *writer;
    struct perf_session *session;
    struct perf_order *order;
    char *fallback; /* why hinting cannot tell loads from stores; NULL: it can */
    int signals_fd, process_fd;
    uint64_t damaged, commit_ns, committed;
};

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

/* Signals come through a descriptor, and stay blocked to the end: a second one must not cut short
 * the closing of the trace. The command gets its own mask and dispositions. */
static char *take_signals(struct recording *recording)
{
    sigset_t ending, blocked;
    sigemptyset(&ending);
    sigaddset(&ending, SIGINT);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGHUP);
    sigaddset(&ending, SIGCHLD);
    blocked = ending;
    sigaddset(&blocked, SIGPIPE); /* of a command that dies before it is let go */
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    (void)signal(SIGCHLD, SIG_DFL); /* ignored, it would take the command's status away */
    recording->signals_fd = signalfd(-1, &ending, SFD_CLOEXEC | SFD_NONBLOCK);
    return recording->signals_fd < 0 ? perf_error("cannot take signals: %s", strerror(errno))
                                     : NULL;
}

/* Which counters: the tracepoints for the events that want them and for hinting where they can be
 * had. */
static char *choose_counters(struct recording *recording)
{
    const struct perf_options *options = recording->options;
    struct perf_wish *wish = &recording->wish;
    *wish = (struct perf_wish){
        .target = options->target,
        .pid = options->pid,
        .kind = options->kind,
        .period = options->period,
        .frequency = options->frequency,
        .ring_bytes = options->ring_bytes,
        .layout.with_period = options->frequency != 0,
        .cpu = recording->cpus.cpu,
        .cpus = recording->cpus.count,
    };
    if (options->kind->way == PERF_WAY_SOFTWARE)
        return NULL;
    char *why = perf_event_fault_formats(&wish->layout);
    wish->faults = why == NULL;
    if (why == NULL || options->kind->way == PERF_WAY_HINTING) {
        recording->fallback = why;
        if (why)
            wish->kind = perf_event_find("page-faults", &why);
        return NULL;
    }
    char *error =
        perf_error("%s: %s; run as root, or use -e page-faults", options->kind->name, why);
    free(why);
    return error;
}

static char *open_process(struct recording *recording)
{
    pid_t pid = recording->options->pid;
    recording->process_fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (recording->process_fd >= 0)
        return NULL;
    return errno == ESRCH ? perf_error("there is no process %d", (int)pid)
           : errno == EINVAL
               ? perf_error("%d is a thread; give the process it belongs to", (int)pid)
               : perf_error("process %d: %s", (int)pid, strerror(errno));
}

static char *start_hinting(struct recording *recording)
{
    struct hinting_wish wish = {recording->options->scan_period_ms};
    char *error = hinting_start(&hinting_system_places, &wish, &recording->hinting);
    if (error)
        return error;
    fprintf(stderr,
            "disco-record: NUMA balancing is on for the whole system while this records, and "
            "put back at the end; on a machine of several nodes it also moves pages\n");
    if (hinting_remark(recording->hinting))
        fprintf(stderr, "disco-record: %s\n", hinting_remark(recording->hinting));
    if (recording->fallback)
        fprintf(stderr, "disco-record: loads and stores are not told apart: %s\n",
                recording->fallback);
    return NULL;
}

/* The recorded command in one line. For the caller to free. */
static char *join(char *const *argv)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    if (out == NULL)
        return NULL;
    for (size_t i = 0; argv[i]; i++)
        fprintf(out, "%s%s", i ? " " : "", argv[i]);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

static char *command_of(const struct perf_options *options)
{
    char path[64], *text = NULL;
    size_t room = 0;
    if (options->target == PERF_TARGET_COMMAND)
        return join(options->argv);
    if (options->target == PERF_TARGET_SYSTEM)
        return strdup("(the whole system)");
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)options->pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return NULL;
    ssize_t bytes = getdelim(&text, &room, EOF, file); /* arguments end in NUL, also the last */
    fclose(file);
    for (ssize_t i = 0; i + 1 < bytes; i++)
        if (text[i] == '\0')
            text[i] = ' ';
    return text;
}

static uint64_t refs_per_sample(const struct perf_options *options)
{
    if (options->refs_per_sample)
        return options->refs_per_sample;
    if (options->frequency) /* each sample carries its own weight */
        return 1;
    return options->kind->way == PERF_WAY_HINTING ? HINTING_REFS_PER_SAMPLE * options->period
                                                  : options->period;
}

static char *create_trace(struct recording *recording)
{
    const struct perf_options *options = recording->options;
    struct utsname host = {0};
    uname(&host);
    char *command = command_of(options);
    struct trace_facts facts = {
        .source = "perf",
        .command = command,
        .host = host.nodename,
        .event = options->kind->name,
        .page_bytes = (uint32_t)sysconf(_SC_PAGESIZE),
        .columns = COLUMN_BIT(COLUMN_TIME) | COLUMN_BIT(COLUMN_IP) |
                   (options->frequency ? COLUMN_BIT(COLUMN_WEIGHT) : 0),
        .time_unit = TIME_NS,
        .start_unix_ns = clock_ns(CLOCK_REALTIME),
        .refs_per_sample = refs_per_sample(options),
        .sampled = true,
    };
    struct perf_session_facts session = {
        .start_ns = clock_ns(PERF_CLOCK),
        .left_out = options->target == PERF_TARGET_SYSTEM ? getpid() : 0,
        .cpu_node = recording->cpus.node,
        .cpus = recording->cpus.nodes,
    };
    char *error =
        trace_writer_create(options->output, &facts, options->replace, &recording->writer);
    free(command);
    if (error)
        return error;
    recording->session = perf_session_new(recording->writer, &session);
    recording->order = perf_order_new();
    if (recording->session == NULL || recording->order == NULL)
        return perf_error("not enough memory to record");
    return NULL;
}

/* Everything that can be refused comes before the trace is made. */
static char *set_up(struct recording *recording)
{
    const struct perf_options *options = recording->options;
    char *error = perf_cpus_read(&recording->cpus);
    if (error == NULL)
        error = choose_counters(recording);
    if (error == NULL)
        error = take_signals(recording);
    if (error == NULL && options->target == PERF_TARGET_PROCESS)
        error = open_process(recording);
    if (error == NULL && options->target == PERF_TARGET_COMMAND) {
        error = perf_command_prepare(options->argv, &recording->command);
        recording->wish.pid = recording->command.pid;
    }
    if (error == NULL)
        error = perf_counters_open(&recording->wish, &recording->counters);
    if (error == NULL && options->kind->way == PERF_WAY_HINTING)
        error = start_hinting(recording);
    if (error == NULL)
        error = create_trace(recording);
    if (error == NULL)
        error = perf_counters_start(recording->counters);
    if (error == NULL && options->target == PERF_TARGET_COMMAND)
        error = perf_command_run(&recording->command, options->argv[0]);
    return error;
}

/* One round over the rings; hands on what is older than `limit_ns`. */
static char *do_round(struct recording *recording, uint64_t limit_ns)
{
    if (!perf_counters_read(recording->counters, recording->order, &recording->damaged))
        return perf_error("not enough memory for the records that wait for their turn");
    char *error =
        perf_order_until(recording->order, limit_ns, perf_session_record, recording->session);
    uint64_t now = clock_ns(PERF_CLOCK), refs = trace_writer_count(recording->writer);
    /* the writer commits as references come; here also when the last ones are followed by none */
    if (error == NULL && refs != recording->committed && now - recording->commit_ns > SECOND_NS) {
        recording->commit_ns = now;
        recording->committed = refs;
        error = trace_writer_commit(recording->writer);
    }
    return error;
}

/* Why a recording ends; `send`: what its command is to be told. */
struct ending {
    bool over;
    int send;
};

static struct ending look_for_end(struct recording *recording, const struct pollfd *process,
                                  uint64_t end_ns)
{
    struct signalfd_siginfo info;
    struct ending ending = {0};
    while (read(recording->signals_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            continue;
        ending.over = true;
        /* a terminal sends its signals to the command too */
        if (info.ssi_code != SI_KERNEL)
            ending.send = (int)info.ssi_signo;
    }
    if (ending.over)
        return ending;
    if (recording->options->target == PERF_TARGET_COMMAND)
        ending.over = perf_command_ended(&recording->command);
    else if (process->revents)
        ending.over = true;
    if (!ending.over && clock_ns(PERF_CLOCK) >= end_ns)
        ending = (struct ending){true, SIGTERM};
    return ending;
}

/* Rounds until the end. `poll_set`: two of our own, then the rings. */
static char *record(struct recording *recording, struct pollfd *poll_set, size_t polls,
                    struct ending *ending)
{
    struct progress progress;
    uint64_t begun = 0, start = clock_ns(PERF_CLOCK);
    uint64_t duration = recording->options->duration_ns;
    uint64_t end_ns = duration ? start + duration : UINT64_MAX;
    char *error = NULL;
    progress_start(&progress, "recording", "samples", 0);
    while (error == NULL && !ending->over) {
        uint64_t now = clock_ns(PERF_CLOCK);
        uint64_t left_ms = end_ns > now ? (end_ns - now) / 1000000 + 1 : 0;
        (void)poll(poll_set, polls, left_ms < ROUND_MS ? (int)left_ms : ROUND_MS);
        for (size_t i = 2; i < polls; i++)
            if (poll_set[i].revents & (POLLHUP | POLLERR)) /* its first target has ended */
                poll_set[i].fd = -1;
        *ending = look_for_end(recording, &poll_set[1], end_ns);
        uint64_t begun_before = begun;
        begun = clock_ns(PERF_CLOCK);
        error = do_round(recording, begun_before);
        progress_at(&progress, trace_writer_count(recording->writer));
    }
    perf_counters_stop(recording->counters);
    if (error == NULL)
        error = do_round(recording, UINT64_MAX);
    progress_end(&progress);
    return error;
}

static char *poll_and_record(struct recording *recording, struct ending *ending)
{
    size_t rings;
    const struct pollfd *ring_polls = perf_counters_polls(recording->counters, &rings);
    struct pollfd *poll_set = calloc(rings + 2, sizeof *poll_set);
    if (poll_set == NULL)
        return perf_error("not enough memory to record");
    poll_set[0] = (struct pollfd){.fd = recording->signals_fd, .events = POLLIN};
    poll_set[1] = (struct pollfd){.fd = recording->process_fd, .events = POLLIN};
    memcpy(poll_set + 2, ring_polls, rings * sizeof *poll_set);
    char *error = record(recording, poll_set, rings + 2, ending);
    free(poll_set);
    return error;
}

/* The greater of what records tell and what the counters tell is lost. */
static struct perf_session_counts count_all(const struct recording *recording)
{
    struct perf_session_counts counts = perf_session_counts(recording->session);
    uint64_t lost = recording->counters ? perf_counters_lost(recording->counters) : 0;
    if (lost > counts.lost)
        counts.lost = lost;
    return counts;
}

static char *put_notes(const struct recording *recording)
{
    struct perf_notes notes = {
        .counts = count_all(recording),
        .late = perf_order_late(recording->order),
        .damaged = recording->damaged,
        .user_only = perf_counters_user_only(recording->counters),
        .hinting = recording->hinting != NULL,
        .kinds_unknown = recording->fallback != NULL,
        .scan_remark = recording->hinting ? hinting_remark(recording->hinting) : NULL,
    };
    return perf_notes_put(recording->writer, &notes);
}

/* The first error counts; later ones come from it. */
static char *first_of(char *error, char *later)
{
    if (error == NULL)
        return later;
    free(later);
    return error;
}

static uint64_t count_pages(const char *path)
{
    static const char count[] =
        "SELECT count(*) FROM (SELECT DISTINCT space, page FROM page_summary)";
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    uint64_t pages = 0;
    char *error = store_open(path, &db);
    free(error);
    if (error == NULL && sqlite3_prepare_v2(db, count, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        pages = (uint64_t)sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    if (error == NULL)
        sqlite3_close(db);
    return pages;
}

static char *close_trace(struct recording *recording, char *error, bool begun,
                         struct perf_result *result)
{
    if (recording->writer == NULL)
        return error;
    if (error == NULL)
        error = put_notes(recording);
    if (recording->session)
        result->counts = count_all(recording);
    error = first_of(error, trace_writer_close(recording->writer, error == NULL));
    if (!begun)
        (void)unlink(recording->options->output); /* nothing was recorded */
    else if (error == NULL)
        result->pages = count_pages(recording->options->output);
    return error;
}

static void end_command(struct recording *recording, int signal_number, struct perf_result *result)
{
    if (recording->options->target != PERF_TARGET_COMMAND)
        return;
    pid_t pid = recording->command.pid;
    if (!perf_command_end(&recording->command, signal_number))
        fprintf(stderr, "disco-record: %s (process %d) runs on, no longer recorded\n",
                recording->options->argv[0], (int)pid);
    else if (signal_number == 0)
        result->outcome = perf_command_outcome(&recording->command);
}

char *perf_recording_run(const struct perf_options *options, struct perf_result *result)
{
    struct recording recording = {.options = options,
                                  .signals_fd = -1,
                                  .process_fd = -1,
                                  .command = {0, -1, -1, 0}};
    struct ending ending = {0};
    *result = (struct perf_result){0};
    char *error = set_up(&recording);
    bool begun = error == NULL;
    if (begun)
        error = poll_and_record(&recording, &ending);
    error = close_trace(&recording, error, begun, result);
    /* no reader is left, so put the system back before waiting for anybody */
    error = first_of(error, hinting_stop(recording.hinting));
    end_command(&recording, error && ending.send == 0 ? SIGTERM : ending.send, result);
    perf_session_free(recording.session);
    perf_order_free(recording.order);
    perf_counters_close(recording.counters);
    perf_cpus_free(&recording.cpus);
    free(recording.fallback);
    if (recording.process_fd >= 0)
        close(recording.process_fd);
    if (recording.signals_fd >= 0)
        close(recording.signals_fd);
    return error;
}
