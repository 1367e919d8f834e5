#include "vmm-core/machine/description/defaults.h"

/* FLASH under Disco. TLB: R10000 manual, chapters 4 and 16: 64 entries, each a pair of pages;
 * random replacement is the MIPS convention. Disco flushes it when a different vCPU is dispatched
 * and does not virtualise ASIDs [P, 4.1], so it is not tagged. The second-level TLB's size is not
 * printed: unchecked.
 *
 * Table 3 prints what an action on a hot page costs in all: migration 67 us, replication 57 us with
 * 8 CPUs; 102 and 73 us with 16. The split is ours (unchecked), made so that an action that
 * interrupts one CPU costs the printed replication, and one that interrupts every other CPU the
 * printed migration:
 *   copy_page          28,800 ns  32 lines of 128 bytes at 900 ns, not pipelined [D]
 *   shootdown_per_cpu   1,667 ns  (67 - 57 us) / 6 more CPUs
 *                       2,071 ns  with 16 CPUs: (102 - 73 us) / 14
 *   hot_page            8,000 ns  unchecked
 *   shootdown           4,000 ns  unchecked
 *   move_page          14,533 ns  the rest: 57,000 - 1,667 - 28,800 - 8,000 - 4,000
 *                      30,129 ns  with 16 CPUs: 73,000 - 2,071 - 28,800 - 8,000 - 4,000
 *
 * Table 2 prints what the monitor adds to a service of the guest's kernel, not how often it was
 * entered for it; the counts are ours (unchecked):
 *   tlb_write, reflect    305 ns  UTLB_MISS: 1.22 x 35 ns a miss; 0.07 of them reach the guest [D],
 *                                 by an exception and a TLB write: at most 610 ns for both
 *   privileged            296 ns  read: 0.09 x 23 us for one way into the kernel and out, of seven
 *                                 (Status, Cause and EPC read, Status twice and EPC written, ERET)
 *   monitor_call          840 ns  open: 0.02 x 42 us, if it makes one; a zeroed page is page_fault
 *   interrupt             610 ns  two of reflect: the machine's, and the vCPU's */
#define FLASH_COSTS(move, per_cpu)                                                                 \
    {                                                                                              \
        .trap_ns = 500,          /* unchecked: 200 cycles at 400 MHz */                            \
            .tlb_refill_ns = 43, /* [D] Table 2, UTLB_MISS: 1.22 x 35 ns */                        \
            .tlb_forward_ns =                                                                      \
                578,          /* 43 + the guest's 35 [P] + one trap, unchecked; [D] <= 614 + 35 */ \
            .tlb_walk_ns = 0, /* no page walker */                                                 \
            .privileged_ns = 296,     /* see above */                                              \
            .tlb_write_ns = 305,      /* see above */                                              \
            .reflect_ns = 305,        /* see above */                                              \
            .monitor_call_ns = 840,   /* see above */                                              \
            .interrupt_ns = 610,      /* see above */                                              \
            .dispatch_ns = 5000,      /* unchecked */                                              \
            .page_fault_ns = 9870,    /* [D] Table 2, DEMAND_ZERO: 0.47 x 21 us of monitor work */ \
            .replica_fault_ns = 8000, /* unchecked: as a hot page */                               \
            .hot_page_ns = 8000,      /* see above */                                              \
            .move_page_ns = (move),   /* see above */                                              \
            .copy_page_ns = 28800,    /* see above */                                              \
            .huge_fault_ns = 5053440, /* unchecked: 512 faults, zeroing is most of one */          \
            .copy_huge_ns = 14745600, /* 512 times copy_page */                                    \
            .gigantic_fault_ns = 2587361280, /* 512 times huge_fault */                            \
            .copy_gigantic_ns = 7549747200,  /* 512 times copy_huge */                             \
            .shootdown_ns = 4000,            /* see above */                                       \
            .shootdown_per_cpu_ns = (per_cpu),                                                     \
        .fetch_ps = 2500, /* [D] one instruction a cycle at 400 MHz, which is not printed */       \
            .data_reference_ps = 7500, /* unchecked: three instructions for a load or store */     \
    }

/* A Linux server. TLB: the size of the second-level TLB of Intel server cores, as one level:
 * unchecked. Moves: a page moved alone costs about 4.7 us (Linux commit "migrate_pages: batch
 * flushing TLB": batching gave +291.7 %; [D] on 1.2 us a page when batched, S. Garg, linux-kernel,
 * 2026). Of it 0.3 us is the copy (a quarter of 1.2 us, same author); 1.2 us a shootdown of one CPU
 * (1 us + 0.2 us for each target, published microbenchmark); the rest, 3.2 us, is bookkeeping. */
#define LINUX_COSTS                                                                                \
    {                                                                                              \
        .trap_ns = 100,         /* unchecked */                                                    \
            .tlb_refill_ns = 0, /* no second-level TLB */                                          \
            .tlb_forward_ns = 0,                                                                   \
        .tlb_walk_ns = 30,        /* unchecked: page walk caches hit, one access to a cache */     \
            .privileged_ns = 100, /* unchecked: a trap, in this and the next four */               \
            .tlb_write_ns = 100, .reflect_ns = 100, .monitor_call_ns = 100,                        \
        .interrupt_ns = 200,          /* two of them */                                            \
            .dispatch_ns = 1500,      /* unchecked */                                              \
            .page_fault_ns = 2000,    /* the constant of HeMem's memsim */                         \
            .replica_fault_ns = 1500, /* unchecked: as a hint fault */                             \
            .hot_page_ns = 1500,      /* unchecked: a hint fault, 1 to 2 us */                     \
            .move_page_ns = 3200,     /* see above */                                              \
            .copy_page_ns = 300,      /* see above */                                              \
            .huge_fault_ns = 107000,  /* unchecked: zeroing at 20 GB/s, and a fault */             \
            .copy_huge_ns = 185600, /* 190 us to migrate 2 MiB (10.9 GB/s, as measured on a      \
                                         2-socket server), less move_page and a shootdown */ \
            .gigantic_fault_ns = 53689000, /* unchecked: zeroing at 20 GB/s, and a fault */        \
            .copy_gigantic_ns = 95027200,  /* 512 times copy_huge, unchecked */                    \
            .shootdown_ns = 1000,          /* see above */                                         \
            .shootdown_per_cpu_ns = 200,   /* see above */                                         \
            .fetch_ps = 250,               /* unchecked: 1.5 instructions a cycle at 2.6 GHz */    \
            .data_reference_ps = 750,      /* unchecked: three instructions for a load or store */ \
    }

const struct machine_costs machine_costs_flash_16 = FLASH_COSTS(30129, 2071);

const struct machine_defaults machine_defaults[2] = {
    [TLB_REFILL_SOFTWARE] =
        {
            .cpu_mhz = 400, /* [D] twice an R10000's 200 MHz; the clock is not printed */
            .tlb = {.entries = 64,
                    .ways = 64,
                    .pages_per_entry = 2,
                    .refill = TLB_REFILL_SOFTWARE,
                    .replacement = TLB_REPLACE_RANDOM,
                    .tagged = false},
            .l2tlb = {.entries = 4096, .ways = 2},
            .costs = FLASH_COSTS(14533, 1667),
        },
    [TLB_REFILL_HARDWARE] =
        {
            .cpu_mhz = 2600, /* unchecked */
            .tlb = {.entries = 1536,
                    .ways = 12,
                    .pages_per_entry = 1,
                    .refill = TLB_REFILL_HARDWARE,
                    .replacement = TLB_REPLACE_LRU,
                    .tagged = true},
            .l2tlb = {.entries = 0, .ways = 1},
            .costs = LINUX_COSTS,
        },
};

/* Unchecked: about 14 and 60 cycles of a server of 2.6 GHz. */
uint32_t machine_cache_latency_ns(uint32_t level)
{
    return level == 1 ? 0 : level == 2 ? 5 : 22;
}
