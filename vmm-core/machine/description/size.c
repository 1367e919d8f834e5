#include "vmm-core/machine/description/size.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char size_letters[] = "KMGT"; /* 2^10, 2^20, ... */

bool size_parse(const char *text, uint64_t *bytes)
{
    uint64_t value = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
            return false;
    if (at == text)
        return false;
    const char *letter = *at != '\0' ? strchr(size_letters, *at) : NULL;
    if (letter != NULL) {
        unsigned shift = 10u * (unsigned)(letter - size_letters + 1);
        if (value > UINT64_MAX >> shift)
            return false;
        value <<= shift;
        at++;
    }
    *bytes = value;
    return *at == '\0';
}

void size_format(uint64_t bytes, char text[SIZE_TEXT_BYTES])
{
    unsigned letters = 0;
    while (letters < sizeof size_letters - 1 && bytes != 0 && bytes % 1024 == 0) {
        bytes /= 1024;
        letters++;
    }
    if (letters == 0)
        snprintf(text, SIZE_TEXT_BYTES, "%" PRIu64, bytes);
    else
        snprintf(text, SIZE_TEXT_BYTES, "%" PRIu64 "%c", bytes, size_letters[letters - 1]);
}
