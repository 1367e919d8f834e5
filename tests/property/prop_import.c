/* Random references, printed in every format and layout and imported again, are the same
 * references; and how the bytes are cut into lines, packed or chunked makes no difference.
 * DISCO_SEED repeats a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include <inttypes.h>
#include <zlib.h>

#include "tests/unit/test_import.h"

#define ROUNDS 150
#define REFS   300

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

/* Of any length in bits, so that short and long numbers come equally often. */
static uint64_t any_number(unsigned bits)
{
    return random64() >> (64 - bits) >> below(bits);
}

static struct import_ref wanted[2 * REFS];
static struct collected found;
static struct import_result result;
static char *text;
static size_t text_bytes;

static FILE *begin_text(void)
{
    free(text);
    text = NULL;
    FILE *to = open_memstream(&text, &text_bytes);
    assert_non_null(to);
    return to;
}

static void import_text_back(const struct import_format *format,
                             const struct import_options *options)
{
    char *error = collect(format, options, text, text_bytes, &found, &result);
    if (error != NULL) {
        fail_msg("DISCO_SEED=%" PRIu64 ": %s", seed, error);
    }
}

#define same(index, member)                                                                        \
    do {                                                                                           \
        if (found.ref[index].member != wanted[index].member) {                                     \
            fail_msg("DISCO_SEED=%" PRIu64 ": reference %zu: " #member " is %" PRIx64              \
                     ", not %" PRIx64,                                                             \
                     seed, (size_t)(index), (uint64_t)found.ref[index].member,                     \
                     (uint64_t)wanted[index].member);                                              \
        }                                                                                          \
    } while (0)

static void same_refs(size_t refs, unsigned columns)
{
    if (found.refs != refs) {
        fail_msg("DISCO_SEED=%" PRIu64 ": %zu references, not %zu", seed, found.refs, refs);
    }
    for (size_t i = 0; i < refs; i++) {
        same(i, addr);
        same(i, what);
        same(i, cpu);
        same(i, pid);
        same(i, tid);
        for (unsigned column = 0; column < REF_COLUMNS; column++) {
            if ((columns & COLUMN_BIT(column)) != 0) {
                same(i, column[column]);
            }
        }
    }
}

static void start(const char *name)
{
    const char *given = getenv("DISCO_SEED");
    seed = given != NULL ? strtoull(given, NULL, 0) : UINT64_C(20261122);
    state_of_random = seed;
    (void)name;
}

static size_t print_lackey(FILE *to)
{
    static const char kinds[] = "ILSM";
    size_t refs = 0;
    for (size_t i = 0; i < REFS; i++) {
        char kind = kinds[below(4)];
        uint64_t addr = below(3) == 0 ? any_number(64) : 0x04000000 + below(1u << 24);
        uint64_t size = below(8) == 0 ? any_number(40) : 1 + below(64);
        if (below(20) == 0) {
            fputs(below(2) == 0 ? "==12== a line of valgrind\n" : "another program's output\n", to);
        }
        fprintf(to, "%c%c %08" PRIx64 ",%" PRIu64 "%s\n", kind == 'I' ? 'I' : ' ',
                kind == 'I' ? ' ' : kind, addr, size, below(10) == 0 ? "\r" : "");
        for (int again = 0; again < (kind == 'M' ? 2 : 1); again++) {
            wanted[refs++] =
                (struct import_ref){.addr = addr,
                                    .column = {[COLUMN_SIZE] = size},
                                    .cpu = -1,
                                    .what = kind == 'I'                              ? REF_FETCH
                                            : kind == 'L' || (kind == 'M' && !again) ? REF_LOAD
                                                                                     : REF_STORE};
        }
    }
    return refs;
}

static void lackey_logs_come_back_as_they_were_printed(void **unused)
{
    (void)unused;
    start("lackey");
    struct import_options options = {0};
    for (int round = 0; round < ROUNDS; round++) {
        FILE *to = begin_text();
        size_t refs = print_lackey(to);
        fclose(to);
        import_text_back(&import_lackey, &options);
        same_refs(refs, COLUMN_BIT(COLUMN_SIZE));
    }
}

static void packing_and_chunks_make_no_difference(void **unused)
{
    (void)unused;
    start("chunks");
    struct import_options options = {0};
    for (int round = 0; round < 20; round++) {
        FILE *to = begin_text();
        size_t refs = print_lackey(to);
        fclose(to);
        /* gzip members of random length, so that lines are cut anywhere */
        size_t room = text_bytes * 4 + 65536, packed = 0, at = 0;
        unsigned char *members = malloc(room);
        while (at < text_bytes) {
            size_t part = 1 + below(round < 10 ? 100 : 3000);
            part = part < text_bytes - at ? part : text_bytes - at;
            z_stream stream = {0};
            assert_int_equal(deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY),
                             Z_OK);
            stream.next_in = (z_const Bytef *)text + at;
            stream.avail_in = (uInt)part;
            stream.next_out = members + packed;
            stream.avail_out = (uInt)(room - packed);
            assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
            packed += stream.total_out;
            deflateEnd(&stream);
            at += part;
        }
        free(text);
        text = (char *)members;
        text_bytes = packed;
        import_text_back(&import_lackey, &options);
        same_refs(refs, COLUMN_BIT(COLUMN_SIZE));
    }
}

/* ------------------------------------------------------------------------------------ tables */

enum {
    T_ADDR,
    T_IP,
    T_PHYS,
    T_TIME,
    T_CPU,
    T_TID,
    T_PID,
    T_KIND,
    T_SIZE,
    T_WEIGHT,
    T_LATENCY,
    T_IGNORED,
    T_COLUMNS
};
static const char *const table_names[T_COLUMNS] = {"addr", "ip",     "phys",    "time",
                                                   "cpu",  "tid",    "pid",     "kind",
                                                   "size", "weight", "latency", "-"};

static void print_address(FILE *to, uint64_t value, bool decimal_base)
{
    switch (below(3)) {
    case 0:
        fprintf(to, "0x%" PRIx64, value);
        break;
    case 1:
        fprintf(to, decimal_base ? "%" PRIu64 : "%016" PRIX64, value);
        break;
    default:
        fprintf(to, decimal_base ? "%" PRIu64 : "%" PRIx64, value);
    }
}

/* A time in units of 10^digits ns, with all its digits or, where that loses nothing, without. */
static void print_time(FILE *to, uint64_t ns, unsigned digits)
{
    uint64_t unit = 1;
    for (unsigned i = 0; i < digits; i++) {
        unit *= 10;
    }
    fprintf(to, "%" PRIu64, ns / unit);
    if (digits != 0 && (ns % unit != 0 || below(2) == 0)) {
        fprintf(to, ".%0*" PRIu64 "%s", (int)digits, ns % unit, below(2) == 0 ? "000" : "");
    }
}

static void print_field(FILE *to, unsigned column, const struct import_ref *ref, bool decimal,
                        unsigned digits)
{
    static const char *const words[4][3] = {{"i", "FETCH", "2"},
                                            {"r", "Load", "0"},
                                            {"W", "store", "1"},
                                            {"t", "touch", "T"}};
    switch (column) {
    case T_ADDR:
        print_address(to, ref->addr, decimal);
        break;
    case T_IP:
        print_address(to, ref->column[COLUMN_IP], decimal);
        break;
    case T_PHYS:
        print_address(to, ref->column[COLUMN_PHYS], decimal);
        break;
    case T_TIME:
        print_time(to, ref->column[COLUMN_TIME], digits);
        break;
    case T_CPU:
        fprintf(to, "%d", ref->cpu);
        break;
    case T_TID:
        fprintf(to, "%" PRIu64, ref->tid);
        break;
    case T_PID:
        fprintf(to, "%" PRIu64, ref->pid);
        break;
    case T_KIND:
        fputs(words[ref->what & REF_KIND_MASK][below(3)], to);
        break;
    case T_SIZE:
        fprintf(to, "%" PRIu64, ref->column[COLUMN_SIZE]);
        break;
    case T_WEIGHT:
        fprintf(to, "%" PRIu64, ref->column[COLUMN_WEIGHT]);
        break;
    case T_LATENCY:
        fprintf(to, "0x%" PRIx64, ref->column[COLUMN_LATENCY]);
        break;
    default:
        fprintf(to, "x%" PRIu64, below(1000));
        break;
    }
}

static void tables_come_back_whatever_their_columns_separators_and_units(void **unused)
{
    (void)unused;
    start("tables");
    static const char *const separators[] = {NULL, NULL, ",", "|", " ", "\t:"};
    static const char *const between[] = {" ", ", ", ",", " | ", "  ", "\t"};
    static const char *const units[] = {"ns", "us", "ms", "s"};
    for (int round = 0; round < ROUNDS; round++) {
        unsigned order[T_COLUMNS] = {0}, columns = 0, has = 1u << T_ADDR;
        char names[128] = "";
        for (unsigned column = 0; column < T_COLUMNS; column++) {
            if (column == T_ADDR || below(2) == 0) {
                unsigned place = (unsigned)below(columns + 1);
                memmove(order + place + 1, order + place, (columns - place) * sizeof *order);
                order[place] = column;
                columns++;
                has |= 1u << column;
            }
        }
        for (unsigned i = 0; i < columns; i++) {
            strcat(strcat(names, i == 0 ? "" : ","), table_names[order[i]]);
        }
        size_t style = below(sizeof separators / sizeof separators[0]), unit = below(4);
        bool decimal = below(2) == 0;
        FILE *to = begin_text();
        uint64_t now = any_number(60);
        unsigned kept = 0;
        for (size_t i = 0; i < REFS; i++) {
            now += any_number(30);
            struct import_ref ref = {.addr = any_number(64),
                                     .cpu = (int32_t)below(64) - 1,
                                     .tid = any_number(64),
                                     .pid = any_number(64),
                                     .what = (uint8_t)below(4)};
            for (unsigned column = 0; column < REF_COLUMNS; column++) {
                ref.column[column] = any_number(64);
            }
            ref.column[COLUMN_TIME] = now;
            if ((has >> T_KIND & 1) == 0)
                ref.what = REF_LOAD; /* --default-kind */
            if ((has >> T_IP & 1) != 0 && ref.column[COLUMN_IP] >= IMPORT_KERNEL_START)
                ref.what |= REF_MODE_KERNEL;
            for (unsigned column = 0; column < columns; column++) {
                fputs(column == 0 ? (below(4) == 0 ? "  " : "") : between[style], to);
                print_field(to, order[column], &ref, decimal, (unsigned)unit * 3);
            }
            fputs(below(9) == 0 ? " \r\n# a comment\n\n" : "\n", to);
            if ((has >> T_CPU & 1) == 0)
                ref.cpu = -1;
            if ((has >> T_TID & 1) == 0)
                ref.tid = 0;
            if ((has >> T_PID & 1) == 0)
                ref.pid = 0;
            wanted[i] = ref;
        }
        fclose(to);
        struct import_options options = {.columns = names,
                                         .separators = separators[style],
                                         .base = decimal ? "10" : NULL,
                                         .time_unit = units[unit],
                                         .default_kind = "load"};
        static const unsigned column_of[T_COLUMNS] = {0,
                                                      COLUMN_BIT(COLUMN_IP),
                                                      COLUMN_BIT(COLUMN_PHYS),
                                                      COLUMN_BIT(COLUMN_TIME),
                                                      0,
                                                      0,
                                                      0,
                                                      0,
                                                      COLUMN_BIT(COLUMN_SIZE),
                                                      COLUMN_BIT(COLUMN_WEIGHT),
                                                      COLUMN_BIT(COLUMN_LATENCY),
                                                      0};
        for (unsigned column = 0; column < T_COLUMNS; column++) {
            kept |= (has >> column & 1) != 0 ? column_of[column] : 0;
        }
        import_text_back(&import_text, &options);
        assert_int_equal(found.columns, kept);
        same_refs(REFS, kept);
    }
}

/* -------------------------------------------------------------------------------- perf script */

enum {
    P_COMM,
    P_PID,
    P_TID,
    P_CPU,
    P_TIME,
    P_PERIOD,
    P_EVENT,
    P_ADDR,
    P_DATA_SRC,
    P_WEIGHT,
    P_IP,
    P_SYM,
    P_PHYS,
    P_FIELDS
};
static const char *const perf_names[P_FIELDS] = {"comm",     "pid",    "tid",   "cpu",
                                                 "time",     "period", "event", "addr",
                                                 "data_src", "weight", "ip",    "sym",
                                                 "phys_addr"};

/* As perf 6.1 prints it (tools/perf/builtin-script.c). */
static void print_sample(FILE *to, unsigned has, const struct import_ref *ref)
{
#define HAS(field) ((has >> (field)&1u) != 0)
    static const char *const symbols[] = {"main", "[unknown]", "operator new(unsigned long)",
                                          "std::map<int, char>::at"};
    if (HAS(P_COMM))
        fprintf(to, "%16s ", ref->name);
    if (HAS(P_PID) && HAS(P_TID))
        fprintf(to, "%5" PRIu64 "/%-5" PRIu64 " ", ref->pid, ref->tid);
    else if (HAS(P_PID))
        fprintf(to, "%5" PRIu64 " ", ref->pid);
    else if (HAS(P_TID))
        fprintf(to, "%5" PRIu64 " ", ref->tid);
    if (HAS(P_CPU))
        fprintf(to, "[%03d] ", ref->cpu);
    if (HAS(P_TIME))
        fprintf(to, "%5" PRIu64 ".%09" PRIu64 ": ", ref->column[COLUMN_TIME] / 1000000000,
                ref->column[COLUMN_TIME] % 1000000000);
    if (HAS(P_PERIOD))
        fprintf(to, "%10" PRIu64 " ", ref->column[COLUMN_WEIGHT]);
    if (HAS(P_EVENT))
        fputs("cpu/mem-any,ldlat=30/P: ", to);
    if (HAS(P_ADDR))
        fprintf(to, "%16" PRIx64, ref->addr);
    if (HAS(P_DATA_SRC))
        fprintf(to, "%16" PRIx64 " %-40s", ref->column[COLUMN_SOURCE],
                "|OP LOAD|LVL L1 or N/A hit|SNP None|TLB L1 or L2 hit|LCK No|BLK  N/A");
    if (HAS(P_WEIGHT))
        fprintf(to, "%16" PRIu64, ref->column[COLUMN_LATENCY]);
    if (HAS(P_IP))
        fprintf(to, " %16" PRIx64, ref->column[COLUMN_IP]);
    if (HAS(P_SYM))
        fprintf(to, " %s (/usr/lib/x.so)", symbols[below(4)]);
    if (HAS(P_PHYS))
        fprintf(to, "%s%16" PRIx64, HAS(P_SYM) ? " " : "", ref->column[COLUMN_PHYS]);
    fputc('\n', to);
#undef HAS
}

static enum ref_kind kind_of_op(uint64_t data_src)
{
    return (data_src & 4) != 0    ? REF_STORE
           : (data_src & 2) != 0  ? REF_LOAD
           : (data_src & 16) != 0 ? REF_FETCH
                                  : REF_TOUCH;
}

static void random_samples(unsigned has)
{
    static const char *const names[] = {"gt", "a b", "kworker/0:1", "x 12", "Web Content"};
    uint64_t now = any_number(50);
    FILE *to = begin_text();
    for (size_t i = 0; i < REFS; i++) {
        now += any_number(30);
        struct import_ref ref = {.addr = 0x10000 + any_number(63),
                                 .cpu = (int32_t)below(256),
                                 .pid = below(4194304),
                                 .tid = below(4194304)};
        ref.column[COLUMN_TIME] = now;
        ref.column[COLUMN_WEIGHT] = any_number(40);
        ref.column[COLUMN_LATENCY] = below(5000);
        ref.column[COLUMN_IP] =
            below(2) == 0 ? IMPORT_KERNEL_START + any_number(40) : 0x10000 + any_number(46);
        ref.column[COLUMN_PHYS] = any_number(46);
        ref.column[COLUMN_SOURCE] = any_number(40) << 5 | UINT64_C(1) << below(5);
        if (ref.column[COLUMN_IP] >= IMPORT_KERNEL_START && (has >> P_IP & 1) != 0)
            ref.what = REF_MODE_KERNEL;
        ref.what |= (uint8_t)((has >> P_DATA_SRC & 1) != 0 ? kind_of_op(ref.column[COLUMN_SOURCE])
                                                           : REF_TOUCH);
        snprintf(ref.name, sizeof ref.name, "%s", names[below(5)]);
        print_sample(to, has, &ref);
        if ((has >> P_CPU & 1) == 0)
            ref.cpu = -1;
        if ((has >> P_TID & 1) == 0)
            ref.tid = 0;
        if ((has >> P_PID & 1) == 0)
            ref.pid = 0;
        wanted[i] = ref;
    }
    fclose(to);
}

static unsigned columns_of(unsigned has)
{
    static const unsigned column_of[P_FIELDS] = {
        [P_TIME] = COLUMN_BIT(COLUMN_TIME),       [P_PERIOD] = COLUMN_BIT(COLUMN_WEIGHT),
        [P_DATA_SRC] = COLUMN_BIT(COLUMN_SOURCE), [P_WEIGHT] = COLUMN_BIT(COLUMN_LATENCY),
        [P_IP] = COLUMN_BIT(COLUMN_IP),           [P_PHYS] = COLUMN_BIT(COLUMN_PHYS)};
    unsigned columns = 0;
    for (unsigned field = 0; field < P_FIELDS; field++) {
        columns |= (has >> field & 1) != 0 ? column_of[field] : 0;
    }
    return columns;
}

static void perf_samples_of_any_layout_come_back_by_the_list_of_fields(void **unused)
{
    (void)unused;
    start("fields");
    for (int round = 0; round < ROUNDS; round++) {
        unsigned has = (unsigned)below(1u << P_FIELDS) | 1u << P_ADDR;
        has &= (has >> P_IP & 1) != 0 ? ~0u : ~(1u << P_SYM);
        /* a name that ends in a number needs something behind it that is none */
        if ((has & (1u << P_CPU | 1u << P_TIME | 1u << P_EVENT)) == 0)
            has &= ~(1u << P_COMM);
        if ((has & (1u << P_PID | 1u << P_TID)) == 0)
            has &= ~(1u << P_COMM);
        char names[128] = "";
        for (unsigned field = 0; field < P_FIELDS; field++) {
            if ((has >> field & 1) != 0)
                strcat(strcat(names, names[0] == '\0' ? "" : ","), perf_names[field]);
        }
        random_samples(has);
        struct import_options options = {.fields = names};
        import_text_back(&import_perf_script, &options);
        assert_int_equal(found.columns, columns_of(has));
        same_refs(REFS, columns_of(has));
        for (size_t i = 0; i < REFS && (has >> P_COMM & 1) != 0; i++) {
            assert_string_equal(found.ref[i].name, wanted[i].name);
        }
    }
}

/* Without the list: either the same, or refused; never other references. */
static void perf_samples_without_the_list_are_right_or_refused(void **unused)
{
    (void)unused;
    start("shape");
    int right = 0;
    for (int round = 0; round < ROUNDS; round++) {
        unsigned has = (unsigned)below(1u << P_FIELDS) | 1u << P_ADDR | 1u << P_TIME |
                       1u << P_COMM | 1u << P_TID;
        has &= (has >> P_IP & 1) != 0 ? ~0u : ~(1u << P_SYM);
        if ((has >> P_EVENT & 1) == 0)
            has &= ~(1u << P_PERIOD); /* a period is told by the event behind it */
        random_samples(has);
        struct import_options options = {0};
        char *error = collect(&import_perf_script, &options, text, text_bytes, &found, &result);
        if (error == NULL) {
            unsigned columns = columns_of(has) & found.columns;
            assert_int_equal(found.columns & ~columns, 0);
            same_refs(REFS, columns);
            right++;
        }
        free(error);
    }
    assert_true(right > ROUNDS / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lackey_logs_come_back_as_they_were_printed),
        cmocka_unit_test(packing_and_chunks_make_no_difference),
        cmocka_unit_test(tables_come_back_whatever_their_columns_separators_and_units),
        cmocka_unit_test(perf_samples_of_any_layout_come_back_by_the_list_of_fields),
        cmocka_unit_test(perf_samples_without_the_list_are_right_or_refused),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    collected_reset(&found);
    free(text);
    return failed;
}
