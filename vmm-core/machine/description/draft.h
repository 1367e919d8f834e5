/* A machine while it is being described: what every reader (JSON, hwloc, numactl, preset) fills in,
 * and the one way from there to a struct machine. Private to this folder.
 *
 * Fixed arrays of the largest size, so that a reader never allocates and never checks for room: 140
 * KiB that live for the time of one reading.
 */
#ifndef DISCO_MACHINE_DRAFT_H
#define DISCO_MACHINE_DRAFT_H

#include "vmm-core/machine/machine.h"

#define MACHINE_LINKS_MAX 4096u /* one for every pair of nodes, both ways */

/* A latency that nobody gave: 0 in JSON and here. Allowed only in the row of a node without CPUs.
 */
#define DRAFT_LATENCY_NONE 0u

/* The distance of a node to itself, and that to another where nobody says: LOCAL_DISTANCE and
 * REMOTE_DISTANCE of Linux, include/linux/topology.h; ACPI SLIT, section 5.2.17, fixes the first.
 */
#define SLIT_LOCAL  10u
#define SLIT_REMOTE 20u

/* Local latency where only distances are known: measured by Intel Memory Latency Checker 3.10 on a
 * 2-socket Ice Lake server (89.2 and 89.0 ns). */
#define DEFAULT_LOCAL_NS 89u

#define DEFAULT_PAGE_BYTES   4096u
#define DEFAULT_MEMORY_BYTES (UINT64_C(16) << 30) /* of a JSON node that does not say; ours */

struct draft_cpu {
    uint32_t os_id, node; /* index of the node in the order it was added */
    uint32_t order;       /* when it was added; set by draft_finish */
};

struct draft {
    const char *file; /* what messages begin with */
    bool json;        /* messages name places by JSON path */
    char name[sizeof((struct machine *)0)->name];
    char source[sizeof((struct machine *)0)->source];
    uint32_t cpu_mhz, page_bytes;
    uint32_t nodes, cpus, links, caches;
    struct machine_node
        node[MACHINE_NODES_MAX]; /* ascending os_id; .cpus is counted by draft_add_cpu */
    struct draft_cpu cpu[MACHINE_CPUS_MAX];
    uint32_t latency_ns[MACHINE_NODES_MAX * MACHINE_NODES_MAX]; /* [from * nodes + to] */
    struct machine_link link[MACHINE_LINKS_MAX];
    uint32_t curve_points;
    struct machine_curve_point curve[MACHINE_NODES_MAX * MACHINE_CURVE_MAX];
    struct machine_cache cache[MACHINE_CACHES_MAX];
    struct machine_tlb tlb;
    struct machine_l2tlb l2tlb;
    struct machine_costs costs;
};

/* Zeroed, with the defaults of machines that refill their TLB so. NULL: memory is short. From
 * malloc. */
struct draft *draft_new(const char *file, enum tlb_refill refill);

/* The readers. NULL, or one line from malloc. `text` ends with a NUL past text_bytes. */
char *draft_read_json(struct draft *draft, const char *text, size_t text_bytes)
    __attribute__((warn_unused_result));
char *draft_read_numactl(struct draft *draft, const char *text) __attribute__((warn_unused_result));
bool draft_is_mlc(const char *text);
char *draft_read_mlc(struct draft *draft, const char *text) __attribute__((warn_unused_result));
char *draft_read_hwloc_xml(struct draft *draft, const char *text, size_t text_bytes)
    __attribute__((warn_unused_result));
char *draft_read_host(struct draft *draft) __attribute__((warn_unused_result));
/* false: no preset of this name. */
bool draft_read_preset(struct draft *draft, const char *name);

/* Who shares caches of which `cpus` CPUs share one, as machine_cache_groups() says; group[] is by the
 * place of the CPU in cpu_order, node_cpus[nodes] how many CPUs each node has. */
uint32_t draft_cache_groups(const uint32_t *node_cpus, uint32_t nodes, uint32_t cpus,
                            uint32_t *group);

/* Adds a node with the next larger operating system number. */
char *draft_add_node(struct draft *draft, uint64_t os_id, uint64_t memory_bytes)
    __attribute__((warn_unused_result));
/* Adds a CPU to the node `node`; `place` is where it is named, for the message. */
char *draft_add_cpu(struct draft *draft, uint32_t node, uint64_t os_id, const char *place)
    __attribute__((warn_unused_result));
/* Appends to the text that says where the figures are from; what does not fit is left out whole. */
void draft_remark(struct draft *draft, const char *sentence);
/* latency = local_ns x distance / SLIT_LOCAL, and a remark that it was derived so. `distance` is
 * [nodes * nodes]; NULL: SLIT_LOCAL and SLIT_REMOTE. */
char *draft_derive_latency(struct draft *draft, const uint32_t *distance, uint32_t local_ns,
                           const char *local_source) __attribute__((warn_unused_result));

/* Checks the draft (check.c): NULL, or the first thing that is wrong. Fills in the rows of nodes
 * without CPUs by the way back. */
char *draft_check(struct draft *draft) __attribute__((warn_unused_result));
/* The part of it that is about caches (check-caches.c). */
char *draft_check_caches(const struct draft *draft) __attribute__((warn_unused_result));
/* Checks, and makes the machine. */
char *draft_finish(struct draft *draft, struct machine **out) __attribute__((warn_unused_result));

/* One line from malloc: "FILE: PLACE: what". Never NULL, also when memory is short. */
char *draft_error(const struct draft *draft, const char *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
