/* Hardware TLBs of server CPUs, for the presets.
 *
 * Zen 2: first level of 64 entries for all sizes, second level of 2048 for 4 KiB and 2 MiB, which 1
 * GiB pages are cut down to (WikiChip, "Zen 2", memory subsystem); 16 ways are unchecked, as is the
 * page directory cache of 64. Ice Lake: all of it a recollection of Intel's optimization manual,
 * unchecked. Latency of the second level: 7 to 8 cycles, unchecked.
 *
 * Lines of table entries, in both: 512, which is 32 KiB of a CPU's second-level cache, and a hit of
 * that cache's 14 cycles; unchecked.
 */
#include "vmm-core/machine/description/defaults.h"

#define SIZE(size) (1u << MACHINE_PAGE_##size)
#define LINES      .line_entries = 512, .line_ways = 8, .line_ns = 5

const struct machine_tlb machine_tlb_icelake = {
    .arrays = 5,
    .array =
        {{.level = 1, .pages = SIZE(4K), .entries = 64, .ways = 4},
         {.level = 1, .pages = SIZE(2M), .entries = 32, .ways = 4},
         {.level = 1, .pages = SIZE(1G), .entries = 8, .ways = 8},
         {.level = 2, .pages = SIZE(4K) | SIZE(2M), .entries = 2048, .ways = 16, .latency_ns = 3},
         {.level = 2, .pages = SIZE(1G), .entries = 1024, .ways = 8, .latency_ns = 3}},
    .walk = {.levels = 4,
             .caches = 3,
             .cache = {{.level = 2, .entries = 32, .ways = 4},
                       {.level = 3, .entries = 4, .ways = 4},
                       {.level = 4, .entries = 2, .ways = 2}},
             LINES},
    .entries = 64,
    .ways = 4,
    .pages_per_entry = 1,
    .refill = TLB_REFILL_HARDWARE,
    .replacement = TLB_REPLACE_LRU,
    .tagged = true,
};

const struct machine_tlb machine_tlb_zen2 = {
    .arrays = 2,
    .array =
        {{.level = 1, .pages = SIZE(4K) | SIZE(2M) | SIZE(1G), .entries = 64, .ways = 64},
         {.level = 2, .pages = SIZE(4K) | SIZE(2M), .entries = 2048, .ways = 16, .latency_ns = 3}},
    .walk = {.levels = 4, .caches = 1, .cache = {{.level = 2, .entries = 64, .ways = 64}}, LINES},
    .entries = 64,
    .ways = 64,
    .pages_per_entry = 1,
    .refill = TLB_REFILL_HARDWARE,
    .replacement = TLB_REPLACE_LRU,
    .tagged = true,
};
