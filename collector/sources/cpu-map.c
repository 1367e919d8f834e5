#include "collector/sources/cpu-map.h"

#include "collector/sources/import-scan.h"
#include "collector/sources/import.h"

#include <stdlib.h>

struct cpu_map {
    int32_t others; /* CPU of threads that are not named, or -1 */
    size_t threads;
    struct thread_cpu {
        uint64_t tid;
        int32_t cpu;
    } thread[]; /* sorted by tid */
};

static int by_tid(const void *a, const void *b)
{
    uint64_t left = ((const struct thread_cpu *)a)->tid,
             right = ((const struct thread_cpu *)b)->tid;
    return (left > right) - (left < right);
}

static char *read_pair(struct cpu_map *map, struct span pair)
{
    uint64_t cpu = 0;
    struct thread_cpu *thread = &map->thread[map->threads];
    struct span at = pair;
    bool others = at.at < at.end && *at.at == '*';
    at.at += others;
    bool good = (others || scan_digits(&at.at, at.end, 10, &thread->tid)) && at.at < at.end &&
                *at.at++ == '=' && scan_digits(&at.at, at.end, 10, &cpu) && at.at == at.end &&
                cpu <= INT32_MAX;
    if (!good) {
        return import_error("--cpu-map: '%.*s' is not TID=CPU or *=CPU", (int)span_bytes(pair),
                            pair.at);
    }
    if (others) {
        map->others = (int32_t)cpu;
    } else {
        thread->cpu = (int32_t)cpu;
        map->threads++;
    }
    return NULL;
}

char *cpu_map_new(const char *text, struct cpu_map **out)
{
    size_t most = 1;
    for (const char *at = text; at != NULL && *at != '\0'; at++) {
        most += *at == ',';
    }
    struct cpu_map *map = calloc(1, sizeof *map + most * sizeof map->thread[0]);
    if (map == NULL) {
        return import_error("out of memory");
    }
    map->others = -1;
    for (const char *at = text; at != NULL; at++) {
        struct span pair = {at, at + strcspn(at, ",")};
        char *error = read_pair(map, pair);
        if (error != NULL) {
            cpu_map_free(map);
            return error;
        }
        at = pair.end;
        if (*at == '\0') {
            break;
        }
    }
    qsort(map->thread, map->threads, sizeof map->thread[0], by_tid);
    *out = map;
    return NULL;
}

void cpu_map_free(struct cpu_map *map)
{
    free(map);
}

int32_t cpu_map_cpu(const struct cpu_map *map, uint64_t tid)
{
    struct thread_cpu key = {.tid = tid};
    const struct thread_cpu *found =
        bsearch(&key, map->thread, map->threads, sizeof map->thread[0], by_tid);
    return found != NULL ? found->cpu : map->others;
}
