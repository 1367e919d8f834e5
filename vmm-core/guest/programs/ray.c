/* Ray tracer with one scene that all threads read, after the application "raytrace" of SPLASH-2.
 *
 * Spheres over a chequered floor, two lights, shadows and mirror images, found through a
 * hierarchy of bounding boxes. The image is cut into tiles; each thread has a queue of them and, when
 * that is empty, steals from the others.
 *
 *   spheres, boxes   written by the first thread at the start, then only read, by all, all the
 *                    time: on first touch all of it lies on one node. Replicas pay most here.
 *   order            spheres in the order of the boxes; the same
 *   queues           a line each, with its lock: its thread's, at times a thief's: migratory
 *   image            tiles, each written once by one thread; read at the end
 *
 * Checked: sampled pixels are those that are found without the hierarchy, by trying every
 * sphere; with the default arguments the answer is also the one that is known.
 */
#include "vmm-core/guest/programs/program.h"

PROGRAM_ABOUT(
    "ray: ray tracer with tile queues and stealing (SPLASH-2 raytrace): one scene, read by all");

#define TILE          4
#define LEAF_SPHERES  4
#define BOUNCES       4
#define STACK_MAX     64
#define LIGHTS        2
#define NEAREST       1e-6 /* of a hit from the surface that the ray left */
#define FARTHEST      1e30
#define SAMPLES       8 /* pixels that are checked */
#define DEFAULT_SIDE  48
#define DEFAULT_COUNT 2000
#define KNOWN_ANSWER  0x803570a3u

struct point {
    double x, y, z;
};

struct sphere {
    struct point middle;
    double radius;
    struct point colour;
    double mirror; /* share of the light that it throws back like a mirror */
};

/* A box has spheres order[first .. first+count), or, with count 0, two boxes inside: the next one
 * and number `second`. */
struct box {
    struct point low, high;
    uint32_t first, count, second, unused;
};

struct queue {
    struct disco_lock lock;
    uint32_t next, end; /* tiles */
    uint32_t different; /* of the pixels that the queue's thread has checked */
    uint32_t unused[28];
};

struct ray {
    struct point from, along; /* along has length 1 */
};

struct scene {
    uint32_t count, boxes_used;
    struct sphere *spheres;
    struct box *boxes;
    uint32_t *order;
    struct point lights[LIGHTS];
};

struct tracer {
    struct scene scene;
    int threads;
    uint32_t side, tiles_in_row;
    uint32_t *image; /* [row * side + column]: 0xRRGGBB */
    struct queue *queues;
};

/* ---------------------------------------------------------------------------- points */

static struct point add(struct point a, struct point b)
{
    return (struct point){a.x + b.x, a.y + b.y, a.z + b.z};
}

static struct point subtract(struct point a, struct point b)
{
    return (struct point){a.x - b.x, a.y - b.y, a.z - b.z};
}

static struct point scale(struct point a, double by)
{
    return (struct point){a.x * by, a.y * by, a.z * by};
}

static double dot(struct point a, struct point b)
{
    return a.x * b.x + a.y * b.y + a.z * b.z;
}

static struct point unit(struct point a)
{
    return scale(a, 1 / disco_sqrt(dot(a, a)));
}

static double smaller(double a, double b)
{
    return a < b ? a : b;
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

/* ---------------------------------------------------------------------------- scene */

static void make_spheres(struct scene *s, uint32_t seed)
{
    for (uint32_t i = 0; i < s->count; i++) {
        double random[8];
        for (uint32_t k = 0; k < 8; k++)
            random[k] = program_random_real(seed, 8 * i + k);
        double radius = 0.1 + 0.5 * random[0] * random[0];
        s->spheres[i] = (struct sphere){
            .middle = {10 * random[1] - 5, radius + 3 * random[2] * random[2], 10 * random[3] - 5},
            .radius = radius,
            .colour = {0.3 + 0.7 * random[4], 0.3 + 0.7 * random[5], 0.3 + 0.7 * random[6]},
            .mirror = random[7] < 0.5 ? 0 : 0.6,
        };
        s->order[i] = i;
    }
    s->lights[0] = (struct point){-8, 12, -6};
    s->lights[1] = (struct point){6, 9, -9};
}

static double along_axis(struct point p, int axis)
{
    return axis == 0 ? p.x : axis == 1 ? p.y : p.z;
}

static struct box bounds(const struct scene *s, uint32_t first, uint32_t count)
{
    struct box box = {.low = {FARTHEST, FARTHEST, FARTHEST},
                      .high = {-FARTHEST, -FARTHEST, -FARTHEST},
                      .first = first,
                      .count = count};
    for (uint32_t i = first; i < first + count; i++) {
        const struct sphere *ball = &s->spheres[s->order[i]];
        struct point m = ball->middle;
        double r = ball->radius + NEAREST; /* rounding must not cut a sphere off */
        box.low = (struct point){smaller(box.low.x, m.x - r), smaller(box.low.y, m.y - r),
                                 smaller(box.low.z, m.z - r)};
        box.high = (struct point){larger(box.high.x, m.x + r), larger(box.high.y, m.y + r),
                                  larger(box.high.z, m.z + r)};
    }
    return box;
}

/* Orders spheres first .. end-1 so that those up to `middle` are no farther along the axis than
 * those behind it (Hoare's selection). */
static void split_at(const struct scene *s, uint32_t first, uint32_t end, uint32_t middle, int axis)
{
    while (end - first > 1) {
        double pivot = along_axis(s->spheres[s->order[(first + end) / 2]].middle, axis);
        uint32_t low = first, high = end - 1;
        while (low <= high && high < end) {
            while (along_axis(s->spheres[s->order[low]].middle, axis) < pivot)
                low++;
            while (along_axis(s->spheres[s->order[high]].middle, axis) > pivot)
                high--;
            if (low <= high) {
                uint32_t swap = s->order[low];
                s->order[low++] = s->order[high];
                s->order[high--] = swap; /* below 0 it is above `end` */
            }
        }
        if (middle >= low)
            first = low;
        else if (high < end && middle <= high)
            end = high + 1;
        else
            return;
    }
}

static void make_box(struct scene *s, uint32_t first, uint32_t count)
{
    uint32_t number = s->boxes_used++;
    s->boxes[number] = bounds(s, first, count);
    if (count <= LEAF_SPHERES)
        return;
    struct point size = subtract(s->boxes[number].high, s->boxes[number].low);
    int axis = size.x >= size.y && size.x >= size.z ? 0 : size.y >= size.z ? 1 : 2;
    uint32_t half = count / 2;
    split_at(s, first, first + count, first + half, axis);
    make_box(s, first, half);
    s->boxes[number].second = s->boxes_used;
    s->boxes[number].count = 0;
    make_box(s, first + half, count - half);
}

/* ---------------------------------------------------------------------------- rays */

/* Where the ray comes into the sphere, or leaves it; FARTHEST if it does not. */
static double hit_sphere(const struct sphere *ball, struct ray ray)
{
    struct point to = subtract(ball->middle, ray.from);
    double along = dot(to, ray.along), square = along * along - dot(to, to);
    square += ball->radius * ball->radius;
    if (square < 0)
        return FARTHEST;
    double half = disco_sqrt(square);
    if (along - half > NEAREST)
        return along - half;
    return along + half > NEAREST ? along + half : FARTHEST;
}

static bool hits_box(const struct box *box, struct point from, struct point inverse, double limit)
{
    double x0 = (box->low.x - from.x) * inverse.x, x1 = (box->high.x - from.x) * inverse.x;
    double y0 = (box->low.y - from.y) * inverse.y, y1 = (box->high.y - from.y) * inverse.y;
    double z0 = (box->low.z - from.z) * inverse.z, z1 = (box->high.z - from.z) * inverse.z;
    double near = larger(larger(smaller(x0, x1), smaller(y0, y1)), smaller(z0, z1));
    double far = smaller(smaller(larger(x0, x1), larger(y0, y1)), larger(z0, z1));
    return near <= far && far > 0 && near < limit;
}

struct hit {
    double distance;
    uint32_t sphere; /* number; of equally near ones the lowest */
};

static void try_sphere(const struct scene *s, uint32_t number, struct ray ray, struct hit *hit)
{
    double distance = hit_sphere(&s->spheres[number], ray);
    if (distance < hit->distance || (distance == hit->distance && number < hit->sphere))
        *hit = (struct hit){distance, number};
}

/* The nearest sphere nearer than hit->distance; with `any`, the first that is found. */
static void find_hit(const struct scene *s, struct ray ray, bool any, struct hit *hit)
{
    struct point inverse = {1 / ray.along.x, 1 / ray.along.y, 1 / ray.along.z};
    double limit = hit->distance;
    uint32_t stack[STACK_MAX], depth = 0;
    stack[depth++] = 0;
    while (depth > 0 && !(any && hit->distance < limit)) {
        uint32_t number = stack[--depth];
        const struct box *box = &s->boxes[number];
        if (!hits_box(box, ray.from, inverse, hit->distance))
            continue;
        for (uint32_t i = 0; i < box->count; i++)
            try_sphere(s, s->order[box->first + i], ray, hit);
        if (box->count == 0) {
            stack[depth++] = box->second;
            stack[depth++] = number + 1;
        }
    }
}

/* The same without boxes. */
static void find_hit_slowly(const struct scene *s, struct ray ray, bool any, struct hit *hit)
{
    (void)any;
    for (uint32_t number = 0; number < s->count; number++)
        try_sphere(s, number, ray, hit);
}

typedef void (*finder)(const struct scene *s, struct ray ray, bool any, struct hit *hit);

/* What the ray meets, without what it mirrors. */
static struct point shade(const struct scene *s, finder find, struct point at, struct point normal,
                          struct point colour)
{
    double light = 0.15;
    for (int i = 0; i < LIGHTS; i++) {
        struct point to = subtract(s->lights[i], at), along = unit(to);
        double cosine = dot(along, normal), distance = dot(to, along);
        struct hit shadow = {distance, UINT32_MAX};
        if (cosine <= 0)
            continue;
        find(s, (struct ray){at, along}, true, &shadow);
        if (shadow.distance == distance)
            light += 0.5 * cosine;
    }
    return scale(colour, light);
}

static struct point trace(const struct scene *s, finder find, struct ray ray)
{
    struct point colour = {0, 0, 0};
    double weight = 1;
    for (int bounce = 0; bounce < BOUNCES && weight > 0.01; bounce++) {
        double floor = ray.along.y < -1e-9 ? -ray.from.y / ray.along.y : FARTHEST;
        struct hit hit = {floor > NEAREST ? floor : FARTHEST, UINT32_MAX};
        find(s, ray, false, &hit);
        if (hit.distance >= FARTHEST) /* sky */
            return add(colour, scale((struct point){0.4, 0.6, 0.9}, weight));
        struct point at = add(ray.from, scale(ray.along, hit.distance)), normal = {0, 1, 0}, own;
        double mirror = 0.2;
        if (hit.sphere != UINT32_MAX) {
            const struct sphere *ball = &s->spheres[hit.sphere];
            normal = scale(subtract(at, ball->middle), 1 / ball->radius);
            own = ball->colour;
            mirror = ball->mirror;
        } else {
            bool dark = (((int)disco_floor(at.x) + (int)disco_floor(at.z)) & 1) != 0;
            own = dark ? (struct point){0.2, 0.2, 0.2} : (struct point){0.8, 0.8, 0.8};
        }
        own = shade(s, find, at, normal, own);
        colour = add(colour, scale(own, weight * (1 - mirror)));
        weight *= mirror;
        ray.along = unit(subtract(ray.along, scale(normal, 2 * dot(ray.along, normal))));
        ray.from = at;
    }
    return colour;
}

static uint32_t level(double value)
{
    return value < 1 ? (uint32_t)(value * 256) : 255;
}

static uint32_t pixel(const struct tracer *t, finder find, uint32_t row, uint32_t column)
{
    double half = (double)t->side / 2;
    struct ray ray = {.from = {0, 4, -12}};
    struct point to = {((double)column + 0.5 - half) / half * 5,
                       2 - ((double)row + 0.5 - half) / half * 4, 0};
    ray.along = unit(subtract(to, ray.from));
    struct point colour = trace(&t->scene, find, ray);
    return level(colour.x) << 16 | level(colour.y) << 8 | level(colour.z);
}

/* ---------------------------------------------------------------------------- threads */

static bool take_tile(struct queue *queue, uint32_t *tile)
{
    disco_lock(&queue->lock);
    bool found = queue->next < queue->end;
    if (found)
        *tile = queue->next++;
    disco_unlock(&queue->lock);
    return found;
}

static void draw_tile(const struct tracer *t, uint32_t tile)
{
    uint32_t row = tile / t->tiles_in_row * TILE, column = tile % t->tiles_in_row * TILE;
    for (uint32_t r = row; r < row + TILE && r < t->side; r++)
        for (uint32_t c = column; c < column + TILE && c < t->side; c++)
            t->image[r * t->side + c] = pixel(t, find_hit, r, c);
}

static void work(int me, void *argument)
{
    const struct tracer *t = argument;
    for (int i = 0; i < t->threads; i++) {
        struct queue *queue = &t->queues[(me + i) % t->threads];
        uint32_t tile;
        while (take_tile(queue, &tile))
            draw_tile(t, tile);
    }
}

static void check(int me, void *argument)
{
    const struct tracer *t = argument;
    for (int sample = me; sample < SAMPLES; sample += t->threads) {
        uint32_t place = program_random((uint32_t)sample, t->side) % (t->side * t->side);
        uint32_t slow = pixel(t, find_hit_slowly, place / t->side, place % t->side);
        t->queues[me].different += slow != t->image[place];
    }
}

int main(int argc, char **argv)
{
    int side = DEFAULT_SIDE, count = DEFAULT_COUNT, seed = 1, threads = 0;
    const struct program_option options[] = {
        {"side", &side, 1, 4096, "pixels of the image's side"},
        {"spheres", &count, 1, 1 << 20, "spheres of the scene"},
        {"seed", &seed, 0, 1 << 30, "which scene"},
        PROGRAM_THREADS(threads),
    };
    program_arguments(argc, argv, program_about, options, sizeof options / sizeof *options);
    threads = program_per_cpu(threads);

    struct tracer t = {.threads = threads, .side = (uint32_t)side};
    t.tiles_in_row = (t.side + TILE - 1) / TILE;
    t.scene.count = (uint32_t)count;
    t.scene.spheres = disco_alloc(t.scene.count * sizeof *t.scene.spheres, "spheres");
    t.scene.boxes = disco_alloc((size_t)t.scene.count * 2 * sizeof *t.scene.boxes, "boxes");
    t.scene.order = disco_alloc(t.scene.count * sizeof *t.scene.order, "order");
    t.queues = disco_alloc((size_t)threads * sizeof *t.queues, "queues");
    t.image = disco_alloc((size_t)t.side * t.side * sizeof *t.image, "image");
    make_spheres(&t.scene, (uint32_t)seed);
    make_box(&t.scene, 0, t.scene.count);
    for (int i = 0; i < threads; i++) {
        t.queues[i].next = program_part(t.tiles_in_row * t.tiles_in_row, i, threads);
        t.queues[i].end = program_part(t.tiles_in_row * t.tiles_in_row, i + 1, threads);
    }
    program_mark(0, PROGRAM_BEGINS);
    disco_parallel(threads, work, &t);
    program_mark(0, PROGRAM_ENDS);
    disco_parallel(threads, check, &t);

    uint32_t answer = 0, different = 0;
    for (int i = 0; i < threads; i++)
        different += t.queues[i].different;
    for (uint32_t i = 0; i < t.side * t.side; i++)
        answer += program_sum_word(i, t.image[i]);
    bool known = side == DEFAULT_SIDE && count == DEFAULT_COUNT && seed == 1;
    printf("ray: %d x %d pixels, %d spheres, %u of the checked differ, %d threads", side, side,
           count, (unsigned)different, threads);
    return program_answer(answer, different == 0 && (!known || answer == KNOWN_ANSWER));
}
