/* What a trace holds: references, and the rarer events that change what a reference means.
 *
 * One global order. A trace is a sequence of references with events between them. An event says
 * how many references of its block precede it (`position`), so that references stay in plain
 * columns and a replay runs from event to event without looking at each reference.
 *
 * Addresses are 64-bit virtual addresses as the source gave them. Spaces are address spaces
 * (a process, or an ASID of a guest), streams are what runs (a thread, or a vCPU).
 */
#ifndef DISCO_TRACE_EVENT_H
#define DISCO_TRACE_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* References of one block, at the most. The last block, and one cut short by a commit, has fewer.
 */
#define TRACE_BLOCK_REFS 65536u
/* Events of one block, at the most; a block is closed when either limit is reached. */
#define TRACE_BLOCK_EVENTS 65536u

/* The byte that says what a reference is: kind in bits 0-1, mode in bit 2. */
enum ref_kind {
    REF_FETCH = 0, /* instruction fetch */
    REF_LOAD = 1,
    REF_STORE = 2,
    REF_TOUCH = 3, /* the source saw an access but not which one (a page fault sample) */
};
#define REF_KIND_MASK   0x03u
#define REF_MODE_KERNEL 0x04u /* set: kernel mode (a guest kernel too); clear: user mode */
#define REF_WHAT_MASK   0x07u

static inline enum ref_kind ref_kind_of(uint8_t what)
{
    return (enum ref_kind)(what & REF_KIND_MASK);
}

/* Optional columns: only some sources have them. Each is 64 bits wide in memory. */
enum ref_column {
    COLUMN_TIME,    /* in the trace's time unit, from the trace's start; never falls */
    COLUMN_IP,      /* instruction pointer */
    COLUMN_PHYS,    /* physical address */
    COLUMN_LATENCY, /* cycles or ns, as trace.latency_unit says */
    COLUMN_SOURCE, /* data source, as perf_mem_data_src of Linux 6.1 include/uapi/linux/perf_event.h
                    */
    COLUMN_WEIGHT, /* references that this sample stands for */
    COLUMN_SIZE,   /* bytes accessed */
    REF_COLUMNS
};
#define COLUMN_BIT(column) (1u << (unsigned)(column))

/* A reference as a source hands it to the writer. Columns that the trace does not have are ignored.
 */
struct ref {
    uint64_t addr;
    uint32_t stream; /* id from trace_writer_stream */
    uint8_t what;
    uint64_t column[REF_COLUMNS];
};

enum event_type {
    EVENT_DISPATCH, /* stream put on a CPU:            cpu in args[0], node of it in args[1] or
                       UINT64_MAX */
    EVENT_IDLE,     /* a CPU had nothing to run:       cpu, for how many ns */
    EVENT_TIME,     /* the clock of the source:        in the trace's time unit */
    EVENT_ASID,     /* stream changes address space:   space id */
    EVENT_TLBWRITE, /* the guest writes its TLB:       index, EntryHi, EntryLo0, EntryLo1, PageMask
                     */
    EVENT_MAP,      /* a mapping appears:              space id, start, end, region id */
    EVENT_UNMAP,    /* a mapping goes:                 space id, start, end */
    EVENT_FORK,     /* a space begins as a copy:       parent space id, child space id */
    EVENT_EXIT,     /* stream ends:                    nothing */
    EVENT_DMA, /* a device moves pages:           first PPN, pages, 0 to memory or 1 from memory */
    EVENT_SHARE, /* two spaces share pages:         space, start, other space, other start, bytes */
    EVENT_ZERO,  /* the monitor zeroes a page:      PPN */
    EVENT_FREE,  /* the guest gives a page back:    PPN */
    EVENT_SERVICE, /* what a monitor did for the stream since it last said so: kind (enum memory_service
                      of vmm-core/memory/counters.h), times */
    EVENT_TYPES
};
#define EVENT_ARGS 5

/* Their names in SQL, in dumps and in results. */
extern const char *const ref_kind_names[REF_KIND_MASK + 1]; /* by enum ref_kind */
extern const char *const ref_mode_names[2];                 /* user, kernel */
extern const char *const event_type_names[EVENT_TYPES];

struct trace_event {
    uint32_t position; /* references of this block before it; set by the writer */
    uint32_t stream;   /* the stream it belongs to, or UINT32_MAX */
    uint32_t type;     /* enum event_type */
    uint64_t args[EVENT_ARGS];
};

/* References [first, next run's first) belong to `stream`. A block's first run starts at 0. */
struct stream_run {
    uint32_t first;
    uint32_t stream;
};

/* One decoded block. Owned by whoever made it; the arrays have room for the limits above. */
struct ref_block {
    uint64_t number;    /* of the block, from 0 */
    uint64_t first_ref; /* ordinal in the trace of its first reference */
    uint32_t refs, runs, events;
    uint32_t columns;               /* COLUMN_BIT of each optional column that is filled */
    uint64_t first_time, last_time; /* of its references; ordinals where the trace has no clock */
    uint64_t *addr;                 /* [refs] */
    uint8_t *what;                  /* [refs] */
    struct stream_run *run;         /* [runs], ascending */
    struct trace_event *event;      /* [events], position ascending */
    uint64_t *column[REF_COLUMNS];  /* [refs] each; NULL where never asked for */
};

/* Arrays for `columns`. NULL when memory is short. Free with ref_block_free (which takes NULL). */
struct ref_block *ref_block_new(uint32_t columns);
void ref_block_free(struct ref_block *block);

#endif
