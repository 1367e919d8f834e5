#include "collector/sources/perf/perf-maps.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANONYMOUS "//anon" /* Linux kernel/events/core.c perf_event_mmap_event */

void perf_maps_clear(struct perf_maps *maps)
{
    for (size_t i = 0; i < maps->count; i++)
        free(maps->map[i].file);
    free(maps->map);
    *maps = (struct perf_maps){0};
}

/* The first mapping that ends after `addr`. */
static size_t first_after(const struct perf_maps *maps, uint64_t addr)
{
    size_t low = 0, high = maps->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (maps->map[middle].end <= addr)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void remove_at(struct perf_maps *maps, size_t at)
{
    free(maps->map[at].file);
    memmove(maps->map + at, maps->map + at + 1, (maps->count - at - 1) * sizeof *maps->map);
    maps->count--;
}

static bool insert_at(struct perf_maps *maps, size_t at, struct perf_map map, const char *file)
{
    if (maps->count == maps->room) {
        size_t room = maps->room ? 2 * maps->room : 32;
        struct perf_map *larger = reallocarray(maps->map, room, sizeof *larger);
        if (larger == NULL)
            return false;
        maps->map = larger;
        maps->room = room;
    }
    if ((map.file = strdup(file)) == NULL)
        return false;
    memmove(maps->map + at + 1, maps->map + at, (maps->count - at) * sizeof map);
    maps->map[at] = map;
    maps->count++;
    return true;
}

static void cut_front(struct perf_map *map, uint64_t start)
{
    map->offset_bytes += start - map->start;
    map->start = start;
}

/* Takes [start, end) out of the mapping at `at`, which overlaps it. */
static bool cut_out(struct perf_maps *maps, size_t at, uint64_t start, uint64_t end)
{
    struct perf_map *map = &maps->map[at];
    if (start <= map->start && map->end <= end) {
        remove_at(maps, at);
    } else if (start <= map->start) {
        cut_front(map, end);
    } else if (map->end <= end) {
        map->end = start;
    } else {
        struct perf_map rest = *map;
        map->end = start;
        cut_front(&rest, end);
        return insert_at(maps, at + 1, rest, rest.file);
    }
    return true;
}

bool perf_maps_add(struct perf_maps *maps, uint64_t start, uint64_t end, uint64_t offset_bytes,
                   const char *file)
{
    struct perf_map new = {start, end, offset_bytes, NULL, PERF_NO_REGION};
    size_t at = first_after(maps, start);
    while (at < maps->count && maps->map[at].start < new.end) {
        const struct perf_map *known = &maps->map[at];
        bool same = strcmp(known->file, file) == 0;
        if (same && known->start <= new.start &&new.end <= known->end)
            return true;
        if (same && known->start <= new.start) {
            cut_front(&new, known->end);
            at++;
        } else if (same && new.end <= known->end) {
            new.end = known->start;
        } else {
            if (!cut_out(maps, at, new.start, new.end))
                return false;
            at = first_after(maps, new.start);
        }
    }
    return insert_at(maps, at, new, file);
}

bool perf_maps_copy(const struct perf_maps *from, struct perf_maps *to)
{
    for (size_t i = 0; i < from->count; i++) {
        struct perf_map map = from->map[i];
        map.region = PERF_NO_REGION;
        if (!insert_at(to, i, map, from->map[i].file))
            return false;
    }
    return true;
}

bool perf_maps_read(struct perf_maps *maps, uint32_t pid)
{
    char path[64], *line = NULL;
    size_t room = 0;
    bool well = true;
    snprintf(path, sizeof path, "/proc/%" PRIu32 "/maps", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    /* start-end permissions offset device inode name: proc(5) */
    while (well && getline(&line, &room, file) > 0) {
        uint64_t start, end, offset;
        int name = 0;
        line[strcspn(line, "\n")] = '\0';
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64 " %*s %*s %n", &start, &end,
                   &offset, &name) < 3 ||
            name == 0 || start >= end)
            continue;
        well = perf_maps_add(maps, start, end, offset, line[name] ? line + name : ANONYMOUS);
    }
    free(line);
    fclose(file);
    return well;
}

struct perf_map_name perf_map_name(const char *file)
{
    static const char gone[] = " (deleted)", memfd[] = "memfd:";
    struct perf_map_name name = {.kind = "mapping"};
    if (file[0] != '/') { /* "[heap]", "[stack]", "[vdso]", "anon_inode:..." */
        if (strcmp(file, "[heap]") == 0)
            name.kind = "heap";
        else if (strncmp(file, "[stack", 6) == 0)
            name.kind = "stack";
        snprintf(name.name, sizeof name.name, "%s", file);
        return name;
    }
    if (strcmp(file, ANONYMOUS) == 0) {
        snprintf(name.name, sizeof name.name, "[anonymous]");
        return name;
    }
    name.file = file;
    if (strncmp(file, "/dev/zero", 9) == 0) { /* what MAP_SHARED | MAP_ANONYMOUS is called */
        snprintf(name.name, sizeof name.name, "[shared anonymous]");
        return name;
    }
    const char *last = strrchr(file, '/') + 1;
    if (strncmp(last, memfd, sizeof memfd - 1) == 0)
        last += sizeof memfd - 1;
    snprintf(name.name, sizeof name.name, "%s", last);
    size_t length = strlen(name.name);
    if (length > sizeof gone - 1 && strcmp(name.name + length - (sizeof gone - 1), gone) == 0)
        name.name[length - (sizeof gone - 1)] = '\0';
    return name;
}
