/* ADDRESS_PATTERN: data references without the instructions that made them.
 *
 * Code leaves a print: the kinds and sizes of the references around one tell rather well which
 * instruction made it, once more as good as its address would. So the place of a reference (see
 * codec-place.c) is a hash of what and size of the four references before it, its own, and of the
 * two after it. Without sizes the print is which of sixteen references before and fifteen after are
 * stores. Kinds and sizes are stored first; the decoder has them all before the first address.
 */
#include "collector/trace/codec-address.h"

#include <endian.h>
#include <string.h>

#define PLACE_BITS  14u
#define PLACES      (1u << PLACE_BITS)
#define BEFORE      4u  /* references of a print before its own, with sizes; 7 in all */
#define BEFORE_BITS 16u /* and without; 32 in all */

static inline uint16_t place_of(uint64_t print)
{
    return (uint16_t)(print * 0x9E3779B97F4A7C15u >> (64u - PLACE_BITS));
}

static inline uint64_t load_word(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return le64toh(word);
}

/* A byte for each reference, what + 8 * size; zeros around. */
static void place_by_sizes(struct codec_work *work)
{
    uint8_t *const print = work->scratch[0];
    memset(print, 0, BEFORE);
    for (uint32_t i = 0; i < work->refs; i++)
        print[BEFORE + i] = (uint8_t)(work->what[i] + 8u * work->size[i]);
    memset(print + BEFORE + work->refs, 0, sizeof(uint64_t));
    for (uint32_t i = 0; i < work->refs; i++)
        work->place_at[i] = place_of(load_word(print + i) << 8);
}

/* Bit 1 of each of eight bytes, as one byte: the multiplication brings them together. */
static inline uint8_t stores_of(uint64_t whats)
{
    return (uint8_t)((whats >> 1 & UINT64_C(0x0101010101010101)) * UINT64_C(0x0102040810204080) >>
                     56);
}

/* A bit for each reference; zeros around. */
static void place_by_kinds(struct codec_work *work)
{
    uint8_t *const print = work->scratch[0];
    const uint32_t refs = work->refs, whole = refs / 8u * 8u;
    memset(print, 0, BEFORE_BITS / 8u);
    uint8_t *stores = print + BEFORE_BITS / 8u;
    for (uint32_t i = 0; i < whole; i += 8)
        *stores++ = stores_of(load_word(work->what + i));
    memset(stores, 0, 1 + 2u * sizeof(uint64_t));
    for (uint32_t i = whole; i < refs; i++)
        *stores |= (uint8_t)((work->what[i] >> 1 & 1u) << i % 8u);
    /* whole bytes at a time, and so a little beyond the last */
    for (uint32_t i = 0; i < refs; i += 8) {
        const uint64_t around = load_word(print + i / 8u);
        for (uint32_t bit = 0; bit < 8; bit++)
            work->place_at[i + bit] = place_of((uint32_t)(around >> bit));
    }
}

static void place_all(struct codec_work *work)
{
    uint8_t any = 0;
    for (uint32_t i = 0; i < work->refs; i++)
        any |= work->size[i];
    if (any)
        place_by_sizes(work);
    else
        place_by_kinds(work);
    for (uint32_t i = 0; i < work->refs; i++)
        work->foretold[i] = (uint16_t)i;
    memset(work->place, 0, PLACES * sizeof *work->place);
}

static const char *pattern_put(struct section_out *out, struct codec_work *work)
{
    work->fits = true;
    const char *wrong = whats_put(out, work);
    if (wrong)
        return wrong;
    place_all(work);
    return places_put(out, work, work->refs, 0);
}

static const char *pattern_get(struct section_in *in, struct codec_work *work)
{
    const char *wrong = whats_get(in, work);
    if (wrong)
        return wrong;
    place_all(work);
    return places_get(in, work, work->refs, 0);
}

const struct address_codec address_pattern = {pattern_put, pattern_get};
