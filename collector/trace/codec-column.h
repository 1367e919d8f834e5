/* Columns of 64-bit numbers: times, instruction pointers, sizes, what events carry. */
#ifndef DISCO_TRACE_CODEC_COLUMN_H
#define DISCO_TRACE_CODEC_COLUMN_H

#include "collector/trace/codec-section.h"

enum column_encoding {
    COLUMN_CONSTANT, /* one varint: every value */
    COLUMN_LINEAR,   /* two varints: the first value, zigzag of the step to each next */
    COLUMN_VALUES,   /* section of varints: the values */
    COLUMN_DELTAS,   /* section of varints: zigzag of each value less the one before (0 before the
                        first) */
    COLUMN_PLANES,   /* a byte p, then p sections: byte 0 of each zigzag delta, byte 1, ... */
    COLUMN_ENCODINGS
};

/* Bytes that `scratch` must have room for, SECTION_SLACK_BYTES included. */
#define COLUMN_SCRATCH_BYTES(values) ((size_t)(values)*VARINT_BYTES_MAX + SECTION_SLACK_BYTES)

/* Bytes that a column may take, at the most. */
size_t column_bound(size_t values);
/* Tries the encodings that could suit and keeps the smallest. */
const char *column_put(struct section_out *out, const uint64_t *values, size_t count,
                       uint8_t *scratch);
const char *column_get(struct section_in *in, uint64_t *values, size_t count, uint8_t *scratch);
const char *column_skip(struct section_in *in);

#endif
