/* Parallel radix sort of 32-bit integers, after the kernel "radix" of SPLASH-2.
 *
 * A pass sorts by one digit. Each thread counts the digits of its part of the keys; the counts of all
 * threads become ranks, each thread summing its share of the digits over all threads; then
 * each thread moves its keys to where their ranks say.
 *
 *   keys 0, keys 1   read in order by their owner, written all over by everyone: in turns, every other
 *                    pass. Write-shared: no place is good for them; spreading them is.
 *   ranks            a page or more for each thread: private while it counts and moves keys,
 *                    read and written by all while counts become ranks
 *   digit sums       one line a thread, written by one, read by all
 *   results          one line a thread
 *
 * Checked: the keys are in order, and they are the keys that there were (two sums over all of them).
 */
#include "vmm-core/guest/programs/program.h"

PROGRAM_ABOUT("radix: parallel radix sort of integers (SPLASH-2 radix): two write-shared arrays");

/* Lines of 128 bytes: no two threads share one. */
struct padded_word {
    uint32_t word, unused[31];
};

struct thread_results {
    uint32_t sum_before, mixed_before, sum_after, mixed_after, answer;
    bool sorted;
    uint32_t unused[26];
};

struct radix {
    int threads;
    uint32_t count, seed, key_bits, digit_bits, digits;
    size_t row;                    /* words from one thread's ranks to the next's: whole pages */
    uint32_t *keys[2];             /* from and to, in turns */
    uint32_t *ranks;               /* [thread][digit] */
    struct padded_word *digit_sum; /* [thread]: keys with one of the thread's digits */
    struct thread_results *results;
    struct disco_barrier barrier;
};

static void make_keys(struct radix *r, int me, uint32_t first, uint32_t end)
{
    uint32_t sum = 0, mixed = 0;
    for (uint32_t i = first; i < end; i++) {
        uint32_t key = program_random(r->seed, i) >> (32 - r->key_bits);
        r->keys[0][i] = key;
        sum += key;
        mixed += program_mix(key);
    }
    r->results[me].sum_before = sum;
    r->results[me].mixed_before = mixed;
}

static void count_digits(const struct radix *r, const uint32_t *from, uint32_t *ranks,
                         uint32_t first, uint32_t end, uint32_t shift)
{
    uint32_t mask = r->digits - 1;
    memset(ranks, 0, r->digits * sizeof *ranks);
    for (uint32_t i = first; i < end; i++)
        ranks[from[i] >> shift & mask]++;
}

/* For this thread's digits, counts become ranks among the keys with these digits. */
static void rank_my_digits(struct radix *r, int me)
{
    uint32_t end = program_part(r->digits, me + 1, r->threads), rank = 0;
    for (uint32_t digit = program_part(r->digits, me, r->threads); digit < end; digit++)
        for (int t = 0; t < r->threads; t++) {
            uint32_t *cell = &r->ranks[(size_t)t * r->row + digit], count = *cell;
            *cell = rank;
            rank += count;
        }
    r->digit_sum[me].word = rank;
}

/* Adds to this thread's ranks the keys with digits of threads before. */
static void finish_my_ranks(const struct radix *r, uint32_t *ranks)
{
    uint32_t before = 0;
    for (int t = 0; t < r->threads; t++) {
        uint32_t end = program_part(r->digits, t + 1, r->threads);
        for (uint32_t digit = program_part(r->digits, t, r->threads); digit < end; digit++)
            ranks[digit] += before;
        before += r->digit_sum[t].word;
    }
}

static void move_keys(const struct radix *r, const uint32_t *from, uint32_t *to, uint32_t *ranks,
                      uint32_t first, uint32_t end, uint32_t shift)
{
    uint32_t mask = r->digits - 1;
    for (uint32_t i = first; i < end; i++) {
        uint32_t key = from[i];
        to[ranks[key >> shift & mask]++] = key;
    }
}

static void check_keys(const uint32_t *keys, struct thread_results *result, uint32_t first,
                       uint32_t end)
{
    uint32_t sum = 0, mixed = 0, answer = 0, before = first > 0 ? keys[first - 1] : 0;
    bool sorted = true;
    for (uint32_t i = first; i < end; i++) {
        uint32_t key = keys[i];
        sorted = sorted && before <= key;
        before = key;
        sum += key;
        mixed += program_mix(key);
        answer += program_sum_word(i, key);
    }
    *result = (struct thread_results){.sum_before = result->sum_before,
                                      .mixed_before = result->mixed_before,
                                      .sum_after = sum,
                                      .mixed_after = mixed,
                                      .answer = answer,
                                      .sorted = sorted};
}

static void work(int me, void *argument)
{
    struct radix *r = argument;
    uint32_t first = program_part(r->count, me, r->threads);
    uint32_t end = program_part(r->count, me + 1, r->threads);
    uint32_t *ranks = r->ranks + (size_t)me * r->row;
    int from = 0;

    make_keys(r, me, first, end);
    disco_barrier_wait(&r->barrier);
    program_mark(me, PROGRAM_BEGINS);
    for (uint32_t shift = 0; shift < r->key_bits; shift += r->digit_bits, from = !from) {
        count_digits(r, r->keys[from], ranks, first, end, shift);
        disco_barrier_wait(&r->barrier);
        rank_my_digits(r, me);
        disco_barrier_wait(&r->barrier);
        finish_my_ranks(r, ranks);
        move_keys(r, r->keys[from], r->keys[!from], ranks, first, end, shift);
        disco_barrier_wait(&r->barrier);
    }
    program_mark(me, PROGRAM_ENDS);
    check_keys(r->keys[from], &r->results[me], first, end);
}

int main(int argc, char **argv)
{
    int keys = 131072, key_bits = 30, digit_bits = 10, seed = 1, threads = 0;
    const struct program_option options[] = {
        {"keys", &keys, 1, 1 << 26, "keys to sort"},
        {"key-bits", &key_bits, 1, 31, "bits of a key"},
        {"digit-bits", &digit_bits, 1, 16, "bits that a pass sorts by"},
        {"seed", &seed, 0, 1 << 30, "which keys"},
        PROGRAM_THREADS(threads),
    };
    program_arguments(argc, argv, program_about, options, sizeof options / sizeof *options);
    threads = program_per_cpu(threads);

    struct radix r = {
        .threads = threads,
        .count = (uint32_t)keys,
        .seed = (uint32_t)seed,
        .key_bits = (uint32_t)key_bits,
        .digit_bits = (uint32_t)digit_bits,
        .digits = 1u << digit_bits,
    };
    uint32_t page_words = DISCO_PAGE_BYTES / 4;
    r.row = (size_t)(r.digits + page_words - 1) / page_words * page_words;
    r.keys[0] = disco_alloc(r.count * sizeof(uint32_t), "keys 0");
    r.keys[1] = disco_alloc(r.count * sizeof(uint32_t), "keys 1");
    r.ranks = disco_alloc((size_t)threads * r.row * sizeof(uint32_t), "ranks");
    r.digit_sum = disco_alloc((size_t)threads * sizeof *r.digit_sum, "digit sums");
    r.results = disco_alloc((size_t)threads * sizeof *r.results, "results");
    disco_barrier_init(&r.barrier, threads);
    disco_parallel(threads, work, &r);

    struct thread_results all = {.sorted = true};
    for (int t = 0; t < threads; t++) {
        all.sorted = all.sorted && r.results[t].sorted;
        all.sum_before += r.results[t].sum_before;
        all.sum_after += r.results[t].sum_after;
        all.mixed_before += r.results[t].mixed_before;
        all.mixed_after += r.results[t].mixed_after;
        all.answer += r.results[t].answer;
    }
    printf("radix: %d keys of %d bits sorted by %d bits a pass, %d threads", keys, key_bits,
           digit_bits, threads);
    return program_answer(all.answer, all.sorted && all.sum_before == all.sum_after &&
                                          all.mixed_before == all.mixed_after);
}
