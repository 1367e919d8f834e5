/* A slow and plain model of TLBs of two levels, page walks, page tables and huge pages, written apart
 * from the memory subsystem to judge it by.
 *
 * It shares the contract headers with the real one and nothing else. Every array is a list that is
 * searched from end to end; every table is a list of what it maps; a block of 512 pages has a record
 * for each page. Two spaces of MODEL_BLOCKS blocks, of which some share a gigabyte.
 */
#ifndef DISCO_TESTS_TLB_MODEL_H
#define DISCO_TESTS_TLB_MODEL_H

#include "vmm-core/memory/memory.h"

#include <stdlib.h>
#include <string.h>

#define MODEL_SPACES 2u
#define MODEL_BLOCKS 5u
#define MODEL_PAGES  512u
#define MODEL_CPUS   4u
#define MODEL_NODES  3u
#define MODEL_LIST   256u
#define MODEL_TABLES 256u

/* The number of each block among those of its size: 0 to 2 lie in one gigabyte. */
static const uint64_t model_block_number[MODEL_BLOCKS] = {0, 1, 2, 512, 512 * 512};

struct model_item {
    uint32_t space, order;
    uint64_t number; /* of the page of this order, of the entry of a table, of a line */
    uint64_t used;   /* when */
};

/* Any set-associative array: what is in it, in no order. */
struct model_list {
    uint32_t sets, ways, count;
    struct model_item item[MODEL_LIST];
};

struct model_page {
    bool mapped, placed;
    uint32_t node;
    int made_with; /* number of the touch that mapped its block as a whole; -1: it was alone */
};

struct model_block {
    bool huge;
    struct model_page page[MODEL_PAGES];
    int huge_made_with; /* the touch that the huge page, or what it was split into, is of */
};

struct model_table {
    bool there;
    uint32_t space, level, home;
    uint64_t number; /* VPN >> 9 level */
    bool present[MODEL_PAGES];
};

struct model_cpu {
    uint32_t node, space;
    bool used;
    struct model_list array[MACHINE_TLB_ARRAYS_MAX], cache[MACHINE_WALK_LEVELS_MAX], lines;
    uint64_t misses, second_misses, walks, line_hits, local_reads, remote_reads, tlb_ns;
    uint64_t faults, huge_faults, splits, merges, shootdowns, suffered;
};

struct model {
    const struct machine *machine;
    struct model_cpu cpu[MODEL_CPUS];
    struct model_block block[MODEL_SPACES][MODEL_BLOCKS];
    struct model_table table[MODEL_TABLES];
    bool wanted[MODEL_SPACES][MODEL_BLOCKS]; /* huge pages */
    uint64_t clock;
    int touches;
};

/* ---- lists ----------------------------------------------------------------------------------- */

static inline struct model_item *model_find(struct model_list *list, uint32_t space, uint32_t order,
                                            uint64_t number)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (list->item[i].space == space && list->item[i].order == order &&
            list->item[i].number == number)
            return &list->item[i];
    return NULL;
}

static inline bool model_drop(struct model_list *list, uint32_t space, uint32_t order,
                              uint64_t number)
{
    struct model_item *const it = model_find(list, space, order, number);
    if (it != NULL)
        *it = list->item[--list->count];
    return it != NULL;
}

static inline void model_insert(struct model *model, struct model_list *list, uint32_t space,
                                uint32_t order, uint64_t number)
{
    if (list->sets == 0)
        return;
    model_drop(list, space, order, number);
    uint32_t in_set = 0;
    struct model_item *oldest = NULL;
    for (uint32_t i = 0; i < list->count; i++) {
        struct model_item *const it = &list->item[i];
        if (it->number % list->sets != number % list->sets)
            continue;
        in_set++;
        if (oldest == NULL || it->used < oldest->used)
            oldest = it;
    }
    if (in_set == list->ways)
        *oldest = list->item[--list->count];
    list->item[list->count++] = (struct model_item){.space = space,
                                                    .order = order,
                                                    .number = number,
                                                    .used = ++model->clock};
}

/* ---- machine memory -------------------------------------------------------------------------- */

static inline uint64_t model_tables_on(const struct model *model, uint32_t node)
{
    uint64_t tables = 0;
    for (uint32_t i = 0; i < MODEL_TABLES; i++)
        tables += model->table[i].there && model->table[i].home == node;
    return tables;
}

static inline uint64_t model_used(const struct model *model, uint32_t node)
{
    uint64_t used = model_tables_on(model, node);
    for (uint32_t space = 0; space < MODEL_SPACES; space++)
        for (uint32_t block = 0; block < MODEL_BLOCKS; block++)
            for (uint32_t page = 0; page < MODEL_PAGES; page++) {
                const struct model_page *const it = &model->block[space][block].page[page];
                used += it->placed && it->node == node;
            }
    return used;
}

static inline uint64_t model_free(const struct model *model, uint32_t node)
{
    const uint64_t frames = model->machine->node[node].memory_bytes / model->machine->page_bytes;
    return frames - model_used(model, node);
}

/* The node, or the nearest other that has room. */
static inline uint32_t model_room(const struct model *model, uint32_t wanted)
{
    uint32_t best = UINT32_MAX;
    for (uint32_t node = 0; node < MODEL_NODES; node++) {
        if (model_free(model, node) == 0)
            continue;
        if (node == wanted)
            return node;
        if (best == UINT32_MAX || machine_latency_ns(model->machine, wanted, node) <
                                      machine_latency_ns(model->machine, wanted, best))
            best = node;
    }
    return best;
}

/* ---- tables ---------------------------------------------------------------------------------- */

static inline struct model_table *model_table(struct model *model, uint32_t space, uint32_t level,
                                              uint64_t vpn)
{
    for (uint32_t i = 0; i < MODEL_TABLES; i++) {
        struct model_table *const it = &model->table[i];
        if (it->there && it->space == space && it->level == level &&
            it->number == vpn >> (9 * level))
            return it;
    }
    return NULL;
}

static inline uint32_t model_entry(uint64_t vpn, uint32_t level)
{
    return (uint32_t)(vpn >> (9 * (level - 1))) % MODEL_PAGES;
}

/* Lines are known by the table's place in the list, which it keeps as long as it lives. */
static inline uint64_t model_line(const struct model *model, const struct model_table *table,
                                  uint32_t entry)
{
    return (uint64_t)(table - model->table) * 64 + entry / 8;
}

static inline void model_lose_line(struct model *model, const struct model_table *table,
                                   uint32_t entry, const struct model_cpu *writer)
{
    for (uint32_t cpu = 0; cpu < MODEL_CPUS; cpu++)
        if (&model->cpu[cpu] != writer)
            model_drop(&model->cpu[cpu].lines, 0, 0, model_line(model, table, entry));
}

static inline void model_lose_cached(struct model *model, uint32_t space, uint32_t level,
                                     uint64_t vpn)
{
    for (uint32_t cpu = 0; cpu < MODEL_CPUS; cpu++)
        model_drop(&model->cpu[cpu].cache[level - 1], space, 0, vpn >> (9 * (level - 1)));
}

static inline struct model_table *model_new_table(struct model *model, uint32_t cpu, uint32_t space,
                                                  uint32_t level, uint64_t vpn)
{
    uint32_t at = 0;
    while (model->table[at].there)
        at++;
    const uint32_t home = model_room(model, model->cpu[cpu].node);
    model->table[at] = (struct model_table){
        .there = true, .space = space, .level = level, .home = home, .number = vpn >> (9 * level)};
    return &model->table[at];
}

static inline void model_map(struct model *model, uint32_t cpu, uint32_t space, uint64_t vpn,
                             uint32_t leaf)
{
    struct model_table *const last = model_table(model, space, leaf, vpn);
    if (last != NULL && last->present[model_entry(vpn, leaf)])
        return;
    for (uint32_t level = model->machine->tlb.walk.levels; level >= leaf; level--) {
        struct model_table *table = model_table(model, space, level, vpn);
        if (table == NULL)
            table = model_new_table(model, cpu, space, level, vpn);
        const uint32_t entry = model_entry(vpn, level);
        if (!table->present[entry])
            model_lose_line(model, table, entry, &model->cpu[cpu]);
        table->present[entry] = true;
    }
}

static inline void model_drop_table(struct model *model, struct model_table *table)
{
    for (uint32_t entry = 0; entry < MODEL_PAGES; entry += 8)
        model_lose_line(model, table, entry, NULL);
    table->there = false;
}

static inline void model_unmap_entry(struct model *model, uint32_t space, uint64_t vpn,
                                     uint32_t leaf)
{
    for (uint32_t level = leaf; level <= model->machine->tlb.walk.levels; level++) {
        struct model_table *const table = model_table(model, space, level, vpn);
        const uint32_t entry = model_entry(vpn, level);
        if (table == NULL || !table->present[entry])
            return;
        table->present[entry] = false;
        model_lose_line(model, table, entry, NULL);
        if (level > leaf)
            model_lose_cached(model, space, level, vpn);
        for (uint32_t other = 0; other < MODEL_PAGES; other++)
            if (table->present[other])
                return;
        model_drop_table(model, table);
    }
}

static inline void model_walk(struct model *model, struct model_cpu *cpu, uint64_t vpn,
                              uint32_t leaf)
{
    const struct machine_walk *const walk = &model->machine->tlb.walk;
    uint32_t level = walk->levels;
    cpu->walks++;
    for (uint32_t above = leaf + 1; above <= walk->levels; above++) {
        struct model_item *const it =
            model_find(&cpu->cache[above - 1], cpu->space, 0, vpn >> (9 * (above - 1)));
        if (it == NULL)
            continue;
        it->used = ++model->clock;
        level = above - 1;
        break;
    }
    for (; level >= leaf; level--) {
        const struct model_table *const table = model_table(model, cpu->space, level, vpn);
        const uint64_t line = model_line(model, table, model_entry(vpn, level));
        struct model_item *const it = model_find(&cpu->lines, 0, 0, line);
        if (it != NULL) {
            it->used = ++model->clock;
            cpu->line_hits++;
            cpu->tlb_ns += walk->line_ns;
        } else {
            *(table->home == cpu->node ? &cpu->local_reads : &cpu->remote_reads) += 1;
            cpu->tlb_ns += machine_latency_ns(model->machine, cpu->node, table->home);
            model_insert(model, &cpu->lines, 0, 0, line);
        }
        if (level > leaf)
            model_insert(model, &cpu->cache[level - 1], cpu->space, 0, vpn >> (9 * (level - 1)));
    }
}

/* ---- translations ---------------------------------------------------------------------------- */

static inline uint64_t model_vpn(uint32_t block, uint32_t page)
{
    return model_block_number[block] * MODEL_PAGES + page;
}

/* Finds the translation on a level. */
static inline struct model_item *model_lookup(struct model *model, struct model_cpu *cpu,
                                              uint32_t level, uint64_t vpn, uint32_t *array)
{
    const struct machine_tlb *const tlb = &model->machine->tlb;
    for (*array = 0; *array < tlb->arrays; ++*array) {
        if (tlb->array[*array].level != level)
            continue;
        for (uint32_t order = 0; order < 2; order++) {
            struct model_item *const it =
                model_find(&cpu->array[*array], cpu->space, order, vpn >> (9 * order));
            if (it != NULL)
                return it;
        }
    }
    return NULL;
}

/* The largest part of the page that some array of the level takes. */
static inline void model_fill(struct model *model, struct model_cpu *cpu, uint32_t level,
                              uint64_t vpn, uint32_t order)
{
    const struct machine_tlb *const tlb = &model->machine->tlb;
    for (uint32_t part = order + 1; part-- > 0;)
        for (uint32_t array = 0; array < tlb->arrays; array++)
            if (tlb->array[array].level == level && tlb->array[array].pages >> part & 1) {
                model_insert(model, &cpu->array[array], cpu->space, part, vpn >> (9 * part));
                return;
            }
}

/* All that CPUs hold of pages [vpn, + pages) goes; who held any in a TLB, a bit each. */
static inline uint32_t model_shoot(struct model *model, uint32_t space, uint64_t vpn,
                                   uint32_t pages)
{
    uint32_t held = 0;
    for (uint32_t cpu = 0; cpu < MODEL_CPUS; cpu++)
        for (uint32_t array = 0; array < model->machine->tlb.arrays; array++) {
            struct model_list *const list = &model->cpu[cpu].array[array];
            for (uint32_t page = 0; page < pages; page++)
                if (model_drop(list, space, 0, vpn + page))
                    held |= 1u << cpu;
            if (pages > 1 && model_drop(list, space, 1, vpn >> 9))
                held |= 1u << cpu;
        }
    return held;
}

static inline void model_interrupt(struct model *model, uint32_t starter, uint32_t held)
{
    held &= ~(1u << starter);
    model->cpu[starter].shootdowns += held != 0;
    for (uint32_t cpu = 0; cpu < MODEL_CPUS; cpu++)
        model->cpu[cpu].suffered += held >> cpu & 1;
}

/* ---- what happens ---------------------------------------------------------------------------- */

static inline void model_touch(struct model *model, uint32_t space, uint32_t block, uint32_t page)
{
    struct model_block *const it = &model->block[space][block];
    if (it->page[page].mapped)
        return;
    bool whole = model->wanted[space][block];
    for (uint32_t at = 0; at < MODEL_PAGES; at++)
        whole = whole && !it->page[at].mapped;
    const int touch = whole ? model->touches++ : -1;
    for (uint32_t at = whole ? 0 : page; at < (whole ? MODEL_PAGES : page + 1); at++)
        it->page[at] = (struct model_page){.mapped = true, .made_with = touch};
    if (whole)
        it->huge_made_with = -1; /* not decided */
}

static inline void model_place(struct model *model, struct model_cpu *cpu, uint32_t block,
                               uint32_t page)
{
    struct model_block *const it = &model->block[cpu->space][block];
    const int touch = it->page[page].made_with;
    cpu->faults++;
    if (touch >= 0 && it->huge_made_with != touch) {
        it->huge_made_with = touch;
        it->huge = model_free(model, cpu->node) >= MODEL_PAGES;
        cpu->huge_faults += it->huge;
        for (uint32_t at = 0; it->huge && at < MODEL_PAGES; at++) {
            it->page[at].placed = true;
            it->page[at].node = cpu->node;
        }
    }
    if (!it->page[page].placed) {
        it->page[page].node = model_room(model, cpu->node);
        it->page[page].placed = true;
    }
}

static inline void model_refer(struct model *model, uint32_t on, uint32_t block, uint32_t page)
{
    struct model_cpu *const cpu = &model->cpu[on];
    struct model_block *const it = &model->block[cpu->space][block];
    const struct machine_tlb *const tlb = &model->machine->tlb;
    const uint64_t vpn = model_vpn(block, page);
    bool two = false;
    for (uint32_t at = 0; at < tlb->arrays; at++)
        two = two || tlb->array[at].level == 2;
    uint32_t array = 0;
    model_touch(model, cpu->space, block, page);
    struct model_item *const first = model_lookup(model, cpu, 1, vpn, &array);
    if (first != NULL) {
        first->used = ++model->clock;
        return;
    }
    cpu->misses++;
    struct model_item *const second = model_lookup(model, cpu, 2, vpn, &array);
    if (second != NULL) {
        second->used = ++model->clock;
        cpu->tlb_ns += tlb->array[array].latency_ns;
        model_fill(model, cpu, 1, vpn, second->order);
        return;
    }
    cpu->second_misses += two;
    if (!it->page[page].placed)
        model_place(model, cpu, block, page);
    const uint32_t order = it->huge ? 1 : 0;
    model_map(model, on, cpu->space, vpn, order + 1);
    model_walk(model, cpu, vpn, order + 1);
    model_fill(model, cpu, 2, vpn, order);
    model_fill(model, cpu, 1, vpn, order);
}

static inline void model_dispatch(struct model *model, uint32_t on, uint32_t space)
{
    struct model_cpu *const cpu = &model->cpu[on];
    if (cpu->space == space && cpu->used)
        return;
    cpu->space = space;
    cpu->used = true;
    if (model->machine->tlb.tagged)
        return;
    for (uint32_t array = 0; array < MACHINE_TLB_ARRAYS_MAX; array++)
        cpu->array[array].count = 0;
    for (uint32_t level = 0; level < MACHINE_WALK_LEVELS_MAX; level++)
        cpu->cache[level].count = 0;
}

static inline enum policy_answer model_migrate(struct model *model, uint32_t starter,
                                               uint32_t space, uint32_t block, uint32_t page,
                                               uint32_t node)
{
    struct model_block *const it = &model->block[space][block];
    const uint32_t first = it->huge ? 0 : page;
    const uint32_t pages = it->huge ? MODEL_PAGES : 1;
    if (it->page[page].node == node)
        return POLICY_NOTHING;
    if (model_free(model, node) < pages)
        return POLICY_NO_FRAME;
    const uint64_t vpn = model_vpn(block, first);
    struct model_table *const table = model_table(model, space, it->huge ? 2 : 1, vpn);
    if (table != NULL)
        model_lose_line(model, table, model_entry(vpn, table->level), &model->cpu[starter]);
    model_interrupt(model, starter, model_shoot(model, space, vpn, pages));
    for (uint32_t at = first; at < first + pages; at++)
        it->page[at].node = node;
    return POLICY_DONE;
}

/* The table that a huge page spared. */
static inline void model_split_table(struct model *model, uint32_t cpu, uint32_t space,
                                     uint64_t vpn)
{
    struct model_table *const above = model_table(model, space, 2, vpn);
    if (above == NULL || !above->present[model_entry(vpn, 2)])
        return;
    struct model_table *const table = model_new_table(model, cpu, space, 1, vpn);
    memset(table->present, 1, sizeof table->present);
    model_lose_line(model, above, model_entry(vpn, 2), &model->cpu[cpu]);
}

static inline enum policy_answer model_split(struct model *model, uint32_t starter, uint32_t space,
                                             uint32_t block)
{
    struct model_block *const it = &model->block[space][block];
    const uint64_t vpn = model_vpn(block, 0);
    if (!it->huge)
        return POLICY_NOTHING;
    model_split_table(model, starter, space, vpn);
    struct model_table *const above = model_table(model, space, 2, vpn);
    if (above != NULL)
        model_lose_line(model, above, model_entry(vpn, 2), &model->cpu[starter]);
    model_interrupt(model, starter, model_shoot(model, space, vpn, MODEL_PAGES));
    it->huge = false;
    model->cpu[starter].splits++;
    return POLICY_DONE;
}

static inline enum policy_answer model_merge(struct model *model, uint32_t starter, uint32_t space,
                                             uint32_t block, uint32_t page)
{
    struct model_block *const it = &model->block[space][block];
    const uint64_t vpn = model_vpn(block, 0);
    if (it->page[page].made_with < 0)
        return POLICY_NONSENSE;
    if (it->huge)
        return POLICY_NOTHING;
    for (uint32_t at = 0; at < MODEL_PAGES; at++)
        if (!it->page[at].placed || it->page[at].node != it->page[0].node ||
            it->page[at].made_with != it->page[page].made_with)
            return POLICY_APART;
    struct model_table *const table = model_table(model, space, 1, vpn);
    for (uint32_t at = 0; table != NULL && at < MODEL_PAGES; at++)
        model_lose_line(model, table, at, &model->cpu[starter]);
    model_interrupt(model, starter, model_shoot(model, space, vpn, MODEL_PAGES));
    if (table != NULL) {
        struct model_table *const above = model_table(model, space, 2, vpn);
        model_drop_table(model, table);
        model_lose_cached(model, space, 2, vpn);
        model_lose_line(model, above, model_entry(vpn, 2), NULL);
    }
    it->huge = true;
    model->cpu[starter].merges++;
    return POLICY_DONE;
}

/* The lowest CPU of the page's home, else the lowest: who acts where nobody refers to anything. */
static inline uint32_t model_nobody(const struct model *model, uint32_t home)
{
    for (uint32_t cpu = 0; cpu < MODEL_CPUS; cpu++)
        if (model->cpu[cpu].node == home)
            return cpu;
    return 0;
}

static inline void model_unmap(struct model *model, uint32_t space, uint32_t block, uint32_t first,
                               uint32_t pages)
{
    struct model_block *const it = &model->block[space][block];
    const uint64_t vpn = model_vpn(block, 0);
    if (it->huge) { /* all of it is mapped */
        model_shoot(model, space, vpn, MODEL_PAGES);
        if (pages == MODEL_PAGES)
            model_unmap_entry(model, space, vpn, 2);
        else
            model_split_table(model, model_nobody(model, it->page[0].node), space, vpn);
        it->huge = false;
    }
    for (uint32_t page = first; page < first + pages; page++) {
        if (!it->page[page].mapped)
            continue;
        model_shoot(model, space, vpn + page, 1);
        model_unmap_entry(model, space, vpn + page, 1);
        it->page[page] = (struct model_page){.made_with = -1};
    }
}

#endif
