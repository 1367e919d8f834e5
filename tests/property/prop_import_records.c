/* Random drmemtraces and traces of ChampSim and Dinero, written by the tests' own encoders, are
 * imported as what was written; and however bytes are damaged or cut off, what is imported is the
 * beginning of it or there is one line of error. DISCO_SEED repeats a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>

#include "tests/unit/test_drmemtrace.h"
#include "tests/unit/test_import.h"

#define ROUNDS      100
#define FILES_MOST  6
#define PIECES_MOST 30
#define REFS_MOST   60000 /* 6 files of 30 pieces of 24 instructions of at most 12 references */

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

/* A reference as written, with what orders it: its piece's time, its file, its place there. */
struct written {
    struct import_ref ref;
    uint64_t time_us;
    size_t file, place;
};

static struct written written[REFS_MOST];
static size_t references;
static struct bytes file[FILES_MOST];
static size_t files;
static struct collected found;
static struct import_result result;

static int start(void **state)
{
    (void)state;
    const char *given = getenv("DISCO_SEED");
    seed = given != NULL ? strtoull(given, NULL, 0) : UINT64_C(20261122);
    state_of_random = seed;
    return 0;
}

static void forget(void)
{
    for (size_t i = 0; i < FILES_MOST; i++) {
        free(file[i].at);
        file[i] = (struct bytes){0};
    }
    references = 0;
    files = 0;
}

static void note_ref(const struct import_ref *like, uint64_t time_us, enum ref_kind kind,
                     uint64_t addr, uint64_t size)
{
    struct written *to = &written[references];
    *to = (struct written){*like, time_us, files, references};
    to->ref.what |= (uint8_t)kind;
    to->ref.addr = addr;
    to->ref.column[COLUMN_SIZE] = size;
    references++;
}

/* ----------------------------------------------------------------------------------- drmemtrace */

static void put_random_bundle(struct bytes *to, const struct import_ref *like, uint64_t time_us,
                              uint64_t pc)
{
    uint64_t instructions = 1 + below(8), lengths = random64();
    put_record(to, T_BUNDLE, (unsigned)instructions, lengths);
    for (uint64_t i = 0; i < instructions; i++) {
        uint64_t length = lengths >> (8 * i) & 0xff;
        note_ref(like, time_us, REF_FETCH, pc, length);
        pc += length;
    }
}

/* An instruction, with what may stand around it, and its accesses. */
static void put_random_instruction(struct bytes *to, const struct import_ref *like,
                                   uint64_t time_us)
{
    static const unsigned fetches[] = {10, 11, 12, 13, 14, 15, 16, 31, 48, 49};
    uint64_t pc = random64(), size = 1 + below(15);
    for (uint64_t encodings = below(3); encodings > 0; encodings--) {
        put_record(to, T_ENCODING, 8, random64());
    }
    if (below(10) == 0) {
        put_record(to, T_NO_FETCH, (unsigned)size, pc);
    } else {
        put_record(to, fetches[below(10)], (unsigned)size, pc);
        note_ref(like, time_us, REF_FETCH, pc, size);
    }
    if (below(20) == 0) {
        put_random_bundle(to, like, time_us, pc + size);
    }
    for (uint64_t accesses = below(4); accesses > 0; accesses--) {
        static const unsigned others[] = {2, 9, 18, 20, 27, 32, 46};
        bool store = below(3) == 0;
        uint64_t addr = random64(), bytes = 1 + below(64);
        put_record(to, store ? T_WRITE : T_READ, (unsigned)bytes, addr);
        note_ref(like, time_us, store ? REF_STORE : REF_LOAD, addr, bytes);
        if (below(8) == 0) {
            put_record(to, others[below(7)], 1, random64());
        }
        if (below(8) == 0) { /* a marker that means nothing here */
            put_record(to, T_MARKER, 40 + (unsigned)below(100), random64());
        }
    }
}

static void put_random_file(void)
{
    struct bytes *to = &file[files];
    struct import_ref like = {.cpu = -1, .node = -1};
    uint64_t time_us = 1000 + below(50);
    like.pid = 1 + below(2);
    like.tid = 100 + files;
    put_start(to, like.pid, like.tid);
    for (uint64_t pieces = 1 + below(PIECES_MOST); pieces > 0; pieces--) {
        uint64_t cpu = below(100);
        time_us += below(40);
        put_piece(to, time_us, below(4) == 0 ? UINT64_MAX : below(3) << 12 | cpu);
        like.cpu = to->at[to->bytes - 1] == 0xff ? -1 : (int32_t)cpu;
        for (uint64_t instructions = below(25); instructions > 0; instructions--) {
            put_random_instruction(to, &like, time_us);
        }
    }
    put_end(to, like.tid);
    files++;
}

static int earlier(const void *one, const void *other)
{
    const struct written *a = one, *b = other;
    if (a->time_us != b->time_us)
        return a->time_us < b->time_us ? -1 : 1;
    if (a->file != b->file)
        return a->file < b->file ? -1 : 1;
    return a->place < b->place ? -1 : 1;
}

static char *import_files(const struct import_format *format, const struct import_options *options)
{
    const void *data[FILES_MOST];
    size_t bytes[FILES_MOST];
    for (size_t i = 0; i < files; i++) {
        data[i] = file[i].at;
        bytes[i] = file[i].bytes;
    }
    return collect_files(format, options, data, bytes, files, &found, &result);
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

/* The first references of what was written, whose kinds are wanted. */
static void same_refs(size_t refs)
{
    for (size_t i = 0; i < refs; i++) {
        same(i, addr);
        same(i, what);
        same(i, column[COLUMN_SIZE]);
        same(i, pid);
        same(i, tid);
        same(i, cpu);
    }
}

static void well(const struct import_format *format, const struct import_options *options)
{
    char *error = import_files(format, options);
    if (error != NULL) {
        fail_msg("DISCO_SEED=%" PRIu64 ": %s", seed, error);
    }
    if (found.refs != references) {
        fail_msg("DISCO_SEED=%" PRIu64 ": %zu references, not %zu", seed, found.refs, references);
    }
    same_refs(references);
}

static void leave_out_fetches(void)
{
    size_t kept = 0;
    for (size_t i = 0; i < references; i++) {
        if (ref_kind_of(written[i].ref.what) != REF_FETCH) {
            written[kept++] = written[i];
        }
    }
    references = kept;
}

static void random_threads(void)
{
    do {
        forget();
        for (uint64_t threads = 1 + below(FILES_MOST); threads > 0; threads--) {
            put_random_file();
        }
    } while (references == 0);
    qsort(written, references, sizeof *written, earlier);
}

static void threads_of_a_drmemtrace_are_merged_as_sorting_would(void **state)
{
    (void)state;
    struct import_options options = {0}, no_fetches = {.no_fetches = true};
    for (int round = 0; round < ROUNDS; round++) {
        random_threads();
        well(&import_drmemtrace, &options);
        for (size_t i = 0; i < references; i++) {
            assert_int_equal(found.ref[i].column[COLUMN_TIME], written[i].time_us * 1000);
        }
        leave_out_fetches();
        if (references > 0) {
            well(&import_drmemtrace, &no_fetches);
        }
    }
    forget();
}

/* Of one thread, what is imported before the cut is what was written before it. */
static void a_drmemtrace_that_was_cut_off_gives_its_beginning(void **state)
{
    (void)state;
    struct import_options options = {0};
    for (int round = 0; round < ROUNDS; round++) {
        do {
            forget();
            put_random_file();
        } while (references == 0);
        file[0].bytes = below(file[0].bytes);
        char *error = import_files(&import_drmemtrace, &options);
        assert_non_null(error);
        assert_null(strchr(error, '\n'));
        assert_true(found.refs <= references);
        same_refs(found.refs);
        free(error);
    }
    forget();
}

/* -------------------------------------------------------------------------- ChampSim and Dinero */

static uint64_t address_or_none(void)
{
    return below(3) == 0 ? 1 + below(UINT64_MAX) : 0;
}

static void put_random_champsim(bool cloudsuite)
{
    struct bytes *to = &file[0];
    size_t stores = cloudsuite ? 4 : 2;
    for (uint64_t instructions = 1 + below(1500); instructions > 0; instructions--) {
        uint64_t asid = cloudsuite ? below(3) : 0, ip = random64(), store[4], load[4];
        const struct import_ref like = {.space = asid, .cpu = -1};
        put(to, ip, 8);
        put(to, below(2) | below(2) << 8, 2);
        for (size_t i = 0; i < (cloudsuite ? 14 : 6); i++) {
            put(to, random64(), 1);
        }
        for (size_t i = 0; i < stores; i++) {
            put(to, store[i] = address_or_none(), 8);
        }
        for (size_t i = 0; i < 4; i++) {
            put(to, load[i] = address_or_none(), 8);
        }
        if (cloudsuite) {
            put(to, asid | random64() << 16, 8);
        }
        note_ref(&like, 0, REF_FETCH, ip, 0);
        for (size_t i = 0; i < 4; i++) {
            if (load[i] != 0)
                note_ref(&like, 0, REF_LOAD, load[i], 0);
        }
        for (size_t i = 0; i < stores; i++) {
            if (store[i] != 0)
                note_ref(&like, 0, REF_STORE, store[i], 0);
        }
    }
    files = 1;
}

static void traces_of_champsim_come_back(void **state)
{
    (void)state;
    struct import_options options = {0};
    for (int round = 0; round < ROUNDS; round++) {
        bool cloudsuite = round % 2 == 1;
        forget();
        put_random_champsim(cloudsuite);
        well(cloudsuite ? &import_champsim_cloudsuite : &import_champsim, &options);
        for (size_t i = 0; i < references; i++) {
            same(i, space);
        }
    }
    forget();
}

static void traces_of_dinero_come_back(void **state)
{
    (void)state;
    static const enum ref_kind kinds[] = {REF_LOAD, REF_STORE, REF_FETCH, REF_TOUCH};
    struct import_options options = {0};
    for (int round = 0; round < ROUNDS; round++) {
        forget();
        char *text = NULL;
        size_t bytes = 0;
        FILE *to = open_memstream(&text, &bytes);
        bool extended = round % 2 == 1;
        const struct import_ref like = {.cpu = -1};
        for (uint64_t lines = 1 + below(6000); lines > 0; lines--) {
            uint64_t label = below(6), addr = random64() >> below(64), size = below(256);
            fprintf(to, "%s%c %s%" PRIx64, below(9) == 0 ? "\n \t" : "",
                    (extended ? "rwimcv" : "012345")[label], below(4) == 0 ? "0x" : "", addr);
            if (extended) {
                fprintf(to, " %" PRIx64, size);
            }
            fputs(below(5) == 0 ? " rest 12\r\n" : "\n", to);
            if (label < 4) {
                note_ref(&like, 0, kinds[label], addr, extended ? size : 0);
            }
        }
        fclose(to);
        file[0].at = (unsigned char *)text;
        file[0].bytes = bytes;
        files = 1;
        if (references > 0) {
            for (size_t i = 0; i < references && !extended; i++) {
                written[i].ref.column[COLUMN_SIZE] = 0;
            }
            well(&import_din, &options);
        }
    }
    forget();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(threads_of_a_drmemtrace_are_merged_as_sorting_would, start),
        cmocka_unit_test_setup(a_drmemtrace_that_was_cut_off_gives_its_beginning, start),
        cmocka_unit_test_setup(traces_of_champsim_come_back, start),
        cmocka_unit_test_setup(traces_of_dinero_come_back, start),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    collected_reset(&found);
    return failed;
}
