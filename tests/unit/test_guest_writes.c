/* What the guest's own TLB writes say of its pages. */
#include "tests/unit/memory_fixture.h"

#include "vmm-core/memory/guest-writes.h"

#define PPN(number)    (GUEST_DIRECT_VPN + (number))
#define KERNEL         (GUEST_DIRECT_VPN + GUEST_DIRECT_PAGES) /* 0xD0000000 */
#define KERNEL_BYTES   UINT64_C(0x20000000)
#define VALID          UINT64_C(2)
#define GLOBAL         UINT64_C(1)
#define LO(ppn, flags) ((uint64_t)(ppn) << 6 | 4 | (flags))

/* Spaces 1 and 2 of VM 0 show its kernel's range. */
static void begin(struct fixture *f)
{
    prepare(f);
    start(f);
    for (uint32_t space = 1; space <= 2; space++)
        well(memory_share(f->memory, 0, GUEST_DIRECT_BASE, space, GUEST_DIRECT_BASE, KERNEL_BYTES));
}

static void write(struct fixture *f, uint32_t space, uint64_t vpn, uint64_t lo0, uint64_t lo1)
{
    well(memory_tlb_write(f->memory, space, 0, vpn * PAGE | 9, lo0, lo1, 0));
    well(memory_check(f->memory));
}

static uint32_t find(const struct fixture *f, uint32_t space, uint64_t vpn)
{
    return memory_find(f->memory, space, vpn);
}

static void in_space(struct fixture *f, uint32_t space)
{
    for (uint32_t cpu = 0; cpu < CPUS; cpu++)
        well(memory_dispatch(f->memory, cpu, cpu, space));
}

static void a_valid_half_maps_a_page_and_an_invalid_one_nothing(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    write(&f, 1, 0x400, LO(5, VALID), LO(6, 0));
    assert_int_not_equal(find(&f, 1, 0x400), MEMORY_NO_PAGE);
    assert_int_equal(find(&f, 1, 0x400), find(&f, 0, PPN(5)));
    assert_int_equal(find(&f, 1, 0x401), MEMORY_NO_PAGE);
    assert_int_equal(find(&f, 0, PPN(6)), MEMORY_NO_PAGE);
    assert_int_equal(find(&f, 2, 0x400), MEMORY_NO_PAGE);
    write(&f, 1, 0x400, LO(5, 0), LO(6, VALID)); /* what is there stays */
    assert_int_equal(find(&f, 1, 0x400), find(&f, 0, PPN(5)));
    assert_int_equal(find(&f, 1, 0x401), find(&f, 0, PPN(6)));
    in_space(&f, 1);
    load(&f, 0, 0x400);
    load(&f, 1, PPN(5)); /* the same page */
    assert_int_equal(count(&f, 0)->page_faults, 1);
    assert_int_equal(count(&f, 1)->page_faults, 0);
    assert_int_equal(count(&f, 1)->remote_accesses, 0); /* not settled yet */
    memory_finish(f.memory);
    assert_int_equal(count(&f, 1)->remote_accesses, 1);
    stop(&f);
}

static void another_frame_changes_the_mapping_and_drops_its_translations(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    write(&f, 1, 0x400, LO(5, VALID), LO(6, VALID));
    in_space(&f, 1);
    load(&f, 0, 0x400);
    load(&f, 0, 0x400);
    assert_int_equal(count(&f, 0)->tlb_misses, 1);
    write(&f, 1, 0x400, LO(5, VALID), LO(6, VALID)); /* the same again */
    load(&f, 0, 0x400);
    assert_int_equal(count(&f, 0)->tlb_misses, 1);
    write(&f, 1, 0x400, LO(7, VALID), LO(6, VALID));
    assert_int_equal(find(&f, 1, 0x400), find(&f, 0, PPN(7)));
    load(&f, 0, 0x400);
    assert_int_equal(count(&f, 0)->tlb_misses, 2);
    assert_int_equal(count(&f, 0)->page_faults, 2);
    load(&f, 0, PPN(5)); /* lives on */
    assert_int_equal(count(&f, 0)->page_faults, 2);
    stop(&f);
}

static void a_page_of_nobody_is_freed_when_the_guest_maps_another(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    in_space(&f, 1);
    load(&f, 0, 0x400);
    const uint32_t page = find(&f, 1, 0x400);
    write(&f, 1, 0x400, LO(5, VALID), 0);
    assert_false(memory_page(f.memory, page).mapped);
    assert_int_equal(find(&f, 1, 0x400), find(&f, 0, PPN(5)));
    stop(&f);
}

static void what_the_guest_does_not_map_is_left_alone(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    well(memory_zero(f.memory, 0, 0, PPN(2)));
    const uint32_t page = find(&f, 0, PPN(2));
    write(&f, 1, PPN(2), LO(5, VALID), LO(6, VALID));      /* the direct map */
    write(&f, 1, 0x80000, LO(5, VALID), LO(6, VALID));     /* KSEG0 */
    write(&f, 1, 0xE0000, LO(5, VALID), LO(6, VALID));     /* KSEG3 */
    write(&f, 1, 0x400, LO(GUEST_DIRECT_PAGES, VALID), 0); /* no such page */
    assert_int_equal(find(&f, 1, PPN(2)), page);
    assert_int_equal(find(&f, 1, 0x80000), MEMORY_NO_PAGE);
    assert_int_equal(find(&f, 1, 0xE0000), MEMORY_NO_PAGE);
    assert_int_equal(find(&f, 1, 0x400), MEMORY_NO_PAGE);
    assert_int_equal(find(&f, 0, PPN(5)), MEMORY_NO_PAGE);
    write(&f, 1, 0xDFFFE, 0, LO(5, VALID)); /* the last page that a guest maps */
    assert_int_equal(find(&f, 1, 0xDFFFF), find(&f, 0, PPN(5)));
    stop(&f);
}

static void an_entry_with_both_global_bits_is_every_spaces(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    write(&f, 1, 0x400, LO(5, VALID | GLOBAL), LO(6, VALID | GLOBAL));
    for (uint32_t space = 0; space <= 2; space++) {
        assert_int_equal(find(&f, space, 0x400), find(&f, 0, PPN(5)));
        assert_int_equal(find(&f, space, 0x401), find(&f, 0, PPN(6)));
    }
    write(&f, 2, 0x402, LO(5, VALID | GLOBAL), LO(6, VALID)); /* one bit is none */
    assert_int_equal(find(&f, 1, 0x402), MEMORY_NO_PAGE);
    assert_int_equal(find(&f, 2, 0x402), find(&f, 0, PPN(5)));
    assert_int_equal(find(&f, 3, 0x400), MEMORY_NO_PAGE); /* a space of nobody */
    write(&f, 2, 0x400, LO(7, VALID | GLOBAL), LO(6, VALID | GLOBAL));
    for (uint32_t space = 0; space <= 2; space++)
        assert_int_equal(find(&f, space, 0x400), find(&f, 0, PPN(7)));
    stop(&f);
}

static void a_global_entry_takes_the_place_of_what_a_space_shows_there(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    well(memory_share(f.memory, 0, PPN(9) * PAGE, 1, 0x400 * PAGE, PAGE));
    write(&f, 1, 0x400, LO(5, VALID | GLOBAL), LO(6, VALID | GLOBAL));
    for (uint32_t space = 0; space <= 2; space++)
        assert_int_equal(find(&f, space, 0x400), find(&f, 0, PPN(5)));
    stop(&f);
}

static void all_spaces_follow_the_kernels_range(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    in_space(&f, 1);
    write(&f, 1, KERNEL, LO(5, VALID | GLOBAL), LO(6, VALID | GLOBAL));
    load(&f, 0, KERNEL); /* joined in space 1 by this touch */
    in_space(&f, 2);
    load(&f, 1, KERNEL);
    assert_int_equal(find(&f, 2, KERNEL), find(&f, 0, PPN(5)));
    write(&f, 2, KERNEL, LO(7, VALID | GLOBAL), LO(6, VALID | GLOBAL));
    for (uint32_t space = 0; space <= 2; space++) {
        assert_int_equal(find(&f, space, KERNEL), find(&f, 0, PPN(7)));
        assert_int_equal(find(&f, space, KERNEL + 1), find(&f, 0, PPN(6)));
    }
    assert_int_equal(f.memory->guest->shares, 2); /* still one record a space */
    const uint64_t faults = count(&f, 1)->page_faults;
    load(&f, 1, KERNEL);
    assert_int_equal(count(&f, 1)->page_faults, faults + 1);
    stop(&f);
}

static void a_space_may_map_a_page_of_the_kernels_range_for_itself(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    write(&f, 1, KERNEL + 2, LO(5, VALID), 0);
    assert_int_equal(find(&f, 1, KERNEL + 2), find(&f, 0, PPN(5)));
    assert_int_equal(find(&f, 2, KERNEL + 2), MEMORY_NO_PAGE);
    write(&f, 1, KERNEL, LO(7, VALID | GLOBAL), LO(8, VALID | GLOBAL));
    assert_int_equal(find(&f, 1, KERNEL), find(&f, 0, PPN(7))); /* it still shows the rest */
    write(&f, 2, KERNEL + 2, LO(9, VALID | GLOBAL), LO(8, VALID | GLOBAL));
    for (uint32_t space = 0; space <= 2; space++)
        assert_int_equal(find(&f, space, KERNEL + 2), find(&f, 0, PPN(9)));
    stop(&f);
}

static void larger_pages_map_all_that_they_hold(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    /* 16 KiB: four pages a half, whatever the low bits of VPN and PFN say */
    well(memory_tlb_write(f.memory, 1, 0, 0x40B * PAGE, LO(0x11, VALID), LO(0x24, VALID), 0x6000));
    for (uint32_t at = 0; at < 4; at++) {
        assert_int_equal(find(&f, 1, 0x408 + at), find(&f, 0, PPN(0x10 + at)));
        assert_int_equal(find(&f, 1, 0x40C + at), find(&f, 0, PPN(0x24 + at)));
        assert_int_not_equal(find(&f, 1, 0x408 + at), MEMORY_NO_PAGE);
    }
    assert_int_equal(find(&f, 1, 0x410), MEMORY_NO_PAGE);
    /* a mask that is no page size stands for the next smaller */
    well(memory_tlb_write(f.memory, 1, 0, 0x500 * PAGE, LO(1, VALID), LO(2, VALID), 0xE000));
    assert_int_equal(find(&f, 1, 0x503), find(&f, 0, PPN(3)));
    assert_int_equal(find(&f, 1, 0x504), find(&f, 0, PPN(0)));
    /* the largest: 256 MiB a half */
    well(memory_tlb_write(f.memory, 1, 0, 0, LO(0, VALID), LO(0, VALID), UINT64_MAX));
    assert_int_equal(find(&f, 1, 0xFFFF), find(&f, 0, PPN(0xFFFF)));
    well(memory_check(f.memory));
    stop(&f);
}

static void a_space_that_is_unmapped_leaves_the_pages_to_the_vm(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    write(&f, 1, 0x400, LO(5, VALID), LO(6, VALID));
    in_space(&f, 1);
    load(&f, 0, 0x400);
    load(&f, 0, PPN(7));
    well(memory_unmap(f.memory, 1, 0, UINT64_MAX));
    assert_int_equal(find(&f, 1, 0x400), MEMORY_NO_PAGE);
    assert_int_equal(find(&f, 1, PPN(7)), MEMORY_NO_PAGE);
    assert_int_equal(memory_node(f.memory, 0).frames_used, 2);
    assert_int_equal(f.memory->guest->shares, 1);
    well(memory_unmap(f.memory, 2, 0, UINT64_MAX));
    well(memory_unmap(f.memory, 0, 0, UINT64_MAX));
    assert_int_equal(memory_node(f.memory, 0).frames_used, 0);
    assert_int_equal(f.memory->guest->shares, 0);
    stop(&f);
}

static void other_page_sizes_of_the_machine_do_not_fit(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    f.machine.page_bytes = 16384;
    start(&f);
    well(memory_tlb_write(f.memory, 0, 0, 0x400000, LO(1, VALID), LO(2, VALID), 0));
    assert_int_equal(find(&f, 0, 0x100), MEMORY_NO_PAGE);
    stop(&f);
}

/* ---- looking ahead -------------------------------------------------------------------------------- */

/* A guest that is ahead of its memory: what a write maps is there for references after it alone. */
static void a_memory_behind_does_not_see_what_is_mapped_later(void **state)
{
    (void)state;
    struct fixture f;
    struct guest *guest = NULL;
    bool changes = true;
    prepare(&f);
    f.machine.tlb.pages_per_entry = 2;
    well(guest_new(&(struct guest_options){.machine = &f.machine}, &guest));
    f.options.guest = guest;
    start(&f);
    const uint64_t addr[] = {PPN(6) * PAGE, 0x400 * PAGE, 0x401 * PAGE};
    const uint8_t what[] = {MEMORY_LOAD, MEMORY_LOAD, MEMORY_LOAD};
    well(guest_references(guest, 0, 0, addr, what, NULL, 2, NULL, 0));
    const struct guest_write write = {.entry_hi = 0x400 * PAGE, .entry_lo1 = LO(6, VALID)};
    well(guest_write(guest, &write, &changes));
    assert_false(changes);
    well(guest_references(guest, 0, 0, addr + 2, what + 2, NULL, 1, NULL, 0));
    well(guest_commit(guest));
    well(memory_replay(f.memory, 0, addr, what, 2, NULL, 0)); /* the pair is half empty */
    well(memory_replay(f.memory, 0, addr + 2, what + 2, 1, NULL, 0));
    assert_int_equal(count(&f, 0)->tlb_misses, 3);
    assert_int_equal(count(&f, 0)->page_faults, 2);
    stop(&f);
    guest_free(guest);
}

static void a_zeroed_or_freed_page_leaves_the_caches(void **state)
{
    (void)state;
    struct fixture f;
    struct guest *guest = NULL;
    struct caches_outcome outcome = {0};
    const uint64_t addr[] = {PPN(1) * PAGE, PPN(1) * PAGE};
    const uint8_t what[] = {MEMORY_STORE, MEMORY_STORE};
    prepare(&f);
    f.machine.caches = 1;
    f.machine.cache[0] = (struct machine_cache){
        .level = 1, .kind = "unified", .size_bytes = 1024, .ways = 2, .line_bytes = 32, .cpus = 1};
    well(guest_new(&(struct guest_options){.machine = &f.machine}, &guest));
    assert_true(guest_outcome_new(&outcome, 8));
    well(guest_references(guest, 0, 0, addr, what, NULL, 2, &outcome, 0));
    assert_int_equal(outcome.level[1], 1);
    well(guest_zero(guest, 0, PPN(1)));
    well(guest_references(guest, 0, 0, addr, what, NULL, 2, &outcome, 0));
    assert_int_equal(outcome.level[0], CACHES_MEMORY);
    guest_free_page(guest, 0, PPN(1));
    well(guest_references(guest, 0, 0, addr, what, NULL, 1, &outcome, 0));
    assert_int_equal(outcome.level[0], CACHES_MEMORY);
    well(guest_dma(guest, 0, PPN(0), 3, true)); /* read by a device: the lines stay */
    well(guest_references(guest, 0, 0, addr, what, NULL, 1, &outcome, 0));
    assert_int_equal(outcome.level[0], 1);
    well(guest_dma(guest, 0, PPN(0), 3, false));
    well(guest_references(guest, 0, 0, addr, what, NULL, 1, &outcome, 0));
    assert_int_equal(outcome.level[0], CACHES_MEMORY);
    well(guest_share(guest, 0, PPN(1), 1, PPN(2), 1));
    guest_free_page(guest, 1, PPN(2)); /* another VM's: the lines stay */
    well(guest_references(guest, 0, 0, addr, what, NULL, 1, &outcome, 0));
    assert_int_equal(outcome.level[0], 1);
    well(guest_commit(guest));
    well(guest_check(guest));
    guest_outcome_free(&outcome);
    guest_free(guest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_valid_half_maps_a_page_and_an_invalid_one_nothing),
        cmocka_unit_test(another_frame_changes_the_mapping_and_drops_its_translations),
        cmocka_unit_test(a_page_of_nobody_is_freed_when_the_guest_maps_another),
        cmocka_unit_test(what_the_guest_does_not_map_is_left_alone),
        cmocka_unit_test(an_entry_with_both_global_bits_is_every_spaces),
        cmocka_unit_test(a_global_entry_takes_the_place_of_what_a_space_shows_there),
        cmocka_unit_test(all_spaces_follow_the_kernels_range),
        cmocka_unit_test(a_space_may_map_a_page_of_the_kernels_range_for_itself),
        cmocka_unit_test(larger_pages_map_all_that_they_hold),
        cmocka_unit_test(a_space_that_is_unmapped_leaves_the_pages_to_the_vm),
        cmocka_unit_test(other_page_sizes_of_the_machine_do_not_fit),
        cmocka_unit_test(a_memory_behind_does_not_see_what_is_mapped_later),
        cmocka_unit_test(a_zeroed_or_freed_page_leaves_the_caches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
