#include "vmm-core/machine/description/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct shared {
    struct draft draft;
    bool done;
    char error[1024]; /* empty: none */
};

/* A crash here is expected: no handler of the program's (a test's, a sanitizer's) shall report it.
 */
static void crash_silently(void)
{
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++)
        signal(crashes[i], SIG_DFL);
}

static void run_child(struct shared *shared, draft_reader *read, const char *text,
                      size_t text_bytes)
{
    struct rlimit seconds = {CHILD_CPU_SECONDS, CHILD_CPU_SECONDS};
    setrlimit(RLIMIT_CPU, &seconds);
    crash_silently();
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (null >= 0)
        dup2(null, STDERR_FILENO);
    char *error = read(&shared->draft, text, text_bytes);
    if (error != NULL)
        snprintf(shared->error, sizeof shared->error, "%s", error);
    shared->done = true;
    _exit(0);
}

static char *take_result(const struct shared *shared, struct draft *draft)
{
    if (!shared->done)
        return draft_error(
            draft, "XML",
            "libhwloc fails on it, so it is damaged; write it anew with: lstopo FILE.xml");
    if (shared->error[0] != '\0')
        return strdup(shared->error);
    *draft = shared->draft;
    return NULL;
}

char *draft_read_in_child(draft_reader *read, struct draft *draft, const char *text,
                          size_t text_bytes)
{
    struct shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return draft_error(draft, "XML", "out of memory");
    shared->draft = *draft;
    fflush(NULL); /* nothing that is buffered here may be written twice */
    pid_t child = fork();
    if (child == 0)
        run_child(shared, read, text, text_bytes);
    while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
        continue;
    char *error = child > 0 ? take_result(shared, draft)
                            : draft_error(draft, "XML", "cannot start a process to read it");
    munmap(shared, sizeof *shared);
    return error;
}
