/* Which region of the trace each page of a replay lies in.
 *
 * The smallest region that holds the whole page; where none does (a symbol or a small mapping that
 * ends in the page), the one that holds most of it. Of equals, the one with the higher id: it came
 * later.
 */
#ifndef DISCO_REPORT_REGIONS_H
#define DISCO_REPORT_REGIONS_H

#include "collector/trace/reader.h"
#include "replayer/report/say.h"
#include "vmm-core/memory/memory.h"

#define REGION_NONE UINT32_MAX

/* *out: [memory_pages] region id or REGION_NONE, from malloc. Sorts, then sweeps once over both. */
char *regions_of_pages(const struct trace_reader *reader, const struct memory *memory,
                       uint32_t page_bytes, uint32_t **out) MUST_CHECK;

#endif
