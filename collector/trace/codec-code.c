/* ADDRESS_CODE: a block with instruction fetches is copied together from its own past.
 *
 * Programs loop and call: the same instructions come again, each with data references of the same
 * kinds and sizes, though to other addresses. So the encoder looks a fetch up where it was last,
 * and writes down how far back that is and for how many references what follows is the same, data
 * addresses left aside; only references that are new to the block are written out. This is LZ77
 * (Ziv and Lempel, IEEE Trans. Inf. Theory 23(3), 1977) over references in place of bytes, and as
 * quick to undo: some hundred references a copy.
 *
 * A data reference that is written out gets a place, and a copied one has the place of what it is
 * copied from: so a place is an operand of an instruction, and codec-place.c foretells addresses
 * by it.
 */
#include "collector/trace/codec-address.h"

#include <endian.h>
#include <string.h>

/* The sections, in their order. Three numbers in turn say the block: literals, length, distance. */
enum code_section {
    CODE_LITERALS,      /* varints: references written out, before a copy or the end of the block */
    CODE_LENGTHS,       /* varints: references copied */
    CODE_DISTANCES,     /* low byte of each distance: from how many references before */
    CODE_FAR_DISTANCES, /* high byte */
    CODE_WHATS,         /* of each literal, what it is */
    CODE_SIZES,         /* of each literal, its size */
    CODE_PCS,           /* varints: of each literal fetch, zigzag of its address less base_of it */
    CODE_SECTIONS,
    CODE_PLACES = CODE_SECTIONS /* two more, of codec-place.c */
};
_Static_assert(CODE_PLACES + 2 <= SCRATCHES, "too little scratch");

/* Shorter copies cost more than the references written out. */
#define COPY_MIN 3u
/* A literal fetch is told against a fetch at most so many references before. */
#define LOOK_BACK 8u
/* Of copied references, one in so many is noted where it is: older places serve as well. */
#define NOTE_STEP 8u
#define HASH_BITS 14u
#define NOWHERE   UINT32_MAX

_Static_assert(sizeof((struct codec_work *)0)->last_at == sizeof(uint32_t) << HASH_BITS,
               "one entry a hash");

static inline bool is_fetch(uint8_t what)
{
    return ref_kind_of(what) == REF_FETCH;
}

/* Where a fetch begins, as a rule: at the end of the fetch before it, or 0 where none is near. */
static uint64_t base_of(const struct codec_work *work, uint32_t at)
{
    for (uint32_t back = 1; back <= LOOK_BACK && back <= at; back++)
        if (is_fetch(work->what[at - back]))
            return work->addr[at - back] + work->size[at - back];
    return 0;
}

/* All data references are foretold; returns how many. Eight are stored at once and counted after,
 * so that no branch follows the program. */
static uint32_t list_data(struct codec_work *work)
{
    uint32_t count = 0;
    memset(work->what + work->refs, REF_FETCH, CHUNK);
    for (uint32_t at = 0; at < work->refs; at += 8) {
        uint64_t whats;
        memcpy(&whats, work->what + at, sizeof whats);
        whats = le64toh(whats);
        /* a bit for each byte that is no fetch, and these bits gathered into the top byte */
        const uint64_t data = (whats | whats >> 1) & 0x0101010101010101u;
        const unsigned mask = (unsigned)(data * 0x0102040810204080u >> 56);
        const eight_numbers which = work->bits_of[mask] + (uint16_t)at;
        memcpy(&work->foretold[count], &which, sizeof which);
        count += work->bits_in[mask];
    }
    return count;
}

/* ---- encoding ---- */

struct code_put {
    struct codec_work *work;
    uint8_t *start[CODE_SECTIONS], *end[CODE_SECTIONS];
    uint32_t places;
};

static inline void put_varint(struct code_put *put, enum code_section section, uint64_t value)
{
    put->end[section] = varint_put(put->end[section], value);
}

static inline void put_byte(struct code_put *put, enum code_section section, uint64_t byte)
{
    *put->end[section]++ = (uint8_t)byte;
}

/* A sign is a fetch's address in 48 bits, then size, then what it is. False where an address does
 * not fit that: it is not canonical (bits 47 to 63 all alike). */
static bool sign_all(struct codec_work *work)
{
    const uint64_t low = UINT64_MAX >> 16;
    uint64_t odd = 0;
    for (uint32_t i = 0; i < work->refs; i++) {
        const uint64_t what = work->what[i];
        const uint64_t fetch = 0u - (~(what | what >> 1) & 1u); /* all ones or none */
        const uint64_t addr = work->addr[i] & fetch;
        odd |= (addr + (UINT64_C(1) << 47)) & ~low;
        work->sign[i] = (addr & low) | (uint64_t)work->size[i] << 48 | what << 56;
    }
    return odd == 0;
}

static inline uint32_t hash(uint64_t sign)
{
    return (uint32_t)(sign * 0x9E3779B97F4A7C15u >> (64u - HASH_BITS));
}

/* How many references from `from` and from `at` on are the same. */
static uint32_t same_refs(const struct codec_work *work, uint32_t from, uint32_t at)
{
    const uint64_t *const sign = work->sign;
    uint32_t length = 0;
    for (; at + length + 8 <= work->refs; length += 8) {
        uint64_t differ = 0;
        for (uint32_t i = 0; i < 8; i++)
            differ |= sign[from + length + i] ^ sign[at + length + i];
        if (differ)
            break;
    }
    while (at + length < work->refs && sign[from + length] == sign[at + length])
        length++;
    return length;
}

static void put_literal(struct code_put *put, uint32_t at)
{
    struct codec_work *const work = put->work;
    put_byte(put, CODE_WHATS, work->what[at]);
    put_byte(put, CODE_SIZES, work->size[at]);
    if (is_fetch(work->what[at])) {
        put_varint(put, CODE_PCS, zigzag(work->addr[at] - base_of(work, at)));
    } else {
        work->place[put->places] = (struct place){0};
        work->place_at[at] = (uint16_t)put->places++;
    }
    work->last_at[hash(work->sign[at])] = at;
}

static void put_copy(struct code_put *put, uint32_t from, uint32_t at, uint32_t length)
{
    struct codec_work *const work = put->work;
    put_varint(put, CODE_LENGTHS, length);
    put_byte(put, CODE_DISTANCES, at - from);
    put_byte(put, CODE_FAR_DISTANCES, (at - from) >> 8);
    for (uint32_t i = 0; i < length; i += NOTE_STEP)
        work->last_at[hash(work->sign[at + i])] = at + i;
    uint32_t i = 0;
    if (at - from >= CHUNK)
        for (; i + CHUNK <= length; i += CHUNK)
            memcpy(&work->place_at[at + i], &work->place_at[from + i],
                   CHUNK * sizeof *work->place_at);
    for (; i < length; i++)
        work->place_at[at + i] = work->place_at[from + i];
}

static const char *code_put(struct section_out *out, struct codec_work *work)
{
    struct code_put put = {.work = work};
    for (unsigned section = 0; section < CODE_SECTIONS; section++)
        put.start[section] = put.end[section] = work->scratch[section];
    work->fits = sign_all(work);
    if (!work->fits)
        return NULL;
    memset(work->last_at, 0xFF, sizeof work->last_at); /* NOWHERE */
    uint32_t literals = 0;
    for (uint32_t at = 0; at < work->refs;) {
        const uint32_t from =
            is_fetch(work->what[at]) ? work->last_at[hash(work->sign[at])] : NOWHERE;
        const uint32_t length = from == NOWHERE ? 0 : same_refs(work, from, at);
        if (length < COPY_MIN) {
            put_literal(&put, at++);
            literals++;
        } else {
            put_varint(&put, CODE_LITERALS, literals);
            put_copy(&put, from, at, length);
            at += length;
            literals = 0;
        }
    }
    put_varint(&put, CODE_LITERALS, literals);
    const char *wrong = NULL;
    for (unsigned section = 0; section < CODE_SECTIONS && !wrong; section++)
        wrong =
            section_put(out, put.start[section], (size_t)(put.end[section] - put.start[section]));
    return wrong ? wrong : places_put(out, work, list_data(work), CODE_PLACES);
}

/* ---- decoding ---- */

static const char damaged[] = "the copies that make up the block do not fit it";

struct code_get {
    struct codec_work *work;
    const uint8_t *next[CODE_SECTIONS], *end[CODE_SECTIONS];
    uint32_t places;
};

static inline bool get_varint(struct code_get *get, enum code_section section, uint64_t *value)
{
    if (get->next[section] >= get->end[section])
        return false;
    get->next[section] = varint_get(get->next[section], value);
    return get->next[section] <= get->end[section];
}

static inline bool get_byte(struct code_get *get, enum code_section section, uint8_t *value)
{
    if (get->next[section] >= get->end[section])
        return false;
    *value = *get->next[section]++;
    return true;
}

static bool get_literal(struct code_get *get, uint32_t at)
{
    struct codec_work *const work = get->work;
    if (!get_byte(get, CODE_WHATS, &work->what[at]) || (work->what[at] & ~REF_WHAT_MASK) ||
        !get_byte(get, CODE_SIZES, &work->size[at]))
        return false;
    if (is_fetch(work->what[at])) {
        uint64_t folded;
        if (!get_varint(get, CODE_PCS, &folded))
            return false;
        work->addr[at] = base_of(work, at) + unzigzag(folded);
    } else {
        work->place[get->places] = (struct place){0};
        work->place_at[at] = (uint16_t)get->places++;
    }
    return true;
}

static inline void copy_refs(struct codec_work *work, uint32_t from, uint32_t at, size_t refs)
{
    memcpy(&work->addr[at], &work->addr[from], refs * sizeof *work->addr);
    memcpy(&work->what[at], &work->what[from], refs);
    memcpy(&work->size[at], &work->size[from], refs);
    memcpy(&work->place_at[at], &work->place_at[from], refs * sizeof *work->place_at);
}

/* Copies `length` references, and may go on to the end of the last chunk. */
static void get_copy(struct codec_work *work, uint32_t at, uint32_t distance, uint32_t length)
{
    const uint32_t end = at + length;
    /* Less than a chunk back, a chunk would overtake itself: repeat the piece until it does not. */
    uint32_t step = distance;
    while (step < CHUNK && at < end) {
        for (uint32_t i = 0; i < distance && at < end; i++, at++)
            copy_refs(work, at - distance, at, 1);
        step += distance;
    }
    for (; at < end; at += CHUNK)
        copy_refs(work, at - step, at, CHUNK);
}

/* All but the data addresses. */
static bool get_copies(struct code_get *get)
{
    const uint32_t refs = get->work->refs;
    for (uint32_t at = 0;;) {
        uint64_t literals, length;
        uint8_t low, high;
        if (!get_varint(get, CODE_LITERALS, &literals) || literals > refs - at)
            return false;
        for (; literals > 0; literals--, at++)
            if (!get_literal(get, at))
                return false;
        if (at == refs)
            return true;
        if (!get_varint(get, CODE_LENGTHS, &length) || length < 1 || length > refs - at ||
            !get_byte(get, CODE_DISTANCES, &low) || !get_byte(get, CODE_FAR_DISTANCES, &high))
            return false;
        const uint32_t distance = (uint32_t)high << 8 | low;
        if (distance < 1 || distance > at)
            return false;
        get_copy(get->work, at, distance, (uint32_t)length);
        at += (uint32_t)length;
    }
}

static const char *code_get(struct section_in *in, struct codec_work *work)
{
    struct code_get get = {.work = work};
    for (unsigned section = 0; section < CODE_SECTIONS; section++) {
        size_t size;
        const char *wrong = section_get(in, work->scratch[section],
                                        (size_t)TRACE_BLOCK_REFS * VARINT_BYTES_MAX, &size);
        if (wrong)
            return wrong;
        get.next[section] = work->scratch[section];
        get.end[section] = get.next[section] + size;
    }
    if (!get_copies(&get))
        return damaged;
    for (unsigned section = 0; section < CODE_SECTIONS; section++)
        if (get.next[section] != get.end[section])
            return damaged;
    return places_get(in, work, list_data(work), CODE_PLACES);
}

const struct address_codec address_code = {code_put, code_get};
