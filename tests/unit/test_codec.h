/* Blocks for the tests of the codec: random ones of very different shapes, and how to compare them.
 */
#ifndef DISCO_TEST_CODEC_H
#define DISCO_TEST_CODEC_H

#include "collector/trace/codec.h"

#include <string.h>

#define ALL_COLUMNS (COLUMN_BIT(REF_COLUMNS) - 1u)

/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014) */
static inline uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline uint32_t below(uint64_t *state, uint32_t bound)
{
    return (uint32_t)((next_random(state) >> 32) * bound >> 32);
}

/* Of any length in bits, so that short and long numbers come equally often. */
static inline uint64_t any_number(uint64_t *state)
{
    return next_random(state) >> below(state, 64);
}

static inline void fill_random(struct ref_block *block, uint64_t *state)
{
    for (uint32_t i = 0; i < block->refs; i++) {
        block->addr[i] = any_number(state);
        block->what[i] = (uint8_t)below(state, REF_WHAT_MASK + 1);
    }
}

/* A program: a few functions of a few instructions, each with operands that stay, walk or wander.
 */
static inline void fill_program(struct ref_block *block, uint64_t *state)
{
    struct {
        uint64_t addr, operand[3], step[3];
        uint8_t what[3], size;
        uint32_t operands;
    } code[64];
    const uint64_t mode = below(state, 4) == 0 ? REF_MODE_KERNEL : 0;
    uint64_t addr = mode ? UINT64_C(0xffffffff81000000) : any_number(state) >> 17;
    const uint32_t instructions = 1 + below(state, 64);
    for (uint32_t i = 0; i < instructions; i++) {
        code[i].addr = addr;
        code[i].size = (uint8_t)(1 + below(state, 15));
        code[i].operands = below(state, 8) == 0 ? 3 : below(state, 2);
        addr += code[i].size + (below(state, 8) == 0 ? any_number(state) >> 30 : 0);
        for (uint32_t j = 0; j < 3; j++) {
            code[i].operand[j] = any_number(state);
            code[i].step[j] = below(state, 2) ? 0 : below(state, 256);
            code[i].what[j] = (uint8_t)(mode | (REF_LOAD + below(state, 3)));
        }
    }
    uint32_t at = 0;
    for (uint32_t i = 0; i < block->refs;
         at = below(state, 6) ? at + 1 : below(state, instructions)) {
        if (at >= instructions)
            at = 0;
        block->addr[i] = code[at].addr;
        block->what[i++] = (uint8_t)(REF_FETCH | mode);
        const uint32_t operands = below(state, 50) ? code[at].operands : below(state, 4);
        for (uint32_t j = 0; j < operands && i < block->refs; j++) {
            if (below(state, 20) == 0)
                code[at].operand[j] = any_number(state);
            block->addr[i] = code[at].operand[j] += code[at].step[j];
            block->what[i++] = code[at].what[j];
        }
    }
}

/* Loops over arrays, without the code: kinds in a fixed pattern. */
static inline void fill_loop(struct ref_block *block, uint64_t *state)
{
    uint64_t array[8], step[8];
    uint8_t what[8];
    const uint32_t period = 1 + below(state, 8);
    for (uint32_t i = 0; i < period; i++) {
        array[i] = any_number(state);
        step[i] = below(state, 64);
        what[i] = (uint8_t)(REF_LOAD + below(state, 3));
    }
    for (uint32_t i = 0; i < block->refs; i++) {
        block->addr[i] = array[i % period] += step[i % period];
        block->what[i] = what[i % period];
    }
}

/* One fetch, then nothing but data; fetches that no machine has. */
static inline void fill_odd(struct ref_block *block, uint64_t *state)
{
    const uint32_t period = 1 + below(state, 40);
    for (uint32_t i = 0; i < block->refs; i++) {
        const bool fetch = i % period == 0;
        block->what[i] = fetch ? REF_FETCH : REF_LOAD;
        block->addr[i] = fetch ? UINT64_C(0x1234567800000000) + below(state, 4) : UINT64_MAX - i;
    }
}

static inline void fill_column(struct ref_block *block, unsigned column, uint64_t *state)
{
    const uint32_t shape = below(state, 6);
    const uint64_t base = any_number(state), step = any_number(state) >> 32;
    for (uint32_t i = 0; i < block->refs; i++) {
        uint64_t *const value = &block->column[column][i];
        if (shape == 0)
            *value = base; /* constant */
        else if (shape == 1)
            *value = base + i * step; /* a clock */
        else if (shape == 2)
            *value = any_number(state);
        else if (shape == 3)
            *value = (uint64_t)1 << below(state, 5); /* sizes */
        else if (shape == 4)
            *value = base + (uint64_t)i * 1000 + below(state, 1000); /* a clock with jitter */
        else
            *value = next_random(state) & 0x1000000000ffu; /* few of the bytes */
    }
}

static inline void fill_runs(struct ref_block *block, uint64_t *state)
{
    const uint32_t most = below(state, 4) == 0 ? 1 : 1 + below(state, 200);
    block->runs = 0;
    for (uint32_t first = 0; first < block->refs; first += 1 + below(state, most * 2))
        block->run[block->runs++] = (struct stream_run){first, (uint32_t)any_number(state)};
}

static inline void fill_events(struct ref_block *block, uint64_t *state, uint32_t events)
{
    uint32_t position = 0;
    block->events = events;
    for (uint32_t i = 0; i < events; i++) {
        struct trace_event *const event = &block->event[i];
        if (below(state, 2))
            position += below(state, block->refs - position + 1) >> below(state, 16);
        *event = (struct trace_event){.position = position,
                                      .stream = below(state, 4) ? below(state, 4) : UINT32_MAX,
                                      .type = below(state, EVENT_TYPES)};
        for (unsigned j = 0; j < EVENT_ARGS; j++)
            event->args[j] = below(state, 2) ? any_number(state) : below(state, 3);
    }
}

/* `block` has room for all columns. */
static inline void random_block(struct ref_block *block, uint64_t *state)
{
    static void (*const fill[])(struct ref_block *, uint64_t *) = {fill_random, fill_program,
                                                                   fill_loop, fill_odd};
    const uint32_t big = below(state, 40);
    block->refs = big == 0   ? TRACE_BLOCK_REFS
                  : big == 1 ? 1 + below(state, TRACE_BLOCK_REFS)
                             : (uint32_t)(below(state, 4096) >> below(state, 13));
    fill[below(state, sizeof fill / sizeof *fill)](block, state);
    block->columns = below(state, 2) ? below(state, ALL_COLUMNS + 1) : COLUMN_BIT(COLUMN_SIZE);
    for (unsigned column = 0; column < REF_COLUMNS; column++)
        if (block->columns & COLUMN_BIT(column))
            fill_column(block, column, state);
    if ((block->columns & COLUMN_BIT(COLUMN_TIME)) && block->refs > 0) {
        block->first_time = block->column[COLUMN_TIME][0];
        block->last_time = block->column[COLUMN_TIME][block->refs - 1];
    }
    fill_runs(block, state);
    const uint32_t many = below(state, 400);
    fill_events(block, state, many == 0 ? TRACE_BLOCK_EVENTS : many < 120 ? below(state, 300) : 0);
}

/* What differs first, or NULL. `columns`: those to compare. */
static inline const char *difference(const struct ref_block *a, const struct ref_block *b,
                                     uint32_t columns)
{
    if (a->refs != b->refs || a->runs != b->runs || a->events != b->events)
        return "counts";
    if ((a->columns & columns) != (b->columns & columns))
        return "columns";
    if (memcmp(a->addr, b->addr, a->refs * sizeof *a->addr) != 0)
        return "addresses";
    if (memcmp(a->what, b->what, a->refs) != 0)
        return "kinds";
    if (memcmp(a->run, b->run, a->runs * sizeof *a->run) != 0)
        return "runs";
    for (uint32_t i = 0; i < a->events; i++) {
        const struct trace_event *x = &a->event[i], *y = &b->event[i];
        if (x->position != y->position || x->stream != y->stream || x->type != y->type ||
            memcmp(x->args, y->args, sizeof x->args) != 0)
            return "events";
    }
    for (unsigned column = 0; column < REF_COLUMNS; column++)
        if ((a->columns & columns & COLUMN_BIT(column)) &&
            memcmp(a->column[column], b->column[column], a->refs * sizeof(uint64_t)) != 0)
            return "values of a column";
    if ((a->columns & columns & COLUMN_BIT(COLUMN_TIME)) && a->refs > 0 &&
        (a->first_time != b->first_time || a->last_time != b->last_time))
        return "times";
    return NULL;
}

#endif
