/* The caches of a machine: made from its description, their counters, and pages that are freed. */
#include "vmm-core/machine/caches/cache-internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

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

char *cache_out_of_memory(const struct machine *machine)
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
        return cache_out_of_memory(machine);
    caches->machine = machine;
    caches->cpu = calloc(machine->cpus, sizeof *caches->cpu);
    caches->counted = calloc((size_t)machine->caches * machine->cpus, sizeof *caches->counted);
    if (caches->cpu == NULL || caches->counted == NULL ||
        !cache_directory_new(&caches->directory) || !cache_history_new(&caches->history) ||
        !add_all(caches)) {
        caches_free(caches);
        return cache_out_of_memory(machine);
    }
    caches->tag = reserve(caches->slots * sizeof *caches->tag);
    caches->stamp = reserve(caches->slots * sizeof *caches->stamp);
    caches->line = reserve(caches->slots * sizeof *caches->line);
    if (caches->tag == NULL || caches->stamp == NULL || caches->line == NULL) {
        caches_free(caches);
        return cache_out_of_memory(machine);
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
