#include "replayer/heap.h"

#include <malloc.h>

/* glibc maps what is larger than a threshold apart: such a block grows without being copied, and goes
 * back to the system when it is freed. Left alone the threshold follows the largest block that was
 * freed, up to 32 MiB (mallopt(3), M_MMAP_THRESHOLD); tables that double in turns would then leave
 * holes between each other that nothing fits. Naming a threshold keeps it where it is. */
#define MAPPED_BYTES (1 << 18)

void heap_tight(void)
{
#ifdef M_MMAP_THRESHOLD
    (void)mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES);
#endif
}
