#include "vmm-core/machine/mips/internal.h"

#include <stdlib.h>
#include <string.h>

static uint32_t hash_of(uint32_t physical, uint32_t variant)
{
    const uint32_t mixed = (physical >> 2 ^ variant << 9) * UINT32_C(0x9e3779b1);
    return mixed >> 8 & (CODE_HASH - 1);
}

static uint64_t lines_of(uint32_t physical, uint32_t bytes)
{
    const uint32_t first = physical % MIPS_PAGE_BYTES / 64,
                   last = (physical + bytes - 1) % MIPS_PAGE_BYTES / 64;
    return (UINT64_MAX >> (63 - (last - first))) << first;
}

void mips_code_drop_all(struct mips_memory *memory)
{
    for (uint32_t i = 0; i < CODE_HASH; i++)
        memory->hash[i] = NULL;
    for (uint32_t i = 0; i < memory->frames; i++) {
        memory->frame[i].blocks = NULL;
        memory->frame[i].lines = 0;
    }
    for (struct mips_cpu *cpu = memory->cpus; cpu; cpu = cpu->next)
        memset(cpu->jump, 0, sizeof cpu->jump);
    memory->chunk_now = memory->chunk_used = 0;
}

static void unhash(struct mips_memory *memory, const struct mips_block *block)
{
    struct mips_block **at = &memory->hash[hash_of(block->physical, block->variant)];
    while (*at && *at != block)
        at = &(*at)->next_hash;
    if (*at)
        *at = block->next_hash;
}

void mips_code_drop(struct mips_memory *memory, uint32_t physical, uint32_t bytes)
{
    if (physical / MIPS_PAGE_BYTES >= memory->frames || !bytes)
        return;
    struct mips_frame *const frame = &memory->frame[physical / MIPS_PAGE_BYTES];
    if (!(frame->lines & lines_of(physical, bytes)))
        return;
    frame->lines = 0;
    struct mips_block **at = &frame->blocks;
    while (*at) {
        struct mips_block *const block = *at;
        if (block->physical < physical + bytes && physical < block->physical + 4u * block->count) {
            block->op[0].handler = memory->handler[!!(block->variant & VARIANT_RECORD)][MIPS_STALE];
            unhash(memory, block);
            *at = block->next_page;
        } else {
            frame->lines |= lines_of(block->physical, 4u * block->count);
            block->taken = block->fall = NULL; /* might be one that was dropped */
            at = &block->next_page;
        }
    }
}

bool mips_fetch_address(struct mips_cpu *cpu, uint32_t *physical)
{
    const uint32_t pc = cpu->s.pc;
    struct mips_cached *const cached = &cpu->fetch[pc / MIPS_PAGE_BYTES % (CACHED_PAGES / 4)];
    /* tag: page and ASID; the translation mode where data keep their alignment bits */
    const uint32_t mode = cpu->context >> 12 & 3, tag = (pc & CACHED_PAGE) | cpu->asid_tag | mode;
    if (cached->tag == tag && !(pc & 3)) {
        *physical = cached->physical | pc % MIPS_PAGE_BYTES;
        return true;
    }
    if (!mips_address(cpu, NULL, pc, MIPS_FETCH, physical))
        return false;
    if (cached->tag != CACHED_NONE) /* jumps into the page that gives way are remembered no more */
        mips_jump_forget(cpu, cached->tag);
    cached->tag = tag;
    cached->physical = *physical & CACHED_PAGE;
    cpu->tlb_cached[cpu->found] |= 1u << (CACHED_FETCH_BIT + cpu->found_half);
    return true;
}

static struct mips_block *hashed(const struct mips_memory *memory, uint32_t address,
                                 uint32_t physical, uint32_t variant)
{
    struct mips_block *block = memory->hash[hash_of(physical, variant)];
    while (block &&
           (block->physical != physical || block->address != address || block->variant != variant))
        block = block->next_hash;
    return block;
}

/* A place that is not memory is executed a word at a time, through the bus. */
static struct mips_block *from_bus(struct mips_cpu *cpu, uint32_t physical)
{
    uint8_t page[MIPS_PAGE_BYTES] = {0};
    uint64_t word = 0;
    const struct mips_bus *const bus = &cpu->memory->bus;
    /* a branch would need its delay slot as well: both words, where they are on one page */
    for (uint32_t i = 0;
         i < 2 && (physical + 4 * i) / MIPS_PAGE_BYTES == physical / MIPS_PAGE_BYTES; i++) {
        if (!bus->read || !bus->read(bus->owner, cpu, physical + 4 * i, 4, &word)) {
            cpu->fault = (struct mips_fault){.code = MIPS_EXCEPTION_BUS_FETCH};
            return NULL;
        }
        const uint32_t low = (uint32_t)word;
        memcpy(page + (physical + 4 * i) % MIPS_PAGE_BYTES, &low, 4);
    }
    mips_compile(cpu->memory, cpu->once, page, 1);
    return cpu->once;
}

static struct mips_block *one_use(struct mips_cpu *cpu, uint32_t physical)
{
    struct mips_block *const block = cpu->once;
    block->taken = block->fall = NULL;
    block->address = cpu->s.pc;
    block->physical = physical;
    block->variant = (uint16_t)(cpu->context & VARIANTS);
    block->once = true;
    return block;
}

/* Room for the longest block. */
static void *code_room(struct mips_memory *memory)
{
    const uint32_t most = sizeof(struct mips_block) + MIPS_BLOCK_OPS * sizeof(struct mips_op);
    if (memory->chunk_used + most > CHUNK_BYTES) {
        uint8_t **const next = &memory->chunk[(memory->chunk_now + 1) % CODE_CHUNKS];
        if (!*next)
            *next = malloc(CHUNK_BYTES);
        if (next == memory->chunk || !*next) {
            mips_code_drop_all(memory);
        } else {
            memory->chunk_now++;
            memory->chunk_used = 0;
        }
    }
    return memory->chunk[memory->chunk_now] + memory->chunk_used;
}

static struct mips_block *decode_block(struct mips_cpu *cpu, uint32_t physical,
                                       struct mips_frame *frame)
{
    struct mips_memory *const memory = cpu->memory;
    struct mips_block *const block = code_room(memory);
    *block = (struct mips_block){.address = cpu->s.pc,
                                 .physical = physical,
                                 .variant = (uint16_t)(cpu->context & VARIANTS)};
    const unsigned ops = mips_compile(memory, block, frame->host, MIPS_BLOCK_MAX);
    memory->chunk_used += (uint32_t)(sizeof *block + ops * sizeof(struct mips_op));

    struct mips_block **const bucket = &memory->hash[hash_of(physical, block->variant)];
    block->next_hash = *bucket;
    *bucket = block;
    if (!frame->blocks)
        mips_cached_drop_stores(memory, physical);
    block->next_page = frame->blocks;
    frame->blocks = block;
    frame->lines |= lines_of(physical, 4u * block->count);
    return block;
}

struct mips_block *mips_block_find(struct mips_cpu *cpu, uint32_t physical)
{
    struct mips_frame *const frame = mips_frame(cpu->memory, physical);
    if (!frame) {
        one_use(cpu, physical);
        return from_bus(cpu, physical);
    }
    struct mips_block *block = hashed(cpu->memory, cpu->s.pc, physical, cpu->context & VARIANTS);
    if (!block)
        block = decode_block(cpu, physical, frame);
    if (block->count > cpu->budget) { /* not all of it: the clock stops within */
        one_use(cpu, physical);
        mips_compile(cpu->memory, cpu->once, frame->host, (unsigned)cpu->budget);
        return cpu->once;
    }
    cpu->jump[mips_jump_index(cpu->s.pc)] =
        (struct mips_jump){.address = cpu->s.pc, .context = cpu->context, .block = block};
    return block;
}
