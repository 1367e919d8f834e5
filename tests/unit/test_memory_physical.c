/* What a monitor does with guest-physical pages: zero, DMA, free, services; where their bytes are. */
#include "tests/unit/memory_fixture.h"

#include "vmm-core/memory/guest-writes.h"

#include <stdio.h>

#define PPN(number) (GUEST_DIRECT_VPN + (number))

static void a_zeroed_page_is_placed_and_charged(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    start(&f);
    well(memory_zero(f.memory, 1, 0, PPN(5)));
    assert_int_equal(count(&f, 1)->zeroed_pages, 1);
    assert_int_equal(count(&f, 1)->page_faults, 1);
    assert_int_equal(account_ns(&f, 1, ACCOUNT_monitor), 1009 + 10007);
    const uint32_t page = memory_find(f.memory, 0, PPN(5));
    assert_int_equal(memory_page(f.memory, page).home, 1);
    load(&f, 0, PPN(5)); /* no first touch */
    assert_int_equal(count(&f, 0)->page_faults, 0);
    assert_int_equal(account_ns(&f, 0, ACCOUNT_monitor), 1009);
    stop(&f);
}

static void zeroing_a_page_again_collapses_its_replicas(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    start(&f);
    well(memory_zero(f.memory, 0, 0, PPN(5)));
    const uint32_t page = memory_find(f.memory, 0, PPN(5));
    load(&f, 0, PPN(5));
    load(&f, 1, PPN(5));
    f.memory->acting = f.memory->cpu[0];
    assert_int_equal(replicate(&f, page, 1), POLICY_DONE);
    f.memory->acting = NULL;
    well(memory_zero(f.memory, 2, 0, PPN(5)));
    assert_int_equal(count(&f, 2)->collapses, 1);
    assert_int_equal(count(&f, 2)->page_faults, 0);
    assert_int_equal(account_ns(&f, 2, ACCOUNT_monitor), 1009 + 10007);
    assert_int_equal(account_ns(&f, 2, ACCOUNT_move), 503 + 2003);
    assert_int_equal(memory_page(f.memory, page).replicas, 0);
    stop(&f);
}

static void a_device_places_pages_and_collapses_what_it_writes(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    start(&f);
    well(memory_dma(f.memory, 1, 0, PPN(3), 4, false));
    assert_int_equal(count(&f, 1)->dma_pages, 4);
    assert_int_equal(count(&f, 1)->page_faults, 4);
    assert_int_equal(count(&f, 1)->zeroed_pages, 0);
    const uint32_t page = memory_find(f.memory, 0, PPN(4));
    assert_int_equal(replicate(&f, page, 0), POLICY_DONE);
    well(memory_dma(f.memory, 1, 0, PPN(3), 4, true)); /* a device reads them */
    assert_int_equal(count(&f, 1)->collapses, 0);
    well(memory_dma(f.memory, 1, 0, PPN(3), 4, false));
    assert_int_equal(count(&f, 1)->collapses, 1);
    assert_int_equal(count(&f, 1)->dma_pages, 12);
    assert_int_equal(account_ns(&f, 1, ACCOUNT_monitor), 1009 + 4 * 10007);
    char *const error = memory_dma(f.memory, 1, 0, PPN(0), GUEST_DIRECT_PAGES + 1, false);
    assert_non_null(strstr(error, "65536"));
    free(error);
    stop(&f);
}

static void a_freed_page_keeps_its_number_and_is_placed_anew(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    f.wants.signals = POLICY_SIGNAL_HOT;
    f.wants.trigger = 3;
    start(&f);
    load(&f, 0, PPN(7));
    load(&f, 1, PPN(7));
    load(&f, 1, PPN(7));
    const uint32_t page = memory_find(f.memory, 0, PPN(7));
    assert_int_equal(replicate(&f, page, 1), POLICY_DONE);
    load(&f, 1, PPN(7));
    assert_int_equal(memory_node(f.memory, 0).frames_used, 1);
    assert_int_equal(memory_node(f.memory, 1).frames_used, 1);
    const uint64_t clock = count(&f, 1)->clock_ps;
    well(memory_free_page(f.memory, 1, 0, PPN(7)));
    well(memory_free_page(f.memory, 1, 0, PPN(7))); /* it has no frame */
    well(memory_free_page(f.memory, 1, 0, PPN(8))); /* nor has this one */
    assert_int_equal(count(&f, 1)->freed_pages, 1);
    assert_int_equal(count(&f, 1)->clock_ps, clock);
    assert_int_equal(memory_node(f.memory, 0).frames_used, 0);
    assert_int_equal(memory_node(f.memory, 1).frames_used, 0);
    assert_false(memory_frame(f.memory, page, 0, NULL, NULL));
    assert_false(memory_page(f.memory, page).mapped);
    well(memory_check(f.memory));
    const uint64_t misses = count(&f, 1)->tlb_misses;
    const uint64_t hot = count(&f, 1)->hot_pages;
    load(&f, 1, PPN(7)); /* no translation was left; the counters began anew */
    assert_int_equal(count(&f, 1)->tlb_misses, misses + 1);
    assert_int_equal(count(&f, 1)->page_faults, 1);
    load(&f, 0, PPN(7));
    load(&f, 0, PPN(7));
    assert_int_equal(count(&f, 0)->hot_pages, 0);
    assert_int_equal(count(&f, 1)->hot_pages, hot);
    assert_int_equal(memory_find(f.memory, 0, PPN(7)), page);
    assert_int_equal(memory_page(f.memory, page).first_home, 0);
    assert_int_equal(memory_page(f.memory, page).home, 1);
    stop(&f);
}

static void another_vms_page_is_not_freed(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    start(&f);
    well(memory_share(f.memory, 0, PPN(2) * PAGE, 1, PPN(6) * PAGE, PAGE));
    well(memory_zero(f.memory, 0, 1, PPN(6)));
    assert_int_equal(memory_find(f.memory, 0, PPN(2)), memory_find(f.memory, 1, PPN(6)));
    well(memory_free_page(f.memory, 0, 1, PPN(6)));
    assert_int_equal(memory_node(f.memory, 0).frames_used, 1);
    well(memory_free_page(f.memory, 0, 0, PPN(2)));
    assert_int_equal(memory_node(f.memory, 0).frames_used, 0);
    stop(&f);
}

static void a_part_of_a_huge_page_is_not_freed(void **state)
{
    (void)state;
    struct fixture f;
    uint32_t frame = 0;
    const struct guest_range block = {.first = GUEST_DIRECT_VPN, .pages = 512};
    prepare(&f);
    f.machine.tlb.refill = TLB_REFILL_HARDWARE;
    f.node[1].memory_bytes = 600 * PAGE;
    f.options.huge = &block;
    f.options.huge_ranges = 1;
    start(&f);
    well(memory_zero(f.memory, 1, 0, PPN(5)));
    assert_int_equal(count(&f, 1)->huge_faults, 1);
    well(memory_free_page(f.memory, 1, 0, PPN(5)));
    assert_int_equal(count(&f, 1)->freed_pages, 0);
    assert_int_equal(memory_node(f.memory, 1).frames_used, 512);
    assert_true(memory_frame(f.memory, memory_find(f.memory, 0, PPN(5)), 0, &frame, NULL));
    assert_int_equal(frame, 5);
    stop(&f);
}

static void services_are_counted_and_charged(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    f.machine.costs.privileged_ns = 3;
    f.machine.costs.tlb_write_ns = 5;
    f.machine.costs.reflect_ns = 7;
    f.machine.costs.monitor_call_ns = 11;
    f.machine.costs.interrupt_ns = 13;
    start(&f);
    well(memory_service(f.memory, 2, MEMORY_SERVICE_PRIVILEGED, 1000));
    assert_int_equal(account_ns(&f, 2, ACCOUNT_monitor), 1009 + 3000);
    well(memory_service(f.memory, 2, MEMORY_SERVICE_REFLECT, 100));
    well(memory_service(f.memory, 2, MEMORY_SERVICE_CALL, 10));
    well(memory_service(f.memory, 2, MEMORY_SERVICE_INTERRUPT, 1));
    assert_int_equal(account_ns(&f, 2, ACCOUNT_monitor), 1009 + 3000 + 700 + 110 + 13);
    well(memory_service(f.memory, 2, MEMORY_SERVICE_REFILL, 9));
    assert_int_equal(account_ns(&f, 2, ACCOUNT_tlb), 0);
    well(memory_service(f.memory, 2, MEMORY_SERVICE_TLB_WRITE, 4));
    assert_int_equal(account_ns(&f, 2, ACCOUNT_tlb), 20);
    assert_int_equal(count(&f, 2)->privileged, 1000);
    assert_int_equal(count(&f, 2)->reflections, 100);
    assert_int_equal(count(&f, 2)->monitor_calls, 10);
    assert_int_equal(count(&f, 2)->interrupts, 1);
    assert_int_equal(count(&f, 2)->monitor_refills, 9);
    assert_int_equal(count(&f, 2)->tlb_writes, 4);
    stop(&f);
}

static void services_that_cannot_be_are_refused_and_clocks_do_not_run_over(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    f.machine.costs.privileged_ns = 1000;
    start(&f);
    well(memory_service(f.memory, 0, MEMORY_SERVICE_PRIVILEGED, UINT64_MAX));
    well(memory_service(f.memory, 0, MEMORY_SERVICE_PRIVILEGED, UINT64_MAX));
    assert_int_equal(count(&f, 0)->clock_ps, CLOCK_PS_MOST);
    char *error = memory_service(f.memory, 0, MEMORY_SERVICE_KINDS, 1);
    assert_non_null(error);
    free(error);
    error = memory_service(f.memory, CPUS, MEMORY_SERVICE_CALL, 1);
    assert_non_null(strstr(error, "no such CPU"));
    free(error);
    stop(&f);
}

static void a_cpu_maps_the_nearest_copy(void **state)
{
    (void)state;
    struct fixture f;
    uint32_t here = 0;
    uint32_t there = 0;
    bool replicated = true;
    prepare(&f);
    start(&f);
    assert_int_equal(memory_find(f.memory, 0, PPN(1)), MEMORY_NO_PAGE);
    well(memory_zero(f.memory, 0, 0, PPN(1)));
    well(memory_share(f.memory, 0, GUEST_DIRECT_BASE, 1, GUEST_DIRECT_BASE, 16 * PAGE));
    const uint32_t page = memory_find(f.memory, 1, PPN(1)); /* shown, and not touched there */
    assert_int_equal(page, memory_find(f.memory, 0, PPN(1)));
    assert_true(memory_frame(f.memory, page, 1, &there, &replicated));
    assert_false(replicated);
    assert_int_equal(replicate(&f, page, 1), POLICY_DONE);
    assert_true(memory_frame(f.memory, page, 0, &here, &replicated));
    assert_int_equal(here, there);
    assert_true(replicated);
    assert_true(memory_frame(f.memory, page, 1, &there, NULL));
    assert_int_not_equal(here, there);
    stop(&f);
}

static void a_guest_that_refills_for_itself_is_not_charged_for_it(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    f.options.guest_refills = true;
    start(&f);
    load(&f, 0, 1);
    assert_int_equal(count(&f, 0)->l2tlb_misses, 1);
    assert_int_equal(account_ns(&f, 0, ACCOUNT_tlb), 11);
    stop(&f);
}

/* ---- hooks ---------------------------------------------------------------------------------------- */

struct log {
    char text[512];
};

static void say(struct log *log, const char *what, uint32_t one, uint32_t other)
{
    const size_t length = strlen(log->text);
    (void)snprintf(log->text + length, sizeof log->text - length, "%s %u %u; ", what, one, other);
}
static void say_placed(void *log, uint32_t page, uint32_t frame, uint32_t node)
{
    (void)node;
    say(log, "placed", page, frame);
}
static void say_copied(void *log, uint32_t page, uint32_t from, uint32_t to, uint32_t to_node)
{
    (void)page;
    (void)to_node;
    say(log, "copied", from, to);
}
static void say_freed(void *log, uint32_t frame)
{
    say(log, "freed", frame, 0);
}
static void say_remapped(void *log, uint32_t page)
{
    say(log, "remapped", page, 0);
}

static void hooks_tell_of_bytes_in_their_order(void **state)
{
    (void)state;
    struct fixture f;
    struct log log = {{0}};
    const struct memory_frames frames = {.context = &log,
                                         .placed = say_placed,
                                         .copied = say_copied,
                                         .freed = say_freed,
                                         .remapped = say_remapped};
    prepare(&f);
    f.options.frames = &frames;
    start(&f);
    load(&f, 0, PPN(0));
    assert_string_equal(log.text, "placed 0 0; ");
    *log.text = 0;
    assert_int_equal(migrate(&f, 0, 1), POLICY_DONE);
    assert_string_equal(log.text, "copied 0 1; remapped 0 0; freed 0 0; ");
    *log.text = 0;
    assert_int_equal(replicate(&f, 0, 0), POLICY_DONE);
    assert_string_equal(log.text, "copied 1 0; remapped 0 0; ");
    *log.text = 0;
    /* the replica stays; a monitor may have written to the master meanwhile */
    assert_int_equal(migrate(&f, 0, 0), POLICY_DONE);
    assert_string_equal(log.text, "remapped 0 0; copied 1 0; freed 1 0; ");
    *log.text = 0;
    assert_int_equal(replicate(&f, 0, 2), POLICY_DONE);
    *log.text = 0;
    store(&f, 1, PPN(0));
    assert_string_equal(log.text, "remapped 0 0; freed 2 0; ");
    *log.text = 0;
    well(memory_free_page(f.memory, 0, 0, PPN(0)));
    assert_string_equal(log.text, "remapped 0 0; freed 0 0; ");
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_zeroed_page_is_placed_and_charged),
        cmocka_unit_test(zeroing_a_page_again_collapses_its_replicas),
        cmocka_unit_test(a_device_places_pages_and_collapses_what_it_writes),
        cmocka_unit_test(a_freed_page_keeps_its_number_and_is_placed_anew),
        cmocka_unit_test(another_vms_page_is_not_freed),
        cmocka_unit_test(a_part_of_a_huge_page_is_not_freed),
        cmocka_unit_test(services_are_counted_and_charged),
        cmocka_unit_test(services_that_cannot_be_are_refused_and_clocks_do_not_run_over),
        cmocka_unit_test(a_cpu_maps_the_nearest_copy),
        cmocka_unit_test(a_guest_that_refills_for_itself_is_not_charged_for_it),
        cmocka_unit_test(hooks_tell_of_bytes_in_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
