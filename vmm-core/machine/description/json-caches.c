/* The caches of the machine JSON: what a cache must say, and the defaults of what it may. */
#include "vmm-core/machine/description/defaults.h"
#include "vmm-core/machine/description/json-values.h"

static char *read_cache(const struct draft *draft, const char *path, json_t *object,
                        struct machine_cache *cache)
{
    static const char *const needed[] = {"level", "kind", "size", "ways", "line", NULL};
    for (size_t i = 0; json_is_object(object) && needed[i] != NULL; i++)
        if (json_object_get(object, needed[i]) == NULL)
            return draft_error(draft, path,
                               "no '%s'; a cache needs level, kind, size, ways and line",
                               needed[i]);
    cache->cpus = 1;
    char *error = read_object(draft, path, object, cache_fields, NULL, cache);
    if (error != NULL)
        return error;
    if (cache->ways == 0) /* "full" */
        cache->ways = (uint32_t)(cache->size_bytes / cache->line_bytes);
    if (json_object_get(object, "latency_ns") == NULL)
        cache->latency_ns = machine_cache_latency_ns(cache->level);
    return NULL;
}

char *read_caches(struct draft *draft, const json_t *caches)
{
    char path[PATH_BYTES], *error = read_list(draft, "$.caches", caches);
    if (error == NULL && json_array_size(caches) > MACHINE_CACHES_MAX)
        return draft_error(draft, "$.caches", "more than %u caches; leave some out",
                           MACHINE_CACHES_MAX);
    for (size_t i = 0; error == NULL && i < json_array_size(caches); i++)
        error = read_cache(draft, at_index(path, "$.caches", i), json_array_get(caches, i),
                           &draft->cache[draft->caches++]);
    return error;
}
