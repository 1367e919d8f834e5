/* The events of a perf.data file: their attributes, and which one, and what time, a record has. */
#ifndef DISCO_SOURCES_PERFDATA_EVENTS_H
#define DISCO_SOURCES_PERFDATA_EVENTS_H

#include "collector/sources/perfdata/perfdata-cursor.h"
#include "collector/sources/perfdata/perfdata-format.h"

/* An event that was recorded: struct perf_event_attr, in our byte order. */
struct perfdata_event {
    uint32_t type;
    uint64_t config, period, sample_type, read_format, flags;
    uint64_t branch_type, regs_user, regs_intr;
    char name[64]; /* "": not known */
};

/* A piece of the file. */
struct perfdata_section {
    const unsigned char *at; /* NULL: not there */
    size_t bytes;
};

/* A record: its header, and what follows it. */
struct perfdata_record {
    uint32_t type;
    uint16_t misc;
    struct perfdata_cursor body;
    uint64_t time_ns; /* on the recording's clock; of one without a time, that of the one before */
};

/* All zero: none. Belongs to the file. */
struct perfdata_events {
    struct perfdata_event *event;
    size_t events;
    struct perfdata_id {
        uint64_t id;
        size_t event;
    } * id;
    size_t ids;
};

void perfdata_events_free(struct perfdata_events *all);

/* Bytes of the attribute at the front of `bytes`, as it says itself. */
size_t perfdata_attr_bytes(struct perfdata_section bytes, bool swap);
/* Adds an event; `attr` has at least PERFDATA_ATTR_LEAST bytes, and its ids follow in `ids`. False:
 * out of memory. */
bool perfdata_events_add(struct perfdata_events *all, struct perfdata_section attr,
                         struct perfdata_section ids, bool swap);
/* After the last one, and before anything is looked up. */
void perfdata_events_sort(struct perfdata_events *all);

/* The event with this id, or NULL. */
struct perfdata_event *perfdata_events_find(const struct perfdata_events *all, uint64_t id);
/* Which event a record is of. A sample whose id nobody has told is of none (NULL); other such
 * records are perf's own, and count as the first event's. */
const struct perfdata_event *perfdata_events_of(const struct perfdata_events *all,
                                                const struct perfdata_record *record);
/* When it was, in ns of the recording's clock. False: it does not say. */
bool perfdata_events_time(const struct perfdata_events *all, const struct perfdata_record *record,
                          uint64_t *time_ns);

#endif
