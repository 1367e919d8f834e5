#include "collector/trace/codec-section.h"

#include <stdbool.h>
#include <string.h>

/* Below this many bytes a zstd frame's own header costs more than it saves. */
#define ZSTD_WORTH_BYTES 24u

static const char cut_short[] = "the block is cut short";

size_t section_bound(size_t bytes)
{
    return 1u + 2u * VARINT_BYTES_MAX + ZSTD_COMPRESSBOUND(bytes);
}

void section_put_byte(struct section_out *out, uint8_t byte)
{
    *out->next++ = byte;
}

void section_put_varint(struct section_out *out, uint64_t value)
{
    out->next = varint_put(out->next, value);
}

static bool is_constant(const uint8_t *bytes, size_t size_bytes)
{
    return size_bytes > 0 && memcmp(bytes, bytes + 1, size_bytes - 1) == 0;
}

static void put_raw(struct section_out *out, const uint8_t *bytes, size_t size_bytes)
{
    section_put_byte(out, SECTION_RAW);
    section_put_varint(out, size_bytes);
    memcpy(out->next, bytes, size_bytes);
    out->next += size_bytes;
}

const char *section_put(struct section_out *out, const uint8_t *bytes, size_t size_bytes)
{
    if ((size_t)(out->end - out->next) < section_bound(size_bytes))
        return "the block does not fit its encoder";
    if (size_bytes == 0) {
        put_raw(out, out->next, 0);
        return NULL;
    }
    if (is_constant(bytes, size_bytes)) {
        section_put_byte(out, SECTION_CONSTANT);
        section_put_varint(out, size_bytes);
        section_put_byte(out, bytes[0]);
        return NULL;
    }
    if (size_bytes < ZSTD_WORTH_BYTES) {
        put_raw(out, bytes, size_bytes);
        return NULL;
    }
    /* The stored size comes before the frame but is known after it: leave its widest place, then
     * close the gap. */
    uint8_t *const section = out->next;
    section_put_byte(out, SECTION_ZSTD);
    section_put_varint(out, size_bytes);
    uint8_t *const frame = out->next + VARINT_BYTES_MAX;
    const size_t stored =
        ZSTD_compress2(out->zstd, frame, (size_t)(out->end - frame), bytes, size_bytes);
    if (ZSTD_isError(stored))
        return ZSTD_getErrorName(stored);
    if (stored >= size_bytes) {
        out->next = section;
        put_raw(out, bytes, size_bytes);
        return NULL;
    }
    section_put_varint(out, stored);
    memmove(out->next, frame, stored);
    out->next += stored;
    return NULL;
}

const char *section_get_byte(struct section_in *in, uint8_t *byte)
{
    if (in->next == in->end)
        return cut_short;
    *byte = *in->next++;
    return NULL;
}

const char *section_get_varint(struct section_in *in, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 7u * VARINT_BYTES_MAX; shift += 7) {
        if (in->next == in->end)
            return cut_short;
        const uint64_t byte = *in->next++;
        *value |= (byte & 0x7Fu) << shift;
        if (byte < 0x80u)
            return NULL;
    }
    return "a number is longer than 64 bits";
}

/* Where the bytes of a section stand, and how many they are. */
struct section {
    uint8_t method;
    uint64_t size_bytes;
    const uint8_t *stored;
    uint64_t stored_bytes;
};

static const char *section_find(struct section_in *in, struct section *section)
{
    const char *wrong = section_get_byte(in, &section->method);
    if (!wrong)
        wrong = section_get_varint(in, &section->size_bytes);
    if (wrong)
        return wrong;
    switch (section->method) {
    case SECTION_RAW:
        section->stored_bytes = section->size_bytes;
        break;
    case SECTION_CONSTANT:
        section->stored_bytes = 1;
        break;
    case SECTION_ZSTD:
        wrong = section_get_varint(in, &section->stored_bytes);
        if (wrong)
            return wrong;
        break;
    default:
        return "a section has an unknown method";
    }
    section->stored = in->next;
    if (section->stored_bytes > (uint64_t)(in->end - in->next))
        return cut_short;
    in->next += section->stored_bytes;
    return NULL;
}

const char *section_get(struct section_in *in, uint8_t *into, size_t limit, size_t *size_bytes)
{
    struct section section;
    const char *wrong = section_find(in, &section);
    if (wrong)
        return wrong;
    if (section.size_bytes > limit)
        return "a section is larger than the block allows";
    const size_t size = (size_t)section.size_bytes;
    if (section.method == SECTION_RAW) {
        memcpy(into, section.stored, size);
    } else if (section.method == SECTION_CONSTANT) {
        memset(into, section.stored[0], size);
    } else {
        const size_t stored = (size_t)section.stored_bytes;
        if (ZSTD_getFrameContentSize(section.stored, stored) != section.size_bytes)
            return "a section's frame says another size than the section";
        if (ZSTD_decompressDCtx(in->zstd, into, size, section.stored, stored) != size)
            return "a section does not decompress";
    }
    memset(into + size, 0, SECTION_SLACK_BYTES);
    *size_bytes = size;
    return NULL;
}

const char *section_skip(struct section_in *in)
{
    struct section section;
    return section_find(in, &section);
}
