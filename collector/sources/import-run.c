#include "collector/sources/import.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Longest piece of a line that an error quotes. */
#define QUOTED_BYTES 24

char *import_error(const char *format, ...)
{
    va_list arguments;
    char *error = NULL;
    va_start(arguments, format);
    if (vasprintf(&error, format, arguments) < 0) {
        fputs("out of memory\n", stderr); /* not even a line to say so fits */
        abort();
    }
    va_end(arguments);
    return error;
}

char *import_begin(struct import *import, const struct trace_facts *facts)
{
    if (import->begun) {
        return NULL;
    }
    import->begun = true;
    import->clocked = facts->time_unit == TIME_NS;
    return import->sink->begin(import->sink, facts);
}

char *import_give(struct import *import, const struct import_ref *ref)
{
    if (import->clocked) {
        if (ref->column[COLUMN_TIME] < import->last_time && !import->options->any_order) {
            return import_error("%s:%" PRIu64 ": this time is %" PRIu64
                                " ns before that of an earlier line; --sort puts lines in order",
                                import->file, import->line,
                                import->last_time - ref->column[COLUMN_TIME]);
        }
        import->last_time = ref->column[COLUMN_TIME];
    }
    import->refs++;
    return import->sink->ref(import->sink, ref);
}

/* `found`, fit to be shown: short, and with no byte that would upset a terminal. */
static void quote(struct span found, char *to, size_t room)
{
    size_t bytes = span_bytes(found);
    const char *more = bytes > QUOTED_BYTES ? "..." : "";
    char *end = to + room;
    if (bytes == 0) {
        snprintf(to, room, "the end of the line");
        return;
    }
    *to++ = '\'';
    for (size_t i = 0; i < bytes && i < QUOTED_BYTES; i++) {
        unsigned char c = (unsigned char)found.at[i];
        to += snprintf(to, (size_t)(end - to), c >= ' ' && c < 0x7f ? "%c" : "\\x%02x", c);
    }
    snprintf(to, (size_t)(end - to), "'%s", more);
}

char *import_skip_or(struct import *import, char *error)
{
    if (!import->options->skip_bad) {
        return error;
    }
    import->skipped++;
    if (import->first_skipped == NULL) {
        import->first_skipped = error;
    } else {
        free(error);
    }
    return NULL;
}

char *import_bad(struct import *import, const char *line, struct span found, const char *expected)
{
    char quoted[QUOTED_BYTES * 4 + 16];
    if (import->options->skip_bad && import->first_skipped != NULL) {
        import->skipped++;
        return NULL;
    }
    quote(found, quoted, sizeof quoted);
    return import_skip_or(import,
                          import_error("%s:%" PRIu64 ":%td: expected %s, found %s%s", import->file,
                                       import->line, found.at - line + 1, expected, quoted,
                                       import->options->skip_bad
                                           ? ""
                                           : "; --skip-bad counts such lines and goes on"));
}

char *import_note_count(struct import *import, const char *key, uint64_t count)
{
    char digits[24];
    if (count == 0) {
        return NULL;
    }
    snprintf(digits, sizeof digits, "%" PRIu64, count);
    return import->sink->note(import->sink, key, digits);
}

bool import_watched(const struct import *import)
{
    uint64_t bytes_read = 0;
    for (size_t i = 0; import->watch != NULL && i < import->inputs->inputs; i++) {
        bytes_read += input_bytes_read(import->inputs->input[i]);
    }
    return import->watch != NULL && import->watch(import->watch_context, bytes_read);
}

static char *too_long(struct import *import)
{
    import->line++;
    return import_skip_or(import,
                          import_error("%s:%" PRIu64 ": the line is longer than %u bytes; is this "
                                       "the right format?",
                                       import->file, import->line, IMPORT_LINE_BYTES));
}

/* Lines of the input to the parser, as many at a time as the buffer holds. */
static char *feed_lines(const struct import_format *format, struct import *import, char *buffer,
                        bool *stopped)
{
    struct input *input = import->inputs->input[0];
    size_t held = 0;      /* bytes of a line that has not ended yet, at the buffer's front */
    bool passing = false; /* the rest of a line that was too long */
    while (!input_ended(input) && !*stopped) {
        size_t got = 0;
        char *error = input_read(input, buffer + held, IMPORT_LINE_BYTES - held, &got);
        if (error != NULL) {
            return error;
        }
        char *end = buffer + held + got;
        if (input_ended(input) && held > 0) { /* the last line may lack its end; there is room */
            *end++ = '\n';
        }
        char *last = memrchr(buffer + held, '\n', (size_t)(end - buffer) - held);
        char *first = buffer;
        if (last != NULL && passing) {
            first = (char *)memchr(buffer, '\n', (size_t)(end - buffer)) + 1;
            passing = false;
        }
        if (last != NULL && last >= first) {
            error = format->lines(import->parser, first, (size_t)(last + 1 - first));
            if (error != NULL) {
                return error;
            }
        }
        char *rest = last != NULL ? last + 1 : buffer;
        held = passing ? 0 : (size_t)(end - rest);
        memmove(buffer, rest, held);
        if (held == IMPORT_LINE_BYTES) {
            error = too_long(import);
            if (error != NULL) {
                return error;
            }
            passing = true;
            held = 0;
        }
        *stopped = import_watched(import);
    }
    return NULL;
}

/* The same for records. */
static char *feed_records(const struct import_format *format, struct import *import, char *buffer,
                          bool *stopped)
{
    struct input *input = import->inputs->input[0];
    size_t held = 0; /* bytes of a record that is not there yet, at the buffer's front */
    while (!input_ended(input) && !*stopped) {
        size_t got = 0;
        char *error = input_read(input, buffer + held, IMPORT_LINE_BYTES - held, &got);
        size_t records = (held + got) / format->record_bytes;
        size_t whole = records * format->record_bytes;
        if (error == NULL && records > 0) {
            error = format->records(import->parser, (const unsigned char *)buffer, records);
        }
        if (error != NULL) {
            return error;
        }
        held = held + got - whole;
        memmove(buffer, buffer + whole, held);
        *stopped = import_watched(import);
    }
    if (held == 0 || *stopped) {
        return NULL;
    }
    import->line++;
    return import_skip_or(import, import_error("%s: record %" PRIu64 " (byte %" PRIu64
                                               ") has %zu of %zu bytes: the "
                                               "file was cut off, or is of another format",
                                               import->file, import->line,
                                               (import->line - 1) * format->record_bytes, held,
                                               format->record_bytes));
}

static char *feed(const struct import_format *format, struct import *import, bool *stopped)
{
    if (format->read != NULL) {
        return format->read(import->parser, stopped);
    }
    char *buffer = malloc(IMPORT_LINE_BYTES + 1);
    if (buffer == NULL) {
        return import_error("%s: out of memory", import->file);
    }
    char *error = format->lines != NULL ? feed_lines(format, import, buffer, stopped)
                                        : feed_records(format, import, buffer, stopped);
    free(buffer);
    return error;
}

static char *finish(const struct import_format *format, struct import *import, bool stopped)
{
    char *error = format->finish(import->parser);
    bool lines = format->lines != NULL;
    if (error == NULL) {
        error = import_note_count(import, "files_left_alone", import->inputs->left_alone);
    }
    if (error == NULL) {
        error =
            import_note_count(import, lines ? "lines_skipped" : "records_skipped", import->skipped);
    }
    if (error == NULL && import->first_skipped != NULL) {
        error =
            import->sink->note(import->sink, lines ? "first_line_skipped" : "first_record_skipped",
                               import->first_skipped);
    }
    if (error != NULL || import->refs > 0 || stopped) {
        return error;
    }
    if (import->line == 0) {
        return import_error("%s: is empty", import->file);
    }
    return import_error("%s: has %" PRIu64 " %s but no reference of format %s%s%s", import->file,
                        import->line, import_units(format), format->name,
                        import->first_skipped != NULL ? "; skipped " : "",
                        import->first_skipped != NULL ? import->first_skipped : "");
}

/* From the first byte to the notes. */
static char *run(const struct import_format *format, struct import *import,
                 struct import_result *result)
{
    char *error = format->open(import, &import->parser);
    if (error != NULL) {
        result->wrong_options = true;
        return error;
    }
    error = feed(format, import, &result->stopped);
    if (error == NULL) {
        error = finish(format, import, result->stopped);
    }
    format->close(import->parser);
    return error;
}

char *import_run(const struct import_format *format, const struct import_options *options,
                 const struct input_set *inputs, struct import_sink *sink, import_watch *watch,
                 void *watch_context, struct import_result *result)
{
    struct import import = {.options = options,
                            .sink = sink,
                            .file = inputs->name,
                            .inputs = inputs,
                            .watch = watch,
                            .watch_context = watch_context};
    *result = (struct import_result){0};
    char *error = run(format, &import, result);
    result->refs = import.refs;
    result->lines = import.line;
    result->skipped = import.skipped;
    free(import.first_skipped);
    return error;
}
