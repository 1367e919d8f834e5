/* A program whose best placement is known, for the demonstration and for tests.
 *
 * Its memory is in named regions, each a mapping of its own, all written first by the main thread
 * (so that first touch puts everything on one node, wrongly):
 *   table      read at random by all threads, never written again   -> a replica on every node
 *   private-T  read and written by thread T alone                   -> to the node of thread T
 *   handed     read and written by one thread a phase, in turn      -> follows its owner
 *   shared     written by all threads all the time                  -> stays, or bounces
 * Thread T runs on CPU T mod (CPUs that it may use).
 *
 * A page is only seen by page fault sampling when its mapping is missing. Two ways to be seen
 * often:
 *   - kernel NUMA balancing takes mappings away from time to time. The kernel does so for memory
 *     whose policy asks for it: the mappings are shared ones of a memfd (so that the kernel reports
 *     their names), for which that is set by mbind(2) with MPOL_F_NUMA_BALANCING (Linux 5.12);
 *   - --drop: the main thread takes mappings away itself by MADV_DONTNEED, a few pages at a time.
 *     The data stays in the memfd. One page in 16 at a time, because a read fault maps the 15
 *     neighbours of a page too (fault-around, 64 KiB, Linux mm/memory.c do_fault_around).
 *
 * At the end it checks every word that it computed and says so; exit 1 when one is wrong.
 */
#include <argp.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PAGE_BYTES  4096u
#define WORDS       (PAGE_BYTES / sizeof(uint64_t))
#define THREADS_MAX 64
#define DROP_STRIDE 16u /* pages; see above */
#define TABLE_READS 4u  /* pages of the table read for each private page written */
#define CHUNK_PAGES 32u /* between two yields, so that threads of one CPU interleave finely */

/* linux/mempolicy.h of Linux 5.12; not in the libc. */
#define POLICY_BIND           2
#define POLICY_NUMA_BALANCING (1 << 13)
#define POLICY_MEMS_ALLOWED   (1 << 2) /* of get_mempolicy(2): the nodes that we may use */

struct options {
    unsigned threads, seconds, pages, drop_ms;
};

struct region {
    char name[16];
    uint64_t *word;
    size_t pages;
};

struct program {
    struct options options;
    struct region table, handed, shared, private[THREADS_MAX];
    _Atomic unsigned turn; /* thread that owns `handed` */
    _Atomic bool stop;
    uint64_t start_ns, phase_ns;
};

struct worker {
    struct program *program;
    unsigned number;
    pthread_t thread;
    uint64_t sweeps, handed_sweeps, shared_adds, table_errors;
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* What the table holds, so that every read can be checked (the finalizer of splitmix64). */
static uint64_t table_value(uint64_t i)
{
    i = (i ^ (i >> 30)) * 0xbf58476d1ce4e5b9u;
    i = (i ^ (i >> 27)) * 0x94d049bb133111ebu;
    return i ^ (i >> 31);
}

static uint64_t next_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    return table_value(*state);
}

/* Lets the kernel balance this mapping over all nodes that we may use. Refused in some containers
 * and before Linux 5.12: then the program runs as well, and only --drop gives sightings. */
static void ask_for_balancing(void *at, size_t bytes)
{
    unsigned long nodes[16] = {0}; /* 1024 nodes, the most that Linux has */
    const unsigned long bits = 8 * sizeof nodes;
    if (syscall(SYS_get_mempolicy, NULL, nodes, bits, NULL, POLICY_MEMS_ALLOWED) == 0)
        (void)syscall(SYS_mbind, at, bytes, POLICY_BIND | POLICY_NUMA_BALANCING, nodes, bits, 0);
}

static void map_region(struct region *region, const char *name, size_t pages)
{
    snprintf(region->name, sizeof region->name, "%s", name);
    region->pages = pages;
    size_t bytes = pages * PAGE_BYTES;
    int fd = memfd_create(name, MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t)bytes) != 0) {
        fprintf(stderr, "threads: %s: cannot make memory: %s\n", name, strerror(errno));
        exit(1);
    }
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (at == MAP_FAILED) {
        fprintf(stderr, "threads: %s: cannot map memory: %s\n", name, strerror(errno));
        exit(1);
    }
    ask_for_balancing(at, bytes);
    region->word = at;
}

static uint64_t *page_at(const struct region *region, size_t page)
{
    return region->word + page * WORDS;
}

/* One visit of a page: a load and a store of a word that only its owner writes. */
static void visit(const struct region *region, size_t page, uint64_t sweep)
{
    page_at(region, page)[sweep % WORDS]++;
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct program *program = worker->program;
    const struct region *table = &program->table, *own = &program->private[worker->number];
    uint64_t random = worker->number;
    while (!atomic_load_explicit(&program->stop, memory_order_relaxed)) {
        for (size_t page = 0; page < own->pages; page++) {
            visit(own, page, worker->sweeps);
            for (unsigned i = 0; i < TABLE_READS; i++) {
                uint64_t at = next_random(&random) % (table->pages * WORDS);
                worker->table_errors += table->word[at] != table_value(at);
            }
            size_t shared = next_random(&random) % program->shared.pages;
            __atomic_fetch_add(page_at(&program->shared, shared), 1, __ATOMIC_RELAXED);
            worker->shared_adds++;
            if (page % CHUNK_PAGES == CHUNK_PAGES - 1)
                sched_yield();
        }
        worker->sweeps++;
        if (atomic_load_explicit(&program->turn, memory_order_acquire) == worker->number) {
            for (size_t page = 0; page < program->handed.pages; page++)
                visit(&program->handed, page, worker->handed_sweeps);
            worker->handed_sweeps++;
            uint64_t phase = (now_ns() - program->start_ns) / program->phase_ns;
            atomic_store_explicit(&program->turn, (unsigned)(phase % program->options.threads),
                                  memory_order_release);
        }
    }
    return NULL;
}

static void drop_pages(const struct region *region, size_t first)
{
    for (size_t page = first % DROP_STRIDE; page < region->pages; page += DROP_STRIDE)
        madvise(page_at(region, page), PAGE_BYTES, MADV_DONTNEED);
}

static cpu_set_t nth_cpu(const cpu_set_t *allowed, size_t n)
{
    size_t skip = n % (size_t)CPU_COUNT(allowed), cpu = 0;
    while (!CPU_ISSET(cpu, allowed) || skip-- > 0)
        cpu++;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    return one;
}

/* From each CPU in turn: the thread that it interrupts comes late to what is dropped, and would
 * always be the one that is not seen on the pages that others use too. */
static void drop_some(const struct program *program, const cpu_set_t *allowed, size_t round)
{
    cpu_set_t here = nth_cpu(allowed, round + round / DROP_STRIDE);
    sched_setaffinity(0, sizeof here, &here);
    drop_pages(&program->table, round);
    drop_pages(&program->handed, round);
    drop_pages(&program->shared, round);
    for (unsigned t = 0; t < program->options.threads; t++)
        drop_pages(&program->private[t], round);
}

static void fill(struct program *program)
{
    const struct options *options = &program->options;
    size_t pages = options->pages;
    map_region(&program->table, "table", 2 * pages);
    map_region(&program->handed, "handed", pages);
    map_region(&program->shared, "shared", pages / 2);
    for (uint64_t i = 0; i < program->table.pages * WORDS; i++)
        program->table.word[i] = table_value(i);
    memset(program->handed.word, 0, program->handed.pages * PAGE_BYTES);
    memset(program->shared.word, 0, program->shared.pages * PAGE_BYTES);
    for (unsigned t = 0; t < options->threads; t++) {
        char name[16];
        snprintf(name, sizeof name, "private-%u", t);
        map_region(&program->private[t], name, pages);
        memset(program->private[t].word, 0, pages * PAGE_BYTES);
    }
}

static void start_pinned(struct worker *worker, const cpu_set_t *allowed)
{
    cpu_set_t one = nth_cpu(allowed, worker->number);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setaffinity_np(&attributes, sizeof one, &one);
    int error = pthread_create(&worker->thread, &attributes, work, worker);
    pthread_attr_destroy(&attributes);
    if (error != 0) {
        fprintf(stderr, "threads: cannot start thread %u: %s\n", worker->number, strerror(error));
        exit(1);
    }
    char name[16];
    snprintf(name, sizeof name, "worker-%u", worker->number);
    pthread_setname_np(worker->thread, name);
}

/* The sum of each page's words must be `each` (or, !each_page, that of all pages together). */
static bool region_adds_up(const struct region *region, bool each_page, uint64_t expected)
{
    uint64_t all = 0;
    bool right = true;
    for (size_t page = 0; page < region->pages; page++) {
        uint64_t sum = 0;
        for (size_t i = 0; i < WORDS; i++)
            sum += page_at(region, page)[i];
        right = right && (!each_page || sum == expected);
        all += sum;
    }
    right = right && (each_page || all == expected);
    printf("%-10s %5zu pages  %s\n", region->name, region->pages, right ? "right" : "WRONG");
    return right;
}

static bool answers_are_right(const struct program *program, const struct worker *worker)
{
    uint64_t handed = 0, shared = 0, table_errors = 0;
    bool right = true;
    for (unsigned t = 0; t < program->options.threads; t++) {
        handed += worker[t].handed_sweeps;
        shared += worker[t].shared_adds;
        table_errors += worker[t].table_errors;
        right = region_adds_up(&program->private[t], true, worker[t].sweeps) && right;
    }
    right = region_adds_up(&program->handed, true, handed) && right;
    right = region_adds_up(&program->shared, false, shared) && right;
    printf("%-10s %5zu pages  %s\n", program->table.name, program->table.pages,
           table_errors == 0 ? "right" : "WRONG");
    return right && table_errors == 0;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct options *options = state->input;
    const struct {
        int key;
        unsigned *value, least, most;
    } number[] = {
        {'t', &options->threads, 1, THREADS_MAX},
        {'s', &options->seconds, 1, 3600},
        {'p', &options->pages, 2, 1u << 20},
        {'d', &options->drop_ms, 1, 60000},
    };
    for (size_t i = 0; i < sizeof number / sizeof number[0]; i++) {
        if (number[i].key != key)
            continue;
        char *end;
        errno = 0;
        unsigned long value = strtoul(text, &end, 10);
        if (errno != 0 || end == text || *end != '\0' || value < number[i].least ||
            value > number[i].most)
            argp_error(state, "'%s' is not a number from %u to %u", text, number[i].least,
                       number[i].most);
        *number[i].value = (unsigned)value;
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

int main(int argc, char **argv)
{
    static const struct argp_option known[] = {
        {"threads", 't', "N", 0, "Threads (4)", 0},
        {"seconds", 's', "N", 0, "Run for so long (15)", 0},
        {"pages", 'p', "N", 0, "Pages of each private buffer; the table has twice as many (256)",
         0},
        {"drop", 'd', "MS", 0, "Take away the mappings of one page in 16 every MS ms", 0},
        {0},
    };
    static const struct argp argp = {known,
                                     parse,
                                     NULL,
                                     "A program whose best placement is known: a table that all "
                                     "read, private buffers, one handed on, one written by all.",
                                     NULL,
                                     NULL,
                                     NULL};
    struct program program = {.options = {4, 15, 256, 0}};
    struct worker worker[THREADS_MAX];
    const struct options *options = &program.options;
    cpu_set_t allowed;
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, &program.options);
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
        fprintf(stderr, "threads: cannot read the allowed CPUs: %s\n", strerror(errno));
        return 1;
    }
    fill(&program);
    program.start_ns = now_ns();
    program.phase_ns = options->seconds * UINT64_C(1000000000) / options->threads + 1;
    uint64_t end_ns = program.start_ns + options->seconds * UINT64_C(1000000000);
    for (unsigned t = 0; t < options->threads; t++) {
        worker[t] = (struct worker){.program = &program, .number = t};
        start_pinned(&worker[t], &allowed);
    }
    for (size_t round = 0; now_ns() < end_ns; round++) {
        const uint64_t wait_ns = (options->drop_ms ? options->drop_ms : 50) * UINT64_C(1000000);
        struct timespec wait = {(time_t)(wait_ns / 1000000000), (long)(wait_ns % 1000000000)};
        nanosleep(&wait, NULL);
        if (options->drop_ms)
            drop_some(&program, &allowed, round);
    }
    atomic_store(&program.stop, true);
    for (unsigned t = 0; t < options->threads; t++)
        pthread_join(worker[t].thread, NULL);
    return answers_are_right(&program, worker) ? 0 : 1;
}
