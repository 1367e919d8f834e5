/* The TLBs of the machine JSON: one level as MIPS has it, or "levels" of arrays for pages of several
 * sizes, the page walk, and the monitor's second-level TLB in memory. */
#include <string.h>

#include "vmm-core/machine/description/defaults.h"
#include "vmm-core/machine/description/json-values.h"

/* An object with `entries` and without `ways` is fully associative. */
static uint32_t ways_of(const json_t *object, uint32_t entries, uint32_t ways)
{
    bool full = ways == 0 || (json_object_get(object, "entries") != NULL &&
                              json_object_get(object, "ways") == NULL);
    if (full)
        return entries > 0 ? entries : 1;
    return ways;
}

static char *missing(const struct draft *draft, const char *path, const json_t *object,
                     const char *key)
{
    char place[PATH_BYTES];
    return !json_is_object(object) || json_object_get(object, key) != NULL
               ? NULL
               : draft_error(draft, at_key(place, path, key), "missing; give it");
}

/* ["4K", "2M"] as bits. */
static char *read_pages(const struct draft *draft, const char *path, const json_t *list,
                        uint32_t *pages)
{
    char place[PATH_BYTES], *error = read_list(draft, path, list);
    if (error == NULL && json_array_size(list) == 0)
        return draft_error(draft, path, "no size of pages; give some of 4K, 2M, 1G");
    for (size_t i = 0; error == NULL && i < json_array_size(list); i++) {
        uint64_t size = 0;
        const json_t *word = json_array_get(list, i);
        at_index(place, path, i);
        if (!json_is_string(word))
            return expected(draft, place, word, "text");
        while (page_size_words[size] != NULL &&
               strcmp(page_size_words[size], json_string_value(word)) != 0)
            size++;
        if (page_size_words[size] == NULL)
            return draft_error(draft, place, "'%.40s' is none of 4K, 2M, 1G; write one of them",
                               json_string_value(word));
        *pages |= 1u << size;
    }
    return error;
}

static char *read_array(struct draft *draft, const char *path, json_t *object)
{
    static const char *const keys[] = {"pages", NULL};
    char place[PATH_BYTES];
    struct machine_tlb_array array = {.level = 1};
    char *error = read_object(draft, path, object, tlb_array_fields, keys, &array);
    for (const char *const *key = (const char *const[]){"level", "pages", "entries", NULL};
         error == NULL && *key != NULL; key++)
        error = missing(draft, path, object, *key);
    if (error == NULL)
        error = read_pages(draft, at_key(place, path, "pages"), json_object_get(object, "pages"),
                           &array.pages);
    if (error != NULL)
        return error;
    array.ways = ways_of(object, array.entries, array.ways);
    draft->tlb.array[draft->tlb.arrays++] = array;
    return NULL;
}

/* The scalars of a TLB that is described by levels are those of its first array for 4 KiB. */
static void take_first_array(struct machine_tlb *tlb)
{
    for (uint32_t i = 0; i < tlb->arrays; i++) {
        if (tlb->array[i].level == 1 && (tlb->array[i].pages & 1u << MACHINE_PAGE_4K) != 0) {
            tlb->entries = tlb->array[i].entries;
            tlb->ways = tlb->array[i].ways;
            break;
        }
    }
    tlb->pages_per_entry = 1;
}

static char *read_levels(struct draft *draft, const json_t *tlb, const json_t *levels)
{
    static const char *const sizes[] = {"entries", "ways", "pages_per_entry", NULL};
    char path[PATH_BYTES], *error = read_list(draft, "$.tlb.levels", levels);
    for (size_t i = 0; error == NULL && sizes[i] != NULL; i++)
        if (json_object_get(tlb, sizes[i]) != NULL)
            return draft_error(draft, at_key(path, "$.tlb", sizes[i]),
                               "$.tlb.levels says it already; leave out one of them");
    if (error == NULL &&
        (json_array_size(levels) == 0 || json_array_size(levels) > MACHINE_TLB_ARRAYS_MAX))
        return draft_error(draft, "$.tlb.levels", "%zu arrays; give 1 to %u",
                           json_array_size(levels), MACHINE_TLB_ARRAYS_MAX);
    for (size_t i = 0; error == NULL && i < json_array_size(levels); i++)
        error = read_array(draft, at_index(path, "$.tlb.levels", i), json_array_get(levels, i));
    if (error == NULL)
        take_first_array(&draft->tlb);
    return error;
}

static char *read_walk_caches(struct draft *draft, const json_t *caches)
{
    struct machine_walk *walk = &draft->tlb.walk;
    char path[PATH_BYTES], *error = read_list(draft, "$.tlb.walk.cache", caches);
    if (error == NULL && json_array_size(caches) > MACHINE_WALK_LEVELS_MAX - 1)
        return draft_error(draft, "$.tlb.walk.cache", "%zu levels; give one for each from 2 up",
                           json_array_size(caches));
    for (size_t i = 0; error == NULL && i < json_array_size(caches); i++) {
        json_t *object = json_array_get(caches, i);
        struct machine_walk_cache *cache = &walk->cache[walk->caches++];
        error = read_object(draft, at_index(path, "$.tlb.walk.cache", i), object, walk_cache_fields,
                            NULL, cache);
        if (error == NULL)
            error = missing(draft, path, object, "level");
        if (error == NULL)
            error = missing(draft, path, object, "entries");
        cache->ways = ways_of(object, cache->entries, cache->ways);
    }
    return error;
}

static char *read_walk(struct draft *draft, json_t *object)
{
    static const char *const keys[] = {"cache", "lines", NULL};
    struct machine_walk *walk = &draft->tlb.walk;
    json_t *value;
    *walk = (struct machine_walk){.line_ways = 1};
    char *error = read_object(draft, "$.tlb.walk", object, walk_fields, keys, walk);
    if (error == NULL)
        error = missing(draft, "$.tlb.walk", object, "levels");
    if (error == NULL && (value = json_object_get(object, "cache")) != NULL)
        error = read_walk_caches(draft, value);
    if (error == NULL && (value = json_object_get(object, "lines")) != NULL) {
        error = read_object(draft, "$.tlb.walk.lines", value, walk_line_fields, NULL, walk);
        walk->line_ways = ways_of(value, walk->line_entries, walk->line_ways);
    }
    return error;
}

static char *read_tlb(struct draft *draft, json_t *tlb)
{
    static const char *const keys[] = {"levels", "walk", NULL};
    json_t *value;
    char *error = read_object(draft, "$.tlb", tlb, tlb_fields, keys, &draft->tlb);
    if (error != NULL)
        return error;
    draft->tlb.ways = ways_of(tlb, draft->tlb.entries, draft->tlb.ways);
    if ((value = json_object_get(tlb, "levels")) != NULL)
        error = read_levels(draft, tlb, value);
    if (error == NULL && (value = json_object_get(tlb, "walk")) != NULL)
        error = read_walk(draft, value);
    return error;
}

char *read_tlbs(struct draft *draft, const json_t *root)
{
    static const char *const keys[] = {"levels", "walk", NULL};
    json_t *tlb = json_object_get(root, "tlb"), *l2tlb = json_object_get(root, "l2tlb");
    char *error =
        tlb != NULL ? read_object(draft, "$.tlb", tlb, tlb_fields, keys, &draft->tlb) : NULL;
    if (error != NULL)
        return error;
    const struct machine_defaults *defaults = &machine_defaults[draft->tlb.refill];
    draft->cpu_mhz = defaults->cpu_mhz;
    draft->tlb = defaults->tlb;
    draft->l2tlb = defaults->l2tlb;
    draft->costs = defaults->costs;
    if (tlb != NULL)
        error = read_tlb(draft, tlb);
    if (error == NULL && l2tlb != NULL) {
        error = read_object(draft, "$.l2tlb", l2tlb, l2tlb_fields, NULL, &draft->l2tlb);
        draft->l2tlb.ways = ways_of(l2tlb, draft->l2tlb.entries, draft->l2tlb.ways);
    }
    return error;
}
