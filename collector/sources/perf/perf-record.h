/* Records of the perf ring buffer, read without trusting them.
 *
 * Pure functions from bytes to values: no system calls, no memory. Layouts are those of
 * include/uapi/linux/perf_event.h (Linux 6.1): `struct perf_event_header`, the records under
 * `enum perf_event_type`, and, at the end of every record but samples, `struct sample_id`
 * (attr.sample_id_all). Every length is checked against the record's own size before use.
 */
#ifndef DISCO_PERF_RECORD_H
#define DISCO_PERF_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sizes in a header are 16 bits. */
#define PERF_RECORD_BYTES_MAX 65536u

/* A page fault tracepoint: where its fields are in the raw data (from its format file). */
struct fault_format {
    uint16_t id;                /* of the tracepoint; common_type of its raw data */
    uint32_t address_at, ip_at; /* offsets in bytes of 8-byte fields */
    uint32_t error_at;
};
/* exceptions:page_fault_user and exceptions:page_fault_kernel */
#define FAULT_FORMATS 2

/* What the counters were asked to put into their records. */
struct perf_layout {
    bool with_period; /* PERF_SAMPLE_PERIOD */
    bool with_raw;    /* PERF_SAMPLE_RAW: samples of the tracepoints below */
    struct fault_format fault[FAULT_FORMATS];
};

/* PERF_SAMPLE_* bits that `layout` stands for: IP, TID, TIME, ADDR, CPU and the optional ones. */
uint64_t perf_layout_sample_type(const struct perf_layout *layout);

enum perf_seen {
    PERF_SEEN_SAMPLE,
    PERF_SEEN_COMM,     /* a thread has a name; `exec`: and a new address space */
    PERF_SEEN_MMAP,     /* a mapping appears or changes */
    PERF_SEEN_FORK,     /* a thread (pid == ppid) or a process begins */
    PERF_SEEN_EXIT,     /* a thread ends */
    PERF_SEEN_LOST,     /* the ring was full; `lost` records are missing */
    PERF_SEEN_THROTTLE, /* the kernel pauses an event that comes too often */
    PERF_SEEN_OTHER,    /* a record of no interest, or of a newer kernel */
};

struct perf_record {
    enum perf_seen seen;
    uint32_t pid, tid;   /* of whom it tells */
    uint32_t ppid, ptid; /* FORK: the parent */
    uint32_t cpu;
    uint64_t time_ns;      /* clock of the counters; 0: the record carries none */
    uint64_t addr, ip;     /* SAMPLE */
    uint64_t period;       /* SAMPLE: events that it stands for; 1 without PERF_SAMPLE_PERIOD */
    uint8_t what;          /* SAMPLE: kind and mode as in collector/trace/event.h */
    bool exec;             /* COMM */
    uint64_t start, end;   /* MMAP: bytes, end excluded */
    uint64_t offset_bytes; /* MMAP: in the file */
    uint64_t lost;         /* LOST */
    const char *name;      /* COMM, MMAP: ends in NUL inside the record's bytes */
};

/* Reads one record of `size` bytes, header included. Returns NULL, or what is wrong (static text).
 */
const char *perf_record_parse(const struct perf_layout *layout, const uint8_t *bytes, size_t size,
                              struct perf_record *record);

enum perf_taken {
    PERF_TAKEN_NOTHING, /* the ring is empty */
    PERF_TAKEN_RECORD,
    PERF_TAKEN_DAMAGE, /* a size that cannot be: the rest, up to the head, is given up */
};

/* Takes the next record out of a ring of `ring_bytes` (a power of two) between *tail and head (both
 * count bytes and never wrap). *record points into the ring, or into `copy` (PERF_RECORD_BYTES_MAX
 * bytes) for a record that goes round the end. Moves *tail behind it. */
enum perf_taken perf_ring_take(const uint8_t *ring, size_t ring_bytes, uint64_t head,
                               uint64_t *tail, uint8_t *copy, const uint8_t **record, size_t *size);

#endif
