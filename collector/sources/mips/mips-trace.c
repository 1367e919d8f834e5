#include "collector/sources/mips/mips-trace.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector/sources/mips/mips-filter.h"
#include "collector/sources/mips/mips-symbols.h"
#include "collector/trace/progress.h"
#include "replayer/report/interrupt.h"
#include "replayer/report/say.h"
#include "vmm-core/monitor/abi.h"

#define PAGE_BYTES 4096u
/* Calls of the listener between two looks at the user's wishes. */
#define LOOK_EVERY 64u

struct mips_trace {
    struct mips_trace_options options;
    struct monitor_listener listener;
    struct trace_writer *writer;
    struct mips_filter *filter; /* NULL: none */
    uint64_t *addr;             /* [MIPS_FILTER_REFERENCES] what the filter leaves */
    uint8_t *what;
    bool recording;  /* the part has begun */
    bool over;       /* and is over */
    bool stopped;    /* by the user */
    uint64_t end_at; /* instructions; UINT64_MAX: not an end */
    uint32_t until_look;
    struct progress progress;
};

/* How an event of the monitor stands in the trace. `time`: it says that time has passed. */
static const struct {
    enum event_type type;
    bool time;
} as_event[MONITOR_EVENT_KINDS] = {
    [MONITOR_DISPATCH] = {EVENT_DISPATCH, false}, [MONITOR_IDLE] = {EVENT_IDLE, true},
    [MONITOR_ASID] = {EVENT_ASID, false},         [MONITOR_TLBWRITE] = {EVENT_TLBWRITE, false},
    [MONITOR_UNMAP] = {EVENT_UNMAP, false},       [MONITOR_SHARE] = {EVENT_SHARE, false},
    [MONITOR_ZERO] = {EVENT_ZERO, false},         [MONITOR_FREE] = {EVENT_FREE, false},
    [MONITOR_DMA] = {EVENT_DMA, false},           [MONITOR_SERVICE] = {EVENT_SERVICE, true},
    [MONITOR_EXIT] = {EVENT_EXIT, false},
};

/* Ends the run with nothing wrong: whoever asked for the run asks mips_trace_is_over() why. */
static char *end_run(bool *why)
{
    *why = true;
    return say("the recording has ended");
}

static char *look(struct mips_trace *trace)
{
    if (trace->until_look-- > 0)
        return NULL;
    trace->until_look = LOOK_EVERY;
    progress_at(&trace->progress, trace_writer_count(trace->writer));
    char *pending = interrupt_pending();
    if (pending == NULL)
        return NULL;
    free(pending);
    return end_run(&trace->stopped);
}

static void begin_part(struct mips_trace *trace, uint64_t instructions)
{
    trace->recording = true;
    if (trace->options.end.kind == MOMENT_INSTRUCTIONS)
        trace->end_at = instructions + trace->options.end.number;
}

/* What of a VM's memory has no other name. */
static char *name_memory(struct mips_trace *trace, uint32_t id, const struct monitor_space *space)
{
    char *name = say("%s memory", space->name);
    const struct trace_region region = {.space = id,
                                        .start = ABI_DIRECT_MAP,
                                        .end = ABI_DIRECT_MAP +
                                               (uint64_t)trace->options.vm[space->vm].pages *
                                                   PAGE_BYTES,
                                        .kind = "mapping",
                                        .name = name};
    uint32_t region_id;
    char *error = trace_writer_region(trace->writer, &region, &region_id);
    free(name);
    return error;
}

static char *new_space(void *context, const struct monitor_space *space)
{
    struct mips_trace *trace = context;
    uint32_t id;
    char *error = trace_writer_space(trace->writer, space->name, &id);
    if (error == NULL && space->asid == MONITOR_PHYSICAL)
        error = name_memory(trace, id, space);
    if (error == NULL && space->elf != NULL) {
        const bool kernel = space->asid == MONITOR_PHYSICAL;
        const char *guest = trace->options.guest[space->vm % trace->options.guests];
        error = mips_symbols_write(trace->writer, id, kernel ? "kernel" : space->name,
                                   kernel ? guest : space->name, space->elf, space->elf_bytes);
    }
    return error;
}

static char *new_stream(void *context, const struct monitor_stream *stream)
{
    struct mips_trace *trace = context;
    const struct trace_stream facts = {.space = stream->space,
                                       .vm = stream->vm,
                                       .pid = stream->vm,
                                       .tid = stream->vcpu,
                                       .cpu = -1,
                                       .node = -1,
                                       .name = stream->name};
    uint32_t id;
    char *error = trace_writer_stream(trace->writer, &facts, &id);
    if (error == NULL && trace->filter != NULL)
        error = mips_filter_stream(trace->filter, stream);
    return error;
}

static char *new_region(void *context, const struct monitor_region *region)
{
    struct mips_trace *trace = context;
    const struct trace_region facts = {.space = region->space,
                                       .start = region->start,
                                       .end = region->end,
                                       .kind = "allocation",
                                       .name = region->name};
    uint32_t id;
    return trace_writer_region(trace->writer, &facts, &id);
}

/* Caches see all references, also before the part begins. */
static char *filtered(struct mips_trace *trace, uint32_t stream, const uint64_t *addr,
                      const uint8_t *what, size_t count)
{
    char *error = NULL;
    for (size_t at = 0; error == NULL && at < count; at += MIPS_FILTER_REFERENCES) {
        const size_t left = count - at;
        size_t misses = 0;
        error =
            mips_filter_references(trace->filter, stream, addr + at, what + at,
                                   left < MIPS_FILTER_REFERENCES ? left : MIPS_FILTER_REFERENCES,
                                   trace->addr, trace->what, &misses);
        if (error == NULL && trace->recording)
            error = trace_writer_refs(trace->writer, stream, trace->addr, trace->what, misses);
    }
    return error;
}

static char *references(void *context, uint32_t stream, const uint64_t *addr, const uint8_t *what,
                        size_t count)
{
    struct mips_trace *trace = context;
    char *error = look(trace);
    if (error != NULL)
        return error;
    if (!trace->recording || trace->end_at != UINT64_MAX) {
        const uint64_t instructions = trace->options.instructions(trace->options.context);
        if (!trace->recording && trace->options.start.kind == MOMENT_INSTRUCTIONS &&
            instructions >= trace->options.start.number)
            begin_part(trace, instructions);
        if (trace->recording && instructions >= trace->end_at)
            return end_run(&trace->over);
    }
    if (trace->filter != NULL)
        return filtered(trace, stream, addr, what, count);
    if (!trace->recording)
        return NULL;
    return trace_writer_refs(trace->writer, stream, addr, what, count);
}

static char *event(void *context, const struct monitor_event *event)
{
    struct mips_trace *trace = context;
    const struct machine *machine = trace->options.machine;
    char *error = look(trace);
    if (error == NULL && trace->filter != NULL)
        error = mips_filter_event(trace->filter, event);
    if (error != NULL || (as_event[event->kind].time && !trace->recording))
        return error;
    struct trace_event out = {.stream = event->stream, .type = as_event[event->kind].type};
    memcpy(out.args, event->args, sizeof out.args);
    if (event->kind == MONITOR_DISPATCH || event->kind == MONITOR_IDLE)
        out.args[0] = machine->cpu_os_id[event->args[0]];
    if (event->kind == MONITOR_DISPATCH)
        out.args[1] = machine->node[event->args[1]].os_id;
    return trace_writer_event(trace->writer, &out);
}

static bool is_mark(const struct mips_moment *moment, uint32_t number)
{
    return moment->kind == MOMENT_ANY_MARK ||
           (moment->kind == MOMENT_MARK && moment->number == number);
}

static char *mark(void *context, uint32_t vm, uint32_t number)
{
    struct mips_trace *trace = context;
    (void)vm;
    if (trace->recording)
        return is_mark(&trace->options.end, number) ? end_run(&trace->over) : NULL;
    if (is_mark(&trace->options.start, number))
        begin_part(trace, trace->options.instructions(trace->options.context));
    return NULL;
}

static char *make_filter(struct mips_trace *trace)
{
    trace->addr = calloc(MIPS_FILTER_REFERENCES, sizeof *trace->addr);
    trace->what = calloc(MIPS_FILTER_REFERENCES, sizeof *trace->what);
    if (trace->addr == NULL || trace->what == NULL)
        return say_no_memory();
    return mips_filter_new(trace->options.machine, &trace->filter);
}

char *mips_trace_open(const struct mips_trace_options *options, struct mips_trace **out)
{
    struct mips_trace *trace = calloc(1, sizeof *trace);
    *out = trace;
    if (trace == NULL)
        return say_no_memory();
    trace->options = *options;
    trace->end_at = UINT64_MAX;
    trace->listener = (struct monitor_listener){.context = trace,
                                                .space = new_space,
                                                .stream = new_stream,
                                                .region = new_region,
                                                .references = references,
                                                .event = event,
                                                .mark = mark};
    if (options->start.kind == MOMENT_NONE)
        begin_part(trace, 0);
    char host[HOST_NAME_MAX + 1] = "";
    (void)gethostname(host, sizeof host - 1);
    const struct trace_facts facts = {.source = "mips",
                                      .command = options->command,
                                      .host = host,
                                      .page_bytes = PAGE_BYTES,
                                      .time_unit = TIME_REFERENCES,
                                      .refs_per_sample = 1};
    progress_start(&trace->progress, "recording", "references", 0);
    char *error = options->filter ? make_filter(trace) : NULL;
    if (error == NULL)
        error = trace_writer_create(options->path, &facts, options->replace, &trace->writer);
    if (error == NULL && options->filter)
        error = trace_writer_note(trace->writer, TRACE_NOTE_INPUT, TRACE_NOTE_MISSES);
    return error;
}

const struct monitor_listener *mips_trace_listener(const struct mips_trace *trace)
{
    return &trace->listener;
}

bool mips_trace_is_over(const struct mips_trace *trace)
{
    return trace->over;
}

bool mips_trace_is_stopped(const struct mips_trace *trace)
{
    return trace->stopped;
}

bool mips_trace_has_begun(const struct mips_trace *trace)
{
    return trace->recording;
}

struct trace_writer *mips_trace_writer(struct mips_trace *trace)
{
    return trace->writer;
}

uint64_t mips_trace_references(const struct mips_trace *trace)
{
    return trace->writer == NULL ? 0 : trace_writer_count(trace->writer);
}

char *mips_trace_close(struct mips_trace *trace, bool complete)
{
    progress_end(&trace->progress);
    char *error = trace->writer == NULL ? NULL : trace_writer_close(trace->writer, complete);
    mips_filter_free(trace->filter);
    free(trace->addr);
    free(trace->what);
    free(trace);
    return error;
}
