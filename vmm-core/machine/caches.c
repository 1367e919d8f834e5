/* The caches of a machine: made from its description, and the short way of a reference, which is a hit
 * in the first cache. */
#include "vmm-core/machine/cache-internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define WHAT_KIND_MASK 3u /* of caches_input.what: 0 fetch, 1 load, 2 store, 3 touch */
#define WHAT_FETCH     0u
#define WHAT_STORE     2u

static void fill_kind(const struct machine *machine, uint32_t index, struct cache_kind *kind)
{
    const struct machine_cache *cache = &machine->cache[index];
    bool code = strcmp(cache->kind, "data") != 0, data = strcmp(cache->kind, "instruction") != 0;
    uint64_t sets = cache->size_bytes / cache->line_bytes / cache->ways;
    *kind = (struct cache_kind){
        .index = index,
        .level = cache->level,
        .line_shift = (uint32_t)__builtin_ctz(cache->line_bytes),
        .ways = cache->ways,
        .sets = sets,
        .path = {[CACHE_CODE] = code, [CACHE_DATA] = data},
        .sets_are_power_of_two = (sets & (sets - 1)) == 0,
        /* otherwise the index lies within the page */
        .virtual_index =
            cache->index == CACHE_INDEX_VIRTUAL && sets * cache->line_bytes > machine->page_bytes,
        .inclusive = cache->inclusion == CACHE_INCLUSION_INCLUSIVE,
        .exclusive = cache->inclusion == CACHE_INCLUSION_EXCLUSIVE,
        .plru = cache->replacement == CACHE_REPLACE_PLRU,
        .tree = (cache->ways & (cache->ways - 1)) == 0,
    };
    for (uint32_t i = 0; i < machine->caches; i++) {
        const struct machine_cache *other = &machine->cache[i];
        kind->has_above = kind->has_above || (other->level < cache->level &&
                                              ((code && strcmp(other->kind, "data") != 0) ||
                                               (data && strcmp(other->kind, "instruction") != 0)));
    }
}

/* Indices of machine->cache[] by rising level. */
static void by_level(const struct machine *machine, uint32_t *order)
{
    uint32_t count = 0;
    for (uint32_t level = 0; count < machine->caches; level++)
        for (uint32_t i = 0; i < machine->caches; i++)
            if (machine->cache[i].level == level)
                order[count++] = i;
}

/* The instances of one kind, behind those of lower levels that its CPUs have already. */
static bool add_kind(struct caches *caches, const struct cache_kind *kind, const uint32_t *order,
                     uint64_t *slots)
{
    uint32_t group[MACHINE_CPUS_MAX];
    uint32_t groups = machine_cache_groups(caches->machine, kind->index, group);
    struct cache_instance *grown =
        realloc(caches->instance, (caches->instances + groups) * sizeof *grown);
    if (grown == NULL)
        return false;
    caches->instance = grown;
    for (uint32_t i = 0; i < groups; i++, *slots += kind->sets * kind->ways)
        grown[caches->instances + i] = (struct cache_instance){.kind = kind,
                                                               .first_cpu = UINT32_MAX,
                                                               .below = CACHE_NONE,
                                                               .first_slot = (uint32_t)*slots};
    for (uint32_t place = 0; place < caches->machine->cpus; place++) {
        struct cache_cpu *cpu = &caches->cpu[order[place]];
        uint32_t at = caches->instances + group[order[place]];
        struct cache_instance *cache = &grown[at];
        if (cache->first_cpu == UINT32_MAX) {
            cache->first_cpu = place;
            cache->cpu = order[place];
        }
        cache->last_cpu = place;
        for (uint32_t path = 0; path < CACHE_PATHS; path++) {
            if (!kind->path[path])
                continue;
            if (cpu->depth[path] > 0)
                grown[cpu->path[path][cpu->depth[path] - 1]].below = at;
            cpu->path[path][cpu->depth[path]++] = at;
        }
    }
    caches->instances += groups;
    return *slots < CACHE_NONE;
}

static bool add_all(struct caches *caches)
{
    const struct machine *machine = caches->machine;
    uint32_t cpu_order[MACHINE_CPUS_MAX], order[MACHINE_CACHES_MAX];
    uint64_t slots = 0;
    machine_cpu_order(machine, cpu_order);
    by_level(machine, order);
    for (uint32_t i = 0; i < machine->caches; i++) {
        struct cache_kind *kind = &caches->kind[order[i]];
        fill_kind(machine, order[i], kind);
        caches->shortest_line =
            caches->shortest_line == 0 || 1u << kind->line_shift < caches->shortest_line
                ? 1u << kind->line_shift
                : caches->shortest_line;
        if (kind->line_shift > caches->block_shift)
            caches->block_shift = kind->line_shift;
        if (!add_kind(caches, kind, cpu_order, &slots))
            return false;
    }
    for (uint32_t place = 0; place < machine->cpus; place++) {
        struct cache_cpu *cpu = &caches->cpu[cpu_order[place]];
        bool has_data = cpu->depth[CACHE_DATA] > 0;
        cpu->place = place;
        cpu->top = has_data ? cpu->path[CACHE_DATA][0] : CACHE_NONE;
        cpu->top_first = has_data ? caches->instance[cpu->top].first_cpu : place;
        cpu->top_last = has_data ? caches->instance[cpu->top].last_cpu : place;
    }
    caches->slots = (uint32_t)slots;
    return true;
}

/* Zeros that take memory as they are used: a machine may have 4096 CPUs, and a trace two. */
static void *reserve(uint64_t bytes)
{
    void *room = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return room != MAP_FAILED ? room : NULL;
}

static void release(void *room, uint64_t bytes)
{
    if (room != NULL)
        munmap(room, bytes);
}

static char *out_of_memory(const struct machine *machine)
{
    char *line = NULL;
    return asprintf(&line, "%s: caches: out of memory; give the machine less of them",
                    machine->name) >= 0
               ? line
               : strdup("out of memory");
}

char *caches_new(const struct machine *machine, struct caches **out)
{
    *out = NULL;
    struct caches *caches = calloc(1, sizeof *caches);
    if (caches == NULL)
        return out_of_memory(machine);
    caches->machine = machine;
    caches->cpu = calloc(machine->cpus, sizeof *caches->cpu);
    caches->counted = calloc((size_t)machine->caches * machine->cpus, sizeof *caches->counted);
    if (caches->cpu == NULL || caches->counted == NULL ||
        !cache_directory_new(&caches->directory) || !cache_history_new(&caches->history) ||
        !add_all(caches)) {
        caches_free(caches);
        return out_of_memory(machine);
    }
    caches->tag = reserve(caches->slots * sizeof *caches->tag);
    caches->stamp = reserve(caches->slots * sizeof *caches->stamp);
    caches->line = reserve(caches->slots * sizeof *caches->line);
    if (caches->tag == NULL || caches->stamp == NULL || caches->line == NULL) {
        caches_free(caches);
        return out_of_memory(machine);
    }
    *out = caches;
    return NULL;
}

void caches_free(struct caches *caches)
{
    if (caches == NULL)
        return;
    release(caches->tag, caches->slots * sizeof *caches->tag);
    release(caches->stamp, caches->slots * sizeof *caches->stamp);
    release(caches->line, caches->slots * sizeof *caches->line);
    for (uint32_t i = 0; i < caches->instances; i++) {
        struct cache_instance *cache = &caches->instance[i];
        for (uint64_t chunk = 0; chunk < cache->chunks; chunk++)
            free(cache->seen[chunk]);
        free(cache->seen);
        free(cache->most_recent);
        free(cache->plru);
    }
    cache_directory_free(&caches->directory);
    cache_history_free(&caches->history);
    free(caches->instance);
    free(caches->cpu);
    free(caches->counted);
    free(caches);
}

/* ---- the short way ---- */

#define NO_LINE UINT64_MAX /* of no address: lines have 8 bytes at least */

/* The first cache of a path, as the loop wants it. */
struct front {
    uint64_t *tag, *stamp;
    struct cache_line *line;
    const uint64_t *index_address;
    const struct cache_instance *cache;
    uint64_t hits;
    uint64_t within_line,
        line_bytes; /* 0: no such cache, or one above it whose hits make its lines younger */
    /* Found last, and its slot: most references stay in a line. `last_index`: where it was looked
     * for, as a line has several virtual addresses. */
    uint64_t last_line, last_index;
    uint32_t last_slot;
    uint32_t line_shift;
    uint8_t level;
};

static struct front front_of(const struct caches *caches, const struct cache_cpu *cpu,
                             enum cache_path path, const struct caches_input *input)
{
    const struct front none = {.index_address = input->physical_address};
    if (cpu->depth[path] == 0)
        return none;
    const struct cache_instance *cache = &caches->instance[cpu->path[path][0]];
    const struct cache_kind *kind = cache->kind;
    if (kind->has_above)
        return none;
    return (struct front){
        .tag = caches->tag + cache->first_slot,
        .stamp = caches->stamp + cache->first_slot,
        .line = caches->line + cache->first_slot,
        .index_address = kind->virtual_index ? input->virtual_address : input->physical_address,
        .cache = cache,
        .within_line = (UINT64_C(1) << kind->line_shift) - 1,
        .line_bytes = UINT64_C(1) << kind->line_shift,
        .last_line = NO_LINE,
        .line_shift = kind->line_shift,
        .level = (uint8_t)kind->level,
    };
}

/* The slot, counted from the cache's first, of a line that is there; CACHE_NONE. */
static uint32_t short_find(const struct caches *caches, struct front *front, uint64_t index,
                           uint64_t line)
{
    const struct cache_instance *cache = front->cache;
    const struct cache_kind *kind = cache->kind;
    uint64_t set = kind->sets_are_power_of_two ? index & (kind->sets - 1) : index % kind->sets;
    uint32_t first = (uint32_t)set * kind->ways, slot;
    if (kind->ways == 2) { /* without a branch that depends on the way */
        slot = first + (front->tag[first + 1] == line + 1);
        if (front->tag[slot] != line + 1)
            return CACHE_NONE;
    } else {
        slot = first + cache->most_recent[set];
        if (front->tag[slot] != line + 1) {
            slot = cache_find(caches, cache, set, line);
            if (slot == CACHE_NONE)
                return CACHE_NONE;
            slot -= cache->first_slot;
            cache->most_recent[set] = slot - first;
        }
    }
    if (cache->plru != NULL)
        cache->plru[set] = cache_plru_touched(kind, cache->plru[set], slot - first);
    return slot;
}

static void long_way(struct caches *caches, const struct caches_input *input, uint32_t i,
                     uint32_t *seconds)
{
    uint32_t kind = input->what[i] & WHAT_KIND_MASK;
    uint64_t page = caches->machine->page_bytes, bytes = input->bytes != NULL ? input->bytes[i] : 1;
    uint64_t left = page - (input->virtual_address[i] & (page - 1));
    struct cache_reference reference = {
        .cpu = &caches->cpu[input->cpu],
        .path = kind == WHAT_FETCH ? CACHE_CODE : CACHE_DATA,
        .store = kind == WHAT_STORE,
        .ordinal = input->first + i,
        .virtual_address = input->virtual_address[i],
        .physical = input->physical_address[i],
        .bytes = bytes == 0 ? 1 : bytes,
    };
    if (reference.bytes > left) {
        if (input->second_page != NULL)
            reference.second_page = input->second_page[(*seconds)++];
        else
            reference.bytes = left;
    }
    if (reference.bytes > caches->shortest_line)
        reference.bytes = caches->shortest_line;
    cache_refer(caches, &reference);
}

/* A reference that straddles two lines of the first cache, both of which are there; most are fetches.
 * False: nothing has been done. */
static bool short_straddle(struct caches *caches, const struct front *front,
                           const struct caches_input *input, uint32_t i)
{
    const struct cache_instance *cache = front->cache;
    const uint64_t page = caches->machine->page_bytes, bytes = input->bytes[i];
    const uint64_t virtual_address = input->virtual_address[i];
    uint64_t physical = input->physical_address[i], age = 0;
    const uint64_t room = front->line_bytes - (physical & front->within_line);
    const bool store = (input->what[i] & WHAT_KIND_MASK) == WHAT_STORE;
    uint32_t slot[CACHE_PARTS];
    uint64_t set[CACHE_PARTS];
    if (bytes == 0 || bytes > caches->shortest_line ||
        bytes > page - (virtual_address & (page - 1)))
        return false;
    for (uint32_t part = 0; part < CACHE_PARTS; part++) {
        const uint64_t at = physical + part * room;
        set[part] = cache_set(cache, virtual_address + part * room, at);
        slot[part] = cache_find(caches, cache, set[part], at >> front->line_shift);
        if (slot[part] == CACHE_NONE || (store && !caches->line[slot[part]].writable))
            return false;
    }
    for (uint32_t part = 0; part < CACHE_PARTS; part++) {
        const uint64_t last = caches->stamp[slot[part]] / 2, ordinal = input->first + i;
        age = ordinal - last > age ? ordinal - last : age;
        cache_touch(caches, cache, set[part], slot[part], cache_tick(ordinal, part));
        if (store)
            caches->line[slot[part]].written |=
                cache_words(caches, physical, part == 0 ? room : bytes - room);
        physical += room;
    }
    caches->outcome->level[caches->at] = front->level;
    caches->outcome->age[caches->at] = age < UINT32_MAX ? (uint32_t)age : UINT32_MAX;
    return true;
}

static bool ready(struct caches *caches, uint32_t cpu)
{
    for (uint32_t path = 0; path < CACHE_PATHS; path++)
        for (uint32_t i = 0; i < caches->cpu[cpu].depth[path]; i++)
            if (!cache_ready(&caches->instance[caches->cpu[cpu].path[path][i]]))
                return false;
    return true;
}

char *caches_references(struct caches *caches, const struct caches_input *input,
                        struct caches_outcome *outcome, uint32_t at)
{
    if (!ready(caches, input->cpu))
        return out_of_memory(caches->machine);
    const struct cache_cpu *cpu = &caches->cpu[input->cpu];
    struct front fronts[CACHE_PATHS] = {front_of(caches, cpu, CACHE_CODE, input),
                                        front_of(caches, cpu, CACHE_DATA, input)};
    /* one cache for both has one front */
    struct front *by_path[CACHE_PATHS] = {
        &fronts[fronts[0].cache == fronts[1].cache ? CACHE_DATA : CACHE_CODE], &fronts[CACHE_DATA]};
    uint32_t seconds = 0;
    caches->outcome = outcome;
    caches->at_cpu = input->cpu;
    const uint8_t *what = input->what;
    const uint64_t *physicals = input->physical_address, one = 1,
                   *bytes = input->bytes != NULL ? input->bytes : &one;
    const uint64_t bytes_step = input->bytes != NULL, first = input->first;
    const uint32_t references = input->references;
    uint8_t *levels = outcome->level + at;
    uint32_t *ages = outcome->age + at;
    for (uint32_t i = 0; i < references; i++) {
        const uint32_t kind = what[i] & WHAT_KIND_MASK;
        struct front *const front = by_path[kind != WHAT_FETCH];
        const uint64_t physical = physicals[i], size = bytes[i * bytes_step];
        const uint64_t line = physical >> front->line_shift,
                       index = front->index_address[i] >> front->line_shift;
        uint32_t slot = front->last_slot;
        const bool straddles = size - 1 >= front->line_bytes - (physical & front->within_line);
        if (straddles) /* or there is no such cache */
            slot = CACHE_NONE;
        else if (line != front->last_line || index != front->last_index)
            slot = short_find(caches, front, index, line);
        if (slot == CACHE_NONE || (kind == WHAT_STORE && !front->line[slot].writable)) {
            caches->at = at + i;
            if (straddles && front->line_bytes != 0 && input->bytes != NULL &&
                short_straddle(caches, front, input, i))
                front->hits++;
            else
                long_way(caches, input, i, &seconds);
            fronts[CACHE_CODE].last_line = NO_LINE;
            fronts[CACHE_DATA].last_line = NO_LINE;
            continue;
        }
        if (kind == WHAT_STORE)
            front->line[slot].written |= cache_words(caches, physical, size);
        const uint64_t tick = cache_tick(first + i, 0), age = (tick - front->stamp[slot] + 1) / 2;
        front->stamp[slot] = tick;
        front->last_line = line;
        front->last_index = index;
        front->last_slot = slot;
        levels[i] = front->level;
        ages[i] = age < UINT32_MAX ? (uint32_t)age : UINT32_MAX;
        front->hits++;
    }
    for (uint32_t path = 0; path < CACHE_PATHS; path++)
        if (fronts[path].cache != NULL)
            cache_count(caches, fronts[path].cache->kind)->accesses += fronts[path].hits;
    return caches->no_memory ? out_of_memory(caches->machine) : NULL;
}

void caches_forget_page(struct caches *caches, uint64_t physical_page)
{
    uint64_t page_bytes = caches->machine->page_bytes;
    uint64_t first = physical_page * page_bytes >> caches->block_shift;
    for (uint64_t block = first; block < first + (page_bytes >> caches->block_shift); block++) {
        uint32_t entry = cache_directory_find(&caches->directory, block);
        cache_forget_losses(caches, block);
        uint32_t slot = entry != CACHE_NONE ? caches->directory.entry[entry].holders : CACHE_NONE;
        for (uint32_t next; slot != CACHE_NONE; slot = next) {
            next = caches->line[slot].next;
            cache_leave(caches, slot);
        }
    }
}

struct caches_counters caches_counted_cpu(const struct caches *caches, uint32_t index, uint32_t cpu)
{
    return caches->counted[(size_t)index * caches->machine->cpus + cpu];
}

struct caches_counters caches_counted(const struct caches *caches, uint32_t index)
{
    struct caches_counters sum = {0};
    for (uint32_t cpu = 0; cpu < caches->machine->cpus; cpu++) {
        const struct caches_counters one = caches_counted_cpu(caches, index, cpu);
        sum.accesses += one.accesses;
        sum.misses += one.misses;
        sum.cold += one.cold;
        sum.capacity += one.capacity;
        sum.coherence += one.coherence;
        sum.false_sharing += one.false_sharing;
        sum.upgrades += one.upgrades;
        sum.writebacks += one.writebacks;
    }
    return sum;
}
