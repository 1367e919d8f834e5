#include "vmm-core/memory/records.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_AT_FIRST 1024u
#define ROOM_LARGE    (UINT64_C(1) << 20) /* from here on arrays grow by a quarter */

char *memory_short(void)
{
    char *const line =
        strdup("not enough memory for the page tables; use a smaller trace or a larger host");
    if (!line)
        abort(); /* not even a line can be had, and NULL would mean that all is well */
    return line;
}

char *memory_refuse(const char *what, uint64_t is, const char *needs)
{
    char *line = NULL;
    if (asprintf(&line, "%s is %llu; %s", what, (unsigned long long)is, needs) < 0)
        return memory_short();
    return line;
}

bool memory_grow(void **array, uint32_t *room, uint32_t wanted, size_t each)
{
    if (wanted <= *room)
        return true;
    uint64_t larger = *room ? *room : ROOM_AT_FIRST;
    while (larger < wanted)
        larger += larger < ROOM_LARGE ? larger : larger / 4;
    if (larger >= MEMORY_NONE)
        larger = MEMORY_NONE - 1;
    void *const grown = larger < wanted ? NULL : realloc(*array, larger * each);
    if (!grown)
        return false;
    *array = grown;
    *room = (uint32_t)larger;
    return true;
}
