/* disco-trace sample: one reference in N.
 *
 * systematic  every Nth from a random start: what a hardware counter that overflows would give.
 * random      each by a chance of its own of 1 in N (Poisson sampling), and the first reference to each
 *             page for sure. A reference that was sure to come stands for itself, one that came by
 *             chance for N: column weight says which (Horvitz and Thompson, JASA 1952). So a replay
 *             places and counts every page as one of the whole trace does, its sums are
 *             unbiased, and the intervals of replayer/sampling.h are exact for it.
 *
 * A page is new again after it was unmapped. Note `sampling_method` keeps the method for the
 * replay. A sample of a sample is one too: weights are multiplied, and one systematic step makes the whole
 * systematic.
 */
#include "collector/tool-pages.h"
#include "collector/tool.h"
#include "collector/trace/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum method { EVERY_NTH, BY_CHANCE };

struct options {
    const char *path, *output;
    uint64_t rate, seed;
    enum method method;
    bool replace, plain;
};

static const char *const method_name[] = {[EVERY_NTH] = "systematic", [BY_CHANCE] = "random"};

enum { KEY_SEED = 256, KEY_FORCE, KEY_PLAIN };

static const struct argp_option option_list[] = {
    {"rate", 'r', "N", 0, "Keep one reference in N (at least 1)", 0},
    {"output", 'o', "FILE", 0, "The trace to write", 0},
    {"method", 'm', "METHOD", 0,
     "systematic: every Nth from a random start, as hardware samples (the default); random: each "
     "with a chance of 1 in N, and the first reference to each page: estimates from it are "
     "unbiased, and their intervals exact",
     0},
    {"no-first-touches", KEY_PLAIN, NULL, 0,
     "With --method random: do not keep the first reference to each page for sure", 0},
    {"seed", KEY_SEED, "SEED", 0,
     "Of the random choices (default 1): the same seed gives the same sample", 0},
    {"force", KEY_FORCE, NULL, 0, "Replace the output where it is a trace already", 0},
    {0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case 'r':
        options->rate = tool_number(state, "--rate", argument);
        if (options->rate == 0)
            argp_error(state, "--rate: must be at least 1");
        break;
    case 'o':
        options->output = argument;
        break;
    case 'm':
        if (strcmp(argument, "systematic") != 0 && strcmp(argument, "random") != 0)
            argp_error(state, "--method: '%s' is neither systematic nor random", argument);
        options->method = strcmp(argument, "random") == 0 ? BY_CHANCE : EVERY_NTH;
        break;
    case KEY_SEED:
        options->seed = tool_number(state, "--seed", argument);
        break;
    case KEY_FORCE:
        options->replace = true;
        break;
    case KEY_PLAIN:
        options->plain = true;
        break;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0)
            argp_error(state, "one trace, please");
        options->path = argument;
        break;
    case ARGP_KEY_END:
        if (options->path == NULL || options->output == NULL || options->rate == 0)
            argp_error(state, "give the trace, --rate N and -o FILE");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/* splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014) */
static uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Which references are kept. */
struct choice {
    enum method method;
    uint64_t rate, random;
    uint64_t left;            /* references to pass over before the next that is kept */
    struct tool_pages *pages; /* NULL: first touches are references like others */
};

static bool by_method(struct choice *choice)
{
    if (choice->method == BY_CHANCE)
        return random_next(&choice->random) <= UINT64_MAX / choice->rate;
    if (choice->left-- != 0)
        return false;
    choice->left = choice->rate - 1;
    return true;
}

/* How many times as many references as before this one stands for; 0: it is left out. A first touch takes
 * no draw, which would decide nothing. */
static char *choose(struct choice *choice, uint32_t stream, uint64_t addr, uint64_t *times)
{
    bool first = false;
    if (choice->pages != NULL && !tool_pages_touch(choice->pages, stream, addr, &first))
        return tool_line("out of memory; --no-first-touches needs less");
    *times = first ? 1 : by_method(choice) ? choice->rate : 0;
    return NULL;
}

static char *put_event(const struct trace_event *event, struct choice *choice,
                       struct trace_writer *writer)
{
    if (choice->pages != NULL)
        tool_pages_event(choice->pages, event);
    return trace_writer_event(writer, event);
}

/* Hands on what is chosen of a block, and all its events: they change what references mean.
 * refs_per_sample: of a reference without a weight. */
static char *sample_block(const struct ref_block *block, uint64_t refs_per_sample,
                          struct choice *choice, struct trace_writer *writer)
{
    char *error = NULL;
    uint32_t event = 0, run = 0;
    for (uint32_t at = 0; at < block->refs && error == NULL; at++) {
        for (; event < block->events && block->event[event].position <= at && error == NULL;
             event++)
            error = put_event(&block->event[event], choice, writer);
        while (run + 1 < block->runs && block->run[run + 1].first <= at)
            run++;
        uint64_t times = 0;
        if (error == NULL)
            error = choose(choice, block->run[run].stream, block->addr[at], &times);
        if (error != NULL || times == 0)
            continue;
        struct ref ref = tool_ref(block, run, at);
        uint64_t weight = (block->columns & COLUMN_BIT(COLUMN_WEIGHT)) != 0
                              ? ref.column[COLUMN_WEIGHT]
                              : refs_per_sample;
        ref.column[COLUMN_WEIGHT] = weight > INT64_MAX / times ? INT64_MAX : weight * times;
        error = trace_writer_ref(writer, &ref);
    }
    for (; event < block->events && error == NULL; event++)
        error = put_event(&block->event[event], choice, writer);
    return error;
}

static char *copy_sample(struct trace_reader *reader, struct trace_writer *writer,
                         const struct options *options, struct choice *choice)
{
    const struct trace_summary *summary = trace_reader_summary(reader);
    char *error = tool_copy_ids(reader, writer, 0, "");
    struct ref_block *block = ref_block_new(summary->facts.columns);
    if (block == NULL && error == NULL)
        error = tool_line("%s: out of memory", options->path);
    struct progress progress;
    progress_start(&progress, "sampling", "references", summary->refs);
    while (error == NULL && block != NULL) {
        bool end = false;
        error = trace_reader_next(reader, block, &end);
        if (error != NULL || end)
            break;
        error = sample_block(block, summary->facts.refs_per_sample, choice, writer);
        progress_at(&progress, block->first_ref);
    }
    progress_end(&progress);
    ref_block_free(block);
    return error;
}

/* The whole is as systematic as any of its steps. */
static const char *whole_method(const struct trace_reader *reader, enum method method)
{
    const struct trace_summary *summary = trace_reader_summary(reader);
    bool by_chance = method == BY_CHANCE;
    if (summary->facts.sampled) {
        bool before = false;
        for (uint32_t i = 0; i < summary->notes; i++) {
            const struct trace_note *note = trace_reader_note(reader, i);
            before = before || (note->key != NULL && note->value != NULL &&
                                strcmp(note->key, "sampling_method") == 0 &&
                                strcmp(note->value, method_name[BY_CHANCE]) == 0);
        }
        by_chance = by_chance && before;
    }
    return method_name[by_chance ? BY_CHANCE : EVERY_NTH];
}

static char *sample_into(struct trace_reader *reader, struct trace_writer *writer,
                         const struct options *options, struct choice *choice)
{
    char *error = copy_sample(reader, writer, options, choice);
    if (error == NULL && options->rate > 1)
        error = trace_writer_note(writer, "sampling_method", whole_method(reader, options->method));
    /* a sample of a trace that was cut off is one too */
    char *at_close =
        trace_writer_close(writer, error == NULL && trace_reader_summary(reader)->complete);
    if (error == NULL)
        return at_close;
    free(at_close);
    return error;
}

static char *sample(const struct options *options)
{
    if (tool_same_file(options->path, options->output))
        return tool_line("%s: is the trace to sample; give the output another name",
                         options->output);
    struct trace_reader *reader = NULL;
    char *error = trace_reader_open(options->path, &reader);
    if (error != NULL)
        return error;
    struct trace_facts facts = trace_reader_summary(reader)->facts;
    struct trace_writer *writer = NULL;
    struct choice choice = {.method = options->method,
                            .rate = options->rate,
                            .random = options->seed};
    choice.left = random_next(&choice.random) % options->rate;
    bool sure = options->method == BY_CHANCE && options->rate > 1 && !options->plain;
    if (sure && (choice.pages = tool_pages_new(reader)) == NULL)
        error = tool_line("%s: out of memory", options->path);
    else if (facts.refs_per_sample > INT64_MAX / options->rate)
        error = tool_line("%s: a reference would stand for too many; take a smaller --rate",
                          options->path);
    if (error == NULL) {
        facts.refs_per_sample *= options->rate;
        facts.sampled = facts.sampled || options->rate > 1;
        facts.columns |= sure ? COLUMN_BIT(COLUMN_WEIGHT) : 0;
        error = trace_writer_create(options->output, &facts, options->replace, &writer);
    }
    if (error == NULL)
        error = sample_into(reader, writer, options, &choice);
    tool_pages_free(choice.pages);
    trace_reader_close(reader);
    return error;
}

static int run(int argc, char **argv)
{
    static const struct argp argp = {
        option_list,
        parse_option,
        "--rate N -o FILE TRACE.db",
        "Write a trace that holds one reference in N of TRACE.db, and all its other events."
        "\vThe new trace says that it is sampled, and how many references each one stands for.",
        NULL,
        NULL,
        NULL};
    struct options options = {.seed = 1};
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    return tool_end(sample(&options));
}

const struct tool tool_sample = {"sample", "write a trace with one reference in N of another", run};
