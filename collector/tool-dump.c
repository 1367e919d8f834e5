/* disco-trace dump: references and events, a line each. */
#include "collector/tool.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum format { FORMAT_TEXT, FORMAT_LACKEY };

struct options {
    const char *path;
    enum format format;
    uint64_t from, to;                /* time, both included */
    uint64_t first_block, last_block; /* both included */
};

enum { KEY_FROM = 256, KEY_TO, KEY_BLOCKS };

static const struct argp_option option_list[] = {
    {"format", 'f', "FORMAT", 0,
     "text (the default), or lackey as valgrind --tool=lackey --trace-mem=yes prints it", 0},
    {"from", KEY_FROM, "TIME", 0,
     "Leave out what is before TIME (ns, or ordinal where there is no clock)", 0},
    {"to", KEY_TO, "TIME", 0, "Leave out what is after TIME", 0},
    {"blocks", KEY_BLOCKS, "N[-M]", 0, "Only block N, or blocks N to M", 0},
    {0},
};

static void parse_blocks(struct options *options, char *text, struct argp_state *state)
{
    char *dash = strchr(text, '-');
    if (dash != NULL)
        *dash = '\0';
    options->first_block = tool_number(state, "--blocks", text);
    options->last_block =
        dash != NULL ? tool_number(state, "--blocks", dash + 1) : options->first_block;
    if (options->last_block < options->first_block)
        argp_error(state, "--blocks: the last is before the first");
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case 'f':
        if (strcmp(argument, "text") != 0 && strcmp(argument, "lackey") != 0)
            argp_error(state, "--format: '%s' is neither text nor lackey", argument);
        options->format = strcmp(argument, "text") == 0 ? FORMAT_TEXT : FORMAT_LACKEY;
        break;
    case KEY_FROM:
        options->from = tool_number(state, "--from", argument);
        break;
    case KEY_TO:
        options->to = tool_number(state, "--to", argument);
        break;
    case KEY_BLOCKS:
        parse_blocks(options, argument, state);
        break;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0)
            argp_error(state, "one trace, please");
        options->path = argument;
        break;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which trace? Give its file");
        break;
    case ARGP_KEY_END:
        if (options->to < options->from)
            argp_error(state, "--to is before --from");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static void print_header(uint32_t columns)
{
    static const char *const name[REF_COLUMNS] = {NULL,     "ip",     "phys", "latency",
                                                  "source", "weight", "size"};
    fputs("# time stream kind mode addr", stdout);
    for (int i = COLUMN_IP; i < REF_COLUMNS; i++)
        if ((columns & COLUMN_BIT(i)) != 0)
            printf(" %s", name[i]);
    putchar('\n');
}

static void print_ref(const struct ref *ref, uint64_t time, uint32_t columns)
{
    printf("%" PRIu64 " %" PRIu32 " %s %s 0x%" PRIx64, time, ref->stream,
           ref_kind_names[ref->what & REF_KIND_MASK],
           ref_mode_names[(ref->what & REF_MODE_KERNEL) != 0], ref->addr);
    for (int i = COLUMN_IP; i < REF_COLUMNS; i++) {
        if ((columns & COLUMN_BIT(i)) == 0)
            continue;
        if (i == COLUMN_IP || i == COLUMN_PHYS || i == COLUMN_SOURCE)
            printf(" 0x%" PRIx64, ref->column[i]);
        else
            printf(" %" PRIu64, ref->column[i]);
    }
    putchar('\n');
}

/* As lg_main.c of valgrind 3.19 prints them: "I  04222cac4,4", " L 1ffeffe7e0,8". The size is 1
 * where the trace has none, and a modify is the load and the store that it is. */
static void print_lackey(const struct ref *ref, uint32_t columns)
{
    static const char *const start[] = {"I  ", " L ", " S ", " L "};
    uint64_t size = (columns & COLUMN_BIT(COLUMN_SIZE)) != 0 ? ref->column[COLUMN_SIZE] : 1;
    printf("%s%08" PRIx64 ",%" PRIu64 "\n", start[ref->what & REF_KIND_MASK], ref->addr, size);
}

static void print_event(const struct trace_event *event)
{
    printf("! %s", event->type < EVENT_TYPES ? event_type_names[event->type] : "?");
    if (event->stream != UINT32_MAX)
        printf(" stream %" PRIu32, event->stream);
    for (int i = 0; i < EVENT_ARGS; i++)
        printf(" 0x%" PRIx64, event->args[i]);
    putchar('\n');
}

static void print_block(const struct ref_block *block, const struct options *options)
{
    bool clock = (block->columns & COLUMN_BIT(COLUMN_TIME)) != 0;
    uint32_t event = 0;
    uint32_t run = 0;
    for (uint32_t at = 0; at <= block->refs; at++) {
        uint64_t time =
            clock && at < block->refs ? block->column[COLUMN_TIME][at] : block->first_ref + at;
        if (clock && at == block->refs)
            time = block->last_time;
        bool wanted = time >= options->from && time <= options->to;
        for (; event < block->events && block->event[event].position <= at; event++)
            if (wanted && options->format == FORMAT_TEXT)
                print_event(block->event + event);
        if (at == block->refs || !wanted)
            continue;
        while (run + 1 < block->runs && block->run[run + 1].first <= at)
            run++;
        struct ref ref = tool_ref(block, run, at);
        if (options->format == FORMAT_TEXT)
            print_ref(&ref, time, block->columns);
        else
            print_lackey(&ref, block->columns);
    }
}

static char *dump(const struct options *options)
{
    struct trace_reader *reader = NULL;
    char *error = trace_reader_open(options->path, &reader);
    if (error != NULL)
        return error;
    uint32_t columns = trace_reader_summary(reader)->facts.columns;
    uint64_t blocks = trace_reader_summary(reader)->blocks;
    if (options->first_block != 0 && options->first_block >= blocks) {
        trace_reader_close(reader);
        return tool_line("%s: has no block %" PRIu64 ", only %" PRIu64 " of them from 0",
                         options->path, options->first_block, blocks);
    }
    struct ref_block *block = ref_block_new(columns);
    if (block == NULL)
        error = tool_line("%s: out of memory", options->path);
    else if (options->format == FORMAT_TEXT)
        print_header(columns);
    trace_reader_seek(reader, options->first_block);
    for (uint64_t number = options->first_block;
         error == NULL && block != NULL && number <= options->last_block; number++) {
        bool end = false;
        error = trace_reader_next(reader, block, &end);
        if (error != NULL || end || block->first_time > options->to)
            break;
        if (block->last_time >= options->from)
            print_block(block, options);
        if (ferror(stdout))
            break;
    }
    ref_block_free(block);
    trace_reader_close(reader);
    return error;
}

static int run(int argc, char **argv)
{
    static const struct argp argp = {option_list,
                                     parse_option,
                                     "TRACE.db",
                                     "Print references and events of a trace, a line each."
                                     "\vIn format text a reference is `time stream kind mode addr' "
                                     "and the optional columns of the trace, as "
                                     "the first line names them; an event is `! type stream N' and "
                                     "its arguments, where it happened. Format "
                                     "lackey has references only.",
                                     NULL,
                                     NULL,
                                     NULL};
    struct options options = {.to = UINT64_MAX, .last_block = UINT64_MAX};
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    return tool_end(dump(&options));
}

const struct tool tool_dump = {"dump", "print references and events, a line each", run};
