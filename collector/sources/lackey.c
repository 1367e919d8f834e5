/* The output of `valgrind --tool=lackey --trace-mem=yes` (Valgrind 3.x, lackey/lk_main.c):
 *
 *   I  0401ab70,3        instruction fetch:  printf("I  %08lx,%lu\n")
 *    S 1fff000708,8      store
 *    L 04032e40,8        load
 *    M 04033e06,1        modify: a load and a store
 *   ==3260== Command: sqlite3 :memory:
 *
 * The log goes to standard error, so other lines of Valgrind and of the program itself may stand in
 * between; they are passed over, and the program's are counted. References carry no process: with
 * --trace-children=yes those of all processes are one stream.
 *
 * A trace of a second is gigabytes of this, so the usual line is read eight bytes at a time; any
 * other one, good or bad, takes the slow way, which alone knows how to complain.
 */
#include "collector/sources/import.h"

#include <stdlib.h>
#include <string.h>

#define BATCH_REFS 4096

/* Kinds as the second byte of a line tells them. */
enum line_kind { LINE_OTHER, LINE_FETCH, LINE_LOAD, LINE_STORE, LINE_MODIFY, LINE_KINDS };

static const uint8_t kind_of_second[256] = {
    [' '] = LINE_FETCH, ['L'] = LINE_LOAD, ['S'] = LINE_STORE, ['M'] = LINE_MODIFY};
static const char first_of_kind[LINE_KINDS] = {'\0', 'I', ' ', ' ', ' '};
/* What the reference of a line is; the second one of a modify is always a store. */
static const uint8_t what_of_kind[LINE_KINDS] = {0, REF_FETCH, REF_LOAD, REF_STORE, REF_LOAD};

struct lackey {
    struct import *import;
    char *command;
    uint64_t processes, other_lines;
    uint8_t refs_of_kind[LINE_KINDS]; /* references that a line of the kind gives */
    size_t refs;                      /* in the batch */
    uint64_t addr[BATCH_REFS + 2], size[BATCH_REFS + 2];
    uint8_t what[BATCH_REFS + 2];
};

static char *lackey_open(struct import *import, void **parser)
{
    struct lackey *lackey = calloc(1, sizeof *lackey);
    if (lackey == NULL) {
        return import_error("%s: out of memory", import->file);
    }
    lackey->import = import;
    lackey->refs_of_kind[LINE_FETCH] = import->options->no_fetches ? 0 : 1;
    lackey->refs_of_kind[LINE_LOAD] = 1;
    lackey->refs_of_kind[LINE_STORE] = 1;
    lackey->refs_of_kind[LINE_MODIFY] = 2;
    *parser = lackey;
    return NULL;
}

static char *flush(struct lackey *lackey)
{
    if (lackey->refs == 0) {
        return NULL;
    }
    static const struct import_ref the_stream = {.cpu = -1, .node = -1};
    struct trace_facts facts = {
        .source = "lackey",
        .command = lackey->command,
        .columns = COLUMN_BIT(COLUMN_SIZE),
        .time_unit = TIME_REFERENCES,
    };
    struct import *import = lackey->import;
    char *error = import_begin(import, &facts);
    if (error == NULL) {
        import->refs += lackey->refs;
        const uint64_t *const column[REF_COLUMNS] = {[COLUMN_SIZE] = lackey->size};
        error = import->sink->refs(import->sink, &the_stream, lackey->addr, lackey->what, column,
                                   lackey->refs);
    }
    lackey->refs = 0;
    return error;
}

/* Always room for two, so that a modify needs no branch. */
static inline void add(struct lackey *lackey, enum line_kind kind, uint64_t addr, uint64_t size)
{
    size_t i = lackey->refs;
    lackey->addr[i] = lackey->addr[i + 1] = addr;
    lackey->size[i] = lackey->size[i + 1] = size;
    lackey->what[i] = what_of_kind[kind];
    lackey->what[i + 1] = REF_STORE;
    lackey->refs = i + lackey->refs_of_kind[kind];
}

/* "==3260== Command: sqlite3 :memory:" */
static void valgrind_line(struct lackey *lackey, struct span line)
{
    static const char command[] = "== Command: ";
    const char *found = memmem(line.at, span_bytes(line), command, sizeof command - 1);
    if (found == NULL) {
        return;
    }
    found += sizeof command - 1;
    lackey->processes++;
    if (lackey->command == NULL) {
        lackey->command = strndup(found, (size_t)(line.end - found));
    }
}

static char *slow_line(struct lackey *lackey, struct span line)
{
    const char *start = line.at;
    if (line.at < line.end && line.end[-1] == '\r') {
        line.end--;
    }
    size_t bytes = span_bytes(line);
    enum line_kind kind = bytes >= 3 ? kind_of_second[(unsigned char)start[1]] : LINE_OTHER;
    if (kind == LINE_OTHER || start[0] != first_of_kind[kind] || start[2] != ' ') {
        if (bytes >= 2 && start[0] == start[1] && strchr("=-*", start[0]) != NULL) {
            valgrind_line(lackey, line);
        } else {
            lackey->other_lines += bytes > 0;
        }
        return NULL;
    }
    uint64_t addr = 0, size = 0;
    line.at += 3;
    if (!scan_digits(&line.at, line.end, 16, &addr)) {
        return import_bad(lackey->import, start, line,
                          "an address of at most 16 hexadecimal digits");
    }
    if (line.at == line.end || *line.at != ',') {
        return import_bad(lackey->import, start, line, "a comma behind the address");
    }
    line.at++;
    if (!scan_digits(&line.at, line.end, 10, &size)) {
        return import_bad(lackey->import, start, line, "a size in bytes");
    }
    if (line.at != line.end) {
        return import_bad(lackey->import, start, line, "the end of the line");
    }
    add(lackey, kind, addr, size);
    return NULL;
}

#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

static inline uint64_t load8(const char *at)
{
    uint64_t bytes = 0;
    memcpy(&bytes, at, sizeof bytes);
    return bytes;
}

/* 0x80 in each byte of v that lies in [low, high]; no byte of v has its top bit set. */
static inline uint64_t bytes_between(uint64_t v, unsigned low, unsigned high)
{
    return (v + EACH_BYTE(0x80 - low)) & ~(v + EACH_BYTE(0x7f - high)) & EACH_BYTE(0x80);
}

/* Eight hexadecimal digits, the first one in the lowest byte. */
static inline bool hex8(uint64_t v, uint64_t *value)
{
    uint64_t digits = bytes_between(v & EACH_BYTE(0x7f), '0', '9') |
                      bytes_between((v & EACH_BYTE(0x7f)) | EACH_BYTE(0x20), 'a', 'f');
    if (((digits & ~v) & EACH_BYTE(0x80)) != EACH_BYTE(0x80)) {
        return false;
    }
    v = (v & EACH_BYTE(0x0f)) + 9 * ((v >> 6) & EACH_BYTE(0x01)); /* digits to nibbles */
    v = (v << 4 | v >> 8) & UINT64_C(0x00ff00ff00ff00ff);
    v = (v << 8 | v >> 16) & UINT64_C(0x0000ffff0000ffff);
    *value = (v << 16 | v >> 32) & UINT64_C(0xffffffff);
    return true;
}

/* Bytes that fast_line may look at. */
#define FAST_BYTES 32

/* The usual line: 8 to 15 digits, a size of one or two. *at moves behind it. False: the slow way.
 */
static inline bool fast_line(struct lackey *lackey, const char **at)
{
    const char *p = *at;
    enum line_kind kind = kind_of_second[(unsigned char)p[1]];
    if (kind == LINE_OTHER || p[0] != first_of_kind[kind] || p[2] != ' ') {
        return false;
    }
    uint64_t high = 0, low = 0, rest = load8(p + 11);
    uint64_t commas = rest ^ EACH_BYTE(',');
    commas = (commas - EACH_BYTE(0x01)) & ~commas & EACH_BYTE(0x80); /* the lowest bit is exact */
    if (commas == 0) {
        return false;
    }
    unsigned more =
        (unsigned)__builtin_ctzll(commas) / 8; /* digits behind the first eight: 0 to 7 */
    rest = rest << (56 - 8 * more) << 8 | EACH_BYTE('0') >> (8 * more);
    if (!hex8(load8(p + 3), &high) || !hex8(rest, &low)) {
        return false;
    }
    const char *size = p + 12 + more;
    unsigned tens = 0, ones = (unsigned)(unsigned char)size[0] - '0';
    const char *end = size + 1;
    if (*end != '\n') {
        tens = ones;
        ones = (unsigned)(unsigned char)size[1] - '0';
        end = size + 2;
    }
    if (*end != '\n' || tens > 9 || ones > 9) {
        return false;
    }
    add(lackey, kind, high << (4 * more) | low, tens * 10 + ones);
    *at = end + 1;
    return true;
}

static char *lackey_lines(void *parser, const char *text, size_t bytes)
{
    struct lackey *lackey = parser;
    const bool fast = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
    const char *end = text + bytes;
    char *error = NULL;
    for (const char *at = text; at < end && error == NULL;) {
        lackey->import->line++;
        if (!fast || end - at < FAST_BYTES || !fast_line(lackey, &at)) {
            struct span line = {at, memchr(at, '\n', (size_t)(end - at))};
            error = slow_line(lackey, line);
            at = line.end + 1;
        }
        if (error == NULL && lackey->refs >= BATCH_REFS) {
            error = flush(lackey);
        }
    }
    if (error != NULL) { /* what came before the bad line stays */
        char *another = flush(lackey);
        free(another);
    }
    return error;
}

static char *lackey_finish(void *parser)
{
    struct lackey *lackey = parser;
    char *error = flush(lackey);
    if (error == NULL && lackey->processes > 1) {
        error = import_note_count(lackey->import, "processes_in_one_stream", lackey->processes);
    }
    if (error == NULL) {
        error = import_note_count(lackey->import, "lines_of_other_output", lackey->other_lines);
    }
    return error;
}

static void lackey_close(void *parser)
{
    struct lackey *lackey = parser;
    free(lackey->command);
    free(lackey);
}

const struct import_format import_lackey = {
    .name = "lackey",
    .summary = "log of valgrind --tool=lackey --trace-mem=yes",
    .takes = IMPORT_TAKES(IMPORT_NO_FETCHES),
    .open = lackey_open,
    .lines = lackey_lines,
    .finish = lackey_finish,
    .close = lackey_close,
};
