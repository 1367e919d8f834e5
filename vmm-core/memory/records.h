/* Arrays of records that grow, and the lines for when they cannot. */
#ifndef DISCO_MEMORY_RECORDS_H
#define DISCO_MEMORY_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* No record: indices are 32 bits wide. */
#define MEMORY_NONE UINT32_MAX

/* One line that says that memory is short. Never NULL. */
char *memory_short(void);
/* One line about what the caller handed over. Never NULL. */
char *memory_refuse(const char *what, uint64_t is, const char *needs);
/* Makes an array larger, by doubling or, where that is much, by a quarter, until it holds `wanted`;
 * false: memory is short, and nothing has changed. */
bool memory_grow(void **array, uint32_t *room, uint32_t wanted, size_t each);

#endif
