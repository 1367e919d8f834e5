/* One recording of guests: machine, monitor, trace, and with a policy its results.
 *
 * Results are those of a replay (replayer/report): the same table or JSON, and rows in the trace's own
 * database. They compare with `disco-replay --policy P` of the trace on the same machine with the same
 * seed, counter by counter.
 */
#ifndef DISCO_SOURCES_MIPS_RUN_H
#define DISCO_SOURCES_MIPS_RUN_H

#include "collector/sources/mips/mips-trace.h"

#define MIPS_MACHINE "flash-8"
#define MIPS_VCPUS   32u /* of a VM at most, chosen: what the guests' kernel can do */
#define MIPS_MEMORY  (UINT64_C(64) << 20) /* of a VM, where the machine has room for all */

struct mips_guest {
    const char *word;        /* as the user named it */
    const char *const *argv; /* [argc] behind it */
    uint32_t argc;
};

struct mips_run_options {
    const char *output, *command; /* the trace; what is recorded, in words */
    bool replace, json, hal, patch, no_fetches, filter;
    const char *machine; /* as machine_load() has it */
    const char *policy;  /* as registry_choose() has it; NULL: record alone */
    const struct mips_guest *guest;
    uint32_t guests, vms, vcpus; /* VM n runs guest n % guests; vms, vcpus of each, 0: chosen */
    uint64_t memory_bytes;       /* of each VM; 0: chosen */
    uint64_t quantum, seed, limit;
    struct mips_moment start, end;
};

/* Prints what guests write and what comes out, and each error as one line on standard error. The exit status:
 * 0 recorded; 1 failed, or a guest did; 2 wrong usage. */
int mips_source_run(const struct mips_run_options *options);

#endif
