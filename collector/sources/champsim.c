/* Traces of ChampSim: one record for each instruction that retired, no header, little-endian
 * (ChampSim, inc/trace_instruction.h, struct input_instr and struct cloudsuite_instr):
 *
 *                           champsim      champsim-cloudsuite (SPARC)
 *   instruction pointer     8 bytes       8 bytes
 *   is_branch, taken        1 + 1         1 + 1
 *   registers written       2             4
 *   registers read          4             4, and 6 bytes of padding
 *   addresses written       2 * 8         4 * 8
 *   addresses read          4 * 8         4 * 8
 *   ASID                    -             2, and 6 bytes of padding
 *   a record                64 bytes      96 bytes
 *
 * Nothing in a file says which of the two it is (ChampSim has to be told too, by --cloudsuite), so
 * each has a format of its own; a flag that is neither 0 nor 1 gives the wrong one away. Slots of
 * address 0 are empty. An instruction gives a fetch, then its loads, then its stores. Sizes and
 * times are not known.
 */
#include "collector/sources/import.h"

#include <endian.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_REFS    4096
#define MOST_PER_INSN 9 /* a fetch, 4 loads, 4 stores */
#define FLAGS_AT      8 /* is_branch, branch_taken */

/* Where things are in a record. */
struct layout {
    size_t bytes;
    size_t stores_at, stores, loads_at, loads;
    size_t asid_at; /* 0: none */
};

static const struct layout plain = {
    .bytes = 64, .stores_at = 16, .stores = 2, .loads_at = 32, .loads = 4};
static const struct layout cloudsuite = {
    .bytes = 96, .stores_at = 24, .stores = 4, .loads_at = 56, .loads = 4, .asid_at = 88};

struct champsim {
    struct import *import;
    const struct layout *layout;
    bool fetches;
    uint64_t asid; /* of the batch */
    struct import_ref like;
    size_t refs;
    uint64_t addr[BATCH_REFS + MOST_PER_INSN];
    uint8_t what[BATCH_REFS + MOST_PER_INSN];
};

static char *open_layout(struct import *import, const struct layout *layout, void **parser)
{
    struct champsim *champsim = calloc(1, sizeof *champsim);
    if (champsim == NULL) {
        return import_error("%s: out of memory", import->file);
    }
    champsim->import = import;
    champsim->layout = layout;
    champsim->fetches = !import->options->no_fetches;
    champsim->like.cpu = champsim->like.node = -1;
    *parser = champsim;
    return NULL;
}

static char *plain_open(struct import *import, void **parser)
{
    return open_layout(import, &plain, parser);
}

static char *cloudsuite_open(struct import *import, void **parser)
{
    return open_layout(import, &cloudsuite, parser);
}

static char *flush(struct champsim *champsim)
{
    if (champsim->refs == 0) {
        return NULL;
    }
    static const struct trace_facts facts = {.source = "champsim", .time_unit = TIME_REFERENCES};
    champsim->like.space = champsim->like.stream = champsim->asid;
    struct import *import = champsim->import;
    char *error = import_begin(import, &facts);
    if (error == NULL) {
        import->refs += champsim->refs;
        error = import->sink->refs(import->sink, &champsim->like, champsim->addr, champsim->what,
                                   NULL, champsim->refs);
    }
    champsim->refs = 0;
    return error;
}

static uint64_t number64(const unsigned char *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return le64toh(value);
}

/* Those of `slots` addresses that are not empty. */
static void add_slots(struct champsim *champsim, const unsigned char *at, size_t slots,
                      enum ref_kind kind)
{
    for (size_t i = 0; i < slots; i++) {
        uint64_t addr = number64(at + 8 * i);
        champsim->addr[champsim->refs] = addr;
        champsim->what[champsim->refs] = (uint8_t)kind;
        champsim->refs += addr != 0;
    }
}

static char *bad_flags(struct champsim *champsim, const unsigned char *record)
{
    struct import *import = champsim->import;
    return import_skip_or(import, import_error("%s: record %" PRIu64 " (byte %" PRIu64
                                               "): is_branch and branch_taken are %u "
                                               "and %u, not 0 or 1; is this a trace of ChampSim%s?",
                                               import->file, import->line,
                                               (import->line - 1) * champsim->layout->bytes,
                                               record[FLAGS_AT], record[FLAGS_AT + 1],
                                               champsim->layout == &plain
                                                   ? ", or one for --format champsim-cloudsuite"
                                                   : "'s CloudSuite kind, or one for --format "
                                                     "champsim"));
}

static char *record(struct champsim *champsim, const unsigned char *record)
{
    const struct layout *layout = champsim->layout;
    champsim->import->line++;
    if (record[FLAGS_AT] > 1 || record[FLAGS_AT + 1] > 1) {
        return bad_flags(champsim, record);
    }
    char *error = NULL;
    uint64_t asid = layout->asid_at != 0
                        ? record[layout->asid_at] | (uint64_t)record[layout->asid_at + 1] << 8
                        : 0;
    if (champsim->refs >= BATCH_REFS || asid != champsim->asid) {
        error = flush(champsim);
        champsim->asid = asid;
    }
    champsim->addr[champsim->refs] = number64(record);
    champsim->what[champsim->refs] = REF_FETCH;
    champsim->refs += champsim->fetches;
    add_slots(champsim, record + layout->loads_at, layout->loads, REF_LOAD);
    add_slots(champsim, record + layout->stores_at, layout->stores, REF_STORE);
    return error;
}

static char *champsim_records(void *parser, const unsigned char *data, size_t records)
{
    struct champsim *champsim = parser;
    size_t bytes = champsim->layout->bytes;
    char *error = NULL;
    for (size_t i = 0; i < records && error == NULL; i++) {
        error = record(champsim, data + i * bytes);
    }
    if (error != NULL) { /* what came before the bad record stays */
        char *another = flush(champsim);
        free(another);
    }
    return error;
}

static char *champsim_finish(void *parser)
{
    return flush(parser);
}

const struct import_format import_champsim = {
    .name = "champsim",
    .summary = "trace of ChampSim: 64 bytes an instruction",
    .takes = IMPORT_TAKES(IMPORT_NO_FETCHES),
    .open = plain_open,
    .records = champsim_records,
    .record_bytes = 64,
    .finish = champsim_finish,
    .close = free,
};

const struct import_format import_champsim_cloudsuite = {
    .name = "champsim-cloudsuite",
    .summary = "the same of its CloudSuite kind: 96 bytes an instruction",
    .takes = IMPORT_TAKES(IMPORT_NO_FETCHES),
    .open = cloudsuite_open,
    .records = champsim_records,
    .record_bytes = 96,
    .finish = champsim_finish,
    .close = free,
};
