/* Machines by name. "Unchecked" in a source: ours, or a recollection; no text was read for it. */
#include <stdio.h>
#include <string.h>

#include "vmm-core/machine/description/defaults.h"
#include "vmm-core/machine/description/draft.h"

#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)

/* Alike nodes that follow each other. */
struct preset_nodes {
    uint32_t nodes, cpus_each;
    uint64_t memory_bytes;
    uint32_t service_ps;
};

struct preset {
    const char *name, *summary, *source;
    struct preset_nodes groups[2];
    uint32_t (*latency_ns)(uint32_t from, uint32_t to);
    const struct machine_tlb *tlb;     /* NULL: the default of `refill` */
    const struct machine_costs *costs; /* NULL: the defaults of `refill` */
    struct machine_cache caches[4];    /* level 0 ends */
    enum tlb_refill refill;
    uint32_t link_mb_per_s; /* 0: not known; otherwise between every two nodes */
};

static uint32_t uma_ns(uint32_t from, uint32_t to)
{
    (void)from;
    (void)to;
    return 300;
}

static uint32_t flash_ns(uint32_t from, uint32_t to)
{
    return from == to ? 300 : 900;
}

/* 89.2 142.7 / 142.9 89.0, rounded */
static uint32_t icelake_ns(uint32_t from, uint32_t to)
{
    return from == to ? 89 : 143;
}

/* the middles of 95-100, 105-125 and 190-220; four nodes a socket */
static uint32_t epyc_ns(uint32_t from, uint32_t to)
{
    return from == to ? 98 : from / 4 == to / 4 ? 115 : 205;
}

static uint32_t cxl_ns(uint32_t from, uint32_t to)
{
    (void)from;
    return to == 0 ? 80 : 170;
}

/* SLIT 10, 22, 26, 30, 34: one step further for each halving of the machine that lies between */
static uint32_t altix_ns(uint32_t from, uint32_t to)
{
    if (from == to)
        return 100;
    return from / 8 == to / 8 ? 220 : from / 16 == to / 16 ? 260 : from / 32 == to / 32 ? 300 : 340;
}

#define CACHE(on_level, of_kind, bytes, of_ways, line, sharing)                                    \
    .level = (on_level), .kind = (of_kind), .size_bytes = (uint64_t)(bytes), .ways = (of_ways),    \
    .line_bytes = (line), .cpus = (sharing)

/* R10000 User's Manual, chapter 4: the first level is indexed virtually, the second physically and
 * holds all of the first. */
#define FLASH_CACHES(l2_bytes)                                                                     \
    {                                                                                              \
        {CACHE(1, "instruction", 32 << 10, 2, 64, 1), .index = CACHE_INDEX_VIRTUAL},               \
            {CACHE(1, "data", 32 << 10, 2, 32, 1), .index = CACHE_INDEX_VIRTUAL},                  \
            {CACHE(2, "unified", l2_bytes, 2, 128, 1), .inclusion = CACHE_INCLUSION_INCLUSIVE,     \
             .latency_ns = 25},                                                                    \
    }
/* A core of an Ice Lake server, and the 1.5 MB of its slice of the third level. */
#define ICELAKE_CACHES                                                                             \
    {                                                                                              \
        {CACHE(1, "instruction", 32 << 10, 8, 64, 1), .replacement = CACHE_REPLACE_PLRU},          \
            {CACHE(1, "data", 48 << 10, 12, 64, 1), .replacement = CACHE_REPLACE_PLRU},            \
            {CACHE(2, "unified", 1280 << 10, 20, 64, 1), .replacement = CACHE_REPLACE_PLRU,        \
             .latency_ns = 5},                                                                     \
            {CACHE(3, "unified", 24 << 20, 12, 64, 0), .latency_ns = 22},                          \
    }
/* Cores of two threads; eight of them share a third level, which takes what the second gives up. */
#define EPYC_CACHES                                                                                \
    {                                                                                              \
        {CACHE(1, "instruction", 32 << 10, 8, 64, 2), .replacement = CACHE_REPLACE_PLRU},          \
            {CACHE(1, "data", 32 << 10, 8, 64, 2), .replacement = CACHE_REPLACE_PLRU},             \
            {CACHE(2, "unified", 512 << 10, 8, 64, 2), .inclusion = CACHE_INCLUSION_INCLUSIVE,     \
             .replacement = CACHE_REPLACE_PLRU, .latency_ns = 4},                                  \
            {CACHE(3, "unified", 32 << 20, 16, 64, 16), .inclusion = CACHE_INCLUSION_EXCLUSIVE,    \
             .latency_ns = 15},                                                                    \
    }
/* Itanium 2 with two cores of one thread each. */
#define ITANIUM_CACHES                                                                             \
    {                                                                                              \
        {CACHE(1, "instruction", 16 << 10, 4, 64, 1)}, {CACHE(1, "data", 16 << 10, 4, 64, 1)},     \
            {CACHE(2, "unified", 256 << 10, 8, 128, 1), .latency_ns = 3},                          \
            {CACHE(3, "unified", 12 << 20, 12, 128, 1), .latency_ns = 8},                          \
    }

/* What the three machines of the Disco paper share. */
#define FLASH_SOURCE                                                                               \
    " Printed: 4 KB pages in pairs, 32 KB + 32 KB first-level caches. From the "                   \
    "R10000 manual: TLB of 64 entries, 2 ways, LRU, index. Derived: 400 MHz, 43 ns for a hit in "  \
    "the second-level TLB, 9.87 us for a page fault (Table 2). Unchecked: line "                   \
    "sizes, second-level TLB's size, memory of a node, costs of trap, forwarded "                  \
    "refill and dispatch, execution per reference."

static const struct preset presets[] = {
    {
        .name = "uma",
        .summary =
            "8 CPUs on a bus, 300 ns for every miss: the comparison machine of the Disco paper",
        .source = "Disco (SOSP'97), 5.5 and Figure 8: bus-based, 300 ns for every miss, 1 "
                  "MB second-level cache." FLASH_SOURCE,
        .groups = {{1, 8, MIB(256), 0}},
        .latency_ns = uma_ns,
        .refill = TLB_REFILL_SOFTWARE,
        .caches = FLASH_CACHES(1 << 20),
    },
    {
        .name = "flash-8",
        .summary = "8 nodes of one CPU, 300 ns local and 900 ns remote: FLASH as Disco's "
                   "Engineering runs had it",
        .source = "Disco (SOSP'97), 5.5: 300 ns local, 900 ns remote, 1 MB second-level "
                  "cache, 256 MB in all (its scalability runs). Fitted, not printed: "
                  "memory controllers busy 193 ns a miss (Figure 8, Engineering). Costs "
                  "of moves add up to Table 3 (57 us with one CPU interrupted, 67 us with "
                  "seven); their split is unchecked." FLASH_SOURCE,
        .groups = {{8, 1, MIB(32), 193000}},
        .latency_ns = flash_ns,
        .refill = TLB_REFILL_SOFTWARE,
        .caches = FLASH_CACHES(1 << 20),
    },
    {
        .name = "flash-16",
        .summary = "16 nodes of one CPU, 300 ns local and 900 ns remote: FLASH as Disco's Raytrace "
                   "run had it",
        .source = "Disco (SOSP'97), 5.5: 300 ns local, 900 ns remote, 256 KB second-level "
                  "cache. Fitted, not printed: memory controllers busy 249 ns a miss "
                  "(Figure 8, Raytrace). Costs of moves add up to Table 3 (73 us with one "
                  "CPU interrupted, 102 us with fifteen); their split is unchecked." FLASH_SOURCE,
        .groups = {{16, 1, MIB(32), 249000}},
        .latency_ns = flash_ns,
        .refill = TLB_REFILL_SOFTWARE,
        .costs = &machine_costs_flash_16,
        .caches = FLASH_CACHES(256 << 10),
    },
    {
        .name = "2-socket",
        .summary =
            "2 nodes of 16 CPUs, 89 ns local and 143 ns remote: an Intel Ice Lake server, measured",
        .source = "Latencies, 175.7 GB/s of a node (0.364 ns a line of 64 bytes) and 55.7 "
                  "GB/s between nodes: measured by Intel Memory "
                  "Latency Checker 3.10 on a 2-socket Ice Lake server (89.2 / 142.7 ns). "
                  "Unchecked: CPUs, memory, clock, TLB, caches (a recollection of that core). "
                  "Costs: a 4 KiB page moved alone, "
                  "4.7 us, derived from figures on linux-kernel; shootdown 1 us + 0.2 us "
                  "a CPU; fault, walk, dispatch and execution unchecked.",
        .groups = {{2, 16, GIB(64), 364}},
        .latency_ns = icelake_ns,
        .refill = TLB_REFILL_HARDWARE,
        .tlb = &machine_tlb_icelake,
        .caches = ICELAKE_CACHES,
        .link_mb_per_s = 55677,
    },
    {
        .name = "epyc-nps4-2s",
        .summary =
            "8 nodes of 32 CPUs in 2 sockets, SLIT 10/12/32: an AMD EPYC with four nodes a socket",
        .source = "Nodes, CPUs and memory: numactl --hardware of such a machine (SLIT 10 "
                  "/ 12 / 32). Unchecked recollection: 98 / 115 / 205 ns, and the caches of a "
                  "third-generation EPYC. CPUs are numbered node by node here, two threads of "
                  "a core next to each other. TLB: Zen 2's (WikiChip), its ways and walk cache "
                  "unchecked, and so are 51.2 GB/s a node: two channels of DDR4-3200. Costs as for "
                  "2-socket.",
        .groups = {{8, 32, MIB(64502), 1250}},
        .latency_ns = epyc_ns,
        .refill = TLB_REFILL_HARDWARE,
        .tlb = &machine_tlb_zen2,
        .caches = EPYC_CACHES,
    },
    {
        .name = "cxl-tier",
        .summary = "16 CPUs with 16 GiB DRAM at 80 ns, and a node without CPUs with 64 GiB at 170 "
                   "ns: CXL memory",
        .source = "80 and 170 ns: the DRAM and CXL constants of MEMTIS's artifact. "
                  "Unchecked: CPUs, memory sizes, and the CXL node's 25 GB/s (eight lanes of "
                  "PCIe 5.0 less overhead). DRAM bandwidth, TLB, caches and costs as for 2-socket.",
        .groups = {{1, 16, GIB(16), 364}, {1, 0, GIB(64), 2560}},
        .latency_ns = cxl_ns,
        .refill = TLB_REFILL_HARDWARE,
        .tlb = &machine_tlb_icelake,
        .caches = ICELAKE_CACHES,
    },
    {
        .name = "altix-64",
        .summary = "64 nodes of 4 CPUs, SLIT 10/22/26/30/34: an SGI Altix",
        .source = "SLIT values 10 / 22 / 26 / 30 / 34 and 64 nodes of 2 sockets x 2 "
                  "cores: hwloc's test 256ia64-64n2s2c. Which pairs have which is a rule "
                  "of ours: 22 within 8 nodes, 26 within 16, 30 within 32, 34 beyond. "
                  "Unchecked: 10 is 100 ns, memory of a node and its 8.5 GB/s for lines of 128 "
                  "bytes, caches (a recollection of an "
                  "Itanium 2 with two cores). Costs, TLB and 4 KiB pages "
                  "as for 2-socket, not those of an Itanium.",
        .groups = {{64, 4, GIB(4), 15000}},
        .latency_ns = altix_ns,
        .refill = TLB_REFILL_HARDWARE,
        .caches = ITANIUM_CACHES,
    },
};

#define PRESETS (sizeof presets / sizeof presets[0])

const char *machine_preset_name(size_t index)
{
    return index < PRESETS ? presets[index].name : NULL;
}

const char *machine_preset_summary(size_t index)
{
    return index < PRESETS ? presets[index].summary : NULL;
}

static void fill(struct draft *draft, const struct preset *preset)
{
    const struct machine_defaults *defaults = &machine_defaults[preset->refill];
    snprintf(draft->name, sizeof draft->name, "%s", preset->name);
    snprintf(draft->source, sizeof draft->source, "%s", preset->source);
    draft->cpu_mhz = defaults->cpu_mhz;
    draft->tlb = preset->tlb != NULL ? *preset->tlb : defaults->tlb;
    draft->l2tlb = defaults->l2tlb;
    draft->costs = preset->costs != NULL ? *preset->costs : defaults->costs;
    for (size_t group = 0; group < 2; group++) {
        const struct preset_nodes *alike = &preset->groups[group];
        for (uint32_t i = 0; i < alike->nodes; i++) {
            uint32_t node = draft->nodes++;
            draft->node[node] = (struct machine_node){.os_id = node,
                                                      .memory_bytes = alike->memory_bytes,
                                                      .service_ps = alike->service_ps,
                                                      .cpus = alike->cpus_each};
            for (uint32_t cpu = 0; cpu < alike->cpus_each; cpu++, draft->cpus++)
                draft->cpu[draft->cpus] = (struct draft_cpu){.os_id = draft->cpus, .node = node};
        }
    }
    for (uint32_t from = 0; from < draft->nodes; from++) {
        for (uint32_t to = 0; to < draft->nodes; to++) {
            draft->latency_ns[from * draft->nodes + to] = preset->latency_ns(from, to);
            if (from != to && preset->link_mb_per_s != 0)
                draft->link[draft->links++] =
                    (struct machine_link){from, to, preset->link_mb_per_s};
        }
    }
    while (draft->caches < 4 && preset->caches[draft->caches].level != 0) {
        draft->cache[draft->caches] = preset->caches[draft->caches];
        draft->caches++;
    }
}

bool draft_read_preset(struct draft *draft, const char *name)
{
    for (size_t i = 0; i < PRESETS; i++) {
        if (strcmp(presets[i].name, name) == 0) {
            fill(draft, &presets[i]);
            return true;
        }
    }
    return false;
}
