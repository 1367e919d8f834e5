#include "collector/trace/codec-address.h"
#include "collector/trace/codec-column.h"

#include <stdlib.h>
#include <string.h>

struct codec_work *codec_work_new(void)
{
    struct codec_work *work = calloc(1, sizeof *work);
    if (!work)
        return NULL;
    for (unsigned byte = 0; byte < 256; byte++)
        for (uint16_t bit = 0; bit < 8; bit++)
            if (byte >> bit & 1u)
                work->bits_of[byte][work->bits_in[byte]++] = bit;
    for (unsigned i = 0; i < SCRATCHES; i++) {
        work->scratch[i] = malloc(COLUMN_SCRATCH_BYTES(TRACE_BLOCK_REFS));
        if (!work->scratch[i]) {
            codec_work_free(work);
            return NULL;
        }
    }
    return work;
}

void codec_work_free(struct codec_work *work)
{
    if (!work)
        return;
    for (unsigned i = 0; i < SCRATCHES; i++)
        free(work->scratch[i]);
    free(work);
}

bool work_load(struct codec_work *work, const struct ref_block *block)
{
    const uint64_t *const size = block->column[COLUMN_SIZE];
    uint64_t any = 0;
    work->refs = block->refs;
    work->addr = block->addr;
    memcpy(work->what, block->what, block->refs);
    if (block->columns & COLUMN_BIT(COLUMN_SIZE)) {
        for (uint32_t i = 0; i < block->refs; i++) {
            any |= size[i];
            work->size[i] = (uint8_t)size[i];
        }
        if (any <= UINT8_MAX)
            return true;
    }
    memset(work->size, 0, block->refs);
    return false;
}

void work_store(const struct codec_work *work, struct ref_block *block, bool sized)
{
    uint64_t *const size = block->column[COLUMN_SIZE];
    memcpy(block->what, work->what, block->refs);
    if (sized && size)
        for (uint32_t i = 0; i < block->refs; i++)
            size[i] = work->size[i];
}

const char *whats_put(struct section_out *out, const struct codec_work *work)
{
    const char *wrong = section_put(out, work->what, work->refs);
    return wrong ? wrong : section_put(out, work->size, work->refs);
}

const char *whats_get(struct section_in *in, struct codec_work *work)
{
    size_t whats, sizes;
    const char *wrong = section_get(in, work->scratch[0], work->refs, &whats);
    if (!wrong)
        wrong = section_get(in, work->scratch[1], work->refs, &sizes);
    if (wrong)
        return wrong;
    if (whats != work->refs || sizes != work->refs)
        return "the block's references are of another number than it says";
    memcpy(work->what, work->scratch[0], whats);
    memcpy(work->size, work->scratch[1], sizes);
    uint8_t any = 0;
    for (uint32_t i = 0; i < work->refs; i++)
        any |= work->what[i];
    return (any & ~REF_WHAT_MASK) != 0 ? "a reference is of an unknown kind" : NULL;
}
