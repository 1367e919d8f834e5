/* What the engines of tests/bench/mips.c run: a dependent loop (no words), or a radix sort and a walk of
 * pointers over two arrays of `words`, a power of two; `repeat` times. */
#ifndef DISCO_TESTS_BENCH_WORK_H
#define DISCO_TESTS_BENCH_WORK_H

static unsigned loop(unsigned repeat)
{
    unsigned sum = 1;
    for (unsigned i = 0; i < repeat; i++) {
        sum = sum * 5 + i;
        sum ^= sum >> 7;
        sum += sum << 3;
        sum ^= i;
        sum += 0x1234;
    }
    return sum;
}

static unsigned sort(unsigned seed, unsigned words, unsigned *from, unsigned *to, unsigned *count)
{
    for (unsigned i = 0; i < words; i++) {
        seed = seed * 1664525 + 1013904223;
        from[i] = seed;
    }
    for (unsigned shift = 0; shift < 32; shift += 8) {
        for (unsigned i = 0; i < 256; i++)
            count[i] = 0;
        for (unsigned i = 0; i < words; i++)
            count[from[i] >> shift & 255]++;
        unsigned place = 0;
        for (unsigned i = 0; i < 256; i++) {
            const unsigned here = count[i];
            count[i] = place;
            place += here;
        }
        for (unsigned i = 0; i < words; i++)
            to[count[from[i] >> shift & 255]++] = from[i];
        unsigned *const kept = from;
        from = to;
        to = kept;
    }
    unsigned sum = 0, at = 0;
    for (unsigned i = 0; i < words; i++) {
        sum += from[at];
        at = (from[at] ^ i) & (words - 1);
    }
    return sum;
}

/* Not made for its arguments, so that all engines run the same instructions. */
__attribute__((noipa)) static unsigned work(unsigned words, unsigned repeat, unsigned *from,
                                            unsigned *to, unsigned *count)
{
    if (words == 0)
        return loop(repeat);
    unsigned sum = 0;
    for (unsigned i = 0; i < repeat; i++)
        sum += sort(12345 + i, words, from, to, count);
    return sum;
}

#endif
