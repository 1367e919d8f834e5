/* The memory and string functions of libc.h; the kernel has them too. Copies and fills go by words
 * where both sides allow it: most of what is copied is pages and arrays. */
#include "vmm-core/guest/user/libc.h"

#include <stdbool.h>
#include <stdint.h>

/* words that may alias anything */
typedef uint32_t __attribute__((may_alias)) word;

enum { WORD = sizeof(word) };

static bool aligned(uintptr_t address)
{
    return address % WORD == 0;
}

void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
    unsigned char *t = to;
    const unsigned char *f = from;

    if (aligned((uintptr_t)t ^ (uintptr_t)f)) {
        for (; bytes && !aligned((uintptr_t)t); bytes--)
            *t++ = *f++;
        word *tw = (word *)(void *)t;
        const word *fw = (const word *)(const void *)f;
        for (; bytes >= 4 * WORD; bytes -= 4 * WORD, tw += 4, fw += 4) {
            word a = fw[0], b = fw[1], c = fw[2], d = fw[3];
            tw[0] = a;
            tw[1] = b;
            tw[2] = c;
            tw[3] = d;
        }
        for (; bytes >= WORD; bytes -= WORD)
            *tw++ = *fw++;
        t = (unsigned char *)tw;
        f = (const unsigned char *)fw;
    }
    while (bytes--)
        *t++ = *f++;
    return to;
}

void *memmove(void *to, const void *from, size_t bytes)
{
    unsigned char *t = to;
    const unsigned char *f = from;

    if ((uintptr_t)t - (uintptr_t)f >= bytes)
        return memcpy(to, from, bytes);
    while (bytes--)
        t[bytes] = f[bytes];
    return to;
}

void *memset(void *to, int value, size_t bytes)
{
    unsigned char *t = to;
    word pattern = (unsigned char)value * 0x01010101u;

    for (; bytes && !aligned((uintptr_t)t); bytes--)
        *t++ = (unsigned char)value;
    word *tw = (word *)(void *)t;
    for (; bytes >= 4 * WORD; bytes -= 4 * WORD, tw += 4)
        tw[0] = tw[1] = tw[2] = tw[3] = pattern;
    t = (unsigned char *)tw;
    while (bytes--)
        *t++ = (unsigned char)value;
    return to;
}

int memcmp(const void *left, const void *right, size_t bytes)
{
    const unsigned char *l = left, *r = right;

    for (; bytes; bytes--, l++, r++)
        if (*l != *r)
            return *l - *r;
    return 0;
}

size_t strlen(const char *text)
{
    const char *end = text;

    while (*end)
        end++;
    return (size_t)(end - text);
}

int strcmp(const char *left, const char *right)
{
    return strncmp(left, right, SIZE_MAX);
}

int strncmp(const char *left, const char *right, size_t bytes)
{
    for (; bytes; bytes--, left++, right++)
        if (*left != *right || !*left)
            return (unsigned char)*left - (unsigned char)*right;
    return 0;
}

char *strchr(const char *text, int letter)
{
    for (;; text++) {
        if (*text == (char)letter)
            return (char *)(uintptr_t)text;
        if (!*text)
            return NULL;
    }
}

char *strcpy(char *restrict to, const char *restrict from)
{
    return memcpy(to, from, strlen(from) + 1);
}
