/* ADDRESS_DELTA: the plain way, for blocks that the other encodings do no better. */
#include "collector/trace/codec-address.h"

static const char *delta_put(struct section_out *out, struct codec_work *work)
{
    uint64_t before[REF_KIND_MASK + 1u] = {0};
    uint8_t *const start = work->scratch[0], *next = start;
    work->fits = true;
    for (uint32_t i = 0; i < work->refs; i++) {
        uint64_t *const last = &before[ref_kind_of(work->what[i])];
        next = varint_put(next, zigzag(work->addr[i] - *last));
        *last = work->addr[i];
    }
    const char *wrong = whats_put(out, work);
    return wrong ? wrong : section_put(out, start, (size_t)(next - start));
}

static const char *delta_get(struct section_in *in, struct codec_work *work)
{
    size_t size;
    const char *wrong = whats_get(in, work);
    if (!wrong)
        wrong = section_get(in, work->scratch[0], (size_t)work->refs * VARINT_BYTES_MAX, &size);
    if (wrong)
        return wrong;
    uint64_t before[REF_KIND_MASK + 1u] = {0};
    const uint8_t *next = work->scratch[0], *const end = next + size;
    for (uint32_t i = 0; i < work->refs; i++) {
        if (next >= end)
            return "the block has fewer addresses than references";
        uint64_t folded;
        next = varint_get(next, &folded);
        uint64_t *const last = &before[ref_kind_of(work->what[i])];
        work->addr[i] = *last += unzigzag(folded);
    }
    return next == end ? NULL : "the block has another number of addresses than of references";
}

const struct address_codec address_delta = {delta_put, delta_get};
