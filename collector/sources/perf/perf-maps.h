/* The mappings of one process, as records and /proc tell them.
 *
 * Sorted, without overlap. The kernel reports a mapping when it appears, grows, or changes its
 * protection, so most reports overlap what is known: a mapping of the same file (or also anonymous)
 * adds only what is new; one of another file takes the place of what it covers. Unmapping is never
 * reported.
 */
#ifndef DISCO_PERF_MAPS_H
#define DISCO_PERF_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PERF_NO_REGION UINT32_MAX

struct perf_map {
    uint64_t start, end; /* bytes, end excluded */
    uint64_t offset_bytes;
    char *file;      /* as the kernel names it; owned */
    uint32_t region; /* id in the trace, or PERF_NO_REGION while it has none */
};

struct perf_maps {
    struct perf_map *map;
    size_t count, room;
};

/* `file` is the kernel's name: a path, "//anon", "[heap]", ... False when memory is short. */
bool perf_maps_add(struct perf_maps *maps, uint64_t start, uint64_t end, uint64_t offset_bytes,
                   const char *file);
/* A fork's: without regions. `to` must be empty. */
bool perf_maps_copy(const struct perf_maps *from, struct perf_maps *to);
/* What /proc/PID/maps says now. False when it cannot be read. */
bool perf_maps_read(struct perf_maps *maps, uint32_t pid);
void perf_maps_clear(struct perf_maps *maps);

struct perf_map_name {
    const char *kind, *file; /* of struct trace_region; file: into the argument, or NULL */
    char name[256];
};
/* What a user would call it: the file's last part without "memfd:" and " (deleted)". */
struct perf_map_name perf_map_name(const char *file);

#endif
