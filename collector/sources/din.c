/* Traces for the Dinero cache simulators, one reference a line, in either of two styles that the
 * first line tells apart:
 *
 *   2 401ab0 a comment    traditional (Dinero III; Dinero IV -informat d): label, address; the rest
 *                         of the line is ignored
 *   i 0x401ab0 4          extended (Dinero IV -informat D): access type, address, size in bytes; the
 *                         rest is ignored
 *
 *   0 r  read                3 m  unknown or miscellaneous: counts as a touch
 *   1 w  write               4 c  copy back (Dinero III: flush the cache)
 *   2 i  instruction fetch   5 v  invalidate
 *
 * (Dinero III manual page; d4-7, dineroIV.man and the heads of dinfmt.c and xdinfmt.c.) Copy backs
 * and invalidations are orders to a cache and no references: they are counted. Addresses and sizes
 * are hexadecimal, with or without 0x.
 */
#include "collector/sources/import.h"

#include <stdlib.h>

#define BATCH_REFS 4096
#define NO_REF     0xff

struct label {
    char traditional, extended;
    uint8_t what; /* NO_REF: an order to a cache */
};

static const struct label labels[] = {
    {'0', 'r', REF_LOAD},  {'1', 'w', REF_STORE}, {'2', 'i', REF_FETCH},
    {'3', 'm', REF_TOUCH}, {'4', 'c', NO_REF},    {'5', 'v', NO_REF},
};

enum style { STYLE_NONE, STYLE_TRADITIONAL, STYLE_EXTENDED };

struct din {
    struct import *import;
    enum style style; /* of the first line that could be read */
    bool fetches;
    uint64_t orders;
    size_t refs;
    uint64_t addr[BATCH_REFS], size[BATCH_REFS];
    uint8_t what[BATCH_REFS];
};

static char *din_open(struct import *import, void **parser)
{
    struct din *din = calloc(1, sizeof *din);
    if (din == NULL) {
        return import_error("%s: out of memory", import->file);
    }
    din->import = import;
    din->fetches = !import->options->no_fetches;
    *parser = din;
    return NULL;
}

static char *flush(struct din *din)
{
    if (din->refs == 0) {
        return NULL;
    }
    static const struct import_ref the_stream = {.cpu = -1, .node = -1};
    const struct trace_facts facts = {.source = "din",
                                      .columns = din->style == STYLE_EXTENDED
                                                     ? COLUMN_BIT(COLUMN_SIZE)
                                                     : 0,
                                      .time_unit = TIME_REFERENCES};
    const uint64_t *const column[REF_COLUMNS] = {[COLUMN_SIZE] = din->size};
    struct import *import = din->import;
    char *error = import_begin(import, &facts);
    if (error == NULL) {
        import->refs += din->refs;
        error =
            import->sink->refs(import->sink, &the_stream, din->addr, din->what, column, din->refs);
    }
    din->refs = 0;
    return error;
}

/* The label that `word` is, and in which style. */
static const struct label *find_label(struct span word, enum style *style)
{
    if (span_bytes(word) != 1) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        if (*word.at == labels[i].traditional || *word.at == labels[i].extended) {
            *style = *word.at == labels[i].extended ? STYLE_EXTENDED : STYLE_TRADITIONAL;
            return &labels[i];
        }
    }
    return NULL;
}

static const char *expected_label(const struct din *din)
{
    static const char *const expected[] = {
        [STYLE_NONE] = "a label: 0 to 5, or r w i m c v",
        [STYLE_TRADITIONAL] = "a label from 0 to 5, as on the lines before",
        [STYLE_EXTENDED] = "a label of r w i m c v, as on the lines before",
    };
    return expected[din->style];
}

static char *din_line(struct din *din, struct span line)
{
    struct span rest = line;
    struct span word = next_word(&rest);
    if (span_bytes(word) == 0) {
        return NULL;
    }
    enum style style = STYLE_NONE;
    const struct label *label = find_label(word, &style);
    if (label == NULL || (din->style != STYLE_NONE && style != din->style)) {
        return import_bad(din->import, line.at, word, expected_label(din));
    }
    uint64_t addr = 0, size = 0;
    word = next_word(&rest);
    if (!scan_number(word, 16, &addr)) {
        return import_bad(din->import, line.at, word, "a hexadecimal address of at most 64 bits");
    }
    word = style == STYLE_EXTENDED ? next_word(&rest) : word;
    if (style == STYLE_EXTENDED && !scan_number(word, 16, &size)) {
        return import_bad(din->import, line.at, word, "a hexadecimal size");
    }
    din->style = style;
    if (label->what == NO_REF) {
        din->orders++;
        return NULL;
    }
    din->addr[din->refs] = addr;
    din->size[din->refs] = size;
    din->what[din->refs] = label->what;
    din->refs += label->what != REF_FETCH || din->fetches;
    return din->refs == BATCH_REFS ? flush(din) : NULL;
}

static char *din_lines(void *parser, const char *text, size_t bytes)
{
    struct din *din = parser;
    char *error = NULL;
    for (const char *at = text, *end = text + bytes; at < end && error == NULL;) {
        struct span line = next_line(&at, end);
        din->import->line++;
        error = din_line(din, line);
    }
    if (error != NULL) { /* what came before the bad line stays */
        char *another = flush(din);
        free(another);
    }
    return error;
}

static char *din_finish(void *parser)
{
    struct din *din = parser;
    char *error = flush(din);
    return error != NULL ? error : import_note_count(din->import, "cache_orders", din->orders);
}

const struct import_format import_din = {
    .name = "din",
    .summary = "trace for Dinero III or IV, traditional or extended",
    .takes = IMPORT_TAKES(IMPORT_NO_FETCHES),
    .open = din_open,
    .lines = din_lines,
    .finish = din_finish,
    .close = free,
};
