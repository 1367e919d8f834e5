/* Random traces go through the store and come back as they were: any columns, streams, events,
 * and commits at any place. DISCO_SEED repeats a failure. */
#include "collector/trace/reader.h"
#include "collector/trace/writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define TRACES 30

static uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint64_t below(uint64_t *state, uint64_t limit)
{
    return random_next(state) % limit;
}

static void well(char *error)
{
    if (error != NULL)
        fail_msg("%s", error);
}

/* One trace as it should come back, in memory. */
struct model {
    uint64_t seed;
    struct trace_facts facts;
    uint32_t streams, spaces;
    size_t refs, events;
    struct ref *ref;
    struct trace_event *event;
    uint64_t *before; /* [events] references of the whole trace before it */
};

/* Where an address may lie: few, many, or all, and both halves of the space. */
static uint64_t random_addr(uint64_t *seed, uint64_t shape)
{
    switch (shape) {
    case 0:
        return 0x400000 + below(seed, 64) * 4;
    case 1:
        return 0x7f0000000000 + below(seed, 1 << 24);
    case 2:
        return UINT64_C(0xffff888000000000) + below(seed, 1 << 12) * 4096;
    default:
        return random_next(seed);
    }
}

static void make_model(struct model *model)
{
    uint64_t *seed = &model->seed;
    model->facts = (struct trace_facts){
        .source = "text",
        .page_bytes = 512u << below(seed, 14),
        .columns = (uint32_t)below(seed, 1u << REF_COLUMNS),
        .refs_per_sample = 1 + below(seed, 1000),
    };
    if (below(seed, 3) == 0)
        model->facts.columns = 0;
    if ((model->facts.columns & COLUMN_BIT(COLUMN_TIME)) != 0)
        model->facts.time_unit = TIME_NS;
    model->spaces = 1 + (uint32_t)below(seed, 4);
    model->streams = 1 + (uint32_t)below(seed, below(seed, 2) == 0 ? 3 : 700);
    static const uint64_t sizes[] = {1, 100, 70000, 200000};
    model->refs = below(seed, sizes[below(seed, 4)]);
    model->events = below(seed, 3) == 0 ? 0 : below(seed, below(seed, 4) == 0 ? 150000 : 300);
    model->ref = calloc(model->refs + 1, sizeof *model->ref);
    model->event = calloc(model->events + 1, sizeof *model->event);
    model->before = calloc(model->events + 1, sizeof *model->before);
    assert_true(model->ref != NULL && model->event != NULL && model->before != NULL);
    uint64_t shape = below(seed, 4);
    uint64_t time = below(seed, 1000);
    uint32_t stream = 0;
    for (size_t i = 0; i < model->refs; i++) {
        if (below(seed, 10) == 0)
            stream = (uint32_t)below(seed, model->streams);
        time += below(seed, 5);
        struct ref *ref = model->ref + i;
        *ref = (struct ref){.addr = random_addr(seed, shape),
                            .stream = stream,
                            .what = (uint8_t)below(seed, 8)};
        for (int column = 0; column < REF_COLUMNS; column++)
            if ((model->facts.columns & COLUMN_BIT(column)) != 0)
                ref->column[column] =
                    column == COLUMN_TIME ? time : below(seed, UINT64_C(1) << 12 * (column % 5));
    }
    for (size_t i = 0; i < model->events; i++) {
        struct trace_event *event = model->event + i;
        uint64_t left = model->refs - (i != 0 ? model->before[i - 1] : 0);
        model->before[i] =
            (i != 0 ? model->before[i - 1] : 0) +
            below(seed, left < 1000 ? left + 1 : 2 * left / (model->events - i) + 1) % (left + 1);
        event->type = (uint32_t)below(seed, EVENT_TYPES);
        event->stream = below(seed, 5) == 0 && event->type != EVENT_ASID
                            ? UINT32_MAX
                            : (uint32_t)below(seed, model->streams);
        for (int argument = 0; argument < EVENT_ARGS; argument++)
            event->args[argument] =
                event->type == EVENT_ASID ? below(seed, model->spaces) : random_next(seed);
    }
}

static void free_model(struct model *model)
{
    free(model->ref);
    free(model->event);
    free(model->before);
}

static void write_model(struct model *model, const char *path)
{
    struct trace_writer *writer = NULL;
    uint32_t id = 0;
    well(trace_writer_create(path, &model->facts, true, &writer));
    for (uint32_t i = 0; i < model->spaces; i++)
        well(trace_writer_space(writer, NULL, &id));
    for (uint32_t i = 0; i < model->streams; i++) {
        struct trace_stream stream = {.space = i % model->spaces, .tid = i, .cpu = -1, .node = -1};
        well(trace_writer_stream(writer, &stream, &id));
    }
    size_t event = 0;
    for (size_t at = 0; at <= model->refs; at++) {
        for (; event < model->events && model->before[event] == at; event++)
            well(trace_writer_event(writer, model->event + event));
        if (at < model->refs)
            well(trace_writer_ref(writer, model->ref + at));
        if (below(&model->seed, 50000) == 0)
            well(trace_writer_commit(writer));
    }
    assert_int_equal(event, model->events);
    well(trace_writer_close(writer, true));
}

static void check_block(const struct model *model, const struct ref_block *block, size_t ref,
                        size_t event)
{
    assert_int_equal(block->first_ref, ref);
    assert_int_equal(block->columns, model->facts.columns);
    uint32_t run = 0;
    for (uint32_t i = 0; i < block->refs; i++) {
        const struct ref *expected = model->ref + ref + i;
        while (run + 1 < block->runs && block->run[run + 1].first <= i)
            run++;
        assert_int_equal(block->addr[i], expected->addr);
        assert_int_equal(block->what[i], expected->what);
        assert_int_equal(block->run[run].stream, expected->stream);
        for (int column = 0; column < REF_COLUMNS; column++)
            if ((model->facts.columns & COLUMN_BIT(column)) != 0)
                assert_int_equal(block->column[column][i], expected->column[column]);
    }
    for (uint32_t i = 0; i < block->events; i++) {
        assert_int_equal(ref + block->event[i].position, model->before[event + i]);
        assert_int_equal(block->event[i].type, model->event[event + i].type);
        assert_int_equal(block->event[i].stream, model->event[event + i].stream);
        assert_memory_equal(block->event[i].args, model->event[event + i].args,
                            sizeof block->event[i].args);
    }
}

static void read_model(const struct model *model, const char *path)
{
    struct trace_reader *reader = NULL;
    well(trace_reader_open(path, &reader));
    const struct trace_summary *summary = trace_reader_summary(reader);
    assert_int_equal(summary->refs, model->refs);
    assert_int_equal(summary->events, model->events);
    assert_int_equal(summary->facts.page_bytes, model->facts.page_bytes);
    assert_int_equal(summary->facts.refs_per_sample, model->facts.refs_per_sample);
    assert_int_equal(summary->streams, model->streams);
    struct ref_block *block = ref_block_new(model->facts.columns);
    assert_non_null(block);
    size_t ref = 0;
    size_t event = 0;
    for (bool end = false;;) {
        well(trace_reader_next(reader, block, &end));
        if (end)
            break;
        check_block(model, block, ref, event);
        ref += block->refs;
        event += block->events;
    }
    assert_int_equal(ref, model->refs);
    assert_int_equal(event, model->events);
    ref_block_free(block);
    trace_reader_close(reader);
}

static void random_traces_come_back_as_they_were(void **state)
{
    (void)state;
    char folder[] = "/tmp/disco-prop-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char path[64];
    snprintf(path, sizeof path, "%s/trace.db", folder);
    const char *given = getenv("DISCO_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 1;
    for (int i = 0; i < TRACES; i++) {
        struct model model = {.seed = seed + (uint64_t)i};
        print_message("DISCO_SEED=%llu\n", (unsigned long long)model.seed);
        make_model(&model);
        write_model(&model, path);
        read_model(&model, path);
        free_model(&model);
    }
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_traces_come_back_as_they_were)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
