#include "vmm-core/monitor/ram.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "vmm-core/monitor/say.h"

char *ram_init(struct ram *ram, const struct machine *machine, uint32_t pages, uint32_t extra)
{
    uint64_t limit = extra;
    for (uint32_t node = 0; node < machine->nodes; node++)
        limit += machine->node[node].memory_bytes / MIPS_PAGE_BYTES;
    *ram = (struct ram){
        .limit = limit < MIPS_FRAMES_MAX ? (uint32_t)limit : MIPS_FRAMES_MAX,
        .extra = extra,
    };
    ram->memory = mips_memory_new(ram->limit, NULL);
    void *const bytes = mmap(NULL, (size_t)ram->limit * MIPS_PAGE_BYTES, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ram->bytes = bytes == MAP_FAILED ? NULL : bytes;
    ram->mapped = calloc(ram->limit, sizeof *ram->mapped);
    if (!ram->memory || !ram->bytes || !ram->mapped)
        return monitor_no_memory();
    for (uint32_t frame = 0; frame < pages; frame++)
        (void)ram_own(ram, frame);
    for (uint32_t frame = ram->limit - extra; frame < ram->limit; frame++)
        mips_memory_map(ram->memory, frame, ram_bytes(ram, frame), false);
    return NULL;
}

void ram_done(struct ram *ram)
{
    mips_memory_free(ram->memory);
    free(ram->mapped);
    if (ram->bytes)
        (void)munmap(ram->bytes, (size_t)ram->limit * MIPS_PAGE_BYTES);
}

bool ram_own(struct ram *ram, uint32_t frame)
{
    if (frame >= ram->limit - ram->extra)
        return false;
    if (!ram->mapped[frame])
        ram->mapped[frame] = mips_memory_map(ram->memory, frame, ram_bytes(ram, frame), true);
    return ram->mapped[frame];
}

void ram_disown(struct ram *ram, uint32_t frame)
{
    if (frame >= ram->limit - ram->extra || !ram->moves)
        return;
    ram->mapped[frame] = false;
    mips_memory_map(ram->memory, frame, NULL, false);
}

void ram_written(struct ram *ram, uint32_t frame)
{
    mips_memory_written(ram->memory, frame * MIPS_PAGE_BYTES, MIPS_PAGE_BYTES);
}

void ram_drop(struct ram *ram, uint32_t frame)
{
    for (uint32_t cpu = 0; cpu < ram->cpus; cpu++)
        mips_tlb_drop(ram->cpu[cpu], frame);
}
