/* The bytes of a file, a pipe or a piece of memory, unpacked where they are packed.
 *
 * gzip, xz, zstd and zip are told by their first bytes, never by the file's name:
 *   gzip  1f 8b               RFC 1952, section 2.3.1
 *   xz    fd 37 7a 58 5a 00   The .xz File Format 1.2, section 2.1.1.1
 *   zstd  28 b5 2f fd         RFC 8878, section 3.1.1; 5x 2a 4d 18 for a skippable frame, 3.1.2
 *   zip   50 4b 03 04         APPNOTE.TXT 6.3.10, section 4.3.7
 * Members one after the other (`cat a.gz b.gz`, those of a zip archive) are read as one. Everything streams: memory is the
 * library's window and two buffers, and data that asks for a window above 256 MiB are refused.
 *
 * Errors as in collector/trace/writer.h: NULL, or one line to free that names the file.
 */
#ifndef DISCO_SOURCES_INPUT_H
#define DISCO_SOURCES_INPUT_H

#include "collector/trace/writer.h"

struct input;

/* What one import reads: a file, or those of a folder. */
struct input_set {
    const char *name; /* as errors call it: of the file, or of the folder */
    struct input **input;
    size_t inputs;
    uint64_t left_alone; /* files of the folder that are not read */
};

/* `path` "-" is standard input. A folder, and a file that cannot be read, are refused. */
char *input_open(const char *path, struct input **out) MUST_CHECK;
/* The same with a buffer of so many bytes, at least 4096: for one of many files. */
char *input_open_small(const char *path, size_t buffer_bytes, struct input **out) MUST_CHECK;
/* Memory of the caller, that must stay. `name` is what errors call it. */
char *input_memory(const char *name, const void *data, size_t bytes, struct input **out) MUST_CHECK;

/* Up to `room` unpacked bytes into `to`. *got is 0 at the end only, or when a signal came
 * (*got 0 and input_ended false). Packed data that end too early are an error, after all that
 * could be unpacked was handed out. */
char *input_read(struct input *input, char *to, size_t room, size_t *got) MUST_CHECK;
bool input_ended(const struct input *input);

const char *input_name(const struct input *input);
/* Bytes of the file read so far (packed), and its size; 0 where that is not known. */
uint64_t input_bytes_read(const struct input *input);
uint64_t input_bytes_total(const struct input *input);

void input_close(struct input *input); /* takes NULL */

#endif
