/* ADDRESS_DELTA: the plain way. Good for anything, best for nothing. */
#include "collector/trace/codec-address.h"

#include <string.h>

const char *address_delta_put(struct section_out *out, struct codec_scratch *scratch,
                              const struct ref_block *block)
{
    uint64_t before[REF_KIND_MASK + 1u] = {0};
    uint8_t *next = scratch->bytes[0];
    for (uint32_t i = 0; i < block->refs; i++) {
        uint64_t *last = &before[ref_kind_of(block->what[i])];
        next = varint_put(next, zigzag(block->addr[i] - *last));
        *last = block->addr[i];
    }
    const char *wrong = section_put(out, block->what, block->refs);
    if (!wrong)
        wrong = section_put(out, scratch->bytes[0], (size_t)(next - scratch->bytes[0]));
    return wrong;
}

const char *address_delta_get(struct section_in *in, struct codec_scratch *scratch,
                              struct ref_block *block)
{
    size_t whats, size;
    const char *wrong = section_get(in, scratch->bytes[1], block->refs, &whats);
    if (!wrong)
        wrong = section_get(in, scratch->bytes[0], (size_t)block->refs * VARINT_BYTES_MAX, &size);
    if (wrong)
        return wrong;
    if (whats != block->refs)
        return "the block's references have another length than it says";
    memcpy(block->what, scratch->bytes[1], whats);
    uint64_t before[REF_KIND_MASK + 1u] = {0};
    const uint8_t *next = scratch->bytes[0], *const end = next + size;
    uint8_t bits = 0;
    for (uint32_t i = 0; i < block->refs; i++) {
        if (next >= end)
            return "the block has fewer addresses than references";
        uint64_t folded;
        next = varint_get(next, &folded);
        uint64_t *last = &before[ref_kind_of(block->what[i])];
        block->addr[i] = *last += unzigzag(folded);
        bits |= block->what[i];
    }
    if (next != end)
        return "the block has another number of addresses than of references";
    return bits & ~REF_WHAT_MASK ? "a reference is of an unknown kind" : NULL;
}
