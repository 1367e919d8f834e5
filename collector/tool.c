#include "collector/tool.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int tool_end(char *error)
{
    if (fflush(stdout) != 0 && error == NULL)
        error = tool_line("standard output: %s", strerror(errno));
    if (error == NULL)
        return 0;
    fprintf(stderr, "disco-trace: %s\n", error);
    free(error);
    return 1;
}

uint64_t tool_number(struct argp_state *state, const char *what, const char *text)
{
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, strncmp(text, "0x", 2) == 0 ? 16 : 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0)
        argp_error(state, "%s: '%s' is not a number", what, text);
    return value;
}

char *tool_line(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = NULL;
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0 || text == NULL) {
        fputs("disco-trace: out of memory\n", stderr);
        exit(1);
    }
    return text;
}

bool tool_same_file(const char *a, const char *b)
{
    struct stat one;
    struct stat other;
    return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

char *tool_copy_ids(const struct trace_reader *reader, struct trace_writer *writer,
                    uint32_t first_space, const char *prefix)
{
    const struct trace_summary *summary = trace_reader_summary(reader);
    uint32_t id = 0;
    char *error = NULL;
    for (uint32_t i = 0; i < summary->spaces && error == NULL; i++)
        error = trace_writer_space(writer, trace_reader_space(reader, i), &id);
    for (uint32_t i = 0; i < summary->streams && error == NULL; i++) {
        struct trace_stream stream = *trace_reader_stream(reader, i);
        stream.space += first_space;
        error = trace_writer_stream(writer, &stream, &id);
    }
    for (uint32_t i = 0; i < summary->regions && error == NULL; i++) {
        struct trace_region region = *trace_reader_region(reader, i);
        region.space += first_space;
        error = trace_writer_region(writer, &region, &id);
    }
    for (uint32_t i = 0; i < summary->notes && error == NULL; i++) {
        const struct trace_note *note = trace_reader_note(reader, i);
        char *key = tool_line("%s%s", prefix, note->key != NULL ? note->key : "");
        error = trace_writer_note(writer, key, note->value != NULL ? note->value : "");
        free(key);
    }
    return error;
}

struct ref tool_ref(const struct ref_block *block, uint32_t run, uint32_t at)
{
    struct ref ref = {.addr = block->addr[at],
                      .stream = block->run[run].stream,
                      .what = block->what[at]};
    for (uint32_t left = block->columns; left != 0; left &= left - 1) {
        int column = __builtin_ctz(left);
        if (block->column[column] != NULL)
            ref.column[column] = block->column[column][at];
    }
    return ref;
}
