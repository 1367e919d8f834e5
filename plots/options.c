#include "plots/options.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Pixels, or columns and lines. Below nothing can be read; above cairo runs out of memory. */
#define SIZE_LEAST 20
#define SIZE_MOST  20000

enum { OPTION_LIST = 256, OPTION_RESULTS, OPTION_SIZE };

static const struct argp_option table[] = {
    {"chart", 'c', "NAME", 0,
     "Draw this chart; repeat it, or give a list with commas. Default: all", 0},
    {"run", 'r', "ID", 0,
     "Draw this run; repeat it, or give a list with commas. Default: the latest of each policy, "
     "parameters and machine",
     0},
    {"format", 'f', "png|svg|pdf|txt", 0,
     "Kind of picture. txt draws with characters, without -o in the terminal. Default: png", 0},
    {"output", 'o', "DIR", 0, "Folder for the pictures, their data and scripts; made if need be",
     0},
    {"results", OPTION_RESULTS, "FILE", 0,
     "Read the runs from here, as disco-replay --results wrote them", 0},
    {"size", OPTION_SIZE, "WxH", 0, "Size in pixels, or in columns and lines for txt", 0},
    {"list-charts", OPTION_LIST, NULL, 0, "Print the charts and what they show", 0},
    {0},
};

static void take_charts(struct options *options, char *list, struct argp_state *state)
{
    char *rest = NULL;
    for (char *name = strtok_r(list, ",", &rest); name != NULL; name = strtok_r(NULL, ",", &rest)) {
        if (options->charts == OPTIONS_LIST_MAX)
            argp_error(state, "more than %u charts", OPTIONS_LIST_MAX);
        options->chart[options->charts++] = name;
    }
}

static void take_runs(struct options *options, char *list, struct argp_state *state)
{
    char *rest = NULL;
    for (char *name = strtok_r(list, ",", &rest); name != NULL; name = strtok_r(NULL, ",", &rest)) {
        char *end;
        errno = 0;
        long long run = strtoll(name, &end, 10);
        if (errno != 0 || *end != '\0' || run < 1)
            argp_error(state, "--run %s: not a run; runs are numbers from 1", name);
        if (options->runs == OPTIONS_LIST_MAX)
            argp_error(state, "more than %u runs", OPTIONS_LIST_MAX);
        options->run[options->runs++] = run;
    }
}

static void take_size(struct options *options, const char *text, struct argp_state *state)
{
    char *behind_width, *behind_height = NULL;
    long width = strtol(text, &behind_width, 10);
    long height = *behind_width == 'x' ? strtol(behind_width + 1, &behind_height, 10) : 0;
    if (behind_height == NULL || *behind_height != '\0' || width < SIZE_LEAST ||
        height < SIZE_LEAST || width > SIZE_MOST || height > SIZE_MOST)
        argp_error(state, "--size %s: not a size; give WIDTHxHEIGHT, each from %d to %d", text,
                   SIZE_LEAST, SIZE_MOST);
    options->width = (int)width;
    options->height = (int)height;
}

static void check(const struct options *options, struct argp_state *state)
{
    if (options->list)
        return;
    if (options->trace == NULL)
        argp_error(state, "no trace given");
    if (options->output == NULL && !options->format->text)
        argp_error(state, "no folder for the pictures; give -o DIR");
}

static error_t take_option(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case 'c':
        take_charts(options, arg, state);
        break;
    case 'r':
        take_runs(options, arg, state);
        break;
    case 'f':
        options->format = format_find(arg);
        if (options->format == NULL)
            argp_error(state, "--format %s: not a format; give png, svg, pdf or txt", arg);
        break;
    case 'o':
        options->output = arg;
        break;
    case OPTION_RESULTS:
        options->results = arg;
        break;
    case OPTION_SIZE:
        take_size(options, arg, state);
        break;
    case OPTION_LIST:
        options->list = true;
        break;
    case ARGP_KEY_ARG:
        if (options->trace != NULL)
            argp_error(state, "%s: one trace at a time", arg);
        options->trace = arg;
        break;
    case ARGP_KEY_END:
        check(options, state);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

void options_parse(int argc, char **argv, struct options *out)
{
    static const struct argp parser = {
        .options = table,
        .parser = take_option,
        .args_doc = "TRACE.db",
        .doc = "Draw charts of the replays of a trace."
               "\vBeside each picture stand its data (.tsv) and its gnuplot script (.gp), to be "
               "changed "
               "and drawn again with gnuplot alone. The path of each picture is printed.\n\n"
               "Examples:\n"
               "  disco-plot -o charts demo.db\n"
               "  disco-plot --chart compare --format txt demo.db\n\n"
               "Exit status: 0 drawn, 1 failed, 2 wrong usage.\n"
               "Environment: DISCO_PLOTS is the folder of the charts' scripts, DISCO_EXTENSION the "
               "path "
               "of disco.so, where they are not where make or make install puts them.",
    };
    argp_program_version = "disco-plot " DISCO_VERSION;
    argp_err_exit_status = 2;
    *out = (struct options){.format = format_find("png")};
    if (argp_parse(&parser, argc, argv, 0, NULL, out) != 0)
        exit(2);
}
