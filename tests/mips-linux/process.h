/* A Linux process on the bare modelled CPU, for tests: runs static o32 little-endian MIPS programs in
 * user mode and plays the kernel, so that programs that nobody here wrote can judge the CPU.
 *
 * What of the kernel is there: ELF images, stack and auxiliary vector, paging, the system calls of
 * programs linked with glibc that read and write files, signals of faults and of the process itself,
 * and the loads and stores that Linux mends because they are not aligned. Denormal numbers, which a
 * 24Kf leaves to the kernel's emulation, are the model's own. No threads, fork, exec or sockets.
 *
 * Sources: the System V ABI, MIPS processor supplement, 3rd edition (process start: 3-26 ff.); Linux
 * 6.1, arch/mips: include/uapi/asm (numbers and structures), kernel/{traps,unaligned,signal,elf}.c.
 */
#ifndef DISCO_TESTS_MIPS_LINUX_PROCESS_H
#define DISCO_TESTS_MIPS_LINUX_PROCESS_H

#include "vmm-core/machine/mips/cpu.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TASK_END    UINT32_C(0x7fff8000)         /* Linux: TASK_SIZE32 */
#define TRAMPOLINE  (TASK_END - MIPS_PAGE_BYTES) /* where handlers return to */
#define STACK_END   TRAMPOLINE
#define STACK_BYTES UINT32_C(0x00800000)
#define MAP_START   UINT32_C(0x2aaa8000) /* Linux: TASK_UNMAPPED_BASE, a third of TASK_END */
#define SIGNALS     128

enum { PAGE_READ = 1, PAGE_WRITE = 2, PAGE_EXECUTE = 4, PAGE_MAPPED = 8 };

struct action {
    uint32_t flags, handler, mask[4];
};

struct process {
    struct mips_memory *memory;
    struct mips_cpu *cpu;
    struct mips_state *s; /* of the CPU */
    /* A page: frame << 4 | PAGE_*; frame 0 until it is touched. */
    uint32_t *page;
    uint8_t *frames;
    uint32_t frames_used, next_entry;
    const char *path; /* absolute */
    uint32_t brk_start, brk, status;
    struct action action[SIGNALS];
    uint32_t blocked[4];
    bool exited;
    int exit_status, killed_by; /* a signal's number of Linux/MIPS */
    uint64_t random;
    FILE *expected; /* QEMU's references, or NULL */
    uint64_t references;
    bool differs; /* from these; it was said on standard error */
};

/* memory.c */
bool process_new(struct process *process);
void process_free(struct process *process);
/* Maps whole pages, zero, in place of what was there; protects and unmaps them. False: outside. */
bool process_map(struct process *process, uint32_t start, uint32_t bytes, uint32_t protection);
bool process_protect(struct process *process, uint32_t start, uint32_t bytes, uint32_t protection);
bool process_unmap(struct process *process, uint32_t start, uint32_t bytes);
/* The first gap of so many bytes from `start` on, 0: none. */
uint32_t process_gap(const struct process *process, uint32_t start, uint32_t bytes);
/* False: some of it is not mapped. Protection is not asked for: a debugger's access. */
bool process_get(struct process *process, void *to, uint32_t address, uint32_t bytes);
bool process_put(struct process *process, uint32_t address, const void *from, uint32_t bytes);
/* A string of the process, cut to `bytes` with its zero. */
bool process_string(struct process *process, char *to, uint32_t address, uint32_t bytes);

/* load.c: NULL, or what is wrong (a string constant). */
const char *process_load(struct process *process, int argc, char **argv);

/* system-calls.c: v0 is the call's number; sets v0 and a3, and pc behind the SYSCALL. */
void process_call(struct process *process);

/* signals.c: enters the handler, or ends the process. `code` and `address` are siginfo's. */
void process_signal(struct process *process, int signal, int code, uint32_t address);
/* What a fault becomes. */
void process_fault(struct process *process);
bool process_return(struct process *process); /* rt_sigreturn */

/* unaligned.c */
/* The pc behind the instruction at EPC, or where the branch goes whose slot it is in. False: that is
 * no branch. */
bool process_behind(struct process *process, uint32_t *pc);
/* Mends the access at EPC that is not aligned. False: Linux would not. */
bool process_unaligned(struct process *process);

/* references.c: compares what was recorded since the last call with QEMU's. */
void process_compare(struct process *process, const struct mips_reference *list, size_t count);

#endif
