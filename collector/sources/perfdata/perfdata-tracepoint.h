/* The tracepoints whose samples are memory accesses, and where their fields are: as the file's own
 * copy of tracefs says (tools/perf/util/trace-event-read.c, version 0.5 and 0.6).
 *
 *   exceptions:page_fault_user, page_fault_kernel   a touch of a page; error_code tells its kind
 *   damon:damon_aggregated                          accesses of a region, as DAMON counted them
 */
#ifndef DISCO_SOURCES_PERFDATA_TRACEPOINT_H
#define DISCO_SOURCES_PERFDATA_TRACEPOINT_H

#include "collector/sources/perfdata/perfdata-file.h"

enum perfdata_tracepoint_kind {
    TRACEPOINT_FAULT_USER,
    TRACEPOINT_FAULT_KERNEL,
    TRACEPOINT_DAMON,
    TRACEPOINT_KINDS
};

enum perfdata_field {
    /* of a fault */
    FIELD_ADDRESS = 0,
    FIELD_IP,
    FIELD_ERROR_CODE,
    /* of DAMON */
    FIELD_TARGET = 0,
    FIELD_START,
    FIELD_END,
    FIELD_ACCESSES,
    FIELDS
};

struct perfdata_tracepoint {
    bool known; /* the file describes it, with all its fields */
    uint64_t config;
    struct {
        uint32_t offset, bytes;
    } field[FIELDS];
};

/* [TRACEPOINT_KINDS]: of the file, as far as it has them. */
void perfdata_tracepoints(const struct perfdata_file *file, struct perfdata_tracepoint *tracepoint);

/* Which of them the event is; false: none. */
bool perfdata_tracepoint_of(const struct perfdata_tracepoint *tracepoint,
                            const struct perfdata_event *event,
                            enum perfdata_tracepoint_kind *kind);

/* The fields of a sample. False: its raw data are too short. */
bool perfdata_tracepoint_read(const struct perfdata_tracepoint *tracepoint,
                              struct perfdata_cursor raw, uint64_t value[FIELDS]);

#endif
