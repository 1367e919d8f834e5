/* Records of Arm's Statistical Profiling Extension, as they stand in AUX areas: each a sampled
 * operation, in packets up to one that ends it.
 *
 * Packets: Arm Architecture Reference Manual (DDI 0487), chapter D17 "Statistical Profiling
 * Extension Sample Record Specification"; addresses as tools/perf/util/arm-spe-decoder of Linux
 * 6.12 takes them. Always little-endian.
 */
#ifndef DISCO_SOURCES_PERFDATA_SPE_H
#define DISCO_SOURCES_PERFDATA_SPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct perfdata_spe {
    uint64_t ip, addr, phys;
    uint64_t timestamp; /* of the generic timer; 0: none */
    uint64_t latency;   /* cycles, from dispatch to the end */
    uint64_t events;    /* bits of the events packet */
    uint32_t context;   /* CONTEXTIDR: the thread's id where the kernel sets it; 0: none */
    bool load, store;   /* neither: no access of memory */
    bool kernel;
};

/* Reads the record at *from, in an AUX area [area, end), and moves behind it. False: no whole record
 * is left. */
bool perfdata_spe_read(const unsigned char *area, const unsigned char *end,
                       const unsigned char **from, struct perfdata_spe *record);

/* What the events say, as a perf_mem_data_src (Linux 6.1 include/uapi/linux/perf_event.h). */
uint64_t perfdata_spe_source(const struct perfdata_spe *record);

#endif
