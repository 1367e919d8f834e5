/* Measures the block codec alone, on one core, beside what it could have been: bytes a reference,
 * and millions of references a second encoded and decoded.
 *
 *     valgrind --tool=lackey --trace-mem=yes PROGRAM 2>TRACE
 *     codec [--data-only] [--no-size] [--refs N] TRACE     (- for standard input)
 *
 * Every block is encoded and decoded three times by each way, the fastest counts, and what comes
 * back is compared with what went in.
 */
#include "collector/trace/codec.h"
#include "collector/trace/codec-address.h"

#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REPEATS   3
#define OUT_BYTES ((size_t)1 << 24)

struct options {
    bool data_only, no_size;
    uint64_t refs;
    const char *path;
};

struct bench {
    struct codec *codec;
    struct codec_work *work;
    ZSTD_CCtx *compress;
    ZSTD_DCtx *decompress;
    uint8_t *out;
    struct ref_block *block, *back;
    const uint8_t *bytes; /* of the last encoding */
    size_t size_bytes;
    struct section_in in; /* what of them is not yet decoded */
};

/* A way to store blocks: both return NULL or what is wrong. */
struct way {
    const char *name;
    const char *(*encode)(struct bench *bench);
    const char *(*decode)(struct bench *bench);
};

struct totals {
    uint64_t bytes, encode_ns, decode_ns;
};

static const char *encode_chosen(struct bench *bench)
{
    return codec_encode(bench->codec, bench->block, &bench->bytes, &bench->size_bytes);
}

static const char *decode_chosen(struct bench *bench)
{
    return codec_decode(bench->codec, CODEC_VERSION, bench->bytes, bench->size_bytes, bench->back);
}

static const char *encode_by(struct bench *bench, const struct address_codec *encoding)
{
    struct section_out out = {bench->out, bench->out, bench->out + OUT_BYTES, bench->compress};
    work_load(bench->work, bench->block);
    const char *wrong = encoding->put(&out, bench->work);
    bench->bytes = bench->out;
    bench->size_bytes = (size_t)(out.next - out.start);
    return wrong || bench->work->fits ? wrong : "a block does not fit the encoding";
}

static const char *decode_by(struct bench *bench, const struct address_codec *encoding)
{
    bench->in =
        (struct section_in){bench->bytes, bench->bytes + bench->size_bytes, bench->decompress};
    bench->back->refs = bench->work->refs = bench->block->refs;
    bench->work->addr = bench->back->addr;
    const char *wrong = encoding->get(&bench->in, bench->work);
    if (!wrong)
        work_store(bench->work, bench->back, true);
    return wrong;
}

#define BY(encoding)                                                                               \
    static const char *encode_##encoding(struct bench *bench)                                      \
    {                                                                                              \
        return encode_by(bench, &address_##encoding);                                              \
    }                                                                                              \
    static const char *decode_##encoding(struct bench *bench)                                      \
    {                                                                                              \
        return decode_by(bench, &address_##encoding);                                              \
    }
BY(delta)
BY(code)
BY(pattern)

/* No encoding at all: the columns as they are, under zstd. */
static const char *encode_plain(struct bench *bench)
{
    struct section_out out = {bench->out, bench->out, bench->out + OUT_BYTES, bench->compress};
    work_load(bench->work, bench->block);
    const char *wrong = whats_put(&out, bench->work);
    if (!wrong)
        wrong = section_put(&out, (const uint8_t *)bench->block->addr,
                            bench->block->refs * sizeof *bench->block->addr);
    bench->bytes = bench->out;
    bench->size_bytes = (size_t)(out.next - out.start);
    return wrong;
}

static const char *decode_plain(struct bench *bench)
{
    struct section_in in = {bench->bytes, bench->bytes + bench->size_bytes, bench->decompress};
    size_t size;
    bench->back->refs = bench->work->refs = bench->block->refs;
    const char *wrong = whats_get(&in, bench->work);
    if (!wrong)
        wrong = section_get(&in, (uint8_t *)bench->back->addr,
                            bench->block->refs * sizeof *bench->block->addr, &size);
    if (!wrong)
        work_store(bench->work, bench->back, true);
    return wrong;
}

static const struct way ways[] = {
    {"plain columns", encode_plain, decode_plain},
    {"delta", encode_delta, decode_delta},
    {"code", encode_code, decode_code},
    {"pattern", encode_pattern, decode_pattern},
    {"the codec", encode_chosen, decode_chosen},
};
#define WAYS (sizeof ways / sizeof *ways)

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static bool same(const struct ref_block *a, const struct ref_block *b)
{
    return a->refs == b->refs && memcmp(a->addr, b->addr, a->refs * sizeof *a->addr) == 0 &&
           memcmp(a->what, b->what, a->refs) == 0 &&
           (!b->column[COLUMN_SIZE] || memcmp(a->column[COLUMN_SIZE], b->column[COLUMN_SIZE],
                                              a->refs * sizeof(uint64_t)) == 0);
}

static const char *measure(struct bench *bench, const struct way *way, struct totals *totals)
{
    uint64_t encode_ns = UINT64_MAX, decode_ns = UINT64_MAX;
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        uint64_t start = now_ns();
        const char *wrong = way->encode(bench);
        uint64_t took = now_ns() - start;
        if (wrong)
            return wrong;
        encode_ns = took < encode_ns ? took : encode_ns;
        start = now_ns();
        wrong = way->decode(bench);
        took = now_ns() - start;
        if (wrong)
            return wrong;
        decode_ns = took < decode_ns ? took : decode_ns;
    }
    totals->bytes += bench->size_bytes;
    totals->encode_ns += encode_ns;
    totals->decode_ns += decode_ns;
    return same(bench->block, bench->back) ? NULL : "a block came back changed";
}

static const char *measure_all(struct bench *bench, struct totals *totals, uint64_t *refs)
{
    for (unsigned way = 0; way < WAYS; way++) {
        const char *wrong = measure(bench, &ways[way], &totals[way]);
        if (wrong)
            return wrong;
    }
    *refs += bench->block->refs;
    bench->block->refs = 0;
    return NULL;
}

/* "I  addr,size", " L addr,size", " S addr,size", " M addr,size"; nothing else is a reference. */
static bool parse(const char *line, char *kind, uint64_t *addr, uint64_t *size)
{
    *kind = line[line[0] == 'I' ? 0 : 1];
    if (line[0] == 'I' ? line[1] != ' ' : line[0] != ' ' || !strchr("LSM", line[1]))
        return false;
    char *end;
    *addr = strtoull(line + 3, &end, 16);
    if (*end != ',')
        return false;
    *size = strtoull(end + 1, NULL, 10);
    return true;
}

static void add(struct ref_block *block, enum ref_kind kind, uint64_t addr, uint64_t size)
{
    block->addr[block->refs] = addr;
    block->what[block->refs] = (uint8_t)kind;
    block->column[COLUMN_SIZE][block->refs++] = size;
}

static const char *measure_file(FILE *file, const struct options *options, struct bench *bench,
                                struct totals *totals, uint64_t *refs)
{
    char line[256];
    struct ref_block *const block = bench->block;
    block->columns = options->no_size ? 0 : COLUMN_BIT(COLUMN_SIZE);
    block->runs = 1;
    while (*refs < options->refs && fgets(line, sizeof line, file)) {
        char kind;
        uint64_t addr, size;
        if (!parse(line, &kind, &addr, &size) || (kind == 'I' && options->data_only))
            continue;
        if (kind == 'I')
            add(block, REF_FETCH, addr, size);
        if (kind == 'L' || kind == 'M')
            add(block, REF_LOAD, addr, size);
        if (kind == 'S' || kind == 'M')
            add(block, REF_STORE, addr, size);
        if (block->refs + 1 < TRACE_BLOCK_REFS)
            continue;
        const char *wrong = measure_all(bench, totals, refs);
        if (wrong)
            return wrong;
    }
    return block->refs > 0 ? measure_all(bench, totals, refs) : NULL;
}

static void print_table(const struct totals *totals, uint64_t refs)
{
    printf("%" PRIu64 " references     bytes each  encode M/s  decode M/s\n", refs);
    for (unsigned way = 0; way < WAYS; way++)
        printf("%-22s %10.4f %11.1f %11.1f\n", ways[way].name,
               (double)totals[way].bytes / (double)refs,
               (double)refs * 1e3 / (double)totals[way].encode_ns,
               (double)refs * 1e3 / (double)totals[way].decode_ns);
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct options *options = state->input;
    if (key == 'd')
        options->data_only = true;
    else if (key == 's')
        options->no_size = true;
    else if (key == 'n')
        options->refs = strtoull(argument, NULL, 10);
    else if (key == ARGP_KEY_ARG && !options->path)
        options->path = argument;
    else if (key == ARGP_KEY_END && !options->path)
        argp_usage(state);
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

static bool set_up(struct bench *bench, const struct options *options)
{
    bench->codec = codec_new();
    bench->work = codec_work_new();
    bench->compress = ZSTD_createCCtx();
    bench->decompress = ZSTD_createDCtx();
    bench->out = malloc(OUT_BYTES);
    bench->block = ref_block_new(COLUMN_BIT(COLUMN_SIZE));
    bench->back = ref_block_new(options->no_size ? 0 : COLUMN_BIT(COLUMN_SIZE));
    return bench->codec && bench->work && bench->compress && bench->decompress && bench->out &&
           bench->block && bench->back &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(bench->compress, ZSTD_c_compressionLevel, 1));
}

static void tear_down(struct bench *bench)
{
    ref_block_free(bench->block);
    ref_block_free(bench->back);
    free(bench->out);
    ZSTD_freeDCtx(bench->decompress);
    ZSTD_freeCCtx(bench->compress);
    codec_work_free(bench->work);
    codec_free(bench->codec);
}

int main(int argc, char **argv)
{
    static const struct argp_option table[] = {
        {"data-only", 'd', NULL, 0, "Leave the instruction fetches out", 0},
        {"no-size", 's', NULL, 0, "Leave the sizes out", 0},
        {"refs", 'n', "N", 0, "Stop after about N references", 0},
        {0},
    };
    const struct argp argp = {table,   parse_option,
                              "TRACE", "Measure the block codec on a lackey trace.",
                              NULL,    NULL,
                              NULL};
    struct options options = {.refs = UINT64_MAX};
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    FILE *file = strcmp(options.path, "-") == 0 ? stdin : fopen(options.path, "r");
    if (!file) {
        perror(options.path);
        return 1;
    }
    struct bench bench = {0};
    struct totals totals[WAYS] = {0};
    uint64_t refs = 0;
    const char *wrong = set_up(&bench, &options)
                            ? measure_file(file, &options, &bench, totals, &refs)
                            : "out of memory";
    if (wrong)
        fprintf(stderr, "codec: %s: after %" PRIu64 " references: %s\n", options.path, refs, wrong);
    else if (refs > 0)
        print_table(totals, refs);
    tear_down(&bench);
    if (file != stdin)
        fclose(file);
    return wrong ? 1 : 0;
}
