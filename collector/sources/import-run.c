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

/* Counts a bad line, or makes `error` the answer. */
static char *skip_or(struct import *import, char *error)
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
    return skip_or(import, import_error("%s:%" PRIu64 ":%td: expected %s, found %s%s", import->file,
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

static char *too_long(struct import *import)
{
    import->line++;
    return skip_or(import, import_error("%s:%" PRIu64 ": the line is longer than %u bytes; is this "
                                        "the right format?",
                                        import->file, import->line, IMPORT_LINE_BYTES));
}

/* Lines of `input` to the parser, as many at a time as the buffer holds. */
static char *feed(const struct import_format *format, struct import *import, struct input *input,
                  char *buffer, import_watch *watch, void *context, bool *stopped)
{
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
        *stopped = watch != NULL && watch(context, input_bytes_read(input));
    }
    return NULL;
}

static char *finish(const struct import_format *format, struct import *import, bool stopped)
{
    char *error = format->finish(import->parser);
    if (error == NULL) {
        error = import_note_count(import, "lines_skipped", import->skipped);
    }
    if (error == NULL && import->first_skipped != NULL) {
        error = import->sink->note(import->sink, "first_line_skipped", import->first_skipped);
    }
    if (error != NULL || import->refs > 0 || stopped) {
        return error;
    }
    if (import->line == 0) {
        return import_error("%s: is empty", import->file);
    }
    return import_error("%s: has %" PRIu64 " lines but no reference of format %s%s%s", import->file,
                        import->line, format->name,
                        import->first_skipped != NULL ? "; skipped " : "",
                        import->first_skipped != NULL ? import->first_skipped : "");
}

/* From the first line to the notes. */
static char *run(const struct import_format *format, struct import *import, struct input *input,
                 char *buffer, import_watch *watch, void *watch_context,
                 struct import_result *result)
{
    char *error = format->open(import, &import->parser);
    if (error != NULL) {
        result->wrong_options = true;
        return error;
    }
    error = feed(format, import, input, buffer, watch, watch_context, &result->stopped);
    if (error == NULL) {
        error = finish(format, import, result->stopped);
    }
    format->close(import->parser);
    return error;
}

char *import_run(const struct import_format *format, const struct import_options *options,
                 struct input *input, struct import_sink *sink, import_watch *watch,
                 void *watch_context, struct import_result *result)
{
    struct import import = {.options = options, .sink = sink, .file = input_name(input)};
    *result = (struct import_result){0};
    char *buffer = malloc(IMPORT_LINE_BYTES + 1);
    if (buffer == NULL) {
        return import_error("%s: out of memory", input_name(input));
    }
    char *error = run(format, &import, input, buffer, watch, watch_context, result);
    result->refs = import.refs;
    result->lines = import.line;
    result->skipped = import.skipped;
    free(import.first_skipped);
    free(buffer);
    return error;
}
