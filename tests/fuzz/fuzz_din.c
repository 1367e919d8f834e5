/* Any bytes as a trace for Dinero: the first byte holds the options. */
#include "tests/unit/test_import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes == 0) {
        return 0;
    }
    static struct collected collected;
    struct import_options options = {.skip_bad = (data[0] & 1) != 0,
                                     .no_fetches = (data[0] & 2) != 0};
    struct import_result result;
    char *error = collect(&import_din, &options, data + 1, bytes - 1, &collected, &result);
    if (error == NULL && collected.refs == 0) {
        abort(); /* nothing to import is an error */
    }
    free(error);
    return 0;
}
