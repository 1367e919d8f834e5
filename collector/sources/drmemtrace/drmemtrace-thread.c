#include "collector/sources/drmemtrace/drmemtrace-thread.h"

#include "collector/sources/drmemtrace/drmemtrace-record.h"
#include "collector/trace/event.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_BYTES ((size_t)4096 * DRMEMTRACE_RECORD_BYTES)
/* A marker's value of a page size that cannot be one is not believed. */
#define PAGE_BYTES_LEAST UINT64_C(512)
#define PAGE_BYTES_MOST  (UINT64_C(1) << 30)
#define PAGE_BYTES_USUAL UINT64_C(4096)
/* Versions are small numbers: 7 is that of DynamoRIO 11. */
#define VERSION_MOST UINT64_C(1000)
#define CPU_MASK     UINT64_C(0xfff)
#define CPU_BITS     12
#define BUNDLE_MOST  8u

struct drmemtrace_thread {
    struct input *input;
    struct drmemtrace_place place;
    uint64_t record;   /* number of the record at `at`, from 1 */
    size_t at, end;    /* of the buffer; what is left of a record stays behind `end` */
    size_t part;       /* bytes of a record that is not whole yet, at `end` */
    uint64_t next_pc;  /* behind the last instruction */
    uint64_t last_pc;  /* of it */
    uint64_t physical; /* of the last MARKER_PHYSICAL */
    uint64_t page_bytes;
    uint8_t mode;    /* REF_MODE_KERNEL or 0 */
    uint64_t footer; /* number of the last footer, or 0 */
    bool begun, x86; /* a header was read; CPU markers have nodes */
    unsigned char buffer[BUFFER_BYTES];
};

static const char no_header[] =
    "this is no header of a drmemtrace; one as recorded (folder raw) is made one by: drrun -t "
    "drmemtrace -indir FOLDER";

static const uint8_t what_of_class[CLASS_REFERENCES] = {
    [CLASS_LOAD] = REF_LOAD, [CLASS_STORE] = REF_STORE, [CLASS_FETCH] = REF_FETCH};

char *drmemtrace_thread_new(struct input *input, struct drmemtrace_thread **out)
{
    struct drmemtrace_thread *thread = calloc(1, sizeof *thread);
    char *error = NULL;
    if (thread == NULL) {
        return asprintf(&error, "%s: out of memory", input_name(input)) < 0 ? NULL : error;
    }
    thread->input = input;
    thread->record = 1;
    thread->page_bytes = PAGE_BYTES_USUAL;
    thread->place.cpu = thread->place.node = -1;
    *out = thread;
    return NULL;
}

void drmemtrace_thread_free(struct drmemtrace_thread *thread)
{
    free(thread);
}

const struct drmemtrace_place *drmemtrace_thread_place(const struct drmemtrace_thread *thread)
{
    return &thread->place;
}

/* The record at hand cannot be read. */
__attribute__((format(printf, 2, 3))) static char *bad(const struct drmemtrace_thread *thread,
                                                       const char *format, ...)
{
    char *why = NULL, *error = NULL;
    va_list arguments;
    va_start(arguments, format);
    int written = vasprintf(&why, format, arguments);
    va_end(arguments);
    if (written < 0 ||
        asprintf(&error, "%s: record %" PRIu64 " (byte %" PRIu64 "): %s", input_name(thread->input),
                 thread->record, (thread->record - 1) * DRMEMTRACE_RECORD_BYTES, why) < 0) {
        error = NULL;
    }
    if (written >= 0) {
        free(why);
    }
    return error;
}

/* The file has no whole record any more: is it one that may end here? `left`: bytes of a record. */
static char *check_end(const struct drmemtrace_thread *thread, size_t left)
{
    if (!thread->begun) {
        return bad(thread, "%s", left == 0 ? "the file is empty" : no_header);
    }
    if (left > 0) {
        return bad(thread, "has %zu of %u bytes: the file was cut off", left,
                   DRMEMTRACE_RECORD_BYTES);
    }
    return thread->record == thread->footer + 1
               ? NULL
               : bad(thread, "a footer should stand here: the file was cut off");
}

/* Reads on until a whole record is there. *ended: there is none any more. */
static char *fill(struct drmemtrace_thread *thread, bool *ended)
{
    memmove(thread->buffer, thread->buffer + thread->end, thread->part);
    size_t there = thread->part;
    thread->at = thread->end = 0;
    while (there < DRMEMTRACE_RECORD_BYTES && !input_ended(thread->input)) {
        size_t got = 0;
        char *error =
            input_read(thread->input, (char *)thread->buffer + there, BUFFER_BYTES - there, &got);
        if (error != NULL) {
            return error;
        }
        there += got;
    }
    thread->end = there / DRMEMTRACE_RECORD_BYTES * DRMEMTRACE_RECORD_BYTES;
    thread->part = there - thread->end;
    *ended = thread->end == 0;
    return *ended ? check_end(thread, thread->part) : NULL;
}

/* A file begins with a header, whatever else it may be. */
static char *check_first(const struct drmemtrace_thread *thread)
{
    struct drmemtrace_record record = drmemtrace_record(thread->buffer);
    return record.type == DRMEMTRACE_HEADER_TYPE && record.size == 0 ? NULL
                                                                     : bad(thread, "%s", no_header);
}

static char *read_header(struct drmemtrace_thread *thread, struct drmemtrace_batch *batch,
                         const struct drmemtrace_record *record)
{
    if (record->value >> 32 == (uint64_t)(12u << 16 | DRMEMTRACE_MARKER_TYPE)) {
        /* the marker of the version follows after 8 bytes, not 12 */
        return bad(thread, "the trace was recorded by a 32-bit DynamoRIO; only 64-bit ones are "
                           "read");
    }
    if (record->value == 0 || record->value > VERSION_MOST) {
        return bad(thread, "%" PRIu64 " is no version of a drmemtrace", record->value);
    }
    if (record->value > batch->version) {
        batch->version = record->value;
    }
    thread->begun = true;
    return NULL;
}

static void set_cpu(struct drmemtrace_thread *thread, uint64_t value)
{
    bool known = value >> 32 == 0; /* all ones where it could not be told */
    thread->place.cpu = known ? (int32_t)(value & CPU_MASK) : -1;
    thread->place.node = known && thread->x86 ? (int32_t)(value >> CPU_BITS) : -1;
}

static char *set_physical(struct drmemtrace_thread *thread, struct drmemtrace_batch *batch,
                          uint64_t virtual_addr)
{
    if (batch->pages == NULL && (batch->pages = drmemtrace_pages_new()) == NULL) {
        return bad(thread, "out of memory");
    }
    return drmemtrace_pages_set(batch->pages, thread->place.pid, virtual_addr, thread->physical,
                                thread->page_bytes)
               ? NULL
               : bad(thread, "out of memory");
}

/* A marker that says something of what follows; the batch is empty. */
static char *read_marker(struct drmemtrace_thread *thread, struct drmemtrace_batch *batch,
                         const struct drmemtrace_record *record)
{
    uint64_t value = record->value;
    switch (record->size) {
    case MARKER_TIMESTAMP:
        thread->place.timestamp_us = value;
        return NULL;
    case MARKER_CPU:
        set_cpu(thread, value);
        return NULL;
    case MARKER_FILE_TYPE:
        batch->file_type |= value;
        thread->x86 = (value & FILE_X86_64) != 0;
        return (value & (FILE_ARM32 | FILE_X86_32)) != 0
                   ? bad(thread, "the trace is of a 32-bit program; only 64-bit ones are read")
                   : NULL;
    case MARKER_PAGE_SIZE:
        if (value >= PAGE_BYTES_LEAST && value <= PAGE_BYTES_MOST && (value & (value - 1)) == 0) {
            thread->page_bytes = value;
        }
        return NULL;
    case MARKER_PHYSICAL:
        thread->physical = value;
        return NULL;
    case MARKER_VIRTUAL:
        return set_physical(thread, batch, value);
    case MARKER_NOT_PHYSICAL:
        if (batch->pages != NULL) {
            drmemtrace_pages_forget(batch->pages, thread->place.pid, value, thread->page_bytes);
        }
        return NULL;
    case MARKER_KERNEL_START:
    case MARKER_SWITCH_START:
        thread->mode = REF_MODE_KERNEL;
        return NULL;
    case MARKER_KERNEL_END:
    case MARKER_SWITCH_END:
        thread->mode = 0;
        return NULL;
    default:
        return NULL;
    }
}

/* No branch on the kind of reference, which cannot be foreseen. */
static inline void add(struct drmemtrace_thread *thread, struct drmemtrace_batch *batch,
                       enum drmemtrace_class class, uint64_t addr, uint64_t size)
{
    size_t i = batch->refs;
    size_t wanted = class != CLASS_FETCH || batch->fetches;
    thread->last_pc = class == CLASS_FETCH ? addr : thread->last_pc;
    thread->next_pc = class == CLASS_FETCH ? addr + size : thread->next_pc;
    batch->addr[i] = addr;
    batch->size[i] = size;
    batch->what[i] = what_of_class[class] | thread->mode;
    if (batch->pages != NULL) {
        batch->phys[i] =
            drmemtrace_pages_find(batch->pages, thread->place.pid, addr, thread->page_bytes);
        batch->without_physical += wanted != 0 && batch->phys[i] == 0;
    }
    batch->refs = i + wanted;
}

static char *read_bundle(struct drmemtrace_thread *thread, struct drmemtrace_batch *batch,
                         const struct drmemtrace_record *record)
{
    if (record->size > BUNDLE_MOST) {
        return bad(thread, "a bundle of %u instructions, more than its %u bytes can tell",
                   record->size, BUNDLE_MOST);
    }
    for (unsigned i = 0; i < record->size; i++) {
        add(thread, batch, CLASS_FETCH, thread->next_pc, record->value >> (8 * i) & 0xff);
    }
    return NULL;
}

/* Everything but plain references and encodings. */
static char *read_other(struct drmemtrace_thread *thread, struct drmemtrace_batch *batch,
                        enum drmemtrace_class class, const struct drmemtrace_record *record)
{
    switch (class) {
    case CLASS_MARKER:
        return read_marker(thread, batch, record);
    case CLASS_MAYBE_FETCH:
        if (record->value != thread->last_pc) {
            add(thread, batch, CLASS_FETCH, record->value, record->size);
            return NULL;
        }
        batch->not_fetched++;
        return NULL;
    case CLASS_NO_FETCH:
        batch->not_fetched++;
        thread->last_pc = record->value;
        thread->next_pc = record->value + record->size;
        return NULL;
    case CLASS_BUNDLE:
        return read_bundle(thread, batch, record);
    case CLASS_PREFETCH:
        batch->prefetches++;
        return NULL;
    case CLASS_FLUSH:
        batch->flushes++;
        return NULL;
    case CLASS_THREAD:
        thread->place.tid = record->value;
        return NULL;
    case CLASS_PROCESS:
        thread->place.pid = record->value;
        return NULL;
    case CLASS_EXIT:
        return NULL;
    case CLASS_FOOTER:
        thread->footer = thread->record;
        return NULL;
    case CLASS_HEADER:
        return read_header(thread, batch, record);
    default:
        return bad(thread, "a record of type %u: the trace is damaged, or newer than this reader",
                   record->type);
    }
}

/* Is the record true only of references after it, so that those before it must go first? */
static bool changes_place(enum drmemtrace_class class, const struct drmemtrace_record *record)
{
    return class == CLASS_THREAD || class == CLASS_PROCESS ||
           (class == CLASS_MARKER &&
            (record->size == MARKER_TIMESTAMP || record->size == MARKER_CPU));
}

/* May it be a reference, or several? */
static bool may_refer(enum drmemtrace_class class)
{
    return class < CLASS_REFERENCES || class == CLASS_BUNDLE || class == CLASS_MAYBE_FETCH;
}

static void pass(struct drmemtrace_thread *thread)
{
    thread->at += DRMEMTRACE_RECORD_BYTES;
    thread->record++;
}

/* The records in the buffer. *stopped: there is a reason to, and *stop is it. */
static char *decode_buffer(struct drmemtrace_thread *thread, struct drmemtrace_batch *batch,
                           bool peek, enum drmemtrace_stop *stop, bool *stopped)
{
    *stopped = true;
    for (; thread->at < thread->end; pass(thread)) {
        const struct drmemtrace_record record = drmemtrace_record(thread->buffer + thread->at);
        enum drmemtrace_class class = drmemtrace_class_of(record.type);
        if (class == CLASS_ENCODING) {
            continue;
        }
        if (batch->refs >= DRMEMTRACE_BATCH_REFS || (peek && may_refer(class)) ||
            (batch->refs > 0 && changes_place(class, &record))) {
            *stop = STOP_FLUSH;
            return NULL;
        }
        if (class < CLASS_REFERENCES) {
            add(thread, batch, class, record.value, record.size);
            continue;
        }
        char *error = read_other(thread, batch, class, &record);
        if (error != NULL) {
            return error;
        }
        if (class == CLASS_MARKER && record.size == MARKER_TIMESTAMP) {
            pass(thread);
            *stop = STOP_TIME;
            return NULL;
        }
    }
    *stopped = false;
    return NULL;
}

char *drmemtrace_thread_decode(struct drmemtrace_thread *thread, struct drmemtrace_batch *batch,
                               bool peek, enum drmemtrace_stop *stop)
{
    uint64_t first = thread->record;
    char *error = NULL;
    bool stopped = false;
    while (error == NULL && !stopped) {
        if (thread->at == thread->end) {
            error = fill(thread, &stopped);
            *stop = STOP_END;
            if (error != NULL || stopped) {
                break;
            }
            error = thread->begun ? NULL : check_first(thread);
        }
        if (error == NULL) {
            error = decode_buffer(thread, batch, peek, stop, &stopped);
        }
    }
    batch->records += thread->record - first;
    return error;
}
