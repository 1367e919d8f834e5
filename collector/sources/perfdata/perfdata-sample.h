/* One sample of a perf.data, taken apart by what its event says it has.
 *
 * Order and sizes of the fields: perf_output_sample in kernel/events/core.c (Linux 6.12), and
 * include/uapi/linux/perf_event.h at PERF_RECORD_SAMPLE. */
#ifndef DISCO_SOURCES_PERFDATA_SAMPLE_H
#define DISCO_SOURCES_PERFDATA_SAMPLE_H

#include "collector/sources/perfdata/perfdata-file.h"

/* 0 where the event's sample_type does not have it; what it does is its to say. */
struct perfdata_sample {
    uint64_t ip, time_ns, addr, period, data_src, phys, data_page_bytes;
    uint64_t weight; /* latency in cycles, where it is a memory access's */
    uint32_t pid, tid, cpu;
    struct perfdata_section raw; /* of a tracepoint; in the recorded machine's byte order */
};

/* False: the record is shorter than its fields. */
bool perfdata_sample_read(const struct perfdata_event *event, const struct perfdata_record *record,
                          struct perfdata_sample *sample);

#endif
