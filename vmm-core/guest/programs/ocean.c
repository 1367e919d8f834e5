/* Relaxation of a grid by multigrid, after the application "ocean" of SPLASH-2 (its equation solver).
 *
 * Solves Poisson's equation on the unit square by V-cycles: red-black Gauss-Seidel sweeps on each of
 * the levels, residuals restricted to the next coarser one, corrections interpolated back.
 * Each thread owns a band of rows of every level. The coarse levels have less work than the barriers
 * between sweeps cost, as in the original.
 *
 *   u N, f N, r N   solution, right side and residual of level N (0 is the finest): private to the
 *                   band's owner but for the first and last row, which a neighbour reads after
 *                   each sweep: nearest-neighbour sharing, one producer and one consumer
 *   results         a line a thread, written by it and read by all once a cycle
 *
 * Checked: the residual falls as far as asked, and the solution is the known one: for
 * u = x (1 - x) y (1 - y) the five-point formula has no error.
 */
#include "vmm-core/guest/programs/program.h"

PROGRAM_ABOUT("ocean: multigrid relaxation of a grid (SPLASH-2 ocean): bands of rows, neighbours "
              "share edges");

#define LEVELS_MAX    12
#define SWEEPS        2 /* before and after the visit to the coarser level */
#define COARSE_SIDE   4 /* the coarsest level has 3 * 3 inner points */
#define COARSE_SWEEPS 12
#define CYCLES_MAX    40
#define REDUCTION     1e-8
#define TOLERANCE     1e-8

struct level {
    uint32_t side;      /* intervals; points are 0 .. side, of which 0 and side are the edge */
    double *u, *f, *r;  /* [row * (side + 1) + column] */
    double step_square; /* of the distance between points */
};

/* A line of 128 bytes: no two threads share one. */
struct thread_results {
    double largest,
        error; /* residual of the band on the finest level; distance from the solution */
    uint32_t answer;
    int cycles;
    double unused[13];
};

struct ocean {
    int threads, levels, cycles_max;
    struct level level[LEVELS_MAX];
    struct thread_results *results; /* [thread] */
    struct disco_barrier barrier;
};

/* Inner rows of a thread's band on a level. */
struct band {
    uint32_t first, end;
};

static struct band band_of(const struct ocean *o, const struct level *l, int thread)
{
    return (struct band){1 + program_part(l->side - 1, thread, o->threads),
                         1 + program_part(l->side - 1, thread + 1, o->threads)};
}

static double solution(const struct level *l, uint32_t row, uint32_t column)
{
    double x = (double)column / (double)l->side, y = (double)row / (double)l->side;
    return x * (1 - x) * y * (1 - y);
}

static double right_side(const struct level *l, uint32_t row, uint32_t column)
{
    double x = (double)column / (double)l->side, y = (double)row / (double)l->side;
    return 2 * (x * (1 - x) + y * (1 - y)); /* minus the Laplacian of the solution */
}

/* One sweep over the points of a colour: each becomes what its neighbours ask for. */
static void sweep(const struct level *l, struct band band, uint32_t colour)
{
    size_t width = l->side + 1;
    for (uint32_t row = band.first; row < band.end; row++) {
        double *u = l->u + row * width;
        const double *above = u - width, *below = u + width, *f = l->f + row * width;
        for (uint32_t c = 1 + ((row + colour) & 1); c < l->side; c += 2)
            u[c] = 0.25 * (u[c - 1] + u[c + 1] + above[c] + below[c] + l->step_square * f[c]);
    }
}

static void relax(struct ocean *o, const struct level *l, struct band band, int sweeps)
{
    for (int i = 0; i < 2 * sweeps; i++) {
        sweep(l, band, (uint32_t)i & 1);
        disco_barrier_wait(&o->barrier);
    }
}

/* f plus the Laplacian of u; the largest of the band. */
static double find_residual(const struct level *l, struct band band)
{
    size_t width = l->side + 1;
    double largest = 0, scale = 1 / l->step_square;
    for (uint32_t row = band.first; row < band.end; row++) {
        const double *u = l->u + row * width, *above = u - width, *below = u + width;
        const double *f = l->f + row * width;
        double *r = l->r + row * width;
        for (uint32_t c = 1; c < l->side; c++) {
            double sum = u[c - 1] + u[c + 1] + above[c] + below[c];
            r[c] = f[c] + scale * (sum - 4 * u[c]);
            double size = disco_fabs(r[c]);
            largest = size > largest ? size : largest;
        }
    }
    return largest;
}

/* The coarse right side is the fine residual by full weighting; the coarse correction starts at 0. */
static void restrict_residual(const struct level *fine, const struct level *coarse,
                              struct band band)
{
    size_t width = fine->side + 1;
    for (uint32_t row = band.first; row < band.end; row++)
        for (uint32_t c = 1; c < coarse->side; c++) {
            const double *r = fine->r + 2 * (row * width + c);
            const double *above = r - width, *below = r + width;
            coarse->f[row * (coarse->side + 1) + c] =
                0.25 * r[0] + 0.125 * (r[-1] + r[1] + above[0] + below[0]) +
                0.0625 * (above[-1] + above[1] + below[-1] + below[1]);
            coarse->u[row * (coarse->side + 1) + c] = 0;
        }
}

/* Adds the coarse correction to the fine solution, linearly between coarse points. */
static void correct(const struct level *coarse, const struct level *fine, struct band band)
{
    size_t width = coarse->side + 1;
    for (uint32_t row = band.first; row < band.end; row++)
        for (uint32_t c = 1; c < fine->side; c++) {
            const double *from = coarse->u + row / 2 * width + c / 2;
            const double *below = from + (row & 1) * width;
            double sum = from[0] + from[c & 1] + below[0] + below[c & 1];
            fine->u[row * (fine->side + 1) + c] += 0.25 * sum;
        }
}

static double cycle(struct ocean *o, int me)
{
    const struct level *coarsest = &o->level[o->levels - 1];
    double largest = 0;
    for (int i = 0; i < o->levels - 1; i++) {
        const struct level *l = &o->level[i], *next = l + 1;
        relax(o, l, band_of(o, l, me), SWEEPS);
        find_residual(l, band_of(o, l, me));
        disco_barrier_wait(&o->barrier);
        restrict_residual(l, next, band_of(o, next, me));
        disco_barrier_wait(&o->barrier);
    }
    relax(o, coarsest, band_of(o, coarsest, me), COARSE_SWEEPS);
    for (int i = o->levels - 2; i >= 0; i--) {
        const struct level *l = &o->level[i];
        correct(l + 1, l, band_of(o, l, me));
        disco_barrier_wait(&o->barrier);
        relax(o, l, band_of(o, l, me), SWEEPS);
    }
    o->results[me].largest = find_residual(&o->level[0], band_of(o, &o->level[0], me));
    disco_barrier_wait(&o->barrier);
    for (int t = 0; t < o->threads; t++)
        largest = o->results[t].largest > largest ? o->results[t].largest : largest;
    disco_barrier_wait(&o->barrier);
    return largest;
}

static void work(int me, void *argument)
{
    struct ocean *o = argument;
    const struct level *finest = &o->level[0];
    for (int i = 0; i < o->levels; i++) { /* first touch, by owners */
        const struct level *l = &o->level[i];
        struct band band = band_of(o, l, me);
        for (uint32_t row = band.first; row < band.end; row++)
            for (uint32_t c = 0; c <= l->side; c++) {
                l->u[row * (l->side + 1) + c] = 0;
                l->r[row * (l->side + 1) + c] = 0;
                l->f[row * (l->side + 1) + c] = i == 0 ? right_side(l, row, c) : 0;
            }
    }
    disco_barrier_wait(&o->barrier);
    program_mark(me, PROGRAM_BEGINS);
    int cycles = 0;
    double residual = 1; /* right_side is at most 1, and u begins as 0 */
    while (cycles < o->cycles_max && residual > REDUCTION) {
        residual = cycle(o, me);
        cycles++;
    }
    program_mark(me, PROGRAM_ENDS);
    struct thread_results result = {.cycles = cycles, .largest = residual};
    struct band band = band_of(o, finest, me);
    for (uint32_t row = band.first; row < band.end; row++)
        for (uint32_t c = 1; c < finest->side; c++) {
            double u = finest->u[row * (finest->side + 1) + c];
            double error = disco_fabs(u - solution(finest, row, c));
            result.error = error > result.error ? error : result.error;
            result.answer += program_sum_real(row * finest->side + c, u);
        }
    o->results[me] = result;
}

static bool is_power_of_2(int value)
{
    return (value & (value - 1)) == 0;
}

int main(int argc, char **argv)
{
    int side = 128, cycles = CYCLES_MAX, threads = 0;
    const struct program_option options[] = {
        {"side", &side, COARSE_SIDE, 4096, "intervals of the grid's side, a power of 2"},
        {"cycles", &cycles, 1, CYCLES_MAX, "V-cycles at most"},
        PROGRAM_THREADS(threads),
    };
    program_arguments(argc, argv, program_about, options, sizeof options / sizeof *options);
    threads = program_per_cpu(threads);
    if (!is_power_of_2(side)) {
        printf("ocean: --side has to be a power of 2\n");
        return 2;
    }

    struct ocean o = {.threads = threads, .cycles_max = cycles};
    for (uint32_t s = (uint32_t)side; s >= COARSE_SIDE; s /= 2) {
        struct level *l = &o.level[o.levels];
        size_t bytes = (size_t)(s + 1) * (s + 1) * sizeof(double);
        char name[16];
        l->side = s;
        l->step_square = 1 / ((double)s * (double)s);
        snprintf(name, sizeof name, "u %d", o.levels);
        l->u = disco_alloc(bytes, name);
        snprintf(name, sizeof name, "f %d", o.levels);
        l->f = disco_alloc(bytes, name);
        snprintf(name, sizeof name, "r %d", o.levels);
        l->r = disco_alloc(bytes, name);
        o.levels++;
    }
    o.results = disco_alloc((size_t)threads * sizeof *o.results, "results");
    disco_barrier_init(&o.barrier, threads);
    disco_parallel(threads, work, &o);

    struct thread_results all = o.results[0];
    for (int t = 1; t < threads; t++) {
        all.error = o.results[t].error > all.error ? o.results[t].error : all.error;
        all.answer += o.results[t].answer;
    }
    printf("ocean: %d x %d grid, %d cycles, error %.1e, %d threads", side, side, all.cycles,
           all.error, threads);
    return program_answer(all.answer, all.largest <= REDUCTION && all.error < TOLERANCE);
}
