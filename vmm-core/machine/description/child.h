/* Reading in a child process, for a library that may crash on a damaged file. */
#ifndef DISCO_MACHINE_CHILD_H
#define DISCO_MACHINE_CHILD_H

#include "vmm-core/machine/description/draft.h"

typedef char *draft_reader(struct draft *draft, const char *text, size_t text_bytes);

/* draft_read_hwloc_xml and its like, but a crash, an endless loop (CHILD_CPU_SECONDS) or chatter on
 * standard error of `read` comes back as one line. The draft is plain data, so it travels in shared
 * memory as it is. */
char *draft_read_in_child(draft_reader *read, struct draft *draft, const char *text,
                          size_t text_bytes) __attribute__((warn_unused_result));

#define CHILD_CPU_SECONDS 20u /* the largest real topologies take a tenth of a second */

#endif
