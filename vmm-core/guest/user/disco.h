/* What a program on Disco's library operating system sees: threads, locks, memory, files,
 * processes, numbers and text. Programs run in user mode of a virtual machine
 * (vmm-core/guest/kernel) and, from the same source, natively on Linux, where native.c stands in
 * for the kernel: a program's answer must be the same in both.
 *
 * A program is `int main(int argc, char **argv)`; argv[0] is its name. Its answer goes to the
 * console, and its status is 0 when it has found its own answer right. Addresses are 32 bits wide in
 * the guest: sizes above 1 GiB are refused. Floating point is IEEE double in hardware, where
 * denormal numbers count as 0 (a 24Kf's Flush to Zero).
 */
#ifndef DISCO_GUEST_USER_H
#define DISCO_GUEST_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef DISCO_NATIVE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#else
#include "vmm-core/guest/user/libc.h"
#endif

#define DISCO_PAGE_BYTES  4096u
#define DISCO_THREADS_MAX 64 /* of one process, its first included */

/* ------------------------------------------------------------------------------- threads */

int disco_cpus(void); /* of the virtual machine */
int disco_cpu(void);  /* that runs the caller now, from 0 */
int disco_self(void); /* the caller's number in its process; the first thread is 0 */

/* A new thread, on the CPU behind that of the thread made before it; it ends when `start` returns.
 * Its number, or -1 when there are DISCO_THREADS_MAX or memory is out. */
int disco_spawn(void (*start)(void *argument), void *argument);
/* Waits until the thread has ended; its number is then free for a new one. */
void disco_join(int thread);
void disco_yield(void);

/* Runs work(0, argument) .. work(threads-1, argument), each on a thread of its own, 0 on the
 * caller's, and returns when all have. Exits with a message where threads cannot be had. */
void disco_parallel(int threads, void (*work)(int number, void *argument), void *argument);

/* Ends the process, all its threads with it. Returning from main does the same. */
_Noreturn void disco_exit(int status);

/* Sleeps while *word is `value`, until woken or for no reason at all; wakes up to `count` threads
 * of this process that sleep on a word. What the locks below are made of. */
void disco_sleep_on(uint32_t *word, uint32_t value);
void disco_wake(uint32_t *word, int count);

/* ------------------------------------------------------------------------------- agreement */

/* All of these are ready when zero, but for a barrier; they spin a little, then sleep. For atomic
 * variables take GCC's __atomic builtins on 32-bit words. A lock or barrier that others' data
 * should not share a line with has to be padded by its owner. */
struct disco_lock {
    uint32_t state; /* 0 free, 1 taken, 2 taken and waited for */
};
void disco_lock(struct disco_lock *lock);
bool disco_try_lock(struct disco_lock *lock);
void disco_unlock(struct disco_lock *lock);

struct disco_barrier {
    uint32_t threads, arrived, turn;
};
void disco_barrier_init(struct disco_barrier *barrier, int threads);
/* True for the last thread to arrive. */
bool disco_barrier_wait(struct disco_barrier *barrier);

struct disco_condition {
    uint32_t turn;
};
/* Gives up the lock, waits for a signal (or for no reason) and takes the lock again. */
void disco_condition_wait(struct disco_condition *condition, struct disco_lock *lock);
void disco_condition_signal(struct disco_condition *condition);
void disco_condition_broadcast(struct disco_condition *condition);

struct disco_semaphore {
    uint32_t count, waiters;
};
void disco_semaphore_down(struct disco_semaphore *semaphore);
void disco_semaphore_up(struct disco_semaphore *semaphore);

/* ------------------------------------------------------------------------------- memory */

/* malloc, calloc, realloc and free are there too, for all threads, 16-byte aligned. */

/* Zeroed memory of its own pages, that a trace knows as the region `name`. Pages come when they
 * are touched first, on the node of the CPU that touches them. Exits with a message when memory is
 * out: never NULL. Given back when the process ends. */
void *disco_alloc(size_t bytes, const char *name);

/* Memory that is common to all virtual machines that were given room for it (the kernel's argument
 * +shared=PAGES, the same for each), from its start; not inherited by what a process forks. NULL where
 * there is less. Natively: memory of this process. */
void *disco_shared(size_t bytes);

/* ------------------------------------------------------------------------------- processes */

/* As in Unix. A child has the calling thread alone; memory is copied when written. -1: no room. */
int disco_fork(void);
/* Runs a program of the file system in this process, which must have one thread. argv ends with
 * NULL. Returns, -1, only when there is no such program or no memory. */
int disco_exec(const char *file, char *const argv[]);
/* Waits for a child to end: its number, with its status; -1: no children. */
int disco_wait(int *status);
int disco_process(void);

/* ------------------------------------------------------------------------------- files */

/* Files live in the kernel's memory; those that are embedded in the guest's image can only be read.
 * Names are flat. All return -1 for what cannot be. */
int disco_open(const char *name);   /* to read, from its start */
int disco_create(const char *name); /* to write, empty; from now on this is the file of the name */
int disco_read(int file, void *bytes, size_t count); /* bytes read; 0 at the end */
int disco_write(int file, const void *bytes, size_t count);
int disco_size(int file);
int disco_close(int file);
int disco_unlink(const char *name); /* created files only */

/* ------------------------------------------------------------------------------- the rest */

/* Instructions that the caller's CPU has run since it started, the kernel's with them, and those
 * that passed while it waited. Natively nanoseconds. Never part of an answer. */
uint64_t disco_clock(void);

/* Tells the recorder that a part of the run begins; see disco-record mips --start-at. */
void disco_mark(int number);

/* The next of a sequence of random numbers (splitmix64), the same everywhere. */
uint64_t disco_random(uint64_t *state);

/* The same bits in the guest and natively; within 3 units in the last place (sqrt:
 * rounded correctly), for arguments whose results are no denormal numbers; sin and cos up to 1e5. */
double disco_sqrt(double x);
double disco_fabs(double x);
double disco_floor(double x);
double disco_sin(double x);
double disco_cos(double x);
double disco_exp(double x);
double disco_log(double x);
double disco_pow(double x, double y); /* x > 0; error grows with y * log(x) */

#endif
