/* The CPUs and nodes of the running machine, by their operating system numbers (hwloc). */
#ifndef DISCO_PERF_CPUS_H
#define DISCO_PERF_CPUS_H

#include <stddef.h>
#include <stdint.h>

struct perf_cpus {
    uint32_t *cpu; /* [count]: the ones online */
    size_t count;
    int32_t *node; /* [nodes]: by CPU number; -1 where not known */
    size_t nodes;
};

/* Errors as in collector/trace/writer.h. Free with perf_cpus_free. */
char *perf_cpus_read(struct perf_cpus *cpus);
void perf_cpus_free(struct perf_cpus *cpus);

#endif
