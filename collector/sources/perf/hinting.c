#include "collector/sources/perf/hinting.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collector/sources/perf/hinting-settings.h"
#include "collector/sources/perf/perf-error.h"

const struct hinting_places hinting_system_places = {
    .switch_file = "/proc/sys/kernel/numa_balancing",
    .debug_folder = "/sys/kernel/debug",
    .state_file = "/run/disco-hinting.state",
    .lock_file = "/run/disco-hinting.lock",
};

struct hinting {
    struct hinting_places places;
    pid_t guardian;
    int control; /* its end of file tells the guardian to put everything back */
    char *remark;
};

/* What the guardian says once it has tried: a byte, then an error or a remark (or nothing). */
#define SAYS_ERROR 'e'
#define SAYS_READY 'r'

/* Gets rid of everything that the recorder has open: a pipe of a command or the file of a trace
 * must not live on with us. `control` and `report` become 3 and 4. */
static bool take_only(int control, int report)
{
    int nothing = open("/dev/null", O_RDWR);
    /* first above the numbers that they go to, so that neither is overwritten */
    int kept_control = fcntl(control, F_DUPFD, 5), kept_report = fcntl(report, F_DUPFD, 5);
    if (nothing < 0 || kept_control < 0 || kept_report < 0)
        return false;
    for (int fd = 0; fd < 3; fd++)
        if (dup2(nothing, fd) < 0)
            return false;
    return dup2(kept_control, 3) == 3 && dup2(kept_report, 4) == 4 && close_range(5, ~0u, 0) == 0;
}

/* debugfs where nobody else sees it; a failure shows when its files are not found. */
static void mount_debugfs(const struct hinting_places *places)
{
    char path[256];
    snprintf(path, sizeof path, "%s/sched", places->debug_folder);
    if (access(path, F_OK) != 0 && unshare(CLONE_NEWNS) == 0 &&
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0)
        (void)mount("debugfs", places->debug_folder, "debugfs", 0, NULL);
}

static void spare_me(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!write(fd, "-1000", 5); /* refused: we take our chance */
        close(fd);
    }
}

static void say(int report, char what, const char *text)
{
    (void)!write(report, &what, 1); /* nobody listens: the end of file comes next */
    if (text)
        (void)!write(report, text, strlen(text));
}

static void guard(const struct hinting_places *places, const struct hinting_wish *wish, int control,
                  int report)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    (void)setsid();
    (void)prctl(PR_SET_NAME, "disco-guardian");
    if (!take_only(control, report))
        _exit(1);
    control = 3;
    report = 4;
    spare_me();
    if (wish->scan_period_ms)
        mount_debugfs(places);
    int users = -1;
    char *remark = NULL, *error = hinting_settings_begin(places, wish, &users, &remark);
    say(report, error ? SAYS_ERROR : SAYS_READY, error ? error : remark);
    close(report);
    if (error)
        _exit(1);
    char byte;
    /* nothing is ever written: this waits for the end of file */
    while (read(control, &byte, 1) > 0)
        continue;
    _exit(hinting_settings_end(places, users) == NULL ? 0 : 1);
}

/* All that the guardian says, to its end of file. NULL: it died without a word. */
static char *listen_to(int report)
{
    char text[1024];
    size_t length = 0;
    ssize_t bytes;
    while (length < sizeof text - 1 &&
           ((bytes = read(report, text + length, sizeof text - 1 - length)) > 0 ||
            (bytes < 0 && errno == EINTR)))
        length += bytes > 0 ? (size_t)bytes : 0;
    text[length] = '\0';
    return length ? strdup(text) : NULL;
}

static char *why_not_allowed(const struct hinting_places *places)
{
    if (access(places->switch_file, W_OK) == 0)
        return NULL;
    if (errno == ENOENT)
        return perf_error("hinting: %s is not there: this kernel was built without NUMA balancing "
                          "(CONFIG_NUMA_BALANCING); use -e page-faults",
                          places->switch_file);
    if (errno == EROFS)
        return perf_error(
            "hinting: %s is read-only here (a container?); record on the host, or use "
            "-e page-faults",
            places->switch_file);
    return perf_error(
        "hinting: only root may switch NUMA balancing on (%s); run: sudo disco-record "
        "perf -e hinting ..., or use -e page-faults",
        places->switch_file);
}

char *hinting_start(const struct hinting_places *places, const struct hinting_wish *wish,
                    struct hinting **out)
{
    char *error = why_not_allowed(places);
    struct hinting *hinting = NULL;
    int control[2], report[2];
    if (error)
        return error;
    if ((hinting = calloc(1, sizeof *hinting)) == NULL)
        return perf_error("hinting: not enough memory");
    if (pipe2(control, O_CLOEXEC) != 0 || pipe2(report, O_CLOEXEC) != 0) {
        free(hinting);
        return perf_error("hinting: cannot make a pipe: %s", strerror(errno));
    }
    pid_t guardian = fork();
    if (guardian == 0)
        guard(places, wish, control[0], report[1]);
    close(control[0]);
    close(report[1]);
    *hinting = (struct hinting){.places = *places, .guardian = guardian, .control = control[1]};
    char *said = guardian > 0 ? listen_to(report[0]) : NULL;
    close(report[0]);
    if (said && said[0] == SAYS_READY) {
        if (said[1])
            hinting->remark = perf_error("%s", said + 1);
        *out = hinting;
    } else {
        error = perf_error("hinting: %s", said ? said + 1 : "its guardian process did not start");
        close(hinting->control);
        if (guardian > 0)
            (void)waitpid(guardian, NULL, 0);
        free(hinting);
    }
    free(said);
    return error;
}

const char *hinting_remark(const struct hinting *hinting)
{
    return hinting->remark;
}

/* True when it ended by itself; then *failed says whether it could put things back. */
static bool end_guardian(const struct hinting *hinting, bool *failed)
{
    int status = 0;
    pid_t ended;
    close(hinting->control);
    do {
        ended = waitpid(hinting->guardian, &status, 0);
    } while (ended < 0 && errno == EINTR);
    *failed = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    return ended > 0 && WIFEXITED(status);
}

char *hinting_stop(struct hinting *hinting)
{
    bool failed = false;
    char *error = NULL;
    if (hinting == NULL)
        return NULL;
    if (!end_guardian(hinting, &failed)) {
        /* Somebody killed it. A new one puts back what it left, before all else. */
        struct hinting *second = NULL;
        struct hinting_wish none = {0};
        error = hinting_start(&hinting->places, &none, &second);
        failed = second == NULL || !end_guardian(second, &failed) || failed;
        if (second)
            free(second->remark);
        free(second);
    }
    if (failed && error == NULL)
        error = perf_error("%s could not be put back; the original values are in %s",
                           hinting->places.switch_file, hinting->places.state_file);
    free(hinting->remark);
    free(hinting);
    return error;
}
