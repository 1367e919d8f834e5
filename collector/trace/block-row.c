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

void block_row_describe(const struct ref_block *block, struct block_row *row)
{
    row->number = block->number;
    row->first_ref = block->first_ref;
    row->refs = block->refs;
    row->events = block->events;
    uint64_t low = block->refs != 0 ? UINT64_MAX : 0;
    uint64_t high = 0;
    uint8_t seen[REF_KIND_MASK + 1] = {0};
    for (uint32_t i = 0; i < block->refs; i++) {
        low = block->addr[i] < low ? block->addr[i] : low;
        high = block->addr[i] > high ? block->addr[i] : high;
        seen[block->what[i] & REF_KIND_MASK] = 1;
    }
    row->min_addr = low;
    row->max_addr = high;
    row->kinds = (uint32_t)(seen[0] | seen[1] << 1 | seen[2] << 2 | seen[3] << 3);
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
