#include "vmm-core/machine/network.h"

uint32_t network_line_bytes(const struct machine *machine)
{
    uint32_t longest = 0;
    for (uint32_t i = 0; i < machine->caches; i++)
        if (machine->cache[i].line_bytes > longest)
            longest = machine->cache[i].line_bytes;
    return longest ? longest : 64;
}
