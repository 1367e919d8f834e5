/* System calls of static programs linked with glibc. Files are the host's, by the same descriptors.
 * Numbers, flags and structures: Linux 6.1, arch/mips/include/uapi/asm and include/uapi. */
#include "tests/mips-linux/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#define PATH_BYTES     4096u
#define TRANSFER_BYTES (UINT32_C(1) << 26)
#define SECONDS        UINT32_C(1700000000) /* of the process's clock at its start */
#define NS_INSTRUCTION 5u
#define PID            1000u
#define O32_ENOSYS     89
#define MAP_FIXED_O32  UINT32_C(0x10)
#define MAP_ANON_O32   UINT32_C(0x800)

struct call {
    struct process *process;
    uint32_t a[6];
};
/* The result, or -errno of Linux/MIPS. */
typedef int64_t system_call(const struct call *call);

static int64_t checked(int64_t result)
{
    if (result != -1)
        return result;
    switch (errno) { /* above 34 the numbers are not the host's */
    case ENOSYS:
        return -O32_ENOSYS;
    case ENAMETOOLONG:
        return -78;
    case ENOTEMPTY:
        return -93;
    case ELOOP:
        return -90;
    default:
        return errno <= ERANGE ? -errno : -EINVAL;
    }
}

/* ------------------------------------------------------------------------------- files */

static int64_t transfer(struct process *process, int file, uint32_t address, uint32_t bytes,
                        bool out)
{
    if (bytes > TRANSFER_BYTES)
        bytes = TRANSFER_BYTES;
    uint8_t *const buffer = malloc(bytes + 1);
    if (!buffer)
        return -ENOMEM;
    int64_t result = -EFAULT;
    if (out && process_get(process, buffer, address, bytes))
        result = checked(write(file, buffer, bytes));
    if (!out) {
        result = checked(read(file, buffer, bytes));
        if (result > 0 && !process_put(process, address, buffer, (uint32_t)result))
            result = -EFAULT;
    }
    free(buffer);
    return result;
}

static int64_t sys_read(const struct call *call)
{
    return transfer(call->process, (int)call->a[0], call->a[1], call->a[2], false);
}

static int64_t sys_write(const struct call *call)
{
    return transfer(call->process, (int)call->a[0], call->a[1], call->a[2], true);
}

static int64_t sys_writev(const struct call *call)
{
    int64_t total = 0;
    for (uint32_t i = 0; i < call->a[2]; i++) {
        uint32_t piece[2];
        if (!process_get(call->process, piece, call->a[1] + 8 * i, sizeof piece))
            return -EFAULT;
        const int64_t result = transfer(call->process, (int)call->a[0], piece[0], piece[1], true);
        if (result < 0)
            return total ? total : result;
        total += result;
    }
    return total;
}

static int open_flags(uint32_t o32)
{
    static const struct {
        uint32_t o32;
        int host;
    } flags[] = {{0x8, O_APPEND},       {0x80, O_NONBLOCK},  {0x100, O_CREAT},
                 {0x200, O_TRUNC},      {0x400, O_EXCL},     {0x10000, O_DIRECTORY},
                 {0x20000, O_NOFOLLOW}, {0x80000, O_CLOEXEC}};
    int host = (int)(o32 & 3);
    for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++)
        if (o32 & flags[i].o32)
            host |= flags[i].host;
    return host;
}

static int64_t open_path(struct process *process, int folder, uint32_t path, uint32_t flags,
                         uint32_t mode)
{
    char text[PATH_BYTES];
    if (!process_string(process, text, path, sizeof text))
        return -EFAULT;
    return checked(openat(folder, text, open_flags(flags), mode));
}

static int64_t sys_open(const struct call *call)
{
    return open_path(call->process, AT_FDCWD, call->a[0], call->a[1], call->a[2]);
}

static int64_t sys_openat(const struct call *call)
{
    return open_path(call->process, (int)call->a[0], call->a[1], call->a[2], call->a[3]);
}

/* The standard streams stay open: the runner says things on them. */
static int64_t sys_close(const struct call *call)
{
    return call->a[0] < 3 ? 0 : checked(close((int)call->a[0]));
}

static int64_t sys_unlink(const struct call *call)
{
    char path[PATH_BYTES];
    return process_string(call->process, path, call->a[0], sizeof path) ? checked(unlink(path))
                                                                        : -EFAULT;
}

static int64_t sys_access(const struct call *call)
{
    char path[PATH_BYTES];
    return process_string(call->process, path, call->a[0], sizeof path)
               ? checked(access(path, (int)call->a[1]))
               : -EFAULT;
}

static int64_t sys_lseek(const struct call *call)
{
    return checked(lseek((int)call->a[0], (int32_t)call->a[1], (int)call->a[2]));
}

static int64_t sys_llseek(const struct call *call)
{
    const int64_t at =
        checked(lseek((int)call->a[0], (int64_t)((uint64_t)call->a[1] << 32 | call->a[2]),
                      (int)call->a[4]));
    if (at < 0)
        return at;
    return process_put(call->process, call->a[3], &at, sizeof at) ? 0 : -EFAULT;
}

static int64_t sys_statx(const struct call *call)
{
    char path[PATH_BYTES];
    struct statx status;
    if (!process_string(call->process, path, call->a[1], sizeof path))
        return -EFAULT;
    const int64_t result =
        checked(statx((int)call->a[0], path, (int)call->a[2], call->a[3], &status));
    if (result < 0)
        return result;
    return process_put(call->process, call->a[4], &status, sizeof status) ? 0 : -EFAULT;
}

static int64_t put_stat(struct process *process, uint32_t to, const struct stat *host)
{
    struct {
        uint32_t dev, pad0[3];
        uint64_t ino;
        uint32_t mode, nlink, uid, gid, rdev, pad1[3];
        int64_t size;
        uint32_t times[6], block, pad2;
        int64_t blocks;
    } stat64 = {.dev = (uint32_t)host->st_dev,
                .ino = host->st_ino,
                .mode = host->st_mode,
                .nlink = (uint32_t)host->st_nlink,
                .uid = host->st_uid,
                .gid = host->st_gid,
                .rdev = (uint32_t)host->st_rdev,
                .size = host->st_size,
                .times = {(uint32_t)host->st_atime, 0, (uint32_t)host->st_mtime, 0,
                          (uint32_t)host->st_ctime, 0},
                .block = (uint32_t)host->st_blksize,
                .blocks = host->st_blocks};
    _Static_assert(sizeof stat64 == 104, "the kernel's stat64");
    return process_put(process, to, &stat64, sizeof stat64) ? 0 : -EFAULT;
}

static int64_t sys_fstat64(const struct call *call)
{
    struct stat status;
    const int64_t result = checked(fstat((int)call->a[0], &status));
    return result < 0 ? result : put_stat(call->process, call->a[1], &status);
}

static int64_t sys_stat64(const struct call *call)
{
    char path[PATH_BYTES];
    struct stat status;
    if (!process_string(call->process, path, call->a[0], sizeof path))
        return -EFAULT;
    const int64_t result = checked(stat(path, &status));
    return result < 0 ? result : put_stat(call->process, call->a[1], &status);
}

static int64_t sys_readlink(const struct call *call)
{
    char path[PATH_BYTES];
    if (!process_string(call->process, path, call->a[0], sizeof path))
        return -EFAULT;
    if (strcmp(path, "/proc/self/exe") != 0)
        return -ENOENT;
    const size_t length = strlen(call->process->path);
    const uint32_t bytes = length < call->a[2] ? (uint32_t)length : call->a[2];
    return process_put(call->process, call->a[1], call->process->path, bytes) ? (int64_t)bytes
                                                                              : -EFAULT;
}

static int64_t sys_ftruncate(const struct call *call)
{
    return checked(ftruncate((int)call->a[0], (int32_t)call->a[1]));
}

static int64_t sys_ftruncate64(const struct call *call)
{
    /* the length is in a pair of registers that begins even */
    const uint64_t length = (uint64_t)call->a[3] << 32 | call->a[2];
    return checked(ftruncate((int)call->a[0], (int64_t)length));
}

static int64_t sys_ioctl(const struct call *call)
{
    (void)call;
    return -ENOTTY; /* no terminal */
}

/* ------------------------------------------------------------------------------- memory */

static uint32_t protection_of(uint32_t o32)
{
    return o32 & 7; /* PROT_* are PAGE_* */
}

static int64_t sys_brk(const struct call *call)
{
    struct process *const process = call->process;
    const uint32_t wanted = call->a[0], mask = MIPS_PAGE_BYTES - 1;
    if (wanted >= process->brk_start && wanted < MAP_START) {
        const uint32_t old = (process->brk + mask) & ~mask, end = (wanted + mask) & ~mask;
        if (end > old)
            process_map(process, old, end - old, 7);
        else
            process_unmap(process, end, old - end);
        process->brk = wanted;
    }
    return process->brk;
}

static int64_t sys_mmap2(const struct call *call)
{
    struct process *const process = call->process;
    const uint32_t bytes = call->a[1];
    uint32_t start = call->a[0];
    if (!bytes || start % MIPS_PAGE_BYTES)
        return -EINVAL;
    if (!(call->a[3] & MAP_FIXED_O32))
        start = process_gap(process, MAP_START, bytes);
    if (!start || !process_map(process, start, bytes, protection_of(call->a[2])))
        return -ENOMEM;
    if (!(call->a[3] & MAP_ANON_O32)) { /* a private copy of the file */
        uint8_t page[MIPS_PAGE_BYTES];
        int64_t got = 1;
        for (uint32_t done = 0; done < bytes && got > 0; done += (uint32_t)got) {
            got = checked(pread((int)call->a[4], page, sizeof page,
                                (int64_t)call->a[5] * MIPS_PAGE_BYTES + done));
            if (got < 0)
                return got;
            const uint32_t part = got < bytes - done ? (uint32_t)got : bytes - done;
            (void)process_put(process, start + done, page, part);
        }
    }
    return start;
}

static int64_t sys_munmap(const struct call *call)
{
    return process_unmap(call->process, call->a[0], call->a[1]) ? 0 : -EINVAL;
}

static int64_t sys_mprotect(const struct call *call)
{
    return process_protect(call->process, call->a[0], call->a[1], protection_of(call->a[2]))
               ? 0
               : -ENOMEM;
}

static int64_t sys_mremap(const struct call *call)
{
    struct process *const process = call->process;
    const uint32_t old = call->a[1], bytes = call->a[2];
    if (bytes <= old)
        return process_unmap(process, call->a[0] + bytes, old - bytes) ? (int64_t)call->a[0]
                                                                       : -EINVAL;
    uint8_t *const kept = malloc(old);
    const uint32_t start = process_gap(process, MAP_START, bytes);
    if (!kept || !start || !(call->a[3] & 1) || !process_get(process, kept, call->a[0], old)) {
        free(kept);
        return -ENOMEM;
    }
    (void)process_map(process, start, bytes, 7);
    (void)process_put(process, start, kept, old);
    (void)process_unmap(process, call->a[0], old);
    free(kept);
    return start;
}

/* ------------------------------------------------------------------------------- the process */

static int64_t sys_exit(const struct call *call)
{
    call->process->exited = true;
    call->process->exit_status = (int)(call->a[0] & 255);
    return 0;
}

static int64_t sys_nothing(const struct call *call)
{
    (void)call;
    return 0;
}

static int64_t sys_pid(const struct call *call)
{
    (void)call;
    return PID;
}

static int64_t sys_kill(const struct call *call)
{
    return call->a[1] && call->a[1] < SIGNALS ? (int64_t)call->a[1] << 32 : 0;
}

static int64_t sys_tgkill(const struct call *call)
{
    return call->a[2] && call->a[2] < SIGNALS ? (int64_t)call->a[2] << 32 : 0;
}

static int64_t sys_sigaction(const struct call *call)
{
    if (!call->a[0] || call->a[0] >= SIGNALS)
        return -EINVAL;
    struct action *const action = &call->process->action[call->a[0]], old = *action;
    if (call->a[1] && !process_get(call->process, action, call->a[1], sizeof *action))
        return -EFAULT;
    return !call->a[2] || process_put(call->process, call->a[2], &old, sizeof old) ? 0 : -EFAULT;
}

static int64_t sys_sigprocmask(const struct call *call)
{
    enum { BLOCK = 1, UNBLOCK = 2, SET = 3 };
    uint32_t old[4], new[4];
    memcpy(old, call->process->blocked, sizeof old);
    if (call->a[1]) {
        if (!process_get(call->process, new, call->a[1], sizeof new))
            return -EFAULT;
        for (unsigned i = 0; i < 4; i++)
            call->process->blocked[i] = call->a[0] == BLOCK     ? old[i] | new[i]
                                        : call->a[0] == UNBLOCK ? old[i] & ~new[i]
                                                                : new[i];
    }
    return !call->a[2] || process_put(call->process, call->a[2], old, sizeof old) ? 0 : -EFAULT;
}

static int64_t sys_set_thread_area(const struct call *call)
{
    call->process->s->cp0.user_local = call->a[0];
    mips_state_changed(call->process->cpu);
    return 0;
}

static int64_t sys_prctl(const struct call *call)
{
    enum { SET_FP_MODE = 45, GET_FP_MODE = 46 };
    struct process *const process = call->process;
    if (call->a[0] == GET_FP_MODE)
        return !!(process->status & STATUS_FR);
    if (call->a[0] != SET_FP_MODE || call->a[1] > 1)
        return -EINVAL;
    process->status = (process->status & ~STATUS_FR) | (call->a[1] ? STATUS_FR : 0);
    return 0;
}

static int64_t sys_uname(const struct call *call)
{
    enum { FIELD = 65 };
    struct utsname host;
    char text[6][FIELD] = {""};
    uname(&host);
    memcpy(text[0], host.sysname, FIELD);
    memcpy(text[1], host.nodename, FIELD);
    memcpy(text[2], host.release, FIELD);
    memcpy(text[3], host.version, FIELD);
    memcpy(text[4], "mips", 5);
    return process_put(call->process, call->a[0], text, sizeof text) ? 0 : -EFAULT;
}

static uint64_t clock_ns(struct process *process)
{
    return mips_instructions(process->cpu) * NS_INSTRUCTION;
}

static int64_t sys_clock_gettime(const struct call *call)
{
    const uint64_t ns = clock_ns(call->process);
    const uint32_t time[2] = {SECONDS + (uint32_t)(ns / 1000000000), (uint32_t)(ns % 1000000000)};
    return process_put(call->process, call->a[1], time, sizeof time) ? 0 : -EFAULT;
}

static int64_t sys_clock_gettime64(const struct call *call)
{
    const uint64_t ns = clock_ns(call->process);
    const uint64_t time[2] = {SECONDS + ns / 1000000000, ns % 1000000000};
    return process_put(call->process, call->a[1], time, sizeof time) ? 0 : -EFAULT;
}

static int64_t sys_getrandom(const struct call *call)
{
    uint64_t *const random = &call->process->random;
    for (uint32_t i = 0; i < call->a[1]; i++) {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        if (!process_put(call->process, call->a[0] + i, random, 1))
            return -EFAULT;
    }
    return call->a[1];
}

/* o32 numbers 5 to 9 its own way: files, address space, resident set, processes, locked. */
static bool limit_of(uint32_t which, struct rlimit *limit)
{
    static const int host[] = {RLIMIT_NOFILE, RLIMIT_AS, RLIMIT_RSS, RLIMIT_NPROC, RLIMIT_MEMLOCK};
    const uint32_t resource = which >= 5 && which <= 9 ? (uint32_t)host[which - 5] : which;
    return getrlimit((__rlimit_resource_t)resource, limit) == 0;
}

static int64_t sys_getrlimit(const struct call *call)
{
    const uint64_t infinite = INT32_MAX;
    struct rlimit limit;
    if (!limit_of(call->a[0], &limit))
        return -EINVAL;
    const uint32_t o32[2] = {(uint32_t)(limit.rlim_cur < infinite ? limit.rlim_cur : infinite),
                             (uint32_t)(limit.rlim_max < infinite ? limit.rlim_max : infinite)};
    return process_put(call->process, call->a[1], o32, sizeof o32) ? 0 : -EFAULT;
}

static int64_t sys_prlimit64(const struct call *call)
{
    struct rlimit limit;
    if (!call->a[3])
        return 0;
    if (!limit_of(call->a[1], &limit))
        return -EINVAL;
    return process_put(call->process, call->a[3], &limit, sizeof limit) ? 0 : -EFAULT;
}

/* ------------------------------------------------------------------------------- the table */

#define FIRST        4000u
#define RT_SIGRETURN 4193u
static system_call *const calls[] = {
    [1] = sys_exit,
    [3] = sys_read,
    [4] = sys_write,
    [5] = sys_open,
    [6] = sys_close,
    [10] = sys_unlink,
    [19] = sys_lseek,
    [20] = sys_pid,
    [33] = sys_access,
    [37] = sys_kill,
    [45] = sys_brk,
    [54] = sys_ioctl,
    [76] = sys_getrlimit,
    [85] = sys_readlink,
    [91] = sys_munmap,
    [93] = sys_ftruncate,
    [122] = sys_uname,
    [125] = sys_mprotect,
    [140] = sys_llseek,
    [146] = sys_writev,
    [147] = sys_nothing, /* cacheflush */
    [167] = sys_mremap,
    [192] = sys_prctl,
    [194] = sys_sigaction,
    [195] = sys_sigprocmask,
    [210] = sys_mmap2,
    [212] = sys_ftruncate64,
    [213] = sys_stat64,
    [214] = sys_stat64, /* lstat64 */
    [215] = sys_fstat64,
    [218] = sys_nothing, /* madvise */
    [222] = sys_pid,     /* gettid */
    [236] = sys_kill,    /* tkill */
    [246] = sys_exit,    /* exit_group */
    [252] = sys_pid,     /* set_tid_address */
    [263] = sys_clock_gettime,
    [266] = sys_tgkill,
    [283] = sys_set_thread_area,
    [288] = sys_openat,
    [309] = sys_nothing, /* set_robust_list */
    [338] = sys_prlimit64,
    [353] = sys_getrandom,
    [366] = sys_statx,
    [403] = sys_clock_gettime64,
};

void process_call(struct process *process)
{
    struct mips_state *const s = process->s;
    const uint32_t number = s->r[2] - FIRST;
    struct call call = {process, {s->r[4], s->r[5], s->r[6], s->r[7]}};
    if (s->r[2] == RT_SIGRETURN) {
        if (!process_return(process))
            process_signal(process, 11, 128, s->r[29]);
        return;
    }
    (void)process_get(process, call.a + 4, s->r[29] + 16, 8);
    system_call *const function = number < sizeof calls / sizeof *calls ? calls[number] : NULL;
    const int64_t result = function ? function(&call) : -O32_ENOSYS;
    (void)process_behind(process, &s->pc);
    const int signal = result > 0 ? (int)(result >> 32) : 0;
    s->r[7] = result < 0;
    s->r[2] = result < 0 ? (uint32_t)-result : signal ? 0 : (uint32_t)result;
    if (signal)
        process_signal(process, signal, 0, 0);
}
