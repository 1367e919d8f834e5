#include "collector/sources/perf/perf-counters.h"

#include <dirent.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "collector/sources/perf/perf-error.h"

/* Wake the recorder when a ring holds so much (some 1,100 samples): a ring may be no larger than
 * kernel.perf_event_mlock_kb, 516 KiB by default, and must not fill up before the recorder runs. */
#define WAKEUP_BYTES  (64 * 1024)
#define PARANOID_FILE "/proc/sys/kernel/perf_event_paranoid"

struct ring {
    struct perf_event_mmap_page *page; /* the control page; the data follows it */
    uint32_t cpu;
    size_t map_bytes, data_bytes;
    uint64_t tail;
};

struct perf_counters {
    struct perf_layout layout;
    int *fd; /* of all counters */
    size_t fds, fd_room;
    struct ring *ring;   /* [rings] */
    struct pollfd *poll; /* [rings]: the counter that owns each ring */
    size_t rings, page_bytes, ring_bytes;
    bool starts_at_exec, user_only;
    bool loss_untold; /* a kernel before 6.0: no PERF_FORMAT_LOST */
    uint8_t copy[PERF_RECORD_BYTES_MAX];
};

/* The attribute of event `number` of the wish. The first one also reports threads and mappings. */
static struct perf_event_attr attribute(const struct perf_wish *wish, size_t number,
                                        const struct perf_counters *counters)
{
    struct perf_event_attr attr = {
        .type = wish->faults ? PERF_TYPE_TRACEPOINT : PERF_TYPE_SOFTWARE,
        .size = sizeof attr,
        .config = wish->faults ? wish->layout.fault[number].id : wish->kind->config,
        .sample_type = perf_layout_sample_type(&wish->layout),
        .read_format = counters->loss_untold ? 0 : PERF_FORMAT_LOST,
        .disabled = 1,
        .inherit = wish->target != PERF_TARGET_SYSTEM,
        .exclude_kernel = counters->user_only,
        .exclude_hv = counters->user_only,
        .sample_id_all = 1,
        .watermark = 1,
        .wakeup_watermark = WAKEUP_BYTES, /* the kernel takes the ring's size where that is less */
        .use_clockid = 1,
        .clockid = PERF_CLOCK,
        .enable_on_exec = wish->target == PERF_TARGET_COMMAND,
    };
    if (wish->frequency) {
        attr.freq = 1;
        attr.sample_freq = wish->frequency;
    } else {
        attr.sample_period = wish->period;
    }
    if (number == 0) {
        attr.mmap = attr.mmap2 = attr.mmap_data = 1;
        attr.comm = attr.comm_exec = 1;
        attr.task = 1;
    }
    return attr;
}

static int open_one(const struct perf_event_attr *attr, pid_t tid, uint32_t cpu)
{
    return (int)syscall(SYS_perf_event_open, attr, tid, (int)cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

static int paranoid_level(void)
{
    int level = 2;
    FILE *file = fopen(PARANOID_FILE, "re");
    if (file) {
        if (fscanf(file, "%d", &level) != 1)
            level = 2;
        fclose(file);
    }
    return level;
}

static char *why_not_opened(const struct perf_wish *wish, int error)
{
    const char *name = wish->kind->name;
    bool of_system = wish->target == PERF_TARGET_SYSTEM;
    const int wanted_level = of_system ? 0 : 2;
    switch (error) {
    case EACCES:
    case EPERM:
        /* the level is not in the way, so it is ptrace's rule: perf_event_open(2), ERRORS */
        if (wish->target == PERF_TARGET_PROCESS && paranoid_level() <= wanted_level)
            return perf_error("process %d: the kernel lets only root and its owner record it; run "
                              "as one of them",
                              (int)wish->pid);
        return perf_error(
            "%s: the kernel allows it to root only (%s is %d), or a container's rules "
            "forbid it; run as root, or: sysctl kernel.perf_event_paranoid=%d",
            of_system ? "the whole system" : name, PARANOID_FILE, paranoid_level(), wanted_level);
    case EMFILE:
    case ENFILE:
        return perf_error("%s: too many open files: one is needed for each thread and CPU; raise "
                          "'ulimit -n'",
                          name);
    case ESRCH:
        return perf_error("process %d is gone", (int)wish->pid);
    case ENOSYS:
        return perf_error("%s: this kernel was built without perf events (CONFIG_PERF_EVENTS), or "
                          "the container forbids them",
                          name);
    default:
        return perf_error("%s: perf_event_open: %s", name, strerror(error));
    }
}

/* Maps a ring of at most counters->ring_bytes: without privilege the kernel grants
 * kernel.perf_event_mlock_kb a CPU. Gives an errno. */
static int map_ring(struct perf_counters *counters, int fd, struct ring *ring)
{
    for (size_t bytes = counters->ring_bytes; bytes >= counters->page_bytes; bytes /= 2) {
        size_t all = bytes + counters->page_bytes;
        void *at = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (at != MAP_FAILED) {
            *ring = (struct ring){.page = at, .map_bytes = all, .data_bytes = bytes};
            return 0;
        }
        if (errno != EPERM && errno != ENOMEM)
            return errno;
    }
    return EPERM;
}

static bool keep_fd(struct perf_counters *counters, int fd)
{
    if (counters->fds == counters->fd_room) {
        size_t room = counters->fd_room ? 2 * counters->fd_room : 64;
        int *larger = reallocarray(counters->fd, room, sizeof *larger);
        if (larger == NULL)
            return false;
        counters->fd = larger;
        counters->fd_room = room;
    }
    counters->fd[counters->fds++] = fd;
    return true;
}

/* A counter's output: the ring of its CPU, made when it is the first one there. Gives an errno. */
static int connect_ring(struct perf_counters *counters, int fd, uint32_t cpu)
{
    for (size_t i = 0; i < counters->rings; i++)
        if (counters->ring[i].cpu == cpu)
            return ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, counters->poll[i].fd) == 0 ? 0 : errno;
    size_t last = counters->rings;
    int error = map_ring(counters, fd, &counters->ring[last]);
    if (error == 0) {
        counters->ring[last].cpu = cpu;
        counters->poll[last] = (struct pollfd){.fd = fd, .events = POLLIN};
        counters->rings++;
    }
    return error;
}

/* Asks for less where the kernel refuses: the loss (from 6.0 on it tells it), or kernel mode (an
 * unprivileged user may not, from kernel.perf_event_paranoid 2 on). */
static bool ask_for_less(struct perf_counters *counters, const struct perf_wish *wish, int error)
{
    if (error == EINVAL && !counters->loss_untold)
        return counters->loss_untold = true;
    if (error == EACCES && !counters->user_only && !wish->faults)
        return counters->user_only = true;
    return false;
}

/* Opens one event of one target on one CPU. Gives an errno; *opened counts. */
static int open_on_cpu(struct perf_counters *counters, const struct perf_wish *wish, size_t number,
                       pid_t tid, uint32_t cpu, size_t *opened)
{
    int fd;
    do {
        struct perf_event_attr attr = attribute(wish, number, counters);
        fd = open_one(&attr, tid, cpu);
    } while (fd < 0 && ask_for_less(counters, wish, errno));
    if (fd < 0)
        return errno == ENODEV ? 0 : errno; /* the CPU went offline */
    if (!keep_fd(counters, fd)) {
        close(fd);
        return ENOMEM;
    }
    int error = connect_ring(counters, fd, cpu);
    *opened += error == 0;
    return error;
}

static int open_target(struct perf_counters *counters, const struct perf_wish *wish, pid_t tid,
                       size_t *opened)
{
    int error = 0;
    for (size_t number = 0; number < (wish->faults ? FAULT_FORMATS : 1) && error == 0; number++)
        for (size_t i = 0; i < wish->cpus && error == 0; i++)
            error = open_on_cpu(counters, wish, number, tid, wish->cpu[i], opened);
    return error;
}

struct thread_list {
    pid_t *tid;
    size_t count, room;
};

/* False where it is in the list already, or (*error: ENOMEM) does not fit. */
static bool is_new(struct thread_list *list, pid_t tid, int *error)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->tid[i] == tid)
            return false;
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 64;
        pid_t *larger = reallocarray(list->tid, room, sizeof *larger);
        if (larger == NULL) {
            *error = ENOMEM;
            return false;
        }
        list->tid = larger;
        list->room = room;
    }
    list->tid[list->count++] = tid;
    return true;
}

/* Opens the counters of the process's threads that are not in the list. Gives an errno. */
static int open_new_threads(struct perf_counters *counters, const struct perf_wish *wish,
                            struct thread_list *list, size_t *opened)
{
    char path[64];
    int error = 0;
    const struct dirent *entry;
    snprintf(path, sizeof path, "/proc/%d/task", (int)wish->pid);
    DIR *folder = opendir(path);
    if (folder == NULL)
        return ESRCH;
    while (error == 0 && (entry = readdir(folder)) != NULL) {
        pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (tid <= 0 || !is_new(list, tid, &error))
            continue;
        error = open_target(counters, wish, tid, opened);
        if (error == ESRCH) /* this thread ended meanwhile */
            error = 0;
    }
    closedir(folder);
    return error;
}

/* Until a look finds no new thread: one made between the look and the opening of its maker's
 * counters would not inherit them. */
static int open_process(struct perf_counters *counters, const struct perf_wish *wish,
                        size_t *opened)
{
    struct thread_list list = {0};
    size_t before;
    int error;
    do {
        before = list.count;
        error = open_new_threads(counters, wish, &list, opened);
    } while (error == 0 && list.count > before);
    free(list.tid);
    return error;
}

static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* EMFILE is reported where it happens */
    }
}

char *perf_counters_open(const struct perf_wish *wish, struct perf_counters **out)
{
    struct perf_counters *counters = calloc(1, sizeof *counters);
    if (counters == NULL)
        return perf_error("not enough memory for the counters");
    counters->layout = wish->layout;
    counters->page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    counters->ring_bytes = wish->ring_bytes;
    counters->starts_at_exec = wish->target == PERF_TARGET_COMMAND;
    counters->ring = calloc(wish->cpus, sizeof *counters->ring);
    counters->poll = calloc(wish->cpus, sizeof *counters->poll);
    if (counters->ring == NULL || counters->poll == NULL) {
        perf_counters_close(counters);
        return perf_error("not enough memory for the counters");
    }
    raise_file_limit();
    size_t opened = 0;
    int error = wish->target == PERF_TARGET_PROCESS
                    ? open_process(counters, wish, &opened)
                    : open_target(counters, wish,
                                  wish->target == PERF_TARGET_SYSTEM ? -1 : wish->pid, &opened);
    if (error == 0 && opened == 0)
        error = ESRCH;
    if (error) {
        perf_counters_close(counters);
        return why_not_opened(wish, error);
    }
    *out = counters;
    return NULL;
}

void perf_counters_close(struct perf_counters *counters)
{
    if (counters == NULL)
        return;
    for (size_t i = counters->ring ? counters->rings : 0; i-- > 0;)
        munmap(counters->ring[i].page, counters->ring[i].map_bytes);
    for (size_t i = 0; i < counters->fds; i++)
        close(counters->fd[i]);
    free(counters->fd);
    free(counters->ring);
    free(counters->poll);
    free(counters);
}

char *perf_counters_start(struct perf_counters *counters)
{
    for (size_t i = 0; i < counters->fds && !counters->starts_at_exec; i++)
        if (ioctl(counters->fd[i], PERF_EVENT_IOC_ENABLE, 0) != 0)
            return perf_error("cannot start the counters: %s", strerror(errno));
    return NULL;
}

void perf_counters_stop(struct perf_counters *counters)
{
    for (size_t i = 0; i < counters->fds; i++)
        (void)ioctl(counters->fd[i], PERF_EVENT_IOC_DISABLE, 0);
}

/* Everything between tail and head as it was at the call. */
static bool read_ring(struct perf_counters *counters, struct ring *ring, struct perf_order *order,
                      uint64_t *damaged)
{
    const uint8_t *data = (const uint8_t *)ring->page + counters->page_bytes;
    uint64_t head = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE);
    const uint8_t *bytes;
    size_t size;
    enum perf_taken taken;
    bool well = true;
    while (well && (taken = perf_ring_take(data, ring->data_bytes, head, &ring->tail,
                                           counters->copy, &bytes, &size)) != PERF_TAKEN_NOTHING) {
        struct perf_record record;
        if (taken == PERF_TAKEN_DAMAGE ||
            perf_record_parse(&counters->layout, bytes, size, &record) != NULL)
            ++*damaged;
        else if (record.seen != PERF_SEEN_OTHER)
            well = perf_order_add(order, &record);
    }
    __atomic_store_n(&ring->page->data_tail, ring->tail, __ATOMIC_RELEASE);
    return well;
}

bool perf_counters_read(struct perf_counters *counters, struct perf_order *order, uint64_t *damaged)
{
    bool well = true;
    for (size_t i = 0; i < counters->rings && well; i++)
        well = read_ring(counters, &counters->ring[i], order, damaged);
    return well;
}

uint64_t perf_counters_lost(const struct perf_counters *counters)
{
    uint64_t lost = 0, read_values[2]; /* how often it counted; PERF_FORMAT_LOST */
    for (size_t i = 0; i < counters->fds && !counters->loss_untold; i++)
        if (read(counters->fd[i], read_values, sizeof read_values) == (ssize_t)sizeof read_values)
            lost += read_values[1];
    return lost;
}

struct pollfd *perf_counters_polls(struct perf_counters *counters, size_t *count)
{
    *count = counters->rings;
    return counters->poll;
}

bool perf_counters_user_only(const struct perf_counters *counters)
{
    return counters->user_only;
}
