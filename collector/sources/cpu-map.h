/* Which CPU each thread ran on, from the user: for samples that were recorded without their CPU. */
#ifndef DISCO_SOURCES_CPU_MAP_H
#define DISCO_SOURCES_CPU_MAP_H

#include "collector/trace/writer.h"

struct cpu_map;

/* "22905=0,22906=1,*=3": thread id = CPU; * stands for all other threads. NULL text: an empty map.
 */
char *cpu_map_new(const char *text, struct cpu_map **out) MUST_CHECK;
void cpu_map_free(struct cpu_map *map); /* takes NULL */

/* -1: not known. */
int32_t cpu_map_cpu(const struct cpu_map *map, uint64_t tid);

#endif
