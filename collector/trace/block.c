#include "collector/trace/codec-address.h"

#include <stdlib.h>

struct ref_block *ref_block_new(uint32_t columns)
{
    struct ref_block *block = calloc(1, sizeof *block);
    if (!block)
        return NULL;
    /* ROOM, not TRACE_BLOCK_REFS: a decoder stores whole chunks, and may go past the last one. */
    block->addr = calloc(ROOM, sizeof *block->addr);
    block->what = calloc(ROOM, sizeof *block->what);
    block->run = calloc(ROOM, sizeof *block->run);
    block->event = calloc(TRACE_BLOCK_EVENTS, sizeof *block->event);
    bool whole = block->addr && block->what && block->run && block->event;
    for (unsigned column = 0; column < REF_COLUMNS; column++) {
        if (!(columns & COLUMN_BIT(column)))
            continue;
        block->column[column] = calloc(ROOM, sizeof *block->column[column]);
        whole = whole && block->column[column];
    }
    if (!whole) {
        ref_block_free(block);
        return NULL;
    }
    return block;
}

void ref_block_free(struct ref_block *block)
{
    if (!block)
        return;
    for (unsigned column = 0; column < REF_COLUMNS; column++)
        free(block->column[column]);
    free(block->event);
    free(block->run);
    free(block->what);
    free(block->addr);
    free(block);
}
