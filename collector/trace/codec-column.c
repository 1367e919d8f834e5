#include "collector/trace/codec-column.h"

#include <stdbool.h>
#include <string.h>

static const char wrong_length[] = "a column has another length than its block";

size_t column_bound(size_t values)
{
    return 2u + 8u * section_bound(values) + section_bound(values * VARINT_BYTES_MAX);
}

static bool is_linear(const uint64_t *values, size_t count)
{
    for (size_t i = 2; i < count; i++)
        if (values[i] - values[i - 1] != values[1] - values[0])
            return false;
    return true;
}

static const char *put_varints(struct section_out *out, const uint64_t *values, size_t count,
                               bool deltas, uint8_t *scratch)
{
    uint8_t *next = scratch;
    uint64_t before = 0;
    for (size_t i = 0; i < count; i++) {
        next = varint_put(next, deltas ? zigzag(values[i] - before) : values[i]);
        before = values[i];
    }
    section_put_byte(out, deltas ? COLUMN_DELTAS : COLUMN_VALUES);
    return section_put(out, scratch, (size_t)(next - scratch));
}

static const char *put_planes(struct section_out *out, const uint64_t *values, size_t count,
                              uint8_t *scratch)
{
    uint64_t any = 0, before = 0;
    for (size_t i = 0; i < count; i++) {
        any |= zigzag(values[i] - before);
        before = values[i];
    }
    unsigned planes = 1;
    while (planes < 8 && any >> (8 * planes) != 0)
        planes++;
    section_put_byte(out, COLUMN_PLANES);
    section_put_byte(out, (uint8_t)planes);
    for (unsigned plane = 0; plane < planes; plane++) {
        before = 0;
        for (size_t i = 0; i < count; i++) {
            scratch[i] = (uint8_t)(zigzag(values[i] - before) >> (8 * plane));
            before = values[i];
        }
        const char *wrong = section_put(out, scratch, count);
        if (wrong)
            return wrong;
    }
    return NULL;
}

static const char *put_as(struct section_out *out, const uint64_t *values, size_t count,
                          enum column_encoding encoding, uint8_t *scratch)
{
    if (encoding == COLUMN_PLANES)
        return put_planes(out, values, count, scratch);
    return put_varints(out, values, count, encoding == COLUMN_DELTAS, scratch);
}

const char *column_put(struct section_out *out, const uint64_t *values, size_t count,
                       uint8_t *scratch)
{
    if (is_linear(values, count)) {
        const uint64_t first = count > 0 ? values[0] : 0;
        const uint64_t step = count > 1 ? values[1] - values[0] : 0;
        section_put_byte(out, step == 0 ? COLUMN_CONSTANT : COLUMN_LINEAR);
        section_put_varint(out, first);
        if (step != 0)
            section_put_varint(out, zigzag(step));
        return NULL;
    }
    uint8_t *const column = out->next;
    enum column_encoding best = COLUMN_VALUES;
    size_t best_bytes = SIZE_MAX;
    for (enum column_encoding encoding = COLUMN_VALUES; encoding < COLUMN_ENCODINGS; encoding++) {
        out->next = column;
        const char *wrong = put_as(out, values, count, encoding, scratch);
        if (wrong)
            return wrong;
        const size_t bytes = (size_t)(out->next - column);
        if (bytes < best_bytes) {
            best = encoding;
            best_bytes = bytes;
        }
    }
    if (best == COLUMN_ENCODINGS - 1)
        return NULL; /* the last one tried stands there already */
    out->next = column;
    return put_as(out, values, count, best, scratch);
}

static const char *get_varints(struct section_in *in, uint64_t *values, size_t count, bool deltas,
                               uint8_t *scratch)
{
    size_t size;
    const char *wrong = section_get(in, scratch, count * VARINT_BYTES_MAX, &size);
    if (wrong)
        return wrong;
    const uint8_t *next = scratch, *const end = scratch + size;
    uint64_t before = 0;
    for (size_t i = 0; i < count && next < end; i++) {
        uint64_t value;
        next = varint_get(next, &value);
        before = deltas ? before + unzigzag(value) : value;
        values[i] = before;
        if (next > end || (next == end && i + 1 < count))
            return wrong_length;
    }
    return next == end && (size > 0 || count == 0) ? NULL : wrong_length;
}

static const char *get_planes(struct section_in *in, uint64_t *values, size_t count,
                              uint8_t *scratch)
{
    uint8_t planes;
    const char *wrong = section_get_byte(in, &planes);
    if (wrong)
        return wrong;
    if (planes < 1 || planes > 8)
        return "a column has an impossible number of byte planes";
    memset(values, 0, count * sizeof *values);
    for (unsigned plane = 0; plane < planes; plane++) {
        size_t size;
        wrong = section_get(in, scratch, count, &size);
        if (wrong)
            return wrong;
        if (size != count)
            return wrong_length;
        for (size_t i = 0; i < count; i++)
            values[i] |= (uint64_t)scratch[i] << (8 * plane);
    }
    uint64_t before = 0;
    for (size_t i = 0; i < count; i++)
        values[i] = before += unzigzag(values[i]);
    return NULL;
}

static const char *get_linear(struct section_in *in, uint64_t *values, size_t count, bool constant)
{
    uint64_t value, step = 0;
    const char *wrong = section_get_varint(in, &value);
    if (!wrong && !constant)
        wrong = section_get_varint(in, &step);
    if (wrong)
        return wrong;
    step = unzigzag(step);
    for (size_t i = 0; i < count; i++, value += step)
        values[i] = value;
    return NULL;
}

const char *column_get(struct section_in *in, uint64_t *values, size_t count, uint8_t *scratch)
{
    uint8_t encoding;
    const char *wrong = section_get_byte(in, &encoding);
    if (wrong)
        return wrong;
    switch (encoding) {
    case COLUMN_CONSTANT:
    case COLUMN_LINEAR:
        return get_linear(in, values, count, encoding == COLUMN_CONSTANT);
    case COLUMN_VALUES:
    case COLUMN_DELTAS:
        return get_varints(in, values, count, encoding == COLUMN_DELTAS, scratch);
    case COLUMN_PLANES:
        return get_planes(in, values, count, scratch);
    default:
        return "a column has an unknown encoding";
    }
}

const char *column_skip(struct section_in *in)
{
    uint64_t ignored;
    uint8_t encoding, sections = 1;
    const char *wrong = section_get_byte(in, &encoding);
    if (wrong)
        return wrong;
    if (encoding >= COLUMN_ENCODINGS)
        return "a column has an unknown encoding";
    if (encoding == COLUMN_CONSTANT || encoding == COLUMN_LINEAR) {
        wrong = section_get_varint(in, &ignored);
        if (!wrong && encoding == COLUMN_LINEAR)
            wrong = section_get_varint(in, &ignored);
        return wrong;
    }
    if (encoding == COLUMN_PLANES)
        wrong = section_get_byte(in, &sections);
    for (unsigned i = 0; i < sections && !wrong; i++)
        wrong = section_skip(in);
    return wrong;
}
