/* Leaves out of a recording what hits in the caches of the machine: --filter cache.
 *
 * The guest part of the memory subsystem (vmm-core/memory/guest.h) sees every reference and every event
 * that changes translation, as it does in a replay, and says which references reach memory; what
 * remains is what a replay of the whole trace would look at as accesses of memory. Caches are warm from
 * the start of the run, also where its recorded part begins later. Lines that are written back are not
 * in the trace.
 */
#ifndef DISCO_SOURCES_MIPS_FILTER_H
#define DISCO_SOURCES_MIPS_FILTER_H

#include <stddef.h>
#include <stdint.h>

#include "collector/trace/writer.h" /* MUST_CHECK */
#include "vmm-core/machine/machine.h"
#include "vmm-core/monitor/monitor.h"

/* References that are filtered at once, at the most. */
#define MIPS_FILTER_REFERENCES 8192u

struct mips_filter;

/* A machine without caches is refused. It must outlive the object. */
char *mips_filter_new(const struct machine *machine, struct mips_filter **out) MUST_CHECK;
void mips_filter_free(struct mips_filter *filter);

char *mips_filter_stream(struct mips_filter *filter,
                         const struct monitor_stream *stream) MUST_CHECK;
char *mips_filter_event(struct mips_filter *filter, const struct monitor_event *event) MUST_CHECK;
/* Of `references`, those that miss: to addr_out and what_out, with room for as many. */
char *mips_filter_references(struct mips_filter *filter, uint32_t stream, const uint64_t *addr,
                             const uint8_t *what, size_t references, uint64_t *addr_out,
                             uint8_t *what_out, size_t *misses) MUST_CHECK;

#endif
