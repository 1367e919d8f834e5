/* System calls of static programs linked with glibc. Those on files are in files.c.
 * Numbers, flags and structures: Linux 6.1, arch/mips/include/uapi/asm and include/uapi. */
#include "tests/mips-linux/calls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#define SECONDS        UINT32_C(1700000000) /* of the process's clock at its start */
#define NS_INSTRUCTION 5u
#define PID            1000u
#define MAP_FIXED_O32  UINT32_C(0x10)
#define MAP_ANON_O32   UINT32_C(0x800)

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
    [41] = sys_dup,
    [45] = sys_brk,
    [54] = sys_ioctl,
    [63] = sys_dup2,
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
    [327] = sys_dup2,    /* dup3, without flags */
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
