/* Sections: the byte strings that an encoded block is made of (codec-format.h), and varints in
 * them.
 *
 * A section on disk is its method (one byte), the number of bytes it holds (varint), and these
 * bytes as the method says. The writer picks the method that is smallest; the reader checks the
 * sizes against the room it has before it touches a byte.
 */
#ifndef DISCO_TRACE_CODEC_SECTION_H
#define DISCO_TRACE_CODEC_SECTION_H

#include <stddef.h>
#include <stdint.h>

#include <zstd.h>

#define VARINT_BYTES_MAX 10u
/* A section's reader may be asked for this many bytes past its end; they read as zeros. */
#define SECTION_SLACK_BYTES 64u

enum section_method {
    SECTION_RAW,      /* the bytes themselves */
    SECTION_CONSTANT, /* one byte, repeated */
    SECTION_ZSTD,     /* stored size (varint), then one zstd frame with its content size in it */
    SECTION_METHODS
};

/* Where an encoder writes. `room` is big enough for the largest block, so puts do not fail for
 * room. */
struct section_out {
    uint8_t *start, *next, *end;
    ZSTD_CCtx *zstd;
};

/* Where a decoder reads. */
struct section_in {
    const uint8_t *next, *end;
    ZSTD_DCtx *zstd;
};

/* Bytes that `bytes` bytes may take as a section, at the most. */
size_t section_bound(size_t bytes);

/* All return NULL, or what is wrong (static text). */
const char *section_put(struct section_out *out, const uint8_t *bytes, size_t size_bytes);
/* `into` has room for limit + SECTION_SLACK_BYTES. */
const char *section_get(struct section_in *in, uint8_t *into, size_t limit, size_t *size_bytes);
const char *section_skip(struct section_in *in);

void section_put_byte(struct section_out *out, uint8_t byte);
void section_put_varint(struct section_out *out, uint64_t value);
const char *section_get_byte(struct section_in *in, uint8_t *byte);
const char *section_get_varint(struct section_in *in, uint64_t *value);

/* Folds the sign into bit 0: small differences either way become small numbers. */
static inline uint64_t zigzag(uint64_t difference)
{
    return (difference << 1) ^ (0u - (difference >> 63));
}

static inline uint64_t unzigzag(uint64_t folded)
{
    return (folded >> 1) ^ (0u - (folded & 1u));
}

/* LEB128: seven bits a byte, low first, top bit set on all but the last. */
static inline uint8_t *varint_put(uint8_t *next, uint64_t value)
{
    while (value >= 0x80u) {
        *next++ = (uint8_t)(value | 0x80u);
        value >>= 7;
    }
    *next++ = (uint8_t)value;
    return next;
}

/* Reads at most VARINT_BYTES_MAX bytes, which must be there (SECTION_SLACK_BYTES sees to it);
 * bits past the 64th are dropped. The caller compares the answer with its end. */
static inline const uint8_t *varint_get(const uint8_t *next, uint64_t *value)
{
    uint64_t byte = *next++;
    if (__builtin_expect(byte < 0x80u, 1)) {
        *value = byte;
        return next;
    }
    uint64_t sum = byte & 0x7Fu;
    for (unsigned shift = 7; shift < 7u * VARINT_BYTES_MAX; shift += 7) {
        byte = *next++;
        sum |= (byte & 0x7Fu) << shift;
        if (byte < 0x80u)
            break;
    }
    *value = sum;
    return next;
}

static inline unsigned varint_bytes(uint64_t value)
{
    return ((unsigned)(63 - __builtin_clzll(value | 1u)) / 7u) + 1u;
}

#endif
