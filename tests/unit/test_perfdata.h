/* Writes perf.data files of either byte order, by tools/perf/Documentation/perf.data-file-format.txt
 * and include/uapi/linux/perf_event.h alone: the tests' own encoder. */
#ifndef DISCO_TEST_PERFDATA_H
#define DISCO_TEST_PERFDATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct pd {
    unsigned char *at;
    size_t bytes, room;
    bool big; /* big-endian */
};

static inline void pd_put(struct pd *to, uint64_t value, unsigned bytes)
{
    if (to->bytes + bytes > to->room) {
        to->room = to->room * 2 + 4096;
        to->at = realloc(to->at, to->room);
        if (to->at == NULL) {
            abort();
        }
    }
    for (unsigned i = 0; i < bytes; i++) {
        to->at[to->bytes++] = (unsigned char)(value >> 8 * (to->big ? bytes - 1 - i : i));
    }
}

static inline void pd_u64(struct pd *to, uint64_t value)
{
    pd_put(to, value, 8);
}

static inline void pd_u32(struct pd *to, uint32_t value)
{
    pd_put(to, value, 4);
}

static inline void pd_bytes(struct pd *to, const void *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        pd_put(to, ((const unsigned char *)data)[i], 1);
    }
}

/* A string of perf's headers: its padded length, then itself. */
static inline void pd_text(struct pd *to, const char *text)
{
    size_t bytes = strlen(text) + 1, padded = (bytes + 63) / 64 * 64;
    pd_u32(to, (uint32_t)padded);
    pd_bytes(to, text, bytes);
    for (; bytes < padded; bytes++) {
        pd_put(to, 0, 1);
    }
}

/* Begins a record; pd_end gives it its size. */
static inline size_t pd_begin(struct pd *to, uint32_t type, unsigned misc)
{
    size_t at = to->bytes;
    pd_u32(to, type);
    pd_put(to, misc, 2);
    pd_put(to, 0, 2);
    return at;
}

static inline void pd_patch(struct pd *to, size_t at, uint64_t value, unsigned bytes)
{
    size_t end = to->bytes;
    to->bytes = at;
    pd_put(to, value, bytes);
    to->bytes = end;
}

static inline void pd_end(struct pd *to, size_t at)
{
    pd_patch(to, at + 6, to->bytes - at, 2);
}

/* An event as the tests describe it. */
struct pd_event {
    uint32_t type;
    uint64_t config, period, sample_type, read_format, branch_type, regs_user, regs_intr, id;
    bool freq;
};

/* The flags are bit fields, which begin at the other end on big-endian machines. */
static inline void pd_flags(struct pd *to, const unsigned *bits, size_t count)
{
    uint64_t flags = 0;
    for (size_t i = 0; i < count; i++) {
        flags |= UINT64_C(1) << (to->big ? 63 - bits[i] : bits[i]);
    }
    pd_u64(to, flags);
}

static inline void pd_attr(struct pd *to, const struct pd_event *event, uint32_t bytes)
{
    size_t start = to->bytes;
    pd_u32(to, event->type);
    pd_u32(to, bytes);
    pd_u64(to, event->config);
    pd_u64(to, event->period);
    pd_u64(to, event->sample_type);
    pd_u64(to, event->read_format);
    pd_flags(to, (const unsigned[]){18, 10}, event->freq ? 2 : 1); /* sample_id_all, freq */
    pd_u64(to, 0);                                                 /* wakeup, breakpoint */
    pd_u64(to, 0);
    const uint64_t later[] = {0, event->branch_type, event->regs_user, 0, event->regs_intr};
    for (size_t i = 0; i < 5 && to->bytes - start < bytes; i++) {
        pd_u64(to, later[i]);
    }
    while (to->bytes - start < bytes) { /* what no reader knows yet */
        pd_put(to, 0xee, 1);
    }
}

/* Everything up to the data of a file, whose size pd_close_data sets. */
static inline size_t pd_file(struct pd *to, const struct pd_event *event, size_t events,
                             uint32_t attr_bytes, uint64_t features)
{
    size_t attrs = 104 + 8 * events;
    pd_u64(to, UINT64_C(0x32454c4946524550));
    pd_u64(to, 104);
    pd_u64(to, attr_bytes + 16);
    pd_u64(to, attrs);
    pd_u64(to, events * (attr_bytes + 16));
    pd_u64(to, attrs + events * (attr_bytes + 16));
    pd_u64(to, 0);
    pd_u64(to, 0);
    pd_u64(to, 0);
    pd_u64(to, features);
    for (int i = 0; i < 3; i++) {
        pd_u64(to, 0);
    }
    for (size_t i = 0; i < events; i++) {
        pd_u64(to, event[i].id);
    }
    for (size_t i = 0; i < events; i++) {
        pd_attr(to, &event[i], attr_bytes);
        pd_u64(to, 104 + 8 * i);
        pd_u64(to, 8);
    }
    return to->bytes;
}

static inline void pd_close_data(struct pd *to, size_t data)
{
    pd_patch(to, 48, to->bytes - data, 8);
}

/* The head of a pipe, and an event in it. */
static inline void pd_pipe(struct pd *to)
{
    pd_u64(to, UINT64_C(0x32454c4946524550));
    pd_u64(to, 16);
}

static inline void pd_pipe_event(struct pd *to, const struct pd_event *event, uint32_t attr_bytes)
{
    size_t at = pd_begin(to, 64, 0);
    pd_attr(to, event, attr_bytes);
    pd_u64(to, event->id);
    pd_end(to, at);
}

/* What stands behind a record that is no sample. */
static inline void pd_trailer(struct pd *to, uint64_t sample_type, uint32_t pid, uint32_t tid,
                              uint64_t time, uint32_t cpu, uint64_t id)
{
    if ((sample_type >> 1 & 1) != 0) {
        pd_u32(to, pid);
        pd_u32(to, tid);
    }
    if ((sample_type >> 2 & 1) != 0)
        pd_u64(to, time);
    if ((sample_type >> 6 & 1) != 0)
        pd_u64(to, id);
    if ((sample_type >> 9 & 1) != 0)
        pd_u64(to, id);
    if ((sample_type >> 7 & 1) != 0) {
        pd_u32(to, cpu);
        pd_u32(to, 0);
    }
    if ((sample_type >> 16 & 1) != 0)
        pd_u64(to, id);
}

static inline void pd_comm(struct pd *to, uint64_t sample_type, uint32_t pid, uint32_t tid,
                           const char *name, uint64_t time, uint64_t id)
{
    char padded[16] = "";
    size_t at = pd_begin(to, 3, 0);
    pd_u32(to, pid);
    pd_u32(to, tid);
    memcpy(padded, name, strlen(name));
    pd_bytes(to, padded, 16);
    pd_trailer(to, sample_type, pid, tid, time, 0, id);
    pd_end(to, at);
}

#endif
