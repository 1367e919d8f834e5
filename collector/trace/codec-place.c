/* Foretells addresses from what an operand did last.
 *
 * An operand of an instruction walks (an array's elements) or stays, or it keeps its distance from
 * the operand before it (fields of an object, words of a stack frame): two predictors, as in value
 * prediction (Sazeides and Smith, The Predictability of Data Values, MICRO-30, 1997: stride; the
 * other one is its "last value" of a difference). Each reference has a byte that says which of them
 * was right, or how many bytes the truth takes.
 */
#include "collector/trace/codec-address.h"

#include <endian.h>
#include <string.h>

/* The byte of a reference: foretold one way or the other, or else how many bytes of the strays hold
 * zigzag of its address less the last one of its place (the address before it, for a new place). */
enum foresight {
    FORESIGHT_STRIDE, /* the place's last address and its last step */
    FORESIGHT_NEAR, /* the reference before, and the place's last distance from the one before it */
    FORESIGHT_STRAY, /* one byte; and so on to */
    FORESIGHTS = FORESIGHT_STRAY + sizeof(uint64_t)
};

static const char damaged[] = "the addresses of the block do not fit its references";

static inline uint64_t load_word(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return le64toh(word);
}

static inline void store_word(uint8_t *bytes, uint64_t word)
{
    word = htole64(word);
    memcpy(bytes, &word, sizeof word);
}

static inline uint64_t stray_base(const struct place *place, uint64_t before)
{
    return place->last ? place->last : before;
}

static inline void remember(struct place *place, uint64_t addr, uint64_t before)
{
    place->step = place->last ? addr - place->last : 0;
    place->distance = addr - before;
    place->last = addr;
}

const char *places_put(struct section_out *out, struct codec_work *work, uint32_t count,
                       unsigned scratch)
{
    uint8_t *const foresight = work->scratch[scratch], *const strays = work->scratch[scratch + 1];
    uint8_t *stray = strays;
    uint64_t before = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t at = work->foretold[i];
        struct place *const place = &work->place[work->place_at[at]];
        const uint64_t addr = work->addr[at];
        const uint64_t folded = zigzag(addr - stray_base(place, before));
        const unsigned bytes = 8u - (unsigned)__builtin_clzll(folded | 1u) / 8u;
        uint8_t how = (uint8_t)(FORESIGHT_STRAY - 1u + bytes);
        how = addr == before + place->distance ? FORESIGHT_NEAR : how;
        how = addr == place->last + place->step ? FORESIGHT_STRIDE : how;
        foresight[i] = how;
        store_word(stray, folded);
        stray += how >= FORESIGHT_STRAY ? bytes : 0;
        remember(place, addr, before);
        before = addr;
    }
    const char *wrong = section_put(out, foresight, count);
    return wrong ? wrong : section_put(out, strays, (size_t)(stray - strays));
}

static uint8_t largest(const uint8_t *bytes, uint32_t count)
{
    uint8_t most = 0;
    for (uint32_t i = 0; i < count; i++)
        most = bytes[i] > most ? bytes[i] : most;
    return most;
}

const char *places_get(struct section_in *in, struct codec_work *work, uint32_t count,
                       unsigned scratch)
{
    static const uint64_t mask[FORESIGHTS] = {0,
                                              0,
                                              0xFF,
                                              0xFFFF,
                                              0xFFFFFF,
                                              0xFFFFFFFF,
                                              0xFFFFFFFFFF,
                                              0xFFFFFFFFFFFF,
                                              0xFFFFFFFFFFFFFF,
                                              UINT64_MAX};
    uint8_t *const foresight = work->scratch[scratch], *const strays = work->scratch[scratch + 1];
    size_t foresights, stray_bytes;
    const char *wrong = section_get(in, foresight, count, &foresights);
    if (!wrong)
        wrong = section_get(in, strays, count * sizeof(uint64_t), &stray_bytes);
    if (wrong)
        return wrong;
    if (foresights != count || largest(foresight, count) >= FORESIGHTS)
        return damaged;
    const uint8_t *stray = strays;
    uint64_t before = 0;
    /* Strays may be read past their end, but not past their scratch, which has room for more than
     * eight bytes a reference; a block that needs them is refused below. */
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t at = work->foretold[i];
        struct place *const place = &work->place[work->place_at[at]];
        const uint8_t how = foresight[i];
        uint64_t addr = stray_base(place, before) + unzigzag(load_word(stray) & mask[how]);
        stray += how >= FORESIGHT_STRAY ? how - (FORESIGHT_STRAY - 1) : 0;
        addr = how == FORESIGHT_NEAR ? before + place->distance : addr;
        addr = how == FORESIGHT_STRIDE ? place->last + place->step : addr;
        remember(place, addr, before);
        work->addr[at] = before = addr;
    }
    return stray == strays + stray_bytes ? NULL : damaged;
}
