#include "collector/sources/perfdata/perfdata-tracepoint.h"

#include "collector/sources/import-scan.h"

#include <string.h>

static const struct {
    const char *system, *name;
    const char *field[FIELDS];
} wanted[TRACEPOINT_KINDS] = {
    [TRACEPOINT_FAULT_USER] =
        {"exceptions",
         "page_fault_user",
         {[FIELD_ADDRESS] = "address", [FIELD_IP] = "ip", [FIELD_ERROR_CODE] = "error_code"}},
    [TRACEPOINT_FAULT_KERNEL] =
        {"exceptions",
         "page_fault_kernel",
         {[FIELD_ADDRESS] = "address", [FIELD_IP] = "ip", [FIELD_ERROR_CODE] = "error_code"}},
    [TRACEPOINT_DAMON] = {"damon",
                          "damon_aggregated",
                          {[FIELD_TARGET] = "target_id",
                           [FIELD_START] = "start",
                           [FIELD_END] = "end",
                           [FIELD_ACCESSES] = "nr_accesses"}},
};

static const unsigned char magic[] = {0x17, 0x08, 0x44, 't', 'r', 'a', 'c', 'i', 'n', 'g'};

/* A string with its 0, as it stands in the section; empty where there is none. */
static struct span take_string(struct perfdata_cursor *from)
{
    const unsigned char *end = memchr(from->at, 0, cursor_left(from));
    const char *at = (const char *)from->at;
    if (end == NULL) {
        cursor_bytes(from, UINT64_MAX);
        return (struct span){at, at};
    }
    from->at = end + 1;
    return (struct span){at, (const char *)end};
}

/* What follows a size of 8 bytes. */
static struct span take_file(struct perfdata_cursor *from)
{
    uint64_t bytes = cursor_u64(from);
    const char *at = (const char *)cursor_bytes(from, bytes);
    return at == NULL ? (struct span){"", ""} : (struct span){at, at + bytes};
}

/* The number behind `key` in the line, as in "offset:8;" */
static bool number_of(struct span line, const char *key, uint64_t *value)
{
    const char *at = memmem(line.at, span_bytes(line), key, strlen(key));
    if (at == NULL) {
        return false;
    }
    at += strlen(key);
    return scan_digits(&at, line.end, 10, value);
}

/* "\tfield:unsigned long start;\toffset:24;\tsize:8;\tsigned:0;": is it the field? */
static bool is_field(struct span line, const char *name)
{
    static const char word[] = "field:";
    const char *at = memmem(line.at, span_bytes(line), word, sizeof word - 1);
    const char *end = at != NULL ? memchr(at, ';', (size_t)(line.end - at)) : NULL;
    size_t bytes = strlen(name);
    return end != NULL && (size_t)(end - at) > bytes && memcmp(end - bytes, name, bytes) == 0 &&
           (end[-(ptrdiff_t)bytes - 1] == ' ' || end[-(ptrdiff_t)bytes - 1] == '*');
}

/* One file "format" of tracefs. */
static void read_format(struct span format, size_t kind, struct perfdata_tracepoint *to)
{
    struct perfdata_tracepoint found = {0};
    unsigned fields = 0;
    bool named = false, numbered = false;
    while (format.at < format.end) {
        const char *newline = memchr(format.at, '\n', span_bytes(format));
        struct span line = {format.at, newline != NULL ? newline : format.end};
        format.at = newline != NULL ? newline + 1 : format.end;
        named = named || (span_bytes(line) == 6 + strlen(wanted[kind].name) &&
                          memcmp(line.at, "name: ", 6) == 0 &&
                          memcmp(line.at + 6, wanted[kind].name, span_bytes(line) - 6) == 0);
        numbered = numbered || (!numbered && number_of(line, "ID: ", &found.config));
        for (size_t i = 0; i < FIELDS; i++) {
            uint64_t offset = 0, bytes = 0;
            if (wanted[kind].field[i] != NULL && is_field(line, wanted[kind].field[i]) &&
                number_of(line, "offset:", &offset) && number_of(line, "size:", &bytes) &&
                offset <= UINT16_MAX && (bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8)) {
                found.field[i].offset = (uint32_t)offset;
                found.field[i].bytes = (uint32_t)bytes;
                fields |= 1u << i;
            }
        }
    }
    unsigned all = 0;
    for (size_t i = 0; i < FIELDS; i++) {
        all |= wanted[kind].field[i] != NULL ? 1u << i : 0;
    }
    if (named && numbered && fields == all) {
        found.known = true;
        *to = found;
    }
}

/* The events of one system. */
static void read_system(struct perfdata_cursor *from, struct perfdata_tracepoint *tracepoint)
{
    struct span system = take_string(from);
    uint32_t events = cursor_u32(from);
    for (uint32_t i = 0; i < events && !from->short_of; i++) {
        struct span format = take_file(from);
        for (size_t kind = 0; kind < TRACEPOINT_KINDS; kind++) {
            if (span_is(system, wanted[kind].system)) {
                read_format(format, kind, &tracepoint[kind]);
            }
        }
    }
}

void perfdata_tracepoints(const struct perfdata_file *file, struct perfdata_tracepoint *tracepoint)
{
    memset(tracepoint, 0, TRACEPOINT_KINDS * sizeof *tracepoint);
    struct perfdata_section section = perfdata_feature(file, FEATURE_TRACING_DATA);
    if (section.bytes < sizeof magic || memcmp(section.at, magic, sizeof magic) != 0) {
        return;
    }
    struct perfdata_cursor from = perfdata_cursor_of(file, section);
    cursor_bytes(&from, sizeof magic);
    take_string(&from);             /* version */
    cursor_bytes(&from, 1 + 1 + 4); /* byte order, bytes of a long, page size */
    take_string(&from);             /* "header_page" */
    take_file(&from);
    take_string(&from); /* "header_event" */
    take_file(&from);
    uint32_t own = cursor_u32(&from);
    for (uint32_t i = 0; i < own && !from.short_of; i++) { /* ftrace's own events */
        take_file(&from);
    }
    uint32_t systems = cursor_u32(&from);
    for (uint32_t i = 0; i < systems && !from.short_of; i++) {
        read_system(&from, tracepoint);
    }
}

bool perfdata_tracepoint_of(const struct perfdata_tracepoint *tracepoint,
                            const struct perfdata_event *event, enum perfdata_tracepoint_kind *kind)
{
    for (size_t i = 0; i < TRACEPOINT_KINDS && event->type == ATTR_TYPE_TRACEPOINT; i++) {
        if (tracepoint[i].known && tracepoint[i].config == event->config) {
            *kind = (enum perfdata_tracepoint_kind)i;
            return true;
        }
    }
    return false;
}

bool perfdata_tracepoint_read(const struct perfdata_tracepoint *tracepoint,
                              struct perfdata_cursor raw, uint64_t value[FIELDS])
{
    bool whole = true;
    for (size_t i = 0; i < FIELDS; i++) {
        struct perfdata_cursor cursor = raw;
        cursor_bytes(&cursor, tracepoint->field[i].offset);
        switch (tracepoint->field[i].bytes) {
        case 8:
            value[i] = cursor_u64(&cursor);
            break;
        case 4:
            value[i] = cursor_u32(&cursor);
            break;
        case 2:
            value[i] = cursor_u16(&cursor);
            break;
        default: { /* 1, or a field that the tracepoint does not have */
            const unsigned char *byte = cursor_bytes(&cursor, tracepoint->field[i].bytes);
            value[i] = byte != NULL && tracepoint->field[i].bytes != 0 ? *byte : 0;
        }
        }
        whole = whole && !cursor.short_of;
    }
    return whole;
}
