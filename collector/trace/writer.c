#include "collector/trace/writer.h"

#include "collector/trace/encoder.h"
#include "collector/trace/writer-file.h"

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

/* One block is open. When it is full it goes to the encoder, and into the file when the next is
 * full; a commit stores both, the open one as far as it has come, under the number that the full
 * one takes over. So what ends up in the file does not depend on the clock: the same input gives
 * the same blocks. */
struct trace_writer {
    struct writer_file *file;
    struct encoder *encoder;
    struct page_counts *counts;
    struct ref_block *block; /* open */
    struct ref_block *other; /* with the encoder, while `encoding` */
    bool encoding;
    uint32_t *space_of; /* [streams]: where each stream is as of the last counted reference */
    size_t space_of_room;
    uint32_t streams, spaces, regions;
    uint32_t columns;
    bool clock;            /* references have times */
    uint32_t counted_refs; /* of the open block, in totals and counts already */
    uint32_t counted_events;
    uint32_t stored_refs, stored_events; /* of the open block, in its row already */
    uint32_t until_clock;                /* references and events to the next look at the clock */
    uint64_t last_time;
    uint64_t last_commit_ns;
    struct trace_totals totals;
    char *failure; /* the first error, repeated to whoever goes on */
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
    return fail(writer, line(writer_file_path(writer->file), what));
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
    writer_file_close(writer->file);
    encoder_free(writer->encoder); /* first: it may still read a block */
    page_counts_free(writer->counts);
    ref_block_free(writer->block);
    ref_block_free(writer->other);
    free(writer->space_of);
    free(writer->failure);
    free(writer);
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
    writer->encoder = encoder_new();
    writer->counts = page_counts_new((unsigned)__builtin_ctz(facts->page_bytes));
    writer->block = ref_block_new(facts->columns);
    writer->other = ref_block_new(facts->columns);
    if (writer->encoder == NULL || writer->counts == NULL || writer->block == NULL ||
        writer->other == NULL) {
        writer_free(writer);
        return line(path, "out of memory");
    }
    error = writer_file_create(path, facts, replace, &writer->file);
    if (error != NULL) {
        writer_free(writer);
        return error;
    }
    writer->block->columns = writer->other->columns = facts->columns;
    writer->until_clock = CLOCK_EVERY;
    writer->last_commit_ns = now_ns();
    *out = writer;
    return NULL;
}

char *trace_writer_space(struct trace_writer *writer, const char *name, uint32_t *space)
{
    if (writer->failure != NULL)
        return strdup(writer->failure);
    *space = writer->spaces;
    char *error = writer_file_space(writer->file, writer->spaces, name);
    if (error == NULL)
        writer->spaces++;
    return fail(writer, error);
}

char *trace_writer_stream(struct trace_writer *writer, const struct trace_stream *facts,
                          uint32_t *stream)
{
    if (writer->failure != NULL)
        return strdup(writer->failure);
    *stream = writer->streams;
    if (facts->space >= writer->spaces)
        return refuse(writer, "a stream starts in an address space that was not announced");
    if (writer->streams == writer->space_of_room) {
        size_t room = writer->space_of_room * 2 + 64;
        uint32_t *larger = realloc(writer->space_of, room * sizeof *larger);
        if (larger == NULL)
            return refuse(writer, "out of memory");
        writer->space_of = larger;
        writer->space_of_room = room;
    }
    char *error = writer_file_stream(writer->file, writer->streams, facts);
    if (error == NULL)
        writer->space_of[writer->streams++] = facts->space;
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
    char *error = writer_file_region(writer->file, writer->regions, facts);
    if (error == NULL)
        writer->regions++;
    return fail(writer, error);
}

char *trace_writer_name_stream(struct trace_writer *writer, uint32_t stream, const char *name)
{
    if (writer->failure != NULL)
        return strdup(writer->failure);
    return fail(writer, writer_file_name_stream(writer->file, stream, name));
}

char *trace_writer_refs_per_sample(struct trace_writer *writer, uint64_t refs_per_sample)
{
    if (writer->failure != NULL)
        return strdup(writer->failure);
    if (refs_per_sample == 0)
        return refuse(writer, "a recorded reference must stand for at least one");
    return fail(writer, writer_file_refs_per_sample(writer->file, refs_per_sample));
}

char *trace_writer_note(struct trace_writer *writer, const char *key, const char *value)
{
    if (writer->failure != NULL)
        return strdup(writer->failure);
    return fail(writer, writer_file_note(writer->file, key, value));
}

/* Adds references [first, end) of one stream in one space to the sums. */
static void count_part(struct trace_writer *writer, uint32_t stream, uint32_t first, uint32_t end)
{
    const struct ref_block *block = writer->block;
    page_counts_add(writer->counts, writer->space_of[stream], stream, block->addr + first,
                    block->what + first, end - first);
}

/* Brings the sums up to the end of the open block: part by part, where a part ends with a run, or
 * where a stream changes its address space. */
static char *count(struct trace_writer *writer)
{
    const struct ref_block *block = writer->block;
    if (!page_counts_room(writer->counts)) {
        char *error = writer_file_counts(writer->file, writer->counts, &writer->totals);
        if (error != NULL)
            return error;
    }
    uint32_t at = writer->counted_refs;
    uint32_t event = writer->counted_events;
    for (uint32_t run = 0; run < block->runs; run++) {
        uint32_t run_end = run + 1 < block->runs ? block->run[run + 1].first : block->refs;
        while (at < run_end) {
            for (; event < block->events && block->event[event].position <= at; event++)
                if (block->event[event].type == EVENT_ASID)
                    writer->space_of[block->event[event].stream] =
                        (uint32_t)block->event[event].args[0];
            uint32_t end = run_end;
            if (event < block->events && block->event[event].position < end)
                end = block->event[event].position;
            count_part(writer, block->run[run].stream, at, end);
            at = end;
        }
    }
    for (; event < block->events; event++)
        if (block->event[event].type == EVENT_ASID)
            writer->space_of[block->event[event].stream] = (uint32_t)block->event[event].args[0];
    writer->totals.refs += block->refs - writer->counted_refs;
    writer->totals.events += block->events - writer->counted_events;
    writer->counted_refs = block->refs;
    writer->counted_events = block->events;
    return NULL;
}

/* Hands the open block to the encoder, as far as it has come, and counts it meanwhile. */
static char *begin_encoding(struct trace_writer *writer)
{
    struct ref_block *block = writer->block;
    block->first_time = writer->clock ? writer->last_time : block->first_ref;
    block->last_time =
        writer->clock || block->refs == 0 ? block->first_time : block->first_ref + block->refs - 1;
    encoder_begin(writer->encoder, block);
    writer->encoding = true;
    return count(writer); /* reads the block, as the encoder does */
}

/* Puts the block that the encoder has into the file. */
static char *finish_encoding(struct trace_writer *writer)
{
    if (!writer->encoding)
        return NULL;
    writer->encoding = false;
    struct block_row row;
    const char *why = encoder_finish(writer->encoder, &row);
    if (why != NULL)
        return line(writer_file_path(writer->file), why);
    writer->totals.blocks = row.number + 1;
    return writer_file_block(writer->file, &row);
}

/* Stores everything so far, the open block as far as it has come. */
static char *store(struct trace_writer *writer)
{
    char *error = finish_encoding(writer);
    const struct ref_block *block = writer->block;
    if (error != NULL ||
        (block->refs == writer->stored_refs && block->events == writer->stored_events))
        return error;
    writer->stored_refs = block->refs;
    writer->stored_events = block->events;
    error = begin_encoding(writer);
    return error != NULL ? error : finish_encoding(writer);
}

static char *commit(struct trace_writer *writer, bool complete)
{
    char *error = store(writer);
    if (error == NULL)
        error = writer_file_counts(writer->file, writer->counts, &writer->totals);
    if (error == NULL)
        error = writer_file_commit(writer->file, &writer->totals, complete);
    writer->last_commit_ns = now_ns();
    return error;
}

char *trace_writer_commit(struct trace_writer *writer)
{
    if (writer->failure != NULL)
        return strdup(writer->failure);
    return fail(writer, commit(writer, false));
}

/* Looks at the clock, and commits once a second. */
static char *tick(struct trace_writer *writer)
{
    writer->until_clock = CLOCK_EVERY;
    if (now_ns() - writer->last_commit_ns < COMMIT_EVERY_NS)
        return NULL;
    return commit(writer, false);
}

/* The full block goes to the encoder, the one before it into the file, and the next is opened. */
static char *next_block(struct trace_writer *writer)
{
    char *error = finish_encoding(writer);
    if (error == NULL)
        error = begin_encoding(writer);
    if (error != NULL)
        return error;
    struct ref_block *full = writer->block;
    struct ref_block *open = writer->other;
    writer->block = open;
    writer->other = full;
    open->number = full->number + 1;
    open->first_ref = full->first_ref + full->refs;
    open->refs = open->runs = open->events = 0;
    writer->counted_refs = writer->counted_events = 0;
    writer->stored_refs = writer->stored_events = 0;
    return tick(writer);
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
