/* The consistency checker of page tables and of what CPUs keep of them. It trusts no count. */
#include "vmm-core/memory/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define WRONG(...) (asprintf(&line, __VA_ARGS__) < 0 ? memory_short() : line)

static bool in_use(const struct tables *tables, uint32_t index)
{
    return index < tables->count && tables->table[index].frame != MEMORY_NONE;
}

/* The first VPN that the entry leads to. */
static uint64_t vpn_of(const struct tables *tables, const struct table *table, uint32_t entry)
{
    const uint64_t vpn = (table->prefix << (table->level * TABLE_SHIFT)) |
                         ((uint64_t)entry << ((table->level - 1) * TABLE_SHIFT));
    const bool upper_half = table->level == tables->levels && !table->prefix &&
                            entry >= TABLE_ENTRIES / 2; /* of canonical addresses */
    return upper_half ? (vpn | UINT64_MAX << (tables->levels * TABLE_SHIFT)) & TABLE_VPN_MASK : vpn;
}

static char *check_entry(const struct memory *memory, const struct table *table, uint32_t entry)
{
    char *line = NULL;
    const uint64_t vpn = vpn_of(&memory->tables, table, entry);
    const uint32_t below = table->level > 1
                               ? tables_find(&memory->tables, table->space, vpn, table->level - 1u)
                               : MEMORY_NONE;
    if (below != MEMORY_NONE)
        return NULL;
    const uint32_t mapping = guest_find(memory->guest, table->space, vpn);
    if (table->level > TLB_ORDERS || mapping == MEMORY_NONE ||
        translate_order(memory, mapping) != table->level - 1u)
        return WRONG("space %u: its table of level %u maps page %#" PRIx64 ", the guest does not",
                     table->space, table->level, vpn);
    return NULL;
}

static char *check_table(const struct memory *memory, uint8_t *met, const struct table *table)
{
    char *line = NULL;
    const struct frame *const frame = &memory->frame[table->frame];
    if (table->frame >= memory->frames || frame->page != FRAME_OF_TABLE ||
        frame->node != table->home || met[table->frame]++)
        return WRONG("space %u: frame %u of its table of level %u is not its own", table->space,
                     table->frame, table->level);
    uint32_t entries = 0;
    char *error = NULL;
    for (uint32_t entry = 0; entry < TABLE_ENTRIES && !error; entry++) {
        if (!table_has(table, entry))
            continue;
        entries++;
        error = check_entry(memory, table, entry);
    }
    if (!error && (!entries || entries != table->entries))
        error = WRONG("space %u: a table of level %u has %u entries, counted %u", table->space,
                      table->level, entries, table->entries);
    const uint64_t vpn = vpn_of(&memory->tables, table, 0);
    if (!error && table->level < memory->tables.levels &&
        !tables_mapped(&memory->tables, table->space, vpn, table->level + 1u))
        error = WRONG("space %u: nothing leads to its table of level %u for page %#" PRIx64,
                      table->space, table->level, vpn);
    return error;
}

static char *check_cached(const struct memory *memory, const struct cpu *cpu)
{
    char *line = NULL;
    const struct walker *const walker = &cpu->walker;
    for (uint32_t at = 0; at < walker->caches; at++) {
        const struct tlb *const cache = &walker->cache[at];
        const uint32_t level = walker->level[at];
        for (uint32_t entry = 0; entry < cache->entries; entry++) {
            if (cache->tag[entry] == TLB_EMPTY)
                continue;
            const uint64_t vpn = cache->tag[entry] << ((level - 1) * TABLE_SHIFT);
            if (tables_find(&memory->tables, cache->space[entry], vpn, level - 1) == MEMORY_NONE)
                return WRONG("CPU %u: its walk cache of level %u leads space %u page %#" PRIx64
                             " to a table that is gone",
                             cpu->index, level, cache->space[entry], vpn);
        }
    }
    for (uint32_t entry = 0; entry < walker->lines.entries; entry++)
        if (walker->lines.tag[entry] != TLB_EMPTY &&
            !in_use(&memory->tables, (uint32_t)(walker->lines.tag[entry] / TABLE_LINES)))
            return WRONG("CPU %u: it holds a line of a table that is gone", cpu->index);
    return NULL;
}

char *walk_check_mapped(const struct memory *memory, const struct cpu *cpu, uint32_t space,
                        uint64_t vpn)
{
    char *line = NULL;
    if (!memory->tables.levels)
        return NULL;
    for (uint32_t leaf = 1; leaf <= TLB_ORDERS; leaf++)
        if (tables_mapped(&memory->tables, space, vpn, leaf))
            return NULL;
    return WRONG("CPU %u: its TLB maps space %u page %#" PRIx64 ", the page tables do not",
                 cpu->index, space, vpn);
}

char *walk_check(const struct memory *memory, uint8_t *met)
{
    char *line = NULL;
    char *error = NULL;
    const struct tables *const tables = &memory->tables;
    uint64_t used[MACHINE_NODES_MAX] = {0};
    uint64_t all = 0;
    for (uint32_t index = 0; index < tables->count && !error; index++) {
        if (!in_use(tables, index))
            continue;
        all++;
        used[tables->table[index].home]++;
        error = check_table(memory, met, &tables->table[index]);
    }
    for (uint32_t node = 0; node < memory->nodes && !error; node++)
        if (used[node] != tables->used_on[node])
            error = WRONG("node %u: %" PRIu64 " page tables, counted %" PRIu64, node, used[node],
                          tables->used_on[node]);
    if (!error && all != tables->used)
        error = WRONG("%" PRIu64 " page tables, counted %" PRIu64, all, tables->used);
    for (uint32_t at = 0; at < memory->used_count && !error; at++)
        error = check_cached(memory, memory->used[at]);
    return error;
}
