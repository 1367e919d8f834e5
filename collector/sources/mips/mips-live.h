/* The policy of a live run, and what is said of it at the end: as disco-replay would. */
#ifndef DISCO_SOURCES_MIPS_LIVE_H
#define DISCO_SOURCES_MIPS_LIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "collector/trace/writer.h" /* MUST_CHECK */
#include "vmm-core/machine/machine.h"
#include "vmm-core/memory/memory.h"

struct mips_live;

/* `word` names one policy, as registry_choose() has it. On an error *out is NULL. */
char *mips_live_new(const char *word, uint64_t seed, struct mips_live **out) MUST_CHECK;
void mips_live_free(struct mips_live *live);

/* For struct monitor_options; NULL: no policy (live is NULL). */
const struct memory_options *mips_live_memory(const struct mips_live *live);

/* Of the finished run whose trace is at `trace`: rows of results in there, then the table or the JSON on
 * standard output, warnings on standard error. `live` and `memory` NULL: a run without a policy, whose JSON
 * has no runs. */
char *mips_live_report(const struct mips_live *live, const struct memory *memory,
                       const struct machine *machine, uint64_t seed, const char *trace,
                       bool json) MUST_CHECK;

#endif
