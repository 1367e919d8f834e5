#include "collector/sources/perf/perf-record.h"

#include <linux/perf_event.h>
#include <string.h>

#include "collector/trace/event.h"

/* Error code of an x86 page fault, Linux 6.1 arch/x86/include/asm/trap_pf.h. */
#define X86_FAULT_WRITE (1u << 1)
#define X86_FAULT_FETCH (1u << 4)

/* A read position that knows its end: a read past it gives 0 and marks the cursor as short. */
struct cursor {
    const uint8_t *at, *end;
    bool short_of;
};

static const uint8_t *take(struct cursor *cursor, size_t bytes)
{
    if ((size_t)(cursor->end - cursor->at) < bytes) {
        cursor->short_of = true;
        cursor->at = cursor->end;
        return NULL;
    }
    const uint8_t *at = cursor->at;
    cursor->at += bytes;
    return at;
}

static uint64_t take_u64(struct cursor *cursor)
{
    uint64_t value = 0;
    const uint8_t *at = take(cursor, sizeof value);
    if (at)
        memcpy(&value, at, sizeof value);
    return value;
}

static uint32_t take_u32(struct cursor *cursor)
{
    uint32_t value = 0;
    const uint8_t *at = take(cursor, sizeof value);
    if (at)
        memcpy(&value, at, sizeof value);
    return value;
}

/* A string padded with NULs to the end of what is left; NULL where no NUL ends it. */
static const char *take_text(struct cursor *cursor)
{
    const char *text = (const char *)cursor->at;
    size_t bytes = (size_t)(cursor->end - cursor->at);
    cursor->at = cursor->end;
    if (bytes == 0 || memchr(text, '\0', bytes) == NULL) {
        cursor->short_of = true;
        return NULL;
    }
    return text;
}

uint64_t perf_layout_sample_type(const struct perf_layout *layout)
{
    uint64_t type =
        PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_ADDR | PERF_SAMPLE_CPU;
    if (layout->with_period)
        type |= PERF_SAMPLE_PERIOD;
    if (layout->with_raw)
        type |= PERF_SAMPLE_RAW;
    return type;
}

/* The fields of `struct sample_id` that our sample type has: pid, tid; time; cpu, reserved. */
#define SAMPLE_ID_BYTES 24u

static void read_sample_id(struct cursor cursor, struct perf_record *record)
{
    (void)take_u64(&cursor); /* pid and tid: of who caused the record, not of whom it tells */
    record->time_ns = take_u64(&cursor);
    record->cpu = take_u32(&cursor);
}

static bool read_field(const uint8_t *raw, size_t raw_bytes, uint32_t at, uint64_t *value)
{
    if (raw_bytes < sizeof *value || at > raw_bytes - sizeof *value)
        return false;
    memcpy(value, raw + at, sizeof *value);
    return true;
}

/* A page fault tracepoint's own data: the sample's ADDR is 0, and its IP is in the kernel. */
static const char *read_fault(const struct perf_layout *layout, const uint8_t *raw,
                              size_t raw_bytes, struct perf_record *record)
{
    uint16_t id = 0;
    if (raw_bytes < sizeof id)
        return "a tracepoint sample without its data";
    memcpy(&id, raw, sizeof id);
    for (size_t i = 0; i < FAULT_FORMATS; i++) {
        const struct fault_format *format = &layout->fault[i];
        uint64_t error = 0;
        if (format->id != id)
            continue;
        if (!read_field(raw, raw_bytes, format->address_at, &record->addr) ||
            !read_field(raw, raw_bytes, format->ip_at, &record->ip) ||
            !read_field(raw, raw_bytes, format->error_at, &error))
            return "a tracepoint sample shorter than its format";
        if (error & X86_FAULT_FETCH)
            record->what = REF_FETCH;
        else
            record->what = (error & X86_FAULT_WRITE) ? REF_STORE : REF_LOAD;
        if (i == 1)
            record->what |= REF_MODE_KERNEL;
        return NULL;
    }
    return "a sample of a tracepoint that was not asked for";
}

static const char *read_sample(const struct perf_layout *layout, uint16_t misc,
                               struct cursor *cursor, struct perf_record *record)
{
    record->seen = PERF_SEEN_SAMPLE;
    record->ip = take_u64(cursor);
    record->pid = take_u32(cursor);
    record->tid = take_u32(cursor);
    record->time_ns = take_u64(cursor);
    record->addr = take_u64(cursor);
    record->cpu = take_u32(cursor);
    (void)take_u32(cursor);
    record->period = layout->with_period ? take_u64(cursor) : 1;
    record->what = REF_TOUCH;
    if ((misc & PERF_RECORD_MISC_CPUMODE_MASK) == PERF_RECORD_MISC_KERNEL)
        record->what |= REF_MODE_KERNEL;
    if (!layout->with_raw)
        return NULL;
    uint32_t raw_bytes = take_u32(cursor);
    const uint8_t *raw = take(cursor, raw_bytes);
    return raw ? read_fault(layout, raw, raw_bytes, record) : NULL;
}

static void read_mmap(bool extended, struct cursor *cursor, struct perf_record *record)
{
    record->seen = PERF_SEEN_MMAP;
    record->pid = take_u32(cursor);
    record->tid = take_u32(cursor);
    record->start = take_u64(cursor);
    uint64_t bytes = take_u64(cursor);
    record->offset_bytes = take_u64(cursor);
    if (extended) /* device, inode and generation (or a build id); protection and flags */
        (void)take(cursor, 32);
    record->name = take_text(cursor);
    if (__builtin_add_overflow(record->start, bytes, &record->end) || bytes == 0)
        cursor->short_of = true;
}

/* The body of a record other than a sample: what stands before its sample_id. */
static void read_body(uint32_t type, uint16_t misc, struct cursor *cursor,
                      struct perf_record *record)
{
    switch (type) {
    case PERF_RECORD_COMM:
        record->seen = PERF_SEEN_COMM;
        record->exec = (misc & PERF_RECORD_MISC_COMM_EXEC) != 0;
        record->pid = take_u32(cursor);
        record->tid = take_u32(cursor);
        record->name = take_text(cursor);
        break;
    case PERF_RECORD_MMAP:
    case PERF_RECORD_MMAP2:
        read_mmap(type == PERF_RECORD_MMAP2, cursor, record);
        break;
    case PERF_RECORD_FORK:
    case PERF_RECORD_EXIT:
        record->seen = type == PERF_RECORD_FORK ? PERF_SEEN_FORK : PERF_SEEN_EXIT;
        record->pid = take_u32(cursor);
        record->ppid = take_u32(cursor);
        record->tid = take_u32(cursor);
        record->ptid = take_u32(cursor);
        break;
    case PERF_RECORD_LOST:
        record->seen = PERF_SEEN_LOST;
        (void)take_u64(cursor); /* id of the event */
        record->lost = take_u64(cursor);
        break;
    case PERF_RECORD_LOST_SAMPLES:
        record->seen = PERF_SEEN_LOST;
        record->lost = take_u64(cursor);
        break;
    case PERF_RECORD_THROTTLE:
        record->seen = PERF_SEEN_THROTTLE;
        break;
    default:
        break;
    }
}

const char *perf_record_parse(const struct perf_layout *layout, const uint8_t *bytes, size_t size,
                              struct perf_record *record)
{
    *record = (struct perf_record){.seen = PERF_SEEN_OTHER};
    struct perf_event_header header;
    if (size < sizeof header)
        return "a record shorter than its header";
    memcpy(&header, bytes, sizeof header);
    struct cursor cursor = {bytes + sizeof header, bytes + size, false};
    if (header.type == PERF_RECORD_SAMPLE) {
        const char *wrong = read_sample(layout, header.misc, &cursor, record);
        return wrong ? wrong : cursor.short_of ? "a sample that ends too early" : NULL;
    }
    if (size - sizeof header < SAMPLE_ID_BYTES)
        return "a record without its sample id";
    cursor.end -= SAMPLE_ID_BYTES;
    read_body(header.type, header.misc, &cursor, record);
    read_sample_id((struct cursor){bytes + size - SAMPLE_ID_BYTES, bytes + size, false}, record);
    return cursor.short_of ? "a record that ends too early" : NULL;
}

static void copy_round(const uint8_t *ring, size_t ring_bytes, uint64_t from, uint8_t *to,
                       size_t bytes)
{
    size_t at = (size_t)(from & (ring_bytes - 1));
    size_t first = ring_bytes - at < bytes ? ring_bytes - at : bytes;
    memcpy(to, ring + at, first);
    memcpy(to + first, ring, bytes - first);
}

enum perf_taken perf_ring_take(const uint8_t *ring, size_t ring_bytes, uint64_t head,
                               uint64_t *tail, uint8_t *copy, const uint8_t **record, size_t *size)
{
    struct perf_event_header header;
    uint64_t there = head - *tail;
    if (there == 0)
        return PERF_TAKEN_NOTHING;
    header.size = 0;
    if (there >= sizeof header && there <= ring_bytes)
        copy_round(ring, ring_bytes, *tail, (uint8_t *)&header, sizeof header);
    if (header.size < sizeof header || header.size > there) {
        *tail = head;
        return PERF_TAKEN_DAMAGE;
    }
    size_t at = (size_t)(*tail & (ring_bytes - 1));
    *record = ring + at;
    *size = header.size;
    if (header.size > ring_bytes - at) {
        copy_round(ring, ring_bytes, *tail, copy, header.size);
        *record = copy;
    }
    *tail += header.size;
    return PERF_TAKEN_RECORD;
}
