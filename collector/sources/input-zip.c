#include "collector/sources/input-zip.h"

#include <endian.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define LOCAL_HEADER     0x04034b50u /* "PK\3\4" */
#define DESCRIPTOR       0x08074b50u /* "PK\7\8" */
#define DIRECTORY_HEADER 0x02014b50u /* "PK\1\2" */
#define DIRECTORY_END    0x06054b50u /* "PK\5\6": an archive of no members */
#define LOCAL_BYTES      30u
#define DESCRIPTOR_BYTES 24u /* at the most: signature, CRC, two sizes of 8 bytes */
#define FLAG_ENCRYPTED   0x0001u
#define FLAG_DESCRIPTOR  0x0008u /* CRC and sizes follow the data */
#define METHOD_STORED    0u
#define METHOD_DEFLATED  8u
#define SIZE_ELSEWHERE   UINT32_MAX /* zip64: in an extra field */
#define STEP_BYTES       (1u << 30) /* zlib counts in 32 bits */

enum state { AT_HEADER, AT_NAME, AT_DATA, AT_DESCRIPTOR, AT_DIRECTORY };

struct input_zip {
    enum state state;
    unsigned char held[LOCAL_BYTES]; /* of a header or a descriptor that came in pieces */
    size_t held_bytes;
    size_t pass; /* bytes of name and extra field still to come */
    uint32_t flags, method, crc, packed_bytes, bytes; /* as the header has them */
    uint32_t crc_found;
    uint64_t packed_found, found;
    z_stream inflate;
};

static uint32_t number32(const unsigned char *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return le32toh(value);
}

static uint32_t number16(const unsigned char *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return le16toh(value);
}

struct input_zip *input_zip_new(void)
{
    struct input_zip *zip = calloc(1, sizeof *zip);
    if (zip != NULL && inflateInit2(&zip->inflate, -15) != Z_OK) { /* minus: no header of zlib */
        free(zip);
        return NULL;
    }
    return zip;
}

void input_zip_free(struct input_zip *zip)
{
    if (zip != NULL) {
        inflateEnd(&zip->inflate);
        free(zip);
    }
}

/* Fills `held` up to `wanted` bytes; false: they are not there yet. */
static bool hold(struct input_zip *zip, size_t wanted, const unsigned char **from,
                 const unsigned char *end)
{
    while (zip->held_bytes < wanted && *from < end) {
        zip->held[zip->held_bytes++] = *(*from)++;
    }
    return zip->held_bytes >= wanted;
}

static enum zip_step read_header(struct input_zip *zip, const unsigned char **from,
                                 const unsigned char *end)
{
    if (!hold(zip, 4, from, end)) {
        return ZIP_GOING;
    }
    uint32_t signature = number32(zip->held);
    if (signature == DIRECTORY_HEADER || signature == DIRECTORY_END) {
        zip->state = AT_DIRECTORY;
        return ZIP_ENDED;
    }
    if (signature != LOCAL_HEADER) {
        return ZIP_DAMAGED;
    }
    if (!hold(zip, LOCAL_BYTES, from, end)) {
        return ZIP_GOING;
    }
    zip->flags = number16(zip->held + 6);
    zip->method = number16(zip->held + 8);
    zip->crc = number32(zip->held + 14);
    zip->packed_bytes = number32(zip->held + 18);
    zip->bytes = number32(zip->held + 22);
    zip->pass = number16(zip->held + 26) + number16(zip->held + 28);
    zip->held_bytes = 0;
    zip->crc_found = 0;
    zip->packed_found = zip->found = 0;
    zip->state = AT_NAME;
    bool stored = zip->method == METHOD_STORED;
    if ((zip->flags & FLAG_ENCRYPTED) != 0 || (!stored && zip->method != METHOD_DEFLATED) ||
        /* what is stored tells its end by its size alone */
        (stored && ((zip->flags & FLAG_DESCRIPTOR) != 0 || zip->packed_bytes == SIZE_ELSEWHERE))) {
        return ZIP_UNKNOWN;
    }
    return inflateReset(&zip->inflate) == Z_OK ? ZIP_GOING : ZIP_DAMAGED;
}

static void pass_name(struct input_zip *zip, const unsigned char **from, const unsigned char *end)
{
    size_t there = (size_t)(end - *from);
    size_t part = there < zip->pass ? there : zip->pass;
    *from += part;
    zip->pass -= part;
    if (zip->pass == 0) {
        zip->state = AT_DATA;
    }
}

/* A member has ended: is it what its header said? */
static enum zip_step check_member(struct input_zip *zip)
{
    zip->state = AT_HEADER;
    bool sizes_known = zip->packed_bytes != SIZE_ELSEWHERE && zip->bytes != SIZE_ELSEWHERE;
    if (zip->crc_found != zip->crc ||
        (sizes_known && (zip->packed_found != zip->packed_bytes || zip->found != zip->bytes))) {
        return ZIP_DAMAGED;
    }
    return ZIP_GOING;
}

static enum zip_step end_data(struct input_zip *zip)
{
    if ((zip->flags & FLAG_DESCRIPTOR) == 0) {
        return check_member(zip);
    }
    zip->state = AT_DESCRIPTOR;
    return ZIP_GOING;
}

/* CRC and sizes behind the data: with or without a signature, the sizes of 4 or 8 bytes. Which
 * of the four is told by what they must be. */
static enum zip_step read_descriptor(struct input_zip *zip, const unsigned char **from,
                                     const unsigned char *end)
{
    if (!hold(zip, 4, from, end)) {
        return ZIP_GOING;
    }
    size_t at = number32(zip->held) == DESCRIPTOR && zip->crc_found != DESCRIPTOR ? 4 : 0;
    if (!hold(zip, at + 12, from, end)) {
        return ZIP_GOING;
    }
    zip->crc = number32(zip->held + at);
    zip->packed_bytes = number32(zip->held + at + 4);
    zip->bytes = number32(zip->held + at + 8);
    /* a zip64 descriptor has the upper half of the packed size where a short one has the size */
    bool wide = zip->packed_found > UINT32_MAX || zip->found > UINT32_MAX ||
                (zip->bytes == 0 && zip->found != 0);
    if (wide && !hold(zip, at + 20, from, end)) {
        return ZIP_GOING;
    }
    if (wide) {
        zip->packed_bytes = zip->bytes = SIZE_ELSEWHERE;
    }
    zip->held_bytes = 0;
    return check_member(zip);
}

static enum zip_step inflate_data(struct input_zip *zip, const unsigned char **from,
                                  const unsigned char *end, char *to, size_t room, size_t *got)
{
    z_stream *stream = &zip->inflate;
    size_t there = (size_t)(end - *from);
    uInt packed = (uInt)(there < STEP_BYTES ? there : STEP_BYTES);
    uInt out = (uInt)(room < STEP_BYTES ? room : STEP_BYTES);
    stream->next_in = (z_const Bytef *)*from;
    stream->avail_in = packed;
    stream->next_out = (Bytef *)to;
    stream->avail_out = out;
    int answer = inflate(stream, Z_NO_FLUSH);
    *from += packed - stream->avail_in;
    *got = out - stream->avail_out;
    zip->packed_found += packed - stream->avail_in;
    if (answer == Z_STREAM_END) {
        return ZIP_ENDED;
    }
    return answer == Z_OK || answer == Z_BUF_ERROR ? ZIP_GOING : ZIP_DAMAGED;
}

static enum zip_step copy_data(struct input_zip *zip, const unsigned char **from,
                               const unsigned char *end, char *to, size_t room, size_t *got)
{
    size_t there = (size_t)(end - *from);
    size_t left = (size_t)(zip->packed_bytes - zip->packed_found);
    size_t part = there < room ? there : room;
    part = part < left ? part : left;
    memcpy(to, *from, part);
    *from += part;
    *got = part;
    zip->packed_found += part;
    return zip->packed_found == zip->packed_bytes ? ZIP_ENDED : ZIP_GOING;
}

static enum zip_step read_data(struct input_zip *zip, const unsigned char **from,
                               const unsigned char *end, char *to, size_t room, size_t *got)
{
    enum zip_step step = zip->method == METHOD_STORED ? copy_data(zip, from, end, to, room, got)
                                                      : inflate_data(zip, from, end, to, room, got);
    zip->crc_found = (uint32_t)crc32_z(zip->crc_found, (const Bytef *)to, *got);
    zip->found += *got;
    return step == ZIP_ENDED ? end_data(zip) : step;
}

enum zip_step input_zip_step(struct input_zip *zip, const unsigned char **from,
                             const unsigned char *end, char *to, size_t room, size_t *got)
{
    enum zip_step step = ZIP_GOING;
    *got = 0;
    while (step == ZIP_GOING && *got == 0) {
        const unsigned char *before = *from;
        enum state state = zip->state;
        switch (state) {
        case AT_HEADER:
            step = read_header(zip, from, end);
            break;
        case AT_NAME:
            pass_name(zip, from, end);
            break;
        case AT_DATA:
            step = read_data(zip, from, end, to, room, got);
            break;
        case AT_DESCRIPTOR:
            step = read_descriptor(zip, from, end);
            break;
        case AT_DIRECTORY:
            *from = end;
            return ZIP_ENDED;
        }
        if (*from == before && zip->state == state) {
            break; /* nothing moved: more is wanted */
        }
    }
    return step;
}
