#include "collector/sources/perf/perf-command.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "collector/sources/perf/perf-error.h"

#define END_STEPS   100 /* looks, in the second that a command has to obey a signal */
#define END_STEP_NS 10000000

/* In the child. The parent holds the only end of `go` that can be written: when it dies, read gives
 * 0. */
static void wait_and_exec(char *const *argv, int go, int fault)
{
    char byte;
    sigset_t none;
    if (read(go, &byte, 1) != 1)
        _exit(127);
    sigemptyset(&none); /* the recorder takes its signals through a descriptor */
    sigprocmask(SIG_SETMASK, &none, NULL);
    execvp(argv[0], argv);
    int error = errno;
    if (write(fault, &error, sizeof error) < 0)
        _exit(126);
    _exit(127);
}

static char *not_executable(const char *name, int error)
{
    return perf_error("%s: cannot be executed: %s; give a program that is there and executable",
                      name, strerror(error));
}

/* What execvp(3) would find: a wrong name is refused before an older trace is replaced. */
static char *look_for(const char *name)
{
    const char *search = getenv("PATH");
    char *path, *rest, *folder, candidate[PATH_MAX];
    int error = ENOENT;
    if (strchr(name, '/') != NULL)
        return access(name, X_OK) == 0 ? NULL : not_executable(name, errno);
    if (search == NULL || (path = strdup(search)) == NULL)
        return NULL; /* execvp has a path of its own then; its answer counts */
    rest = path;
    while (error != 0 && (folder = strsep(&rest, ":")) != NULL) {
        snprintf(candidate, sizeof candidate, "%s/%s", folder[0] ? folder : ".", name);
        if (access(candidate, X_OK) == 0)
            error = 0;
        else if (errno == EACCES)
            error = EACCES;
    }
    free(path);
    return error ? not_executable(name, error) : NULL;
}

char *perf_command_prepare(char *const *argv, struct perf_command *command)
{
    int go[2], fault[2];
    char *missing = look_for(argv[0]);
    if (missing)
        return missing;
    if (pipe2(go, O_CLOEXEC) != 0)
        return perf_error("%s: cannot make a pipe: %s", argv[0], strerror(errno));
    if (pipe2(fault, O_CLOEXEC) != 0) {
        int error = errno;
        close(go[0]);
        close(go[1]);
        return perf_error("%s: cannot make a pipe: %s", argv[0], strerror(error));
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(go[1]);
        close(fault[0]);
        wait_and_exec(argv, go[0], fault[1]);
    }
    int error = errno;
    close(go[0]);
    close(fault[1]);
    if (pid < 0) {
        close(go[1]);
        close(fault[0]);
        return perf_error("%s: cannot start a process: %s", argv[0], strerror(error));
    }
    *command = (struct perf_command){.pid = pid, .go = go[1], .fault = fault[0]};
    return NULL;
}

static void close_pipes(struct perf_command *command)
{
    if (command->go >= 0)
        close(command->go);
    if (command->fault >= 0)
        close(command->fault);
    command->go = command->fault = -1;
}

char *perf_command_run(struct perf_command *command, const char *name)
{
    int error = 0;
    ssize_t bytes = 0;
    if (write(command->go, "", 1) == 1) {
        do {
            bytes = read(command->fault, &error, sizeof error);
        } while (bytes < 0 && errno == EINTR);
    }
    close_pipes(command);
    if (bytes != (ssize_t)sizeof error)
        return NULL; /* executed (or killed before it could be: its status will say so) */
    (void)waitpid(command->pid, &command->status, 0);
    command->pid = 0;
    return not_executable(name, error);
}

bool perf_command_ended(struct perf_command *command)
{
    if (command->pid != 0 && waitpid(command->pid, &command->status, WNOHANG) == command->pid)
        command->pid = 0;
    return command->pid == 0;
}

bool perf_command_end(struct perf_command *command, int signal_number)
{
    if (command->pid == 0)
        return true;
    close_pipes(command); /* one that was never let run exits at that */
    if (signal_number)
        (void)kill(command->pid, signal_number);
    for (int i = 0; i < END_STEPS && !perf_command_ended(command); i++)
        nanosleep(&(struct timespec){0, END_STEP_NS}, NULL);
    return command->pid == 0;
}

char *perf_command_outcome(const struct perf_command *command)
{
    int status = command->status;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return NULL;
    if (WIFEXITED(status))
        return perf_error("exited with status %d", WEXITSTATUS(status));
    int number = WTERMSIG(status);
    return perf_error("was ended by signal %d (%s)", number, strsignal(number));
}
