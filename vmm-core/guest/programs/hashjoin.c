/* Hash join of two tables in memory, without partitioning (Blanas, Li and Patel, SIGMOD 2011).
 *
 * All threads put the rows of the smaller table into one hash table, then each looks its rows of the
 * larger table up in it, and adds up what it finds:
 *
 *     SELECT count(*), sum(small.value + large.value) FROM small JOIN large USING (key)
 *
 * as often as asked, so that the second and later queries read a table that no one writes any more.
 *
 *   small, large   read in order by the thread that made them: private. Rows of `small` are
 *                  read by everyone while they are looked up: read-mostly
 *   buckets, next  written by all while the table is built (a compare-and-swap on the bucket, the row's own
 *                  link), in random order; then only read, by all: replicas pay
 *   results        a line a thread
 *
 * Checked: keys are made so that it is known, with no table, which of them match.
 */
#include "vmm-core/guest/programs/program.h"

PROGRAM_ABOUT(
    "hashjoin: hash join of two tables in memory: built once by all, then only read by all");

#define SCATTER         0x2545f491u /* odd: row i of `small` has key i * SCATTER, modulo a power of 2 */
#define HOT_KEYS        64
#define ROWS_PER_BUCKET 2

struct row {
    uint32_t key, value;
};

struct thread_results {
    uint32_t matches, sum, matches_expected, sum_expected;
    uint32_t unused[28];
};

struct join {
    int threads, queries;
    uint32_t small_rows, large_rows, seed, hot_percent;
    uint32_t key_mask;  /* keys are from 0 to this */
    uint32_t unscatter; /* SCATTER * unscatter = 1 */
    uint32_t bucket_mask;
    struct row *small, *large;
    uint32_t *buckets, *next; /* number of a row of `small`, plus 1; 0 ends */
    struct thread_results *results;
    struct disco_barrier barrier;
};

/* The inverse of an odd number modulo 2^32 (Newton: each step doubles the bits that are right). */
static uint32_t inverse(uint32_t odd)
{
    uint32_t x = odd;
    for (int i = 0; i < 5; i++)
        x *= 2 - odd * x;
    return x;
}

static uint32_t value_of_key(const struct join *j, uint32_t key)
{
    return program_mix(key ^ j->seed) >> 8;
}

static void make_rows(struct join *j, struct thread_results *result, int me)
{
    uint32_t end = program_part(j->small_rows, me + 1, j->threads);
    for (uint32_t i = program_part(j->small_rows, me, j->threads); i < end; i++) {
        uint32_t key = i * SCATTER & j->key_mask;
        j->small[i] = (struct row){key, value_of_key(j, key)};
    }
    end = program_part(j->large_rows, me + 1, j->threads);
    for (uint32_t i = program_part(j->large_rows, me, j->threads); i < end; i++) {
        uint32_t random = program_random(j->seed, i), key = random & j->key_mask;
        if (program_mix(random) % 100 < j->hot_percent)
            key = random % HOT_KEYS * SCATTER & j->key_mask;
        j->large[i] = (struct row){key, random >> 8};
        if ((key * j->unscatter & j->key_mask) < j->small_rows) { /* that row of `small` has it */
            result->matches_expected++;
            result->sum_expected += (random >> 8) + value_of_key(j, key);
        }
    }
}

static void build(struct join *j, int me)
{
    uint32_t end = program_part(j->small_rows, me + 1, j->threads);
    for (uint32_t i = program_part(j->small_rows, me, j->threads); i < end; i++) {
        uint32_t *bucket = &j->buckets[program_mix(j->small[i].key) & j->bucket_mask];
        uint32_t first = __atomic_load_n(bucket, __ATOMIC_RELAXED);
        do
            j->next[i] = first;
        while (!__atomic_compare_exchange_n(bucket, &first, i + 1, true, __ATOMIC_RELEASE,
                                            __ATOMIC_RELAXED));
    }
}

static void probe(const struct join *j, struct thread_results *result, int me)
{
    uint32_t end = program_part(j->large_rows, me + 1, j->threads), matches = 0, sum = 0;
    for (uint32_t i = program_part(j->large_rows, me, j->threads); i < end; i++) {
        uint32_t key = j->large[i].key;
        for (uint32_t at = j->buckets[program_mix(key) & j->bucket_mask]; at != 0;
             at = j->next[at - 1])
            if (j->small[at - 1].key == key) {
                matches++;
                sum += j->small[at - 1].value + j->large[i].value;
            }
    }
    result->matches += matches;
    result->sum += sum;
}

static void work(int me, void *argument)
{
    struct join *j = argument;
    struct thread_results *result = &j->results[me];
    make_rows(j, result, me);
    disco_barrier_wait(&j->barrier);
    program_mark(me, PROGRAM_BEGINS);
    build(j, me);
    disco_barrier_wait(&j->barrier);
    for (int query = 0; query < j->queries; query++)
        probe(j, result, me);
    program_mark(me, PROGRAM_ENDS);
}

static uint32_t power_of_2_from(uint32_t value)
{
    uint32_t power = 1;
    while (power < value)
        power *= 2;
    return power;
}

int main(int argc, char **argv)
{
    int small_rows = 65536, large_rows = 131072, queries = 2, hot = 0, seed = 1, threads = 0;
    const struct program_option options[] = {
        {"small", &small_rows, HOT_KEYS, 1 << 24, "rows of the table that is hashed"},
        {"large", &large_rows, 1, 1 << 26, "rows that are looked up in it"},
        {"queries", &queries, 1, 1000, "times that they are"},
        {"hot", &hot, 0, 100, "percent of lookups of only 64 keys"},
        {"seed", &seed, 0, 1 << 30, "which rows"},
        PROGRAM_THREADS(threads),
    };
    program_arguments(argc, argv, program_about, options, sizeof options / sizeof *options);
    threads = program_per_cpu(threads);

    struct join j = {
        .threads = threads,
        .queries = queries,
        .small_rows = (uint32_t)small_rows,
        .large_rows = (uint32_t)large_rows,
        .seed = (uint32_t)seed,
        .hot_percent = (uint32_t)hot,
        .unscatter = inverse(SCATTER),
    };
    uint32_t buckets = power_of_2_from(j.small_rows / ROWS_PER_BUCKET);
    j.key_mask = power_of_2_from(j.small_rows) * 2 - 1; /* half of the lookups, or fewer, match */
    j.bucket_mask = buckets - 1;
    j.small = disco_alloc(j.small_rows * sizeof *j.small, "small");
    j.large = disco_alloc(j.large_rows * sizeof *j.large, "large");
    j.buckets = disco_alloc(buckets * sizeof *j.buckets, "buckets");
    j.next = disco_alloc(j.small_rows * sizeof *j.next, "next");
    j.results = disco_alloc((size_t)threads * sizeof *j.results, "results");
    disco_barrier_init(&j.barrier, threads);
    disco_parallel(threads, work, &j);

    struct thread_results all = {0};
    for (int t = 0; t < threads; t++) {
        all.matches += j.results[t].matches;
        all.sum += j.results[t].sum;
        all.matches_expected += j.results[t].matches_expected * (uint32_t)queries;
        all.sum_expected += j.results[t].sum_expected * (uint32_t)queries;
    }
    printf("hashjoin: %d rows looked up among %d, %d times, %u found, %d threads", large_rows,
           small_rows, queries, (unsigned)all.matches, threads);
    return program_answer(program_sum_word(all.matches, all.sum),
                          all.matches == all.matches_expected && all.sum == all.sum_expected);
}
