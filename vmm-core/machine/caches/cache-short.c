/* The short way of references, which is a hit in the first cache: nearly all of them go it.
 *
 * Fetches stay in a line for some instructions. While they do, their line is not looked for again, and
 * when it was used is kept in the loop (`fetched`) and written to its stamp as they leave it, or before
 * anybody else looks at stamps. Loads and stores jump about, and look into their set each time.
 */
#include "vmm-core/machine/caches/cache-internal.h"

#include <string.h>

#define WHAT_KIND_MASK 3u /* of caches_input.what: 0 fetch, 1 load, 2 store, 3 touch */
#define WHAT_FETCH     0u
#define WHAT_STORE     2u

#define likely(condition)   __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)
#define ALWAYS_INLINE       inline __attribute__((always_inline))

/* The first cache of a path, as the loop wants it. */
struct front {
    uint64_t *tag, *stamp; /* from its first slot on; never NULL */
    struct cache_line *line;
    const uint64_t *index_address;
    /* NULL: no such cache, or one above it whose hits make its lines younger */
    const struct cache_instance *cache;
    uint64_t within_line, set_mask;
    uint32_t line_shift;
    uint8_t level;
    bool many_ways; /* not two, or not a power of two of sets */
    bool plru;
};

static struct front front_of(const struct caches *caches, const struct cache_cpu *cpu,
                             enum cache_path path, const struct caches_input *input)
{
    const struct front none = {.tag = caches->tag,
                               .stamp = caches->stamp,
                               .line = caches->line,
                               .index_address = input->physical_address,
                               .many_ways = true};
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
        .set_mask = kind->sets - 1,
        .line_shift = kind->line_shift,
        .level = (uint8_t)kind->level,
        .many_ways = kind->ways != 2 || !kind->sets_are_power_of_two,
        .plru = cache->plru != NULL,
    };
}

/* The slot, counted from the cache's first, of a line; false: it is not there. */
static __attribute__((noinline)) bool find_of_many(const struct front *front, uint64_t index,
                                                   uint64_t line, uint32_t *slot)
{
    const struct cache_instance *cache = front->cache;
    if (cache == NULL)
        return false;
    const uint32_t ways = cache->kind->ways;
    const uint64_t set =
        cache->kind->sets_are_power_of_two ? index & front->set_mask : index % cache->kind->sets;
    const uint64_t *const tag = front->tag + set * ways;
    uint32_t way = cache->most_recent[set];
    if (tag[way] != line + 1) {
        for (way = 0; way < ways && tag[way] != line + 1; way++)
            ;
        if (way == ways)
            return false;
        cache->most_recent[set] = way;
    }
    *slot = (uint32_t)set * ways + way;
    return true;
}

/* The same. Two ways are told apart without a branch that depends on the way. */
static ALWAYS_INLINE bool find(const struct front *front, uint64_t index_address, uint64_t physical,
                               uint32_t *slot)
{
    const uint64_t line = physical >> front->line_shift, index = index_address >> front->line_shift;
    if (unlikely(front->many_ways)) {
        uint32_t found = 0; /* a variable of its own, so that *slot may stay in a register */
        const bool is_there = find_of_many(front, index, line, &found);
        *slot = found;
        return is_there;
    }
    const uint64_t first = (index & front->set_mask) * 2;
    const uint64_t at = first + (front->tag[first + 1] == line + 1);
    *slot = (uint32_t)at;
    return front->tag[at] == line + 1;
}

/* Of caches that go by stamps alone, the stamp is all. */
static void use_plru(const struct front *front, uint32_t slot)
{
    const struct cache_instance *cache = front->cache;
    const uint32_t set = slot / cache->kind->ways;
    cache->plru[set] =
        cache_plru_touched(cache->kind, cache->plru[set], slot - set * cache->kind->ways);
}

static ALWAYS_INLINE uint32_t saturated(uint64_t age)
{
    return age < UINT32_MAX ? (uint32_t)age : UINT32_MAX;
}

/* A reference that straddles two lines of the first cache, both of which are there; most are fetches.
 * Returns the slot of the second; CACHE_NONE: nothing has been done. */
static uint32_t short_straddle(struct caches *caches, const struct front *front,
                               const struct caches_input *input, size_t i)
{
    const uint64_t page = caches->machine->page_bytes, bytes = input->bytes[i];
    const uint64_t virtual_address = input->virtual_address[i];
    const uint64_t physical = input->physical_address[i], ordinal = input->first + i;
    const uint64_t room = front->within_line - (physical & front->within_line) + 1;
    const uint64_t index = front->index_address[i];
    if (front->cache == NULL || bytes == 0 || bytes > caches->shortest_line ||
        bytes > page - (virtual_address & (page - 1)))
        return CACHE_NONE;
    uint32_t one, two;
    if (!find(front, index, physical, &one) || !find(front, index + room, physical + room, &two))
        return CACHE_NONE;
    if ((input->what[i] & WHAT_KIND_MASK) == WHAT_STORE) {
        if (!front->line[one].writable || !front->line[two].writable)
            return CACHE_NONE;
        front->line[one].written |= cache_words(caches, physical, room);
        front->line[two].written |= cache_words(caches, physical + room, bytes - room);
    }
    if (front->plru) {
        use_plru(front, one);
        use_plru(front, two);
    }
    const uint64_t last_one = front->stamp[one] / 2, last_two = front->stamp[two] / 2;
    front->stamp[one] = cache_tick(ordinal, 0);
    front->stamp[two] = cache_tick(ordinal, 1);
    caches->outcome->level[caches->at] = front->level;
    caches->outcome->age[caches->at] =
        saturated(ordinal - (last_one < last_two ? last_one : last_two));
    return two;
}

static void long_way(struct caches *caches, const struct caches_input *input, size_t i,
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
    if (!cache_refer_near(caches, &reference))
        cache_refer(caches, &reference);
}

static bool ready(struct caches *caches, uint32_t cpu)
{
    for (uint32_t path = 0; path < CACHE_PATHS; path++)
        for (uint32_t i = 0; i < caches->cpu[cpu].depth[path]; i++)
            if (!cache_ready(&caches->instance[caches->cpu[cpu].path[path][i]]))
                return false;
    return true;
}

#define NO_LINE (UINT64_C(1) << 63) /* of no page: a PPN has 32 bits */

/* The line that is being fetched from: the address of its first byte, as it is indexed by, its tag
 * and its stamp, which is behind, and which reference of the call was the last to fetch from it. */
struct fetched {
    uint64_t address;
    const uint64_t *tag;
    uint64_t *stamp;
    size_t at;
};

static ALWAYS_INLINE struct fetched fetch_from(const struct front *code, uint32_t slot,
                                               uint64_t address, size_t at)
{
    return (struct fetched){.address = address,
                            .tag = &code->tag[slot],
                            .stamp = &code->stamp[slot],
                            .at = at};
}

static ALWAYS_INLINE void write_stamp(const struct fetched *fetched, uint64_t first)
{
    const uint64_t tick = cache_tick(first + fetched->at, 0);
    if (*fetched->stamp < tick) /* not so if it has only been the second line of a reference */
        *fetched->stamp = tick;
}

/* The first reference from i on that is no fetch which stays in the line. */
static ALWAYS_INLINE size_t stay(const struct caches_input *input, size_t i,
                                 const struct front *code, struct fetched *fetched, uint32_t *ages,
                                 const bool sizes)
{
    const uint8_t *const what = input->what;
    const uint64_t *const index_address = code->index_address, *const bytes = input->bytes;
    const uint64_t within_line = code->within_line, line = fetched->address;
    const size_t references = input->references;
    size_t at = fetched->at;
    for (; i < references && (what[i] & WHAT_KIND_MASK) == WHAT_FETCH; i++) {
        const uint64_t offset = index_address[i] - line, last_byte = sizes ? bytes[i] - 1 : 0;
        /* none of the three is larger than the bits of all */
        if ((offset | last_byte | (offset + last_byte)) > within_line)
            break;
        ages[i] = (uint32_t)(i - at);
        at = i;
    }
    fetched->at = at;
    return i;
}

/* A reference that is not a hit in one line of the first cache which has all that it needs. Returns
 * the slot of the second line, if it straddles two that are there; CACHE_NONE: it went the long way. */
static __attribute__((noinline)) uint32_t other_ways(struct caches *caches,
                                                     const struct front *front,
                                                     const struct caches_input *input, size_t i,
                                                     uint32_t *seconds)
{
    uint32_t slot = CACHE_NONE;
    if (input->bytes != NULL &&
        input->bytes[i] - 1 > (~input->physical_address[i] & front->within_line))
        slot = short_straddle(caches, front, input, i);
    if (slot == CACHE_NONE)
        long_way(caches, input, i, seconds);
    return slot;
}

/* The loop over references with `sizes` or without. */
static ALWAYS_INLINE void refer(struct caches *caches, const struct caches_input *input,
                                uint32_t at, const struct front *fronts, const bool sizes)
{
    const struct front *const code = &fronts[CACHE_CODE], *const data = &fronts[CACHE_DATA];
    const bool apart = code->cache != NULL && code->cache != data->cache;
    const uint64_t first = input->first;
    const size_t references = input->references;
    uint8_t *const levels = caches->outcome->level + at;
    uint32_t *const ages = caches->outcome->age + at;
    uint64_t nobody = UINT64_MAX;
    const struct fetched none = {.address = NO_LINE, .tag = &nobody, .stamp = &nobody};
    struct fetched fetched = none;
    uint64_t long_ways = 0, data_hits = 0;
    uint32_t seconds = 0;
    memset(levels, code->level, references); /* what is not a hit there says so itself */
    for (size_t i = 0; (i = stay(input, i, code, &fetched, ages, sizes)) < references; i++) {
        const uint32_t kind = input->what[i] & WHAT_KIND_MASK;
        const struct front *const front = kind == WHAT_FETCH ? code : data;
        const uint64_t physical = input->physical_address[i], index = front->index_address[i];
        const uint64_t last_byte = sizes ? input->bytes[i] - 1 : 0;
        const uint64_t room = ~physical & front->within_line;
        uint32_t slot = 0;
        if (unlikely(last_byte > room) || unlikely(!find(front, index, physical, &slot)) ||
            (kind == WHAT_STORE && unlikely(!front->line[slot].writable))) {
            write_stamp(&fetched, first);
            caches->at = at + (uint32_t)i;
            slot = other_ways(caches, front, input, i, &seconds);
            long_ways += slot == CACHE_NONE;
            data_hits += slot != CACHE_NONE && front == data;
            if (front == code && slot != CACHE_NONE && apart) /* fetches go on in the second line */
                fetched = fetch_from(code, slot, index + room + 1, i);
            else if (front == code || *fetched.tag == 0) /* gone, with what includes it */
                fetched = none;
            continue;
        }
        uint64_t *const stamp = &front->stamp[slot];
        if (front == code && apart) {
            write_stamp(&fetched, first);
            fetched = fetch_from(code, slot, index & ~front->within_line, i);
            ages[i] = saturated(first + i - *stamp / 2);
        } else {
            data_hits++;
            levels[i] = front->level;
            ages[i] = saturated(first + i - *stamp / 2);
            *stamp = cache_tick(first + i, 0);
            if (kind == WHAT_STORE)
                front->line[slot].written |= cache_words(caches, physical, last_byte + 1);
        }
        if (unlikely(front->plru))
            use_plru(front, slot);
    }
    write_stamp(&fetched, first);
    if (data->cache != NULL)
        cache_count(caches, data->cache->kind)->accesses += data_hits;
    if (code->cache != NULL)
        cache_count(caches, code->cache->kind)->accesses += references - data_hits - long_ways;
}

char *caches_references(struct caches *caches, const struct caches_input *input,
                        struct caches_outcome *outcome, uint32_t at)
{
    if (!ready(caches, input->cpu))
        return cache_out_of_memory(caches->machine);
    const struct cache_cpu *cpu = &caches->cpu[input->cpu];
    const struct front fronts[CACHE_PATHS] = {front_of(caches, cpu, CACHE_CODE, input),
                                              front_of(caches, cpu, CACHE_DATA, input)};
    caches->outcome = outcome;
    caches->at_cpu = input->cpu;
    if (input->bytes != NULL)
        refer(caches, input, at, fronts, true);
    else
        refer(caches, input, at, fronts, false);
    return caches->no_memory ? cache_out_of_memory(caches->machine) : NULL;
}
