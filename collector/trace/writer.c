#include "collector/trace/writer.h"

#include "collector/trace/pipeline.h"
#include "collector/trace/writer-file.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECOND_NS UINT64_C(1000000000)
/* How long a recording may lie in memory only. */
#define COMMIT_EVERY_NS SECOND_NS
/* References and events between two looks at the clock. */
#define CLOCK_EVERY 1024u

#define PAGE_BYTES_LEAST 512u
#define PAGE_BYTES_MOST  (1u << 30)

/* What goes into the file: under `lock`, by the thread that takes blocks from the pipeline and by the
 * one that records. */
struct filing {
    pthread_mutex_t lock;
    struct writer_file *file;
    struct page_counts *counts;
    uint32_t *space_of; /* [streams]: where each stream is as of the last counted reference */
    size_t space_of_room;
    uint64_t counted_block; /* of it, so much is in totals and counts already: */
    uint32_t counted_refs, counted_events;
    uint64_t last_commit_ns;
    struct trace_totals totals;
};

/* Full blocks go through the pipeline into the file, where their thread also commits. A commit that is
 * asked for, or that no full block has led to for a second, stores the open block too, as far as it
 * has come, under the number that the full one takes over. So what ends up in the file does not
 * depend on the clock: the same input gives the same blocks. */
struct trace_writer {
    struct filing filing;
    struct pipeline *pipeline;
    struct ref_block *block; /* open */
    uint32_t streams, spaces, regions;
    uint32_t columns;
    bool clock;                          /* references have times */
    uint32_t stored_refs, stored_events; /* of the open block, in its row already */
    uint32_t until_clock;                /* references and events to the next look at the clock */
    uint64_t last_time;
    uint64_t last_full_ns; /* when the last full block was handed on, or all was committed */
    char *failure;         /* the first error, repeated to whoever goes on */
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

static char *line(const char *path, const char *what)
{
    char *text = NULL;
    if (asprintf(&text, "%s: %s", path, what) < 0)
        return NULL;
    return text;
}

/* Keeps the first error and passes it on. */
static char *fail(struct trace_writer *writer, char *error)
{
    if (error != NULL && writer->failure == NULL)
        writer->failure = strdup(error);
    return error;
}

static char *refuse(struct trace_writer *writer, const char *what)
{
    return fail(writer, line(writer_file_path(writer->filing.file), what));
}

static char *wrong_facts(const char *path, const struct trace_facts *facts)
{
    uint32_t page = facts->page_bytes;
    if (page < PAGE_BYTES_LEAST || page > PAGE_BYTES_MOST || (page & (page - 1)) != 0)
        return line(path, "the page size must be a power of two from 512 bytes to 1 GiB");
    if (facts->columns >> REF_COLUMNS != 0)
        return line(path, "the trace asks for a column that does not exist");
    bool clock = (facts->columns & COLUMN_BIT(COLUMN_TIME)) != 0;
    if (clock != (facts->time_unit == TIME_NS))
        return line(path, "a trace has a time column exactly when it has a clock");
    if (facts->refs_per_sample == 0)
        return line(path, "a recorded reference must stand for at least one");
    return NULL;
}

static void writer_free(struct trace_writer *writer)
{
    pipeline_free(writer->pipeline); /* first: its threads may still be at work */
    writer_file_close(writer->filing.file);
    page_counts_free(writer->filing.counts);
    pthread_mutex_destroy(&writer->filing.lock);
    free(writer->filing.space_of);
    free(writer->failure);
    free(writer);
}

/* Adds references [first, end) of one stream in one space to the sums. */
static void count_part(struct filing *filing, const struct ref_block *block, uint32_t stream,
                       uint32_t first, uint32_t end)
{
    page_counts_add(filing->counts, filing->space_of[stream], stream, block->addr + first,
                    block->what + first, end - first);
}

static void move_stream(struct filing *filing, const struct trace_event *event)
{
    if (event->type == EVENT_ASID)
        filing->space_of[event->stream] = (uint32_t)event->args[0];
}

/* Brings the sums up to the end of the block: part by part, where a part ends with a run, or
 * where a stream changes its address space. */
static char *count(struct filing *filing, const struct ref_block *block)
{
    if (!page_counts_room(filing->counts)) {
        char *error = writer_file_counts(filing->file, filing->counts, &filing->totals);
        if (error != NULL)
            return error;
    }
    if (block->number != filing->counted_block) {
        filing->counted_block = block->number;
        filing->counted_refs = filing->counted_events = 0;
    }
    uint32_t at = filing->counted_refs;
    uint32_t event = filing->counted_events;
    for (uint32_t run = 0; run < block->runs; run++) {
        uint32_t run_end = run + 1 < block->runs ? block->run[run + 1].first : block->refs;
        while (at < run_end) {
            for (; event < block->events && block->event[event].position <= at; event++)
                move_stream(filing, &block->event[event]);
            uint32_t end = run_end;
            if (event < block->events && block->event[event].position < end)
                end = block->event[event].position;
            count_part(filing, block, block->run[run].stream, at, end);
            at = end;
        }
    }
    for (; event < block->events; event++)
        move_stream(filing, &block->event[event]);
    filing->totals.refs += block->refs - filing->counted_refs;
    filing->totals.events += block->events - filing->counted_events;
    filing->counted_refs = block->refs;
    filing->counted_events = block->events;
    return NULL;
}

static char *commit_file(struct filing *filing, bool complete)
{
    char *error = writer_file_counts(filing->file, filing->counts, &filing->totals);
    if (error == NULL)
        error = writer_file_commit(filing->file, &filing->totals, complete);
    filing->last_commit_ns = now_ns();
    return error;
}

/* From the pipeline: counts a block, puts it into the file, and commits once a second. */
static char *take_block(void *context, const struct ref_block *block, const struct block_row *row)
{
    struct filing *filing = context;
    pthread_mutex_lock(&filing->lock);
    char *error = count(filing, block);
    filing->totals.blocks = row->number + 1;
    if (error == NULL)
        error = writer_file_block(filing->file, row);
    if (error == NULL && now_ns() - filing->last_commit_ns >= COMMIT_EVERY_NS)
        error = commit_file(filing, false);
    pthread_mutex_unlock(&filing->lock);
    return error;
}

char *trace_writer_create(const char *path, const struct trace_facts *facts, bool replace,
                          struct trace_writer **out)
{
    *out = NULL;
    char *error = wrong_facts(path, facts);
    if (error != NULL)
        return error;
    struct trace_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return line(path, "out of memory");
    writer->columns = facts->columns;
    writer->clock = facts->time_unit == TIME_NS;
    struct filing *filing = &writer->filing;
    pthread_mutex_init(&filing->lock, NULL);
    filing->counts = page_counts_new((unsigned)__builtin_ctz(facts->page_bytes));
    writer->pipeline = pipeline_new(facts->columns, take_block, filing);
    if (filing->counts == NULL || writer->pipeline == NULL) {
        writer_free(writer);
        return line(path, "out of memory");
    }
    error = writer_file_create(path, facts, replace, &filing->file);
    if (error != NULL) {
        writer_free(writer);
        return error;
    }
    writer->block = pipeline_block(writer->pipeline);
    writer->until_clock = CLOCK_EVERY;
    writer->last_full_ns = filing->last_commit_ns = now_ns();
    *out = writer;
    return NULL;
}

char *trace_writer_space(struct trace_writer *writer, const char *name, uint32_t *space)
{
    if (writer->failure != NULL)
        return strdup(writer->failure);
    *space = writer->spaces;
    pthread_mutex_lock(&writer->filing.lock);
    char *error = writer_file_space(writer->filing.file, writer->spaces, name);
    pthread_mutex_unlock(&writer->filing.lock);
    if (error == NULL)
        writer->spaces++;
    return fail(writer, error);
}

static char *file_stream(struct filing *filing, uint32_t stream, const struct trace_stream *facts)
{
    if (stream == filing->space_of_room) {
        size_t room = filing->space_of_room * 2 + 64;
        uint32_t *larger = realloc(filing->space_of, room * sizeof *larger);
        if (larger == NULL)
            return line(writer_file_path(filing->file), "out of memory");
        filing->space_of = larger;
        filing->space_of_room = room;
    }
    filing->space_of[stream] = facts->space;
    return writer_file_stream(filing->file, stream, facts);
}

char *trace_writer_stream(struct trace_writer *writer, const struct trace_stream *facts,
                          uint32_t *stream)
{
    if (writer->failure != NULL)
        return strdup(writer->failure);
    *stream = writer->streams;
    if (facts->space >= writer->spaces)
        return refuse(writer, "a stream starts in an address space that was not announced");
    pthread_mutex_lock(&writer->filing.lock);
    char *error = file_stream(&writer->filing, writer->streams, facts);
    pthread_mutex_unlock(&writer->filing.lock);
    if (error == NULL)
        writer->streams++;
    return fail(writer, error);
}

char *trace_writer_region(struct trace_writer *writer, const struct trace_region *facts,
                          uint32_t *region)
{
    if (writer->failure != NULL)
        return strdup(writer->failure);
    *region = writer->regions;
    if (facts->space >= writer->spaces)
        return refuse(writer, "a region lies in an address space that was not announced");
    pthread_mutex_lock(&writer->filing.lock);
    char *error = writer_file_region(writer->filing.file, writer->regions, facts);
    pthread_mutex_unlock(&writer->filing.lock);
    if (error == NULL)
        writer->regions++;
    return fail(writer, error);
}

char *trace_writer_name_stream(struct trace_writer *writer, uint32_t stream, const char *name)
{
    if (writer->failure != NULL)
        return strdup(writer->failure);
    pthread_mutex_lock(&writer->filing.lock);
    char *error = writer_file_name_stream(writer->filing.file, stream, name);
    pthread_mutex_unlock(&writer->filing.lock);
    return fail(writer, error);
}

char *trace_writer_refs_per_sample(struct trace_writer *writer, uint64_t refs_per_sample)
{
    if (writer->failure != NULL)
        return strdup(writer->failure);
    if (refs_per_sample == 0)
        return refuse(writer, "a recorded reference must stand for at least one");
    pthread_mutex_lock(&writer->filing.lock);
    char *error = writer_file_refs_per_sample(writer->filing.file, refs_per_sample);
    pthread_mutex_unlock(&writer->filing.lock);
    return fail(writer, error);
}

char *trace_writer_note(struct trace_writer *writer, const char *key, const char *value)
{
    if (writer->failure != NULL)
        return strdup(writer->failure);
    pthread_mutex_lock(&writer->filing.lock);
    char *error = writer_file_note(writer->filing.file, key, value);
    pthread_mutex_unlock(&writer->filing.lock);
    return fail(writer, error);
}

/* What the open block's row says of times. */
static void date_block(struct trace_writer *writer)
{
    struct ref_block *block = writer->block;
    block->first_time = writer->clock ? writer->last_time : block->first_ref;
    block->last_time =
        writer->clock || block->refs == 0 ? block->first_time : block->first_ref + block->refs - 1;
}

/* Stores everything so far, the open block as far as it has come. */
static char *store(struct trace_writer *writer)
{
    const struct ref_block *block = writer->block;
    if (block->refs == writer->stored_refs && block->events == writer->stored_events)
        return pipeline_wait(writer->pipeline);
    writer->stored_refs = block->refs;
    writer->stored_events = block->events;
    date_block(writer);
    return pipeline_flush(writer->pipeline);
}

static char *commit(struct trace_writer *writer, bool complete)
{
    char *error = store(writer);
    if (error != NULL)
        return error;
    pthread_mutex_lock(&writer->filing.lock);
    error = commit_file(&writer->filing, complete);
    pthread_mutex_unlock(&writer->filing.lock);
    writer->last_full_ns = now_ns();
    return error;
}

char *trace_writer_commit(struct trace_writer *writer)
{
    if (writer->failure != NULL)
        return strdup(writer->failure);
    return fail(writer, commit(writer, false));
}

/* Looks at the clock: commits where no full block has come for a second. */
static char *tick(struct trace_writer *writer)
{
    writer->until_clock = CLOCK_EVERY;
    if (now_ns() - writer->last_full_ns < COMMIT_EVERY_NS)
        return NULL;
    return commit(writer, false);
}

/* The full block goes into the pipeline, and the next is opened. */
static char *next_block(struct trace_writer *writer)
{
    date_block(writer);
    char *error = pipeline_next(writer->pipeline);
    writer->block = pipeline_block(writer->pipeline);
    writer->stored_refs = writer->stored_events = 0;
    writer->until_clock = CLOCK_EVERY;
    writer->last_full_ns = now_ns();
    return error;
}

static inline void extend_run(struct ref_block *block, uint32_t stream)
{
    if (block->runs == 0 || block->run[block->runs - 1].stream != stream)
        block->run[block->runs++] = (struct stream_run){.first = block->refs, .stream = stream};
}

char *trace_writer_ref(struct trace_writer *writer, const struct ref *ref)
{
    if (writer->failure != NULL)
        return strdup(writer->failure);
    if (ref->stream >= writer->streams)
        return refuse(writer, "a reference belongs to a stream that was not announced");
    if (ref->what > REF_WHAT_MASK)
        return refuse(writer, "a reference is of a kind that does not exist");
    if (writer->clock) {
        if (ref->column[COLUMN_TIME] < writer->last_time || ref->column[COLUMN_TIME] > INT64_MAX)
            return refuse(writer, "the time of a reference is before that of the one before it");
        writer->last_time = ref->column[COLUMN_TIME];
    }
    struct ref_block *block = writer->block;
    extend_run(block, ref->stream);
    block->addr[block->refs] = ref->addr;
    block->what[block->refs] = ref->what;
    for (uint32_t left = writer->columns; left != 0; left &= left - 1) {
        int column = __builtin_ctz(left);
        block->column[column][block->refs] = ref->column[column];
    }
    if (++block->refs == TRACE_BLOCK_REFS)
        return fail(writer, next_block(writer));
    if (--writer->until_clock == 0)
        return fail(writer, tick(writer));
    return NULL;
}

char *trace_writer_event(struct trace_writer *writer, const struct trace_event *event)
{
    if (writer->failure != NULL)
        return strdup(writer->failure);
    bool of_stream = event->stream != UINT32_MAX;
    if (event->type >= EVENT_TYPES)
        return refuse(writer, "an event is of a type that does not exist");
    if (of_stream && event->stream >= writer->streams)
        return refuse(writer, "an event belongs to a stream that was not announced");
    if (event->type == EVENT_ASID && (!of_stream || event->args[0] >= writer->spaces))
        return refuse(writer, "a stream changes to an address space that was not announced");
    struct ref_block *block = writer->block;
    struct trace_event *place = block->event + block->events;
    *place = *event;
    place->position = block->refs;
    if (++block->events == TRACE_BLOCK_EVENTS)
        return fail(writer, next_block(writer));
    if (--writer->until_clock == 0)
        return fail(writer, tick(writer));
    return NULL;
}

/* Times of a piece: none before the last one so far, none beyond what SQLite holds. */
static bool times_rise(struct trace_writer *writer, const uint64_t *time, size_t refs)
{
    uint64_t last = writer->last_time;
    for (size_t i = 0; i < refs; i++) {
        if (time[i] < last)
            return false;
        last = time[i];
    }
    writer->last_time = last;
    return last <= INT64_MAX;
}

/* Fills the columns of `part` references behind those of the open block. */
static bool fill_columns(struct trace_writer *writer, const struct ref *like,
                         const uint64_t *const column[REF_COLUMNS], size_t from, size_t part)
{
    struct ref_block *block = writer->block;
    for (uint32_t left = writer->columns; left != 0; left &= left - 1) {
        int c = __builtin_ctz(left);
        uint64_t *to = block->column[c] + block->refs;
        if (column != NULL && column[c] != NULL)
            memcpy(to, column[c] + from, part * sizeof *to);
        else
            for (size_t i = 0; i < part; i++)
                to[i] = like->column[c];
    }
    return !writer->clock || times_rise(writer, block->column[COLUMN_TIME] + block->refs, part);
}

char *trace_writer_refs_like(struct trace_writer *writer, const struct ref *like,
                             const uint64_t *addr, const uint8_t *what,
                             const uint64_t *const column[REF_COLUMNS], size_t refs)
{
    if (writer->failure != NULL)
        return strdup(writer->failure);
    if (like->stream >= writer->streams)
        return refuse(writer, "a reference belongs to a stream that was not announced");
    for (size_t from = 0; from < refs;) {
        struct ref_block *block = writer->block;
        size_t room = TRACE_BLOCK_REFS - block->refs;
        size_t part = refs - from < room ? refs - from : room;
        uint8_t seen = 0;
        for (size_t i = 0; i < part; i++)
            seen |= what[from + i];
        if (seen > REF_WHAT_MASK)
            return refuse(writer, "a reference is of a kind that does not exist");
        if (!fill_columns(writer, like, column, from, part))
            return refuse(writer, "the time of a reference is before that of the one before it");
        extend_run(block, like->stream);
        memcpy(block->addr + block->refs, addr + from, part * sizeof *addr);
        memcpy(block->what + block->refs, what + from, part);
        block->refs += (uint32_t)part;
        from += part;
        char *error = NULL;
        if (block->refs == TRACE_BLOCK_REFS)
            error = next_block(writer);
        else if (writer->until_clock <= part)
            error = tick(writer);
        else
            writer->until_clock -= (uint32_t)part;
        if (error != NULL)
            return fail(writer, error);
    }
    return NULL;
}

/* `columns` are what the caller has. */
static char *add_refs(struct trace_writer *writer, uint32_t columns, uint32_t stream,
                      const uint64_t *addr, const uint8_t *what,
                      const uint64_t *const column[REF_COLUMNS], size_t refs)
{
    const struct ref like = {.stream = stream};
    if (writer->failure == NULL && writer->columns != columns)
        return refuse(writer, "references came with other columns than the trace has");
    return trace_writer_refs_like(writer, &like, addr, what, column, refs);
}

char *trace_writer_refs(struct trace_writer *writer, uint32_t stream, const uint64_t *addr,
                        const uint8_t *what, size_t refs)
{
    return add_refs(writer, 0, stream, addr, what, NULL, refs);
}

char *trace_writer_refs_sized(struct trace_writer *writer, uint32_t stream, const uint64_t *addr,
                              const uint8_t *what, const uint64_t *size_bytes, size_t refs)
{
    const uint64_t *const column[REF_COLUMNS] = {[COLUMN_SIZE] = size_bytes};
    return refs == 0 ? NULL
                     : add_refs(writer, COLUMN_BIT(COLUMN_SIZE), stream, addr, what, column, refs);
}

uint64_t trace_writer_count(const struct trace_writer *writer)
{
    return writer->block->first_ref + writer->block->refs;
}

char *trace_writer_close(struct trace_writer *writer, bool complete)
{
    char *error = NULL;
    if (writer->failure == NULL) /* who failed has said so */
        error = commit(writer, complete);
    writer_free(writer);
    return error;
}
