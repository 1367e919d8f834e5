/* The page tables of all spaces: which are there, what they map, where they live.
 *
 * A table is made when a CPU first maps something through it, and goes with its last entry; the root
 * of a space too. Its home is the node of that CPU, as the kernel's allocation on a page fault has
 * it (Linux: pte_alloc_one() allocates on the faulting CPU's node), unless the policy asked to place
 * tables (policy_wants.tables). A full node falls back by distance, as for any page. Filling a table
 * is part of the page fault that made it.
 *
 * Tables are found by a hash of (space, level, prefix): open addressing over 32-bit indices.
 */
#include "vmm-core/memory/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_AT_FIRST 256u

void tables_new(struct tables *tables, uint32_t levels)
{
    *tables = (struct tables){.levels = levels, .free = MEMORY_NONE};
}

void tables_free(struct tables *tables)
{
    free(tables->table);
    free(tables->slot);
}

/* The root maps both halves of the canonical addresses. One that the levels do not reach has a root
 * of its own, by its upper bits, so that no two pages share an entry. */
static uint64_t prefix_of(const struct tables *tables, uint64_t vpn, uint32_t level)
{
    const uint64_t prefix = vpn >> (level * TABLE_SHIFT);
    const uint32_t below_half = level * TABLE_SHIFT - 1;
    const bool upper_half = vpn >> below_half == TABLE_VPN_MASK >> below_half;
    return level == tables->levels && upper_half ? 0 : prefix;
}

static uint32_t hash(uint32_t space, uint64_t prefix, uint32_t level)
{
    uint64_t mixed = (prefix ^ ((uint64_t)space << 32)) * UINT64_C(0x9E3779B97F4A7C15) + level;
    mixed = (mixed ^ (mixed >> 32)) * UINT64_C(0xD6E8FEB86659FD93);
    return (uint32_t)(mixed >> 32);
}

/* The slot that holds the table, or the empty one where it would go. */
static uint32_t slot_of(const struct tables *tables, uint32_t space, uint64_t prefix,
                        uint32_t level)
{
    uint32_t slot = hash(space, prefix, level) & tables->slot_mask;
    while (tables->slot[slot]) {
        const struct table *const it = &tables->table[tables->slot[slot] - 1];
        if (it->prefix == prefix && it->space == space && it->level == level)
            break;
        slot = (slot + 1) & tables->slot_mask;
    }
    return slot;
}

uint32_t tables_find(const struct tables *tables, uint32_t space, uint64_t vpn, uint32_t level)
{
    if (!tables->slot)
        return MEMORY_NONE;
    const uint32_t slot = slot_of(tables, space, prefix_of(tables, vpn, level), level);
    return tables->slot[slot] ? tables->slot[slot] - 1 : MEMORY_NONE;
}

/* Keeps the hash at most half full. */
static char *room_for_slot(struct tables *tables)
{
    const uint64_t slots = tables->slot ? (uint64_t)tables->slot_mask + 1 : 0;
    if (tables->used + 1 <= slots / 2)
        return NULL;
    const uint64_t wanted = slots ? slots * 2 : SLOTS_AT_FIRST;
    uint32_t *const slot = wanted > UINT32_MAX ? NULL : calloc(wanted, sizeof *slot);
    if (!slot)
        return memory_short();
    free(tables->slot);
    tables->slot = slot;
    tables->slot_mask = (uint32_t)(wanted - 1);
    for (uint32_t index = 0; index < tables->count; index++) {
        const struct table *const it = &tables->table[index];
        if (it->frame != MEMORY_NONE)
            slot[slot_of(tables, it->space, it->prefix, it->level)] = index + 1;
    }
    return NULL;
}

/* ---- making ---------------------------------------------------------------------------------- */

static uint32_t wanted_node(struct memory *memory, const struct cpu *cpu, uint64_t vpn,
                            uint32_t level)
{
    if (!memory->wants.tables)
        return cpu->node;
    const struct policy_event event = {.page = POLICY_NO_PAGE,
                                       .node = cpu->node,
                                       .cpu = cpu->index,
                                       .time_ns = memory->epoch.start_ns,
                                       .vpn = vpn,
                                       .table_level = level};
    const uint32_t node = memory->policy->place(memory->state, &memory->host, &event);
    return node < memory->nodes ? node : cpu->node;
}

static char *record(struct tables *tables, uint32_t *index)
{
    char *const error = room_for_slot(tables);
    if (error)
        return error;
    *index = tables->free;
    if (*index != MEMORY_NONE) {
        tables->free = tables->table[*index].next;
        return NULL;
    }
    if (!memory_grow((void **)&tables->table, &tables->room, tables->count + 1,
                     sizeof *tables->table))
        return memory_short();
    *index = tables->count++;
    tables->table[*index].frame = MEMORY_NONE;
    return NULL;
}

static char *full(const struct memory *memory)
{
    char *line = NULL;
    return asprintf(&line,
                    "memory of the machine is full after %llu page tables; use a larger machine",
                    (unsigned long long)memory->tables.used) < 0
               ? memory_short()
               : line;
}

static char *add_table(struct memory *memory, struct cpu *cpu, uint32_t space, uint64_t vpn,
                       uint32_t level, uint32_t *out)
{
    struct tables *const tables = &memory->tables;
    uint32_t node = wanted_node(memory, cpu, vpn, level);
    uint32_t frame = 0;
    if (!place_find_room(memory, cpu, node, &node))
        return full(memory);
    char *error = record(tables, out);
    if (!error)
        error = frames_take(memory, node, FRAME_OF_TABLE, &frame);
    if (error)
        return error; /* the object can only be freed now */
    tables->table[*out] = (struct table){.prefix = prefix_of(tables, vpn, level),
                                         .space = space,
                                         .frame = frame,
                                         .level = (uint8_t)level,
                                         .home = (uint8_t)node};
    tables->slot[slot_of(tables, space, tables->table[*out].prefix, level)] = *out + 1;
    tables->used_on[node]++;
    if (++tables->used > tables->used_most)
        tables->used_most = tables->used;
    return NULL;
}

static void set_present(struct memory *memory, const struct cpu *writer, uint32_t index,
                        uint32_t entry)
{
    struct table *const table = &memory->tables.table[index];
    table->present[entry / 64] |= UINT64_C(1) << (entry % 64);
    table->entries++;
    walk_forget_line(memory, writer, index, entry / (TABLE_ENTRIES / TABLE_LINES));
}

bool tables_mapped(const struct tables *tables, uint32_t space, uint64_t vpn, uint32_t leaf)
{
    const uint32_t index = tables_find(tables, space, vpn, leaf);
    return index != MEMORY_NONE && table_has(&tables->table[index], table_index(vpn, leaf));
}

char *tables_map(struct memory *memory, struct cpu *cpu, uint32_t space, uint64_t vpn,
                 uint32_t leaf)
{
    if (tables_mapped(&memory->tables, space, vpn, leaf))
        return NULL;
    for (uint32_t level = memory->tables.levels; level >= leaf; level--) {
        uint32_t index = tables_find(&memory->tables, space, vpn, level);
        char *const error =
            index == MEMORY_NONE ? add_table(memory, cpu, space, vpn, level, &index) : NULL;
        if (error)
            return error;
        const uint32_t entry = table_index(vpn, level);
        if (!table_has(&memory->tables.table[index], entry))
            set_present(memory, cpu, index, entry);
    }
    return NULL;
}

/* ---- going ----------------------------------------------------------------------------------- */

/* Moves later members of the probe chain into the gap, as far as their hash allows. */
static void remove_slot(struct tables *tables, uint32_t gap)
{
    const uint32_t mask = tables->slot_mask;
    for (uint32_t slot = (gap + 1) & mask; tables->slot[slot]; slot = (slot + 1) & mask) {
        const struct table *const it = &tables->table[tables->slot[slot] - 1];
        const uint32_t wanted = hash(it->space, it->prefix, it->level) & mask;
        if (((slot - wanted) & mask) >= ((slot - gap) & mask)) {
            tables->slot[gap] = tables->slot[slot];
            gap = slot;
        }
    }
    tables->slot[gap] = 0;
}

static void drop_table(struct memory *memory, uint32_t index)
{
    struct tables *const tables = &memory->tables;
    struct table *const it = &tables->table[index];
    for (uint32_t line = 0; line < TABLE_LINES; line++)
        walk_forget_line(memory, NULL, index, line);
    remove_slot(tables, slot_of(tables, it->space, it->prefix, it->level));
    frames_give_back(memory, it->frame);
    tables->used_on[it->home]--;
    tables->used--;
    it->frame = MEMORY_NONE;
    it->next = tables->free;
    tables->free = index;
}

void tables_unmap(struct memory *memory, uint32_t space, uint64_t vpn, uint32_t leaf)
{
    struct tables *const tables = &memory->tables;
    if (!tables_mapped(tables, space, vpn, leaf))
        return;
    for (uint32_t level = leaf; level <= tables->levels; level++) {
        const uint32_t index = tables_find(tables, space, vpn, level);
        struct table *const table = &tables->table[index];
        const uint32_t entry = table_index(vpn, level);
        table->present[entry / 64] &= ~(UINT64_C(1) << (entry % 64));
        walk_forget_line(memory, NULL, index, entry / (TABLE_ENTRIES / TABLE_LINES));
        if (level > leaf)
            walk_forget_entry(memory, space, vpn, level);
        if (--table->entries)
            return;
        drop_table(memory, index);
    }
}

void tables_written(struct memory *memory, const struct cpu *writer, uint32_t space, uint64_t vpn,
                    uint32_t leaf)
{
    const uint32_t index = tables_find(&memory->tables, space, vpn, leaf);
    if (index != MEMORY_NONE)
        walk_forget_line(memory, writer, index,
                         table_index(vpn, leaf) / (TABLE_ENTRIES / TABLE_LINES));
}

/* ---- huge pages ------------------------------------------------------------------------------ */

bool tables_split(struct memory *memory, struct cpu *cpu, uint32_t space, uint64_t first,
                  uint32_t order)
{
    uint32_t index = 0;
    if (!tables_mapped(&memory->tables, space, first, order + 1))
        return true; /* nothing has walked to it yet */
    char *const error = add_table(memory, cpu, space, first, order, &index);
    if (error) {
        free(error);
        return false;
    }
    struct table *const table = &memory->tables.table[index];
    memset(table->present, 0xff, sizeof table->present);
    table->entries = TABLE_ENTRIES;
    tables_written(memory, cpu, space, first, order + 1);
    return true;
}

void tables_merge(struct memory *memory, uint32_t space, uint64_t first)
{
    const uint32_t index = tables_find(&memory->tables, space, first, 1);
    if (index == MEMORY_NONE)
        return;
    drop_table(memory, index);
    walk_forget_entry(memory, space, first, 2);
    tables_written(memory, NULL, space, first, 2);
}
