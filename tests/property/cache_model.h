/* The caches again, from the contract in caches.h and as plainly as possible: every cache a list of
 * ways, every rule a loop over all caches. For traces over a small physical memory.
 *
 * It shares the contract with the real one and nothing else. Where the real one has a directory, this
 * one asks every cache; where the real one collects words and ages as lines move, this one notes every
 * store of every word and every use of every line when it happens.
 */
#ifndef DISCO_TESTS_CACHE_MODEL_H
#define DISCO_TESTS_CACHE_MODEL_H

#include "vmm-core/machine/caches/caches.h"

#include <stdlib.h>
#include <string.h>

#define MODEL_CPUS   16u
#define MODEL_CACHES (MODEL_CPUS * MACHINE_CACHES_MAX)
#define MODEL_BYTES  (1u << 16) /* physical memory */
#define MODEL_WAYS   64u
#define MODEL_LINES  (MODEL_BYTES / 8)
#define MODEL_WORDS  (MODEL_BYTES / 4)
#define MODEL_LEVELS 5

struct model_way {
    bool full, dirty;
    uint64_t line, used, last; /* used: for LRU; last: ordinal of the last reference */
};

struct model_set {
    struct model_way way[MODEL_WAYS];
    bool bit[2 * MODEL_WAYS]; /* PLRU */
};

struct model_cache {
    const struct machine_cache *spec;
    uint32_t index, first, last, cpu; /* CPUs by place; the first by number */
    bool code, data, virtual_index;
    uint32_t sets;
    struct model_set *set;
    bool seen[MODEL_LINES];
    uint64_t lost[MODEL_LINES]; /* ordinal of the store that took it; 0: none did */
    uint64_t
        lost_block[MODEL_LINES]; /* by block, when the first of its lines was lost; 0: none is */
    uint64_t losses;             /* ever, to tell which was first */
};

struct model_writeback {
    uint32_t cpu;
    uint64_t address;
};

struct model {
    const struct machine *machine;
    uint32_t place[MODEL_CPUS], caches, block, shortest;
    struct model_cache *cache;
    uint64_t stored[MODEL_WORDS][MODEL_CPUS]; /* ordinal of the last store, 0: never */
    struct caches_counters counted[MACHINE_CACHES_MAX][MODEL_CPUS];
    /* the reference at work, and what becomes of it */
    uint32_t cpu;
    uint64_t ordinal;
    uint32_t level;
    uint64_t age;
    struct model_writeback writeback[64];
    uint32_t writebacks;
};

struct model_reference {
    uint32_t cpu, kind; /* 0 fetch, 1 load, 2 store, 3 touch */
    uint64_t ordinal, virtual_address, physical, second_page, bytes;
};

struct model_part {
    uint64_t virtual_address, physical, bytes;
};

/* ---- making ---- */

static struct model *model_new(const struct machine *machine)
{
    struct model *model = calloc(1, sizeof *model);
    model->cache = calloc(MODEL_CACHES, sizeof *model->cache);
    model->machine = machine;
    uint32_t order[MODEL_CPUS], group[MODEL_CPUS];
    machine_cpu_order(machine, order);
    for (uint32_t i = 0; i < machine->cpus; i++)
        model->place[order[i]] = i;
    model->shortest = UINT32_MAX;
    for (uint32_t i = 0; i < machine->caches; i++) {
        const struct machine_cache *spec = &machine->cache[i];
        uint32_t groups = machine_cache_groups(machine, i, group);
        for (uint32_t g = 0; g < groups; g++) {
            struct model_cache *cache = &model->cache[model->caches++];
            cache->spec = spec;
            cache->index = i;
            cache->code = strcmp(spec->kind, "data") != 0;
            cache->data = strcmp(spec->kind, "instruction") != 0;
            cache->sets = (uint32_t)(spec->size_bytes / spec->line_bytes / spec->ways);
            cache->virtual_index = spec->index == CACHE_INDEX_VIRTUAL &&
                                   cache->sets * spec->line_bytes > machine->page_bytes;
            cache->set = calloc(cache->sets, sizeof *cache->set);
            cache->first = UINT32_MAX;
            for (uint32_t p = 0; p < machine->cpus; p++) {
                if (group[order[p]] != g)
                    continue;
                if (cache->first == UINT32_MAX) {
                    cache->first = p;
                    cache->cpu = order[p];
                }
                cache->last = p;
            }
        }
        if (spec->line_bytes > model->block)
            model->block = spec->line_bytes;
        if (spec->line_bytes < model->shortest)
            model->shortest = spec->line_bytes;
    }
    return model;
}

static void model_free(struct model *model)
{
    for (uint32_t i = 0; i < model->caches; i++)
        free(model->cache[i].set);
    free(model->cache);
    free(model);
}

/* ---- who is where ---- */

static bool model_serves(const struct model_cache *cache, uint32_t place)
{
    return cache->first <= place && place <= cache->last;
}

/* The caches of a CPU on a path, from the first on. */
static uint32_t model_path(struct model *model, uint32_t cpu, bool code, struct model_cache **path)
{
    uint32_t depth = 0;
    for (uint32_t level = 1; level <= MODEL_LEVELS; level++)
        for (uint32_t i = 0; i < model->caches; i++)
            if (model->cache[i].spec->level == level &&
                (code ? model->cache[i].code : model->cache[i].data) &&
                model_serves(&model->cache[i], model->place[cpu]))
                path[depth++] = &model->cache[i];
    return depth;
}

/* CPUs that share the first data cache of this one. */
static void model_top(struct model *model, uint32_t cpu, uint32_t *first, uint32_t *last)
{
    struct model_cache *path[MODEL_LEVELS];
    *first = *last = model->place[cpu];
    if (model_path(model, cpu, false, path) > 0) {
        *first = path[0]->first;
        *last = path[0]->last;
    }
}

static bool model_is_other(struct model *model, const struct model_cache *cache, uint32_t cpu)
{
    uint32_t first, last;
    model_top(model, cpu, &first, &last);
    return cache->last < first || cache->first > last;
}

/* The next cache behind one. */
static struct model_cache *model_behind(struct model *model, const struct model_cache *cache)
{
    struct model_cache *next = NULL;
    for (uint32_t i = 0; i < model->caches; i++) {
        struct model_cache *at = &model->cache[i];
        if (at->spec->level > cache->spec->level && model_serves(at, cache->first) &&
            ((at->code && cache->code) || (at->data && cache->data)) &&
            (next == NULL || at->spec->level < next->spec->level))
            next = at;
    }
    return next;
}

static struct model_way *model_find(struct model_cache *cache, uint64_t physical)
{
    for (uint32_t s = 0; s < cache->sets; s++)
        for (uint32_t w = 0; w < cache->spec->ways; w++)
            if (cache->set[s].way[w].full &&
                cache->set[s].way[w].line == physical / cache->spec->line_bytes)
                return &cache->set[s].way[w];
    return NULL;
}

static struct model_set *model_set_of(struct model_cache *cache, const struct model_part *part)
{
    uint64_t address = cache->virtual_index ? part->virtual_address : part->physical;
    return &cache->set[address / cache->spec->line_bytes % cache->sets];
}

static bool model_in_set(const struct model_set *set, const struct model_way *way)
{
    return way >= &set->way[0] && way < &set->way[MODEL_WAYS];
}

/* ---- replacement ---- */

/* The tree, node by node: the node at `node` stands over ways [low, high). */
static void model_point_away(bool *bit, uint32_t node, uint32_t low, uint32_t high, uint32_t way)
{
    uint32_t middle = (low + high) / 2;
    if (high - low == 1)
        return;
    bit[node] = way < middle;
    if (way < middle)
        model_point_away(bit, 2 * node, low, middle, way);
    else
        model_point_away(bit, 2 * node + 1, middle, high, way);
}

static uint32_t model_follow(const bool *bit, uint32_t node, uint32_t low, uint32_t high)
{
    uint32_t middle = (low + high) / 2;
    if (high - low == 1)
        return low;
    return bit[node] ? model_follow(bit, 2 * node + 1, middle, high)
                     : model_follow(bit, 2 * node, low, middle);
}

static void model_use(struct model_cache *cache, struct model_set *set, struct model_way *way,
                      uint64_t tick)
{
    uint32_t ways = cache->spec->ways, at = (uint32_t)(way - set->way), others = 0;
    way->used = tick;
    if (cache->spec->replacement != CACHE_REPLACE_PLRU)
        return;
    if ((ways & (ways - 1)) == 0) {
        model_point_away(set->bit, 1, 0, ways, at);
        return;
    }
    set->bit[at] = true;
    for (uint32_t w = 0; w < ways; w++)
        others += !set->bit[w];
    for (uint32_t w = 0; w < ways && others == 0; w++)
        set->bit[w] = w == at;
}

static struct model_way *model_victim(struct model_cache *cache, struct model_set *set)
{
    uint32_t ways = cache->spec->ways, victim = 0;
    for (uint32_t w = 0; w < ways; w++)
        if (!set->way[w].full)
            return &set->way[w];
    if (cache->spec->replacement == CACHE_REPLACE_PLRU) {
        if ((ways & (ways - 1)) == 0)
            return &set->way[model_follow(set->bit, 1, 0, ways)];
        while (set->bit[victim])
            victim++;
        return &set->way[victim];
    }
    for (uint32_t w = 1; w < ways; w++)
        if (set->way[w].used < set->way[victim].used)
            victim = w;
    return &set->way[victim];
}

/* ---- lines that move ---- */

static struct caches_counters *model_count(struct model *model, const struct model_cache *cache)
{
    return &model->counted[cache->index][model->cpu];
}

static void model_to_memory(struct model *model, uint32_t cpu, uint64_t address)
{
    if (model->writebacks < 64)
        model->writeback[model->writebacks++] = (struct model_writeback){cpu, address};
}

static bool model_give_up(struct model *model, struct model_cache *cache, struct model_way *way)
{
    bool dirty = way->dirty;
    model_count(model, cache)->writebacks += dirty;
    way->dirty = false;
    return dirty;
}

static void model_evict(struct model *model, struct model_cache *cache, struct model_way *way,
                        uint64_t tick)
{
    uint64_t address = way->line * cache->spec->line_bytes;
    if (cache->spec->inclusion == CACHE_INCLUSION_INCLUSIVE) {
        for (uint32_t i = 0; i < model->caches; i++) {
            struct model_cache *above = &model->cache[i];
            if (above->spec->level >= cache->spec->level || above->first < cache->first ||
                above->last > cache->last ||
                !((above->code && cache->code) || (above->data && cache->data)))
                continue;
            for (uint64_t at = address; at < address + cache->spec->line_bytes;
                 at += above->spec->line_bytes) {
                struct model_way *line = model_find(above, at);
                if (line == NULL)
                    continue;
                way->dirty |= model_give_up(model, above, line);
                way->last = line->last > way->last ? line->last : way->last;
                line->full = false;
            }
        }
    }
    struct model_cache *behind = model_behind(model, cache);
    struct model_way gone = *way;
    bool dirty = model_give_up(model, cache, way);
    way->full = false;
    if (behind != NULL && behind->spec->inclusion == CACHE_INCLUSION_EXCLUSIVE) {
        struct model_set *set = model_set_of(behind, &(struct model_part){.physical = address});
        struct model_way *to = model_find(behind, address);
        if (to == NULL) {
            to = model_victim(behind, set);
            if (to->full)
                model_evict(model, behind, to, tick);
            *to = (struct model_way){.full = true, .line = gone.line};
        }
        model_use(behind, set, to, tick);
        to->last = gone.last > to->last ? gone.last : to->last;
        to->dirty |= dirty;
        return;
    }
    for (; dirty && behind != NULL; behind = model_behind(model, behind)) {
        struct model_way *to = model_find(behind, address);
        if (to != NULL) {
            to->dirty = true;
            return;
        }
    }
    if (dirty)
        model_to_memory(model, cache->cpu, address);
}

/* ---- a reference ---- */

static uint32_t model_cut(const struct model *model, const struct model_reference *reference,
                          uint64_t line, struct model_part *part)
{
    uint64_t last = reference->virtual_address + reference->bytes - 1;
    part[0] =
        (struct model_part){reference->virtual_address, reference->physical, reference->bytes};
    if (last / line == reference->virtual_address / line)
        return 1;
    uint64_t second = last / line * line, page = model->machine->page_bytes;
    part[0].bytes = second - reference->virtual_address;
    part[1] = (struct model_part){second, reference->physical + part[0].bytes,
                                  reference->bytes - part[0].bytes};
    if (second / page != reference->virtual_address / page)
        part[1].physical = reference->second_page;
    return 2;
}

static bool model_any_lost(const struct model *model, const struct model_cache *cache,
                           uint64_t block)
{
    uint64_t lines = model->block / cache->spec->line_bytes;
    for (uint64_t line = block * lines; line < (block + 1) * lines; line++)
        if (cache->lost[line] != 0)
            return true;
    return false;
}

/* A cache remembers losses in as many blocks as it has lines; the oldest goes. */
static void model_lose(const struct model *model, struct model_cache *cache, uint64_t line)
{
    uint64_t lines = model->block / cache->spec->line_bytes, block = line / lines;
    uint64_t remembered = 0, oldest = 0;
    cache->lost[line] = model->ordinal;
    if (cache->lost_block[block] != 0)
        return;
    for (uint64_t b = 0; b < MODEL_LINES / lines; b++) {
        if (cache->lost_block[b] == 0)
            continue;
        if (remembered++ == 0 || cache->lost_block[b] < cache->lost_block[oldest])
            oldest = b;
    }
    cache->lost_block[block] = ++cache->losses;
    if (remembered < cache->sets * cache->spec->ways)
        return;
    cache->lost_block[oldest] = 0;
    for (uint64_t l = oldest * lines; l < (oldest + 1) * lines; l++)
        cache->lost[l] = 0;
}

static void model_classify(struct model *model, struct model_cache *cache,
                           const struct model_part *part, bool counts)
{
    struct caches_counters *counters = model_count(model, cache);
    uint64_t line = part->physical / cache->spec->line_bytes;
    bool cold = !cache->seen[line], shared = false;
    for (uint64_t word = part->physical / 4; word <= (part->physical + part->bytes - 1) / 4; word++)
        for (uint32_t cpu = 0; cpu < model->machine->cpus; cpu++)
            if (cache->lost[line] != 0 && model->stored[word][cpu] >= cache->lost[line] &&
                model_is_other(model, cache, cpu))
                shared = true;
    if (counts) {
        counters->misses++;
        counters->cold += cold;
        counters->coherence += cache->lost[line] != 0;
        counters->false_sharing += cache->lost[line] != 0 && !shared;
        counters->capacity += !cold && cache->lost[line] == 0;
    }
    cache->seen[line] = true;
    cache->lost[line] = 0;
    uint64_t block = line / (model->block / cache->spec->line_bytes);
    if (!model_any_lost(model, cache, block))
        cache->lost_block[block] = 0;
}

struct model_walk {
    struct model_cache *path[MODEL_LEVELS];
    uint32_t depth, looked, served; /* served == depth: by memory */
    uint32_t parts[MODEL_LEVELS];
    struct model_part part[MODEL_LEVELS][2];
    bool present[MODEL_LEVELS][2];
    struct model_way *hit[MODEL_LEVELS][2];
    uint32_t moved;
    struct model_way moved_way[2 * MODEL_LEVELS];
};

static void model_look_up(struct model *model, struct model_walk *walk, uint32_t level)
{
    struct model_cache *cache = walk->path[level];
    bool exclusive = cache->spec->inclusion == CACHE_INCLUSION_EXCLUSIVE, missed = false;
    model->age = 0;
    model_count(model, cache)->accesses++;
    for (uint32_t p = 0; p < walk->parts[level]; p++) {
        const struct model_part *part = &walk->part[level][p];
        if (exclusive && walk->present[level - 1][p]) {
            walk->present[level][p] = true;
            continue;
        }
        struct model_set *set = model_set_of(cache, part);
        struct model_way *way = model_find(cache, part->physical);
        if (way != NULL && !model_in_set(set, way))
            way = NULL; /* there under another virtual address */
        if (way != NULL && !exclusive && p == 1 && missed &&
            model_set_of(cache, &walk->part[level][0]) == set && model_victim(cache, set) == way)
            way = NULL;
        if (way == NULL) {
            model_classify(model, cache, part, !missed);
            missed = true;
            continue;
        }
        walk->present[level][p] = true;
        walk->hit[level][p] = exclusive ? NULL : way;
        if (model->ordinal - way->last > model->age)
            model->age = model->ordinal - way->last;
        if (exclusive) {
            walk->moved_way[walk->moved++] = *way;
            way->full = false;
        }
    }
    walk->looked = level + 1;
    if (!missed)
        walk->served = level;
}

/* Lines of a block in a cache, one after the other: `at` starts at 0. */
static struct model_way *model_next_of_block(const struct model *model, struct model_cache *cache,
                                             uint64_t block, uint32_t *at)
{
    while (*at < model->block / cache->spec->line_bytes) {
        struct model_way *way =
            model_find(cache, block * model->block + *at * cache->spec->line_bytes);
        ++*at;
        if (way != NULL)
            return way;
    }
    return NULL;
}

static void model_mark_served(struct model *model, struct model_walk *walk, uint32_t level,
                              struct model_way *way, uint64_t block)
{
    if (way != NULL)
        way->dirty = true;
    for (uint32_t i = 0; way == NULL && i < walk->moved; i++)
        if (walk->moved_way[i].line * walk->path[level]->spec->line_bytes / model->block == block)
            walk->moved_way[i].dirty = true;
}

/* Settles a block with the others; returns the index of the level that serves it. */
static uint32_t model_settle(struct model *model, struct model_walk *walk,
                             const struct model_part *part, bool store, bool *others, uint64_t *age)
{
    uint64_t block = part->physical / model->block;
    uint32_t served = walk->served, first = UINT32_MAX, last = 0, at, from = UINT32_MAX;
    struct model_way *to = NULL;
    bool dirty = false;
    for (uint32_t i = 0; i < model->caches; i++) {
        struct model_cache *cache = &model->cache[i];
        at = 0;
        if (!model_is_other(model, cache, model->cpu) ||
            model_next_of_block(model, cache, block, &at) == NULL)
            continue;
        first = cache->first < first ? cache->first : first;
        last = cache->last > last ? cache->last : last;
    }
    if (first == UINT32_MAX)
        return served;
    *others = true;
    if (served < walk->depth)
        for (uint32_t p = walk->parts[served]; p-- > 0;)
            if (walk->part[served][p].physical / model->block == block)
                to = walk->hit[served][p];
    if (store && served < walk->depth) {
        while (served < walk->depth) {
            struct model_cache *cache = walk->path[served];
            struct model_way *way = model_find(cache, part->physical);
            if (cache->first <= first && last <= cache->last &&
                (served == walk->served || way != NULL)) {
                if (served > walk->served) {
                    to = way;
                    *age = model->ordinal - way->last;
                }
                break;
            }
            served++;
        }
    }
    for (uint32_t i = 0; i < model->caches; i++) {
        struct model_cache *cache = &model->cache[i];
        struct model_way *way;
        at = 0;
        while (model_is_other(model, cache, model->cpu) &&
               (way = model_next_of_block(model, cache, block, &at)) != NULL) {
            if (model_give_up(model, cache, way)) {
                dirty = true;
                from = cache->cpu < from ? cache->cpu : from;
            }
            if (store) {
                model_lose(model, cache, way->line);
                way->full = false;
            }
        }
    }
    if (dirty && served < walk->depth)
        model_mark_served(model, walk, served, to, block);
    if (dirty && served == walk->depth)
        model_to_memory(model, from, block * model->block);
    return served;
}

static void model_fill(struct model *model, struct model_walk *walk, uint32_t level, uint32_t p,
                       bool store)
{
    struct model_cache *cache = walk->path[level];
    const struct model_part *part = &walk->part[level][p];
    uint64_t line = part->physical / cache->spec->line_bytes, tick = 2 * model->ordinal + p;
    bool dirty = false;
    for (uint32_t i = 0; i < walk->moved; i++) {
        if (walk->moved_way[i].line == line && walk->moved_way[i].dirty) {
            dirty = true;
            walk->moved_way[i].dirty = false;
            break;
        }
    }
    for (struct model_cache *behind = model_behind(model, cache); behind != NULL;
         behind = model_behind(model, behind)) {
        if (behind->spec->inclusion == CACHE_INCLUSION_INCLUSIVE &&
            model_find(behind, part->physical) == NULL) {
            if (dirty || (store && level == 0))
                model_to_memory(model, cache->cpu, line * cache->spec->line_bytes);
            return;
        }
    }
    struct model_way *alias = model_find(cache, part->physical);
    if (alias != NULL) {
        dirty |= alias->dirty;
        alias->full = false;
    }
    struct model_set *set = model_set_of(cache, part);
    struct model_way *way = model_victim(cache, set);
    if (way->full)
        model_evict(model, cache, way, tick);
    *way = (struct model_way){.full = true, .line = line, .last = model->ordinal, .dirty = dirty};
    model_use(cache, set, way, tick);
    if (store && level == 0)
        way->dirty = true;
}

static void model_refer(struct model *model, struct model_reference reference)
{
    struct model_walk walk = {.served = UINT32_MAX};
    struct model_part block[2];
    bool store = reference.kind == 2, others = false;
    model->cpu = reference.cpu;
    model->ordinal = reference.ordinal;
    model->writebacks = 0;
    if (reference.bytes > model->shortest)
        reference.bytes = model->shortest;
    walk.depth = model_path(model, reference.cpu, reference.kind == 0, walk.path);
    walk.served = walk.depth;
    for (uint32_t level = 0; level < walk.depth && walk.served == walk.depth; level++) {
        walk.parts[level] =
            model_cut(model, &reference, walk.path[level]->spec->line_bytes, walk.part[level]);
        model_look_up(model, &walk, level);
    }
    uint32_t blocks = model_cut(model, &reference, model->block, block), served = walk.served;
    uint64_t age = model->age;
    for (uint32_t b = 0; b < blocks; b++) {
        uint64_t block_age = 0;
        if (!store && walk.served == 0 && walk.depth > 0)
            continue; /* a first cache that has the line asks nobody */
        uint32_t level = model_settle(model, &walk, &block[b], store, &others, &block_age);
        if (level == served)
            age = block_age > age ? block_age : age;
        else if (level > served)
            age = block_age;
        served = level > served ? level : served;
    }
    if (store && others && walk.served < walk.depth)
        model_count(model, walk.path[walk.served])->upgrades++;
    for (uint32_t level = 0; level < walk.looked; level++)
        for (uint32_t p = 0; p < walk.parts[level]; p++)
            if (walk.hit[level][p] != NULL) {
                model_use(walk.path[level], model_set_of(walk.path[level], &walk.part[level][p]),
                          walk.hit[level][p], 2 * model->ordinal + p);
                walk.hit[level][p]->dirty |= store && level == 0;
                for (uint32_t behind = level; behind < walk.depth; behind++) {
                    struct model_way *way =
                        model_find(walk.path[behind], walk.part[level][p].physical);
                    if (way != NULL &&
                        walk.path[behind]->spec->inclusion != CACHE_INCLUSION_EXCLUSIVE)
                        way->last = model->ordinal;
                }
            }
    for (uint32_t level = walk.looked; level-- > 0;)
        for (uint32_t p = 0; p < walk.parts[level]; p++)
            if (!walk.present[level][p] &&
                walk.path[level]->spec->inclusion != CACHE_INCLUSION_EXCLUSIVE)
                model_fill(model, &walk, level, p, store);
    /* what was used, and what was stored */
    for (uint32_t level = 0; level < walk.depth; level++) {
        struct model_part part[2];
        uint32_t parts = model_cut(model, &reference, walk.path[level]->spec->line_bytes, part);
        for (uint32_t p = 0; p < parts; p++) {
            struct model_way *way = model_find(walk.path[level], part[p].physical);
            if (way != NULL && walk.path[level]->spec->inclusion != CACHE_INCLUSION_EXCLUSIVE)
                way->last = model->ordinal;
        }
    }
    for (uint32_t b = 0; store && b < blocks; b++)
        for (uint64_t word = block[b].physical / 4;
             word <= (block[b].physical + block[b].bytes - 1) / 4; word++)
            model->stored[word][reference.cpu] = model->ordinal;
    model->level = served == walk.depth ? CACHES_MEMORY : walk.path[served]->spec->level;
    model->age = served == walk.depth ? 0 : age;
}

#endif
