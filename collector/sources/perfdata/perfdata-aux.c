#include "collector/sources/perfdata/perfdata-aux.h"

#include <stdlib.h>

#define AUX_ARM_SPE 4u /* enum auxtrace_type, tools/perf/util/auxtrace.h */
#define SHIFT_MOST  63u

void perfdata_aux_free(struct perfdata_aux *aux)
{
    free(aux->area);
    *aux = (struct perfdata_aux){0};
}

void perfdata_aux_info(struct perfdata_aux *aux, struct perfdata_cursor body)
{
    aux->spe = cursor_u32(&body) == AUX_ARM_SPE;
}

void perfdata_aux_clock(struct perfdata_aux *aux, struct perfdata_cursor body)
{
    uint64_t shift = cursor_u64(&body), mult = cursor_u64(&body), zero = cursor_u64(&body);
    if (!body.short_of && shift <= SHIFT_MOST) {
        aux->shift = shift;
        aux->mult = mult;
        aux->zero = zero;
    }
}

bool perfdata_aux_add(struct perfdata_aux *aux, struct perfdata_cursor body,
                      const unsigned char *area, size_t bytes)
{
    struct perfdata_area *more = realloc(aux->area, (aux->areas + 1) * sizeof *more);
    if (more == NULL) {
        return false;
    }
    aux->area = more;
    cursor_bytes(&body, 8 + 8 + 8 + 4); /* size, offset, reference, index */
    uint32_t tid = cursor_u32(&body), cpu = cursor_u32(&body);
    more[aux->areas++] =
        (struct perfdata_area){area, area + bytes, body.short_of ? UINT32_MAX : tid,
                               body.short_of ? UINT32_MAX : cpu};
    return true;
}

const struct perfdata_area *perfdata_aux_find(const struct perfdata_aux *aux,
                                              const unsigned char *at)
{
    size_t low = 0, high = aux->areas;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (aux->area[middle].at <= at) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return &aux->area[low];
}

bool perfdata_aux_time(const struct perfdata_aux *aux, const struct perfdata_spe *record,
                       uint64_t *time_ns)
{
    if (aux->mult == 0 || record->timestamp == 0) {
        return false;
    }
    /* as tsc_to_perf_time of tools/perf/util/tsc.c: what is shifted out is kept */
    uint64_t whole = record->timestamp >> aux->shift;
    uint64_t part = record->timestamp & ((UINT64_C(1) << aux->shift) - 1);
    *time_ns = aux->zero + whole * aux->mult + (part * aux->mult >> aux->shift);
    return true;
}
