/* Any bytes as the output of perf script; the first byte chooses how its fields are told. */
#include "tests/unit/test_import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const char *const fields[] = {
        NULL,
        NULL,
        "comm,pid,tid,cpu,time,period,event,addr,data_src,weight,ip,sym,phys_addr",
        "addr",
        "comm,tid,addr,ip,sym,dso",
        "pid,addr,data_src",
        "comm,time,event,addr,ip,sym",
        "tid,time,addr,phys_addr",
    };
    if (bytes == 0) {
        return 0;
    }
    static struct collected collected;
    struct import_options options = {.skip_bad = (data[0] & 1) != 0,
                                     .any_order = (data[0] & 2) != 0,
                                     .fields = fields[data[0] >> 2 & 7],
                                     .cpu_map = (data[0] & 0x20) != 0 ? "1=2,*=3" : NULL};
    struct import_result result;
    char *error = collect(&import_perf_script, &options, data + 1, bytes - 1, &collected, &result);
    if (error == NULL && collected.refs == 0) {
        abort(); /* nothing to import is an error */
    }
    free(error);
    return 0;
}
