/* disco-trace merge: several traces into one.
 *
 * By time where all have a clock (shifted to one beginning where all know their wall clock), one
 * after the other where one has none. Ids grow by what the traces before have announced.
 */
#include "collector/tool.h"
#include "collector/trace/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
    char **path;
    size_t paths;
    const char *output;
    bool replace;
};

/* A trace to merge, and the place in it. */
struct input {
    struct trace_reader *reader;
    const struct trace_summary *summary;
    struct ref_block *block;
    uint32_t at, run, event; /* next reference, its run, next event of the block */
    uint32_t first_space, first_stream, first_region;
    uint64_t time_shift_ns;
    bool end;
};

struct merge {
    const struct options *options;
    struct input *input; /* [options->paths] */
    struct trace_facts facts;
    char *command;
    bool clock, complete;
    uint64_t refs;
};

enum { KEY_FORCE = 256 };

static const struct argp_option option_list[] = {
    {"output", 'o', "FILE", 0, "The trace to write", 0},
    {"force", KEY_FORCE, NULL, 0, "Replace the output where it is a trace already", 0},
    {0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case 'o':
        options->output = argument;
        break;
    case KEY_FORCE:
        options->replace = true;
        break;
    case ARGP_KEY_ARGS:
        options->path = state->argv + state->next;
        options->paths = (size_t)(state->argc - state->next);
        break;
    case ARGP_KEY_END:
        if (options->paths == 0 || options->output == NULL)
            argp_error(state, "give the traces and -o FILE");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static char *open_inputs(struct merge *merge)
{
    const struct options *options = merge->options;
    if (options->paths == 0)
        return tool_line("%s: no traces to merge", options->output);
    for (size_t i = 0; i < options->paths; i++) {
        if (tool_same_file(options->path[i], options->output))
            return tool_line("%s: is one of the traces to merge; give the output another name",
                             options->output);
        char *error = trace_reader_open(options->path[i], &merge->input[i].reader);
        if (error != NULL)
            return error;
        merge->input[i].summary = trace_reader_summary(merge->input[i].reader);
    }
    return NULL;
}

/* What the traces have in common becomes the facts of the new one. */
static char *join_facts(struct merge *merge)
{
    const struct options *options = merge->options;
    const struct trace_facts *first = &trace_reader_summary(merge->input[0].reader)->facts;
    struct trace_facts *facts = &merge->facts;
    *facts = *first;
    bool dated = true;
    merge->complete = true;
    size_t command_bytes = 0;
    FILE *command = open_memstream(&merge->command, &command_bytes);
    if (command == NULL)
        return tool_line("%s: out of memory", options->output);
    for (size_t i = 0; i < options->paths; i++) {
        const struct trace_facts *other = &merge->input[i].summary->facts;
        fprintf(command, "%s%s", i != 0 ? " + " : "",
                other->command != NULL ? other->command : options->path[i]);
        merge->complete = merge->complete && merge->input[i].summary->complete;
        merge->refs += merge->input[i].summary->refs;
        facts->columns &= other->columns; /* a column that one of them lacks is no column of all */
        facts->sampled = facts->sampled || other->sampled;
        dated = dated && other->start_unix_ns != 0;
        if (other->start_unix_ns < facts->start_unix_ns)
            facts->start_unix_ns = other->start_unix_ns;
        if (other->source == NULL || first->source == NULL ||
            strcmp(other->source, first->source) != 0)
            facts->source = "merge";
        if (facts->host != NULL && (other->host == NULL || strcmp(other->host, facts->host) != 0))
            facts->host = NULL;
        if (facts->event != NULL &&
            (other->event == NULL || strcmp(other->event, facts->event) != 0))
            facts->event = NULL;
    }
    fclose(command);
    for (size_t i = 0; i < options->paths; i++) {
        const struct trace_facts *other = &merge->input[i].summary->facts;
        if (other->page_bytes != first->page_bytes)
            return tool_line("%s: its pages have %u bytes, those of %s have %u; only traces of one "
                             "page size can be "
                             "merged",
                             options->path[i], other->page_bytes, options->path[0],
                             first->page_bytes);
        if (other->refs_per_sample != first->refs_per_sample)
            return tool_line("%s: its references stand for %llu each, those of %s for %llu; sample "
                             "the traces at "
                             "rates that make them equal",
                             options->path[i], (unsigned long long)other->refs_per_sample,
                             options->path[0], (unsigned long long)first->refs_per_sample);
        if (dated)
            merge->input[i].time_shift_ns = other->start_unix_ns - facts->start_unix_ns;
    }
    if (!dated)
        facts->start_unix_ns = 0;
    facts->command = merge->command;
    merge->clock = (facts->columns & COLUMN_BIT(COLUMN_TIME)) != 0;
    facts->time_unit = merge->clock ? TIME_NS : TIME_REFERENCES;
    return NULL;
}

static char *announce(struct merge *merge, struct trace_writer *writer)
{
    uint32_t spaces = 0;
    uint32_t streams = 0;
    uint32_t regions = 0;
    for (size_t i = 0; i < merge->options->paths; i++) {
        struct input *input = merge->input + i;
        input->first_space = spaces;
        input->first_stream = streams;
        input->first_region = regions;
        char prefix[32];
        snprintf(prefix, sizeof prefix, "%zu: ", i + 1);
        char *error = tool_copy_ids(input->reader, writer, spaces, prefix);
        if (error != NULL)
            return error;
        spaces += input->summary->spaces;
        streams += input->summary->streams;
        regions += input->summary->regions;
        input->block = ref_block_new(merge->facts.columns);
        if (input->block == NULL)
            return tool_line("%s: out of memory", merge->options->output);
        input->block->refs = input->block->events = 0;
    }
    return NULL;
}

/* Ids in an event grow too. Which arguments of it are spaces, which regions: event.h. */
static struct trace_event renumber(const struct input *input, const struct trace_event *old)
{
    static const struct {
        uint8_t spaces, regions; /* a bit each argument */
    } ids[EVENT_TYPES] = {
        [EVENT_ASID] = {1, 0}, [EVENT_MAP] = {1, 8},   [EVENT_UNMAP] = {1, 0},
        [EVENT_FORK] = {3, 0}, [EVENT_SHARE] = {5, 0},
    };
    struct trace_event event = *old;
    if (event.stream != UINT32_MAX)
        event.stream += input->first_stream;
    for (int i = 0; i < EVENT_ARGS && event.type < EVENT_TYPES; i++) {
        if ((ids[event.type].spaces >> i & 1) != 0)
            event.args[i] += input->first_space;
        if ((ids[event.type].regions >> i & 1) != 0 && event.args[i] < input->summary->regions)
            event.args[i] += input->first_region;
    }
    if (event.type == EVENT_TIME)
        event.args[0] += input->time_shift_ns;
    return event;
}

/* Makes sure that there is a reference at `at`, or the end; passes the events before it on. */
static char *advance(struct input *input, struct trace_writer *writer)
{
    struct ref_block *block = input->block;
    for (;;) {
        for (; input->event < block->events && block->event[input->event].position <= input->at;
             input->event++) {
            struct trace_event event = renumber(input, block->event + input->event);
            char *error = trace_writer_event(writer, &event);
            if (error != NULL)
                return error;
        }
        if (input->at < block->refs || input->end)
            return NULL;
        char *error = trace_reader_next(input->reader, block, &input->end);
        if (error != NULL)
            return error;
        input->at = input->run = input->event = 0;
        if (input->end)
            block->refs = block->events = 0;
    }
}

static uint64_t time_of(const struct input *input)
{
    return input->block->column[COLUMN_TIME][input->at] + input->time_shift_ns;
}

/* The input whose turn it is: the earliest, the first of equals; NULL when all are at their end. */
static struct input *next_input(struct merge *merge)
{
    struct input *next = NULL;
    for (size_t i = 0; i < merge->options->paths; i++) {
        struct input *input = merge->input + i;
        if (input->end)
            continue;
        if (next == NULL || time_of(input) < time_of(next))
            next = input;
        if (!merge->clock)
            break;
    }
    return next;
}

static char *merge_refs(struct merge *merge, struct trace_writer *writer)
{
    struct progress progress;
    progress_start(&progress, "merging", "references", merge->refs);
    char *error = NULL;
    /* with a clock all stand before their first reference; without one each begins when its turn
     * comes */
    for (size_t i = 0; i < merge->options->paths && error == NULL && merge->clock; i++)
        error = advance(merge->input + i, writer);
    for (struct input *input = next_input(merge); input != NULL && error == NULL;
         input = next_input(merge)) {
        if (!merge->clock) {
            error = advance(input, writer);
            if (error != NULL || input->end)
                continue;
        }
        const struct ref_block *block = input->block;
        while (input->run + 1 < block->runs && block->run[input->run + 1].first <= input->at)
            input->run++;
        struct ref ref = tool_ref(block, input->run, input->at++);
        ref.stream += input->first_stream;
        ref.column[COLUMN_TIME] += input->time_shift_ns;
        error = trace_writer_ref(writer, &ref);
        if (error == NULL)
            error = advance(input, writer);
        if (input->at == 0)
            progress_at(&progress, trace_writer_count(writer));
    }
    progress_end(&progress);
    return error;
}

static char *merge_traces(struct merge *merge)
{
    char *error = open_inputs(merge);
    if (error == NULL)
        error = join_facts(merge);
    struct trace_writer *writer = NULL;
    if (error == NULL)
        error = trace_writer_create(merge->options->output, &merge->facts, merge->options->replace,
                                    &writer);
    if (error != NULL)
        return error;
    error = announce(merge, writer);
    if (error == NULL)
        error = merge_refs(merge, writer);
    char *at_close = trace_writer_close(writer, error == NULL && merge->complete);
    if (error == NULL)
        return at_close;
    free(at_close);
    return error;
}

static int run(int argc, char **argv)
{
    static const struct argp argp = {option_list,
                                     parse_option,
                                     "-o FILE TRACE.db...",
                                     "Write one trace from several."
                                     "\vReferences are put in order of time where all traces have "
                                     "a clock (and know the wall clock of its "
                                     "beginning, or are taken to begin together), otherwise one "
                                     "trace follows the other. Streams, address "
                                     "spaces and regions of each stay its own. Columns that one of "
                                     "the traces lacks are left out. Traces of "
                                     "different page sizes or sampling rates are refused.",
                                     NULL,
                                     NULL,
                                     NULL};
    struct options options = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    struct merge merge = {.options = &options, .input = calloc(options.paths, sizeof *merge.input)};
    char *error =
        merge.input != NULL ? merge_traces(&merge) : tool_line("%s: out of memory", options.output);
    for (size_t i = 0; merge.input != NULL && i < options.paths; i++) {
        ref_block_free(merge.input[i].block);
        trace_reader_close(merge.input[i].reader);
    }
    free(merge.input);
    free(merge.command);
    return tool_end(error);
}

const struct tool tool_merge = {"merge", "write one trace from several", run};
