/* Turns a block of references and events into bytes and back.
 *
 * The form (codec-format.h) is versioned: CODEC_VERSION is stored beside every block, and a decoder
 * refuses others by name. Encoding is a function of the block alone: same block, same bytes.
 * Decoding trusts nothing: every count, offset and length is checked, and any input ends in a block
 * or an error.
 */
#ifndef DISCO_TRACE_CODEC_H
#define DISCO_TRACE_CODEC_H

#include "collector/trace/codec-format.h"
#include "collector/trace/event.h"

/* Working memory for encoding or decoding; one a thread. NULL when memory is short. */
struct codec;
struct codec *codec_new(void);
void codec_free(struct codec *codec);

/* Encodes; *bytes belongs to the codec until its next call. Returns NULL, or what is wrong (static
 * text). */
const char *codec_encode(struct codec *codec, const struct ref_block *block, const uint8_t **bytes,
                         size_t *size_bytes);

/* Decodes into `block` (arrays from ref_block_new; only columns that it has room for are decoded;
 * number, first_ref and the two times are left alone where the block has no time column).
 * Returns NULL, or what is wrong (static text); then the block's contents are undefined. */
const char *codec_decode(struct codec *codec, uint32_t version, const uint8_t *bytes,
                         size_t size_bytes, struct ref_block *block);

/* CRC-32C (Castagnoli, RFC 3720 section 12.1): of the stored bytes. `crc` is 0 for the first part.
 */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t size_bytes);

#endif
