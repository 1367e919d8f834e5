#include "vmm-core/machine/mips/internal.h"

#include <stdlib.h>
#include <string.h>

struct mips_memory *mips_memory_new(uint32_t frames, const struct mips_bus *bus)
{
    if (frames > MIPS_FRAMES_MAX)
        return NULL;
    struct mips_memory *const memory = calloc(1, sizeof *memory);
    if (!memory)
        return NULL;
    memory->frame = calloc(frames ? frames : 1, sizeof *memory->frame);
    memory->hash = calloc(CODE_HASH, sizeof(struct mips_block *));
    memory->chunk[0] = malloc(CHUNK_BYTES);
    memory->frames = frames;
    if (bus)
        memory->bus = *bus;
    if (!memory->frame || !memory->hash || !memory->chunk[0]) {
        mips_memory_free(memory);
        return NULL;
    }
    mips_handlers(memory);
    return memory;
}

void mips_memory_free(struct mips_memory *memory)
{
    if (!memory)
        return;
    free(memory->frame);
    free(memory->hash);
    for (unsigned i = 0; i < CODE_CHUNKS; i++)
        free(memory->chunk[i]);
    free(memory);
}

bool mips_memory_map(struct mips_memory *memory, uint32_t frame, uint8_t *host, bool writable)
{
    if (frame >= memory->frames)
        return false;
    const uint32_t physical = frame * MIPS_PAGE_BYTES;
    mips_memory_written(memory, physical, MIPS_PAGE_BYTES);
    mips_cached_drop_frame(memory, physical);
    memory->frame[frame].host = host;
    memory->frame[frame].writable = writable;
    return true;
}

void mips_memory_written(struct mips_memory *memory, uint32_t physical, uint32_t bytes)
{
    for (uint64_t at = physical, end = at + bytes; at < end;) {
        const uint64_t page_end = (at / MIPS_PAGE_BYTES + 1) * MIPS_PAGE_BYTES;
        const uint32_t part = (uint32_t)((end < page_end ? end : page_end) - at);
        mips_code_drop(memory, (uint32_t)at, part);
        mips_links_break(memory, NULL, (uint32_t)at, part);
        at += part;
    }
}
