/* The figures of a finished run, a replay's or a live one's, by the names that --json prints and table run_metric holds.
 *
 *   time_ns          the clock of the CPU that is furthest
 *   execution_ns to idle_ns
 *                    averages over the CPUs that were used, rounded down; what is lost by rounding
 *                    goes to idle_ns, so that the eight add up to time_ns exactly
 *   memory_accesses  references that reached memory: local and remote ones
 *   local_share      local_accesses / memory_accesses
 *   frames_used, replica_frames
 *                    at the end, over all nodes; the most of each node is in run_node
 *   imbalance        100 * standard deviation / mean of the accesses that the nodes with memory
 *                    served, with the deviation of a sample (n - 1), as Carrefour does (ASPLOS'13)
 *   cache_misses     misses of the outermost level of caches; absent with --input misses or a machine
 *                    without caches. Caches do not depend on where pages are: all runs have the same
 *   refetches        references whose lines were gone from the caches because their page had moved:
 *                    they went to memory, at the expense of move_ns, and are not in memory_accesses
 *   optimum_ratio    absent: the offline optimum is not part of this version
 *
 * Of a sampled trace, figures estimate those of the whole one, as sampling.h says: accesses are
 * multiplied by what samples stand for, and tlb_ns, tlb_misses and l2tlb_misses are absent.
 */
#ifndef DISCO_REPORT_RESULTS_H
#define DISCO_REPORT_RESULTS_H

#include "replayer/report/record.h"
#include "replayer/report/registry.h"
#include "replayer/report/sampling.h"
#include "vmm-core/memory/memory.h"

#define FIGURES(X)                                                                                 \
    X(references)                                                                                  \
    X(memory_accesses)                                                                             \
    X(local_accesses)                                                                              \
    X(local_share)                                                                                 \
    X(time_ns)                                                                                     \
    X(execution_ns)                                                                                \
    X(tlb_ns)                                                                                      \
    X(local_stall_ns)                                                                              \
    X(remote_stall_ns)                                                                             \
    X(move_ns)                                                                                     \
    X(shootdown_ns)                                                                                \
    X(monitor_ns)                                                                                  \
    X(idle_ns)                                                                                     \
    X(tlb_misses)                                                                                  \
    X(l2tlb_misses)                                                                                \
    X(cache_misses)                                                                                \
    X(refetches)                                                                                   \
    X(migrations)                                                                                  \
    X(replications)                                                                                \
    X(collapses)                                                                                   \
    X(shootdowns)                                                                                  \
    X(refused)                                                                                     \
    X(frames_used)                                                                                 \
    X(replica_frames)                                                                              \
    X(imbalance)                                                                                   \
    X(optimum_ratio)

enum figure {
#define FIGURE_ENUM(name) FIGURE_##name,
    FIGURES(FIGURE_ENUM)
#undef FIGURE_ENUM
        FIGURE_COUNT
};

enum value_kind {
    VALUE_ABSENT,
    VALUE_INTEGER,
    VALUE_REAL,
};

struct value {
    enum value_kind kind;
    uint64_t integer;
    double real;
};

/* A finished run under one policy. Nothing of it belongs to it. */
struct policy_run {
    const struct policy_choice *choice;
    const struct memory *memory;
    const struct record *record;
    const struct sampling *sampling; /* NULL: every reference was there */
    bool weighted;                   /* each reference had a weight of its own */
    uint64_t refs_per_sample;        /* in force */
};

struct results {
    int64_t run_id; /* of table run; 0: not stored */
    struct policy_run run;
    struct value figure[FIGURE_COUNT];
    struct sampling_interval interval[FIGURE_COUNT]; /* 95 %; not known: whole, or not sampled */
};

extern const char *const figure_name[FIGURE_COUNT];

struct results results_of(struct policy_run run, const struct machine *machine);

/* Counters of a cache, as struct caches_counters (caches.h) has them. X(name) */
#define CACHE_COUNTERS(X)                                                                          \
    X(accesses)                                                                                    \
    X(misses)                                                                                      \
    X(cold)                                                                                        \
    X(capacity)                                                                                    \
    X(coherence)                                                                                   \
    X(false_sharing)                                                                               \
    X(upgrades)                                                                                    \
    X(writebacks)

/* The time accounts of one CPU in ns, rounded down, the rest in idle: they add up to its clock. */
void results_accounts_ns(const struct memory_cpu_counters *cpu,
                         uint64_t account_ns[MEMORY_ACCOUNT_COUNT]);

#endif
