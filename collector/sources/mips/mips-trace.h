/* A run of the monitor as a trace: the listener that writes what happens (vmm-core/monitor/monitor.h).
 *
 * The monitor's streams, spaces and events are the trace's, one by one and in the same order; CPUs and nodes
 * get their operating system numbers. Regions are what the guest names, and the symbols of what runs
 * in each space (mips-symbols.h). A vCPU is a stream: its VM is pid, its number tid.
 *
 * A part of the run. Before it starts no reference is written, nor time that passes (idle,
 * service); what changes translation and placement is, so that the part can be replayed. The run ends where
 * the part ends. Instructions are looked at when references come, which is once in a slice or
 * more often.
 *
 * With a filter the references are those that miss in the caches of the machine (mips-filter.h).
 */
#ifndef DISCO_SOURCES_MIPS_TRACE_H
#define DISCO_SOURCES_MIPS_TRACE_H

#include "collector/trace/writer.h"
#include "vmm-core/machine/machine.h"
#include "vmm-core/monitor/monitor.h"

enum mips_moment_kind {
    MOMENT_NONE,         /* the start, or the end, of the run */
    MOMENT_INSTRUCTIONS, /* so many have been run; for an end: since the start */
    MOMENT_MARK,         /* a guest has called MARK with this number */
    MOMENT_ANY_MARK,
};

struct mips_moment {
    enum mips_moment_kind kind;
    uint64_t number;
};

struct mips_trace_options {
    const char *path, *command; /* of the trace; what is recorded */
    bool replace;               /* a trace that is there */
    const struct machine *machine;
    const char *const *guest; /* [guests] names of the images of VMs 0, 1, ..., in turn */
    uint32_t guests;
    const struct monitor_vm *vm; /* their memory */
    struct mips_moment start, end;
    bool filter; /* what hits in the caches is left out */
    /* Instructions that the vCPUs have run so far. */
    uint64_t (*instructions)(void *context);
    void *context;
};

struct mips_trace;

/* The options and what they point to must outlive it. */
char *mips_trace_open(const struct mips_trace_options *options, struct mips_trace **out) MUST_CHECK;
const struct monitor_listener *mips_trace_listener(const struct mips_trace *trace);

/* The run was ended by the listener, and nothing is wrong: the part is over; or the user wants it. */
bool mips_trace_is_over(const struct mips_trace *trace);
bool mips_trace_is_stopped(const struct mips_trace *trace);
/* The part has begun. */
bool mips_trace_has_begun(const struct mips_trace *trace);

struct trace_writer *mips_trace_writer(struct mips_trace *trace);
uint64_t mips_trace_references(const struct mips_trace *trace); /* written */
/* Ends the trace and frees. `complete` as in trace_writer_close. */
char *mips_trace_close(struct mips_trace *trace, bool complete) MUST_CHECK;

#endif
