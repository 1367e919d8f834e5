/* Memory of a replay: follows the footprint of a trace (pages touched), not its length.
 *
 *   footprint FOLDER
 *
 * Traces are made through the writer (eight streams over private and shared pages), replayed in a
 * process each, and the most memory that it had resident is read from the system. The bytes that a
 * guest page takes, once and for each policy, are the slopes between footprints and between
 * numbers of policies; ten thousand million references over 64 GiB are worked out from them. */
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collector/trace/writer.h"
#include "replayer/heap.h"
#include "tests/bench/replay.h"

#define STREAMS   8u
#define PAGE      4096u
#define PIECE     64u    /* references of a stream in a row */
#define BASE      65536u /* pages */
#define ROUND     4u     /* references a page of the shortest trace */
#define ONE       "disco"
#define FOUR      "disco,disco:trigger=64,disco:trigger=96,disco:trigger=160"
#define STILL     "first-touch,interleave,round-robin,random"
#define BIG_REFS  1e10
#define BIG_PAGES (64.0 * 1024 * 1024 * 1024 / PAGE)

/* flash-8 with 32 GiB a node: room for the largest footprint. */
static struct machine *roomy(void)
{
    struct machine *machine = NULL;
    well(machine_load("flash-8", &machine));
    for (uint32_t node = 0; node < machine->nodes; node++)
        machine->node[node].memory_bytes = UINT64_C(32) << 30;
    return machine;
}

/* Every page is touched in the first round, in an order that no cache or TLB likes; then again and
 * again. One page in eight is everybody's. */
static void make_trace(const char *path, uint64_t pages, uint64_t refs)
{
    struct trace_facts facts = {.source = "text",
                                .command = "footprint",
                                .page_bytes = PAGE,
                                .time_unit = TIME_REFERENCES,
                                .refs_per_sample = 1};
    struct trace_writer *writer = NULL;
    uint32_t space = 0, stream[STREAMS];
    well(trace_writer_create(path, &facts, true, &writer));
    well(trace_writer_space(writer, "footprint", &space));
    for (uint32_t i = 0; i < STREAMS; i++) {
        struct trace_stream who = {
            .space = space, .pid = 1, .tid = i + 1, .cpu = (int32_t)i, .node = (int32_t)i};
        well(trace_writer_stream(writer, &who, &stream[i]));
    }
    uint64_t addr[PIECE], random = 1;
    uint8_t what[PIECE];
    for (uint64_t done = 0; done < refs; done += PIECE) {
        uint32_t who = (uint32_t)(done / PIECE % STREAMS);
        for (uint32_t i = 0; i < PIECE; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            uint64_t page = (done + i) * 40503 % pages; /* odd, and pages a power of two: all */
            addr[i] = page * PAGE + (random >> 40) % PAGE / 8 * 8;
            what[i] = (random >> 60) == 0 ? REF_STORE : REF_LOAD;
        }
        well(trace_writer_refs(writer, stream[who], addr, what, PIECE));
    }
    well(trace_writer_close(writer, true));
}

struct cost {
    double resident_mib, seconds;
};

/* In a process of its own, so that its most is its own. */
static struct cost apart(double (*work)(const void *), const void *context)
{
    int ends[2];
    double seconds = 0;
    struct rusage usage;
    int status = 0;
    (void)fflush(stdout);
    if (pipe(ends) != 0)
        well(say("a pipe could not be made"));
    pid_t child = fork();
    if (child == 0) {
        seconds = work(context);
        _exit(write(ends[1], &seconds, sizeof seconds) == sizeof seconds ? 0 : 1);
    }
    (void)close(ends[1]);
    if (child < 0 || read(ends[0], &seconds, sizeof seconds) != sizeof seconds ||
        wait4(child, &status, 0, &usage) != child || status != 0)
        well(say("the process that replays has failed"));
    (void)close(ends[0]);
    return (struct cost){(double)usage.ru_maxrss / 1024, seconds};
}

struct trace_wish {
    const char *path;
    uint64_t pages, refs;
};

static double make(const void *context)
{
    const struct trace_wish *wish = context;
    make_trace(wish->path, wish->pages, wish->refs);
    return 1;
}

static double replay(const void *context)
{
    return bench_replay(context);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: footprint FOLDER\n");
        return 2;
    }
    static const struct {
        uint32_t footprint, length;
        const char *policies;
        int count;
    } run[] = {
        {1, 1, ONE, 1},   {1, 4, ONE, 1},   {1, 16, ONE, 1},   {2, 1, ONE, 1},
        {4, 1, ONE, 1},   {8, 1, ONE, 1},   {4, 1, FOUR, 4},   {8, 1, FOUR, 4},
        {4, 1, STILL, 4}, {8, 1, STILL, 4}, {4, 1, "bind", 1}, {8, 1, "bind", 1},
    };
    enum { SHORT, LONG = 2, ONE_4 = 4, ONE_8, FOUR_4, FOUR_8, STILL_4, STILL_8, BIND_4, BIND_8 };
    struct cost cost[sizeof run / sizeof *run];
    heap_tight(); /* as disco-replay does */
    char path[4096];
    struct machine *machine = roomy();
    (void)snprintf(path, sizeof path, "%s/footprint.db", argv[1]);
    printf("%-10s %12s %12s %10s %12s %10s\n", "footprint", "pages", "references", "policies",
           "most MiB", "seconds");
    for (unsigned i = 0; i < sizeof run / sizeof *run; i++) {
        const uint64_t pages = (uint64_t)BASE * run[i].footprint;
        const uint64_t length = pages * ROUND * run[i].length;
        const struct trace_wish wish = {path, pages, length};
        const struct bench_options options = {.trace = path,
                                              .machine = machine,
                                              .policies = run[i].policies,
                                              .threads = 1};
        (void)apart(make, &wish);
        cost[i] = apart(replay, &options);
        printf("%7" PRIu32 " x %12" PRIu64 " %12" PRIu64 " %10d %12.1f %10.2f\n", run[i].footprint,
               pages, length, run[i].count, cost[i].resident_mib, cost[i].seconds);
        (void)unlink(path);
    }
    /* slopes between two footprints, so that tables of fixed size fall out */
    const double mib = 1024 * 1024, each = mib / (4.0 * BASE);
    const double one = (cost[ONE_8].resident_mib - cost[ONE_4].resident_mib) * each;
    const double four = (cost[FOUR_8].resident_mib - cost[FOUR_4].resident_mib) * each;
    const double still = (cost[STILL_8].resident_mib - cost[STILL_4].resident_mib) * each;
    const double bind = (cost[BIND_8].resident_mib - cost[BIND_4].resident_mib) * each;
    const double policy = (four - one) / 3, shared = one - policy;
    printf(
        "bytes a guest page: %.1f for all policies together (guest, caches), and for each policy "
        "%.1f\n(%.1f where it does not count references by node), where at most 64 are wanted\n",
        shared, policy, (still - bind) / 3);
    printf("16 times the length takes %.2f times the memory\n",
           cost[LONG].resident_mib / cost[SHORT].resident_mib);
    printf(
        "10^10 references over 64 GiB (%.1f M pages) need, by these figures: %.1f GiB with one "
        "policy, %.1f GiB with six;\nand %.1f hours with one policy on one thread, if no cache or "
        "TLB ever helps as here\n",
        BIG_PAGES / 1e6, one * BIG_PAGES / mib / 1024,
        (shared + 6 * policy) * BIG_PAGES / mib / 1024,
        BIG_REFS * cost[ONE_8].seconds / (ROUND * 8.0 * BASE) / 3600);
    machine_free(machine);
    return 0;
}
