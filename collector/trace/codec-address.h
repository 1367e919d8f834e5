/* The ways a block's references (what, size, address) are put into sections: codec-format.h has
 * the form, each encoding's file the idea. All leave the rest of the block alone.
 */
#ifndef DISCO_TRACE_CODEC_ADDRESS_H
#define DISCO_TRACE_CODEC_ADDRESS_H

#include "collector/trace/codec-section.h"
#include "collector/trace/event.h"

#include <stdbool.h>

enum address_encoding {
    ADDRESS_DELTA, /* each less the one before of its kind */
    ADDRESS_CODE,  /* instructions, copied from where the program was before, and their operands */
    ADDRESS_PATTERN, /* data without instructions: the kinds and sizes around each stand for its
                        instruction */
    ADDRESS_ENCODINGS
};

/* Encodings handle references in chunks of up to so many; arrays have room for one more chunk. */
#define CHUNK 16u
#define ROOM  (TRACE_BLOCK_REFS + CHUNK)

/* An operand of an instruction, or what stands for one: what is known of it from its last time. */
struct place {
    uint64_t last;     /* its address; 0: none yet */
    uint64_t step;     /* from its address before */
    uint64_t distance; /* from the reference just before it */
};

typedef uint16_t eight_numbers __attribute__((vector_size(16)));

/* Working memory that the encodings share. A block is in here while it is coded. */
#define SCRATCHES 9u
struct codec_work {
    uint32_t refs;
    bool fits;
    uint64_t *addr;                 /* of the block itself */
    uint8_t what[ROOM], size[ROOM]; /* of each reference; size 0 where sizes are apart */
    uint16_t place_at[ROOM];        /* of each foretold reference, its place */
    uint16_t foretold[ROOM];        /* which references are foretold, ascending */
    struct place place[TRACE_BLOCK_REFS];
    uint64_t sign[ROOM];        /* of each reference, all that a copy of it keeps (CODE) */
    uint32_t last_at[1u << 14]; /* where a sign was last (CODE) */
    /* of a byte, the numbers of the bits that are set, ascending, and how many (CODE) */
    eight_numbers bits_of[256];
    uint8_t bits_in[256];
    uint8_t *scratch[SCRATCHES]; /* sections: each has room for a varint a reference and slack */
};

struct codec_work *codec_work_new(void);
void codec_work_free(struct codec_work *work);

/* Takes the block in: returns whether its sizes are in here; they stay apart where one is above
 * 255. And gives what was decoded back, but for the addresses, which are there already. */
bool work_load(struct codec_work *work, const struct ref_block *block);
void work_store(const struct codec_work *work, struct ref_block *block, bool sized);

/* One encoding. `put` reads refs, addr, what and size; it sets work->fits to false, and writes
 * nothing, for a block that the encoding is not made for. `get` reads refs, and fills the rest.
 * Both return NULL or what is wrong (static text). */
struct address_codec {
    const char *(*put)(struct section_out *out, struct codec_work *work);
    const char *(*get)(struct section_in *in, struct codec_work *work);
};

extern const struct address_codec address_delta, address_code, address_pattern;

/* What and size of every reference, as two sections. */
const char *whats_put(struct section_out *out, const struct codec_work *work);
const char *whats_get(struct section_in *in, struct codec_work *work);

/* The addresses of the first `count` entries of work->foretold, by the places in work->place_at
 * (codec-place.c). Two sections of their own, the last of an encoding; `scratch` is the first of
 * two. */
const char *places_put(struct section_out *out, struct codec_work *work, uint32_t count,
                       unsigned scratch);
const char *places_get(struct section_in *in, struct codec_work *work, uint32_t count,
                       unsigned scratch);

#endif
