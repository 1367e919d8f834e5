/* The calls from programs to the kernel, for both and for assembly: number in v0, arguments in
 * a0..a3, `syscall`, result in v0, negative where it failed; other registers are kept. What each
 * does is said in disco.h where not here.
 */
#ifndef DISCO_GUEST_CALLS_H
#define DISCO_GUEST_CALLS_H

#define CALL_EXIT        0 /* status; the process */
#define CALL_THREAD_EXIT 1 /* the calling thread */
#define CALL_SPAWN       2 /* pc, a0, a1 of the new thread: its number */
#define CALL_JOIN        3 /* number */
#define CALL_YIELD       4
#define CALL_CPU         5
#define CALL_CPUS        6
#define CALL_SLEEP_ON    7  /* address of a word, value */
#define CALL_WAKE        8  /* address of a word, count */
#define CALL_MAP         9  /* bytes, name: address of zeroed pages, or 0 */
#define CALL_SHARED      10 /* bytes: address, or 0 */
#define CALL_FORK        11
#define CALL_EXEC        12 /* name, argv */
#define CALL_WAIT        13 /* address of the status */
#define CALL_PROCESS     14
#define CALL_OPEN        15 /* name */
#define CALL_CREATE      16 /* name */
#define CALL_READ        17 /* file, address, bytes */
#define CALL_WRITE       18 /* file, address, bytes */
#define CALL_SIZE        19 /* file */
#define CALL_CLOSE       20 /* file */
#define CALL_UNLINK      21 /* name */
#define CALL_CLOCK       22 /* address of 64 bits */
#define CALL_MARK        23 /* number */
#define CALL_CONSOLE     24 /* address, bytes */
#define CALLS            25

/* Where things are in a process. Thread n's stack ends at STACKS_END - n * STACK_BYTES; the lowest
 * page of each is never there. */
#define USER_TEXT   0x00400000
#define USER_MAPS   0x10000000 /* what CALL_MAP gives, upwards */
#define USER_STACKS 0x70000000
#define STACK_BYTES 0x00100000
#define STACKS_END  0x74000000 /* USER_STACKS + 64 * STACK_BYTES */
#define USER_END    0x80000000

#endif
