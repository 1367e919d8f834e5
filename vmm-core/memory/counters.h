/* What the memory subsystem counts. All integers; times in ps, so that nothing is rounded on the
 * way.
 *
 * The same tables are printed, stored and compared: a new counter is one line here.
 */
#ifndef DISCO_MEMORY_COUNTERS_H
#define DISCO_MEMORY_COUNTERS_H

#include <stdint.h>

/* Time accounts of a CPU. X(name, meaning) */
#define MEMORY_ACCOUNTS(X)                                                                         \
    X(execution, "instructions, and waiting for caches beyond the first level")                    \
    X(tlb, "TLB refills: walks, second-level hits, forwarded ones; emulated TLB writes")           \
    X(local_stall, "waiting for memory of the own node")                                           \
    X(remote_stall, "waiting for memory of other nodes")                                           \
    X(move, "migrations, replications, collapses: decision, bookkeeping, copy, refetches")         \
    X(shootdown, "TLB shootdowns, started or suffered")                                            \
    X(monitor, "other work of the monitor: page faults, dispatches, emulation, calls, interrupts") \
    X(idle, "nothing to run")

enum memory_account {
#define MEMORY_ACCOUNT_ENUM(name, meaning) ACCOUNT_##name,
    MEMORY_ACCOUNTS(MEMORY_ACCOUNT_ENUM)
#undef MEMORY_ACCOUNT_ENUM
        MEMORY_ACCOUNT_COUNT
};

/* What a monitor did for a guest that has no other account: kinds of EVENT_SERVICE of a trace, whose
 * numbers do not change. */
enum memory_service {
    MEMORY_SERVICE_PRIVILEGED, /* privileged_ns each */
    MEMORY_SERVICE_TLB_WRITE,  /* tlb_write_ns, to the account tlb */
    MEMORY_SERVICE_REFLECT,    /* reflect_ns */
    MEMORY_SERVICE_REFILL,    /* nothing: misses of the modelled TLB are charged when they happen */
    MEMORY_SERVICE_CALL,      /* monitor_call_ns */
    MEMORY_SERVICE_INTERRUPT, /* interrupt_ns */
    MEMORY_SERVICE_KINDS
};

/* Counters of a CPU. X(name, meaning) */
#define MEMORY_CPU_COUNTERS(X)                                                                     \
    X(references, "references executed")                                                           \
    X(fetches, "of them fetches")                                                                  \
    X(loads, "of them loads, and touches of unknown kind")                                         \
    X(stores, "of them stores")                                                                    \
    X(tlb_misses, "misses of the hardware TLB")                                                    \
    X(l2tlb_misses, "of them misses of the second-level TLB too, the hardware's or the monitor's") \
    X(walks, "page walks of the hardware, where tables are modelled")                              \
    X(walk_hits, "table entries that walks found in the CPU's data caches")                        \
    X(walk_reads_local, "table entries that walks read from memory of the own node")               \
    X(walk_reads_remote, "table entries that walks read from memory of another node")              \
    X(walk_local_ps, "time of the former, in ps: part of the account tlb")                         \
    X(walk_remote_ps, "time of the latter, in ps: part of the account tlb")                        \
    X(local_accesses, "references that reached memory of the own node")                            \
    X(remote_accesses, "references that reached memory of another node")                           \
    X(refetches, "cached lines fetched again because their page had moved; no accesses")           \
    X(page_faults, "first touches of a page")                                                      \
    X(huge_faults, "of them those that placed a page of 2 MiB or 1 GiB")                           \
    X(hot_pages, "hot-page signals raised")                                                        \
    X(migrations, "pages migrated on its behalf")                                                  \
    X(replications, "replicas made on its behalf")                                                 \
    X(collapses, "pages collapsed to one copy on its behalf")                                      \
    X(splits, "pages of 2 MiB split on its behalf")                                                \
    X(merges, "blocks of 512 pages merged to one of 2 MiB on its behalf")                          \
    X(shootdowns, "TLB shootdowns it started")                                                     \
    X(shootdowns_suffered, "TLB shootdowns that interrupted it")                                   \
    X(refused, "actions refused")                                                                  \
    X(dispatches, "times a different vCPU was put on it")                                          \
    X(zeroed_pages, "pages that the monitor zeroed for the guest")                                 \
    X(dma_pages, "pages that devices moved to or from memory")                                     \
    X(freed_pages, "pages that the guest gave back")                                               \
    X(privileged, "privileged instructions emulated")                                              \
    X(tlb_writes, "TLB writes of the guest emulated")                                              \
    X(reflections, "exceptions handed to the guest's vectors")                                     \
    X(monitor_refills, "TLB misses of the live run answered without the guest")                    \
    X(monitor_calls, "monitor calls")                                                              \
    X(interrupts, "interrupts delivered to the guest")

struct memory_cpu_counters {
#define MEMORY_COUNTER_FIELD(name, meaning) uint64_t name;
    MEMORY_CPU_COUNTERS(MEMORY_COUNTER_FIELD)
#undef MEMORY_COUNTER_FIELD
    uint64_t account_ps[MEMORY_ACCOUNT_COUNT];
    uint64_t clock_ps; /* the sum of its accounts */
};

#endif
