#include "collector/sources/perf/perf-event.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct perf_event_kind kinds[] = {
    {"page-faults", "faults", PERF_WAY_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS,
     "page faults: mostly the first touch of each page (default)"},
    {"minor-faults", NULL, PERF_WAY_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS_MIN,
     "page faults that need no disk"},
    {"major-faults", NULL, PERF_WAY_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS_MAJ,
     "page faults that wait for a disk"},
    {"fault-kinds", "exceptions:page_fault_user", PERF_WAY_FAULTS, 0,
     "page faults, told apart into fetches, loads and stores (root)"},
    {"hinting", NULL, PERF_WAY_HINTING, 0,
     "page faults while NUMA balancing takes mappings away: pages seen again and again (root)"},
    {"cpu-clock", NULL, PERF_WAY_ADDRESSLESS, 0, NULL},
    {"task-clock", NULL, PERF_WAY_ADDRESSLESS, 0, NULL},
    {"context-switches", "cs", PERF_WAY_ADDRESSLESS, 0, NULL},
    {"cpu-migrations", "migrations", PERF_WAY_ADDRESSLESS, 0, NULL},
    {"alignment-faults", NULL, PERF_WAY_ADDRESSLESS, 0, NULL},
    {"emulation-faults", NULL, PERF_WAY_ADDRESSLESS, 0, NULL},
    {"cgroup-switches", NULL, PERF_WAY_ADDRESSLESS, 0, NULL},
    {"bpf-output", NULL, PERF_WAY_ADDRESSLESS, 0, NULL},
    {"dummy", NULL, PERF_WAY_ADDRESSLESS, 0, NULL},
    {"cycles", "cpu-cycles", PERF_WAY_HARDWARE, 0, NULL},
    {"instructions", NULL, PERF_WAY_HARDWARE, 0, NULL},
    {"cache-references", NULL, PERF_WAY_HARDWARE, 0, NULL},
    {"cache-misses", NULL, PERF_WAY_HARDWARE, 0, NULL},
    {"mem-loads", NULL, PERF_WAY_HARDWARE, 0, NULL},
    {"mem-stores", NULL, PERF_WAY_HARDWARE, 0, NULL},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

const struct perf_event_kind *perf_event_find(const char *name, char **why)
{
    const struct perf_event_kind *kind = NULL;
    const char *reason = "is not an event that is known here, and hardware sampling is not in this "
                         "version; --list-events shows what can be recorded";
    for (size_t i = 0; i < KINDS && kind == NULL; i++)
        if (strcmp(name, kinds[i].name) == 0 ||
            (kinds[i].alias && strcmp(name, kinds[i].alias) == 0))
            kind = &kinds[i];
    if (kind && kind->way == PERF_WAY_ADDRESSLESS)
        reason = "gives no data address (it is 0 in every sample), so nothing can be learnt of "
                 "pages; use page-faults or hinting";
    else if (kind && kind->way == PERF_WAY_HARDWARE)
        reason = "needs the hardware's sampling of data addresses, which is not in this version; "
                 "use page-faults or hinting";
    else if (kind)
        return kind;
    if (asprintf(why, "event '%s' %s", name, reason) < 0)
        *why = NULL;
    return NULL;
}

void perf_event_list(FILE *out)
{
    for (size_t i = 0; i < KINDS; i++)
        if (kinds[i].meaning)
            fprintf(out, "%-14s %s\n", kinds[i].name, kinds[i].meaning);
}

/* The kernel has the mount point whenever it has tracefs (Linux 4.1). */
#define TRACEFS "/sys/kernel/tracing/"

/* A file of a tracefs that is mounted nowhere: no other process sees it, and it goes with the
 * descriptor. The three calls are Linux 5.2's; the C library knows them since glibc 2.36 only. */
static int open_detached(const char *path)
{
    int fd = -1, tree = -1;
    const int made = (int)syscall(SYS_fsopen, "tracefs", FSOPEN_CLOEXEC);
    if (made >= 0 && syscall(SYS_fsconfig, made, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
        tree = (int)syscall(SYS_fsmount, made, FSMOUNT_CLOEXEC, 0);
    if (tree >= 0)
        fd = openat(tree, path, O_RDONLY | O_CLOEXEC);
    const int error = errno;
    if (tree >= 0)
        close(tree);
    if (made >= 0)
        close(made);
    errno = error;
    return fd;
}

/* A file of tracefs into `text`, at most `room` - 1 bytes and a NUL. Gives an errno. */
static int read_tracefs(const char *path, char *text, size_t room)
{
    char mounted[128];
    snprintf(mounted, sizeof mounted, TRACEFS "%s", path);
    int fd = open(mounted, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        fd = open_detached(path);
    if (fd < 0)
        return errno;
    size_t filled = 0;
    ssize_t bytes = 0;
    while (filled + 1 < room && (bytes = read(fd, text + filled, room - 1 - filled)) > 0)
        filled += (size_t)bytes;
    const int error = bytes < 0 ? errno : 0;
    text[filled] = '\0';
    close(fd);
    return error;
}

/* "field:unsigned long NAME;	offset:8;	size:8;	..." */
static bool find_field(const char *format, const char *name, uint32_t *offset)
{
    char key[64];
    snprintf(key, sizeof key, " %s;", name);
    const char *at = strstr(format, key);
    unsigned size = 0;
    return at && sscanf(at + strlen(key), " offset:%u; size:%u;", offset, &size) == 2 && size == 8;
}

static bool parse_format(const char *text, struct fault_format *format)
{
    const char *id = strstr(text, "ID: ");
    return id && sscanf(id, "ID: %hu", &format->id) == 1 && format->id != 0 &&
           find_field(text, "address", &format->address_at) &&
           find_field(text, "ip", &format->ip_at) &&
           find_field(text, "error_code", &format->error_at);
}

char *perf_event_fault_formats(struct perf_layout *layout)
{
    static const char *const path[FAULT_FORMATS] = {
        "events/exceptions/page_fault_user/format",
        "events/exceptions/page_fault_kernel/format",
    };
    char text[4096], *why = NULL;
    for (size_t i = 0; i < FAULT_FORMATS; i++) {
        int error = read_tracefs(path[i], text, sizeof text);
        if (error == 0 && parse_format(text, &layout->fault[i]))
            continue;
        if (asprintf(&why, TRACEFS "%s: %s", path[i],
                     error ? strerror(error) : "not the fields address, ip and error_code") < 0)
            why = NULL;
        return why;
    }
    layout->with_raw = true;
    return NULL;
}
