#include "plots/gnuplot.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plots/text.h"

/* What is kept of gnuplot's complaints. */
#define COMPLAINT_BYTES 4096u

/* Starts gnuplot with its standard error in the pipe and its standard output nowhere. */
static int start(const char *folder, const char *script, const char *set_output, int complaint[2],
                 pid_t *child)
{
    char *const argv[] = {"gnuplot", "-d", "-e", (char *)set_output, (char *)script, NULL};
    posix_spawn_file_actions_t actions;
    int code = posix_spawn_file_actions_init(&actions);
    if (code != 0)
        return code;
    code = posix_spawn_file_actions_addchdir_np(&actions, folder);
    if (code == 0)
        code = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (code == 0)
        code = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (code == 0)
        code = posix_spawn_file_actions_adddup2(&actions, complaint[1], STDERR_FILENO);
    if (code == 0)
        code = posix_spawnp(child, "gnuplot", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return code;
}

/* Reads to the end, so that gnuplot never waits; keeps the beginning. */
static void read_complaint(int from, char text[COMPLAINT_BYTES])
{
    size_t bytes = 0;
    char rest[1024];
    for (;;) {
        bool full = bytes == COMPLAINT_BYTES - 1;
        ssize_t got = full ? read(from, rest, sizeof rest)
                           : read(from, text + bytes, COMPLAINT_BYTES - 1 - bytes);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        if (!full)
            bytes += (size_t)got;
    }
    text[bytes] = '\0';
}

/* gnuplot echoes the command, points at the place, then says "FILE" line N: what is wrong. That
 * last line is the one worth reading; without it, the first that is not blank. */
static const char *telling_line(char *text)
{
    const char *first = NULL, *telling = NULL;
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        line += strspn(line, " \t");
        if (strstr(line, " line ") != NULL && line[0] == '"')
            telling = line;
        if (first == NULL && *line != '\0')
            first = line;
    }
    return telling != NULL ? telling : first;
}

char *gnuplot_run(const char *folder, const char *script, const char *output)
{
    char *set_output = text_message("output='%s'", output);
    int complaint[2];
    if (pipe2(complaint, O_CLOEXEC) != 0) {
        free(set_output);
        return text_message("gnuplot cannot be started: %m");
    }
    pid_t child = 0;
    int code = start(folder, script, set_output, complaint, &child);
    free(set_output);
    close(complaint[1]);
    char text[COMPLAINT_BYTES] = "";
    int status = 0;
    if (code == 0) {
        read_complaint(complaint[0], text);
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            ;
    }
    close(complaint[0]);
    if (code == ENOENT)
        return text_message(
            "gnuplot is not on the PATH; install it, on Debian: apt install gnuplot-nox");
    if (code != 0)
        return text_message("gnuplot cannot be started: %s", strerror(code));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return NULL;
    if (WIFSIGNALED(status))
        return text_message("%s/%s: gnuplot was ended by signal %d", folder, script,
                            WTERMSIG(status));
    const char *line = telling_line(text);
    return text_message("%s/%s: gnuplot failed: %s", folder, script,
                        line != NULL ? line : "no reason given");
}
