/* Random samples of random events, written in every layout of perf.data (any sample_type, file or
 * pipe, either byte order, attributes of any size, records cut into compressed ones), are imported
 * in the order of their times as what was written. DISCO_SEED repeats a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <zstd.h>

#include "tests/unit/test_import.h"
#include "tests/unit/test_perfdata.h"

#define ROUNDS  300
#define SAMPLES 60
#define EVENTS  3

static uint64_t seed, state_of_random;

/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014) */
static uint64_t random64(void)
{
    uint64_t z = (state_of_random += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint64_t below(uint64_t end)
{
    return random64() % end;
}

struct written {
    struct import_ref ref;
    uint64_t time;
    size_t place;
};

static struct pd_event event[EVENTS];
static size_t events;
static struct written written[SAMPLES];
static size_t samples;
static struct collected found;
static struct import_result result;

enum { IP, TID, TIME, ADDR, READ, CALLCHAIN, ID, CPU, PERIOD, STREAM, RAW, BRANCH, REGS_USER };
enum { STACK = 13, WEIGHT, DATA_SRC, IDENTIFIER, TRANSACTION, REGS_INTR, PHYS, AUX, CGROUP };
enum { DATA_PAGE = 22, CODE_PAGE, WEIGHT_STRUCT, BITS };

static bool has(const struct pd_event *of, unsigned bit)
{
    return (of->sample_type >> bit & 1) != 0;
}

/* Events of one file agree on where the id and the time are. */
static void random_events(void)
{
    uint64_t common = (UINT64_C(1) << IP | UINT64_C(1) << TID | UINT64_C(1) << TIME |
                       UINT64_C(1) << ADDR | UINT64_C(1) << CPU | UINT64_C(1) << STREAM) &
                      random64();
    common |= UINT64_C(1) << ADDR;
    uint64_t same = UINT64_C(1) << IP | UINT64_C(1) << TID | UINT64_C(1) << TIME |
                    UINT64_C(1) << ADDR | UINT64_C(1) << CPU | UINT64_C(1) << STREAM |
                    UINT64_C(1) << ID | UINT64_C(1) << IDENTIFIER;
    events = 1 + below(EVENTS);
    if (events > 1 || below(2) == 0) {
        common |= below(2) == 0 ? UINT64_C(1) << ID : UINT64_C(1) << IDENTIFIER;
    }
    for (size_t i = 0; i < events; i++) {
        event[i] = (struct pd_event){.type = (uint32_t)below(2) * 4,
                                     .config = random64(),
                                     .period = 1 + below(100000),
                                     .read_format = below(32),
                                     .branch_type = below(2) << 17 | below(2) << 19,
                                     .regs_user = random64() & random64(),
                                     .regs_intr = random64(),
                                     .id = 1000 + 7 * i};
        event[i].sample_type = (random64() & ((UINT64_C(1) << BITS) - 1) & ~same) | common;
        if (has(&event[i], WEIGHT_STRUCT)) {
            event[i].sample_type &= ~(UINT64_C(1) << WEIGHT);
        }
    }
}

static void put_many(struct pd *to, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        pd_u64(to, random64());
    }
}

static void put_read(struct pd *to, uint64_t format)
{
    uint64_t values = 1;
    if ((format & 8) != 0) {
        pd_u64(to, values = below(4));
    }
    uint64_t times = (format & 1) + (format >> 1 & 1);
    uint64_t each = 1 + (format >> 2 & 1) + (format >> 4 & 1);
    put_many(to, times + values * each);
}

static void put_sized(struct pd *to, uint64_t bytes)
{
    pd_u64(to, bytes);
    put_many(to, bytes / 8);
}

static void put_registers(struct pd *to, uint64_t mask)
{
    uint64_t abi = below(3);
    pd_u64(to, abi);
    put_many(to, abi != 0 ? (uint64_t)__builtin_popcountll(mask) : 0);
}

/* The fields between the period and the weight. */
static void put_middle(struct pd *to, const struct pd_event *of)
{
    if (has(of, READ))
        put_read(to, of->read_format);
    if (has(of, CALLCHAIN)) {
        uint64_t frames = below(5);
        pd_u64(to, frames);
        put_many(to, frames);
    }
    if (has(of, RAW)) {
        uint32_t words = (uint32_t)below(4);
        pd_u32(to, words * 8 + 4);
        put_many(to, words);
        pd_u32(to, 0);
    }
    if (has(of, BRANCH)) {
        uint64_t branches = below(4);
        pd_u64(to, branches);
        put_many(to, (of->branch_type >> 17 & 1) + branches * 3 +
                         ((of->branch_type >> 19 & 1) != 0 ? branches : 0));
    }
    if (has(of, REGS_USER))
        put_registers(to, of->regs_user);
    if (has(of, STACK)) {
        uint64_t words = below(4);
        put_sized(to, words * 8);
        put_many(to, words != 0 ? 1 : 0);
    }
}

static void put_end_of_sample(struct pd *to, const struct pd_event *of,
                              const struct import_ref *ref)
{
    if (has(of, WEIGHT))
        pd_u64(to, ref->column[COLUMN_LATENCY]);
    if (has(of, WEIGHT_STRUCT)) /* var1_dw is the lower half on any machine */
        pd_u64(to, random64() << 32 | ref->column[COLUMN_LATENCY]);
    if (has(of, DATA_SRC))
        pd_u64(to, ref->column[COLUMN_SOURCE]);
    if (has(of, TRANSACTION))
        put_many(to, 1);
    if (has(of, REGS_INTR))
        put_registers(to, of->regs_intr);
    if (has(of, PHYS))
        pd_u64(to, ref->column[COLUMN_PHYS]);
    put_many(to, (of->sample_type >> CGROUP & 1) + (of->sample_type >> DATA_PAGE & 1) +
                     (of->sample_type >> CODE_PAGE & 1));
    if (has(of, AUX))
        put_sized(to, below(3) * 8);
}

static void put_random_sample(struct pd *to)
{
    const struct pd_event *of = &event[below(events)];
    struct import_ref *ref = &written[samples].ref;
    bool user = below(2) == 0;
    *ref = (struct import_ref){.addr = 1 + below(UINT64_MAX), .cpu = -1, .node = -1};
    uint64_t time = 1000 + below(200), ip = random64(), source = random64();
    uint32_t cpu = (uint32_t)below(512);
    ref->column[COLUMN_LATENCY] = has(of, WEIGHT_STRUCT) ? below(UINT32_MAX) : random64();
    ref->column[COLUMN_LATENCY] *= has(of, WEIGHT) || has(of, WEIGHT_STRUCT);
    ref->column[COLUMN_SOURCE] = has(of, DATA_SRC) ? source : 0;
    ref->column[COLUMN_PHYS] = has(of, PHYS) ? random64() : 0;
    ref->column[COLUMN_IP] = has(of, IP) ? ip : 0;
    ref->column[COLUMN_WEIGHT] = has(of, PERIOD) ? 1 + below(1000000) : of->period;
    ref->pid = has(of, TID) ? below(70000) : 0;
    ref->tid = has(of, TID) ? below(70000) : 0;
    ref->cpu = has(of, CPU) ? (int32_t)cpu : -1;
    ref->what = (uint8_t)((!has(of, DATA_SRC)   ? REF_TOUCH
                           : (source & 4) != 0  ? REF_STORE
                           : (source & 2) != 0  ? REF_LOAD
                           : (source & 16) != 0 ? REF_FETCH
                                                : REF_TOUCH) |
                          (user ? 0 : REF_MODE_KERNEL));
    written[samples].time = has(of, TIME) ? time : 0;
    written[samples].place = samples;
    samples++;
    size_t at = pd_begin(to, 9, user ? 2 : 1);
    if (has(of, IDENTIFIER))
        pd_u64(to, of->id);
    if (has(of, IP))
        pd_u64(to, ip);
    if (has(of, TID)) {
        pd_u32(to, (uint32_t)ref->pid);
        pd_u32(to, (uint32_t)ref->tid);
    }
    if (has(of, TIME))
        pd_u64(to, time);
    pd_u64(to, ref->addr);
    if (has(of, ID))
        pd_u64(to, of->id);
    if (has(of, STREAM))
        pd_u64(to, random64());
    if (has(of, CPU)) {
        pd_u32(to, cpu);
        pd_u32(to, (uint32_t)random64());
    }
    if (has(of, PERIOD))
        pd_u64(to, ref->column[COLUMN_WEIGHT]);
    put_middle(to, of);
    put_end_of_sample(to, of, ref);
    pd_end(to, at);
}

/* The records in `plain`, in compressed ones that cut them anywhere. */
static void put_compressed(struct pd *to, const struct pd *plain)
{
    ZSTD_CStream *stream = ZSTD_createCStream();
    ZSTD_initCStream(stream, 1);
    for (size_t at = 0; at < plain->bytes;) {
        unsigned char packed[32768];
        size_t part = 1 + below(2000);
        part = part < plain->bytes - at ? part : plain->bytes - at;
        ZSTD_inBuffer in = {plain->at + at, part, 0};
        ZSTD_outBuffer out = {packed, sizeof packed, 0};
        assert_false(ZSTD_isError(ZSTD_compressStream2(stream, &out, &in, ZSTD_e_flush)));
        assert_int_equal(in.pos, in.size);
        bool sized = below(2) == 0; /* COMPRESSED2 says how many bytes are no padding */
        size_t record = pd_begin(to, sized ? 83 : 81, 0);
        if (sized)
            pd_u64(to, out.pos);
        pd_bytes(to, packed, out.pos);
        for (size_t i = out.pos; sized && i % 8 != 0; i++)
            pd_put(to, 0, 1);
        pd_end(to, record);
        at += part;
    }
    ZSTD_freeCStream(stream);
}

static int earlier(const void *one, const void *other)
{
    const struct written *a = one, *b = other;
    if (a->time != b->time)
        return a->time < b->time ? -1 : 1;
    return a->place < b->place ? -1 : 1;
}

#define same(index, member)                                                                        \
    do {                                                                                           \
        if (found.ref[index].member != written[index].ref.member) {                                \
            fail_msg("DISCO_SEED=%" PRIu64 ": reference %zu: " #member " is %" PRIx64              \
                     ", not %" PRIx64,                                                             \
                     seed, (size_t)(index), (uint64_t)found.ref[index].member,                     \
                     (uint64_t)written[index].ref.member);                                         \
        }                                                                                          \
    } while (0)

static void same_samples(void)
{
    for (size_t i = 0; i < samples; i++) {
        same(i, addr);
        same(i, what);
        same(i, pid);
        same(i, tid);
        same(i, cpu);
        same(i, column[COLUMN_IP]);
        same(i, column[COLUMN_PHYS]);
        same(i, column[COLUMN_LATENCY]);
        same(i, column[COLUMN_SOURCE]);
        same(i, column[COLUMN_WEIGHT]);
        assert_true(found.time_unit != TIME_NS ||
                    found.ref[i].column[COLUMN_TIME] == written[i].time);
    }
}

static void samples_of_any_layout_come_back_in_order(void **state)
{
    (void)state;
    const char *given = getenv("DISCO_SEED");
    seed = given != NULL ? strtoull(given, NULL, 0) : UINT64_C(20261122);
    state_of_random = seed;
    for (int round = 0; round < ROUNDS; round++) {
        static const uint32_t sizes[] = {104, 112, 120, 128, 136, 144, 200};
        struct pd file = {.big = below(2) == 0};
        struct pd plain = {.big = file.big};
        struct import_options options = {0};
        uint32_t attr_bytes = sizes[below(7)];
        bool pipe = below(2) == 0;
        size_t data = 0;
        random_events();
        samples = 0;
        if (pipe) {
            pd_pipe(&file);
            for (size_t i = 0; i < events; i++)
                pd_pipe_event(&file, &event[i], attr_bytes);
        } else {
            data = pd_file(&file, event, events, attr_bytes, 0);
        }
        for (uint64_t count = 1 + below(SAMPLES); count > 0; count--)
            put_random_sample(&plain);
        if (below(3) == 0)
            put_compressed(&file, &plain);
        else
            pd_bytes(&file, plain.at, plain.bytes);
        if (!pipe)
            pd_close_data(&file, data);
        qsort(written, samples, sizeof *written, earlier);
        char *error = collect(&import_perfdata, &options, file.at, file.bytes, &found, &result);
        if (error != NULL)
            fail_msg("DISCO_SEED=%" PRIu64 ": round %d: %s", seed, round, error);
        if (found.refs != samples)
            fail_msg("DISCO_SEED=%" PRIu64 ": %zu samples, not %zu", seed, found.refs, samples);
        same_samples();
        free(file.at);
        free(plain.at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_of_any_layout_come_back_in_order),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    collected_reset(&found);
    return failed;
}
