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
 * copied from; so a place is an operand of an instruction. It remembers its last address, and how
 * that came about: one step on from its address before, or some way from the data reference just
 * before. One of the two foretells most addresses; the rest are written down.
 */
#include "collector/trace/codec-address.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

/* The sections, in their order. Three numbers in turn say the block: literals, length, distance. */
enum code_section {
    CODE_LITERALS,      /* varints: references written out, before a copy or the end of the block */
    CODE_LENGTHS,       /* varints: references copied */
    CODE_DISTANCES,     /* low byte of each distance: from how many references before */
    CODE_FAR_DISTANCES, /* high byte */
    CODE_WHATS,         /* of each literal, what it is */
    CODE_SIZES,         /* of each literal, its size; 0 where the block has no sizes */
    CODE_PCS,           /* varints: of each literal fetch, zigzag of its address less base_of it */
    CODE_FORESIGHT,     /* of each data reference, enum foresight */
    CODE_STRAYS,        /* bytes of the differences that were not foretold, low first */
    CODE_SECTIONS,
};
_Static_assert(CODE_SECTIONS <= SCRATCHES, "too little scratch");

/* What the byte of a data reference says: foretold one way or the other, or else how many bytes of
 * CODE_STRAYS hold zigzag of its address less the last one of its place. */
enum foresight {
    FORESIGHT_STRIDE, /* the place's last address and its last step */
    FORESIGHT_NEAR,  /* the data reference before, and the place's last distance from the one before
                      */
    FORESIGHT_STRAY, /* one byte; and so on to */
    FORESIGHTS = FORESIGHT_STRAY + sizeof(uint64_t)
};

/* Shorter copies cost more than the references written out. */
#define COPY_MIN 3u
/* A literal fetch is told against a fetch at most so many references before. */
#define LOOK_BACK 8u
/* References handled at once; arrays have room for so many past the block's last. */
#define CHUNK   16u
#define ROOM    (TRACE_BLOCK_REFS + CHUNK)
#define WHATS   8u /* what-bytes of a 64-bit word */
#define ONES    0x0101010101010101u
#define NOWHERE UINT32_MAX

#define HASH_BITS 14u

typedef uint16_t indices __attribute__((vector_size(WHATS * sizeof(uint16_t))));

struct place {
    uint64_t last, step, distance;
};

struct code_tables {
    uint8_t what[ROOM], size[ROOM]; /* of each reference */
    uint16_t place_at[ROOM];        /* of each data reference, its place */
    uint16_t data_at[ROOM];         /* where the block's data references are, ascending */
    struct place place[TRACE_BLOCK_REFS];
    /* for the encoder alone */
    uint64_t sign[ROOM];               /* of each reference, all that a copy keeps of it */
    uint32_t last_at[1u << HASH_BITS]; /* where a sign was last, or NOWHERE */
    /* of a word of what-bytes, by which of them are data: how many and which */
    uint8_t data_count[1u << WHATS];
    indices data_which[1u << WHATS];
};

struct code_tables *code_tables_new(void)
{
    struct code_tables *code = calloc(1, sizeof *code);
    if (!code)
        return NULL;
    for (unsigned mask = 0; mask < 1u << WHATS; mask++)
        for (uint16_t bit = 0; bit < WHATS; bit++)
            if (mask >> bit & 1u)
                code->data_which[mask][code->data_count[mask]++] = bit;
    return code;
}

void code_tables_free(struct code_tables *code)
{
    free(code);
}

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

/* Where a fetch begins, as a rule: at the end of the fetch before it, or 0 where none is near. */
static uint64_t base_of(const struct code_tables *code, const uint64_t *addr, uint32_t at)
{
    for (uint32_t back = 1; back <= LOOK_BACK && back <= at; back++)
        if (ref_kind_of(code->what[at - back]) == REF_FETCH)
            return addr[at - back] + code->size[at - back];
    return 0;
}

/* Fills data_at; returns how many. A word's data references are stored all eight at once and
 * counted after, so that no branch follows the program. */
static uint32_t list_data(struct code_tables *code, uint32_t refs)
{
    uint32_t count = 0;
    memset(code->what + refs, REF_FETCH, WHATS);
    for (uint32_t at = 0; at < refs; at += WHATS) {
        const uint64_t whats = load_word(code->what + at);
        /* a bit for each byte that is no fetch, gathered into the top byte */
        const uint64_t data = (whats | whats >> 1) & ONES;
        const unsigned mask = (unsigned)(data * 0x0102040810204080u >> 56);
        const indices which = code->data_which[mask] + (uint16_t)at;
        memcpy(&code->data_at[count], &which, sizeof which);
        count += code->data_count[mask];
    }
    return count;
}

/* What a stray is told against: the place's last address, or for a new place the data before. */
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

/* ---- encoding ---- */

struct code_put {
    struct code_tables *code;
    uint8_t *start[CODE_SECTIONS], *end[CODE_SECTIONS];
};

static inline void put_varint(struct code_put *put, enum code_section section, uint64_t value)
{
    put->end[section] = varint_put(put->end[section], value);
}

static inline void put_byte(struct code_put *put, enum code_section section, uint64_t byte)
{
    *put->end[section]++ = (uint8_t)byte;
}

/* Fills what, size and sign: a fetch's address in 48 bits, then size, then what it is. False where
 * a reference does not fit: an address that is not canonical (bits 47 to 63 all alike), a size
 * above 255. */
static bool put_signs(struct code_tables *code, const struct ref_block *block)
{
    const uint64_t low = UINT64_MAX >> 16;
    const uint64_t *const size = block->column[COLUMN_SIZE];
    uint64_t odd = 0;
    memcpy(code->what, block->what, block->refs);
    memset(code->size, 0, block->refs);
    if (block->columns & COLUMN_BIT(COLUMN_SIZE)) {
        for (uint32_t i = 0; i < block->refs; i++) {
            odd |= size[i] & ~(uint64_t)UINT8_MAX;
            code->size[i] = (uint8_t)size[i];
        }
    }
    for (uint32_t i = 0; i < block->refs; i++) {
        const uint64_t what = code->what[i];
        const uint64_t fetch = 0u - (~(what | what >> 1) & 1u); /* all ones or none */
        const uint64_t addr = block->addr[i] & fetch;
        odd |= (addr + (UINT64_C(1) << 47)) & ~low;
        code->sign[i] = (addr & low) | (uint64_t)code->size[i] << 48 | what << 56;
    }
    return odd == 0;
}

static inline uint32_t hash(uint64_t sign)
{
    return (uint32_t)(sign * 0x9E3779B97F4A7C15u >> (64u - HASH_BITS));
}

/* How many references from `from` and from `at` on are the same. */
static uint32_t same_refs(const uint64_t *sign, uint32_t from, uint32_t at, uint32_t refs)
{
    uint32_t length = 0;
    while (at + length + 8 <= refs) {
        uint64_t differ = 0;
        for (uint32_t i = 0; i < 8; i++)
            differ |= sign[from + length + i] ^ sign[at + length + i];
        if (differ)
            break;
        length += 8;
    }
    while (at + length < refs && sign[from + length] == sign[at + length])
        length++;
    return length;
}

static void put_literal(struct code_put *put, const struct ref_block *block, uint32_t at,
                        uint32_t *places)
{
    struct code_tables *const code = put->code;
    put_byte(put, CODE_WHATS, code->what[at]);
    put_byte(put, CODE_SIZES, code->size[at]);
    if (ref_kind_of(code->what[at]) == REF_FETCH) {
        put_varint(put, CODE_PCS, zigzag(block->addr[at] - base_of(code, block->addr, at)));
    } else {
        code->place[*places] = (struct place){0};
        code->place_at[at] = (uint16_t)(*places)++;
    }
    code->last_at[hash(code->sign[at])] = at;
}

/* All but the data addresses. */
static void put_copies(struct code_put *put, const struct ref_block *block)
{
    struct code_tables *const code = put->code;
    const uint32_t refs = block->refs;
    uint32_t places = 0, literals = 0;
    memset(code->last_at, 0xFF, sizeof code->last_at);
    for (uint32_t at = 0; at < refs;) {
        const bool fetch = ref_kind_of(code->what[at]) == REF_FETCH;
        const uint32_t from = fetch ? code->last_at[hash(code->sign[at])] : NOWHERE;
        const uint32_t length = from == NOWHERE ? 0 : same_refs(code->sign, from, at, refs);
        if (length < COPY_MIN) {
            put_literal(put, block, at++, &places);
            literals++;
            continue;
        }
        put_varint(put, CODE_LITERALS, literals);
        put_varint(put, CODE_LENGTHS, length);
        put_byte(put, CODE_DISTANCES, at - from);
        put_byte(put, CODE_FAR_DISTANCES, (at - from) >> 8);
        literals = 0;
        for (uint32_t i = 0; i < length; i++) {
            code->place_at[at + i] = code->place_at[from + i];
            code->last_at[hash(code->sign[at + i])] = at + i;
        }
        at += length;
    }
    put_varint(put, CODE_LITERALS, literals);
}

static void put_data(struct code_put *put, const struct ref_block *block)
{
    struct code_tables *const code = put->code;
    const uint32_t count = list_data(code, block->refs);
    uint8_t *const foresight = put->start[CODE_FORESIGHT], *strays = put->start[CODE_STRAYS];
    uint64_t before = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t at = code->data_at[i];
        struct place *const place = &code->place[code->place_at[at]];
        const uint64_t addr = block->addr[at];
        const uint64_t stray = zigzag(addr - stray_base(place, before));
        const unsigned bytes = 8u - (unsigned)__builtin_clzll(stray | 1u) / 8u;
        uint8_t how = (uint8_t)(FORESIGHT_STRAY - 1u + bytes);
        how = addr == before + place->distance ? FORESIGHT_NEAR : how;
        how = addr == place->last + place->step ? FORESIGHT_STRIDE : how;
        foresight[i] = how;
        store_word(strays, stray);
        strays += how >= FORESIGHT_STRAY ? bytes : 0;
        remember(place, addr, before);
        before = addr;
    }
    put->end[CODE_FORESIGHT] = foresight + count;
    put->end[CODE_STRAYS] = strays;
}

const char *address_code_put(struct section_out *out, struct codec_scratch *scratch,
                             const struct ref_block *block, bool *fits)
{
    struct code_put put = {.code = scratch->code};
    for (unsigned section = 0; section < CODE_SECTIONS; section++)
        put.start[section] = put.end[section] = scratch->bytes[section];
    *fits = put_signs(put.code, block);
    if (!*fits)
        return NULL;
    put_copies(&put, block);
    put_data(&put, block);
    const char *wrong = NULL;
    for (unsigned section = 0; section < CODE_SECTIONS && !wrong; section++)
        wrong =
            section_put(out, put.start[section], (size_t)(put.end[section] - put.start[section]));
    return wrong;
}

/* ---- decoding ---- */

static const char damaged[] = "the copies that make up the block do not fit it";

struct code_get {
    struct code_tables *code;
    const uint8_t *next[CODE_SECTIONS], *end[CODE_SECTIONS];
};

static inline bool get_varint(struct code_get *get, enum code_section section, uint64_t *value)
{
    if (get->next[section] >= get->end[section])
        return false;
    get->next[section] = varint_get(get->next[section], value);
    return get->next[section] <= get->end[section];
}

static inline bool get_byte(struct code_get *get, enum code_section section, uint64_t *value)
{
    if (get->next[section] == get->end[section])
        return false;
    *value = *get->next[section]++;
    return true;
}

static bool get_literal(struct code_get *get, struct ref_block *block, uint32_t at,
                        uint32_t *places)
{
    struct code_tables *const code = get->code;
    uint64_t what, size, difference;
    if (!get_byte(get, CODE_WHATS, &what) || !get_byte(get, CODE_SIZES, &size))
        return false;
    code->what[at] = (uint8_t)what;
    code->size[at] = (uint8_t)size;
    if (what & ~(uint64_t)REF_WHAT_MASK)
        return false;
    if ((what & REF_KIND_MASK) == REF_FETCH) {
        if (!get_varint(get, CODE_PCS, &difference))
            return false;
        block->addr[at] = base_of(code, block->addr, at) + unzigzag(difference);
    } else {
        code->place[*places] = (struct place){0};
        code->place_at[at] = (uint16_t)(*places)++;
    }
    return true;
}

static inline void copy_refs(struct code_tables *code, uint64_t *addr, uint32_t at, uint32_t from,
                             size_t refs)
{
    memcpy(&addr[at], &addr[from], refs * sizeof *addr);
    memcpy(&code->what[at], &code->what[from], refs);
    memcpy(&code->size[at], &code->size[from], refs);
    memcpy(&code->place_at[at], &code->place_at[from], refs * sizeof *code->place_at);
}

/* Copies `length` references, and may go on to the end of the last chunk. */
static void copy(struct code_tables *code, uint64_t *addr, uint32_t at, uint32_t distance,
                 uint32_t length)
{
    const uint32_t end = at + length;
    /* Less than a chunk back, a chunk would overtake itself: repeat the piece until it does not. */
    uint32_t step = distance;
    while (step < CHUNK && at < end) {
        for (uint32_t i = 0; i < distance; i++, at++)
            copy_refs(code, addr, at, at - distance, 1);
        step += distance;
    }
    for (; at < end; at += CHUNK)
        copy_refs(code, addr, at, at - step, CHUNK);
}

/* All but the data addresses. */
static const char *get_copies(struct code_get *get, struct ref_block *block)
{
    struct code_tables *const code = get->code;
    const uint32_t refs = block->refs;
    uint32_t places = 0;
    for (uint32_t at = 0;;) {
        uint64_t literals, length, low, high;
        if (!get_varint(get, CODE_LITERALS, &literals) || literals > refs - at)
            return damaged;
        for (; literals > 0; literals--, at++)
            if (!get_literal(get, block, at, &places))
                return damaged;
        if (at == refs)
            return NULL;
        if (!get_varint(get, CODE_LENGTHS, &length) || !get_byte(get, CODE_DISTANCES, &low) ||
            !get_byte(get, CODE_FAR_DISTANCES, &high))
            return damaged;
        const uint32_t distance = (uint32_t)(high << 8 | low);
        if (length < 1 || length > refs - at || distance < 1 || distance > at)
            return damaged;
        copy(code, block->addr, at, distance, (uint32_t)length);
        at += (uint32_t)length;
    }
}

static uint8_t largest(const uint8_t *bytes, uint32_t count)
{
    uint8_t most = 0;
    for (uint32_t i = 0; i < count; i++)
        most = bytes[i] > most ? bytes[i] : most;
    return most;
}

static const char *get_data(struct code_get *get, struct ref_block *block)
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
    struct code_tables *const code = get->code;
    const uint8_t *const foresight = get->next[CODE_FORESIGHT], *strays = get->next[CODE_STRAYS];
    const uint32_t count = list_data(code, block->refs);
    if (get->end[CODE_FORESIGHT] - foresight != count || largest(foresight, count) >= FORESIGHTS)
        return damaged;
    uint64_t before = 0;
    /* Strays may be read past their end, but not past their scratch, which has room for a varint a
     * reference; what was read so is refused by the caller. */
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t at = code->data_at[i];
        struct place *const place = &code->place[code->place_at[at]];
        const uint8_t how = foresight[i];
        uint64_t addr = stray_base(place, before) + unzigzag(load_word(strays) & mask[how]);
        strays += how >= FORESIGHT_STRAY ? how - (FORESIGHT_STRAY - 1) : 0;
        addr = how == FORESIGHT_NEAR ? before + place->distance : addr;
        addr = how == FORESIGHT_STRIDE ? place->last + place->step : addr;
        remember(place, addr, before);
        block->addr[at] = before = addr;
    }
    get->next[CODE_FORESIGHT] += count;
    get->next[CODE_STRAYS] = strays;
    return NULL;
}

const char *address_code_get(struct section_in *in, struct codec_scratch *scratch,
                             struct ref_block *block)
{
    struct code_get get = {.code = scratch->code};
    for (unsigned section = 0; section < CODE_SECTIONS; section++) {
        size_t size;
        const char *wrong = section_get(in, scratch->bytes[section],
                                        (size_t)TRACE_BLOCK_REFS * VARINT_BYTES_MAX, &size);
        if (wrong)
            return wrong;
        get.next[section] = scratch->bytes[section];
        get.end[section] = get.next[section] + size;
    }
    const char *wrong = get_copies(&get, block);
    if (!wrong)
        wrong = get_data(&get, block);
    if (wrong)
        return wrong;
    for (unsigned section = 0; section < CODE_SECTIONS; section++)
        if (get.next[section] != get.end[section])
            return damaged;
    memcpy(block->what, get.code->what, block->refs);
    if (block->column[COLUMN_SIZE])
        for (uint32_t i = 0; i < block->refs; i++)
            block->column[COLUMN_SIZE][i] = get.code->size[i];
    return NULL;
}
