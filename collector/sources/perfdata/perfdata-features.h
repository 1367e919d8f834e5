/* What a perf.data says of the machine and of the recording, besides its samples: the features
 * behind its data (tools/perf/util/header.c, Linux 6.12). */
#ifndef DISCO_SOURCES_PERFDATA_FEATURES_H
#define DISCO_SOURCES_PERFDATA_FEATURES_H

#include "collector/sources/perfdata/perfdata-file.h"

#define PERFDATA_CPUS_MOST 65536u

struct perfdata_host {
    char name[256];     /* "": not known; likewise below */
    char command[4096]; /* of perf */
    int32_t *node_of;   /* [cpus] node of each CPU, -1: not known */
    size_t cpus;
    uint64_t wall_clock_ns, clock_ns; /* one moment on both clocks; 0: not known */
};

/* Reads host name, command line, nodes and clocks, and gives the events their names. False: out of
 * memory. */
bool perfdata_host_read(struct perfdata_file *file, struct perfdata_host *host);
void perfdata_host_free(struct perfdata_host *host);

/* Hands each fact that has words of its own to `note`: versions, CPUs, nodes, packages, build ids.
 * Stops at the first error. */
char *perfdata_features_note(const struct perfdata_file *file,
                             char *(*note)(void *context, const char *key, const char *value),
                             void *context) MUST_CHECK;

#endif
