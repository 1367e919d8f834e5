#include "replayer/schedule_file.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replayer/schedule.h"

enum who {
    WHO_ALL,
    WHO_STREAM,
    WHO_TID,
    WHO_NAME,
};

struct line {
    enum who who;
    uint64_t number;  /* stream or tid */
    const char *name; /* of the thread */
    uint64_t cpu;     /* the operating system's number */
};

static bool whole_number(const char *text, uint64_t *number)
{
    char *end = NULL;
    if (!isdigit((unsigned char)*text))
        return false;
    errno = 0;
    *number = strtoull(text, &end, 10);
    return *end == '\0' && errno == 0;
}

/* Cuts white space at the end; gives the first character that is none. */
static char *trim(char *text)
{
    size_t length = strlen(text);
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        text[--length] = '\0';
    while (isspace((unsigned char)*text))
        text++;
    return text;
}

/* What is wrong with it, or NULL. A thread's name may hold spaces: the CPU is the last word. */
static const char *parse_line(char *text, struct line *line)
{
    size_t at = strlen(text);
    while (at > 0 && !isspace((unsigned char)text[at - 1]))
        at--;
    if (at == 0)
        return "one word; wanted: WHO CPU";
    if (!whole_number(text + at, &line->cpu))
        return "the last word is not the number of a CPU";
    text[at] = '\0';
    char *who = trim(text);
    line->name = who;
    if (strcmp(who, "*") == 0) {
        line->who = WHO_ALL;
    } else if (strncmp(who, "stream:", 7) == 0) {
        line->who = WHO_STREAM;
        return whole_number(who + 7, &line->number) ? NULL : "stream: wants a number";
    } else if (strncmp(who, "tid:", 4) == 0) {
        line->who = WHO_TID;
        return whole_number(who + 4, &line->number) ? NULL : "tid: wants a number";
    } else if (strncmp(who, "name:", 5) == 0) {
        line->who = WHO_NAME;
        line->name = who + 5;
    } else {
        line->who = whole_number(who, &line->number) ? WHO_TID : WHO_NAME;
    }
    return NULL;
}

static bool fits(const struct line *line, uint32_t id, const struct trace_stream *stream)
{
    switch (line->who) {
    case WHO_STREAM:
        return line->number == id;
    case WHO_TID:
        return line->number == stream->tid;
    case WHO_NAME:
        return stream->name != NULL && strcmp(line->name, stream->name) == 0;
    case WHO_ALL:
        break;
    }
    return true;
}

static char *apply(const struct line *line, const char *path, unsigned number,
                   const struct trace_reader *reader, const struct machine *machine, uint32_t *cpu)
{
    uint32_t index = schedule_cpu(machine, line->cpu);
    if (index == SCHEDULE_NO_CPU)
        return say("%s:%u: machine %s has no CPU %" PRIu64 "; it has %" PRIu32 " CPUs", path,
                   number, machine->name, line->cpu, machine->cpus);
    bool any = line->who == WHO_ALL;
    for (uint32_t i = 0; i < trace_reader_summary(reader)->streams; i++)
        if (fits(line, i, trace_reader_stream(reader, i))) {
            any = true;
            if (cpu[i] == SCHEDULE_NO_CPU)
                cpu[i] = index;
        }
    return any ? NULL
               : say("%s:%u: no stream of the trace is '%s'; table trace_stream lists them", path,
                     number, line->name);
}

char *schedule_file_read(const char *path, const struct trace_reader *reader,
                         const struct machine *machine, uint32_t *cpu)
{
    uint32_t streams = trace_reader_summary(reader)->streams;
    for (uint32_t i = 0; i < streams; i++)
        cpu[i] = SCHEDULE_NO_CPU;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return say("%s: %s; a schedule is recorded, compact, scatter or a file that can be read",
                   path, strerror(errno));
    char *error = NULL, *text = NULL;
    size_t room = 0;
    for (unsigned number = 1; error == NULL && getline(&text, &room, file) >= 0; number++) {
        char *comment = strchr(text, '#');
        if (comment != NULL)
            *comment = '\0';
        char *words = trim(text);
        if (*words == '\0')
            continue;
        struct line line = {0};
        const char *wrong = parse_line(words, &line);
        error = wrong != NULL ? say("%s:%u: %s", path, number, wrong)
                              : apply(&line, path, number, reader, machine, cpu);
    }
    if (error == NULL && ferror(file))
        error = say("%s: %s", path, strerror(errno));
    free(text);
    (void)fclose(file);
    uint32_t without = 0, first = 0;
    for (uint32_t i = streams; i-- > 0;)
        if (cpu[i] == SCHEDULE_NO_CPU) {
            without++;
            first = i;
        }
    if (error == NULL && without > 0)
        error = say("%s: no line fits %" PRIu32 " streams of the trace (stream %" PRIu32
                    " first); add lines, or * CPU for the rest",
                    path, without, first);
    return error;
}
