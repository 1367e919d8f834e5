/* The monitor with whole guests: what they see, what is heard of them, what stops them. */
#include "tests/unit/monitor_fixture.h"

#include "vmm-core/memory/counters.h"

static void a_guest_gets_its_arguments_prints_and_exits(void **state)
{
    struct session it = {.words = {"hello from a guest"}};
    run_session(&it, *state);
    assert_null(it.error);
    assert_true(it.vm[0].exited);
    assert_int_equal(it.vm[0].status, 5);
    assert_string_equal(it.vm[0].console, "hello from a guest\n");
    assert_int_equal(it.heard.spaces, 1);
    assert_string_equal(it.heard.names, "vm0 vm0.cpu0 ");
    assert_int_equal(it.heard.references, it.counts.references);
    /* all instructions are fetched; exceptions and interrupts would be instructions without one */
    assert_int_equal(it.heard.fetches, it.counts.instructions);
    assert_int_equal(it.heard.user, 0);
    assert_int_equal(it.heard.events[MONITOR_EXIT], 1);
    assert_true(it.heard.events[MONITOR_DISPATCH] >= 1);
    assert_true(it.heard.events[MONITOR_DMA] >= 2);
    end_session(&it);
}

static void without_fetches_only_data_is_heard(void **state)
{
    struct session all = {.words = {"share 2"}, .vcpus = 4},
                   data = {.words = {"share 2"}, .vcpus = 4, .no_fetches = true};
    run_well(&all, *state);
    run_well(&data, *state);
    assert_int_equal(data.heard.fetches, 0);
    assert_int_equal(data.heard.references, all.heard.references - all.heard.fetches);
    assert_int_equal(data.counts.instructions, all.counts.instructions);
    end_session(&all);
    end_session(&data);
}

static void the_timer_interrupts_and_ends_waiting(void **state)
{
    struct session it = {.words = {"timer"}};
    run_well(&it, *state);
    /* five times 20000 counts, of two instructions each, most of them waited for */
    assert_true(it.counts.idle_instructions > 190000 && it.counts.idle_instructions < 210000);
    assert_true(it.counts.instructions < 2000);
    assert_true(it.heard.events[MONITOR_IDLE] >= 5);
    end_session(&it);
}

static void interrupts_go_round_a_ring_of_vcpus(void **state)
{
    static const uint32_t vcpus[] = {1, 2, 5, 16};
    for (unsigned i = 0; i < 4; i++) {
        struct session it = {.words = {"ring"}, .vcpus = vcpus[i], .machine = "flash-16"};
        run_well(&it, *state);
        assert_string_equal(it.vm[0].console, "ring\n");
        end_session(&it);
    }
}

static void vcpus_share_memory_on_any_number_of_cpus(void **state)
{
    static const uint32_t vcpus[] = {1, 2, 4, 8, 16};
    static const char *const consoles[] = {"right: 4893696\n", "right: 9787392\n",
                                           "right: 19574784\n", "right: 39149568\n",
                                           "right: 78299136\n"};
    for (unsigned i = 0; i < 5; i++) {
        struct session it = {.words = {"share 3"}, .vcpus = vcpus[i], .machine = "flash-16"};
        run_well(&it, *state);
        assert_string_equal(it.vm[0].console, consoles[i]);
        assert_int_equal(it.heard.streams, vcpus[i]);
        end_session(&it);
    }
}

/* Spinning at a barrier for others that share the CPU costs time slices, and no more. */
static void more_vcpus_than_cpus_take_turns(void **state)
{
    struct session it = {.words = {"share 2"}, .vcpus = 4, .machine = "uma", .slice_ns = 100000};
    run_well(&it, *state);
    assert_true(it.heard.events[MONITOR_DISPATCH] > 4);
    end_session(&it);
}

/* Two that have the same first CPU: one moves to a CPU that idles, and both run at once. */
static void an_idle_cpu_takes_a_vcpu_that_waits_for_its_own(void **state)
{
    struct session it = {.words = {"spin 2000000"}, .vms = 2, .vcpus = 8, .slice_ns = 1000000};
    run_well(&it, *state);
    assert_int_not_equal(it.heard.cpu[0], it.heard.cpu[8]);
    assert_true(it.heard.events[MONITOR_DISPATCH] <= 6);
    assert_true(it.counts.idle_instructions < it.counts.instructions / 4);
    end_session(&it);
    struct session one_cpu = {.words = {"spin 2000000"}, .vms = 2, .machine = "uma", .vcpus = 8};
    run_well(&one_cpu, *state);
    end_session(&one_cpu);
}

static void vms_run_side_by_side_with_memory_of_their_own(void **state)
{
    static const uint32_t vms[] = {1, 2, 4, 8};
    for (unsigned i = 0; i < 4; i++) {
        struct session it = {.vms = vms[i],
                             .vcpus = 2,
                             .words = {"share 2", "map", "share 3", "pages", "timer", "ring", "map",
                                       "share 2"}};
        run_well(&it, *state);
        assert_int_equal(it.heard.streams, 2 * vms[i]);
        if (vms[i] == 8)
            assert_string_equal(it.vm[2].console, "right: 9787392\n");
        end_session(&it);
    }
}

static void vms_share_a_region(void **state)
{
    struct session plain = {.words = {"region 4"}, .vms = 4},
                   moved = {.words = {"region 4"}, .vms = 4, .policy = "chaos", .period = 50};
    run_well(&plain, *state);
    run_well(&moved, *state);
    assert_int_equal(plain.heard.events[MONITOR_SHARE], 3);
    assert_true(plain.heard.hash == moved.heard.hash);
    end_session(&plain);
    end_session(&moved);
}

static void asids_map_user_addresses_through_the_guests_refill_handler(void **state)
{
    struct session it = {.words = {"map"}};
    run_well(&it, *state);
    assert_string_equal(it.vm[0].console, "mapped\n");
    assert_string_equal(it.heard.names, "vm0 vm0.cpu0 one pages two pages three pages ");
    assert_int_equal(it.heard.events[MONITOR_SHARE], 3);
    assert_true(it.heard.events[MONITOR_TLBWRITE] >= 450); /* 3 x 150 pairs, each at least once */
    assert_int_equal(it.heard.events[MONITOR_ASID], 10);
    assert_int_equal(it.heard.events[MONITOR_UNMAP], 1);
    assert_int_equal(it.heard.regions, 3);
    end_session(&it);
}

static void pages_are_zeroed_and_given_back(void **state)
{
    struct session plain = {.words = {"pages"}},
                   moved = {.words = {"pages"}, .policy = "chaos", .period = 20};
    run_well(&plain, *state);
    run_well(&moved, *state);
    assert_int_equal(plain.heard.events[MONITOR_FREE], 1);
    assert_int_equal(moved.sum.freed_pages, 1);
    assert_true(plain.heard.hash == moved.heard.hash);
    end_session(&plain);
    end_session(&moved);
}

/* ---- what is refused, and what stops a guest ------------------------------------------------- */

static void memory_beyond_the_machines_is_refused_in_words(void **state)
{
    struct session it = {.words = {"hello"}, .vms = 8, .pages = 8193};
    run_session(&it, *state);
    assert_error_says(it, "262176 KiB of memory together, and flash-8 has 262144 KiB");
    end_session(&it);
    struct session fits = {.words = {"share 1"}, .vms = 8, .pages = 8192};
    run_well(&fits, *state);
    end_session(&fits);
}

static void a_guest_too_large_for_its_vm_is_refused_in_words(void **state)
{
    struct session it = {.words = {"hello"}, .pages = 8};
    run_session(&it, *state);
    assert_error_says(it, "its VM has 32 KiB; give it more");
    end_session(&it);
}

static void what_guests_do_wrong_is_told_with_registers(void **state)
{
    static const struct {
        const char *words, *says, *shows;
    } cases[] = {
        {"kseg0", "touches 0x80001000 in KSEG0", "pc "},
        {"device", "touches 0xbf000500 in KSEG1", "kernel mode"},
        {"call", "there is no monitor call 77", "$4 "},
        {"sleep", "all vCPUs wait", "waiting"},
        {"vector", "an exception within an exception", "EPC"},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct session it = {.words = {cases[i].words}, .vcpus = 2};
        run_session(&it, *state);
        assert_error_says(it, cases[i].says);
        assert_error_says(it, "guest: vm0.cpu");
        assert_non_null(it.registers);
        assert_non_null(strstr(it.registers, cases[i].shows));
        assert_false(it.vm[0].exited);
        end_session(&it);
    }
}

static void monitor_calls_with_nonsense_are_refused(void **state)
{
    for (unsigned seed = 1; seed <= 20; seed++) {
        char words[32];
        (void)snprintf(words, sizeof words, "storm %u", seed);
        struct session it = {.words = {words},
                             .vms = 3,
                             .policy = seed % 2 ? "chaos" : NULL,
                             .period = 10,
                             .check_rounds = 5};
        run_well(&it, *state);
        end_session(&it);
    }
}

static void a_listener_that_fails_ends_the_run(void **state)
{
    struct session it = {.words = {"share 3"}, .fail_at = 10000};
    run_session(&it, *state);
    assert_error_says(it, "the disk is full");
    end_session(&it);
}

/* Where the run ends no more pages are placed, which is none of the guest's errors. */
static void a_guest_says_nothing_of_its_runs_end(void **state)
{
    for (uint64_t at = 200; at < 1200; at += 100) {
        struct session it = {.words = {"touch"}, .fail_at = at};
        run_session(&it, *state);
        assert_error_says(it, "the disk is full");
        assert_string_equal(it.vm[0].console, "");
        assert_false(it.vm[0].exited);
        end_session(&it);
    }
}

static void a_limit_of_instructions_ends_the_run(void **state)
{
    struct session it = {.words = {"share 100"}, .instructions = 100000};
    run_session(&it, *state);
    assert_null(it.error);
    assert_false(it.vm[0].exited);
    assert_true(it.counts.instructions >= 100000 && it.counts.instructions < 120000);
    end_session(&it);
}

static void damaged_kernels_are_refused(void **state)
{
    const struct guest_file *const guest = *state;
    if (!guest->elf)
        skip();
    uint8_t *const copy = malloc(guest->bytes);
    uint64_t random = 1;
    unsigned refused = 0;
    for (unsigned round = 0; round < 3000; round++) {
        memcpy(copy, guest->elf, guest->bytes);
        for (unsigned i = 0; i < 4; i++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
            copy[(random >> 33) % 200] = (uint8_t)(random >> 20);
        }
        struct load load;
        char *const error =
            load_guest("copy", copy, round % 7 ? guest->bytes : round % 200, 4u << 20, &load);
        refused += error != NULL;
        for (uint32_t s = 0; !error && s < load.segments; s++) {
            assert_true(load.segment[s].physical + (uint64_t)load.segment[s].bytes <= 4u << 20);
            assert_true(load.segment[s].from >= copy &&
                        load.segment[s].from + load.segment[s].bytes <= copy + guest->bytes);
        }
        free(error);
    }
    assert_true(refused > 1000);
    free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_guest_gets_its_arguments_prints_and_exits),
        cmocka_unit_test(without_fetches_only_data_is_heard),
        cmocka_unit_test(the_timer_interrupts_and_ends_waiting),
        cmocka_unit_test(interrupts_go_round_a_ring_of_vcpus),
        cmocka_unit_test(vcpus_share_memory_on_any_number_of_cpus),
        cmocka_unit_test(more_vcpus_than_cpus_take_turns),
        cmocka_unit_test(an_idle_cpu_takes_a_vcpu_that_waits_for_its_own),
        cmocka_unit_test(vms_run_side_by_side_with_memory_of_their_own),
        cmocka_unit_test(vms_share_a_region),
        cmocka_unit_test(asids_map_user_addresses_through_the_guests_refill_handler),
        cmocka_unit_test(pages_are_zeroed_and_given_back),
        cmocka_unit_test(memory_beyond_the_machines_is_refused_in_words),
        cmocka_unit_test(a_guest_too_large_for_its_vm_is_refused_in_words),
        cmocka_unit_test(what_guests_do_wrong_is_told_with_registers),
        cmocka_unit_test(monitor_calls_with_nonsense_are_refused),
        cmocka_unit_test(a_listener_that_fails_ends_the_run),
        cmocka_unit_test(a_guest_says_nothing_of_its_runs_end),
        cmocka_unit_test(a_limit_of_instructions_ends_the_run),
        cmocka_unit_test(damaged_kernels_are_refused),
    };
    return cmocka_run_group_tests(tests, build_guest, drop_guest);
}
