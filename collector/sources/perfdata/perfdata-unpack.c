#include "collector/sources/perfdata/perfdata-unpack.h"

#include <stdbool.h>
#include <stdlib.h>
#include <zstd.h>

#define ROOM_AT_FIRST ((size_t)1 << 16)
#define WINDOW_LOG    28 /* 256 MiB, as for other input */

static bool more_room(struct perfdata_unpacked *to)
{
    size_t room = to->room == 0 ? ROOM_AT_FIRST : to->room * 2;
    unsigned char *larger = realloc(to->at, room);
    if (larger == NULL) {
        return false;
    }
    to->at = larger;
    to->room = room;
    return true;
}

static bool start(struct perfdata_unpacked *to)
{
    if (to->stream == NULL && (to->stream = ZSTD_createDStream()) != NULL) {
        ZSTD_DCtx_setParameter(to->stream, ZSTD_d_windowLogMax, WINDOW_LOG);
    }
    return to->stream != NULL;
}

const char *perfdata_unpack(struct perfdata_unpacked *to, const unsigned char *packed,
                            size_t packed_bytes)
{
    if (!start(to)) {
        return "out of memory";
    }
    ZSTD_inBuffer in = {packed, packed_bytes, 0};
    bool full = false;
    while (in.pos < in.size || full) {
        if (to->bytes == to->room && !more_room(to)) {
            return "out of memory";
        }
        ZSTD_outBuffer out = {to->at, to->room, to->bytes};
        size_t before = in.pos;
        if (ZSTD_isError(ZSTD_decompressStream(to->stream, &out, &in))) {
            return "its compressed data are damaged";
        }
        full = out.pos == out.size; /* more may wait inside */
        if (in.pos == before && out.pos == to->bytes) {
            break;
        }
        to->bytes = out.pos;
        if (to->bytes > to->most) {
            return "its compressed data unpack to more than 64 times the file";
        }
    }
    return NULL;
}

void perfdata_unpacked_free(struct perfdata_unpacked *unpacked)
{
    ZSTD_freeDStream(unpacked->stream);
    free(unpacked->at);
    *unpacked = (struct perfdata_unpacked){0};
}
