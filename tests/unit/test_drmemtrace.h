/* Writes drmemtraces, by DynamoRIO's trace_entry.h alone: the tests' own encoder. */
#ifndef DISCO_TEST_DRMEMTRACE_H
#define DISCO_TEST_DRMEMTRACE_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

enum {
    T_READ = 0,
    T_WRITE = 1,
    T_PREFETCH = 2,
    T_INSTR = 10,
    T_RETURN = 16,
    T_BUNDLE = 17,
    T_INSTR_FLUSH = 18,
    T_INSTR_FLUSH_END = 19,
    T_THREAD = 22,
    T_THREAD_EXIT = 23,
    T_PID = 24,
    T_HEADER = 25,
    T_FOOTER = 26,
    T_MARKER = 28,
    T_NO_FETCH = 29,
    T_MAYBE_FETCH = 30,
    T_SYSENTER = 31,
    T_PREFETCH_WRITE_L3_NT = 46,
    T_ENCODING = 47,
    T_TAKEN_JUMP = 48,
    T_UNTAKEN_JUMP = 49,
};

enum {
    M_KERNEL_EVENT = 0,
    M_TIMESTAMP = 2,
    M_CPU_ID = 3,
    M_FILETYPE = 9,
    M_VERSION = 12,
    M_PHYSICAL = 15,
    M_NO_PHYSICAL = 16,
    M_VIRTUAL = 17,
    M_PAGE_SIZE = 18,
    M_SYSCALL_TRACE_START = 27,
    M_SYSCALL_TRACE_END = 28,
};

/* us from 1601 to 1970: 369 years, 89 of them leap years */
#define US_TO_1970 ((uint64_t)(369 * 365 + 89) * 24 * 3600 * 1000000)

struct bytes {
    unsigned char *at;
    size_t bytes, room;
};

static inline void put(struct bytes *to, uint64_t value, unsigned bytes)
{
    if (to->bytes + bytes > to->room) {
        to->room = to->room * 2 + 4096;
        to->at = realloc(to->at, to->room);
        if (to->at == NULL) {
            abort();
        }
    }
    for (unsigned i = 0; i < bytes; i++) {
        to->at[to->bytes++] = (unsigned char)(value >> (8 * i));
    }
}

static inline void put_record(struct bytes *to, unsigned type, unsigned size, uint64_t value)
{
    put(to, type, 2);
    put(to, size, 2);
    put(to, value, 8);
}

/* What every file begins with. */
static inline void put_start(struct bytes *to, uint64_t pid, uint64_t tid)
{
    put_record(to, T_HEADER, 0, 7);
    put_record(to, T_MARKER, M_VERSION, 7);
    put_record(to, T_MARKER, M_FILETYPE, 0x40); /* x86-64 */
    put_record(to, T_THREAD, 4, tid);
    put_record(to, T_PID, 4, pid);
    put_record(to, T_MARKER, M_PAGE_SIZE, 4096);
}

static inline void put_piece(struct bytes *to, uint64_t us_since_1970, uint64_t cpu)
{
    put_record(to, T_MARKER, M_TIMESTAMP, US_TO_1970 + us_since_1970);
    put_record(to, T_MARKER, M_CPU_ID, cpu);
}

static inline void put_end(struct bytes *to, uint64_t tid)
{
    put_record(to, T_THREAD_EXIT, 4, tid);
    put_record(to, T_FOOTER, 0, 0);
}

#endif
