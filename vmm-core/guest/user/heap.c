/* malloc with a free list for each power of two, under one lock, as M. McKusick and M. Karels' of the 4.3BSD
 * kernel (USENIX, summer 1988): freed pieces wait for the next of their size. Of large ones only the
 * pages that are touched cost memory. */
#include "vmm-core/guest/user/disco.h"

#include "vmm-core/guest/user/calls.h"

int disco_call(uintptr_t first, uintptr_t second, uintptr_t third, int number);

enum { HEADER_BYTES = 16, CLASSES = 32, FIRST_CLASS = 5, CHUNK_CLASS = 20 };

/* In front of every piece. */
struct piece {
    uint32_t class; /* it has 2^class bytes, these included */
    struct piece *next;
    uint32_t unused[2];
};

static struct disco_lock lock;
static struct piece *free_pieces[CLASSES]; /* under the lock */
static char *chunk, *chunk_end;            /* what was never given out, under the lock */

static char *pages(size_t bytes)
{
    return (char *)(uintptr_t)disco_call(bytes, (uintptr_t) "heap", 0, CALL_MAP);
}

static uint32_t class_of(size_t bytes)
{
    uint32_t class = FIRST_CLASS;

    while (((size_t)1 << class) - HEADER_BYTES < bytes)
        class ++;
    return class;
}

/* With the lock. What is left of the old chunk is lost: less than the piece. */
static struct piece *new_piece(uint32_t class)
{
    size_t bytes = (size_t)1 << class;
    char *here;

    if (class >= CHUNK_CLASS) {
        here = pages(bytes);
    } else {
        if ((size_t)(chunk_end - chunk) < bytes) {
            chunk = pages((size_t)1 << CHUNK_CLASS);
            chunk_end = chunk ? chunk + ((size_t)1 << CHUNK_CLASS) : NULL;
        }
        here = chunk;
        if (here)
            chunk += bytes;
    }
    return (struct piece *)(void *)here;
}

void *malloc(size_t bytes)
{
    struct piece *piece;
    uint32_t class;

    if (bytes > (size_t)1 << 30)
        return NULL;
    class = class_of(bytes);
    disco_lock(&lock);
    piece = free_pieces[class];
    if (piece)
        free_pieces[class] = piece->next;
    else if ((piece = new_piece(class)))
        piece->class = class;
    disco_unlock(&lock);
    return piece ? (char *)piece + HEADER_BYTES : NULL;
}

static struct piece *piece_of(void *memory)
{
    return (struct piece *)(void *)((char *)memory - HEADER_BYTES);
}

void free(void *memory)
{
    struct piece *piece;

    if (!memory)
        return;
    piece = piece_of(memory);
    disco_lock(&lock);
    piece->next = free_pieces[piece->class];
    free_pieces[piece->class] = piece;
    disco_unlock(&lock);
}

void *calloc(size_t count, size_t bytes)
{
    size_t all;
    void *memory;

    if (__builtin_mul_overflow(count, bytes, &all))
        return NULL;
    memory = malloc(all);
    return memory ? memset(memory, 0, all) : NULL;
}

void *realloc(void *old, size_t bytes)
{
    size_t room;
    void *memory;

    if (!old)
        return malloc(bytes);
    room = ((size_t)1 << piece_of(old)->class) - HEADER_BYTES;
    if (bytes <= room)
        return old;
    memory = malloc(bytes);
    if (memory) {
        memcpy(memory, old, room);
        free(old);
    }
    return memory;
}
