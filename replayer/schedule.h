/* Which CPU of the machine each stream of a trace runs on.
 *
 *   recorded  where it ran: the stream's recorded CPU, then its dispatch events. A recorded CPU is
 *             an operating system's number: that CPU of the machine which has the same number
 *   compact   streams in the order of their first references, or of what a monitor first did for
 *             them, fill a node, then the next
 *   scatter   the same, one to each node in turn
 *   FILE      lines "WHO CPU": WHO is tid:N, stream:N, name:TEXT, a number (a tid), a text (a
 *             name), or * for all; CPU is the machine's operating system number. The first line
 *             that fits a stream counts. # begins a comment
 *
 * With more streams than CPUs, streams share a CPU and are dispatched whenever they change.
 * Dispatch and idle events of the trace mean something with `recorded` alone.
 */
#ifndef DISCO_REPLAYER_SCHEDULE_H
#define DISCO_REPLAYER_SCHEDULE_H

#include "collector/trace/reader.h"
#include "replayer/report/say.h"
#include "vmm-core/machine/machine.h"

#define SCHEDULE_NO_CPU UINT32_MAX

enum schedule_kind {
    SCHEDULE_RECORDED,
    SCHEDULE_COMPACT,
    SCHEDULE_SCATTER,
    SCHEDULE_FILE,
};

/* Never changed once made: all replays share it. */
struct schedule {
    enum schedule_kind kind;
    char *name;   /* "recorded", "compact", "scatter", or the file */
    char *reason; /* why, where the user did not say; else NULL */
    uint32_t streams, cpus;
    uint32_t
        *cpu; /* [streams] recorded and FILE: index of the CPU it starts on, or SCHEDULE_NO_CPU */
    uint32_t *order; /* [cpus] compact and scatter: CPUs in the order in which they are given out */
    const struct machine *machine;
};

/* `words` is the option's value, NULL without one: then recorded where every reference has a CPU
 * that the machine has, otherwise compact. May read the whole trace once. The machine must outlive
 * it. */
char *schedule_make(const char *words, const char *trace_path, const struct machine *machine,
                    struct schedule **out) MUST_CHECK;
void schedule_free(struct schedule *schedule);

/* Index of the CPU with this operating system number, or SCHEDULE_NO_CPU. */
uint32_t schedule_cpu(const struct machine *machine, uint64_t os_id);

#endif
