/* Page tables that the hardware walks, and what a CPU keeps of them.
 *
 * Each space has a radix tree of 512 entries a table, four or five levels deep (machine: "walk");
 * level 1 maps pages of 4 KiB, level 2 those of 2 MiB, level 3 those of 1 GiB. A table is a page: it takes a frame, has a
 * home, and goes when its last entry does. There is one tree a space for all nodes; where a page has
 * replicas, each CPU finds the nearest copy through it.                                   tables.c
 *
 * A walk reads one entry a level, from the lowest level on that the walk cache spares it. A read
 * costs line_ns where the CPU's data caches have the entry's line, else it goes to the memory of the
 * table's home.                                                                             walk.c
 */
#ifndef DISCO_MEMORY_WALK_H
#define DISCO_MEMORY_WALK_H

#include "vmm-core/memory/tlb.h"

#define TABLE_SHIFT      9u /* bits of a VPN a level */
#define TABLE_ENTRIES    512u
#define TABLE_LINES      64u /* of 64 bytes, 8 entries each */
#define TABLE_LEVEL_MOST MACHINE_WALK_LEVELS_MAX

#define TABLE_VPN_MASK ((UINT64_C(1) << 52) - 1) /* of a 64-bit address and pages of 4 KiB */

struct table {
    uint64_t prefix; /* VPN of what it maps, without the bits of its level and below */
    uint64_t present[TABLE_ENTRIES / 64];
    uint32_t space;
    uint32_t frame;   /* MEMORY_NONE: the record is free */
    uint32_t next;    /* free record */
    uint16_t entries; /* present ones */
    uint8_t level, home;
};

struct tables {
    uint32_t levels; /* 0: the machine's tables are not modelled, and there are none */
    struct table *table;
    uint32_t count, room, free; /* records made, room for, and the first free one */
    uint32_t *slot;             /* hash of tables: index + 1, or 0 */
    uint32_t slot_mask;
    uint64_t used, used_most; /* frames */
    uint64_t used_on[MACHINE_NODES_MAX];
};

/* What a CPU keeps of the tables. */
struct walker {
    uint32_t caches;
    uint32_t level[MACHINE_WALK_LEVELS_MAX - 1];
    struct tlb cache[MACHINE_WALK_LEVELS_MAX - 1]; /* keys: the VPN down to the entry's level */
    struct tlb lines;                              /* keys: table and line */
    uint64_t clock;                                /* orders its uses of them */
    uint64_t *reads;                               /* [nodes] of this epoch, not charged yet */
};

/* tables.c. A `leaf` is the level whose entry maps the page: its order (tlb.h) and 1. */
void tables_new(struct tables *tables, uint32_t levels);
void tables_free(struct tables *tables);
/* The entry of the level that leads to the VPN: where it stands in its table. */
static inline uint32_t table_index(uint64_t vpn, uint32_t level)
{
    return (uint32_t)(vpn >> ((level - 1) * TABLE_SHIFT)) & (TABLE_ENTRIES - 1);
}
static inline bool table_has(const struct table *table, uint32_t index)
{
    return table->present[index / 64] >> (index % 64) & 1;
}
/* The table of `level` on the way to (space, VPN), or MEMORY_NONE. */
uint32_t tables_find(const struct tables *tables, uint32_t space, uint64_t vpn, uint32_t level);
/* The page is mapped here from now on, by `cpu`: tables that are not there yet are placed for it. */
char *tables_map(struct memory *memory, struct cpu *cpu, uint32_t space, uint64_t vpn,
                 uint32_t leaf);
bool tables_mapped(const struct tables *tables, uint32_t space, uint64_t vpn, uint32_t leaf);
/* The page is no longer mapped here; tables left empty are freed. Nothing if it was not. */
void tables_unmap(struct memory *memory, uint32_t space, uint64_t vpn, uint32_t leaf);
/* The block that starts at the VPN, a huge page of `order` until now, is mapped by pages of the order
 * below from now on; false: no room for a table. The other way round, to order 1. */
bool tables_split(struct memory *memory, struct cpu *cpu, uint32_t space, uint64_t first,
                  uint32_t order);
void tables_merge(struct memory *memory, uint32_t space, uint64_t first);
/* The entry is written by `writer` (NULL: nobody in particular): no other CPU has its line any more.
 */
void tables_written(struct memory *memory, const struct cpu *writer, uint32_t space, uint64_t vpn,
                    uint32_t leaf);

/* walk.c */
bool walker_new(struct walker *walker, const struct machine_walk *walk, uint32_t nodes);
void walker_free(struct walker *walker);
/* Another space runs, and entries are not tagged: the walk cache is empty, the lines stay. */
void walker_flush(struct walker *walker);
/* One walk of the CPU for a VPN of its space, whose tables are there. */
void walk(struct memory *memory, struct cpu *cpu, uint64_t vpn, uint32_t leaf);
/* The reads of this epoch from the memory of `node` took so long each. */
void walk_charge(struct cpu *cpu, uint32_t node, uint64_t each_ps);
/* On every CPU: the entry of `level` on the way to (space, VPN) no longer leads to a table. */
void walk_forget_entry(struct memory *memory, uint32_t space, uint64_t vpn, uint32_t level);
/* On every CPU but `writer`: the line is no longer there. */
void walk_forget_line(struct memory *memory, const struct cpu *writer, uint32_t table,
                      uint32_t line);

/* walk-check.c: NULL, or what does not agree. `met`: marks for frames. */
char *walk_check(const struct memory *memory, uint8_t *met);
char *walk_check_mapped(const struct memory *memory, const struct cpu *cpu, uint32_t space,
                        uint64_t vpn);

#endif
