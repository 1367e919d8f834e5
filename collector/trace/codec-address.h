/* The ways a block's addresses, and what each reference is, are put into sections.
 *
 * An encoding may also take the sizes in (codec-format.h says which): then they are not stored as
 * a column of their own. `size` is then the column, one byte a reference; else it is NULL.
 */
#ifndef DISCO_TRACE_CODEC_ADDRESS_H
#define DISCO_TRACE_CODEC_ADDRESS_H

#include "collector/trace/codec-section.h"
#include "collector/trace/event.h"

#include <stdbool.h>

enum address_encoding {
    ADDRESS_DELTA, /* zigzag of each address less the one before it of the same kind */
    ADDRESS_CODE,  /* a walk over the block's instructions, and what each of them refers to */
    ADDRESS_ENCODINGS
};

/* Working memory that the encodings share; each has room for one varint a reference. */
#define SCRATCHES 9u
struct code_tables;
struct codec_scratch {
    uint8_t *bytes[SCRATCHES];
    struct code_tables *code;
};

const char *address_delta_put(struct section_out *out, struct codec_scratch *scratch,
                              const struct ref_block *block);
const char *address_delta_get(struct section_in *in, struct codec_scratch *scratch,
                              struct ref_block *block);

struct code_tables *code_tables_new(void);
void code_tables_free(struct code_tables *code);

/* *fits is false, and nothing is written, where the block has more instructions than the tables. */
const char *address_code_put(struct section_out *out, struct codec_scratch *scratch,
                             const struct ref_block *block, bool *fits);
const char *address_code_get(struct section_in *in, struct codec_scratch *scratch,
                             struct ref_block *block);

#endif
