/* Any bytes as one to four files of a drmemtrace: the first byte says how many, and the options;
 * of several files each has its length before it. */
#include "tests/unit/test_import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* What a file of the folder holds; the last one all that is left. */
static size_t take_file(const uint8_t **data, size_t *bytes, bool last, const void **file)
{
    size_t wanted = *bytes;
    if (!last && *bytes >= 2) {
        wanted = (size_t)(*data)[0] | (size_t)(*data)[1] << 8;
        *data += 2;
        *bytes -= 2;
    } else if (!last) {
        wanted = 0;
    }
    *file = *data;
    wanted = wanted < *bytes ? wanted : *bytes;
    *data += wanted;
    *bytes -= wanted;
    return wanted;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes == 0) {
        return 0;
    }
    static struct collected collected;
    uint8_t choice = *data++;
    bytes--;
    struct import_options options = {.skip_bad = (choice & 4) != 0,
                                     .no_fetches = (choice & 8) != 0};
    const void *file[4];
    size_t file_bytes[4], files = (choice & 3u) + 1;
    for (size_t i = 0; i < files; i++) {
        file_bytes[i] = take_file(&data, &bytes, files == 1, &file[i]);
    }
    struct import_result result;
    char *error =
        collect_files(&import_drmemtrace, &options, file, file_bytes, files, &collected, &result);
    if (error == NULL && collected.refs == 0) {
        abort(); /* nothing to import is an error */
    }
    for (size_t i = 1; i < collected.refs; i++) {
        if (collected.ref[i].column[COLUMN_TIME] < collected.ref[i - 1].column[COLUMN_TIME]) {
            abort(); /* a trace's times never fall */
        }
    }
    free(error);
    return 0;
}
