/* Contention: the accesses of an epoch that no CPU waits for, and the network (machine/network.h)
 * that turns all of them into loaded latencies.
 *
 * A copy of a page reads each of its lines from one node and writes it to the other, from the node
 * of the CPU that copies. With contention off there is nothing to count.
 */
#include "vmm-core/memory/internal.h"

#include <stdlib.h>
#include <string.h>

struct contention {
    uint64_t *reads, *writes; /* [nodes * nodes] of the open epoch, as network_demand has them */
    uint32_t lines_per_page;
};

char *contention_new(struct memory *memory)
{
    if (!memory->options.contention)
        return NULL;
    const size_t pairs = (size_t)memory->nodes * memory->nodes;
    struct contention *const it = calloc(1, sizeof *it);
    memory->contention = it;
    if (!it)
        return memory_short();
    it->reads = calloc(pairs, sizeof *it->reads);
    it->writes = calloc(pairs, sizeof *it->writes);
    if (!it->reads || !it->writes)
        return memory_short();
    const uint32_t lines = memory->machine->page_bytes / network_line_bytes(memory->machine);
    it->lines_per_page = lines ? lines : 1;
    return NULL;
}

void contention_free(struct memory *memory)
{
    struct contention *const it = memory->contention;
    if (!it)
        return;
    free(it->reads);
    free(it->writes);
    free(it);
}

void contention_reads(struct memory *memory, uint32_t from, uint32_t to, uint64_t accesses)
{
    if (memory->contention)
        memory->contention->reads[from * memory->nodes + to] += accesses;
}

void contention_writes(struct memory *memory, uint32_t from, uint32_t to, uint64_t accesses)
{
    if (memory->contention)
        memory->contention->writes[from * memory->nodes + to] += accesses;
}

void contention_copy(struct memory *memory, uint32_t by, uint32_t from, uint32_t to)
{
    if (!memory->contention)
        return;
    contention_reads(memory, by, from, memory->contention->lines_per_page);
    contention_writes(memory, by, to, memory->contention->lines_per_page);
}
