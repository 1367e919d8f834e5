/* A program whose best placement is known, for the demonstration and for tests.
 *
 * Its memory is in named regions, each a mapping of its own, all written first by the main thread
 * (so that first touch puts everything on one node, wrongly):
 *   table      read by all threads, never written again             -> a replica on every node
 *   private-T  written by thread T alone                            -> to the node of thread T
 *   handed     written by one thread for a T-th of the run, in turn -> follows its owner
 *   shared     written by all threads in turn                       -> stays, or bounces
 * Thread T runs on CPU T mod (CPUs that it may use).
 *
 * Threads work in rounds, with a barrier after each. In a round every page is visited once, by the
 * one thread that do_round() says. So who uses which page how often, and in which order, follows
 * from the number of the round alone: a busy machine makes it slower, and changes nothing.
 *
 * A page is only seen by page fault sampling when its mapping is missing:
 *   - --drop: each visit begins by taking the page's mapping away (MADV_DONTNEED; the data stays
 *     in the memfd), so that every visit is seen;
 *   - without it, kernel NUMA balancing takes mappings away from time to time, by the threads' CPU
 *     time. The kernel does so for memory whose policy asks for it: the mappings are shared ones of
 *     a memfd (so that the kernel reports their names), for which that is set by mbind(2) with
 *     MPOL_F_NUMA_BALANCING (Linux 5.12).
 *
 * At the end it checks every word that it computed and says so; exit 1 when one is wrong.
 */
#include <argp.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
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
/* A read fault also maps the page's neighbours in the same aligned 64 KiB (fault-around, Linux
 * mm/memory.c do_fault_around). So one thread reads all pages of such a window, and each is mapped
 * again before the next one is dropped. */
#define WINDOW_PAGES 16u
#define WINDOW_BYTES ((size_t)WINDOW_PAGES * PAGE_BYTES)

/* linux/mempolicy.h of Linux 5.12; not in the libc. */
#define POLICY_BIND           2
#define POLICY_NUMA_BALANCING (1 << 13)
#define POLICY_MEMS_ALLOWED   (1 << 2) /* of get_mempolicy(2): the nodes that we may use */

struct options {
    unsigned threads, rounds, cpu_seconds, pages, words, pause_ms;
    bool drop;
};

struct region {
    char name[16];
    uint64_t *word;
    size_t pages;
};

struct program {
    struct options options;
    struct region table, handed, shared, private[THREADS_MAX];
    pthread_barrier_t round_done;
    sem_t started;           /* by each thread after its part of the first round */
    _Atomic unsigned rounds; /* to do: less than options.rounds once the CPU time is used */
};

struct worker {
    struct program *program;
    unsigned number;
    pthread_t thread;
    uint64_t random, table_errors;
};

/* Of the calling thread; whole seconds. */
static uint64_t used_cpu_seconds(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec;
}

static void nap(unsigned ms)
{
    struct timespec time = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&time, NULL);
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
    /* room to begin at a multiple of WINDOW_BYTES */
    uint8_t *at = mmap(NULL, bytes + WINDOW_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at != MAP_FAILED)
        at = mmap(at + -(uintptr_t)at % WINDOW_BYTES, bytes, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_FIXED, fd, 0);
    close(fd);
    if (at == MAP_FAILED) {
        fprintf(stderr, "threads: %s: cannot map memory: %s\n", name, strerror(errno));
        exit(1);
    }
    ask_for_balancing(at, bytes);
    region->word = (uint64_t *)at;
}

static uint64_t *page_at(const struct region *region, size_t page)
{
    return region->word + page * WORDS;
}

static void drop(const struct region *region, size_t page)
{
    madvise(page_at(region, page), PAGE_BYTES, MADV_DONTNEED);
}

/* The first access is a store, so that the page fault is one too, and maps no neighbours. Volatile
 * keeps it the first. All visits add up to `words` a round. */
static void write_page(const struct program *program, const struct region *region, size_t page,
                       unsigned round)
{
    volatile uint64_t *word = page_at(region, page);
    if (program->options.drop)
        drop(region, page);
    word[0] = round + 1;
    for (unsigned i = 1; i < program->options.words; i++)
        word[1 + i % (WORDS - 1)]++;
}

static void read_page(struct worker *worker, const struct region *region, size_t page)
{
    const struct options *options = &worker->program->options;
    if (options->drop)
        drop(region, page);
    for (unsigned i = 0; i < options->words; i++) {
        uint64_t at = page * WORDS + next_random(&worker->random) % WORDS;
        worker->table_errors += region->word[at] != table_value(at);
    }
}

/* Whether the thread is the one to visit piece `i` of what is everybody's. */
static bool is_mine(const struct worker *worker, size_t i, unsigned round)
{
    return (i + round) % worker->program->options.threads == worker->number;
}

static void do_round(struct worker *worker, unsigned round)
{
    const struct program *program = worker->program;
    const struct options *options = &program->options;
    const struct region *table = &program->table, *own = &program->private[worker->number];
    const uint64_t owner = (uint64_t)round * options->threads / options->rounds;
    for (size_t page = 0; page < own->pages; page++)
        write_page(program, own, page, round);
    for (size_t page = 0; page < table->pages; page++)
        if (is_mine(worker, page / WINDOW_PAGES, round))
            read_page(worker, table, page);
    for (size_t page = 0; page < program->shared.pages; page++)
        if (is_mine(worker, page, round))
            write_page(program, &program->shared, page, round);
    for (size_t page = 0; page < program->handed.pages && owner == worker->number; page++)
        write_page(program, &program->handed, page, round);
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct program *program = worker->program;
    for (unsigned round = 0; round < atomic_load(&program->rounds); round++) {
        do_round(worker, round);
        if (round == 0)
            sem_post(&program->started);
        if (worker->number == 0) {
            nap(program->options.pause_ms);
            /* read by the others after the barrier: all end with this round */
            if (used_cpu_seconds() >= program->options.cpu_seconds)
                atomic_store(&program->rounds, round + 1);
        }
        pthread_barrier_wait(&program->round_done);
    }
    return NULL;
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

/* The sum of each page's words. */
static bool region_adds_up(const struct region *region, uint64_t expected)
{
    bool right = true;
    for (size_t page = 0; page < region->pages; page++) {
        uint64_t sum = 0;
        for (size_t i = 0; i < WORDS; i++)
            sum += page_at(region, page)[i];
        right = right && sum == expected;
    }
    printf("%-10s %5zu pages  %s\n", region->name, region->pages, right ? "right" : "WRONG");
    return right;
}

static bool answers_are_right(const struct program *program, const struct worker *worker)
{
    const uint64_t expected = (uint64_t)atomic_load(&program->rounds) * program->options.words;
    uint64_t table_errors = 0;
    bool right = true;
    for (unsigned t = 0; t < program->options.threads; t++) {
        table_errors += worker[t].table_errors;
        right = region_adds_up(&program->private[t], expected) && right;
    }
    right = region_adds_up(&program->handed, expected) && right;
    right = region_adds_up(&program->shared, expected) && right;
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
        {'t', &options->threads, 1, THREADS_MAX}, {'r', &options->rounds, 1, 1u << 30},
        {'s', &options->cpu_seconds, 1, 3600},    {'p', &options->pages, 2, 1u << 20},
        {'w', &options->words, 1, 1u << 30},      {'P', &options->pause_ms, 0, 60000},
    };
    options->drop = options->drop || key == 'd';
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
    return key == 'd' ? 0 : ARGP_ERR_UNKNOWN;
}

int main(int argc, char **argv)
{
    static const struct argp_option known[] = {
        {"threads", 't', "N", 0, "Threads (4)", 0},
        {"rounds", 'r', "N", 0, "Rounds; in each all pages are visited once (1000)", 0},
        {"cpu-seconds", 's', "N", 0,
         "End with fewer rounds once the first thread has used so much CPU time (3600)", 0},
        {"pages", 'p', "N", 0, "Pages of each private buffer; the table has twice as many (256)",
         0},
        {"words", 'w', "N", 0, "Words that a visit of a page uses (16)", 0},
        {"pause", 'P', "MS", 0, "Rest so long after each round (0)", 0},
        {"drop", 'd', NULL, 0, "Take a page's mapping away before each visit", 0},
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
    struct program program = {.options = {
                                  .threads = 4,
                                  .rounds = 1000,
                                  .cpu_seconds = 3600,
                                  .pages = 256,
                                  .words = 16,
                              }};
    struct worker worker[THREADS_MAX] = {0};
    const struct options *options = &program.options;
    cpu_set_t allowed;
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, &program.options);
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
        fprintf(stderr, "threads: cannot read the allowed CPUs: %s\n", strerror(errno));
        return 1;
    }
    fill(&program);
    pthread_barrier_init(&program.round_done, NULL, options->threads);
    sem_init(&program.started, 0, 0);
    atomic_store(&program.rounds, options->rounds);
    for (unsigned t = 0; t < options->threads; t++) {
        worker[t] = (struct worker){.program = &program, .number = t, .random = t};
        start_pinned(&worker[t], &allowed);
        /* so that a recorder meets the threads in the order of their numbers */
        while (sem_wait(&program.started) != 0)
            continue;
    }
    for (unsigned t = 0; t < options->threads; t++)
        pthread_join(worker[t].thread, NULL);
    return answers_are_right(&program, worker) ? 0 : 1;
}
