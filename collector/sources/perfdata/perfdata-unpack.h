/* What compressed records of a perf.data hold (perf record -z): one zstd stream cut into records. */
#ifndef DISCO_SOURCES_PERFDATA_UNPACK_H
#define DISCO_SOURCES_PERFDATA_UNPACK_H

#include <stddef.h>

struct perfdata_unpacked {
    unsigned char *at;
    size_t bytes, room;
    size_t most;  /* more is refused */
    void *stream; /* ZSTD_DStream; NULL: none yet */
};

/* Adds what `packed` holds. What is wrong (static text), or NULL. */
const char *perfdata_unpack(struct perfdata_unpacked *to, const unsigned char *packed,
                            size_t packed_bytes);
void perfdata_unpacked_free(struct perfdata_unpacked *unpacked);

#endif
