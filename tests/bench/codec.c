/* Measures the block codec alone: bytes a reference, encode and decode rates on one core.
 *
 *     valgrind --tool=lackey --trace-mem=yes PROGRAM 2>TRACE
 *     codec [--data-only] [--no-size] [--refs N] TRACE     (- for standard input)
 *
 * Every block is encoded and decoded three times, the fastest counts, and what comes back is
 * compared with what went in.
 */
#include "collector/trace/codec.h"

#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REPEATS 3

struct options {
    bool data_only, no_size;
    uint64_t refs;
    const char *path;
};

struct totals {
    uint64_t blocks, refs, bytes, encode_ns, decode_ns;
};

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
           (!(a->columns & COLUMN_BIT(COLUMN_SIZE)) ||
            memcmp(a->column[COLUMN_SIZE], b->column[COLUMN_SIZE], a->refs * sizeof(uint64_t)) ==
                0);
}

static const char *measure(struct codec *codec, const struct ref_block *block,
                           struct ref_block *back, struct totals *totals)
{
    uint64_t encode_ns = UINT64_MAX, decode_ns = UINT64_MAX;
    const uint8_t *bytes = NULL;
    size_t size_bytes = 0;
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        uint64_t start = now_ns();
        const char *wrong = codec_encode(codec, block, &bytes, &size_bytes);
        uint64_t took = now_ns() - start;
        if (wrong)
            return wrong;
        encode_ns = took < encode_ns ? took : encode_ns;
        start = now_ns();
        wrong = codec_decode(codec, CODEC_VERSION, bytes, size_bytes, back);
        took = now_ns() - start;
        if (wrong)
            return wrong;
        decode_ns = took < decode_ns ? took : decode_ns;
    }
    totals->blocks++;
    totals->refs += block->refs;
    totals->bytes += size_bytes;
    totals->encode_ns += encode_ns;
    totals->decode_ns += decode_ns;
    return same(block, back) ? NULL : "a block came back changed";
}

/* "I  addr,size", " L addr,size", " S addr,size", " M addr,size"; anything else is not a reference.
 */
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

static const char *measure_file(FILE *file, const struct options *options, struct codec *codec,
                                struct ref_block *block, struct ref_block *back,
                                struct totals *totals)
{
    char line[256];
    block->columns = options->no_size ? 0 : COLUMN_BIT(COLUMN_SIZE);
    block->runs = 1;
    while (totals->refs < options->refs && fgets(line, sizeof line, file)) {
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
        const char *wrong = measure(codec, block, back, totals);
        if (wrong)
            return wrong;
        block->refs = 0;
    }
    return block->refs > 0 ? measure(codec, block, back, totals) : NULL;
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
    struct codec *codec = codec_new();
    struct ref_block *block = ref_block_new(COLUMN_BIT(COLUMN_SIZE));
    struct ref_block *back = ref_block_new(options.no_size ? 0 : COLUMN_BIT(COLUMN_SIZE));
    struct totals totals = {0};
    const char *wrong = codec && block && back
                            ? measure_file(file, &options, codec, block, back, &totals)
                            : "out of memory";
    if (wrong)
        fprintf(stderr, "codec: %s: block %" PRIu64 ": %s\n", options.path, totals.blocks, wrong);
    else if (totals.refs > 0)
        printf("%" PRIu64 " references in %" PRIu64 " blocks: %.4f bytes a reference, "
               "encode %.1f M/s, decode %.1f M/s\n",
               totals.refs, totals.blocks, (double)totals.bytes / (double)totals.refs,
               (double)totals.refs * 1e3 / (double)totals.encode_ns,
               (double)totals.refs * 1e3 / (double)totals.decode_ns);
    ref_block_free(block);
    ref_block_free(back);
    codec_free(codec);
    if (file != stdin)
        fclose(file);
    return wrong ? 1 : 0;
}
