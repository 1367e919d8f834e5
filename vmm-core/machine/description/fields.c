#include "vmm-core/machine/description/fields.h"

#include "vmm-core/machine/description/draft.h"

/* In the order of enum tlb_refill and enum tlb_replacement. */
static const char *const refill_words[] = {"software", "hardware", NULL};
static const char *const replacement_words[] = {"random", "lru", "plru", NULL};

const struct field machine_fields[] = {
    {"name", FIELD_TEXT, offsetof(struct draft, name), 0, sizeof((struct draft *)0)->name, NULL},
    {"source", FIELD_TEXT, offsetof(struct draft, source), 0, sizeof((struct draft *)0)->source,
     NULL},
    {"cpu_mhz", FIELD_U32, offsetof(struct draft, cpu_mhz), 1, 100000, NULL},
    {"page_size", FIELD_SIZE32, offsetof(struct draft, page_bytes), 512, 1u << 30, NULL},
    {NULL, FIELD_U32, 0, 0, 0, NULL},
};

const struct field tlb_fields[] = {
    {"entries", FIELD_U32, offsetof(struct machine_tlb, entries), 0, 1u << 20, NULL},
    {"ways", FIELD_WAYS, offsetof(struct machine_tlb, ways), 1, 1u << 20, NULL},
    {"pages_per_entry", FIELD_U32, offsetof(struct machine_tlb, pages_per_entry), 1, 2, NULL},
    {"refill", FIELD_WORD, offsetof(struct machine_tlb, refill), 0, 0, refill_words},
    {"replacement", FIELD_WORD, offsetof(struct machine_tlb, replacement), 0, 0, replacement_words},
    {"tagged", FIELD_BOOL, offsetof(struct machine_tlb, tagged), 0, 1, NULL},
    {NULL, FIELD_U32, 0, 0, 0, NULL},
};

const struct field tlb_how_fields[] = {
    {"refill", FIELD_WORD, offsetof(struct machine_tlb, refill), 0, 0, refill_words},
    {"replacement", FIELD_WORD, offsetof(struct machine_tlb, replacement), 0, 0, replacement_words},
    {"tagged", FIELD_BOOL, offsetof(struct machine_tlb, tagged), 0, 1, NULL},
    {NULL, FIELD_U32, 0, 0, 0, NULL},
};

const struct field tlb_array_fields[] = {
    {"level", FIELD_U32, offsetof(struct machine_tlb_array, level), 1, 2, NULL},
    {"entries", FIELD_U32, offsetof(struct machine_tlb_array, entries), 1, 1u << 16, NULL},
    {"ways", FIELD_WAYS, offsetof(struct machine_tlb_array, ways), 1, 1u << 16, NULL},
    {"latency_ns", FIELD_U32, offsetof(struct machine_tlb_array, latency_ns), 0, LATENCY_MOST_NS,
     NULL},
    {NULL, FIELD_U32, 0, 0, 0, NULL},
};

const struct field walk_fields[] = {
    {"levels", FIELD_U32, offsetof(struct machine_walk, levels), 4, MACHINE_WALK_LEVELS_MAX, NULL},
    {NULL, FIELD_U32, 0, 0, 0, NULL},
};

const struct field walk_cache_fields[] = {
    {"level", FIELD_U32, offsetof(struct machine_walk_cache, level), 2, MACHINE_WALK_LEVELS_MAX,
     NULL},
    {"entries", FIELD_U32, offsetof(struct machine_walk_cache, entries), 1, 1u << 16, NULL},
    {"ways", FIELD_WAYS, offsetof(struct machine_walk_cache, ways), 1, 1u << 16, NULL},
    {NULL, FIELD_U32, 0, 0, 0, NULL},
};

const struct field walk_line_fields[] = {
    {"entries", FIELD_U32, offsetof(struct machine_walk, line_entries), 0, 1u << 20, NULL},
    {"ways", FIELD_WAYS, offsetof(struct machine_walk, line_ways), 1, 1u << 20, NULL},
    {"latency_ns", FIELD_U32, offsetof(struct machine_walk, line_ns), 0, LATENCY_MOST_NS, NULL},
    {NULL, FIELD_U32, 0, 0, 0, NULL},
};

const char *const page_size_words[] = {"4K", "2M", "1G", NULL};

const struct field l2tlb_fields[] = {
    {"entries", FIELD_U32, offsetof(struct machine_l2tlb, entries), 0, 1u << 24, NULL},
    {"ways", FIELD_WAYS, offsetof(struct machine_l2tlb, ways), 1, 1u << 24, NULL},
    {NULL, FIELD_U32, 0, 0, 0, NULL},
};

/* In the order of enum cache_index, cache_replacement and cache_inclusion. */
static const char *const cache_index_words[] = {"physical", "virtual", NULL};
static const char *const cache_replacement_words[] = {"lru", "plru", NULL};
static const char *const inclusion_words[] = {"none", "inclusive", "exclusive", NULL};
static const char *const of_node_words[] = {"node", NULL};

const struct field cache_fields[] = {
    {"level", FIELD_U32, offsetof(struct machine_cache, level), 1, 5, NULL},
    {"kind", FIELD_TEXT, offsetof(struct machine_cache, kind), 0,
     sizeof((struct machine_cache *)0)->kind, NULL},
    {"size", FIELD_SIZE64, offsetof(struct machine_cache, size_bytes), 1, CACHE_BYTES_MOST, NULL},
    {"ways", FIELD_WAYS, offsetof(struct machine_cache, ways), 1, CACHE_WAYS_MOST, NULL},
    {"line", FIELD_SIZE32, offsetof(struct machine_cache, line_bytes), CACHE_LINE_LEAST,
     CACHE_LINE_MOST, NULL},
    {"cpus", FIELD_OR_WORD, offsetof(struct machine_cache, cpus), 1, MACHINE_CPUS_MAX,
     of_node_words},
    {"index", FIELD_WORD, offsetof(struct machine_cache, index), 0, 0, cache_index_words},
    {"replacement", FIELD_WORD, offsetof(struct machine_cache, replacement), 0, 0,
     cache_replacement_words},
    {"inclusion", FIELD_WORD, offsetof(struct machine_cache, inclusion), 0, 0, inclusion_words},
    {"latency_ns", FIELD_U32, offsetof(struct machine_cache, latency_ns), 0, LATENCY_MOST_NS, NULL},
    {NULL, FIELD_U32, 0, 0, 0, NULL},
};

#define COST_FIELD(cost, meaning)                                                                  \
    {#cost, FIELD_U64, offsetof(struct machine_costs, cost), 0, COST_MOST, NULL},
const struct field cost_fields[] = {
    MACHINE_COSTS(COST_FIELD){NULL, FIELD_U32, 0, 0, 0, NULL},
};
