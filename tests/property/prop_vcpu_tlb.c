/* What a guest can reach is what it wrote: random TLB writes, probes, changes
 * of ASID, forgotten spaces, page moves and accesses on a virtual CPU. Each
 * access does what the virtual and the second-level TLB say, so the real TLB,
 * which is filled at misses and lives longer, never shows more; and a second
 * level with room for everything holds what a plain model of its rules (vcpu.h)
 * does. DISCO_SEED repeats a run. */
#include "tests/property/mips_words.h"
#include "tests/property/vcpu_machine.h"
#include "vmm-core/monitor/vcpu/vcpu-internal.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define SPACES 3u
#define PAIRS  60u /* of pages: far fewer than the large second level has room for */
#define GLOBAL SPACES
#define FIRST  0x00400000u
#define PAIR   0x2000u
#define CODE   (ABI_DIRECT_MAP + 0x1800u)

enum { TLBWI, TLBWR, TLBP, LW, SW };
static const uint32_t words[] = {0x42000002u, 0x42000006u, 0x42000008u,
                                 0x8d090000u,  /* lw $9, 0($8) */
                                 0xad0a0004u}; /* sw $10, 4($8) */

/* The second level with room for everything. */
struct model {
    struct {
        bool there;
        uint32_t lo[2];
    } pair[SPACES + 1][PAIRS];
};

struct test {
    struct vm *vm;
    struct vcpu *vcpu;
    struct random random;
    struct model model;
    bool modelled;
};

static uint32_t below(struct test *test, uint32_t bound)
{
    return random_below(&test->random, bound);
}

static uint32_t pair_of(uint32_t address)
{
    return (address - FIRST) / PAIR;
}

static void execute(struct test *test, unsigned word)
{
    mips_state(test->vm->cpu)->pc = CODE + 4 * word;
    assert_int_equal(vcpu_run(test->vcpu, 1), VCPU_STOP_LIMIT);
}

/* The exception that was raised since this was last asked; -1: none. */
static int raised(struct test *test)
{
    const uint32_t status = vcpu_cp0(test->vcpu, 12, 0);
    vcpu_cp0_write(test->vcpu, 12, 0, 0);
    vcpu_resume(test->vcpu);
    return status & STATUS_EXL
               ? (int)((vcpu_cp0(test->vcpu, 13, 0) & CAUSE_CODE) >> CAUSE_CODE_SHIFT)
               : -1;
}

/* ------------------------------------------------------------------------------
 * the model */

static void model_drop(struct model *model, uint32_t address, uint32_t asid, bool global)
{
    for (uint32_t space = 0; space <= GLOBAL; space++)
        if (global || space == asid || space == GLOBAL)
            model->pair[space][pair_of(address)].there = false;
}

static void model_write(struct model *model, const struct mips_tlb_entry *old, bool random,
                        const struct mips_tlb_entry *new)
{
    const bool global = new->entry_lo[0] & ENTRYLO_G;
    if (old->used && !random && !old->page_mask)
        model_drop(model, old->entry_hi, old->entry_hi & ENTRYHI_ASID,
                   old->entry_lo[0] & ENTRYLO_G);
    if (new->page_mask) {
        memset(model, 0, sizeof *model);
        return;
    }
    const uint32_t asid = new->entry_hi &ENTRYHI_ASID, pair = pair_of(new->entry_hi);
    model_drop(model, new->entry_hi, asid, global);
    if (!((new->entry_lo[0] | new->entry_lo[1]) & ENTRYLO_V))
        return;
    model->pair[global ? GLOBAL : asid][pair].there = true;
    memcpy(model->pair[global ? GLOBAL : asid][pair].lo, new->entry_lo, sizeof new->entry_lo);
}

static void model_agrees(struct test *test, uint32_t address)
{
    uint32_t lo[2], expected[2];
    const uint32_t asid = vcpu_asid(test->vcpu);
    const bool there = vcpu_pair(test->vcpu, address, lo);
    for (uint32_t i = 0; i < 2; i++) {
        const uint32_t space = i ? GLOBAL : asid;
        if (!test->model.pair[space][pair_of(address)].there)
            continue;
        assert_true(there);
        assert_memory_equal(lo, test->model.pair[space][pair_of(address)].lo, sizeof lo);
        return;
    }
    assert_int_equal(there, vcpu_virtual_pair(test->vcpu, address, expected));
    if (there)
        assert_memory_equal(lo, expected, sizeof lo);
}

/* ------------------------------------------------------------------------------
 * operations */

static void write_entry(struct test *test)
{
    const bool random = below(test, 2);
    const uint32_t before = test->vm->tlb_writes, large = below(test, 40) == 0;
    struct mips_tlb_entry old[MIPS_TLB_MAX];
    const uint32_t lo = below(test, 12) == 0 ? ENTRYLO_G : 0;
    vcpu_cp0_write(test->vcpu, 0, 0, below(test, 64));
    vcpu_cp0_write(test->vcpu, 5, 0, large ? 0x6000 : 0);
    vcpu_cp0_write(test->vcpu, 10, 0, (FIRST + below(test, PAIRS) * PAIR) | below(test, SPACES));
    for (uint32_t i = 0; i < 2; i++)
        vcpu_cp0_write(test->vcpu, 2 + i, 0,
                       (2 + below(test, VM_PAGES - 2)) << ENTRYLO_PFN_SHIFT | lo |
                           (below(test, 4) ? ENTRYLO_V : 0) | (below(test, 2) ? ENTRYLO_D : 0));
    memcpy(old, vcpu_tlb(test->vcpu), sizeof old);
    execute(test, random ? TLBWR : TLBWI);
    raised(test); /* a machine check where another entry is there */
    if (test->vm->tlb_writes != before)
        model_write(&test->model, &old[test->vm->last_index], random, &test->vm->last_entry);
}

static void probe(struct test *test)
{
    const uint32_t address = FIRST + below(test, PAIRS) * PAIR, asid = below(test, SPACES);
    vcpu_cp0_write(test->vcpu, 10, 0, address | asid);
    execute(test, TLBP);
    if (vcpu_cp0(test->vcpu, 0, 0) & INDEX_PROBE_FAILURE)
        model_drop(&test->model, address, asid, false);
}

static void access_page(struct test *test)
{
    const bool store = below(test, 2);
    const uint32_t address = FIRST + below(test, PAIRS * 2) * MIPS_PAGE_BYTES;
    uint32_t *const r = vcpu_registers(test->vcpu);
    uint32_t lo[2] = {0}, virtual[2] = {0};
    vcpu_cp0_write(test->vcpu, 10, 0, below(test, SPACES));
    vcpu_resume(test->vcpu);
    if (test->modelled)
        model_agrees(test, address);
    vcpu_pair(test->vcpu, address, lo);
    vcpu_virtual_pair(test->vcpu, address, virtual);
    const uint32_t half = lo[address / MIPS_PAGE_BYTES % 2],
                   own = virtual[address / MIPS_PAGE_BYTES % 2], ppn = half >> ENTRYLO_PFN_SHIFT;
    r[8] = address;
    r[9] = 0;
    r[10] = (uint32_t)random_next(&test->random);
    execute(test, store ? SW : LW);
    const int code = raised(test);
    if (half & ENTRYLO_V && (!store || half & ENTRYLO_D)) {
        assert_int_equal(code, -1);
        if (store)
            assert_int_equal(vm_get(test->vm, ppn * MIPS_PAGE_BYTES + 4), r[10]);
        else
            assert_int_equal(r[9], ppn);
    } else if (store && own & ENTRYLO_V) {
        assert_int_equal(code, MIPS_EXCEPTION_TLB_MODIFIED);
    } else {
        assert_int_equal(code, store ? MIPS_EXCEPTION_TLB_STORE : MIPS_EXCEPTION_TLB_LOAD);
    }
}

static void disturb(struct test *test)
{
    struct vm *const vm = test->vm;
    const uint32_t page = below(test, VM_PAGES), spare = 64 + below(test, 60),
                   asid = below(test, SPACES);
    switch (below(test, 4)) {
    case 0:
        vcpu_forget_space(test->vcpu, asid);
        for (uint32_t pair = 0; pair < PAIRS; pair++)
            test->model.pair[asid][pair].there = false;
        return;
    case 1:
        vcpu_save(test->vcpu);
        if (below(test, 2)) { /* another vCPU has been here, with what it had in the TLB */
            const struct mips_tlb_entry foreign = {.entry_hi = FIRST,
                                                   .entry_lo = {0x1f, 0x1f},
                                                   .used = true};
            mips_tlb_clear(vm->cpu);
            mips_tlb_write(vm->cpu, 0, &foreign);
        }
        vcpu_load(test->vcpu, vm->cpu);
        return;
    default:
        for (uint32_t i = 0; i < VM_PAGES; i++)
            if (vm->frame[i] == spare)
                return;
        vm_move(vm, page, spare, true);
        vm->read_only[page] = below(test, 2);
        return;
    }
}

/* ------------------------------------------------------------------------------
 * runs */

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *const text = getenv(name);
    return text ? strtoull(text, NULL, 0) : otherwise;
}

static void run(uint32_t entries, uint32_t ways, bool modelled)
{
    const uint64_t seed = number_of("DISCO_SEED", 1);
    const uint64_t runs = number_of("DISCO_RUNS", getenv("DISCO_SANITIZED") ? 20 : 200);
    struct test test = {.modelled = modelled};
    test.random.state = (seed + entries) * UINT64_C(0x9e3779b97f4a7c15) | 1;
    test.vm =
        vm_new((struct vcpu_options){.second_level_entries = entries, .second_level_ways = ways},
               CODE);
    test.vcpu = test.vm->vcpu;
    for (uint32_t page = 0; page < VM_PAGES; page++)
        vm_put(test.vm, page * MIPS_PAGE_BYTES, page);
    for (uint32_t i = 0; i < sizeof words / sizeof *words; i++)
        vm_put(test.vm, CODE - ABI_DIRECT_MAP + 4 * i, words[i]);
    printf("# DISCO_SEED=%" PRIu64 "\n", seed);
    for (uint64_t i = 0; i < runs * 1000; i++) {
        const uint32_t what = below(&test, 100);
        if (what < 20)
            write_entry(&test);
        else if (what < 23)
            probe(&test);
        else if (what < 25)
            disturb(&test);
        else
            access_page(&test);
        if (!entries)
            memset(&test.model, 0, sizeof test.model);
    }
    vm_free(test.vm);
}

static void the_real_tlb_shows_what_the_virtual_one_holds(void **state)
{
    (void)state;
    run(0, 1, true);
}

static void a_large_second_level_holds_what_its_rules_say(void **state)
{
    (void)state;
    run(4096, 64, true);
}

static void a_small_second_level_takes_what_it_loses_out_of_the_real_tlb(void **state)
{
    (void)state;
    run(16, 2, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_real_tlb_shows_what_the_virtual_one_holds),
        cmocka_unit_test(a_large_second_level_holds_what_its_rules_say),
        cmocka_unit_test(a_small_second_level_takes_what_it_loses_out_of_the_real_tlb),
    };
    return cmocka_run_group_tests_name("vcpu_tlb", tests, NULL, NULL);
}
