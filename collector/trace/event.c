#include "collector/trace/event.h"

const char *const ref_kind_names[REF_KIND_MASK + 1] = {
    [REF_FETCH] = "fetch",
    [REF_LOAD] = "load",
    [REF_STORE] = "store",
    [REF_TOUCH] = "touch",
};

const char *const ref_mode_names[2] = {"user", "kernel"};

const char *const event_type_names[EVENT_TYPES] = {
    [EVENT_DISPATCH] = "dispatch", [EVENT_IDLE] = "idle",         [EVENT_TIME] = "time",
    [EVENT_ASID] = "asid",         [EVENT_TLBWRITE] = "tlbwrite", [EVENT_MAP] = "map",
    [EVENT_UNMAP] = "unmap",       [EVENT_FORK] = "fork",         [EVENT_EXIT] = "exit",
    [EVENT_DMA] = "dma",           [EVENT_SHARE] = "share",       [EVENT_ZERO] = "zero",
    [EVENT_FREE] = "free",         [EVENT_SERVICE] = "service",
};
