/* disco-trace info | verify | dump | sample | merge: what to do with a trace besides replaying it.
 */
#include "collector/tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct tool *const tools[] = {&tool_info,   &tool_verify, &tool_dump,
                                           &tool_sample, &tool_merge,  NULL};

static const char documentation[] =
    "Look at a trace, check it, print it, thin it out, put several together."
    "\v"
    "Commands:\n"
    "  info     what the trace is, in a table or as JSON\n"
    "  verify   check every block, and say exactly what is intact\n"
    "  dump     print references and events, a line each\n"
    "  sample   write a trace with one reference in N of another\n"
    "  merge    write one trace from several\n"
    "\n"
    "`disco-trace COMMAND --help' explains each. Exit status: 0 done, 1 failed or damaged, 2 wrong "
    "usage.";

struct choice {
    int at; /* where the command stands in argv */
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct choice *choice = state->input;
    (void)argument;
    switch (key) {
    case ARGP_KEY_ARG:
        choice->at = state->next - 1;
        state->next = state->argc; /* the rest is the command's */
        break;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which command? One of info, verify, dump, sample, merge");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

int main(int argc, char **argv)
{
    static const struct argp argp = {NULL,          parse_option, "COMMAND [OPTION...] TRACE.db",
                                     documentation, NULL,         NULL,
                                     NULL};
    struct choice choice = {0};
    argp_program_version = "disco-trace " DISCO_VERSION;
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &choice);
    const char *name = argv[choice.at];
    for (size_t i = 0; tools[i] != NULL; i++) {
        if (strcmp(tools[i]->name, name) != 0)
            continue;
        char *whole = tool_line("disco-trace %s", name); /* how --help calls it */
        argv[choice.at] = whole;
        int status = tools[i]->run(argc - choice.at, argv + choice.at);
        free(whole);
        return status;
    }
    fprintf(stderr, "disco-trace: there is no command '%s'; try disco-trace --help\n", name);
    return 2;
}
