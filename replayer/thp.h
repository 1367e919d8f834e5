/* Which parts of a trace's address spaces pages of 2 MiB (--thp) or 1 GiB (--gigantic) back.
 *
 *   never   none
 *   always  every region that is no file: mappings without one, heaps, allocations, stacks, as Linux
 *           backs anonymous memory (Documentation/admin-guide/mm/transhuge.rst, Linux 6.1). Where the
 *           trace knows no such region in any space, everything
 *   NAME    the regions of this name, files too
 *
 * Regions that overlap are one: a trace may tell of a part of memory twice.
 */
#ifndef DISCO_REPLAYER_THP_H
#define DISCO_REPLAYER_THP_H

#include "collector/trace/reader.h"
#include "vmm-core/memory/guest.h"

#define THP_NEVER  "never"
#define THP_ALWAYS "always"

/* [*count] ascending and apart, from malloc; NULL with never. `option`: --thp or --gigantic. An error where no region has the name. */
char *thp_ranges(const char *option, const char *which, const struct trace_reader *reader,
                 const struct machine *machine, struct guest_range **out, size_t *count) MUST_CHECK;

#endif
