/* A sink that keeps what an importer found, for the unit tests, property tests and fuzzers of
 * imports. */
#ifndef DISCO_TEST_IMPORT_H
#define DISCO_TEST_IMPORT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/sources/import.h"

struct collected {
    struct import_sink sink; /* first: the functions get the rest from its address */
    struct import_ref *ref;
    size_t refs, room;
    bool begun;
    unsigned columns;
    enum trace_time_unit time_unit;
    bool sampled;
    char command[128], event[64];
    char notes[1024]; /* "key=value\n" each */
};

static inline char *collect_begin(struct import_sink *sink, const struct trace_facts *facts)
{
    struct collected *collected = (struct collected *)sink;
    if (collected->begun) {
        return strdup("begun twice");
    }
    collected->begun = true;
    collected->columns = facts->columns;
    collected->time_unit = facts->time_unit;
    collected->sampled = facts->sampled;
    snprintf(collected->command, sizeof collected->command, "%s",
             facts->command != NULL ? facts->command : "");
    snprintf(collected->event, sizeof collected->event, "%s",
             facts->event != NULL ? facts->event : "");
    return NULL;
}

static inline char *collect_ref(struct import_sink *sink, const struct import_ref *ref)
{
    struct collected *collected = (struct collected *)sink;
    if (!collected->begun || ref->what > REF_WHAT_MASK) {
        return strdup("a reference before the trace began, or of no kind");
    }
    if (collected->refs == collected->room) {
        collected->room = collected->room * 2 + 256;
        collected->ref = realloc(collected->ref, collected->room * sizeof *collected->ref);
        if (collected->ref == NULL) {
            abort();
        }
    }
    collected->ref[collected->refs++] = *ref;
    return NULL;
}

static inline char *collect_refs(struct import_sink *sink, const struct import_ref *like,
                                 const uint64_t *addr, const uint8_t *what,
                                 const uint64_t *const column[REF_COLUMNS], size_t refs)
{
    char *error = NULL;
    for (size_t i = 0; i < refs && error == NULL; i++) {
        struct import_ref ref = *like;
        ref.addr = addr[i];
        ref.what = what[i];
        for (size_t c = 0; c < REF_COLUMNS; c++) {
            ref.column[c] = column != NULL && column[c] != NULL ? column[c][i] : like->column[c];
        }
        error = collect_ref(sink, &ref);
    }
    return error;
}

static inline char *collect_note(struct import_sink *sink, const char *key, const char *value)
{
    struct collected *collected = (struct collected *)sink;
    size_t used = strlen(collected->notes);
    snprintf(collected->notes + used, sizeof collected->notes - used, "%s=%s\n", key, value);
    return NULL;
}

static inline void collected_reset(struct collected *collected)
{
    free(collected->ref);
    memset(collected, 0, sizeof *collected);
    collected->sink = (struct import_sink){collect_begin, collect_ref, collect_refs, collect_note};
}

/* Imports pieces of memory as if they were the files "f", or "f", "g", "h", ... of a folder "d". */
static inline char *collect_files(const struct import_format *format,
                                  const struct import_options *options, const void *const *data,
                                  const size_t *bytes, size_t files, struct collected *collected,
                                  struct import_result *result)
{
    struct input *input[16] = {NULL};
    struct input_set inputs = {.name = files == 1 ? "f" : "d", .input = input};
    char *error = NULL;
    collected_reset(collected);
    *result = (struct import_result){0};
    for (; error == NULL && inputs.inputs < files && inputs.inputs < 16; inputs.inputs++) {
        size_t i = inputs.inputs;
        const char name[2] = {(char)('f' + i), '\0'};
        error = input_memory(name, data[i], bytes[i], &input[i]);
    }
    if (error == NULL) {
        error = import_run(format, options, &inputs, &collected->sink, NULL, NULL, result);
    }
    for (size_t i = 0; i < 16; i++) {
        input_close(input[i]);
    }
    return error;
}

/* Imports a text as if it were the file "f". */
static inline char *collect(const struct import_format *format,
                            const struct import_options *options, const void *text, size_t bytes,
                            struct collected *collected, struct import_result *result)
{
    return collect_files(format, options, &text, &bytes, 1, collected, result);
}

#endif
