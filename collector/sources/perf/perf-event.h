/* The events that can be recorded, and why others cannot.
 *
 * A placement analyzer needs the data address of each sample. Software events give one only where
 * the kernel passes it: page faults (Linux 6.1 arch/x86/mm/fault.c do_user_addr_fault, mm/memory.c
 * mm_account_fault). Hardware events give one with a PMU that samples addresses (PEBS, IBS, SPE):
 * a later version chooses them through libpfm4, and their way goes beside the ones here.
 */
#ifndef DISCO_PERF_EVENT_H
#define DISCO_PERF_EVENT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "collector/sources/perf/perf-record.h"

enum perf_way {
    PERF_WAY_SOFTWARE, /* PERF_TYPE_SOFTWARE, `config` */
    PERF_WAY_FAULTS,   /* the two page fault tracepoints, which tell loads from stores */
    PERF_WAY_HINTING,  /* NUMA balancing on, then the best of the two above */
    PERF_WAY_ADDRESSLESS,
    PERF_WAY_HARDWARE,
};

struct perf_event_kind {
    const char *name, *alias; /* alias: perf's other name for it, or NULL */
    enum perf_way way;
    uint64_t config;
    const char *meaning;
};

/* NULL and a malloc'ed line in *why where no such event can be recorded. */
const struct perf_event_kind *perf_event_find(const char *name, char **why);

/* One line an event, for --list-events. */
void perf_event_list(FILE *out);

/* Reads the format files of the page fault tracepoints into layout->fault and sets with_raw; mounts
 * tracefs privately where it is not mounted. NULL, or in a malloc'ed line why they cannot be used.
 */
char *perf_event_fault_formats(struct perf_layout *layout);

#endif
