/* A page walk of the hardware, and what a CPU keeps so that most walks are short.
 *
 * The walk cache has an array a level, by the VPN down to that level's entry; a hit is free, and the
 * lowest level that hits is where the walk goes on. The lines stand for the part of the CPU's data
 * caches that table entries take up: one set-associative array with the least recently used line
 * going, which a write of any other CPU takes a line from. The data caches themselves are the
 * guest's, and do not see walks, since tables have other homes under each policy.
 */
#include "vmm-core/memory/internal.h"

#include <stdlib.h>

bool walker_new(struct walker *walker, const struct machine_walk *machine_walk, uint32_t nodes)
{
    *walker = (struct walker){.reads = calloc(nodes, sizeof *walker->reads)};
    bool made =
        walker->reads && tlb_new(&walker->lines, machine_walk->line_entries,
                                 machine_walk->line_entries ? machine_walk->line_ways : 1, 1);
    for (uint32_t at = 0; made && at < machine_walk->caches; at++) {
        const struct machine_walk_cache *const it = &machine_walk->cache[at];
        walker->level[at] = it->level;
        made = tlb_new(&walker->cache[walker->caches++], it->entries, it->ways, 1);
    }
    return made;
}

void walker_free(struct walker *walker)
{
    for (uint32_t at = 0; at < walker->caches; at++)
        tlb_free(&walker->cache[at]);
    tlb_free(&walker->lines);
    free(walker->reads);
}

void walker_flush(struct walker *walker)
{
    for (uint32_t at = 0; at < walker->caches; at++)
        tlb_flush(&walker->cache[at]);
}

/* Arrays here say only that something is there. */
static void keep(struct walker *walker, struct tlb *array, uint32_t space, uint64_t key)
{
    static const struct tlb_half there = {.page = 0};
    if (array->entries)
        tlb_write(array, tlb_slot(array, space, key, NULL), space, key, &there, ++walker->clock);
}

static bool kept(struct walker *walker, struct tlb *array, uint32_t space, uint64_t key)
{
    const uint32_t found = tlb_find(array, space, key);
    if (found == MEMORY_NONE)
        return false;
    array->stamp[found] = ++walker->clock;
    return true;
}

static void forget(struct tlb *array, uint32_t space, uint64_t key)
{
    const uint32_t found = tlb_find(array, space, key);
    if (found != MEMORY_NONE)
        tlb_invalidate(array, found, key);
}

static uint64_t entry_key(uint64_t vpn, uint32_t level)
{
    return vpn >> ((level - 1) * TABLE_SHIFT);
}

static uint64_t line_key(uint32_t table, uint32_t line)
{
    return (uint64_t)table * TABLE_LINES + line;
}

/* The level whose entry is to be read first. */
static uint32_t first_level(struct walker *walker, uint32_t levels, uint32_t space, uint64_t vpn,
                            uint32_t leaf)
{
    for (uint32_t at = 0; at < walker->caches; at++)
        if (walker->level[at] > leaf &&
            kept(walker, &walker->cache[at], space, entry_key(vpn, walker->level[at])))
            return walker->level[at] - 1;
    return levels;
}

static void read_entry(struct memory *memory, struct cpu *cpu, uint32_t table, uint32_t entry)
{
    struct walker *const walker = &cpu->walker;
    const uint64_t key = line_key(table, entry / (TABLE_ENTRIES / TABLE_LINES));
    if (kept(walker, &walker->lines, 0, key)) {
        cpu->counters.walk_hits++;
        cpu_charge(cpu, ACCOUNT_tlb, (uint64_t)memory->machine->tlb.walk.line_ns * PS_PER_NS);
        return;
    }
    const uint32_t home = memory->tables.table[table].home;
    walker->reads[home]++;
    *(home == cpu->node ? &cpu->counters.walk_reads_local : &cpu->counters.walk_reads_remote) += 1;
    contention_reads(memory, cpu->node, home, 1);
    keep(walker, &walker->lines, 0, key);
}

void walk(struct memory *memory, struct cpu *cpu, uint64_t vpn, uint32_t leaf)
{
    struct walker *const walker = &cpu->walker;
    const uint32_t levels = memory->tables.levels;
    cpu->counters.walks++;
    for (uint32_t level = first_level(walker, levels, cpu->space, vpn, leaf); level >= leaf;
         level--) {
        read_entry(memory, cpu, tables_find(&memory->tables, cpu->space, vpn, level),
                   table_index(vpn, level));
        for (uint32_t at = 0; at < walker->caches && level > leaf; at++)
            if (walker->level[at] == level)
                keep(walker, &walker->cache[at], cpu->space, entry_key(vpn, level));
    }
}

/* Walks stand for themselves, also in a sampled trace, as refills do; a clock stops at its end. */
void walk_charge(struct cpu *cpu, uint32_t node, uint64_t each_ps)
{
    const unsigned __int128 ps = (unsigned __int128)cpu->walker.reads[node] * each_ps;
    const uint64_t clock_ps = cpu->counters.clock_ps;
    const uint64_t room_ps = clock_ps < CLOCK_PS_MOST ? CLOCK_PS_MOST - clock_ps : 0;
    const uint64_t charged_ps = ps <= room_ps ? (uint64_t)ps : room_ps;
    cpu->walker.reads[node] = 0;
    cpu_charge(cpu, ACCOUNT_tlb, charged_ps);
    *(node == cpu->node ? &cpu->counters.walk_local_ps : &cpu->counters.walk_remote_ps) +=
        charged_ps;
}

void walk_forget_entry(struct memory *memory, uint32_t space, uint64_t vpn, uint32_t level)
{
    for (uint32_t at = 0; at < memory->used_count; at++) {
        struct walker *const walker = &memory->used[at]->walker;
        for (uint32_t cache = 0; cache < walker->caches; cache++)
            if (walker->level[cache] == level)
                forget(&walker->cache[cache], space, entry_key(vpn, level));
    }
}

void walk_forget_line(struct memory *memory, const struct cpu *writer, uint32_t table,
                      uint32_t line)
{
    for (uint32_t at = 0; at < memory->used_count; at++)
        if (memory->used[at] != writer)
            forget(&memory->used[at]->walker.lines, 0, line_key(table, line));
}
