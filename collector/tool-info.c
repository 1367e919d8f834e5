/* disco-trace info: what a trace is. */
#include "collector/tool.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

struct options {
    const char *path;
    bool json;
};

static const struct argp_option option_list[] = {
    {"json", 'j', NULL, 0, "Print one JSON object", 0},
    {0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case 'j':
        options->json = true;
        break;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0)
            argp_error(state, "one trace, please");
        options->path = argument;
        break;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which trace? Give its file");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const char *const column_name[REF_COLUMNS] = {"time",   "ip",     "phys", "latency",
                                                     "source", "weight", "size"};

static void set_text(json_t *object, const char *key, const char *text)
{
    json_t *value = text != NULL ? json_string(text) : NULL;
    json_object_set_new(object, key, value != NULL ? value : json_null());
}

static void set_number(json_t *object, const char *key, uint64_t value)
{
    json_object_set_new(object, key, json_integer((json_int_t)value));
}

static void print_json(const struct trace_reader *reader, uint64_t file_bytes)
{
    const struct trace_summary *summary = trace_reader_summary(reader);
    const struct trace_facts *facts = &summary->facts;
    json_t *object = json_object();
    set_text(object, "source", facts->source);
    set_text(object, "command", facts->command);
    set_text(object, "host", facts->host);
    set_text(object, "event", facts->event);
    json_object_set_new(object, "complete", json_boolean(summary->complete));
    set_number(object, "references", summary->refs);
    set_number(object, "fetches", summary->fetches);
    set_number(object, "loads", summary->loads);
    set_number(object, "stores", summary->stores);
    set_number(object, "touches", summary->touches);
    set_number(object, "events", summary->events);
    set_number(object, "blocks", summary->blocks);
    set_number(object, "stored_bytes", summary->stored_bytes);
    set_number(object, "file_bytes", file_bytes);
    set_number(object, "page_bytes", facts->page_bytes);
    set_text(object, "time_unit", facts->time_unit == TIME_NS ? "ns" : "references");
    set_number(object, "first_time", summary->first_time);
    set_number(object, "last_time", summary->last_time);
    set_number(object, "start_unix_ns", facts->start_unix_ns);
    json_object_set_new(object, "sampled", json_boolean(facts->sampled));
    set_number(object, "refs_per_sample", facts->refs_per_sample);
    set_number(object, "streams", summary->streams);
    set_number(object, "spaces", summary->spaces);
    set_number(object, "regions", summary->regions);
    json_t *columns = json_array();
    for (int i = 0; i < REF_COLUMNS; i++)
        if ((facts->columns & COLUMN_BIT(i)) != 0)
            json_array_append_new(columns, json_string(column_name[i]));
    json_object_set_new(object, "columns", columns);
    json_t *notes = json_object();
    for (uint32_t i = 0; i < summary->notes; i++)
        set_text(notes, trace_reader_note(reader, i)->key, trace_reader_note(reader, i)->value);
    json_object_set_new(object, "notes", notes);
    set_text(object, "checksum", summary->checksum);
    set_number(object, "schema_version", summary->schema_version);
    json_dumpf(object, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(object);
}

static void print_text(const char *what, const char *text)
{
    if (text != NULL)
        printf("%-12s %s\n", what, text);
}

static void print_count(const char *what, uint64_t count)
{
    if (count != 0)
        printf("%-12s %" PRIu64 "\n", what, count);
}

static void print_start(uint64_t unix_ns)
{
    time_t second = (time_t)(unix_ns / 1000000000);
    struct tm when;
    char text[64];
    if (unix_ns != 0 && gmtime_r(&second, &when) != NULL &&
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &when) != 0)
        print_text("recorded", text);
}

static void print_table(const struct trace_reader *reader, const char *path, uint64_t file_bytes)
{
    const struct trace_summary *summary = trace_reader_summary(reader);
    const struct trace_facts *facts = &summary->facts;
    print_text("trace", path);
    print_text("source", facts->source);
    print_text("command", facts->command);
    print_text("host", facts->host);
    print_text("event", facts->event);
    print_start(facts->start_unix_ns);
    print_text("state",
               summary->complete ? "complete" : "cut off: holds what was recorded until then");
    printf("%-12s %" PRIu64 "\n", "references", summary->refs);
    print_count("  fetches", summary->fetches);
    print_count("  loads", summary->loads);
    print_count("  stores", summary->stores);
    print_count("  touches", summary->touches);
    if (facts->sampled || facts->refs_per_sample != 1)
        printf("%-12s each stands for %" PRIu64 "\n", "sampled", facts->refs_per_sample);
    print_count("events", summary->events);
    if (facts->time_unit == TIME_NS)
        printf("%-12s %.6f s\n", "time", (double)(summary->last_time - summary->first_time) / 1e9);
    else
        print_text("time", "no clock: the ordinal of a reference is its time");
    printf("%-12s %" PRIu32 "\n", "streams", summary->streams);
    printf("%-12s %" PRIu32 "\n", "spaces", summary->spaces);
    printf("%-12s %" PRIu32 "\n", "regions", summary->regions);
    printf("%-12s %" PRIu32 " bytes\n", "page", facts->page_bytes);
    printf("%-12s", "columns");
    for (int i = 0; i < REF_COLUMNS; i++)
        if ((facts->columns & COLUMN_BIT(i)) != 0)
            printf(" %s", column_name[i]);
    printf("%s\n", facts->columns == 0 ? " none" : "");
    printf("%-12s %" PRIu64 " in blocks, %" PRIu64 " in the file", "bytes", summary->stored_bytes,
           file_bytes);
    if (summary->refs != 0)
        printf(" (%.3f a reference)", (double)file_bytes / (double)summary->refs);
    printf("\n%-12s %" PRIu64 "\n", "blocks", summary->blocks);
    print_text("checksum", summary->checksum);
    for (uint32_t i = 0; i < summary->notes; i++)
        printf("%-12s %s: %s\n", "note", trace_reader_note(reader, i)->key,
               trace_reader_note(reader, i)->value);
}

static int run(int argc, char **argv)
{
    static const struct argp argp = {option_list,
                                     parse_option,
                                     "TRACE.db",
                                     "Say what a trace is: source, counts, size, streams, state.",
                                     NULL,
                                     NULL,
                                     NULL};
    struct options options = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    struct trace_reader *reader = NULL;
    char *error = trace_reader_open(options.path, &reader);
    if (error != NULL)
        return tool_end(error);
    struct stat file = {0};
    (void)stat(options.path, &file);
    if (options.json)
        print_json(reader, (uint64_t)file.st_size);
    else
        print_table(reader, options.path, (uint64_t)file.st_size);
    trace_reader_close(reader);
    return tool_end(NULL);
}

const struct tool tool_info = {"info", "what the trace is, in a table or as JSON", run};
