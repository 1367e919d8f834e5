/* One line that `perf script` printed for a sample, taken apart. For example, in one line,
 *
 *   x 997883/997883 [003] 6026386.524403: 39891 cpu/mem-loads/pp: 7fffcf7971d4
 *     68100142 |OP LOAD|... 43 4006a5 main+0x5 (/bin/x)
 *
 * is comm, pid/tid, cpu, time, period, event, address, data source and the same decoded, weight,
 * instruction pointer, symbol.
 *
 * Whatever the order in -F, perf prints fields in the order above, then the physical address
 * (Linux 6.1, tools/perf/builtin-script.c: process_event, perf_sample__fprintf_start). Fields may
 * be missing and none is named, so there are two ways to read a line:
 *   - by the list given to perf script -F, which leaves no doubt;
 *   - without it, by shape: pid or tid, [cpu], time: and event: are told by their punctuation, and
 *     the rest by number, by width (perf prints an address right behind the event in 16 columns,
 *     and an instruction pointer in 17) and by what only one field looks like. In doubt the line
 *     is refused.
 */
#ifndef DISCO_SOURCES_PERF_SCRIPT_LINE_H
#define DISCO_SOURCES_PERF_SCRIPT_LINE_H

#include "collector/sources/import-scan.h"

/* In the order in which perf prints them. */
enum perf_field {
    PERF_COMM,
    PERF_PID,
    PERF_TID,
    PERF_CPU,
    PERF_TIME,
    PERF_PERIOD,
    PERF_EVENT,
    PERF_ADDR,
    PERF_DATA_SRC,
    PERF_WEIGHT,
    PERF_IP,
    PERF_SYMBOL,
    PERF_PHYS,
    PERF_FIELDS
};
#define PERF_BIT(field) (1u << (unsigned)(field))

struct perf_sample {
    unsigned has; /* PERF_BIT of each field that was found */
    struct span comm, event;
    uint64_t pid, tid, cpu, time_ns, period, addr, data_src, weight, ip, phys;
    bool write_known, write; /* from a page fault's error code */
};

enum perf_line {
    PERF_SAMPLE,     /* with an address */
    PERF_NO_ADDRESS, /* a sample, but of an event that has none, or printed without it */
    PERF_FRAME,      /* of a call chain: ip alone */
    PERF_OTHER,      /* a comment, an empty line, or a side-band record (--show-mmap-events) */
    PERF_UNCLEAR,    /* a sample whose fields cannot be told from each other */
    PERF_BAD,
};

/* The list of perf script -F, as PERF_BITs. False: *unknown is a field that cannot be imported. */
bool perf_fields_of(const char *list, unsigned *fields, struct span *unknown);

/* `fields` is 0 where they are not known. For PERF_UNCLEAR and PERF_BAD, *found is where reading
 * stopped and *expected is what should have been there. */
enum perf_line perf_line_read(struct span line, unsigned fields, struct perf_sample *sample,
                              struct span *found, const char **expected);

#endif
