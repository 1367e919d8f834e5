/* Any bytes as a block. One that decodes must encode, and come back from that as it was. */
#include "tests/unit/test_codec.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct codec *codec;
    static struct ref_block *block, *back;
    if (!codec) {
        codec = codec_new();
        block = ref_block_new(ALL_COLUMNS);
        back = ref_block_new(ALL_COLUMNS);
        if (!codec || !block || !back)
            abort();
    }
    if (codec_decode(codec, CODEC_VERSION, data, bytes, block))
        return 0;
    const uint8_t *again;
    size_t size;
    if (codec_encode(codec, block, &again, &size) ||
        codec_decode(codec, CODEC_VERSION, again, size, back) ||
        difference(block, back, ALL_COLUMNS))
        abort();
    return 0;
}
