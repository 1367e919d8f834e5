#include "collector/sources/perfdata/perfdata-sample.h"

/* A field of 8 bytes where the event has it. */
static uint64_t field(const struct perfdata_event *event, uint64_t bit,
                      struct perfdata_cursor *body)
{
    return (event->sample_type & bit) != 0 ? cursor_u64(body) : 0;
}

/* A field of two numbers of 4 bytes. */
static void pair(const struct perfdata_event *event, uint64_t bit, struct perfdata_cursor *body,
                 uint32_t *first, uint32_t *second)
{
    if ((event->sample_type & bit) != 0) {
        *first = cursor_u32(body);
        *second = cursor_u32(body);
    }
}

/* `count` elements of so many bytes; more than fit into 64 bits are more than are there. */
static void pass(struct perfdata_cursor *body, uint64_t count, uint64_t bytes)
{
    uint64_t all = 0;
    cursor_bytes(body, __builtin_mul_overflow(count, bytes, &all) ? UINT64_MAX : all);
}

/* Counter values: read_format of perf_event_open(2). */
static void pass_read(const struct perfdata_event *event, struct perfdata_cursor *body)
{
    uint64_t format = event->read_format;
    uint64_t times =
        (uint64_t)__builtin_popcountll(format & (READ_TIME_ENABLED | READ_TIME_RUNNING));
    uint64_t each = 1 + (uint64_t)__builtin_popcountll(format & (READ_ID | READ_LOST));
    uint64_t values = (format & READ_GROUP) != 0 ? cursor_u64(body) : 1;
    pass(body, times, 8);
    pass(body, values, 8 * each);
}

static void pass_branches(const struct perfdata_event *event, struct perfdata_cursor *body)
{
    uint64_t branches = cursor_u64(body);
    pass(body, (event->branch_type & BRANCH_HW_INDEX) != 0 ? 1 : 0, 8);
    pass(body, branches, BRANCH_BYTES);
    pass(body, (event->branch_type & BRANCH_COUNTERS) != 0 ? branches : 0, 8);
}

/* Registers that the mask names, unless the thread had none. */
static void pass_registers(uint64_t mask, struct perfdata_cursor *body)
{
    uint64_t abi = cursor_u64(body);
    pass(body, abi != 0 ? (uint64_t)__builtin_popcountll(mask) : 0, 8);
}

static void pass_stack(struct perfdata_cursor *body)
{
    uint64_t bytes = cursor_u64(body);
    pass(body, bytes, 1);
    pass(body, bytes != 0 ? 1 : 0, 8); /* how much of it was filled */
}

static void read_raw(struct perfdata_cursor *body, struct perfdata_section *raw)
{
    uint32_t bytes = cursor_u32(body);
    raw->at = cursor_bytes(body, bytes);
    raw->bytes = raw->at != NULL ? bytes : 0;
}

/* Fields that only have to be passed, between PERIOD and WEIGHT. */
static void read_middle(const struct perfdata_event *event, struct perfdata_cursor *body,
                        struct perfdata_sample *sample)
{
    uint64_t has = event->sample_type;
    if ((has & SAMPLE_READ) != 0) {
        pass_read(event, body);
    }
    if ((has & SAMPLE_CALLCHAIN) != 0) {
        pass(body, cursor_u64(body), 8);
    }
    if ((has & SAMPLE_RAW) != 0) {
        read_raw(body, &sample->raw);
    }
    if ((has & SAMPLE_BRANCH_STACK) != 0) {
        pass_branches(event, body);
    }
    if ((has & SAMPLE_REGS_USER) != 0) {
        pass_registers(event->regs_user, body);
    }
    if ((has & SAMPLE_STACK_USER) != 0) {
        pass_stack(body);
    }
}

bool perfdata_sample_read(const struct perfdata_event *event, const struct perfdata_record *record,
                          struct perfdata_sample *sample)
{
    struct perfdata_cursor body = record->body;
    uint32_t unused = 0;
    *sample = (struct perfdata_sample){0};
    field(event, SAMPLE_IDENTIFIER, &body);
    sample->ip = field(event, SAMPLE_IP, &body);
    pair(event, SAMPLE_TID, &body, &sample->pid, &sample->tid);
    sample->time_ns = field(event, SAMPLE_TIME, &body);
    sample->addr = field(event, SAMPLE_ADDR, &body);
    field(event, SAMPLE_ID, &body);
    field(event, SAMPLE_STREAM_ID, &body);
    pair(event, SAMPLE_CPU, &body, &sample->cpu, &unused);
    sample->period = field(event, SAMPLE_PERIOD, &body);
    read_middle(event, &body, sample);
    sample->weight = field(event, SAMPLE_WEIGHT | SAMPLE_WEIGHT_STRUCT, &body);
    if ((event->sample_type & SAMPLE_WEIGHT_STRUCT) != 0) {
        sample->weight &= UINT32_MAX; /* var1_dw; above it other latencies */
    }
    sample->data_src = field(event, SAMPLE_DATA_SRC, &body);
    field(event, SAMPLE_TRANSACTION, &body);
    if ((event->sample_type & SAMPLE_REGS_INTR) != 0) {
        pass_registers(event->regs_intr, &body);
    }
    sample->phys = field(event, SAMPLE_PHYS_ADDR, &body);
    field(event, SAMPLE_CGROUP, &body);
    sample->data_page_bytes = field(event, SAMPLE_DATA_PAGE_SIZE, &body);
    field(event, SAMPLE_CODE_PAGE_SIZE, &body);
    if ((event->sample_type & SAMPLE_AUX) != 0) {
        pass(&body, cursor_u64(&body), 1);
    }
    return !body.short_of;
}
