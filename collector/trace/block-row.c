#include "collector/trace/block-row.h"

const char *block_row_decode(const struct block_row *row, struct codec *codec, uint32_t streams,
                             struct ref_block *block)
{
    if (crc32c(0, row->data, row->data_bytes) != row->crc32c)
        return "checksum differs";
    const char *why = codec_decode(codec, row->codec, row->data, row->data_bytes, block);
    if (why != NULL)
        return why;
    if (block->refs != row->refs || block->events != row->events)
        return "its counts differ from its row";
    if (block->refs != 0 && (block->columns & COLUMN_BIT(COLUMN_TIME)) != 0 &&
        (block->first_time != row->first_time || block->last_time != row->last_time))
        return "its times differ from its row";
    for (uint32_t i = 0; i < block->runs; i++)
        if (block->run[i].stream >= streams)
            return "it has a stream that the trace does not list";
    for (uint32_t i = 0; i < block->events; i++)
        if (block->event[i].stream >= streams && block->event[i].stream != UINT32_MAX)
            return "it has an event of a stream that the trace does not list";
    block->number = row->number;
    block->first_ref = row->first_ref;
    block->first_time = row->first_time;
    block->last_time = row->last_time;
    return NULL;
}

/* Several lowest and highest at a time, because each comparison waits for the one before. */
static void describe_addresses(const struct ref_block *block, struct block_row *row)
{
    enum { LANES = 4 };
    uint64_t low[LANES], high[LANES];
    for (uint32_t lane = 0; lane < LANES; lane++) {
        low[lane] = block->refs != 0 ? block->addr[0] : 0;
        high[lane] = low[lane];
    }
    uint32_t at = 0;
    for (; at + LANES <= block->refs; at += LANES)
        for (uint32_t lane = 0; lane < LANES; lane++) {
            const uint64_t addr = block->addr[at + lane];
            low[lane] = addr < low[lane] ? addr : low[lane];
            high[lane] = addr > high[lane] ? addr : high[lane];
        }
    for (; at < block->refs; at++) {
        low[0] = block->addr[at] < low[0] ? block->addr[at] : low[0];
        high[0] = block->addr[at] > high[0] ? block->addr[at] : high[0];
    }
    for (uint32_t lane = 1; lane < LANES; lane++) {
        low[0] = low[lane] < low[0] ? low[lane] : low[0];
        high[0] = high[lane] > high[0] ? high[lane] : high[0];
    }
    row->min_addr = low[0];
    row->max_addr = high[0];
}

/* A bit for each kind. Without branches or shifts, so that the compiler takes many at a time. */
static uint32_t kinds_in(const uint8_t *what, uint32_t refs)
{
    uint8_t fetch = 0, load = 0, store = 0, touch = 0;
    for (uint32_t i = 0; i < refs; i++) {
        const uint8_t kind = what[i] & REF_KIND_MASK;
        fetch |= (uint8_t)(kind == REF_FETCH);
        load |= (uint8_t)(kind == REF_LOAD);
        store |= (uint8_t)(kind == REF_STORE);
        touch |= (uint8_t)(kind == REF_TOUCH);
    }
    return (uint32_t)(fetch << REF_FETCH | load << REF_LOAD | store << REF_STORE |
                      touch << REF_TOUCH);
}

void block_row_describe(const struct ref_block *block, struct block_row *row)
{
    row->number = block->number;
    row->first_ref = block->first_ref;
    row->refs = block->refs;
    row->events = block->events;
    describe_addresses(block, row);
    row->kinds = kinds_in(block->what, block->refs);
    row->first_time = block->first_time;
    row->last_time = block->last_time;
    if (block->refs != 0 && (block->columns & COLUMN_BIT(COLUMN_TIME)) != 0) {
        row->first_time = block->column[COLUMN_TIME][0];
        row->last_time = block->column[COLUMN_TIME][block->refs - 1];
    }
    memset(row->streams, 0, sizeof row->streams);
    for (uint32_t i = 0; i < block->runs; i++) {
        uint32_t bit = block->run[i].stream % ROW_STREAM_BITS;
        row->streams[bit / 8] = (uint8_t)(row->streams[bit / 8] | 1u << bit % 8);
    }
}
