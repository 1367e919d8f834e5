/* Random machines and traces: the caches and the plain model of them agree on every outcome, age,
 * write-back and counter, and the caches on themselves. DISCO_SEED repeats a run. */
#include "tests/property/cache_model.h"
#include "tests/property/random_caches.h"
#include "vmm-core/machine/caches/cache-internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#define PAGE        512u
#define PAGES       (MODEL_BYTES / PAGE)
#define BATCH       24u
#define BATCHES     160u
#define MACHINES    400u
#define CHECK_EVERY 16u

static uint64_t first_seed(void)
{
    const char *text = getenv("DISCO_SEED");
    return text != NULL ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);
}

struct world {
    uint64_t seed, state;
    struct machine machine;
    struct machine_node node[4];
    uint32_t cpu_node[MODEL_CPUS], latency[16];
    struct caches *caches;
    struct model *model;
    uint64_t ordinal;
    uint32_t page_of[2 * PAGES]; /* virtual page: physical page; some show the same */
    uint32_t pages;              /* physical pages in use: few, so that they are shared */
    struct caches_outcome outcome;
};

static uint32_t draw(struct world *world, uint32_t bound)
{
    return caches_below(&world->state, bound);
}

static void make_world(struct world *world, uint64_t seed)
{
    *world = (struct world){.seed = seed, .state = seed, .ordinal = 1};
    struct machine *machine = &world->machine;
    snprintf(machine->name, sizeof machine->name, "random");
    machine->page_bytes = PAGE;
    machine->nodes = 1 + draw(world, 4);
    machine->cpus = 1 + draw(world, draw(world, 2) == 0 ? 4 : MODEL_CPUS);
    machine->node = world->node;
    machine->cpu_node = world->cpu_node;
    machine->latency_ns = world->latency;
    for (uint32_t cpu = 0; cpu < machine->cpus; cpu++)
        world->cpu_node[cpu] = draw(world, machine->nodes);
    do
        random_caches(&world->state, machine);
    while (machine->caches == 0);
    world->pages = 2 + draw(world, 20);
    for (uint32_t page = 0; page < 2 * PAGES; page++)
        world->page_of[page] = draw(world, world->pages);
    char *error = caches_new(machine, &world->caches);
    if (error != NULL)
        fail_msg("DISCO_SEED=%llu: %s", (unsigned long long)seed, error);
    world->model = model_new(machine);
    world->outcome.level = malloc(BATCH);
    world->outcome.age = malloc(BATCH * sizeof *world->outcome.age);
}

static void free_world(struct world *world)
{
    caches_free(world->caches);
    model_free(world->model);
    free(world->outcome.level);
    free(world->outcome.age);
    free(world->outcome.writeback);
}

struct batch {
    uint32_t count;
    uint64_t virtual_address[BATCH], physical[BATCH], bytes[BATCH], second[BATCH];
    uint8_t what[BATCH];
    struct model_reference reference[BATCH];
};

/* Addresses near each other more often than far apart, of all sizes. */
static void random_batch(struct world *world, struct batch *batch, uint32_t cpu)
{
    uint32_t seconds = 0, virtual_pages = world->pages + draw(world, world->pages);
    uint64_t base = draw(world, virtual_pages * PAGE);
    batch->count = 1 + draw(world, BATCH);
    for (uint32_t i = 0; i < batch->count; i++) {
        if (draw(world, 3) == 0)
            base = draw(world, virtual_pages * PAGE);
        uint64_t address = (base + draw(world, 96)) % (virtual_pages * PAGE);
        uint64_t bytes = draw(world, 12) == 0 ? draw(world, 600) : 1u << draw(world, 5);
        uint64_t physical = (uint64_t)world->page_of[address / PAGE] * PAGE + address % PAGE;
        uint64_t second = (uint64_t)world->page_of[address / PAGE + 1] * PAGE;
        batch->virtual_address[i] = address;
        batch->physical[i] = physical;
        batch->bytes[i] = bytes;
        batch->what[i] = (uint8_t)(draw(world, 4) | draw(world, 2) << 2);
        if (bytes > PAGE - address % PAGE)
            batch->second[seconds++] = second;
        batch->reference[i] = (struct model_reference){.cpu = cpu,
                                                       .kind = batch->what[i] & 3,
                                                       .ordinal = world->ordinal + i,
                                                       .virtual_address = address,
                                                       .physical = physical,
                                                       .second_page = second,
                                                       .bytes = bytes == 0 ? 1 : bytes};
    }
}

static void same(const struct world *world, uint64_t ordinal, const char *what, uint64_t ours,
                 uint64_t models)
{
    if (ours != models)
        fail_msg("DISCO_SEED=%llu: reference %llu: %s %llu, by the model %llu",
                 (unsigned long long)world->seed, (unsigned long long)ordinal, what,
                 (unsigned long long)ours, (unsigned long long)models);
}

static void replay_batch(struct world *world, uint32_t cpu)
{
    struct batch batch;
    uint32_t written = 0;
    random_batch(world, &batch, cpu);
    const struct caches_input input = {.cpu = cpu,
                                       .references = batch.count,
                                       .first = world->ordinal,
                                       .virtual_address = batch.virtual_address,
                                       .physical_address = batch.physical,
                                       .what = batch.what,
                                       .bytes = batch.bytes,
                                       .second_page = batch.second};
    world->outcome.writebacks = 0;
    char *error = caches_references(world->caches, &input, &world->outcome, 0);
    assert_null(error);
    for (uint32_t i = 0; i < batch.count; i++) {
        model_refer(world->model, batch.reference[i]);
        same(world, world->ordinal + i, "level", world->outcome.level[i], world->model->level);
        same(world, world->ordinal + i, "age", world->outcome.age[i], world->model->age);
        for (uint32_t w = 0; w < world->model->writebacks; w++, written++) {
            if (written == world->outcome.writebacks)
                fail_msg("DISCO_SEED=%llu: reference %llu: a write-back is missing",
                         (unsigned long long)world->seed, (unsigned long long)world->ordinal + i);
            const struct caches_writeback *ours = &world->outcome.writeback[written];
            same(world, world->ordinal + i, "write-back of reference", ours->at, i);
            same(world, world->ordinal + i, "write-back by CPU", ours->cpu,
                 world->model->writeback[w].cpu);
            same(world, world->ordinal + i, "write-back to", ours->physical_address,
                 world->model->writeback[w].address);
        }
    }
    same(world, world->ordinal, "write-backs", world->outcome.writebacks, written);
    world->ordinal += batch.count;
}

static void same_counters(const struct world *world)
{
    for (uint32_t i = 0; i < world->machine.caches; i++) {
        for (uint32_t cpu = 0; cpu < world->machine.cpus; cpu++) {
            const struct caches_counters ours = caches_counted_cpu(world->caches, i, cpu),
                                         *models = &world->model->counted[i][cpu];
            same(world, world->ordinal, "accesses", ours.accesses, models->accesses);
            same(world, world->ordinal, "misses", ours.misses, models->misses);
            same(world, world->ordinal, "cold", ours.cold, models->cold);
            same(world, world->ordinal, "capacity", ours.capacity, models->capacity);
            same(world, world->ordinal, "coherence", ours.coherence, models->coherence);
            same(world, world->ordinal, "false sharing", ours.false_sharing, models->false_sharing);
            same(world, world->ordinal, "upgrades", ours.upgrades, models->upgrades);
            same(world, world->ordinal, "write-backs", ours.writebacks, models->writebacks);
        }
    }
}

/* A page is freed. */
static void forget(struct world *world)
{
    uint32_t page = draw(world, world->pages);
    caches_forget_page(world->caches, page);
    for (uint32_t i = 0; i < world->model->caches; i++) {
        struct model_cache *cache = &world->model->cache[i];
        uint64_t line = cache->spec->line_bytes;
        for (uint64_t at = (uint64_t)page * PAGE; at < (uint64_t)(page + 1) * PAGE; at += line) {
            struct model_way *way = model_find(cache, at);
            if (way != NULL)
                way->full = false;
            cache->lost[at / line] = 0;
            cache->lost_block[at / world->model->block] = 0;
        }
    }
}

static void caches_are_those_of_the_plain_model(void **unused)
{
    (void)unused;
    uint64_t first = first_seed();
    for (uint64_t seed = first; seed < first + MACHINES; seed++) {
        struct world world;
        make_world(&world, seed);
        for (uint32_t batch = 0; batch < BATCHES; batch++) {
            replay_batch(&world, draw(&world, world.machine.cpus));
            if (draw(&world, 40) == 0)
                forget(&world);
            char *error = batch % CHECK_EVERY == 0 ? caches_check(world.caches) : NULL;
            if (error != NULL)
                fail_msg("DISCO_SEED=%llu: after reference %llu: %s", (unsigned long long)seed,
                         (unsigned long long)world.ordinal - 1, error);
        }
        same_counters(&world);
        free_world(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(caches_are_those_of_the_plain_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
