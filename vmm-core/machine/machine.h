/* The modelled machine: CPUs, nodes, distances, TLB, caches and what things cost.
 *
 * A plain value: read once from a preset, a JSON file, a hwloc XML file, the text of
 * `numactl --hardware`, or the running host; then never changed. All times are integers: ns where
 * a human writes them, ps where they are added up. Nodes and CPUs are numbered densely from 0 in
 * the order of their operating system numbers, which are kept beside (real machines have nodes
 * 0, 8 and 250). Limits: 64 nodes (a set of nodes is one 64-bit word), 4096 CPUs.
 */
#ifndef DISCO_MACHINE_H
#define DISCO_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MACHINE_NODES_MAX       64u
#define MACHINE_CPUS_MAX        4096u
#define MACHINE_CACHES_MAX      8u
#define MACHINE_TLB_ARRAYS_MAX  8u
#define MACHINE_WALK_LEVELS_MAX 5u

enum tlb_refill {
    TLB_REFILL_SOFTWARE, /* a trap: second-level TLB, then the guest's handler (MIPS) */
    TLB_REFILL_HARDWARE, /* a page walk: no second-level TLB */
};

enum tlb_replacement {
    TLB_REPLACE_RANDOM, /* seeded; MIPS */
    TLB_REPLACE_LRU,
    TLB_REPLACE_PLRU, /* a tree of bits over the ways of a set, each pointing away from the last use */
};

enum machine_page_size { MACHINE_PAGE_4K, MACHINE_PAGE_2M, MACHINE_PAGE_1G, MACHINE_PAGE_SIZES };

/* One set-associative array of a hardware TLB: on one level, for pages of some sizes. */
struct machine_tlb_array {
    uint32_t level;      /* 1 or 2 */
    uint32_t pages;      /* bit n: it holds pages of size n of enum machine_page_size */
    uint32_t entries;    /* at least 1 */
    uint32_t ways;       /* == entries: fully associative; entries / ways is a power of two */
    uint32_t latency_ns; /* of a hit, which the first level does not have */
};

/* Entries of the upper levels of page tables, as the CPU keeps them: a hit on level n of the radix
 * tree spares the reads on n and above. Level 1 is that of 4 KiB pages. A hit is free. */
struct machine_walk_cache {
    uint32_t level; /* 2 to machine_walk.levels */
    uint32_t entries, ways;
};

/* The hardware's page walk through a radix tree of 512 entries a node. */
struct machine_walk {
    uint32_t levels; /* 4 or 5; 0: tables are not modelled, and a walk costs tlb_walk_ns */
    uint32_t caches; /* below, by rising level */
    struct machine_walk_cache cache[MACHINE_WALK_LEVELS_MAX - 1];
    /* Lines of table entries (64 bytes) in the CPU's data caches: what its walks have read of late
     * and no one has written since. entries 0: every read goes to memory. */
    uint32_t line_entries, line_ways;
    uint32_t line_ns; /* of a hit */
};

struct machine_tlb {
    uint32_t arrays; /* 0: the TLB is one level, as said by the next three; else they are those of
                      * the first level for 4 KiB pages */
    struct machine_tlb_array array[MACHINE_TLB_ARRAYS_MAX]; /* by rising level */
    struct machine_walk walk;
    uint32_t entries;         /* 0: no TLB, every translation is free */
    uint32_t ways;            /* == entries: fully associative; entries / ways is a power of two */
    uint32_t pages_per_entry; /* 1, or 2 for MIPS's pairs */
    enum tlb_refill refill;
    enum tlb_replacement replacement;
    bool tagged; /* entries carry the address space, so a dispatch does not flush */
};

/* The monitor's second-level TLB (software), one a CPU. Scope and size are not in the paper. */
struct machine_l2tlb {
    uint32_t entries; /* power of two; 0: none */
    uint32_t ways;
};

enum cache_index { CACHE_INDEX_PHYSICAL, CACHE_INDEX_VIRTUAL };
enum cache_replacement {
    CACHE_REPLACE_LRU,
    CACHE_REPLACE_PLRU, /* a tree of bits; a bit a way where ways are no power of two */
};
enum cache_inclusion {
    CACHE_INCLUSION_NONE,      /* neither of the two below */
    CACHE_INCLUSION_INCLUSIVE, /* holds all that the caches above it hold */
    CACHE_INCLUSION_EXCLUSIVE, /* holds victims of the caches above it; a hit takes the line out */
};

/* One kind of cache on one level; what the model of them does: caches.h. */
struct machine_cache {
    uint32_t level; /* from 1, which is next to the CPU */
    char kind[12];  /* "data", "instruction", "unified" */
    uint64_t size_bytes;
    uint32_t ways, line_bytes;
    uint32_t cpus; /* that share one, as machine_cache_groups() says; 0: all of a node */
    enum cache_index index;
    enum cache_replacement replacement;
    enum cache_inclusion inclusion;
    uint32_t latency_ns; /* what a hit costs beyond one on level 1 */
};

struct machine_node {
    uint32_t os_id;
    uint64_t memory_bytes; /* 0: a node without memory */
    uint32_t service_ps; /* the memory controller is busy with one miss for so long; 0: not known */
    uint32_t cpus;       /* how many; 0: a node without CPUs */
    uint32_t curve, curve_points; /* machine->curve[curve], by rising mb_per_s; 0 points: none */
};

/* Lines go from node index `from` to `to`. Of several links between the same nodes, the fastest
 * counts. */
struct machine_link {
    uint32_t from, to;
    uint32_t mb_per_s;
};

/* A measured point: the memory of a node gives so much, and a miss from its own CPUs takes so long. */
struct machine_curve_point {
    uint32_t mb_per_s, latency_ps;
};
#define MACHINE_CURVE_MAX 64u /* points a node */

/* X(name, unit in words, meaning). JSON: "costs": {"trap_ns": ...}. Sources: in defaults.c. */
#define MACHINE_COSTS(X)                                                                           \
    X(trap_ns, "entering and leaving the monitor once")                                            \
    X(tlb_refill_ns, "TLB refill from the second-level TLB, trap included")                        \
    X(tlb_forward_ns, "TLB refill through the guest: its handler and the emulated TLB write")      \
    X(tlb_walk_ns, "hardware page walk")                                                           \
    X(privileged_ns, "emulating a privileged instruction, trap included")                          \
    X(tlb_write_ns, "emulating a TLB write of the guest, trap included")                           \
    X(reflect_ns, "handing an exception to the guest's vector, trap included")                     \
    X(monitor_call_ns, "a monitor call, trap included, without what it asks for")                  \
    X(interrupt_ns, "delivering an interrupt to a vCPU, from the machine's to the guest's vector") \
    X(dispatch_ns, "putting a different vCPU on a CPU")                                            \
    X(page_fault_ns, "first touch of a page: fault, frame, zeroing, pmap")                         \
    X(replica_fault_ns, "a store to a replicated page: fault and decision, before the shootdown")  \
    X(hot_page_ns, "interrupt and decision for a hot page, whether it is moved or not")            \
    X(move_page_ns, "bookkeeping of one migration, replication or collapse")                       \
    X(copy_page_ns, "copying one page of page_size")                                               \
    X(huge_fault_ns, "first touch of a page of 2 MiB")                                             \
    X(copy_huge_ns, "copying a page of 2 MiB")                                                     \
    X(gigantic_fault_ns, "first touch of a page of 1 GiB")                                         \
    X(copy_gigantic_ns, "copying a page of 1 GiB")                                                 \
    X(shootdown_ns, "one TLB shootdown, seen by the CPU that starts it")                           \
    X(shootdown_per_cpu_ns, "for each CPU that is interrupted, on both sides")                     \
    X(fetch_ps, "execution of one instruction, where the trace has fetches")                       \
    X(data_reference_ps, "execution that goes with a load or store, where it has none")

struct machine_costs {
#define MACHINE_COST_FIELD(name, meaning) uint64_t name;
    MACHINE_COSTS(MACHINE_COST_FIELD)
#undef MACHINE_COST_FIELD
};

struct machine {
    char name[64];
    char source[1024]; /* where the figures are from, and which are not checked */
    uint32_t cpu_mhz;
    uint32_t page_bytes; /* power of two */
    uint32_t nodes, cpus;
    struct machine_node *node; /* [nodes] */
    uint32_t *cpu_node;        /* [cpus] index of its node */
    uint32_t *cpu_os_id;       /* [cpus] */
    /* [cpus] CPUs node by node, and in a node neighbours first: threads of a core, cores of a
     * cluster. NULL: in a node by index. */
    uint32_t *cpu_order;
    uint32_t *latency_ns; /* [nodes * nodes], row: from the CPU's node, column: to the memory's */
    uint32_t links, caches;
    struct machine_link *link; /* [links] */
    uint32_t curve_points;
    struct machine_curve_point *curve; /* [curve_points] of all nodes */
    struct machine_cache cache[MACHINE_CACHES_MAX];
    struct machine_tlb tlb;
    struct machine_l2tlb l2tlb;
    struct machine_costs costs;
};

static inline uint32_t machine_latency_ns(const struct machine *machine, uint32_t from, uint32_t to)
{
    return machine->latency_ns[from * machine->nodes + to];
}

/* Which cache of the kind machine->cache[index] each CPU uses, from 0: group[cpus]. Returns how many
 * there are. A cache serves `cpus` CPUs that follow each other in cpu_order: the CPUs of a node are cut
 * into groups of so many, the last with what remains; where a node has fewer, a group is made of as
 * many whole nodes as it has room for. */
uint32_t machine_cache_groups(const struct machine *machine, uint32_t index, uint32_t *group);
/* order[cpus]: machine->cpu_order, or what stands for it where it is NULL. */
void machine_cpu_order(const struct machine *machine, uint32_t *order);

/* NULL, or one line (from malloc) that says what is wrong, with the JSON path at fault, and what to
 * do. `spec`: a preset's name; "host"; a file (JSON, hwloc XML, numactl's or Intel MLC's text, told
 * by its content); "mlc:FILE" for MLC's text that begins with something else. */
char *machine_load(const char *spec, struct machine **out) __attribute__((warn_unused_result));
/* The same from memory: `name` stands for the file in messages. */
char *machine_parse(const char *name, const char *text, size_t text_bytes, struct machine **out)
    __attribute__((warn_unused_result));
void machine_free(struct machine *machine);

/* The whole machine as JSON, defaults filled in; machine_parse reads it back to an equal machine.
 * From malloc. NULL when memory is short. */
char *machine_to_json(const struct machine *machine);

/* Presets in order; NULL past the last. */
const char *machine_preset_name(size_t index);
const char *machine_preset_summary(size_t index);

#endif
