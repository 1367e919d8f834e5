/* Any bytes as a perf.data: the first byte holds the options. */
#include "tests/unit/test_import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes == 0) {
        return 0;
    }
    static struct collected collected;
    struct import_options options = {.skip_bad = (data[0] & 1) != 0,
                                     .cpu_map = (data[0] & 2) != 0 ? "1=2,*=3" : NULL};
    struct import_result result;
    char *error = collect(&import_perfdata, &options, data + 1, bytes - 1, &collected, &result);
    if (error == NULL && collected.refs == 0) {
        abort(); /* nothing to import is an error */
    }
    free(error);
    return 0;
}
