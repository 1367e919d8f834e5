#include "collector/sources/input.h"

#include "collector/sources/input-zip.h"

#include <errno.h>
#include <fcntl.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#define INPUT_BUFFER_BYTES (256u << 10) /* at the most; of one of many files less */
#define XZ_MEMORY_BYTES    (256u << 20)
#define ZSTD_WINDOW_LOG    28 /* 256 MiB */

/* How the library answered one step of unpacking. */
enum step {
    STEP_GOING,  /* more to come */
    STEP_MEMBER, /* a member ended: the data may end here */
    STEP_DAMAGED,
    STEP_TOO_LARGE, /* needs more memory than we give */
    STEP_UNKNOWN,   /* is packed in a way that is not read */
};

struct packing {
    const char *name;
    unsigned char magic[6], magic_mask[6]; /* what the first bytes must be, under the mask */
    size_t magic_bytes;
    bool (*start)(struct input *input);
    /* Unpacks from input->packed[at..end) into to[0..room); moves `at`, sets *got. */
    enum step (*step)(struct input *input, char *to, size_t room, size_t *got);
    void (*stop)(struct input *input);
};

struct input {
    char *name;
    int fd; /* -1: memory */
    uint64_t bytes_read, bytes_total;
    const unsigned char *packed; /* what was read and not yet handed out: [at, end) */
    size_t at, end;
    bool source_ended;  /* no more comes from the file */
    bool inside_member; /* the data must not end here */
    bool ended;
    enum step last_step;
    const struct packing *packing; /* NULL: plain */
    union {
        z_stream gzip;
        lzma_stream xz;
        ZSTD_DStream *zstd;
        struct input_zip *zip;
    } state;
    unsigned char *buffer; /* NULL for memory */
    size_t buffer_bytes;
};

static bool gzip_start(struct input *input)
{
    memset(&input->state.gzip, 0, sizeof input->state.gzip);
    return inflateInit2(&input->state.gzip, 15 + 16) == Z_OK; /* +16: a gzip header is wanted */
}

static enum step gzip_step(struct input *input, char *to, size_t room, size_t *got)
{
    z_stream *gzip = &input->state.gzip;
    if (!input->inside_member && inflateReset(gzip) != Z_OK) {
        return STEP_DAMAGED;
    }
    uInt packed = (uInt)(input->end - input->at);
    uInt out = room > INPUT_BUFFER_BYTES ? INPUT_BUFFER_BYTES : (uInt)room;
    gzip->next_in = (z_const Bytef *)(input->packed + input->at);
    gzip->avail_in = packed;
    gzip->next_out = (Bytef *)to;
    gzip->avail_out = out;
    int answer = inflate(gzip, Z_NO_FLUSH);
    input->at += packed - gzip->avail_in;
    *got = out - gzip->avail_out;
    if (answer == Z_STREAM_END) {
        return STEP_MEMBER;
    }
    return answer == Z_OK || answer == Z_BUF_ERROR ? STEP_GOING : STEP_DAMAGED;
}

static void gzip_stop(struct input *input)
{
    inflateEnd(&input->state.gzip);
}

static bool xz_start(struct input *input)
{
    input->state.xz = (lzma_stream)LZMA_STREAM_INIT;
    return lzma_stream_decoder(&input->state.xz, XZ_MEMORY_BYTES, 0) == LZMA_OK;
}

static enum step xz_step(struct input *input, char *to, size_t room, size_t *got)
{
    lzma_stream *xz = &input->state.xz;
    if (!input->inside_member && lzma_stream_decoder(xz, XZ_MEMORY_BYTES, 0) != LZMA_OK) {
        return STEP_TOO_LARGE;
    }
    xz->next_in = input->packed + input->at;
    xz->avail_in = input->end - input->at;
    xz->next_out = (uint8_t *)to;
    xz->avail_out = room;
    lzma_ret answer = lzma_code(xz, LZMA_RUN);
    input->at = input->end - xz->avail_in;
    *got = room - xz->avail_out;
    switch (answer) {
    case LZMA_STREAM_END:
        return STEP_MEMBER;
    case LZMA_OK:
    case LZMA_BUF_ERROR:
        return STEP_GOING;
    case LZMA_MEMLIMIT_ERROR:
    case LZMA_MEM_ERROR:
        return STEP_TOO_LARGE;
    default:
        return STEP_DAMAGED;
    }
}

static void xz_stop(struct input *input)
{
    lzma_end(&input->state.xz);
}

static bool zstd_start(struct input *input)
{
    input->state.zstd = ZSTD_createDStream();
    return input->state.zstd != NULL &&
           !ZSTD_isError(
               ZSTD_DCtx_setParameter(input->state.zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG));
}

/* NOLINTNEXTLINE(readability-non-const-parameter): zstd writes through `to` */
static enum step zstd_step(struct input *input, char *to, size_t room, size_t *got)
{
    ZSTD_inBuffer in = {input->packed + input->at, input->end - input->at, 0};
    ZSTD_outBuffer out = {to, room, 0};
    size_t answer = ZSTD_decompressStream(input->state.zstd, &out, &in);
    input->at += in.pos;
    *got = out.pos;
    if (ZSTD_isError(answer)) {
        /* -frameParameter_windowTooLarge and -memory_allocation, told by their names: the numbers
         * are not part of zstd's stable interface */
        const char *why = ZSTD_getErrorName(answer);
        return strstr(why, "memory") != NULL ? STEP_TOO_LARGE : STEP_DAMAGED;
    }
    return answer == 0 ? STEP_MEMBER : STEP_GOING;
}

static void zstd_stop(struct input *input)
{
    ZSTD_freeDStream(input->state.zstd);
}

static bool zip_start(struct input *input)
{
    return (input->state.zip = input_zip_new()) != NULL;
}

/* The whole archive is one member: behind its directory nothing is looked at. */
static enum step zip_step(struct input *input, char *to, size_t room, size_t *got)
{
    const unsigned char *from = input->packed + input->at;
    enum zip_step step =
        input_zip_step(input->state.zip, &from, input->packed + input->end, to, room, got);
    input->at = (size_t)(from - input->packed);
    switch (step) {
    case ZIP_GOING:
        return STEP_GOING;
    case ZIP_ENDED:
        input->at = input->end;
        return input->source_ended ? STEP_MEMBER : STEP_GOING;
    case ZIP_DAMAGED:
        return STEP_DAMAGED;
    default:
        return STEP_UNKNOWN;
    }
}

static void zip_stop(struct input *input)
{
    input_zip_free(input->state.zip);
}

static const struct packing packings[] = {
    {"gzip", {0x1f, 0x8b}, {0xff, 0xff}, 2, gzip_start, gzip_step, gzip_stop},
    {"xz",
     {0xfd, '7', 'z', 'X', 'Z', 0x00},
     {0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
     6,
     xz_start,
     xz_step,
     xz_stop},
    {"zstd",
     {0x28, 0xb5, 0x2f, 0xfd},
     {0xff, 0xff, 0xff, 0xff},
     4,
     zstd_start,
     zstd_step,
     zstd_stop},
    {"zstd",
     {0x50, 0x2a, 0x4d, 0x18},
     {0xf0, 0xff, 0xff, 0xff},
     4,
     zstd_start,
     zstd_step,
     zstd_stop},
    {"zip", {'P', 'K', 3, 4}, {0xff, 0xff, 0xff, 0xff}, 4, zip_start, zip_step, zip_stop},
};

static char *out_of_memory(const char *name)
{
    char *error = NULL;
    return asprintf(&error, "%s: out of memory", name) < 0 ? NULL : error;
}

static char *fail(const struct input *input, const char *why)
{
    char *error = NULL;
    return asprintf(&error, "%s: %s", input->name, why) < 0 ? NULL : error;
}

/* Reads on from the file behind what is there, which is moved to the front first. */
static char *fill(struct input *input, bool *interrupted)
{
    *interrupted = false;
    if (input->fd < 0 || input->source_ended) {
        input->source_ended = true;
        return NULL;
    }
    size_t kept = input->end - input->at;
    memmove(input->buffer, input->buffer + input->at, kept);
    input->at = 0;
    input->end = kept;
    ssize_t got = read(input->fd, input->buffer + kept, input->buffer_bytes - kept);
    if (got < 0) {
        *interrupted = errno == EINTR;
        return *interrupted ? NULL : fail(input, strerror(errno));
    }
    input->source_ended = got == 0;
    input->end += (size_t)got;
    input->bytes_read += (uint64_t)got;
    return NULL;
}

static bool has_magic(const struct input *input, const struct packing *packing)
{
    if (input->end - input->at < packing->magic_bytes) {
        return false;
    }
    for (size_t i = 0; i < packing->magic_bytes; i++) {
        if ((input->packed[input->at + i] & packing->magic_mask[i]) != packing->magic[i]) {
            return false;
        }
    }
    return true;
}

/* Looks at the first bytes, and sets up what unpacks them. */
static char *recognise(struct input *input)
{
    bool interrupted = false;
    while (!input->source_ended && input->end - input->at < sizeof packings[0].magic) {
        char *error = fill(input, &interrupted);
        if (error != NULL || interrupted) {
            return error;
        }
    }
    for (size_t i = 0; i < sizeof packings / sizeof packings[0]; i++) {
        if (has_magic(input, &packings[i])) {
            input->packing = &packings[i];
            return input->packing->start(input) ? NULL : out_of_memory(input->name);
        }
    }
    return NULL;
}

static struct input *new_input(const char *name)
{
    struct input *input = calloc(1, sizeof *input);
    if (input != NULL && (input->name = strdup(name)) == NULL) {
        free(input);
        return NULL;
    }
    if (input != NULL) {
        input->fd = -1;
    }
    return input;
}

char *input_open(const char *path, struct input **out)
{
    return input_open_small(path, INPUT_BUFFER_BYTES, out);
}

char *input_open_small(const char *path, size_t buffer_bytes, struct input **out)
{
    bool standard = strcmp(path, "-") == 0;
    struct input *input = new_input(standard ? "standard input" : path);
    if (input == NULL) {
        return out_of_memory(path);
    }
    input->buffer_bytes = buffer_bytes;
    if ((input->packed = input->buffer = malloc(buffer_bytes)) == NULL) {
        input_close(input);
        return out_of_memory(path);
    }
    char *error = NULL;
    struct stat status;
    input->fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (input->fd < 0 || fstat(input->fd, &status) != 0) {
        error = fail(input, strerror(errno));
    } else if (S_ISDIR(status.st_mode)) {
        error = fail(input, "is a folder; name a file, or - for standard input");
    } else {
        input->bytes_total = S_ISREG(status.st_mode) ? (uint64_t)status.st_size : 0;
        error = recognise(input);
    }
    if (error != NULL) {
        input_close(input);
        return error;
    }
    *out = input;
    return NULL;
}

char *input_memory(const char *name, const void *data, size_t bytes, struct input **out)
{
    struct input *input = new_input(name);
    if (input == NULL) {
        return out_of_memory(name);
    }
    input->packed = data;
    input->end = bytes;
    input->bytes_read = input->bytes_total = bytes;
    input->source_ended = true;
    char *error = recognise(input);
    if (error != NULL) {
        input_close(input);
        return error;
    }
    *out = input;
    return NULL;
}

static char *read_plain(struct input *input, char *to, size_t room, size_t *got)
{
    size_t ready = input->end - input->at;
    if (ready > 0) {
        *got = ready < room ? ready : room;
        memcpy(to, input->packed + input->at, *got);
        input->at += *got;
        return NULL;
    }
    if (input->fd >= 0 && !input->source_ended) { /* straight to the caller: nothing to unpack */
        ssize_t now = read(input->fd, to, room);
        if (now < 0) {
            return errno == EINTR ? NULL : fail(input, strerror(errno));
        }
        input->source_ended = now == 0;
        input->bytes_read += (uint64_t)now;
        *got = (size_t)now;
    }
    input->ended = input->source_ended;
    return NULL;
}

/* Between members only another one may follow, or the zeros that pad a block of a tape. */
static char *between_members(struct input *input)
{
    for (size_t i = 0; i < sizeof packings / sizeof packings[0]; i++) {
        if (packings[i].step == input->packing->step && has_magic(input, &packings[i])) {
            return NULL;
        }
    }
    char *error = NULL;
    return asprintf(&error, "%s: something follows the %s data that is not %s; cut it off",
                    input->name, input->packing->name, input->packing->name) < 0
               ? NULL
               : error;
}

static char *packed_error(const struct input *input, const char *what)
{
    char *error = NULL;
    return asprintf(&error, "%s: %s %s near byte %llu of the file", input->name,
                    input->packing->name, what,
                    (unsigned long long)(input->bytes_read - (input->end - input->at))) < 0
               ? NULL
               : error;
}

static char *read_packed(struct input *input, char *to, size_t room, size_t *got)
{
    for (;;) {
        bool interrupted = false;
        /* a member's magic may straddle two reads, so at its start some bytes must be there */
        size_t wanted = input->inside_member ? 1 : sizeof packings[0].magic;
        while (input->end - input->at < wanted && !input->source_ended) {
            char *error = fill(input, &interrupted);
            if (error != NULL || interrupted) {
                return error;
            }
        }
        if (!input->inside_member) {
            while (input->at < input->end && input->packed[input->at] == 0) {
                input->at++;
            }
            if (input->end - input->at < wanted && !input->source_ended) {
                continue;
            }
            if (input->at == input->end) {
                input->ended = true;
                return NULL;
            }
            char *error = between_members(input);
            if (error != NULL) {
                return error;
            }
        }
        bool starved = input->at == input->end && input->source_ended;
        enum step step = input->last_step;
        if (step == STEP_GOING || step == STEP_MEMBER) {
            step = input->last_step = input->packing->step(input, to, room, got);
        }
        input->inside_member = step != STEP_MEMBER;
        if (*got > 0) {
            return NULL; /* an error, if there is one, comes after what could be unpacked */
        }
        if (step == STEP_DAMAGED) {
            return packed_error(input, "data are damaged");
        }
        if (step == STEP_TOO_LARGE) {
            return packed_error(input, "data need more than 256 MiB of memory to unpack,");
        }
        if (step == STEP_UNKNOWN) {
            return packed_error(input, "data are encrypted, or neither deflated nor stored,");
        }
        if (starved && step == STEP_GOING) {
            return packed_error(input, "data end too early: the file was cut off");
        }
    }
}

char *input_read(struct input *input, char *to, size_t room, size_t *got)
{
    *got = 0;
    if (input->ended || room == 0) {
        return NULL;
    }
    return input->packing != NULL ? read_packed(input, to, room, got)
                                  : read_plain(input, to, room, got);
}

bool input_ended(const struct input *input)
{
    return input->ended;
}

const char *input_name(const struct input *input)
{
    return input->name;
}

uint64_t input_bytes_read(const struct input *input)
{
    return input->bytes_read;
}

uint64_t input_bytes_total(const struct input *input)
{
    return input->bytes_total;
}

void input_close(struct input *input)
{
    if (input == NULL) {
        return;
    }
    if (input->packing != NULL) {
        input->packing->stop(input);
    }
    if (input->fd > STDIN_FILENO) {
        close(input->fd);
    }
    free(input->buffer);
    free(input->name);
    free(input);
}
