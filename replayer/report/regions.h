/* Which region of the trace each page of a replay lies in.
 *
 * The smallest region that holds the whole page; where none does (a symbol or a small mapping that
 * ends in the page), the one that holds most of it. Of equals, the one with the higher id: it came
 * later. A page that is mapped at several places (the first of them count: REGION_PLACES) goes by the
 * last place that a region holds: a page of a virtual machine is in the VM's memory, then in a process.
 */
#ifndef DISCO_REPORT_REGIONS_H
#define DISCO_REPORT_REGIONS_H

#include "collector/trace/reader.h"
#include "replayer/report/say.h"
#include "vmm-core/memory/memory.h"

#define REGION_NONE   UINT32_MAX
#define REGION_PLACES 8u

struct page_region {
    uint32_t region; /* id or REGION_NONE */
    uint32_t space;  /* where the page is mapped there; its first mapping, where there is none */
    uint64_t vpn;
};

/* *out: [memory_pages], from malloc. Sorts, then sweeps once over both. */
char *regions_of_pages(const struct trace_reader *reader, const struct memory *memory,
                       uint32_t page_bytes, struct page_region **out) MUST_CHECK;

#endif
