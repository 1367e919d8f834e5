/* Sizes in bytes as people write them: "32M" is 32 x 2^20; K, M, G and T. */
#ifndef DISCO_MACHINE_SIZE_H
#define DISCO_MACHINE_SIZE_H

#include <stdbool.h>
#include <stdint.h>

/* false: not a size, or beyond 64 bits. */
bool size_parse(const char *text, uint64_t *bytes);

#define SIZE_TEXT_BYTES 24
/* The shortest text that size_parse reads back to `bytes`. */
void size_format(uint64_t bytes, char text[SIZE_TEXT_BYTES]);

#endif
