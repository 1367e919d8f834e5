/* Tree pseudo-LRU of a TLB against a tree that keeps its bits: every use flips those on the way to its
 * entry, and the bits alone name the victim. */
#include "vmm-core/memory/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SETS  2u
#define STEPS 20000u

/* Bits of one set: node n has the children 2n and 2n + 1; set: the victim is on the right. */
struct bits {
    bool right[64];
};

static void use(struct bits *bits, uint32_t ways, uint32_t way)
{
    for (uint32_t node = 1; ways > 1; ways /= 2) {
        const bool right = way % ways >= ways / 2;
        bits->right[node] = !right;
        node = 2 * node + right;
    }
}

static uint32_t victim(const struct bits *bits, uint32_t ways)
{
    uint32_t node = 1;
    while (node < ways)
        node = 2 * node + bits->right[node];
    return node - ways;
}

static void run(uint64_t seed, uint32_t ways)
{
    struct tlb tlb;
    struct bits bits[SETS] = {0};
    uint64_t state = seed;
    assert_true(tlb_new(&tlb, SETS * ways, ways, 1));
    tlb.plru = true;
    for (uint64_t step = 1; step <= STEPS; step++) {
        const uint64_t vpn = random_below(&state, SETS * ways * 2);
        const uint32_t set = vpn % SETS;
        uint32_t entry = tlb_find(&tlb, 0, vpn);
        if (entry != MEMORY_NONE && !random_below(&state, 8)) { /* shot down: bits stay */
            tlb_invalidate(&tlb, entry, vpn);
            continue;
        }
        if (entry == MEMORY_NONE) {
            const bool full = tlb.used[set] == ways;
            entry = tlb_slot(&tlb, 0, vpn, NULL);
            if (full && entry - set * ways != victim(&bits[set], ways))
                fail_msg("seed %llu, %u ways, step %llu: way %u goes, not %u",
                         (unsigned long long)seed, ways, (unsigned long long)step,
                         entry - set * ways, victim(&bits[set], ways));
            tlb_write(&tlb, entry, 0, vpn, &(struct tlb_half){.page = 1}, step);
        }
        tlb.stamp[entry] = step;
        use(&bits[set], ways, entry - set * ways);
    }
    tlb_free(&tlb);
}

static void stamps_name_the_victim_of_a_tree_of_bits(void **unused)
{
    (void)unused;
    const char *const wanted = getenv("DISCO_SEED");
    const uint64_t first = wanted ? strtoull(wanted, NULL, 0) : 1;
    for (uint64_t seed = first; seed < first + 20; seed++)
        for (uint32_t ways = 1; ways <= 32; ways *= 2)
            run(seed, ways);
}

static void odd_ways_have_a_tree_too(void **unused)
{
    (void)unused;
    struct tlb tlb;
    assert_true(tlb_new(&tlb, 3, 3, 1)); /* one way on the left, two on the right */
    tlb.plru = true;
    for (uint32_t way = 0; way < 3; way++)
        tlb_write(&tlb, tlb_slot(&tlb, 0, way, NULL), 0, way, &(struct tlb_half){.page = 1},
                  way + 1);
    assert_int_equal(tlb_slot(&tlb, 0, 9, NULL), 0);
    tlb.stamp[0] = 4;
    assert_int_equal(tlb_slot(&tlb, 0, 9, NULL), 1);
    tlb_free(&tlb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stamps_name_the_victim_of_a_tree_of_bits),
        cmocka_unit_test(odd_ways_have_a_tree_too),
    };
    return cmocka_run_group_tests_name("tree pseudo-LRU of TLBs", tests, NULL, NULL);
}
