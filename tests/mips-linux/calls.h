/* A system call of the process's: its arguments, and the functions that do them. */
#ifndef DISCO_TESTS_MIPS_LINUX_CALLS_H
#define DISCO_TESTS_MIPS_LINUX_CALLS_H

#include "tests/mips-linux/process.h"

#define O32_ENOSYS 89 /* of Linux/MIPS */

struct call {
    struct process *process;
    uint32_t a[6];
};
/* The result, or -errno of Linux/MIPS; a signal that the process sends itself is in the upper half. */
typedef int64_t system_call(const struct call *call);

/* The host's result, or its errno as Linux/MIPS has it. */
int64_t checked(int64_t result);

/* files.c */
system_call sys_read, sys_write, sys_writev, sys_open, sys_openat, sys_close, sys_dup, sys_dup2,
    sys_unlink, sys_access, sys_lseek, sys_llseek, sys_statx, sys_fstat64, sys_stat64, sys_readlink,
    sys_ftruncate, sys_ftruncate64, sys_ioctl;

#endif
