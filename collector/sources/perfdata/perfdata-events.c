#include "collector/sources/perfdata/perfdata-events.h"

#include <stdlib.h>

/* Bit fields begin at the other end of each byte on machines of the other order. */
static uint64_t flags_of(struct perfdata_section attr, bool swap)
{
    uint64_t flags = 0;
    for (unsigned i = 0; i < 8; i++) {
        uint64_t byte = attr.at[ATTR_FLAGS + i], turned = 0;
        for (unsigned bit = 0; bit < 8; bit++) {
            turned |= (byte >> bit & 1) << (swap ? 7 - bit : bit);
        }
        flags |= turned << (8 * i);
    }
    return flags;
}

/* A field of an attribute; 0 where the attribute is older than the field. */
static uint64_t attr_u64(struct perfdata_section attr, size_t at, bool swap)
{
    if (attr.bytes < at + 8) {
        return 0;
    }
    struct perfdata_cursor cursor = {attr.at + at, attr.at + attr.bytes, swap, false};
    return cursor_u64(&cursor);
}

static bool add_ids(struct perfdata_events *all, struct perfdata_section ids, bool swap)
{
    size_t count = ids.bytes / 8;
    struct perfdata_cursor cursor = {ids.at, ids.at + count * 8, swap, false};
    struct perfdata_id *id = realloc(all->id, (all->ids + count) * sizeof *id);
    if (id == NULL) {
        return false;
    }
    all->id = id;
    for (size_t i = 0; i < count; i++) {
        id[all->ids++] = (struct perfdata_id){cursor_u64(&cursor), all->events};
    }
    return true;
}

bool perfdata_events_add(struct perfdata_events *all, struct perfdata_section attr,
                         struct perfdata_section ids, bool swap)
{
    struct perfdata_event *event = realloc(all->event, (all->events + 1) * sizeof *event);
    if (event == NULL) {
        return false;
    }
    all->event = event;
    struct perfdata_cursor first = {attr.at, attr.at + attr.bytes, swap, false};
    event[all->events] = (struct perfdata_event){
        .type = cursor_u32(&first),
        .config = attr_u64(attr, ATTR_CONFIG, swap),
        .period = attr_u64(attr, ATTR_PERIOD, swap),
        .sample_type = attr_u64(attr, ATTR_SAMPLE_TYPE, swap),
        .read_format = attr_u64(attr, ATTR_READ_FORMAT, swap),
        .flags = flags_of(attr, swap),
        .branch_type = attr_u64(attr, ATTR_BRANCH_TYPE, swap),
        .regs_user = attr_u64(attr, ATTR_REGS_USER, swap),
        .regs_intr = attr_u64(attr, ATTR_REGS_INTR, swap),
    };
    if (ids.bytes >= 8 && !add_ids(all, ids, swap)) {
        return false;
    }
    all->events++;
    return true;
}

size_t perfdata_attr_bytes(struct perfdata_section bytes, bool swap)
{
    struct perfdata_cursor cursor = {bytes.at, bytes.at + bytes.bytes, swap, false};
    cursor_u32(&cursor);
    uint32_t size = cursor_u32(&cursor);
    return size == 0 ? PERFDATA_ATTR_LEAST : size;
}

void perfdata_events_free(struct perfdata_events *all)
{
    free(all->event);
    free(all->id);
    *all = (struct perfdata_events){0};
}

static int by_id(const void *one, const void *other)
{
    const struct perfdata_id *a = one, *b = other;
    return a->id < b->id ? -1 : a->id > b->id ? 1 : a->event < b->event ? -1 : 1;
}

void perfdata_events_sort(struct perfdata_events *all)
{
    if (all->ids > 0) {
        qsort(all->id, all->ids, sizeof *all->id, by_id);
    }
}

struct perfdata_event *perfdata_events_find(const struct perfdata_events *all, uint64_t id)
{
    size_t low = 0, high = all->ids;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (all->id[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < all->ids && all->id[low].id == id ? &all->event[all->id[low].event] : NULL;
}

static unsigned bits_of(uint64_t sample_type, uint64_t mask)
{
    return (unsigned)__builtin_popcountll(sample_type & mask);
}

/* The `slot`th 8 bytes of a record from its front, or from its end (1: the last); 0: not there. */
static uint64_t slot_of(const struct perfdata_cursor *body, unsigned slot, bool from_end)
{
    size_t at = 8 * (size_t)slot;
    if (cursor_left(body) < (from_end ? at : at + 8)) {
        return 0;
    }
    struct perfdata_cursor cursor = *body;
    cursor.at = from_end ? body->end - at : body->at + at;
    return cursor_u64(&cursor);
}

/* Samples have the id in front, as one of the first fields; other records behind. All events of a
 * file have it in the same place (tools/perf/util/evsel.c, __perf_evsel__calc_id_pos). */
const struct perfdata_event *perfdata_events_of(const struct perfdata_events *all,
                                                const struct perfdata_record *record)
{
    if (all->events == 0) {
        return NULL;
    }
    uint64_t type = all->event[0].sample_type;
    bool sample = record->type == RECORD_SAMPLE;
    if (all->events == 1 || all->ids == 0 || (type & (SAMPLE_IDENTIFIER | SAMPLE_ID)) == 0) {
        return &all->event[0];
    }
    unsigned slot = sample ? 0 : 1;
    if ((type & SAMPLE_IDENTIFIER) == 0) {
        slot += sample ? bits_of(type, SAMPLE_IP | SAMPLE_TID | SAMPLE_TIME | SAMPLE_ADDR)
                       : bits_of(type, SAMPLE_CPU | SAMPLE_STREAM_ID);
    }
    const struct perfdata_event *event =
        perfdata_events_find(all, slot_of(&record->body, slot, !sample));
    return event == NULL && !sample ? &all->event[0] : event;
}

bool perfdata_events_time(const struct perfdata_events *all, const struct perfdata_record *record,
                          uint64_t *time_ns)
{
    const struct perfdata_event *event = perfdata_events_of(all, record);
    bool sample = record->type == RECORD_SAMPLE;
    if (event == NULL || (event->sample_type & SAMPLE_TIME) == 0 ||
        (!sample && (event->flags & ATTR_FLAG_SAMPLE_ID_ALL) == 0)) {
        return false;
    }
    uint64_t type = event->sample_type;
    unsigned slot =
        sample ? bits_of(type, SAMPLE_IDENTIFIER | SAMPLE_IP | SAMPLE_TID)
               : 1 + bits_of(type, SAMPLE_ID | SAMPLE_STREAM_ID | SAMPLE_CPU | SAMPLE_IDENTIFIER);
    *time_ns = slot_of(&record->body, slot, !sample);
    return true;
}
