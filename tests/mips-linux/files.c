/* System calls on files, which are the host's, by the same descriptors.
 * Flags and structures: Linux 6.1, arch/mips/include/uapi/asm and include/uapi. */
#include "tests/mips-linux/calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES     4096u
#define TRANSFER_BYTES (UINT32_C(1) << 26)

int64_t checked(int64_t result)
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

int64_t sys_read(const struct call *call)
{
    return transfer(call->process, (int)call->a[0], call->a[1], call->a[2], false);
}

int64_t sys_write(const struct call *call)
{
    return transfer(call->process, (int)call->a[0], call->a[1], call->a[2], true);
}

int64_t sys_writev(const struct call *call)
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

int64_t sys_open(const struct call *call)
{
    return open_path(call->process, AT_FDCWD, call->a[0], call->a[1], call->a[2]);
}

int64_t sys_openat(const struct call *call)
{
    return open_path(call->process, (int)call->a[0], call->a[1], call->a[2], call->a[3]);
}

/* The standard streams stay open: the runner says things on them. */
int64_t sys_close(const struct call *call)
{
    return call->a[0] < 3 ? 0 : checked(close((int)call->a[0]));
}

int64_t sys_dup(const struct call *call)
{
    return checked(dup((int)call->a[0]));
}

int64_t sys_dup2(const struct call *call)
{
    return checked(dup2((int)call->a[0], (int)call->a[1]));
}

int64_t sys_unlink(const struct call *call)
{
    char path[PATH_BYTES];
    return process_string(call->process, path, call->a[0], sizeof path) ? checked(unlink(path))
                                                                        : -EFAULT;
}

int64_t sys_access(const struct call *call)
{
    char path[PATH_BYTES];
    return process_string(call->process, path, call->a[0], sizeof path)
               ? checked(access(path, (int)call->a[1]))
               : -EFAULT;
}

int64_t sys_lseek(const struct call *call)
{
    return checked(lseek((int)call->a[0], (int32_t)call->a[1], (int)call->a[2]));
}

int64_t sys_llseek(const struct call *call)
{
    const int64_t at =
        checked(lseek((int)call->a[0], (int64_t)((uint64_t)call->a[1] << 32 | call->a[2]),
                      (int)call->a[4]));
    if (at < 0)
        return at;
    return process_put(call->process, call->a[3], &at, sizeof at) ? 0 : -EFAULT;
}

int64_t sys_statx(const struct call *call)
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

int64_t sys_fstat64(const struct call *call)
{
    struct stat status;
    const int64_t result = checked(fstat((int)call->a[0], &status));
    return result < 0 ? result : put_stat(call->process, call->a[1], &status);
}

int64_t sys_stat64(const struct call *call)
{
    char path[PATH_BYTES];
    struct stat status;
    if (!process_string(call->process, path, call->a[0], sizeof path))
        return -EFAULT;
    const int64_t result = checked(stat(path, &status));
    return result < 0 ? result : put_stat(call->process, call->a[1], &status);
}

int64_t sys_readlink(const struct call *call)
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

int64_t sys_ftruncate(const struct call *call)
{
    return checked(ftruncate((int)call->a[0], (int32_t)call->a[1]));
}

int64_t sys_ftruncate64(const struct call *call)
{
    /* the length is in a pair of registers that begins even */
    const uint64_t length = (uint64_t)call->a[3] << 32 | call->a[2];
    return checked(ftruncate((int)call->a[0], (int64_t)length));
}

int64_t sys_ioctl(const struct call *call)
{
    (void)call;
    return -ENOTTY; /* no terminal */
}
