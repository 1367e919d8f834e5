/* The ways a block's addresses, and what each reference is, are put into sections. */
#ifndef DISCO_TRACE_CODEC_ADDRESS_H
#define DISCO_TRACE_CODEC_ADDRESS_H

#include "collector/trace/codec-section.h"
#include "collector/trace/event.h"

enum address_encoding {
    ADDRESS_DELTA, /* zigzag of each address less the one before it of the same kind */
    ADDRESS_ENCODINGS
};

/* Working memory that the encodings share; each has room for one varint a reference. */
#define SCRATCHES 4u
struct codec_scratch {
    uint8_t *bytes[SCRATCHES];
};

const char *address_delta_put(struct section_out *out, struct codec_scratch *scratch,
                              const struct ref_block *block);
const char *address_delta_get(struct section_in *in, struct codec_scratch *scratch,
                              struct ref_block *block);

#endif
