#include "collector/sources/drmemtrace/drmemtrace-record.h"

/* trace_type_t. 2 and 27 are a general and a hardware's prefetch, 3 to 9 those of x86 and ARM, 32 to
 * 46 those of all architectures; 11 to 16, 31, 48 and 49 are kinds of branches and sysenter. */
const uint8_t drmemtrace_class[DRMEMTRACE_TYPES] = {
    [0] = CLASS_LOAD,
    [1] = CLASS_STORE,
    [2 ... 9] = CLASS_PREFETCH,
    [10 ... 16] = CLASS_FETCH,
    [17] = CLASS_BUNDLE,
    [18] = CLASS_FLUSH,
    [19] = CLASS_ENCODING, /* the end of the flush before it */
    [20] = CLASS_FLUSH,
    [21] = CLASS_ENCODING,
    [22] = CLASS_THREAD,
    [23] = CLASS_EXIT,
    [24] = CLASS_PROCESS,
    [DRMEMTRACE_HEADER_TYPE] = CLASS_HEADER,
    [26] = CLASS_FOOTER,
    [27] = CLASS_PREFETCH,
    [DRMEMTRACE_MARKER_TYPE] = CLASS_MARKER,
    [29] = CLASS_NO_FETCH,
    [30] = CLASS_MAYBE_FETCH,
    [31] = CLASS_FETCH,
    [32 ... 46] = CLASS_PREFETCH,
    [47] = CLASS_ENCODING,
    [48 ... 49] = CLASS_FETCH,
    [50 ... DRMEMTRACE_TYPES - 1] = CLASS_UNKNOWN,
};
