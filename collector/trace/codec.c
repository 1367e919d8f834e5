#include "collector/trace/codec.h"
#include "collector/trace/codec-address.h"
#include "collector/trace/codec-column.h"

#include <stdlib.h>
#include <string.h>

#define ZSTD_LEVEL 1
/* A block that takes no more is not tried any other way. */
#define GOOD_BYTES_PER_REF 1u
#define ALL_COLUMNS        (COLUMN_BIT(REF_COLUMNS) - 1u)
/* Columns that an event is stored as, its type apart: position, stream, arguments. */
#define EVENT_FIELDS (2u + EVENT_ARGS)
#define RUN_FIELDS   2u

struct codec {
    ZSTD_CCtx *compress;
    ZSTD_DCtx *decompress;
    uint8_t *out;
    size_t out_bytes;
    struct codec_work *work;
    uint64_t *words; /* a field of every run or event */
};

_Static_assert(TRACE_BLOCK_EVENTS <= TRACE_BLOCK_REFS, "scratch is sized by references");

struct codec *codec_new(void)
{
    struct codec *codec = calloc(1, sizeof *codec);
    if (!codec)
        return NULL;
    /* Room for the largest block and one more try at its references, so that nothing is allocated
     * later; pages that are never written are never there. */
    codec->out_bytes =
        (size_t)(REF_COLUMNS + RUN_FIELDS + EVENT_FIELDS) * column_bound(TRACE_BLOCK_REFS) +
        (size_t)2 * SCRATCHES * section_bound((size_t)TRACE_BLOCK_REFS * VARINT_BYTES_MAX);
    codec->out = malloc(codec->out_bytes);
    codec->compress = ZSTD_createCCtx();
    codec->decompress = ZSTD_createDCtx();
    codec->words = malloc(TRACE_BLOCK_REFS * sizeof *codec->words);
    codec->work = codec_work_new();
    const bool whole =
        codec->out && codec->compress && codec->decompress && codec->words && codec->work;
    if (!whole || ZSTD_isError(ZSTD_CCtx_setParameter(codec->compress, ZSTD_c_compressionLevel,
                                                      ZSTD_LEVEL))) {
        codec_free(codec);
        return NULL;
    }
    return codec;
}

void codec_free(struct codec *codec)
{
    if (!codec)
        return;
    codec_work_free(codec->work);
    free(codec->words);
    ZSTD_freeDCtx(codec->decompress);
    ZSTD_freeCCtx(codec->compress);
    free(codec->out);
    free(codec);
}

/* Runs begin at 0 and ascend; events ascend. What a decoder refuses, an encoder does not write. */
static const char *check_order(const struct ref_block *block)
{
    if ((block->runs == 0) != (block->refs == 0))
        return "the references and the runs of streams of the block do not match";
    for (uint32_t i = 0; i < block->runs; i++) {
        if (i == 0 ? block->run[0].first != 0 : block->run[i].first <= block->run[i - 1].first)
            return "the runs of streams of the block are out of order";
        if (block->run[i].first >= block->refs)
            return "a run of a stream begins past the end of the block";
    }
    for (uint32_t i = 0; i < block->events; i++) {
        const struct trace_event *event = &block->event[i];
        if (event->position > block->refs || (i > 0 && event->position < event[-1].position))
            return "the events of the block are out of order";
        if (event->type >= EVENT_TYPES)
            return "an event is of an unknown type";
    }
    return NULL;
}

static const char *check_counts(uint64_t refs, uint64_t runs, uint64_t events, uint64_t columns)
{
    if (refs > TRACE_BLOCK_REFS)
        return "the block has more references than a block may have";
    if (runs > refs)
        return "the block has more runs of streams than references";
    if (events > TRACE_BLOCK_EVENTS)
        return "the block has more events than a block may have";
    if (columns & ~(uint64_t)ALL_COLUMNS)
        return "the block has unknown columns";
    return NULL;
}

/* In steps of a word: this reads every reference of every block. */
static bool known_whats(const struct ref_block *block)
{
    const uint64_t unknown = 0x0101010101010101u * (uint8_t)~REF_WHAT_MASK;
    uint64_t any = 0, word;
    uint32_t i = 0;
    for (; i + sizeof word <= block->refs; i += sizeof word) {
        memcpy(&word, &block->what[i], sizeof word);
        any |= word;
    }
    for (; i < block->refs; i++)
        any |= block->what[i];
    return (any & unknown) == 0;
}

/* More than a quarter are fetches, judged by one reference in sixteen: it only chooses between
 * encodings that are all right. */
static bool mostly_code(const struct ref_block *block)
{
    uint32_t fetches = 0;
    for (uint32_t i = 0; i < block->refs; i += 16)
        fetches += ref_kind_of(block->what[i]) == REF_FETCH;
    return fetches > block->refs / 64u;
}

static const char *check_block(const struct ref_block *block)
{
    const char *wrong = check_counts(block->refs, block->runs, block->events, block->columns);
    if (wrong)
        return wrong;
    if (!known_whats(block))
        return "a reference is of an unknown kind";
    for (unsigned column = 0; column < REF_COLUMNS; column++)
        if ((block->columns & COLUMN_BIT(column)) && !block->column[column])
            return "the block has no values for a column that it says it has";
    return check_order(block);
}

static uint64_t *event_field(struct trace_event *event, unsigned field, uint64_t *narrow)
{
    if (field >= 2)
        return &event->args[field - 2];
    *narrow = field == 0 ? event->position : event->stream;
    return narrow;
}

static const char *put_runs(struct codec *codec, struct section_out *out,
                            const struct ref_block *block)
{
    for (uint32_t i = 0; i < block->runs; i++)
        codec->words[i] = block->run[i].first;
    const char *wrong = column_put(out, codec->words, block->runs, codec->work->scratch[0]);
    if (wrong)
        return wrong;
    for (uint32_t i = 0; i < block->runs; i++)
        codec->words[i] = block->run[i].stream;
    return column_put(out, codec->words, block->runs, codec->work->scratch[0]);
}

static const char *put_events(struct codec *codec, struct section_out *out,
                              const struct ref_block *block)
{
    if (block->events == 0)
        return NULL;
    for (uint32_t i = 0; i < block->events; i++)
        codec->work->scratch[0][i] = (uint8_t)block->event[i].type;
    const char *wrong = section_put(out, codec->work->scratch[0], block->events);
    for (unsigned field = 0; field < EVENT_FIELDS && !wrong; field++) {
        for (uint32_t i = 0; i < block->events; i++) {
            uint64_t narrow;
            codec->words[i] = *event_field(&block->event[i], field, &narrow);
        }
        wrong = column_put(out, codec->words, block->events, codec->work->scratch[0]);
    }
    return wrong;
}

/* Indexed by enum address_encoding: the number that is stored. */
static const struct address_codec *const address_codecs[ADDRESS_ENCODINGS] = {
    [ADDRESS_DELTA] = &address_delta,
    [ADDRESS_CODE] = &address_code,
    [ADDRESS_PATTERN] = &address_pattern,
};

/* The encodings that may suit are tried in turn, until one is good: so that easy traces are fast to
 * write. The smallest is kept. */
static const char *put_references(struct codec *codec, struct section_out *out,
                                  const struct ref_block *block)
{
    static const enum address_encoding order[] = {ADDRESS_CODE, ADDRESS_PATTERN, ADDRESS_DELTA};
    uint8_t *const best = out->next;
    size_t best_bytes = 0;
    for (unsigned i = mostly_code(block) ? 0 : 1; i < sizeof order / sizeof *order; i++) {
        uint8_t *const start = best + best_bytes;
        out->next = start;
        section_put_byte(out, (uint8_t)order[i]);
        const char *wrong = address_codecs[order[i]]->put(out, codec->work);
        if (wrong)
            return wrong;
        const size_t bytes = (size_t)(out->next - start);
        if (codec->work->fits && (best_bytes == 0 || bytes < best_bytes)) {
            memmove(best, start, bytes);
            best_bytes = bytes;
        }
        if (codec->work->fits && best_bytes <= (size_t)block->refs * GOOD_BYTES_PER_REF)
            break;
    }
    out->next = best + best_bytes;
    return NULL;
}

const char *codec_encode(struct codec *codec, const struct ref_block *block, const uint8_t **bytes,
                         size_t *size_bytes)
{
    const char *wrong = check_block(block);
    if (wrong)
        return wrong;
    struct section_out out = {codec->out, codec->out, codec->out + codec->out_bytes,
                              codec->compress};
    section_put_varint(&out, block->refs);
    section_put_varint(&out, block->runs);
    section_put_varint(&out, block->events);
    section_put_varint(&out, block->columns);
    const bool sized = work_load(codec->work, block);
    const uint32_t apart = sized ? block->columns & ~COLUMN_BIT(COLUMN_SIZE) : block->columns;
    section_put_byte(&out, sized);
    wrong = put_references(codec, &out, block);
    if (!wrong)
        wrong = put_runs(codec, &out, block);
    if (!wrong)
        wrong = put_events(codec, &out, block);
    for (unsigned column = 0; column < REF_COLUMNS && !wrong; column++)
        if (apart & COLUMN_BIT(column))
            wrong = column_put(&out, block->column[column], block->refs, codec->work->scratch[0]);
    if (wrong)
        return wrong;
    *bytes = out.start;
    *size_bytes = (size_t)(out.next - out.start);
    return NULL;
}

static const char *get_runs(struct codec *codec, struct section_in *in, struct ref_block *block)
{
    for (unsigned field = 0; field < RUN_FIELDS; field++) {
        const char *wrong = column_get(in, codec->words, block->runs, codec->work->scratch[0]);
        if (wrong)
            return wrong;
        for (uint32_t i = 0; i < block->runs; i++) {
            if (codec->words[i] > UINT32_MAX)
                return "a run of a stream is out of range";
            *(field == 0 ? &block->run[i].first : &block->run[i].stream) =
                (uint32_t)codec->words[i];
        }
    }
    return NULL;
}

static const char *get_events(struct codec *codec, struct section_in *in, struct ref_block *block)
{
    if (block->events == 0)
        return NULL;
    size_t types;
    const char *wrong = section_get(in, codec->work->scratch[0], block->events, &types);
    if (!wrong && types != block->events)
        wrong = "the block has another number of events than it says";
    if (wrong)
        return wrong;
    for (uint32_t i = 0; i < block->events; i++)
        block->event[i].type = codec->work->scratch[0][i];
    for (unsigned field = 0; field < EVENT_FIELDS; field++) {
        wrong = column_get(in, codec->words, block->events, codec->work->scratch[0]);
        if (wrong)
            return wrong;
        for (uint32_t i = 0; i < block->events; i++) {
            const uint64_t value = codec->words[i];
            if (field < 2 && value > UINT32_MAX)
                return "an event is out of range";
            if (field == 0)
                block->event[i].position = (uint32_t)value;
            else if (field == 1)
                block->event[i].stream = (uint32_t)value;
            else
                block->event[i].args[field - 2] = value;
        }
    }
    return NULL;
}

static const char *get_columns(struct codec *codec, struct section_in *in, struct ref_block *block,
                               uint32_t stored, uint32_t apart)
{
    block->columns = 0;
    for (unsigned column = 0; column < REF_COLUMNS; column++) {
        if (!(stored & COLUMN_BIT(column)))
            continue;
        uint64_t *const values = block->column[column];
        const char *wrong = NULL;
        if (apart & COLUMN_BIT(column))
            wrong = values ? column_get(in, values, block->refs, codec->work->scratch[0])
                           : column_skip(in);
        if (wrong)
            return wrong;
        if (values)
            block->columns |= COLUMN_BIT(column);
    }
    if ((block->columns & COLUMN_BIT(COLUMN_TIME)) && block->refs > 0) {
        block->first_time = block->column[COLUMN_TIME][0];
        block->last_time = block->column[COLUMN_TIME][block->refs - 1];
    }
    return NULL;
}

static const char *get_counts(struct section_in *in, struct ref_block *block, uint32_t *columns)
{
    uint64_t count[4];
    for (unsigned i = 0; i < 4; i++) {
        const char *wrong = section_get_varint(in, &count[i]);
        if (wrong)
            return wrong;
    }
    const char *wrong = check_counts(count[0], count[1], count[2], count[3]);
    if (wrong)
        return wrong;
    block->refs = (uint32_t)count[0];
    block->runs = (uint32_t)count[1];
    block->events = (uint32_t)count[2];
    *columns = (uint32_t)count[3];
    return NULL;
}

static const char *get_references(struct codec *codec, struct section_in *in,
                                  struct ref_block *block)
{
    struct codec_work *const work = codec->work;
    uint8_t encoding;
    const char *wrong = section_get_byte(in, &encoding);
    if (wrong)
        return wrong;
    if (encoding >= ADDRESS_ENCODINGS)
        return "the block's references have an unknown encoding";
    work->refs = block->refs;
    work->addr = block->addr;
    return address_codecs[encoding]->get(in, work);
}

/* Whether the sizes are with the references. */
static const char *get_sized(struct section_in *in, uint32_t columns, bool *sized)
{
    uint8_t byte;
    const char *wrong = section_get_byte(in, &byte);
    if (wrong)
        return wrong;
    *sized = byte == 1;
    return byte > 1 || (*sized && !(columns & COLUMN_BIT(COLUMN_SIZE)))
               ? "the block has sizes that it says it has not"
               : NULL;
}

const char *codec_decode(struct codec *codec, uint32_t version, const uint8_t *bytes,
                         size_t size_bytes, struct ref_block *block)
{
    if (version != CODEC_VERSION)
        return "the block is of a codec version that this program does not know";
    struct section_in in = {bytes, bytes + size_bytes, codec->decompress};
    uint32_t columns;
    bool sized;
    const char *wrong = get_counts(&in, block, &columns);
    if (!wrong)
        wrong = get_sized(&in, columns, &sized);
    if (!wrong)
        wrong = get_references(codec, &in, block);
    if (wrong)
        return wrong;
    work_store(codec->work, block, sized);
    wrong = get_runs(codec, &in, block);
    if (!wrong)
        wrong = get_events(codec, &in, block);
    if (!wrong)
        wrong = get_columns(codec, &in, block, columns,
                            sized ? columns & ~COLUMN_BIT(COLUMN_SIZE) : columns);
    if (!wrong && in.next != in.end)
        wrong = "the block is longer than what it holds";
    return wrong ? wrong : check_order(block);
}
