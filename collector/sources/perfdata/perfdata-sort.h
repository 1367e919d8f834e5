/* Records of a perf.data in the order of their times. */
#ifndef DISCO_SOURCES_PERFDATA_SORT_H
#define DISCO_SOURCES_PERFDATA_SORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* When a record was, and where it is: an offset in the file, or in what was unpacked. */
struct perfdata_place {
    uint64_t time, where;
};

/* Puts *place, memory from malloc, in order; those of one time keep theirs. False: out of memory. */
bool perfdata_sort(struct perfdata_place **place, size_t places);

#endif
