/* disco-record: makes a trace, from one of several sources. */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/sources/sources.h"

/* found by the C library: not hidden as all else (-fvisibility=hidden) */
__attribute__((visibility("default"))) const char *argp_program_version =
    "disco-record " DISCO_VERSION;

struct source {
    const char *name, *summary;
    int (*record)(int argc, char **argv);
};

static const struct source sources[] = {
    {"mips", "guests on virtual machines, on a modelled multiprocessor", record_mips},
    {"perf", "a program, a process or the system, sampled through the kernel's perf events",
     record_perf},
    {"import",
     "a file of another tool: lackey, drmemtrace, ChampSim, perf script, columns of text, ...",
     record_import},
};
#define SOURCES (sizeof sources / sizeof sources[0])

static const struct source *find_source(const char *name)
{
    for (size_t i = 0; i < SOURCES; i++)
        if (strcmp(sources[i].name, name) == 0)
            return &sources[i];
    return NULL;
}

struct choice {
    const struct source *source;
    int first; /* index of its name in argv */
};

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct choice *choice = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        choice->source = find_source(text);
        choice->first = state->next - 1;
        if (choice->source == NULL)
            argp_error(state, "there is no source '%s'", text);
        state->next = state->argc; /* the rest is the source's own */
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which source? --help lists them");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Adds the table of sources to --help. */
static char *help(int key, const char *text, void *input)
{
    (void)input;
    if (key != ARGP_KEY_HELP_POST_DOC)
        return (char *)text;
    char *list = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&list, &bytes);
    if (out == NULL)
        return NULL;
    fprintf(out, "Sources (each has its own --help):\n");
    for (size_t i = 0; i < SOURCES; i++)
        fprintf(out, "  %-8s %s\n", sources[i].name, sources[i].summary);
    fclose(out);
    return list;
}

int main(int argc, char **argv)
{
    static const struct argp argp = {
        NULL, parse, "SOURCE [OPTION...]", "Records a trace of memory references.\v(sources)", NULL,
        help, NULL};
    struct choice choice = {NULL, 0};
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &choice);
    if (choice.source == NULL)
        return 2;
    char name[64];
    snprintf(name, sizeof name, "disco-record %s", choice.source->name);
    argv[choice.first] = name; /* what its usage and errors call it */
    return choice.source->record(argc - choice.first, argv + choice.first);
}
