/* Importing a file of another tool: text or records in, references out.
 *
 *   struct input --bytes--> import_run --whole lines--> struct import_format --> struct import_sink
 *                                      or records
 *
 * A format is a parser that knows its lines or records and nothing else: not where they come from
 * (a file, a pipe, packed, memory of a fuzzer), not where the references go (a trace, the array of
 * a test). One that has to read several files at a time reads them by itself. To add a format: a
 * file with its struct import_format, and its line in the table of import.c.
 *
 * Errors as in collector/trace/writer.h. What cannot be read is named as FILE:LINE:COLUMN, or by
 * the number of the record and its place, with what was expected and what was found; with
 * options.skip_bad such lines and records are counted instead.
 */
#ifndef DISCO_SOURCES_IMPORT_H
#define DISCO_SOURCES_IMPORT_H

#include "collector/sources/import-scan.h"
#include "collector/sources/input.h"
#include "collector/trace/event.h"
#include "collector/trace/writer.h"

/* A longer line is refused, so that no input makes memory grow. */
#define IMPORT_LINE_BYTES (1u << 20)
/* Thread names of Linux are 15 bytes and a zero (TASK_COMM_LEN, include/linux/sched.h). */
#define IMPORT_NAME_BYTES 16

/* Where kernels begin on 64-bit machines with 48-bit addresses (Linux 6.1
 * Documentation/x86/x86_64/mm.rst): code from here on runs in kernel mode. */
#define IMPORT_KERNEL_START UINT64_C(0xffff800000000000)

/* A reference as a format found it. */
struct import_ref {
    uint64_t addr;
    uint64_t
        column[REF_COLUMNS]; /* COLUMN_TIME: as in the file, in ns; the sink subtracts the start */
    uint64_t space, stream; /* what tells address spaces, and the streams of one, from each other */
    uint64_t pid, tid;      /* for the user to see; 0 where not known */
    int32_t cpu, node;      /* -1: not known */
    uint8_t what;
    char name[IMPORT_NAME_BYTES]; /* of the thread; "": not known */
};

/* Takes what a format finds, in the order of the trace. */
struct import_sink {
    /* Once, before the first reference: source, command, event, columns and time unit are set. */
    char *(*begin)(struct import_sink *sink, const struct trace_facts *facts);
    char *(*ref)(struct import_sink *sink, const struct import_ref *ref);
    /* Many references of one stream, told by `like`, which also has the columns that have one value
     * for all of them: those whose array is NULL. COLUMN_TIME is such a one. */
    char *(*refs)(struct import_sink *sink, const struct import_ref *like, const uint64_t *addr,
                  const uint8_t *what, const uint64_t *const column[REF_COLUMNS], size_t refs);
    /* Something counted, for table trace_note. May come before begin. */
    char *(*note)(struct import_sink *sink, const char *key, const char *value);
};

/* What the user asked for. NULL and 0: the default. The strings are checked by the format. */
struct import_options {
    bool skip_bad;       /* count what cannot be read, and go on */
    bool any_order;      /* times may fall: the sink sorts */
    bool no_fetches;     /* leave them out */
    const char *fields;  /* perf-script: the list given to perf script -F */
    const char *cpu_map; /* perf-script: "tid=cpu,..." */
    const char *columns; /* text, and the following */
    const char *separators;
    const char *base;
    const char *time_unit;
    const char *kinds;
    const char *default_kind;
    uint64_t header_lines;
};

/* Called now and then with the bytes read; true stops the import there. */
typedef bool import_watch(void *context, uint64_t bytes_read);

/* One import, as formats see it. */
struct import {
    const struct import_options *options;
    struct import_sink *sink;
    void *parser;        /* the format's own */
    const char *file;    /* as errors name it */
    uint64_t line;       /* number of the line or record being read, from 1 */
    uint64_t refs;       /* given to the sink */
    uint64_t skipped;    /* lines or records, under skip_bad */
    char *first_skipped; /* what was wrong with the first of them */
    uint64_t last_time;
    bool begun, clocked;
    const struct input_set *inputs;
    import_watch *watch; /* or NULL */
    void *watch_context;
};

struct import_format {
    const char *name, *summary;
    unsigned takes; /* IMPORT_TAKES of each option that means something to it */
    /* Checks the options. An error here is one of usage. */
    char *(*open)(struct import *import, void **parser);
    /* One of three. Whole lines: the last byte is '\n'. Counts import->line up. */
    char *(*lines)(void *parser, const char *text, size_t bytes);
    /* Whole records of `record_bytes` each. Counts import->line up. */
    char *(*records)(void *parser, const unsigned char *data, size_t records);
    size_t record_bytes;
    /* Reads import->inputs to their ends; *stopped when import_watched says so. */
    char *(*read)(void *parser, bool *stopped);
    /* A folder will do where this is not NULL: which of its files to read, by their names; from
     * which subfolder where it has none; and what to say where that has none either. */
    bool (*wants_file)(const char *name);
    const char *inner_folder, *no_files;
    /* After the last line or record: what is still held back, and the notes. */
    char *(*finish)(void *parser);
    void (*close)(void *parser);
};

enum import_option {
    IMPORT_NO_FETCHES = 1,
    IMPORT_FIELDS,
    IMPORT_CPU_MAP,
    IMPORT_COLUMNS,
    IMPORT_SEPARATOR,
    IMPORT_BASE,
    IMPORT_TIME_UNIT,
    IMPORT_KIND,
    IMPORT_DEFAULT_KIND,
    IMPORT_HEADER,
    IMPORT_SORT,
};
#define IMPORT_TAKES(option) (1u << (unsigned)(option))

extern const struct import_format import_champsim, import_champsim_cloudsuite, import_din,
    import_drmemtrace, import_lackey, import_perf_script, import_perfdata, import_text;

/* Begins the trace with `facts` where it has not begun. */
char *import_begin(struct import *import, const struct trace_facts *facts) MUST_CHECK;
/* Gives the sink one reference; a time below the last one is an error unless any_order. */
char *import_give(struct import *import, const struct import_ref *ref) MUST_CHECK;
/* The line [line, ...) cannot be read at `found`: an error, or NULL when such lines are skipped. */
char *import_bad(struct import *import, const char *line, struct span found,
                 const char *expected) MUST_CHECK;
/* The answer to a record that cannot be read: `error`, or NULL when such are skipped. */
char *import_skip_or(struct import *import, char *error) MUST_CHECK;
/* Shows how far the inputs were read. True: stop. */
bool import_watched(const struct import *import);
/* Notes `count` under `key`, unless it is 0. */
char *import_note_count(struct import *import, const char *key, uint64_t count) MUST_CHECK;
/* A line for the user: printf into memory from malloc. */
char *import_error(const char *format, ...) __attribute__((format(printf, 1, 2), returns_nonnull));

struct import_result {
    uint64_t refs, lines, skipped; /* lines: or records */
    bool stopped;                  /* by the watch */
    bool wrong_options;            /* the error is one of usage */
};

/* Reads `inputs` (one, but where the format takes folders) to their ends through `format` into
 * `sink`. The sink keeps what came before an error. Inputs without any reference are an error.
 * `watch` may be NULL. */
char *import_run(const struct import_format *format, const struct import_options *options,
                 const struct input_set *inputs, struct import_sink *sink, import_watch *watch,
                 void *watch_context, struct import_result *result) MUST_CHECK;

/* What a format is made of: "lines" or "records". */
static inline const char *import_units(const struct import_format *format)
{
    return format->lines != NULL ? "lines" : "records";
}

#endif
