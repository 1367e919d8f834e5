/* Any bytes as a table: the first three lines are --columns, --separator and --kind (empty: the
 * default). */
#include "tests/unit/test_import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* The next line, as a string; NULL where it is empty. */
static char *option(const uint8_t **data, size_t *bytes)
{
    const uint8_t *newline = *bytes > 0 ? memchr(*data, '\n', *bytes) : NULL;
    size_t length = newline != NULL ? (size_t)(newline - *data) : *bytes;
    char *text = length > 0 ? strndup((const char *)*data, length) : NULL;
    length += newline != NULL;
    *data += length;
    *bytes -= length;
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes == 0) {
        return 0;
    }
    static struct collected collected;
    static const char *const units[] = {"s", "ms", "us", "ns"};
    uint8_t choice = *data++;
    bytes--;
    char *columns = option(&data, &bytes), *separators = option(&data, &bytes),
         *kinds = option(&data, &bytes);
    struct import_options options = {.skip_bad = (choice & 1) != 0,
                                     .any_order = (choice & 2) != 0,
                                     .columns = columns != NULL ? columns : "ip,addr,cpu,time,-",
                                     .separators = separators,
                                     .kinds = kinds,
                                     .base = (choice & 4) != 0 ? "10" : NULL,
                                     .time_unit = units[choice >> 3 & 3],
                                     .header_lines = (choice & 0x20) != 0};
    struct import_result result;
    char *error = collect(&import_text, &options, data, bytes, &collected, &result);
    if (error == NULL && collected.refs == 0) {
        abort(); /* nothing to import is an error */
    }
    free(error);
    free(columns);
    free(separators);
    free(kinds);
    return 0;
}
