/* AUX areas of a perf.data: what hardware wrote by itself (Arm SPE), whose it is, and when.
 *
 * tools/perf/util/event.h, struct perf_record_auxtrace and following (Linux 6.12). */
#ifndef DISCO_SOURCES_PERFDATA_AUX_H
#define DISCO_SOURCES_PERFDATA_AUX_H

#include "collector/sources/perfdata/perfdata-events.h"
#include "collector/sources/perfdata/perfdata-spe.h"

struct perfdata_area {
    const unsigned char *at, *end;
    uint32_t tid, cpu; /* UINT32_MAX: of any */
};

/* All zero: none. */
struct perfdata_aux {
    struct perfdata_area *area; /* [areas] as the file has them */
    size_t areas;
    bool spe; /* they hold records of SPE */
    /* ns = zero + (timer * mult >> shift), where mult is not 0 */
    uint64_t shift, mult, zero;
};

void perfdata_aux_free(struct perfdata_aux *aux);

/* Records AUXTRACE_INFO and TIME_CONV, which come before the areas. */
void perfdata_aux_info(struct perfdata_aux *aux, struct perfdata_cursor body);
void perfdata_aux_clock(struct perfdata_aux *aux, struct perfdata_cursor body);
/* Record AUXTRACE, and the area of `bytes` bytes behind it. False: out of memory. */
bool perfdata_aux_add(struct perfdata_aux *aux, struct perfdata_cursor body,
                      const unsigned char *area, size_t bytes);

/* The area that `at` lies in. */
const struct perfdata_area *perfdata_aux_find(const struct perfdata_aux *aux,
                                              const unsigned char *at);
/* What an SPE record has as its time, on perf's clock. False: it cannot be told. */
bool perfdata_aux_time(const struct perfdata_aux *aux, const struct perfdata_spe *record,
                       uint64_t *time_ns);

#endif
