#include "collector/sources/perfdata/perfdata-file.h"

#include "collector/sources/perfdata/perfdata-sort.h"
#include "collector/sources/perfdata/perfdata-unpack.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE        ((size_t)2 << 20)
#define UNPACKED_MOST    64u                 /* times the file */
#define UNPACKED_ALLOWED ((size_t)16 << 20)  /* of a small file */
#define ATTR_MOST        4096u               /* bytes; 136 in Linux 6.12 */
#define IN_UNPACKED      (UINT64_C(1) << 63) /* of struct perfdata_place.where */
#define IN_AUX           (UINT64_C(1) << 62) /* a record of SPE */

struct perfdata_file {
    const char *name;
    unsigned char *bytes;
    size_t size;
    bool swap;
    struct perfdata_unpacked unpacked;
    size_t unpacked_walked;
    struct perfdata_events events;
    struct perfdata_place *place;
    size_t places, places_room;
    struct perfdata_section feature[PERFDATA_FEATURES];
    struct perfdata_aux aux;
    uint64_t aux_bytes; /* of other kinds */
};

__attribute__((format(printf, 2, 3))) static char *fail(const struct perfdata_file *file,
                                                        const char *format, ...)
{
    char *why = NULL, *error = NULL;
    va_list arguments;
    va_start(arguments, format);
    int written = vasprintf(&why, format, arguments);
    va_end(arguments);
    if (written < 0 || asprintf(&error, "%s: %s", file->name, why) < 0) {
        error = NULL;
    }
    if (written >= 0) {
        free(why);
    }
    return error;
}

struct perfdata_cursor perfdata_cursor_of(const struct perfdata_file *file,
                                          struct perfdata_section section)
{
    static const unsigned char nothing;
    const unsigned char *at = section.at != NULL ? section.at : &nothing;
    return (struct perfdata_cursor){at, at + section.bytes, file->swap, false};
}

/* The bytes [offset, offset + bytes) of the file; not there: at is NULL. */
static struct perfdata_section section_of(const struct perfdata_file *file, uint64_t offset,
                                          uint64_t bytes)
{
    if (offset > file->size || bytes > file->size - offset) {
        return (struct perfdata_section){0};
    }
    return (struct perfdata_section){file->bytes + offset, (size_t)bytes};
}

/* --------------------------------------------------------------------------------------- records */

static struct perfdata_record record_at(const struct perfdata_file *file, uint64_t where)
{
    if ((where & IN_AUX) != 0) {
        return (struct perfdata_record){.type = RECORD_SPE};
    }
    const unsigned char *at = (where & IN_UNPACKED) != 0
                                  ? file->unpacked.at + (where & ~IN_UNPACKED)
                                  : file->bytes + where;
    struct perfdata_cursor cursor = {at, at + PERFDATA_RECORD_HEADER, file->swap, false};
    struct perfdata_record record = {.type = cursor_u32(&cursor)};
    record.misc = cursor_u16(&cursor);
    uint16_t size = cursor_u16(&cursor);
    record.body =
        (struct perfdata_cursor){at + PERFDATA_RECORD_HEADER, at + size, file->swap, false};
    return record;
}

static char *add_place(struct perfdata_file *file, uint64_t where)
{
    if (file->places == file->places_room) {
        size_t room = file->places_room * 2 + 1024;
        struct perfdata_place *larger = realloc(file->place, room * sizeof *larger);
        if (larger == NULL) {
            return fail(file, "out of memory");
        }
        file->place = larger;
        file->places_room = room;
    }
    file->place[file->places++].where = where;
    return NULL;
}

/* The size in the header at `at`; 0: the header is not whole. */
static size_t record_size(const struct perfdata_file *file, const unsigned char *at, size_t left)
{
    struct perfdata_cursor cursor = {at, at + left, file->swap, false};
    return cursor_bytes(&cursor, 6) == NULL ? 0 : cursor_u16(&cursor);
}

/* Records that came out of compressed ones, as far as they are whole. */
static char *walk_unpacked(struct perfdata_file *file)
{
    char *error = NULL;
    while (error == NULL && file->unpacked_walked < file->unpacked.bytes) {
        const unsigned char *at = file->unpacked.at + file->unpacked_walked;
        size_t left = file->unpacked.bytes - file->unpacked_walked;
        size_t size = record_size(file, at, left);
        if (left < PERFDATA_RECORD_HEADER || size > left) {
            break;
        }
        if (size < PERFDATA_RECORD_HEADER) {
            return fail(file, "the compressed record at unpacked byte %zu has a size of %zu bytes",
                        file->unpacked_walked, size);
        }
        if (record_at(file, file->unpacked_walked | IN_UNPACKED).type < RECORD_KERNEL_END) {
            error = add_place(file, file->unpacked_walked | IN_UNPACKED);
        }
        file->unpacked_walked += size;
    }
    return error;
}

static char *unpack_record(struct perfdata_file *file, const struct perfdata_record *record,
                           size_t at)
{
    struct perfdata_cursor body = record->body;
    uint64_t bytes = record->type == RECORD_COMPRESSED2 ? cursor_u64(&body) : cursor_left(&body);
    const unsigned char *packed = cursor_bytes(&body, bytes);
    const char *why = packed == NULL ? "its size is more than the record's"
                                     : perfdata_unpack(&file->unpacked, packed, (size_t)bytes);
    return why != NULL ? fail(file, "the compressed record at byte %zu: %s", at, why)
                       : walk_unpacked(file);
}

/* An event, in a pipe: its attribute, and its ids to the record's end. */
static char *read_attr_record(struct perfdata_file *file, const struct perfdata_record *record,
                              size_t at)
{
    struct perfdata_section body = {record->body.at, cursor_left(&record->body)};
    size_t bytes = perfdata_attr_bytes(body, file->swap);
    if (bytes < PERFDATA_ATTR_LEAST || bytes > body.bytes) {
        return fail(file, "the event at byte %zu has an attribute of %zu bytes", at, bytes);
    }
    return perfdata_events_add(&file->events, (struct perfdata_section){body.at, bytes},
                               (struct perfdata_section){body.at + bytes, body.bytes - bytes},
                               file->swap)
               ? NULL
               : fail(file, "out of memory");
}

static void read_event_update(struct perfdata_file *file, const struct perfdata_record *record)
{
    struct perfdata_cursor body = record->body;
    uint64_t kind = cursor_u64(&body), id = cursor_u64(&body);
    const struct perfdata_events *events = &file->events;
    size_t event = events->events;
    for (size_t i = 0; i < events->ids; i++) { /* not sorted yet */
        event = events->id[i].id == id ? events->id[i].event : event;
    }
    if (kind == EVENT_UPDATE_NAME && event < events->events) {
        cursor_text(&body, cursor_left(&body), events->event[event].name,
                    sizeof events->event[event].name);
    }
}

/* One of perf's own records. *more: bytes behind it that belong to it. */
static char *read_own_record(struct perfdata_file *file, const struct perfdata_record *record,
                             size_t at, uint64_t *more)
{
    struct perfdata_cursor body = record->body;
    switch (record->type) {
    case RECORD_ATTR:
        return read_attr_record(file, record, at);
    case RECORD_EVENT_UPDATE:
        read_event_update(file, record);
        return NULL;
    case RECORD_TRACING_DATA: {
        uint64_t bytes = cursor_u32(&body);
        *more = (bytes + 7) & ~UINT64_C(7);
        file->feature[FEATURE_TRACING_DATA] =
            section_of(file, (uint64_t)(record->body.end - file->bytes), bytes);
        return NULL;
    }
    case RECORD_FEATURE: {
        uint64_t feature = cursor_u64(&body);
        if (feature < PERFDATA_FEATURES) {
            file->feature[feature] = (struct perfdata_section){body.at, cursor_left(&body)};
        }
        return NULL;
    }
    case RECORD_AUXTRACE_INFO:
        perfdata_aux_info(&file->aux, body);
        return NULL;
    case RECORD_TIME_CONV:
        perfdata_aux_clock(&file->aux, body);
        return NULL;
    case RECORD_AUXTRACE:
        *more = cursor_u64(&body);
        return NULL;
    case RECORD_COMPRESSED:
    case RECORD_COMPRESSED2:
        return unpack_record(file, record, at);
    default:
        return NULL;
    }
}

/* The area behind an AUXTRACE record: each load and store in it is a record by itself. */
static char *read_area(struct perfdata_file *file, const struct perfdata_record *record,
                       size_t bytes)
{
    const unsigned char *area = record->body.end, *from = area, *at = area;
    if (!file->aux.spe) {
        file->aux_bytes += bytes;
        return NULL;
    }
    if (!perfdata_aux_add(&file->aux, record->body, area, bytes)) {
        return fail(file, "out of memory");
    }
    struct perfdata_spe spe;
    char *error = NULL;
    while (error == NULL && perfdata_spe_read(area, area + bytes, &from, &spe)) {
        if ((spe.load || spe.store) && spe.addr != 0) {
            error = add_place(file, (uint64_t)(at - file->bytes) | IN_AUX);
        }
        at = from;
    }
    return error;
}

/* All records of [at, end). */
static char *walk(struct perfdata_file *file, size_t at, size_t end)
{
    while (at < end) {
        size_t size = record_size(file, file->bytes + at, end - at);
        if (end - at < PERFDATA_RECORD_HEADER || size > end - at) {
            return fail(file, "the record at byte %zu was cut off", at);
        }
        if (size < PERFDATA_RECORD_HEADER) {
            return fail(file, "the record at byte %zu has a size of %zu bytes", at, size);
        }
        struct perfdata_record record = record_at(file, at);
        uint64_t more = 0;
        char *error = record.type < RECORD_KERNEL_END ? add_place(file, at)
                                                      : read_own_record(file, &record, at, &more);
        if (error != NULL) {
            return error;
        }
        if (more > end - at - size) {
            return fail(file, "the data behind the record at byte %zu were cut off", at);
        }
        if (record.type == RECORD_AUXTRACE) {
            error = read_area(file, &record, (size_t)more);
            if (error != NULL) {
                return error;
            }
        }
        at += size + (size_t)more;
    }
    return file->unpacked.bytes > file->unpacked_walked
               ? fail(file, "the last record that was compressed was cut off")
               : NULL;
}

static bool time_of(const struct perfdata_file *file, uint64_t record, uint64_t *time)
{
    if ((file->place[record].where & IN_AUX) != 0) {
        struct perfdata_spe spe;
        perfdata_spe_record(file, record, &spe);
        return perfdata_aux_time(&file->aux, &spe, time);
    }
    struct perfdata_record found = record_at(file, file->place[record].where);
    return perfdata_events_time(&file->events, &found, time);
}

/* What has no time stays behind the record that it follows. */
static char *sort_records(struct perfdata_file *file)
{
    uint64_t last = 0;
    bool sorted = true;
    perfdata_events_sort(&file->events);
    for (size_t i = 0; i < file->places; i++) {
        uint64_t time = 0;
        time = time_of(file, i, &time) ? time : last;
        sorted = sorted && time >= last;
        file->place[i].time = last = time;
    }
    return sorted || perfdata_sort(&file->place, file->places) ? NULL : fail(file, "out of memory");
}

/* ------------------------------------------------------------------------------------- the header */

/* Events of file mode: attributes of one size, each with the place of its ids behind it. */
static char *read_events(struct perfdata_file *file, uint64_t attr_size,
                         struct perfdata_section attrs)
{
    if (attrs.at == NULL || attr_size < PERFDATA_ATTR_LEAST + 16 || attr_size > ATTR_MOST ||
        attrs.bytes < attr_size) {
        return fail(file,
                    "its header is damaged: events of %" PRIu64 " bytes in a section that "
                    "is not in the file",
                    attr_size);
    }
    for (size_t at = 0; at + attr_size <= attrs.bytes; at += (size_t)attr_size) {
        struct perfdata_section attr = {attrs.at + at, (size_t)attr_size - 16};
        struct perfdata_cursor ids = {attr.at + attr.bytes, attr.at + attr_size, file->swap, false};
        uint64_t offset = cursor_u64(&ids), bytes = cursor_u64(&ids);
        struct perfdata_section section = section_of(file, offset, bytes);
        if (section.at == NULL) {
            return fail(file, "its header is damaged: ids of event %zu lie behind its end",
                        file->events.events);
        }
        size_t own = perfdata_attr_bytes(attr, file->swap);
        attr.bytes = own < attr.bytes ? own : attr.bytes;
        if (attr.bytes < PERFDATA_ATTR_LEAST) {
            return fail(file, "event %zu has an attribute of %zu bytes", file->events.events, own);
        }
        if (!perfdata_events_add(&file->events, attr, section, file->swap)) {
            return fail(file, "out of memory");
        }
    }
    return NULL;
}

/* The sections behind the data: a place for each bit of the header's map. */
static void read_features(struct perfdata_file *file, struct perfdata_cursor header,
                          uint64_t data_end)
{
    uint64_t map[PERFDATA_FEATURES / 64];
    for (size_t i = 0; i < PERFDATA_FEATURES / 64; i++) {
        map[i] = cursor_u64(&header);
    }
    /* a 32-bit machine of the other order wrote words of 4 bytes; every perf writes the host */
    if (file->swap && (map[0] >> FEATURE_HOSTNAME & 1) == 0) {
        for (size_t i = 0; i < PERFDATA_FEATURES / 64; i++) {
            map[i] = map[i] << 32 | map[i] >> 32;
        }
    }
    struct perfdata_section table = section_of(file, data_end, file->size - data_end);
    struct perfdata_cursor places = perfdata_cursor_of(file, table);
    for (size_t i = 0; i < PERFDATA_FEATURES; i++) {
        if ((map[i / 64] >> (i % 64) & 1) != 0) {
            uint64_t offset = cursor_u64(&places), bytes = cursor_u64(&places);
            if (!places.short_of) {
                file->feature[i] = section_of(file, offset, bytes);
            }
        }
    }
}

/* File mode. */
static char *read_file(struct perfdata_file *file)
{
    struct perfdata_cursor header = {file->bytes + 16, file->bytes + PERFDATA_FILE_HEADER,
                                     file->swap, false};
    uint64_t attr_size = cursor_u64(&header);
    uint64_t attrs = cursor_u64(&header), attrs_bytes = cursor_u64(&header);
    uint64_t data = cursor_u64(&header), data_bytes = cursor_u64(&header);
    cursor_u64(&header); /* event types of long ago */
    cursor_u64(&header);
    char *error = read_events(file, attr_size, section_of(file, attrs, attrs_bytes));
    if (error != NULL) {
        return error;
    }
    if (data > file->size) {
        return fail(file, "its header is damaged: the data begin behind its end");
    }
    if (data_bytes == 0) { /* perf writes it last */
        error = walk(file, (size_t)data, file->size);
        free(error);
        return fail(file, "the recording was not closed: perf was killed");
    }
    bool cut = data_bytes > file->size - data;
    if (!cut) {
        read_features(file, header, data + data_bytes);
    }
    error = walk(file, (size_t)data, cut ? file->size : (size_t)(data + data_bytes));
    return error == NULL && cut ? fail(file, "the file was cut off") : error;
}

static char *read_header(struct perfdata_file *file)
{
    if (file->size == 0) {
        return fail(file, "is empty");
    }
    if (file->size < PERFDATA_PIPE_HEADER ||
        (memcmp(file->bytes, PERFDATA_MAGIC, 8) != 0 &&
         memcmp(file->bytes, PERFDATA_MAGIC_SWAPPED, 8) != 0)) {
        bool old = file->size >= 8 && memcmp(file->bytes, PERFDATA_MAGIC_OLD, 8) == 0;
        return fail(file, old ? "is a perf.data of version 1, from before Linux 3.3; record again"
                              : "is no perf.data");
    }
    uint16_t order = 1;
    bool little = *(const unsigned char *)&order == 1;
    bool magic_first = memcmp(file->bytes, PERFDATA_MAGIC, 8) == 0;
    /* the magic is the number whose bytes spell PERFILE2 on a little-endian machine */
    file->swap = little ? !magic_first : magic_first;
    struct perfdata_cursor header = {file->bytes + 8, file->bytes + 16, file->swap, false};
    uint64_t size = cursor_u64(&header);
    if (size == PERFDATA_PIPE_HEADER) {
        return walk(file, PERFDATA_PIPE_HEADER, file->size);
    }
    if (size != PERFDATA_FILE_HEADER || file->size < PERFDATA_FILE_HEADER) {
        return fail(file, "its header is damaged: it has %" PRIu64 " bytes", size);
    }
    return read_file(file);
}

/* More memory, in pages of 2 MiB where the kernel has them: a file is read once, and a fault for
 * each 4 KiB would take as long as the reading. */
static bool more_bytes(struct perfdata_file *file, size_t *room, size_t expected)
{
    size_t larger_room = *room == 0 ? expected + 1 : *room * 2;
    larger_room = (larger_room + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    unsigned char *larger = aligned_alloc(HUGE_PAGE, larger_room);
    if (larger == NULL) {
        return false;
    }
    madvise(larger, larger_room, MADV_HUGEPAGE);
    if (file->size > 0) {
        memcpy(larger, file->bytes, file->size);
    }
    free(file->bytes);
    file->bytes = larger;
    *room = larger_room;
    return true;
}

/* The whole input into memory. Unpacked as other input is; what could be read is kept. */
static char *slurp(struct input *input, struct perfdata_file *file, char **damage)
{
    size_t room = 0;
    while (!input_ended(input) && *damage == NULL) {
        if (file->size == room && !more_bytes(file, &room, (size_t)input_bytes_total(input))) {
            return fail(file, "out of memory: the file is read into it as a whole");
        }
        size_t got = 0;
        *damage = input_read(input, (char *)file->bytes + file->size, room - file->size, &got);
        file->size += got;
    }
    return NULL;
}

char *perfdata_open(struct input *input, struct perfdata_file **out, char **damage)
{
    struct perfdata_file *file = calloc(1, sizeof *file);
    *damage = NULL;
    if (file == NULL) {
        char *error = NULL;
        return asprintf(&error, "%s: out of memory", input_name(input)) < 0 ? NULL : error;
    }
    file->name = input_name(input);
    char *error = slurp(input, file, damage);
    if (error != NULL) {
        perfdata_close(file);
        return error;
    }
    file->unpacked.most = file->size * UNPACKED_MOST + UNPACKED_ALLOWED;
    error = read_header(file);
    if (*damage == NULL) { /* what cut the input off says more than what this did to its records */
        *damage = error;
    } else {
        free(error);
    }
    error = sort_records(file);
    if (error != NULL) {
        free(*damage);
        *damage = NULL;
        perfdata_close(file);
        return error;
    }
    *out = file;
    return NULL;
}

void perfdata_close(struct perfdata_file *file)
{
    if (file != NULL) {
        perfdata_unpacked_free(&file->unpacked);
        free(file->place);
        perfdata_events_free(&file->events);
        perfdata_aux_free(&file->aux);
        free(file->bytes);
        free(file);
    }
}

struct perfdata_events *perfdata_file_events(struct perfdata_file *file)
{
    return &file->events;
}

struct perfdata_section perfdata_feature(const struct perfdata_file *file,
                                         enum perfdata_feature feature)
{
    return file->feature[feature];
}

uint64_t perfdata_records(const struct perfdata_file *file)
{
    return file->places;
}

struct perfdata_record perfdata_record(const struct perfdata_file *file, uint64_t record)
{
    struct perfdata_record found = record_at(file, file->place[record].where);
    found.time_ns = file->place[record].time;
    return found;
}

uint64_t perfdata_place(const struct perfdata_file *file, uint64_t record, bool *unpacked)
{
    *unpacked = (file->place[record].where & IN_UNPACKED) != 0;
    return file->place[record].where & ~(IN_UNPACKED | IN_AUX);
}

const struct perfdata_area *perfdata_spe_record(const struct perfdata_file *file, uint64_t record,
                                                struct perfdata_spe *spe)
{
    const unsigned char *from = file->bytes + (file->place[record].where & ~IN_AUX);
    const struct perfdata_area *area = perfdata_aux_find(&file->aux, from);
    perfdata_spe_read(area->at, area->end, &from, spe);
    return area;
}

const struct perfdata_aux *perfdata_file_aux(const struct perfdata_file *file)
{
    return &file->aux;
}

uint64_t perfdata_aux_bytes(const struct perfdata_file *file)
{
    return file->aux_bytes;
}
