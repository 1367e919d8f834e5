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
                                 const uint64_t *addr, const uint8_t *what, const uint64_t *size,
                                 size_t refs)
{
    char *error = NULL;
    for (size_t i = 0; i < refs && error == NULL; i++) {
        struct import_ref ref = *like;
        ref.addr = addr[i];
        ref.what = what[i];
        ref.column[COLUMN_SIZE] = size[i];
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

/* Imports a text as if it were the file "f". */
static inline char *collect(const struct import_format *format,
                            const struct import_options *options, const void *text, size_t bytes,
                            struct collected *collected, struct import_result *result)
{
    struct input *input = NULL;
    collected_reset(collected);
    *result = (struct import_result){0};
    char *error = input_memory("f", text, bytes, &input);
    if (error == NULL) {
        error = import_run(format, options, input, &collected->sink, NULL, NULL, result);
        input_close(input);
    }
    return error;
}

#endif
