/* Gravity among bodies by a tree, after the application "barnes" of SPLASH-2 (Barnes and Hut 1986).
 *
 * Each step: all threads put their bodies into one octree, under locks; masses are summed
 * from the leaves up; the tree's bodies are dealt out again in the tree's order, by the cost that each had in
 * the step before; then each thread finds the pull on its bodies, taking a distant
 * cell for one body at its centre of mass, and moves them.
 *
 *   bodies   read by all, written by their owner of the step; owners change slowly: mostly migratory,
 *            in small pieces, many owners a page
 *   cells    from a pool of pages for each thread; written while the tree is made and summed, by
 *            whoever comes by, then read by all for most of the step: read-mostly, renewed each step
 *   locks    hashed, one a line: migratory
 *   owned    the bodies of each thread, in whole pages: private
 *
 * Checked: no body is lost in any tree, the root has all the mass, and the pull on sampled bodies is near
 * the sum over all bodies. The tree does not depend on the order in which it was built.
 */
#include "vmm-core/guest/programs/program.h"

PROGRAM_ABOUT(
    "barnes: gravity by a Barnes-Hut octree (SPLASH-2 barnes): a tree made anew and read by all");

#define LOCKS          64
#define DEPTH_MAX      48
#define SAMPLES        16
#define TOLERANCE      0.05 /* of sampled pulls, root of the mean square: cells are points here */
#define OPENING_SQUARE 0.49 /* of the angle under which a cell is one body: 0.7 */
#define SOFTENING      1e-4 /* added to squares of distances */
#define TIME_STEP      0.01

struct body {
    double at[3], velocity[3], pull[3], mass;
    uint32_t cost; /* bodies and cells that pulled at it in the last step */
    uint32_t unused;
};

/* A child is 0 (none), the number of a cell, or a body's number made negative and less 1. */
struct cell {
    double at[3], mass; /* of the centre of mass */
    double side_square;
    int32_t child[8];
    uint32_t cost, bodies;
};

struct padded_lock {
    struct disco_lock lock;
    uint32_t unused[31];
};

struct thread_results {
    double reach, error_square, pull_square; /* the last two summed over sampled bodies */
    uint32_t answer, bodies;
    bool wrong;
    uint32_t unused[22];
};

struct barnes {
    int threads, steps;
    uint32_t count, seed, pool; /* pool: cells of one thread */
    struct body *bodies;
    struct cell *cells; /* cell 0 is the root; thread t has 1 + t * pool .. (t + 1) * pool */
    uint32_t *owned;    /* [thread * owned_row]: numbers of bodies */
    uint32_t owned_row;
    struct padded_lock *locks;
    struct thread_results *results;
    struct disco_barrier barrier;
};

struct worker {
    struct barnes *b;
    int me;
    uint32_t *owned, owned_count, cells_used;
};

static int32_t child_of_body(uint32_t body)
{
    return -(int32_t)body - 1;
}

static uint32_t body_of_child(int32_t child)
{
    return (uint32_t)(-child - 1);
}

/* A Plummer sphere in which bodies rest: dense in the middle. */
static void make_bodies(struct worker *w)
{
    struct barnes *b = w->b;
    uint32_t end = program_part(b->count, w->me + 1, b->threads);
    for (uint32_t i = program_part(b->count, w->me, b->threads); i < end; i++) {
        double u = 0.99 * program_random_real(b->seed, 4 * i) + 0.001, at[3], square;
        double radius = 1 / disco_sqrt(disco_pow(u, -2.0 / 3) - 1);
        for (uint32_t draw = 0;;
             draw++) { /* a direction: a point in the unit ball, not its middle */
            square = 0;
            for (uint32_t axis = 0; axis < 3; axis++) {
                uint32_t seed = b->seed + 77777 * (draw + 1);
                at[axis] = 2 * program_random_real(seed, 4 * i + 1 + axis) - 1;
                square += at[axis] * at[axis];
            }
            if (square < 1 && square > 0.01)
                break;
        }
        struct body *body = &b->bodies[i];
        *body = (struct body){.mass = 1 / (double)b->count, .cost = 1};
        for (int axis = 0; axis < 3; axis++)
            body->at[axis] = radius * at[axis] / disco_sqrt(square);
        w->owned[w->owned_count++] = i;
    }
}

/* Half the side of a cube around the origin that holds all bodies. */
static double find_reach(struct worker *w)
{
    struct barnes *b = w->b;
    double reach = 0;
    for (uint32_t i = 0; i < w->owned_count; i++)
        for (int axis = 0; axis < 3; axis++) {
            double far = disco_fabs(b->bodies[w->owned[i]].at[axis]);
            reach = far > reach ? far : reach;
        }
    b->results[w->me].reach = reach;
    disco_barrier_wait(&b->barrier);
    for (int t = 0; t < b->threads; t++)
        reach = b->results[t].reach > reach ? b->results[t].reach : reach;
    return reach * 1.001;
}

static int32_t new_cell(struct worker *w, double half)
{
    if (w->cells_used == w->b->pool) {
        printf("barnes: thread %d is out of cells\n", w->me);
        disco_exit(1);
    }
    uint32_t number = 1 + (uint32_t)w->me * w->b->pool + w->cells_used++;
    w->b->cells[number] = (struct cell){.side_square = 4 * half * half};
    return (int32_t)number;
}

static int octant_of(const double at[3], const double middle[3])
{
    return (at[0] >= middle[0]) | (at[1] >= middle[1]) << 1 | (at[2] >= middle[2]) << 2;
}

/* Moves the middle of a cell to that of its child. */
static void go_down(double middle[3], double *half, int octant)
{
    *half /= 2;
    for (int axis = 0; axis < 3; axis++)
        middle[axis] += (octant >> axis & 1) != 0 ? *half : -*half;
}

/* Walks down without locks and takes one only where it changes a cell. */
static void insert(struct worker *w, uint32_t body, double half)
{
    struct barnes *b = w->b;
    const double *at = b->bodies[body].at;
    double middle[3] = {0, 0, 0};
    uint32_t number = 0;
    for (int depth = 0; depth < DEPTH_MAX;) {
        struct cell *cell = &b->cells[number];
        int octant = octant_of(at, middle);
        int32_t child = __atomic_load_n(&cell->child[octant], __ATOMIC_ACQUIRE);
        if (child > 0) {
            go_down(middle, &half, octant);
            number = (uint32_t)child;
            depth++;
            continue;
        }
        struct disco_lock *lock = &b->locks[program_mix(number) % LOCKS].lock;
        disco_lock(lock);
        bool mine = cell->child[octant] == child, done = mine && child == 0;
        if (done) {
            __atomic_store_n(&cell->child[octant], child_of_body(body), __ATOMIC_RELEASE);
        } else if (mine) { /* the body that is there goes one cell down */
            double below[3] = {middle[0], middle[1], middle[2]}, below_half = half;
            go_down(below, &below_half, octant);
            int32_t made = new_cell(w, below_half);
            int other = octant_of(b->bodies[body_of_child(child)].at, below);
            b->cells[made].child[other] = child;
            __atomic_store_n(&cell->child[octant], made, __ATOMIC_RELEASE);
        }
        disco_unlock(lock);
        if (done)
            return;
    }
    printf("barnes: bodies are too near to each other\n");
    disco_exit(1);
}

/* A cell's own sums from those of its children, in the order of the octants. */
static void sum_children(struct barnes *b, struct cell *cell)
{
    double mass = 0, at[3] = {0, 0, 0};
    uint32_t cost = 0, bodies = 0;
    for (int octant = 0; octant < 8; octant++) {
        int32_t child = cell->child[octant];
        if (child == 0)
            continue;
        double part_mass;
        const double *part_at;
        if (child < 0) {
            const struct body *body = &b->bodies[body_of_child(child)];
            part_mass = body->mass;
            part_at = body->at;
            cost += body->cost;
            bodies++;
        } else {
            const struct cell *part = &b->cells[child];
            part_mass = part->mass;
            part_at = part->at;
            cost += part->cost;
            bodies += part->bodies;
        }
        mass += part_mass;
        for (int axis = 0; axis < 3; axis++)
            at[axis] += part_mass * part_at[axis];
    }
    cell->mass = mass;
    for (int axis = 0; axis < 3; axis++)
        cell->at[axis] = at[axis] / mass;
    cell->cost = cost;
    cell->bodies = bodies;
}

static void sum_tree(struct barnes *b, int32_t number)
{
    struct cell *cell = &b->cells[number];
    for (int octant = 0; octant < 8; octant++)
        if (cell->child[octant] > 0)
            sum_tree(b, cell->child[octant]);
    sum_children(b, cell);
}

/* The 64 trees two levels down are dealt out; the first thread sums what is above them. */
static void sum_masses(struct worker *w)
{
    struct barnes *b = w->b;
    struct cell *root = &b->cells[0];
    int place = 0;
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < 8; j++, place++) {
            int32_t tree = root->child[i] > 0 ? b->cells[root->child[i]].child[j] : 0;
            if (tree > 0 && place % b->threads == w->me)
                sum_tree(b, tree);
        }
    disco_barrier_wait(&b->barrier);
    if (w->me == 0) {
        for (int i = 0; i < 8; i++)
            if (root->child[i] > 0)
                sum_children(b, &b->cells[root->child[i]]);
        sum_children(b, root);
    }
    disco_barrier_wait(&b->barrier);
    b->results[w->me].wrong |= root->bodies != b->count || disco_fabs(root->mass - 1) > 1e-9;
}

/* Takes the bodies whose place in the tree's order, measured in cost, is in [first, end). `before` is the
 * cost in front of this cell. */
static void take_zone(struct worker *w, int32_t number, uint32_t before, uint32_t first,
                      uint32_t end)
{
    const struct barnes *b = w->b;
    for (int octant = 0; octant < 8 && before < end; octant++) {
        int32_t child = b->cells[number].child[octant];
        if (child == 0)
            continue;
        uint32_t cost = child > 0 ? b->cells[child].cost : b->bodies[body_of_child(child)].cost;
        if (child < 0 && before >= first)
            w->owned[w->owned_count++] = body_of_child(child);
        else if (child > 0 && before + cost > first)
            take_zone(w, child, before, first, end);
        before += cost;
    }
}

static void pull_by(struct body *body, const double at[3], double mass, double square)
{
    double near = 1 / disco_sqrt(square + SOFTENING), strength = mass * near * near * near;
    for (int axis = 0; axis < 3; axis++)
        body->pull[axis] += strength * (at[axis] - body->at[axis]);
    body->cost++;
}

static double distance_square(const double a[3], const double b[3])
{
    double x = a[0] - b[0], y = a[1] - b[1], z = a[2] - b[2];
    return x * x + y * y + z * z;
}

static void find_pull(const struct barnes *b, uint32_t number)
{
    int32_t stack[7 * DEPTH_MAX + 8], depth = 0;
    struct body *body = &b->bodies[number];
    body->pull[0] = body->pull[1] = body->pull[2] = 0;
    body->cost = 0;
    stack[depth++] = 0;
    while (depth > 0) {
        const struct cell *cell = &b->cells[stack[--depth]];
        double square = distance_square(cell->at, body->at);
        if (cell->side_square < OPENING_SQUARE * square) {
            pull_by(body, cell->at, cell->mass, square);
            continue;
        }
        for (int octant = 0; octant < 8; octant++) {
            int32_t child = cell->child[octant];
            if (child > 0) {
                stack[depth++] = child;
            } else if (child < 0 && child != child_of_body(number)) {
                const struct body *other = &b->bodies[body_of_child(child)];
                pull_by(body, other->at, other->mass, distance_square(other->at, body->at));
            }
        }
    }
}

/* How far a body's pull is from the sum over all bodies. */
static void check_pull(const struct barnes *b, uint32_t number, struct thread_results *result)
{
    const double zero[3] = {0, 0, 0};
    struct body exact = b->bodies[number];
    exact.pull[0] = exact.pull[1] = exact.pull[2] = 0;
    for (uint32_t i = 0; i < b->count; i++)
        if (i != number)
            pull_by(&exact, b->bodies[i].at, b->bodies[i].mass,
                    distance_square(b->bodies[i].at, exact.at));
    result->error_square += distance_square(exact.pull, b->bodies[number].pull);
    result->pull_square += distance_square(exact.pull, zero);
}

static void one_step(struct worker *w)
{
    struct barnes *b = w->b;
    double half = find_reach(w);
    w->cells_used = 0;
    if (w->me == 0)
        b->cells[0] = (struct cell){.side_square = 4 * half * half};
    disco_barrier_wait(&b->barrier);
    for (uint32_t i = 0; i < w->owned_count; i++)
        insert(w, w->owned[i], half);
    disco_barrier_wait(&b->barrier);
    sum_masses(w);

    uint32_t cost = b->cells[0].cost;
    w->owned_count = 0;
    take_zone(w, 0, 0, program_part(cost, w->me, b->threads),
              program_part(cost, w->me + 1, b->threads));
    disco_barrier_wait(&b->barrier); /* costs have been read, and are now found anew */
    for (uint32_t i = 0; i < w->owned_count; i++)
        find_pull(b, w->owned[i]);
    disco_barrier_wait(&b->barrier);
}

static void move(struct worker *w)
{
    for (uint32_t i = 0; i < w->owned_count; i++) {
        struct body *body = &w->b->bodies[w->owned[i]];
        for (int axis = 0; axis < 3; axis++) {
            body->velocity[axis] += TIME_STEP * body->pull[axis];
            body->at[axis] += TIME_STEP * body->velocity[axis];
        }
    }
}

static void work(int me, void *argument)
{
    struct barnes *b = argument;
    struct worker w = {.b = b, .me = me, .owned = b->owned + (size_t)me * b->owned_row};
    make_bodies(&w);
    program_mark(me, PROGRAM_BEGINS);
    for (int step = 0; step < b->steps; step++) {
        one_step(&w);
        if (step == b->steps - 1) { /* before the bodies move on */
            program_mark(me, PROGRAM_ENDS);
            for (int i = me; i < SAMPLES; i += b->threads)
                check_pull(b, program_random(b->seed, (uint32_t)i) % b->count, &b->results[me]);
            disco_barrier_wait(&b->barrier);
        }
        move(&w);
        disco_barrier_wait(&b->barrier);
    }
    for (uint32_t i = 0; i < w.owned_count; i++)
        for (uint32_t axis = 0; axis < 3; axis++)
            b->results[me].answer +=
                program_sum_real(3 * w.owned[i] + axis, b->bodies[w.owned[i]].at[axis]);
    b->results[me].bodies = w.owned_count;
}

int main(int argc, char **argv)
{
    int bodies = 512, steps = 2, seed = 1, threads = 0;
    const struct program_option options[] = {
        {"bodies", &bodies, 2, 1 << 20, "bodies"},
        {"steps", &steps, 1, 1000, "steps of time"},
        {"seed", &seed, 0, 1 << 30, "which bodies"},
        PROGRAM_THREADS(threads),
    };
    program_arguments(argc, argv, program_about, options, sizeof options / sizeof *options);
    threads = program_per_cpu(threads);

    uint32_t page_words = DISCO_PAGE_BYTES / sizeof(uint32_t);
    struct barnes b = {.threads = threads,
                       .steps = steps,
                       .count = (uint32_t)bodies,
                       .seed = (uint32_t)seed};
    b.pool = 2 * b.count / (uint32_t)threads + 256;
    b.owned_row = (b.count + page_words - 1) / page_words * page_words;
    b.bodies = disco_alloc(b.count * sizeof *b.bodies, "bodies");
    b.cells = disco_alloc((1 + (size_t)threads * b.pool) * sizeof *b.cells, "cells");
    b.owned = disco_alloc((size_t)threads * b.owned_row * sizeof *b.owned, "owned");
    b.locks = disco_alloc(LOCKS * sizeof *b.locks, "locks");
    b.results = disco_alloc((size_t)threads * sizeof *b.results, "results");
    disco_barrier_init(&b.barrier, threads);
    disco_parallel(threads, work, &b);

    uint32_t answer = 0, owned = 0;
    double error_square = 0, pull_square = 0;
    bool wrong = false;
    for (int t = 0; t < threads; t++) {
        answer += b.results[t].answer;
        owned += b.results[t].bodies;
        error_square += b.results[t].error_square;
        pull_square += b.results[t].pull_square;
        wrong |= b.results[t].wrong;
    }
    double error = disco_sqrt(error_square / pull_square);
    printf("barnes: %d bodies, %d steps, error of the pull %.4f, %d threads", bodies, steps, error,
           threads);
    return program_answer(answer, !wrong && owned == b.count && error < TOLERANCE);
}
