/* A simulator of a memory system: the other of the two long sequential jobs of "engineering" (the
 * Disco paper ran one beside a Verilog simulator).
 *
 * Makes references as a program would (sweeps, random ones, long strides), and puts each
 * through a TLB, four first-level caches of 1, 2, 4 and 8 ways, and a directory that knows when each
 * line was used last.
 *
 *   directory      a word for each line of the simulated memory: large, private, used at random
 *   caches, stacks small and hot: private
 *
 * Checked: stacks of each set's lines, by last use, tell the misses of every number of ways in one
 * pass (Mattson et al. 1970); they equal those of the caches, which replace by age.
 */
#include "vmm-core/guest/programs/program.h"

PROGRAM_ABOUT("memsim: simulation of caches and a TLB: one thread, a large private directory");

#define LINE_BITS   5
#define PAGE_BITS   12
#define SETS        128
#define WAYS_MAX    8
#define CACHES      4 /* of 1, 2, 4 and 8 ways */
#define TLB_ENTRIES 32
#define BUCKETS     24    /* of times between uses: powers of 2 */
#define STRIDE      40507 /* lines: a prime, near 2^16 times the golden ratio */
#define NONE        0xffffffffu

struct way {
    uint32_t line, used;
};

struct cache {
    uint32_t ways, misses;
    struct way set[SETS][WAYS_MAX];
};

struct memory {
    uint32_t lines, now, tlb_misses, deep; /* deep: not among the WAYS_MAX last lines of its set */
    struct cache *caches;
    uint32_t *stacks;    /* [set * WAYS_MAX + depth]: lines, the last used first */
    uint32_t *directory; /* [line]: when it was used last, 0 never */
    struct way tlb[TLB_ENTRIES];
    uint32_t depths[WAYS_MAX], gaps[BUCKETS];
};

/* True for a hit; the oldest way is replaced. */
static bool use(struct way *ways, uint32_t count, uint32_t line, uint32_t now)
{
    struct way *oldest = ways;
    for (struct way *way = ways; way < ways + count; way++) {
        if (way->line == line) {
            way->used = now;
            return true;
        }
        if (way->used < oldest->used)
            oldest = way;
    }
    *oldest = (struct way){line, now};
    return false;
}

/* How many other lines of its set were used since it was; the line goes to the top. */
static uint32_t stack_depth(uint32_t *stack, uint32_t line)
{
    uint32_t depth = 0, above = line;
    while (depth < WAYS_MAX) {
        uint32_t here = stack[depth];
        stack[depth] = above;
        if (here == line)
            return depth;
        above = here;
        depth++;
    }
    return depth;
}

static void refer(struct memory *m, uint32_t line)
{
    uint32_t set = line % SETS, now = ++m->now, gap = now - m->directory[line], bucket = 0;
    if (m->directory[line] != 0) {
        while (gap > 1 && bucket < BUCKETS - 1) {
            gap /= 2;
            bucket++;
        }
        m->gaps[bucket]++;
    }
    m->directory[line] = now;
    m->tlb_misses += !use(m->tlb, TLB_ENTRIES, line >> (PAGE_BITS - LINE_BITS), now);
    for (struct cache *cache = m->caches; cache < m->caches + CACHES; cache++)
        cache->misses += !use(cache->set[set], cache->ways, line, now);
    uint32_t depth = stack_depth(m->stacks + (size_t)set * WAYS_MAX, line);
    if (depth < WAYS_MAX)
        m->depths[depth]++;
    else
        m->deep++;
}

static void make_memory(struct memory *m)
{
    m->caches = disco_alloc(CACHES * sizeof *m->caches, "caches");
    m->stacks = disco_alloc((size_t)SETS * WAYS_MAX * sizeof *m->stacks, "stacks");
    m->directory = disco_alloc(m->lines * sizeof *m->directory, "directory");
    memset(m->stacks, 0xff, (size_t)SETS * WAYS_MAX * sizeof *m->stacks);
    for (uint32_t i = 0; i < CACHES; i++) {
        m->caches[i].ways = 1u << i;
        for (uint32_t set = 0; set < SETS; set++)
            for (uint32_t way = 0; way < WAYS_MAX; way++)
                m->caches[i].set[set][way].line = NONE;
    }
    for (uint32_t i = 0; i < TLB_ENTRIES; i++)
        m->tlb[i].line = NONE;
}

/* The reference stream: a sweep over a part that fits the caches, random lines, a stride. */
static void run(struct memory *m, uint32_t references, uint32_t seed)
{
    uint32_t small = SETS * 3, sweep = 0, stride = 0;
    for (uint32_t i = 0; i < references; i++) {
        uint32_t random = program_random(seed, i);
        switch (random & 3) {
        case 0:
            stride = (stride + STRIDE) % m->lines;
            refer(m, stride);
            break;
        case 1:
            refer(m, (random >> 8) % m->lines);
            break;
        default:
            sweep = sweep + 1 < small ? sweep + 1 : 0;
            refer(m, sweep % m->lines);
        }
    }
}

int main(int argc, char **argv)
{
    int kilobytes = 8192, references = 24000, seed = 1, job = 0;
    const struct program_option options[] = {
        {"kilobytes", &kilobytes, 1, 1 << 20, "size of the simulated memory"},
        {"references", &references, 1, 1 << 28, "references to simulate"},
        {"seed", &seed, 0, 1 << 30, "which references"},
        PROGRAM_JOB(job),
    };
    program_arguments(argc, argv, program_about, options, sizeof options / sizeof *options);

    struct memory m = {.lines = (uint32_t)kilobytes << (10 - LINE_BITS)};
    make_memory(&m);
    run(&m, (uint32_t)references, (uint32_t)seed);

    uint32_t answer = program_sum_word(0, m.tlb_misses), hits = 0, depth = 0;
    bool right = true;
    for (const struct cache *cache = m.caches; cache < m.caches + CACHES; cache++) {
        while (depth < cache->ways)
            hits += m.depths[depth++];
        right &= cache->misses == (uint32_t)references - hits;
        answer += program_sum_word(cache->ways, cache->misses);
    }
    right &= hits + m.deep == (uint32_t)references;
    for (uint32_t i = 0; i < BUCKETS; i++)
        answer += program_sum_word(100 + i, m.gaps[i]);
    printf("memsim: %d references to %d KB, %u to %u misses, %u of the TLB", references, kilobytes,
           (unsigned)m.caches[CACHES - 1].misses, (unsigned)m.caches[0].misses,
           (unsigned)m.tlb_misses);
    return program_job_answer(job, answer, right);
}
