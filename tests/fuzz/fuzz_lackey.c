/* Any bytes as a lackey log: read as a whole, by the fast way and the slow one, and line by line,
 * which is always the slow way (the fast one wants more bytes than a line has). Both must find the
 * same. */
#include "tests/unit/test_import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void line_by_line(const struct import_options *options, const char *text, size_t bytes,
                         struct collected *collected)
{
    struct import import = {.options = options, .sink = &collected->sink, .file = "f"};
    void *parser = NULL;
    char *error = import_lackey.open(&import, &parser);
    for (const char *at = text, *end = text + bytes; at < end && error == NULL;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = newline != NULL ? (size_t)(newline + 1 - at) : (size_t)(end - at);
        char *line = malloc(length + 1); /* its own memory, so that a byte too far is seen */
        if (line == NULL) {
            abort();
        }
        memcpy(line, at, length);
        line[length] = '\n';
        error = import_lackey.lines(parser, line, newline != NULL ? length : length + 1);
        free(line);
        at += length;
    }
    if (error == NULL) {
        error = import_lackey.finish(parser);
    }
    import_lackey.close(parser);
    free(import.first_skipped);
    free(error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes == 0) {
        return 0;
    }
    static struct collected whole, lines;
    struct import_options options = {.skip_bad = (data[0] & 1) != 0,
                                     .no_fetches = (data[0] & 2) != 0};
    struct import_result result;
    char *error = collect(&import_lackey, &options, data + 1, bytes - 1, &whole, &result);
    bool packed = bytes > 2 && (data[1] == 0x1f || data[1] == 0xfd || data[1] == 0x28 ||
                                (data[1] & 0xf0) == 0x50);
    if (!packed) {
        collected_reset(&lines);
        line_by_line(&options, (const char *)data + 1, bytes - 1, &lines);
        if (lines.refs != whole.refs ||
            (whole.refs != 0 &&
             memcmp(lines.ref, whole.ref, whole.refs * sizeof *whole.ref) != 0)) {
            abort();
        }
    }
    free(error);
    return 0;
}
