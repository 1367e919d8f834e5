/* The process's memory: a table of pages, frames given at first touch, and a TLB filled from it. */
#include "tests/mips-linux/process.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define FRAMES      (UINT32_C(1) << 17) /* 512 MB */
#define PAGES       (UINT32_C(0x80000000) / MIPS_PAGE_BYTES)
#define FRAME_SHIFT 4
#define PFN_SHIFT   6
#define LO_GLOBAL   UINT32_C(1)
#define LO_VALID    UINT32_C(2)
#define LO_DIRTY    UINT32_C(4)
#define LO_CACHED   (UINT32_C(3) << 3)
#define PAIR        UINT32_C(0xffffe000)
#define TLB_ENTRIES MIPS_TLB_MAX

/* The page's frame; false: nothing is mapped there. */
static bool frame_of(struct process *process, uint32_t address, uint32_t *frame)
{
    const uint32_t number = address / MIPS_PAGE_BYTES;
    if (number >= PAGES || !(process->page[number] & PAGE_MAPPED))
        return false;
    uint32_t *const page = &process->page[number];
    if (!(*page >> FRAME_SHIFT)) {
        if (process->frames_used == FRAMES)
            return false;
        const uint32_t next = process->frames_used++;
        mips_memory_map(process->memory, next, process->frames + (size_t)next * MIPS_PAGE_BYTES,
                        true);
        *page |= next << FRAME_SHIFT;
    }
    *frame = *page >> FRAME_SHIFT;
    return true;
}

static uint32_t entry_lo(struct process *process, uint32_t address)
{
    uint32_t frame;
    if (address >= TASK_END || !frame_of(process, address, &frame))
        return LO_GLOBAL;
    const uint32_t page = process->page[address / MIPS_PAGE_BYTES];
    if (!(page & (PAGE_READ | PAGE_WRITE | PAGE_EXECUTE)))
        return LO_GLOBAL;
    return frame << PFN_SHIFT | LO_CACHED | LO_VALID | LO_GLOBAL |
           (page & PAGE_WRITE ? LO_DIRTY : 0);
}

static bool miss(void *owner, struct mips_cpu *cpu, uint32_t address, enum mips_access access)
{
    struct process *const process = owner;
    const struct mips_tlb_entry entry = {
        .entry_hi = address & PAIR,
        .entry_lo = {entry_lo(process, address & PAIR),
                     entry_lo(process, (address & PAIR) + MIPS_PAGE_BYTES)},
        .used = true,
    };
    const uint32_t lo = entry.entry_lo[address / MIPS_PAGE_BYTES & 1];
    if (!(lo & LO_VALID) || (access == MIPS_STORE && !(lo & LO_DIRTY)))
        return false;
    uint32_t index = 0; /* of the pair, where it is there with a half that is not valid */
    while (index < TLB_ENTRIES &&
           !(process->s->tlb[index].used && process->s->tlb[index].entry_hi == entry.entry_hi))
        index++;
    if (index == TLB_ENTRIES)
        index = process->next_entry++ % TLB_ENTRIES;
    return mips_tlb_write(cpu, index, &entry);
}

bool process_new(struct process *process)
{
    *process = (struct process){.frames_used = 1, .random = 88172645463325252};
    process->memory = mips_memory_new(FRAMES, NULL);
    process->page = calloc(PAGES, sizeof *process->page);
    void *const frames = mmap(NULL, (size_t)FRAMES * MIPS_PAGE_BYTES, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    process->frames = frames == MAP_FAILED ? NULL : frames;
    if (process->memory)
        process->cpu =
            mips_cpu_new(process->memory,
                         &(struct mips_model){.stop_on_exception = true, .denormals_in_fpu = true},
                         0);
    if (!process->cpu || !process->page || !process->frames)
        return false;
    process->s = mips_state(process->cpu);
    mips_on_miss(process->cpu, process, miss);
    return true;
}

void process_free(struct process *process)
{
    mips_cpu_free(process->cpu);
    mips_memory_free(process->memory);
    free(process->page);
    if (process->frames)
        munmap(process->frames, (size_t)FRAMES * MIPS_PAGE_BYTES);
}

/* ------------------------------------------------------------------------------- mappings */

static bool inside(uint32_t start, uint32_t bytes)
{
    return start % MIPS_PAGE_BYTES == 0 && start < TASK_END && bytes <= TASK_END - start;
}

static uint32_t pages_of(uint32_t bytes)
{
    return (bytes + MIPS_PAGE_BYTES - 1) / MIPS_PAGE_BYTES;
}

bool process_map(struct process *process, uint32_t start, uint32_t bytes, uint32_t protection)
{
    if (!process_unmap(process, start, bytes))
        return false;
    for (uint32_t i = 0; i < pages_of(bytes); i++)
        process->page[start / MIPS_PAGE_BYTES + i] |= protection | PAGE_MAPPED;
    return true;
}

bool process_protect(struct process *process, uint32_t start, uint32_t bytes, uint32_t protection)
{
    if (!inside(start, bytes))
        return false;
    for (uint32_t i = 0; i < pages_of(bytes); i++) {
        uint32_t *const page = &process->page[start / MIPS_PAGE_BYTES + i];
        if (!(*page & PAGE_MAPPED))
            return false;
        *page = (*page & ~UINT32_C(7)) | protection;
    }
    mips_tlb_clear(process->cpu);
    return true;
}

/* A page that comes again has the frame that it had. */
bool process_unmap(struct process *process, uint32_t start, uint32_t bytes)
{
    if (!inside(start, bytes))
        return false;
    for (uint32_t i = 0; i < pages_of(bytes); i++) {
        uint32_t *const page = &process->page[start / MIPS_PAGE_BYTES + i];
        const uint32_t frame = *page >> FRAME_SHIFT;
        if (*page & PAGE_MAPPED && frame) {
            memset(process->frames + (size_t)frame * MIPS_PAGE_BYTES, 0, MIPS_PAGE_BYTES);
            mips_memory_written(process->memory, frame * MIPS_PAGE_BYTES, MIPS_PAGE_BYTES);
        }
        *page = frame << FRAME_SHIFT;
    }
    mips_tlb_clear(process->cpu);
    return true;
}

uint32_t process_gap(const struct process *process, uint32_t start, uint32_t bytes)
{
    const uint32_t end = (STACK_END - STACK_BYTES) / MIPS_PAGE_BYTES;
    uint32_t first = start / MIPS_PAGE_BYTES;
    for (uint32_t page = first; page < end; page++) {
        if (process->page[page] & PAGE_MAPPED)
            first = page + 1;
        else if (page + 1 - first == pages_of(bytes))
            return first * MIPS_PAGE_BYTES;
    }
    return 0;
}

/* ------------------------------------------------------------------------------- bytes */

/* What of it is on the page of `address`, or NULL. */
static uint8_t *piece(struct process *process, uint32_t address, uint32_t bytes, uint32_t *part)
{
    uint32_t frame;
    const uint32_t offset = address % MIPS_PAGE_BYTES;
    *part = bytes < MIPS_PAGE_BYTES - offset ? bytes : MIPS_PAGE_BYTES - offset;
    if (!frame_of(process, address, &frame))
        return NULL;
    return process->frames + (size_t)frame * MIPS_PAGE_BYTES + offset;
}

bool process_get(struct process *process, void *to, uint32_t address, uint32_t bytes)
{
    uint8_t *at = to;
    for (uint32_t part; bytes; bytes -= part, address += part, at += part) {
        const uint8_t *const from = piece(process, address, bytes, &part);
        if (!from)
            return false;
        memcpy(at, from, part);
    }
    return true;
}

bool process_put(struct process *process, uint32_t address, const void *from, uint32_t bytes)
{
    const uint8_t *at = from;
    for (uint32_t part; bytes; bytes -= part, address += part, at += part) {
        uint8_t *const to = piece(process, address, bytes, &part);
        if (!to)
            return false;
        memcpy(to, at, part);
        mips_memory_written(process->memory, (uint32_t)(to - process->frames), part);
    }
    return true;
}

bool process_string(struct process *process, char *to, uint32_t address, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++) {
        if (!process_get(process, to + i, address + i, 1))
            return false;
        if (!to[i])
            return true;
    }
    return false;
}
