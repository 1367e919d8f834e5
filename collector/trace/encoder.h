/* Encodes blocks on a thread of its own, so that whoever records goes on meanwhile.
 *
 * One block at a time, handed over and taken back. What comes out depends on the block alone, so
 * the thread changes when the work is done and nothing else.
 */
#ifndef DISCO_TRACE_ENCODER_H
#define DISCO_TRACE_ENCODER_H

#include "collector/trace/block-row.h"

struct encoder;

/* NULL when memory is short. Where no thread can be had, encoder_finish does the work itself. */
struct encoder *encoder_new(void);
void encoder_free(struct encoder *encoder);

/* The block must not be touched until encoder_finish. */
void encoder_begin(struct encoder *encoder, const struct ref_block *block);
/* Waits for the block handed over last. row->data belongs to the encoder until the next
 * encoder_begin. Returns what is wrong (static text), or NULL. */
const char *encoder_finish(struct encoder *encoder, struct block_row *row);

#endif
