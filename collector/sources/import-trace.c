#include "collector/sources/import-trace.h"

#include "collector/sources/import-sort.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* More streams or spaces than this are a column read as what it is not. */
#define STREAMS_MOST (1u << 20)

/* A stream, or an address space, that has been seen. */
struct seen {
    uint64_t space, stream; /* as the format tells them apart */
    uint32_t id;            /* as the trace does */
    bool taken;             /* false: a free slot */
    int32_t cpu;
    char name[IMPORT_NAME_BYTES];
};

/* Open addressing; at most half full. */
struct seen_table {
    struct seen *slot;
    size_t slots, used;
};

struct import_trace {
    struct import_sink sink; /* first: the sink's functions get it from its address */
    struct import_trace_options options;
    struct trace_writer *writer; /* NULL: not begun */
    struct import_sort *sort;
    struct seen_table streams, spaces;
    struct seen *last; /* stream of the last reference */
    uint64_t start_ns; /* time of the first reference in the file's clock */
    bool started, clocked, weighted;
    uint64_t weight; /* of all references so far; 0: they differ */
};

static struct import_trace *trace_of(struct import_sink *sink)
{
    return (struct import_trace *)sink;
}

static struct seen *slot_of(const struct seen_table *table, uint64_t space, uint64_t stream)
{
    /* multiplicative hashing: Knuth, The Art of Computer Programming 3, 6.4; 2^64 / golden ratio */
    uint64_t hash = (space * UINT64_C(0x9e3779b97f4a7c15) ^ stream) * UINT64_C(0x9e3779b97f4a7c15);
    size_t at = (size_t)(hash >> 32) & (table->slots - 1);
    while (table->slot[at].taken &&
           (table->slot[at].space != space || table->slot[at].stream != stream)) {
        at = (at + 1) & (table->slots - 1);
    }
    return &table->slot[at];
}

static bool grow(struct seen_table *table)
{
    struct seen_table larger = {.slots = table->slots == 0 ? 64 : table->slots * 2,
                                .used = table->used};
    larger.slot = calloc(larger.slots, sizeof *larger.slot);
    if (larger.slot == NULL) {
        return false;
    }
    for (size_t i = 0; i < table->slots; i++) {
        if (table->slot[i].taken) {
            *slot_of(&larger, table->slot[i].space, table->slot[i].stream) = table->slot[i];
        }
    }
    free(table->slot);
    *table = larger;
    return true;
}

/* The slot of (space, stream): taken, or free for the caller to fill. NULL and *error when there is
 * no room. */
static struct seen *find(struct import_trace *trace, struct seen_table *table, uint64_t space,
                         uint64_t stream, char **error)
{
    if (table->used * 2 >= table->slots) {
        trace->last = NULL;
        if (table->used >= STREAMS_MOST) {
            *error = import_error("%s: more than %u streams or address spaces; is the right column "
                                  "named tid, pid, stream or space?",
                                  trace->options.file, STREAMS_MOST);
            return NULL;
        }
        if (!grow(table)) {
            *error = import_error("%s: out of memory", trace->options.path);
            return NULL;
        }
    }
    return slot_of(table, space, stream);
}

static char *find_space(struct import_trace *trace, const struct import_ref *ref, uint32_t *id)
{
    char *error = NULL;
    struct seen *space = find(trace, &trace->spaces, ref->space, 0, &error);
    if (space == NULL) {
        return error;
    }
    if (space->taken) {
        *id = space->id;
        return NULL;
    }
    char name[64] = "";
    if (ref->pid != 0) {
        snprintf(name, sizeof name, "%s%sprocess %" PRIu64, ref->name,
                 ref->name[0] != '\0' ? ", " : "", ref->pid);
    } else if (ref->space != 0) {
        snprintf(name, sizeof name, "space %" PRIu64, ref->space);
    }
    error = trace_writer_space(trace->writer, name[0] != '\0' ? name : NULL, id);
    if (error == NULL) {
        *space = (struct seen){.space = ref->space, .id = *id, .taken = true};
        trace->spaces.used++;
    }
    return error;
}

static char *new_stream(struct import_trace *trace, const struct import_ref *ref,
                        struct seen *stream)
{
    struct trace_stream facts = {.pid = ref->pid,
                                 .tid = ref->tid,
                                 .cpu = ref->cpu,
                                 .node = ref->node,
                                 .name = ref->name[0] != '\0' ? ref->name : NULL};
    uint32_t id = 0;
    char *error = find_space(trace, ref, &facts.space);
    if (error == NULL) {
        error = trace_writer_stream(trace->writer, &facts, &id);
    }
    if (error == NULL) {
        *stream = (struct seen){
            .space = ref->space, .stream = ref->stream, .id = id, .taken = true, .cpu = ref->cpu};
        memcpy(stream->name, ref->name, sizeof stream->name);
        trace->streams.used++;
    }
    return error;
}

/* What has become known of a stream since its last reference: another name, another CPU. */
static char *update_stream(struct import_trace *trace, const struct import_ref *ref,
                           struct seen *stream)
{
    char *error = NULL;
    if (ref->name[0] != '\0' && memcmp(stream->name, ref->name, sizeof stream->name) != 0) {
        memcpy(stream->name, ref->name, sizeof stream->name);
        error = trace_writer_name_stream(trace->writer, stream->id, stream->name);
    }
    if (error == NULL && ref->cpu >= 0 && stream->cpu != ref->cpu) {
        struct trace_event dispatch = {.stream = stream->id,
                                       .type = EVENT_DISPATCH,
                                       .args = {(uint64_t)ref->cpu,
                                                ref->node >= 0 ? (uint64_t)ref->node : UINT64_MAX}};
        stream->cpu = ref->cpu;
        error = trace_writer_event(trace->writer, &dispatch);
    }
    return error;
}

static char *find_stream(struct import_trace *trace, const struct import_ref *ref, uint32_t *id)
{
    char *error = NULL;
    struct seen *stream = trace->last;
    if (stream == NULL || stream->space != ref->space || stream->stream != ref->stream) {
        stream = find(trace, &trace->streams, ref->space, ref->stream, &error);
        if (stream == NULL) {
            return error;
        }
    }
    error = stream->taken ? update_stream(trace, ref, stream) : new_stream(trace, ref, stream);
    *id = stream->id;
    trace->last = error == NULL ? stream : NULL;
    return error;
}

/* What the first reference tells of the trace. */
static char *start(struct import_trace *trace, const struct import_ref *first)
{
    char digits[24];
    trace->started = true;
    trace->weight = first->column[COLUMN_WEIGHT];
    if (!trace->clocked) {
        return NULL;
    }
    trace->start_ns = first->column[COLUMN_TIME];
    snprintf(digits, sizeof digits, "%" PRIu64, trace->start_ns);
    return trace_writer_note(trace->writer, "source_clock_ns_at_time_0", digits);
}

/* The next reference, in the order of the trace. */
static char *place(void *context, const struct import_ref *found)
{
    struct import_trace *trace = context;
    struct ref ref = {.addr = found->addr, .what = found->what};
    memcpy(ref.column, found->column, sizeof ref.column);
    char *error = trace->started ? NULL : start(trace, found);
    ref.column[COLUMN_TIME] -= trace->start_ns;
    if (found->column[COLUMN_WEIGHT] != trace->weight) {
        trace->weight = 0;
    }
    if (error == NULL) {
        error = find_stream(trace, found, &ref.stream);
    }
    return error != NULL ? error : trace_writer_ref(trace->writer, &ref);
}

static char *begin(struct import_sink *sink, const struct trace_facts *found)
{
    struct import_trace *trace = trace_of(sink);
    struct trace_facts facts = *found;
    facts.command = trace->options.command != NULL ? trace->options.command
                    : found->command != NULL       ? found->command
                                                   : trace->options.file;
    facts.page_bytes = trace->options.page_bytes;
    facts.refs_per_sample =
        trace->options.refs_per_sample != 0 ? trace->options.refs_per_sample : 1;
    facts.sampled = found->sampled || facts.refs_per_sample > 1;
    trace->clocked = facts.time_unit == TIME_NS;
    trace->weighted = (facts.columns & COLUMN_BIT(COLUMN_WEIGHT)) != 0;
    if (trace->clocked && trace->options.sort) {
        char *error = import_sort_new(&trace->sort);
        if (error != NULL) {
            return error;
        }
    }
    return trace_writer_create(trace->options.path, &facts, trace->options.replace, &trace->writer);
}

static char *take_ref(struct import_sink *sink, const struct import_ref *ref)
{
    struct import_trace *trace = trace_of(sink);
    return trace->sort != NULL ? import_sort_add(trace->sort, ref) : place(trace, ref);
}

static char *take_refs(struct import_sink *sink, const struct import_ref *like,
                       const uint64_t *addr, const uint8_t *what,
                       const uint64_t *const column[REF_COLUMNS], size_t refs)
{
    struct import_trace *trace = trace_of(sink);
    struct ref all = {0};
    char *error = trace->started ? NULL : start(trace, like);
    if (error == NULL) {
        error = find_stream(trace, like, &all.stream);
    }
    if (error != NULL) {
        return error;
    }
    memcpy(all.column, like->column, sizeof all.column);
    all.column[COLUMN_TIME] -= trace->start_ns;
    return trace_writer_refs_like(trace->writer, &all, addr, what, column, refs);
}

static char *take_note(struct import_sink *sink, const char *key, const char *value)
{
    struct import_trace *trace = trace_of(sink);
    return trace->writer != NULL ? trace_writer_note(trace->writer, key, value) : NULL;
}

char *import_trace_open(const struct import_trace_options *options, struct import_trace **out)
{
    struct import_trace *trace = calloc(1, sizeof *trace);
    if (trace == NULL) {
        return import_error("%s: out of memory", options->path);
    }
    trace->options = *options;
    trace->sink = (struct import_sink){begin, take_ref, take_refs, take_note};
    *out = trace;
    return NULL;
}

struct import_sink *import_trace_sink(struct import_trace *trace)
{
    return &trace->sink;
}

char *import_trace_close(struct import_trace *trace, bool complete)
{
    char *error = NULL;
    if (trace->writer != NULL) {
        if (trace->sort != NULL) {
            error = import_sort_drain(trace->sort, place, trace);
        }
        if (error == NULL && trace->weighted && trace->weight != 0 &&
            trace->options.refs_per_sample == 0) {
            error = trace_writer_refs_per_sample(trace->writer, trace->weight);
        }
        char *another = trace_writer_close(trace->writer, complete && error == NULL);
        if (error == NULL) {
            error = another;
        } else {
            free(another);
        }
    }
    import_sort_free(trace->sort);
    free(trace->streams.slot);
    free(trace->spaces.slot);
    free(trace);
    return error;
}
