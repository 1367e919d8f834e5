/* A command that is started, but waits before its exec until its counters are there. */
#ifndef DISCO_PERF_COMMAND_H
#define DISCO_PERF_COMMAND_H

#include <stdbool.h>
#include <sys/types.h>

struct perf_command {
    pid_t pid;  /* 0: there is none, or it was reaped */
    int go;     /* writing a byte lets it run; closing without one ends it */
    int fault;  /* gives the errno of an exec that failed; end of file when it succeeded */
    int status; /* of waitpid(2), once reaped */
};

/* Errors as in collector/trace/writer.h. `argv` ends in NULL. */
char *perf_command_prepare(char *const *argv, struct perf_command *command);
/* Lets it run. An error when the command cannot be executed; it is reaped then. */
char *perf_command_run(struct perf_command *command, const char *name);
/* True once it has ended. Does not wait. */
bool perf_command_ended(struct perf_command *command);
/* Ends one that still runs: the signal, a second to obey, and no more; frees what is held.
 * False: it runs on. */
bool perf_command_end(struct perf_command *command, int signal_number);
/* "exited with status 3", "was ended by signal 9 (Killed)"; NULL when it succeeded. For the caller
 * to free. */
char *perf_command_outcome(const struct perf_command *command);

#endif
