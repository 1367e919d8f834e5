/* Any table of references in text: one a line, in columns that the user names.
 *
 *   0x4983f7 0x7fc4a630cce8 3 13964463.803418284 36380       --columns ip,addr,cpu,time,-
 *
 * Separators are, unless --separator gives others, blanks, tabs, commas and semicolons. Blanks and
 * tabs count as one however many they are, also around another separator, which counts each time it
 * stands. Numbers are decimal, or hexadecimal behind 0x; addresses (addr, ip, phys) without 0x are
 * of
 * --base: 16, 10, or auto, which is 16, as tools print addresses so. Empty lines and lines that
 * begin with # are passed over. addr*64 says that addresses count units of 64 bytes, as traces of
 * cache lines and of DRAM do.
 *
 * Identity: a stream is a `stream`, else a `tid`, else a `cpu`, else there is one; an address space
 * is a `space`, else a `pid`, else there is one.
 */
#include "collector/sources/import.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define TEXT_COLUMNS 64 /* in one line, "-" included */
#define KIND_MODIFY  4  /* besides enum ref_kind: a load and a store */
#define KIND_WORDS   64

enum text_column {
    TEXT_ADDR,
    TEXT_IP,
    TEXT_PHYS,
    TEXT_WRITEBACK,
    TEXT_TIME,
    TEXT_CPU,
    TEXT_NODE,
    TEXT_TID,
    TEXT_PID,
    TEXT_STREAM,
    TEXT_SPACE,
    TEXT_KIND,
    TEXT_SIZE,
    TEXT_WEIGHT,
    TEXT_LATENCY,
    TEXT_IGNORED,
    TEXT_REST,
    TEXT_TYPES
};

enum form { FORM_ADDRESS, FORM_NUMBER, FORM_PLACE, FORM_TIME, FORM_KIND, FORM_ANY };

static const struct {
    const char *name;
    const char *expected;
    enum form form;
    unsigned ref_column; /* COLUMN_BIT of the trace that it fills */
} text_columns[TEXT_TYPES] = {
    [TEXT_ADDR] = {"addr", "an address of at most 64 bits in column addr", FORM_ADDRESS, 0},
    [TEXT_IP] = {"ip", "an address of at most 64 bits in column ip", FORM_ADDRESS,
                 COLUMN_BIT(COLUMN_IP)},
    [TEXT_PHYS] = {"phys", "an address of at most 64 bits in column phys", FORM_ADDRESS,
                   COLUMN_BIT(COLUMN_PHYS)},
    [TEXT_WRITEBACK] = {"writeback", "an address of at most 64 bits in column writeback",
                        FORM_ADDRESS, 0},
    [TEXT_TIME] = {"time", "a time in column time", FORM_TIME, COLUMN_BIT(COLUMN_TIME)},
    [TEXT_CPU] = {"cpu", "a CPU number, or -1, in column cpu", FORM_PLACE, 0},
    [TEXT_NODE] = {"node", "a node number, or -1, in column node", FORM_PLACE, 0},
    [TEXT_TID] = {"tid", "a number in column tid", FORM_NUMBER, 0},
    [TEXT_PID] = {"pid", "a number in column pid", FORM_NUMBER, 0},
    [TEXT_STREAM] = {"stream", "a number in column stream", FORM_NUMBER, 0},
    [TEXT_SPACE] = {"space", "a number in column space", FORM_NUMBER, 0},
    [TEXT_KIND] = {"kind", "a kind of reference (--kind WORD=KIND teaches a word) in column kind",
                   FORM_KIND, 0},
    [TEXT_SIZE] = {"size", "a number of bytes in column size", FORM_NUMBER,
                   COLUMN_BIT(COLUMN_SIZE)},
    [TEXT_WEIGHT] = {"weight", "a number in column weight", FORM_NUMBER, COLUMN_BIT(COLUMN_WEIGHT)},
    [TEXT_LATENCY] = {"latency", "a number in column latency", FORM_NUMBER,
                      COLUMN_BIT(COLUMN_LATENCY)},
    [TEXT_IGNORED] = {"-", "one more column", FORM_ANY, 0},
    [TEXT_REST] = {"...", "", FORM_ANY, 0},
};

/* Words for kinds that need no --kind; capitals do not matter. 0, 1, 2 are those of Dinero IV's din
 * format; LD and ST those of Ramulator 2's load-store traces; P_... and BOFF (a line written back)
 * those of DRAMSim2's k6 traces, which DRAMsim3 reads too (TraceBasedSim.cpp, common.cc). */
static const struct kind_word {
    const char *word;
    unsigned kind;
} known_kinds[] = {
    {"r", REF_LOAD},         {"read", REF_LOAD},       {"l", REF_LOAD},
    {"ld", REF_LOAD},        {"load", REF_LOAD},       {"0", REF_LOAD},
    {"w", REF_STORE},        {"write", REF_STORE},     {"s", REF_STORE},
    {"st", REF_STORE},       {"store", REF_STORE},     {"1", REF_STORE},
    {"i", REF_FETCH},        {"f", REF_FETCH},         {"x", REF_FETCH},
    {"fetch", REF_FETCH},    {"ifetch", REF_FETCH},    {"2", REF_FETCH},
    {"m", KIND_MODIFY},      {"modify", KIND_MODIFY},  {"t", REF_TOUCH},
    {"touch", REF_TOUCH},    {"p_mem_rd", REF_LOAD},   {"p_lock_rd", REF_LOAD},
    {"p_mem_wr", REF_STORE}, {"p_lock_wr", REF_STORE}, {"boff", REF_STORE},
    {"p_fetch", REF_FETCH},
};

struct text {
    struct import *import;
    enum text_column column[TEXT_COLUMNS];
    uint64_t unit[TEXT_COLUMNS]; /* what the values of each count: bytes, or so many of them */
    size_t columns;
    unsigned has;         /* 1u << enum text_column */
    bool separates[256];  /* blanks and tabs left out: they always part a field from a separator */
    bool blank_separates; /* a blank or tab alone is a separator */
    unsigned address_base, time_digits, default_kind;
    struct kind_word taught[KIND_WORDS];
    size_t taught_words;
    char *kinds; /* memory of the taught words */
    struct trace_facts facts;
};

static bool has(const struct text *text, enum text_column column)
{
    return (text->has >> (unsigned)column & 1u) != 0;
}

/* "addr*64": cuts the unit off the name. */
static bool read_unit(struct span *name, uint64_t *unit)
{
    const char *star = memchr(name->at, '*', span_bytes(*name));
    *unit = 1;
    if (star == NULL) {
        return true;
    }
    struct span digits = {star + 1, name->end};
    name->end = star;
    return scan_digits(&digits.at, digits.end, 10, unit) && digits.at == digits.end && *unit > 0;
}

static char *set_columns(struct text *text, const char *list)
{
    if (list == NULL) {
        return import_error("--format text needs --columns, such as ip,addr,cpu,time,-");
    }
    for (const char *at = list;; at++) {
        struct span name = {at, at + strcspn(at, ",")};
        const char *end = name.end;
        uint64_t unit = 1;
        bool unit_read = read_unit(&name, &unit);
        enum text_column found = TEXT_ADDR;
        while (found < TEXT_TYPES && !span_is(name, text_columns[found].name)) {
            found++;
        }
        if (found == TEXT_TYPES) {
            return import_error(
                "--columns: there is no column '%.*s'; there are addr, ip, phys, time, cpu, "
                "node, tid, pid, stream, space, kind, size, weight, latency, writeback, - and ...",
                (int)span_bytes(name), name.at);
        }
        enum form form = text_columns[found].form;
        if (!unit_read || (unit != 1 && form != FORM_ADDRESS && form != FORM_NUMBER)) {
            return import_error("--columns: '%.*s' is no unit: addr*64 counts 64 bytes, of "
                                "addresses and numbers",
                                (int)(end - name.at), name.at);
        }
        if (found != TEXT_IGNORED && has(text, found)) {
            return import_error("--columns: %s stands there twice", text_columns[found].name);
        }
        if (text->columns == TEXT_COLUMNS || has(text, TEXT_REST)) {
            return import_error("--columns: %s",
                                text->columns == TEXT_COLUMNS
                                    ? "more than 64 columns"
                                    : "... stands for the rest of the line: the last one only");
        }
        text->unit[text->columns] = unit;
        text->column[text->columns++] = found;
        text->has |= 1u << (unsigned)found;
        text->facts.columns |= text_columns[found].ref_column;
        at = end;
        if (*at == '\0') {
            break;
        }
    }
    if (has(text, TEXT_WRITEBACK) && text->column[text->columns - 1] != TEXT_WRITEBACK) {
        return import_error("--columns: writeback, which a line may lack, is the last one only");
    }
    text->facts.sampled = has(text, TEXT_WEIGHT); /* each stands for so many */
    text->facts.time_unit = has(text, TEXT_TIME) ? TIME_NS : TIME_REFERENCES;
    return has(text, TEXT_ADDR) ? NULL : import_error("--columns: addr is missing");
}

static char *set_separators(struct text *text, const char *characters)
{
    if (characters == NULL) {
        characters = " \t,;";
    }
    if (*characters == '\0') {
        return import_error("--separator: name at least one character");
    }
    for (const char *at = characters; *at != '\0'; at++) {
        if (hex_digit(*at) < 16 || strchr("xX.-#\n\r", *at) != NULL) {
            return import_error(
                "--separator: '%c' cannot part columns: it stands in numbers, or begins a comment",
                *at);
        }
        if (is_blank(*at)) {
            text->blank_separates = true;
        } else {
            text->separates[(unsigned char)*at] = true;
        }
    }
    return NULL;
}

static char *set_units(struct text *text, const char *base, const char *unit)
{
    static const struct {
        const char *name;
        unsigned digits; /* of a whole one, in ns */
    } units[] = {{"s", 9}, {"ms", 6}, {"us", 3}, {"ns", 0}};
    text->address_base = 16;
    if (base != NULL && strcmp(base, "auto") != 0 && strcmp(base, "16") != 0) {
        if (strcmp(base, "10") != 0) {
            return import_error("--base: '%s' is not 16, 10 or auto", base);
        }
        text->address_base = 10;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(unit != NULL ? unit : "s", units[i].name) == 0) {
            text->time_digits = units[i].digits;
            return NULL;
        }
    }
    return import_error("--time-unit: '%s' is not s, ms, us or ns", unit);
}

static bool kind_of_name(struct span name, unsigned *kind)
{
    static const struct kind_word names[] = {{"fetch", REF_FETCH},
                                             {"load", REF_LOAD},
                                             {"store", REF_STORE},
                                             {"touch", REF_TOUCH},
                                             {"modify", KIND_MODIFY}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (span_is(name, names[i].word)) {
            *kind = names[i].kind;
            return true;
        }
    }
    return false;
}

/* "rd=load,wr=store" */
static char *set_kinds(struct text *text, const char *list, const char *default_kind)
{
    text->default_kind = REF_TOUCH;
    if (default_kind != NULL &&
        !kind_of_name((struct span){default_kind, default_kind + strlen(default_kind)},
                      &text->default_kind)) {
        return import_error("--default-kind: '%s' is not fetch, load, store, modify or touch",
                            default_kind);
    }
    if (list == NULL) {
        return NULL;
    }
    if ((text->kinds = strdup(list)) == NULL) {
        return import_error("out of memory");
    }
    char *next = NULL;
    for (char *pair = strtok_r(text->kinds, ",", &next); pair != NULL;
         pair = strtok_r(NULL, ",", &next)) {
        char *equals = strrchr(pair, '=');
        struct kind_word word = {.word = pair};
        if (equals == NULL || equals == pair ||
            !kind_of_name((struct span){equals + 1, equals + strlen(equals)}, &word.kind)) {
            return import_error(
                "--kind: '%s' is not WORD=KIND with KIND fetch, load, store, modify or touch",
                pair);
        }
        if (text->taught_words == KIND_WORDS) {
            return import_error("--kind: more than %d words", KIND_WORDS);
        }
        *equals = '\0';
        text->taught[text->taught_words++] = word;
    }
    return NULL;
}

static void text_close(void *parser)
{
    struct text *text = parser;
    free(text->kinds);
    free(text);
}

static char *text_open(struct import *import, void **parser)
{
    const struct import_options *options = import->options;
    struct text *text = calloc(1, sizeof *text);
    if (text == NULL) {
        return import_error("%s: out of memory", import->file);
    }
    text->import = import;
    text->facts.source = "text";
    char *error = set_columns(text, options->columns);
    if (error == NULL) {
        error = set_separators(text, options->separators);
    }
    if (error == NULL) {
        error = set_units(text, options->base, options->time_unit);
    }
    if (error == NULL) {
        error = set_kinds(text, options->kinds, options->default_kind);
    }
    if (error != NULL) {
        text_close(text);
        return error;
    }
    *parser = text;
    return NULL;
}

static bool kind_of_word(const struct text *text, struct span word, uint64_t *kind)
{
    for (size_t i = 0; i < text->taught_words; i++) {
        if (span_is(word, text->taught[i].word)) {
            *kind = text->taught[i].kind;
            return true;
        }
    }
    for (size_t i = 0; i < sizeof known_kinds / sizeof known_kinds[0]; i++) {
        const char *known = known_kinds[i].word;
        if (strlen(known) == span_bytes(word) &&
            strncasecmp(known, word.at, span_bytes(word)) == 0) {
            *kind = known_kinds[i].kind;
            return true;
        }
    }
    return false;
}

static bool read_field(const struct text *text, enum text_column column, struct span field,
                       uint64_t *value)
{
    switch (text_columns[column].form) {
    case FORM_ADDRESS:
        return scan_number(field, text->address_base, value);
    case FORM_NUMBER:
        return scan_number(field, 10, value);
    case FORM_PLACE:
        if (span_is(field, "-1")) {
            *value = UINT64_MAX;
            return true;
        }
        return scan_number(field, 10, value) && *value <= INT32_MAX;
    case FORM_TIME:
        return scan_time(field, text->time_digits, value);
    case FORM_KIND:
        return kind_of_word(text, field, value);
    case FORM_ANY:
        break;
    }
    return true;
}

/* Takes the next field off `rest`. False where the line has no further one. */
static bool next_field(const struct text *text, struct span *rest, bool first, struct span *field)
{
    const char *at = rest->at, *end = rest->end;
    while (at < end && is_blank(*at)) {
        at++;
    }
    if (!first && at < end && text->separates[(unsigned char)*at]) {
        at++;
        while (at < end && is_blank(*at)) {
            at++;
        }
    } else if (at == end) {
        *field = (struct span){end, end};
        return false;
    }
    *field = (struct span){at, at};
    while (at < end && !text->separates[(unsigned char)*at] &&
           !(text->blank_separates && is_blank(*at))) {
        at++;
    }
    rest->at = at;
    while (at > field->at && is_blank(at[-1])) {
        at--;
    }
    field->end = at;
    return true;
}

static int32_t place(const struct text *text, enum text_column column, const uint64_t *value)
{
    return has(text, column) && value[column] <= INT32_MAX ? (int32_t)value[column] : -1;
}

/* `writeback`: the line has one. */
static char *give(struct text *text, const uint64_t *value, bool writeback)
{
    struct import_ref ref = {
        .addr = value[TEXT_ADDR],
        .column = {[COLUMN_TIME] = value[TEXT_TIME],
                   [COLUMN_IP] = value[TEXT_IP],
                   [COLUMN_PHYS] = value[TEXT_PHYS],
                   [COLUMN_LATENCY] = value[TEXT_LATENCY],
                   [COLUMN_WEIGHT] = value[TEXT_WEIGHT],
                   [COLUMN_SIZE] = value[TEXT_SIZE]},
        .space = has(text, TEXT_SPACE) ? value[TEXT_SPACE] : value[TEXT_PID],
        .pid = value[TEXT_PID],
        .tid = value[TEXT_TID],
        .cpu = place(text, TEXT_CPU, value),
        .node = place(text, TEXT_NODE, value),
    };
    if (has(text, TEXT_STREAM)) {
        ref.stream = value[TEXT_STREAM];
    } else if (has(text, TEXT_TID)) {
        ref.stream = value[TEXT_TID];
    } else if (has(text, TEXT_CPU)) {
        ref.stream = value[TEXT_CPU];
        snprintf(ref.name, sizeof ref.name, ref.cpu < 0 ? "no CPU" : "CPU %d", ref.cpu);
    }
    uint8_t mode = value[TEXT_IP] >= IMPORT_KERNEL_START ? REF_MODE_KERNEL : 0;
    bool modify = value[TEXT_KIND] == KIND_MODIFY;
    ref.what = (uint8_t)((modify ? REF_LOAD : value[TEXT_KIND]) | mode);
    char *error = import_begin(text->import, &text->facts);
    if (error == NULL) {
        error = import_give(text->import, &ref);
    }
    if (error == NULL && modify) {
        ref.what = REF_STORE | mode;
        error = import_give(text->import, &ref);
    }
    if (error == NULL && writeback) {
        ref.what = REF_STORE | mode;
        ref.addr = value[TEXT_WRITEBACK];
        error = import_give(text->import, &ref);
    }
    return error;
}

static char *text_line(struct text *text, struct span line)
{
    uint64_t value[TEXT_TYPES] = {[TEXT_KIND] = text->default_kind};
    struct span rest = line, field;
    for (size_t i = 0; i < text->columns; i++) {
        enum text_column column = text->column[i];
        if (column == TEXT_REST) {
            return give(text, value, false);
        }
        bool there = next_field(text, &rest, i == 0, &field);
        if (!there && column == TEXT_WRITEBACK) {
            return give(text, value, false);
        }
        if (!there || !read_field(text, column, field, &value[column]) ||
            __builtin_mul_overflow(value[column], text->unit[i], &value[column])) {
            return import_bad(text->import, line.at, field, text_columns[column].expected);
        }
    }
    if (next_field(text, &rest, false, &field) && (span_bytes(field) > 0 || rest.at < rest.end)) {
        return import_bad(text->import, line.at, field,
                          "the end of the line (--columns ends here; - or ... takes more)");
    }
    return give(text, value, has(text, TEXT_WRITEBACK));
}

static char *text_lines(void *parser, const char *lines, size_t bytes)
{
    struct text *text = parser;
    char *error = NULL;
    for (const char *at = lines, *end = lines + bytes; at < end && error == NULL;) {
        struct span line = next_line(&at, end);
        struct span first = line;
        first = next_word(&first);
        text->import->line++;
        if (text->import->line > text->import->options->header_lines && first.at < first.end &&
            *first.at != '#') {
            error = text_line(text, line);
        }
    }
    return error;
}

static char *text_finish(void *parser)
{
    (void)parser;
    return NULL;
}

const struct import_format import_text = {
    .name = "text",
    .summary = "any table, one reference a line; --columns names them",
    .takes = IMPORT_TAKES(IMPORT_COLUMNS) | IMPORT_TAKES(IMPORT_SEPARATOR) |
             IMPORT_TAKES(IMPORT_BASE) | IMPORT_TAKES(IMPORT_TIME_UNIT) |
             IMPORT_TAKES(IMPORT_KIND) | IMPORT_TAKES(IMPORT_DEFAULT_KIND) |
             IMPORT_TAKES(IMPORT_HEADER) | IMPORT_TAKES(IMPORT_SORT),
    .open = text_open,
    .lines = text_lines,
    .finish = text_finish,
    .close = text_close,
};
