/* disco-record import: the command line around import-run and import-trace. */
#include "collector/sources/import.h"

#include "collector/sources/import-trace.h"
#include "collector/sources/input-folder.h"
#include "collector/sources/sources.h"
#include "collector/trace/progress.h"

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

/* A line here is all that a new format needs besides its file. */
static const struct import_format *const formats[] = {
    &import_champsim, &import_champsim_cloudsuite, &import_din,  &import_drmemtrace, &import_lackey,
    &import_perfdata, &import_perf_script,         &import_text,
};
#define FORMATS (sizeof formats / sizeof formats[0])

#define OPTION_KEY(option) (0x1000 + (int)(option)) /* of options that belong to formats */

enum common_key {
    KEY_PAGE_SIZE = 0x2000,
    KEY_FORCE,
    KEY_COMMAND,
    KEY_SKIP_BAD,
    KEY_REFS_PER_SAMPLE
};

struct request {
    const struct import_format *format;
    const char *input;
    unsigned given; /* IMPORT_TAKES of the format's options on the command line */
    struct import_options import;
    struct import_trace_options trace;
};

static const struct argp_option option_table[] = {
    {"format", 'f', "FORMAT", 0, "what FILE is: one of the formats below", 1},
    {"output", 'o', "TRACE.db", 0, "the trace to make", 1},
    {"force", KEY_FORCE, NULL, 0, "replace TRACE.db where it is a trace already", 1},
    {"skip-bad", KEY_SKIP_BAD, NULL, 0,
     "count lines and records that cannot be read and go on; the default is to stop at the first",
     1},
    {"page-size", KEY_PAGE_SIZE, "BYTES", 0,
     "page size of the recorded system: 4096, 16K, 2M (default 4K)", 1},
    {"command", KEY_COMMAND, "TEXT", 0, "the recorded program, for the user to see", 1},
    {"refs-per-sample", KEY_REFS_PER_SAMPLE, "N", 0,
     "references that one recorded one stands for (default 1, or the constant period of "
     "perf-script); above 1 the trace counts as sampled",
     1},
    {NULL, 0, NULL, 0, "For lackey, drmemtrace, champsim and din:", 2},
    {"no-fetches", OPTION_KEY(IMPORT_NO_FETCHES), NULL, 0, "leave instruction fetches out", 2},
    {NULL, 0, NULL, 0, "For perf-script and perf.data:", 3},
    {"fields", OPTION_KEY(IMPORT_FIELDS), "LIST", 0,
     "the list that perf script -F was given, where lines alone do not tell it (perf-script)", 3},
    {"cpu-map", OPTION_KEY(IMPORT_CPU_MAP), "TID=CPU,...", 0,
     "CPUs of threads whose samples have none; *=CPU for all others", 3},
    {NULL, 0, NULL, 0, "For text:", 4},
    {"columns", OPTION_KEY(IMPORT_COLUMNS), "LIST", 0,
     "what stands in each column: addr, ip, phys, time, cpu, node, tid, pid, stream, space, kind, "
     "size, weight, latency, writeback (an address stored to besides, where the line has it); - is "
     "ignored, ... is the rest of the line; addr*64 counts in units of 64 bytes",
     4},
    {"separator", OPTION_KEY(IMPORT_SEPARATOR), "CHARS", 0,
     "what parts columns (default: blanks and tabs, commas, semicolons); blanks and tabs in a row "
     "count as one",
     4},
    {"base", OPTION_KEY(IMPORT_BASE), "16|10|auto", 0,
     "of addresses without 0x (default auto, which is 16); other numbers are decimal unless 0x "
     "begins them",
     4},
    {"time-unit", OPTION_KEY(IMPORT_TIME_UNIT), "s|ms|us|ns", 0,
     "of column time, decimals allowed, exact to 1 ns (default s)", 4},
    {"kind", OPTION_KEY(IMPORT_KIND), "WORD=KIND,...", 0,
     "words of column kind besides r w l s i m, read write load store ifetch modify, ld st, 0 1 2, "
     "P_MEM_RD P_MEM_WR P_FETCH; KIND is load, store, fetch, modify or touch",
     4},
    {"default-kind", OPTION_KEY(IMPORT_DEFAULT_KIND), "KIND", 0,
     "of references where there is no column kind (default touch: not known)", 4},
    {"header", OPTION_KEY(IMPORT_HEADER), "N", 0, "skip the first N lines", 4},
    {NULL, 0, NULL, 0, "For perf-script and text:", 5},
    {"sort", OPTION_KEY(IMPORT_SORT), NULL, 0,
     "put references in order of time, on disk where TMPDIR points; without it, a time that falls "
     "is an error",
     5},
    {0},
};

/* "4096", "4K", "2M", "1G" */
static bool read_page_size(const char *text, uint32_t *bytes)
{
    const char *at = text, *end = text + strlen(text);
    uint64_t value = 0;
    if (!scan_digits(&at, end, 10, &value)) {
        return false;
    }
    static const char units[] = "KMG";
    const char *unit = *at != '\0' ? strchr(units, *at & ~0x20) : NULL;
    if (unit != NULL && at + 1 == end && value <= UINT32_MAX) {
        value <<= 10 * (unit - units + 1);
    } else if (at != end) {
        return false;
    }
    *bytes = (uint32_t)value;
    return value >= 512 && value <= 1u << 30 && (value & (value - 1)) == 0;
}

static uint64_t read_count(struct argp_state *state, const char *option, uint64_t least,
                           const char *text)
{
    uint64_t value = 0;
    const char *end = text + strlen(text);
    if (!scan_digits(&text, end, 10, &value) || text != end || value < least || value > INT64_MAX) {
        argp_error(state, "%s wants a whole number from %" PRIu64, option, least);
    }
    return value;
}

static error_t read_format_option(struct request *request, int key, char *value,
                                  struct argp_state *state)
{
    struct import_options *import = &request->import;
    switch (key) {
    case OPTION_KEY(IMPORT_NO_FETCHES):
        import->no_fetches = true;
        break;
    case OPTION_KEY(IMPORT_SORT):
        import->any_order = request->trace.sort = true;
        break;
    case OPTION_KEY(IMPORT_FIELDS):
        import->fields = value;
        break;
    case OPTION_KEY(IMPORT_CPU_MAP):
        import->cpu_map = value;
        break;
    case OPTION_KEY(IMPORT_COLUMNS):
        import->columns = value;
        break;
    case OPTION_KEY(IMPORT_SEPARATOR):
        import->separators = value;
        break;
    case OPTION_KEY(IMPORT_BASE):
        import->base = value;
        break;
    case OPTION_KEY(IMPORT_TIME_UNIT):
        import->time_unit = value;
        break;
    case OPTION_KEY(IMPORT_KIND):
        import->kinds = value;
        break;
    case OPTION_KEY(IMPORT_DEFAULT_KIND):
        import->default_kind = value;
        break;
    case OPTION_KEY(IMPORT_HEADER):
        import->header_lines = read_count(state, "--header", 0, value);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    request->given |= IMPORT_TAKES(key - OPTION_KEY(0));
    return 0;
}

/* "lackey, perf-script, text" */
static const char *format_names(char *to, size_t room)
{
    size_t used = 0;
    for (size_t i = 0; i < FORMATS && used < room; i++) {
        used +=
            (size_t)snprintf(to + used, room - used, "%s%s", i > 0 ? ", " : "", formats[i]->name);
    }
    return to;
}

static void set_format(struct request *request, const char *name, struct argp_state *state)
{
    char names[256];
    for (size_t i = 0; i < FORMATS; i++) {
        if (strcmp(formats[i]->name, name) == 0) {
            request->format = formats[i];
            return;
        }
    }
    argp_error(state, "there is no format '%s'; there are %s", name,
               format_names(names, sizeof names));
}

static void check_request(const struct request *request, struct argp_state *state)
{
    if (request->format == NULL) {
        char names[256];
        argp_error(state, "--format is missing: one of %s", format_names(names, sizeof names));
        return; /* argp_error does not come back */
    }
    if (request->trace.path == NULL) {
        argp_error(state, "-o TRACE.db is missing: where should the trace go?");
    }
    if (request->input == NULL) {
        argp_error(state, "FILE is missing; - is standard input");
    }
    for (const struct argp_option *option = option_table; option->group != 0; option++) {
        if (option->key <= OPTION_KEY(0) || option->key >= OPTION_KEY(32)) {
            continue;
        }
        unsigned bit = IMPORT_TAKES(option->key - OPTION_KEY(0));
        if ((request->given & ~request->format->takes & bit) != 0) {
            argp_error(state, "--%s means nothing to --format %s", option->name,
                       request->format->name);
        }
    }
}

static error_t read_option(int key, char *value, struct argp_state *state)
{
    struct request *request = state->input;
    switch (key) {
    case 'f':
        set_format(request, value, state);
        return 0;
    case 'o':
        request->trace.path = value;
        return 0;
    case KEY_FORCE:
        request->trace.replace = true;
        return 0;
    case KEY_SKIP_BAD:
        request->import.skip_bad = true;
        return 0;
    case KEY_COMMAND:
        request->trace.command = value;
        return 0;
    case KEY_PAGE_SIZE:
        if (!read_page_size(value, &request->trace.page_bytes)) {
            argp_error(state, "--page-size wants a power of two from 512 to 1G");
        }
        return 0;
    case KEY_REFS_PER_SAMPLE:
        request->trace.refs_per_sample = read_count(state, "--refs-per-sample", 1, value);
        return 0;
    case ARGP_KEY_ARG:
        if (request->input != NULL) {
            argp_error(state, "one FILE at a time, not '%s' too", value);
        }
        request->input = value;
        return 0;
    case ARGP_KEY_END:
        check_request(request, state);
        return 0;
    default:
        return read_format_option(request, key, value, state);
    }
}

/* Lists the formats behind the options. argp frees what is not `text`. */
static char *help_filter(int key, const char *text, void *input)
{
    (void)input;
    if (key != ARGP_KEY_HELP_POST_DOC) {
        return (char *)text;
    }
    char *list = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&list, &bytes);
    if (to == NULL) {
        return (char *)text;
    }
    fputs("Formats:\n", to);
    for (size_t i = 0; i < FORMATS; i++) {
        fprintf(to, "  %-19s %s\n", formats[i]->name, formats[i]->summary);
    }
    fputs(text, to);
    return fclose(to) == 0 ? list : (char *)text;
}

static volatile sig_atomic_t interrupted; /* the one thing that a signal handler may write to */

static void interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

/* No SA_RESTART: a read that waits must come back. A second Ctrl-C kills, as before. */
static void catch_interrupts(void)
{
    struct sigaction action = {.sa_handler = interrupt, .sa_flags = (int)SA_RESETHAND};
    interrupted = 0;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static bool watch(void *context, uint64_t bytes_read)
{
    progress_at(context, bytes_read);
    return interrupted != 0;
}

/* The trace's own account of what it holds. `units`: what was skipped. */
static void print_summary(const char *path, const char *units, const struct import_result *result)
{
    static const char sql[] =
        "SELECT printf('%,d references (%,d fetches, %,d loads, %,d stores, %,d of unknown kind), "
        "%d stream%s, %,d pages',"
        " refs, fetches, loads, stores, touches, streams, iif(streams = 1, '', 's'),"
        " (SELECT count(*) FROM (SELECT DISTINCT space, page FROM page_summary)))"
        " FROM trace, (SELECT count(*) AS streams FROM trace_stream)";
    sqlite3 *database = NULL;
    sqlite3_stmt *row = NULL;
    if (sqlite3_open_v2(path, &database, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(database, sql, -1, &row, NULL) == SQLITE_OK &&
        sqlite3_step(row) == SQLITE_ROW) {
        printf("%s: %s, %" PRIu64 " %s skipped\n", path, (const char *)sqlite3_column_text(row, 0),
               result->skipped, units);
    }
    sqlite3_finalize(row);
    row = NULL;
    /* what the user should know is in the notes */
    if (sqlite3_prepare_v2(
            database,
            "SELECT key, value FROM trace_note WHERE key NOT IN "
            "('source_clock_ns_at_time_0', 'lines_skipped', 'records_skipped') AND key NOT "
            "LIKE 'build_id %'",
            -1, &row, NULL) == SQLITE_OK) {
        while (sqlite3_step(row) == SQLITE_ROW) {
            printf("  %s: %s\n", (const char *)sqlite3_column_text(row, 0),
                   (const char *)sqlite3_column_text(row, 1));
        }
    }
    sqlite3_finalize(row);
    sqlite3_close(database);
}

static int report(const char *error, const struct request *request,
                  const struct import_result *result)
{
    /* errors of the trace itself say what is kept */
    bool of_trace =
        error != NULL && strncmp(error, request->trace.path, strlen(request->trace.path)) == 0;
    if (error != NULL && result->refs > 0 && !of_trace) {
        fprintf(stderr, "disco-record: %s (what came before is in %s, marked as cut off)\n", error,
                request->trace.path);
    } else if (error != NULL) {
        fprintf(stderr, "disco-record: %s\n", error);
    } else if (result->stopped) {
        fprintf(stderr, "disco-record: %s: interrupted after %" PRIu64 " references%s%s\n",
                request->trace.file, result->refs,
                result->refs > 0 ? "; they are kept, marked as cut off, in "
                                 : ": nothing was written",
                result->refs > 0 ? request->trace.path : "");
    } else {
        print_summary(request->trace.path, import_units(request->format), result);
    }
    return error != NULL ? (result->wrong_options ? 2 : 1) : result->stopped ? 1 : 0;
}

/* The file, or those of the folder where the format takes one. */
static char *open_inputs(const struct request *request, struct input_set *inputs)
{
    const struct import_format *format = request->format;
    if (format->wants_file != NULL && input_is_folder(request->input)) {
        return input_open_folder(request->input, format->inner_folder, format->wants_file,
                                 format->no_files, inputs);
    }
    *inputs = (struct input_set){.input = calloc(1, sizeof(struct input *))};
    if (inputs->input == NULL) {
        return import_error("%s: out of memory", request->input);
    }
    char *error = input_open(request->input, &inputs->input[0]);
    if (error == NULL) {
        inputs->inputs = 1;
        inputs->name = input_name(inputs->input[0]);
    }
    return error;
}

/* Bytes of all files; 0 where that is not known. */
static uint64_t bytes_of(const struct input_set *inputs)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < inputs->inputs; i++) {
        bytes += input_bytes_total(inputs->input[i]);
    }
    return bytes;
}

static int run(struct request *request)
{
    struct input_set inputs = {0};
    struct import_trace *trace = NULL;
    struct progress progress;
    struct import_result result = {0};
    char *error = open_inputs(request, &inputs);
    if (error == NULL) {
        request->trace.file = inputs.name;
        error = import_trace_open(&request->trace, &trace);
    }
    if (error == NULL) {
        catch_interrupts();
        progress_start(&progress, "importing", "bytes", bytes_of(&inputs));
        error = import_run(request->format, &request->import, &inputs, import_trace_sink(trace),
                           watch, &progress, &result);
        char *another = import_trace_close(trace, error == NULL && !result.stopped);
        progress_end(&progress);
        if (error == NULL) {
            error = another;
        } else {
            free(another);
        }
    }
    int status = report(error, request, &result);
    free(error);
    input_close_set(&inputs);
    return status;
}

int record_import(int argc, char **argv)
{
    static const struct argp argp = {
        .options = option_table,
        .parser = read_option,
        .args_doc = "FILE",
        .doc =
            "Makes a trace of FILE (- for standard input; gzip, xz, zstd and zip are unpacked; for "
            "drmemtrace also a folder) that another tool recorded.\v"
            "\nExamples:\n"
            "  valgrind --tool=lackey --trace-mem=yes --log-file=log ls; disco-record import -f "
            "lackey -o ls.db log\n"
            "  perf script -F comm,pid,tid,cpu,time,event,addr,ip | disco-record import -f "
            "perf-script -o run.db -\n"
            "  disco-record import -f text --columns ip,addr,cpu,time,- -o run.db table.txt.gz\n"
            "  disco-record import -f drmemtrace -o app.db drmemtrace.app.1234.5678.dir\n"
            "  disco-record import -f champsim -o mcf.db 605.mcf_s-665B.champsimtrace.xz\n"
            "\nFor tables of DRAM simulators, -f text and:\n"
            "  0x12345680 R (Ramulator, memory)     --columns addr,kind\n"
            "  3 20734016 20841280 (Ramulator, CPU) --columns -,addr,writeback --base 10 \n"
            "                                       --default-kind load\n"
            "  LD 20734016 (Ramulator 2)            --columns kind,addr --base 10\n"
            "  0x1f2f8e40 P_MEM_RD 10 (DRAMSim2, 3) --columns addr,kind,-\n"
            "  R 323969 (numbers of 64-byte lines)  --columns kind,addr*64 --base 10\n",
        .help_filter = help_filter,
    };
    struct request request = {.trace = {.page_bytes = 4096}};
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, &request);
    return run(&request);
}
