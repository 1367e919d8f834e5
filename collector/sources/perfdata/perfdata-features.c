#include "collector/sources/perfdata/perfdata-features.h"

#include "collector/sources/import-scan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES     4096
#define BUILD_ID_FIXED 36u /* header, process, 20 bytes of id, padding: the name follows */
#define BUILD_ID_AT    12u
#define BUILD_ID_BYTES 20u
#define BUILD_ID_SIZED (1u << 15) /* misc: the byte behind the id says how long it is */

static struct perfdata_cursor open_feature(const struct perfdata_file *file,
                                           enum perfdata_feature feature)
{
    return perfdata_cursor_of(file, perfdata_feature(file, feature));
}

/* A string: its length, padded with zeros, before it. */
static void take_text(struct perfdata_cursor *from, char *to, size_t room)
{
    uint32_t bytes = cursor_u32(from);
    cursor_text(from, bytes, to, room);
}

/* "0-7,16-23": each of these CPUs is on the node. */
static bool set_cpus(struct perfdata_host *host, const char *list, int32_t node)
{
    const char *at = list, *end = list + strlen(list);
    uint64_t first = 0, last = 0;
    while (scan_digits(&at, end, 10, &first)) {
        last = first;
        if (*at == '-') {
            at++;
            if (!scan_digits(&at, end, 10, &last)) {
                break;
            }
        }
        if (first > last || last >= PERFDATA_CPUS_MOST) {
            break;
        }
        if (last >= host->cpus) {
            int32_t *more = realloc(host->node_of, (last + 1) * sizeof *more);
            if (more == NULL) {
                return false;
            }
            host->node_of = more;
            for (; host->cpus <= last; host->cpus++) {
                more[host->cpus] = -1;
            }
        }
        for (uint64_t cpu = first; cpu <= last; cpu++) {
            host->node_of[cpu] = node;
        }
        if (*at != ',') {
            break;
        }
        at++;
    }
    return true;
}

/* A node: its number, its memory, its CPUs. */
struct node {
    uint32_t number;
    uint64_t total_kb;
    char cpus[TEXT_BYTES];
};

static bool take_node(struct perfdata_cursor *from, struct node *node)
{
    node->number = cursor_u32(from);
    node->total_kb = cursor_u64(from);
    cursor_u64(from); /* free */
    take_text(from, node->cpus, sizeof node->cpus);
    return !from->short_of;
}

static bool read_nodes(const struct perfdata_file *file, struct perfdata_host *host)
{
    struct perfdata_cursor from = open_feature(file, FEATURE_NUMA_TOPOLOGY);
    uint32_t nodes = cursor_u32(&from);
    struct node node;
    for (uint32_t i = 0; i < nodes && take_node(&from, &node); i++) {
        if (node.number <= INT32_MAX && !set_cpus(host, node.cpus, (int32_t)node.number)) {
            return false;
        }
    }
    return true;
}

/* Names of events, told by their ids; without ids in order. */
static void read_event_names(struct perfdata_file *file)
{
    struct perfdata_cursor from = open_feature(file, FEATURE_EVENT_DESC);
    const struct perfdata_events *all = perfdata_file_events(file);
    uint32_t events = cursor_u32(&from), attr_bytes = cursor_u32(&from);
    for (uint32_t i = 0; i < events && !from.short_of; i++) {
        char name[sizeof((struct perfdata_event *)NULL)->name];
        cursor_bytes(&from, attr_bytes);
        uint32_t ids = cursor_u32(&from);
        take_text(&from, name, sizeof name);
        struct perfdata_event *event = NULL;
        for (uint32_t id = 0; id < ids && !from.short_of; id++) {
            uint64_t value = cursor_u64(&from);
            event = event == NULL ? perfdata_events_find(all, value) : event;
        }
        if (event == NULL && ids == 0 && i < all->events) {
            event = &all->event[i];
        }
        if (event != NULL && !from.short_of) {
            memcpy(event->name, name, sizeof name);
        }
    }
}

/* perf's arguments, with blanks between them. */
static void read_command(const struct perfdata_file *file, struct perfdata_host *host)
{
    struct perfdata_cursor from = open_feature(file, FEATURE_CMDLINE);
    uint32_t words = cursor_u32(&from);
    size_t used = 0;
    for (uint32_t i = 0; i < words && !from.short_of && used + 2 < sizeof host->command; i++) {
        if (i > 0) {
            host->command[used++] = ' ';
        }
        take_text(&from, host->command + used, sizeof host->command - used);
        used += strlen(host->command + used);
    }
}

bool perfdata_host_read(struct perfdata_file *file, struct perfdata_host *host)
{
    *host = (struct perfdata_host){0};
    struct perfdata_cursor from = open_feature(file, FEATURE_HOSTNAME);
    take_text(&from, host->name, sizeof host->name);
    read_command(file, host);
    read_event_names(file);
    from = open_feature(file, FEATURE_CLOCK_DATA);
    cursor_u64(&from); /* version, and which clock */
    uint64_t wall = cursor_u64(&from), clock = cursor_u64(&from);
    if (!from.short_of) {
        host->wall_clock_ns = wall;
        host->clock_ns = clock;
    }
    return read_nodes(file, host);
}

void perfdata_host_free(struct perfdata_host *host)
{
    free(host->node_of);
    *host = (struct perfdata_host){0};
}

/* ----------------------------------------------------------------------------------------- notes */

typedef char *note_function(void *context, const char *key, const char *value);

static char *note_texts(const struct perfdata_file *file, note_function *note, void *context)
{
    static const struct {
        enum perfdata_feature feature;
        const char *key;
    } texts[] = {{FEATURE_OSRELEASE, "os_release"},
                 {FEATURE_VERSION, "perf_version"},
                 {FEATURE_ARCH, "architecture"},
                 {FEATURE_CPUDESC, "cpu"},
                 {FEATURE_CPUID, "cpu_id"}};
    char *error = NULL;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0] && error == NULL; i++) {
        char text[256];
        struct perfdata_cursor from = open_feature(file, texts[i].feature);
        take_text(&from, text, sizeof text);
        error = text[0] != '\0' ? note(context, texts[i].key, text) : NULL;
    }
    return error;
}

static char *note_numbers(const struct perfdata_file *file, note_function *note, void *context)
{
    char digits[24];
    char *error = NULL;
    struct perfdata_cursor cpus = open_feature(file, FEATURE_NRCPUS);
    cursor_u32(&cpus); /* those that could be */
    uint32_t online = cursor_u32(&cpus);
    if (!cpus.short_of) {
        snprintf(digits, sizeof digits, "%" PRIu32, online);
        error = note(context, "cpus_online", digits);
    }
    struct perfdata_cursor memory = open_feature(file, FEATURE_TOTAL_MEM);
    uint64_t kb = cursor_u64(&memory);
    if (!memory.short_of && error == NULL) {
        snprintf(digits, sizeof digits, "%" PRIu64, kb);
        error = note(context, "memory_kb", digits);
    }
    return error;
}

static char *note_nodes(const struct perfdata_file *file, note_function *note, void *context)
{
    struct perfdata_cursor from = open_feature(file, FEATURE_NUMA_TOPOLOGY);
    uint32_t nodes = cursor_u32(&from);
    struct node node;
    char *error = NULL;
    for (uint32_t i = 0; i < nodes && error == NULL && take_node(&from, &node); i++) {
        char key[32], value[TEXT_BYTES + 64];
        snprintf(key, sizeof key, "node_%" PRIu32, node.number);
        snprintf(value, sizeof value, "CPUs %s, %" PRIu64 " kB",
                 node.cpus[0] != '\0' ? node.cpus : "none", node.total_kb);
        error = note(context, key, value);
    }
    return error;
}

/* CPUs that share a package. */
static char *note_packages(const struct perfdata_file *file, note_function *note, void *context)
{
    struct perfdata_cursor from = open_feature(file, FEATURE_CPU_TOPOLOGY);
    uint32_t packages = cursor_u32(&from);
    char *error = NULL;
    for (uint32_t i = 0; i < packages && error == NULL && !from.short_of; i++) {
        char key[32], cpus[TEXT_BYTES];
        take_text(&from, cpus, sizeof cpus);
        snprintf(key, sizeof key, "package_%" PRIu32, i);
        error = from.short_of ? NULL : note(context, key, cpus);
    }
    return error;
}

/* A record of its own: process, id and file. */
static char *note_build_id(const unsigned char *record, unsigned misc, size_t bytes,
                           note_function *note, void *context)
{
    char key[TEXT_BYTES], hex[2 * BUILD_ID_BYTES + 1];
    const unsigned char *id = record + BUILD_ID_AT;
    size_t length = (misc & BUILD_ID_SIZED) != 0 ? id[BUILD_ID_BYTES] : BUILD_ID_BYTES;
    length = length < BUILD_ID_BYTES ? length : BUILD_ID_BYTES;
    for (size_t i = 0; i < length; i++) {
        snprintf(&hex[2 * i], 3, "%02x", id[i]);
    }
    hex[2 * length] = '\0';
    snprintf(key, sizeof key, "build_id %.*s", (int)(bytes - BUILD_ID_FIXED),
             (const char *)record + BUILD_ID_FIXED);
    return note(context, key, hex);
}

static char *note_build_ids(const struct perfdata_file *file, note_function *note, void *context)
{
    struct perfdata_cursor from = open_feature(file, FEATURE_BUILD_ID);
    char *error = NULL;
    while (error == NULL && cursor_left(&from) >= BUILD_ID_FIXED) {
        struct perfdata_cursor header = from;
        cursor_u32(&header);
        unsigned misc = cursor_u16(&header);
        size_t bytes = cursor_u16(&header);
        const unsigned char *record = cursor_bytes(&from, bytes);
        if (record == NULL || bytes <= BUILD_ID_FIXED) {
            break;
        }
        error = note_build_id(record, misc, bytes, note, context);
    }
    return error;
}

char *perfdata_features_note(const struct perfdata_file *file,
                             char *(*note)(void *context, const char *key, const char *value),
                             void *context)
{
    static char *(*const each[])(const struct perfdata_file *, note_function *,
                                 void *) = {note_texts, note_numbers, note_nodes, note_packages,
                                            note_build_ids};
    char *error = NULL;
    for (size_t i = 0; i < sizeof each / sizeof each[0] && error == NULL; i++) {
        error = each[i](file, note, context);
    }
    return error;
}
