/* Reading numbers of either byte order out of bytes that nobody vouches for: what is not there
 * reads as 0, and is remembered. */
#ifndef DISCO_SOURCES_PERFDATA_CURSOR_H
#define DISCO_SOURCES_PERFDATA_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct perfdata_cursor {
    const unsigned char *at, *end;
    bool swap;     /* the bytes are of the other order than this machine's */
    bool short_of; /* something was asked for that is not there */
};

static inline size_t cursor_left(const struct perfdata_cursor *cursor)
{
    return (size_t)(cursor->end - cursor->at);
}

/* The next `bytes` bytes, or NULL. */
static inline const unsigned char *cursor_bytes(struct perfdata_cursor *cursor, uint64_t bytes)
{
    if (bytes > cursor_left(cursor)) {
        cursor->short_of = true;
        cursor->at = cursor->end;
        return NULL;
    }
    const unsigned char *found = cursor->at;
    cursor->at += bytes;
    return found;
}

static inline uint64_t cursor_u64(struct perfdata_cursor *cursor)
{
    const unsigned char *at = cursor_bytes(cursor, 8);
    uint64_t value = 0;
    if (at != NULL) {
        memcpy(&value, at, sizeof value);
    }
    return cursor->swap ? __builtin_bswap64(value) : value;
}

static inline uint32_t cursor_u32(struct perfdata_cursor *cursor)
{
    const unsigned char *at = cursor_bytes(cursor, 4);
    uint32_t value = 0;
    if (at != NULL) {
        memcpy(&value, at, sizeof value);
    }
    return cursor->swap ? __builtin_bswap32(value) : value;
}

static inline uint16_t cursor_u16(struct perfdata_cursor *cursor)
{
    const unsigned char *at = cursor_bytes(cursor, 2);
    uint16_t value = 0;
    if (at != NULL) {
        memcpy(&value, at, sizeof value);
    }
    return cursor->swap ? __builtin_bswap16(value) : value;
}

/* A string of `bytes` bytes, which ends at its first 0 if it has one; not longer than `room` - 1. */
static inline void cursor_text(struct perfdata_cursor *cursor, uint64_t bytes, char *to,
                               size_t room)
{
    const unsigned char *at = cursor_bytes(cursor, bytes);
    size_t length =
        at != NULL ? strnlen((const char *)at, bytes < room ? (size_t)bytes : room - 1) : 0;
    length = length < room ? length : room - 1;
    if (length > 0) {
        memcpy(to, at, length);
    }
    to[length] = '\0';
}

#endif
