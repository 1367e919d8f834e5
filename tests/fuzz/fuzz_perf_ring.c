/* Any bytes as the contents of a perf ring: reading ends, and stays inside. The first byte says
 * where in the ring the records begin (so that they go round its end) and which layout they have.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "collector/sources/perf/perf-record.h"

#define RING_BYTES 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct perf_layout layouts[] = {
        {.with_raw = false},
        {.with_period = true},
        {.with_raw = true,
         .fault = {{.id = 190, .address_at = 8, .ip_at = 16, .error_at = 24},
                   {.id = 191, .address_at = 8, .ip_at = 16, .error_at = 24}}},
    };
    static uint8_t copy[PERF_RECORD_BYTES_MAX];
    if (size < 1 || size > RING_BYTES)
        return 0;
    const struct perf_layout *layout = &layouts[data[0] % 3u];
    uint64_t tail = data[0] * (uint64_t)(RING_BYTES / 256u), head = tail + size - 1;
    uint8_t *ring = calloc(1, RING_BYTES);
    if (ring == NULL)
        return 0;
    for (size_t i = 1; i < size; i++)
        ring[(tail + i - 1) % RING_BYTES] = data[i];
    const uint8_t *bytes;
    size_t record_bytes;
    while (perf_ring_take(ring, RING_BYTES, head, &tail, copy, &bytes, &record_bytes) ==
           PERF_TAKEN_RECORD) {
        struct perf_record record;
        /* exactly as long as it says, so that one byte more is seen */
        uint8_t *exact = malloc(record_bytes);
        if (exact == NULL)
            break;
        memcpy(exact, bytes, record_bytes);
        if (perf_record_parse(layout, exact, record_bytes, &record) == NULL && record.name &&
            strlen(record.name) >= record_bytes)
            abort();
        free(exact);
    }
    if (tail != head && tail - head < RING_BYTES) /* it took more than there was */
        abort();
    free(ring);
    return 0;
}
