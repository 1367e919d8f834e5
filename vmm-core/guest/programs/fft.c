/* Complex one-dimensional FFT by the six-step method, after the kernel "fft" of SPLASH-2.
 *
 * n = m * m points lie as an m by m matrix in rows, each thread owning some rows. Transpose; an FFT of
 * each row; multiply by the roots of unity of n; transpose; an FFT of each row; transpose. Only the
 * transposes communicate: each thread reads from every other.
 *
 *   points, transposed   private to the rows' owner but for the transposes, where each thread reads
 *                        a part of every other's rows: all-to-all
 *   twiddles             one row for each row of points: read by its owner alone, each transform
 *   roots                m/2 numbers that all threads read all the time: read-mostly
 *
 * Checked: some bins equal the sum that defines them, and the inverse transform gives the points back.
 */
#include "vmm-core/guest/programs/program.h"

PROGRAM_ABOUT(
    "fft: complex 1-D FFT in six steps (SPLASH-2 fft): private rows, all-to-all transposes");

#define TILE      8 /* transposes go by tiles: 8 numbers of 16 bytes are a line of 128 */
#define BINS      4
#define TOLERANCE 1e-9
#define TWO_PI    6.283185307179586476925286766559

struct number {
    double re, im;
};

struct fft {
    int threads, log2_side;
    uint32_t side, seed; /* m */
    struct number *points, *transposed, *twiddles, *roots;
    double bin_error[BINS], *back_error; /* of each thread */
    uint32_t *answer;                    /* of each thread */
    struct disco_barrier barrier;
};

static struct number times(struct number a, struct number b)
{
    return (struct number){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

/* exp(-2 pi i k / n) */
static struct number root(uint32_t k, uint32_t n)
{
    double angle = TWO_PI * (double)k / (double)n;
    return (struct number){disco_cos(angle), -disco_sin(angle)};
}

static struct number input(const struct fft *f, uint32_t i)
{
    return (struct number){program_random_real(f->seed, 2 * i) - 0.5,
                           program_random_real(f->seed, 2 * i + 1) - 0.5};
}

static void make_rows(const struct fft *f, uint32_t first, uint32_t end)
{
    for (uint32_t i = first * f->side; i < end * f->side; i++)
        f->points[i] = input(f, i);
    for (uint32_t row = first; row < end; row++) {
        struct number step = root(row, f->side * f->side), power = {1, 0};
        for (uint32_t column = 0; column < f->side; column++) {
            /* powers by multiplication, afresh every 16 so that rounding does not add up */
            if (column % 16 == 0)
                power = root(row * column, f->side * f->side);
            f->twiddles[row * f->side + column] = power;
            power = times(power, step);
        }
    }
}

/* Rows [first, end) of `to` are columns of `from`. Threads begin at different tiles, so that they do
 * not all read from one thread's rows at a time. */
static void transpose(const struct fft *f, const struct number *from, struct number *to,
                      uint32_t first, uint32_t end)
{
    uint32_t tiles = (f->side + TILE - 1) / TILE;
    for (uint32_t row = first; row < end; row += TILE) {
        uint32_t row_end = row + TILE < end ? row + TILE : end;
        for (uint32_t t = 0; t < tiles; t++) {
            uint32_t tile = t + first / TILE;
            uint32_t column = (tile < tiles ? tile : tile - tiles) * TILE;
            uint32_t column_end = column + TILE < f->side ? column + TILE : f->side;
            for (uint32_t r = row; r < row_end; r++)
                for (uint32_t c = column; c < column_end; c++)
                    to[r * f->side + c] = from[c * f->side + r];
        }
    }
}

static uint32_t reversed(uint32_t value, int bits)
{
    uint32_t result = 0;
    for (int bit = 0; bit < bits; bit++, value >>= 1)
        result = result << 1 | (value & 1);
    return result;
}

/* An FFT in place; sign -1 is the inverse, not divided by the side. */
static void transform_row(const struct fft *f, struct number *row, double sign)
{
    const struct number *roots = f->roots;
    size_t side = f->side;
    for (uint32_t i = 0; i < side; i++) {
        uint32_t j = reversed(i, f->log2_side);
        if (i < j) {
            struct number swap = row[i];
            row[i] = row[j];
            row[j] = swap;
        }
    }
    for (size_t half = 1, stride = side / 2; half < side; half *= 2, stride /= 2)
        for (size_t start = 0; start < side; start += 2 * half)
            for (size_t k = 0; k < half; k++) {
                struct number w = roots[k * stride], *low = &row[start + k], *high = low + half;
                w.im *= sign;
                struct number product = times(*high, w), sum = *low;
                *low = (struct number){sum.re + product.re, sum.im + product.im};
                *high = (struct number){sum.re - product.re, sum.im - product.im};
            }
}

/* points -> points, by way of transposed */
static void transform(struct fft *f, uint32_t first, uint32_t end, double sign)
{
    size_t side = f->side;
    transpose(f, f->points, f->transposed, first, end);
    for (uint32_t row = first; row < end; row++) {
        struct number *numbers = f->transposed + row * side;
        const struct number *twiddles = f->twiddles + row * side;
        transform_row(f, numbers, sign);
        for (size_t i = 0; i < side; i++)
            numbers[i] = times(numbers[i], (struct number){twiddles[i].re, twiddles[i].im * sign});
    }
    disco_barrier_wait(&f->barrier);
    transpose(f, f->transposed, f->points, first, end);
    for (uint32_t row = first; row < end; row++)
        transform_row(f, f->points + row * side, sign);
    disco_barrier_wait(&f->barrier);
    transpose(f, f->points, f->transposed, first, end);
    disco_barrier_wait(&f->barrier);
    memcpy(f->points + first * side, f->transposed + first * side,
           (end - first) * side * sizeof *f->points);
    disco_barrier_wait(&f->barrier);
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static double distance(struct number a, struct number b)
{
    return larger(disco_fabs(a.re - b.re), disco_fabs(a.im - b.im));
}

/* How far a bin is from its defining sum, row by row, each by Horner's rule in one root of unity. */
static double check_bin(const struct fft *f, uint32_t bin)
{
    uint32_t n = f->side * f->side;
    struct number w = root(bin, n), sum = {0, 0};
    for (uint32_t row = 0; row < f->side; row++) {
        struct number of_row = {0, 0};
        for (uint32_t column = f->side; column-- > 0;) {
            struct number x = input(f, row * f->side + column);
            of_row = times(of_row, w);
            of_row.re += x.re;
            of_row.im += x.im;
        }
        of_row = times(of_row, root(row * bin % f->side, f->side));
        sum.re += of_row.re;
        sum.im += of_row.im;
    }
    return distance(sum, f->points[bin]);
}

static void work(int me, void *argument)
{
    struct fft *f = argument;
    uint32_t first = program_part(f->side, me, f->threads);
    uint32_t end = program_part(f->side, me + 1, f->threads);
    uint32_t n = f->side * f->side, answer = 0;
    double error = 0;

    make_rows(f, first, end);
    disco_barrier_wait(&f->barrier);
    program_mark(me, PROGRAM_BEGINS);
    transform(f, first, end, 1);
    program_mark(me, PROGRAM_ENDS);
    for (uint32_t i = first * f->side; i < end * f->side; i++)
        answer +=
            program_sum_real(2 * i, f->points[i].re) + program_sum_real(2 * i + 1, f->points[i].im);
    for (int bin = me; bin < BINS; bin += f->threads)
        f->bin_error[bin] = check_bin(f, program_random(f->seed, (uint32_t)bin) % n);
    disco_barrier_wait(&f->barrier);
    transform(f, first, end, -1);
    for (uint32_t i = first * f->side; i < end * f->side; i++) {
        struct number back = {f->points[i].re / (double)n, f->points[i].im / (double)n};
        error = larger(error, distance(back, input(f, i)));
    }
    f->answer[me] = answer;
    f->back_error[me] = error;
}

int main(int argc, char **argv)
{
    int log2_points = 14, seed = 1, threads = 0;
    const struct program_option options[] = {
        {"log2-points", &log2_points, 4, 24, "log2 of the points, even"},
        {"seed", &seed, 0, 1 << 30, "which points"},
        PROGRAM_THREADS(threads),
    };
    program_arguments(argc, argv, program_about, options, sizeof options / sizeof *options);
    threads = program_per_cpu(threads);
    if (log2_points % 2 != 0) {
        printf("fft: --log2-points has to be even: the points are a square\n");
        return 2;
    }

    struct fft f = {.threads = threads, .log2_side = log2_points / 2, .seed = (uint32_t)seed};
    f.side = 1u << f.log2_side;
    size_t bytes = (size_t)f.side * f.side * sizeof *f.points;
    f.points = disco_alloc(bytes, "points");
    f.transposed = disco_alloc(bytes, "transposed");
    f.twiddles = disco_alloc(bytes, "twiddles");
    f.roots = disco_alloc(f.side / 2 * sizeof *f.roots, "roots");
    f.answer = disco_alloc((size_t)threads * sizeof *f.answer, "answers");
    f.back_error = disco_alloc((size_t)threads * sizeof *f.back_error, "errors");
    for (uint32_t i = 0; i < f.side / 2; i++)
        f.roots[i] = root(i, f.side);
    disco_barrier_init(&f.barrier, threads);
    disco_parallel(threads, work, &f);

    uint32_t answer = 0;
    double error = 0;
    for (int t = 0; t < threads; t++) {
        answer += f.answer[t];
        error = larger(error, f.back_error[t]);
    }
    for (int bin = 0; bin < BINS; bin++)
        error = larger(error, f.bin_error[bin]);
    printf("fft: %u points there and back, error %.1e, %d threads", (unsigned)(f.side * f.side),
           error, threads);
    return program_answer(answer, error < TOLERANCE);
}
