/* Blocked LU factorisation of a dense matrix, without pivoting, after the kernel "lu" of SPLASH-2
 * (contiguous blocks).
 *
 * The matrix is cut into square blocks that threads own in a two-dimensional scatter; a thread's blocks
 * lie together, so that its pages are its own. For each step k: the owner factorises the diagonal
 * block; owners of blocks in its row and column divide by it; owners of the rest subtract products.
 *
 *   matrix   each block written by its owner alone; those of the step's row and column are
 *            read by a row or column of threads: written by one, then read by many, once
 *   blocks   where each block is: written at the start, then read by all: read-mostly
 *   vectors  right side and solution: the first thread's
 *
 * Checked: solving with the factors gives back the known solution (all ones), and sampled rows of L U
 * are those of the matrix. The matrix has a dominant diagonal, so that no pivots are needed.
 */
#include "vmm-core/guest/programs/program.h"

PROGRAM_ABOUT(
    "lu: blocked dense LU factorisation (SPLASH-2 lu): blocks of one writer, many readers");

#define SAMPLED_ROWS 4
#define TOLERANCE    1e-9

struct lu {
    int threads, grid_rows, grid_columns; /* of threads */
    uint32_t size, block, blocks;         /* rows; rows of a block; blocks in a row */
    uint32_t seed;
    double **at;   /* [block row * blocks + block column]: block * block numbers, by rows */
    double *right; /* right side, then the solution of L y = b, then of U x = y */
    uint32_t *answer;
    struct disco_barrier barrier;
};

static int owner(const struct lu *l, uint32_t row, uint32_t column)
{
    return (int)(row % (uint32_t)l->grid_rows) * l->grid_columns +
           (int)(column % (uint32_t)l->grid_columns);
}

static double *block_at(const struct lu *l, uint32_t row, uint32_t column)
{
    return l->at[row * l->blocks + column];
}

static double element(const struct lu *l, uint32_t row, uint32_t column)
{
    double value = program_random_real(l->seed, row * l->size + column) - 0.5;
    return row == column ? value + (double)l->size : value;
}

static double factor(const struct lu *l, uint32_t row, uint32_t column)
{
    return block_at(l, row / l->block,
                    column / l->block)[row % l->block * l->block + column % l->block];
}

/* Blocks in the order of their owners, each owner's on pages of its own. */
static void place_blocks(struct lu *l)
{
    uint32_t numbers = l->block * l->block, page = DISCO_PAGE_BYTES / sizeof(double), place = 0;
    uint32_t count = l->blocks * l->blocks;
    l->at = disco_alloc(count * sizeof *l->at, "blocks");
    double *matrix =
        disco_alloc(((size_t)count * numbers + (size_t)l->threads * page) * sizeof *matrix,
                    "matrix");
    for (int thread = 0; thread < l->threads; thread++) {
        for (uint32_t row = 0; row < l->blocks; row++)
            for (uint32_t column = 0; column < l->blocks; column++)
                if (owner(l, row, column) == thread) {
                    l->at[row * l->blocks + column] = matrix + place;
                    place += numbers;
                }
        place = (place + page - 1) / page * page;
    }
}

static void make_block(const struct lu *l, uint32_t row, uint32_t column)
{
    double *block = block_at(l, row, column);
    for (uint32_t i = 0; i < l->block; i++)
        for (uint32_t j = 0; j < l->block; j++)
            block[i * l->block + j] = element(l, row * l->block + i, column * l->block + j);
}

/* A -> L and U in place; L's diagonal is 1. */
static void factorise_block(double *a, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++)
        for (uint32_t i = k + 1; i < n; i++) {
            double multiple = a[i * n + k] /= a[k * n + k];
            for (uint32_t j = k + 1; j < n; j++)
                a[i * n + j] -= multiple * a[k * n + j];
        }
}

/* A -> A / U, for a block below the diagonal block. */
static void divide_by_upper(double *a, const double *diagonal, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < n; k++) {
            double multiple = a[i * n + k] /= diagonal[k * n + k];
            for (uint32_t j = k + 1; j < n; j++)
                a[i * n + j] -= multiple * diagonal[k * n + j];
        }
}

/* A -> L \ A, for a block right of the diagonal block. */
static void divide_by_lower(double *a, const double *diagonal, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++)
        for (uint32_t i = k + 1; i < n; i++) {
            double multiple = diagonal[i * n + k];
            for (uint32_t j = 0; j < n; j++)
                a[i * n + j] -= multiple * a[k * n + j];
        }
}

/* A -> A - left * above */
static void subtract_product(double *a, const double *left, const double *above, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < n; k++) {
            double multiple = left[i * n + k];
            for (uint32_t j = 0; j < n; j++)
                a[i * n + j] -= multiple * above[k * n + j];
        }
}

static void step(struct lu *l, int me, uint32_t k)
{
    double *diagonal = block_at(l, k, k);
    if (owner(l, k, k) == me)
        factorise_block(diagonal, l->block);
    disco_barrier_wait(&l->barrier);
    for (uint32_t i = k + 1; i < l->blocks; i++) {
        if (owner(l, i, k) == me)
            divide_by_upper(block_at(l, i, k), diagonal, l->block);
        if (owner(l, k, i) == me)
            divide_by_lower(block_at(l, k, i), diagonal, l->block);
    }
    disco_barrier_wait(&l->barrier);
    for (uint32_t i = k + 1; i < l->blocks; i++)
        for (uint32_t j = k + 1; j < l->blocks; j++)
            if (owner(l, i, j) == me)
                subtract_product(block_at(l, i, j), block_at(l, i, k), block_at(l, k, j), l->block);
}

static void work(int me, void *argument)
{
    struct lu *l = argument;
    for (uint32_t row = 0; row < l->blocks; row++)
        for (uint32_t column = 0; column < l->blocks; column++)
            if (owner(l, row, column) == me)
                make_block(l, row, column);
    disco_barrier_wait(&l->barrier);
    program_mark(me, PROGRAM_BEGINS);
    for (uint32_t k = 0; k < l->blocks; k++)
        step(l, me, k);
    program_mark(me, PROGRAM_ENDS);

    uint32_t answer = 0;
    for (uint32_t row = 0; row < l->blocks; row++)
        for (uint32_t column = 0; column < l->blocks; column++)
            if (owner(l, row, column) == me)
                for (uint32_t i = 0, n = l->block * l->block; i < n; i++)
                    answer += program_sum_real((row * l->blocks + column) * n + i,
                                               block_at(l, row, column)[i]);
    l->answer[me] = answer;
}

/* The largest distance from 1 of the solution of A x = (sums of A's rows). */
static double solve(const struct lu *l)
{
    double *x = l->right, worst = 0;
    for (uint32_t i = 0; i < l->size; i++) {
        double sum = 0;
        for (uint32_t j = 0; j < l->size; j++)
            sum += element(l, i, j);
        for (uint32_t j = 0; j < i; j++)
            sum -= factor(l, i, j) * x[j];
        x[i] = sum;
    }
    for (uint32_t i = l->size; i-- > 0;) {
        for (uint32_t j = i + 1; j < l->size; j++)
            x[i] -= factor(l, i, j) * x[j];
        x[i] /= factor(l, i, i);
        double error = disco_fabs(x[i] - 1);
        worst = error > worst ? error : worst;
    }
    return worst;
}

/* The largest distance of L U from the matrix in a row, in parts of the diagonal. */
static double check_row(const struct lu *l, uint32_t row)
{
    double worst = 0;
    for (uint32_t column = 0; column < l->size; column++) {
        double sum = row <= column ? factor(l, row, column) : 0;
        for (uint32_t k = 0; k < row && k <= column; k++)
            sum += factor(l, row, k) * factor(l, k, column);
        double error = disco_fabs(sum - element(l, row, column)) / (double)l->size;
        worst = error > worst ? error : worst;
    }
    return worst;
}

int main(int argc, char **argv)
{
    int size = 160, block = 16, seed = 1, threads = 0;
    const struct program_option options[] = {
        {"size", &size, 1, 4096, "rows of the matrix, whole blocks"},
        {"block", &block, 1, 64, "rows of a block"},
        {"seed", &seed, 0, 1 << 30, "which matrix"},
        PROGRAM_THREADS(threads),
    };
    program_arguments(argc, argv, program_about, options, sizeof options / sizeof *options);
    threads = program_per_cpu(threads);
    if (size % block != 0) {
        printf("lu: --size has to be a multiple of --block\n");
        return 2;
    }

    struct lu l = {.threads = threads,
                   .size = (uint32_t)size,
                   .block = (uint32_t)block,
                   .blocks = (uint32_t)(size / block),
                   .seed = (uint32_t)seed};
    l.grid_rows = 1;
    for (int rows = 1; rows * rows <= threads; rows++)
        l.grid_rows = threads % rows == 0 ? rows : l.grid_rows;
    l.grid_columns = threads / l.grid_rows;
    place_blocks(&l);
    l.right = disco_alloc(l.size * sizeof *l.right, "vectors");
    l.answer = disco_alloc((size_t)threads * sizeof *l.answer, "answers");
    disco_barrier_init(&l.barrier, threads);
    disco_parallel(threads, work, &l);

    double error = solve(&l);
    for (uint32_t i = 0; i < SAMPLED_ROWS; i++) {
        double of_row = check_row(&l, program_random(l.seed, i) % l.size);
        error = of_row > error ? of_row : error;
    }
    uint32_t answer = 0;
    for (int t = 0; t < threads; t++)
        answer += l.answer[t];
    printf("lu: %d x %d by blocks of %d, error %.1e, %d threads", size, size, block, error,
           threads);
    return program_answer(answer, error < TOLERANCE);
}
