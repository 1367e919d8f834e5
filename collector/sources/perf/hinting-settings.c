#include "collector/sources/perf/hinting-settings.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/sources/perf/perf-error.h"

/* In this order they are set; put back in the other. The first is the switch, the rest is pace. */
static const char *const pace_files[] = {
    "sched/numa_balancing/scan_delay_ms",
    "sched/numa_balancing/scan_period_min_ms",
    "sched/numa_balancing/scan_period_max_ms",
};
#define SETTINGS  (1 + sizeof pace_files / sizeof pace_files[0])
#define STATE_MAX 4096 /* bytes; the file has SETTINGS short lines */

struct setting {
    char path[256];
    unsigned long original;
    bool kept; /* `original` is known, and in the state file */
};

struct settings {
    struct setting of[SETTINGS];
};

static void name_settings(const struct hinting_places *places, struct settings *settings)
{
    *settings = (struct settings){0};
    snprintf(settings->of[0].path, sizeof settings->of[0].path, "%s", places->switch_file);
    for (size_t i = 1; i < SETTINGS; i++)
        snprintf(settings->of[i].path, sizeof settings->of[i].path, "%s/%s", places->debug_folder,
                 pace_files[i - 1]);
}

/* Both give an errno. */
static int read_value(const char *path, unsigned long *value)
{
    char text[64], *end;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    ssize_t bytes = read(fd, text, sizeof text - 1);
    int error = bytes < 0 ? errno : 0;
    close(fd);
    if (error)
        return error;
    text[bytes] = '\0';
    *value = strtoul(text, &end, 10);
    return end == text ? EINVAL : 0;
}

static int write_value(const char *path, unsigned long value)
{
    char text[64];
    int length = snprintf(text, sizeof text, "%lu\n", value);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int error = write(fd, text, (size_t)length) == length ? 0 : errno;
    close(fd);
    return error;
}

/* Lines "VALUE PATH". Only paths that we would change ourselves are believed. */
static void load_state(int state, struct settings *settings)
{
    char text[STATE_MAX], *rest = text, *line;
    ssize_t bytes = pread(state, text, sizeof text - 1, 0);
    text[bytes > 0 ? bytes : 0] = '\0';
    while ((line = strsep(&rest, "\n")) != NULL) {
        char *path;
        unsigned long value = strtoul(line, &path, 10);
        if (path == line || *path != ' ')
            continue;
        for (size_t i = 0; i < SETTINGS; i++) {
            struct setting *setting = &settings->of[i];
            if (strcmp(path + 1, setting->path) == 0) {
                setting->original = value;
                setting->kept = true;
            }
        }
    }
}

/* Gives an errno. */
static int save_state(int state, const struct settings *settings)
{
    char text[STATE_MAX];
    size_t length = 0;
    for (size_t i = 0; i < SETTINGS; i++)
        if (settings->of[i].kept)
            length += (size_t)snprintf(text + length, sizeof text - length, "%lu %s\n",
                                       settings->of[i].original, settings->of[i].path);
    if (ftruncate(state, 0) != 0)
        return errno;
    return pwrite(state, text, length, 0) == (ssize_t)length ? 0 : errno ? errno : EIO;
}

/* Puts all kept values back and forgets them. Gives NULL, or what could not be put back. */
static char *restore(int state, struct settings *settings)
{
    char *error = NULL;
    for (size_t i = SETTINGS; i-- > 0;) {
        struct setting *setting = &settings->of[i];
        int failed = setting->kept ? write_value(setting->path, setting->original) : 0;
        if (failed && error == NULL)
            error = perf_error("%s: cannot put it back: %s; set it to %lu by hand", setting->path,
                               strerror(failed), setting->original);
        setting->kept = setting->kept && failed;
    }
    (void)save_state(state, settings); /* what failed is left there for the next one to try */
    return error;
}

/* Keeps the original value, then sets. Gives an errno. */
static int change(int state, struct settings *settings, size_t i, unsigned long set_bits,
                  unsigned long value)
{
    struct setting *setting = &settings->of[i];
    unsigned long now = 0;
    int error = read_value(setting->path, &now);
    if (error)
        return error;
    if (!setting->kept) {
        setting->original = now;
        setting->kept = true;
        if ((error = save_state(state, settings)) != 0) {
            setting->kept = false;
            return error;
        }
    }
    value |= now & set_bits;
    return value == now ? 0 : write_value(setting->path, value);
}

/* Under both locks. `alone`: no other recorder uses the settings. */
static char *change_all(const struct hinting_wish *wish, int state, bool alone,
                        struct settings *settings, char **remark)
{
    load_state(state, settings);
    if (alone) /* what a killed guardian left */
        free(restore(state, settings));
    /* bit 0 is balancing, bit 1 tiering, which stays as it is: Linux 5.18 */
    int error = change(state, settings, 0, ~1ul, 1);
    if (error) {
        if (alone)
            free(restore(state, settings));
        return perf_error("%s: cannot be set: %s", settings->of[0].path, strerror(error));
    }
    for (size_t i = 1; i < SETTINGS && wish->scan_period_ms && *remark == NULL; i++)
        if ((error = change(state, settings, i, 0, wish->scan_period_ms)) != 0)
            *remark =
                perf_error("the scan period stays the kernel's own: %s: %s%s", settings->of[i].path,
                           strerror(error), error == EPERM ? " (kernel lockdown)" : "");
    return NULL;
}

static int open_locked(const char *path, int lock)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0 && flock(fd, lock) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

char *hinting_settings_begin(const struct hinting_places *places, const struct hinting_wish *wish,
                             int *users, char **remark)
{
    struct settings settings;
    char *error = NULL;
    *remark = NULL;
    name_settings(places, &settings);
    int turn = open_locked(places->lock_file, LOCK_EX);
    if (turn < 0)
        return perf_error("%s: %s; it is needed to put kernel.numa_balancing back",
                          places->lock_file, strerror(errno));
    int state = open(places->state_file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (state < 0) {
        error = perf_error("%s: %s; it is needed to put kernel.numa_balancing back",
                           places->state_file, strerror(errno));
    } else {
        bool alone = flock(state, LOCK_EX | LOCK_NB) == 0;
        error = change_all(wish, state, alone, &settings, remark);
        if (error == NULL && flock(state, LOCK_SH) != 0)
            error = perf_error("%s: cannot lock: %s", places->state_file, strerror(errno));
        if (error)
            close(state);
    }
    close(turn);
    *users = error ? -1 : state;
    return error;
}

char *hinting_settings_end(const struct hinting_places *places, int users)
{
    struct settings settings;
    char *error = NULL;
    name_settings(places, &settings);
    int turn = open_locked(places->lock_file, LOCK_EX);
    /* turn < 0: without the order of turns it is still better to put things back */
    if (flock(users, LOCK_EX | LOCK_NB) == 0) {
        load_state(users, &settings);
        error = restore(users, &settings);
    }
    close(users);
    if (turn >= 0)
        close(turn);
    return error;
}
